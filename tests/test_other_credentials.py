"""Authentication by other things than a certificate's own key: raw public keys, delegated credentials, keys that live
elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import tls13
from tls13 import errors
from tls13.lab.authority import CLIENT_AUTH, Authority, Issued
from tls13.lab.scripted import with_extension
from tls13.trust.delegated import CLIENT_CONTEXT, DELEGATION_USAGE, SERVER_CONTEXT, issue
from tls13.trust.raw_keys import RawPublicKey
from tls13.wire.companions import ClientCertType, DelegatedCredential, ServerCertType
from tls13.wire.messages import Certificate, EncryptedExtensions
from tls13.wire.registry import CertificateType, SignatureScheme

HOST = "server.example"
NOW = datetime.now(UTC)


def delegating(authority: Authority, *, usage: bool = True, critical: bool = False, client: bool = False) -> Issued:
    """A certificate with the DelegationUsage extension (RFC 9345, section 4.2): an ASN.1 NULL."""
    key = ec.generate_private_key(ec.SECP256R1())
    purpose = x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH if client else x509.oid.ExtendedKeyUsageOID.SERVER_AUTH
    draft = authority.draft([HOST], key.public_key(), usages=[purpose])
    if usage:
        null = x509.UnrecognizedExtension(DELEGATION_USAGE, b"\x05\x00")
        draft = draft.with_extension(null, critical=critical)
    certificate = authority.sign(draft)
    return Issued(certificate, key, (certificate, *authority.chain))


# --- RFC 7250: raw public keys ---------------------------------------------------------------------------------------


@pytest.fixture(params=["ec", "ed25519", "rsa"])
def raw_key(request) -> RawPublicKey:
    make = {
        "ec": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
    }
    return RawPublicKey(make[request.param]())


def test_a_server_with_a_raw_key(pair, raw_key) -> None:
    made = pair(
        client=tls13.ClientConfig(server_raw_keys=[raw_key.spki]), server=tls13.ServerConfig(raw_key), host=None
    )
    made.run()
    assert made.client.session.raw_public_key == raw_key.spki
    assert made.client.session.peer_certificates == ()


def test_a_raw_key_that_is_not_trusted(quick_pair) -> None:
    """RFC 7250, section 6: without a certificate the key itself must be known."""
    shown, known = (RawPublicKey(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
    made = quick_pair(client=tls13.ClientConfig(server_raw_keys=[known.spki]), server=tls13.ServerConfig(shown))
    made.expect_refusal_by_client(errors.UnknownPublicKey, told=False)


def test_a_raw_key_of_somebody_else_cannot_sign(quick_pair) -> None:
    """Knowing the key is not having it."""
    mine, known = (RawPublicKey(ed25519.Ed25519PrivateKey.generate()) for _ in range(2))
    mine.der_chain = known.der_chain
    made = quick_pair(client=tls13.ClientConfig(server_raw_keys=[known.spki]), server=tls13.ServerConfig(mine))
    made.expect_refusal_by_client(errors.BadSignature, told=False)


def test_both_sides_with_raw_keys(pair) -> None:
    ours, theirs = (RawPublicKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    made = pair(
        client=tls13.ClientConfig(server_raw_keys=[theirs.spki], identities=ours),
        server=tls13.ServerConfig(theirs, client_raw_keys=[ours.spki]),
        host=None,
    )
    made.run()
    assert made.server.session.raw_public_key == ours.spki
    assert made.client.session.raw_public_key == theirs.spki


def test_a_resumed_session_still_says_whose_key_it_was(pair) -> None:
    ours, theirs = (RawPublicKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    client = tls13.ClientConfig(server_raw_keys=[theirs.spki], identities=ours, sessions=tls13.SessionCache())
    server = tls13.ServerConfig(theirs, client_raw_keys=[ours.spki])
    pair(client=client, server=server).run()
    made = pair(client=client, server=server)
    made.run()
    assert made.client.session.resumed
    assert made.client.session.raw_public_key == theirs.spki
    assert made.server.session.raw_public_key == ours.spki


def test_a_session_with_a_raw_key_is_not_offered_where_that_key_is_not_trusted_any_more(quick_pair) -> None:
    theirs, other = (RawPublicKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    client = tls13.ClientConfig(server_raw_keys=[theirs.spki], sessions=tls13.SessionCache())
    made = quick_pair(client=client, server=tls13.ServerConfig(theirs))
    stored = [event.session for event in made.run().client if isinstance(event, tls13.TicketReceived)]
    config = client.replace(server_raw_keys=[other.spki])
    again = tls13.ClientConnection(config, server_hostname=HOST, session=stored[0])
    assert again._handshake.stored is None


def test_a_server_with_both_shows_what_the_client_prefers(quick_pair, identity, client_config, trust) -> None:
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))
    server = tls13.ServerConfig([raw, identity])
    plain = quick_pair(client=client_config, server=server)
    plain.run()
    assert plain.client.session.verified_chain
    both = quick_pair(client=tls13.ClientConfig(server_raw_keys=[raw.spki], trust=trust), server=server)
    both.run()
    assert both.client.session.raw_public_key == raw.spki


@pytest.mark.parametrize("auth", tls13.ClientAuth)
def test_a_server_that_knows_raw_keys_alone_believes_no_chain(quick_pair, client_config, identity, auth) -> None:
    """Nobody there could say whether it is a good one. (A client that names no certificate types has chains: 4.5.1.)"""
    stranger = Authority.create(now=NOW).issue([], common_name="a stranger", usages=[CLIENT_AUTH])
    known = RawPublicKey(ed25519.Ed25519PrivateKey.generate())
    made = quick_pair(
        client=client_config.replace(identities=stranger.identity, post_handshake_auth=True),
        server=tls13.ServerConfig(identity, client_raw_keys=[known.spki], client_auth=auth),
    )
    if auth is tls13.ClientAuth.LATER:
        made.run()
        made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.CertificateTypeNotOffered)
    assert made.server.session is None or not made.server.session.peer_certificates


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("shown", ["a raw key", "a chain"])
def test_what_a_client_shows_later_is_agreed_on_in_the_handshake(
    quick_pair, client_config, identity, authority, trust, shown, resumed
) -> None:
    """Section 4.5.1: a chain, unless EncryptedExtensions said otherwise; in a resumed connection too."""
    ours = {
        "a raw key": RawPublicKey(ec.generate_private_key(ec.SECP256R1())),
        "a chain": authority.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity,
    }
    client = client_config.replace(
        identities=ours[shown], post_handshake_auth=True, sessions=tls13.SessionCache() if resumed else None
    )
    keys = [ours["a raw key"].spki]
    server = tls13.ServerConfig(identity, client_raw_keys=keys, client_trust=trust, client_auth=tls13.ClientAuth.LATER)
    if resumed:
        quick_pair(client=client, server=server).run()
    made = quick_pair(client=client, server=server)
    made.run()
    assert made.server.session.resumed == resumed
    made.server.request_client_certificate()
    made.run()
    assert (made.server.session.raw_public_key in keys) == (shown == "a raw key")
    assert bool(made.server.session.verified_chain) == (shown == "a chain")


@pytest.mark.parametrize("kind", [CertificateType.X509, CertificateType.OpenPGP, CertificateType(200)])
def test_a_server_asks_for_what_the_client_has(quick_pair, client_config, identity, kind) -> None:
    """RFC 7250, section 4.2: one of the values that the client sent."""
    ours = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))

    def script(message):
        if not isinstance(message, EncryptedExtensions):
            return message
        return with_extension(message, ClientCertType(client_certificate_type=kind))

    made = quick_pair(
        client=client_config.replace(identities=ours),
        server=tls13.ServerConfig(identity, client_raw_keys=[ours.spki]),
        server_script=script,
    )
    made.expect_refusal_by_client(errors.CertificateTypeNotOffered)


def test_a_raw_key_does_not_stand_in_the_way_of_a_certificate(quick_pair, client_config, authority) -> None:
    """A raw key is for any name, and a client that takes certificates only is not shown it."""
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))
    server = tls13.ServerConfig([authority.issue(["a.example", HOST]).identity, raw])
    careless = client_config.replace(trust=None, verify=tls13.INSECURE_NO_VERIFICATION)
    made = quick_pair(client=careless, server=server, host="other.example")
    made.run()
    assert made.client.session.peer_certificates


def test_no_type_in_common(quick_pair, client_config, identity) -> None:
    """RFC 7250, section 4.2: unsupported_certificate."""
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))
    quick_pair(client=client_config, server=tls13.ServerConfig(raw)).expect_refusal_by_server(
        errors.CertificateTypeNotOffered
    )
    quick_pair(client=tls13.ClientConfig(server_raw_keys=[raw.spki])).expect_refusal_by_server(
        errors.CertificateTypeNotOffered
    )


@pytest.mark.requirement("R167")
def test_a_server_that_chooses_a_type_that_was_not_offered(quick_pair, trust) -> None:
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))
    body = ServerCertType(server_certificate_type=CertificateType.OpenPGP)
    made = quick_pair(
        client=tls13.ClientConfig(server_raw_keys=[raw.spki], trust=trust),
        server_script=lambda m: with_extension(m, body) if isinstance(m, EncryptedExtensions) else m,
    )
    made.expect_refusal_by_client(errors.CertificateTypeNotOffered)


def test_two_raw_keys_are_one_too_many(quick_pair) -> None:
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))

    def script(message):
        if isinstance(message, Certificate):
            return message.replace(certificate_list=message.certificate_list * 2)
        return message

    made = quick_pair(
        client=tls13.ClientConfig(server_raw_keys=[raw.spki]), server=tls13.ServerConfig(raw), server_script=script
    )
    made.expect_refusal_by_client(errors.MalformedCertificate)


def test_raw_keys_alone_need_no_system_store_and_no_name() -> None:
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))
    config = tls13.ClientConfig(server_raw_keys=[raw.spki])
    assert config.trust is None
    tls13.ClientConnection(config, server_hostname=None)


# --- RFC 9345: delegated credentials ---------------------------------------------------------------------------------


def delegated(issued: Issued, *, days: float = 3, context: bytes = SERVER_CONTEXT, key=None) -> tls13.Identity:
    key = ed25519.Ed25519PrivateKey.generate() if key is None else key
    credential = issue(issued.identity, key.public_key(), until=NOW + timedelta(days=days), context=context)
    return tls13.Identity(issued.chain, key, delegated_credential=credential)


@pytest.fixture(scope="module")
def owner(authority) -> Issued:
    return delegating(authority)


@pytest.fixture
def accepting(client_config) -> tls13.ClientConfig:
    return client_config.replace(delegated_credentials=True)


def test_a_delegated_credential_signs_in_place_of_the_certificate(pair, owner, accepting) -> None:
    made = pair(client=accepting, server=tls13.ServerConfig(delegated(owner)))
    made.run()
    assert made.client.session.signature_scheme == SignatureScheme.ed25519
    assert made.client.session.verified_chain[0] == owner.certificate


def test_a_session_ends_with_the_credential_that_it_rests_on(quick_pair, owner, accepting) -> None:
    """RFC 9345: what a credential proves must not outlive it; nor may a session that came of such a session."""
    now = [NOW.timestamp()]
    client = accepting.replace(sessions=tls13.SessionCache(), clock=lambda: now[0], max_session_age=10**9)
    identity = delegated(owner, days=2)
    server = tls13.ServerConfig(identity, clock=lambda: now[0], ticket_lifetime=604_800, max_session_age=10**9)
    resumed = []
    for _ in range(2):
        made = quick_pair(client=client, server=server)
        made.run()
        resumed.append(made.client.session.resumed)
        now[0] += 86400
    assert resumed == [False, True]
    now[0] += 1
    quick_pair(client=client, server=server).expect_refusal_by_client(errors.BadDelegatedCredential)


def test_a_client_that_does_not_ask_is_shown_the_certificate_itself(quick_pair, owner, client_config) -> None:
    """RFC 9345, section 4.1.1: the server MUST NOT send one then."""
    server = tls13.ServerConfig([delegated(owner), owner.identity])
    made = quick_pair(client=client_config, server=server)
    made.run()
    assert made.client.session.signature_scheme == SignatureScheme.ecdsa_secp256r1_sha256
    quick_pair(client=client_config, server=tls13.ServerConfig(delegated(owner))).expect_refusal_by_server(
        errors.NoCommonSignatureScheme
    )


def test_an_unasked_credential_is_refused(quick_pair, owner, client_config) -> None:
    """RFC 9846, section 4.3: unsupported_extension, like any answer to nothing."""
    made = quick_pair(
        client=client_config, server=tls13.ServerConfig(owner.identity), server_script=showing(delegated(owner))
    )
    made.expect_refusal_by_client(errors.UnsupportedExtension)


def showing(identity: tls13.Identity, change=lambda credential: credential):
    """A script that puts another credential beside the leaf."""

    def script(message):
        if not isinstance(message, Certificate) or not message.certificate_list:
            return message
        first, *rest = message.certificate_list
        body = change(identity.delegated_credential)
        block = type(first.extensions)(((int(body.extension_type), body.encode()),), first.extensions.place)
        return message.replace(certificate_list=(first.replace(extensions=block), *rest))

    return script


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.replace(cred=c.cred.replace(valid_time=1)), "expired"),
        (lambda c: c.replace(cred=c.cred.replace(valid_time=2**31)), "more than 7 days"),
        (lambda c: c.replace(cred=c.cred.replace(valid_time=c.cred.valid_time - 1)), "signature is not"),
        (lambda c: c.replace(signature=bytes(70)), "signature is not"),
        (
            lambda c: c.replace(cred=c.cred.replace(dc_cert_verify_algorithm=SignatureScheme.rsa_pss_rsae_sha256)),
            "dc_cert_verify_algorithm",
        ),
        (lambda c: c.replace(cred=c.cred.replace(dc_cert_verify_algorithm=SignatureScheme(0x0101))), "dc_cert_ver"),
        (lambda c: c.replace(algorithm=SignatureScheme.rsa_pkcs1_sha256), "which we did not offer"),
        (lambda c: c.replace(algorithm=SignatureScheme.rsa_pss_rsae_sha256), "with the certificate's key"),
    ],
)
def test_a_credential_that_is_not_valid(quick_pair, owner, accepting, change, says) -> None:
    """RFC 9345, section 4.1.3: illegal_parameter."""
    identity = delegated(owner)
    made = quick_pair(client=accepting, server=tls13.ServerConfig(identity), server_script=showing(identity, change))
    assert says in str(made.expect_refusal_by_client(errors.BadDelegatedCredential))


def test_a_credential_for_a_client_is_none_for_a_server(quick_pair, owner, accepting) -> None:
    """The context string keeps the two apart (section 4)."""
    identity = delegated(owner, context=CLIENT_CONTEXT)
    made = quick_pair(client=accepting, server=tls13.ServerConfig(identity))
    made.expect_refusal_by_client(errors.BadDelegatedCredential, told=False)


@pytest.mark.parametrize("how", [{"usage": False}, {"critical": True}])
def test_a_certificate_that_may_not_delegate(quick_pair, authority, owner, accepting, how) -> None:
    """Section 4.2: DelegationUsage, non-critical, and digitalSignature."""
    plain = delegating(authority, **how)
    with pytest.raises(tls13.ConfigurationError, match="may not delegate"):
        delegated(plain)
    if "usage" in how:
        made = quick_pair(
            client=accepting, server=tls13.ServerConfig(plain.identity), server_script=showing(delegated(owner))
        )
        assert "DelegationUsage" in str(made.expect_refusal_by_client(errors.BadDelegatedCredential))


def test_a_credential_of_another_certificate(quick_pair, authority, owner, accepting) -> None:
    """The signature is over the whole certificate, not only its key (section 4)."""
    other = delegating(authority)
    made = quick_pair(
        client=accepting, server=tls13.ServerConfig(other.identity), server_script=showing(delegated(owner))
    )
    made.expect_refusal_by_client(errors.BadDelegatedCredential)


def test_a_client_may_delegate_too(pair, authority, trust, client_config, server_config) -> None:
    owner = delegating(authority, client=True)
    made = pair(
        client=client_config.replace(identities=delegated(owner, context=CLIENT_CONTEXT)),
        server=server_config.replace(client_trust=trust, delegated_credentials=True),
    )
    made.run()
    assert made.server.session.client_scheme == SignatureScheme.ed25519
    assert made.server.session.verified_chain[0] == owner.certificate


def test_an_rsa_key_cannot_be_lent_to(owner) -> None:
    """Section 4: not under the rsaEncryption OID, and `cryptography` makes no others."""
    with pytest.raises(tls13.ConfigurationError, match="key of this kind"):
        delegated(owner, key=rsa.generate_private_key(65537, 2048))


def test_the_key_must_be_the_credentials(owner) -> None:
    credential = delegated(owner).delegated_credential
    with pytest.raises(tls13.ConfigurationError, match="not the one that the delegated credential"):
        tls13.Identity(owner.chain, ed25519.Ed25519PrivateKey.generate(), delegated_credential=credential)


def test_a_credential_is_encoded_as_the_rfc_says(owner) -> None:
    """Section 4, byte by byte: valid_time, scheme, SPKI<1..2^24-1>, algorithm, signature<0..2^16-1>."""
    key = ed25519.Ed25519PrivateKey.generate()
    identity = delegated(owner, key=key)
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    credential = identity.delegated_credential
    assert isinstance(credential, DelegatedCredential)
    expected = credential.cred.valid_time.to_bytes(4, "big") + b"\x08\x07" + len(spki).to_bytes(3, "big") + spki
    expected += b"\x04\x03" + len(credential.signature).to_bytes(2, "big") + credential.signature
    assert credential.encode() == expected


# --- keys that live elsewhere ----------------------------------------------------------------------------------------


def test_a_signer_that_answers_at_once(pair, issued, client_config) -> None:
    asked = []

    def signer(scheme: SignatureScheme, content: bytes) -> bytes:
        asked.append(scheme)
        return issued.identity.sign(scheme, content)

    made = pair(client=client_config, server=tls13.ServerConfig(tls13.Identity(issued.chain, signer=signer)))
    made.run()
    assert asked == [SignatureScheme.ecdsa_secp256r1_sha256]


def test_an_identity_needs_one_key(issued) -> None:
    with pytest.raises(tls13.ConfigurationError, match="either a private key or a signer"):
        tls13.Identity(issued.chain)
    with pytest.raises(tls13.ConfigurationError, match="either a private key or a signer"):
        tls13.Identity(issued.chain, issued.private_key, signer=lambda scheme, content: b"")


@pytest.mark.parametrize("keys", [b"one key", [b"no key"], [b""]])
def test_what_is_no_list_of_keys_is_refused_when_the_config_is_made(identity, keys) -> None:
    with pytest.raises(tls13.ConfigurationError, match="SubjectPublicKeyInfo"):
        tls13.ClientConfig(server_raw_keys=keys)
    with pytest.raises(tls13.ConfigurationError, match="SubjectPublicKeyInfo"):
        tls13.ServerConfig(identity, client_raw_keys=keys)

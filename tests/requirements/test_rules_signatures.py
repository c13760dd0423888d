"""Signature schemes: RFC 9846, section 4.3.3, each rule broken by a scripted peer or a certificate made by hand."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

import certs
import tls13
from certs.der import (
    ECDSA_SHA1,
    NULL,
    SEQUENCE,
    SIGNATURE,
    Surgery,
    algorithm,
    bits,
    encode,
    integer,
)
from tls13 import errors
from tls13.lab.authority import KeyType, ca_draft, sign
from tls13.wire.extensions import SignatureSchemeList
from tls13.wire.messages import Certificate, CertificateVerify, ClientHello
from tls13.wire.registry import SignatureScheme

from .scripts import HOST, Recorder, edit

S = SignatureScheme
RSAE = [S.rsa_pss_rsae_sha256, S.rsa_pss_rsae_sha384, S.rsa_pss_rsae_sha512]
PSS = [S.rsa_pss_pss_sha256, S.rsa_pss_pss_sha384, S.rsa_pss_pss_sha512]


@pytest.fixture
def workshop():
    return certs.bench.workshop()


@pytest.fixture
def trusting(workshop, client_config):
    """A client that trusts the workshop's root."""
    return client_config.replace(trust=tls13.TrustStore.from_certificates([workshop.root.certificate]))


# --- the key of the certificate and the scheme of the signature -------------------------------------------------------


@pytest.mark.requirement("R075")
@pytest.mark.parametrize(
    ("key_type", "scheme"),
    [
        (KeyType.ECDSA_P256, S.ecdsa_secp384r1_sha384),
        (KeyType.ECDSA_P256, S.ed25519),
        (KeyType.ECDSA_P384, S.ecdsa_secp256r1_sha256),
        (KeyType.ED25519, S.ecdsa_secp256r1_sha256),
        (KeyType.ED25519, S.ed448),
        (KeyType.RSA_2048, S.ecdsa_secp256r1_sha256),
        (KeyType.RSA_2048, S.ed25519),
    ],
    ids=lambda value: value.name,
)
def test_a_scheme_of_another_kind_of_key(key_type, scheme, trusting, server_config, quick_pair) -> None:
    script = edit(CertificateVerify, lambda m: m.replace(algorithm=scheme))
    server = server_config.replace(identity=certs.good(key_type).identity)
    made = quick_pair(client=trusting, server=server, server_script=script)
    made.expect_refusal_by_client(errors.SignatureSchemeUnsuitable)


@pytest.mark.requirement("R079", "R081")
@pytest.mark.parametrize(
    ("marked_pss", "scheme"), [(True, scheme) for scheme in RSAE] + [(False, scheme) for scheme in PSS]
)
def test_an_rsa_scheme_needs_the_identifier_that_it_names(
    marked_pss, scheme, trusting, server_config, quick_pair
) -> None:
    """The signature itself would be good: salt, hash and key are the same for both families."""
    issued = certs.good_rsa_pss() if marked_pss else certs.good(KeyType.RSA_2048)
    script = edit(CertificateVerify, lambda m: m.replace(algorithm=scheme))
    twin = (RSAE if marked_pss else PSS)[0]
    assert twin not in issued.identity.signature_schemes
    made = quick_pair(client=trusting, server=server_config.replace(identity=issued.identity), server_script=script)
    made.expect_refusal_by_client(errors.SignatureSchemeUnsuitable)


@pytest.mark.requirement("R079", "R081")
@pytest.mark.parametrize("marked_pss", [True, False])
def test_our_server_signs_under_the_identifier_of_its_key(marked_pss, trusting, server_config, quick_pair) -> None:
    issued = certs.good_rsa_pss() if marked_pss else certs.good(KeyType.RSA_2048)
    made = quick_pair(client=trusting, server=server_config.replace(identity=issued.identity))
    made.run()
    assert made.client.session.signature_scheme in (PSS if marked_pss else RSAE)


class SaltedIdentity:
    """An RSA identity whose salt has another length than its hash."""

    def __init__(self, identity: tls13.Identity, key: rsa.RSAPrivateKey, length: int) -> None:
        self.identity, self.key, self.length = identity, key, length

    def __getattr__(self, name: str) -> object:
        return getattr(self.identity, name)

    def sign(self, scheme: SignatureScheme, content: bytes) -> bytes:
        digest = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[scheme.name[-3:]]
        return self.key.sign(content, padding.PSS(padding.MGF1(digest), self.length), digest)


@pytest.mark.requirement("R078", "R080")
@pytest.mark.parametrize("marked_pss", [True, False])
@pytest.mark.parametrize("length", [0, 20, 31, 32, 33, 64])
def test_the_salt_is_as_long_as_the_hash(marked_pss, length, trusting, server_config, quick_pair) -> None:
    issued = certs.good_rsa_pss() if marked_pss else certs.good(KeyType.RSA_2048)
    identity = SaltedIdentity(issued.identity, issued.private_key, length)
    scheme = PSS[0] if marked_pss else RSAE[0]
    server = server_config.replace(identity=identity, signature_schemes=[scheme])
    made = quick_pair(client=trusting, server=server)
    if length == 32:
        made.run()
        assert made.client.session.signature_scheme == scheme
    else:
        made.expect_refusal_by_client(errors.BadSignature)


# --- signatures in certificates ---------------------------------------------------------------------------------------


def mgf1(digest: bytes) -> bytes:
    return algorithm("1.2.840.113549.1.1.8", algorithm(digest.decode(), encode(NULL)))


SHA256, SHA384 = b"2.16.840.1.101.3.4.2.1", b"2.16.840.1.101.3.4.2.2"
TAGGED = (0xA0, 0xA1, 0xA2, 0xA3)


def pss_parameters(digest: bytes, salt: int, *, trailer: bool = False) -> bytes:
    """RSASSA-PSS-params (RFC 4055, section 3.1). DER leaves the trailerField out, for 1 is its default."""
    parts = [
        encode(TAGGED[0], algorithm(digest.decode(), encode(NULL))),
        encode(TAGGED[1], mgf1(digest)),
        encode(TAGGED[2], integer(salt)),
    ]
    return encode(SEQUENCE, *parts, *([encode(TAGGED[3], integer(1))] if trailer else []))


def long_form(element: bytes) -> bytes:
    """The same element with a length in more bytes than it needs: BER, and not DER."""
    body = element[2:] if element[1] < 0x80 else element[2 + (element[1] & 0x7F) :]
    return element[:1] + b"\x82" + len(body).to_bytes(2, "big") + body


def signed_with(parameters: bytes, key_parameters: bytes | None = None) -> tuple[x509.Certificate, bytes]:
    """A root, and a leaf whose PSS signature (SHA-256, a salt of 32 bytes: it is good) says that it has these
    parameters. `key_parameters`: the root's key is marked id-RSASSA-PSS, with them."""
    workshop = certs.bench.workshop()
    key = workshop.key(KeyType.RSA_2048)
    draft = ca_draft("Signer", key.public_key(), now=workshop.now)
    root = sign(draft, issuer=draft.subject, key=key, issuer_public_key=key.public_key())
    if key_parameters is not None:
        surgery = Surgery(root)
        info = certs.bench.children(surgery.fields[certs.bench.PUBLIC_KEY])
        marked = encode(SEQUENCE, algorithm("1.2.840.113549.1.1.10", key_parameters), info[1])
        surgery.fields[certs.bench.PUBLIC_KEY] = marked
        root = x509.load_der_x509_certificate(surgery.sign(key, certs.der.RSA_SHA256))
    form = workshop.intermediate.draft([HOST], workshop.key(KeyType.ECDSA_P256).public_key())
    leaf = Surgery(sign(form, issuer=root.subject, key=key, issuer_public_key=key.public_key()))
    leaf.fields[SIGNATURE] = leaf.algorithm = algorithm("1.2.840.113549.1.1.10", parameters)
    data = encode(SEQUENCE, *leaf.fields)
    leaf.signature = bits(key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256()))
    return root, leaf.close()


def judged(root: x509.Certificate, leaf: bytes, server: tls13.ServerConfig, client: tls13.ClientConfig, pair):
    """A handshake whose server shows this leaf, to a client that trusts this root."""
    workshop = certs.bench.workshop()
    shown = certs.good(KeyType.ECDSA_P256).identity

    def script(message):
        entry = message.certificate_list[0].replace(cert_data=leaf)
        return message.replace(certificate_list=(entry,))

    trust = tls13.TrustStore.from_certificates([root])
    assert workshop.key(KeyType.ECDSA_P256).public_key() == shown.chain[0].public_key()
    return pair(
        client=client.replace(trust=trust),
        server=server.replace(identity=shown),
        server_script=edit(Certificate, script),
    )


@pytest.mark.requirement("R082")
@pytest.mark.parametrize("name", ["long form", "default written out", "no parameters", "of another hash"])
def test_the_parameters_of_a_pss_signature_are_der(name, client_config, server_config, quick_pair) -> None:
    good = pss_parameters(SHA256, 32)
    made = judged(*signed_with(good), server_config, client_config, quick_pair)
    made.run()
    assert made.client.handshake_complete
    bad = {
        "long form": long_form(good),
        "default written out": pss_parameters(SHA256, 32, trailer=True),
        "no parameters": b"",
        "of another hash": pss_parameters(SHA384, 48),
    }[name]
    made = judged(*signed_with(bad), server_config, client_config, quick_pair)
    with pytest.raises(errors.CertificateError) as caught:
        made.run()
    unreadable = "written out" not in name  # what can be read and is no known algorithm is "certificate_unknown"
    assert (caught.value.alert == errors.AlertDescription.bad_certificate) is unreadable
    assert made.client.closed


@pytest.mark.requirement("R083")
@pytest.mark.parametrize("key_parameters", [pss_parameters(SHA384, 48), pss_parameters(SHA256, 48)])
def test_the_parameters_of_a_pss_signature_are_its_keys(
    key_parameters, client_config, server_config, quick_pair
) -> None:
    """RFC 4055, section 3.1: a key that says what it may sign with signs with nothing else."""
    made = judged(*signed_with(pss_parameters(SHA256, 32), key_parameters), server_config, client_config, quick_pair)
    made.expect_refusal_by_client(errors.UnsuitableChain)


@pytest.mark.requirement("R085")
def test_a_chain_that_is_signed_with_sha1_is_the_last_choice(trusting, server_config, quick_pair) -> None:
    """Section 4.3.3: not while there is another."""
    good = certs.good(KeyType.ECDSA_P256)
    workshop = certs.bench.workshop()
    der = Surgery(good.certificate).sign(workshop.intermediate.private_key, ECDSA_SHA1)
    old = tls13.Identity((x509.load_der_x509_certificate(der), *workshop.intermediate.chain), good.private_key)
    assert isinstance(old.chain[0].signature_hash_algorithm, hashes.SHA1)
    record = Recorder()
    made = quick_pair(
        client=trusting, server=server_config.replace(identity=[old, good.identity]), server_script=record
    )
    made.run()
    assert record.of(Certificate)[0].certificate_list[0].cert_data == good.identity.der_chain[0]


def test_a_chain_that_is_signed_with_sha1_is_refused(trusting, server_config, quick_pair) -> None:
    """Section 4.5.1.3: our client never accepts one."""
    workshop = certs.bench.workshop()
    good = certs.good(KeyType.ECDSA_P256)
    der = Surgery(good.certificate).sign(workshop.intermediate.private_key, ECDSA_SHA1)

    def script(message):
        first, *rest = message.certificate_list
        return message.replace(certificate_list=(first.replace(cert_data=der), *rest))

    made = quick_pair(
        client=trusting, server=server_config.replace(identity=good.identity), server_script=edit(Certificate, script)
    )
    made.expect_refusal_by_client(errors.WeakSignature)


@pytest.mark.requirement("R076")
def test_a_client_that_wants_no_certificate_need_not_say_what_it_verifies(client_config, quick_pair) -> None:
    psk = tls13.ExternalPsk(b"one", bytes(16))
    client = client_config.replace(trust=None, require_psk=True, psks=[psk])
    made = quick_pair(client=client, server=quick_pair.server_config.replace(psks=[psk]), client_script=Recorder())
    made.run()
    (hello,) = made.client._script.of(ClientHello)
    assert hello.extensions.get(SignatureSchemeList) is None
    assert made.server.session.psk_identity == b"one"

"""Certificate messages, broken by either role: RFC 9846, section 4.5.1.

Both sides show certificates here, so that each rule is tried on the client that checks a server and on the server
that checks a client.
"""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

import certs
import tls13
from certs.der import RSA_MD5, Surgery
from tests.conftest import HOST
from tests.mutual import USAGES, Both, Presented, edit
from tls13 import errors
from tls13.errors import AlertDescription
from tls13.lab.authority import CLIENT_AUTH, Authority, KeyType, key_usage
from tls13.lab.scripted import with_extension, with_raw_extension
from tls13.trust.raw_keys import RawPublicKey
from tls13.wire.extensions import CT, Extensions, OIDFilter, SignatureSchemeList, SignatureSchemeListCert
from tls13.wire.messages import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
)
from tls13.wire.registry import ExtensionType, SignatureScheme

A = AlertDescription
ROLES = pytest.mark.parametrize("signer", ["server", "client"])


@pytest.fixture
def both(quick_pair, authority, trust) -> Both:
    return Both.of(quick_pair, authority, trust)


def test_both_sides_are_authenticated(both) -> None:
    """The pair that the others break."""
    made = both.pair()
    made.run()
    assert made.client.session.peer_certificates == made.server.config.identities[0].chain
    assert made.server.session.peer_certificates == made.client.config.identities[0].chain


# --- Certificate: section 4.5.1 ---------------------------------------------------------------------------------------


@ROLES
@pytest.mark.parametrize("blob", [b"\x99\x01\x0d\x04", b"\xc6\x41\x04" + bytes(62)], ids=["old", "new"])
@pytest.mark.requirement("R167")
def test_an_openpgp_certificate_is_refused(blob, signer, both) -> None:
    """RFC 6091's certificates are no longer defined: what comes is read as X.509, and is none."""
    script = edit(Certificate, lambda m: m.replace(certificate_list=(CertificateEntry(cert_data=blob),)))
    both.refused(signer, errors.MalformedCertificate, script)


@ROLES
@pytest.mark.parametrize("second", ["the same key", "nothing", "a certificate"])
@pytest.mark.requirement("R166")
def test_a_raw_public_key_comes_alone(second, signer, quick_pair, identity) -> None:
    """One entry, and it is a SubjectPublicKeyInfo; nothing is left of the chain that certificates have."""
    ours, theirs = (RawPublicKey(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    both = Both(
        quick_pair,
        tls13.ClientConfig(server_raw_keys=[theirs.spki], identities=ours),
        tls13.ServerConfig(theirs, client_raw_keys=[ours.spki]),
        None,
    )
    made = both.pair()
    made.run()
    assert made.client.session.raw_public_key == theirs.spki
    assert made.server.session.raw_public_key == ours.spki

    def change(message):
        (entry,) = message.certificate_list
        certificate = entry.replace(cert_data=identity.der_chain[0])
        entries = {"the same key": (entry, entry), "nothing": (), "a certificate": (certificate,)}[second]
        return message.replace(certificate_list=entries)

    offences = {
        "the same key": errors.MalformedCertificate,
        "nothing": errors.EmptyCertificateList if signer == "server" else errors.CertificateRequired,
        "a certificate": errors.UnknownPublicKey,
    }
    script = edit(Certificate, change)
    if signer == "client" and second == "nothing":
        nothing = both.pair("client", lambda m: None if isinstance(m, CertificateVerify) else script(m))
        nothing.expect_refusal_by_server(offences[second])
    else:
        both.refused(signer, offences[second], script)


@pytest.mark.requirement("R168", "R180")
def test_a_server_that_shows_no_certificate_is_refused(both) -> None:
    script = edit(Certificate, lambda m: m.replace(certificate_list=()))
    both.refused("server", errors.EmptyCertificateList, script)


@ROLES
@pytest.mark.parametrize(("bits", "exponent"), [(16384, 65537), (3072, 2**64 + 1)], ids=["modulus", "exponent"])
def test_nothing_is_verified_with_a_key_that_makes_it_expensive(bits, exponent, signer, both, authority) -> None:
    """Not even CertificateVerify, which for a client comes before its chain is judged, and for a server also where
    nobody judges the chain."""
    good = authority.issue([HOST], key_type=KeyType.RSA_2048, usages=[USAGES[signer]])
    public_key = rsa.RSAPublicNumbers(exponent, (1 << bits) - 159).public_key()
    der = authority.sign(authority.draft([HOST], public_key, usages=[USAGES[signer]])).public_bytes(Encoding.DER)
    careless = both._replace(client=both.client.replace(trust=None, verify=tls13.INSECURE_NO_VERIFICATION))
    showing = careless.showing(signer, Presented(good.identity, [der], good.private_key))
    error = showing.refused(signer, errors.WeakKey)
    assert error.chain == (error.certificate,)


# --- status_request_v2: section 4.5.1.1 -------------------------------------------------------------------------------

V2 = ExtensionType.status_request_v2


def in_first_entry(message: Certificate) -> Certificate:
    entry = message.certificate_list[0].replace(extensions=Extensions(((V2, b"\2\0\0\1x"),), CT))
    return message.replace(certificate_list=(entry, *message.certificate_list[1:]))


@pytest.mark.parametrize("asked", [False, True], ids=["unasked", "asked"])
@pytest.mark.parametrize("kind", [EncryptedExtensions, CertificateRequest, Certificate])
@pytest.mark.requirement("R170")
def test_a_server_that_sends_status_request_v2_is_refused(kind, asked, both) -> None:
    change = in_first_entry if kind is Certificate else lambda m: with_raw_extension(m, V2)
    asks = edit(ClientHello, lambda m: with_raw_extension(m, V2, b"\0\0")) if asked else None
    both.refused("server", errors.MisplacedExtension, edit(kind, change), asks)


@pytest.mark.parametrize("body", [b"", b"\0\0", b"\0\7\2\0\4\0\0\0\0", b"\xff" * 50])
@pytest.mark.requirement("R170", "R171")
def test_a_server_reads_over_status_request_v2_and_never_answers_it(body, both) -> None:
    sent = []
    made = both.pair(
        "server", lambda m: sent.append(m) or m, edit(ClientHello, lambda m: with_raw_extension(m, V2, body))
    )
    made.run()
    assert made.server.handshake_complete
    for message in sent:
        blocks = [message.extensions] if hasattr(message, "extensions") else []
        if isinstance(message, Certificate):
            blocks = [entry.extensions for entry in message.certificate_list]
        assert not [block for block in blocks if V2 in block.types()]


# --- which certificates: section 4.5.1.2 ------------------------------------------------------------------------------


def workshop_case(name: str, signer: str, both: Both) -> tuple[Both, str]:
    """One side shows a chain of certs/, and the other trusts that chain's root."""
    shop = certs.workshop()
    case = certs.catalogue()[name]
    exhibit = case.exhibit(shop)
    roots = [x509.load_der_x509_certificate(root) for root in exhibit.roots]
    good = shop.good(KeyType.ECDSA_P256, client=signer == "client").identity
    identity = Presented(good, exhibit.chain, exhibit.private_key)
    trust = tls13.TrustStore.from_certificates(roots)
    broken = both.showing(signer, identity, trust=trust, clock=lambda: shop.now.timestamp())
    if signer == "server":
        own = tls13.TrustStore.from_certificates([shop.root.certificate])
        return broken._replace(
            server=broken.server.replace(client_trust=own), client=with_good_client(broken, shop)
        ), case.host
    own = tls13.TrustStore.from_certificates([shop.root.certificate])
    return broken._replace(
        client=broken.client.replace(trust=own), server=broken.server.replace(identity=shop.good().identity)
    ), HOST


def with_good_client(both: Both, shop) -> tls13.ClientConfig:
    return both.client.replace(identities=shop.good(client=True).identity)


@ROLES
@pytest.mark.parametrize("name", ["version-1", "version-1-with-extensions"])
@pytest.mark.requirement("R173")
def test_a_certificate_that_is_not_x509_version_3_is_refused(name, signer, both) -> None:
    broken, host = workshop_case(name, signer, both)
    assert broken.refused(signer, errors.CertificateError, host=host).alert == A.unsupported_certificate


@ROLES
@pytest.mark.parametrize("name", ["md5-leaf"])
@pytest.mark.requirement("R181")
def test_a_chain_signed_with_md5_is_refused(name, signer, both) -> None:
    broken, host = workshop_case(name, signer, both)
    assert broken.refused(signer, errors.WeakSignature, host=host).alert == A.bad_certificate


@ROLES
@pytest.mark.parametrize("sent", [False, True], ids=["in the store", "sent as well"])
@pytest.mark.requirement("R181")
def test_an_anchors_own_signature_is_not_looked_at(sent, signer, both) -> None:
    """Who believes the anchor does not need to validate it: so it may be signed with anything, MD5 included."""
    root = Authority.create(now=certs.workshop().now, key_type=KeyType.RSA_2048)
    der = Surgery(root.certificate).sign(root.private_key, RSA_MD5)
    issued = root.issue([HOST], usages=[USAGES[signer]])
    chain = [issued.certificate.public_bytes(Encoding.DER), *([der] if sent else [])]
    shown = Presented(issued.identity, chain, issued.private_key)
    trust = tls13.TrustStore.from_certificates([x509.load_der_x509_certificate(der)])
    made = both.showing(signer, shown, trust=trust).pair()
    made.run()
    assert made.client.handshake_complete
    assert made.server.handshake_complete


@ROLES
@pytest.mark.requirement("R174")
def test_a_key_for_which_no_scheme_was_listed_is_refused(signer, both, authority) -> None:
    """The peer is made to believe that RSA was asked for; who really asked for ECDSA only refuses the signature."""
    issued = authority.issue([HOST], key_type=KeyType.RSA_2048, usages=[USAGES[signer]])
    ecdsa, everything = (SignatureScheme.ecdsa_secp256r1_sha256,), both.client.signature_schemes
    listed = SignatureSchemeList(supported_signature_algorithms=everything)
    asks = edit(ClientHello if signer == "server" else CertificateRequest, lambda m: with_extension(m, listed))
    broken = both.showing(signer, issued.identity)
    if signer == "server":
        broken = broken._replace(client=broken.client.replace(signature_schemes=ecdsa))
    else:
        broken = broken._replace(server=broken.server.replace(signature_schemes=ecdsa))
    broken.refused(signer, errors.SignatureSchemeNotOffered, None, asks)


@pytest.mark.requirement("R174")
def test_a_server_without_a_key_that_the_client_accepts_does_not_show_another(both, authority) -> None:
    rsa = authority.issue([HOST], key_type=KeyType.RSA_2048)
    made = both.showing("server", rsa.identity)
    made = made._replace(client=made.client.replace(signature_schemes=[SignatureScheme.ecdsa_secp256r1_sha256]))
    made.pair().expect_refusal_by_server(errors.NoCommonSignatureScheme)


@ROLES
@pytest.mark.requirement("R175", "R179")
def test_a_certificate_whose_key_may_not_sign_is_refused(signer, both, authority) -> None:
    """keyUsage is there, and digitalSignature is not in it."""
    key = KeyType.ECDSA_P256.generate()
    draft = authority.draft([HOST], key.public_key(), usages=[USAGES[signer]])
    for usage, refused in ((key_usage(digital_signature=True), False), (key_usage(crl_sign=True), True)):
        leaf = authority.sign(draft.with_extension(usage, critical=True))
        shown = both.showing(signer, tls13.Identity([leaf], key))
        if refused:
            assert shown.refused(signer, errors.WrongUsage).alert == A.unsupported_certificate
        else:
            shown.pair().run()


@ROLES
@pytest.mark.requirement("R175")
def test_a_certificate_without_key_usage_is_accepted(signer, both, authority) -> None:
    key = KeyType.ECDSA_P256.generate()
    draft = authority.draft([HOST], key.public_key(), usages=[USAGES[signer]]).without_extension(x509.KeyUsage)
    made = both.showing(signer, tls13.Identity([authority.sign(draft)], key)).pair()
    made.run()
    assert made.server.handshake_complete


@ROLES
@pytest.mark.parametrize(
    ("key_type", "scheme"),
    [
        (KeyType.ECDSA_P384, SignatureScheme.ecdsa_secp256r1_sha256),
        (KeyType.RSA_2048, SignatureScheme.ecdsa_secp256r1_sha256),
        (KeyType.ECDSA_P256, SignatureScheme.ed25519),
        (KeyType.ED25519, SignatureScheme.ecdsa_secp256r1_sha256),
        (KeyType.RSA_2048, SignatureScheme.rsa_pss_pss_sha256),
    ],
    ids=lambda value: value.name,
)
@pytest.mark.requirement("R175", "R187")
def test_a_scheme_that_does_not_fit_the_key_is_refused(key_type, scheme, signer, both, authority) -> None:
    issued = authority.issue([HOST], key_type=key_type, usages=[USAGES[signer]])
    script = edit(CertificateVerify, lambda m: m.replace(algorithm=scheme))
    both.showing(signer, issued.identity).refused(signer, errors.SignatureSchemeUnsuitable, script)


EMAIL = bytes.fromhex("300a06082b06010505070304")
"""extendedKeyUsage in DER: emailProtection."""


@pytest.mark.requirement("R176")
def test_a_client_shows_the_certificate_that_the_filters_ask_for(both, authority) -> None:
    """Section 4.3.5. An extension without matching rules is not looked at; where nothing matches, nothing is shown."""
    plain, mail = (
        authority.issue([], common_name=name, usages=[CLIENT_AUTH, *usages]).identity
        for name, usages in (("plain", []), ("mail", [ExtendedKeyUsageOID.EMAIL_PROTECTION]))
    )
    filters = [
        OIDFilter(certificate_extension_oid=oid(ExtensionOID.EXTENDED_KEY_USAGE), certificate_extension_values=EMAIL),
        OIDFilter(certificate_extension_oid=oid(x509.ObjectIdentifier("1.2.3.4")), certificate_extension_values=b"?"),
    ]
    optional = both.server.replace(oid_filters=filters, client_auth=tls13.ClientAuth.OPTIONAL)
    for identities, shown in (([plain, mail], mail.chain), ([mail], mail.chain), ([plain], ())):
        made = both._replace(client=both.client.replace(identities=identities), server=optional).pair()
        made.run()
        assert made.server.session.peer_certificates == shown


def oid(identifier: x509.ObjectIdentifier) -> bytes:
    first, second, *rest = map(int, identifier.dotted_string.split("."))
    assert max(rest) < 128
    content = bytes([40 * first + second, *rest])
    return bytes([6, len(content)]) + content


@pytest.mark.requirement("R177")
def test_a_server_prefers_a_chain_whose_signatures_the_client_listed(both, identity) -> None:
    """signature_algorithms_cert decides, also where the first identity could sign the CertificateVerify."""
    by_rsa = Authority.create(now=certs.workshop().now, common_name="RSA root", key_type=KeyType.RSA_2048)
    other = by_rsa.issue([HOST])
    only_ecdsa = SignatureSchemeListCert(supported_signature_algorithms=(SignatureScheme.ecdsa_secp256r1_sha256,))
    made = both._replace(server=both.server.replace(identity=[other.identity, identity])).pair(
        "server", None, edit(ClientHello, lambda m: with_extension(m, only_ecdsa))
    )
    made.run()
    assert made.client.session.peer_certificates == identity.chain


@pytest.mark.parametrize(
    "lists_sha1",
    [
        pytest.param(
            False,
            marks=[
                pytest.mark.requirement("R178"),
            ],
        ),
        True,
    ],
)
def test_a_chain_signed_with_sha1_is_not_shown_unless_the_client_lists_it(lists_sha1, both) -> None:
    shop = certs.workshop()
    exhibit = certs.catalogue()["sha1-leaf"].exhibit(shop)
    weak = tls13.Identity(tuple(map(x509.load_der_x509_certificate, exhibit.chain)), exhibit.private_key)
    schemes = (SignatureScheme.ecdsa_secp256r1_sha256, *([SignatureScheme.ecdsa_sha1] if lists_sha1 else []))
    listed = SignatureSchemeListCert(supported_signature_algorithms=schemes)
    made = both.showing("server", weak).pair("server", None, edit(ClientHello, lambda m: with_extension(m, listed)))
    if lists_sha1:
        made.expect_refusal_by_client(errors.WeakSignature)
    else:
        made.expect_refusal_by_server(errors.NoCommonSignatureScheme)


@ROLES
@pytest.mark.requirement("R179")
def test_a_chain_to_nobody_we_trust_is_answered_with_a_certificate_alert(signer, both) -> None:
    stranger = certs.workshop().stranger.issue([HOST], usages=[USAGES[signer]])
    error = both.showing(signer, stranger.identity, trust=both.client.trust).refused(signer, errors.UnknownIssuer)
    assert error.alert == A.unknown_ca

"""What the leaf's key is meant for (RFC 5280, sections 4.2.1.3 and 4.2.1.12), and extensions that change the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.catalogue import ACCEPTED, UNSUITABLE_CHAIN, WRONG_USAGE, case
from tls13.lab.authority import CLIENT_AUTH, SERVER_AUTH, key_usage

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_EXTENDED = "RFC 5280, section 4.2.1.12"
_PRIVATE = x509.ObjectIdentifier("1.3.6.1.4.1.55555.2")  # an extension that nobody knows


def _for_usages(bench: Bench, *usages: x509.ObjectIdentifier) -> Exhibit:
    return bench.show(bench.leaf(lambda draft: draft.with_extension(x509.ExtendedKeyUsage(usages))))


@case(WRONG_USAGE, _EXTENDED, says="is not for servers")
def client_certificate_as_server(bench: Bench) -> Exhibit:
    """The leaf is for clients only."""
    return _for_usages(bench, CLIENT_AUTH)


@case(WRONG_USAGE, _EXTENDED, role="client", says="is not for clients")
def server_certificate_as_client(bench: Bench) -> Exhibit:
    """The leaf is for servers only, and a client presents it."""
    return _for_usages(bench, SERVER_AUTH)


@case(WRONG_USAGE, _EXTENDED, says="is not for servers")
def code_signing_certificate(bench: Bench) -> Exhibit:
    """The leaf is for the signing of programs."""
    return _for_usages(bench, ExtendedKeyUsageOID.CODE_SIGNING)


@case(ACCEPTED, _EXTENDED)
def any_extended_usage(bench: Bench) -> Exhibit:
    """anyExtendedKeyUsage instead of serverAuth: the CA does not want to restrict the key."""
    return _for_usages(bench, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)


@case(ACCEPTED, _EXTENDED)
def no_extended_usage(bench: Bench) -> Exhibit:
    """No extended key usage at all: the key is not restricted."""
    return bench.show(bench.leaf(lambda draft: draft.without_extension(x509.ExtendedKeyUsage)))


@case(WRONG_USAGE, "RFC 9846, section 4.5.1.2", says="does not allow digitalSignature")
def no_digital_signature(bench: Bench) -> Exhibit:
    """The key usage lacks digitalSignature: such a key may not sign a CertificateVerify."""
    usage = x509.KeyUsage(
        digital_signature=False,
        key_encipherment=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    return bench.show(bench.leaf(lambda draft: draft.with_extension(usage, critical=True)))


@case(ACCEPTED, "RFC 9846, section 4.5.1.2")
def no_key_usage(bench: Bench) -> Exhibit:
    """No key usage at all: only if there is one does it have to allow signatures."""
    return bench.show(bench.leaf(lambda draft: draft.without_extension(x509.KeyUsage)))


@case(WRONG_USAGE, "RFC 5280, section 4.2.1.9", says="is a CA's certificate")
def ca_certificate_as_server(bench: Bench) -> Exhibit:
    """The leaf is a CA, and also has the host's name."""
    issuer = bench.ca()
    authority = x509.BasicConstraints(ca=True, path_length=None)
    usage = key_usage(digital_signature=True, key_cert_sign=True)
    leaf = bench.leaf(
        lambda draft: draft.with_extension(authority, critical=True).with_extension(usage, critical=True), issuer=issuer
    )
    return bench.show(leaf, issuer.chain)


@case(UNSUITABLE_CHAIN, "RFC 5280, section 4.2", says="critical extension")
def unknown_critical_extension(bench: Bench) -> Exhibit:
    """A critical extension that nobody knows: whoever does not understand it MUST refuse the certificate."""
    unknown = x509.UnrecognizedExtension(_PRIVATE, b"\x05\x00")
    return bench.show(bench.leaf(lambda draft: draft.with_extension(unknown, critical=True)))


@case(UNSUITABLE_CHAIN, "RFC 5280, section 4.2", says="critical extension")
def unknown_critical_extension_in_ca(bench: Bench) -> Exhibit:
    """A critical extension that nobody knows, in the intermediate."""
    unknown = x509.UnrecognizedExtension(_PRIVATE, b"\x05\x00")
    issuer = bench.ca(lambda draft: draft.with_extension(unknown, critical=True))
    return bench.show(bench.leaf(issuer=issuer), issuer.chain)


@case(UNSUITABLE_CHAIN, "RFC 6962, section 3.1", says="critical extension")
def precertificate(bench: Bench) -> Exhibit:
    """A precertificate: its critical poison says that it is a promise to the CT logs and no certificate."""
    return bench.show(bench.leaf(lambda draft: draft.with_extension(x509.PrecertPoison(), critical=True)))

"""The web PKI's rules that the library's verifier leaves out: for profile WEBPKI, on a chain that it has accepted.

From RFC 5280 and from the CA/Browser Forum's Baseline Requirements for TLS server certificates. Private CAs break
many of them without harm, so no other profile asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from .. import errors
from .names import describe, read_extension

if TYPE_CHECKING:
    from collections.abc import Sequence


def check_web_pki(chain: Sequence[x509.Certificate], *, server: bool) -> None:
    """Raises UnsuitableChain, WeakKey or WrongUsage. `chain`: verified, leaf first, anchor last."""
    *below, root = chain
    for certificate in below:  # of the anchors, some famous ones have the serial number 0
        _check_serial_number(certificate)
    for certificate in chain:
        _check_modulus(certificate)
        _check_criticality(certificate)
    _check_leaf(chain[0], server=server)
    for issuer in chain[1:]:
        if read_extension(issuer, x509.SubjectKeyIdentifier) is None:
            raise _unsuitable("a CA certificate without subjectKeyIdentifier (RFC 5280, section 4.2.1.2)", issuer)
    for certificate in below:
        if read_extension(certificate, x509.AuthorityKeyIdentifier) is None:
            raise _unsuitable("no authorityKeyIdentifier (RFC 5280, section 4.2.1.1)", certificate)
    _check_root(root)


def _unsuitable(what: str, certificate: x509.Certificate) -> errors.UnsuitableChain:
    return errors.UnsuitableChain(f"{describe(certificate)}: {what}", certificate=certificate)


def _check_serial_number(certificate: x509.Certificate) -> None:
    """RFC 5280, section 4.1.2.2."""
    if certificate.serial_number <= 0:
        raise _unsuitable("its serial number is not positive", certificate)


def _check_modulus(certificate: x509.Certificate) -> None:
    """Baseline Requirements, section 6.1.5: a modulus of a multiple of 8 bits."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey) and key.key_size % 8:
        raise errors.WeakKey(f"an RSA key of {key.key_size} bits, which is no multiple of 8", certificate=certificate)


def _check_criticality(certificate: x509.Certificate) -> None:
    """RFC 5280, section 4.2.1.11: constraints that may be ignored are none. (The same rule for name constraints is
    left out, as the Baseline Requirements do.)"""
    if read_extension(certificate, x509.PolicyConstraints) is None:
        return
    if not certificate.extensions.get_extension_for_class(x509.PolicyConstraints).critical:
        raise _unsuitable("policyConstraints is not marked critical", certificate)


def _check_leaf(leaf: x509.Certificate, *, server: bool) -> None:
    """Baseline Requirements, section 7.1.2.7: extendedKeyUsage, where it stands, says the use by name.

    (That a commonName must be among the names as well is left out: chains that everybody accepts break it.)
    """
    usage = read_extension(leaf, x509.ExtendedKeyUsage)
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    if usage is not None and (wanted not in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage):
        raise errors.WrongUsage("extendedKeyUsage must name this use, and not any use", certificate=leaf)


def _check_root(root: x509.Certificate) -> None:
    """Baseline Requirements, section 7.1.2.1: a root does not limit its use, and identifies itself by key only."""
    if read_extension(root, x509.ExtendedKeyUsage) is not None:
        raise _unsuitable("a root with extendedKeyUsage", root)
    authority = read_extension(root, x509.AuthorityKeyIdentifier)
    subject = read_extension(root, x509.SubjectKeyIdentifier)
    if authority is None:
        return
    if authority.authority_cert_issuer is not None or authority.authority_cert_serial_number is not None:
        raise _unsuitable("a root whose authorityKeyIdentifier names an issuer", root)
    if subject is not None and root.issuer == root.subject and authority.key_identifier != subject.digest:
        raise _unsuitable("a root whose authorityKeyIdentifier is not its own key's", root)

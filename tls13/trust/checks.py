"""What the chain verifier's library leaves to its caller: the leaf's key and its use; and what is said about dates,
names and issuers, for the certificates that are believed without a chain and for the diagnosis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtendedKeyUsageOID

from .. import errors
from .facts import facts
from .names import UNREADABLE, certificate_names, check_readable, describe, read_extension

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from .names import ServerName

SMALLEST_RSA: Final = 2048
LARGEST_RSA: Final = 8192
"""Bits. Verifying with a larger key is work that a peer could make us do for nothing."""
LARGEST_RSA_EXPONENT: Final = 64
"""Bits. Each is one more multiplication: with as many as the modulus has, verifying takes as long as signing. Almost
every key has 17; OpenSSL has this limit too, for keys above 3072 bits."""


class Question:
    """What is asked of a chain: is it this server's (or a client's, or whatever server's it is), at this time?"""

    def __init__(self, name: ServerName | None, now: datetime, *, server: bool) -> None:
        self.name = name
        self.now = now
        self.server = server

    def check_name(self, leaf: x509.Certificate) -> None:
        """Raises WrongHost."""
        if self.name is not None and not name_matches(self.name, leaf):
            raise wrong_host(self.name, leaf)


def name_matches(name: ServerName, certificate: x509.Certificate) -> bool:
    """RFC 9525, section 6: exactly, or with "*" for the whole first label."""
    known = facts(certificate)
    if name.dns is None:
        return name.address in known.addresses
    if name.dns in known.dns_names:
        return True
    parent = name.dns.partition(".")[2]
    return "." in parent and f"*.{parent}" in known.dns_names


def rsa_excess(bits: int, exponent_bits: int) -> str:
    """What is too large about an RSA key, to verify with it for a stranger; empty if nothing is."""
    if bits > LARGEST_RSA:
        return f"an RSA key of {bits} bits; our limit is {LARGEST_RSA}"
    if exponent_bits > LARGEST_RSA_EXPONENT:
        return f"an RSA key with a public exponent of {exponent_bits} bits; our limit is {LARGEST_RSA_EXPONENT}"
    return ""


def check_cost(certificate: x509.Certificate, chain: Sequence[x509.Certificate] = ()) -> None:
    """Raises WeakKey for a key that is expensive to verify with; comes before the first signature by it.

    `chain` is what was sent, for the error.
    """
    known = facts(certificate)
    if excess := rsa_excess(known.rsa_bits, known.rsa_exponent_bits):
        raise errors.WeakKey(excess, chain=chain, certificate=certificate)


def check_keys(chain: Sequence[x509.Certificate]) -> None:
    """What the library does not ask: the leaf's key must be one that TLS 1.3 signs with, and no key may be huge.

    A key above the leaf that cannot be read is nothing to us: no path goes through it, so the certificate is at most a
    superfluous one (section 4.5.1).
    """
    for one in chain:
        check_cost(one)
    leaf, known = chain[0], facts(chain[0])
    if 0 < known.rsa_bits < SMALLEST_RSA:
        raise errors.WeakKey(f"an RSA key of {known.rsa_bits} bits, and {SMALLEST_RSA} are needed", certificate=leaf)
    if not known.signature_schemes:
        kind = "RSA with its RSASSA-PSS parameters" if known.rsa_bits else type(known.public_key).__name__.lstrip("_")
        raise errors.WeakKey(f"{kind} is of no use in TLS 1.3", certificate=leaf)
    check_readable(leaf)  # the library does not ask what its subject is, but somebody will
    if not known.may_sign:
        raise errors.WrongUsage("its keyUsage does not allow digitalSignature", certificate=leaf)


def check_usage(leaf: x509.Certificate, question: Question) -> None:
    """Raises WrongUsage if there is an extendedKeyUsage for other things only (RFC 5280, section 4.2.1.12)."""
    wanted = ExtendedKeyUsageOID.SERVER_AUTH if question.server else ExtendedKeyUsageOID.CLIENT_AUTH
    usage = read_extension(leaf, x509.ExtendedKeyUsage)
    if usage is not None and wanted not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage:
        purpose = "servers" if question.server else "clients"
        raise errors.WrongUsage(f"{describe(leaf)}: its extendedKeyUsage is not for {purpose}", certificate=leaf)


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    subject = describe(certificate)
    if now > certificate.not_valid_after_utc:
        raise errors.CertificateExpired(
            f"{subject} was valid until {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC", certificate=certificate
        )
    if now < certificate.not_valid_before_utc:
        raise errors.CertificateNotYetValid(
            f"{subject} is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC; is this machine's clock "
            f"right? It says {now:%Y-%m-%d %H:%M}",
            certificate=certificate,
        )


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether it names this issuer, and the issuer's key verifies its signature. The names are compared as bytes."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def wrong_host(name: ServerName, leaf: x509.Certificate) -> errors.WrongHost:
    names = certificate_names(leaf)
    holds = f"it is for {', '.join(names[:10])}" if names else "it names no host at all"
    if len(names) > 10:
        holds += f" and {len(names) - 10} more"
    error = errors.WrongHost(f"{name} is wanted, and {holds}", certificate=leaf)
    error.name, error.is_address = name.text, name.is_ip
    return error

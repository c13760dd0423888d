"""What one certificate says, read once.

A client sees the same few certificates again and again, and to ask `cryptography` for a name, an extension or the kind
of a key takes some ten Python calls each. So what is asked of every chain is kept beside the certificate: values that
follow from its bytes and from nothing else. What is made of them depends on the time, the name, the trust store or the
handshake, and is judged for every chain anew: no verdict is kept here.

A fact is read when it is first asked for, not sooner, so a certificate that cannot be read raises what it always did,
each time.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from .. import errors
from ..crypto.signatures import schemes_for
from .features import must_staple
from .names import alternative_names, read_extension

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from ..wire.registry import SignatureScheme

COMMON_SIZE: Final = 2**13
"""Bytes. A certificate of this size or less is kept, in case it comes again."""
MAX_KEPT: Final = 128


class Facts:
    """Of one certificate. Reading one that is malformed raises a CertificateError."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self.certificate = certificate

    @cached_property
    def public_key(self) -> CertificatePublicKeyTypes:
        """Raises WeakKey for one of a kind that nobody here can use."""
        try:
            return self.certificate.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            raise errors.WeakKey(f"a key that cannot be used: {error}", certificate=self.certificate) from None

    @cached_property
    def rsa_bits(self) -> int:
        """Of its key; 0 if that is no RSA key, or of a kind that nobody here can use."""
        try:
            key = self.public_key
        except errors.WeakKey:
            return 0
        return key.key_size if isinstance(key, rsa.RSAPublicKey) else 0

    @cached_property
    def rsa_exponent_bits(self) -> int:
        """Of its public exponent; 0 where rsa_bits is."""
        key = self.public_key if self.rsa_bits else None
        return key.public_numbers().e.bit_length() if isinstance(key, rsa.RSAPublicKey) else 0

    @cached_property
    def signature_schemes(self) -> tuple[SignatureScheme, ...]:
        """What its key can sign a CertificateVerify with (section 4.3.3)."""
        return schemes_for(self.public_key, self.certificate)

    @cached_property
    def may_sign(self) -> bool:
        """Whether its keyUsage, if it has one, allows digitalSignature (section 4.5.1.2)."""
        usage = read_extension(self.certificate, x509.KeyUsage)
        return usage is None or usage.digital_signature

    @cached_property
    def dns_names(self) -> frozenset[str]:
        """Of its subjectAltName; in lower case, wildcards included."""
        names = alternative_names(self.certificate).get_values_for_type(x509.DNSName)
        return frozenset([name.lower() for name in names])

    @cached_property
    def addresses(self) -> frozenset[object]:
        """Of its subjectAltName."""
        return frozenset(alternative_names(self.certificate).get_values_for_type(x509.IPAddress))

    @cached_property
    def must_staple(self) -> bool:
        """Whether it promises a stapled OCSP response (RFC 7633)."""
        return must_staple(self.certificate)


_KNOWN: dict[int, Facts] = {}
"""By identity: to hash a certificate takes longer than all that is asked here, and `parse_chain` gives the same object
for the same bytes. Each is held by its facts, so that no other can come to have its identity."""


def facts(certificate: x509.Certificate) -> Facts:
    """What is known of this certificate, or a place to keep it."""
    known = _KNOWN.get(id(certificate))
    if known is None:
        known = Facts(certificate)
        if len(certificate.public_bytes(Encoding.DER)) <= COMMON_SIZE:
            if len(_KNOWN) >= MAX_KEPT:
                _KNOWN.clear()
            _KNOWN[id(certificate)] = known
    return known

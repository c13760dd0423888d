"""A public key outside a certificate: SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).

Raw public keys (RFC 7250) and delegated credentials (RFC 9345) carry one. `PublicKeyInfo` answers the two questions
about a key that TLS also asks of a certificate, so that whoever checks signatures need not know which of them it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import load_der_public_key

from ..errors import BadPublicKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


@asn1.sequence
class _SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


class PublicKeyInfo:
    """Raises BadPublicKey for bytes that are no SubjectPublicKeyInfo, or hold a key of a kind that nobody knows."""

    __slots__ = ("_key", "der", "public_key_algorithm_oid")

    def __init__(self, der: bytes) -> None:
        self.der = der
        try:
            self.public_key_algorithm_oid = _algorithm(asn1.decode_der(_SubjectPublicKeyInfo, der).algorithm.data)
            self._key = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BadPublicKey(error) from None

    def public_key(self) -> PublicKeyTypes:
        return self._key


def _algorithm(identifier: memoryview | bytes) -> x509.ObjectIdentifier:
    """The OID that an AlgorithmIdentifier begins with; its optional parameters are what the library cannot declare."""
    content = bytes(identifier)
    end = 2 + content[1] if len(content) > 1 else 0
    return asn1.decode_der(x509.ObjectIdentifier, content[:end])

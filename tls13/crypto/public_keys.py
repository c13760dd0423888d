"""A public key outside a certificate: SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7).

Raw public keys (RFC 7250) and delegated credentials (RFC 9345) carry one. `PublicKeyInfo` answers the two questions
about a key that TLS also asks of a certificate, so that whoever checks signatures need not know which of them it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .. import errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes


class PublicKeyInfo:
    """Raises BadPublicKey for bytes that are no SubjectPublicKeyInfo, or hold a key of a kind that nobody knows."""

    __slots__ = ("_key", "der", "public_key_algorithm_oid")

    def __init__(self, der: bytes) -> None:
        from .spki import algorithm

        self.der = der
        try:
            self.public_key_algorithm_oid = algorithm(der)
            self._key = load_der_public_key(der)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise errors.BadPublicKey(error) from None

    def public_key(self) -> PublicKeyTypes:
        return self._key

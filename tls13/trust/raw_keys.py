"""Raw public keys: RFC 7250. A key without a certificate, believed because it was known before.

Where both ends are set up by the same hand, names, dates and authorities are ballast: each is simply told the other's
key. What is lost is everything that a certificate says: a raw key does not expire, cannot be revoked, and has no name
(RFC 9846, appendix F.9, on what that allows).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .. import errors
from ..crypto.public_keys import PublicKeyInfo
from ..crypto.signatures import schemes_for, sign
from ..errors import ConfigurationError
from ..wire.registry import CertificateType
from .checks import SMALLEST_RSA, rsa_excess

if TYPE_CHECKING:
    from collections.abc import Awaitable, Collection, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from ..wire.companions import DelegatedCredential
    from ..wire.extensions import ExtensionBody, OIDFilter
    from ..wire.registry import SignatureScheme


class RawPublicKey:
    """Our own key, presented as it is: an identity for a ServerConfig or a ClientConfig.

    `spki` is what the peer must be told: SubjectPublicKeyInfo, DER.
    """

    certificate_type = CertificateType.RawPublicKey
    delegated_credential: DelegatedCredential | None = None
    leaf_extensions: tuple[ExtensionBody, ...] = ()
    chain_signatures: tuple[frozenset[SignatureScheme], ...] = ()

    def __init__(self, private_key: CertificateIssuerPrivateKeyTypes) -> None:
        """Raises ConfigurationError for a key that TLS 1.3 has no signature scheme for, or a short RSA key."""
        public_key = private_key.public_key()
        if isinstance(public_key, rsa.RSAPublicKey) and public_key.key_size < SMALLEST_RSA:
            raise ConfigurationError(f"the RSA key has {public_key.key_size} bits; {SMALLEST_RSA} are needed")
        self.spki = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.der_chain = (self.spki,)
        self.signature_schemes = tuple(schemes_for(public_key, PublicKeyInfo(self.spki)))
        if not self.signature_schemes:
            raise ConfigurationError("TLS 1.3 has no signature scheme for this key (RFC 9846, section 4.3.3)")
        self._sign = partial(sign, private_key)

    def sign(self, scheme: SignatureScheme, content: bytes) -> bytes | Awaitable[bytes]:
        return self._sign(scheme, content)

    def matches(self, server_name: str) -> bool:
        """It has no name, so it is for any."""
        return True

    def issued_by(self, authorities: Collection[bytes]) -> bool:
        """Nobody has issued it, and nobody asks who has."""
        return True

    def satisfies(self, filters: Sequence[OIDFilter]) -> bool:
        return not filters

    def __repr__(self) -> str:
        return f"<RawPublicKey for {', '.join(scheme.name for scheme in self.signature_schemes)}>"


def known_keys(spkis: Collection[bytes]) -> frozenset[bytes]:
    """The keys that a config believes. Raises ConfigurationError for what is no list of SubjectPublicKeyInfos,
    and for a key that is expensive to verify with."""
    if isinstance(spkis, bytes | bytearray | memoryview):
        raise ConfigurationError("raw keys are a list of SubjectPublicKeyInfos (DER), not one: put it into a list")
    for spki in spkis:
        try:
            key = PublicKeyInfo(spki).public_key()
        except errors.BadPublicKey as error:
            raise ConfigurationError(f"a raw key is a SubjectPublicKeyInfo (DER): {error.detail}") from None
        if not isinstance(key, rsa.RSAPublicKey):
            continue
        if excess := rsa_excess(key.key_size, key.public_numbers().e.bit_length()):
            raise ConfigurationError(f"a raw key is {excess}")
    return frozenset(spkis)


def trusted_key(spki: bytes, trusted: Collection[bytes]) -> PublicKeyInfo:
    """The key that a peer shows, if it is one of those that are trusted. Raises UnknownPublicKey, BadPublicKey."""
    if spki not in trusted:
        raise errors.UnknownPublicKey(f"{len(spki)} bytes: {spki.hex()[:64]}")
    return PublicKeyInfo(spki)

"""Key exchange groups: RFC 9846, sections 4.3.8 and 7.4; the hybrids of RFC 10024.

Every group has the shape of a KEM. The client makes a share; the server *encapsulates* to it, which gives the server's
share and the secret; the client *finishes* with the server's share. Diffie-Hellman fits (the server makes a key of
its own and computes), ML-KEM is made so, and a hybrid is two of them side by side: nothing else in this project knows
the difference.

What a peer sends is checked here, each kind with its own trap: a point must be on the curve and uncompressed, an
X25519 result must not be all zeros, an ML-KEM key must be reduced (FIPS 203, section 7.2). A wrong ML-KEM ciphertext
gives no error at all, only another secret ("implicit rejection"), so that it comes out when the first record does
not decrypt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from .. import errors
from ..errors import UsageError
from ..wire.registry import NamedGroup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    MlKemPrivateKey = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey

    class MontgomeryKey(Protocol):
        """X25519PrivateKey and X448PrivateKey."""

        def public_key(self) -> MontgomeryPublicKey: ...
        def exchange(self, peer_public_key: Any) -> bytes: ...

    class MontgomeryPublicKey(Protocol):
        def public_bytes_raw(self) -> bytes: ...


X25519_SUBJECT_PUBLIC_KEY_INFO = bytes.fromhex("302a300506032b656e032100")
"""The struct of an X25519 key, up to its 32 bytes (RFC 8410, section 4)."""


class KeyShare:
    """The client's half of one key exchange: `public` for the wire, and a private half that works once.

    RFC 9846, section 4.3.8: a key share MUST NOT be reused; so `finish` raises UsageError the second time.
    """

    __slots__ = ("_exchange", "_private", "public")

    def __init__(self, public: bytes, exchange: Callable[[Any, bytes], bytes], private: object) -> None:
        self.public = public
        self._exchange = exchange
        """Makes the secret of `private` and the server's share."""
        self._private: object | None = private

    def finish(self, server_share: bytes) -> bytes:
        """The shared secret. Raises InvalidKeyShare."""
        private, self._private = self._private, None
        if private is None:
            raise UsageError("a key share is used for one key exchange only")
        return self._exchange(private, server_share)

    def __repr__(self) -> str:
        return f"<KeyShare: {len(self.public)} bytes public>"


class Group(ABC):
    """One NamedGroup."""

    code: NamedGroup
    client_share_length: int
    server_share_length: int

    @abstractmethod
    def generate(self) -> KeyShare:
        """A fresh client share."""

    @abstractmethod
    def from_private(self, private: bytes) -> KeyShare:
        """The client share of a given private key: for test vectors only."""

    @abstractmethod
    def encapsulate(self, client_share: bytes) -> tuple[bytes, bytes]:
        """The server's share and the shared secret. Raises InvalidKeyShare."""

    def check_length(self, share: bytes, expected: int) -> None:
        if len(share) != expected:
            raise errors.InvalidKeyShare(f"{self.code.name} has shares of {expected} bytes, not {len(share)}")

    def __repr__(self) -> str:
        return f"<Group {self.code.name}>"


class DiffieHellman(Group):
    """Both sides do the same: make a key, send its public half, compute with the other's."""

    @abstractmethod
    def exchange(self, private: object, peer_share: bytes) -> bytes:
        """The shared secret of a private key and a peer's public share. Raises InvalidKeyShare."""

    @abstractmethod
    def fresh(self) -> tuple[object, bytes]:
        """A private key and its public share."""

    def generate(self) -> KeyShare:
        private, public = self.fresh()
        return KeyShare(public, self.exchange, private)

    def encapsulate(self, client_share: bytes) -> tuple[bytes, bytes]:
        private, public = self.fresh()
        return public, self.exchange(private, client_share)


class Montgomery(DiffieHellman):
    """x25519 and x448 (RFC 7748). A low-order share would make the secret all zeros: refused (section 7.4.2)."""

    def __init__(
        self,
        code: NamedGroup,
        length: int,
        generate: Callable[[], MontgomeryKey],
        load: Callable[[bytes], MontgomeryKey],
        load_public: Callable[[bytes], object],
    ) -> None:
        self.code = code
        self.client_share_length = self.server_share_length = length
        self._generate, self._load, self._load_public = generate, load, load_public

    def fresh(self) -> tuple[object, bytes]:
        private = self._generate()
        return private, private.public_key().public_bytes_raw()

    def from_private(self, private: bytes) -> KeyShare:
        key = self._load(private)
        return KeyShare(key.public_key().public_bytes_raw(), self.exchange, key)

    def exchange(self, private: MontgomeryKey, peer_share: bytes) -> bytes:  # type: ignore[override]  # its own keys
        self.check_length(peer_share, self.client_share_length)
        try:
            return private.exchange(self._load_public(peer_share))
        except ValueError:
            raise errors.InvalidKeyShare(
                f"{self.code.name}: a point of low order, whose secret anybody knows"
            ) from None


class Weierstrass(DiffieHellman):
    """secp256r1, secp384r1, secp521r1. Shares are 04 || X || Y, and the point must be on the curve (4.3.8.2)."""

    def __init__(self, code: NamedGroup, curve: ec.EllipticCurve) -> None:
        self.code = code
        self.curve = curve
        self.client_share_length = self.server_share_length = 1 + 2 * ((curve.key_size + 7) // 8)

    def fresh(self) -> tuple[object, bytes]:
        private = ec.generate_private_key(self.curve)
        return private, _point(private)

    def from_private(self, private: bytes) -> KeyShare:
        key = ec.derive_private_key(int.from_bytes(private, "big"), self.curve)
        return KeyShare(_point(key), self.exchange, key)

    def exchange(self, private: ec.EllipticCurvePrivateKey, peer_share: bytes) -> bytes:  # type: ignore[override]  # its own keys
        self.check_length(peer_share, self.client_share_length)
        if peer_share[0] != 4:  # from_encoded_point would take compressed points too
            raise errors.InvalidKeyShare(
                f"{self.code.name}: a point is 04 || X || Y, this begins with {peer_share[0]:02x}"
            )
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, peer_share)
            return private.exchange(ec.ECDH(), peer)
        except ValueError:
            raise errors.InvalidKeyShare(f"{self.code.name}: the point is not on the curve") from None


def _x25519_public_key(share: bytes) -> object:
    """As X25519PublicKey.from_public_bytes, in two thirds of the time: that one imports something each time, to ask
    whether the library knows X25519."""
    return load_der_public_key(X25519_SUBJECT_PUBLIC_KEY_INFO + share)


def _point(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class MlKem:
    """ML-KEM (FIPS 203), the post-quantum half of a hybrid."""

    def __init__(
        self,
        private: type[mlkem.MLKEM768PrivateKey] | type[mlkem.MLKEM1024PrivateKey],
        public: type[mlkem.MLKEM768PublicKey] | type[mlkem.MLKEM1024PublicKey],
        encapsulation_key_length: int,
        ciphertext_length: int,
    ) -> None:
        self.private, self.public = private, public
        self.encapsulation_key_length = encapsulation_key_length
        self.ciphertext_length = ciphertext_length

    def encapsulate(self, encapsulation_key: bytes) -> tuple[bytes, bytes]:
        """The ciphertext and the shared secret. Raises InvalidKeyShare for a key that is not reduced modulo q."""
        try:
            secret, ciphertext = self.public.from_public_bytes(encapsulation_key).encapsulate()
        except ValueError:
            raise errors.InvalidKeyShare(
                "the ML-KEM encapsulation key is not a valid one (FIPS 203, section 7.2)"
            ) from None
        return ciphertext, secret


class Hybrid(Group):
    """RFC 10024: an elliptic curve and ML-KEM side by side. Who wants the secret must break both.

    The order trap: X25519MLKEM768 puts ML-KEM first, in the shares and in the secret; the other two put ECDH first.
    """

    def __init__(self, code: NamedGroup, curve: DiffieHellman, kem: MlKem, *, kem_first: bool) -> None:
        self.code = code
        self.curve, self.kem, self.kem_first = curve, kem, kem_first
        self.client_share_length = kem.encapsulation_key_length + curve.client_share_length
        self.server_share_length = kem.ciphertext_length + curve.server_share_length

    def generate(self) -> KeyShare:
        return self._share(self.kem.private.generate(), self.curve.generate())

    def from_private(self, private: bytes) -> KeyShare:
        """ML-KEM's seed d || z (64 bytes), then the curve's private key."""
        return self._share(self.kem.private.from_seed_bytes(private[:64]), self.curve.from_private(private[64:]))

    def _share(self, kem: MlKemPrivateKey, curve: KeyShare) -> KeyShare:
        return KeyShare(self._join(kem.public_key().public_bytes_raw(), curve.public), self._exchange, (kem, curve))

    def _exchange(self, private: tuple[MlKemPrivateKey, KeyShare], server_share: bytes) -> bytes:
        self.check_length(server_share, self.server_share_length)
        ciphertext, point = self._split(server_share, self.kem.ciphertext_length)
        kem, curve = private
        return self._join(kem.decapsulate(ciphertext), curve.finish(point))

    def encapsulate(self, client_share: bytes) -> tuple[bytes, bytes]:
        self.check_length(client_share, self.client_share_length)
        key, point = self._split(client_share, self.kem.encapsulation_key_length)
        ciphertext, kem_secret = self.kem.encapsulate(key)
        curve_share, curve_secret = self.curve.encapsulate(point)
        return self._join(ciphertext, curve_share), self._join(kem_secret, curve_secret)

    def _join(self, kem: bytes, curve: bytes) -> bytes:
        return kem + curve if self.kem_first else curve + kem

    def _split(self, share: bytes, kem_length: int) -> tuple[bytes, bytes]:
        if self.kem_first:
            return share[:kem_length], share[kem_length:]
        return share[-kem_length:], share[:-kem_length]


X25519 = Montgomery(
    NamedGroup.x25519,
    32,
    x25519.X25519PrivateKey.generate,
    x25519.X25519PrivateKey.from_private_bytes,
    _x25519_public_key,
)
X448 = Montgomery(
    NamedGroup.x448,
    56,
    x448.X448PrivateKey.generate,
    x448.X448PrivateKey.from_private_bytes,
    x448.X448PublicKey.from_public_bytes,
)
SECP256R1 = Weierstrass(NamedGroup.secp256r1, ec.SECP256R1())
SECP384R1 = Weierstrass(NamedGroup.secp384r1, ec.SECP384R1())
SECP521R1 = Weierstrass(NamedGroup.secp521r1, ec.SECP521R1())
ML_KEM_768 = MlKem(mlkem.MLKEM768PrivateKey, mlkem.MLKEM768PublicKey, 1184, 1088)
ML_KEM_1024 = MlKem(mlkem.MLKEM1024PrivateKey, mlkem.MLKEM1024PublicKey, 1568, 1568)

GROUPS: Mapping[int, Group] = {
    group.code: group
    for group in (
        Hybrid(NamedGroup.X25519MLKEM768, X25519, ML_KEM_768, kem_first=True),
        Hybrid(NamedGroup.SecP256r1MLKEM768, SECP256R1, ML_KEM_768, kem_first=False),
        Hybrid(NamedGroup.SecP384r1MLKEM1024, SECP384R1, ML_KEM_1024, kem_first=False),
        X25519,
        SECP256R1,
        SECP384R1,
        SECP521R1,
        X448,
    )
}

DEFAULT_GROUPS: tuple[NamedGroup, ...] = tuple(group.code for group in GROUPS.values())
"""In order of preference; X25519MLKEM768 first, because what is recorded today can be opened by tomorrow's computer."""

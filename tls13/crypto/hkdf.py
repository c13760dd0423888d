"""HKDF (RFC 5869) and HKDF-Expand-Label (RFC 9846, section 7.1).

A secret of TLS 1.3 is used a few times as an HMAC key and never as anything else. HMAC(key, m) hashes the key, padded
to a block and masked two ways, before m is even looked at; so `Secret` hashes those two blocks once, on first use,
and copies the state for every use. With the label bytes prepared as well, one HKDF-Expand-Label on a secret that was
used before costs about half of what hmac.new or `cryptography`'s HKDFExpand does; the first use costs the same.
"""

from __future__ import annotations

import hmac
from functools import lru_cache
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    import hashlib

    from .suites import Hash

INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class Secret:
    """A secret of the key schedule. Its repr does not show it; comparing takes the same time wherever they differ.

    Not hashable: equal secrets would need equal hashes, made of their values and not kept secret by anybody.
    """

    __slots__ = ("_inner", "_outer", "hash", "value")

    def __init__(self, hash: Hash, value: bytes) -> None:
        self.hash = hash
        self.value = value
        self._inner: hashlib._Hash | None = None
        self._outer: hashlib._Hash | None = None

    def rest(self) -> None:
        """Not to be used again soon: give back what is prepared, which is many times as large as the secret."""
        self._inner = self._outer = None

    def hmac(self, data: bytes) -> bytes:
        """HMAC-Hash(self, data), RFC 2104."""
        inner, outer = self._inner, self._outer
        if inner is None or outer is None:
            # RFC 2104, section 2: a key longer than a block is hashed first.
            size = self.hash.block_size
            key = self.value if len(self.value) <= size else self.hash.new(self.value).digest()
            block = key.ljust(size, b"\0")
            inner = self._inner = self.hash.new(block.translate(INNER_PAD))
            outer = self._outer = self.hash.new(block.translate(OUTER_PAD))
        inner = inner.copy()
        inner.update(data)
        outer = outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def expand_label(self, label: bytes, context: bytes, length: int) -> bytes:
        """HKDF-Expand-Label(self, label, context, length): `length` bytes. `label` is without "tls13 "."""
        prefix = hkdf_label(label, len(context), length)
        if length <= self.hash.digest_size:
            return self.hmac(prefix + context + b"\x01")[:length]
        return self._expand(prefix + context, length)

    def _expand(self, info: bytes, length: int) -> bytes:
        """HKDF-Expand over several blocks (RFC 5869, section 2.3): only exporters ask for so much."""
        if length > 255 * self.hash.digest_size:
            raise UsageError(f"HKDF gives at most {255 * self.hash.digest_size} bytes, not {length}")
        output = block = b""
        for counter in range(1, -(-length // self.hash.digest_size) + 1):
            block = self.hmac(block + info + bytes((counter,)))
            output += block
        return output[:length]

    def derive_secret(self, label: bytes, transcript_hash: bytes) -> Secret:
        """Derive-Secret(self, label, Messages), given Transcript-Hash(Messages) (section 7.1)."""
        return Secret(self.hash, self.expand_label(label, transcript_hash, self.hash.digest_size))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.value, other.value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.value)} bytes>"


@lru_cache(256)
def hkdf_label(label: bytes, context_length: int, length: int) -> bytes:
    """The constant part of `struct HkdfLabel`, up to the context: uint16 length; opaque label<7..255> = "tls13 " +
    label; and the length of opaque context<0..255>."""
    full = b"tls13 " + label
    if not 7 <= len(full) <= 255:
        raise UsageError(f"an HKDF label has 1 to 249 bytes, not {len(label)}")
    if not 0 <= length <= 0xFFFF:
        raise UsageError(f"HKDF-Expand-Label gives 0 to 65535 bytes, not {length}")
    return length.to_bytes(2, "big") + bytes((len(full),)) + full + bytes((context_length,))


def extract(hash: Hash, salt: bytes, input_keying_material: bytes) -> Secret:
    """HKDF-Extract(salt, IKM): RFC 5869, section 2.2."""
    return Secret(hash, Secret(hash, salt).hmac(input_keying_material))

"""HKDF (RFC 5869) and HKDF-Expand-Label (RFC 9846, section 7.1).

A secret of TLS 1.3 is an HMAC key and never anything else. HMAC(key, m) hashes the key, padded to a block and masked
two ways, before m is even looked at. Most secrets are used for two or three messages at the same moment and then no
more, so `two_hmacs` and `three_hmacs` take them together: they hash those two blocks once and copy the states for each
message but one. Nothing that is prepared from a secret outlives the call. A single message needs no copies: `hmac`. It
takes half as long as hmac.digest, which looks the hash up by its name, or as HKDFExpand does.

A call more for each HMAC would be a tenth of it, and a loop over any number of messages a fifth: so all three pad their
keys on the spot (RFC 2104, section 2), and say straight on what they do. Their keys are no longer than a block, as
every output of the hash; `extract`, whose salt may be anything, hashes a longer one first.

What is expanded is, but for a transcript hash, always the same: the labels are put together once for each hash.
"""

from __future__ import annotations

from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from .suites import Hash

INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


def hmac(hash: Hash, key: bytes, data: bytes) -> bytes:
    """HMAC-Hash(key, data), RFC 2104, under a key of a block at most."""
    new, block = hash.new, key.ljust(hash.block_size, b"\0")
    inner, outer = new(block.translate(INNER_PAD)), new(block.translate(OUTER_PAD))
    inner.update(data)
    outer.update(inner.digest())
    return outer.digest()


def two_hmacs(hash: Hash, key: bytes, first: bytes, second: bytes) -> tuple[bytes, bytes]:
    """HMAC-Hash(key, .) of both, under a key of a block at most."""
    new, block = hash.new, key.ljust(hash.block_size, b"\0")
    inner, outer = new(block.translate(INNER_PAD)), new(block.translate(OUTER_PAD))
    inner_2, outer_2 = inner.copy(), outer.copy()
    inner.update(first)
    outer.update(inner.digest())
    inner_2.update(second)
    outer_2.update(inner_2.digest())
    return outer.digest(), outer_2.digest()


def three_hmacs(hash: Hash, key: bytes, first: bytes, second: bytes, third: bytes) -> tuple[bytes, bytes, bytes]:
    """HMAC-Hash(key, .) of all three, under a key of a block at most."""
    new, block = hash.new, key.ljust(hash.block_size, b"\0")
    inner, outer = new(block.translate(INNER_PAD)), new(block.translate(OUTER_PAD))
    inner_2, outer_2, inner_3, outer_3 = inner.copy(), outer.copy(), inner.copy(), outer.copy()
    inner.update(first)
    outer.update(inner.digest())
    inner_2.update(second)
    outer_2.update(inner_2.digest())
    inner_3.update(third)
    outer_3.update(inner_3.digest())
    return outer.digest(), outer_2.digest(), outer_3.digest()


class Secret:
    """A secret of the key schedule. Its repr does not show it; comparing takes the same time wherever they differ.

    Not hashable: equal secrets would need equal hashes, made of their values and not kept secret by anybody.
    """

    __slots__ = ("hash", "value")

    def __init__(self, hash: Hash, value: bytes) -> None:
        self.hash = hash
        self.value = value

    def hmac(self, data: bytes) -> bytes:
        """HMAC-Hash(self, data), RFC 2104."""
        return hmac(self.hash, self.value, data)

    def derive(self, label: bytes, transcript_hash: bytes) -> bytes:
        """Derive-Secret(self, label, Messages), given Transcript-Hash(Messages); for the labels of section 7.1."""
        return hmac(self.hash, self.value, self.hash.labels[label] + transcript_hash + b"\x01")

    def expand_label(self, label: bytes, context: bytes, length: int) -> bytes:
        """HKDF-Expand-Label(self, label, context, length): `length` bytes. `label` is without "tls13 "."""
        if length <= self.hash.digest_size:
            return hmac(self.hash, self.value, first_block(label, context, length))[:length]
        return self._expand(hkdf_label(label, len(context), length) + context, length)

    def _expand(self, info: bytes, length: int) -> bytes:
        """HKDF-Expand over several blocks (RFC 5869, section 2.3): only exporters ask for so much."""
        if length > 255 * self.hash.digest_size:
            raise UsageError(f"HKDF gives at most {255 * self.hash.digest_size} bytes, not {length}")
        output = block = b""
        for counter in range(1, -(-length // self.hash.digest_size) + 1):
            block = self.hmac(block + info + bytes((counter,)))
            output += block
        return output[:length]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self.value, other.value)

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


def first_block(label: bytes, context: bytes, length: int) -> bytes:
    """What HKDF-Expand makes an HMAC of for `length` bytes, if they are no more than a hash: HkdfLabel, then 1."""
    return hkdf_label(label, len(context), length) + context + b"\x01"


def extract(hash: Hash, salt: bytes, input_keying_material: bytes) -> Secret:
    """HKDF-Extract(salt, IKM): RFC 5869, section 2.2. Of a salt longer than a block HMAC takes the hash (RFC 2104)."""
    key = salt if len(salt) <= hash.block_size else hash.new(salt).digest()
    return Secret(hash, hmac(hash, key, input_keying_material))

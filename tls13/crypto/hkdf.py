"""HKDF (RFC 5869) and HKDF-Expand-Label (RFC 9846, section 7.1).

A secret of TLS 1.3 is an HMAC key and never anything else. HMAC(key, m) hashes the key, padded to a block and masked
two ways, before m is even looked at. Most secrets are used for two or three messages at the same moment and then no
more, so `hmacs` takes them together: it hashes those two blocks once and copies the states for each message but the
last. Nothing that is prepared from a secret outlives the call. A single message needs no copies: `hmac`. Either takes
half as long as hmac.digest, which looks the hash up by its name, or as HKDFExpand does.

A call more for each HMAC would be a tenth of it, so both pad their keys (RFC 2104, section 2) on the spot.

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
    """HMAC-Hash(key, data), RFC 2104."""
    new, size = hash.new, hash.block_size
    block = (key if len(key) <= size else new(key).digest()).ljust(size, b"\0")  # RFC 2104, section 2
    inner, outer = new(block.translate(INNER_PAD)), new(block.translate(OUTER_PAD))
    inner.update(data)
    outer.update(inner.digest())
    return outer.digest()


def hmacs(hash: Hash, key: bytes, *messages: bytes) -> list[bytes]:
    """HMAC-Hash(key, .) of each of these, of which there is one at least."""
    new, size = hash.new, hash.block_size
    block = (key if len(key) <= size else new(key).digest()).ljust(size, b"\0")  # RFC 2104, section 2
    inner, outer = new(block.translate(INNER_PAD)), new(block.translate(OUTER_PAD))
    *others, last = messages
    found = []
    for message in others:
        of_message = inner.copy()
        of_message.update(message)
        of_digest = outer.copy()
        of_digest.update(of_message.digest())
        found.append(of_digest.digest())
    inner.update(last)
    outer.update(inner.digest())
    found.append(outer.digest())
    return found


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
    """HKDF-Extract(salt, IKM): RFC 5869, section 2.2."""
    return Secret(hash, hmac(hash, salt, input_keying_material))

"""The presentation language at work: RFC 9846, section 3. Bounds, scopes, and that nothing reads past its end."""

from __future__ import annotations

import pytest

from tls13.errors import ConfigurationError, DecodeError
from tls13.wire.codec import Fixed, Opaque, UInt


@pytest.mark.parametrize(("ceiling", "size"), [(1, 1), (255, 1), (256, 2), (2**16 - 1, 2), (2**16, 3), (2**24 - 1, 3)])
def test_a_length_takes_as_many_bytes_as_the_ceiling_needs(ceiling, size) -> None:
    """Section 3.4."""
    out = bytearray()
    Opaque(0, ceiling).encode(b"x", out)
    assert bytes(out) == (1).to_bytes(size, "big") + b"x"


def test_integers_are_big_endian_and_end_with_their_scope() -> None:
    """Section 3.1."""
    assert UInt(4).decode(b"..\1\2\3\4", 2, 6) == (0x01020304, 6)
    with pytest.raises(DecodeError, match="uint32 needs 4 bytes where 3 are left"):
        UInt(4).decode(b"\1\2\3\4", 0, 3)


def test_a_fixed_field_has_its_length() -> None:
    assert Fixed(3).decode(b"abcd", 0, 4) == (b"abc", 3)
    with pytest.raises(DecodeError):
        Fixed(3).decode(b"abcd", 2, 4)
    with pytest.raises(ConfigurationError):
        Fixed(3).encode(b"ab", bytearray())

# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""Integers that follow one another in a struct, and hellos that end early: RFC 9846, sections 3 and 4.3.1."""

from typing import Annotated

import pytest

from tls13.errors import DecodeError
from tls13.wire import messages as m
from tls13.wire.codec import Opaque, Struct, UInt
from tls13.wire.registry import CipherSuite, PskKeyExchangeMode


class Row(Struct):
    """Integers of every size, some next to one another, some not."""

    one: Annotated[int, UInt(1)]
    suite: CipherSuite
    four: Annotated[int, UInt(4)]
    name: Annotated[bytes, Opaque(0, 255)]
    eight: Annotated[int, UInt(8)]
    mode: PskKeyExchangeMode
    three: Annotated[int, UInt(3)]
    last: Annotated[int, UInt(2)]


ROW = bytes.fromhex("01 1301 00000004 02 6162 0000000000000008 7f 000003 0002")


def test_integers_in_a_row_are_fields_like_any_other() -> None:
    """They are read and written together; what they are, and their order, is the declaration's."""
    row = Row.decode(ROW)
    assert tuple(vars(row).values()) == (1, CipherSuite.TLS_AES_128_GCM_SHA256, 4, b"ab", 8, 0x7F, 3, 2)
    assert (type(row.suite), row.suite.name) == (CipherSuite, "TLS_AES_128_GCM_SHA256")
    assert (type(row.mode), row.mode.name) == (PskKeyExchangeMode, "unknown_0x7f")
    assert row.encode() == ROW
    assert Row(**vars(row)) == row


@pytest.mark.parametrize(
    ("length", "field"),
    [
        (0, "one"),
        (2, "suite"),
        (6, "four"),
        (7, "name"),
        (9, "name"),
        (17, "eight"),
        (18, "mode"),
        (20, "three"),
        (23, "last"),
    ],
)
def test_a_row_of_integers_that_ends_early_says_at_which(length, field) -> None:
    with pytest.raises(DecodeError, match=rf": Row\.{field}: "):
        Row.decode(ROW[:length])
    with pytest.raises(DecodeError, match=rf": Row\.{field}: "):
        Row.decode_at(ROW, 0, length)


@pytest.mark.parametrize("kind", [m.ClientHello, m.ServerHello, m.HelloRetryRequest])
def test_only_a_hello_may_end_before_its_extensions(kind) -> None:
    """Section 4.3.1: TLS 1.2's do, and the version rule is to see them."""
    start = bytes.fromhex("0303") + bytes(32)
    start += bytes.fromhex("00 0002 1301 01 00") if kind is m.ClientHello else bytes.fromhex("00 1301 00")
    assert len(kind.decode(start).extensions) == 0
    with pytest.raises(DecodeError, match="extensions"):
        kind.decode(start + b"\0")
    with pytest.raises(DecodeError, match="extensions"):
        m.EncryptedExtensions.decode(b"")

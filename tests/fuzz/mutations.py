"""What is done to a message or a record: by bytes, by lengths, by extensions, and by what was said before."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    Change = list[bytes]

INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF)


def a_byte(chance: Random, body: bytearray) -> None:
    if body:
        body[chance.randrange(len(body))] = chance.choice((*INTERESTING, chance.randrange(256)))


def a_bit(chance: Random, body: bytearray) -> None:
    if body:
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)


def a_length(chance: Random, body: bytearray) -> None:
    """Two bytes that may be a length, one up or down."""
    if len(body) > 1:
        at = chance.randrange(len(body) - 1)
        value = int.from_bytes(body[at : at + 2], "big") + chance.choice((-1, 1))
        body[at : at + 2] = (value % 2**16).to_bytes(2, "big")


def cut_off(chance: Random, body: bytearray) -> None:
    del body[chance.randrange(len(body) + 1) :]


def cut_out(chance: Random, body: bytearray) -> None:
    at = chance.randrange(len(body) + 1)
    del body[at : at + chance.randrange(1, 40)]


def put_in(chance: Random, body: bytearray) -> None:
    at = chance.randrange(len(body) + 1)
    body[at:at] = chance.randbytes(chance.randrange(1, 40))


def twice(chance: Random, body: bytearray) -> None:
    """A piece of it stands there twice: an extension, an entry, a share."""
    at = chance.randrange(len(body) + 1)
    body[at:at] = body[at : at + chance.randrange(1, 60)]


CHANGES = (a_byte, a_byte, a_bit, a_bit, a_length, a_length, cut_off, cut_out, put_in, twice)


def message(chance: Random, raw: bytes, earlier: list[bytes]) -> list[bytes]:
    """A whole `struct Handshake`, changed: mostly inside, with a length that fits, so that the change is looked at."""
    choice = chance.random()
    if choice < 0.05:
        return []
    if choice < 0.1:
        return [raw, raw]
    if choice < 0.2:
        return [raw, chance.choice(earlier)] if chance.random() < 0.5 else [chance.choice(earlier), raw]
    msg_type, body = raw[0], bytearray(raw[4:])
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        chance.choice(CHANGES)(chance, body)
    if choice < 0.25:
        msg_type = chance.choice((0, 1, 2, 4, 5, 8, 11, 13, 15, 20, 24, 25, 254, chance.randrange(256)))
    length = len(body) if chance.random() < 0.9 else chance.randrange(2**24)
    return [bytes((msg_type,)) + length.to_bytes(3, "big") + bytes(body)]


def record(chance: Random) -> tuple[int, bytes]:
    """A record that nobody asked for."""
    content_type = chance.choice((20, 21, 22, 23, 24, chance.randrange(256)))
    if content_type == 20:
        return content_type, b"\x01" if chance.random() < 0.7 else chance.randbytes(2)
    if content_type == 21:
        return content_type, bytes((chance.choice((1, 2)), chance.choice((0, 10, 20, 40, 90, chance.randrange(256)))))
    if content_type == 22:
        kind = chance.choice((4, 13, 24, chance.randrange(256)))
        body = chance.choice((b"\x00", b"\x01", chance.randbytes(chance.randrange(60))))
        return content_type, bytes((kind,)) + len(body).to_bytes(3, "big") + body
    return content_type, chance.randbytes(chance.choice((1, 2, 100, 16384)))

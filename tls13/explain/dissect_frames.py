"""From segments of two byte streams to records (RFC 9846, section 5.1), each with the time at which it was complete.

A watcher must not stumble where an endpoint would refuse: a record that is too long, a stream that ends in the middle
of one, bytes that are no TLS at all are each shown as what they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ..record import HEADER_LENGTH
from ..wire.registry import ContentType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .capture import Segment

KNOWN_TYPES = frozenset(
    (
        ContentType.change_cipher_spec,
        ContentType.alert,
        ContentType.handshake,
        ContentType.application_data,
    )
)
MAJOR_VERSION = 3
"""Of legacy_record_version, in every version since SSL 3.0."""


class Shape(Enum):
    """What a piece of a stream is."""

    RECORD = "a record"
    CUT = "the beginning of a record; the rest is not in the capture"
    NOT_TLS = "bytes that are not TLS records"


@dataclass(frozen=True, slots=True)
class Frame:
    """`raw` with its header, if it has one. `time`: seconds since the first segment."""

    to_server: bool
    time: float
    raw: bytes
    shape: Shape = Shape.RECORD

    @property
    def outer_type(self) -> int:
        return self.raw[0]

    @property
    def body(self) -> bytes:
        return self.raw[HEADER_LENGTH:]


class _Stream:
    """One direction."""

    def __init__(self, to_server: bool) -> None:
        self.to_server = to_server
        self.buffer = bytearray()
        self.time = 0.0
        self.lost = False

    def feed(self, segment: Segment) -> Iterator[Frame]:
        self.time = segment.time
        self.buffer += segment.data
        while self.buffer and not self.lost:
            if not self._is_record():
                self.lost = True
                break
            end = HEADER_LENGTH + int.from_bytes(self.buffer[3:5], "big")
            if len(self.buffer) < HEADER_LENGTH or len(self.buffer) < end:
                return
            yield self._take(end, Shape.RECORD)
        if self.lost:
            yield from self.rest()

    def rest(self) -> Iterator[Frame]:
        """What no more bytes come for."""
        if self.buffer:
            yield self._take(len(self.buffer), Shape.NOT_TLS if self.lost else Shape.CUT)

    def _is_record(self) -> bool:
        return self.buffer[0] in KNOWN_TYPES and (len(self.buffer) < 2 or self.buffer[1] == MAJOR_VERSION)

    def _take(self, end: int, shape: Shape) -> Frame:
        raw = bytes(self.buffer[:end])
        del self.buffer[:end]
        return Frame(self.to_server, self.time, raw, shape)


def frames(segments: Iterable[Segment]) -> Iterator[Frame]:
    """The records of both directions, in the order in which they were complete."""
    streams = {to_server: _Stream(to_server) for to_server in (True, False)}
    for segment in segments:
        yield from streams[segment.to_server].feed(segment)
    for stream in streams.values():
        yield from stream.rest()


def handshake_messages(stream: bytes) -> Iterator[bytes]:
    """The whole `struct Handshake`s that a stream of handshake bytes begins with."""
    while len(stream) >= 4 and len(stream) >= (end := 4 + int.from_bytes(stream[1:4], "big")):
        yield stream[:end]
        stream = stream[end:]

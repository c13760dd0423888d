"""TCP, from segments to two streams of bytes, each with the time at which it could be read.

What a capture saw is not what the receiver saw: segments come twice, late, in another order, overlapping; sequence
numbers pass 2^32 and begin again; the capture may begin in the middle, or have lost what the receiver got. So each
direction is put in order by sequence number, as a receiver does it. Of bytes that were sent twice the first are taken;
if the second differ, somebody wants us to see another stream than the receiver, and a note says so. Where bytes are
missing for good the stream ends: what follows cannot be decrypted, because nobody knows how many records are gone.

Sequence numbers are counted on in whole numbers from where a direction began, so that nothing below has to think of
2^32: `position` 0 is the first byte of the stream.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from .packets import ACK, FIN, RST, SYN, format_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .packets import Address, TcpSegment

NUMBERS, HALF = 2**32, 2**31


class Delivered(NamedTuple):
    """Bytes of a stream, in order. `number`: of the segment that completed them, in its connection."""

    number: int
    time: int
    """Nanoseconds since 1970."""
    data: bytes


class Direction:
    """One of the two streams."""

    def __init__(self, segments: list[tuple[int, TcpSegment]]) -> None:
        self.delivered: list[Delivered] = []
        self.notes: list[str] = []
        self.is_whole = True
        """Whether nothing is missing at its beginning, as far as the capture tells."""
        self._stream = bytearray()
        self._waiting: list[tuple[int, int, bytes]] = []
        """A heap of what came early: position, number (no two are equal), bytes."""
        self._beyond = 0
        """The position behind the furthest byte that was seen."""
        if segments:
            self._read(segments)

    def _read(self, segments: list[tuple[int, TcpSegment]]) -> None:
        start = self._start([segment for _, segment in segments])
        end: int | None = None  # a FIN takes a number too, but no byte
        for number, segment in segments:
            first = segment.sequence + bool(segment.flags & SYN)
            position = _nearest(first - start, self._beyond)
            if not segment.flags & RST:
                self._beyond = max(self._beyond, position + segment.length)
            if segment.flags & FIN:
                end = position + segment.length
            if segment.payload:
                heappush(self._waiting, (position, number, segment.payload))
                self._deliver(number, segment.time)
        missing = (self._beyond if end is None else min(end, self._beyond)) - len(self._stream)
        if missing > 0:
            held = sum(len(data) for _, _, data in self._waiting)
            then = f"{held} bytes that follow cannot be read without them" if held else "nothing follows them"
            self.notes.append(f"after byte {len(self._stream)} the capture lacks {missing - held} bytes; {then}")

    def _start(self, segments: list[TcpSegment]) -> int:
        """The sequence number of the first byte. Without a SYN the lowest one that was seen."""
        for segment in segments:
            if segment.flags & SYN:
                return segment.sequence + 1
        self.is_whole = False
        # A keep-alive probe is one byte before what comes next, or that byte without its content.
        telling = [one for one in segments if one.length > 1] or segments[:1]
        first, position, lowest = telling[0].sequence, 0, 0
        for segment in telling:
            position = _nearest(segment.sequence - first, position)
            lowest = min(lowest, position)
        return first + lowest

    def _deliver(self, number: int, time: int) -> None:
        """Everything up to the next gap."""
        new = bytearray()
        while self._waiting and self._waiting[0][0] <= len(self._stream):
            position, _, data = heappop(self._waiting)
            known = max(0, len(self._stream) - position)
            self._compare(position, data[:known])
            self._stream += data[known:]
            new += data[known:]
        if new:
            self.delivered.append(Delivered(number, time, bytes(new)))

    def _compare(self, position: int, again: bytes) -> None:
        """What was delivered, with what comes again. A single byte may be a keep-alive probe's, which means nothing."""
        begin = max(0, position)
        again = again[begin - position :]
        if len(again) > 1 and self._stream[begin : begin + len(again)] != again:
            text = "bytes were sent a second time and were not the same; the first ones are shown"
            if text not in self.notes:
                self.notes.append(text)


def _nearest(number: int, position: int) -> int:
    """The position that this sequence number means, which is the nearest one to where the stream was last."""
    return position + (number - position + HALF) % NUMBERS - HALF


class TcpConnection:
    """`number`: as Wireshark counts (tcp.stream). Its segments are in the order of the capture."""

    def __init__(self, number: int, first: TcpSegment) -> None:
        self.number = number
        self.segments: list[TcpSegment] = []
        self._ends = (first.source, first.target)
        self._began: int | None = first.sequence if first.flags & (SYN | ACK) == SYN else None

    def is_begun_again_by(self, segment: TcpSegment) -> bool:
        """Whether this is the first of another connection between the same ports: a SYN that is no repetition."""
        return segment.flags & (SYN | ACK) == SYN and segment.sequence != self._began

    def add(self, segment: TcpSegment) -> None:
        self.segments.append(segment)

    def sent_by(self, source: Address) -> Direction:
        return Direction([(number, one) for number, one in enumerate(self.segments) if one.source == source])

    def client(self, hello: bytes, port: int | None) -> Address:
        """Who called: who sent the SYN; if that was not captured, whoever's data begins like `hello`, or whose peer
        has the port `port`, or the lower one."""
        for segment in self.segments:
            if segment.flags & SYN:
                return segment.target if segment.flags & ACK else segment.source
        for segment in self.segments:
            if segment.payload.startswith(hello):
                return segment.source
        one, other = self._ends
        if port in (one[1], other[1]):
            return one if other[1] == port else other
        return one if other[1] <= one[1] else other

    def has_port(self, port: int) -> bool:
        return port in (self._ends[0][1], self._ends[1][1])

    def other(self, end: Address) -> Address:
        one, other = self._ends
        return other if end == one else one

    def __str__(self) -> str:
        return " - ".join(map(format_address, self._ends))


def connections(segments: Iterable[TcpSegment]) -> list[TcpConnection]:
    """The segments of a capture, sorted into connections in the order of their first segments."""
    found: list[TcpConnection] = []
    current: dict[frozenset[Address], TcpConnection] = {}
    for segment in segments:
        ends = frozenset((segment.source, segment.target))
        connection = current.get(ends)
        if connection is None or connection.is_begun_again_by(segment):
            connection = current[ends] = TcpConnection(len(found), segment)
            found.append(connection)
        connection.add(segment)
    return found

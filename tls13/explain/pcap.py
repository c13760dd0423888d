"""From somebody's capture file (a browser's, curl's, a colleague's) to the connections in it, with their secrets.

The key log comes from a file beside it or from inside it (pcapng), and holds the secrets of many connections; each of
its lines names the client_random of its own, which stands in the clear in the ClientHello (RFC 9850, section 2). A
capture without secrets is worth reading too: the hellos, the sizes and the times are what anybody on the way sees.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..wire.registry import ContentType, HandshakeType
from .capture import Capture, Segment
from .capture_files import SECOND, read_file
from .packets import UDP, format_address, is_known, open_ip, open_link, open_tcp
from .tcp import connections

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .capture_files import CaptureFile
    from .packets import Address, TcpSegment
    from .tcp import Direction, TcpConnection

Secrets = dict[str, list[bytes]]

HELLO = bytes([ContentType.handshake, 3])
"""How a client's stream begins; the next byte is a version that means nothing (section 5.1)."""
CLIENT_HELLO = re.compile(rb"\x16\x03[\x00-\x04]..\x01\x00", re.DOTALL)
"""A record whose content begins with a ClientHello of less than 64 KiB."""
RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")
LOOK = 2**16
"""Bytes in which a ClientHello is looked for: plain text may come first (STARTTLS, an HTTP proxy's CONNECT)."""
RANDOM = slice(6, 38)
"""Of a ClientHello: behind the handshake's header and legacy_version (section 4.2.2)."""
KEY_LOG_LINE = re.compile(r"([A-Z0-9_]+) ([0-9A-Fa-f]{64}) ((?:[0-9A-Fa-f]{2})+)")
QUIC_PORT = 443


def read_capture(data: bytes, key_log: str | None, *, port: int | None = None) -> list[Capture]:
    """The TLS connections of a pcap or pcapng file, in the order in which they begin.

    key_log: the text of a key log file, in addition to what the capture holds. port: only connections with this port
    on either side, whatever their bytes look like. Raises ConfigurationError if the file is no capture, or if no such
    connection is in it; the sentence says which ones are.
    """
    file = read_file(data)
    keys = KeyLog()
    for text in [*file.key_log, key_log or ""]:
        keys.add(text)
    quic: list[Address] = []
    found = connections(_segments(file, quic))
    chosen = [one for one in found if port is None or one.has_port(port)]
    captures = [capture for one in chosen if (capture := _capture(one, keys, port)) is not None]
    if not captures:
        raise ConfigurationError(_nothing(found, port, quic, len(file.packets)))
    for capture in captures:
        capture.notes += file.notes
    return captures


def _segments(file: CaptureFile, quic: list[Address]) -> Iterator[TcpSegment]:
    """Of the file's packets; what else there is, is noted."""
    unknown: Counter[int] = Counter()
    for packet in file.packets:
        if not is_known(packet.link_type):
            unknown[packet.link_type] += 1
            continue
        inside = open_link(packet)
        datagram = open_ip(inside) if inside is not None else None
        if datagram is None:
            continue
        if datagram.is_fragment:
            file.note("some IP packets are fragments, which are not put together here")
            continue
        if datagram.protocol == UDP and int.from_bytes(datagram.payload[2:4], "big") == QUIC_PORT:
            quic.append((datagram.target, QUIC_PORT))
        segment = open_tcp(packet.time, datagram)
        if segment is None:
            continue
        if len(segment.payload) < segment.length:
            file.note("packets were cut short when they were captured (the snap length), so bytes are missing")
        yield segment
    for link_type, count in unknown.items():
        file.note(f"{count} packets of link type {link_type} are left out: it is not known here")


def _capture(connection: TcpConnection, keys: KeyLog, port: int | None) -> Capture | None:
    """None if the connection does not look like TLS (and was not asked for by its port)."""
    client = connection.client(HELLO, port)
    server = connection.other(client)
    up, down = connection.sent_by(client), connection.sent_by(server)
    pieces = _in_order(up, down)
    stream = b"".join(piece.data for piece in pieces if piece.to_server)
    hello = CLIENT_HELLO.search(stream, 0, LOOK)
    if hello is None and port is None and not RECORD.match(stream):
        return None
    notes = [f"{who}: {note}" for who, one in (("client", up), ("server", down)) for note in one.notes]
    if not (up.is_whole and down.is_whole):
        notes.append("the capture begins in the middle of the TCP connection")
    if hello is not None and hello.start():
        notes.append(f"the client's first {hello.start()} bytes, and what was answered to them, are not TLS: left out")
        pieces = _from(pieces, hello.start())
    return Capture(
        segments=pieces,
        secrets=keys.of(client_random(stream[hello.start() :])) if hello is not None else {},
        source=f"stream {connection.number}",
        client=format_address(client),
        server=format_address(server),
        verified_chain=[],
        network=None,
        notes=notes,
    )


def _in_order(up: Direction, down: Direction) -> list[Segment]:
    """Both streams in the order of the capture; times from the first on, and never back, as clocks may go."""
    merged = sorted([(one, True) for one in up.delivered] + [(one, False) for one in down.delivered])
    pieces: list[Segment] = []
    latest = began = merged[0][0].time if merged else 0
    for delivered, to_server in merged:
        latest = max(latest, delivered.time)
        pieces.append(Segment(to_server, (latest - began) / SECOND, delivered.data))
    return pieces


def _from(pieces: list[Segment], start: int) -> list[Segment]:
    """Both streams from the moment on at which the client has sent `start` bytes."""
    for number, piece in enumerate(pieces):
        if piece.to_server:
            if start < len(piece.data):
                began, rest = piece.time, [Segment(True, piece.time, piece.data[start:]), *pieces[number + 1 :]]
                return [Segment(one.to_server, one.time - began, one.data) for one in rest]
            start -= len(piece.data)
    return []


def client_random(stream: bytes) -> bytes:
    """Of the ClientHello that this stream of records begins with, which may be cut into many records (section 5.1);
    b"" if there is none."""
    hello, at = b"", 0
    while len(hello) < RANDOM.stop and stream[at : at + 1] == HELLO[:1] and at + 5 <= len(stream):
        end = at + 5 + int.from_bytes(stream[at + 3 : at + 5], "big")
        hello += stream[at + 5 : end]
        at = end
    whole = len(hello) >= RANDOM.stop and hello[0] == HandshakeType.client_hello
    return hello[RANDOM] if whole else b""


class KeyLog:
    """The lines of key logs (RFC 9850), by client_random. What is no such line is passed over, as others do."""

    def __init__(self) -> None:
        self._secrets: dict[bytes, Secrets] = {}

    def add(self, text: str) -> None:
        for line in text.splitlines():
            if (match := KEY_LOG_LINE.fullmatch(line.strip())) is None:
                continue
            label, random, secret = match[1], bytes.fromhex(match[2]), bytes.fromhex(match[3])
            values = self._secrets.setdefault(random, {}).setdefault(label, [])
            if secret not in values:  # client and server may both have written into one file
                values.append(secret)

    def of(self, random: bytes) -> Secrets:
        """The secrets of one connection, labels in the order of the log; empty if there are none."""
        return {label: list(values) for label, values in self._secrets.get(random, {}).items()}


def _nothing(found: list[TcpConnection], port: int | None, quic: list[Address], packets: int) -> str:
    """Why there is nothing to show, and what to ask for instead."""
    which = "TLS connection" if port is None else f"connection with port {port}"
    if found:
        some = ", ".join(map(str, found[:5])) + (", ..." if len(found) > 5 else "")
        there = f"its {len(found)} TCP connections are {some}"
    else:
        there = f"of its {packets} packets none is TCP"
    more = f"; {len(quic)} packets go to UDP port {QUIC_PORT}: QUIC, which is not read here" if quic else ""
    return f"no {which} is in this capture: {there}{more}"

"""Wireshark's tshark reads a connection of ours: with the key log it sees everything, without it nothing.

Capturing needs privileges that not every machine gives. So the two streams are put into a pcap file here, in a TCP
connection that never was; to tshark it looks like any other.
"""

from __future__ import annotations

import json
import re
import struct
import subprocess
from typing import TYPE_CHECKING

from .files import scratch
from .trial import Disagreement, PeerMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import tls13
    from tls13 import Event

CLIENT, SERVER = (bytes((192, 0, 2, 1)), 49152), (bytes((192, 0, 2, 2)), 443)
"""Addresses for documentation (RFC 5737), and ports."""

LINKTYPE_RAW = 101
"""Each packet begins with its IP header."""
FIN, SYN, PSH, ACK = 1, 2, 8, 16
MOST_IN_A_SEGMENT = 1400


class Tap:
    """Carries bytes between two connections of ours, and writes down what it carries."""

    def __init__(self, client: tls13.Connection, server: tls13.Connection) -> None:
        self.client, self.server = client, server
        self.segments: list[tuple[bool, bytes]] = []
        """Whether the client sent it, and what."""
        self.events: list[Event] = []

    def carry(self) -> None:
        """Until neither side has anything to send. Raises what they raise."""
        idle = False
        while not idle:
            idle = True
            for from_client, source, target in ((True, self.client, self.server), (False, self.server, self.client)):
                if data := source.data_to_send():
                    idle = False
                    self.segments.append((from_client, data))
                    target.receive_data(data)
                    self.events += target.events()


def pcap(segments: Iterable[tuple[bool, bytes]]) -> bytes:
    """A capture file with one TCP connection that carries these bytes."""
    packets = bytearray(struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 2**16 - 1, LINKTYPE_RAW))
    for number, packet in enumerate(_connection(segments)):
        packets += struct.pack("!IIII", 1_750_000_000, number, len(packet), len(packet)) + packet
    return bytes(packets)


def _connection(segments: Iterable[tuple[bool, bytes]]) -> Iterator[bytes]:
    """IP packets: the three-way handshake, the data, and the end of both directions."""
    sent = {True: 0, False: 0}  # by the client, by the server: the next sequence number
    yield _packet(True, SYN, 0, 0)
    yield _packet(False, SYN | ACK, 0, 1)
    sent = {True: 1, False: 1}
    yield _packet(True, ACK, 1, 1)
    for from_client, data in segments:
        for start in range(0, len(data), MOST_IN_A_SEGMENT):
            piece = data[start : start + MOST_IN_A_SEGMENT]
            yield _packet(from_client, PSH | ACK, sent[from_client], sent[not from_client], piece)
            sent[from_client] += len(piece)
    for from_client in (True, False):
        yield _packet(from_client, FIN | ACK, sent[from_client], sent[not from_client])
        sent[from_client] += 1


def _packet(from_client: bool, flags: int, sequence: int, acknowledged: int, data: bytes = b"") -> bytes:
    """IPv4 and TCP headers without checksums: tshark does not ask for them."""
    (source, source_port), (target, target_port) = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, source, target)
    tcp = struct.pack("!HHIIBBHHH", source_port, target_port, sequence, acknowledged, 0x50, flags, 65535, 0, 0)
    return ip + tcp + data


class Seen:
    """What tshark made of a connection."""

    def __init__(self, messages: list[int], alerts: list[int], data: dict[bool, bytes]) -> None:
        self.messages = messages
        """The types of the handshake messages that it could read, in order."""
        self.alerts = alerts
        """The descriptions of the alerts."""
        self.data = data
        """The application data from the client (True) and from the server (False)."""


def look(segments: Iterable[tuple[bool, bytes]], key_log: Iterable[str]) -> Seen:
    """Let tshark read the connection with these lines of a key log. Raises PeerMissing if there is no tshark."""
    with scratch() as here:
        (here / "capture.pcap").write_bytes(pcap(segments))
        (here / "keys").write_text("".join(f"{line}\n" for line in key_log))
        packets = json.loads(_tshark(here, "-T", "json", "--no-duplicate-keys", "-J", "tls data"))
        follow = _tshark(here, "-q", "-z", "follow,tls,raw,0").decode()
    layers = [packet["_source"]["layers"] for packet in packets]
    return Seen(
        messages=[int(value) for value in _fields(layers, "tls.handshake.type")],
        alerts=[int(value) for value in _fields(layers, "tls.alert_message.desc")],
        data=_followed(follow),
    )


def _tshark(here: Path, *options: str) -> bytes:
    command = ["tshark", "-r", str(here / "capture.pcap"), "-o", f"tls.keylog_file:{here / 'keys'}", *options]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        raise PeerMissing("tshark is not installed") from None
    if done.returncode:
        raise Disagreement(f"tshark: {done.stderr[-300:]!r}")
    return done.stdout


def _fields(node: object, name: str) -> Iterator[str]:
    """Every value of this field, however deep it is, in order."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield from [value] if isinstance(value, str) else value
            else:
                yield from _fields(value, name)
    elif isinstance(node, list):
        for child in node:
            yield from _fields(child, name)


def _followed(text: str) -> dict[bool, bytes]:
    """tshark's "follow": which address is node 0, and a line of hexadecimal digits for each piece; those of the other
    node begin with a tab."""
    data = {True: b"", False: b""}
    nodes = re.search(r"^Node 0: (.*):(\d+)\nNode 1: .*\n", text, re.MULTILINE)
    if nodes is None:
        raise Disagreement(f"tshark follows no connection: {text[-300:]}")
    node_0_is_client = int(nodes[2]) == CLIENT[1]
    for line in text[nodes.end() :].splitlines():
        if not line.startswith("="):
            data[line.startswith("\t") != node_0_is_client] += bytes.fromhex(line.strip())
    return data

"""Writing a capture that Wireshark opens and decrypts by itself.

We see two streams of bytes: a socket's, or a pair of connections in memory. Wireshark wants packets, so each stream is
put into a TCP connection made up for it: handshake, segments, acknowledgements, FINs, with right numbers and checksums.
Addresses and ports are the real ones where there are any, else those that RFC 5737 keeps for examples; a comment in
the file says so. The TLS bytes are as they went over the wire, and so are the times.

The key log goes into the file, in Decryption Secrets Blocks. **So the file is as secret as a key log**: whoever has
it reads the connection; it is created for its owner alone (0600).

A reader that goes through the file once must find the secrets before the records that need them. A client, however,
has received the server's first protected records before it can know their keys. So a connection's packets are held
back until its last secret is in the key log (or it ends), and from then on written as they come: memory does not grow
with the connection, and a program that is stopped leaves a file that can be read. (Later keys follow from those secrets
by KeyUpdate: section 7.2.)
"""

from __future__ import annotations

import os
import stat
import struct
import threading
import time
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, BinaryIO

from ..errors import ConfigurationError
from .capture_files import (
    BYTE_ORDER_MAGIC,
    ENHANCED_PACKET,
    INTERFACE,
    SECRETS,
    SECTION_HEADER,
    TIME_RESOLUTION,
    TLS_KEY_LOG,
)
from .packets import ACK, FIN, PSH, RAW, SYN, make_packet, parse_address, segment_size
from .pcap import client_random

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from .capture import Capture
    from .packets import Address

COMMENT, USER_APPLICATION = 1, 4
"""Options of blocks."""
CLIENT, SERVER = IPv4Address("192.0.2.1"), (IPv4Address("192.0.2.2"), 4433)
FIRST_PORT, PORTS = 49152, 2**14
"""Clients without a port of their own have those that nobody is given for ever (RFC 6335), one after the other."""
ABOUT = (
    "Written by tls13, which saw the streams and not the packets: TLS records, their order and their times are as on "
    "the wire; the TCP/IP around them is made up. The key log is in this file: whoever has it can read everything."
)
KEY_LOG_LABELS = frozenset({"EXPORTER_SECRET", "EARLY_EXPORTER_SECRET", "CLIENT_EARLY_TRAFFIC_SECRET"}) | {
    f"{who}_{what}" for who in ("CLIENT", "SERVER") for what in ("HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0")
}
"""Of RFC 9850. A capture may know secrets that nobody else's key log has."""
LAST_LABEL = "EXPORTER_SECRET"
"""With this line, everything that a connection will need is in the key log."""
HELD_BYTES = 2**24
"""So much of a connection waits for its secrets at most: more than any handshake."""
ENOUGH_OF_THE_HELLO = 2**17


class PcapngWriter:
    """One section of a pcapng file, begun at once; connections may be written side by side, from several threads.

    It is a key log as well: `ClientConfig(key_log=writer.key_log)`. lock: one that several processes share, where
    they all write into the one file.
    """

    def __init__(self, file: BinaryIO, *, lock: AbstractContextManager[object] | None = None) -> None:
        self._file = file
        self._lock = threading.Lock() if lock is None else lock
        self._connections = 0
        self.known: set[bytes] = set()
        """The client_random of each connection that waits for nothing more from the key log."""
        application = _option(USER_APPLICATION, b"tls13") + _option(COMMENT, ABOUT.encode()) + _option(0)
        header = struct.pack("<IHHq", BYTE_ORDER_MAGIC, 1, 0, -1)  # version 1.0; the section's length is not known
        nanoseconds = _option(TIME_RESOLUTION, bytes([9])) + _option(0)
        self.write(
            _block(SECTION_HEADER, header + application)
            + _block(INTERFACE, struct.pack("<HHI", RAW, 0, 0) + nanoseconds)
        )

    def write(self, blocks: bytes) -> None:
        with self._lock:
            self._file.write(blocks)
            self._file.flush()

    def key_log(self, line: str) -> None:
        """A line as RFC 9850 has it."""
        text = line.encode("ascii", "replace") + b"\n"
        self.write(_block(SECRETS, struct.pack("<II", TLS_KEY_LOG, len(text)) + text + b"\0" * (-len(text) % 4)))
        label, _, rest = line.partition(" ")
        if label == LAST_LABEL:
            self.known.add(bytes.fromhex(rest.partition(" ")[0]))

    def connection(self, client: str = "", server: str = "", *, began: float | None = None) -> WrittenConnection:
        """A new connection. client, server: its ends, "192.0.2.1:51234"; where that is not what they are, examples.
        began: seconds since 1970 to which the times of its segments are added; None: from now on."""
        one, other = parse_address(client), parse_address(server)
        if one is None or other is None or one[0].version != other[0].version:
            with self._lock:
                one, other = (CLIENT, FIRST_PORT + self._connections % PORTS), SERVER
                self._connections += 1
        return WrittenConnection(self, one, other, time.time() if began is None else began)


class WrittenConnection:
    """One connection in the file: tell it every piece of either stream, and when it ends."""

    def __init__(self, writer: PcapngWriter, client: Address, server: Address, began: float) -> None:
        self._writer = writer
        self._ends = {True: client, False: server}
        self._began = int(began * 10**9)
        self._lock = threading.Lock()
        self._next = {True: 0, False: 0}
        """The sequence number of each direction's next byte."""
        self._unacknowledged = {True: 0, False: 0}
        self._hello = bytearray()
        self._held: bytearray | None = bytearray()
        """Packets that wait for secrets; None once they are written as they come."""
        self._is_open = self._is_over = False
        self._latest = 0

    def segment(self, to_server: bool, seconds: float, data: bytes) -> None:
        """`data` as it went over the wire, `seconds` after the beginning."""
        with self._lock:
            if not self._is_open:
                self._is_open = True
                self._put(self._empty(seconds, (True, SYN), (False, SYN | ACK), (True, ACK)))
            if to_server and len(self._hello) < ENOUGH_OF_THE_HELLO:
                self._hello += data
            self._put(b"".join(self._packets(to_server, seconds, data)))

    def end(self, seconds: float) -> None:
        """Both directions end, the client's first. A connection that nothing was ever sent on leaves no packets."""
        with self._lock:
            if self._is_open and not self._is_over:
                self._is_over = True
                self._put(self._empty(seconds, (True, FIN | ACK), (False, FIN | ACK), (True, ACK)))
                self._release()

    def _empty(self, seconds: float, *packets: tuple[bool, int]) -> bytes:
        """Packets that carry no data: direction and flags of each."""
        return b"".join(self._packet(to_server, seconds, flags) for to_server, flags in packets)

    def _packets(self, to_server: bool, seconds: float, data: bytes) -> Iterator[bytes]:
        size = segment_size(self._ends[True])
        for start in range(0, len(data), size):
            flags = ACK if start + size < len(data) else ACK | PSH
            yield self._packet(to_server, seconds, flags, data[start : start + size])
            self._unacknowledged[to_server] += 1
            if self._unacknowledged[to_server] == 2:  # a receiver answers every second segment (RFC 9293, 3.8.6.3)
                yield self._packet(not to_server, seconds, ACK)

    def _packet(self, to_server: bool, seconds: float, flags: int, data: bytes = b"") -> bytes:
        """An Enhanced Packet Block with the next packet of this direction."""
        acknowledged = self._next[not to_server] if flags & ACK else 0
        self._unacknowledged[not to_server] = 0
        packet = make_packet(
            self._ends[to_server], self._ends[not to_server], self._next[to_server], acknowledged, flags, data
        )
        self._next[to_server] += len(data) + bool(flags & (SYN | FIN))
        # From the second on: two threads may tell of their directions a moment out of order.
        self._latest = max(self._latest, self._began + int(seconds * 10**9))
        header = struct.pack("<IIIII", 0, self._latest >> 32, self._latest & 0xFFFFFFFF, len(packet), len(packet))
        return _block(ENHANCED_PACKET, header + packet + b"\0" * (-len(packet) % 4))

    def _put(self, packets: bytes) -> None:
        if self._held is None:
            self._writer.write(packets)
            return
        self._held += packets
        known = client_random(bytes(self._hello)) in self._writer.known
        if known or len(self._held) > HELD_BYTES:
            self._release()

    def _release(self) -> None:
        """What was held back."""
        if self._held is not None:
            self._writer.write(bytes(self._held))
            self._writer.known.discard(client_random(bytes(self._hello)))
            self._held = None


class PcapngFile(PcapngWriter):
    """A PcapngWriter over a new file that only its owner can read (0600); one that was there is overwritten.

    Raises ConfigurationError if it cannot be written.
    """

    def __init__(self, path: str, *, lock: AbstractContextManager[object] | None = None) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a file that was there may be open to all
                os.fchmod(descriptor, 0o600)
                os.ftruncate(descriptor, 0)
        except OSError as error:
            raise ConfigurationError(f"the capture {path} cannot be written: {error.strerror}") from error
        self._opened = os.fdopen(descriptor, "wb")
        super().__init__(self._opened, lock=lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.close()


def write_pcapng(capture: Capture, file: BinaryIO, *, began: float = 0.0) -> None:
    """A whole capture, secrets and all. began: seconds since 1970 at its first segment."""
    writer = PcapngWriter(file)
    random = client_random(b"".join(one.data for one in capture.segments if one.to_server))
    lines = [(label, one) for label in capture.secrets if label in KEY_LOG_LABELS for one in capture.secrets[label]]
    for label, secret in lines if random else ():
        writer.key_log(f"{label} {random.hex()} {secret.hex()}")
    connection = writer.connection(capture.client, capture.server, began=began)
    for segment in capture.segments:
        connection.segment(segment.to_server, segment.time, segment.data)
    connection.end(capture.segments[-1].time if capture.segments else 0.0)


def _block(kind: int, body: bytes) -> bytes:
    """Its length stands before and behind the body, so that a file can be read from its end too."""
    size = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + size + body + size


def _option(code: int, value: bytes = b"") -> bytes:
    """Code 0 ends a block's options."""
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)

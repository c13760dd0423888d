"""Capture files, from bytes to packets: pcap, and pcapng (draft-ietf-opsawg-pcap and -pcapng).

A pcap file is a header and packets, in the byte order and the unit of time that its first four bytes tell. A pcapng
file is a row of blocks, each with its length before and behind, in sections that may differ in byte order; each
interface has its own link type and unit of time; and it may hold the key log itself, in a Decryption Secrets Block.

No length is believed further than there are bytes. Where a file ends early (its writer was stopped, or it is still
being written) what came before is good, and a note says so.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigurationError
from .packets import Packet

if TYPE_CHECKING:
    from collections.abc import Iterator

PCAP_MAGIC = {
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\x3c\x4d": (">", 1),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
}
"""Byte order, and nanoseconds in the smaller unit of time."""

SECTION_HEADER, INTERFACE, OLD_PACKET, SIMPLE_PACKET, ENHANCED_PACKET, SECRETS = 0x0A0D0D0A, 1, 2, 3, 6, 10
BYTE_ORDER_MAGIC = 0x1A2B3C4D
TLS_KEY_LOG = 0x544C534B
"""The Decryption Secrets Block's type for what RFC 9850 describes."""
TIME_RESOLUTION, TIME_OFFSET = 9, 14
"""Options of an interface."""

SECOND = 10**9
ENDS_EARLY = "the file ends in the middle of a packet or block; what comes before that is shown"


class CaptureFile:
    """What a file holds. `key_log`: texts of its Decryption Secrets Blocks; they open the connections."""

    def __init__(self) -> None:
        self.packets: list[Packet] = []
        self.key_log: list[str] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        """Once, however often it happens."""
        if text not in self.notes:
            self.notes.append(text)


class Interface(NamedTuple):
    link_type: int
    most: int
    """Bytes captured of each packet; 0: all."""
    units: int
    """Of time, in a second."""
    offset: int
    """Seconds to add."""


def read_file(data: bytes) -> CaptureFile:
    """Raises ConfigurationError if it is neither pcap nor pcapng."""
    found = CaptureFile()
    if data[:4] in PCAP_MAGIC:
        _read_pcap(data, found)
    elif data[:4] == SECTION_HEADER.to_bytes(4, "big"):
        _Sections(found).read(data)
    else:
        kind = "it is empty" if not data else f"it begins with {data[:4].hex()}"
        advice = "; is it compressed?" if data[:2] == b"\x1f\x8b" or data[:4] == b"\x28\xb5\x2f\xfd" else ""
        raise ConfigurationError(f"this is neither a pcap nor a pcapng file: {kind}{advice}")
    return found


def _read_pcap(data: bytes, found: CaptureFile) -> None:
    order, unit = PCAP_MAGIC[data[:4]]
    if len(data) < 24:
        found.note(ENDS_EARLY)
        return
    link_type = struct.unpack_from(f"{order}I", data, 20)[0] & 0xFFFF  # above: the length of a frame check sequence
    header, at = struct.Struct(f"{order}IIII"), 24
    while at + 16 <= len(data):
        seconds, fraction, captured, length = header.unpack_from(data, at)
        body = data[at + 16 : at + 16 + captured]
        if len(body) < captured:
            break
        found.packets.append(Packet(seconds * SECOND + fraction * unit, link_type, body, max(length, captured)))
        at += 16 + captured
    if at < len(data):
        found.note(ENDS_EARLY)


class _Sections:
    """Reads the blocks of a pcapng file; what an interface said holds until the next section begins."""

    def __init__(self, found: CaptureFile) -> None:
        self._found = found
        self._order = "<"
        self._interfaces: list[Interface] = []
        self._time = 0
        """Of the last packet that had one; simple packets have none."""

    def read(self, data: bytes) -> None:
        for kind, body in self._blocks(data):
            if kind == INTERFACE:
                self._interface(body)
            elif kind == ENHANCED_PACKET:
                self._packet(body, "IIIII", names_interface=True)
            elif kind == OLD_PACKET:
                self._packet(body, "HHIIII", names_interface=True)
            elif kind == SIMPLE_PACKET:
                self._simple_packet(body)
            elif kind == SECRETS:
                self._secrets(body)

    def _blocks(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Type and body of each block, sections begun on the way."""
        at = 0
        while at + 12 <= len(data):
            if data[at : at + 4] == SECTION_HEADER.to_bytes(4, "big") and not self._begin_section(data, at):
                break
            kind, size = struct.unpack_from(f"{self._order}II", data, at)
            if size < 12 or size % 4 or at + size > len(data):
                break
            yield kind, data[at + 8 : at + size - 4]
            at += size
        if at < len(data):
            self._found.note(ENDS_EARLY)

    def _begin_section(self, data: bytes, at: int) -> bool:
        """Whether it is one: its magic number tells the byte order."""
        for order in "<>":
            if struct.pack(f"{order}I", BYTE_ORDER_MAGIC) == data[at + 8 : at + 12]:
                self._order, self._interfaces = order, []
                return True
        return False

    def _interface(self, body: bytes) -> None:
        if len(body) < 8:
            return
        link_type, _, most = struct.unpack_from(f"{self._order}HHI", body)
        units, offset = 10**6, 0
        for option, value in self._options(body[8:]):
            if option == TIME_RESOLUTION and value:
                units = 2 ** (value[0] & 127) if value[0] & 128 else 10 ** value[0]
            elif option == TIME_OFFSET and len(value) == 8:
                offset = struct.unpack(f"{self._order}q", value)[0]
        self._interfaces.append(Interface(link_type, most, units, offset))

    def _options(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + 4 <= len(data):
            code, size = struct.unpack_from(f"{self._order}HH", data, at)
            if not code or at + 4 + size > len(data):
                return
            yield code, data[at + 4 : at + 4 + size]
            at += 4 + size + -size % 4

    def _packet(self, body: bytes, layout: str, *, names_interface: bool) -> None:
        header = struct.Struct(self._order + layout)
        if len(body) < header.size:
            return
        fields = header.unpack_from(body)
        number, (high, low, captured, length) = fields[0], fields[-4:]
        if number >= len(self._interfaces):
            self._found.note("some packets are of an interface that the file does not describe: they are left out")
            return
        data = body[header.size : header.size + captured]
        interface = self._interfaces[number]
        self._time = (high << 32 | low) * SECOND // interface.units + interface.offset * SECOND
        self._found.packets.append(Packet(self._time, interface.link_type, data, max(length, len(data))))

    def _simple_packet(self, body: bytes) -> None:
        """It has no time, and is of the first interface."""
        if len(body) < 4 or not self._interfaces:
            return
        (length,) = struct.unpack_from(f"{self._order}I", body)
        interface = self._interfaces[0]
        data = body[4 : 4 + min(length, interface.most or length)]
        self._found.packets.append(Packet(self._time, interface.link_type, data, max(length, len(data))))

    def _secrets(self, body: bytes) -> None:
        if len(body) < 8:
            return
        kind, size = struct.unpack_from(f"{self._order}II", body)
        if kind == TLS_KEY_LOG:
            self._found.key_log.append(body[8 : 8 + size].decode("ascii", "replace"))

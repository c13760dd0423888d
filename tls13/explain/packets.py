"""A packet, opened as far as TCP: link layer, IP, TCP; and the other way round, from bytes to a packet.

Opening trusts nothing: a capture holds whatever was on the wire, and what somebody has since put into the file. Each
step takes what its header says only as far as there are bytes, and answers None where a packet is of another kind
or is not whole.

Making is for captures of what had no packets (a connection in memory), or whose packets we have not seen (a socket
shows the stream only). Wireshark checks what it opens, so lengths and checksums are right.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

Address = tuple[IPv4Address | IPv6Address, int]
"""Where one end of a TCP connection is."""

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

ETHERNET, LINUX_COOKED, LINUX_COOKED_2 = 1, 113, 276
NULL_LOOPBACK, OPENBSD_LOOPBACK = 0, 108
RAW = 101
RAW_IP = frozenset({RAW, 12, 14, 228, 229})
"""Link types whose packets begin with the IP header; 12 and 14 are what some systems call 101 in their own files."""

IPV4, IPV6 = 0x0800, 0x86DD
VLAN_TAGS = frozenset({0x8100, 0x88A8, 0x9100})
TCP, UDP = 6, 17
EXTENSION_HEADERS = frozenset({0, 43, 60, 135})
"""IPv6: hop-by-hop, routing, destination options, mobility; each says its length in units of 8 bytes."""
FRAGMENT, AUTHENTICATION = 44, 51


class Packet(NamedTuple):
    """As a capture file has it. `time`: nanoseconds since 1970; `length`: on the wire, `data` may hold less."""

    time: int
    link_type: int
    data: bytes
    length: int


class TcpSegment(NamedTuple):
    """A TCP segment. `length`: of its payload on the wire, of which `payload` may hold less."""

    time: int
    source: Address
    target: Address
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes
    length: int


class Datagram(NamedTuple):
    """What an IP packet carries. `length`: of the payload on the wire."""

    source: IPv4Address | IPv6Address
    target: IPv4Address | IPv6Address
    protocol: int
    payload: bytes
    length: int
    is_fragment: bool


def open_link(packet: Packet) -> bytes | None:
    """The IP packet inside; None if there is something else in it, or if the link type is not known here."""
    data, link_type = packet.data, packet.link_type
    if link_type in RAW_IP:
        return data
    if link_type in (NULL_LOOPBACK, OPENBSD_LOOPBACK):
        return data[4:]  # the address family, in the byte order of whoever captured; the version in IP's header will do
    if link_type == LINUX_COOKED:
        return _behind_tags(data, 14)
    if link_type == LINUX_COOKED_2:
        return data[20:] if data[:2] in (b"\x08\x00", b"\x86\xdd") else None
    if link_type == ETHERNET:
        return _behind_tags(data, 12)
    return None


def is_known(link_type: int) -> bool:
    return link_type in RAW_IP | {ETHERNET, LINUX_COOKED, LINUX_COOKED_2, NULL_LOOPBACK, OPENBSD_LOOPBACK}


def _behind_tags(data: bytes, at: int) -> bytes | None:
    """What follows the EtherType at this place, and any VLAN tags before it (each adds two bytes and another type)."""
    kind = int.from_bytes(data[at : at + 2], "big")
    while kind in VLAN_TAGS and at + 4 <= len(data):
        at += 4
        kind = int.from_bytes(data[at : at + 2], "big")
    return data[at + 2 :] if kind in (IPV4, IPV6) else None


def open_ip(data: bytes) -> Datagram | None:
    """None if it is no IP packet, or not enough of one."""
    version = data[0] >> 4 if data else 0
    if version == 4:
        return _open_ipv4(data)
    return _open_ipv6(data) if version == 6 else None


def _open_ipv4(data: bytes) -> Datagram | None:
    header = (data[0] & 15) * 4
    if len(data) < 20 or header < 20:
        return None
    total, fragment = int.from_bytes(data[2:4], "big"), int.from_bytes(data[6:8], "big")
    total = total or len(data)  # 0: captured before the network card has cut it into packets
    if total < header:
        return None
    source, target = IPv4Address(data[12:16]), IPv4Address(data[16:20])
    # What is behind `total` is Ethernet's padding. More fragments to come, or an offset: one of several.
    return Datagram(source, target, data[9], data[header:total], total - header, bool(fragment & 0x3FFF))


def _open_ipv6(data: bytes) -> Datagram | None:
    if len(data) < 40:
        return None
    length = int.from_bytes(data[4:6], "big") or len(data) - 40
    source, target = IPv6Address(data[8:24]), IPv6Address(data[24:40])
    protocol, payload, is_fragment = data[6], data[40 : 40 + length], False
    while protocol in EXTENSION_HEADERS or protocol in (FRAGMENT, AUTHENTICATION):
        if len(payload) < 8:
            return None
        units = payload[1] + 2 if protocol == AUTHENTICATION else (payload[1] + 1) * 2
        size = 8 if protocol == FRAGMENT else units * 4
        # An "atomic" fragment (offset 0, none to follow) is a whole packet: RFC 6946.
        is_fragment |= protocol == FRAGMENT and bool(int.from_bytes(payload[2:4], "big") & 0xFFF9)
        protocol, payload, length = payload[0], payload[size:], length - size
    return Datagram(source, target, protocol, payload, length, is_fragment) if length >= 0 else None


def open_tcp(time: int, datagram: Datagram) -> TcpSegment | None:
    """None if it carries no TCP header, or not enough of one."""
    data = datagram.payload
    if datagram.protocol != TCP or len(data) < 20:
        return None
    source, target, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", data)
    header = (offset >> 4) * 4
    if not 20 <= header <= datagram.length:
        return None
    ends = (datagram.source, source), (datagram.target, target)
    return TcpSegment(time, *ends, sequence, acknowledged, flags, data[header:], datagram.length - header)


def parse_address(text: str) -> Address | None:
    """192.0.2.1:443 or [2001:db8::1]:443; None if it is neither (a connection in memory has no address)."""
    host, colon, port = text.rpartition(":")
    if not (colon and port.isascii() and port.isdigit() and int(port) < 2**16):
        return None
    try:
        return ip_address(host.removeprefix("[").removesuffix("]").partition("%")[0]), int(port)
    except ValueError:
        return None


def format_address(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if isinstance(host, IPv6Address) else f"{host}:{port}"


def make_packet(source: Address, target: Address, sequence: int, acknowledged: int, flags: int, data: bytes) -> bytes:
    """An IP packet (both addresses of one version) with a TCP segment. A SYN says how large segments may be."""
    options = struct.pack("!BBH", 2, 4, segment_size(source)) if flags & SYN else b""
    offset = (20 + len(options)) << 2
    numbers = (sequence % 2**32, acknowledged % 2**32, offset, flags, 2**16 - 1, 0, 0)
    segment = struct.pack("!HHIIBBHHH", source[1], target[1], *numbers) + options + data
    ends = source[0].packed + target[0].packed
    pseudo = ends + struct.pack("!II", len(segment), TCP)
    segment = segment[:16] + checksum(pseudo + segment) + segment[18:]
    if source[0].version == 6:
        return struct.pack("!IHBB", 6 << 28, len(segment), TCP, 64) + ends + segment
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, TCP, 0) + ends
    return header[:10] + checksum(header) + header[12:] + segment


def segment_size(address: Address) -> int:
    """The payload of a TCP segment that fills an Ethernet frame."""
    return 1440 if address[0].version == 6 else 1460


def checksum(data: bytes) -> bytes:
    """RFC 1071: the ones' complement of the ones' complement sum of 16-bit words.

    2^16 leaves 1 when divided by 2^16 - 1, so the sum of the words is one long number's remainder.
    """
    words = int.from_bytes(data + b"\0" * (len(data) % 2), "big")
    return (0xFFFF - (words % 0xFFFF or 0xFFFF)).to_bytes(2, "big")

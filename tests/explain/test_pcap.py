"""Somebody's capture file: whatever its format, link layer and losses, the streams are those that the receiver had."""

from __future__ import annotations

import contextlib
import gzip
import io
import random
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tls13
from tls13.explain import packets as p
from tls13.explain.capture import Capture, Segment
from tls13.explain.capture_files import read_file
from tls13.explain.packets import make_packet, parse_address
from tls13.explain.pcap import client_random, read_capture
from tls13.explain.pcapng import write_pcapng

CLIENT, SERVER = parse_address("192.0.2.1:50000"), parse_address("192.0.2.2:443")
CLIENT6, SERVER6 = parse_address("[2001:db8::1]:50000"), parse_address("[2001:db8::2]:443")
RANDOM = bytes(range(32))
HELLO = b"\x16\x03\x01\x00\x2a\x01\x00\x00\x26\x03\x03" + RANDOM + b"\0\0\0\0"
ANSWER = b"\x16\x03\x03\x00\x06\x02\0\0\x02\x03\x03"
KEY_LOG = f"CLIENT_HANDSHAKE_TRAFFIC_SECRET {RANDOM.hex()} {'ab' * 32}\n"
SYN, ACK, FIN, RST = p.SYN, p.ACK, p.FIN, p.RST


def up(position: int, data: bytes, flags: int = ACK) -> bytes:
    """A packet from the client; its stream begins at position 0."""
    return make_packet(CLIENT, SERVER, position, 0, flags, data)


def down(position: int, data: bytes, flags: int = ACK) -> bytes:
    return make_packet(SERVER, CLIENT, position, 0, flags, data)


def begin(at: int = -1, back: int = -1) -> list[bytes]:
    """The two SYNs; the data begins behind them."""
    return [up(at, b"", SYN), down(back, b"", SYN | ACK)]


def pcap(raw: list[bytes], *, order="<", magic=0xA1B2C3D4, unit=1000, link=101, most=0xFFFF) -> bytes:
    """A pcap file; its packets are a millisecond apart."""
    file = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, most, link)
    for number, packet in enumerate(raw):
        cut = packet[:most]
        file += struct.pack(f"{order}IIII", 1_790_000_000, number * 10**6 // unit, len(cut), len(packet)) + cut
    return file


def block(kind: int, body: bytes, order: str) -> bytes:
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + size + body + size


def section(order: str) -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(order: str, *options: tuple[int, bytes], link=101, most=0) -> bytes:
    body = struct.pack(f"{order}HHI", link, 0, most)
    for code, value in options:
        body += struct.pack(f"{order}HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
    return block(1, body, order)


def enhanced(order: str, time: int, packet: bytes, number: int = 0) -> bytes:
    return block(
        6, struct.pack(f"{order}IIIII", number, time >> 32, time % 2**32, len(packet), len(packet)) + packet, order
    )


def only(data: bytes, key_log: str | None = None, **more) -> Capture:
    (capture,) = read_capture(data, key_log, **more)
    return capture


def streams(capture: Capture) -> tuple[bytes, bytes]:
    one, other = (b"".join(one.data for one in capture.segments if one.to_server is way) for way in (True, False))
    return one, other


TALK = [*begin(), up(0, HELLO), down(0, ANSWER)]

# --- files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "unit"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)], ids=["microseconds", "nanoseconds"])
def test_pcap_in_either_byte_order_and_unit_of_time(order, magic, unit):
    capture = only(pcap(TALK, order=order, magic=magic, unit=unit))
    assert streams(capture) == (HELLO, ANSWER)
    assert [one.time for one in capture.segments] == [0.0, 0.001]
    assert (capture.client, capture.server) == ("192.0.2.1:50000", "192.0.2.2:443")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("options", "tick"),
    [([], 10**6), ([(9, b"\x09")], 10**9), ([(9, b"\x03")], 1000), ([(9, b"\x8a")], 1024)],
    ids=["microseconds unless told", "nanoseconds", "milliseconds", "1/1024 of a second"],
)
def test_pcapng_in_either_byte_order_and_any_unit_of_time(order, options, tick):
    file = section(order) + interface(order, *options)
    for number, packet in enumerate(TALK):
        file += enhanced(order, number * tick, packet)
    assert [packet.time for packet in read_file(file).packets] == [number * 10**9 for number in range(4)]
    assert streams(only(file)) == (HELLO, ANSWER)


def test_an_interface_may_count_from_another_beginning():
    """if_tsoffset: seconds to add."""
    file = section("<") + interface("<", (14, struct.pack("<q", 1_790_000_000))) + enhanced("<", 5, TALK[0])
    assert read_file(file).packets[0].time == 1_790_000_000 * 10**9 + 5000


def test_each_interface_has_its_own_link_type():
    file = section("<") + interface("<") + interface("<", link=1)
    for packet in TALK[:2]:
        file += enhanced("<", 0, packet)
    for packet in TALK[2:]:
        file += enhanced("<", 0, bytes(12) + b"\x08\x00" + packet, number=1)
    assert streams(only(file)) == (HELLO, ANSWER)


def test_sections_may_differ_in_byte_order():
    """Files put behind each other (`cat a.pcapng b.pcapng`) are a file."""
    file = b""
    for order, packet in zip("<><>", TALK, strict=True):
        file += section(order) + interface(order) + enhanced(order, 0, packet)
    assert streams(only(file)) == (HELLO, ANSWER)


def test_a_section_has_its_own_interfaces():
    """A packet of one that this section does not describe is of an unknown link type."""
    described = section("<") + interface("<") + b"".join(enhanced("<", 0, packet) for packet in TALK[:3])
    capture = only(described + section("<") + enhanced("<", 0, TALK[3]))
    assert streams(capture) == (HELLO, b"")
    assert any("does not describe" in note for note in capture.notes)


@pytest.mark.parametrize("size", [0, 4, 11, 13, 2**32 - 4])
def test_a_block_of_impossible_length_ends_the_file(size):
    file = section("<") + interface("<") + b"".join(enhanced("<", 0, packet) for packet in TALK)
    capture = only(file + struct.pack("<II", 6, size) + bytes(40))
    assert streams(capture) == (HELLO, ANSWER)
    assert any("ends in the middle" in note for note in capture.notes)


def test_simple_and_old_packet_blocks():
    file = section("<") + interface("<")
    for packet in TALK[:3]:
        file += block(3, struct.pack("<I", len(packet)) + packet, "<")
    file += block(2, struct.pack("<HHIIII", 0, 0, 0, 9, len(TALK[3]), len(TALK[3])) + TALK[3], "<")
    assert streams(only(file)) == (HELLO, ANSWER)


def test_simple_packets_are_as_short_as_the_interface_says():
    """The block does not tell how much was captured: it is the least of the packet's and the interface's length."""
    file = section("<") + interface("<", most=41)
    packet = up(0, HELLO)
    file += block(3, struct.pack("<I", len(packet)) + packet[:41], "<")
    assert [(len(one.data), one.length) for one in read_file(file).packets] == [(41, len(packet))]


def test_blocks_that_nobody_knows_are_passed_over():
    file = section("<") + block(0x0BAD, b"what", "<") + interface("<")
    for packet in TALK:
        file += enhanced("<", 0, packet) + block(5, bytes(12), "<")
    assert streams(only(file)) == (HELLO, ANSWER)


@pytest.mark.parametrize("ng", [False, True])
def test_a_file_that_ends_early_shows_what_it_has(ng):
    whole = pcap(TALK)
    if ng:
        whole = section("<") + interface("<") + b"".join(enhanced("<", 0, packet) for packet in TALK)
    capture = only(whole[:-7])
    assert streams(capture) == (HELLO, b"")
    assert any("ends in the middle" in note for note in capture.notes)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty"),
        (b"GET / HTTP/1.1", "begins with 47455420"),
        (gzip.compress(b"x", mtime=0), "is it compressed"),
        (pcap([]), "of its 0 packets none is TCP"),
    ],
    ids=["nothing", "text", "gzip", "no packets"],
)
def test_what_is_no_capture_is_a_sentence(data, says):
    with pytest.raises(tls13.ConfigurationError, match=says):
        read_capture(data, None)


# --- link layers and IP ---------------------------------------------------------------------------------------------

IP = b"\x08\x00"
LINKS = {
    "ethernet": (1, bytes(12) + IP),
    "a VLAN": (1, bytes(12) + b"\x81\x00\x00\x07" + IP),
    "two VLANs": (1, bytes(12) + b"\x88\xa8\x00\x07\x81\x00\x00\x08" + IP),
    "linux cooked": (113, bytes(14) + IP),
    "linux cooked, 2": (276, IP + bytes(18)),
    "BSD loopback, little-endian": (0, b"\x02\0\0\0"),
    "BSD loopback, big-endian": (0, b"\0\0\0\x02"),
    "OpenBSD loopback": (108, b"\0\0\0\x02"),
    "raw": (101, b""),
    "IPv4": (228, b""),
}


@pytest.mark.parametrize("name", LINKS)
def test_link_layers(name):
    link, header = LINKS[name]
    assert streams(only(pcap([header + packet for packet in TALK], link=link))) == (HELLO, ANSWER)


def test_ethernet_pads_short_frames_and_the_padding_is_not_data():
    frames = [bytes(12) + IP + packet + b"padding" for packet in TALK]
    assert streams(only(pcap(frames, link=1))) == (HELLO, ANSWER)


def test_a_link_type_that_is_not_known_is_noted():
    file = section("<") + interface("<") + interface("<", link=147)
    file += b"".join(enhanced("<", 0, packet) for packet in TALK) + enhanced("<", 0, b"bluetooth?", number=1)
    assert "1 packets of link type 147 are left out: it is not known here" in only(file).notes


def test_ipv6_and_its_extension_headers():
    hop_by_hop = b"\x06\x00" + bytes(6)
    for data, extension in ((HELLO, b""), (HELLO, hop_by_hop)):
        packet = make_packet(CLIENT6, SERVER6, 0, 0, ACK, data)
        if extension:
            length = struct.pack("!H", len(packet) - 40 + len(extension))
            packet = packet[:4] + length + b"\x00" + packet[7:40] + extension + packet[40:]
        capture = only(pcap([packet]))
        assert streams(capture) == (HELLO, b"")
        assert (capture.client, capture.server) == ("[2001:db8::1]:50000", "[2001:db8::2]:443")


def test_packets_captured_before_the_network_card_cut_them_have_no_length():
    """Segmentation offload: IP's length is 0, and the packet is as long as it is."""
    packets = [packet[:2] + b"\0\0" + packet[4:] for packet in TALK]
    assert streams(only(pcap(packets))) == (HELLO, ANSWER)


def test_fragments_are_noted():
    fragment = TALK[2][:6] + b"\x20\x00" + TALK[2][8:]
    capture = only(pcap([*TALK, fragment]))
    assert any("fragments" in note for note in capture.notes)


# --- TCP ------------------------------------------------------------------------------------------------------------

LONG = HELLO + bytes(range(256)) * 4


def cut(stream: bytes, size: int) -> list[tuple[int, bytes]]:
    return [(at, stream[at : at + size]) for at in range(0, len(stream), size)]


def test_segments_out_of_order_twice_and_late():
    pieces = cut(LONG, 100)
    late = [*pieces[1:], pieces[0], *pieces]
    capture = only(pcap([*begin(), *(up(at, data) for at, data in late)]))
    assert streams(capture) == (LONG, b"")
    assert capture.notes == []
    assert {one.time for one in capture.segments} == {0.0}  # nothing could be read before the first was there


def test_overlaps():
    capture = only(pcap([*begin(), up(0, LONG[:300]), up(200, LONG[200:500]), up(100, LONG[100:])]))
    assert streams(capture) == (LONG, b"")
    assert capture.notes == []


def test_a_second_version_of_what_was_sent_is_noted_and_not_shown():
    """Whoever could make us see other bytes than the receiver could make us explain another connection."""
    capture = only(pcap([*begin(), up(0, LONG[:300]), up(100, b"something else"), up(300, LONG[300:])]))
    assert streams(capture) == (LONG, b"")
    assert capture.notes == ["client: bytes were sent a second time and were not the same; the first ones are shown"]


def test_a_keep_alive_probe_is_no_second_version():
    capture = only(pcap([*begin(), up(0, LONG), up(len(LONG) - 1, b"\0"), up(len(LONG) - 1, b"")]))
    assert (streams(capture), capture.notes) == ((LONG, b""), [])


@pytest.mark.parametrize("before", [1, 60, len(LONG)])
def test_sequence_numbers_begin_again_at_2_to_the_32(before):
    start = 2**32 - before
    packets = [up(start + at, data) for at, data in cut(LONG, 50)]
    random.Random(before).shuffle(packets)
    assert streams(only(pcap([up(start - 1, b"", SYN), *packets]))) == (LONG, b"")


def test_a_stream_of_more_than_4_gib_is_counted_on():
    """So that what comes 4 GiB behind a gap is not taken for what fills it."""
    steps = [up(at, b"") for at in range(0, 2**33, 2**30)]
    packets = [up(0, HELLO), *steps]
    note = only(pcap(packets)).notes[0]
    assert note.startswith(f"client: after byte {len(HELLO)} the capture lacks {2**33 - 2**30 - len(HELLO)} bytes")


def test_a_capture_that_begins_in_the_middle_says_so():
    record = b"\x17\x03\x03\x00\x05hello"
    capture = only(pcap([up(77 + len(record), record), up(77, record)]))
    assert streams(capture) == (record * 2, b"")
    assert capture.server == "192.0.2.2:443"
    assert "the capture begins in the middle of the TCP connection" in capture.notes


def test_who_is_the_client_without_a_syn():
    """Whoever says ClientHello, even from the lower port."""
    high, low = parse_address("192.0.2.1:60000"), parse_address("192.0.2.2:50000")
    capture = only(pcap([make_packet(low, high, 0, 0, ACK, HELLO)]))
    assert (capture.client, capture.server) == ("192.0.2.2:50000", "192.0.2.1:60000")


def test_a_capture_that_begins_with_a_keep_alive_probe():
    """It has the number before the next byte's, and that byte will never come."""
    capture = only(pcap([up(-1, b""), up(0, HELLO), down(0, ANSWER)]))
    assert streams(capture) == (HELLO, ANSWER)


def test_data_in_a_syn():
    """TCP Fast Open (RFC 7413): the SYN's number is the one before the first byte's."""
    capture = only(pcap([up(-1, HELLO[:20], SYN), down(-1, b"", SYN | ACK), up(20, HELLO[20:])]))
    assert streams(capture) == (HELLO, b"")


def test_a_capture_that_has_only_the_answer_to_the_syn():
    capture = only(pcap([down(-1, b"", SYN | ACK), up(0, b"not TLS"), down(0, ANSWER)]), port=443)
    assert (capture.client, capture.server) == ("192.0.2.1:50000", "192.0.2.2:443")


def test_times_never_go_back():
    """Clocks are set, and a file may have been put together from several."""
    file = section("<") + interface("<")
    for time, packet in zip((9, 9, 9, 2), TALK, strict=True):
        file += enhanced("<", time * 10**6, packet)
    assert [one.time for one in only(file).segments] == [0.0, 0.0]


def test_what_the_capture_lacks_ends_the_stream():
    capture = only(pcap([*begin(), up(0, LONG[:300]), up(500, LONG[500:]), up(len(LONG), b"", FIN | ACK)]))
    assert streams(capture) == (LONG[:300], b"")
    held = len(LONG) - 500
    text = f"client: after byte 300 the capture lacks 200 bytes; {held} bytes that follow cannot be read without them"
    assert capture.notes == [text]


def test_a_reset_says_nothing_of_missing_bytes():
    assert only(pcap([*TALK, up(12345, b"", RST)])).notes == []


def test_packets_cut_short_are_noted():
    capture = only(pcap([*begin(), up(0, LONG), up(len(LONG), b"more")], most=200))
    assert streams(capture) == (LONG[:160], b"")
    assert any("snap length" in note for note in capture.notes)
    assert any("after byte 160" in note for note in capture.notes)


def test_a_port_that_is_used_again_is_another_connection():
    second = [up(4999, b"", SYN), down(8999, b"", SYN | ACK), up(5000, HELLO), down(9000, b"\x16\x03\x03again")]
    repeated = [up(-1, b"", SYN), *TALK]
    one, other = read_capture(pcap([*repeated, *second]), None)
    assert (streams(one), streams(other)) == ((HELLO, ANSWER), (HELLO, b"\x16\x03\x03again"))
    assert (one.source, other.source) == ("stream 0", "stream 1")


def test_both_directions_are_in_the_order_of_the_capture():
    capture = only(pcap([*begin(), up(0, HELLO), down(0, ANSWER), up(len(HELLO), b"a"), down(len(ANSWER), b"b")]))
    assert [one.to_server for one in capture.segments] == [True, False, True, False]


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_any_order_with_any_repetitions_gives_the_stream(seed, size, start):
    chance = random.Random(seed)
    pieces = cut(LONG, size)
    sent = pieces + [
        (at, LONG[at : at + chance.randrange(400)]) for at in (chance.randrange(len(LONG)) for _ in pieces)
    ]
    chance.shuffle(sent)
    capture = only(pcap([up(start - 1, b"", SYN), *(up(start + at, data) for at, data in sent)]), port=443)
    assert (streams(capture), capture.notes) == ((LONG, b""), [])


# --- which connection, and its secrets --------------------------------------------------------------------------------


def another(port: int, data: bytes) -> list[bytes]:
    end = (ip_address("198.51.100.1"), port)
    return [make_packet(end, SERVER, 0, 0, SYN, b""), make_packet(end, SERVER, 1, 0, ACK, data)]


def test_connections_that_are_not_tls_are_left_out_and_wireshark_s_numbers_kept():
    capture = only(pcap([*another(1000, b"GET / HTTP/1.1\r\n\r\n"), *TALK]))
    assert capture.source == "stream 1"


def test_a_port_chooses():
    file = pcap([*another(1000, HELLO), *TALK, *another(2000, b"not TLS")])
    assert len(read_capture(file, None)) == 2
    assert only(file, port=50000).client == "192.0.2.1:50000"
    assert streams(only(file, port=2000)) == (b"not TLS", b"")


def test_nothing_to_show_says_what_there_is():
    with pytest.raises(tls13.ConfigurationError, match=r"no TLS connection .* 198.51.100.1:1000 - 192.0.2.2:443"):
        read_capture(pcap(another(1000, b"GET /")), None)
    with pytest.raises(tls13.ConfigurationError, match="no connection with port 8443"):
        read_capture(pcap(TALK), None, port=8443)


def test_quic_is_named_where_there_is_nothing_else():
    packet = TALK[2][:9] + b"\x11" + TALK[2][10:20] + struct.pack("!HHHH", 5, 443, 8, 0) + bytes(12)
    with pytest.raises(tls13.ConfigurationError, match="1 packets go to UDP port 443: QUIC"):
        read_capture(pcap([packet]), None)


def test_secrets_are_found_by_the_client_random():
    other = KEY_LOG.replace(RANDOM.hex(), "99" * 32).replace("ab" * 32, "cd" * 32)
    secrets = only(pcap(TALK), other + "# a comment\n\nnonsense\n" + KEY_LOG + KEY_LOG).secrets
    assert secrets == {"CLIENT_HANDSHAKE_TRAFFIC_SECRET": [bytes.fromhex("ab" * 32)]}
    assert only(pcap(TALK), other).secrets == {}


def test_secrets_come_from_the_file_itself_too():
    text = KEY_LOG.encode()
    secrets = block(10, struct.pack("<II", 0x544C534B, len(text)) + text, "<")
    file = section("<") + secrets + interface("<") + b"".join(enhanced("<", 0, packet) for packet in TALK)
    exporter = KEY_LOG.replace("CLIENT_HANDSHAKE_TRAFFIC_SECRET", "EXPORTER_SECRET")
    assert set(only(file, exporter).secrets) == {"CLIENT_HANDSHAKE_TRAFFIC_SECRET", "EXPORTER_SECRET"}


def test_a_client_hello_cut_into_tiny_records_has_its_random():
    """Section 5.1 lets a handshake message be cut anywhere."""
    body = HELLO[5:]
    stream = b"".join(b"\x16\x03\x01\x00\x01" + body[at : at + 1] for at in range(len(body)))
    assert client_random(stream) == RANDOM
    assert client_random(stream[:100]) == b""


def test_plain_text_before_tls_is_left_out():
    """STARTTLS, or a proxy that was asked to CONNECT."""
    plain = b"EHLO me\r\nSTARTTLS\r\n"
    packets = [*begin(), up(0, plain), down(0, b"220 go on\r\n"), up(len(plain), HELLO), down(11, ANSWER)]
    capture = only(pcap(packets), KEY_LOG)
    assert streams(capture) == (HELLO, ANSWER)
    assert capture.secrets
    assert capture.segments[0].time == 0.0
    assert any(f"first {len(plain)} bytes" in note for note in capture.notes)


# --- anything at all --------------------------------------------------------------------------------------------------


def example() -> bytes:
    file = io.BytesIO()
    made = [Segment(True, 0.0, HELLO), Segment(False, 0.1, ANSWER), Segment(True, 0.2, bytes(3000))]
    write_pcapng(Capture(made, {"EXPORTER_SECRET": [bytes(32)]}, "", "", "", [], None, []), file)
    return file.getvalue()


FILES = [example(), pcap(TALK), pcap(TALK, order=">"), pcap([bytes(12) + IP + one for one in TALK], link=1)]


@given(st.sampled_from(FILES), st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=12), st.data())
@settings(max_examples=400, deadline=None)
def test_a_file_that_anybody_has_changed_gives_captures_or_a_sentence(file, changes, data):
    changed = bytearray(file)
    for at, value in changes:
        changed[at % len(changed)] = value
    end = data.draw(st.integers(0, len(changed)))
    with contextlib.suppress(tls13.ConfigurationError):
        read_capture(bytes(changed[:end]) if end % 3 else bytes(changed), KEY_LOG)


@given(st.sampled_from([101, 1, 113, 276, 0]), st.lists(st.binary(max_size=120), max_size=6))
@settings(max_examples=300, deadline=None)
def test_packets_of_any_bytes_give_captures_or_a_sentence(link, raw):
    starts = [b"", b"\x45", b"\x60", bytes(12) + b"\x08\x00\x45", bytes(14) + b"\x86\xdd\x60"]
    file = pcap([starts[number % len(starts)] + one for number, one in enumerate(raw)], link=link)
    with contextlib.suppress(tls13.ConfigurationError):
        read_capture(file, None, port=443)

"""A capture of ours: what goes in comes out again, in packets that any reader of captures accepts."""

from __future__ import annotations

import io
import os
import stat
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tls13
from tls13.explain.capture import Capture, Segment
from tls13.explain.capture_files import read_file
from tls13.explain.packets import checksum, make_packet, open_ip, open_tcp, parse_address
from tls13.explain.pcap import read_capture
from tls13.explain.pcapng import HELD_BYTES, PcapngFile, PcapngWriter, write_pcapng

HOST = "server.example"
BEGAN = 1_790_000_000.0


class Recorded:
    """A connection in memory, its bytes and its secrets."""

    def __init__(self, client_config, server_config, **more) -> None:
        self.lines: list[str] = []
        self.segments: list[Segment] = []
        self.client = tls13.ClientConnection(
            client_config.replace(key_log=self.lines.append), server_hostname=HOST, **more
        )
        self.server = tls13.ServerConnection(server_config)

    def carry(self) -> None:
        while (up := self.client.data_to_send()) or self.server.wants_send:
            down = self.server.data_to_send()
            for data, to_server, target in ((up, True, self.server), (down, False, self.client)):
                if data:
                    self.segments.append(Segment(to_server, len(self.segments) / 8, bytes(data)))
                    target.receive_data(data)
                    list(target.events())

    def capture(self, client="", server="") -> Capture:
        secrets: dict[str, list[bytes]] = {}
        for label, _, secret in map(str.split, self.lines):
            secrets.setdefault(label, []).append(bytes.fromhex(secret))
        return Capture(self.segments, secrets, "a test", client, server, [], None, [])


@pytest.fixture
def capture(client_config, server_config) -> Capture:
    recorded = Recorded(client_config, server_config)
    recorded.carry()
    recorded.client.send_data(bytes(20_000))
    recorded.carry()
    return recorded.capture("192.0.2.7:50000", "198.51.100.9:8443")


def written(capture: Capture) -> bytes:
    file = io.BytesIO()
    write_pcapng(capture, file, began=BEGAN)
    return file.getvalue()


def streams(capture: Capture) -> tuple[bytes, bytes]:
    up, down = (b"".join(one.data for one in capture.segments if one.to_server is way) for way in (True, False))
    return up, down


def segments(data: bytes) -> list:
    """The TCP segments of a file whose link type is raw IP."""
    return [open_tcp(packet.time, open_ip(packet.data)) for packet in read_file(data).packets]


def test_what_is_written_is_read_again_with_its_secrets(capture):
    (again,) = read_capture(written(capture), None)
    assert streams(again) == streams(capture)
    assert again.secrets == capture.secrets
    assert (again.client, again.server) == (capture.client, capture.server)
    assert again.notes == []


def test_times_are_kept_to_the_nanosecond(capture):
    times = {one.time - int(BEGAN) * 10**9 for one in segments(written(capture))}
    assert times == {int(one.time * 10**9) for one in capture.segments}


def test_each_checksum_adds_up():
    """RFC 9293, section 3.1, and RFC 791: summed with its own checksum, a packet comes to all ones."""
    for source, target in (("192.0.2.1:1", "192.0.2.2:2"), ("[2001:db8::1]:65535", "[2001:db8::2]:443")):
        for data in (b"", b"\0", b"\xff\xff", bytes(range(255))):
            packet = make_packet(parse_address(source), parse_address(target), 2**32 - 1, 7, 16, data)
            inside = open_ip(packet)
            pseudo = inside.source.packed + inside.target.packed + struct.pack("!II", inside.length, 6)
            assert ones_sum(pseudo + inside.payload) == 0xFFFF
            assert packet[0] >> 4 == 6 or ones_sum(packet[:20]) == 0xFFFF
            assert open_tcp(0, inside).payload == data


def test_a_sum_of_all_ones_has_the_checksum_0():
    assert [checksum(one) for one in (b"\xff\xff", b"\x12")] == [b"\0\0", b"\xed\xff"]


def ones_sum(data: bytes) -> int:
    """Word by word, as RFC 1071 explains it."""
    total = 0
    for (word,) in struct.iter_unpack("!H", data + b"\0" * (len(data) % 2)):
        total += word
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_it_is_a_proper_tcp_connection(capture):
    """Three packets to begin, an acknowledgement of everything, a FIN each way; no segment is larger than agreed."""
    found = segments(written(capture))
    assert [one.flags for one in found[:3]] == [2, 2 | 16, 16]
    assert [one.flags for one in found[-3:]] == [1 | 16, 1 | 16, 16]
    assert max(one.length for one in found) == 1460
    up = [one for one in found if one.source[1] == 50000]
    down = [one for one in found if one.source[1] == 8443]
    for sent, answered in ((up, down), (down, up)):
        assert answered[-1].acknowledged == sent[-1].sequence + bool(sent[-1].flags & 1)


def test_nobody_has_to_wait_for_more_than_two_segments_to_be_acknowledged(capture):
    """Otherwise Wireshark would find windows that are full."""
    unanswered = {True: 0, False: 0}
    for one in segments(written(capture)):
        up = one.source[1] == 50000
        unanswered[up] += bool(one.payload)
        unanswered[not up] = 0
        assert max(unanswered.values()) <= 2


def test_connections_without_addresses_get_different_ones(capture):
    capture.client = capture.server = ""
    file = io.BytesIO()
    writer = PcapngWriter(file)
    for _ in range(3):
        connection = writer.connection()
        for one in capture.segments:
            connection.segment(one.to_server, one.time, one.data)
        connection.end(9.0)
    found = read_capture(file.getvalue(), None)
    assert len({one.client for one in found}) == 3
    assert {streams(one) for one in found} == {streams(capture)}


def test_the_secrets_stand_before_the_packets_that_need_them(client_config, server_config):
    """A reader goes through the file once; a client has the server's first records before it knows their keys."""
    file = io.BytesIO()
    writer = PcapngWriter(file)
    connection = writer.connection()
    recorded = Recorded(client_config, server_config)
    recorded.carry()
    for number, one in enumerate(recorded.segments):
        connection.segment(one.to_server, one.time, one.data)
        if number == 1:
            assert not read_file(file.getvalue()).packets
            for line in recorded.lines:
                writer.key_log(line)
    data = file.getvalue()
    assert data.index(recorded.lines[0].encode()) < data.index(recorded.segments[0].data[:20])
    assert read_capture(data, None)[0].secrets == recorded.capture().secrets


def test_a_program_that_is_stopped_leaves_what_it_has_seen(client_config, server_config):
    """Once the secrets are known, every segment is in the file when `segment` returns."""
    recorded = Recorded(client_config, server_config)
    recorded.carry()
    file = io.BytesIO()
    writer = PcapngWriter(file)
    for line in recorded.lines:
        writer.key_log(line)
    connection = writer.connection()
    for one in recorded.segments:
        connection.segment(one.to_server, one.time, one.data)
    (again,) = read_capture(file.getvalue(), None)
    assert streams(again) == streams(recorded.capture())
    assert again.secrets == recorded.capture().secrets
    assert not writer.known  # a server that runs for a year remembers no connection


def test_two_threads_a_moment_out_of_order():
    """The times of packets do not go back: Wireshark would find them wrong."""
    file = io.BytesIO()
    connection = PcapngWriter(file).connection(began=BEGAN)
    for seconds in (0.0, 2.0, 1.0):
        connection.segment(True, seconds, b"x")
    connection.end(1.5)
    times = [one.time for one in read_file(file.getvalue()).packets]
    assert times == sorted(times)


def test_what_is_held_back_is_bounded():
    file = io.BytesIO()
    connection = PcapngWriter(file).connection()
    for number in range(HELD_BYTES // 2**20 + 1):
        connection.segment(True, number, bytes(2**20))
    assert len(file.getvalue()) > HELD_BYTES


def test_secrets_that_no_key_log_has_are_not_written(capture):
    capture.secrets["server private key"] = [b"the private key of the server"]
    capture.secrets["PSK"] = [b"the PSK of next time"]
    data = written(capture)
    for secret in (b"the private key of the server", b"the PSK of next time"):
        assert secret not in data
        assert secret.hex().encode() not in data


def test_a_connection_on_which_nothing_was_sent_leaves_no_packets():
    file = io.BytesIO()
    PcapngWriter(file).connection().end(1.0)
    assert read_file(file.getvalue()).packets == []


@pytest.mark.requirement("D33")
def test_the_file_is_its_owners_alone(tmp_path):
    """DESIGN.md, section 5a: even if one that everybody could read was there."""
    path = tmp_path / "capture.pcapng"
    path.write_bytes(b"something older and longer" * 100)
    os.chmod(path, 0o644)
    with PcapngFile(str(path)):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"something older" not in path.read_bytes()


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path):
    with pytest.raises(tls13.ConfigurationError, match="cannot be written: No such file or directory"):
        PcapngFile(str(tmp_path / "nowhere" / "capture.pcapng"))


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=4000)), max_size=8))
@settings(max_examples=50, deadline=None)
def test_any_two_streams_survive(pieces):
    hello = b"\x16\x03\x01\x00\x30\x01\x00" + bytes(46)
    made = [Segment(True, 0.0, hello), *(Segment(way, 1.0 + number, data) for number, (way, data) in enumerate(pieces))]
    capture = Capture(made, {}, "", "[2001:db8::1]:5", "[2001:db8::2]:6", [], None, [])
    (again,) = read_capture(written(capture), None)
    assert streams(again) == streams(capture)

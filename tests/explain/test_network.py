"""What is said of the layer beneath: against `ss`, and over roads whose length and losses are known."""

from __future__ import annotations

import json
import re
import shutil
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tls13.errors import ConnectionRefused, NameNotFound
from tls13.explain.network import INITIAL_BYTES, Network, Times, observe, open_tcp
from tls13.explain.pcap import read_capture
from tls13.explain.tcp_info import SIZE, TcpInfo, read_tcp_info, tcp_info

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="TCP_INFO is Linux's")
NO_NAMESPACE = "this system does not let us make a network namespace (unshare --net) to confine it in"


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def connected(listener):
    """Both ends of a TCP connection on loopback, and the times of opening it."""
    sock, times = open_tcp("127.0.0.1", listener.getsockname()[1], 5.0)
    other, _ = listener.accept()
    with sock, other:
        yield sock, other, times


# --- opening ----------------------------------------------------------------------------------------------------------


def test_a_name_is_looked_up_and_an_address_is_not(listener):
    for host, has_dns in (("localhost", True), ("127.0.0.1", False)):
        sock, times = open_tcp(host, listener.getsockname()[1], 5.0)
        sock.close()
        assert (times.dns is not None) == has_dns
        assert times.tcp > 0


def test_the_second_address_is_tried_when_the_first_refuses(listener, monkeypatch):
    """As socket.create_connection does it: localhost is ::1 first on many machines."""
    port = listener.getsockname()[1]
    refusing = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", port))
    real = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [refusing, real])
    sock, times = open_tcp("two.example", port, 5.0)
    sock.close()
    assert times.refused == 1


@pytest.mark.parametrize(("host", "error"), [("no-such-name.invalid", NameNotFound), ("127.0.0.1", ConnectionRefused)])
def test_what_goes_wrong_has_the_same_names_as_elsewhere(host, error):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(error):
        open_tcp(host, port, 5.0)


# --- the kernel's numbers ---------------------------------------------------------------------------------------------


@LINUX
def test_the_numbers_are_those_of_ss(connected):
    """iproute2 reads the same struct with the kernel's own header."""
    sock, other, _ = connected
    for _ in range(20):
        sock.sendall(bytes(5000))
        other.recv(5000, socket.MSG_WAITALL)
    port = sock.getsockname()[1]
    try:
        told = subprocess.run(["ss", "-Htin", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip("ss is not installed")
    info = tcp_info(sock)

    def of_ss(name: str) -> str:
        return re.search(rf"\b{name}:(\S+)", told)[1]

    assert info.state == "ESTABLISHED"
    assert told.startswith("ESTAB")
    rtt, variance = (float(one) for one in of_ss("rtt").split("/"))
    assert (info.rtt, info.rtt_variance) == (pytest.approx(rtt, abs=0.001), pytest.approx(variance, abs=0.001))
    assert info.least_rtt == pytest.approx(float(of_ss("minrtt")), abs=0.001)
    assert info.congestion_window == int(of_ss("cwnd"))
    assert (info.mss, info.path_mtu, info.received_mss) == (int(of_ss("mss")), int(of_ss("pmtu")), int(of_ss("rcvmss")))
    assert info.sent == int(of_ss("bytes_sent")) == 100_000
    assert info.retransmission_timeout == float(of_ss("rto"))
    assert info.slow_start_threshold is None
    assert " ssthresh" not in told
    assert {"timestamps": "ts", "SACK": "sack", "window scaling": "wscale"}.keys() >= set(info.options)


@LINUX
def test_bytes_that_wait_for_the_peer(connected):
    sock, _, _ = connected
    sock.setblocking(False)
    while True:
        try:
            sock.send(bytes(2**16))
        except BlockingIOError:
            break
    info = tcp_info(sock)
    assert info.unsent + info.in_flight > 2**16


def test_an_older_kernel_s_shorter_struct_is_read_as_far_as_it_goes():
    """Linux 2.6 ended behind total_retrans, at 104 bytes."""
    raw = bytes([1]) + bytes(67) + struct.pack("=II", 42_000, 7_000) + bytes(28)
    info = read_tcp_info(raw)
    assert (info.state, info.rtt, info.rtt_variance, info.sent) == ("ESTABLISHED", 42.0, 7.0, 0)
    assert read_tcp_info(b"") == read_tcp_info(bytes(SIZE))


def test_where_there_is_no_tcp_there_are_no_numbers():
    one, other = socket.socketpair()
    with one, other:
        assert tcp_info(one) is None
        network = observe(one, Times(None, 1.0, 2.0), (10, 10), retried=False)
    assert tcp_info(one) is None
    assert network.to_json()["tcp_info"] is None
    assert [what for what, _ in network.verdicts()] == ["Nagle"]


# --- verdicts ---------------------------------------------------------------------------------------------------------

QUIET = read_tcp_info(bytes(SIZE))._replace(
    rtt=20.5, least_rtt=20.0, mss=1448, received_mss=1448, congestion_window=10, sent=1000, busy=50.0
)
"""A connection that nothing has held back."""


def verdict(what: str, info: TcpInfo = QUIET, *, times=Times(None, 20.0, 22.0), flight=3000, nodelay=True) -> str:  # noqa: B008
    network = Network("", "", times, (500, flight), False, nodelay, info)
    return dict(network.verdicts())[what]


@pytest.mark.parametrize("what", ["delayed ACK", "slow start", "loss", "windows"])
def test_a_connection_that_nothing_held_back(what):
    assert verdict(what).startswith("no: ")


def test_nagle():
    assert verdict("Nagle").startswith("off")
    assert verdict("Nagle", nodelay=False).startswith("on: ")


def test_acknowledgements_that_are_held_back():
    assert verdict("delayed ACK", QUIET._replace(rtt=58.0)).startswith("likely: acknowledgements came 38 ms later")
    assert verdict("delayed ACK", QUIET._replace(rtt=58.0, retransmissions=1)).startswith("no")


def test_a_server_s_flight_beyond_the_initial_window():
    """RFC 6928: ten segments, at most 14,600 bytes of the usual size."""
    assert verdict("slow start", flight=10 * 1448).startswith("no")
    assert verdict("slow start", flight=10 * 1448 + 1).startswith("yes, in the handshake")
    assert verdict("slow start", QUIET._replace(received_mss=9000), flight=2 * 9000).startswith("no")
    assert verdict("slow start", QUIET._replace(received_mss=1460), flight=INITIAL_BYTES + 1).startswith("yes")


@pytest.mark.parametrize(("sent", "more"), [(14480, None), (14481, 1), (3 * 14480, 1), (3 * 14480 + 1, 2)])
def test_windows_that_double(sent, more):
    """Ten segments, then twenty, then forty: a transfer of 30 takes two round trips."""
    says = verdict("slow start", QUIET._replace(sent=sent))
    assert says.startswith("no") if more is None else f"took up to {more} round trips more" in says


def test_loss():
    assert verdict("loss", QUIET._replace(retransmissions=2)).startswith("yes: 2 segments were sent again")
    assert "SYN" in verdict("loss", QUIET._replace(retransmissions=1), times=Times(None, 1020.0, 22.0))
    assert verdict("loss", QUIET._replace(out_of_order=3)).startswith("maybe on the way to us: 3 segments")


def test_windows_that_are_full():
    assert "the peer's receive window was full for 30 of the 50 ms" in verdict(
        "windows", QUIET._replace(window_limited=30.0)
    )
    assert "our send buffer was full for 30 of" in verdict("windows", QUIET._replace(buffer_limited=30.0))


def test_lines_are_for_people_and_json_is_json():
    network = Network("192.0.2.1:5", "192.0.2.2:443", Times(3.0, 20.0, 41.0), (500, 3000), True, True, QUIET)
    lines = network.lines()
    assert lines[0].split() == ["name", "lookup", "3.0", "ms"]
    assert any("two round trips, because of the HelloRetryRequest" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert json.loads(json.dumps(network.to_json()))["round_trips"] == {
        "tcp": 1,
        "tls": 2,
        "tcp_measured": 1.0,
        "tls_measured": 2.0,
    }  # fmt: skip


# --- over a road whose length is known --------------------------------------------------------------------------------


def travel(**wanted) -> dict:
    """A connection over long_road.py."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode:
        pytest.skip(NO_NAMESPACE)
    if shutil.which("ip") is None or not Path("/dev/net/tun").exists():
        pytest.skip("this system has no tun device, or no ip program")
    script = Path(__file__).with_name("long_road.py")
    command = ["unshare", "--net", sys.executable, "-W", "error", str(script), json.dumps(wanted)]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={"PYTHONPATH": str(root)}, cwd=root)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def verdicts(done: dict) -> dict[str, str]:
    return dict(done["network"]["verdicts"])


@pytest.mark.interop
def test_a_long_road_is_seen_in_both_handshakes():
    """400 ms there and back: TCP takes one of them, TLS one; the kernel has measured the same. So long that a busy
    machine does not look like one more."""
    network = travel(delay=0.2)["network"]
    assert 400 <= network["tcp_info"]["least_rtt"] < 600
    assert 400 <= network["times_ms"]["tcp"] < 760
    assert 400 <= network["times_ms"]["tls"] < 760
    assert 1.0 <= network["round_trips"]["tls_measured"] < 1.9
    assert network["tcp_info"]["retransmissions"] == 0


@pytest.mark.interop
def test_a_lost_segment_is_sent_again_and_said():
    done = travel(delay=0.01, up=60_000, lose=[["up", 8]])
    assert done["network"]["tcp_info"]["retransmissions"] >= 1
    assert verdicts(done)["loss"].startswith("yes: ")


@pytest.mark.interop
def test_a_lost_syn_costs_a_second():
    """RFC 6298, section 2.1."""
    done = travel(lose=[["up", 1]])
    assert 1000 <= done["network"]["times_ms"]["tcp"] < 1500
    assert "the SYN or its answer was lost" in verdicts(done)["loss"]


@pytest.mark.interop
def test_what_the_server_lost_came_out_of_order():
    done = travel(delay=0.01, down=60_000, lose=[["down", 9]])
    assert done["network"]["tcp_info"]["out_of_order"] > 0
    assert verdicts(done)["loss"].startswith("maybe on the way to us")


@pytest.mark.interop
def test_slow_start_takes_round_trips():
    """Windows of 10, 20 and 40 segments for 90,000 bytes."""
    done = travel(delay=0.02, up=90_000)
    assert "up to 2 round trips more" in verdicts(done)["slow start"]


@pytest.mark.interop
@pytest.mark.parametrize("lose", [[], [["up", 9], ["up", 12], ["down", 5], ["down", 9], ["down", 10]]])
def test_a_capture_of_this_kernel_s_tcp_is_read_with_all_that_was_sent_again(lose):
    """The packets of a real connection: options, acknowledgements, losses, retransmissions."""
    done = travel(delay=0.005, up=50_000, down=70_000, lose=lose)
    (capture,) = read_capture(bytes.fromhex(done["pcap"]), "\n".join(done["key_log"]))
    assert capture.notes == []
    assert set(capture.secrets) >= {"CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"}
    for to_server, size in ((True, 50_000), (False, 70_000)):
        stream = b"".join(one.data for one in capture.segments if one.to_server is to_server)
        kinds = []
        while stream:
            kinds.append(stream[0])
            stream = stream[5 + int.from_bytes(stream[3:5], "big") :]
        assert kinds[0] == 22
        assert kinds.count(23) > size / 2**14

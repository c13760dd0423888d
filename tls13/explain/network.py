"""The layer beneath: where the time before the first byte goes, and whether TCP held this connection back.

A name is looked up, TCP shakes hands, TLS shakes hands: three times, and only the last is TLS's. TCP costs one round
trip, TLS 1.3 another (RFC 9846, section 2), a HelloRetryRequest one more; the rest is work. What the kernel says of
the round trip (TCP_INFO) tells the two apart.

What is blamed most for a slow connection: Nagle's algorithm, delayed acknowledgements, slow start, loss, and a peer
that does not keep up. `verdicts` says of each whether it was that here, by the numbers.
"""

from __future__ import annotations

import math
import socket
import time
from ipaddress import ip_address
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

from ..io.opening import connect_error
from .tap import name
from .tcp_info import TcpInfo, tcp_info

if TYPE_CHECKING:
    Row = tuple[str, str, str]
    """What, its value here, and what it means."""

INITIAL_SEGMENTS, INITIAL_BYTES = 10, 14600
"""The initial window (RFC 6928, section 2): so much may be sent before the first acknowledgement."""
HELD_BACK_MS = 25.0
"""Acknowledgements this much later than the fastest one were held back: Linux waits 40 ms, others up to 200."""
FIRST_TIMEOUT_MS = 1000.0
"""After so long without an answer a SYN is sent again (RFC 6298, section 2.1)."""
WIDTH, LABEL = 100, 20
WORK_MS = 1.0
"""A round trip shorter than this is lost in the time that the computers take."""


class Times(NamedTuple):
    """In milliseconds. `dns`: None if there was no name to look up; `tls`: None before the handshake is complete.
    `refused`: addresses that were tried in vain before the one that answered; their time is in `tcp`."""

    dns: float | None
    tcp: float
    tls: float | None = None
    refused: int = 0


class Network(NamedTuple):
    """One connection's. `flights`: bytes sent and received up to the end of the handshake, records and all."""

    client: str
    server: str
    times: Times
    flights: tuple[int, int]
    retried: bool
    """Whether there was a HelloRetryRequest."""
    nodelay: bool
    info: TcpInfo | None

    def to_json(self) -> dict[str, object]:
        """Times in milliseconds, sizes in bytes; "tcp_info" is null where the kernel says nothing."""
        return {
            "client": self.client,
            "server": self.server,
            "times_ms": {"dns": self.times.dns, "tcp": self.times.tcp, "tls": self.times.tls},
            "round_trips": self.round_trips(),
            "rows": [list(row) for row in self.rows()],
            "verdicts": [list(verdict) for verdict in self.verdicts()],
            "tcp_info": self.info._asdict() if self.info is not None else None,
        }

    def round_trips(self) -> dict[str, float | None]:
        """How many the protocols need, and how many each handshake's time would have been enough for."""
        rtt = self.info.least_rtt if self.info is not None else 0.0
        return {
            "tcp": 1,
            "tls": 2 if self.retried else 1,
            "tcp_measured": round(self.times.tcp / rtt, 1) if rtt else None,
            "tls_measured": round(self.times.tls / rtt, 1) if rtt and self.times.tls is not None else None,
        }

    def rows(self) -> list[Row]:
        """The times, and the kernel's numbers if there are any."""
        return _time_rows(self) + (_kernel_rows(self.info) if self.info is not None else [])

    def verdicts(self) -> list[tuple[str, str]]:
        """Nagle, delayed acknowledgements, slow start, loss, full windows: did it hold this connection back?"""
        info = self.info
        if info is None:
            return [("Nagle", _nagle(self.nodelay))]
        return [
            ("Nagle", _nagle(self.nodelay)),
            ("delayed ACK", _delayed(info, self.nodelay)),
            ("slow start", _slow_start(info, self.flights[1])),
            ("loss", _loss(info, self.times)),
            ("windows", _windows(info)),
        ]

    def lines(self) -> list[str]:
        """All of it for a terminal: what, its value, and below it what that means; then the verdicts."""
        lines = []
        for what, value, meaning in self.rows():
            lines += [f"{what:{LABEL}} {value}", *_wrapped("", meaning)]
        lines.append("")
        for what, verdict in self.verdicts():
            lines += _wrapped(what, verdict)
        return lines


def _wrapped(label: str, text: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent=f"{label:{LABEL}} ", subsequent_indent=" " * (LABEL + 1))


def open_tcp(host: str, port: int, timeout: float | None) -> tuple[socket.socket, Times]:
    """A TCP connection, and what its parts took. timeout: seconds for each address; the first that answers is taken.

    Raises NameNotFound, ConnectionRefused, ConnectTimeout, ConnectionReset or ConnectFailed.
    """
    began = time.perf_counter()
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise connect_error(host, port, error, timeout) from error
    found = time.perf_counter()
    failure: OSError = OSError("the name has no address")
    for refused, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
            continue
        dns = None if _is_address(host) else round((found - began) * 1000, 3)
        return sock, Times(dns, round((time.perf_counter() - found) * 1000, 3), refused=refused)
    raise connect_error(host, port, failure, timeout) from failure


def observe(sock: socket.socket, times: Times, flights: tuple[int, int], *, retried: bool) -> Network:
    """What is known of a socket now. It may be closed: then the kernel has forgotten it."""
    try:
        client, server = (name(one) for one in (sock.getsockname(), sock.getpeername()))
        nodelay = bool(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    except OSError:
        client = server = ""
        nodelay = False
    return Network(client, server, times, flights, retried, nodelay, tcp_info(sock))


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _time_rows(network: Network) -> list[Row]:
    times, trips = network.times, network.round_trips()
    refused = f", after {times.refused} other addresses had failed" if times.refused else ""
    rows = [("TCP handshake", f"{times.tcp:.1f} ms", f"one round trip: SYN and its answer{refused}")]
    if times.dns is not None:
        rows.insert(0, ("name lookup", f"{times.dns:.1f} ms", "DNS, or this machine's cache of it"))
    if times.tls is not None:
        needed = "two round trips, because of the HelloRetryRequest" if network.retried else "one round trip"
        measured = trips["tls_measured"]
        spent = f"; it took as long as {measured:g} of them, and what is more than that is work" if measured else ""
        if network.info is not None and network.info.least_rtt < WORK_MS:
            spent = "; the peer is so near that nearly all of it is work"
        rows.append(("TLS handshake", f"{times.tls:.1f} ms", needed + spent))
    return rows


def _kernel_rows(info: TcpInfo) -> list[Row]:
    threshold = info.slow_start_threshold
    window = info.congestion_window
    return [
        ("TCP state", info.state, f"congestion control: {info.congestion}; agreed on: {', '.join(info.options)}"),
        (
            "round trip",
            f"{info.rtt:.2f} ms, give or take {info.rtt_variance:.2f}; at best {info.least_rtt:.2f}",
            f"from sending to the acknowledgement; without one, what was sent is sent again after "
            f"{info.retransmission_timeout:.0f} ms",
        ),
        (
            "congestion window",
            f"{window} segments, {window * info.mss} bytes",
            "what may be on its way at once, so as not to flood the network",
        ),
        (
            "slow-start threshold",
            "none yet" if threshold is None else f"{threshold} segments",
            "below it the window doubles each round trip; nothing was lost so far, so nobody knows where it is"
            if threshold is None
            else "below it the window doubles each round trip; above, it grows slowly",
        ),
        ("MSS", f"{info.mss} bytes", f"the most in a segment; packets on this path are up to {info.path_mtu} bytes"),
        ("retransmissions", f"{info.retransmissions}", f"segments sent again; {info.lost} are missing now"),
        ("receive window", f"{info.receive_window} bytes", f"what we have room for; the peer has {info.peer_window}"),
        (
            "in flight",
            f"at most {info.in_flight} bytes",
            f"sent and not acknowledged; {info.unsent} more wait to be sent",
        ),
    ]


def _nagle(nodelay: bool) -> str:
    if nodelay:
        return "off (TCP_NODELAY), so it held nothing back: each record is complete, and goes out at once"
    return "on: a small segment waits until the one before it is acknowledged; set TCP_NODELAY for TLS"


def _delayed(info: TcpInfo, nodelay: bool) -> str:
    later = info.rtt - info.least_rtt
    if later > HELD_BACK_MS and not info.retransmissions:
        effect = "nothing of ours waits for them" if nodelay else "and with Nagle on, we wait for them"
        return (
            f"likely: acknowledgements came {later:.0f} ms later than the fastest one, "
            f"so the peer holds them back (or a queue has grown on the way); {effect}"
        )
    return f"no: acknowledgements came within {max(later, 0):.1f} ms of the fastest one"


def _slow_start(info: TcpInfo, flight: int) -> str:
    """`flight`: bytes of the server's part of the handshake, where the initial window is felt first."""
    window = _initial_window(info.received_mss or info.mss)
    if flight > window:
        return (
            f"yes, in the handshake: the server's {flight} bytes do not fit into an initial window of {window} "
            "(RFC 6928), so it has to wait for us in the middle of them: one round trip more; a shorter chain helps"
        )
    trips = _trips(info.sent, _initial_window(info.mss)) - 1
    if trips > 0:
        return f"yes: what we sent ({info.sent} bytes) took up to {trips} round trips more than with a wide window"
    return f"no: each side's first flight fits into an initial window of {window} bytes (RFC 6928)"


def _initial_window(mss: int) -> int:
    return min(INITIAL_SEGMENTS * mss, max(2 * mss, INITIAL_BYTES))


def _trips(size: int, window: int) -> int:
    """How many windows, each twice the one before, hold `size` bytes."""
    return max(1, math.ceil(math.log2(size / window + 1))) if window else 1


def _loss(info: TcpInfo, times: Times) -> str:
    if info.retransmissions and times.tcp >= FIRST_TIMEOUT_MS and not times.refused:
        return (
            f"yes: the SYN or its answer was lost, and a second was waited; {info.retransmissions} segments sent again"
        )
    if info.retransmissions:
        return (
            f"yes: {info.retransmissions} segments were sent again, each after a round trip or more, at the latest "
            f"after the time-out of {info.retransmission_timeout:.0f} ms"
        )
    if info.out_of_order:
        return f"maybe on the way to us: {info.out_of_order} segments came before earlier ones, which were lost or late"
    return "no: nothing had to be sent again, and nothing came out of order"


def _windows(info: TcpInfo) -> str:
    """Whether we could have sent sooner. `busy`: the time in which there was something to send or under way."""
    stood = []
    if info.window_limited > info.busy / 10:
        stood.append(f"the peer's receive window was full for {info.window_limited:.0f}")
    if info.buffer_limited > info.busy / 10:
        stood.append(f"our send buffer was full for {info.buffer_limited:.0f}")
    if stood:
        return f"yes: {' ms, and '.join(stood)} of the {info.busy:.0f} ms in which we had something to send"
    return "no: neither the peer's receive window nor our send buffer was full for long"

"""What the kernel knows of a TCP connection: Linux's TCP_INFO (struct tcp_info in linux/tcp.h).

The struct has only ever grown at its end, so an older kernel gives a shorter one; what it does not give is 0 here, as
the kernel itself says it of what it has not measured. Other systems have structs of their own: there is None for them.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import NamedTuple

STATES = (
    "", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT",
    "LAST_ACK", "LISTEN", "CLOSING",
)  # fmt: skip
CONGESTION = ("open", "disorder", "congestion window reduced", "recovery", "loss")
OPTIONS = {1: "timestamps", 2: "SACK", 4: "window scaling", 8: "ECN"}

LAYOUT = (
    ("B", "state ca_state retransmits probes backoff options window_scales flags"),
    ("I", "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets"),
    ("I", "last_data_sent last_ack_sent last_data_recv last_ack_recv"),
    ("I", "pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space total_retrans"),
    ("Q", "pacing_rate max_pacing_rate bytes_acked bytes_received"),
    ("I", "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out"),
    ("Q", "delivery_rate busy_time rwnd_limited sndbuf_limited"),
    ("I", "delivered delivered_ce"),
    ("Q", "bytes_sent bytes_retrans"),
    ("I", "dsack_dups reord_seen rcv_ooopack snd_wnd rcv_wnd rehash"),
)
"""In the order of the struct; it has no gaps."""
SIZE = sum(struct.calcsize(code) * len(names.split()) for code, names in LAYOUT)
NO_THRESHOLD = 0x7FFFFFFF
"""The slow-start threshold of a connection that has lost nothing yet."""


class TcpInfo(NamedTuple):
    """Times in milliseconds, sizes in bytes, the congestion window and its threshold in segments."""

    state: str
    congestion: str
    options: tuple[str, ...]
    rtt: float
    rtt_variance: float
    least_rtt: float
    retransmission_timeout: float
    acknowledgement_timeout: float
    """How long this side would hold back an acknowledgement now."""
    congestion_window: int
    slow_start_threshold: int | None
    """None: slow start has not ended yet."""
    mss: int
    """Of the segments that we send, without their headers and options."""
    received_mss: int
    path_mtu: int
    retransmissions: int
    """Segments sent again, SYNs among them, over the connection's life."""
    lost: int
    """Segments in flight that are taken for lost now."""
    out_of_order: int
    """Segments that came before one that was sent earlier: what lies between was lost or has been overtaken."""
    receive_window: int
    peer_window: int
    """What the peer lets us send."""
    in_flight: int
    """Sent and not acknowledged, at most: the kernel counts segments."""
    unsent: int
    """Waiting in the send buffer."""
    sent: int
    received: int
    busy: float
    """How long there has been something to send, or in flight."""
    window_limited: float
    """How much of it the peer's window stood in the way."""
    buffer_limited: float
    """How much of it the send buffer did."""


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """None where there is none to have: not Linux, not TCP, or closed."""
    if sys.platform != "linux" or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return None
    try:
        return read_tcp_info(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, SIZE))
    except OSError:
        return None


def read_tcp_info(raw: bytes) -> TcpInfo:
    """The struct, as long as this kernel makes it."""
    at, it = 0, {}
    for code, names in LAYOUT:
        size = struct.calcsize(code)
        for name in names.split():
            it[name] = int.from_bytes(raw[at : at + size], sys.byteorder) if at + size <= len(raw) else 0
            at += size
    flying = it["unacked"] - it["sacked"] - it["lost"] + it["retrans"]
    return TcpInfo(
        state=_name(STATES, it["state"]),
        congestion=_name(CONGESTION, it["ca_state"]),
        options=tuple(name for bit, name in OPTIONS.items() if it["options"] & bit),
        rtt=it["rtt"] / 1000,
        rtt_variance=it["rttvar"] / 1000,
        least_rtt=(it["min_rtt"] if it["min_rtt"] != 2**32 - 1 else 0) / 1000 or it["rtt"] / 1000,
        retransmission_timeout=it["rto"] / 1000,
        acknowledgement_timeout=it["ato"] / 1000,
        congestion_window=it["snd_cwnd"],
        slow_start_threshold=it["snd_ssthresh"] if it["snd_ssthresh"] < NO_THRESHOLD else None,
        mss=it["snd_mss"],
        received_mss=it["rcv_mss"],
        path_mtu=it["pmtu"],
        retransmissions=it["total_retrans"],
        lost=it["lost"],
        out_of_order=it["rcv_ooopack"],
        receive_window=it["rcv_wnd"] or it["rcv_space"],
        peer_window=it["snd_wnd"],
        in_flight=max(0, flying) * it["snd_mss"],
        unsent=it["notsent_bytes"],
        sent=it["bytes_sent"],
        received=it["bytes_received"],
        busy=it["busy_time"] / 1000,
        window_limited=it["rwnd_limited"] / 1000,
        buffer_limited=it["sndbuf_limited"] / 1000,
    )


def _name(names: tuple[str, ...], number: int) -> str:
    return names[number] if number < len(names) else f"state {number}"

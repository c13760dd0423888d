"""A socket is looked at before anything is taken: several records at once, and nothing that a program would miss."""

from __future__ import annotations

import select
import ssl
from typing import TYPE_CHECKING

import pytest

from tests.stdlib.face import HOST, PATIENCE, BioEnd, client_context, in_thread, server_context, tcp_pair

if TYPE_CHECKING:
    from collections.abc import Iterator


class Burst:
    """A client's SSLSocket, and a server whose bytes are sent as the test puts them together."""

    def __init__(self, stack: str, folder, *, timeout: float | None) -> None:
        below, self.raw = tcp_pair()
        below.settimeout(timeout)
        self.server = BioEnd(server_context("ssl", folder), server_side=True)
        self.tls = client_context(stack).wrap_socket(below, server_hostname=HOST, do_handshake_on_connect=False)

    def handshake(self) -> None:
        done = in_thread(self.tls.do_handshake)
        while not self.server.tls.version():
            self.server.incoming.write(self.raw.recv(2**16))
            self.server.attempt("do_handshake")
            if not self.server.tls.version():
                self.send()
        done.result(PATIENCE)
        self.send()

    def send(self, *texts: bytes, end: bool = False, after: bytes = b"") -> None:
        """Each text in a record of its own, all in one piece."""
        for text in texts:
            self.server.tls.write(text)
        if end:
            self.server.attempt("unwrap")
        self.raw.sendall(self.server.outgoing.read() + after)

    def readable(self, seconds: float = 0) -> bool:
        return bool(select.select([self.tls], [], [], seconds)[0])


@pytest.fixture(params=["blocking", "time-out"])
def burst(request, tmp_path) -> Iterator[Burst]:
    made = Burst("tls13", tmp_path, timeout=PATIENCE if request.param == "time-out" else None)
    made.handshake()
    yield made
    made.tls.close()
    made.raw.close()


def test_one_call_gives_the_data_of_several_records(burst) -> None:
    texts = [bytes([number]) * 2**14 for number in range(4)]
    burst.send(*texts)
    assert burst.readable(PATIENCE)
    buffer = bytearray(2**16)
    sizes = []
    while sum(sizes) < 2**16:
        sizes.append(burst.tls.recv_into(memoryview(buffer)[sum(sizes) :]))
    assert buffer == b"".join(texts)
    burst.send(b"one ", b"and ", b"another")
    assert burst.readable(PATIENCE)
    assert burst.tls.recv(100) == b"one and another"


def test_what_was_not_asked_for_is_readable_or_pending(burst) -> None:
    burst.send(b"first", b"second", b"third")
    assert burst.readable(PATIENCE)
    assert burst.tls.recv(5) == b"first"
    assert burst.tls.pending() == 0
    assert burst.readable()
    assert burst.tls.recv(8) == b"secondth"
    assert burst.tls.pending() == 3
    assert not burst.readable()
    assert burst.tls.recv(8) == b"ird"


def test_half_a_record_makes_no_program_spin(burst) -> None:
    """It is ours as soon as we have waited for the rest of it: the descriptor speaks of new bytes only."""
    burst.server.tls.write(b"whole")
    record = burst.server.outgoing.read()
    burst.raw.sendall(record[:9])
    assert burst.readable(PATIENCE)
    burst.tls.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        burst.tls.recv(100)
    assert not burst.readable()
    burst.raw.sendall(record[9:])
    assert burst.readable(PATIENCE)
    assert burst.tls.recv(100) == b"whole"


def test_who_waits_for_the_descriptor_hears_of_close_notify(burst) -> None:
    """It came in one piece with the data, and the peer now waits for ours: nothing else will ever make it readable."""
    burst.send(b"the last data", end=True)
    assert burst.readable(PATIENCE)
    assert burst.tls.recv(2**16) == b"the last data"
    assert burst.readable()
    assert burst.tls.recv(2**16) == b""
    assert not burst.readable()
    assert burst.tls.recv(2**16) == b""


def test_plain_bytes_behind_close_notify_stay_the_programs(burst) -> None:
    """In one piece with data and close_notify, and long before unwrap is called."""
    burst.send(b"the last data", end=True, after=b"220 plain again")
    assert burst.readable(PATIENCE)
    assert burst.tls.recv(2**16) == b"the last data"
    assert burst.tls.recv(2**16) == b""
    plain = burst.tls.unwrap()
    assert plain.recv(100) == b"220 plain again"


def test_data_in_front_of_a_broken_record_is_delivered(burst) -> None:
    burst.send(b"good", after=b"\x17\3\3\0\x20" + bytes(32))
    assert burst.readable(PATIENCE)
    assert burst.tls.recv(100) == b"good"
    for _ in range(2):
        with pytest.raises(ssl.SSLError) as caught:
            burst.tls.recv(100)
        assert caught.value.reason == "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"


def test_what_comes_with_the_handshakes_end_stays_readable(tmp_path) -> None:
    """A server may write before the client's Finished is there; when it is all in one piece, the data stays outside."""
    made = Burst("tls13", tmp_path, timeout=None)
    context = server_context("tls13", tmp_path)
    context.set_config(half_rtt_data=True)
    made.server = BioEnd(context, server_side=True)
    done = in_thread(made.tls.do_handshake)
    made.server.incoming.write(made.raw.recv(2**16))
    made.server.attempt("do_handshake")
    made.send(b"hello from the server")
    done.result(PATIENCE)
    assert made.tls.pending() == 0
    assert made.readable()
    assert made.tls.recv(100) == b"hello from the server"
    made.tls.close()
    made.raw.close()

"""Who waits for what: blocking, time-outs, non-blocking sockets, two threads, and clients that say nothing."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import subprocess
import sys
import time

import pytest

import tls13
from tests.stdlib.face import (
    HOST,
    PATIENCE,
    BioEnd,
    client_context,
    connected,
    echo,
    every_pair,
    every_stack,
    exchange,
    in_thread,
    serve,
    server_context,
    tcp_pair,
)


def waiting_for(tls, work):
    """A non-blocking program's loop: again and again, when the descriptor is ready."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            return work()
        except ssl.SSLWantReadError:
            select.select([tls], [], [], PATIENCE)
        except ssl.SSLWantWriteError:
            select.select([], [tls], [], PATIENCE)
    raise AssertionError("it never came to an end")


@every_pair
def test_a_non_blocking_program(client, server, tmp_path) -> None:
    below, other = tcp_pair()
    below.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    size = 300_000
    ended = serve(server_context(server, tmp_path), other, lambda tls: read_then_send(tls, size))
    below.setblocking(False)
    tls = client_context(client).wrap_socket(below, server_hostname=HOST, do_handshake_on_connect=False)
    with tls:
        waiting_for(tls, tls.do_handshake)
        data, sent, wanted_to_write = os.urandom(size), 0, 0
        while sent < len(data):
            try:
                sent += tls.send(memoryview(data)[sent:])
            except ssl.SSLWantWriteError:
                wanted_to_write += 1
                select.select([], [tls], [], PATIENCE)
        assert wanted_to_write > 0
        received = b""
        while len(received) < len(data):
            received += waiting_for(tls, lambda: tls.recv(2**16))
        assert received == data
        with pytest.raises(ssl.SSLWantReadError):
            tls.recv(1)
        tls.close()
    ended.result(PATIENCE)


def read_then_send(tls, size: int) -> None:
    received = bytearray()
    while len(received) < size:
        received += tls.recv(2**16)
    tls.sendall(received)
    tls.recv(1)


@every_stack
def test_do_handshake_on_connect_is_not_for_non_blocking_sockets(stack) -> None:
    below, other = tcp_pair()
    below.setblocking(False)
    with other, pytest.raises(ValueError, match="non-blocking"):
        client_context(stack).wrap_socket(below, server_hostname=HOST)


@every_stack
def test_a_time_out_is_a_time_out_and_does_no_harm(stack, tmp_path) -> None:
    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other)
    with client_context(stack).wrap_socket(below, server_hostname=HOST) as tls:
        assert exchange(tls) == b"ping"
        tls.settimeout(0.05)
        with pytest.raises(TimeoutError, match="read operation timed out"):
            tls.recv(1)
        tls.settimeout(PATIENCE)
        assert exchange(tls) == b"ping"
        tls.unwrap()
    ended.result(PATIENCE)


@every_stack
def test_a_silent_server_ends_in_a_time_out(stack) -> None:
    below, other = tcp_pair()
    below.settimeout(0.05)
    with other, pytest.raises(TimeoutError, match="handshake operation timed out"):
        client_context(stack).wrap_socket(below, server_hostname=HOST)


def test_a_time_out_is_for_the_whole_operation(tmp_path) -> None:
    """A peer that sends a byte now and then must not keep a read waiting for ever."""
    below, other = tcp_pair()
    below.settimeout(0.3)

    def drip() -> None:
        with other:
            while True:
                try:
                    other.sendall(b"\x16\x03\x03\x40\x00" if not sent else b"x")
                except OSError:
                    return
                sent.append(1)
                time.sleep(0.05)

    sent = []
    ended = in_thread(drip)
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        client_context("tls13").wrap_socket(below, server_hostname=HOST)
    assert time.monotonic() - begun < 5
    ended.result(PATIENCE)


def begins_to_read(tls):
    """Another thread, which waits for the peer: a moment after it has the lock it is in the kernel."""
    reader = in_thread(tls.recv, 1)
    while not (tls._sslobj._read_lock.locked() and tls._sslobj._wire._begun):
        time.sleep(0)
    time.sleep(0.01)
    return reader


@pytest.mark.parametrize("what", ["unwrap", "do_handshake", "recv"])
def test_a_time_out_holds_while_another_thread_reads(what, tmp_path) -> None:
    """And the other thread's own is not changed by it: it waits on, and then reads."""
    go_on = socket.socketpair()

    def talk(tls) -> None:
        go_on[1].recv(1)
        tls.sendall(b"!")

    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other, talk)
    with client_context("tls13").wrap_socket(below, server_hostname=HOST) as tls:
        reader = begins_to_read(tls)
        tls.settimeout(0.05)
        begun = time.monotonic()
        with pytest.raises(TimeoutError, match="operation timed out"):
            getattr(tls, what)()
        assert time.monotonic() - begun < PATIENCE / 2
        tls.setblocking(False)
        with pytest.raises(ssl.SSLWantReadError):
            getattr(tls, what)()
        assert not reader.done()
        go_on[0].send(b"!")
        assert reader.result(PATIENCE) == b"!"
        ended.result(PATIENCE)
    for end in go_on:
        end.close()


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_a_reader_whose_socket_another_thread_closes_is_at_the_end(timeout, tmp_path) -> None:
    """As with `ssl`: a server's way to get rid of a connection that waits for a client."""
    for _ in range(5):
        below, other = tcp_pair()
        ended = serve(server_context("ssl", tmp_path), other)
        tls = client_context("tls13").wrap_socket(below, server_hostname=HOST)
        assert exchange(tls) == b"ping"
        tls.settimeout(timeout)
        reader = begins_to_read(tls)
        tls.shutdown(socket.SHUT_RDWR)
        tls.close()
        assert reader.result(PATIENCE) == b""
        ended.result(PATIENCE)


def test_waiting_for_another_thread_is_part_of_the_time_out(tmp_path) -> None:
    """The first reader gives up when its time is over; the second has nothing left then, and does not begin anew."""
    with connected(client_context("tls13"), server_context("ssl", tmp_path)) as tls:
        tls.settimeout(0.5)
        reader = begins_to_read(tls)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            tls._sslobj.read(1)
        took = time.monotonic() - begun
        with pytest.raises(TimeoutError):
            reader.result(PATIENCE)
        assert took < 0.9
        tls.settimeout(PATIENCE)
        tls.unwrap()


@pytest.mark.parametrize("other", ["ssl", "tls13"])
def test_one_thread_reads_while_another_writes(other, tmp_path) -> None:
    """`ssl` does not promise that (until 3.13 it could crash); here each direction has its lock."""
    size = 4 * 2**20
    with connected(client_context("tls13"), server_context(other, tmp_path)) as tls:
        data = os.urandom(size)
        writer = in_thread(tls.sendall, data)
        received = bytearray()
        while len(received) < size:
            received += tls.recv(2**16)
            if len(received) // 2**20 != (len(received) - 2**14) // 2**20:
                tls.update_keys(request_peer=True)  # what the reader is asked for, the writer may have to send
        writer.result(PATIENCE)
        assert received == data
        tls.unwrap()


def test_a_reader_is_not_held_up_by_a_writer_that_waits(tmp_path) -> None:
    """The writer stands still, because the peer does not read; what the peer sends arrives all the same."""
    go_on = socket.socketpair()

    def talk(tls) -> None:
        tls.sendall(b"x" * 100_000)
        go_on[1].recv(1)
        while tls.recv(2**16):
            pass

    with connected(client_context("tls13"), server_context("tls13", tmp_path), talk) as tls:
        writer = in_thread(lambda: (tls.sendall(bytes(16 * 2**20)), tls.close_writing()))
        received = 0
        while received < 100_000:
            received += len(tls.recv(2**16))
        assert not writer.done()
        go_on[0].send(b"!")
        writer.result(PATIENCE)
    for end in go_on:
        end.close()


def listener(context) -> ssl.SSLSocket:
    plain = socket.create_server(("127.0.0.1", 0))
    plain.settimeout(PATIENCE)
    return context.wrap_socket(plain, server_side=True)


def test_a_silent_client_does_not_hold_up_accept(tmp_path) -> None:
    with listener(server_context("tls13", tmp_path)) as listening:
        silent = socket.create_connection(listening.getsockname())
        below = socket.create_connection(listening.getsockname())
        first, _ = listening.accept()
        second, address = listening.accept()
        assert isinstance(second, tls13.SSLContext.sslsocket_class)
        assert address == below.getsockname()
        ended = in_thread(echo, second)
        with client_context("ssl").wrap_socket(below, server_hostname=HOST) as tls:
            assert exchange(tls) == b"ping"
            tls.unwrap()
        ended.result(PATIENCE)
        for sock in (silent, first, second):
            sock.close()


@pytest.mark.parametrize("question", ["version", "cipher", "getpeercert", "selected_alpn_protocol", "session_reused"])
def test_what_is_asked_of_an_accepted_connection_is_known(question, tmp_path) -> None:
    """With `ssl`, accept has made the handshake; here the first question does."""
    with listener(server_context("tls13", tmp_path)) as listening:
        below = socket.create_connection(listening.getsockname())
        below.settimeout(PATIENCE)
        client = in_thread(lambda: client_context("ssl").wrap_socket(below, server_hostname=HOST))
        accepted, _ = listening.accept()
        with accepted:
            value = getattr(accepted, question)
            value() if callable(value) else value
            assert accepted._sslobj.connection.handshake_complete
            client.result(PATIENCE).close()


@every_stack
@pytest.mark.parametrize("switch", ["setblocking", "settimeout"])
def test_an_accepted_connection_that_is_made_non_blocking_is_ready(stack, switch, tmp_path) -> None:
    """The selectors documentation's echo server: it reads when there is something to read, and not before."""
    with listener(server_context(stack, tmp_path)) as listening:
        below = socket.create_connection(listening.getsockname())
        below.settimeout(PATIENCE)

        def ask() -> bytes:
            with client_context("ssl").wrap_socket(below, server_hostname=HOST) as tls:
                return exchange(tls)

        client = in_thread(ask)
        accepted, _ = listening.accept()
        with accepted:
            getattr(accepted, switch)(0)
            assert accepted.version() == "TLSv1.3"
            select.select([accepted], [], [], PATIENCE)
            accepted.sendall(accepted.recv(100))
            assert client.result(PATIENCE) == b"ping"


def test_a_silent_client_is_waited_for_no_longer_than_the_time_out(tmp_path) -> None:
    with (
        listener(server_context("tls13", tmp_path)) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        accepted.settimeout(0.01)
        with pytest.raises(TimeoutError, match="handshake operation timed out"):
            accepted.setblocking(False)


def test_a_failed_handshake_of_an_accepted_connection_shows_at_first_use(tmp_path) -> None:
    with (
        listener(server_context("tls13", tmp_path)) as listening,
        socket.create_connection(listening.getsockname()) as client,
    ):
        client.sendall(b"this is no TLS")
        with listening.accept()[0] as accepted, pytest.raises(ssl.SSLError):
            accepted.recv(1)


def test_accept_without_do_handshake_on_connect_leaves_it_to_the_program(tmp_path) -> None:
    plain = socket.create_server(("127.0.0.1", 0))
    context = server_context("tls13", tmp_path)
    with (
        context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.version() is None


def test_a_handshake_that_takes_too_long_ends(tmp_path) -> None:
    context = server_context("tls13", tmp_path)
    context.set_config(handshake_timeout=0.01)
    below, other = tcp_pair()
    tls = context.wrap_socket(other, server_side=True, do_handshake_on_connect=False)
    tls.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    time.sleep(0.02)
    with pytest.raises(ssl.SSLError, match="longer than the config allows"):
        tls.do_handshake()
    for sock in (tls, below):
        sock.close()


def test_after_want_write_the_same_is_offered_again(tmp_path) -> None:
    below, other = tcp_pair()
    below.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    go_on = socket.socketpair()

    def talk(tls) -> bytes:
        go_on[1].recv(1)
        received = bytearray()
        while more := tls.recv(2**16):
            received += more
        return bytes(received)

    ended = serve(server_context("ssl", tmp_path), other, talk)
    with client_context("tls13").wrap_socket(below, server_hostname=HOST) as tls:
        tls.setblocking(False)
        sent = bytearray()
        block = bytes(range(256)) * 256
        with contextlib.suppress(ssl.SSLWantWriteError):
            while True:
                sent += block[: tls.send(block)]
        with pytest.raises(ssl.SSLError, match=r"(?i)bad.write.retry"):
            tls.send(b"something else")
        go_on[0].send(b"!")
        sent += block[: waiting_for(tls, lambda: tls.send(block))]
        waiting_for(tls, tls.close_writing)
        received = ended.result(PATIENCE)
    assert received == bytes(sent)
    for end in go_on:
        end.close()


@pytest.mark.parametrize("retry", [False, True])
def test_a_client_sends_its_change_cipher_spec_with_its_second_flight(retry, tmp_path) -> None:
    """In a packet of its own, Finished would wait behind it until the server has acknowledged it: 40 ms (Nagle)."""
    server = server_context("tls13", tmp_path)
    if retry:
        server.set_groups("x448")
    one, other = BioEnd(client_context("tls13"), server_hostname=HOST), BioEnd(server, server_side=True)
    one.attempt("do_handshake")
    flights = 0
    while not other.tls.version():
        flights += 1
        other.incoming.write(one.outgoing.read())
        other.attempt("do_handshake")
        answer = other.outgoing.read()
        while answer:  # a record at a time, as from a server whose packets come late
            end = 5 + int.from_bytes(answer[3:5], "big")
            one.incoming.write(answer[:end])
            answer = answer[end:]
            one.attempt("do_handshake")
            assert one.outgoing.pending != len(b"\x14\3\3\0\1\1")
    assert flights == 2 + retry


GREEN = """
import socket, ssl, sys, threading
below = socket.socket
listener, plain = socket.create_server(("127.0.0.1", 0)), below()
plain.connect(listener.getsockname())

class Green:
    def __init__(self, *arguments, **named):
        self._green = below(*arguments, **named)
    def __getattr__(self, name):
        return getattr(self._green, name)
for name in ("accept", "gettimeout", "recv", "recv_into", "send", "setblocking", "settimeout"):
    setattr(Green, name, lambda self, *arguments, name=name: getattr(self._green, name)(*arguments))
socket.socket = Green

import tls13
server, client = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
server.load_cert_chain(sys.argv[1])
client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

def serve():
    accepted, _ = server.wrap_socket(listener, server_side=True).accept()
    while data := accepted.recv(100):
        accepted.sendall(data)
threading.Thread(target=serve, daemon=True).start()
tls = client.wrap_socket(plain)
tls.sendall(b"ping")
print(tls.recv(100))
"""


def test_a_program_may_have_put_another_class_where_socket_has_its_own(tmp_path) -> None:
    """gevent and eventlet do, with a class that only holds a socket: its functions are of no use for ours."""
    server_context("tls13", tmp_path)
    (chain,) = tmp_path.glob("*.pem")
    ran = subprocess.run([sys.executable, "-c", GREEN, chain], capture_output=True, text=True, timeout=PATIENCE)
    assert (ran.stdout.strip(), ran.stderr) == ("b'ping'", "")


def test_a_cooperative_socket_has_a_time_out_of_its_own(tmp_path) -> None:
    """gevent's does not block, whatever gettimeout() says: the kernel's side decides whether we wait."""

    class Cooperative(tls13.SSLContext.sslsocket_class):
        def gettimeout(self) -> float:
            return 0.01

    below, other = tcp_pair()
    ended = serve(server_context("ssl", tmp_path), other.dup(), lambda tls: None)
    context = client_context("tls13")
    context.sslsocket_class = Cooperative
    with other, context.wrap_socket(below, server_hostname=HOST, do_handshake_on_connect=False) as tls:
        tls.settimeout(PATIENCE)
        tls.do_handshake()
        tls.setblocking(False)
        ended.result(PATIENCE)
        with pytest.raises(ssl.SSLWantWriteError):
            fill(tls)


def fill(tls) -> None:
    """Write more than the kernel takes."""
    while True:
        tls.send(bytes(2**16))

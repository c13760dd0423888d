"""Two threads on one connection, full buffers, and ends that come at the worst moment.

A socketpair with a small send buffer stands for a network that takes no more: what happens then is the same every time.
"""

from __future__ import annotations

import os
import select
import socket
import threading

import pytest

import tls13
from tests.io.threads import HOST, PATIENCE, in_thread
from tls13 import errors


@pytest.fixture
def wire():
    """Two ends of a stream that holds little."""
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.settimeout(PATIENCE)
    with one, other:
        yield one, other


class Raw:
    """The far side without a TLSSocket: a connection without I/O whose bytes the test carries when it wants to."""

    def __init__(self, sock: socket.socket, connection: tls13.Connection) -> None:
        self.sock, self.connection = sock, connection

    def send(self) -> None:
        self.sock.sendall(self.connection.data_to_send())

    def receive(self) -> list[tls13.Event]:
        """The events of whatever is read at once."""
        self.connection.receive_data(self.sock.recv(2**17))
        return list(self.connection.events())

    def shake_hands(self) -> None:
        while not self.connection.handshake_complete:
            self.receive()
            self.send()


@pytest.fixture
def meeting(wire, client_config, server_config):
    """Our client as a TLSSocket, and the server by hand; the handshake is complete."""
    one, other = wire
    far = Raw(other, tls13.ServerConnection(server_config))
    thread = threading.Thread(target=far.shake_hands)
    thread.start()
    with tls13.wrap_socket(one, client_config, server_hostname=HOST) as tls:
        thread.join(PATIENCE)
        yield tls, far


def wait_until_full(sock: socket.socket) -> None:
    """Until the kernel takes no more of what a thread is sending."""
    poller = select.poll()
    poller.register(sock, select.POLLOUT)
    while poller.poll(0):
        select.select([], [], [], 0.001)


def ask_for_new_keys(connection: tls13.Connection) -> None:
    """Owe the other side's answer to a KeyUpdate (RFC 9846, section 4.7.3)."""
    from tls13.lab.scripted import ask_for_key_update

    ask_for_key_update(connection)


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_a_reader_does_not_wait_for_a_full_send_buffer(timeout, meeting) -> None:
    """What it owes waits for the next writer; with a time-out on the socket, too."""
    tls, far = meeting
    tls.settimeout(timeout)
    sender, sent = in_thread(tls.sendall, bytes(2**20))
    wait_until_full(tls)
    ask_for_new_keys(far.connection)
    far.connection.send_data(b"after the key change")
    far.send()
    reader, received = in_thread(tls.recv)
    reader.join(PATIENCE / 2)
    assert received == [b"after the key change"]
    total = 0
    while total < 2**20:
        total += sum(len(event.data) for event in far.receive() if isinstance(event, tls13.ApplicationData))
    sender.join(PATIENCE)
    assert sent == [None]
    tls.sendall(b"x")
    while far.connection.key_updates[1] == 0:
        far.receive()


@pytest.mark.parametrize("read", ["recv", "recv_into"])
def test_a_reader_whose_own_side_ends_reading_sees_the_end_and_no_attack(read, meeting) -> None:
    """Another thread's SHUT_RDWR wakes it: nobody has cut the connection off."""
    tls, _ = meeting
    reader, received = in_thread(*{"recv": (tls.recv,), "recv_into": (tls.recv_into, bytearray(9))}[read])
    while not tls._read_lock.locked():
        select.select([], [], [], 0.001)
    tls.shutdown(socket.SHUT_RDWR)
    reader.join(PATIENCE)
    assert received in ([b""], [0])
    assert tls.recv() == b""


@pytest.mark.parametrize("timeout", [None, PATIENCE])
def test_an_answer_is_owed_after_a_sender_gave_up(timeout, meeting) -> None:
    """The send buffer is full and nobody writes any more: the reader still gets its data."""
    tls, far = meeting
    tls.setblocking(False)
    with pytest.raises(errors.WantWrite):
        tls.sendall(bytes(2**20))
    tls.settimeout(timeout)
    ask_for_new_keys(far.connection)
    far.connection.send_data(b"data")
    far.send()
    reader, received = in_thread(tls.recv)
    reader.join(PATIENCE / 2)
    assert received == [b"data"]


def test_a_reader_s_error_ends_a_writer_s_wait(meeting) -> None:
    """The peer sends rubbish and reads nothing: neither thread may hang, although the alert cannot get out."""
    tls, far = meeting
    tls.settimeout(None)
    sender, sent = in_thread(tls.sendall, bytes(2**20))
    wait_until_full(tls)
    far.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    reader, received = in_thread(tls.recv)
    reader.join(PATIENCE / 2)
    assert [type(outcome) for outcome in received] == [errors.BadRecordMac]
    sender.join(PATIENCE / 2)
    assert isinstance(sent[0], errors.ConnectionReset | tls13.ConnectionFailed)


def test_data_before_an_error_is_delivered_first(meeting) -> None:
    """recv_into takes several records at once; a bad one after good ones must not swallow them."""
    tls, far = meeting
    far.connection.send_data(b"good")
    far.sock.sendall(far.connection.data_to_send() + b"\x17\x03\x03\x00\x20" + bytes(32))
    buffer = bytearray(100)
    assert tls.recv_into(buffer) == 4
    assert buffer[:4] == b"good"
    with pytest.raises(errors.BadRecordMac):
        tls.recv_into(buffer)
    with pytest.raises(tls13.ConnectionFailed):
        tls.recv_into(buffer)


def test_data_is_read_although_the_answer_cannot_be_sent(meeting) -> None:
    """The peer asked for a KeyUpdate, said all it had, and left: an answer nobody reads is no reason to lose data."""
    tls, far = meeting
    ask_for_new_keys(far.connection)
    far.connection.send_data(b"the last word")
    far.connection.close()
    far.send()
    far.sock.close()
    assert tls.recv() == b"the last word"
    assert tls.recv() == b""
    with pytest.raises(errors.ConnectionReset) as caught:
        tls.sendall(b"anybody there?")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_non_blocking_socket_does_not_wait_even_to_say_goodbye(meeting, monkeypatch) -> None:
    tls, far = meeting
    far.sock.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    tls.setblocking(False)
    monkeypatch.setattr("tls13.io.carrier.GOODBYE_SECONDS", 60 * PATIENCE)
    reader, received = in_thread(tls.recv)
    reader.join(PATIENCE)
    assert [type(outcome) for outcome in received] == [errors.BadRecordMac]
    with pytest.raises(tls13.AlertReceived, match="bad_record_mac"):
        far.receive()


def test_what_a_callback_raises_comes_out_and_the_peer_is_told(wire, client_config, server_config) -> None:
    """internal_error on the wire, and the exception itself for whoever wrote the callback."""

    class Broken(Exception):
        pass

    def broken(line: str) -> None:
        raise Broken

    one, other = wire
    server, outcome = in_thread(tls13.wrap_socket, other, server_config)
    with pytest.raises(Broken):
        tls13.wrap_socket(one, client_config.replace(key_log=broken), server_hostname=HOST)
    server.join(PATIENCE)
    assert isinstance(outcome[0], tls13.AlertReceived)
    assert outcome[0].code == tls13.AlertDescription.internal_error


def test_16_mib_each_way_at_once_over_4_kib(wire, client_config, server_config) -> None:
    """Four threads, two of them writing all the time: whoever waited for the other direction would wait for ever."""
    one, other = wire
    data = os.urandom(2**20) * 16
    server, outcome = in_thread(tls13.wrap_socket, other, server_config)
    client = tls13.wrap_socket(one, client_config, server_hostname=HOST)
    server.join(PATIENCE)

    def read_all(tls: tls13.TLSSocket) -> bytearray:
        received = bytearray(len(data))
        filled = 0
        while filled < len(data):
            filled += tls.recv_into(memoryview(received)[filled:])
        return received

    with client, outcome[0] as accepted:
        threads = [in_thread(action, *arguments) for action, *arguments in (
            (client.sendall, data), (accepted.sendall, data), (read_all, client), (read_all, accepted))]  # fmt: skip
        for thread, _ in threads:
            thread.join(3 * PATIENCE)
        assert [result for _, result in threads] == [[None], [None], [data], [data]]

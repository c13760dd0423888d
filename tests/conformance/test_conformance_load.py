"""Clients that stall, leave, reset, babble, and a server that goes on serving the others meanwhile, and ends when told.

What a judge would look at from outside: whether somebody else is served, the descriptors, the memory, the exit code,
and that nothing is on stderr but sentences.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import struct
import threading
import time
from pathlib import Path

import pytest

from tests.conformance.judge_client import Client, is_alive
from tests.conformance.wire import ALERT, DATA, HANDSHAKE, Hello, record

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc"),
]

A_CLIENT = 128 * 2**10
"""Bytes that a stalled client may cost at most: with room, since the allocator keeps what it once had."""


def half_header(client: Client) -> None:
    client.raw(b"\x16\3")


def half_hello(client: Client) -> None:
    client.raw(record(HANDSHAKE, client.hello.bytes())[:100])


def half_message(client: Client) -> None:
    client.raw(record(HANDSHAKE, client.hello.bytes()[:100]))


def no_answer(client: Client) -> None:
    client.start()


def no_finished(client: Client) -> None:
    client.start()
    client.meet()


def half_finished(client: Client) -> None:
    no_finished(client)
    client.raw(client.sealed(HANDSHAKE, client.finished())[:30])


def retried(client: Client) -> None:
    client.start(Hello(shares=[]))


def idle(client: Client) -> None:
    client.complete()


def half_data(client: Client) -> None:
    client.complete()
    client.raw(client.sealed(DATA, b"x" * 1000)[:500])


STAGES = [
    lambda client: None,
    half_header,
    half_hello,
    half_message,
    no_answer,
    no_finished,
    half_finished,
    retried,
    idle,
    half_data,
]


def reset(client: Client) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sock.close()


def half_close(client: Client) -> None:
    client.sock.shutdown(socket.SHUT_WR)


def settle(server, descriptors: int, seconds: float) -> None:
    """Until the server has no more descriptors than before."""
    deadline = time.monotonic() + seconds
    while server.descriptors > descriptors:
        assert time.monotonic() < deadline, f"{server.descriptors} descriptors, {descriptors} before"
        threading.Event().wait(0.05)


def stall(port: int, count: int) -> list[Client]:
    clients = []
    for number in range(count):
        clients.append(Client(port))
        STAGES[number % len(STAGES)](clients[-1])
    return clients


def test_500_clients_stall_at_every_stage_and_others_are_served(start) -> None:
    server = start()
    is_alive(server.port)
    descriptors, memory = server.descriptors, server.memory
    clients = stall(server.port, 500)
    for _ in range(10):
        is_alive(server.port)
    assert server.memory - memory < 500 * A_CLIENT
    for number, client in enumerate(clients):
        (reset, half_close, lambda c: None)[number % 3](client)
    is_alive(server.port)
    for client in clients:
        client.sock.close()
    settle(server, descriptors, 10)
    is_alive(server.port)
    server.stop()


def test_the_memory_of_one_wave_serves_the_next(start) -> None:
    server = start()
    waves = []
    for _ in range(5):
        clients = stall(server.port, 100)
        is_alive(server.port)
        for client in clients:
            client.sock.close()
        settle(server, 20, 10)
        waves.append(server.memory)
    assert waves[-1] - waves[1] < 2 * 2**20, waves
    server.stop()


def test_a_handshake_has_its_time_whether_nothing_comes_or_a_byte_a_second(start) -> None:
    """30 seconds for all of it: bytes that drip in do not buy more."""
    server = start()
    before = server.descriptors
    silent, slow = stall(server.port, 8), Client(server.port)
    hello = record(HANDSHAKE, slow.hello.bytes())
    deadline = time.monotonic() + 45
    with slow:
        for at in range(len(hello)):
            assert time.monotonic() < deadline
            try:
                slow.raw(hello[at : at + 1])
            except OSError:
                break
            slow.sock.settimeout(1)
            try:
                if not slow.sock.recv(100):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            raise AssertionError("the slow one got all of it through")
    is_alive(server.port)
    settle(server, before, 10)
    for client in silent:
        client.sock.close()
    server.stop()


def test_garbage(start) -> None:
    """Random bytes; and a right hello or Finished with some bytes changed. A seed is printed where it fails."""
    server = start()
    descriptors = server.descriptors
    for seed in range(300):
        chance = random.Random(seed)
        with Client(server.port) as client:
            kind = seed % 3
            data = chance.randbytes(chance.randrange(1, 4000))
            if kind == 1:
                data = bytearray(record(HANDSHAKE, client.hello.bytes()))
                for _ in range(chance.randrange(1, 6)):
                    data[chance.randrange(len(data))] = chance.randrange(256)
            elif kind == 2:
                client.start()
                client.meet()
                data = record(chance.choice([DATA, HANDSHAKE, ALERT, 20, 99]), data)
            client.raw(bytes(data))
            half_close(client)
            try:
                while client.sock.recv(2**16):
                    pass
            except ConnectionError:
                pass
    is_alive(server.port)
    settle(server, descriptors, 10)
    server.stop()


def test_resets_in_the_middle(start) -> None:
    server = start()
    descriptors = server.descriptors
    for client in stall(server.port, 100):
        reset(client)
    for _ in range(50):
        client = Client(server.port).complete()
        client.send(DATA, os.urandom(16000))
        reset(client)
    is_alive(server.port)
    settle(server, descriptors, 10)
    server.stop()


def test_a_client_that_never_reads_does_not_fill_the_memory(start) -> None:
    """The echo stops reading when its answers are not taken: back pressure, not a buffer without end."""
    server = start()
    with Client(server.port) as client:
        client.complete().echo()
        before = server.memory
        client.sock.settimeout(1)
        sent = 0
        try:
            while sent < 200 * 2**20:
                client.send(DATA, bytes(2**14))
                sent += 2**14
        except TimeoutError:
            pass
        assert sent < 200 * 2**20, "all of it was taken"
        assert server.memory - before < 8 * 2**20
        is_alive(server.port)
    server.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_under_load_when_told(start, number) -> None:
    """Exit code 0, soon, with clients that talk, stall and arrive; nothing on stderr but sentences."""
    server = start()
    stalled = stall(server.port, 50)
    over = threading.Event()
    served = []

    def talk() -> None:
        while not over.is_set():
            try:
                with Client(server.port) as client:
                    client.complete()
                    for _ in range(20):
                        client.echo(bytes(5000))
                    served.append(1)
            except Exception:  # noqa: BLE001  # the server leaves at any moment
                continue

    talkers = [threading.Thread(target=talk) for _ in range(4)]
    for talker in talkers:
        talker.start()
    while len(served) < 8:
        over.wait(0.05)
    began = time.monotonic()
    try:
        server.stop(number)
    finally:
        over.set()
        for talker in talkers:
            talker.join()
        for client in stalled:
            client.sock.close()
    assert time.monotonic() - began < 6


def test_the_idle_are_told_when_it_ends(start) -> None:
    """Section 6.1: close_notify, before the end of the stream."""
    server = start()
    with Client(server.port) as client:
        client.complete().echo()
        server.process.send_signal(signal.SIGTERM)
        kind, data = client.next_record()
        while kind == HANDSHAKE:
            kind, data = client.next_record()
        assert (kind, data) == (ALERT, b"\1\0")
        client.expect_end()
    server.stop()

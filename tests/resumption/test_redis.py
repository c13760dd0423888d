"""Servers that share a Redis: ticket keys, and what early data was taken. With a real redis-server."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which

import pytest

import tls13

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(which("redis-server") is None, reason="the program redis-server is absent"),
]

HOST = "server.example"
PROGRAM = Path(__file__).parent / "replay_server.py"


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    """The URL of a server of our own, on a Unix socket."""
    where = tmp_path_factory.mktemp("redis")
    path = where / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(where)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    url = f"unix://{path}"
    wait_for(lambda: answers(url))
    yield url
    process.terminate()
    process.wait(10)


def answers(url: str) -> bool:
    store = tls13.RedisStore(url)
    try:
        return store.get(b"nothing") is None
    except tls13.errors.StoreUnavailable:
        return False
    finally:
        store.close()


@pytest.fixture
def store(redis):
    store = tls13.RedisStore(redis)
    yield store
    store.close()


def wait_for(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)


# --- the store -------------------------------------------------------------------------------------------------------


def test_what_is_added_is_there_once_and_expires(store) -> None:
    assert store.shared
    assert store.add(b"key", b"\0value\xff", 30)
    assert not store.add(b"key", b"another", 30)
    assert store.get(b"key") == b"\0value\xff"
    assert store.pop(b"key") == b"\0value\xff"
    assert store.pop(b"key") is None
    assert store.get(b"key") is None
    assert store.add(b"short", b"", 0.05)
    wait_for(lambda: store.get(b"short") is None)
    assert store.add(b"short", b"", 30)


def test_of_many_threads_one_adds_and_one_pops(store) -> None:
    with ThreadPoolExecutor(40) as threads:
        for call in (lambda _: store.add(b"race", b"x", 30), lambda _: store.pop(b"race") is not None):
            assert sorted(threads.map(call, range(40))) == [False] * 39 + [True]


def test_of_many_tasks_one_adds_and_one_pops(redis) -> None:
    async def main() -> None:
        store = tls13.AsyncRedisStore(redis, timeout=20)
        added = await asyncio.gather(*(store.add(b"tasks", b"x", 30) for _ in range(40)))
        assert sum(added) == 1
        assert await store.get(b"tasks") == b"x"
        popped = await asyncio.gather(*(store.pop(b"tasks") for _ in range(40)))
        assert [value for value in popped if value is not None] == [b"x"]
        await store.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("kind", [tls13.RedisStore, tls13.AsyncRedisStore])
def test_a_server_that_is_not_there_is_said_so(kind) -> None:
    async def ask() -> object:
        answer = kind("unix:///no/such/socket").add(b"key", b"", 1)
        return await answer if asyncio.iscoroutine(answer) else answer

    with pytest.raises(tls13.errors.StoreUnavailable, match="Redis"):
        asyncio.run(ask())


# --- two servers, one memory -----------------------------------------------------------------------------------------


class Server:
    """A process that serves, and how much early data it has taken."""

    def __init__(self, url: str, where: Path) -> None:
        command = [sys.executable, str(PROGRAM), url, str(where)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.taken = 0
        self.reader = threading.Thread(target=self._count)
        self.reader.start()

    def _count(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            assert line == "taken\n"
            self.taken += 1

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def servers(redis, tmp_path, issued):
    (tmp_path / "chain.pem").write_bytes(issued.pem_chain)
    (tmp_path / "key.pem").write_bytes(issued.pem_key)
    pair = [Server(redis, tmp_path) for _ in range(2)]
    yield pair
    for server in pair:
        server.stop()


@pytest.fixture
def ticket(servers, trust) -> tls13.StoredSession:
    """From the first server."""
    config = tls13.ClientConfig(trust=trust, sessions=tls13.SessionCache())
    with tls13.connect(("127.0.0.1", servers[0].port), config, server_hostname=HOST) as tls:
        while not len(config.sessions):  # they come when the server has asked the store for its key
            tls.sendall(b"?")
            assert tls.recv(1) == b"?"
    session = next(iter(config.sessions._sessions.values()))[-1]
    assert session.max_early_data_size == 2**14
    return session


def first_flight(trust, ticket: tls13.StoredSession) -> bytes:
    config = tls13.ClientConfig(trust=trust, sessions=tls13.SessionCache())
    client = tls13.ClientConnection(config, server_hostname=HOST, session=ticket, early_data=b"pay 100")
    assert client._handshake.stored is ticket
    return client.data_to_send()


def test_a_ticket_of_one_server_resumes_at_the_other(servers, ticket, trust) -> None:
    """They share the ticket keys through the store; the early data too is taken there."""
    config = tls13.ClientConfig(trust=trust, sessions=tls13.SessionCache())
    where = ("127.0.0.1", servers[1].port)
    with tls13.connect(where, config, server_hostname=HOST, session=ticket, early_data=b"pay 100") as tls:
        assert tls.session.resumed
        assert tls.session.early_data == "accepted"
    wait_for(lambda: servers[1].taken == 1)


def test_of_200_replays_at_two_servers_one_is_taken(servers, ticket, trust) -> None:
    """Section 8.2, and this issue's own words: exactly one acceptance."""
    flight = first_flight(trust, ticket)

    def replay(number: int) -> bool:
        with socket.create_connection(("127.0.0.1", servers[number % 2].port), 30) as sock:
            sock.sendall(flight)
            sock.settimeout(30)
            return bool(sock.recv(5))  # a ServerHello: the handshake goes on either way

    with ThreadPoolExecutor(50) as threads:
        assert all(threads.map(replay, range(200)))
    wait_for(lambda: sum(server.taken for server in servers) >= 1)
    for server in servers:
        server.stop()
    assert sum(server.taken for server in servers) == 1

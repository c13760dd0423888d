"""Trials that take minutes: a lot of data, many threads, many connections at once and one after the other. What they
leave behind is looked at: descriptors, threads, memory, and objects of connections.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tls13 import Connection

from . import serving, web
from .desk import Desk, Unexpected, same
from .fetching import by_http_client, requests_session, url
from .registry import client, server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator

GIB = 2**30
CHUNK = bytes(range(256)) * 1024
"""256 KiB."""
MOST_MEMORY = 64 * 2**20
"""Bytes that a process may grow by while a GiB goes through it: what buffers hold."""
TIMEOUT = 60.0


def _memory() -> int:
    """The most that this process has held so far, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _connections() -> int:
    gc.collect()
    return sum(isinstance(one, Connection) for one in gc.get_objects())


@contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Raises Unexpected if there are more descriptors, threads or connections afterwards."""
    found = Path("/proc/self/fd")
    descriptors, threads, connections = len(list(found.iterdir())), threading.active_count(), _connections()
    yield
    same("connections that are left", _connections(), connections)
    same("threads that are left", threading.active_count(), threads)
    same("descriptors that are left", len(list(found.iterdir())), descriptors)


def _warm(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    """A first connection opens what the contexts keep (their key log), and loads what is loaded late."""
    with web.peer(server_context) as port:
        by_http_client(client_context, port, TIMEOUT)
    _wait_for_threads()


def _many_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


# --- a GiB ----------------------------------------------------------------------------------------------------------


class AGiB:
    """A file, to whoever posts it."""

    def __init__(self) -> None:
        self.left = GIB

    def __len__(self) -> int:
        return GIB

    def read(self, size: int = -1) -> bytes:
        data = CHUNK[: min(size, self.left)] if size >= 0 else CHUNK[: self.left]
        self.left -= len(data)
        return data


async def long_application(
    scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """POST counts what comes, GET sends a GiB."""
    if scope["type"] != "http":
        return
    received, more = 0, True
    while more:
        message = await receive()
        received += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["method"] == "POST":
        await send({"type": "http.response.body", "body": str(received).encode()})
        return
    for _ in range(GIB // len(CHUNK)):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _up_and_down(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    wanted = sha256()
    for _ in range(GIB // len(CHUNK)):
        wanted.update(CHUNK)
    with (
        serving.uvicorn(server_context, application=long_application) as port,
        requests_session(client_context) as session,
    ):
        same("a few bytes first", session.post(url(port), data=b"few", timeout=TIMEOUT).content, b"3")
        before = _memory()
        same("what arrived", session.post(url(port), data=AGiB(), timeout=TIMEOUT).content, str(GIB).encode())
        found = sha256()
        with session.get(url(port), stream=True, timeout=TIMEOUT) as answer:
            for chunk in answer.iter_content(len(CHUNK)):
                found.update(chunk)
        same("what was received", found.hexdigest(), wanted.hexdigest())
        if (grown := _memory() - before) > MOST_MEMORY:
            raise Unexpected(f"the process has grown by {grown} bytes")


def _leaving_nothing(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    _warm(client_context, server_context)
    with nothing_left_behind():
        _up_and_down(client_context, server_context)


@client("requests", "1 GiB up and down", "requests", "uvicorn", minutes=6)
def requests_a_gib(desk: Desk) -> None:
    _leaving_nothing(desk.client(), desk.peer_server())


@server("uvicorn", "1 GiB up and down", "requests", "uvicorn", minutes=6)
def uvicorn_a_gib(desk: Desk) -> None:
    _leaving_nothing(desk.peer_client(), desk.server())


# --- many -----------------------------------------------------------------------------------------------------------


def _threads(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    data = web.LARGE[:100_000]
    _warm(client_context, server_context)
    with nothing_left_behind():
        together = threading.Barrier(200)
        with web.peer(server_context) as port, ThreadPoolExecutor(200) as pool:

            def fetch(number: int) -> bytes:
                together.wait(TIMEOUT)
                return by_http_client(client_context, port, TIMEOUT, data[number:])

            for number, answer in enumerate(pool.map(fetch, range(200))):
                same(f"the answer to thread {number}", answer, data[number:])
        _wait_for_threads()


def _wait_for_threads() -> None:
    """The server's threads end by themselves, soon after their connections."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(TIMEOUT)


@client("http.client", "200 threads at once", minutes=3)
def client_threads(desk: Desk) -> None:
    _threads(desk.client(), desk.peer_server())


@server("http.server", "200 threads at once", minutes=3)
def server_threads(desk: Desk) -> None:
    _threads(desk.peer_client(), desk.server())


async def _open(context: ssl.SSLContext, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=web.HOST)


async def _all_at_once(context: ssl.SSLContext, port: int, count: int) -> None:
    """All are open before the first one asks."""
    limit = asyncio.Semaphore(100)  # handshakes at a time; connections stay

    async def opened() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with limit:
            return await _open(context, port)

    streams = await asyncio.gather(*(opened() for _ in range(count)))
    for _, writer in streams:
        writer.write(web.request(None))
    for reader, writer in streams:
        same("the answer", web.body_of(await reader.read()), web.GREETING)
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in streams))


def _concurrent(client_context: ssl.SSLContext, server_context: ssl.SSLContext) -> None:
    _many_descriptors()
    _warm(client_context, server_context)
    with nothing_left_behind(), serving.start_server(server_context) as port:
        asyncio.run(_all_at_once(client_context, port, 2000))


@client("asyncio streams", "2,000 connections at once", minutes=5)
def client_concurrent(desk: Desk) -> None:
    _concurrent(desk.client(), desk.peer_server())


@server("asyncio.start_server", "2,000 connections at once", minutes=5)
def server_concurrent(desk: Desk) -> None:
    _concurrent(desk.peer_client(), desk.server())


async def _one_after_the_other(context: ssl.SSLContext, port: int, count: int) -> None:
    async def some(share: int) -> None:
        for _ in range(share):
            reader, writer = await _open(context, port)
            writer.write(web.request(None))
            same("the answer", web.body_of(await reader.read()), web.GREETING)
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(some(count // 20) for _ in range(20)))


@server("asyncio.start_server", "10,000 connections, ours on both sides", minutes=8)
def opened_and_closed(desk: Desk) -> None:
    context, theirs = desk.client(), desk.server()
    _warm(context, theirs)
    with nothing_left_behind(), serving.start_server(theirs) as port:
        asyncio.run(_one_after_the_other(context, port, 2000))
        before = _memory()
        asyncio.run(_one_after_the_other(context, port, 8000))
        if (grown := _memory() - before) > 8 * 2**20:
            raise Unexpected(f"8,000 connections have left {grown} bytes behind")
    same("handshakes", desk.handshakes(), 2 * 10_001)  # each is in both sides' key log

"""Programs that talk in both directions: websockets, asyncio's start_tls, streams of trio and anyio as servers, Redis.

A `Fetch` here sends something and gives back the echo.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..program import Program
from . import web
from .desk import Desk, same
from .fetching import Fetcher, by_http_client
from .registry import Trial, add, client
from .serving import in_thread

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterator

TIMEOUT = 20.0
GO = b"go ahead\r\n"


# --- clients --------------------------------------------------------------------------------------------------------


def by_websockets_sync(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    from websockets.sync.client import connect

    address = f"wss://{web.HOST}:{port}/"
    with connect(address, ssl=context, open_timeout=timeout, proxy=None, max_size=None) as websocket:
        websocket.send(web.GREETING if data is None else data)
        answer = websocket.recv(timeout)
    return answer if isinstance(answer, bytes) else answer.encode()


async def _by_websockets(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    from websockets.asyncio.client import connect

    address = f"wss://{web.HOST}:{port}/"
    async with connect(address, ssl=context, open_timeout=timeout, proxy=None, max_size=None) as websocket:
        await websocket.send(web.GREETING if data is None else data)
        answer = await websocket.recv()
    return answer if isinstance(answer, bytes) else answer.encode()


def by_websockets_asyncio(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    return asyncio.run(_by_websockets(context, port, timeout, data))


async def _by_start_tls(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None) -> bytes:
    async with asyncio.timeout(timeout):
        reader, writer = await asyncio.open_connection(web.HOST, port)
        try:
            writer.write(b"STARTTLS\r\n")
            await reader.readuntil(GO)
            await writer.start_tls(context, server_hostname=web.HOST)
            writer.write(web.request(data))
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            return await reader.readexactly(web.content_length(head))
        finally:
            writer.close()


def by_start_tls(context: ssl.SSLContext, port: int, timeout: float, data: bytes | None = None) -> bytes:
    return asyncio.run(_by_start_tls(context, port, timeout, data))


FETCHERS = (
    Fetcher("websockets (sync)", by_websockets_sync, ("websockets",)),
    Fetcher("websockets (asyncio)", by_websockets_asyncio, ("websockets",)),
    Fetcher("asyncio start_tls", by_start_tls, plain=(b"", GO)),
)


# --- servers --------------------------------------------------------------------------------------------------------


@contextmanager
def websockets_sync(context: ssl.SSLContext) -> Iterator[int]:
    from websockets.sync.server import ServerConnection, serve

    def echo(websocket: ServerConnection) -> None:
        for message in websocket:
            websocket.send(message)

    with serve(echo, "127.0.0.1", 0, ssl=context, max_size=None) as it:
        thread = threading.Thread(target=it.serve_forever, daemon=True)
        thread.start()
        yield it.socket.getsockname()[1]
        it.shutdown()
        thread.join()


def websockets_asyncio(context: ssl.SSLContext) -> AbstractContextManager[int]:
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            async with serve(echo, "127.0.0.1", 0, ssl=context, max_size=None) as it:
                started(next(iter(it.sockets)).getsockname()[1])
                await ending()

        asyncio.run(run())

    return in_thread(main)


def start_tls(context: ssl.SSLContext) -> AbstractContextManager[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"STARTTLS\r\n")
        writer.write(GO)
        await writer.drain()
        await writer.start_tls(context)
        await web.answer_stream(reader, writer)

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            async with await asyncio.start_server(answer, "127.0.0.1", 0) as it:
                started(it.sockets[0].getsockname()[1])
                await ending()

        asyncio.run(run())

    return in_thread(main)


async def _answer(receive: Callable[[], Awaitable[bytes]], send: Callable[[bytes], Awaitable[None]]) -> None:
    """One request of web.py's kind, over the streams of trio or anyio."""
    head, body = b"", b""
    while b"\r\n\r\n" not in head:
        head += await receive()
    head, _, body = head.partition(b"\r\n\r\n")
    while len(body) < web.content_length(head):
        body += await receive()
    await send(web.response(head, body))


def trio_streams(context: ssl.SSLContext) -> AbstractContextManager[int]:
    import trio

    async def handle(stream: Any) -> None:
        async with stream:
            await _answer(stream.receive_some, stream.send_all)

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            listeners = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1", https_compatible=True)
            below = listeners[0].transport_listener
            if isinstance(below, trio.SocketListener):
                started(below.socket.getsockname()[1])
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.serve_listeners, handle, listeners)
                await ending()
                nursery.cancel_scope.cancel()

        trio.run(run)

    return in_thread(main, trio.sleep)


def anyio_streams(context: ssl.SSLContext) -> AbstractContextManager[int]:
    import anyio
    from anyio.abc import SocketAttribute
    from anyio.streams.tls import TLSListener, TLSStream

    async def handle(stream: TLSStream) -> None:
        async with stream:
            await _answer(stream.receive, stream.send)

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            below = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
            listener = TLSListener(below, context, standard_compatible=False)
            started(below.extra(SocketAttribute.local_port))
            async with anyio.create_task_group() as group:
                group.start_soon(listener.serve, handle)
                await ending()
                group.cancel_scope.cancel()

        anyio.run(run)

    return in_thread(main)


# --- trials ---------------------------------------------------------------------------------------------------------

ROUNDS: tuple[tuple[str, str, Any, Any, tuple[str, ...]], ...] = (
    ("websockets (sync)", "client", websockets_sync, by_websockets_sync, ("websockets",)),
    ("websockets (asyncio)", "client", websockets_asyncio, by_websockets_asyncio, ("websockets",)),
    ("asyncio start_tls", "client", start_tls, by_start_tls, ()),
    ("websockets.serve (sync)", "server", websockets_sync, by_websockets_sync, ("websockets",)),
    ("websockets.serve", "server", websockets_asyncio, by_websockets_asyncio, ("websockets",)),
    ("asyncio start_tls", "server", start_tls, by_start_tls, ()),
    ("trio SSLStream", "server", trio_streams, by_http_client, ("trio",)),
    ("anyio TLSListener", "server", anyio_streams, by_http_client, ("anyio",)),
)
"""The program, its side, the server, the client, and what they need."""


def _there_and_back(side: str, serve: Any, fetch: Any, desk: Desk) -> None:
    ours, theirs = (desk.client(), desk.peer_server()) if side == "client" else (desk.server(), desk.peer_client())
    serving, fetching = (theirs, ours) if side == "client" else (ours, theirs)
    with serve(serving) as port:
        same("a few bytes", fetch(fetching, port, TIMEOUT), web.GREETING)
        same("1 MiB", fetch(fetching, port, TIMEOUT, web.LARGE), web.LARGE)


for _program, _side, _serve, _fetch, _needs in ROUNDS:
    add(Trial(_program, _side, "1 MiB there and back", partial(_there_and_back, _side, _serve, _fetch), _needs))


@contextmanager
def redis_server(desk: Desk) -> Iterator[int]:
    """Debian's, with TLS alone."""
    with web.listener() as found:
        port = found.getsockname()[1]
    chain, key = map(str, desk.files("good"))
    command = ["redis-server", "--port", "0", "--tls-port", str(port), "--tls-cert-file", chain, "--tls-key-file", key]
    command += ["--tls-auth-clients", "no", "--tls-ca-cert-file", str(desk.root), "--save", "", "--dir", "/tmp"]
    with Program([*command, "--bind", "127.0.0.1"]) as program:
        program.wait_for(b"Ready to accept connections")
        yield port


@client("redis-py", "1 MiB there and back", "redis", "$redis-server")
def redis_sync(desk: Desk) -> None:
    """It builds its own context; a connection class of one's own is how it takes another."""
    import redis
    from redis.connection import SSLConnection

    context = desk.client()

    class ContextConnection(SSLConnection):
        def _wrap_socket_with_ssl(self, sock: Any) -> Any:
            return context.wrap_socket(sock, server_hostname=self.host)

    with redis_server(desk) as port:
        pool = redis.ConnectionPool(connection_class=ContextConnection, host=web.HOST, port=port)
        with redis.Redis(connection_pool=pool) as store:
            store.set("key", web.LARGE)
            same("what was stored", store.get("key"), web.LARGE)
        pool.disconnect()


@client("redis-py (asyncio)", "1 MiB there and back", "redis", "$redis-server")
def redis_asyncio(desk: Desk) -> None:
    import redis.asyncio as redis

    context = desk.client()

    class ContextConnection(redis.SSLConnection):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            self.ssl_context.context = context

    async def there_and_back(port: int) -> object:
        pool = redis.ConnectionPool(connection_class=ContextConnection, host=web.HOST, port=port)
        async with redis.Redis(connection_pool=pool) as store:
            await store.set("key", web.LARGE)
            found = await store.get("key")
        await pool.disconnect()
        return found

    with redis_server(desk) as port:
        same("what was stored", asyncio.run(there_and_back(port)), web.LARGE)

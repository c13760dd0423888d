"""TLS for asyncio: streams, client and server.

    reader, writer = await tls13.aio.open_connection("example.com", 443)
    server = await tls13.aio.start_server(callback, "127.0.0.1", 8443, config)

They are asyncio's own StreamReader and StreamWriter over a TLSTransport (protocol.py): drain() waits while the kernel
takes no more, write_eof() is close_notify for one direction, and get_extra_info knows "tls13_session" and
"tls13_connection" beside what asyncio knows ("peername", "socket", ...).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..config import ClientConfig, ServerConfig
from ..connection import ClientConnection, ServerConnection
from .opening import connect_error
from .protocol import TLSProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..events import Tracer
    from .protocol import ErrorHook, TLSTransport

    ClientCallback = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


async def open_connection(
    host: str,
    port: int,
    config: ClientConfig | None = None,
    *,
    server_hostname: str | bytes | None = None,
    connect_timeout: float | None = 30.0,
    handshake_timeout: float | None = 30.0,
    limit: int = 2**16,
    tracer: Tracer | None = None,
    **tcp: Any,
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As asyncio.open_connection, over TLS 1.3. `server_hostname` is `host` unless given; times in seconds.

    `limit` is the StreamReader's, in bytes. `tcp` goes to loop.create_connection (family, local_addr, sock, ...).
    Raises NameNotFound, ConnectionRefused, ConnectTimeout, ConnectFailed, HandshakeTimeout, ConnectionReset, an Abort,
    AlertReceived or TruncatedStream. However it ends, also when cancelled, no transport is left behind.
    """
    loop = asyncio.get_running_loop()
    config = ClientConfig() if config is None else config
    if config.trust is not None and not config.trust.loaded:
        await asyncio.to_thread(config.trust.load)
    name = host if server_hostname is None else server_hostname
    connection = ClientConnection(config, server_hostname=name, tracer=tracer)
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    app = asyncio.StreamReaderProtocol(reader, loop=loop)
    protocol = TLSProtocol(connection, app, loop, handshake_timeout=handshake_timeout)
    where: dict[str, Any] = {} if "sock" in tcp else {"host": host, "port": port}
    try:
        async with asyncio.timeout(connect_timeout):
            await loop.create_connection(lambda: protocol, **where, **tcp)
    except OSError as error:
        raise connect_error(host, port, error, connect_timeout) from error
    transport = await _handshake(protocol)
    return reader, asyncio.StreamWriter(transport, app, reader, loop)


async def _handshake(protocol: TLSProtocol) -> TLSTransport:
    """Wait for the handshake. If it fails, wait until the peer has had the alert: then nothing is left behind."""
    try:
        try:
            return await protocol.handshake
        except Exception:
            await protocol.lost
            raise
    except asyncio.CancelledError:
        protocol.abort()
        raise


async def start_server(
    client_connected: ClientCallback,
    host: str | None,
    port: int,
    config: ServerConfig | Callable[[], ServerConfig],
    *,
    handshake_timeout: float | None = 30.0,
    on_error: ErrorHook | None = None,
    limit: int = 2**16,
    **tcp: Any,
) -> asyncio.Server:
    """As asyncio.start_server, over TLS 1.3: `client_connected(reader, writer)` runs once a handshake is complete.

    `config` may be a function that gives the config for each new connection (a renewed certificate, say). A handshake
    that fails is closed and told to `on_error(exception, peername)`; nothing is logged. `tcp` goes to
    loop.create_server (backlog, reuse_port, sock, ...).
    """
    loop = asyncio.get_running_loop()

    def protocol() -> TLSProtocol:
        reader = asyncio.StreamReader(limit=limit, loop=loop)
        app = asyncio.StreamReaderProtocol(reader, client_connected, loop=loop)
        current = config() if callable(config) else config
        connection = ServerConnection(current)
        return TLSProtocol(connection, app, loop, handshake_timeout=handshake_timeout, on_error=on_error)

    where: dict[str, Any] = {} if "sock" in tcp else {"host": host, "port": port}
    return await loop.create_server(protocol, **where, **tcp)

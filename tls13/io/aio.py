"""TLS for asyncio: streams, client and server.

    reader, writer = await tls13.aio.open_connection("example.com", 443)
    server = await tls13.aio.start_server(callback, "127.0.0.1", 8443, config)

They are asyncio's own StreamReader and StreamWriter over a TLSTransport (transport.py): drain() waits while the kernel
takes no more, write_eof() is close_notify for one direction, and get_extra_info knows "tls13_session" and
"tls13_connection" beside what asyncio knows ("peername", "socket", ...). The writer is a TLSWriter, which knows what
only TLS can do. Callbacks and stores of the config may be async here: they are awaited while everything else goes on.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ..config import ClientConfig, ServerConfig
from ..connection import ClientConnection, ServerConnection
from ..errors import ConfigurationError, UsageError
from .facts import Facts
from .opening import client_config, connect_error, host_error
from .protocol import NOBODY_READS_EARLY_DATA, TLSProtocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from cryptography.x509 import Certificate

    from ..events import Tracer
    from ..resumption.sessions import StoredSession
    from .protocol import ErrorHook
    from .transport import TLSTransport

    ClientCallback = Callable[[asyncio.StreamReader, "TLSWriter"], Awaitable[None] | None]


class TLSWriter(Facts, asyncio.StreamWriter):
    """An asyncio.StreamWriter that knows the connection it writes to. Made by open_connection and start_server."""

    def __init__(
        self,
        tls: TLSProtocol,
        transport: asyncio.WriteTransport,
        app: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        loop: asyncio.AbstractEventLoop,
        below: asyncio.StreamWriter | None = None,
    ) -> None:
        """`below`: asyncio's own writer to the same transport. It is kept, since from Python 3.13 on a writer that
        nobody holds closes its transport."""
        super().__init__(transport, app, reader, loop)
        self._below = below
        self._tls = tls
        self._connection = tls.connection
        self._tickets = tls.tickets

    async def handshake_completed(self) -> None:
        """Wait until the peer is authenticated; at once, except in a start_server(..., early_data=True). Raises what
        ended the handshake."""
        await asyncio.shield(self._tls.handshake)

    async def recv_early_data(self) -> bytes:
        """A server's, of start_server(..., early_data=True): the next piece of early data; b"" when there is no more,
        and the handshake complete. Raises what ended the handshake.

        Until then the client may be somebody who has recorded what it sends: act only on what does no harm twice, or
        wait for handshake_completed(). After that it is the client itself, who may have sent the same to another
        server as well (RFC 9846, section 8).
        """
        return await self._tls.recv_early_data()

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Change our sending keys; with `request_peer` ask the peer to change its own (section 4.7.3)."""
        self._connection.update_keys(request_peer=request_peer)
        self._tls.go_on()

    def send_ticket(self) -> None:
        """A server's: give the client one more ticket (section 4.7.1)."""
        self._server().send_ticket()
        self._tls.go_on()

    async def request_client_certificate(self) -> tuple[Certificate, ...]:
        """A server's: ask the client for a certificate now (section 4.7.2). The chain that it showed and that was
        verified, its own certificate first; empty if it declined.

        Data that comes before the answer goes to the reader, which must be read if there is more than its limit.
        Raises UsageError where the client must not be asked, or leaves without an answer, and what ends connections.
        """
        context = self._server().request_client_certificate()
        return await self._tls.client_certificate(context)

    def _server(self) -> ServerConnection:
        if not isinstance(self._connection, ServerConnection):
            raise UsageError("only a server gives tickets and asks for certificates")
        return self._connection


async def open_connection(
    host: str,
    port: int,
    config: ClientConfig | None = None,
    *,
    server_hostname: str | bytes | None = None,
    connect_timeout: float | None = 30.0,
    handshake_timeout: float | None = 30.0,
    limit: int = 2**16,
    partition: bytes = b"",
    session: StoredSession | None = None,
    early_data: bytes | None = None,
    tracer: Tracer | None = None,
    **tcp: Any,
) -> tuple[asyncio.StreamReader, TLSWriter]:
    """As asyncio.open_connection, over TLS 1.3. `server_hostname` is `host` unless given; times in seconds.

    `limit` is the StreamReader's, in bytes. `partition`, `session` and `early_data` are those of tls13.wrap_socket:
    unless the writer's session.early_data then is "accepted", the server has not had the early data. `tcp` goes to
    loop.create_connection (family, local_addr, sock, ...).

    Raises NameNotFound, ConnectionRefused, ConnectTimeout, ConnectFailed, ConfigurationError for a host or config that
    cannot be one, HandshakeTimeout, ConnectionReset, an Abort, AlertReceived or TruncatedStream. However it ends, also
    when cancelled, no transport is left behind.
    """
    loop = asyncio.get_running_loop()
    config = client_config(config)
    if config.trust is not None and not config.trust.loaded:
        await asyncio.to_thread(config.trust.load)
    name = host if server_hostname is None else server_hostname
    connection = ClientConnection(
        config,
        server_hostname=name,
        port=port,
        partition=partition,
        session=session,
        early_data=early_data,
        tracer=tracer,
    )
    reader = asyncio.StreamReader(limit=limit, loop=loop)
    app = asyncio.StreamReaderProtocol(reader, loop=loop)
    protocol = TLSProtocol(connection, app, loop, handshake_timeout=handshake_timeout)
    where: dict[str, Any] = {} if "sock" in tcp else {"host": host, "port": port}
    try:
        async with asyncio.timeout(connect_timeout):
            await loop.create_connection(lambda: protocol, **where, **tcp)
    except OSError as error:
        raise connect_error(host, port, error, connect_timeout) from error
    except UnicodeError as error:
        raise host_error(host) from error
    transport = await _handshake(protocol)
    return reader, TLSWriter(protocol, transport, app, reader, loop)


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
    early_data: bool = False,
    protocol: type[TLSProtocol] = TLSProtocol,
    tracer: Callable[[], Tracer] | None = None,
    **tcp: Any,
) -> asyncio.Server:
    """As asyncio.start_server, over TLS 1.3: `client_connected(reader, writer)` runs once a handshake is complete.

    `config` may be a function that gives the config for each new connection (a renewed certificate, say). If it raises,
    or the handshake fails, the connection is closed and `on_error(exception, peername)` called; nothing is logged.
    `tcp` goes to loop.create_server (backlog, reuse_port, sock, ...).
    `handshake_timeout` is in seconds; None: the config's own time.

    early_data: for a config that accepts early data, and a callback that reads it by `await writer.recv_early_data()`.
    The callback then runs as soon as the first of it is here, although nobody knows yet whether it is a replay; only
    early data comes before the handshake is complete, and reader.read() gives none of it.

    protocol: what drives each connection; a subclass may watch it (tls13.explain.recorded).
    tracer: makes the tracer of each connection (tls13.explain.voices).
    """
    loop = asyncio.get_running_loop()
    if isinstance(config, ServerConfig) and config.max_early_data and not early_data:
        raise ConfigurationError(NOBODY_READS_EARLY_DATA)

    def accept() -> asyncio.Protocol:
        try:
            current = config() if callable(config) else config
        except Exception as error:  # noqa: BLE001  # somebody else's code: whoever is told of errors is told of its own
            return Refusal(error, on_error)

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None] | None:
            return client_connected(reader, TLSWriter(tls, writer.transport, app, reader, loop, below=writer))

        reader = asyncio.StreamReader(limit=limit, loop=loop)
        app = asyncio.StreamReaderProtocol(reader, connected, loop=loop)
        connection = ServerConnection(current, tracer=tracer() if tracer is not None else None)
        tls = protocol(
            connection, app, loop, handshake_timeout=handshake_timeout, on_error=on_error, early_data=early_data
        )
        return tls

    where: dict[str, Any] = {} if "sock" in tcp else {"host": host, "port": port}
    return await loop.create_server(accept, **where, **tcp)


class Refusal(asyncio.Protocol):
    """For a connection that there is no config for: closes it, and tells why."""

    def __init__(self, error: Exception, on_error: ErrorHook | None) -> None:
        self._error = error
        self._on_error = on_error

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()
        if self._on_error is not None:
            self._on_error(self._error, transport.get_extra_info("peername"))

"""Opening a connection: TCP, then TLS over it; each way to fail its own exception, with the OSError underneath."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from ..config import ClientConfig
from ..connection import ClientConnection, ServerConnection
from ..errors import (
    ConfigurationError,
    ConnectFailed,
    ConnectionRefused,
    ConnectionReset,
    ConnectTimeout,
    NameNotFound,
    TransportError,
)
from .sockets import TLSSocket

if TYPE_CHECKING:
    from ..config import ServerConfig
    from ..connection import Connection
    from ..events import Tracer
    from ..resumption.sessions import StoredSession


def wrap_socket(
    sock: socket.socket,
    config: ClientConfig | ServerConfig,
    *,
    server_hostname: str | bytes | None = None,
    do_handshake_on_connect: bool = True,
    handshake_timeout: float | None = 30.0,
    port: int | None = None,
    partition: bytes = b"",
    session: StoredSession | None = None,
    early_data: bytes | None = None,
    tracer: Tracer | None = None,
) -> TLSSocket:
    """TLS over a connected stream socket: a client with a ClientConfig, a server with a ServerConfig.

    server_hostname: whom the server must prove to be (clients only). handshake_timeout: seconds for the whole
    handshake; a non-blocking socket's handshake is left to do_handshake. TCP_NODELAY is set: records are complete,
    waiting to fill a segment only delays them. If the handshake fails, the socket is closed.

    For clients that resume: `session` is from a TLSSocket's stored_sessions; without it the config's SessionCache is
    asked, for this name, `port` (the socket's, unless given) and `partition`. `early_data` is sent with the
    ClientHello if the session allows it. Anybody may replay it to the server, so it must do no harm twice; unless
    the TLSSocket's session.early_data then is "accepted", the server has not had it, and it is yours to send again.
    """
    if sock.type & 0xF != socket.SOCK_STREAM:
        raise ConfigurationError("TLS needs a stream socket (SOCK_STREAM)")
    connection: Connection
    if isinstance(config, ClientConfig):
        connection = ClientConnection(
            config,
            server_hostname=server_hostname,
            port=_port(sock) if port is None else port,
            partition=partition,
            session=session,
            early_data=early_data,
            tracer=tracer,
        )
    elif not isinstance(config, _server_config()):
        raise ConfigurationError(f"config is a tls13.ClientConfig or a tls13.ServerConfig, not {type(config).__name__}")
    elif server_hostname is not None or session is not None or early_data is not None:
        raise ConfigurationError("server_hostname, session and early_data are for clients")
    else:
        connection = ServerConnection(config, tracer=tracer)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls = TLSSocket(sock, connection)
    if do_handshake_on_connect and sock.gettimeout() != 0.0:
        try:
            tls.do_handshake(handshake_timeout)
        except BaseException:
            tls.close()
            raise
    return tls


def _server_config() -> type[ServerConfig]:
    """A client does not load it."""
    from ..config import ServerConfig

    return ServerConfig


def _port(sock: socket.socket) -> int | None:
    """Of the peer, where it has one."""
    try:
        return int(sock.getpeername()[1]) if sock.family in (socket.AF_INET, socket.AF_INET6) else None
    except OSError:
        return None


def connect(
    address: tuple[str, int],
    config: ClientConfig | None = None,
    *,
    server_hostname: str | bytes | None = None,
    connect_timeout: float | None = 30.0,
    handshake_timeout: float | None = 30.0,
    timeout: float | None = None,
    keepalive: bool = False,
    partition: bytes = b"",
    session: StoredSession | None = None,
    early_data: bytes | None = None,
    tracer: Tracer | None = None,
) -> TLSSocket:
    """Connect to (host, port) and complete the handshake. server_hostname: `host` unless given.

    All times in seconds: connect_timeout for TCP, handshake_timeout for the whole handshake, timeout for each later
    read and write (None: no limit). keepalive sets SO_KEEPALIVE. partition, session, early_data: see wrap_socket.
    Raises NameNotFound, ConnectionRefused, ConnectTimeout, ConnectFailed, ConfigurationError for a host or config that
    cannot be one, and what wrap_socket raises. No descriptor is left behind.
    """
    host, port = address
    config = client_config(config)
    sock = connect_tcp(host, port, connect_timeout)
    try:
        if keepalive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.settimeout(timeout)
        name = host if server_hostname is None else server_hostname
        return wrap_socket(
            sock,
            config,
            server_hostname=name,
            handshake_timeout=handshake_timeout,
            port=port,
            partition=partition,
            session=session,
            early_data=early_data,
            tracer=tracer,
        )
    except BaseException:
        sock.close()
        raise


def client_config(config: ClientConfig | None) -> ClientConfig:
    """What a client goes by. Raises ConfigurationError for a config that is none of a client's."""
    if config is None:
        return ClientConfig()
    if not isinstance(config, ClientConfig):
        raise ConfigurationError(f"a client needs a tls13.ClientConfig, not {type(config).__name__}")
    return config


def connect_tcp(host: str, port: int, timeout: float | None) -> socket.socket:
    """A TCP connection, or our exception for why there is none: see connect_error."""
    try:
        return socket.create_connection((host, port), timeout)
    except OSError as error:
        raise connect_error(host, port, error, timeout) from error
    except UnicodeError as error:
        raise host_error(host) from error


def host_error(host: str) -> ConfigurationError:
    """Our exception for a name that Python's resolver does not even ask for: it raises UnicodeError."""
    return ConfigurationError(f"{host!r} is not a host name: each part of one has 1 to 63 characters (RFC 1035)")


def connect_error(host: str, port: int, error: OSError, timeout: float | None) -> TransportError:
    """Our exception for what the operating system said when a TCP connection was wanted."""
    where = f"{host}, port {port}"
    if isinstance(error, socket.gaierror):
        return NameNotFound(error.errno, f"{host} has no address: {error.strerror}; is the name right?")
    if isinstance(error, ConnectionRefusedError):
        return ConnectionRefused(error.errno, f"nobody listens at {where}")
    if isinstance(error, TimeoutError):
        limit = f" within {timeout:g} seconds" if timeout is not None else ""
        return ConnectTimeout(error.errno, f"no answer from {where}{limit}")
    if isinstance(error, ConnectionResetError):
        return ConnectionReset(error.errno, f"{where} tore the connection down")
    return ConnectFailed(error.errno, f"no connection to {where}: {error.strerror or error}")

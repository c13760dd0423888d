"""What sockets and streams can do to a connection. Users find these exceptions in errors.py.

They are apart because nothing in the core raises one: they are made with tls13.io, when a transport is first used.
"""

from __future__ import annotations

from .errors import TLSError


class TransportError(TLSError):
    """Something beneath TLS failed. The OSError is the exception's `__cause__`, and its class is a base of ours."""


class NameNotFound(TransportError, OSError):
    """The host name has no address."""


class ConnectionRefused(TransportError, ConnectionRefusedError):
    """Nobody listens there."""


class ConnectFailed(TransportError, OSError):
    """The TCP connection could not be made, for a reason that has no class of its own."""


class ConnectTimeout(TransportError, TimeoutError):
    """The TCP connection was not made in time."""


class HandshakeTimeout(TransportError, TimeoutError):
    """The handshake was not complete in time."""


class OperationTimeout(TransportError, TimeoutError):
    """Nothing could be read or written within the socket's time-out. The connection is still good."""


class ConnectionReset(TransportError, ConnectionResetError):
    """The peer, or somebody in between, tore the TCP connection down."""


class WantRead(TransportError, BlockingIOError):
    """A non-blocking socket: call again when the descriptor is readable."""


class WantWrite(TransportError, BlockingIOError):
    """A non-blocking socket: call again, with the same data, when the descriptor is writable."""

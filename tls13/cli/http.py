"""GET over a TLSSocket, by the standard library's http.client."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigurationError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..io.sockets import TLSSocket
    from ..trust.names import ServerName

UNIT = 2**16
HTTPS_PORT = 443


class HttpFailed(TransportError):
    """The server's answer is not HTTP/1.1, or is cut short."""


class Fetched(NamedTuple):
    status: int
    reason: str
    length: int
    """Of the body, in bytes."""


def check_target(path: str) -> None:
    """Raises ConfigurationError for what cannot stand in a request line (a line break would begin a second one)."""
    if not path.startswith("/") or not all("!" <= one <= "~" for one in path):
        raise ConfigurationError(f"--http takes a path that starts with / and is percent-encoded, not {path!r}")


def host_header(name: ServerName, port: int) -> str:
    """RFC 9112, section 3.2: the host, and the port unless it is the scheme's own."""
    host = f"[{name}]" if ":" in str(name) else str(name)
    return host if port == HTTPS_PORT else f"{host}:{port}"


def fetch(tls: TLSSocket, host: str, path: str, sink: Callable[[bytes], object] | None) -> Fetched:
    """GET `path`; `host` is for the Host header, and `sink` is given the body piece by piece.

    Reads to the end: by Content-Length, by chunks, or until the server closes. Raises HttpFailed, and what the
    socket raises: an end without close_notify is TruncatedStream, so a body cannot be cut short unseen.
    """
    connection = http.client.HTTPConnection("tls13.invalid")  # it never connects: the socket is there
    connection.sock = tls
    headers = {"Host": host, "Connection": "close", "User-Agent": "tls13", "Accept": "*/*"}
    length = 0
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        while data := response.read(UNIT):
            length += len(data)
            if sink is not None:
                sink(data)
    except http.client.HTTPException as error:
        raise HttpFailed(_what_is_wrong(error)) from error
    if response.length:  # what Content-Length promised and did not come; read(n) does not say so
        raise HttpFailed(f"the answer was cut short: {response.length} bytes of the body are missing")
    return Fetched(response.status, response.reason, length)


def _what_is_wrong(error: http.client.HTTPException) -> str:
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut short in the middle of a chunk"
    if isinstance(error, http.client.BadStatusLine):
        return f"the server does not answer in HTTP/1.1: {str(error)[:60]!r}"
    return f"the server's answer cannot be read: {error}"

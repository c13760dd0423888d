"""GET over a TLSSocket, by the standard library's http.client."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from ..errors import TransportError

if TYPE_CHECKING:
    from ..io.sockets import TLSSocket


class HttpFailed(TransportError):
    """The server's answer is not HTTP/1.1, or is cut short."""


def fetch(tls: TLSSocket, host: str, path: str) -> tuple[int, str, bytes]:
    """Status, reason and body of GET `path`. Raises HttpFailed, and what the socket raises."""
    connection = http.client.HTTPConnection(host)
    connection.sock = tls
    try:
        connection.request("GET", path, headers={"Connection": "close", "User-Agent": "tls13", "Accept": "*/*"})
        response = connection.getresponse()
        return response.status, response.reason, response.read()
    except (http.client.HTTPException, ValueError) as error:
        raise HttpFailed(f"the server's answer cannot be read: {type(error).__name__} {error}") from error

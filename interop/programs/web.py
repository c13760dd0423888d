"""What every HTTP server of the trials serves, on both sides, and what its clients ask for.

GET gives GREETING, POST gives back what was posted. As an http.server handler, as a WSGI and an ASGI application, and
by hand for programs that only know streams.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Awaitable, Callable, Iterable, Iterator

HOST = "localhost"
GREETING = b"hello from the other side"
LARGE = bytes(range(256)) * 4096
"""1 MiB: many records, and more than any buffer holds."""


class Handler(BaseHTTPRequestHandler):
    """For http.server; connections stay open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(GREETING)

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class HTTPSServer(ThreadingHTTPServer):
    """http.server over a context, as its users write it; each connection's thread makes its own handshake."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, context: ssl.SSLContext, handler: type[BaseHTTPRequestHandler] = Handler) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that fails is that client's trouble."""


@contextmanager
def running(server: Any) -> Iterator[int]:
    """A socketserver.BaseServer in a thread: its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def peer(context: ssl.SSLContext) -> Iterator[int]:
    """An HTTP/1.1 server that has nothing to do with the trial: http.server, and whose context is given. Its port."""
    with running(HTTPSServer(context)) as port:
        yield port


def listener() -> socket.socket:
    """A socket that listens on a free port of 127.0.0.1, for programs that take one."""
    return socket.create_server(("127.0.0.1", 0), backlog=1024)


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    body = GREETING
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    if scope["type"] != "http":
        return await _lifespan(receive, send)
    body, more = bytearray(), True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = bytes(body) if scope["method"] == "POST" else GREETING
    headers = [(b"content-length", str(len(answer)).encode()), (b"http-version", scope["http_version"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
    return None


async def _lifespan(receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})


# --- by hand, for streams -----------------------------------------------------------------------------------------


def request(data: bytes | None, connection: str = "close") -> bytes:
    """GET, or POST of `data`. `connection`: "close", or "keep-alive" if the client is to close it first."""
    method, body = ("GET", b"") if data is None else ("POST", data)
    head = f"{method} / HTTP/1.1\r\nHost: {HOST}\r\nConnection: {connection}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def response(head: bytes, body: bytes) -> bytes:
    """The answer to a request."""
    answer = body if head.startswith(b"POST") else GREETING
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer


def content_length(head: bytes) -> int:
    """0 if there is none."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def body_of(answer: bytes) -> bytes:
    """Of all that came until the end. Raises EOFError if it is less than was announced."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if not head or len(body) < content_length(head):
        raise EOFError(f"{len(body)} bytes came of the {content_length(head)} announced")
    return body


async def answer_stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """For asyncio.start_server: one request, one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(content_length(head))
    writer.write(response(head, body))
    await writer.drain()
    writer.close()
    await writer.wait_closed()

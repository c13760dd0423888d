"""Programs that serve HTTPS, each in the way in which it takes a context.

A `Serve` starts its program on a free port of 127.0.0.1, gives the port, and ends the program with the `with` block.
What is served is web.py's.
"""

from __future__ import annotations

import asyncio
import socketserver
import threading
import wsgiref.simple_server
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator

Application = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]
Serve = Callable[["ssl.SSLContext"], AbstractContextManager[int]]


@dataclass(frozen=True)
class Server:
    """A program, and the packages that it needs."""

    program: str
    serve: Serve
    needs: tuple[str, ...] = ()
    http2: bool = False
    threads: bool = True
    """It can wait for one client while it serves another."""


class QuietWSGI(wsgiref.simple_server.WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class WSGIServer(wsgiref.simple_server.WSGIServer):
    """One connection at a time: so one that says nothing is given up."""

    def get_request(self) -> Any:
        connection, address = super().get_request()
        connection.settimeout(0.3)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that fails is that client's trouble."""


class Request(socketserver.StreamRequestHandler):
    """HTTP by hand, for socketserver."""

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self.rfile.readline()
            if not line:
                return
            head += line
        self.wfile.write(web.response(head, self.rfile.read(web.content_length(head))))


class TLSServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's thread: the handshake belongs there."""
        with self.context.wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)
            tls.unwrap().close()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that fails is that client's trouble."""


def http_server(context: ssl.SSLContext) -> AbstractContextManager[int]:
    return web.running(web.HTTPSServer(context))


def wsgi_server(context: ssl.SSLContext) -> AbstractContextManager[int]:
    server = WSGIServer(("127.0.0.1", 0), QuietWSGI)
    server.set_app(web.wsgi)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return web.running(server)


def socket_server(context: ssl.SSLContext) -> AbstractContextManager[int]:
    server = TLSServer(("127.0.0.1", 0), Request)
    server.context = context
    return web.running(server)


# --- with an event loop, in a thread of its own ---------------------------------------------------------------------


@contextmanager
def in_thread(
    main: Callable[[Callable[[int], None], Callable[[], Awaitable[None]]], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Iterator[int]:
    """Runs main(started, ending): it calls started(port), and ends when `await ending()` returns. `sleep`: its
    event loop's."""
    ports: list[int] = []
    started, over, errors = threading.Event(), threading.Event(), list[BaseException]()

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    async def ending() -> None:
        while not over.is_set():
            await sleep(0.02)

    def body() -> None:
        try:
            main(ready, ending)
        except BaseException as error:  # noqa: BLE001  # raised again where somebody sees it
            errors.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    started.wait()
    if not ports:
        raise errors[0]
    try:
        yield ports[0]
    finally:
        over.set()
        thread.join()
    if errors:
        raise errors[0]


@asynccontextmanager
async def _quiet() -> AsyncIterator[None]:
    """asyncio logs what clients do wrong; that is no news here."""
    asyncio.get_running_loop().set_exception_handler(lambda loop, what: None)
    yield


def start_server(context: ssl.SSLContext, run: Callable[..., None] = asyncio.run) -> AbstractContextManager[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await web.answer_stream(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def serve() -> None:
            async with _quiet(), await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context, backlog=2048) as it:
                started(it.sockets[0].getsockname()[1])
                await ending()

        run(serve())

    return in_thread(main)


def start_server_uvloop(context: ssl.SSLContext) -> AbstractContextManager[int]:
    import uvloop

    return start_server(context, uvloop.run)


def uvicorn(
    context: ssl.SSLContext, loop: str = "asyncio", application: Application = web.asgi
) -> AbstractContextManager[int]:
    import uvicorn as program

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        config = program.Config(
            application,
            ssl_context_factory=lambda config, default: context,
            loop=loop,
            log_level="critical",
            timeout_graceful_shutdown=1,
        )
        server = program.Server(config)
        sock = web.listener()

        async def serve() -> None:
            task = asyncio.create_task(server.serve([sock]))
            while not server.started and not task.done():
                await asyncio.sleep(0.01)
            started(sock.getsockname()[1])
            await ending()
            server.should_exit = True
            await task

        with sock, asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(serve())

    return in_thread(main)


def uvicorn_uvloop(context: ssl.SSLContext) -> AbstractContextManager[int]:
    return uvicorn(context, "uvloop")


def hypercorn(context: ssl.SSLContext, worker: str = "asyncio") -> AbstractContextManager[int]:
    """hypercorn asks its Config for the context, which may be a class of one's own."""
    from hypercorn.config import Config

    class ContextConfig(Config):
        ssl_enabled = True

        def create_ssl_context(self) -> ssl.SSLContext:
            return context

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        sock = web.listener()
        config = ContextConfig()
        config.bind = [f"fd://{sock.fileno()}"]
        config.errorlog = None
        config.graceful_timeout = 1

        async def serve() -> None:
            from hypercorn.asyncio import serve

            async with _quiet():
                await serve(web.asgi, config, shutdown_trigger=ending)

        async def serve_trio() -> None:
            from hypercorn.trio import serve

            await serve(web.asgi, config, shutdown_trigger=ending)

        started(sock.getsockname()[1])
        if worker == "asyncio":
            asyncio.run(serve())
        else:
            trio.run(serve_trio)
        sock.detach()

    if worker == "asyncio":
        return in_thread(main)
    import trio

    return in_thread(main, trio.sleep)


def hypercorn_trio(context: ssl.SSLContext) -> AbstractContextManager[int]:
    return hypercorn(context, "trio")


def aiohttp_web(context: ssl.SSLContext) -> AbstractContextManager[int]:
    from aiohttp import web as program

    async def answer(request: program.Request) -> program.Response:
        body = await request.read() if request.method == "POST" else web.GREETING
        return program.Response(body=body, content_type="text/plain")  # what Chromium shows, and does not save

    def main(started: Callable[[int], None], ending: Callable[[], Awaitable[None]]) -> None:
        async def serve() -> None:
            application = program.Application(client_max_size=2**30)
            application.router.add_route("*", "/", answer)
            runner = program.AppRunner(application)
            await runner.setup()
            site = program.TCPSite(runner, "127.0.0.1", 0, ssl_context=context, shutdown_timeout=1)
            async with _quiet():
                await site.start()
                started(runner.addresses[0][1])
                await ending()
                await runner.cleanup()

        asyncio.run(serve())

    return in_thread(main)


SERVERS = (
    Server("http.server", http_server),
    Server("socketserver", socket_server),
    Server("wsgiref", wsgi_server, threads=False),
    Server("asyncio.start_server", start_server),
    Server("start_server on uvloop", start_server_uvloop, ("uvloop",)),
    Server("uvicorn", uvicorn, ("uvicorn",)),
    Server("uvicorn on uvloop", uvicorn_uvloop, ("uvicorn", "uvloop")),
    Server("hypercorn", hypercorn, ("hypercorn",), http2=True),
    Server("hypercorn (trio)", hypercorn_trio, ("hypercorn", "trio"), http2=True),
    Server("aiohttp.web", aiohttp_web, ("aiohttp",)),
)

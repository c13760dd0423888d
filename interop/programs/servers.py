"""Trials of programs that are servers. Their clients: the standard `ssl`, curl, `openssl s_client`, Node, Chromium."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import subprocess
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from . import web
from .desk import Desk, Unexpected, same
from .fetching import by_http_client, url
from .registry import Trial, add
from .serving import SERVERS, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

TIMEOUT = 20.0
ALPN = ("h2", "http/1.1")


def _context(server: Server, desk: Desk, *, demands_certificate: bool = False) -> ssl.SSLContext:
    alpn = ALPN if server.http2 else ALPN[1:]
    return desk.server(alpn=alpn, demands_certificate=demands_certificate)


def _answers(server: Server, desk: Desk) -> None:
    with server.serve(_context(server, desk)) as port:
        context = desk.peer_client()
        same("what was there", by_http_client(context, port, TIMEOUT), web.GREETING)
        same("what was posted", by_http_client(context, port, TIMEOUT, web.LARGE), web.LARGE)
    same("handshakes", desk.handshakes(), 2)


def _http2(server: Server, desk: Desk) -> None:
    from .fetching import by_httpx_http2

    with server.serve(_context(server, desk)) as port:
        context = desk.peer_client()
        same("what was there", by_httpx_http2(context, port, TIMEOUT), web.GREETING)
        same("what was posted", by_httpx_http2(context, port, TIMEOUT, web.LARGE), web.LARGE)


def _demands_a_certificate(server: Server, desk: Desk) -> None:
    """Who has one is served; who has none is not. (Under asyncio the alert is lost, with whatever context.)"""
    with server.serve(_context(server, desk, demands_certificate=True)) as port:
        same("what was there", by_http_client(desk.peer_client(certificate=True), port, TIMEOUT), web.GREETING)
        try:
            by_http_client(desk.peer_client(), port, TIMEOUT)
        except (ssl.SSLError, ConnectionError):
            return
        raise Unexpected("a client without a certificate was served")


# --- clients that misbehave -----------------------------------------------------------------------------------------


def _says_nothing(desk: Desk, port: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port), TIMEOUT) for _ in range(3)]


def _speaks_no_tls(desk: Desk, port: int) -> list[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with suppress(ConnectionResetError):
            same("what a client without TLS is told", connection.recv(7)[:1] in (b"", b"\x15"), True)
    return []


def _does_not_trust(desk: Desk, port: int) -> list[socket.socket]:
    context = ssl.create_default_context(cafile=desk.files("of an unknown CA")[0])
    try:
        by_http_client(context, port, TIMEOUT)
    except ssl.SSLCertVerificationError:
        return []
    raise Unexpected("a client that does not trust the server was served")


def _dies(desk: Desk, port: int) -> list[socket.socket]:
    """In the middle of its request, with a reset."""
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with desk.peer_client().wrap_socket(connection, server_hostname=web.HOST) as tls:
            tls.sendall(web.request(web.LARGE)[:100_000])
    return []


def _stops_in_the_handshake(desk: Desk, port: int) -> list[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), TIMEOUT) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    return []


MISBEHAVING: tuple[Callable[[Desk, int], list[socket.socket]], ...] = (
    _says_nothing,
    _speaks_no_tls,
    _does_not_trust,
    _dies,
    _stops_in_the_handshake,
)


def _outlives_its_clients(server: Server, desk: Desk) -> None:
    """After, and during, each of them, another one is served."""
    with server.serve(_context(server, desk)) as port:
        context = desk.peer_client()
        for misbehave in MISBEHAVING:
            held = misbehave(desk, port)
            same(f"served while a client {misbehave.__name__}", by_http_client(context, port, TIMEOUT), web.GREETING)
            for connection in held:
                connection.close()


# --- clients that are other programs --------------------------------------------------------------------------------


def _run(command: Sequence[str], data: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    """What it prints. Raises Unexpected when it says that something went wrong."""
    done = subprocess.run(command, input=data, capture_output=True, timeout=TIMEOUT, env=env)
    if done.returncode:
        raise Unexpected(f"{command[0]} ended with {done.returncode}: {done.stderr[-500:]!r} {done.stdout[-200:]!r}")
    return done.stdout


def _curl(server: Server, desk: Desk) -> None:
    with server.serve(_context(server, desk)) as port:
        command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--tlsv1.3", "--cacert", str(desk.root)]
        same("what curl got", _run([*command, url(port)]), web.GREETING)
        sent = _run([*command, "--data-binary", "@-", "-H", "Expect:", url(port)], web.LARGE)
        same("what curl posted", sent, web.LARGE)


def _s_client(server: Server, desk: Desk) -> None:
    with server.serve(_context(server, desk)) as port:
        command = ["openssl", "s_client", "-quiet", "-verify_return_error", "-verify_hostname", web.HOST]
        command += ["-CAfile", str(desk.root), "-connect", f"127.0.0.1:{port}", "-servername", web.HOST]
        # Its exit code is not looked at: most of these servers end without a close_notify, which it minds.
        answer = subprocess.run(command, input=web.request(None), capture_output=True, timeout=TIMEOUT).stdout
        same("what s_client got", web.body_of(answer), web.GREETING)


NODE = """
const https = require("https"), fs = require("fs");
const [root, url] = process.argv.slice(1);
https.get(url, {ca: fs.readFileSync(root), minVersion: "TLSv1.3"}, answer => {
    const chunks = [];
    const protocol = answer.socket.getProtocol();
    answer.on("data", chunk => chunks.push(chunk));
    answer.on("end", () => console.log(JSON.stringify([protocol, answer.statusCode,
        Buffer.concat(chunks).toString()])));
});
"""


def _node(server: Server, desk: Desk) -> None:
    with server.serve(_context(server, desk)) as port:
        answer = json.loads(_run(["node", "-e", NODE, str(desk.root), url(port)]))
        same("what Node got", answer, ["TLSv1.3", 200, web.GREETING.decode()])


def _chromium(server: Server, desk: Desk) -> None:
    home = desk.folder / "home"
    _trust(desk, home / ".pki" / "nssdb")
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server"]
    with server.serve(_context(server, desk)) as port:
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin"}
        page = _run([*command, f"--user-data-dir={home}/data", "--dump-dom", url(port)], env=environment)
    same("Chromium shows it", web.GREETING in page, True)


def _trust(desk: Desk, database: Path) -> None:
    """The root into the NSS database that Chromium looks into."""
    database.mkdir(parents=True)
    place = f"sql:{database}"
    _run(["certutil", "-N", "-d", place, "--empty-password"])
    _run(["certutil", "-A", "-d", place, "-n", "root", "-t", "C,,", "-i", str(desk.root)])


CLIENTS: tuple[tuple[str, Callable[[Server, Desk], None], tuple[str, ...]], ...] = (
    ("GET, and POST of 1 MiB", _answers, ()),
    ("demands a certificate", _demands_a_certificate, ()),
    ("outlives clients that misbehave", _outlives_its_clients, ()),
    ("curl", _curl, ("$curl",)),
    ("openssl s_client", _s_client, ("$openssl",)),
    ("Node", _node, ("$node",)),
    ("Chromium", _chromium, ("$chromium", "$certutil")),
)

for _server in SERVERS:
    for _what, _meet, _needs in CLIENTS:
        add(Trial(_server.program, "server", _what, partial(_meet, _server), (*_server.needs, *_needs)))
    if _server.http2:
        add(Trial(_server.program, "server", "HTTP/2", partial(_http2, _server), (*_server.needs, "httpx", "h2")))

"""Trials of clients when something goes wrong. What they have to raise is found out with the standard `ssl`, in the
same trial: the type that the program raises, and below it the exception of `ssl` or of the system with its numbers.

The peers run on the standard `ssl` and misbehave on purpose. After a reset, or when a peer that has refused us closes,
it depends on the moment whether writing or reading fails first: there several answers are the same.
"""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from . import mail, talking
from .desk import Desk, Unexpected
from .fetching import FETCHERS, Fetch, Fetcher
from .registry import Trial, add

if TYPE_CHECKING:
    from collections.abc import Iterator

Behave = Callable[[ssl.SSLSocket], None]

PATIENCE = 1.0
"""Seconds that a client waits for a server that stalls."""
TIMEOUT = 20.0
"""Seconds that it waits for all others, who answer at once."""

TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nten bytes."


# --- servers that misbehave -----------------------------------------------------------------------------------------


def _read_request(tls: ssl.SSLSocket) -> None:
    tls.recv(2**16)


def _truncate(tls: ssl.SSLSocket) -> None:
    """The connection ends in the middle of the answer: TCP's end, and no close_notify."""
    _read_request(tls)
    tls.sendall(TRUNCATED)
    tls.shutdown(socket.SHUT_WR)


def _truncate_properly(tls: ssl.SSLSocket) -> None:
    """The answer ends in the middle, with a close_notify."""
    _read_request(tls)
    tls.sendall(TRUNCATED)
    with suppress(OSError):
        tls.unwrap()


def _die(tls: ssl.SSLSocket) -> None:
    _read_request(tls)
    tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _stall(tls: ssl.SSLSocket) -> None:
    """Until the client gives up; or until later, because the one of websockets with threads cannot: when only tickets
    have come, its socket is readable, and then it waits in recv."""
    _read_request(tls)
    tls.settimeout(3 * PATIENCE)
    tls.recv(2**16)


class Misbehaving(threading.Thread):
    """Greets (where the client expects that the server speaks first), and then misbehaves. One thread a client."""

    def __init__(self, context: ssl.SSLContext | None, fetcher: Fetcher, behave: Behave) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.context, self.fetcher, self.behave = context, fetcher, behave

    def run(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT)
        with connection, suppress(OSError):
            self.say_plainly(connection)
            if self.context is None:  # it never answers the ClientHello
                while connection.recv(2**16):
                    pass
                return
            self.handshake(connection, self.context)

    def say_plainly(self, connection: socket.socket) -> None:
        for number, words in enumerate(self.fetcher.plain):
            line = connection.recv(2**16) if number else b" "
            connection.sendall(words.replace(b"{tag}", line.split(b" ")[0]))

    def handshake(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with tls:
            try:
                tls.do_handshake()
                tls.sendall(self.fetcher.greeting)
                self.behave(tls)
            except ssl.SSLError:
                _leave(tls)


def _leave(tls: ssl.SSLSocket) -> None:
    """So that the alert arrives: closing a socket with unread bytes would reset the connection."""
    tls.shutdown(socket.SHUT_WR)
    while tls.recv(2**16):
        pass


@contextmanager
def misbehaving(context: ssl.SSLContext | None, fetcher: Fetcher, behave: Behave) -> Iterator[int]:
    thread = Misbehaving(context, fetcher, behave)
    thread.start()
    try:
        yield thread.listener.getsockname()[1]
    finally:
        with suppress(OSError):
            thread.listener.shutdown(socket.SHUT_RDWR)
        thread.listener.close()


# --- what a client says to it ---------------------------------------------------------------------------------------

Told = tuple[str, ...]
"""What a program raised: the name of its type, and what is below, in words that can be compared."""


ALIKE = {
    "builtins.BrokenPipeError": "ConnectionError",
    "builtins.ConnectionResetError": "ConnectionError",
    "builtins.EOFError": "ConnectionError",
    "http.client.RemoteDisconnected": "ConnectionError",
    "imaplib.IMAP4.abort": "ConnectionError",
    "httpx.ReadError": "httpx.TransportError",
    "httpx.RemoteProtocolError": "httpx.TransportError",
    "httpx.WriteError": "httpx.TransportError",
    "websockets.exceptions.ConnectionClosedError": "websockets.exceptions.WebSocketException",
    "websockets.exceptions.InvalidMessage": "websockets.exceptions.WebSocketException",
}
"""What catches all that one event may raise: a reset is found by who reads or by who writes, whichever is first; and
Python 3.11's `ssl` takes it for the end of the stream, while ours and 3.13's raise ConnectionResetError."""


def alike(words: Told, other: Told) -> bool:
    """The same type, and the same reason if both know one."""
    first, second = (ALIKE.get(one[0], one[0]) for one in (words, other))
    return first == second and (words[1:] == other[1:] or not words[1:] or not other[1:])


def told(fetch: Fetch, context: ssl.SSLContext, port: int, timeout: float) -> Told:
    try:
        fetch(context, port, timeout)
    except Exception as error:  # noqa: BLE001  # whatever a program raises is what is asked here
        return (_public(error), *sorted(_below(error)))
    raise Unexpected("the program raised nothing")


def _public(error: BaseException) -> str:
    """The nearest type that is not ours: users catch that."""
    kind = next(kind for kind in type(error).__mro__ if not kind.__module__.startswith("tls13"))
    return f"{kind.__module__}.{kind.__qualname__}"


def _below(error: BaseException) -> set[str]:
    """The failures of verification, and the alerts, among an exception and what it is made of."""
    found: set[str] = set()
    seen: set[int] = set()
    left: list[object] = [error]
    while left:
        one = left.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        left += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        left += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        if isinstance(one, ssl.SSLCertVerificationError):
            if hasattr(one, "verify_code"):  # aiohttp's is one as well, and has none
                found.add(f"verify_code {one.verify_code}, {one.verify_message}")
        elif isinstance(one, ssl.SSLError) and (reason := getattr(one, "reason", None)):
            found.add(f"reason {reason}")
    return found


class Case(NamedTuple):
    """What goes wrong. `presents`: the server's certificate; "": it never answers. `timeout`: the client's."""

    what: str
    presents: str
    demands_certificate: bool
    behave: Behave
    timeout: float


CASES: tuple[Case, ...] = (
    Case("wrong host", "another host's", False, _truncate, TIMEOUT),
    Case("expired certificate", "expired", False, _truncate, TIMEOUT),
    Case("unknown CA", "of an unknown CA", False, _truncate, TIMEOUT),
    Case("no client certificate", "good", True, _truncate, TIMEOUT),
    Case("truncated response", "good", False, _truncate, TIMEOUT),
    Case("truncated response, close_notify", "good", False, _truncate_properly, TIMEOUT),
    Case("server that dies", "good", False, _die, TIMEOUT),
    Case("server that stalls", "good", False, _stall, PATIENCE),
    Case("server that stalls in the handshake", "", False, _stall, PATIENCE),
)


def _as_with_ssl(fetcher: Fetcher, case: Case, desk: Desk) -> None:
    alpn = ["h2"] if fetcher.http2 else []
    theirs = None
    if case.presents:
        theirs = desk.peer_server(case.presents, demands_certificate=case.demands_certificate, alpn=alpn)
    contexts = [desk.with_standard.client(), desk.client()]
    with misbehaving(theirs, fetcher, case.behave) as port, ThreadPoolExecutor(2) as pool:
        before, now = pool.map(lambda context: told(fetcher.fetch, context, port, case.timeout), contexts)
    racing = case.behave is _die or case.demands_certificate
    if now != before and not (racing and alike(now, before)):
        raise Unexpected(f"raises {' and '.join(now)}; with ssl, {' and '.join(before)}")
    print(f"raises {' and '.join(now)}")


for _fetcher in (*FETCHERS, *mail.FETCHERS, *talking.FETCHERS):
    for _case in CASES:
        add(
            Trial(
                _fetcher.program,
                "client",
                _case.what,
                partial(_as_with_ssl, _fetcher, _case),
                _fetcher.needs,
                fails=True,
            )
        )

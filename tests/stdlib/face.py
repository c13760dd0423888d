"""What the tests of the ssl-shaped face share: a CA, contexts of both kinds, and two ends that talk.

The standard library's `ssl` is the peer in both roles, and the judge of what an exception looks like.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

import tls13
from tls13.lab.authority import CLIENT_AUTH, Authority, Issued

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOST = "localhost"
PATIENCE = 20.0
"""Seconds after which a test that hangs is a test that fails."""

STACKS: dict[str, type[ssl.SSLContext]] = {"ssl": ssl.SSLContext, "tls13": tls13.SSLContext}
PAIRS = [("tls13", "ssl"), ("ssl", "tls13"), ("tls13", "tls13")]
"""(client, server)."""
every_pair = pytest.mark.parametrize(("client", "server"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
every_stack = pytest.mark.parametrize("stack", STACKS)


@cache
def authority() -> Authority:
    return Authority.create(now=datetime.now(UTC))


@cache
def issued(name: str = HOST) -> Issued:
    return authority().issue([name, "127.0.0.1"] if name == HOST else [name])


@cache
def somebody() -> Issued:
    return authority().issue([], common_name="somebody", usages=[CLIENT_AUTH])


def shifted(days: int) -> Issued:
    """Issued by the same CA at another time: valid for 30 days from then."""
    ca = authority()
    return Authority(ca.certificate, ca.private_key, now=ca.now + timedelta(days=days)).issue([HOST])


def stranger() -> Issued:
    return Authority.create(now=datetime.now(UTC), common_name="another root", organization="another").issue([HOST])


def load(context: ssl.SSLContext, shown: Issued, folder: Path) -> None:
    """By files, which is what both kinds of context take."""
    path = folder / f"{id(shown)}.pem"
    path.write_bytes(shown.pem_chain + shown.pem_key)
    context.load_cert_chain(path)


def client_context(stack: str) -> Any:
    context = STACKS[stack](ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authority().certificate_pem.decode())
    return context


def server_context(stack: str, folder: Path, shown: Issued | None = None) -> Any:
    context = STACKS[stack](ssl.PROTOCOL_TLS_SERVER)
    load(context, shown if shown is not None else issued(), folder)
    return context


def demand_certificates(context: ssl.SSLContext) -> None:
    context.load_verify_locations(cadata=authority().certificate_pem.decode())
    context.verify_mode = ssl.CERT_REQUIRED


# --- talking over sockets ---------------------------------------------------------------------------------------------


def echo(tls: Any) -> None:
    """What most servers of the tests do: until the client closes, and then close as well."""
    while data := tls.recv(2**16):
        tls.sendall(data)
    with contextlib.suppress(OSError):
        tls.unwrap()


def in_thread(work: Callable[..., object], *arguments: object) -> Future[object]:
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(work(*arguments))
        except BaseException as error:  # noqa: BLE001  # it is raised where the result is asked for
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    return future


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other = listener.accept()[0]
    for each in (one, other):
        each.settimeout(PATIENCE)
    return one, other


def serve(context: ssl.SSLContext, sock: socket.socket, talk: Callable[[Any], object] = echo) -> Future[object]:
    """A server in another thread: its handshake, and then `talk`. The future has what that returned or raised."""

    def run() -> object:
        with context.wrap_socket(sock, server_side=True) as tls:
            return talk(tls)

    return in_thread(run)


@contextlib.contextmanager
def connected(
    client: ssl.SSLContext, server: ssl.SSLContext, talk: Callable[[Any], object] = echo, **wrapping: Any
) -> Iterator[Any]:
    """The client's end of a connection; the server's ends without an exception."""
    below, other = tcp_pair()
    ended = serve(server, other, talk)
    wrapping.setdefault("server_hostname", HOST)
    with client.wrap_socket(below, **wrapping) as tls:
        yield tls
    ended.result(PATIENCE)


def exchange(tls: Any, data: bytes = b"ping") -> bytes:
    tls.sendall(data)
    received = bytearray()
    while len(received) < len(data) and (more := tls.recv(2**16)):
        received += more
    return bytes(received)


# --- talking over memory BIOs -----------------------------------------------------------------------------------------


class BioEnd:
    """An SSLObject with its two BIOs."""

    def __init__(self, context: ssl.SSLContext, **wrapping: Any) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls: Any = context.wrap_bio(self.incoming, self.outgoing, **wrapping)

    def attempt(self, method: str, *arguments: object) -> Any:
        """The method's answer, or None if it wants to read first."""
        try:
            return getattr(self.tls, method)(*arguments)
        except ssl.SSLWantReadError:
            return None


def bio_pair(client: ssl.SSLContext, server: ssl.SSLContext, **wrapping: Any) -> tuple[BioEnd, BioEnd]:
    """Both ends, with the handshake done."""
    wrapping.setdefault("server_hostname", HOST)
    one, other = BioEnd(client, **wrapping), BioEnd(server, server_side=True)
    for _ in range(4):
        for end, peer in ((one, other), (other, one)):
            end.attempt("do_handshake")
            peer.incoming.write(end.outgoing.read())
    assert one.tls.version() == other.tls.version() == "TLSv1.3"
    return one, other


def carry(one: BioEnd, other: BioEnd) -> None:
    one.incoming.write(other.outgoing.read())
    other.incoming.write(one.outgoing.read())

"""tls13 demo: both sides of a connection on this machine, told as it happens.

Client and server are two threads joined by a pair of sockets, so the demo needs no network, not even the loopback
interface. Everything it tells comes through tls13.Tracer, which anybody's program can listen to.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..config import ClientConfig, ServerConfig
from ..errors import TLSError
from ..explain.trace import Narrator
from ..io.opening import wrap_socket
from ..lab.authority import Authority
from ..trust.store import TrustStore
from .written import Written

if TYPE_CHECKING:
    import argparse

    from ..events import Session
    from ..io.sockets import TLSSocket

HOST = "localhost"
ALPN = "tls13-demo"
QUESTION = b"Is anybody listening to us?"
ANSWER = b"Somebody sees that we talk. Not what we say."
OPENING = (
    "A TLS 1.3 connection (RFC 9846), both ends on this machine. An authority made for this run has signed a "
    "certificate for localhost; the client trusts that authority and no other. This is what the client sees. "
    "An arrow of ---- is a message in the clear, one of ==== is encrypted; a + below it is what that side knows now."
)


def demo(options: argparse.Namespace) -> int:
    """Make a CA, serve, connect, exchange data; returns 0. Needs neither network nor arguments."""
    with Written(None, options.pcapng) as written:
        return _demo(written, options.verbose)


def _demo(written: Written, detail: int) -> int:
    narrator = Narrator(sys.stdout, detail=detail)
    narrator.note(OPENING)
    sys.stdout.write("\n")
    authority = Authority.create(now=datetime.now(UTC), common_name="demo root")
    server_config = ServerConfig(authority.issue([HOST]).identity, alpn_protocols=[ALPN])
    trust = TrustStore.from_certificates([authority.certificate])
    client_config = ClientConfig(trust=trust, alpn_protocols=[ALPN], key_log=written.key_log)

    client_end, server_end = socket.socketpair()
    server = threading.Thread(target=_serve_one, args=(server_end, server_config), daemon=True)
    server.start()
    tls = wrap_socket(client_end, client_config, server_hostname=HOST, do_handshake_on_connect=False, tracer=narrator)
    end = written.record(tls.connection, client_end)
    with tls:
        tls.do_handshake()
        session = tls.session
        answer = _ask(tls, narrator)
    end()
    server.join()
    narrator.finish()
    if session is None or answer != ANSWER:
        return 1
    _sum_up(session, tls)
    return 0


def _ask(tls: TLSSocket, narrator: Narrator) -> bytes:
    narrator.note("One round trip, and the handshake is complete: the client may speak.")
    tls.sendall(QUESTION)
    answer = tls.recv()
    tls.shutdown(socket.SHUT_WR)
    while tls.recv():
        pass
    return answer


def _serve_one(sock: socket.socket, config: ServerConfig) -> None:
    """What goes wrong here goes wrong at the client's end as well, which tells it."""
    with contextlib.suppress(TLSError), wrap_socket(sock, config) as tls:
        if tls.recv() == QUESTION:
            tls.sendall(ANSWER)
        while tls.recv():
            pass


def _sum_up(session: Session, tls: TLSSocket) -> None:
    facts = [
        ("asked", QUESTION.decode()),
        ("answered", ANSWER.decode()),
        ("cipher suite", session.cipher_suite.name),
        ("key exchange", str(session.group)),
        ("signature", str(session.signature_scheme)),
        ("verified", " <- ".join(one.subject.rfc4514_string() for one in session.verified_chain)),
        ("bytes", f"{tls.bytes_sent} sent, {tls.bytes_received} received, to move {len(QUESTION)} and {len(ANSWER)}"),
    ]
    for label, value in facts:
        print(f"{label:14} {value}")
    print("\nNext: tls13 serve --www . in one terminal, and in another")
    print("      tls13 connect localhost:8443 --cafile tls13-ca.pem --trace --http /")

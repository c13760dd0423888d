"""tls13 demo: both sides of a connection on this machine, told as it happens."""

from __future__ import annotations

import socket
import sys
import threading
from datetime import UTC, datetime

from ..config import ClientConfig, ServerConfig
from ..explain.trace import Narrator
from ..io.sockets import connect, wrap_socket
from ..lab.authority import Authority
from ..trust.store import TrustStore

HOST = "localhost"
QUESTION = b"Is anybody listening to us?"
ANSWER = b"Somebody sees that we talk. Not what we say."


def demo() -> int:
    """Make a CA, serve, connect, exchange data; returns 0. Needs neither network nor arguments."""
    out = sys.stdout
    narrator = Narrator(out)
    narrator.note("A certificate authority of our own makes a certificate for localhost. The client trusts this CA.")
    authority = Authority.create(now=datetime.now(UTC), common_name="demo root")
    config = ServerConfig(authority.issue([HOST, "127.0.0.1"]).identity, alpn_protocols=["tls13-demo"])
    listener = socket.create_server(("127.0.0.1", 0))
    server = threading.Thread(target=_serve_one, args=(listener, config), daemon=True)
    server.start()

    narrator.note("The server listens on the loopback address; the client connects, and this is what it sees:")
    trust = TrustStore.from_certificates([authority.certificate])
    client_config = ClientConfig(trust=trust, alpn_protocols=["tls13-demo"])
    with connect(listener.getsockname(), client_config, server_hostname=HOST, tracer=narrator) as tls:
        session = tls.session
        narrator.note("The handshake is complete: one round trip. Now application data, both ways.")
        tls.sendall(QUESTION)
        answer = tls.recv()
        tls.shutdown(socket.SHUT_WR)
        while tls.recv():
            pass
    server.join()
    listener.close()
    if session is not None:
        out.write(
            f"\nasked     {QUESTION.decode()}\nanswered  {answer.decode()}\n\n"
            f"agreed    {session.version.name}, {session.cipher_suite.name}, {session.group.name}, "
            f"{session.signature_scheme.name}\n"
            f"verified  {' <- '.join(one.subject.rfc4514_string() for one in session.verified_chain)}\n"
        )
    return 0 if answer == ANSWER else 1


def _serve_one(listener: socket.socket, config: ServerConfig) -> None:
    sock, _ = listener.accept()
    with wrap_socket(sock, config) as tls:
        if tls.recv() == QUESTION:
            tls.sendall(ANSWER)
        while tls.recv():
            pass

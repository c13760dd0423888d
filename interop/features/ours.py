"""Our side of a feature's meeting: configs, and a connection over a socket that keeps every event."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

import tls13
from certs.bench import workshop
from tls13 import ApplicationData, EarlyData, HandshakeCompleted, PeerClosed
from tls13.wire.companions import CertificateStatus

from ..program import PATIENCE
from ..trial import HOST, Disagreement, Trial, issued_for, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType

    from cryptography import x509

    from tls13 import ClientConfig, Event, ServerConfig, Session, StoredSession

    from ..confinement import Connect
    from ..program import Program

CLIENT, SERVER = Trial(True), Trial(False)
"""What is not the feature's business: TLS_AES_128_GCM_SHA256, x25519, ecdsa_secp256r1_sha256."""

PORT = 443
"""Under which our client keeps its sessions, whatever the port is."""

FROM_US, FROM_PEER = b"from this side\n", b"\xe2\x86\x90 from the other side\n"
"""Lines; what is typed into a program may not begin with a letter, which can be a command."""

EARLY = b"as early as it gets\n"
HOUR = timedelta(hours=1)
LABEL, LENGTH = "EXPORTER-of-a-meeting", 32
PSK_IDENTITY, PSK_KEY = "tls13", bytes(range(32))

Some = TypeVar("Some", bound=tuple[object, ...])


def client(**changes: Any) -> ClientConfig:
    """Our client, with what the feature needs."""
    return CLIENT.client_config().replace(**changes)


def server(**changes: Any) -> ServerConfig:
    """Our server, with what the feature needs."""
    return SERVER.server_config().replace(**changes)


def trust() -> tls13.TrustStore:
    return tls13.TrustStore.from_certificates([workshop().root.certificate])


@cache
def client_identity() -> tls13.Identity:
    """Who our client is, where it is asked. The same as files.client_files."""
    return workshop().good(client=True).identity


@cache
def ocsp_response() -> bytes:
    """What the CA says of our server's certificate today: good. DER."""
    leaf, issuer, now = issued_for(CLIENT.scheme).certificate, workshop().intermediate, workshop().now
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf, issuer.certificate, SHA256(), ocsp.OCSPCertStatus.GOOD, now - HOUR, now + 24 * HOUR, None, None
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    return builder.sign(issuer.private_key, SHA256()).public_bytes(Encoding.DER)


@cache
def stapling_identity() -> tls13.Identity:
    """Our server, with that."""
    issued = issued_for(SERVER.scheme)
    status = CertificateStatus(response=ocsp_response())
    return tls13.Identity(issued.chain, issued.private_key, leaf_extensions=[status])


def external_psk() -> tls13.ExternalPsk:
    return tls13.ExternalPsk(PSK_IDENTITY.encode(), PSK_KEY)


class Line:
    """One connection over a connected socket. Sends what there is to send, keeps the events, and the data."""

    def __init__(self, sock: socket.socket, connection: tls13.Connection) -> None:
        sock.settimeout(PATIENCE)
        self.sock, self.connection = sock, connection
        self.events: list[Event] = []
        self.data, self.early = bytearray(), bytearray()
        self._ended = False

    def handshake(self) -> Session:
        return self.until(HandshakeCompleted).session

    def until(self, kind: type[Some], *, number: int = 1) -> Some:
        """The first event of this kind, or another; read until it is there."""
        self.flush()
        while len(found := [event for event in self.events if isinstance(event, kind)]) < number:
            self._more(kind.__name__)
        return found[number - 1]

    def receive(self, data: bytes) -> None:
        """Read until the data so far has come, and compare; then forget it."""
        self.flush()
        while len(self.data) < len(data):
            self._more("data")
        same("the data that we received", bytes(self.data), data)
        self.data.clear()

    def until_true(self, done: Callable[[], bool], what: str) -> None:
        """Read and answer until something is so that the connection has no event for."""
        self.sock.settimeout(0.01)
        deadline = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > deadline:
                raise Disagreement(f"it never came to {what}")
            with suppress(TimeoutError):
                self._more(what)
        self.sock.settimeout(PATIENCE)

    def send(self, data: bytes) -> None:
        self.connection.send_data(data)
        self.flush()

    def flush(self) -> None:
        if data := self.connection.data_to_send():  # sending nothing fails too, where the peer has gone
            self.sock.sendall(data)

    def close(self) -> None:
        """close_notify both ways."""
        self.connection.close()
        self.flush()
        self.until(PeerClosed)

    def _more(self, waiting_for: str) -> None:
        try:
            event = self.connection.next_event()
        finally:
            self.flush()  # an answer, or the alert
        if event is not None:
            self._note(event)
            return
        if self._ended:
            raise Disagreement(f"the connection ended before {waiting_for} came")
        received = self.sock.recv(2**16)
        if received:
            self.connection.receive_data(received)
        else:
            self._ended = True
            self.connection.receive_eof()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, ApplicationData):
            self.data += event.data
        elif isinstance(event, EarlyData):
            self.early += event.data

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.sock.close()


def client_line(sock: socket.socket, config: ClientConfig, **more: Any) -> Line:
    """Our client. `more`: session, early_data, tracer."""
    return Line(sock, tls13.ClientConnection(config, server_hostname=HOST, port=PORT, **more))


def server_line(sock: socket.socket, config: ServerConfig, **more: Any) -> Line:
    """Our server. `more`: tracer."""
    return Line(sock, tls13.ServerConnection(config, **more))


def ask_for_certificate(line: Line) -> tuple[x509.Certificate, ...]:
    """Section 4.7.2: what the client shows when our server asks for it, after the handshake."""
    connection = line.connection
    if not isinstance(connection, tls13.ServerConnection):
        raise Disagreement("only a server can ask")
    context = connection.request_client_certificate()
    answer = line.until(tls13.ClientAuthenticated)
    same("the context of the answer", answer.context, context)
    return answer.peer_certificates


def exported(line: Line) -> bytes:
    """Keying material under LABEL, without a context."""
    return line.connection.export_keying_material(LABEL.encode(), b"", LENGTH)


def stored(line: Line) -> StoredSession:
    """What came with the first ticket."""
    return line.until(tls13.TicketReceived).session


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A listener on loopback; its port is in getsockname."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


@contextmanager
def meeting(
    ours: Trial,
    serve: Callable[[], AbstractContextManager[tuple[Program, Connect]]],
    call: Callable[[socket.socket], AbstractContextManager[Program]],
    **changes: Any,
) -> Iterator[tuple[Program, Line]]:
    """One connection with the peer's program, its handshake complete. `serve` and `call` run the program as a server
    and as the client of a listener. What it says at its end is there when the block is left."""
    if ours.we_are_client:
        with serve() as (program, connect), client_line(connect(), client(**changes)) as line:
            line.handshake()
            yield program, line
    else:
        with (
            listening() as listener,
            call(listener) as program,
            server_line(listener.accept()[0], server(**changes)) as line,
        ):
            line.handshake()
            yield program, line


class KeyLog:
    """Our key log lines, as a set."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        self.lines.append(line)

    def compare(self, theirs: str) -> None:
        """Each secret that either side has logged, the other has logged too."""
        lines = {line.strip().lower() for line in theirs.splitlines() if line.strip() and not line.startswith("#")}
        ours = {line.lower() for line in self.lines}
        for who, missing in (("the peer", ours - lines), ("us", lines - ours)):
            if missing:
                raise Disagreement(f"not in the key log of {who}: {sorted(line.split()[0] for line in missing)}")

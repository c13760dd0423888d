"""The features of rustls, through rtls: rustls behind the face of Python's `ssl`. In a thread, at the other end of a
socket pair.

What is not here, rtls does not show or do: sessions, exporters, a KeyUpdate that it begins (it answers ours), and
client certificates: a server that requires one does not ask for it.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any

from tls13 import NamedGroup, PeerClosed

from ..files import client_files, files_for, root_file, scratch
from ..program import PATIENCE
from ..trial import HOST, Disagreement, PeerMissing, Trial, same
from .ours import (
    CLIENT,
    FROM_US,
    SERVER,
    KeyLog,
    Line,
    client,
    client_identity,
    client_line,
    server,
    server_line,
    trust,
)
from .registry import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rtls import SSLContext

peer = Peer("rustls")

PROTOCOL = "echo"


def version() -> str:
    """Raises PeerMissing if there is no rtls."""
    try:
        return f"rustls in rtls {installed('rtls')}"
    except PackageNotFoundError:
        raise PeerMissing("rtls is not installed") from None


class Echo:
    """rustls's side: a thread that shakes hands and sends back what it gets, until close_notify; then sends its own."""

    def __init__(self, sock: socket.socket, context: SSLContext, *, is_client: bool) -> None:
        self.error: Exception | None = None
        self.protocol: str | None = None
        self._sock, self._context, self._is_client = sock, context, is_client
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            name = HOST if self._is_client else None
            tls = self._context.wrap_socket(self._sock, server_side=not self._is_client, server_hostname=name)
            self.protocol = tls.selected_alpn_protocol()
            while data := tls.recv(2**16):
                tls.sendall(data)
            tls.unwrap().close()
        except Exception as error:  # noqa: BLE001  # whatever it is, the meeting has failed
            self.error = error

    def join(self) -> None:
        """Until it has ended. Raises Disagreement if it did not end well."""
        self._thread.join(PATIENCE)
        if self.error is not None or self._thread.is_alive():
            raise Disagreement(f"rustls did not end well: {self.error!r}")


def context(*, is_client: bool, certificate: bool = False, key_log: Path | None = None) -> SSLContext:
    """rustls's settings. `certificate`: its client shows one."""
    import rtls

    made = rtls.SSLContext(rtls.PROTOCOL_TLS_CLIENT if is_client else rtls.PROTOCOL_TLS_SERVER)
    made.minimum_version = rtls.TLSVersion.TLSv1_3
    made.set_alpn_protocols([PROTOCOL])
    if is_client:
        made.load_verify_locations(cafile=str(root_file()))
    else:
        made.load_cert_chain(*map(str, files_for(CLIENT.scheme)))
    if certificate:
        made.load_cert_chain(str(client_files().certificate), str(client_files().key))
    if key_log is not None:
        made.keylog_filename = str(key_log)
    return made


@contextmanager
def connected(ours: Trial, settings: dict[str, Any] | None = None, **changes: Any) -> Iterator[tuple[Echo, Line]]:
    """A connection, its handshake complete, of which `changes` and `settings` tell our side and theirs."""
    version()
    here, there = socket.socketpair()
    with here:
        changes = {"alpn_protocols": ["another", PROTOCOL], **changes}
        if ours.we_are_client:
            line = client_line(here, client(**changes))
        else:
            line = server_line(here, server(**changes))
        echo = Echo(
            there, context(is_client=not ours.we_are_client, **(settings or {})), is_client=not ours.we_are_client
        )
        same("application protocol, says our side", line.handshake().alpn_protocol, PROTOCOL.encode())
        yield echo, line


def finish(line: Line, echo: Echo) -> None:
    """Data and close_notify, both ways. rtls does not tell of our close_notify before the stream has ended."""
    line.send(FROM_US)
    line.receive(FROM_US)
    line.connection.close()
    line.flush()
    line.sock.shutdown(socket.SHUT_WR)
    line.until(PeerClosed)
    line.sock.close()
    echo.join()
    same("application protocol, says the peer", echo.protocol, PROTOCOL)


def retry(ours: Trial) -> None:
    """Our client has no share for what rustls wants most; rustls has none for the only group that our server takes."""
    only = [NamedGroup.secp384r1]
    if ours.we_are_client:
        meeting = connected(ours, groups=[NamedGroup.x25519, *only], key_shares=only)
    else:
        meeting = connected(ours, groups=only)
    with meeting as (echo, line):
        same("HelloRetryRequest, says our side", line.handshake().hello_retry_request, True)
        finish(line, echo)


@peer.client("client certificate")
def _() -> None:
    with connected(SERVER, {"certificate": True}, client_trust=trust()) as (echo, line):
        same("the client's certificate", line.handshake().peer_certificates, client_identity().chain)
        finish(line, echo)


def rekey(ours: Trial) -> None:
    with connected(ours) as (echo, line):
        for number in (1, 2):
            line.connection.update_keys(request_peer=True)
            line.send(FROM_US)
            line.receive(FROM_US)
            same("KeyUpdates", line.connection.key_updates, (number, number))
        finish(line, echo)


def log_keys(ours: Trial) -> None:
    key_log = KeyLog()
    with scratch() as here:
        with connected(ours, {"key_log": here / "keys"}, key_log=key_log) as (echo, line):
            finish(line, echo)
        key_log.compare((here / "keys").read_text())


for name, meet in (
    ("HelloRetryRequest", retry),
    ("KeyUpdate", rekey),
    ("key log", log_keys),
):
    peer.server(name)(partial(meet, CLIENT))
    peer.client(name)(partial(meet, SERVER))

"""The features of tlslite-ng: Python like this library, and none of its code. In a thread, at the other end of a
socket pair. It knows what the programs of Debian do not: compressed certificates. It does not verify chains.
"""

from __future__ import annotations

import socket
import threading
import warnings
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from tls13.wire.registry import CertificateCompressionAlgorithm, HandshakeType

from ..files import files_for
from ..program import PATIENCE
from ..trial import HOST, Disagreement, PeerMissing, Trial, same
from .ours import (
    CLIENT,
    FROM_US,
    LABEL,
    LENGTH,
    SERVER,
    Line,
    client,
    client_line,
    exported,
    server,
    server_line,
)
from .registry import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

peer = Peer("tlslite")


def version() -> str:
    """Raises PeerMissing if there is no tlslite-ng."""
    if find_spec("tlslite") is None:
        raise PeerMissing("tlslite-ng is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports asyncore, and that is not our business
        import tlslite.api
    return f"tlslite-ng {tlslite.__version__}"


class Echo:
    """tlslite-ng's side: a thread that shakes hands and sends back what it gets, until close_notify."""

    def __init__(self, sock: socket.socket, *, is_client: bool, settings: Mapping[str, object]) -> None:
        from tlslite.api import HandshakeSettings, TLSConnection

        self.tls: Any = TLSConnection(sock)
        self.error: Exception | None = None
        self._is_client = is_client
        self._identity = _identity()  # now: two threads would make two workshops
        self._settings = HandshakeSettings()
        for name, value in {"minVersion": (3, 4), "maxVersion": (3, 4), **settings}.items():
            setattr(self._settings, name, value)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            if self._is_client:
                self.tls.handshakeClientCert(serverName=HOST, settings=self._settings)
            else:
                chain, key = self._identity
                self.tls.handshakeServer(certChain=chain, privateKey=key, settings=self._settings)
            while data := self.tls.read(max=2**14, min=1):
                self.tls.write(data)
            self.tls.close()
        except Exception as error:  # noqa: BLE001  # whatever it is, the meeting has failed
            self.error = error

    def join(self) -> None:
        """Until it has ended. Raises Disagreement if it did not end well."""
        self._thread.join(PATIENCE)
        if self.error is not None or self._thread.is_alive():
            raise Disagreement(f"tlslite-ng did not end well: {self.error!r}")


def _identity() -> tuple[Any, Any]:
    from tlslite.api import X509CertChain, parsePEMKey

    files = files_for(CLIENT.scheme)
    chain = X509CertChain()
    chain.parsePemList(files.chain.read_text())
    return chain, parsePEMKey(files.key.read_text(), private=True)


class Heard:
    """A tracer (tls13.Tracer) that notes which handshake messages went which way."""

    def __init__(self) -> None:
        self.messages: list[tuple[bool, int]] = []

    def message(self, sent: bool, raw: bytes, epoch: object) -> None:
        self.messages.append((sent, raw[0]))

    def keys(self, *of_no_interest: object) -> None: ...
    def secret(self, *of_no_interest: object) -> None: ...
    def record(self, *of_no_interest: object) -> None: ...
    def alert(self, *of_no_interest: object) -> None: ...
    def verified(self, *of_no_interest: object) -> None: ...


@contextmanager
def connected(
    ours: Trial, settings: Mapping[str, object] | None = None, *, tracer: Heard | None = None, **changes: Any
) -> Iterator[tuple[Echo, Line]]:
    """A connection, its handshake complete, of which `changes` and `settings` tell our side and theirs."""
    version()
    here, there = socket.socketpair()
    with here, there:
        echo = Echo(there, is_client=not ours.we_are_client, settings=settings or {})
        if ours.we_are_client:
            line = client_line(here, client(**changes), tracer=tracer)
        else:
            line = server_line(here, server(**changes), tracer=tracer)
        line.handshake()
        yield echo, line


def finish(line: Line, echo: Echo, data: bytes = FROM_US) -> None:
    """Data and close_notify, both ways."""
    line.send(data)
    line.receive(data)
    line.close()
    echo.join()


def compress(ours: Trial) -> None:
    heard = Heard()
    zlib = {"certificate_compression_send": ["zlib"], "certificate_compression_receive": ["zlib"]}
    with connected(ours, zlib, tracer=heard, certificate_compression=[CertificateCompressionAlgorithm.zlib]) as (
        echo,
        line,
    ):
        finish(line, echo)
    wanted = (not ours.we_are_client, HandshakeType.compressed_certificate)
    same("a compressed certificate was sent", wanted in heard.messages, True)
    same("another certificate was sent", (wanted[0], HandshakeType.certificate) in heard.messages, False)


def limit_records(ours: Trial) -> None:
    """Each side accepts records of 100 bytes at most."""
    with connected(ours, {"record_size_limit": 100}, record_size_limit=100) as (echo, line):
        finish(line, echo, bytes(range(256)) * 20)


def rekey(ours: Trial) -> None:
    with connected(ours) as (echo, line):
        line.connection.update_keys(request_peer=True)
        line.send(FROM_US)
        line.receive(FROM_US)
        same("KeyUpdates", line.connection.key_updates, (1, 1))
        finish(line, echo)


def export(ours: Trial) -> None:
    with connected(ours) as (echo, line):
        secret = exported(line)
        line.send(FROM_US)
        line.receive(FROM_US)
        same("keying material", bytes(echo.tls.keyingMaterialExporter(bytearray(LABEL, "ascii"), LENGTH)), secret)
        finish(line, echo)


for name, meet in (
    ("KeyUpdate", rekey),
    ("exporter", export),
    ("record_size_limit", limit_records),
    ("certificate compression", compress),
):
    peer.server(name)(partial(meet, CLIENT))
    peer.client(name)(partial(meet, SERVER))

"""What the handshakes in client.py and server.py do, found out by running them.

A flow is a generator (tls13/flow.py): what it yields is what it waits for, so a place where it waits *is* a state of
appendix A, and nobody had to write the state down. Here a wrapper around each flow notes every wait, and a tracer what
happens between two of them. Enough different connections, and every state and every edge has been seen.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from types import GeneratorType
from typing import TYPE_CHECKING

from tls13.client import ClientHandshake
from tls13.connection import ClientConnection, ServerConnection
from tls13.flow import Epoch
from tls13.server import ServerHandshake
from tls13.wire.messages import message_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from tls13.config import ClientConfig, ServerConfig
    from tls13.crypto.suites import Suite
    from tls13.errors import AlertDescription
    from tls13.events import Session, Tracer
    from tls13.flow import Flow
    from tls13.resumption.sessions import StoredSession
    from tls13.trust.names import ServerName

START, CONNECTED = "START", "CONNECTED"
KEYS = {Epoch.EARLY: "early data", Epoch.HANDSHAKE: "handshake", Epoch.APPLICATION: "application"}

STATES: dict[str, dict[frozenset[str], str]] = {
    "client": {
        frozenset({"ServerHello", "HelloRetryRequest"}): "WAIT_SH",
        frozenset({"ServerHello"}): "WAIT_SH (retried)",
        frozenset({"EncryptedExtensions"}): "WAIT_EE",
        frozenset({"Certificate", "CertificateRequest"}): "WAIT_CERT_CR",
        frozenset({"Certificate"}): "WAIT_CERT",
        frozenset({"CertificateVerify"}): "WAIT_CV",
        frozenset({"Finished"}): "WAIT_FINISHED",
    },
    "server": {
        frozenset({"ClientHello"}): START,
        frozenset({"EndOfEarlyData"}): "WAIT_EOED",
        frozenset({"Certificate"}): "WAIT_CERT",
        frozenset({"CertificateVerify"}): "WAIT_CV",
        frozenset({"Finished"}): "WAIT_FINISHED",
    },
}
"""What appendix A calls a wait for one of these. The graph is found; only its names are given."""


@dataclass(frozen=True)
class Step:
    """From one wait to the next, once."""

    start: str
    received: str | None
    end: str
    actions: tuple[str, ...]


@dataclass
class Log:
    """One side of one connection. Implements tls13.events.Tracer."""

    role: str
    state: str = START
    steps: list[Step] = field(default_factory=list)
    waits: dict[str, list[str]] = field(default_factory=dict)
    """By state: the lines of handshake() at which it waits."""
    _received: str | None = None
    _actions: list[str] = field(default_factory=list)

    def reach(self, state: str, line: str = "") -> None:
        """The flow waits again, or is through."""
        if line and line not in self.waits.setdefault(state, []):
            self.waits[state].append(line)
        if (state, self._received) != (START, None):
            self.steps.append(Step(self.state, self._received, state, tuple(self._actions)))
        self.state, self._received = state, None
        self._actions.clear()

    def wait(self, kinds: Sequence[str], line: str) -> None:
        names = frozenset(kinds) - {"CompressedCertificate"}  # RFC 8879: a Certificate in fewer bytes
        state = STATES[self.role][names]
        if state == START and self._received is not None:
            state = "START (retried)"
        self.reach(state, line)

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        kind = message_class(raw)
        if kind is None or self.state == CONNECTED:
            return
        name = kind.__name__.removeprefix("Compressed")
        if sent:
            self._actions.append(f"Send {name}")
        else:
            self._received = name

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        if self.state != CONNECTED:
            self._actions.append(f"K_{'send' if sent else 'recv'} = {KEYS[epoch]}")

    def secret(self, label: str, secret: bytes) -> None: ...

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None: ...

    def alert(self, sent: bool, description: AlertDescription | int) -> None: ...

    def verified(self, chain: Sequence[Certificate]) -> None: ...


def watched(flow: Flow[Session], log: Log) -> Flow[Session]:
    """The same flow, with each of its waits noted. None of ours waits for anything but messages."""
    answer: object = None
    while True:
        try:
            need = flow.send(answer)
        except StopIteration as done:
            log.reach(CONNECTED)
            session: Session = done.value
            return session
        log.wait([kind.__name__ for kind in need] if isinstance(need, tuple) else [], line_of(flow))
        answer = yield need


def line_of(flow: Flow[Session]) -> str:
    """The line at which a generator stands."""
    frame = flow.gi_frame if isinstance(flow, GeneratorType) else None
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() if frame is not None else ""


class _WatchedClientHandshake(ClientHandshake):
    def handshake(self) -> Flow[Session]:
        log = self.tracer
        return watched(super().handshake(), log) if isinstance(log, Log) else super().handshake()


class _WatchedServerHandshake(ServerHandshake):
    def handshake(self) -> Flow[Session]:
        log = self.tracer
        return watched(super().handshake(), log) if isinstance(log, Log) else super().handshake()


class WatchedClient(ClientConnection):
    """A client whose `log` knows where it has waited."""

    def __init__(
        self, config: ClientConfig, host: str | None, session: StoredSession | None = None, early: bytes | None = None
    ) -> None:
        self.log = Log("client")
        super().__init__(config, server_hostname=host, session=session, early_data=early, tracer=self.log)

    def make_handshake(
        self, config: ClientConfig, server_name: ServerName | None, tracer: Tracer | None
    ) -> ClientHandshake:
        return _WatchedClientHandshake(config, server_name, self._engine, tracer)


class WatchedServer(ServerConnection):
    """A server whose `log` knows where it has waited."""

    def __init__(self, config: ServerConfig) -> None:
        self.log = Log("server")
        super().__init__(config, tracer=self.log)

    def make_handshake(self, config: ServerConfig, tracer: Tracer | None) -> ServerHandshake:
        return _WatchedServerHandshake(config, self._engine, tracer)

"""Somebody between the two: sees every record, and decides what becomes of it.

    wire.carry()                                  an honest network
    wire.carry(at("server", 0, flip(20)))         one bit of the server's first record is another on arrival
    one, two = wire.hold("client")                nothing arrives for now ...
    wire.pass_on("server", two, one)              ... and then in another order

This is all that the attacker of RFC 9846's appendix F.1 can do without a key: the network is his, the ends are not.
Records are counted for each direction from 0, change_cipher_spec left out, which means nothing and may be dropped.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...errors import AlertDescription, AlertReceived, TLSError, UsageError
from ...events import ApplicationData
from ...io.refusal import next_event
from ...wire.messages import message_class
from ...wire.registry import ContentType, HandshakeType
from .model import Happening

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.x509 import Certificate

    from ...connection import Connection
    from ...crypto.suites import Suite
    from ...events import Event
    from ...flow import Epoch
    from ..scripted import ScriptedClient, ScriptedServer
    from .model import Outcome, Side

    Tamper = Callable[["Record"], Sequence[bytes]]

HEADER: Final = 5
OTHER: Final[dict[Side, Side]] = {"client": "server", "server": "client"}
CHANGE_CIPHER_SPEC: Final = int(ContentType.change_cipher_spec)


@dataclass(frozen=True, slots=True)
class Record:
    """One record on its way."""

    sender: Side
    number: int
    raw: bytes

    def flipped(self, at: int = -1) -> bytes:
        """With the lowest bit of one byte changed; by default the last one."""
        changed = bytearray(self.raw)
        changed[at] ^= 1
        return bytes(changed)


def pass_on(record: Record) -> Sequence[bytes]:
    return [record.raw]


def at(sender: Side, number: int, do: Callable[[Record], Sequence[bytes]]) -> Tamper:
    """Do this to one record, and nothing to the others."""
    return lambda record: do(record) if (record.sender, record.number) == (sender, number) else [record.raw]


def flip(where: int = -1) -> Tamper:
    return lambda record: [record.flipped(where)]


def records(stream: bytes) -> tuple[list[bytes], bytes]:
    """The whole records of a stream, and the rest. What does not look like TLS is passed on as it is."""
    found = []
    while len(stream) >= HEADER and stream[0] in (20, 21, 22, 23):
        end = HEADER + int.from_bytes(stream[3:HEADER], "big")
        if len(stream) < end:
            break
        found.append(stream[:end])
        stream = stream[end:]
    if stream and stream[0] not in (20, 21, 22, 23):
        found.append(stream)
        stream = b""
    return found, stream


class End(ABC):
    """One end of the wire."""

    remote = False
    """Whether it is another program, which answers when it likes."""

    def __init__(self, side: Side, outcome: Outcome) -> None:
        self.side: Side = side
        self.outcome = outcome

    @abstractmethod
    def take(self, data: bytes) -> None:
        """Bytes arrive."""

    @abstractmethod
    def give(self, patience: float = 0.0) -> bytes:
        """What it has to send; another program is given `patience` seconds to think."""

    @abstractmethod
    def heard(self, data: bytes) -> bool:
        """Whether exactly this came out as application data."""

    @abstractmethod
    def cut(self) -> None:
        """The transport ends, without a word of TLS."""

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether it may still have something to say that matters: its handshake is going on."""

    @property
    @abstractmethod
    def over(self) -> bool:
        """Whether it has ended the connection, or seen its end."""

    def close(self) -> None:  # noqa: B027  # an end in this process has nothing to give back
        """Give everything back."""


class Nobody(End):
    """Only the attacker is on this side: what arrives is not read, and what he sends he passes on himself."""

    def take(self, data: bytes) -> None:
        pass

    def give(self, patience: float = 0.0) -> bytes:
        return b""

    def heard(self, data: bytes) -> bool:
        return False

    def cut(self) -> None:
        pass

    busy = False
    over = False


class Ours(End):
    """A connection of ours: what it raises and sends goes into the outcome."""

    def __init__(self, side: Side, outcome: Outcome) -> None:
        super().__init__(side, outcome)
        self.listener = Listener(side, outcome)
        self.events: list[Event] = []
        self.error: TLSError | None = None
        self.connection: Connection
        self.moved: list[tuple[bool, float, bytes]] = []
        """What it saw of the wire: sent by it or not, when (seconds), and the bytes."""

    def take(self, data: bytes) -> None:
        self.moved.append((False, time.perf_counter(), data))
        if self.error is None:
            self._read(lambda: self.connection.receive_data(data))

    def cut(self) -> None:
        if self.error is None:
            self._read(self.connection.receive_eof)

    def heard(self, data: bytes) -> bool:
        return data in b"".join(event.data for event in self.events if isinstance(event, ApplicationData))

    def _read(self, arrive: Callable[[], None]) -> None:
        try:
            arrive()
            while (event := next_event(self.connection)) is not None:
                self.events.append(event)
        except TLSError as error:
            self.error = error
            self._tell(error)

    def _tell(self, error: TLSError) -> None:
        outcome = self.outcome
        kind = type(error)
        outcome.happened.append(Happening(self.side, "error", f"raises {kind.__name__}: {error}"))
        if outcome.by is None and kind is not AlertReceived:
            outcome.by, outcome.exception, outcome.error = self.side, kind, str(error)
            self.listener.ends = True

    def give(self, patience: float = 0.0) -> bytes:
        data = self.connection.data_to_send()
        if data:
            self.moved.append((True, time.perf_counter(), data))
        return data

    @property
    def busy(self) -> bool:
        return not self.over and not self.connection.handshake_complete

    @property
    def over(self) -> bool:
        return self.error is not None

    @property
    def scripted(self) -> ScriptedClient | ScriptedServer:
        """With the means to misbehave after the handshake. Raises UsageError for an honest end."""
        from ..scripted import ScriptedClient, ScriptedServer

        if not isinstance(self.connection, (ScriptedClient, ScriptedServer)):
            raise UsageError(f"the {self.side} of this experiment is honest: it was made without a script")
        return self.connection


class Listener:
    """A tls13.Tracer that writes down what its side does."""

    def __init__(self, side: Side, outcome: Outcome) -> None:
        self.side: Side = side
        self.outcome = outcome
        self.secrets: dict[str, list[bytes]] = {}
        """By their labels of RFC 9850, as tls13.Tracer gives them."""
        self.chain: Sequence[Certificate] = ()
        self.ends = False
        """This side is the first to end the connection: its next alert is the outcome's."""

    def _add(self, kind: str, text: str, detail: str = "") -> None:
        if kind == "message":
            self.outcome.happened.append(Happening(self.side, "message", text, detail))
        else:
            self.outcome.happened.append(Happening(self.side, "alert" if kind == "alert" else "data", text, detail))

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        if sent:
            kind = message_class(raw)
            number = HandshakeType(raw[0]) if raw else "nothing"
            self._add("message", kind.__name__ if kind is not None else f"a message of type {number}", raw.hex())

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        """Follows from the messages."""

    def secret(self, label: str, secret: bytes) -> None:
        self.secrets.setdefault(label, []).append(secret)

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        if content_type == ContentType.application_data:
            early = "early " if epoch.name == "EARLY" else ""
            self._add("data", f"{'sends' if sent else 'reads'} {length} bytes of {early}data")

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        if not sent:
            return  # what it raises then says so
        alert = AlertDescription(description)
        self._add("alert", f"sends alert {alert.name}")
        if self.ends and self.outcome.alert is None:
            self.outcome.alert = alert

    def verified(self, chain: Sequence[Certificate]) -> None:
        self.chain = chain


class Wire:
    """A client, a server, and what is between them."""

    def __init__(self, client: End, server: End, outcome: Outcome) -> None:
        self.ends: dict[Side, End] = {"client": client, "server": server}
        self.outcome = outcome
        self.carried: list[Record] = []
        """Everything that was sent, as it was sent: what somebody who only listens has recorded."""
        self._counts: dict[Side, int] = {"client": 0, "server": 0}
        self._rest: dict[Side, bytes] = {"client": b"", "server": b""}

    def ours(self, side: Side) -> Ours:
        """That end, if it is one of ours. Raises UsageError if it is OpenSSL."""
        end = self.ends[side]
        if not isinstance(end, Ours):
            raise UsageError(f"the {side} is another program here")
        return end

    def carry(self, tamper: Tamper = pass_on, *, patience: float = 10.0, quiet: float = 0.3) -> None:
        """Until nothing moves any more. Another program may take `patience` seconds while the handshake goes on, and
        `quiet` after it, which is how long it takes to find out that it has nothing to say."""
        moved = True
        while moved:
            moved = False
            for side in ("client", "server"):
                wait = patience if any(end.busy for end in self.ends.values() if not end.remote) else quiet
                for record in self._sent(side, 0.0 if moved else wait):
                    moved = True
                    self._deliver(OTHER[side], tamper(record), record)

    def hold(self, side: Side) -> list[bytes]:
        """The records that this side has sent, kept back."""
        return [record.raw for record in self._sent(side, 0.0)]

    def pass_on(self, to: Side, *stream: bytes, saying: str = "") -> None:
        """Let these bytes arrive."""
        if saying:
            self.outcome.happened.append(Happening("between", "tampering", saying))
        self.ends[to].take(b"".join(stream))

    def cut(self, to: Side, saying: str) -> None:
        self.outcome.happened.append(Happening("between", "tampering", saying))
        self.ends[to].cut()

    def close(self) -> None:
        for end in self.ends.values():
            end.close()

    def _sent(self, side: Side, patience: float) -> list[Record]:
        whole, self._rest[side] = records(self._rest[side] + self.ends[side].give(patience))
        found = []
        for raw in whole:
            means_nothing = raw[0] == CHANGE_CIPHER_SPEC
            found.append(Record(side, -1 if means_nothing else self._counts[side], raw))
            self._counts[side] += not means_nothing
        self.carried += found
        return found

    def _deliver(self, to: Side, what: Sequence[bytes], record: Record) -> None:
        if list(what) != [record.raw]:
            told = f"{_became(what, record)} the {record.sender}'s record {record.number} ({len(record.raw)} bytes)"
            self.outcome.happened.append(Happening("between", "tampering", told))
        if what:
            self.ends[to].take(b"".join(what))


def _became(what: Sequence[bytes], record: Record) -> str:
    if not what:
        return "drops"
    if all(one == record.raw for one in what):
        return "repeats"
    return "adds something to" if record.raw in what else "changes"

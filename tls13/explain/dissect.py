"""A passive reader of both directions: it opens what the known secrets open, and changes nothing.

It uses the engine's own parts (key schedule, AEADs, message declarations), but not its flows: an endpoint ends the
connection at the first offence, and a watcher wants to see what came after. Which keys protect a record is tried, not
believed: the keys in use first, then those that come after them. So early data that the server never accepted, a key
log that lacks a line, and a capture that breaks off are all read as far as they can be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from cryptography.exceptions import InvalidTag

from ..crypto.suites import SUITES
from ..flow import Epoch
from ..key_schedule import TrafficSecret
from ..resumption.psk import PskKind
from ..transcript import message_hash
from ..wire.extensions import EarlyDataIndication
from ..wire.messages import (
    CertificateRequest,
    ClientHello,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    HandshakeMessage,
    HelloRetryRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
)
from ..wire.registry import ContentType
from .dissect_frames import Shape, frames
from .dissect_hellos import Hellos, decoded, read_hellos
from .dissect_secrets import Material

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Iterator

    from ..crypto.suites import Aead, Suite
    from .capture import Capture
    from .dissect_frames import Frame

Kind = Literal["message", "change_cipher_spec", "application_data", "alert", "sealed", "unread", "rubbish"]
"""What was seen; "sealed": a record that does not open; "unread": one of another version; "rubbish": what is no whole
record or no whole message."""
ALERT_LENGTH = 2
OLDER = "the server chose a version before TLS 1.3, which is not read here"


@dataclass(frozen=True, slots=True)
class Keys:
    """One direction's keys of one generation. `name`: of the secret, as the key schedule calls it."""

    name: str
    epoch: Epoch
    suite: Suite
    secret: bytes = field(repr=False)
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    aead: Aead = field(repr=False)

    @classmethod
    def of(cls, name: str, epoch: Epoch, suite: Suite, secret: bytes) -> Keys:
        key, iv = TrafficSecret(suite.hash, secret).traffic_keys(suite)
        return cls(name, epoch, suite, secret, key, iv, suite.aead(key))

    def nonce(self, sequence: int) -> bytes:
        return (int.from_bytes(self.iv, "big") ^ sequence).to_bytes(12, "big")

    def next(self, name: str) -> Keys:
        """After a KeyUpdate (section 7.2)."""
        return self.of(name, self.epoch, self.suite, TrafficSecret(self.suite.hash, self.secret).next().value)


@dataclass(slots=True)
class Record:
    """One record. `keys` is None if it is unprotected or does not open; then `why` says why not."""

    id: int
    frame: Frame
    content_type: int
    content: bytes
    keys: Keys | None = None
    sequence: int = 0
    inner: bytes = b""
    why: str = ""


@dataclass(slots=True)
class Seen:
    """Something that happened on the wire. `before` and `after`: the transcript hash around a message."""

    kind: Kind
    to_server: bool
    time: float
    records: list[int]
    raw: bytes
    epoch: Epoch
    message: HandshakeMessage | None = None
    before: bytes | None = None
    after: bytes | None = None
    hashed: tuple[bytes, ...] = ()
    """The messages that `before` is the hash of; only for Finished and CertificateVerify after the handshake."""
    keys: Keys | None = None
    """What protected it; after a KeyUpdate, what protects the next."""


class _Direction:
    def __init__(self, to_server: bool) -> None:
        self.to_server = to_server
        self.who = "client" if to_server else "server"
        self.epoch = Epoch.INITIAL
        self.keys: Keys | None = None
        self.generation = 0
        self.sequence = 0
        self.buffer = b""
        self.buffered: list[int] = []

    @property
    def finished(self) -> bool:
        return self.epoch is Epoch.APPLICATION

    def enter(self, epoch: Epoch) -> None:
        self.epoch, self.keys, self.sequence = epoch, None, 0


class Dissector:
    """Reads one capture; `dissect` runs it. The result is in `records`, `seen`, `hellos`, `material`, `notes`."""

    def __init__(self, capture: Capture) -> None:
        self._frames = list(frames(capture.segments))
        self.hellos: Hellos = read_hellos(self._frames)
        self.material = Material(capture.secrets, self.hellos)
        self.records: list[Record] = []
        self.seen: list[Seen] = []
        self.handshake: list[bytes] = []
        """The messages of the transcript; after a HelloRetryRequest the first is message_hash (section 4.1)."""
        self.reaches: dict[str, int] = {}
        """How many of them each of the material's digests is over."""
        self._running: hashlib._Hash | None = None
        self._directions = {True: _Direction(True), False: _Direction(False)}
        self._is_over = False
        """Whether the ServerHello of another version has come: TLS 1.3 ends with it."""
        self._later: list[bytes] = []
        """A CertificateRequest after the handshake, and its answer up to now."""

    @property
    def suite(self) -> Suite | None:
        return self.hellos.suite

    @property
    def psk_kind(self) -> PskKind | None:
        """The selected PSK's: its binder tells it, if the PSK is known; else whether it has an age, as a ticket has."""
        selected, offered = self.hellos.selected_psk, self.hellos.offered_psks
        if selected is None or offered is None or selected >= len(offered.identities):
            return None
        if (known := self.material.psk(selected)) is not None:
            return known.kind
        return PskKind.RESUMPTION if offered.identities[selected].obfuscated_ticket_age else PskKind.EXTERNAL

    @property
    def rejects_early_data(self) -> bool:
        """Whether the server has said that it does not take the early data that was offered."""
        if not self.hellos.offers_early_data:
            return False
        answers = [one.message for one in self.seen if isinstance(one.message, EncryptedExtensions)]
        answer = answers[0].extensions.get(EarlyDataIndication) if answers else None
        return self.hellos.retry is not None or (bool(answers) and answer is None)

    def run(self) -> None:
        for frame in self._frames:
            self._read(frame)
        for direction in self._directions.values():
            if direction.buffer:
                self._add("rubbish", direction, self.records[-1].frame.time, direction.buffered, direction.buffer)

    # --- records ----------------------------------------------------------------------------------------------------

    def _read(self, frame: Frame) -> None:
        direction = self._directions[frame.to_server]
        if frame.shape is not Shape.RECORD:
            record = self._keep(Record(len(self.records), frame, -1, frame.raw, why=frame.shape.value))
            self._add("rubbish", direction, frame.time, [record.id], frame.raw)
            return
        if self._is_over and not _is_alert_in_the_clear(frame):
            record = self._keep(Record(len(self.records), frame, -1, b"", why=OLDER))
            self._add("unread", direction, frame.time, [record.id], frame.raw)
            return
        if frame.outer_type == ContentType.application_data:
            opened = self._open(frame, direction)
            record = self._keep(opened or Record(len(self.records), frame, -1, b"", why=self._why(direction)))
            if opened is None:
                self._add("sealed", direction, frame.time, [record.id], frame.raw)
                return
        else:
            record = self._keep(Record(len(self.records), frame, frame.outer_type, frame.body))
        self._content(record, direction)

    def _keep(self, record: Record) -> Record:
        self.records.append(record)
        return record

    def _open(self, frame: Frame, direction: _Direction) -> Record | None:
        """Under the keys in use, or those that come after them; None if neither opens it."""
        for keys in self._candidates(direction):
            sequence = direction.sequence if keys is direction.keys else 0
            try:
                inner = keys.aead.decrypt(keys.nonce(sequence), frame.body, frame.raw[:5])
            except (InvalidTag, ValueError):  # ValueError: shorter than a tag
                continue
            if keys is not direction.keys:
                direction.epoch, direction.keys = keys.epoch, keys
            direction.sequence = sequence + 1
            content = inner.rstrip(b"\0")
            content_type = content[-1] if content else -1
            return Record(len(self.records), frame, content_type, content[:-1], keys, sequence, inner)
        return None

    def _candidates(self, direction: _Direction) -> Iterator[Keys]:
        if direction.keys is not None:
            yield direction.keys
        first = max(direction.epoch, Epoch.EARLY) + (direction.keys is not None)
        for epoch in range(first, Epoch.APPLICATION + 1):
            yield from self._keys(direction.who, Epoch(epoch))

    def _keys(self, who: str, epoch: Epoch) -> Iterator[Keys]:
        """Early data's suite is the ticket's, which nothing on the wire says: those that fit are tried."""
        label, name = {
            Epoch.EARLY: ("CLIENT_EARLY_TRAFFIC_SECRET", "client_early_traffic_secret"),
            Epoch.HANDSHAKE: (f"{who.upper()}_HANDSHAKE_TRAFFIC_SECRET", f"{who}_handshake_traffic_secret"),
            Epoch.APPLICATION: (f"{who.upper()}_TRAFFIC_SECRET_0", f"{who}_application_traffic_secret_0"),
        }[epoch]
        if epoch is Epoch.EARLY and (who == "server" or not self.hellos.offers_early_data):
            return
        secret = self.material.secret(label)
        if secret is None:
            return
        suites = [self.suite] if self.suite is not None else []
        if epoch is Epoch.EARLY:
            suites += [one for one in SUITES.values() if one is not self.suite]
        for suite in suites:
            if suite.hash.digest_size == len(secret):
                yield Keys.of(name, epoch, suite, secret)

    def _why(self, direction: _Direction) -> str:
        whose = f"the {direction.who}'s"
        if next(self._candidates(direction), None) is None:
            return f"no secret is known that protects {whose} records here"
        if direction.epoch is Epoch.EARLY:
            return "early data, perhaps; but the known secrets do not open it"
        return f"its tag does not verify under {whose} keys: it was changed, or other keys protect it"

    # --- what is in them --------------------------------------------------------------------------------------------

    def _content(self, record: Record, direction: _Direction) -> None:
        if record.content_type == ContentType.handshake:
            direction.buffer += record.content
            direction.buffered.append(record.id)
            self._messages(record, direction)
            return
        kinds: dict[int, Kind] = {
            ContentType.change_cipher_spec: "change_cipher_spec",
            ContentType.alert: "alert",
            ContentType.application_data: "application_data",
        }
        kind = kinds.get(record.content_type, "rubbish")
        self._add(kind, direction, record.frame.time, [record.id], record.content, keys=record.keys)

    def _messages(self, record: Record, direction: _Direction) -> None:
        """Every message that is whole now, with all the records that it came in."""
        while len(direction.buffer) >= 4 and not self._is_over:
            end = 4 + int.from_bytes(direction.buffer[1:4], "big")
            if len(direction.buffer) < end:
                return
            raw, direction.buffer = direction.buffer[:end], direction.buffer[end:]
            records, direction.buffered = direction.buffered, [record.id] if direction.buffer else []
            seen = self._add("message", direction, record.frame.time, records, raw, keys=record.keys)
            seen.message = decoded(raw)
            self._follow(seen, direction)
        if self._is_over and direction.buffer:  # the ServerHello came in one record with what follows it
            self._add("unread", direction, record.frame.time, direction.buffered, direction.buffer)
            direction.buffer, direction.buffered = b"", []

    def _add(
        self,
        kind: Kind,
        direction: _Direction,
        time: float,
        records: list[int],
        raw: bytes,
        *,
        keys: Keys | None = None,
    ) -> Seen:
        epoch = keys.epoch if keys is not None else Epoch.INITIAL
        if kind == "sealed":
            epoch = direction.epoch
        seen = Seen(kind, direction.to_server, time, list(records), raw, epoch, keys=keys)
        self.seen.append(seen)
        return seen

    # --- the order of the handshake: section 2, figure 1 ------------------------------------------------------------

    def _follow(self, seen: Seen, direction: _Direction) -> None:
        """Keep the transcript, and change keys where the peers do."""
        message = seen.message
        if self.hellos.is_other_version and seen.raw == self.hellos.server_raw:
            self._is_over = True
            return
        if direction.finished:
            self._after_handshake(seen, direction)
            return
        if isinstance(message, HelloRetryRequest):
            self._retry()
        self._hash(seen)
        server, client = self._directions[False], self._directions[True]
        if isinstance(message, ClientHello):
            if self.hellos.offers_early_data and client.epoch is Epoch.INITIAL:
                client.enter(Epoch.EARLY)
        elif isinstance(message, ServerHello) and not isinstance(message, HelloRetryRequest):
            self._reach("server_hello")
            server.enter(Epoch.HANDSHAKE)
            if not self.hellos.offers_early_data or self.hellos.retry is not None:
                client.enter(Epoch.HANDSHAKE)
        elif isinstance(message, EndOfEarlyData):
            client.enter(Epoch.HANDSHAKE)
        elif isinstance(message, Finished):
            self._reach("client_finished" if seen.to_server else "server_finished")
            direction.enter(Epoch.APPLICATION)

    def _hash(self, seen: Seen) -> None:
        if self.suite is None:
            return
        if self._running is None:
            self._running = self.suite.hash.new()
        seen.before = self._running.digest() if self.handshake else None
        self._running.update(seen.raw)
        seen.after = self._running.digest()
        self.handshake.append(seen.raw)

    def _retry(self) -> None:
        """ClientHello1 is replaced by its hash (section 4.1)."""
        if self.suite is not None and self._running is not None:
            self.handshake = [message_hash(self.suite.hash, self._running.digest())]
            self._running = self.suite.hash.new(self.handshake[0])

    def _reach(self, name: str) -> None:
        if self._running is not None:
            self.material.digests[name] = self._running.digest()
            self.reaches[name] = len(self.handshake)

    def _after_handshake(self, seen: Seen, direction: _Direction) -> None:
        """Section 4.7. Tickets and key updates are in no transcript; each authentication has one of its own."""
        message = seen.message
        if isinstance(message, KeyUpdate):
            if direction.keys is not None:
                direction.generation += 1
                name = f"{direction.who}_application_traffic_secret_{direction.generation}"
                seen.keys = direction.keys = direction.keys.next(name)
                direction.sequence = 0
            return
        if isinstance(message, NewSessionTicket | EncryptedExtensions) or self.suite is None:
            return
        if isinstance(message, CertificateRequest):
            self._later = []
        seen.hashed = (*self.handshake, *self._later)
        seen.before = self.suite.hash.new(b"".join(seen.hashed)).digest()
        self._later.append(seen.raw)
        seen.after = self.suite.hash.new(b"".join((*self.handshake, *self._later))).digest()


def _is_alert_in_the_clear(frame: Frame) -> bool:
    """It looks the same in every version; encrypted it is longer."""
    return frame.outer_type == ContentType.alert and len(frame.body) == ALERT_LENGTH


def dissect(capture: Capture) -> Dissector:
    """Read a capture. Never raises for what is in it."""
    dissector = Dissector(capture)
    dissector.run()
    return dissector

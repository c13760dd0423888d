# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""The server's side of resumption: what a ticket remembers, and the two ways to make one (RFC 9846, section 4.7.1).

*Sealed* tickets carry the state themselves, encrypted under a key that only the servers have: nothing is stored, but
whoever steals a ticket key can read what was resumed under it without psk_dhe_ke, and early data. So the keys change
every day and are forgotten when their last ticket has run out. *Stored* tickets are names of states in a Store; a
state is removed when its name is used, so each works once, and nothing is left to steal.

Opening a ticket never fails: what we did not make, or cannot read any more, is simply not ours (None), and a full
handshake follows.
"""

from os import urandom
from typing import TYPE_CHECKING, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..crypto.suites import SUITES
from ..errors import ConfigurationError, DecodeError, StoreUnavailable
from ..flow import Flow, settle
from ..wire.messages import MAX_TICKET_LIFETIME
from .psk import RESUMPTION, Psk
from .state import LONGEST_TICKET, VERSION, Resumable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .stores import Store

KEY_NAME_LENGTH = 16
NONCE_LENGTH = 12
SEALED_AT = KEY_NAME_LENGTH + NONCE_LENGTH
KEY_LENGTH = 32
SECRET_LENGTH = KEY_NAME_LENGTH + KEY_LENGTH


class TicketState(Resumable):
    """What a server remembers of a connection, in or behind its ticket."""

    @property
    def policy(self) -> bytes:
        """A digest of what the config demanded of the client: the ticket is no good where something else is."""
        return self.origin.terms

    def as_psk(self, ticket: bytes) -> Psk:
        return Psk(ticket, self.psk, SUITES[self.origin.cipher_suite].hash, RESUMPTION)

    @classmethod
    def read(cls, data: bytes | None, now: float) -> Self | None:
        """None for what another version has written, and for what has expired."""
        try:
            state = cls.decode(data) if data and data[0] == VERSION else None
        except DecodeError:
            return None
        return state if state is not None and state.origin.cipher_suite in SUITES and not state.expired(now) else None


class Tickets(Protocol):
    """Makes tickets and opens them. Both are flows, because a store may take its time."""

    @property
    def shared(self) -> bool:
        """Whether other processes can open what is made here."""

    def seal(self, state: TicketState, now: float) -> Flow[bytes | None]:
        """A ticket; None if none can be made now, or none that fits into a ClientHello."""

    def open(self, ticket: bytes, now: float) -> Flow[TicketState | None]: ...


class _Key:
    """One ticket key: its name, shown in every ticket, and its AEAD."""

    __slots__ = ("aead", "name", "period")

    def __init__(self, secret: bytes, period: int) -> None:
        self.name, self.aead, self.period = secret[:KEY_NAME_LENGTH], AESGCM(secret[KEY_NAME_LENGTH:]), period


def _named(name: bytes, keys: "Sequence[_Key]") -> _Key | None:
    for key in keys:
        if key.name == name:
            return key
    return None


class TicketKeys:
    """The keys of one process: each seals for `rotation` seconds, opens until its last ticket has run out, and is
    then forgotten.

    Threads share it without a lock: each step that changes or copies the table is a single one of dict's.
    """

    shared = False

    def __init__(self, *, rotation: int = 86400, random: "Callable[[int], bytes]" = urandom) -> None:
        if rotation < 1:
            raise ConfigurationError(f"ticket keys that change every {rotation} seconds; it must be at least 1")
        self.rotation = rotation
        self._random = random
        self._keys: dict[int, _Key] = {}

    def ready(self, now: float) -> _Key | None:
        """The key of this period, if it is here: then nobody is asked, and no flow is needed."""
        return self._keys.get(int(now // self.rotation))

    def held(self, name: bytes, now: float) -> _Key | None:
        """The key of this name, if it is here and can still have a valid ticket."""
        self._forget(int(now // self.rotation))
        return _named(name, tuple(self._keys.values()))

    def sealing(self, now: float) -> Flow[_Key | None]:
        """The key of this period."""
        period = int(now // self.rotation)
        key = self._keys.get(period)
        if key is None:
            self._forget(period)
            secret = yield from self._secret(period)
            if secret is None:
                return None
            key = self._keys.setdefault(period, _Key(secret, period))
        return key

    def opening(self, name: bytes, now: float) -> Flow[_Key | None]:
        """The key of this name, if it can still have a valid ticket."""
        return self.held(name, now)
        yield

    def _secret(self, period: int) -> Flow[bytes | None]:
        """A new key: its name, then the key itself."""
        return self._random(SECRET_LENGTH)
        yield

    def _forget(self, period: int) -> None:
        oldest = period - self._lifetime()
        for old in tuple(self._keys):
            if old < oldest:
                self._keys.pop(old, None)

    def _lifetime(self) -> int:
        """In periods: as long as a ticket of the last second may live."""
        return -(-MAX_TICKET_LIFETIME // self.rotation)


class GivenTicketKeys:
    """Keys that several processes were given, newest first: the first seals, all open. Changing them is up to
    whoever gives them; each is 48 secret bytes."""

    shared = True

    def __init__(self, secrets: "Sequence[bytes]") -> None:
        if not secrets or any(len(secret) != SECRET_LENGTH for secret in secrets):
            raise ConfigurationError(f"ticket keys are {SECRET_LENGTH} random bytes each")
        self._keys = [_Key(secret, 0) for secret in secrets]

    def ready(self, now: float) -> _Key | None:
        return self._keys[0]

    def held(self, name: bytes, now: float) -> _Key | None:
        return _named(name, self._keys)

    def sealing(self, now: float) -> Flow[_Key | None]:
        return self._keys[0]
        yield

    def opening(self, name: bytes, now: float) -> Flow[_Key | None]:
        return self.held(name, now)
        yield


class StoredTicketKeys(TicketKeys):
    """Keys that all servers of one Store share: who first needs the key of a period makes it, the others get it, and
    it expires there."""

    def __init__(self, store: "Store", *, rotation: int = 86400, random: "Callable[[int], bytes]" = urandom) -> None:
        super().__init__(rotation=rotation, random=random)
        self.store = store
        self.shared = store.shared

    def opening(self, name: bytes, now: float) -> Flow[_Key | None]:
        """Another server may have made the key, this period or earlier: its name says which period's it is."""
        current = int(now // self.rotation)
        self._forget(current)
        period = int.from_bytes(name[:8], "big")
        if not current - self._lifetime() <= period <= current + 1:
            return None
        key = self._keys.get(period)
        if key is None:
            secret = yield from settle(self.store.get(self._where(period)))
            if secret is None or len(secret) != SECRET_LENGTH:
                return None
            key = self._keys.setdefault(period, _Key(secret, period))
        return key if key.name == name else None

    def _secret(self, period: int) -> Flow[bytes | None]:
        secret = period.to_bytes(8, "big") + self._random(SECRET_LENGTH - 8)
        seconds = (self._lifetime() + 2) * self.rotation
        added = yield from settle(self.store.add(self._where(period), secret, seconds))
        if added:
            return secret
        found = yield from settle(self.store.get(self._where(period)))
        return found if found is not None and len(found) == SECRET_LENGTH else None

    def _where(self, period: int) -> bytes:
        return b"ticket-key:%d:%d" % (self.rotation, period)


class SealedTickets:
    """Tickets that carry their state: key_name || nonce || AES-256-GCM(state)."""

    def __init__(
        self,
        keys: TicketKeys | GivenTicketKeys | None = None,
        *,
        random: "Callable[[int], bytes]" = urandom,
    ) -> None:
        self.keys = TicketKeys(random=random) if keys is None else keys
        self._random = random

    @property
    def shared(self) -> bool:
        return self.keys.shared

    def seal(self, state: TicketState, now: float) -> Flow[bytes | None]:
        key = self.keys.ready(now)
        if key is None:
            try:
                key = yield from self.keys.sealing(now)
            except StoreUnavailable:
                return None
            if key is None:
                return None
        nonce = self._random(NONCE_LENGTH)
        ticket = key.name + nonce + key.aead.encrypt(nonce, state.encode(), key.name)
        return ticket if len(ticket) <= LONGEST_TICKET else None

    def open(self, ticket: bytes, now: float) -> Flow[TicketState | None]:
        name = ticket[:KEY_NAME_LENGTH]
        key = self.keys.held(name, now)
        if key is None:
            try:
                key = yield from self.keys.opening(name, now)
            except StoreUnavailable:
                return None
        if key is None or len(ticket) < SEALED_AT + 16:
            return None
        try:
            data = key.aead.decrypt(ticket[KEY_NAME_LENGTH:SEALED_AT], ticket[SEALED_AT:], name)
        except InvalidTag:
            return None
        return TicketState.read(data, now)


class StoredTickets:
    """Tickets that are names of states in a Store; each can be used once (section 8.1)."""

    def __init__(self, store: "Store", *, random: "Callable[[int], bytes]" = urandom) -> None:
        self.store = store
        self._random = random

    @property
    def shared(self) -> bool:
        return self.store.shared

    def seal(self, state: TicketState, now: float) -> Flow[bytes | None]:
        ticket = self._random(32)
        try:
            added = yield from settle(self.store.add(b"ticket:" + ticket, state.encode(), state.ticket_lifetime))
        except StoreUnavailable:
            return None
        return ticket if added else None

    def open(self, ticket: bytes, now: float) -> Flow[TicketState | None]:
        if len(ticket) != 32:
            return None
        try:
            data = yield from settle(self.store.pop(b"ticket:" + ticket))
        except StoreUnavailable:
            return None
        return TicketState.read(data, now)

# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""The client's side of resumption: sessions, and the cache that has one ready for the next connection.

A ticket is used once (RFC 9846, appendix C.4): whoever sees it twice knows that the two connections come from the same
client. So taking a session out of the cache removes it, and a server is asked for as many tickets as connections are
wanted. For the same reason sessions of different `partition`s never meet: put there what must not be linked (a
browser's top-level site, a user).
"""

from collections import OrderedDict
from threading import Lock
from typing import Annotated, Final, NamedTuple, Self

from ..crypto.suites import SUITES
from ..errors import CertificateError, ConfigurationError, DecodeError
from ..wire.codec import Opaque, Struct, Vector, uint8, uint16
from .psk import RESUMPTION, Psk
from .state import LONGEST_TICKET, VERSION, Resumable


class StoredSession(Resumable):
    """What a client needs to resume: a ticket, its PSK, and how the server was verified. As secret as a key."""

    ticket: Annotated[bytes, Opaque(1, 2**16 - 1)]

    @property
    def fingerprint(self) -> bytes:
        """Of the verifier that believed the chain (tls13.trust.verify.Verifier)."""
        return self.origin.terms

    @property
    def is_too_long(self) -> bool:
        """Whether no ClientHello has room for its ticket."""
        return len(self.ticket) > LONGEST_TICKET

    def as_psk(self) -> Psk:
        return Psk(
            self.ticket,
            self.psk,
            SUITES[self.origin.cipher_suite].hash,
            RESUMPTION,
            ticket_age_add=self.ticket_age_add,
            received_at=self.made_at_ms / 1000,
        )

    def to_bytes(self) -> bytes:
        """For a file that only its owner can read: whoever has it can resume, and read what is resumed without
        psk_dhe_ke."""
        return self.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Raises ConfigurationError for what to_bytes of this version did not make."""
        if data and data[0] != VERSION:
            raise ConfigurationError(f"this is no stored session of version {VERSION}, but of {data[0]}")
        try:
            session = cls.decode(data)
            session.check()
        except DecodeError as error:
            raise ConfigurationError(f"this is no stored session: {error.detail}") from None
        return session

    def check(self) -> None:
        """What its use would otherwise stumble over: a file can be damaged. Raises DecodeError."""
        if not self.origin.server_name_bytes.isascii():
            raise DecodeError("its server name is not ASCII")
        if self.cipher_suite not in SUITES:
            raise DecodeError(f"its cipher suite is {self.cipher_suite.name}")
        if len(self.psk) != SUITES[self.cipher_suite].hash.digest_size:
            raise DecodeError("its PSK is not as long as its hash")
        try:
            self.peer_certificates()
        except CertificateError as error:
            raise DecodeError(f"its chain: {error.detail}") from None


class SessionKey(NamedTuple):
    """Which connections may share a session."""

    host: str
    port: int
    partition: bytes
    fingerprint: bytes


class _Saved(Struct):
    host: Annotated[bytes, Opaque(0, 255)]
    port: uint16
    partition: Annotated[bytes, Opaque(0, 2**16 - 1)]
    session: Annotated[bytes, Opaque(1, 2**24 - 1)]


class _SavedCache(Struct):
    version: uint8 = VERSION
    saved: Annotated[tuple[_Saved, ...], Vector(0, 2**32 - 1)]


class SessionCache:
    """Sessions of many servers, for a ClientConfig. Shared between threads, connections and configs.

    `capacity`: how many sessions in all; `per_server`: how many of one server. The oldest go first.
    """

    key: Final = SessionKey
    """Makes what a session is put and taken by."""

    def __init__(self, *, capacity: int = 1024, per_server: int = 8) -> None:
        if capacity < 1 or per_server < 1:
            raise ConfigurationError(f"a SessionCache of {capacity} sessions, {per_server} for a server, holds none")
        self.capacity = capacity
        self.per_server = per_server
        self._lock = Lock()
        self._sessions: OrderedDict[SessionKey, list[StoredSession]] = OrderedDict()
        self._count = 0

    def put(self, key: SessionKey, session: StoredSession) -> None:
        """Keep it, if it can be used."""
        if session.is_too_long:
            return
        with self._lock:
            sessions = self._sessions.setdefault(key, [])
            self._sessions.move_to_end(key)
            sessions.append(session)
            self._count += 1
            if len(sessions) > self.per_server:
                del sessions[0]
                self._count -= 1
            while self._count > self.capacity:
                oldest, rest = next(iter(self._sessions.items()))
                del rest[0]
                self._count -= 1
                if not rest:
                    del self._sessions[oldest]

    def take(self, key: SessionKey, now: float) -> StoredSession | None:
        """The newest session that has not expired; nobody gets it again."""
        with self._lock:
            sessions = self._sessions.get(key, [])
            taken = None
            while sessions and taken is None:
                newest = sessions.pop()
                self._count -= 1
                if not newest.expired(now):
                    taken = newest
            if not sessions:
                self._sessions.pop(key, None)
            return taken

    def clear(self) -> None:
        with self._lock:
            self._sessions.clear()
            self._count = 0

    def __len__(self) -> int:
        return self._count

    def to_bytes(self) -> bytes:
        """All sessions, as secret as keys: write them to a file that only its owner can read."""
        with self._lock:
            saved = tuple(
                _Saved(
                    host=key.host.encode("ascii"), port=key.port, partition=key.partition, session=session.to_bytes()
                )
                for key, sessions in self._sessions.items()
                for session in sessions
            )
        return _SavedCache(saved=saved).encode()

    def load(self, data: bytes) -> None:
        """Add the sessions that to_bytes has saved. Raises ConfigurationError if it did not make `data`."""
        try:
            cache = _SavedCache.decode(data)
        except DecodeError as error:
            raise ConfigurationError(f"these are no saved sessions: {error.detail}") from None
        if cache.version != VERSION:
            raise ConfigurationError(f"saved sessions of version {cache.version}; this is version {VERSION}")
        sessions = [StoredSession.from_bytes(saved.session) for saved in cache.saved]
        if not all(saved.host.isascii() for saved in cache.saved):
            raise ConfigurationError("these are no saved sessions: a host name is not ASCII")
        for saved, session in zip(cache.saved, sessions, strict=True):
            host = saved.host.decode("ascii")
            self.put(SessionKey(host, saved.port, saved.partition, session.fingerprint), session)

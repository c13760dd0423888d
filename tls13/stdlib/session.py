"""ssl.SSLSession, of ours: a ticket with everything that the next connection needs."""

from __future__ import annotations

from hashlib import sha256

from ..resumption.sessions import StoredSession


class SSLSession:
    """What `SSLSocket.session` gives, and wrap_socket(session=) takes. Unlike ssl's it can be stored: `to_bytes`."""

    __slots__ = ("stored",)

    def __init__(self, stored: StoredSession) -> None:
        self.stored = stored

    @property
    def id(self) -> bytes:
        """32 bytes that name it; TLS 1.3 itself has only the ticket."""
        return sha256(self.stored.ticket).digest()

    @property
    def time(self) -> int:
        """When it was received, in seconds since 1970."""
        return self.stored.made_at_ms // 1000

    @property
    def timeout(self) -> int:
        """Seconds."""
        return self.stored.ticket_lifetime

    @property
    def ticket_lifetime_hint(self) -> int:
        """Seconds."""
        return self.stored.ticket_lifetime

    @property
    def has_ticket(self) -> bool:
        return True

    def to_bytes(self) -> bytes:
        """As secret as a key: for a file that only its owner can read."""
        return self.stored.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> SSLSession:
        """Raises tls13.ConfigurationError for what to_bytes did not make."""
        return cls(StoredSession.from_bytes(data))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SSLSession) and self.stored.ticket == other.stored.ticket

    def __hash__(self) -> int:
        return hash(self.stored.ticket)

    def __repr__(self) -> str:
        return f"<SSLSession {self.stored!r}>"


def checked_session(value: object) -> SSLSession | None:
    """As `ssl` checks what it is given."""
    if value is None or isinstance(value, SSLSession):
        return value
    raise TypeError("Value is not a SSLSession.")

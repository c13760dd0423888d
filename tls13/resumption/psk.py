"""Pre-shared keys: RFC 9846, sections 2.2 and 4.3.11. What both sides know already when the handshake begins.

A PSK comes from a ticket of an earlier connection (resumption), or was given to both sides by other means (external).
An external key that may also be used elsewhere is better imported (RFC 9258): from it one key is derived for each
hash, bound to TLS 1.3, so that no key ever serves two purposes.

Whoever uses a PSK proves it with a binder, a MAC under a key that says in its label which of the three kinds it is:
a key of one kind is no use as another.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from ..crypto.suites import SHA256, SHA384, Hash
from ..errors import ConfigurationError
from ..key_schedule import EarlySecret

Role = Literal["client", "server"]

SHORTEST_KEY = 16
"""Bytes. RFC 9257, section 6: an external PSK has at least 128 bits of entropy."""


class PskKind(bytes, Enum):
    """Where a PSK comes from; the label of its binder key (section 7.1; RFC 9258, section 5.2)."""

    RESUMPTION = b"res binder"
    EXTERNAL = b"ext binder"
    IMPORTED = b"imp binder"


RESUMPTION: Final = PskKind.RESUMPTION
"""The same, for the path of every resumption: Python 3.11 takes 54 ns for a member of an enum, 4 for a name."""


class Psk:
    """What a handshake needs of a PSK, however it came. Its repr does not show the key."""

    __slots__ = ("_age_add", "_early_secret", "_key", "_received_at", "hash", "identity", "kind", "role")

    def __init__(
        self,
        identity: bytes,
        key: bytes,
        hash: Hash,
        kind: PskKind,
        *,
        ticket_age_add: int = 0,
        received_at: float | None = None,
        role: Role | None = None,
    ) -> None:
        self.identity = identity
        """PskIdentity.identity: a ticket, or the name of an external PSK."""
        self.hash = hash
        self.kind = kind
        self.role = role
        """What whoever has it here may be with it; None: either."""
        self._key = key
        self._age_add = ticket_age_add
        self._received_at = received_at
        self._early_secret: EarlySecret | None = None

    @property
    def key(self) -> bytes:
        """As secret as it gets."""
        return self._key

    @property
    def early_secret(self) -> EarlySecret:
        """The first stage of the key schedule with this PSK; computed once."""
        if self._early_secret is None:
            self._early_secret = EarlySecret(self.hash, self._key)
        return self._early_secret

    def binder(self, transcript_hash: bytes) -> bytes:
        """PskBinderEntry (section 4.3.11.2), over the hash of everything up to the identities."""
        return self.early_secret.binder_key(self.kind).verify_data(transcript_hash)

    def obfuscated_ticket_age(self, now: float) -> int:
        """Milliseconds since the ticket came, plus its ticket_age_add, modulo 2^32 (section 4.3.11.1); 0 for a PSK
        that is not from a ticket."""
        if self._received_at is None:
            return 0
        return (int((now - self._received_at) * 1000) + self._age_add) % 2**32

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.identity[:16]!r}, {self.hash.name}, {self.kind.name.lower()}>"


class ExternalPsk(Psk):
    """A PSK that was given to both sides by other means, used as it is (section 4.3.11).

    `hash`: "sha256" or "sha384"; both sides must agree on it, and without other agreement it is SHA-256. The key must
    be random, of at least 16 bytes: a password can be guessed from one recorded handshake. One pair of peers, one
    role each: a key that several know does not say which of them one talks to (RFC 9257, section 4).

    `role`: what we are with this key, "client" or "server"; the other kind of config then refuses it. Who is both
    with one key can be made to talk to itself (Selfie; RFC 9257, section 4.1).

    Raises ConfigurationError for a key that is too short, and for an empty or too long identity.
    """

    __slots__ = ()

    def __init__(
        self, identity: bytes, key: bytes, hash: Literal["sha256", "sha384"] = "sha256", *, role: Role | None = None
    ) -> None:
        check_key(identity, key)
        super().__init__(identity, key, hash_named(hash), PskKind.EXTERNAL, role=checked_role(role))


def hash_named(name: str) -> Hash:
    for hash in (SHA256, SHA384):
        if hash.name == name:
            return hash
    raise ConfigurationError(f"a PSK's hash is sha256 or sha384, not {name!r}")


def checked_role(role: Role | None) -> Role | None:
    if role not in (None, "client", "server"):
        raise ConfigurationError(f"a PSK's role is client or server, not {role!r}")
    return role


def check_key(identity: bytes, key: bytes) -> None:
    if not 1 <= len(identity) <= 2**16 - 64:
        raise ConfigurationError(f"a PSK identity of {len(identity)} bytes; it needs 1 to {2**16 - 64}")
    if len(key) < SHORTEST_KEY:
        raise ConfigurationError(f"a PSK of {len(key)} bytes; it needs at least {SHORTEST_KEY} random ones (RFC 9257)")

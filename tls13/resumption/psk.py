# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""Pre-shared keys: RFC 9846, sections 2.2 and 4.3.11. What both sides know already when the handshake begins.

A PSK comes from a ticket of an earlier connection (resumption), or was given to both sides by other means (external).
An external key that may also be used elsewhere is better imported (RFC 9258): from it one key is derived for each
hash, bound to TLS 1.3, so that no key ever serves two purposes.

Whoever uses a PSK proves it with a binder, a MAC under a key that says in its label which of the three kinds it is:
a key of one kind is no use as another.
"""

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Literal

from ..crypto.hkdf import extract
from ..crypto.suites import SHA256, SHA384, Hash
from ..errors import ConfigurationError
from ..key_schedule import EarlySecret
from ..wire.codec import Opaque, Struct, UInt

if TYPE_CHECKING:
    from collections.abc import Sequence

Role = Literal["client", "server"]

SHORTEST_KEY = 16
"""Bytes. RFC 9257, section 6: an external PSK has at least 128 bits of entropy."""

TLS_1_3 = 0x0304
KDF_IDENTIFIERS = {SHA256.name: 1, SHA384.name: 2}
"""RFC 9258, section 10: HKDF_SHA256, HKDF_SHA384."""


class PskKind(bytes, Enum):
    """Where a PSK comes from; the label of its binder key (section 7.1; RFC 9258, section 5.2)."""

    RESUMPTION = b"res binder"
    EXTERNAL = b"ext binder"
    IMPORTED = b"imp binder"


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
        role: "Role | None" = None,
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
        self, identity: bytes, key: bytes, hash: Literal["sha256", "sha384"] = "sha256", *, role: "Role | None" = None
    ) -> None:
        _check(identity, key)
        super().__init__(identity, key, _hash(hash), PskKind.EXTERNAL, role=_role(role))


class ImportedIdentity(Struct):
    """RFC 9258, section 5.1."""

    external_identity: Annotated[bytes, Opaque(1, 2**16 - 1)]
    context: Annotated[bytes, Opaque(0, 2**16 - 1)]
    target_protocol: Annotated[int, UInt(2)]
    target_kdf: Annotated[int, UInt(2)]


def import_psk(
    identity: bytes,
    key: bytes,
    *,
    hash: Literal["sha256", "sha384"] = "sha256",
    context: bytes = b"",
    targets: "Sequence[Literal['sha256', 'sha384']]" = ("sha256", "sha384"),
    role: "Role | None" = None,
) -> tuple[Psk, ...]:
    """The PSKs that RFC 9258 derives from an external one: one for each hash in `targets`.

    `hash` is the external key's own. `context`: what it was agreed on with; naming the two roles in it keeps a peer
    from being answered with its own messages (RFC 9258, appendix A). `role`: as for ExternalPsk. Use the key for
    nothing else.

    Raises ConfigurationError as ExternalPsk does, and for no targets at all.
    """
    _check(identity, key)
    if not targets:
        raise ConfigurationError("a PSK imported for no hash is none: targets is empty")
    source = _hash(hash)
    epskx = extract(source, bytes(source.digest_size), key)
    imported = []
    for target in map(_hash, targets):
        name = ImportedIdentity(
            external_identity=identity,
            context=context,
            target_protocol=TLS_1_3,
            target_kdf=KDF_IDENTIFIERS[target.name],
        ).encode()
        _check(name, key)
        ipskx = epskx.expand_label(b"derived psk", source.new(name).digest(), target.digest_size)
        imported.append(Psk(name, ipskx, target, PskKind.IMPORTED, role=_role(role)))
    return tuple(imported)


def _hash(name: str) -> Hash:
    for hash in (SHA256, SHA384):
        if hash.name == name:
            return hash
    raise ConfigurationError(f"a PSK's hash is sha256 or sha384, not {name!r}")


def _role(role: "Role | None") -> "Role | None":
    if role not in (None, "client", "server"):
        raise ConfigurationError(f"a PSK's role is client or server, not {role!r}")
    return role


def _check(identity: bytes, key: bytes) -> None:
    if not 1 <= len(identity) <= 2**16 - 64:
        raise ConfigurationError(f"a PSK identity of {len(identity)} bytes; it needs 1 to {2**16 - 64}")
    if len(key) < SHORTEST_KEY:
        raise ConfigurationError(f"a PSK of {len(key)} bytes; it needs at least {SHORTEST_KEY} random ones (RFC 9257)")

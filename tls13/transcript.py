"""The transcript hash: RFC 9846, section 4.1.

Both sides hash the same handshake messages in the same order; everything they derive and sign is bound to it. Until
the cipher suite is known there is no hash to use, so the first messages are kept as they came. What is hashed is
always what was on the wire, never a re-encoding of what was understood.

After a HelloRetryRequest, ClientHello1 is replaced by a synthetic message_hash message that holds only its hash: a
stateless server can carry that in the cookie, and need not carry the ClientHello.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from . import errors
from .wire.registry import HandshakeType

if TYPE_CHECKING:
    import hashlib

    from .crypto.suites import Hash


class Transcript:
    """Hash(M1 || M2 || ...), over whole handshake messages with their headers."""

    __slots__ = ("_hash", "_pending", "_running")

    def __init__(self) -> None:
        self._pending: tuple[bytes, ...] = ()
        """What came before the hash was known."""
        self._hash: Hash | None = None
        self._running: hashlib._Hash | None = None

    def update(self, message: bytes) -> None:
        """Add a whole handshake message, as it was sent or received."""
        if self._running is not None:
            self._running.update(message)
        else:
            self._pending += (message,)

    def start(self, hash: Hash) -> None:
        """The cipher suite, and so the hash, is known. Starting again with the same hash changes nothing."""
        if self._hash is None:
            self._hash = hash
            self._running = hash.new(b"".join(self._pending))
            self._pending = ()
        elif self._hash is not hash:
            raise errors.InternalError("the transcript's hash cannot change")

    def retry(self, hash: Hash) -> None:
        """A HelloRetryRequest is the second message: replace the first, ClientHello1, by message_hash (4.1)."""
        client_hello1, *rest = self._pending
        self._pending = (message_hash(hash, hash.new(client_hello1).digest()), *rest)
        self.start(hash)

    def digest(self) -> bytes:
        """The hash over everything so far; the transcript goes on."""
        if self._running is None:
            raise errors.InternalError("the transcript's hash is asked for before the cipher suite is known")
        return self._running.digest()

    def fork(self) -> Self:
        """A transcript that goes its own way from here: binders, post-handshake authentication."""
        fork = type(self)()
        fork._pending = self._pending
        fork._hash = self._hash
        fork._running = self._running.copy() if self._running is not None else None
        return fork


def message_hash(hash: Hash, digest: bytes) -> bytes:
    """The synthetic message that stands for ClientHello1, made of its hash."""
    return bytes((HandshakeType.message_hash, 0, 0, hash.digest_size)) + digest

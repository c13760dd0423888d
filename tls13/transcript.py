"""The transcript hash: RFC 9846, section 4.1.

Both sides hash the same handshake messages in the same order; everything they derive and sign is bound to it. Until
the cipher suite is known there is no hash to use, so the first messages are kept as they came. What is hashed is
always what was on the wire, never a re-encoding of what was understood.

After a HelloRetryRequest, ClientHello1 is replaced by a synthetic message_hash message that holds only its hash: a
stateless server can carry that in the cookie, and need not carry the ClientHello.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from . import errors
from .wire.registry import HandshakeType

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable

    from .crypto.suites import Hash


class Transcript:
    """Hash(M1 || M2 || ...), over whole handshake messages with their headers."""

    __slots__ = ("_hash", "_pending", "_running", "digest", "update")

    update: Callable[[bytes], object]
    """Add a whole handshake message, as it was sent or received: to the list, and to the hash once it is known. It is
    their own method, as `digest` is the hash's: each is called a dozen times, and need not ask each time."""
    digest: Callable[[], bytes]
    """The hash over everything so far; the transcript goes on. InternalError before it is known."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        """What came before the hash was known."""
        self._hash: Hash | None = None
        self._running: hashlib._Hash | None = None
        self.update = self._pending.append
        self.digest = _unknown

    def start(self, hash: Hash) -> None:
        """The cipher suite, and so the hash, is known. Starting again with the same hash changes nothing."""
        if self._hash is None:
            self._run(hash, hash.new(b"".join(self._pending)))
            self._pending.clear()
        elif self._hash is not hash:
            raise errors.InternalError("the transcript's hash cannot change")

    def _run(self, hash: Hash, running: hashlib._Hash) -> None:
        self._hash, self._running = hash, running
        self.update, self.digest = running.update, running.digest

    def retry(self, hash: Hash) -> None:
        """A HelloRetryRequest is the second message: replace the first, ClientHello1, by message_hash (4.1)."""
        self._pending[0] = message_hash(hash, hash.new(self._pending[0]).digest())
        self.start(hash)

    def fork(self) -> Transcript:
        """A transcript that goes its own way from here: binders, post-handshake authentication."""
        fork = Transcript()
        if self._hash is not None and self._running is not None:
            fork._run(self._hash, self._running.copy())
        else:
            fork._pending.extend(self._pending)
        return fork


def _unknown(message: bytes = b"") -> bytes:
    raise errors.InternalError("the transcript is asked for before the cipher suite is known, or when it has ended")


ENDED: Final = Transcript()
"""In the place of one that has served its purpose: whoever still asks it is told so."""
ENDED.update = ENDED.digest = _unknown


def message_hash(hash: Hash, digest: bytes) -> bytes:
    """The synthetic message that stands for ClientHello1, made of its hash."""
    return bytes((HandshakeType.message_hash, 0, 0, hash.digest_size)) + digest

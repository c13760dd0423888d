# No "from __future__ import annotations" here: NamedTuple compiles each annotation that it gets as a string.
"""The events that few connections have, the union of all of them, and the tracer: users find them in events.py."""

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from cryptography.x509 import Certificate

from .errors import AlertDescription
from .events import ApplicationData, HandshakeCompleted, PeerClosed

if TYPE_CHECKING:
    from .crypto.suites import Suite
    from .flow import Epoch
    from .resumption.sessions import StoredSession

__all__ = [
    "AnswerAwaited",
    "ClientAuthenticated",
    "EarlyData",
    "EarlyDataAccepted",
    "EarlyDataRejected",
    "Event",
    "KeysUpdated",
    "TicketReceived",
    "Tracer",
]


class KeysUpdated(NamedTuple):
    """The peer changed its sending keys (RFC 9846, section 4.7.3)."""

    answer_requested: bool


class EarlyData(NamedTuple):
    """A server: data from before the handshake's end. Anybody can have recorded and sent it again (section 8), so act
    on it only where doing so twice does no harm."""

    data: bytes


class EarlyDataAccepted(NamedTuple):
    """A client: the server takes the early data."""


class EarlyDataRejected(NamedTuple):
    """A client: the server has thrown the early data away. It is never sent again unless you do so (4.3.10)."""

    retried: bool
    """Whether a HelloRetryRequest rejected it."""


class TicketReceived(NamedTuple):
    """A client: with this the next connection can be resumed (section 4.7.1)."""

    session: "StoredSession"


class ClientAuthenticated(NamedTuple):
    """A server: the answer to request_client_certificate (section 4.7.2). No certificates: the client declined."""

    context: bytes
    """What request_client_certificate returned."""
    peer_certificates: tuple[Certificate, ...]
    verified_chain: tuple[Certificate, ...]


class AnswerAwaited(NamedTuple):
    """A callback or a store of the config has promised an answer: await it, and call `connection.answer(event, value)`
    or `connection.answer_failed(event, error)`. tls13.aio does so by itself."""

    awaitable: Awaitable[object]


Event: TypeAlias = (
    HandshakeCompleted
    | ApplicationData
    | PeerClosed
    | KeysUpdated
    | EarlyData
    | EarlyDataAccepted
    | EarlyDataRejected
    | TicketReceived
    | ClientAuthenticated
    | AnswerAwaited
)


class Tracer(Protocol):
    """Whoever wants to watch. Called as things happen; `sent` is True for our own. A connection without a tracer
    pays nothing for it. The bytes include secrets when `secret` is called: a tracer is for learning."""

    def message(self, sent: bool, raw: bytes, epoch: "Epoch") -> None:
        """A whole handshake message, header included, sent or accepted under this epoch's protection."""

    def keys(self, sent: bool, epoch: "Epoch", suite: "Suite") -> None:
        """From here on this direction's records are protected with this epoch's keys."""

    def secret(self, label: str, secret: bytes) -> None:
        """A secret was derived; `label` as in RFC 9850. What goes into the key schedule is told too, which no key log
        has: "PSK" and "ECDHE" (the key exchange's shared secret)."""

    def record(self, sent: bool, content_type: int, length: int, epoch: "Epoch") -> None:
        """A record's content: its inner type and length in bytes (application data, alerts, change_cipher_spec)."""

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        """An alert, sent or received."""

    def verified(self, chain: Sequence[Certificate]) -> None:
        """The peer's chain was verified up to a trust anchor, the last of `chain`."""

"""What a connection tells its user: events, the negotiated session, and the tracer that a learner may listen with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from .wire.registry import ProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from .crypto.suites import Suite
    from .errors import AlertDescription
    from .flow import Epoch
    from .wire.registry import CipherSuite, NamedGroup, SignatureScheme


class Session(NamedTuple):
    """What a completed handshake agreed on. Immutable; holds no secrets."""

    cipher_suite: CipherSuite
    group: NamedGroup
    signature_scheme: SignatureScheme
    """Of the server's CertificateVerify."""
    alpn_protocol: bytes | None
    server_name: str | None
    """As the client gave it (client), or as it came in server_name (server)."""
    peer_certificates: tuple[Certificate, ...]
    """What the peer sent, end-entity certificate first; empty on a server that asked for none."""
    verified_chain: tuple[Certificate, ...]
    """The chain from the peer's certificate up to the trust anchor; empty if nothing was verified."""
    hello_retry_request: bool
    """Whether it took a HelloRetryRequest to agree."""
    version: ProtocolVersion = ProtocolVersion.TLS1_3


class HandshakeCompleted(NamedTuple):
    """The peer is authenticated as the config asks, and application data may flow both ways."""

    session: Session


class ApplicationData(NamedTuple):
    data: bytes


class PeerClosed(NamedTuple):
    """close_notify: the peer will send nothing more. Our own direction stays open (RFC 9846, section 6.1)."""


class KeysUpdated(NamedTuple):
    """The peer changed its sending keys (RFC 9846, section 4.7.3)."""

    answer_requested: bool


Event = HandshakeCompleted | ApplicationData | PeerClosed | KeysUpdated


class Tracer(Protocol):
    """Whoever wants to watch. Called as things happen; `sent` is True for our own. A connection without a tracer
    pays nothing for it. The bytes include secrets when `secret` is called: a tracer is for learning."""

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        """A whole handshake message, header included, sent or accepted under this epoch's protection."""

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        """From here on this direction's records are protected with this epoch's keys."""

    def secret(self, label: str, secret: bytes) -> None:
        """A secret was derived; `label` as in RFC 9850."""

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        """A record's content: its inner type and length in bytes (application data, alerts, change_cipher_spec)."""

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        """An alert, sent or received."""

    def verified(self, chain: Sequence[Certificate]) -> None:
        """The peer's chain was verified up to a trust anchor, the last of `chain`."""

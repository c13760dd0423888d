"""What a connection is asked besides its bytes, the same for a TLSSocket and for asyncio's TLSWriter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..crypto.suites import SUITES
from ..events import TicketReceived

if TYPE_CHECKING:
    from ..connection import Connection
    from ..events import Event, Session
    from ..resumption.sessions import StoredSession


class Facts:
    """What was agreed on, and what both ends can make of it."""

    _connection: Connection
    _tickets: list[StoredSession]
    """What `remember` has seen; shared with whoever drives the connection."""

    @property
    def connection(self) -> Connection:
        """The connection underneath."""
        return self._connection

    @property
    def session(self) -> Session | None:
        """What the handshake agreed on, and who has been authenticated since. On a client its `early_data` says what
        became of the early data: "accepted", "rejected", or None: not sent."""
        return self._connection.session

    @property
    def stored_sessions(self) -> tuple[StoredSession, ...]:
        """A client's: what the server's tickets allow to be resumed, as far as they have been read. Each is for one
        connection, by `session=` (RFC 9846, appendix C.4); a config with a SessionCache keeps them by itself."""
        return tuple(self._tickets)

    def version(self) -> str | None:
        return "TLSv1.3" if self.session is not None else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol, and bits of the key, as ssl.SSLSocket.cipher() gives them."""
        if self.session is None:
            return None
        suite = SUITES[self.session.cipher_suite]
        return suite.code.name, "TLSv1.3", 8 * suite.key_length

    def selected_alpn_protocol(self) -> str | None:
        protocol = self.session.alpn_protocol if self.session is not None else None
        return protocol.decode("ascii", "backslashreplace") if protocol is not None else None

    def getpeercert(self, binary_form: Literal[True] = True) -> bytes | None:
        """The peer's certificate in DER; None if it showed none."""
        from cryptography.hazmat.primitives.serialization import Encoding

        if self.session is None or not self.session.peer_certificates:
            return None
        return self.session.peer_certificates[0].public_bytes(Encoding.DER)

    def export_keying_material(self, label: bytes, context: bytes = b"", length: int = 32) -> bytes:
        """`length` bytes that only the two ends know, for another protocol (section 7.5). Raises UsageError."""
        return self._connection.export_keying_material(label, context, length)

    def channel_binding(self) -> bytes:
        """tls-exporter (RFC 9266), 32 bytes: binds an authentication above TLS to this connection."""
        return self._connection.channel_binding()


def remember(event: Event | None, tickets: list[StoredSession]) -> None:
    """Keep a ticket; how many there are is limited by the config's max_tickets."""
    if isinstance(event, TicketReceived):
        tickets.append(event.session)

"""ssl.SSLSocket and ssl.SSLObject, with what `ssl` does not give."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..events import Session
    from .channel import Channel


STANDARD = ssl.SSLSocket
"""The standard library's class, or the one that has taken its place (gevent): later the name may mean another."""


class Beyond:
    """What both have more than `ssl`'s. All of it is about one connection, and works once it is established."""

    _sslobj: Any

    @property
    def _channel(self) -> Channel:
        if self._sslobj is None:
            raise ValueError("No SSL wrapper around " + str(self))
        channel: Channel = self._sslobj
        return channel

    @property
    def negotiated(self) -> Session | None:
        """Everything that the handshake agreed on (tls13.Session)."""
        return self._channel.agreed

    def group(self) -> str | None:
        """The key exchange's group."""
        return self._channel.group()

    def server_sigalg(self) -> str | None:
        """What the server has signed the handshake with."""
        return self._channel.server_sigalg()

    def client_sigalg(self) -> str | None:
        """What the client has signed the handshake with, if it did."""
        return self._channel.client_sigalg()

    def export_keying_material(self, label: bytes | str, length: int, context: bytes = b"") -> bytes:
        """`length` bytes that only the two ends of this connection know (RFC 9846, section 7.5)."""
        raw = label.encode("ascii") if isinstance(label, str) else label
        return self._channel.connection.export_keying_material(raw, context, length)

    @property
    def ocsp_response(self) -> bytes | None:
        """The OCSP response (DER) that the server stapled, verified."""
        session = self.negotiated
        return session.ocsp_response if session is not None else None

    def close_writing(self) -> None:
        """close_notify in our direction only: the peer may go on sending, and we go on reading."""
        self._channel.close_writing()

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Change our sending keys, and ask the peer to change its own (section 4.7.3)."""
        self._channel.update_keys(request_peer=request_peer)

    def send_early_data(self, data: bytes) -> None:
        """A client's: what goes with the ClientHello, if it is called before do_handshake and the session allows that
        much. Anybody may send it again (section 8). Whether the server took it is `early_data`."""
        self._channel.send_early_data(data)

    def read_early_data(self) -> bytes:
        """A server's: what came before the handshake was complete, and may have been sent by anybody before."""
        return self._channel.read_early_data()

    @property
    def early_data(self) -> str | None:
        """ "accepted", or "rejected", and then it is for the program to send it again, or not; None: none was sent."""
        session = self.negotiated
        return session.early_data if session is not None else None


class SSLSocket(Beyond, STANDARD):
    """As ssl.SSLSocket; what it has more is in Beyond."""

    def accept(self) -> tuple[SSLSocket, Any]:
        """A new connection, and the client's address. It does not wait for the client to say anything, as `ssl` does:
        one that stays silent would keep all others out. The handshake is made when the connection is first used, and
        what is wrong with it is raised then."""
        sock, address = super(STANDARD, self).accept()  # not its own, which would wait
        options: Any = self  # attributes that the type checker does not know of
        wrapped: Any = self.context.wrap_socket(
            sock, server_side=True, do_handshake_on_connect=False, suppress_ragged_eofs=options.suppress_ragged_eofs
        )
        wrapped.do_handshake_on_connect = wrapped._channel.handshake_owed = options.do_handshake_on_connect
        return wrapped, address

    def setblocking(self, flag: bool, /) -> None:
        """After accept: a program that will not wait any more expects, as with `ssl`, that the handshake is done."""
        if not flag:
            self._make_owed_handshake()
        super().setblocking(flag)

    def settimeout(self, value: float | None, /) -> None:
        """0 is as setblocking(False)."""
        if value == 0:
            self._make_owed_handshake()
        super().settimeout(value)

    def _make_owed_handshake(self) -> None:
        """Under the time-out that the socket has, unless it is non-blocking already."""
        channel: Channel | None = self._sslobj
        if channel is not None and channel.handshake_owed and self.gettimeout() != 0:
            channel.make_owed_handshake()

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """Also "tls-exporter" (RFC 9266)."""
        if self._sslobj is not None:
            return self._sslobj.get_channel_binding(cb_type)  # type: ignore[no-any-return]  # C's, to the type checker
        if cb_type not in ("tls-unique", "tls-exporter"):
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return None


class SSLObject(Beyond, ssl.SSLObject):
    """As ssl.SSLObject; what it has more is in Beyond."""

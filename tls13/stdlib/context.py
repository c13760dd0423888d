"""tls13.SSLContext: an ssl.SSLContext whose connections run on this engine.

It *is* an ssl.SSLContext, so whatever asks for one takes it: what it inherits stores the plain settings
(settings.py). Two hooks, `_wrap_socket` and `_wrap_bio`, make the object that does the work (channel.py); they are
private to CPython, the same from 3.8 to 3.13, and tests hold them for each version.

There is no fallback: TLS 1.3 or nothing. The frozen config that all settings come to is `client_config` or
`server_config` (configs.py).
"""

from __future__ import annotations

import os
import ssl
import sys
from typing import TYPE_CHECKING, Any, Self

from .channel import Channel
from .configs import Configured
from .failures import wrong_role
from .sockets import SSLObject, SSLSocket
from .wire import BioWire, SocketWire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ..config import IdentityChooser
    from ..resumption.sessions import SessionCache
    from ..resumption.tickets import SealedTickets
    from ..trust.verify import Verifier
    from .judge import VerifyCallback
    from .loading import StrOrBytesPath
    from .session import SSLSession


class SSLContext(Configured):
    """As ssl.SSLContext, for TLS 1.3; and what `ssl` does not give:

    load_cert_chain from bytes (PEM, PKCS#12) and objects, add_identity; set_ciphersuites, set_groups,
    set_signature_schemes; set_verifier, set_verify_callback; set_identity_chooser; sessions, on_session; early_data,
    max_early_data; set_config, client_config, server_config.
    """

    sslsocket_class = SSLSocket
    sslobject_class = SSLObject

    early_data: bytes | None = None
    """What each new client connection sends with its ClientHello, if its session allows it: anybody may send it again
    (RFC 9846, section 8). For one connection only: send_early_data."""
    on_session: Callable[[SSLSession], None] | None = None
    """Is called with each session that a server gives."""

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls, protocol, *args, **kwargs)
        self._made, self._extra = {}, {}
        self._kept = {} if self.protocol == ssl.PROTOCOL_TLS_CLIENT else {"tickets": _forked_tickets()}
        self._process = os.getpid()
        return self

    # --- the two hooks --------------------------------------------------------------------------------------------

    def _wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object = None,
        session: SSLSession | None = None,
    ) -> Channel:
        return self._channel(SocketWire(sock), server_side, server_hostname, owner, session)

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object = None,
        session: SSLSession | None = None,
    ) -> Channel:
        for bio in (incoming, outgoing):
            if not isinstance(bio, ssl.MemoryBIO):
                raise TypeError(f"wrap_bio takes two ssl.MemoryBIO objects, not {type(bio).__name__}")
        return self._channel(BioWire(incoming, outgoing), server_side, server_hostname, owner, session)

    def _channel(
        self,
        wire: SocketWire | BioWire,
        server_side: bool,
        server_hostname: str | bytes | None,
        owner: object,
        session: SSLSession | None,
    ) -> Channel:
        if server_side and self.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise wrong_role("server", "PROTOCOL_TLS_CLIENT")
        if not server_side and self.protocol == ssl.PROTOCOL_TLS_SERVER:
            raise wrong_role("client", "PROTOCOL_TLS_SERVER")
        if isinstance(server_hostname, bytes):
            server_hostname = server_hostname.decode("ascii")
        if server_hostname == "" or (server_hostname or "").startswith("."):
            raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
        return Channel(
            self, wire, server_side=server_side, server_hostname=server_hostname, owner=owner, session=session
        )

    # --- beyond ssl -----------------------------------------------------------------------------------------------

    def set_verifier(self, verifier: Verifier | None) -> None:
        """Judges the peer's chain in place of what was loaded (tls13.trust.verify.Verifier)."""
        self._verifier = verifier
        self._changed()

    def set_verify_callback(self, callback: VerifyCallback | None) -> None:
        """callback(verification) -> bool has the last word on each chain (tls13.stdlib.judge.Verification): it is told
        what was found out, good or bad. What it believes is believed, so let it ask for more, not for less."""
        self._callback = callback
        self._callback_mark = os.urandom(32)
        self._changed()

    def set_identity_chooser(self, choose: IdentityChooser | None) -> None:
        """A client's: called with each CertificateRequest, it returns a tls13.Identity or None."""
        self._choose_identity = choose
        self._changed()

    @property
    def sessions(self) -> SessionCache | None:
        """A tls13.SessionCache, which contexts may share: connections resume by themselves, under asyncio too."""
        return self._sessions

    @sessions.setter
    def sessions(self, cache: SessionCache | None) -> None:
        self._sessions = cache
        self._changed()

    @property
    def max_early_data(self) -> int:
        """A server's: how many bytes of early data a ticket allows; 0, the default, is none.

        A process that was forked after the context was made takes none, unless set_config(replay_guard=) gives a guard
        whose store all processes share: each would take the same once.
        """
        return self._max_early_data

    @max_early_data.setter
    def max_early_data(self, size: int) -> None:
        self._max_early_data = size
        self._changed()

    def session_received(self, session: SSLSession) -> None:
        """A server has given this session."""
        if self.on_session is not None:
            self.on_session(session)


def _forked_tickets() -> SealedTickets:
    from ..resumption.tickets import SealedTickets  # a client has no use for it
    from .forks import ForkedTicketKeys

    return SealedTickets(ForkedTicketKeys())


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: StrOrBytesPath | None = None,
    capath: StrOrBytesPath | None = None,
    cadata: Any = None,
) -> SSLContext:
    """As ssl.create_default_context: verification on for clients, off for servers, the system's trust store unless
    another is named, and a key log if SSLKEYLOGFILE is set.

    It reads files, and nothing later does: under asyncio, `await asyncio.to_thread(tls13.create_default_context)`.
    """
    if purpose == ssl.Purpose.SERVER_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    elif purpose == ssl.Purpose.CLIENT_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    else:
        raise TypeError(f"purpose is one of ssl.Purpose, not {purpose!r}")
    if sys.version_info >= (3, 13):  # as `ssl` itself
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(purpose)
    path = os.environ.get("SSLKEYLOGFILE")
    if path:
        context.keylog_filename = path
    return context

"""What stands in for C's `_ssl._SSLSocket`: the object below ssl.SSLSocket and ssl.SSLObject.

The standard library's two classes stay as they are, so that programs which ask `isinstance(sock, ssl.SSLSocket)` are
answered as ever; all that they do goes through some twenty methods of one object, and that object is ours. It drives a
Connection over a Wire (wire.py), and says everything that goes wrong in `ssl`'s words (failures.py).

One thread may read while another writes: each direction has its lock. What the reader owes the peer (an alert, the
answer to a KeyUpdate) it sends itself if nobody is writing, and otherwise the writer does.
"""

from __future__ import annotations

import ssl
import weakref
from threading import Lock
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from ..connection import ClientConnection, ServerConnection
from ..crypto.suites import SUITES
from ..errors import Abort, AlertDescription, TLSError, UsageError
from ..events import ApplicationData, ClientAuthenticated, EarlyData, PeerClosed, TicketReceived
from .failures import translated
from .peercert import peercert
from .session import SSLSession

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from ..config import ServerConfig
    from ..events import Event
    from ..wire.messages import ClientHello
    from .context import SSLContext
    from .wire import Wire

LARGEST_WRITE = 2**16
"""Bytes that one write to a socket takes: what a retry must repeat, and what is held for a peer that does not read.
Programs over memory BIOs (trio, anyio) count on a write that takes everything, as OpenSSL's does."""


class RawCertificate:
    """What C calls _ssl.Certificate: ssl.SSLSocket.get_verified_chain asks it for its bytes."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def public_bytes(self, format: int = 1) -> str | bytes:
        """1: PEM, 2: DER (_ssl.ENCODING_PEM, _ssl.ENCODING_DER)."""
        if format == 2:
            return self._certificate.public_bytes(Encoding.DER)
        return self._certificate.public_bytes(Encoding.PEM).decode("ascii")

    def get_info(self) -> dict[str, object]:
        return peercert(self._certificate)


class ServernameRefused(Abort):
    """The program's sni_callback has refused the connection, with an alert of its choice."""

    section = "3"
    rfc = "RFC 6066"
    says = "the server's sni_callback refuses this name"

    def __init__(self, alert: AlertDescription) -> None:
        super().__init__(alert.name)
        self.alert = alert  # type: ignore[misc]  # of a class elsewhere; here the program decides


class Channel:
    """One TLS connection, as the `ssl` module sees it."""

    def __init__(
        self,
        context: SSLContext,
        wire: Wire,
        *,
        server_side: bool,
        server_hostname: str | None,
        owner: object,
        session: SSLSession | None,
        returns: object,
    ) -> None:
        self._context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self._owner = weakref.ref(owner)
        self._wire = wire
        self._returns = returns
        """What shutdown gives: the socket below."""
        self._plain = memoryview(b"")
        self._early_data = bytearray()
        self._unsent = memoryview(b"")
        self._promised = 0
        """Bytes of a write that are on their way, of which the caller has not been told: it will call again."""
        self._eof = self._peer_closed = False
        self._read_lock, self._write_lock = Lock(), Lock()
        self._session: SSLSession | None = None
        self._failure: ssl.SSLError | None = None
        self._sni_error: BaseException | None = None
        self.connection: ClientConnection | ServerConnection
        try:
            if server_side:
                self.connection = ServerConnection(context.server_config, select=self._select)
            else:
                stored = session.stored if session is not None else None
                self.connection = ClientConnection(
                    context.client_config,
                    server_hostname=server_hostname,
                    session=stored,
                    early_data=context.early_data,
                )
        except UsageError as error:
            raise translated(error) from error

    # --- the handshake --------------------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Until it is complete, as far as the wire allows: SSLWantReadError and SSLWantWriteError ask for more."""
        self._wire.begin("handshake")
        with self._read_lock:
            self._handshake()

    def _handshake(self) -> None:
        self._check_failed()
        while True:
            self._flush()
            if self.connection.handshake_complete:
                return
            event = self._next_event()
            if event is None and not self.connection.handshake_complete:
                self._flush()
                self._fill()

    def _select(self, hello: ClientHello) -> ServerConfig | None:
        """sni_callback, with its way of answering: another context on the object, None, or the number of an alert."""
        callback: Any = self._context.sni_callback
        if callback is None:
            return None
        name = hello.server_name
        try:
            answer = callback(self._owner(), name, self._context)
        except Exception as error:
            # `ssl` ends the handshake with handshake_failure and lets the interpreter report the exception.
            self._sni_error = error
            raise ServernameRefused(AlertDescription.handshake_failure) from error
        if answer is None:
            return self._context.server_config
        if not isinstance(answer, int):
            raise ServernameRefused(AlertDescription.internal_error)
        try:
            alert = AlertDescription(answer)
        except ValueError:
            alert = AlertDescription.internal_error
        raise ServernameRefused(alert)

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, length: int = 1024, buffer: Any = None) -> Any:
        """bytes, or with a buffer how many were put into it. b"" and 0: the peer has closed its side."""
        if buffer is None and length < 0:
            raise ValueError("size should not be negative")
        view = None
        if buffer is not None:
            view = memoryview(buffer).cast("B")
            length = min(length, len(view)) if length > 0 else len(view)
        if length == 0:
            return 0 if view is not None else b""
        self._wire.begin("read")
        with self._read_lock:
            if not self._plain:
                self._read_more()
            taken = self._plain[:length]
            self._plain = self._plain[len(taken) :]
        if view is None:
            return bytes(taken)
        view[: len(taken)] = taken
        return len(taken)

    def _read_more(self) -> None:
        """Until there is something to give, or the peer has closed."""
        self._check_failed()
        if not self.connection.handshake_complete:
            self._handshake()
        while not self._peer_closed:
            event = self._next_event()
            if isinstance(event, ApplicationData):
                self._plain = memoryview(event.data)
                return
            if event is None:
                self._flush(waiting=False)
                self._fill()

    def _fill(self) -> None:
        """One receive: no more than what the record still needs, so that nothing complete is kept here while the
        program looks for it below (uvloop asks `incoming.pending` and our `pending`, others select a descriptor)."""
        data = self._wire.receive(self.connection.bytes_needed)
        if data:
            self.connection.receive_data(data)
        elif self._eof:
            self._fail(self.connection_error())
        else:
            self._eof = True
            self.connection.receive_eof()

    def connection_error(self) -> ssl.SSLError:
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "EOF occurred in violation of protocol")

    def _next_event(self) -> Event | None:
        """The next event, after what concerns nobody else has been dealt with. Raises `ssl`'s exceptions."""
        try:
            event = self.connection.next_event()
        except TLSError as error:
            failure = translated(error)
            self._flush_alert()
            self._failure = failure
            raise failure from error
        if isinstance(event, PeerClosed):
            self._peer_closed = True
        elif isinstance(event, TicketReceived):
            self._session = SSLSession(event.session)
            self._context.session_received(event.session)
        elif isinstance(event, EarlyData):
            self._early_data += event.data
        elif isinstance(event, ClientAuthenticated):
            self._client_authenticated(event)
        return event

    def _client_authenticated(self, event: ClientAuthenticated) -> None:
        """With CERT_REQUIRED, a client that declines is refused, as OpenSSL does."""
        if not event.peer_certificates and self._context.verify_mode is ssl.CERT_REQUIRED:
            self._fail(ssl.SSLError(ssl.SSL_ERROR_SSL, "[SSL: PEER_DID_NOT_RETURN_A_CERTIFICATE]"))

    def _fail(self, failure: ssl.SSLError) -> None:
        self._failure = failure
        raise failure

    def _check_failed(self) -> None:
        if self._failure is not None:
            raise self._failure

    def pending(self) -> int:
        return len(self._plain)

    # --- writing --------------------------------------------------------------------------------------------------

    def write(self, data: Any) -> int:
        """How many bytes were taken. After SSLWantWriteError the same must be offered again, as with OpenSSL."""
        view = memoryview(data).cast("B")
        self._wire.begin("write")
        if not self.connection.handshake_complete and not self.connection.may_send_before_finished:
            with self._read_lock:
                self._handshake()
        if self._failure is not None and not self._peer_closed:
            raise self._failure
        with self._write_lock:
            self._send_pending()
            taken, self._promised = self._promised, 0
            while taken < len(view) and (not taken or self._wire.never_waits):
                chunk = view[taken : taken + LARGEST_WRITE]
                self._encrypt(chunk)
                self._promised = len(chunk)
                self._send_pending()
                taken, self._promised = taken + self._promised, 0
        return taken

    def _encrypt(self, chunk: memoryview) -> None:
        try:
            self.connection.send_data(chunk)
        except UsageError as error:  # after shutdown
            raise ssl.SSLZeroReturnError(
                ssl.SSL_ERROR_ZERO_RETURN, "TLS/SSL connection has been closed (EOF)"
            ) from error
        except TLSError as error:
            raise translated(error) from error

    def _flush(self, *, waiting: bool = True) -> None:
        """Send what is owed. A reader does not wait for somebody who is writing, nor for a full buffer."""
        if not (self._unsent or self.connection.wants_send):
            return
        if not self._write_lock.acquire(blocking=waiting):
            return
        try:
            self._send_pending()
        except ssl.SSLWantWriteError:
            if waiting:
                raise
        finally:
            self._write_lock.release()

    def _flush_alert(self) -> None:
        """The peer is told why, if that is possible at once."""
        try:
            self._flush(waiting=False)
        except OSError:
            return
        self._wire.drain()

    def _send_pending(self) -> None:
        while self._unsent or self.connection.wants_send:
            if not self._unsent:
                self._unsent = memoryview(self.connection.data_to_send())
            while self._unsent:
                self._unsent = self._unsent[self._wire.send(self._unsent) :]

    # --- closing --------------------------------------------------------------------------------------------------

    def shutdown(self) -> object:
        """close_notify, and then the peer's (ssl.SSLSocket.unwrap). Gives the socket below."""
        self._wire.begin("read")
        self._check_failed()
        if not self.connection.handshake_complete:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "[SSL: SHUTDOWN_WHILE_IN_INIT] shutdown while in init")
        self.close_writing()
        with self._read_lock:
            while not self._peer_closed:
                event = self._next_event()
                if isinstance(event, ApplicationData) or self._plain:
                    raise ssl.SSLError(
                        ssl.SSL_ERROR_SSL,
                        "[SSL: APPLICATION_DATA_AFTER_CLOSE_NOTIFY] application data after close notify",
                    )
                if event is None:
                    self._fill()
        return self._returns

    def close_writing(self) -> None:
        """close_notify: we send nothing more; reading goes on (one-way close)."""
        with self._write_lock:
            self.connection.close()
            self._send_pending()

    # --- what was agreed ------------------------------------------------------------------------------------------

    @property
    def context(self) -> SSLContext:
        return self._context

    @context.setter
    def context(self, context: SSLContext) -> None:
        if not hasattr(context, "server_config"):
            raise TypeError(f"context must be a tls13.SSLContext, not {type(context).__name__}")
        self._context = context

    @property
    def owner(self) -> object:
        return self._owner()

    @owner.setter
    def owner(self, owner: object) -> None:
        self._owner = weakref.ref(owner)

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate: DER, or a dict, which is empty if it was not verified; None if it has none."""
        if not self.connection.handshake_complete:
            raise ValueError("handshake not done yet")
        session = self.connection.session
        if session is None or not session.peer_certificates:
            return None
        certificate = session.peer_certificates[0]
        if binary_form:
            return certificate.public_bytes(Encoding.DER)
        return peercert(certificate) if session.verified_chain else {}

    def get_verified_chain(self) -> list[RawCertificate] | None:
        session = self.connection.session
        return _raw(session.verified_chain or session.peer_certificates) if session is not None else None

    def get_unverified_chain(self) -> list[RawCertificate] | None:
        session = self.connection.session
        return _raw(session.peer_certificates) if session is not None else None

    def cipher(self) -> tuple[str, str, int] | None:
        session = self.connection.session
        if session is None:
            return None
        return session.cipher_suite.name, "TLSv1.3", SUITES[session.cipher_suite].key_length * 8

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        if not self.server_side or not self.connection.handshake_complete:
            return None
        ours = self.connection.config.cipher_suites
        return [(code.name, "TLSv1.3", SUITES[code].key_length * 8) for code in ours]

    def compression(self) -> None:
        """TLS 1.3 has none."""

    def version(self) -> str | None:
        return "TLSv1.3" if self.connection.handshake_complete else None

    def selected_alpn_protocol(self) -> str | None:
        session = self.connection.session
        if session is None or session.alpn_protocol is None:
            return None
        return session.alpn_protocol.decode("ascii", "backslashreplace")

    def group(self) -> str | None:
        session = self.connection.session
        return session.group.name if session is not None and session.group is not None else None

    def server_sigalg(self) -> str | None:
        session = self.connection.session
        return session.signature_scheme.name if session is not None and session.signature_scheme is not None else None

    def client_sigalg(self) -> str | None:
        session = self.connection.session
        return session.client_scheme.name if session is not None and session.client_scheme is not None else None

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """tls-exporter (RFC 9266). tls-unique is not defined for TLS 1.3, so there is none."""
        if cb_type == "tls-unique":
            return None
        if cb_type != "tls-exporter":
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return self.connection.channel_binding() if self.connection.handshake_complete else None

    # --- sessions, and authentication later ------------------------------------------------------------------------

    @property
    def session(self) -> SSLSession | None:
        return self._session

    @session.setter
    def session(self, session: SSLSession) -> None:
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        raise ValueError("Cannot set session after handshake." if self.connection.handshake_complete else
                         "Give the session to wrap_socket: the ClientHello that offers it is made there.")  # fmt: skip

    @property
    def session_reused(self) -> bool | None:
        session = self.connection.session
        return session.resumed if session is not None else None

    def verify_client_post_handshake(self) -> bool:
        """Ask the client for a certificate (RFC 9846, section 4.7.2); its answer comes with what is read next."""
        if not isinstance(self.connection, ServerConnection):
            raise _library_error("WRONG_SSL_VERSION", "only a server asks for certificates")
        try:
            with self._write_lock:
                self.connection.request_client_certificate()
        except UsageError as error:
            raise _library_error("EXTENSION_NOT_RECEIVED", str(error)) from error
        self._wire.begin("write")
        self._flush()
        return True

    # --- beyond ssl -------------------------------------------------------------------------------------------------

    def read_early_data(self) -> bytes:
        """What a client sent before the handshake was complete; anybody may have sent it again (section 8)."""
        data, self._early_data = bytes(self._early_data), bytearray()
        return data


def _raw(chain: Sequence[x509.Certificate]) -> list[RawCertificate]:
    return [RawCertificate(certificate) for certificate in chain]


def _library_error(reason: str, says: str) -> ssl.SSLError:
    made = ssl.SSLError(ssl.SSL_ERROR_SSL, f"[SSL: {reason}] {says}")
    made.reason, made.library = reason, "SSL"
    return made

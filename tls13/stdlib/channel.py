"""What stands in for C's `_ssl._SSLSocket`: the object below ssl.SSLSocket and ssl.SSLObject.

The standard library's two classes stay as they are, so that programs which ask `isinstance(sock, ssl.SSLSocket)` are
answered as ever; all that they do goes through some twenty methods of one object, and that object is ours. It drives a
Connection over a Wire (wire.py), tells what was agreed (facts.py), and says everything that goes wrong in `ssl`'s words
(failures.py).

One thread may read while another writes: each direction has its lock. What the reader owes the peer (an alert, the
answer to a KeyUpdate) it sends itself if nobody is writing, and otherwise the writer does.

Nothing is taken from the wire that is not handed out, or counted by `pending`: a program that has read all that waits
for its descriptor, and would wait for bytes that we have. How that is done is the wire's business.
"""

from __future__ import annotations

import ssl
import weakref
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

from .. import errors
from ..config import ClientConfig, ServerConfig
from ..connection import ClientConnection, ServerConnection
from ..errors import TLSError, UsageError
from ..events import ApplicationData, ClientAuthenticated, EarlyData, PeerClosed, TicketReceived
from ..io.refusal import refuse_awaiting
from .failures import both_closed, library_error, ragged_end, translated
from .later import Later
from .servername import ask_program, check_name
from .session import SSLSession, checked_session
from .wire import LARGEST_WRITE

if TYPE_CHECKING:
    from ..connection import Connection
    from ..events import Event
    from .context import SSLContext
    from .wire import Wire


NOTHING = memoryview(b"")
FLIGHT = 2**12
"""Bytes that a peer sends of the handshake at a time, as a rule."""


class Channel(Later):
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
    ) -> None:
        self._context = context
        self.server_side = server_side
        self.server_hostname = server_hostname
        self._owner = weakref.ref(owner)
        self._wire = wire
        self._plain = b""
        self._taken = 0
        """How many bytes of `_plain` have been read."""
        self._early_data = bytearray()
        self._unsent = NOTHING
        self._promised = 0
        """Bytes of a write that are on their way, of which the caller has not been told: it will call again."""
        self._peer_closed = self._unwrapped = False
        self._read_lock, self._write_lock = Lock(), Lock()
        self._failure: ssl.SSLError | None = None
        self._late: Exception | None = None
        """Found behind data that is delivered first: the next read raises it."""
        self._session = checked_session(session)
        self._connection: ClientConnection | ServerConnection | None = None
        # The config now, the connection when it is needed: by then the context may say something else.
        self._config = context.server_config if server_side else context.client_config
        if server_hostname is not None:
            check_name(server_hostname)
        elif isinstance(self._config, ClientConfig) and self._config.needs_server_name:
            raise ValueError("check_hostname requires server_hostname")

    @property
    def connection(self) -> ClientConnection | ServerConnection:
        """What does the work; made, with its ClientHello, when it is first needed."""
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> ClientConnection | ServerConnection:
        context, config = self._context, self._config
        if isinstance(config, ServerConfig):
            return ServerConnection(
                config, select=partial(ask_program, self) if context.sni_callback is not None else None
            )
        return ClientConnection(
            config,
            server_hostname=self.server_hostname,
            port=self._wire.port if config.sessions is not None else None,
            session=self._session.stored if self._session is not None else None,
            early_data=bytes(self._early_data) or context.early_data,
        )

    @property
    def started(self) -> bool:
        """Whether the handshake has begun: what it begins with cannot be changed any more."""
        return self._connection is not None

    # --- the handshake --------------------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Until it is complete, as far as the wire allows: SSLWantReadError and SSLWantWriteError ask for more."""
        self._handshake_by(self._wire.deadline())

    def _handshake_by(self, deadline: float | None) -> None:
        self._wire.hold(self._read_lock, "handshake", deadline)
        try:
            self._handshake()
        finally:
            self._read_lock.release()

    def _handshake(self) -> None:
        self._check_failed()
        connection = self.connection
        try:
            while not connection.handshake_complete:
                if self._next_event() is None and not connection.handshake_complete:
                    self._flush()
                    self._wire.feed(connection, FLIGHT)
        finally:
            self._wire.settle(connection)
        try:
            self._flush()
        except (BrokenPipeError, ConnectionResetError):
            if not self.server_side:
                raise
            # The client has gone already, without waiting for its tickets: that is no failure of the handshake.

    # --- reading --------------------------------------------------------------------------------------------------

    def read(self, length: int = 1024, buffer: Any = None) -> Any:
        """bytes, or with a buffer how many were put into it. b"" and 0: the peer has closed its side."""
        if buffer is None and length < 0:
            raise ValueError("size should not be negative")
        view = None
        if buffer is not None:
            view = memoryview(buffer).cast("B")
            if view.readonly:  # found out now, before anything is read that would be lost
                raise TypeError("the buffer to read into cannot be written to")
            length = min(length, len(view)) if length > 0 else len(view)
        if length == 0:
            return 0 if view is not None else b""
        self._wire.hold(self._read_lock, "read", self._wire.deadline())
        try:
            pieces = [self._rest(length)] if self._taken < len(self._plain) else self._pieces(length)
        finally:
            self._read_lock.release()
        if view is None:
            return b"".join(pieces)
        filled = 0
        for piece in pieces:
            end = filled + len(piece)
            view[filled:end] = piece
            filled = end
        return filled

    def _rest(self, length: int) -> bytes:
        """At most `length` bytes of the record that is open."""
        plain, first = self._plain, self._taken
        if not first and len(plain) <= length:
            self._plain = b""
            return plain
        self._taken = last = min(first + length, len(plain))
        return plain[first:last]

    def _pieces(self, length: int) -> list[bytes]:
        """At most `length` bytes, of as many records as the wire has shown us; waits only for the first."""
        pieces = []
        try:
            self._read_more(length)
            while True:
                piece = self._rest(length)
                pieces.append(piece)
                length -= len(piece)
                if not length or self._wire.one_at_a_time or not self._open_another():
                    return pieces
        finally:
            if self._connection is not None:
                self._wire.settle(self._connection)

    def _open_another(self) -> bool:
        """The next record's data, if all of it is here."""
        connection = self.connection
        while not connection.bytes_needed and not self._peer_closed:
            unread = connection.unread
            try:
                event = self._next_event()
            except Exception as error:  # noqa: BLE001  # a callback's too: the data before is delivered first
                self._late = error
                return False
            if self._peer_closed:
                self._wire.leave(unread - connection.unread)
            if isinstance(event, ApplicationData):
                self._plain, self._taken = event.data, 0
                return True
        return False

    def _read_more(self, wanted: int) -> None:
        """Until there is something to give, or the peer has closed."""
        self._plain, self._taken = b"", 0
        if self._late is not None:
            late, self._late = self._late, None
            raise late
        if self._peer_closed:
            self._wire.take_what_was_left()
            self._check_unwrapped()
            return
        self._check_failed()
        connection = self._connection or self.connection
        if not connection.handshake_complete:
            self._handshake()
        event = self._next_event() if connection.may_have_event else None
        while not self._peer_closed:
            if event is None:
                if self._unsent or connection.wants_send:
                    self._flush(waiting=False)
                try:
                    self._wire.feed(connection, wanted)
                except ConnectionResetError as error:  # to `ssl` another ragged end: who leaves early resets
                    raise ragged_end() from error
            elif isinstance(event, ApplicationData):
                self._plain = event.data
                return
            event = self._next_event()
        self._check_unwrapped()

    def _check_unwrapped(self) -> None:
        """b"" says that the peer has closed its side. That both have is an exception, to `ssl` (and to asyncio)."""
        if self._unwrapped:
            raise both_closed()

    def _next_event(self) -> Event | None:
        """The next event, after what concerns nobody else has been dealt with. Raises `ssl`'s exceptions."""
        connection = self._connection or self.connection
        try:
            event = connection.next_event()
            if event is None or type(event) is ApplicationData:  # as nearly always
                return event
            refuse_awaiting(connection, event)
        except TLSError as error:
            self._failure = translated(error)
            self._flush_alert()
            raise self._failure from error
        except Exception:  # a callback's: it is raised as it was, but the peer is told first
            self._flush_alert()
            raise
        if isinstance(event, PeerClosed):
            self._peer_closed = True
        elif isinstance(event, TicketReceived):
            self._session = SSLSession(event.session)
            self._context.session_received(self._session)
        elif isinstance(event, EarlyData):
            self._early_data += event.data
        elif isinstance(event, ClientAuthenticated):
            self._client_authenticated(event)
        return event

    def _client_authenticated(self, event: ClientAuthenticated) -> None:
        """With CERT_REQUIRED, a client that declines is refused, as OpenSSL does."""
        if not event.peer_certificates and self._context.verify_mode is ssl.CERT_REQUIRED:
            error = errors.CertificateRequired("the client declines to show one")
            self._failure = translated(error)
            self.connection.abandon(error)
            self._flush_alert()
            raise self._failure from error

    def _check_failed(self) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)  # each time it is raised it would grow

    def pending(self) -> int:
        return len(self._plain) - self._taken

    # --- writing --------------------------------------------------------------------------------------------------

    def write(self, data: Any) -> int:
        """How many bytes were taken. After SSLWantWriteError the same must be offered again, as with OpenSSL."""
        view = data if type(data) is bytes and len(data) <= LARGEST_WRITE else memoryview(data).cast("B")
        deadline = self._wire.deadline()
        self._check_failed()
        connection = self._connection or self.connection
        if not connection.handshake_complete and not connection.may_send_before_finished:
            self._handshake_by(deadline)
        self._wire.hold(self._write_lock, "write", deadline)
        try:
            if len(view) < self._promised:
                raise library_error("BAD_WRITE_RETRY", f"{self._promised} bytes are on their way: offer them again")
            if self._unsent:
                self._send_pending()
            taken, self._promised = self._promised, 0
            while taken < len(view) and (not taken or self._wire.takes_all):
                chunk = view[taken : taken + LARGEST_WRITE]
                self._encrypt(connection, chunk)
                self._promised = len(chunk)
                self._send_pending()
                taken, self._promised = taken + self._promised, 0
        finally:
            self._write_lock.release()
        return taken

    def _encrypt(self, connection: Connection, chunk: bytes | memoryview) -> None:
        try:
            connection.send_data(chunk)
        except UsageError as error:
            raise library_error("PROTOCOL_IS_SHUTDOWN", "close_notify has been sent") from error
        except TLSError as error:
            raise translated(error) from error

    def _flush(self, *, waiting: bool = True) -> None:
        """Send what is owed. A reader does not wait for somebody who is writing, nor for a full buffer; and that the
        peer has gone it hears when it reads."""
        if not (self._unsent or self.connection.wants_send):
            return
        if not self._write_lock.acquire(blocking=waiting):
            return
        try:
            self._send_pending(waiting=waiting)
        except OSError:
            if waiting:
                raise
        finally:
            self._write_lock.release()

    def _flush_alert(self) -> None:
        """The peer is told why, if that is possible at once."""
        self._flush(waiting=False)
        self._wire.drain()

    def _send_pending(self, *, waiting: bool = True) -> None:
        if self._unsent:
            self._send(self._unsent, waiting)
        if data := (self._connection or self.connection).data_to_send():
            self._send(memoryview(data), waiting)

    def _send(self, data: memoryview, waiting: bool) -> None:
        """All of it. What cannot be sent now stays in `_unsent`."""
        self._unsent = data
        while (sent := self._wire.send(data, waiting=waiting)) < len(data):
            data = self._unsent = data[sent:]
        self._unsent = NOTHING

    # --- closing --------------------------------------------------------------------------------------------------

    def shutdown(self) -> object:
        """close_notify, and then the peer's (ssl.SSLSocket.unwrap). Gives the socket below."""
        deadline = self._wire.deadline()
        self._close_writing_by(deadline)
        self._unwrapped = True
        self._wire.hold(self._read_lock, "shutdown", deadline)
        try:
            self._wait_for_the_peers_end()
        finally:
            self._wire.settle(self.connection)
            self._read_lock.release()
        return self._wire.below

    def _wait_for_the_peers_end(self) -> None:
        self._wire.take_what_was_left()
        while not self._peer_closed:
            event = self._next_event()
            if isinstance(event, ApplicationData) or self.pending():
                raise library_error(
                    "APPLICATION_DATA_AFTER_CLOSE_NOTIFY", "the peer was not done; read until it is, then unwrap"
                )
            if event is None:
                self._wire.feed(self.connection, FLIGHT)

    # --- what a program may change ----------------------------------------------------------------------------------

    @property
    def context(self) -> SSLContext:
        return self._context

    @context.setter
    def context(self, context: SSLContext) -> None:
        if not hasattr(type(context), "server_config"):
            raise TypeError(f"context must be a tls13.SSLContext, not {type(context).__name__}")
        self._context = context
        if not self.started:
            self._config = context.server_config if self.server_side else context.client_config

    @property
    def owner(self) -> object:
        return self._owner()

    @owner.setter
    def owner(self, owner: object) -> None:
        self._owner = weakref.ref(owner)

    @property
    def session(self) -> SSLSession | None:
        return self._session

    @session.setter
    def session(self, session: SSLSession) -> None:
        if self.server_side:
            raise ValueError("Cannot set session for server-side SSLSocket.")
        if self.started:
            raise ValueError("Cannot set session after handshake.")
        self._session = checked_session(session)

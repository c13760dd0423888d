"""TLS over a byte stream, without the stream: bytes in, events out, bytes to send.

    conn.receive_data(data)         only buffers
    for event in conn.events():     processes one record at a time, so that the connection's state is never ahead of
        ...                         what its user has seen
    sock.sendall(conn.data_to_send())

Threads: one may read (receive_data, next_event) while another writes (send_data, data_to_send, close), once the
handshake is complete. The reading side never touches the write keys: what it owes the peer (an alert, the answer to
a KeyUpdate or to a CertificateRequest) it only notes, and the next call of the writing side sends it. During the
handshake, one thread does both.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, TypeVar

from . import errors
from .engine import Engine
from .errors import (
    AlertDescription,
    AlertReceived,
    CloseNotifyInHandshake,
    ConfigurationError,
    ConnectionFailed,
    TruncatedStream,
    UsageError,
)
from .events import PeerClosed
from .flow import APPLICATION, EARLY
from .key_schedule import export_keying_material
from .own_code import own_code
from .record_layer import WARNING, RecordLayer
from .trust.names import ServerName
from .wire.registry import ContentType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .client import ClientHandshake
    from .config import ClientConfig, ConfigSelector, ServerConfig
    from .crypto.hkdf import Secret
    from .events import AnswerAwaited, Event, Session, Tracer
    from .resumption.sessions import StoredSession
    from .server import ServerHandshake

E = TypeVar("E", bound=BaseException)

HANDSHAKE = int(ContentType.handshake)
APPLICATION_DATA = int(ContentType.application_data)

PEER_ENDED = (AlertReceived, TruncatedStream, CloseNotifyInHandshake)
"""The peer will not read an alert any more. Of everything else that goes wrong, in a callback too, it is told."""

CHANNEL_BINDING_LABEL = b"EXPORTER-Channel-Binding"
"""RFC 9266: tls-exporter is 32 bytes of keying material under this label."""

EVERY_BYTE = ("receive_data", "events", "next_event", "send_data", "data_to_send")
"""What each role has its own copy of (own_code.py)."""

MAX_UNREAD = 2**18
"""Bytes that are kept while the handshake waits for somebody's answer; more than any first flight."""


def without_frames(error: E) -> E:
    """The exception, and those behind it, without the frames that they have passed: these hold secrets, and whoever
    keeps the exception must not keep them (section 6)."""
    behind: list[BaseException | None] = [error]
    seen: set[int] = set()
    while behind:
        one = behind.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            behind += (one.__cause__, one.__context__)
    return error


class NoFrames:
    """What is raised within goes on without the frames that are within (contextlib would put them back)."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is not None:
            without_frames(error)


class Connection:
    """What both roles share. Users make a ClientConnection or a ServerConnection."""

    _handshake: ClientHandshake | ServerHandshake
    _layer_class = RecordLayer
    """The scripted peers of tls13.lab put their own in its place."""

    def __init__(self, config: ClientConfig | ServerConfig, is_client: bool, tracer: Tracer | None) -> None:
        self.config = config
        self._layer = self._layer_class(config, is_client, tracer)
        self._engine = Engine(self._layer, config, tracer)
        self._deadline = config.clock() + config.handshake_timeout
        self._error: BaseException | None = None
        self._eof = False

    # --- what a user asks -----------------------------------------------------------------------------------------

    @property
    def handshake_complete(self) -> bool:
        """Whether the peer is authenticated and application data may be sent (appendix F.5)."""
        return self._engine.session is not None

    @property
    def session(self) -> Session | None:
        """What the handshake agreed on, and who has been authenticated since; None until it is complete."""
        return self._handshake.session if self._engine.session is not None else None

    @property
    def closed(self) -> bool:
        """Whether our sending side is closed: after close() or a fatal error."""
        return self._layer.closed

    @property
    def peer_closed(self) -> bool:
        """Whether the peer's close_notify has been seen."""
        return self._layer.peer_closed

    @property
    def key_updates(self) -> tuple[int, int]:
        """How many KeyUpdates were sent, and received."""
        return self._engine.key_updates_sent, self._engine.key_updates_received

    @property
    def wants_send(self) -> bool:
        """Whether data_to_send would give anything."""
        layer = self._layer
        ready = layer.out or layer.flight or layer.alert_owed is not None
        return bool(ready or (self._engine.in_debt and not layer.closed))

    @property
    def may_have_event(self) -> bool:
        """Whether next_event is worth a call: if not, it would give None until more bytes come, or the end."""
        engine = self._engine
        return bool(
            self._layer.reader.received or engine.events or engine.buffered or self._eof or self._error is not None
        )

    @property
    def bytes_needed(self) -> int:
        """How many more bytes the next record needs; 0 if a whole one is waiting in the buffer."""
        return self._layer.reader.bytes_needed

    @property
    def unread(self) -> int:
        """Bytes that were received and have made no event; those behind close_notify never will."""
        return self._layer.unread

    # --- receiving ------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the stream, however they were cut. After the peer's close_notify they are ignored (6.1)."""
        if self._error is not None:
            raise self._failed(self._error)
        layer = self._layer
        if not layer.peer_closed:
            reader = layer.reader
            reader.receive(data)
            if self._engine.waiting and reader.buffered > MAX_UNREAD:
                error = errors.TooMuchBuffered(f"{reader.buffered} bytes")
                self._fail(error)
                raise error

    def give_back(self) -> int:
        """Forget the bytes that were received and have made no event yet, and say how many: for those who have only
        looked at them (MSG_PEEK), and can leave them to be received again, or to somebody else after close_notify."""
        return self._layer.give_back()

    def receive_eof(self) -> None:
        """The stream has ended. Unless close_notify came first, the next event is TruncatedStream."""
        self._eof = True

    def events(self) -> Iterator[Event]:
        """The events that the received bytes make, one at a time. Raises what next_event raises."""
        engine, layer = self._engine, self._layer
        while (event := self.next_event()) is not None:
            yield event
            # may_have_event, in place: next_event would say the same in three times the time.
            more = layer.reader.received or engine.events or engine.buffered or self._eof
            if not more and self._error is None:
                return

    def next_event(self) -> Event | None:
        """The next event, or None until more bytes arrive.

        Raises Abort (we end the connection: send what data_to_send then gives), AlertReceived (the peer did),
        TruncatedStream, CloseNotifyInHandshake, and ConnectionFailed for every call after one of these. What a
        callback of the config raises comes out as it was, and the peer is told internal_error.
        """
        if self._error is not None:
            raise self._failed(self._error)
        engine, layer = self._engine, self._layer
        reader = layer.reader
        try:
            if engine.session is None and not layer.closed and self.config.clock() > self._deadline:
                raise errors.HandshakeTooSlow(f"{self.config.handshake_timeout} seconds")
            while True:
                if engine.events or engine.buffered:
                    event = engine.advance()
                    reader.mid_message = engine.buffered > 0
                    if event is not None:
                        return event
                if engine.waiting:
                    return None
                record = reader.next_record()
                if record is None:
                    if self._eof and not layer.peer_closed:
                        raise TruncatedStream(self._truncation())
                    return None
                content_type, fragment = record
                if content_type == APPLICATION_DATA:
                    event = engine.receive_application_data(fragment)
                    if event is not None:
                        return event
                elif content_type == HANDSHAKE:
                    engine.receive(fragment)
                else:
                    event = self._receive_alert(fragment)
                    if event is not None:
                        return event
        except Exception as error:  # noqa: BLE001  # a callback's too: the peer is told, and it is raised again
            self._fail(error)
            reader.forget()  # which is still a local of this frame
            raise without_frames(error) from error.__cause__

    def _receive_alert(self, fragment: bytes) -> Event | None:
        """Section 6: the level says nothing in TLS 1.3; the description alone decides."""
        if len(fragment) != 2:
            raise errors.BadAlert(f"{len(fragment)} bytes")
        code = fragment[1]
        if self._layer.tracer is not None:
            self._layer.tracer.alert(False, code)
        if code == AlertDescription.close_notify:
            if self._engine.session is None:
                raise CloseNotifyInHandshake("the peer closed the connection before the handshake was complete")
            self._layer.ignore_the_rest()
            return PeerClosed()
        if code == AlertDescription.user_canceled:
            self._engine.count_warning()
            return None
        raise AlertReceived(code)

    def _truncation(self) -> str:
        when = "before the handshake was complete" if self._engine.session is None else "without close_notify"
        return f"the connection ended {when}: the peer, or somebody in between, cut it off (RFC 9846, section 6.1)"

    # --- sending --------------------------------------------------------------------------------------------------

    def send_data(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt application data; data_to_send then has the records. Raises UsageError before the handshake is
        complete and after close(), ConnectionFailed after a fatal error."""
        engine, layer = self._engine, self._layer
        writer = layer.writer  # before the question: it has its keys, or the layer is closed
        if layer.closed:
            raise self._ended("application data")
        if engine.session is None and not self.may_send_before_finished:
            raise UsageError("application data before the handshake is complete; wait for HandshakeCompleted")
        if not isinstance(data, bytes):
            data = memoryview(data).cast("B")  # its length in bytes, whatever its items are
        if engine.in_debt:
            engine.settle_debts()
        # Section 5.5: the key must change before its AEAD's limit. There are more bytes than records, but asked first,
        # because that takes half the time.
        if writer.sequence + len(data) + 16 >= writer.limit and writer.nearly_used_up(len(data)):
            engine.update_write_keys(request=False)
        if layer.tracer is not None:
            layer.tracer.record(True, APPLICATION_DATA, len(data), APPLICATION)
        try:
            if layer.flight:
                layer.finish_flight()
            if len(data) < writer.max_inner_plaintext:  # one record, as most are
                writer.protect(APPLICATION_DATA, data, layer.out)
            else:
                writer.write(APPLICATION_DATA, data, layer.out)
        except Exception as error:  # noqa: BLE001  # a padding policy's
            del writer  # its keys
            raise self._torn(error) from error.__cause__

    @property
    def may_send_before_finished(self) -> bool:
        """Whether send_data works before the peer's Finished is here: where a ServerConfig says so (section 2)."""
        return False

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Change our sending keys (section 4.7.3); with `request_peer` ask the peer to change its own.

        While an earlier request is unanswered, another is not sent with it: the peer is already asked. Raises
        UsageError before the handshake is complete and after close(), ConnectionFailed after a fatal error.
        """
        self._require_established("update_keys")
        try:
            self._engine.update_write_keys(request=request_peer)
        except errors.InternalError as error:  # the end of all keys: nothing was sent
            raise without_frames(error) from error.__cause__
        except Exception as error:  # noqa: BLE001  # as in send_data
            raise self._torn(error) from error.__cause__

    def data_to_send(self) -> bytes:
        """Everything that is ready for the stream. We keep none of it: whoever does not send it has lost it."""
        engine, layer = self._engine, self._layer
        try:
            if layer.alert_owed is not None:
                layer.send_owed_alert(layer.alert_owed)
            elif engine.in_debt and not layer.closed:
                engine.settle_debts()
            if layer.flight:
                layer.finish_flight()
        except Exception as error:  # noqa: BLE001  # as in send_data
            raise self._torn(error) from error.__cause__
        out, layer.out = layer.out, []
        return b"".join(out)

    def close(self) -> None:
        """Send close_notify: we will send nothing more (6.1). Reading goes on until the peer closes its side.

        During the handshake this gives the connection up: user_canceled, then close_notify.
        """
        layer = self._layer
        if layer.closed:
            return
        try:
            if self._engine.session is None:
                layer.send_alert(WARNING, AlertDescription.user_canceled)
                layer.ignore_the_rest()
                self._engine.forget()  # what was read already, or is answered later, must not go on behind close_notify
            layer.send_alert(WARNING, AlertDescription.close_notify)
        except Exception as error:  # noqa: BLE001  # as in send_data
            raise self._torn(error) from error.__cause__
        layer.closed = True

    def abandon(self, error: Exception) -> None:
        """End the connection for a reason of the caller's own: the peer is told internal_error (or an Abort's alert),
        and every later call says so. Does nothing if it has failed already."""
        if self._error is None:
            self._fail(error)

    # --- answers and keys -------------------------------------------------------------------------------------------

    def answer(self, question: AnswerAwaited, value: object) -> None:
        """The result of what an AnswerAwaited event holds; next_event goes on. Raises UsageError if it was answered."""
        self._answered(question, lambda: self._engine.answer(question.awaitable, value))

    def answer_failed(self, question: AnswerAwaited, error: BaseException) -> None:
        """Awaiting it raised `error`. Raised again here, unless it is one that the handshake can do without."""
        self._answered(question, lambda: self._engine.answer_failed(question.awaitable, error))

    def _answered(self, question: AnswerAwaited, resume: Callable[[], None]) -> None:
        if self._error is not None:
            raise self._failed(self._error)
        if self._layer.closed and self._engine.session is None:
            return  # close() has given the handshake up
        if not self._engine.asks(question.awaitable):
            raise UsageError("this question has been answered already, or the connection never asked it")
        try:
            resume()
        except Exception as error:  # noqa: BLE001  # as in next_event
            self._fail(error)
            raise without_frames(error) from error.__cause__

    def export_keying_material(self, label: bytes, context: bytes = b"", length: int = 32) -> bytes:
        """`length` bytes that only the two ends of this connection know, for another protocol (section 7.5).

        Raises UsageError before the handshake is complete or after the connection has failed.
        """
        self._require_established("export_keying_material", sends=False)
        return self._export(self._handshake.exporter_secret, label, context, length)

    def export_early_keying_material(self, label: bytes, context: bytes = b"", length: int = 32) -> bytes:
        """The same from the early_exporter_secret: for early data, and as replayable as that (appendix F.5.1).

        Raises UsageError unless early data was offered (client) or accepted (server).
        """
        return self._export(self._handshake.early_exporter_secret, label, context, length)

    def channel_binding(self) -> bytes:
        """tls-exporter (RFC 9266), 32 bytes: binds an authentication above TLS to this connection."""
        return self.export_keying_material(CHANNEL_BINDING_LABEL)

    @staticmethod
    def _export(secret: Secret | None, label: bytes, context: bytes, length: int) -> bytes:
        if secret is None:
            raise UsageError("this connection has no such exporter secret")
        return export_keying_material(secret, label, context, length)

    def _require_established(self, what: str, *, sends: bool = True) -> None:
        if self._error is not None:
            raise self._failed(self._error)
        if self._engine.session is None:
            raise UsageError(f"{what} before the handshake is complete; wait for HandshakeCompleted")
        if self._layer.closed and sends:
            raise self._ended(what)

    # --- failing --------------------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """After a fatal error, ours or the peer's, nothing more is sent or received but our alert (section 6.2)."""
        description = self._engine.fail(error)
        self._error = error  # before the layer is closed: whoever writes meanwhile must find out why it is
        self._layer.fail(None if isinstance(error, PEER_ENDED) else description)
        self._handshake.forget()

    def _torn(self, error: Exception) -> Exception:
        """What was to be sent is lost, and behind it nothing may be sent as if it had gone."""
        self.abandon(error)
        return without_frames(error)

    def _ended(self, what: str) -> UsageError | ConnectionFailed:
        """Why this cannot be sent any more."""
        return UsageError(f"{what} after close()") if self._error is None else self._failed(self._error)

    @staticmethod
    def _failed(error: BaseException) -> ConnectionFailed:
        failed = ConnectionFailed(f"this connection has failed before: {error}")
        failed.__cause__ = without_frames(error)
        return failed


@cache
def _client_handshake() -> type[ClientHandshake]:
    """A server never loads the client's side, nor a client the server's. Kept: an import takes 1 us, also when there is
    nothing left to do."""
    from .client import ClientHandshake

    return ClientHandshake


@cache
def _server_handshake() -> type[ServerHandshake]:
    from .server import ServerHandshake

    return ServerHandshake


class ClientConnection(Connection):
    """A client. `server_hostname` is what the certificate must be for: a DNS name or an IP address.

    `session` resumes an earlier connection (from a TicketReceived event); without it the config's SessionCache is
    asked, for this name, `port` and `partition` (connections of different partitions cannot be linked: appendix C.4).
    `early_data` is sent with the ClientHello if the session allows that much, and may be replayed by anybody (section
    8); the events EarlyDataAccepted and EarlyDataRejected say what became of it, and without either it was not sent.
    More can follow by send_early_data.

    The ClientHello is ready at once: data_to_send has it. Raises ConfigurationError for a name that cannot be one,
    or without a name unless the config says INSECURE_NO_VERIFICATION or authenticates in another way.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        server_hostname: str | bytes | None,
        port: int | None = None,
        partition: bytes = b"",
        session: StoredSession | None = None,
        early_data: bytes | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        if server_hostname is None and config.needs_server_name:
            raise ConfigurationError(
                "server_hostname is missing: without it, any valid certificate of anybody would be accepted"
            )
        name = ServerName.parse(server_hostname) if server_hostname is not None else None
        super().__init__(config, True, tracer)
        self._handshake = self.make_handshake(config, name, tracer)
        with NoFrames():
            self._handshake.remember(port, partition, session, early_data)
            self._engine.start(self._handshake)
            if early_data and self.early_data_left:
                self.send_early_data(early_data)

    def make_handshake(
        self, config: ClientConfig, server_name: ServerName | None, tracer: Tracer | None
    ) -> ClientHandshake:
        """The flow of this connection; the scripted peers of tls13.lab put their own in its place."""
        return _client_handshake()(config, server_name, self._engine, tracer)

    @property
    def early_data_left(self) -> int:
        """How many bytes send_early_data takes now; 0 when early data is not possible, or not any more."""
        possible = self._engine.write_epoch is EARLY and not self._layer.closed
        return self._engine.early_data_left if possible else 0

    def send_early_data(self, data: bytes | bytearray | memoryview) -> None:
        """Send more early data, until the server's answer is here. Raises UsageError for more than early_data_left."""
        if self._error is not None:
            raise self._failed(self._error)
        data = bytes(data)
        if len(data) > self.early_data_left:
            raise UsageError(f"{len(data)} bytes of early data, where {self.early_data_left} are possible now")
        layer = self._layer
        if layer.writer.nearly_used_up(len(data)):
            raise errors.KeyLimitReached("early data, whose key cannot be changed")
        self._engine.early_data_left -= len(data)
        if layer.tracer is not None:
            layer.tracer.record(True, APPLICATION_DATA, len(data), EARLY)
        try:
            layer.writer.write(APPLICATION_DATA, data, layer.out)
        except Exception as error:  # noqa: BLE001  # as in send_data
            raise self._torn(error) from error.__cause__


own_code(ClientConnection, *EVERY_BYTE)


class ServerConnection(Connection):
    """A server: one accepted connection."""

    _handshake: ServerHandshake

    def __init__(
        self, config: ServerConfig, *, select: ConfigSelector | None = None, tracer: Tracer | None = None
    ) -> None:
        """`select` takes the place of the config's, for this connection."""
        super().__init__(config, False, tracer)
        self._select = select
        # Section 5: before the first ClientHello a change_cipher_spec is out of order, unless that ClientHello is the
        # second one of a handshake that another server began (section 4.3.2: "MUST ignore these records").
        self._layer.reader.ccs_allowed = config.shares_cookie_key
        self._handshake = self.make_handshake(config, tracer)
        self._engine.start(self._handshake)

    def make_handshake(self, config: ServerConfig, tracer: Tracer | None) -> ServerHandshake:
        """The flow of this connection; the scripted peers of tls13.lab put their own in its place."""
        return _server_handshake()(config, self._engine, tracer, self._select)

    @property
    def may_send_before_finished(self) -> bool:
        """Only where the config says so: until the client's Finished nobody knows who reads it (appendix F.1)."""
        return self._handshake.half_rtt and self._engine.write_epoch is APPLICATION

    def send_ticket(self) -> None:
        """Give the client one more ticket (section 4.7.1); nothing happens where the client cannot use it.

        Raises UsageError before the handshake is complete and after close(), ConnectionFailed after a fatal error.
        """
        self._require_established("send_ticket")
        with NoFrames():
            self._engine.run(self._handshake.send_tickets(1))

    def request_client_certificate(self) -> bytes:
        """Ask the client for a certificate now (section 4.7.2). Returns the context that ClientAuthenticated repeats.

        Raises UsageError if the client did not offer post_handshake_auth, if an external PSK authenticates this
        connection, if the config says nothing of whom to trust, if too many requests are unanswered; and as send_ticket
        does.
        """
        self._require_established("request_client_certificate")
        with NoFrames():
            return self._handshake.request_client_certificate()


own_code(ServerConnection, *EVERY_BYTE)

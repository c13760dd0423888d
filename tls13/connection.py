"""TLS over a byte stream, without the stream: bytes in, events out, bytes to send.

    conn.receive_data(data)         only buffers
    for event in conn.events():     processes one record at a time, so that the connection's state is never ahead of
        ...                         what its user has seen
    sock.sendall(conn.data_to_send())

Threads: one may read (receive_data, next_event) while another writes (send_data, data_to_send, close), once the
handshake is complete. The reading side never touches the write keys: what it owes the peer (an alert, the answer to
a KeyUpdate) it only notes, and the next call of the writing side sends it. During the handshake, one thread does both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .client import ClientHandshake
from .engine import Engine
from .errors import (
    Abort,
    AlertDescription,
    AlertReceived,
    BadAlert,
    CloseNotifyInHandshake,
    ConfigurationError,
    ConnectionFailed,
    TLSError,
    TooManyWarnings,
    TruncatedStream,
    UnexpectedApplicationData,
    UsageError,
)
from .events import ApplicationData, PeerClosed
from .flow import Epoch
from .record import RecordReader, RecordWriter
from .server import ServerHandshake
from .trust.names import ServerName
from .wire.registry import ContentType, KeyUpdateRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .config import ClientConfig, ServerConfig
    from .crypto.suites import Suite
    from .events import Event, Session, Tracer
    from .key_schedule import TrafficSecret

ALERT = int(ContentType.alert)
HANDSHAKE = int(ContentType.handshake)
APPLICATION_DATA = int(ContentType.application_data)

WARNING, FATAL = 1, 2
"""AlertLevel (section 6): ours to set, ignored on receipt."""

MAX_WARNINGS = 4
"""user_canceled alerts in a row: they mean nothing until close_notify follows."""


class Connection:
    """What both roles share. Users make a ClientConnection or a ServerConnection."""

    def __init__(self, config: ClientConfig | ServerConfig, *, is_client: bool, tracer: Tracer | None) -> None:
        self.config = config
        self._engine = Engine(self, is_client=is_client, max_message=config.max_handshake_message, tracer=tracer)
        self._reader = RecordReader()
        self._reader.ccs_allowed = is_client
        self._writer = RecordWriter(padding=config.padding)
        self._out = bytearray()
        self._tracer = tracer
        self._error: BaseException | None = None
        self._alert_owed: AlertDescription | None = None
        self._peer_closed = self._closed = self._eof = False
        self._warnings = 0

    # --- what a user asks -----------------------------------------------------------------------------------------

    @property
    def handshake_complete(self) -> bool:
        """Whether the peer is authenticated and application data may be sent (appendix F.5)."""
        return self._engine.session is not None

    @property
    def session(self) -> Session | None:
        """What the handshake agreed on; None until it is complete."""
        return self._engine.session

    @property
    def closed(self) -> bool:
        """Whether our sending side is closed: after close() or a fatal error."""
        return self._closed or self._error is not None

    @property
    def peer_closed(self) -> bool:
        """Whether the peer's close_notify has been seen."""
        return self._peer_closed

    @property
    def key_updates(self) -> tuple[int, int]:
        """How many KeyUpdates were sent, and received."""
        return self._engine.key_updates_sent, self._engine.key_updates_received

    @property
    def wants_send(self) -> bool:
        """Whether data_to_send would give anything."""
        owed = self._alert_owed is not None or (self._engine.key_update_owed and not self.closed)
        return owed or bool(self._out)

    @property
    def bytes_needed(self) -> int:
        """How many more bytes the next record needs; 0 if a whole one is waiting in the buffer."""
        return self._reader.bytes_needed

    # --- receiving ------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the stream, however they were cut. After the peer's close_notify they are ignored (6.1)."""
        if self._error is not None:
            raise self._failed(self._error)
        if not self._peer_closed:
            self._reader.receive(data)

    def receive_eof(self) -> None:
        """The stream has ended. Unless close_notify came first, the next event is TruncatedStream."""
        self._eof = True

    def events(self) -> Iterator[Event]:
        """The events that the received bytes make, one at a time. Raises what next_event raises."""
        while (event := self.next_event()) is not None:
            yield event

    def next_event(self) -> Event | None:
        """The next event, or None until more bytes arrive.

        Raises Abort (we end the connection: send what data_to_send then gives), AlertReceived (the peer did),
        TruncatedStream, CloseNotifyInHandshake, and ConnectionFailed for every call after one of these. What a
        callback of the config raises comes out as it was, and the peer is told internal_error.
        """
        if self._error is not None:
            raise self._failed(self._error)
        try:
            return self._next_event()
        except Exception as error:  # noqa: BLE001  # a callback's too: the peer is told, and it is raised again
            self._fail(error)
            # The frames below hold secrets; whoever keeps the exception must not keep them (section 6).
            raise error.with_traceback(None) from error.__cause__

    def _next_event(self) -> Event | None:
        engine, reader = self._engine, self._reader
        if self._peer_closed:
            return None
        event = engine.advance() if engine.buffered else None
        while event is None:
            reader.mid_message = engine.buffered > 0
            record = reader.next_record()
            if record is None:
                if self._eof:
                    raise TruncatedStream(self._truncation())
                return None
            content_type, fragment = record
            if content_type == APPLICATION_DATA:
                if engine.read_epoch is not Epoch.APPLICATION:
                    raise UnexpectedApplicationData
                engine.application_data_seen()
                self._warnings = 0
                if self._tracer is not None:
                    self._tracer.record(False, content_type, len(fragment), engine.read_epoch)
                if fragment:
                    return ApplicationData(fragment)
            elif content_type == HANDSHAKE:
                event = engine.receive(fragment)
            else:
                event = self._receive_alert(fragment)
        return event

    def _receive_alert(self, fragment: bytes) -> Event | None:
        """Section 6: the level says nothing in TLS 1.3; the description alone decides."""
        if len(fragment) != 2:
            raise BadAlert(f"{len(fragment)} bytes")
        code = fragment[1]
        if self._tracer is not None:
            self._tracer.alert(False, code)
        if code == AlertDescription.close_notify:
            if self._engine.session is None:
                raise CloseNotifyInHandshake("the peer closed the connection before the handshake was complete")
            self._peer_closed = True
            return PeerClosed()
        if code == AlertDescription.user_canceled:
            self._warnings += 1
            if self._warnings > MAX_WARNINGS:
                raise TooManyWarnings(self._warnings)
            return None
        raise AlertReceived(code)

    def _truncation(self) -> str:
        when = "before the handshake was complete" if self._engine.session is None else "without close_notify"
        return f"the connection ended {when}: the peer, or somebody in between, cut it off (RFC 9846, section 6.1)"

    # --- sending --------------------------------------------------------------------------------------------------

    def send_data(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt application data; data_to_send then has the records. Raises UsageError before the handshake is
        complete and after close(), ConnectionFailed after a fatal error."""
        if self._error is not None:
            raise self._failed(self._error)
        if self._engine.session is None:
            raise UsageError("application data before the handshake is complete; wait for HandshakeCompleted")
        if self._closed:
            raise UsageError("application data after close()")
        if not isinstance(data, bytes):
            data = memoryview(data).cast("B")  # its length in bytes, whatever its items are
        writer = self._writer
        # Section 5.5: the key must change before its AEAD's limit. 2^14 bytes a record, and some room.
        if self._engine.key_update_owed or writer.records_left <= (len(data) // writer.max_fragment) + 16:
            self._engine.update_write_keys(KeyUpdateRequest.update_not_requested)
        if self._tracer is not None:
            self._tracer.record(True, APPLICATION_DATA, len(data), Epoch.APPLICATION)
        writer.write(APPLICATION_DATA, data, self._out)

    def data_to_send(self) -> bytearray:
        """Everything that is ready for the stream, now the caller's. Never raises."""
        if self._alert_owed is not None:
            description, self._alert_owed = self._alert_owed, None
            self._send_alert(FATAL, description)
            self._writer = RecordWriter()  # section 6: a failed connection forgets its keys
        elif self._engine.key_update_owed and not self.closed:
            self._engine.update_write_keys(KeyUpdateRequest.update_not_requested)
        out, self._out = self._out, bytearray()
        return out

    def close(self) -> None:
        """Send close_notify: we will send nothing more (6.1). Reading goes on until the peer closes its side.

        During the handshake this gives the connection up: user_canceled, then close_notify.
        """
        if self.closed:
            return
        if self._engine.session is None:
            self._send_alert(WARNING, AlertDescription.user_canceled)
            self._peer_closed = True
        self._send_alert(WARNING, AlertDescription.close_notify)
        self._closed = True

    def _send_alert(self, level: int, description: AlertDescription) -> None:
        if self._tracer is not None:
            self._tracer.alert(True, description)
        self._writer.write(ALERT, bytes((level, description)), self._out)

    # --- failing --------------------------------------------------------------------------------------------------

    def _fail(self, error: Exception) -> None:
        """After a fatal error, ours or the peer's, nothing more is sent or received but our alert (section 6.2)."""
        description = self._engine.fail(error)
        if not self._closed and (isinstance(error, Abort) or not isinstance(error, TLSError)):
            self._alert_owed = description
        self._error = error
        self._reader = RecordReader()

    @staticmethod
    def _failed(error: BaseException) -> ConnectionFailed:
        failed = ConnectionFailed(f"this connection has failed before: {error}")
        failed.__cause__ = error.with_traceback(None)
        return failed

    # --- engine.Carrier -------------------------------------------------------------------------------------------

    def send_handshake(self, raw: bytes, epoch: Epoch) -> None:
        self._reader.ccs_allowed = epoch is not Epoch.APPLICATION
        self._writer.write(HANDSHAKE, raw, self._out)

    def send_change_cipher_spec(self) -> None:
        """Appendix E.4. Never protected, so it bypasses the writer's keys."""
        if self._tracer is not None:
            self._tracer.record(True, ContentType.change_cipher_spec, 1, Epoch.INITIAL)
        self._out += b"\x14\x03\x03\x00\x01\x01"

    def install_read_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
        reader = self._reader
        reader.set_keys(suite, *secret.traffic_keys(suite))
        reader.ccs_allowed = epoch is not Epoch.APPLICATION
        # A client that cannot accept our first flight may have no keys yet when it says so (OpenSSL 3.0).
        reader.plaintext_alert_allowed = epoch is Epoch.HANDSHAKE and not self._engine.is_client

    def install_write_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
        self._writer.set_keys(suite, *secret.traffic_keys(suite))

    def skip_early_data(self, budget: int) -> None:
        self._reader.skip_early_data(budget)

    def stop_skipping(self) -> None:
        self._reader.stop_skipping()


class ClientConnection(Connection):
    """A client. `server_hostname` is what the certificate must be for: a DNS name or an IP address.

    The ClientHello is ready at once: data_to_send has it. Raises ConfigurationError for a name that cannot be one,
    or without a name unless the config says INSECURE_NO_VERIFICATION.
    """

    def __init__(
        self, config: ClientConfig, *, server_hostname: str | bytes | None, tracer: Tracer | None = None
    ) -> None:
        if server_hostname is None and config.verifier is not None:
            raise ConfigurationError(
                "server_hostname is missing: without it, any valid certificate of anybody would be accepted"
            )
        name = ServerName.parse(server_hostname) if server_hostname is not None else None
        super().__init__(config, is_client=True, tracer=tracer)
        self._engine.start(self.make_handshake(config, name, tracer).handshake())

    def make_handshake(
        self, config: ClientConfig, server_name: ServerName | None, tracer: Tracer | None
    ) -> ClientHandshake:
        """The flow of this connection; the scripted peers of tls13.lab put their own in its place."""
        return ClientHandshake(config, server_name, self._engine, tracer)


class ServerConnection(Connection):
    """A server: one accepted connection."""

    def __init__(self, config: ServerConfig, *, tracer: Tracer | None = None) -> None:
        super().__init__(config, is_client=False, tracer=tracer)
        # Section 5: before the first ClientHello a change_cipher_spec is out of order, unless that ClientHello is the
        # second one of a handshake that another server began (section 4.3.2: "MUST ignore these records").
        self._reader.ccs_allowed = config.shares_cookie_key
        self._engine.start(self.make_handshake(config, tracer).handshake())

    def make_handshake(self, config: ServerConfig, tracer: Tracer | None) -> ServerHandshake:
        """The flow of this connection; the scripted peers of tls13.lab put their own in its place."""
        return ServerHandshake(config, self._engine, tracer)

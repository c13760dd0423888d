"""Both directions of one connection's records, and what lies between them and the handshake (engine.Carrier).

Handshake messages that leave one after another share records (section 5.1): they wait in `flight` until something else
must be sent, or the keys change, or somebody asks for what there is.

One class for both roles, on purpose: every byte passes here, and Python 3.11 remembers at each line of code how it
found an attribute, for one class only. A Connection is one of two, so its methods ask `self` as little as they can.

Threads: the reading side uses `reader`, and leaves what it owes the peer in `alert_owed`; all the rest is the writing
side's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .flow import APPLICATION, INITIAL
from .flow import HANDSHAKE as HANDSHAKE_EPOCH
from .record import MAX_INNER_PLAINTEXT, EndedWriter, RecordReader, RecordWriter
from .wire.registry import ContentType

if TYPE_CHECKING:
    from .config import ClientConfig, ServerConfig
    from .crypto.suites import Suite
    from .errors import AlertDescription
    from .events import Tracer
    from .flow import Epoch
    from .key_schedule import TrafficSecret
    from .record import Buffer

ALERT = int(ContentType.alert)
HANDSHAKE = int(ContentType.handshake)
WARNING, FATAL = 1, 2
"""AlertLevel (section 6): ours to set, ignored on receipt."""


class RecordLayer:
    """What carries one connection's handshake, alerts and data. Implements engine.Carrier."""

    def __init__(self, config: ClientConfig | ServerConfig, is_client: bool, tracer: Tracer | None) -> None:
        self.reader = RecordReader(MAX_INNER_PLAINTEXT, config.max_empty_records)
        self.reader.ccs_allowed = is_client
        self.writer = RecordWriter(config.padding)
        self.out: list[Buffer] = []
        """Records for the stream, in parts."""
        self.flight = b""
        """Handshake messages that may still share a record with the next ones (section 5.1)."""
        self.tracer = tracer
        self.alert_owed: AlertDescription | None = None
        """Sent, as fatal, by whoever writes next."""
        self.closed = False
        """Our side: nothing is sent any more but an alert that is owed."""
        self.peer_closed = False
        """The peer's side: its close_notify was read, or what it sends is of no interest any more."""
        self._behind_closure = 0
        """How many bytes came in one piece with the closure alert, and are ignored here."""
        self._is_client = is_client

    # --- sending --------------------------------------------------------------------------------------------------

    def finish_flight(self) -> None:
        """What comes next is of another type, or under another key, and shares no record with handshake messages."""
        if self.flight:
            flight, self.flight = self.flight, b""
            self.writer.write(HANDSHAKE, flight, self.out)

    def send_alert(self, level: int, description: AlertDescription) -> None:
        if self.tracer is not None:
            self.tracer.alert(True, description)
        self.finish_flight()
        self.writer.write(ALERT, bytes((level, description)), self.out)

    def send_owed_alert(self, description: AlertDescription) -> None:
        """The last record of a failed connection, which then forgets its keys (section 6)."""
        self.alert_owed = None
        self.send_alert(FATAL, description)
        self.writer = EndedWriter()

    # --- ending ---------------------------------------------------------------------------------------------------

    def ignore_the_rest(self) -> None:
        """Data received after a closure alert MUST be ignored (section 6.1), so no keys are kept for it."""
        self.peer_closed = True
        self._behind_closure = self.reader.buffered
        self.reader = RecordReader()

    @property
    def unread(self) -> int:
        """Bytes that were received and have made no event; those behind close_notify never will."""
        return self.reader.buffered + self._behind_closure

    def give_back(self) -> int:
        """Forget what was received and not read, and say how many bytes that was."""
        behind, self._behind_closure = self._behind_closure, 0
        return self.reader.give_back() + behind

    def fail(self, alert: AlertDescription | None) -> None:
        """Nothing more is read, and nothing sent but this alert, if there is somebody to read it."""
        was_closed, self.closed = self.closed, True  # before the keys go: a writing thread must never be without
        if alert is not None and not was_closed:
            self.alert_owed = alert
        else:
            self.writer = EndedWriter()
            self.flight = b""
        self.reader = RecordReader()

    # --- engine.Carrier -------------------------------------------------------------------------------------------

    def send_handshake(self, raw: bytes, epoch: Epoch) -> None:
        if epoch is INITIAL:
            self.reader.ccs_allowed = True  # a ClientHello has been sent or received (section 5)
        self.flight += raw

    def send_change_cipher_spec(self) -> None:
        """Appendix E.4. Never protected, so it bypasses the writer's keys."""
        self.finish_flight()
        if self.tracer is not None:
            self.tracer.record(True, ContentType.change_cipher_spec, 1, INITIAL)
        self.out.append(b"\x14\x03\x03\x00\x01\x01")

    def install_read_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
        reader = self.reader
        key, iv = secret.traffic_keys(suite)
        reader.set_keys(suite, key, iv)
        reader.ccs_allowed = epoch is not APPLICATION
        # A client that cannot accept our first flight may have no keys yet when it says so (OpenSSL 3.0).
        reader.plaintext_alert_allowed = epoch is HANDSHAKE_EPOCH and not self._is_client

    def install_write_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
        self.finish_flight()
        key, iv = secret.traffic_keys(suite)
        self.writer.set_keys(suite, key, iv)

    def write_plaintext(self) -> None:
        self.finish_flight()
        self.writer.set_plaintext()

    def skip_early_data(self, budget: int) -> None:
        self.reader.skip_early_data(budget)

    def stop_skipping(self) -> None:
        self.reader.stop_skipping()

    def limit_records(self, receive: int | None, send: int | None) -> None:
        if receive is not None:
            self.reader.max_inner_plaintext = receive
        if send is not None:
            self.finish_flight()
            self.writer.max_inner_plaintext = send

    def go_on_with(self, config: ClientConfig | ServerConfig) -> None:
        self.reader.max_empty_records = config.max_empty_records
        self.writer.padding = config.padding

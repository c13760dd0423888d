"""Drives the flows: messages in, effects out, exceptions turned into alerts.

The engine stands between a flow, which knows the order of messages, and a carrier, which knows how bytes travel
(record_layer.py: in TLS records; under QUIC it would be CRYPTO frames). It

* puts handshake messages together, however they were cut, and resumes the flow with each (section 5.1);
* makes sure that no message straddles a change of keys, by construction: keys change only through `read_secret`,
  and that refuses while anything is left in the buffer;
* hands what a flow must wait for (a signature made elsewhere, a ticket in a database) to the user as an event, and
  resumes the flow with the answer;
* after the handshake runs one flow for each transaction that may still come (section 4.7), and KeyUpdate itself;
* is the only place where an exception becomes an alert (section 6.2).

Threads: after the handshake one may read while another writes. What the reading side wants to send it leaves in
`_owed`; the writing side sends it before its next record (`settle_debts`).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol

from . import errors, events
from .errors import Abort, AlertDescription
from .events import ApplicationData, HandshakeCompleted, new_tuple
from .flow import APPLICATION, EARLY, INITIAL, dismiss, out_of_order
from .wire.messages import KeyUpdate, message_class
from .wire.registry import ContentType, HandshakeType, KeyUpdateRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .config import ClientConfig, ServerConfig
    from .crypto.suites import Suite
    from .events import EarlyData, Event, Session, Tracer
    from .flow import Compose, Epoch, Flow, Handshake, Kinds
    from .key_schedule import TrafficSecret

MAX_EPOCH = 2**48 - 1
"""Section 4.7.3: a sender MUST NOT change its keys more often."""

FIRST_WORD: Final = Struct(">I").unpack_from
"""HandshakeType, and uint24 length."""


if TYPE_CHECKING:  # a protocol is for the type checker alone, and takes a while to make

    class Carrier(Protocol):
        """What carries handshake messages: a record layer, or QUIC."""

        def send_handshake(self, raw: bytes, epoch: Epoch) -> None: ...

        def send_change_cipher_spec(self) -> None: ...

        def install_read_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None: ...

        def install_write_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None: ...

        def write_plaintext(self) -> None: ...

        def skip_early_data(self, budget: int) -> None: ...

        def stop_skipping(self) -> None: ...

        def limit_records(self, receive: int | None, send: int | None) -> None: ...

        def go_on_with(self, config: ClientConfig | ServerConfig) -> None: ...


class Engine:
    """One connection's handshake and what comes after it. Implements flow.Output."""

    def __init__(self, carrier: Carrier, config: ClientConfig | ServerConfig, tracer: Tracer | None) -> None:
        self.session: Session | None = None
        self.read_epoch: Epoch = INITIAL
        self.write_epoch: Epoch = INITIAL
        self.early_data_left = 0
        """Bytes of early data that may still be sent (client) or accepted (server)."""
        self.key_update_owed = False
        self.key_updates_sent = self.key_updates_received = 0
        self.in_debt = False
        """Whether the reading side has left anything to send."""
        self.events: list[Event] = []
        """What has happened, and has not been told."""
        self.buffered = 0
        """Bytes of a handshake message that is not whole yet: nothing else may come in between (section 5.1)."""
        self.warnings = 0
        """Alerts that say nothing, since the last application data."""
        self.waiting = False
        """Whether the handshake cannot go on before a question is answered: nothing is read until then."""
        self._carrier = carrier
        self._tracer = tracer
        self._limits = config
        """The config that says what a peer may make us do."""
        self._max_message = config.max_handshake_message
        self._buffer: bytes | bytearray = b""
        """A record's messages lie in it as they came; a bytearray joins those that are cut, however small the parts."""
        self._owed: list[Compose] = []
        self._handshake: Handshake | None = None
        self._flow: Flow[object] | None = None
        """The handshake; afterwards a transaction of which more messages must come, if there is one."""
        self._need: Kinds = ()
        self._questions: dict[Awaitable[object], Flow[object]] = {}
        self._key_updates = 0
        self._update_requested = False
        self._suite: Suite | None = None
        self._read_secret: TrafficSecret | None = None
        self._write_secret: TrafficSecret | None = None

    # --- driving the flows ----------------------------------------------------------------------------------------

    def start(self, handshake: Handshake) -> None:
        """Run the handshake up to its first need; a client sends its ClientHello here."""
        self._handshake = handshake
        self._flow = handshake.handshake()
        self._resume(self._flow, None)

    def run(self, flow: Flow[None] | None) -> None:
        """Start a transaction after the handshake; None is one that is over already."""
        if flow is not None:
            self._resume(flow, None)

    def receive(self, fragment: bytes) -> None:
        """Handshake bytes, in order; `advance` does the work."""
        if not self.buffered:
            self._buffer = fragment
        elif isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer + fragment)
        else:
            self._buffer += fragment
        self.buffered += len(fragment)

    def advance(self) -> Event | None:
        """The next event: of what has happened already, or of the next whole messages in the buffer."""
        happened = self.events
        while not happened:
            size = self.buffered
            if not size or self.waiting:
                return None
            buffer = self._buffer
            end = 4 + (FIRST_WORD(buffer)[0] & 0xFFFFFF) if size >= 4 else 4
            if end > size or end > self._max_message:
                self._refuse_early(buffer[0], end)
                return None
            self.buffered = size - end
            if end == size:  # as at the end of most records
                whole, self._buffer = buffer, b""
            else:
                whole, self._buffer = buffer[:end], buffer[end:]
            raw = whole if type(whole) is bytes else bytes(whole)
            if self._tracer is not None:
                self._tracer.message(False, raw, self.read_epoch)
            if self._flow is not None:
                self._resume(self._flow, raw)
            else:
                self._post_handshake(raw)
        return happened.pop(0)

    def answer(self, awaitable: Awaitable[object], value: object) -> None:
        """What a flow waits for has its answer."""
        self._resume(self._questions.pop(awaitable), value)

    def answer_failed(self, awaitable: Awaitable[object], error: BaseException) -> None:
        """What a flow waits for has failed: raised inside the flow, which may know what to do."""
        self._resume(self._questions.pop(awaitable), None, error)

    def asks(self, awaitable: Awaitable[object]) -> bool:
        """Whether a flow waits for this."""
        return awaitable in self._questions

    def _refuse_early(self, msg_type: int, size: int) -> None:
        """A message that cannot be wanted is not waited for: its sender could make us store it for nothing."""
        wanted = self._need if self._flow is not None else self._expected()
        if msg_type not in [kind.msg_type for kind in wanted]:
            raise out_of_order(bytes([msg_type]), wanted)
        if size > self._max_message:
            raise errors.MessageTooLong(f"{HandshakeType(msg_type)} of {size} bytes; our limit is {self._max_message}")

    def _resume(self, flow: Flow[object], answer: object, error: BaseException | None = None) -> None:
        """Let a flow go on up to its next need."""
        try:
            need = flow.send(answer) if error is None else flow.throw(error)
        except StopIteration as done:
            if flow is self._flow:
                self._flow, self._need, self.waiting = None, (), False
            if self.session is None:
                self._complete(done.value)
            return
        if isinstance(need, tuple):
            self._flow, self._need, self.waiting = flow, need, False
            return
        if flow is self._flow:
            # After the handshake nothing waits for one transaction's answer but that transaction.
            self._flow, self.waiting = (flow, True) if self.session is None else (None, False)
        self._questions[need] = flow
        self.events.append(events.AnswerAwaited(need))

    def _complete(self, session: Session) -> None:
        self.session = session
        self.events.append(new_tuple(HandshakeCompleted, (session,)))
        if self._handshake is not None:
            self.run(self._handshake.opening())

    # --- after the handshake: section 4.7 -------------------------------------------------------------------------

    def _expected(self) -> Kinds:
        """The messages that may come now, where no flow waits for one."""
        return (KeyUpdate, *self._handshake.expected()) if self._handshake is not None else ()

    def _post_handshake(self, raw: bytes) -> None:
        kind = message_class(raw)
        if kind is KeyUpdate:
            self._receive_key_update(KeyUpdate.decode(raw[4:]))
        elif self._handshake is not None and kind in self._handshake.expected():
            self.run(self._handshake.receive(raw))
        else:
            raise out_of_order(raw, self._expected())

    def _receive_key_update(self, message: KeyUpdate) -> None:
        """Section 4.7.3. The answer is only owed here: whoever writes next sends it, before any application data."""
        if message.request_update not in (KeyUpdateRequest.update_not_requested, KeyUpdateRequest.update_requested):
            raise errors.BadKeyUpdateRequest(int(message.request_update))
        self._key_updates += 1
        if self._key_updates > self._limits.max_key_updates:
            raise errors.TooManyKeyUpdates(self._key_updates)
        if self._read_secret is not None and self._suite is not None:
            self.read_secret(APPLICATION, self._suite, self._read_secret.next())
        self.key_updates_received += 1
        self._update_requested = False
        requested = message.request_update == KeyUpdateRequest.update_requested
        if requested and self.key_updates_sent < MAX_EPOCH:
            # Never set to False here: a writing thread that has just answered would answer again.
            self.key_update_owed = self.in_debt = True
        self.events.append(events.KeysUpdated(answer_requested=requested))

    def receive_application_data(self, data: bytes) -> ApplicationData | EarlyData | None:
        """The content of an application data record: is it in order here, and what is it? None: it is empty."""
        early = self.read_epoch is not APPLICATION
        if early:
            self._charge_early_data(len(data))
        elif self._flow is not None:
            raise errors.InterleavedAnswer("application data")
        if self._tracer is not None:
            self._tracer.record(False, ContentType.application_data, len(data), self.read_epoch)
        if not data:
            return None
        self._key_updates = self.warnings = 0
        return events.EarlyData(data) if early else new_tuple(ApplicationData, (data,))

    def count_warning(self) -> None:
        """An alert that says nothing has come."""
        self.warnings += 1
        if self.warnings > self._limits.max_warnings:
            raise errors.TooManyWarnings(self.warnings)

    def _charge_early_data(self, size: int) -> None:
        """Section 4.3.10: as much as the ticket allowed."""
        if self.read_epoch is not EARLY:
            raise errors.UnexpectedApplicationData
        self.early_data_left -= size
        if self.early_data_left < 0:
            raise errors.EarlyDataLimitExceeded(f"{-self.early_data_left} bytes too many")

    def update_write_keys(self, *, request: bool) -> None:
        """Send KeyUpdate under the old key and go on under the next (4.7.3, 7.2).

        `request`: ask the peer to do the same; left out while an earlier request is not answered yet. Raises
        InternalError at the end of all keys, 2^48 - 1 updates.
        """
        suite, secret = self._suite, self._write_secret  # once: a reading thread's fail() may forget them meanwhile
        if secret is None or suite is None:
            return
        if self.key_updates_sent >= MAX_EPOCH:
            raise errors.InternalError(f"the keys have been changed {MAX_EPOCH} times; open a new connection")
        self.key_update_owed = False
        self.key_updates_sent += 1
        request = request and not self._update_requested
        self._update_requested = self._update_requested or request
        wish = KeyUpdateRequest.update_requested if request else KeyUpdateRequest.update_not_requested
        self.send(KeyUpdate(request_update=wish).to_handshake())
        self.write_secret(APPLICATION, suite, secret.next())

    def settle_debts(self) -> None:
        """Send what the reading side owes the peer. Only the writing side calls this."""
        self.in_debt = False  # first: what the reading side leaves meanwhile is a new debt
        owed, secret = self._owed, self._write_secret  # once: a reading thread's fail() may forget them meanwhile
        while owed and secret is not None:
            for raw in owed.pop(0)(secret):
                self.send(raw)
        if self.key_update_owed:
            self.update_write_keys(request=False)

    # --- flow.Output ----------------------------------------------------------------------------------------------

    def send(self, raw: bytes) -> None:
        if self._tracer is not None:
            self._tracer.message(True, raw, self.write_epoch)
        self._carrier.send_handshake(raw, self.write_epoch)

    def owe(self, compose: Compose) -> None:
        self._owed.append(compose)
        self.in_debt = True

    def send_change_cipher_spec(self) -> None:
        self._carrier.send_change_cipher_spec()

    def require_record_boundary(self) -> None:
        if self.buffered:
            raise errors.DataAcrossKeyChange(f"{self.buffered} bytes")

    def read_secret(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
        self.require_record_boundary()
        self._carrier.install_read_keys(epoch, suite, secret)
        self.read_epoch = epoch
        self._suite, self._read_secret = suite, secret
        if self._tracer is not None:
            self._tracer.keys(False, epoch, suite)

    def write_secret(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
        self._carrier.install_write_keys(epoch, suite, secret)
        self.write_epoch = epoch
        self._suite, self._write_secret = suite, secret
        if self._tracer is not None:
            self._tracer.keys(True, epoch, suite)

    def write_plaintext(self) -> None:
        self._carrier.write_plaintext()
        self.write_epoch = INITIAL

    def receiving_secret(self) -> TrafficSecret:
        if self._read_secret is None:
            raise errors.InternalError("there are no keys to read with")
        return self._read_secret

    def skip_early_data(self, budget: int) -> None:
        self._carrier.skip_early_data(budget)

    def stop_skipping(self) -> None:
        self._carrier.stop_skipping()

    def limit_early_data(self, limit: int) -> None:
        self.early_data_left = limit

    def limit_records(self, receive: int | None, send: int | None) -> None:
        self._carrier.limit_records(receive, send)

    def go_on_with(self, config: ClientConfig | ServerConfig) -> None:
        self._limits = config
        self._max_message = config.max_handshake_message
        self._carrier.go_on_with(config)

    def emit(self, event: Event) -> None:
        self.events.append(event)

    # --- failing --------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> AlertDescription:
        """The one place where an exception becomes an alert (section 6.2)."""
        self.forget()
        return error.alert if isinstance(error, Abort) else AlertDescription.internal_error

    def forget(self) -> None:
        """Nothing goes on: no flow, no question, no secret (section 6)."""
        self._flow = self._handshake = None
        self._need, self.waiting = (), False
        self._buffer, self.buffered = b"", 0
        for event in self.events:
            if isinstance(event, events.AnswerAwaited):
                dismiss(event.awaitable)
        self.events.clear()
        self._owed = []
        self._questions.clear()
        self._read_secret = self._write_secret = None

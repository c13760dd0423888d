"""Drives the flows: messages in, effects out, exceptions turned into alerts.

The engine stands between a flow, which knows the order of messages, and a carrier, which knows how bytes travel
(connection.py: TLS records; quic.py: CRYPTO frames). It

* puts handshake messages together, however they were cut, and resumes the flow with each (section 5.1);
* makes sure that no message straddles a change of keys, by construction: keys change only through `read_secret`,
  and that refuses while anything is left in the buffer;
* after the handshake, handles the messages that may still come (section 4.7);
* is the only place where an exception becomes an alert (section 6.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from .errors import (
    Abort,
    AlertDescription,
    BadKeyUpdateRequest,
    DataAcrossKeyChange,
    MessageTooLong,
    TooManyKeyUpdates,
    UnrequestedCertificateRequest,
)
from .events import HandshakeCompleted, KeysUpdated
from .flow import Epoch, out_of_order
from .wire.messages import CertificateRequest, KeyUpdate, NewSessionTicket, message_class
from .wire.registry import HandshakeType, KeyUpdateRequest

if TYPE_CHECKING:
    from .crypto.suites import Suite
    from .events import Event, Session, Tracer
    from .flow import Flow, Need
    from .key_schedule import TrafficSecret

MAX_KEY_UPDATES = 32
"""KeyUpdates in a row without application data between them: each costs us a key derivation, and its sender little."""


class Carrier(Protocol):
    """What carries handshake messages: a record layer, or QUIC."""

    def send_handshake(self, raw: bytes, epoch: Epoch) -> None: ...

    def send_change_cipher_spec(self) -> None: ...

    def install_read_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None: ...

    def install_write_keys(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None: ...

    def skip_early_data(self, budget: int) -> None: ...

    def stop_skipping(self) -> None: ...


class Engine:
    """One connection's handshake and what comes after it. Implements flow.Output."""

    def __init__(self, carrier: Carrier, *, is_client: bool, max_message: int, tracer: Tracer | None = None) -> None:
        self.is_client = is_client
        self.session: Session | None = None
        self.read_epoch = self.write_epoch = Epoch.INITIAL
        self.key_update_owed = False
        self.key_updates_sent = self.key_updates_received = 0
        self._carrier = carrier
        self._tracer = tracer
        self._max_message = max_message
        self._buffer = bytearray()
        self.buffered = 0
        """Bytes of a handshake message that is not whole yet: nothing else may come in between (section 5.1)."""
        self._flow: Flow[Session] | None = None
        self._need: Need = ()
        self._key_updates = 0
        self._suite: Suite | None = None
        self._read_secret: TrafficSecret | None = None
        self._write_secret: TrafficSecret | None = None

    # --- driving the flow -----------------------------------------------------------------------------------------

    def start(self, flow: Flow[Session]) -> None:
        """Run the flow up to its first need; a client sends its ClientHello here."""
        self._flow = flow
        self._need = next(flow)

    def receive(self, fragment: bytes) -> Event | None:
        """Handshake bytes, in order. Processes at most one message; the rest waits for `advance`."""
        self._buffer += fragment
        self.buffered = len(self._buffer)
        return self.advance()

    def advance(self) -> Event | None:
        """Process the next whole message in the buffer, if there is one, and whatever follows without an event."""
        while (raw := self._next_message()) is not None:
            if self._tracer is not None:
                self._tracer.message(False, raw, self.read_epoch)
            event = self._resume(raw) if self._flow is not None else self._post_handshake(raw)
            if event is not None:
                return event
        return None

    def _next_message(self) -> bytes | None:
        """A whole `struct Handshake` off the buffer. What cannot be wanted is refused by its first byte."""
        buffer = self._buffer
        if not buffer:
            return None
        self._refuse_early(buffer[0])
        if len(buffer) < 4:
            return None
        end = 4 + int.from_bytes(buffer[1:4], "big")
        if end > self._max_message:
            raise MessageTooLong(f"{HandshakeType(buffer[0])} of {end} bytes; our limit is {self._max_message}")
        if len(buffer) < end:
            return None
        raw = bytes(buffer[:end])
        del buffer[:end]
        self.buffered = len(buffer)
        return raw

    def _refuse_early(self, msg_type: int) -> None:
        """A message that cannot be wanted is not waited for: its sender could make us store it for nothing."""
        wanted = self._need if self._flow is not None else (NewSessionTicket, KeyUpdate, CertificateRequest)
        if msg_type not in [kind.msg_type for kind in wanted]:
            raise out_of_order(bytes([msg_type]), wanted)

    def _resume(self, raw: bytes) -> Event | None:
        flow = self._flow
        if flow is None:
            return None
        try:
            self._need = flow.send(raw)
        except StopIteration as done:
            self._flow = None
            self.session = done.value

            return HandshakeCompleted(done.value)
        return None

    # --- after the handshake: section 4.7 -------------------------------------------------------------------------

    def _post_handshake(self, raw: bytes) -> Event | None:
        kind = message_class(raw)
        if kind is KeyUpdate:
            return self._receive_key_update(KeyUpdate.decode(raw[4:]))
        if self.is_client and kind is NewSessionTicket:
            # Section 4.7.1: a client that does not resume silently ignores tickets; a broken one is still an error.
            NewSessionTicket.decode(raw[4:]).judge()
            return None
        if self.is_client and kind is CertificateRequest:
            raise UnrequestedCertificateRequest
        raise out_of_order(raw, (KeyUpdate,))

    def _receive_key_update(self, message: KeyUpdate) -> Event:
        """Section 4.7.3. The answer is only owed here: whoever writes next sends it, before any application data."""
        if message.request_update not in (KeyUpdateRequest.update_not_requested, KeyUpdateRequest.update_requested):
            raise BadKeyUpdateRequest(int(message.request_update))
        self._key_updates += 1
        if self._key_updates > MAX_KEY_UPDATES:
            raise TooManyKeyUpdates(self._key_updates)
        if self._read_secret is not None and self._suite is not None:
            self.read_secret(Epoch.APPLICATION, self._suite, self._read_secret.next())
        self.key_updates_received += 1
        requested = message.request_update == KeyUpdateRequest.update_requested
        if requested:  # never False here: a writing thread that has just answered would answer again
            self.key_update_owed = True
        return KeysUpdated(answer_requested=requested)

    def application_data_seen(self) -> None:
        self._key_updates = 0

    def update_write_keys(self, request: KeyUpdateRequest) -> None:
        """Send KeyUpdate under the old key and go on under the next (4.7.3, 7.2)."""
        suite, secret = self._suite, self._write_secret  # once: a reading thread's fail() may forget them meanwhile
        if secret is None or suite is None:
            return
        self.key_update_owed = False
        self.key_updates_sent += 1
        self.send(KeyUpdate(request_update=request).to_handshake())
        self.write_secret(Epoch.APPLICATION, suite, secret.next())

    # --- flow.Output ----------------------------------------------------------------------------------------------

    def send(self, raw: bytes) -> None:
        if self._tracer is not None:
            self._tracer.message(True, raw, self.write_epoch)
        self._carrier.send_handshake(raw, self.write_epoch)

    def send_change_cipher_spec(self) -> None:
        self._carrier.send_change_cipher_spec()

    def require_record_boundary(self) -> None:
        if self._buffer:
            raise DataAcrossKeyChange(f"{len(self._buffer)} bytes")

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

    def skip_early_data(self, budget: int) -> None:
        self._carrier.skip_early_data(budget)

    def stop_skipping(self) -> None:
        self._carrier.stop_skipping()

    # --- failing --------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> AlertDescription:
        """The one place where an exception becomes an alert (section 6.2). Forgets the secrets (section 6)."""
        self._flow = None
        self._need = ()
        self._buffer.clear()
        self.buffered = 0
        self._read_secret = self._write_secret = None
        return error.alert if isinstance(error, Abort) else AlertDescription.internal_error

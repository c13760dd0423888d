"""TLS between asyncio's TCP transport and an application's protocol.

`TLSProtocol` is what asyncio's transport talks to; `TLSTransport` (transport.py) is what the application (for tls13.aio
a StreamReaderProtocol) talks to. Both kinds of flow control pass through. Outwards: when the kernel takes no more,
asyncio calls pause_writing, which we hand on, and `drain()` waits. Inwards: when the stream's buffer is full it calls
pause_reading; then we stop reading from the socket *and* stop opening records, so what a fast peer can make us hold is
one read of the socket, still encrypted. Nor can it make us hold answers: while the way out is full, one is owed,
however often it asks (KeyUpdate, RFC 9846, section 4.7.3).

close() sends close_notify and half-closes, and goes on reading until everything is out and the peer has closed its
side, or a moment has passed: closing a socket with unread bytes would make the kernel send RST, and the peer would
lose what it has not read yet. A peer that takes nothing for a long time is given up.

What a callback or a store of the config answers later is awaited in a task of its own (questions.py). Only while the
handshake waits for it nothing is read; afterwards data flows on. Early data comes to the application only where it
has said that it reads it, and then apart from all other data: anybody may have recorded it and sent it again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionReset, HandshakeTimeout, OperationTimeout, TLSError, UsageError
from ..events import (
    AnswerAwaited,
    ApplicationData,
    ClientAuthenticated,
    EarlyData,
    HandshakeCompleted,
    PeerClosed,
)
from .facts import remember
from .questions import Questions
from .transport import TLSTransport

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.x509 import Certificate

    from ..connection import Connection
    from ..events import Event
    from ..resumption.sessions import StoredSession

    ErrorHook = Callable[[BaseException, Any], None]

SEND_UNIT = 2**16
"""Bytes encrypted at a time."""
CLOSE_SECONDS = 1.0
"""How long close() waits for the peer to close its side, once everything is sent."""
STALL_SECONDS = 30.0
"""How long close() waits for a peer that takes nothing of what is still to be sent."""

NOBODY_READS_EARLY_DATA = (
    "the config accepts early data, and nobody reads it: start_server(..., early_data=True), and in the callback "
    "await writer.recv_early_data()"
)


class TLSProtocol(asyncio.Protocol):
    """Drives one connection over asyncio's TCP transport, and an application's protocol over that."""

    def __init__(
        self,
        connection: Connection,
        app: asyncio.BaseProtocol,
        loop: asyncio.AbstractEventLoop,
        *,
        handshake_timeout: float | None,
        on_error: ErrorHook | None = None,
        early_data: bool = False,
    ) -> None:
        self.connection = connection
        self.app = app
        self.handshake: asyncio.Future[TLSTransport] = loop.create_future()
        """Done when the handshake is complete; the exception if it failed."""
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the TCP transport is gone. After a failure that is bounded: see _linger."""
        self.paused = False
        self.closing = False
        self.tickets: list[StoredSession] = []
        self._questions = Questions(connection, loop, self._answered)
        self._waiting = False
        """The handshake waits for an answer: nothing is read meanwhile."""
        self._reads_early_data = early_data
        self._early_data: deque[bytes] = deque()
        self._early_data_came: asyncio.Future[None] | None = None
        self._requests: dict[bytes, asyncio.Future[tuple[Certificate, ...]]] = {}
        """The unanswered CertificateRequests, by context."""
        self._loop = loop
        self._on_error = on_error
        limit = connection.config.handshake_timeout  # it looks at its clock when something comes, and nothing may come
        self._handshake_timeout = limit if handshake_timeout is None else min(limit, handshake_timeout)
        self._timer: asyncio.TimerHandle | None = None
        self._raw: asyncio.Transport | None = None
        self._transport: TLSTransport | None = None
        self._error: BaseException | None = None
        self._connected = False
        self._full = False
        # A server looks at on_error only; an exception that nobody fetches must not be logged as forgotten.
        self.handshake.add_done_callback(lambda future: future.cancelled() or future.exception())

    # --- asyncio.Protocol: from the TCP transport -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise UsageError("TLS needs a stream transport that reads and writes")
        self._raw = transport
        self._transport = TLSTransport(self, transport)
        self._timer = self._loop.call_later(self._handshake_timeout, self._handshake_is_late)
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._error is not None or (self.closing and self.connection.peer_closed):
            return
        try:
            self.connection.receive_data(data)
        except TLSError as error:
            self._fail(error)
            return
        self._process()

    def eof_received(self) -> bool:
        self.connection.receive_eof()
        if self.closing:
            return False
        self._process()
        # After close_notify our own direction is still open; without it the connection has failed.
        return self._error is None and not self.closing

    def pause_writing(self) -> None:
        self._full = True
        if self._connected:
            self.app.pause_writing()

    def resume_writing(self) -> None:
        self._full = False
        self._flush()  # what is owed since
        if self._connected:
            self.app.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        self._cancel_timer()
        self._questions.cancel()
        if error is not None and self._error is None:
            said = getattr(error, "strerror", None) or error  # str(error) would repeat the number
            self._error = ConnectionReset(getattr(error, "errno", None), f"the connection was torn down: {said}")
            self._error.__cause__ = error
        self.closing = True
        self._give_up_requests(self._error or ConnectionReset("the connection was closed before the client answered"))
        if not self.lost.done():
            self.lost.set_result(None)
        if self._connected:
            self._connected = False
            self.app.connection_lost(self._error if isinstance(self._error, Exception) else None)
        self._handshake_failed(self._error or ConnectionReset("the connection was closed during the handshake"))

    # --- working on the connection ----------------------------------------------------------------------------------

    def _process(self) -> None:
        """Handle events until there are no more, or the stream above has had enough for now."""
        while not self.paused and self._error is None:
            try:
                event = self.connection.next_event()
            except Exception as error:  # noqa: BLE001  # a callback's too: the peer is told, and the application
                self._fail(error)
                return
            if event is None:
                break
            self._handle(event)
        if not self._full:
            self._flush()

    def _handle(self, event: Event) -> None:
        if isinstance(event, ApplicationData):
            if not self.closing:
                self.app.data_received(event.data)  # type: ignore[attr-defined]  # app is a stream protocol
        elif isinstance(event, HandshakeCompleted):
            self._handshake_done()
        elif isinstance(event, PeerClosed):
            self._peer_closed()
        elif isinstance(event, AnswerAwaited):
            self._waiting = not self.connection.handshake_complete
            self._questions.ask(event)
            self._read_or_not()
        elif isinstance(event, EarlyData):
            self._early_data_arrived(event.data)
        elif isinstance(event, ClientAuthenticated):
            request = self._requests.pop(event.context, None)
            if request is not None and not request.done():
                request.set_result(event.peer_certificates)
        else:
            remember(event, self.tickets)

    def _answered(self, error: BaseException | None) -> None:
        """A question has its answer, or has ended the connection."""
        self._waiting = False
        if error is not None:
            self._fail(error)
            return
        self._process()
        self._read_or_not()

    def _read_or_not(self) -> None:
        raw = self._raw
        if raw is None or raw.is_closing():
            return
        if self.paused or self._waiting:
            raw.pause_reading()
        else:
            raw.resume_reading()

    def _flush(self) -> None:
        if self._raw is None or not self.connection.wants_send:
            return
        try:
            data = self.connection.data_to_send()
        except Exception as error:  # noqa: BLE001  # a padding policy's
            self._fail(error)
        else:
            self._raw.write(data)

    def _handshake_done(self) -> None:
        self._cancel_timer()
        self._flush()
        if self._transport is not None and not self.handshake.done():
            self.handshake.set_result(self._transport)
            self._start_app()

    def _start_app(self) -> None:
        """The application begins: once the handshake is complete, or with the first early data if it reads that."""
        if self._connected or self._transport is None:
            return
        self._connected = True
        self.app.connection_made(self._transport)
        if self._full:
            self.app.pause_writing()

    def _early_data_arrived(self, data: bytes) -> None:
        if not self._reads_early_data:
            error = UsageError(NOBODY_READS_EARLY_DATA)
            self.connection.abandon(error)
            self._fail(error)
            return
        self._early_data.append(data)
        if self._early_data_came is not None and not self._early_data_came.done():
            self._early_data_came.set_result(None)
        self._start_app()

    def _handshake_is_late(self) -> None:
        error = HandshakeTimeout(f"the handshake was not complete after {self._handshake_timeout:g} seconds")
        self._error = error
        self.abort()
        self._handshake_failed(error)

    def _peer_closed(self) -> None:
        self._give_up_requests(UsageError("the client has closed its side, and will not answer"))
        if self.closing:
            self._close_if_all_is_sent()
        elif not self.app.eof_received():  # type: ignore[attr-defined]  # app is a stream protocol
            self.close()

    def _fail(self, error: BaseException) -> None:
        """Say what is owed (an alert), and close. The application learns of it through connection_lost."""
        if self._error is None:
            self._error = error
        self._flush()
        self._half_close()
        self._handshake_failed(error)

    def _handshake_failed(self, error: BaseException) -> None:
        """Unless the handshake is over. Comes last where it is called: the hook is somebody else's code."""
        if self.handshake.done():
            return
        self.handshake.set_exception(error)
        if self._on_error is not None:
            peer = self._raw.get_extra_info("peername") if self._raw is not None else None
            self._on_error(error, peer)

    # --- for the transport above ------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._error is not None or self._raw is None:
            return
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SEND_UNIT):
            usable = not self.connection.closed
            try:
                self.connection.send_data(view[start : start + SEND_UNIT])
                self._raw.write(self.connection.data_to_send())
            except Exception as error:
                if usable and self.connection.closed:  # not a call that came too soon or too late
                    self._fail(error)
                raise

    def write_eof(self) -> None:
        self.connection.close()
        self._flush()

    def go_on(self) -> None:
        """After a call of the connection's that has made events, or something to send."""
        self._process()
        self._flush()

    def client_certificate(self, context: bytes) -> asyncio.Future[tuple[Certificate, ...]]:
        """Done when the client has answered the request with this context."""
        request: asyncio.Future[tuple[Certificate, ...]] = self._loop.create_future()
        request.add_done_callback(lambda future: future.cancelled() or future.exception())
        self._requests[context] = request
        self.go_on()
        return request

    def _give_up_requests(self, error: BaseException) -> None:
        for request in self._requests.values():
            if not request.done():
                request.set_exception(error)
        self._requests.clear()

    async def recv_early_data(self) -> bytes:
        while not self._early_data:
            if self.handshake.done():
                self.handshake.result()
                return b""
            self._early_data_came = self._loop.create_future()
            await asyncio.wait((self.handshake, self._early_data_came), return_when=asyncio.FIRST_COMPLETED)
        return self._early_data.popleft()

    def pause_reading(self) -> None:
        self.paused = True
        self._read_or_not()

    def resume_reading(self) -> None:
        if not self.paused:
            return
        self.paused = False
        # Not now: whoever calls us is in the middle of handling the data before.
        self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if self.paused or self._error is not None:
            return
        self._process()
        self._read_or_not()

    def close(self) -> None:
        if self.closing or self._raw is None:
            return
        self.connection.close()
        self._flush()
        self._half_close()

    def _half_close(self) -> None:
        """Send FIN after what is buffered, and go on reading for the reason in the module's text."""
        self.closing = True
        self.paused = self._waiting = False
        self._questions.cancel()
        self._cancel_timer()
        raw = self._raw
        if raw is None or raw.is_closing() or (self.connection.peer_closed and self._close_if_all_is_sent()):
            return
        with contextlib.suppress(OSError, NotImplementedError):
            raw.write_eof()
        raw.resume_reading()
        self._wait_for_the_end(raw.get_write_buffer_size(), self._loop.time())

    def _wait_for_the_end(self, unsent: int, moved: float) -> None:
        """Look again in a moment. `unsent` bytes were left when we looked last; that number changed at `moved`."""
        self._timer = self._loop.call_later(CLOSE_SECONDS, self._linger, unsent, moved)

    def _linger(self, unsent: int, moved: float) -> None:
        raw = self._raw
        if raw is None:
            return
        left, now = raw.get_write_buffer_size(), self._loop.time()
        if not unsent:
            raw.close()  # the peer has had a moment with everything
        elif left != unsent:
            self._wait_for_the_end(left, now)
        elif now - moved < STALL_SECONDS:
            self._wait_for_the_end(left, moved)
        else:
            if self._error is None:
                self._error = OperationTimeout(f"the peer took nothing for {STALL_SECONDS:g} seconds")
            raw.abort()

    def _close_if_all_is_sent(self) -> bool:
        if self._raw is None or self._raw.get_write_buffer_size():
            return False
        self._cancel_timer()
        self._raw.close()
        return True

    def abort(self) -> None:
        if self._raw is not None:
            self._raw.abort()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

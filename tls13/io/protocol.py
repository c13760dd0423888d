"""TLS between asyncio's TCP transport and an application's protocol.

`TLSProtocol` is what asyncio's transport talks to; `TLSTransport` is what the application (a StreamReaderProtocol, for
tls13.aio) talks to. Both kinds of flow control pass through. Outwards: when the kernel takes no more, asyncio calls
pause_writing, which we hand on, and `drain()` waits. Inwards: when the stream's buffer is full it calls pause_reading;
then we stop reading from the socket *and* stop opening records, so what a fast peer can make us hold is one read of
the socket, still encrypted. Nor can it make us hold answers: while the way out is full, one is owed, however often it
asks (KeyUpdate, RFC 9846, section 4.7.3).

close() sends close_notify and half-closes, and goes on reading until everything is out and the peer has closed its
side, or a moment has passed: closing a socket with unread bytes would make the kernel send RST, and the peer would
lose what it has not read yet. A peer that takes nothing for a long time is given up.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from ..errors import ConnectionReset, HandshakeTimeout, OperationTimeout, TLSError, UsageError
from ..events import ApplicationData, HandshakeCompleted, PeerClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connection import Connection

    ErrorHook = Callable[[BaseException, Any], None]

SEND_UNIT = 2**16
"""Bytes encrypted at a time."""
CLOSE_SECONDS = 1.0
"""How long close() waits for the peer to close its side, once everything is sent."""
STALL_SECONDS = 30.0
"""How long close() waits for a peer that takes nothing of what is still to be sent."""


class TLSTransport(asyncio.Transport):
    """What the stream above writes to. Made by TLSProtocol."""

    def __init__(self, protocol: TLSProtocol, raw: asyncio.Transport) -> None:
        super().__init__()
        self._tls = protocol
        self._raw = raw

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send. Raises UsageError after write_eof or close; data after a failure is dropped, as asyncio
        does it: the failure itself comes out where one reads or drains."""
        self._tls.write(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """close_notify: the peer sees the end of our data, and may go on sending (RFC 9846, section 6.1)."""
        self._tls.write_eof()

    def close(self) -> None:
        self._tls.close()

    def abort(self) -> None:
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._tls.closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        self._tls.resume_reading()

    def is_reading(self) -> bool:
        return not self._tls.paused and not self.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._tls.app = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._tls.app

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """tls13_connection, tls13_session; and what the TCP transport knows: peername, sockname, socket."""
        if name == "tls13_connection":
            return self._tls.connection
        if name == "tls13_session":
            return self._tls.connection.session
        return self._raw.get_extra_info(name, default)


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
    ) -> None:
        self.connection = connection
        self.app = app
        self.handshake: asyncio.Future[TLSTransport] = loop.create_future()
        """Done when the handshake is complete; the exception if it failed."""
        self.lost: asyncio.Future[None] = loop.create_future()
        """Done when the TCP transport is gone. After a failure that is bounded: see _linger."""
        self.paused = False
        self.closing = False
        self._loop = loop
        self._on_error = on_error
        self._handshake_timeout = handshake_timeout
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
        if self._handshake_timeout is not None:
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
        if error is not None and self._error is None:
            self._error = ConnectionReset(getattr(error, "errno", None), f"the connection was torn down: {error}")
            self._error.__cause__ = error
        self.closing = True
        if not self.lost.done():
            self.lost.set_result(None)
        if self._connected:
            self._connected = False
            self.app.connection_lost(self._error if isinstance(self._error, Exception) else None)
        self._handshake_failed(self._error or ConnectionReset("the connection was closed during the handshake"))

    # --- working on the connection ----------------------------------------------------------------------------------

    def _process(self) -> None:
        """Handle events until there are no more, or the stream above has had enough for now."""
        while not self.paused:
            try:
                event = self.connection.next_event()
            except Exception as error:  # noqa: BLE001  # a callback's too: the peer is told, and the application
                self._fail(error)
                return
            if event is None:
                break
            if isinstance(event, ApplicationData):
                if not self.closing:
                    self.app.data_received(event.data)  # type: ignore[attr-defined]  # app is a stream protocol
            elif isinstance(event, HandshakeCompleted):
                self._handshake_done()
            elif isinstance(event, PeerClosed):
                self._peer_closed()
        if not self._full:
            self._flush()

    def _flush(self) -> None:
        if self._raw is not None and self.connection.wants_send:
            self._raw.write(self.connection.data_to_send())

    def _handshake_done(self) -> None:
        self._cancel_timer()
        self._flush()
        transport = self._transport
        if transport is None or self.handshake.done():
            return
        self._connected = True
        self.handshake.set_result(transport)
        self.app.connection_made(transport)

    def _handshake_is_late(self) -> None:
        error = HandshakeTimeout(f"the handshake was not complete after {self._handshake_timeout:g} seconds")
        self._error = error
        self.abort()
        self._handshake_failed(error)

    def _peer_closed(self) -> None:
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
            self.connection.send_data(view[start : start + SEND_UNIT])
            self._raw.write(self.connection.data_to_send())

    def write_eof(self) -> None:
        self.connection.close()
        self._flush()

    def pause_reading(self) -> None:
        self.paused = True
        if self._raw is not None:
            self._raw.pause_reading()

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
        if not self.paused and self._raw is not None and not self._raw.is_closing():
            self._raw.resume_reading()

    def close(self) -> None:
        if self.closing or self._raw is None:
            return
        self.connection.close()
        self._flush()
        self._half_close()

    def _half_close(self) -> None:
        """Send FIN after what is buffered, and go on reading for the reason in the module's text."""
        self.closing = True
        self.paused = False
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

"""TLS over a plain socket.

`TLSSocket` looks like a socket and is one connection driven over one. What is worth knowing:

Locks. One thread may read while another writes. Each direction has a lock; the handshake takes both. The reading side
never waits for the writing side: what it owes the peer (the answer to a KeyUpdate, an alert) it sends only if nobody
is writing at the moment and only as much as the kernel takes at once; the rest is sent by whoever writes or reads
next. If it waited, two peers that both write a lot could wait for each other for ever, each with a full send buffer.
And if it cannot be sent at all, that is no reason to lose what the peer said before it left. One case is different:
the reader finds a fatal error while the writer is stuck. No alert gets past a record that is half sent, and what the
writer sends helps nobody any more; so the reader shuts the stream down, and the writer's call ends with an error.

Non-blocking. A record that is half sent cannot be taken back, so `send` raises WantWrite until the rest of it is
gone, and is then to be called again with the same data; it will not be encrypted twice. `recv` raises WantRead. The
same holds after a time-out; other data in its place is refused, because it would silently not be sent.

Early data. Anybody who saw it may have sent it again (RFC 9846, section 8), so a server that accepts it reads it with
a call of its own, `recv_early_data`, and `recv` refuses to pass it by.

Closing. Closing a socket while unread bytes wait in its receive buffer makes the kernel send RST, and RST makes the
peer forget what it has not read yet: our last data, or the alert that says what went wrong. So we half-close, drain
what is there, and only then close. A blocking socket gives the peer of a failed connection a moment for that.
"""

from __future__ import annotations

import contextlib
import socket
import time
import warnings
from typing import TYPE_CHECKING, Self

from ..errors import ConnectionFailed, HandshakeTimeout, OperationTimeout, TLSError, UsageError, WantWrite
from ..events import ApplicationData, EarlyData, PeerClosed
from .carrier import GOODBYE_SECONDS, seconds_until
from .facts import remember
from .later import LaterFace
from .refusal import next_event

if TYPE_CHECKING:
    import io
    from types import TracebackType

    from ..connection import Connection
    from ..events import Event

    Buffer = bytes | bytearray | memoryview

SEND_UNIT = 2**16
"""Bytes encrypted at a time: four records for each call of the kernel, in a buffer that stays in the cache."""


class TLSSocket(LaterFace):
    """A socket that speaks TLS 1.3. Made by `tls13.connect` and `tls13.wrap_socket`."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        super().__init__(sock, connection)
        self._unfinished = b""
        """The data of a `send` that is to be repeated: it is encrypted already."""
        self._early_data = bytearray()
        """Received, and not yet asked for; the config's max_early_data is its limit."""
        self._read_error: TLSError | None = None
        """Found behind data that was delivered first; the next read raises it."""

    # --- handshake ------------------------------------------------------------------------------------------------

    def do_handshake(self, timeout: float | None = None) -> None:
        """Complete the handshake. `timeout` (seconds) is for all of it; None: the socket's own, for each step.

        On a non-blocking socket raises WantRead or WantWrite; call it again then. Raises an Abort or AlertReceived,
        HandshakeTimeout, ConnectionReset or TruncatedStream. Does nothing when the handshake is complete.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        before = self._sock.gettimeout()
        with self._read_lock, self._write_lock:
            try:
                while not self._connection.handshake_complete:
                    self._handshake_step(deadline)
                self._carrier.flush(deadline)
            except OperationTimeout as error:
                limit = timeout if timeout is not None else before
                raise HandshakeTimeout(f"the handshake was not complete after {limit:g} seconds") from error.__cause__
            finally:
                if deadline is not None and self._sock.fileno() >= 0:
                    self._sock.settimeout(before)

    def _handshake_step(self, deadline: float | None) -> None:
        """Send what there is, process what has come, and read more if that was not enough."""
        self._carrier.flush(deadline)
        try:
            event = next_event(self._connection)
        except Exception:  # a callback's too: of every failure the peer is told
            self._carrier.say_goodbye()
            raise
        self._note(event)
        if event is None and not self._connection.wants_send:
            if deadline is not None:
                self._sock.settimeout(seconds_until(deadline))
            self._carrier.receive()

    def _note(self, event: Event | None) -> None:
        """Keep what somebody will ask for."""
        if isinstance(event, EarlyData):
            self._early_data += event.data
        elif isinstance(event, PeerClosed):
            self._end_of_data = True
        else:
            self._note_answer(event)
            remember(event, self._tickets)

    # --- reading --------------------------------------------------------------------------------------------------

    def recv(self, bufsize: int = 2**16, flags: int = 0) -> bytes:
        """At most `bufsize` bytes of what the peer sent; b"" after its close_notify.

        Raises TruncatedStream when the stream ends without one, OperationTimeout, WantRead, and what ends a
        connection. flags: none are supported.
        """
        if flags:
            raise _no_flags()
        if bufsize <= 0:
            return b""
        with self._read_lock:
            rest = self._plaintext
            if not rest:
                data = self._next_plaintext()
                if len(data) <= bufsize:
                    return data
                rest = memoryview(data)
            self._plaintext = rest[bufsize:]
            return bytes(rest[:bufsize])

    def recv_early_data(self, bufsize: int = 2**16) -> bytes:
        """A server's: at most `bufsize` bytes of early data; b"" when there is no more, and the handshake complete.

        Before the handshake is complete (wrap_socket with do_handshake_on_connect=False) the client may be somebody
        who has recorded what it sends: act only on what does no harm twice. Afterwards it is the client itself, who
        may have sent the same to another server as well (section 8). Raises what do_handshake raises.
        """
        with self._read_lock, self._write_lock:
            while not self._early_data and not self._connection.handshake_complete:
                self._handshake_step(None)
            self._carrier.flush()
            data = bytes(self._early_data[:bufsize])
            del self._early_data[:bufsize]
            return data

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """As recv, into a buffer: fills it with as many records as have arrived, and waits only for the first."""
        if flags:
            raise _no_flags()
        view = memoryview(buffer).cast("B")
        if view.readonly:  # found out later, the record's data would be lost
            raise TypeError("recv_into needs a buffer that can be written")
        if nbytes < 0:
            raise ValueError(f"recv_into cannot read {nbytes} bytes")
        room = min(nbytes or len(view), len(view))
        filled = 0
        with self._read_lock:
            data: Buffer = b""
            if room:
                data = self._plaintext or self._next_plaintext()
            while data:
                size = min(len(data), room - filled)
                view[filled : filled + size] = data if size == len(data) else data[:size]
                filled += size
                self._plaintext = memoryview(data)[size:]
                data = self._plaintext_at_once() if filled < room else b""
        return filled

    def _plaintext_at_once(self) -> bytes:
        """The next record's data if it is here. An error is kept: the data before it is delivered first."""
        if self._held:
            return self._held.popleft()
        try:
            while not self._end_of_data and (event := self._read_event()) is not None:
                if isinstance(event, ApplicationData):
                    return event.data
        except TLSError as error:
            self._read_error = error
        return b""

    def _next_plaintext(self) -> bytes:
        """The next record's application data; empty at the end of data."""
        if self._sock.fileno() < 0:
            raise UsageError("the socket is closed")
        if self._read_error is not None:
            error, self._read_error = self._read_error, None
            raise error
        if self._early_data:
            raise UsageError("early data is here, which anybody may have replayed: read it first, by recv_early_data")
        if self._held:
            return self._held.popleft()
        if not (self._end_of_data or self._connection.handshake_complete):
            raise UsageError("read before the handshake is complete; call do_handshake")
        try:
            while not self._end_of_data:
                if not self._connection.may_have_event:
                    self._flush_if_idle()
                    self._carrier.receive()
                event = self._read_event()
                if isinstance(event, ApplicationData):
                    return event.data
                if event is None:
                    self._carrier.receive()
        except TLSError:
            if not self._end_of_data:
                raise
            # another thread has ended reading meanwhile (shutdown): what that did to the stream is no failure
        return b""

    def _read_event(self) -> Event | None:
        """The next event, noted; what it makes us owe the peer is sent if that goes at once."""
        event = self._next_event()
        if not isinstance(event, ApplicationData):
            if event is not None:
                self._note(event)
            self._flush_if_idle()
        return event

    def _next_event(self) -> Event | None:
        """The connection's next event. If there is a fatal error instead, the peer is told before we are."""
        try:
            return next_event(self._connection)
        except ConnectionFailed:
            raise  # the peer has been told
        except Exception:
            patience = 0.0 if self._sock.gettimeout() == 0.0 else GOODBYE_SECONDS
            if self._write_lock.acquire(timeout=patience):
                try:
                    self._carrier.say_goodbye()
                finally:
                    self._write_lock.release()
            else:
                with contextlib.suppress(OSError):
                    self._sock.shutdown(socket.SHUT_RDWR)
            raise

    # --- writing --------------------------------------------------------------------------------------------------

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send some of `data`; returns how many bytes were. Raises OperationTimeout, ConnectionReset, WantWrite."""
        if flags:
            raise _no_flags()
        view = memoryview(data).cast("B")
        with self._write_lock:
            sent = self._send(view)
        self._flush_if_idle()
        return sent

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of `data`."""
        if flags:
            raise _no_flags()
        view = memoryview(data).cast("B")
        while len(view):
            with self._write_lock:
                view = view[self._send(view) :]
        self._flush_if_idle()

    def _send(self, view: memoryview) -> int:
        if self._sock.fileno() < 0:
            raise UsageError("the socket is closed")
        unit = view[:SEND_UNIT]
        if self._unfinished:
            if not self._is_repeated(view):
                raise UsageError("an earlier send is not finished: call it again with the same data first")
            unit = view[: len(self._unfinished)]
        else:
            if self._carrier.unsent:
                self._carrier.flush()
            self._connection.send_data(unit)
        try:
            self._carrier.flush()
        except (OperationTimeout, WantWrite):
            self._unfinished = bytes(unit)
            raise
        self._unfinished = b""
        return len(unit)

    def _is_repeated(self, view: memoryview) -> bool:
        return view[: len(self._unfinished)] == self._unfinished

    def _flush_if_idle(self) -> None:
        """Send what is owed, if nobody is writing and as far as it goes at once. See the module's text.

        A writer that finishes while we look finds the debt itself, because it looks again after its lock is free.
        """
        while self._carrier.wants_send and self._write_lock.acquire(blocking=False):
            try:
                if not self._carrier.flush_at_once():
                    return
            finally:
                self._write_lock.release()

    def sendfile(self, file: io.BufferedReader, offset: int = 0, count: int | None = None) -> int:
        """Send a file from `offset`, `count` bytes or up to its end. Returns how many bytes were sent."""
        if offset:
            file.seek(offset)
        buffer = memoryview(bytearray(SEND_UNIT))
        total = 0
        while count is None or total < count:
            size = file.readinto(buffer if count is None else buffer[: count - total])
            if not size:
                break
            self.sendall(buffer[:size])
            total += size
        return total

    # --- closing --------------------------------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        """SHUT_WR sends close_notify: the peer sees the end of our data, and we go on reading (section 6.1).
        SHUT_RD makes recv return b"" from here on. SHUT_RDWR is both, and shuts the TCP connection down as well."""
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            with self._write_lock:
                self._connection.close()
                self._carrier.flush()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._end_of_data = True
            self._plaintext = memoryview(b"")
            self._held.clear()
        if how == socket.SHUT_RDWR:
            self._sock.shutdown(how)

    def unwrap(self) -> socket.socket:
        """End TLS properly (close_notify both ways) and give the plain socket back, for protocols that go on.

        From here on records are read one by one: what follows the peer's close_notify is not TLS, and not ours. Raises
        UsageError if some of it is here already, because it came together with data that was read before.
        """
        self._carrier.record_by_record = True
        self.shutdown(socket.SHUT_WR)
        while self.recv():
            pass
        if lost := self._connection.unread:
            raise UsageError(
                f"{lost} bytes that follow the peer's close_notify came together with records that were read before "
                "unwrap(), and cannot be put back: such a peer needs an SSLContext's socket, which never reads ahead"
            )
        return self.detach_socket()

    def detach_socket(self) -> socket.socket:
        """Give the plain socket up without a word to the peer. Ours is closed then."""
        self._closed = True
        sock = self._sock
        self._sock = self._carrier.sock = socket.socket()
        self._sock.close()
        return sock

    def close(self) -> None:
        """Send close_notify as far as it goes out at once, and close. Never blocks, never raises; may be repeated.

        An open makefile() keeps the connection until it is closed too.
        """
        self._closed = True
        if self._io_refs <= 0:
            self._real_close()

    def _real_close(self) -> None:
        if self._sock.fileno() < 0:
            return
        try:
            self._sock.setblocking(False)
            if self._write_lock.acquire(blocking=False):
                try:
                    self._connection.close()
                    self._carrier.flush()
                finally:
                    self._write_lock.release()
            self._carrier.drain(None)
        except (OSError, TLSError):
            pass  # the peer is gone already: there is nobody to say goodbye to
        finally:
            self._sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        sock = getattr(self, "_sock", None)
        if sock is not None and sock.fileno() >= 0:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self._real_close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self.session is not None else "in the handshake"
        return f"<TLSSocket {state}, fd={self.fileno()}>"


def _no_flags() -> ValueError:
    return ValueError("a TLSSocket supports no flags: its bytes are not the kernel's")

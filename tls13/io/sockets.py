"""TLS over a plain socket.

`TLSSocket` looks like a socket and is one connection driven over one. What is worth knowing:

Locks. One thread may read while another writes. Each direction has a lock; the handshake takes both. The reading side
never waits for the writing side: what it owes the peer (the answer to a KeyUpdate, an alert) it sends only if nobody
is writing at the moment and only as much as the kernel takes at once; the rest is sent by whoever writes next. If it
waited, two peers that both write a lot could wait for each other for ever, each with a full send buffer.

Non-blocking. A record that is half sent cannot be taken back, so `send` raises WantWrite until the rest of it is
gone, and is then to be called again with the same data; it will not be encrypted twice. `recv` raises WantRead.

Closing. Closing a socket while unread bytes wait in its receive buffer makes the kernel send RST, and RST makes the
peer forget what it has not read yet: our last data, or the alert that says what went wrong. So we half-close, drain
what is there, and only then close.
"""

from __future__ import annotations

import errno
import io
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Literal, Self

from ..crypto.suites import SUITES
from ..errors import (
    ConnectionReset,
    HandshakeTimeout,
    OperationTimeout,
    TLSError,
    UsageError,
    WantRead,
    WantWrite,
)
from ..events import ApplicationData, HandshakeCompleted, PeerClosed

if TYPE_CHECKING:
    from types import TracebackType

    from ..connection import Connection
    from ..events import Session

    Buffer = bytes | bytearray | memoryview

RECEIVE_SIZE = 2**17
SEND_UNIT = 2**16
"""Bytes encrypted at a time: four records for each call of the kernel, in a buffer that stays in the cache."""
DRAIN_BYTES = 2**20
DRAIN_SECONDS = 0.5


_buffers = threading.local()


def _receive_buffer() -> bytearray:
    """One for each thread: it is only used during a call, and ten thousand idle sockets need none."""
    buffer: bytearray | None = getattr(_buffers, "receive", None)
    if buffer is None:
        buffer = _buffers.receive = bytearray(RECEIVE_SIZE)
    return buffer


class TLSSocket:
    """A socket that speaks TLS 1.3. Made by `tls13.connect` and `tls13.wrap_socket`."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self._sock = sock
        self._connection = connection
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._plaintext = memoryview(b"")
        self._unsent = memoryview(b"")
        self._accepted = 0
        self._end_of_data = False
        self._record_by_record = False
        self._io_refs = 0
        self._closed = False
        self.bytes_received = 0
        """Bytes of the stream, records and all."""
        self.bytes_sent = 0

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
                self._flush()
            except OperationTimeout as error:
                limit = timeout if timeout is not None else before
                raise HandshakeTimeout(f"the handshake was not complete after {limit:g} seconds") from error.__cause__
            finally:
                if deadline is not None and self._sock.fileno() >= 0:
                    self._sock.settimeout(before)

    def _handshake_step(self, deadline: float | None) -> None:
        """Send what there is, process what has come, and read more if that was not enough."""
        if deadline is not None:
            self._sock.settimeout(max(0.001, deadline - time.monotonic()))
        self._flush()
        try:
            event = self._connection.next_event()
        except TLSError:
            self._say_goodbye()
            raise
        if event is None and not isinstance(event, HandshakeCompleted) and not self._connection.wants_send:
            self._receive()

    def _say_goodbye(self) -> None:
        """After a fatal error: the alert, as far as it goes out at once, and time for the peer to read it."""
        try:
            self._flush()
            self._drain(DRAIN_SECONDS)
        except (OSError, TLSError):
            return  # the peer is gone, and what went wrong is already being raised

    # --- reading --------------------------------------------------------------------------------------------------

    def recv(self, bufsize: int = 2**16, flags: int = 0) -> bytes:
        """At most `bufsize` bytes of what the peer sent; b"" after its close_notify.

        Raises TruncatedStream when the stream ends without one, OperationTimeout, WantRead, and what ends a
        connection. flags: none are supported.
        """
        _no_flags(flags)
        if bufsize <= 0:
            return b""
        with self._read_lock:
            data = self._plaintext or self._next_plaintext()
            self._plaintext = data[bufsize:]
            return bytes(data[:bufsize])

    def recv_into(self, buffer: bytearray | memoryview, nbytes: int = 0, flags: int = 0) -> int:
        """As recv, into a buffer: fills it with as many records as have arrived, and waits only for the first."""
        _no_flags(flags)
        view = memoryview(buffer).cast("B")
        room = min(nbytes or len(view), len(view))
        filled = 0
        with self._read_lock:
            while filled < room:
                data = self._plaintext
                if not data:
                    if filled and self._connection.bytes_needed:
                        break
                    data = self._next_plaintext(wait=not filled)
                    if not data:
                        break
                size = min(len(data), room - filled)
                view[filled : filled + size] = data[:size]
                filled += size
                self._plaintext = data[size:]
        return filled

    def _next_plaintext(self, *, wait: bool = True) -> memoryview:
        """The next record's application data; empty at the end of data, and if there is none and we do not wait."""
        if self._sock.fileno() < 0:
            raise UsageError("the socket is closed")
        while not self._end_of_data:
            if not self._connection.handshake_complete:
                raise UsageError("read before the handshake is complete; call do_handshake")
            try:
                event = self._connection.next_event()
            except TLSError:
                with self._write_lock:
                    self._say_goodbye()
                raise
            if isinstance(event, ApplicationData):
                return memoryview(event.data)
            if isinstance(event, PeerClosed):
                self._end_of_data = True
            elif event is not None:
                self._flush_if_idle()
            elif not wait:
                break
            else:
                self._receive()
        return memoryview(b"")

    def _receive(self) -> None:
        """Bytes from the kernel to the connection. At the end of the stream, tells the connection so."""
        buffer = memoryview(_receive_buffer())
        if self._record_by_record:
            buffer = buffer[: self._connection.bytes_needed]
        try:
            size = self._sock.recv_into(buffer)
        except (BlockingIOError, InterruptedError) as error:
            raise WantRead(errno.EAGAIN, "nothing to read yet") from error
        except TimeoutError as error:
            raise OperationTimeout(f"nothing came within {self._sock.gettimeout():g} seconds") from error
        except ConnectionError as error:
            raise ConnectionReset(error.errno, f"the connection was torn down: {error.strerror}") from error
        if size:
            self.bytes_received += size
            self._connection.receive_data(buffer[:size])
        else:
            self._connection.receive_eof()

    # --- writing --------------------------------------------------------------------------------------------------

    def send(self, data: Buffer, flags: int = 0) -> int:
        """Send some of `data`; returns how many bytes were. Raises OperationTimeout, ConnectionReset, WantWrite."""
        _no_flags(flags)
        view = memoryview(data).cast("B")
        with self._write_lock:
            sent = self._send(view)
        self._flush_if_idle()
        return sent

    def sendall(self, data: Buffer, flags: int = 0) -> None:
        """Send all of `data`."""
        _no_flags(flags)
        view = memoryview(data).cast("B")
        while len(view):
            with self._write_lock:
                view = view[self._send(view) :]
        self._flush_if_idle()

    def _send(self, view: memoryview) -> int:
        if self._sock.fileno() < 0:
            raise UsageError("the socket is closed")
        if not self._accepted:
            self._flush()
            unit = view[:SEND_UNIT]
            self._connection.send_data(unit)
            self._accepted = len(unit)
        self._flush()
        accepted, self._accepted = self._accepted, 0
        return min(accepted, len(view))

    def _flush(self) -> None:
        """Everything that is ready goes to the kernel; what it does not take stays for the next call."""
        while True:
            if not self._unsent:
                self._unsent = memoryview(self._connection.data_to_send())
                if not self._unsent:
                    return
            try:
                sent = self._sock.send(self._unsent)
            except (BlockingIOError, InterruptedError) as error:
                raise WantWrite(errno.EAGAIN, "the send buffer is full") from error
            except TimeoutError as error:
                raise OperationTimeout(f"nothing could be sent for {self._sock.gettimeout():g} seconds") from error
            except OSError as error:
                raise ConnectionReset(error.errno, f"the connection was torn down: {error.strerror}") from error
            self.bytes_sent += sent
            self._unsent = self._unsent[sent:]

    def _flush_if_idle(self) -> None:
        """Send what is owed, if nobody is writing and as far as it goes at once. See the module's text.

        A writer that finishes while we look finds the debt itself, because it looks again after its lock is free.
        """
        while self._connection.wants_send and self._write_lock.acquire(blocking=False):
            try:
                if not self._unsent:
                    self._unsent = memoryview(self._connection.data_to_send())
                sent = self._sock.send(self._unsent, socket.MSG_DONTWAIT)
                self.bytes_sent += sent
                self._unsent = self._unsent[sent:]
                if self._unsent:
                    return
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                raise ConnectionReset(error.errno, f"the connection was torn down: {error.strerror}") from error
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
                self._flush()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            self._end_of_data = True
        if how == socket.SHUT_RDWR:
            self._sock.shutdown(how)

    def unwrap(self) -> socket.socket:
        """End TLS properly (close_notify both ways) and give the plain socket back, for protocols that go on.

        From here on records are read one by one: what follows the peer's close_notify is not TLS, and not ours.
        """
        self._record_by_record = True
        self.shutdown(socket.SHUT_WR)
        while self.recv():
            pass
        return self.detach_socket()

    def detach_socket(self) -> socket.socket:
        """Give the plain socket up without a word to the peer. Ours is closed then."""
        self._closed = True
        sock, self._sock = self._sock, socket.socket()
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
                    self._flush()
                finally:
                    self._write_lock.release()
            self._drain(0)
        except (OSError, TLSError):
            pass  # the peer is gone already: there is nobody to say goodbye to
        finally:
            self._sock.close()

    def _drain(self, seconds: float) -> None:
        """Half-close and read what is there, so that closing does not make the kernel send RST."""
        before = self._sock.gettimeout()
        self._sock.shutdown(socket.SHUT_WR)
        deadline = time.monotonic() + seconds
        try:
            left = DRAIN_BYTES
            while left > 0:
                self._sock.settimeout(max(0.0, deadline - time.monotonic()))
                size = self._sock.recv_into(_receive_buffer())
                if not size:
                    return
                left -= size
        except (TimeoutError, BlockingIOError):
            return
        finally:
            self._sock.settimeout(before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        sock = getattr(self, "_sock", None)
        if sock is not None and sock.fileno() >= 0:
            self._real_close()

    # --- what a socket is asked -------------------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._sock.fileno()

    def pending(self) -> int:
        """Decrypted bytes that recv returns without waiting. More may be in records that are not open yet:
        selectors see the descriptor only, so read until WantRead."""
        return len(self._plaintext)

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def gettimeout(self) -> float | None:
        return self._sock.gettimeout()

    def setblocking(self, blocking: bool) -> None:
        self._sock.setblocking(blocking)

    def getblocking(self) -> bool:
        return self._sock.getblocking()

    def getpeername(self) -> Any:
        return self._sock.getpeername()

    def getsockname(self) -> Any:
        return self._sock.getsockname()

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        self._sock.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int) -> int:
        return self._sock.getsockopt(level, option)

    @property
    def family(self) -> int:
        return self._sock.family

    @property
    def type(self) -> int:
        return self._sock.type

    @property
    def proto(self) -> int:
        return self._sock.proto

    @property
    def connection(self) -> Connection:
        """The connection underneath."""
        return self._connection

    @property
    def session(self) -> Session | None:
        """What the handshake agreed on."""
        return self._connection.session

    def version(self) -> str | None:
        return "TLSv1.3" if self.session is not None else None

    def cipher(self) -> tuple[str, str, int] | None:
        """Name, protocol, and bits of the key, as ssl.SSLSocket.cipher() gives them."""
        if self.session is None:
            return None
        suite = SUITES[self.session.cipher_suite]
        return suite.code.name, "TLSv1.3", 8 * suite.key_length

    def selected_alpn_protocol(self) -> str | None:
        protocol = self.session.alpn_protocol if self.session is not None else None
        return protocol.decode("ascii", "backslashreplace") if protocol is not None else None

    def getpeercert(self, binary_form: Literal[True] = True) -> bytes | None:
        """The peer's certificate in DER; None if it showed none."""
        from cryptography.hazmat.primitives.serialization import Encoding

        if self.session is None or not self.session.peer_certificates:
            return None
        return self.session.peer_certificates[0].public_bytes(Encoding.DER)

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file over this socket, as socket.makefile gives it."""
        if not set(mode) <= {"r", "w", "b"}:
            raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
        reading, writing = "r" in mode or "w" not in mode, "w" in mode
        raw = socket.SocketIO(self, ("r" if reading else "") + ("w" if writing else ""))  # type: ignore[arg-type]  # it is shaped like one
        self._io_refs += 1
        if buffering == 0:
            if "b" not in mode:
                raise ValueError("unbuffered streams must be binary")
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        buffered: Any
        if reading and writing:
            buffered = io.BufferedRWPair(raw, raw, size)
        else:
            buffered = io.BufferedReader(raw, size) if reading else io.BufferedWriter(raw, size)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def _decref_socketios(self) -> None:
        """Called by socket.SocketIO when it is closed."""
        self._io_refs -= 1
        if self._closed:
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open" if self.session is not None else "in the handshake"
        return f"<TLSSocket {state}, fd={self.fileno()}>"


def _no_flags(flags: int) -> None:
    if flags:
        raise ValueError("a TLSSocket supports no flags: its bytes are not the kernel's")

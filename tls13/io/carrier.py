"""Between one connection and one plain socket: bytes carried each way, and what the operating system says put as ours.

One attempt each: who waits, how long, and who may call when, is decided in `sockets.py`, which holds a lock for each
direction. `receive` needs the reading one, everything that sends the writing one.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING

from ..errors import ConnectionReset, OperationTimeout, TLSError, WantRead, WantWrite

if TYPE_CHECKING:
    from ..connection import Connection

RECEIVE_SIZE = 2**17
DRAIN_BYTES = 2**20
GOODBYE_SECONDS = 0.5
"""How long a failed connection waits for the peer to take the alert."""

DONTWAIT: int = getattr(socket, "MSG_DONTWAIT", 0)
"""For one call on a blocking socket; Windows has no such flag, and takes the few bytes of an answer."""

_buffers = threading.local()


def receive_buffer() -> bytearray:
    """One for each thread: it is only used during a call, and ten thousand idle sockets need none."""
    buffer: bytearray | None = getattr(_buffers, "receive", None)
    if buffer is None:
        buffer = _buffers.receive = bytearray(RECEIVE_SIZE)
    return buffer


class Carrier:
    """Carries one connection's bytes over `sock`, which detach_socket may change."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self.sock = sock
        self.connection = connection
        self.unsent = memoryview(b"")
        """Records that the kernel has not taken yet."""
        self.record_by_record = False
        """Take nothing from the kernel that is behind the current record."""
        self.bytes_received = 0
        """Bytes of the stream, records and all."""
        self.bytes_sent = 0

    @property
    def wants_send(self) -> bool:
        return bool(self.unsent) or self.connection.wants_send

    def receive(self) -> None:
        """Bytes from the kernel to the connection. At the end of the stream, tells the connection so."""
        buffer = memoryview(receive_buffer())
        if self.record_by_record:
            buffer = buffer[: self.connection.bytes_needed]
        try:
            size = self.sock.recv_into(buffer)
        except (BlockingIOError, InterruptedError) as error:
            raise WantRead(errno.EAGAIN, "nothing to read yet") from error
        except OSError as error:
            if isinstance(error, TimeoutError) and error.errno is None:  # Python's own; the kernel's has a number
                raise OperationTimeout(f"nothing came within {self.sock.gettimeout():g} seconds") from error
            raise ConnectionReset(error.errno, f"the connection was torn down: {error.strerror}") from error
        if size:
            self.bytes_received += size
            self.connection.receive_data(buffer[:size])
        else:
            self.connection.receive_eof()

    def flush(self, deadline: float | None = None) -> None:
        """Everything that is ready goes to the kernel; what it does not take stays for the next call.

        With a deadline (of the monotonic clock) the socket's time-out is set, and is for the caller to set back.
        """
        if self.unsent:
            self._push(deadline)
        if data := self.connection.data_to_send():
            self.unsent = memoryview(data)
            self._push(deadline)

    def _push(self, deadline: float | None) -> None:
        while self.unsent:
            if deadline is not None:
                self.sock.settimeout(seconds_until(deadline))
            try:
                sent = self.sock.send(self.unsent)
            except (BlockingIOError, InterruptedError) as error:
                raise WantWrite(errno.EAGAIN, "the send buffer is full") from error
            except OSError as error:
                if isinstance(error, TimeoutError) and error.errno is None:
                    raise OperationTimeout(f"nothing could be sent for {self.sock.gettimeout():g} seconds") from error
                raise ConnectionReset(error.errno, f"the connection was torn down: {error.strerror}") from error
            self._sent(sent)

    def _sent(self, size: int) -> None:
        self.bytes_sent += size
        self.unsent = self.unsent[size:]

    def flush_at_once(self) -> bool:
        """Send what the kernel takes now; whether that was everything. If nothing can be sent any more, the next
        write will find out: there may still be something to read."""
        if not self.unsent:
            self.unsent = memoryview(self.connection.data_to_send())
        try:
            if not _takes_bytes(self.sock):
                return False
            self._sent(self.sock.send(self.unsent, DONTWAIT))
        except OSError:
            return False
        return not self.unsent

    def say_goodbye(self) -> None:
        """After a fatal error: the alert, and a moment for the peer to read it. On a non-blocking socket, only what
        goes at once. Never raises: what went wrong is already being raised."""
        before = self.sock.gettimeout()
        deadline = None if before == 0.0 else time.monotonic() + GOODBYE_SECONDS
        with contextlib.suppress(OSError, TLSError):
            self.flush(deadline)
            self.drain(deadline)
        if deadline is not None and self.sock.fileno() >= 0:
            self.sock.settimeout(before)

    def drain(self, deadline: float | None) -> None:
        """Half-close and read what comes up to the deadline (None: what is there, on a non-blocking socket), so that
        closing does not make the kernel send RST. Raises OSError when there is no more."""
        self.sock.shutdown(socket.SHUT_WR)
        left = DRAIN_BYTES
        while left > 0:
            if deadline is not None:
                self.sock.settimeout(seconds_until(deadline))
            size = self.sock.recv_into(receive_buffer())
            if not size:
                return
            left -= size


def _takes_bytes(sock: socket.socket) -> bool:
    """Whether the kernel takes some bytes now. With a time-out set, Python would wait before it even tries."""
    if sys.platform == "win32":
        return bool(select.select([], [sock], [], 0)[1])
    poller = select.poll()  # takes descriptors above 1023 as well
    poller.register(sock, select.POLLOUT)
    return bool(poller.poll(0))


def seconds_until(deadline: float) -> float:
    """Never 0, which would make the socket non-blocking."""
    return max(0.001, deadline - time.monotonic())

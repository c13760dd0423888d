"""How a channel reaches its peer: a socket, or two memory BIOs.

`ssl` promises that what it has not been asked for stays where it was: a program that waits for its descriptor to be
readable, or looks at `incoming.pending`, must not wait for bytes that we have taken and keep; and what follows the
peer's close_notify is not TLS any more, and belongs to whoever goes on without it (unwrap).

From a BIO exactly one record is taken at a time: its header, and then its body. With a socket that would be two calls
of the kernel for each record. So there we look first (MSG_PEEK), at as much as the caller has room for, open the
records that we see, and only then take from the kernel what we have opened: two calls for all of them. For four records
of 16 KiB the calls take 3.7 us instead of 8.3.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import time
from _socket import socket as CSocket
from typing import TYPE_CHECKING, Protocol

from ..io.carrier import receive_buffer
from ..record import HEADER_LENGTH, MAX_CIPHERTEXT, TYPE_AND_LENGTH
from .failures import ragged_end, wants_read, wants_write

if TYPE_CHECKING:
    from threading import Lock

    from ..connection import Connection

LARGEST_WRITE = 2**16
"""Bytes that are encrypted at a time, and that one write to a non-blocking socket takes: what a retry must repeat, and
what is held for a peer that does not read. Elsewhere programs count on a write that takes everything (trio)."""

LARGEST_LOOK, ROOM_AROUND = 2**16, 2**10
"""Bytes that are looked at: what the caller wants, up to this limit, and some for what is around it in records."""

DISCARD = socket.MSG_TRUNC if sys.platform == "linux" else 0
"""Linux lets go of a TCP socket's bytes without copying them again; for others the flag means something else."""

MOST_DRAINED = 2**20
"""Bytes that are thrown away after a fatal alert: closing a socket with unread bytes would take the alert back."""


class Wire(Protocol):
    """Raises ssl.SSLWantReadError and SSLWantWriteError where it must not wait, TimeoutError, and OSError."""

    @property
    def takes_all(self) -> bool:
        """Whether a write is done when all of it is: not so where it might have to stop in the middle."""

    @property
    def one_at_a_time(self) -> bool:
        """Whether `feed` never gives more than what is left of one record."""

    @property
    def below(self) -> object:
        """What is there when TLS has ended: the socket."""

    @property
    def port(self) -> int | None:
        """The peer's, where there is such a thing."""

    def deadline(self) -> float | None:
        """When an operation that begins now must be done."""

    def hold(self, lock: Lock, what: str, deadline: float | None) -> None:
        """Take the lock of a direction by this deadline: another thread may have it, and wait for the peer. Then the
        direction goes by it, too. `what`: "read", "write", or another that reads; "handshake" is for both."""

    def feed(self, connection: Connection, wanted: int) -> None:
        """Give the connection more bytes, or the end of the stream. `wanted`: how much data the caller has room for."""

    def settle(self, connection: Connection) -> None:
        """An operation ends: what the connection was given and has not read stays where it was."""

    def leave(self, size: int) -> None:
        """The last `size` bytes that were read hold the end, but data is delivered first. They stay where they are
        until `take_what_was_left`: who waits for the descriptor to be readable must hear of the end, too."""

    def take_what_was_left(self) -> None:
        """The end is about to be delivered."""

    def send(self, data: memoryview, *, waiting: bool) -> int:
        """How many bytes were taken, at least one. Without `waiting` it never waits, as if non-blocking."""

    def drain(self) -> None:
        """After a fatal alert: throw away what has come already."""


class SocketWire:
    """A plain socket below an ssl.SSLSocket, which overrides recv and send: so those of C's class are called. Not by
    the name socket.socket, where gevent and eventlet put a class of theirs; and their sockets never block, whatever
    their own gettimeout says.

    `socket` would give each call all of a time-out again; ours is for the whole operation, and reading and writing,
    which may be two threads', each have one. So the descriptor is read as it is: blocking without a time-out, and
    otherwise not.
    """

    one_at_a_time = False

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._seen = 0
        """How many bytes the connection was given that are still the kernel's."""
        self._left = 0
        """How many it has read that are to stay there for now."""
        self._begun = False
        """Whether some of the time-out is gone, so that it is not the kernel's to keep any more."""
        self._deadlines: dict[str, float | None] = {}
        self._what = {"read": "read", "write": "write"}

    @property
    def takes_all(self) -> bool:
        return CSocket.gettimeout(self._sock) != 0

    @property
    def below(self) -> socket.socket:
        return self._sock

    @property
    def port(self) -> int | None:
        if self._sock.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        return int(self._sock.getpeername()[1])

    def deadline(self) -> float | None:
        timeout = CSocket.gettimeout(self._sock)
        return time.monotonic() + timeout if timeout else None

    def hold(self, lock: Lock, what: str, deadline: float | None) -> None:
        direction = "write" if what == "write" else "read"
        begun = not lock.acquire(blocking=False)
        if begun:
            self._wait_for_thread(lock, what, deadline)
        if direction == "read":
            self._begun = begun or what == "shutdown"
        self._deadlines[direction], self._what[direction] = deadline, what
        if what == "handshake":
            self._deadlines["write"], self._what["write"] = deadline, what

    def _wait_for_thread(self, lock: Lock, what: str, deadline: float | None) -> None:
        if CSocket.gettimeout(self._sock) == 0:
            raise wants_write() if what == "write" else wants_read()
        if not lock.acquire(timeout=-1 if deadline is None else max(0, deadline - time.monotonic())):
            raise TimeoutError(f"The {what} operation timed out")

    def feed(self, connection: Connection, wanted: int) -> None:
        size = wanted
        if self._seen:  # a record begins there, and goes on behind it
            self._take(self._seen)
            size = max(wanted, connection.bytes_needed)
        if self._begun and CSocket.gettimeout(self._sock):
            self._wait("read")
        self._begun = True
        buffer = receive_buffer()
        try:
            self._seen = CSocket.recv_into(self._sock, buffer, min(size, LARGEST_LOOK) + ROOM_AROUND, socket.MSG_PEEK)
        except BlockingIOError:
            raise wants_read() from None
        except TimeoutError as error:
            if error.errno is not None:  # the kernel's: the peer's machine does not answer any more
                raise
            raise self._too_late("read") from None
        except OSError as error:
            if self._sock.fileno() >= 0:
                raise
            raise ragged_end() from error  # another thread has closed it
        if self._seen:
            connection.receive_data(memoryview(buffer)[: self._seen])
        else:
            connection.receive_eof()

    def settle(self, connection: Connection) -> None:
        if self._seen:
            self._take(self._seen - connection.give_back() - self._left)

    def leave(self, size: int) -> None:
        self._left = size

    def take_what_was_left(self) -> None:
        size, self._left = self._left, 0
        self._take(size)

    def _take(self, size: int) -> None:
        """The first of the bytes that we have seen are ours; the others will be seen again."""
        self._seen = 0
        while size > 0 and self._sock.fileno() >= 0:
            size -= CSocket.recv_into(self._sock, receive_buffer(), size, DISCARD) or size

    def send(self, data: memoryview, *, waiting: bool) -> int:
        while True:
            try:
                return self._write(data) if waiting else self._write_now(data)
            except BlockingIOError:
                if not waiting:
                    raise wants_write() from None
                self._wait("write")

    def drain(self) -> None:
        left, self._seen, self._left = MOST_DRAINED, 0, 0
        try:
            while left > 0 and (data := self._read_now(2**16)):
                left -= len(data)
        except OSError:
            return

    if sys.platform == "win32":

        def _write(self, data: memoryview) -> int:
            return CSocket.send(self._sock, data)

        def _read_now(self, size: int) -> bytes:
            return b""

        _write_now = _write

    else:

        def _write(self, data: memoryview) -> int:
            return os.write(self._sock.fileno(), data)

        def _read_now(self, size: int) -> bytes:
            if CSocket.gettimeout(self._sock) is None:
                return CSocket.recv(self._sock, size, socket.MSG_DONTWAIT)
            return os.read(self._sock.fileno(), size)

        def _write_now(self, data: memoryview) -> int:
            if CSocket.gettimeout(self._sock) is None:
                return CSocket.send(self._sock, data, socket.MSG_DONTWAIT)
            return self._write(data)

    def _wait(self, direction: str) -> None:
        if CSocket.gettimeout(self._sock) == 0:
            raise wants_read() if direction == "read" else wants_write()
        deadline = self._deadlines[direction]
        left = deadline - time.monotonic() if deadline is not None else None
        poll = select.poll()
        if (descriptor := self._sock.fileno()) < 0:
            raise ragged_end()  # another thread has closed it
        poll.register(descriptor, select.POLLIN if direction == "read" else select.POLLOUT)
        if (left is not None and left <= 0) or not poll.poll(None if left is None else left * 1000):
            raise self._too_late(direction)

    def _too_late(self, direction: str) -> TimeoutError:
        return TimeoutError(f"The {self._what[direction]} operation timed out")


class BioWire:
    """Two ssl.MemoryBIO objects: nothing ever waits here."""

    takes_all = one_at_a_time = True
    below = port = None

    def __init__(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._between_records = False
        """Whether the handshake is complete, and what was given last was the end of a record."""

    def deadline(self) -> None:
        return None

    def hold(self, lock: Lock, what: str, deadline: float | None) -> None:
        lock.acquire()

    def feed(self, connection: Connection, wanted: int) -> None:
        incoming = self._incoming
        data = incoming.read(HEADER_LENGTH if self._between_records else connection.bytes_needed)
        if len(data) == HEADER_LENGTH and self._between_records:
            # Once a length can be believed, the body with it; of which nothing may be here yet.
            _, length = TYPE_AND_LENGTH(data)
            body = incoming.read(length) if length <= MAX_CIPHERTEXT else b""
            self._between_records = len(body) == length
            connection.receive_data(data + body)
        elif data:
            connection.receive_data(data)
            self._between_records = connection.handshake_complete and not connection.bytes_needed
        elif incoming.eof:
            connection.receive_eof()
        else:
            raise wants_read()

    def settle(self, connection: Connection) -> None:
        pass

    def leave(self, size: int) -> None:
        pass

    def take_what_was_left(self) -> None:
        pass

    def send(self, data: memoryview, *, waiting: bool) -> int:
        return self._outgoing.write(data)

    def drain(self) -> None:
        pass

"""How a channel reaches its peer: a socket, or two memory BIOs.

`ssl` promises that what it has not been asked for stays where it was: a program that waits for its descriptor to be
readable, or looks at `incoming.pending`, must not wait for bytes that we have taken and keep. So no more is taken than
the record needs that is being read, or than the caller wants to have.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import time
from typing import Protocol

LARGEST_WRITE = 2**16
"""Bytes that are encrypted at a time, and that one write to a non-blocking socket takes: what a retry must repeat, and
what is held for a peer that does not read. Elsewhere programs count on a write that takes everything (trio)."""

MOST_DRAINED = 2**20
"""Bytes that are thrown away after a fatal alert: closing a socket with unread bytes would take the alert back."""


class Wire(Protocol):
    """Raises ssl.SSLWantReadError and SSLWantWriteError where it must not wait, TimeoutError, and OSError."""

    @property
    def takes_all(self) -> bool:
        """Whether a write is done when all of it is: not so where it might have to stop in the middle."""

    @property
    def below(self) -> object:
        """What is there when TLS has ended: the socket."""

    @property
    def port(self) -> int | None:
        """The peer's, where there is such a thing."""

    def begin(self, what: str) -> None:
        """An operation begins, for which the time-out now runs: "read", "write", or another that does both."""

    def receive(self, size: int) -> bytes:
        """At least one byte, at most `size`; b"" at the end of the stream."""

    def send(self, data: memoryview, *, waiting: bool) -> int:
        """How many bytes were taken, at least one. Without `waiting` it never waits, as if non-blocking."""

    def drain(self) -> None:
        """After a fatal alert: throw away what has come already."""


class SocketWire:
    """A plain socket below an ssl.SSLSocket, which overrides recv and send: so the base class's are called.

    `socket` would give each call all of a time-out again; ours is for the whole operation, and reading and writing,
    which may be two threads', each have one. So the descriptor is read as it is: blocking without a time-out, and
    otherwise not.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._deadlines: dict[str, float | None] = {}
        self._what = {"read": "read", "write": "write"}

    @property
    def takes_all(self) -> bool:
        return self._sock.gettimeout() != 0

    @property
    def below(self) -> socket.socket:
        return self._sock

    @property
    def port(self) -> int | None:
        if self._sock.family not in (socket.AF_INET, socket.AF_INET6):
            return None
        return int(self._sock.getpeername()[1])

    def begin(self, what: str) -> None:
        timeout = self._sock.gettimeout()
        deadline = time.monotonic() + timeout if timeout else None
        for direction in (what,) if what in self._what else ("read", "write"):
            self._deadlines[direction] = deadline
            self._what[direction] = what

    def receive(self, size: int) -> bytes:
        while True:
            try:
                return self._read(size)
            except BlockingIOError:
                self._wait("read", select.POLLIN, ssl.SSLWantReadError, ssl.SSL_ERROR_WANT_READ)

    def send(self, data: memoryview, *, waiting: bool) -> int:
        while True:
            try:
                return self._write(data) if waiting else self._write_now(data)
            except BlockingIOError:
                if not waiting:
                    raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "nobody waits for this") from None
                self._wait("write", select.POLLOUT, ssl.SSLWantWriteError, ssl.SSL_ERROR_WANT_WRITE)

    def drain(self) -> None:
        left = MOST_DRAINED
        try:
            while left > 0 and (data := self._read_now(2**16)):
                left -= len(data)
        except OSError:
            return

    if sys.platform == "win32":

        def _read(self, size: int) -> bytes:
            return socket.socket.recv(self._sock, size)

        def _write(self, data: memoryview) -> int:
            return socket.socket.send(self._sock, data)

        def _read_now(self, size: int) -> bytes:
            return b""

        _write_now = _write

    else:

        def _read(self, size: int) -> bytes:
            return os.read(self._sock.fileno(), size)

        def _write(self, data: memoryview) -> int:
            return os.write(self._sock.fileno(), data)

        def _read_now(self, size: int) -> bytes:
            if self._sock.gettimeout() is None:
                return socket.socket.recv(self._sock, size, socket.MSG_DONTWAIT)
            return self._read(size)

        def _write_now(self, data: memoryview) -> int:
            if self._sock.gettimeout() is None:
                return socket.socket.send(self._sock, data, socket.MSG_DONTWAIT)
            return self._write(data)

    def _wait(self, direction: str, event: int, error: type[ssl.SSLError], number: int) -> None:
        if self._sock.gettimeout() == 0:
            raise error(number, f"The operation did not complete ({direction})")
        deadline = self._deadlines[direction]
        left = deadline - time.monotonic() if deadline is not None else None
        poll = select.poll()
        poll.register(self._sock.fileno(), event)
        if (left is not None and left <= 0) or not poll.poll(None if left is None else left * 1000):
            raise TimeoutError(f"The {self._what[direction]} operation timed out")


class BioWire:
    """Two ssl.MemoryBIO objects: nothing ever waits here."""

    takes_all = True
    below = port = None

    def __init__(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing

    def begin(self, what: str) -> None:
        pass

    def receive(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if not data and not self._incoming.eof:
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
        return data

    def send(self, data: memoryview, *, waiting: bool) -> int:
        return self._outgoing.write(data)

    def drain(self) -> None:
        pass

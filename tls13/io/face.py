"""What a socket is asked besides its bytes: names, options, times and files.

Nothing here sends or receives. It is apart so that `sockets.py` can be read for what matters there: the locks, the
waiting, and the closing.
"""

from __future__ import annotations

import io
import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from .carrier import Carrier
from .facts import Facts

if TYPE_CHECKING:
    from ..connection import Connection


class SocketFace(Facts, ABC):
    """The part of TLSSocket that looks like socket.socket and ssl.SSLSocket. Times are in seconds."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self._sock = sock
        self._connection = connection
        self._tickets = []
        self._carrier = Carrier(sock, connection)
        self._plaintext = memoryview(b"")
        """Decrypted, and not yet asked for."""
        self._io_refs = 0
        """Files that makefile has made and that are still open."""
        self._closed = False

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
    def bytes_received(self) -> int:
        """Bytes of the stream so far, records and all."""
        return self._carrier.bytes_received

    @property
    def bytes_sent(self) -> int:
        return self._carrier.bytes_sent

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

    @abstractmethod
    def close(self) -> None: ...

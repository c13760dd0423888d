"""What a socket is asked besides its bytes: names, options, times, files, and what the handshake agreed on.

Nothing here sends or receives. It is apart so that `sockets.py` can be read for what matters there: the locks, the
waiting, and the closing.
"""

from __future__ import annotations

import io
import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from ..crypto.suites import SUITES
from .carrier import Carrier

if TYPE_CHECKING:
    from ..connection import Connection
    from ..events import Session


class SocketFace(ABC):
    """The part of TLSSocket that looks like socket.socket and ssl.SSLSocket. Times are in seconds."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        self._sock = sock
        self._connection = connection
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

    @abstractmethod
    def close(self) -> None: ...

"""What a TLSSocket can do after the handshake: RFC 9846, section 4.7.

Sending is easy: it happens under the write lock, and what the kernel does not take now goes with whatever is sent
next. An answer is harder, because it comes in between application data, and perhaps to another thread, whose recv
then finds it.
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections import deque
from typing import TYPE_CHECKING

from ..connection import ServerConnection
from ..errors import UsageError
from ..events import ApplicationData, ClientAuthenticated
from .face import SocketFace

if TYPE_CHECKING:
    import socket

    from cryptography.x509 import Certificate

    from ..connection import Connection
    from ..events import Event

TURN_SECONDS = 0.1
"""How often a thread that waits for an answer looks whether another thread has read it."""
MAX_HELD = 2**20
"""Bytes of application data that are kept while request_client_certificate waits."""
RECORD_COST = 64
"""Bytes that a kept record costs beside its data: an object, and a place to keep it."""


class Held:
    """The data of records that are kept, and what they cost."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self.cost = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def append(self, data: bytes) -> None:
        self._pieces.append(data)
        self.cost += len(data) + RECORD_COST

    def popleft(self) -> bytes:
        data = self._pieces.popleft()
        self.cost -= len(data) + RECORD_COST
        return data

    def clear(self) -> None:
        self._pieces.clear()
        self.cost = 0


class LaterFace(SocketFace):
    """The part of TLSSocket that is about section 4.7."""

    def __init__(self, sock: socket.socket, connection: Connection) -> None:
        super().__init__(sock, connection)
        self._read_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._end_of_data = False
        self._held = Held()
        """Application data that came while request_client_certificate waited."""
        self._requests: dict[bytes, ClientAuthenticated | None] = {}
        """CertificateRequests that are waited for, and their answers, by context."""

    @abstractmethod
    def _read_event(self) -> Event | None: ...

    @abstractmethod
    def _flush_if_idle(self) -> None: ...

    def update_keys(self, *, request_peer: bool = False) -> None:
        """Change our sending keys; with `request_peer` ask the peer to change its own (section 4.7.3). Never waits."""
        with self._write_lock:
            self._connection.update_keys(request_peer=request_peer)
        self._flush_if_idle()

    def send_ticket(self) -> None:
        """A server's: give the client one more ticket (section 4.7.1). Never waits."""
        with self._write_lock:
            self._server().send_ticket()
        self._flush_if_idle()

    def request_client_certificate(self, *, wait: bool = True) -> tuple[Certificate, ...]:
        """A server's: ask the client for a certificate now (section 4.7.2). The chain that it showed and that was
        verified, its own certificate first; empty if it declined.

        Data that comes before the answer is kept for recv, up to 1 MiB, or less if it comes in small records. With
        wait=False, which is all that a non-blocking socket can do, the answer is seen later, by recv, and then in
        `session`. Raises UsageError where the client must not be asked, and what recv raises.
        """
        if wait and self._sock.gettimeout() == 0.0:
            raise UsageError("a non-blocking socket cannot wait for the client's answer: ask with wait=False")
        with self._write_lock:
            context = self._server().request_client_certificate()
            if wait:
                self._requests[context] = None
                self._carrier.flush()
        self._flush_if_idle()
        if not wait:
            return ()
        try:
            return self._wait_for_client(context).peer_certificates
        finally:
            del self._requests[context]

    def _note_answer(self, event: Event | None) -> None:
        if isinstance(event, ClientAuthenticated) and event.context in self._requests:
            self._requests[event.context] = event

    def _wait_for_client(self, context: bytes) -> ClientAuthenticated:
        """Read until the answer is here; another thread that is reading may be the one who finds it."""
        while (answer := self._requests[context]) is None:
            if not self._read_lock.acquire(timeout=TURN_SECONDS):
                continue
            try:
                if self._requests[context] is None:
                    self._read_on()
            finally:
                self._read_lock.release()
        return answer

    def _read_on(self) -> None:
        if self._end_of_data:
            raise UsageError("the client has closed its side, and will not answer")
        event = self._read_event()
        if isinstance(event, ApplicationData):
            self._held.append(event.data)
            if self._held.cost > MAX_HELD:
                raise UsageError("the client sends data and does not answer; read it, and look at session later")
        elif event is None:
            self._carrier.receive()

    def _server(self) -> ServerConnection:
        if not isinstance(self._connection, ServerConnection):
            raise UsageError("only a server gives tickets and asks for certificates")
        return self._connection

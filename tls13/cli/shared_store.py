"""What the workers of one server must remember together, kept by their parent: early data that was taken (RFC 9846,
section 8) and the keys of tickets (4.7.1).

A Store has to be atomic: of many workers that add one key at the same time exactly one may get True. The parent has a
single thread and a MemoryStore, and answers one question after the other; that is the whole of it. A worker asks over
a socketpair that both had before the fork, so nobody else can, and nothing of it is in a file, on a command line or in
an environment. It asks seldom: once a day for a ticket key, and for each ClientHello whose early data is to be taken.

The socket is also how a worker learns that it is to end. When the parent closes it, or is killed, the worker reads an
end of file. So there are no orphans, whatever becomes of the parent.

    question:  what (1 byte), seconds (a double), lengths of key and value (2 bytes each), key, value
    answer:    which (1 byte), length (2 bytes), value (or why there is none)
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import TYPE_CHECKING

from ..errors import StoreUnavailable
from ..resumption.stores import MemoryStore

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

ADD, GET, POP = b"agp"
NO, YES, UNAVAILABLE = range(3)
QUESTION = struct.Struct("!BdHH")
ANSWER = struct.Struct("!BH")
ANSWER_SECONDS = 1.0
"""How long a worker waits for an answer, and the parent for a worker that does not take it."""
READ_UNIT = 2**16


class Answers:
    """The parent's end of one worker's socket."""

    def __init__(self, sock: socket.socket, store: MemoryStore) -> None:
        self.socket = sock
        self.socket.settimeout(ANSWER_SECONDS)
        self._store = store
        self._received = bytearray()

    def go_on(self) -> bool:
        """Once the socket is readable: answer what has been asked. False if the worker has ended, or hangs:
        then close the socket, which ends it when it goes on."""
        try:
            data = self.socket.recv(READ_UNIT)
            self._received += data
            while (answer := self._next()) is not None:
                self.socket.sendall(answer)
        except OSError:
            return False
        return bool(data)

    def _next(self) -> bytes | None:
        """The answer to the next whole question."""
        if len(self._received) < QUESTION.size:
            return None
        what, seconds, key_length, value_length = QUESTION.unpack_from(self._received)
        middle = QUESTION.size + key_length
        end = middle + value_length
        if len(self._received) < end:
            return None
        key, value = bytes(self._received[QUESTION.size : middle]), bytes(self._received[middle:end])
        del self._received[:end]
        try:
            found = self._answer(what, key, value, seconds)
        except StoreUnavailable as error:
            return _encoded(UNAVAILABLE, str(error).encode())
        return _encoded(NO) if found is None else _encoded(YES, found)

    def _answer(self, what: int, key: bytes, value: bytes, seconds: float) -> bytes | None:
        if what == ADD:
            return b"" if self._store.add(key, value, seconds) else None
        return self._store.get(key) if what == GET else self._store.pop(key)


def _encoded(which: int, value: bytes = b"") -> bytes:
    return ANSWER.pack(which, len(value)) + value


class SharedStore(asyncio.Protocol):
    """The worker's end: a Store whose answers are awaitables. Made before the fork, for the configs that are to have
    it; every fork opens its own."""

    shared = True

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._ended: Callable[[], object] | None = None
        self._received = bytearray()
        self._asked: deque[asyncio.Future[bytes | None]] = deque()
        """In the order in which they are answered."""

    async def open(self, sock: socket.socket, ended: Callable[[], object]) -> None:
        """`ended` is called once the parent wants this worker to end, or is no more."""
        self._ended = ended
        self._transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, sock=sock)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        return await self._ask(ADD, key, value, seconds) is not None

    async def get(self, key: bytes) -> bytes | None:
        return await self._ask(GET, key)

    async def pop(self, key: bytes) -> bytes | None:
        return await self._ask(POP, key)

    async def _ask(self, what: int, key: bytes, value: bytes = b"", seconds: float = 0.0) -> bytes | None:
        if self._transport is None or self._transport.is_closing():
            raise StoreUnavailable("the parent of the workers has ended")
        future = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        self._transport.write(QUESTION.pack(what, seconds, len(key), len(value)) + key + value)
        try:
            return await asyncio.wait_for(future, ANSWER_SECONDS)
        except TimeoutError:
            raise StoreUnavailable("the parent of the workers does not answer") from None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while len(self._received) >= ANSWER.size:
            which, length = ANSWER.unpack_from(self._received)
            end = ANSWER.size + length
            if len(self._received) < end:
                return
            value = bytes(self._received[ANSWER.size : end])
            del self._received[:end]
            future = self._asked.popleft()
            if future.done():  # whoever asked has waited long enough, or has gone
                continue
            if which == UNAVAILABLE:
                future.set_exception(StoreUnavailable(value.decode()))
            else:
                future.set_result(value if which == YES else None)

    def connection_lost(self, error: Exception | None) -> None:
        for future in self._asked:
            if not future.done():
                future.set_exception(StoreUnavailable("the parent of the workers has ended"))
        if self._ended is not None:
            self._ended()

"""A small store, for what servers must remember together: used tickets, early data that was seen, ticket keys.

Three operations are enough, and each must be atomic: of many servers that add the same key at the same time exactly
one gets True. `MemoryStore` is one process's own. `RedisStore` and `AsyncRedisStore` (extra `redis`; Valkey speaks
the same protocol) are shared by as many processes and machines as reach the same server.

An answer may be a promise (an awaitable): then tls13.aio waits for it without holding up other connections.
"""

from __future__ import annotations

import time
from heapq import heapify, heappop, heappush
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from ..errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


MONOTONIC: Final = time.monotonic


class Store(Protocol):
    """Raises StoreUnavailable (or an awaitable of it does) when it cannot answer."""

    @property
    def shared(self) -> bool:
        """Whether other processes see what is added here."""

    def add(self, key: bytes, value: bytes, seconds: float) -> bool | Awaitable[bool]:
        """Whether the key was not there; now it is, for this long."""

    def get(self, key: bytes) -> bytes | Awaitable[bytes | None] | None: ...

    def pop(self, key: bytes) -> bytes | Awaitable[bytes | None] | None:
        """Get and remove: of many who ask, one gets it."""


class MemoryStore:
    """A Store in this process's memory. When `capacity` is reached it refuses to add: forgetting early would let an
    attacker push out what it wants forgotten.

    What has expired is removed a few entries at a time, in the order of expiry: looking through all of them for
    every ticket would make a full store the slowest part of a handshake.
    """

    shared = False

    def __init__(self, *, capacity: int = 2**17, clock: Callable[[], float] = MONOTONIC) -> None:
        self.capacity = capacity
        self._clock = clock
        self._lock = Lock()
        self._entries: dict[bytes, tuple[float, bytes]] = {}
        self._queue: list[tuple[float, bytes]] = []
        """A heap of when keys expire. A key that was popped since, or was added again, is still in it."""

    def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        now = self._clock()
        with self._lock:
            found = self._entries.get(key)
            if found is not None and found[0] > now:
                return False
            self._forget_expired(now)
            if len(self._entries) >= self.capacity:
                raise StoreUnavailable(f"{self.capacity} entries, and none has expired")
            self._entries[key] = (now + seconds, value)
            heappush(self._queue, (now + seconds, key))
            return True

    def get(self, key: bytes) -> bytes | None:
        found = self._entries.get(key)
        return found[1] if found is not None and found[0] > self._clock() else None

    def pop(self, key: bytes) -> bytes | None:
        with self._lock:
            found = self._entries.pop(key, None)
        return found[1] if found is not None and found[0] > self._clock() else None

    def _forget_expired(self, now: float) -> None:
        """Enough to make room, and more than one add brings, so that the rest is caught up with."""
        queue, few = self._queue, 4
        while queue and queue[0][0] <= now and (few > 0 or len(self._entries) >= self.capacity):
            _, key = heappop(queue)
            if key in self._entries and self._entries[key][0] <= now:
                del self._entries[key]
            few -= 1
        if len(queue) > 2 * self.capacity:
            self._queue = [(until, key) for key, (until, _) in self._entries.items()]
            heapify(self._queue)

    def __len__(self) -> int:
        return len(self._entries)


PREFIX = b"tls13:"
"""Before each key, so that the database can be shared with others."""


def _redis() -> Any:
    try:
        import redis.asyncio
    except ImportError:
        raise ConfigurationError("a Redis store needs the package redis: pip install 'tls13[redis]'") from None
    return redis


def _client(kind: Any, server: str | Any, timeout: float) -> Any:
    """A client of this kind for a URL; or the one that was given. Raises ConfigurationError for what cannot be one."""
    if isinstance(server, str):
        try:
            server = kind.from_url(server, socket_timeout=timeout, socket_connect_timeout=timeout)
        except ValueError:  # its words may repeat a piece of the URL, and so of its password
            raise ConfigurationError(
                "this is no URL of a Redis: redis://host:6379/0, rediss://..., unix://..."
            ) from None
    if server.get_encoder().decode_responses:
        raise ConfigurationError("a Redis store holds bytes: its client must not decode_responses")
    return server


class RedisStore:
    """A Store in Redis or Valkey. `server`: a URL (redis://host:6379/0, rediss://, unix://) or a redis.Redis.

    Its calls block, at most `timeout` seconds each. Raises ConfigurationError for what is no Redis URL, and for a
    client that decodes what it reads.
    """

    shared = True

    def __init__(self, server: str | Any, *, timeout: float = 1.0) -> None:
        redis = _redis()
        self._server = _client(redis.Redis, server, timeout)
        self._failure: type[Exception] = redis.RedisError

    def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        return self._ask(self._server.set, PREFIX + key, value, nx=True, px=_milliseconds(seconds)) is not None

    def get(self, key: bytes) -> bytes | None:
        return cast("bytes | None", self._ask(self._server.get, PREFIX + key))

    def pop(self, key: bytes) -> bytes | None:
        return cast("bytes | None", self._ask(self._server.getdel, PREFIX + key))

    def close(self) -> None:
        """Close the connections to Redis."""
        self._server.close()

    def _ask(self, command: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        try:
            return command(*arguments, **options)
        except self._failure as error:
            raise StoreUnavailable(f"Redis: {error}") from None


class AsyncRedisStore:
    """RedisStore for asyncio: its answers are awaitables. `server`: a URL or a redis.asyncio.Redis."""

    shared = True

    def __init__(self, server: str | Any, *, timeout: float = 1.0) -> None:
        redis = _redis()
        self._server = _client(redis.asyncio.Redis, server, timeout)
        self._failure: type[Exception] = redis.RedisError

    async def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        answer = await self._ask(self._server.set(PREFIX + key, value, nx=True, px=_milliseconds(seconds)))
        return answer is not None

    async def get(self, key: bytes) -> bytes | None:
        return cast("bytes | None", await self._ask(self._server.get(PREFIX + key)))

    async def pop(self, key: bytes) -> bytes | None:
        return cast("bytes | None", await self._ask(self._server.getdel(PREFIX + key)))

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._server.aclose()

    async def _ask(self, answer: Awaitable[Any]) -> Any:
        try:
            return await answer
        except self._failure as error:
            raise StoreUnavailable(f"Redis: {error}") from None


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))

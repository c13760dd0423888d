"""What a context shares with the processes that are forked after it was made, and what it must not share.

With `ssl`, a context that a server makes before it forks gives tickets that each of its workers takes. Here, too: the
keys of all days follow from what the context has from its creation. Early data is another matter: each process would
remember for itself what it has taken, and take the same once (RFC 9846, section 8).
"""

from __future__ import annotations

import os
import time
from hashlib import sha512
from typing import TYPE_CHECKING

from ..resumption.early_data import ReplayGuard
from ..resumption.tickets import SECRET_LENGTH, TicketKeys

if TYPE_CHECKING:
    from ..flow import Flow
    from ..resumption.tickets import TicketState, _Key

LONGEST_LEAP = 36500
"""Periods: a clock that is further ahead of the context's creation is wrong, and gets a key that nobody shares."""


class ForkedTicketKeys(TicketKeys):
    """Ticket keys that are the same in all processes forked after they were made. A chain of hashes gives one for each
    period, and only its newest link is kept: what is found in a process does not tell earlier keys."""

    def __init__(self, *, now: float | None = None) -> None:
        super().__init__()
        self._link = int((time.time() if now is None else now) // self.rotation), os.urandom(64)
        """The period that the chain has come to. One tuple: threads that move it on at the same time agree."""

    def sealing(self, now: float) -> Flow[_Key | None]:
        """The key of this period; before it those of earlier ones, for tickets that other processes have made."""
        period = int(now // self.rotation)
        for earlier in range(max(self._link[0], period - self._lifetime()), period):
            yield from super().sealing(earlier * self.rotation)
        return (yield from super().sealing(now))

    def opening(self, name: bytes, now: float) -> Flow[_Key | None]:
        """Another process may have been the first of this period to seal."""
        yield from self.sealing(now)
        return self.held(name, now)

    def _secret(self, period: int) -> Flow[bytes | None]:
        at, link = self._link
        if not at <= period <= at + LONGEST_LEAP:
            return os.urandom(SECRET_LENGTH)
        for _ in range(period - at):
            link = sha512(b"next" + link).digest()
        self._link = period, link
        return sha512(b"key" + link).digest()[:SECRET_LENGTH]
        yield


class GuardOfOneProcess(ReplayGuard):
    """A guard whose memory is one process's. Early data is refused in all others that can open the same tickets."""

    def __init__(self, guard: ReplayGuard, process: int) -> None:
        super().__init__(guard.store, window=guard.window, started_at=guard.started_at)
        self._guard = guard
        self._process = process

    def judge(self, ticket: TicketState, obfuscated_ticket_age: int, binder: bytes, now: float) -> Flow[str | None]:
        if os.getpid() != self._process:
            return "the server was forked, and another process may have taken it before"
        return (yield from self._guard.judge(ticket, obfuscated_ticket_age, binder, now))

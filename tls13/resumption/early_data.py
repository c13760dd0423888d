"""Anti-replay: RFC 9846, section 8. Early data can be recorded and sent again by anybody who sees it.

Two checks together keep a server from acting on it twice. *Freshness* (8.3): the ClientHello says how old its ticket
is, and so when it was sent; what was not sent just now is not taken. *Recording* (8.2): within that window every
ClientHello that was taken is remembered, by its PSK binder, the part of it that we have verified. The same binder is
not taken again; several servers must remember together, in a shared Store.

What is refused is only the early data: the handshake goes on without it. That is also what happens when the store
does not answer, and just after a start, when a store in memory cannot know what it took before. A clock that is set
back is like a start: what was stale, and has been forgotten, is fresh again.

The memory belongs to the tickets. Two configs that open the same tickets, and remember apart, would take the same early
data once each.
"""

from __future__ import annotations

from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..errors import ConfigurationError, StoreUnavailable
from ..flow import Flow, settle
from .stores import MONOTONIC, MemoryStore
from .tickets import SealedTickets, StoredTicketKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from .stores import Store
    from .tickets import Tickets, TicketState

MARGIN = 1.0
"""Seconds for which a binder is remembered beyond its freshness; by so much a clock may be set back unnoticed."""


class ReplayGuard:
    """Decides whether early data is taken. `window`: seconds by which a ClientHello may seem early or late, which
    covers clocks and round trips (ten seconds on the internet, says section 8.3). `started_at`: seconds since 1970.
    `monotonic`: seconds, of a clock that nobody sets."""

    def __init__(
        self,
        store: Store | None = None,
        *,
        window: float = 10.0,
        started_at: float = 0.0,
        monotonic: Callable[[], float] = MONOTONIC,
    ) -> None:
        if window <= 0:
            raise ConfigurationError(f"a replay window of {window} seconds; it must be positive")
        self.store: Store = MemoryStore() if store is None else store
        self.window = window
        self.started_at = started_at
        self._monotonic = monotonic
        self._ahead: float | None = None
        """The most that the clock was ahead of the monotonic one."""
        self._set_back_until = 0.0

    @property
    def shared(self) -> bool:
        return self.store.shared

    def judge(self, ticket: TicketState, obfuscated_ticket_age: int, binder: bytes, now: float) -> Flow[str | None]:
        """Why the early data is refused; None: it is taken, and never again.

        `binder` must have been verified: an attacker could vary any other part.
        """
        set_back = self.was_set_back(now)
        if not self.store.shared and now <= self.started_at + 2 * self.window:
            return "the server has just started, and may have taken it before"
        if set_back:
            return "the clock was set back, and it may have been taken before"
        if not self.is_fresh(ticket, obfuscated_ticket_age, now):
            return "the ClientHello is not fresh"
        # A ClientHello that seems to come early by one window is fresh until two have passed: remember it for longer.
        seconds = 2 * self.window + MARGIN
        try:
            first = yield from settle(self.store.add(b"0rtt:" + sha256(binder).digest(), b"", seconds))
        except StoreUnavailable as error:
            return f"the store does not answer: {error}"
        return None if first else "it was taken before"

    def is_fresh(self, ticket: TicketState, obfuscated_ticket_age: int, now: float) -> bool:
        """Section 8.3: expected_arrival_time, by the client's view of the ticket's age, is about now."""
        clients_age = (obfuscated_ticket_age - ticket.ticket_age_add) % 2**32
        expected_arrival_time = (ticket.made_at_ms + clients_age) / 1000
        return abs(now - expected_arrival_time) <= self.window

    def was_set_back(self, now: float) -> bool:
        """Whether the clock shows a time at which it has been before, or nearly so."""
        ahead = now - self._monotonic()
        if self._ahead is None or ahead > self._ahead:
            self._ahead = ahead
        elif ahead < self._ahead - MARGIN:
            reached = now + self._ahead - ahead
            self._set_back_until = max(self._set_back_until, reached + self.window)
            self._ahead = ahead
        return now <= self._set_back_until


_GUARDS: WeakKeyDictionary[object, ReplayGuard] = WeakKeyDictionary()
"""By what opens the tickets."""
_GUARDS_LOCK = Lock()


def opener(tickets: Tickets) -> object:
    """What other tickets that open the same ones have in common with these: their keys, or where those come from."""
    if not isinstance(tickets, SealedTickets):
        return tickets
    return tickets.keys.store if isinstance(tickets.keys, StoredTicketKeys) else tickets.keys


def guard_of(tickets: Tickets, now: float) -> ReplayGuard:
    """What remembers the early data that was taken with these tickets, for a config that was not given anything else.
    `now`: seconds since 1970."""
    try:
        with _GUARDS_LOCK:
            return _GUARDS.setdefault(opener(tickets), ReplayGuard(started_at=now))
    except TypeError as error:
        raise ConfigurationError(f"max_early_data with such tickets ({error}) needs a replay_guard") from None

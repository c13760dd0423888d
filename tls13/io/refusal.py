"""Where nobody can wait for an async callback: plain sockets and memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UsageError
from ..events import AnswerAwaited
from ..flow import dismiss

if TYPE_CHECKING:
    from ..connection import Connection
    from ..events import Event


def next_event(connection: Connection) -> Event | None:
    """connection.next_event(), for drivers that cannot await."""
    event = connection.next_event()
    refuse_awaiting(connection, event)
    return event


def refuse_awaiting(connection: Connection, event: Event | None) -> None:
    """Raises UsageError if this event would have to be awaited; the connection is over then, and its peer told
    internal_error."""
    if isinstance(event, AnswerAwaited):
        dismiss(event.awaitable)
        name = getattr(event.awaitable, "__qualname__", type(event.awaitable).__qualname__)
        connection.answer_failed(
            event, UsageError(f"{name} is async: use tls13.aio, or give the config one that is not")
        )

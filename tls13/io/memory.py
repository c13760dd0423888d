"""Two connections in one process, and nothing in between: for demonstrations and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .refusal import next_event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..connection import ClientConnection, Connection, ServerConnection
    from ..events import Event


class Pumped(NamedTuple):
    """What each side saw."""

    client: list[Event]
    server: list[Event]


def pump(client: ClientConnection, server: ServerConnection, chunk: int | None = None) -> Pumped:
    """Carry bytes both ways until neither side has any, `chunk` bytes at a time (None: all at once).

    Raises what the connections raise, and UsageError for a callback or store that is async; what the failed side still
    has to say (its alert) is then in its data_to_send.
    """
    seen = Pumped([], [])
    while True:
        to_server, to_client = client.data_to_send(), server.data_to_send()
        if not to_server and not to_client:
            return seen
        for start in range(0, len(to_server), chunk or len(to_server) or 1):
            server.receive_data(to_server[start : start + chunk] if chunk else to_server)
            seen.server.extend(_events(server))
        for start in range(0, len(to_client), chunk or len(to_client) or 1):
            client.receive_data(to_client[start : start + chunk] if chunk else to_client)
            seen.client.extend(_events(client))


def _events(connection: Connection) -> Iterator[Event]:
    while (event := next_event(connection)) is not None:
        yield event

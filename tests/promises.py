"""Answers that come later, for connections that are driven by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tls13

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Pair


class Promise:
    """What an async callback returns: nobody needs an event loop to have one."""

    def __init__(self, *about: object) -> None:
        self.about = about
        """What the callback was asked."""
        self.ended = False

    def __await__(self) -> Iterator[Promise]:
        yield self

    def close(self) -> None:
        self.ended = True


def exchange(made: Pair) -> tuple[list[tls13.Event], list[tls13.Event]]:
    """Carry bytes until there are none, and let questions wait: what the client and the server saw."""
    seen: tuple[list[tls13.Event], list[tls13.Event]] = ([], [])
    while True:
        to_server, to_client = made.client.data_to_send(), made.server.data_to_send()
        made.server.receive_data(to_server)
        seen[1].extend(made.server.events())
        made.client.receive_data(to_client)
        seen[0].extend(made.client.events())
        if not made.client.wants_send and not made.server.wants_send:
            return seen


def questions(events: list[tls13.Event]) -> list[tls13.AnswerAwaited]:
    return [event for event in events if isinstance(event, tls13.AnswerAwaited)]

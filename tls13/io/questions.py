"""What a connection's callbacks and stores have promised, awaited while everything else goes on."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import errors
from ..errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connection import Connection
    from ..events import AnswerAwaited


class Questions:
    """One connection's. `go_on` is called after each answer, with the exception that it ended the connection with, if
    it did; never from within `ask`."""

    def __init__(
        self,
        connection: Connection,
        loop: asyncio.AbstractEventLoop,
        go_on: Callable[[BaseException | None], None],
    ) -> None:
        self._connection = connection
        self._loop = loop
        self._go_on = go_on
        self._pending: set[asyncio.Future[Any]] = set()
        self._over = False

    def ask(self, question: AnswerAwaited) -> None:
        """Await it in a task of its own, which ends when the connection does."""
        future: asyncio.Future[Any]
        try:
            future = asyncio.ensure_future(question.awaitable, loop=self._loop)
        except ValueError as error:
            future = self._loop.create_future()
            future.set_exception(UsageError(f"a callback or store of the config cannot be awaited here: {error}"))
        self._pending.add(future)
        future.add_done_callback(partial(self._answered, question))

    def cancel(self) -> None:
        """The connection is over: nobody needs the answers any more."""
        self._over = True
        for future in self._pending:
            future.cancel()

    def _answered(self, question: AnswerAwaited, future: asyncio.Future[Any]) -> None:
        self._pending.discard(future)
        error = errors.InternalError("what was awaited was cancelled") if future.cancelled() else future.exception()
        if self._over:
            return
        try:
            if error is None:
                self._connection.answer(question, future.result())
            else:
                self._connection.answer_failed(question, error)
        except Exception as ended:  # noqa: BLE001  # a callback's too: the peer is told, and the application
            self._go_on(ended)
        else:
            self._go_on(None)

"""One stderr for several processes: whole lines, and of a trace whole paragraphs, each under its connection's name.

The kernel does not interleave short writes to a pipe or a file, but it does long ones, and a trace is many short ones
that only make sense together. So a worker collects what is said in one step of its event loop (all that it says of a
flight, as a rule), and writes it in one go when it is its turn. Before words that go on where this worker stopped, the
name of the connection comes again if another process has written since.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import tempfile
from typing import TYPE_CHECKING

from ..explain.voices import Voice, Voices

if TYPE_CHECKING:
    from typing import TextIO


class Turns:
    """A lock between a process and its forks. The kernel takes it back from one that is killed while it has it, which
    it would not do with a semaphore; flock() would not do either: forks share it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by close()

    def __enter__(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()


class SharedPage:
    """Stands in for sys.stderr, in the parent and (with a `number` of their own) in its forks."""

    def __init__(self, page: TextIO, turns: Turns) -> None:
        self.number = 0
        self._page = page
        self._turns = turns
        self._latest = mmap.mmap(-1, 4)
        """The number of who wrote last, in memory that the forks share."""
        self._pending: list[str] = []
        self._reminder = ""

    def write(self, text: str, /) -> int:
        self._pending.append(text)
        if len(self._pending) == 1 and (loop := _loop()) is not None:
            loop.call_soon(self.flush)
        elif text.endswith("\n") and _loop() is None:
            self.flush()
        return len(text)

    def remind(self, heading: str) -> None:
        """What follows goes on below this, which is said again if it has to be."""
        if not self._pending:
            self._reminder = heading

    def flush(self) -> None:
        if not self._pending:
            return
        text, reminder = "".join(self._pending), self._reminder
        self._pending.clear()
        self._reminder = ""
        number = self.number.to_bytes(4, "big")
        # That whoever read this has gone is no reason not to serve; and an event loop would log the error, here.
        with self._turns, contextlib.suppress(BrokenPipeError):
            self._page.write(reminder + text if self._latest[:] != number else text)
            self._page.flush()
            self._latest[:] = number

    def isatty(self) -> bool:
        return self._page.isatty()

    def fileno(self) -> int:
        return self._page.fileno()


def _loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class SharedVoices(Voices):
    """Voices of one worker, on the page of all."""

    def __init__(self, page: SharedPage, *, detail: int) -> None:
        super().__init__(page, detail=detail, called=f"worker {page.number}, connection")
        self._shared = page

    def turn_to(self, voice: Voice) -> None:
        if self.last is voice:
            self._shared.remind(voice.heading)
        super().turn_to(voice)

"""A program that runs beside us for the length of a `with` block, with its streams in memory. Always reaped."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

from .trial import Disagreement, PeerMissing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

PATIENCE = 30.0
"""Seconds. Nothing here takes more than one; this is for machines that are busy."""

MOST_OUTPUT = 2**26
"""Bytes. A program that says more has lost its mind (a prompt repeated for ever), and is ended."""


class Program:
    """Its standard output and error are read all the time, so that it never waits for us.

    Raises PeerMissing if there is no such program.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        name: str | None = None,
    ) -> None:
        """`env`: its environment, if not ours. `descriptors`: the file descriptors that it inherits. `name`: for
        complaints; None: the command's."""
        self.name = name or command[0]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                env=env,
                pass_fds=descriptors,
            )
        except FileNotFoundError:
            raise PeerMissing(f"{command[0]} is not installed") from None
        self._output = bytearray()
        self._more = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._writers: list[threading.Thread] = []

    def write(self, data: bytes) -> None:
        """To its standard input, without waiting until it reads."""
        writer = threading.Thread(target=self._write, args=(data, self._writers[-1:]), daemon=True)
        self._writers.append(writer)
        writer.start()

    def _write(self, data: bytes, before: Sequence[threading.Thread]) -> None:
        for thread in before:
            thread.join()
        view = memoryview(data)
        try:
            while view and self._process.stdin is not None:
                view = view[self._process.stdin.write(view) or 0 :]
        except (BrokenPipeError, ValueError):
            return  # it has ended; whoever waits for its answer finds that out

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        while data := self._process.stdout.read(2**16):
            with self._more:
                self._output += data
                self._more.notify_all()
            if len(self._output) > MOST_OUTPUT:
                self._process.kill()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def wait_for(self, pattern: bytes) -> re.Match[bytes]:
        """Until its output matches. Raises Disagreement when it ends, or PATIENCE does, before that."""
        deadline = time.monotonic() + PATIENCE
        with self._more:
            while not (found := re.search(pattern, self._output)):
                if self._ended or not self._more.wait(deadline - time.monotonic()):
                    raise Disagreement(f"{self.name} never said {pattern!r}: {bytes(self._output[-300:])!r}")
        return found

    @property
    def output(self) -> bytes:
        """What it has said so far."""
        with self._more:
            return bytes(self._output)

    def end_input(self) -> None:
        """The end of its standard input, once all that was written is gone."""
        writer = threading.Thread(target=self._end_input, args=(self._writers[-1:],), daemon=True)
        self._writers.append(writer)
        writer.start()

    def _end_input(self, before: Sequence[threading.Thread]) -> None:
        for thread in before:
            thread.join()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def wait(self) -> bytes:
        """Until it has ended by itself: all its output. Raises Disagreement when it goes on for PATIENCE."""
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Disagreement(f"{self.name} does not end: {bytes(self._output[-300:])!r}") from None
        self._reader.join()
        return bytes(self._output)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.terminate()  # not kill: nginx has a child, which it ends
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

"""A fresh process for each stack of a row: `python -m interop.bench.worker ROW STACK SECONDS`.

It prepares everything, says so, and then takes one sample for each line that it reads: so the stacks take turns, and
none of them lives with what another has left behind in the allocator, the caches of `cryptography`, or OpenSSL. All of
them run on the same core: a core whose neighbour is busy is slower by a third, and the system leaves a process where it
was, so that one stack would have the slow core for a whole row (seen: 1.13 and 1.67 for the same two processes).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .measure import compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .measure import Effort, Result

CONFIGURATION = """
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = defaults
[defaults]
Ciphersuites = {suite}
"""
"""`ssl` of Python 3.11 has no way to choose a TLS 1.3 cipher suite, so OpenSSL's configuration does."""

FLOOR = "floor"
"""In the place of a stack's name: the primitives alone (floor.py)."""


class WorkerFailed(Exception):
    """A worker ended without its number; what it said is the message."""


class Worker:
    """The parent's view of one: a Sample with an end."""

    def __init__(self, row: str, name: str, suite: str, seconds: float) -> None:
        self._file = tempfile.NamedTemporaryFile("w", suffix=".cnf")  # noqa: SIM115  # closed by close()
        self._file.write(CONFIGURATION.format(suite=suite))
        self._file.flush()
        self.title = f"{name} for {row}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "interop.bench.worker", row, name, str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment() | {"OPENSSL_CONF": self._file.name},
        )

    def answer(self) -> str:
        """The next line. Raises WorkerFailed."""
        line = self.process.stdout.readline() if self.process.stdout is not None else ""
        if not line:
            raise WorkerFailed(f"{self.title}: it ended with {self.process.wait()}; its words are above")
        return line

    def __call__(self) -> float:
        if self.process.stdin is not None:
            self.process.stdin.write("go\n")
            self.process.stdin.flush()
        return float(self.answer())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self._file.close()


def environment() -> dict[str, str]:
    """For children: as compiled as programs are where they are installed."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONDONTWRITEBYTECODE", "SSLKEYLOGFILE")
    }
    return kept | {"PYTHONPATH": str(Path(__file__).parents[2])}


def in_turns(row: str, names: Sequence[str], suite: str, effort: Effort) -> Mapping[str, Result]:
    """CPU time of each stack in a process of its own, in turns. The first one is the base."""
    workers = {name: Worker(row, name, suite, effort.seconds) for name in names}
    try:
        for worker in workers.values():
            worker.answer()
        return compare(workers, effort.rounds)
    finally:
        for worker in workers.values():
            worker.__exit__()


def _stay_on_one_core() -> None:
    """The same for all: the last of those that are allowed. Not every system has the call."""
    if sys.platform == "linux":
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main() -> None:
    from .measure import sampler
    from .rows import row_named
    from .stacks import stack_named

    key, name, seconds = sys.argv[1:]
    _stay_on_one_core()
    row = row_named(key)
    work = row.floor() if name == FLOOR and row.floor is not None else row.make(stack_named(name))
    sample = sampler(work, float(seconds))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(sample(), flush=True)


if __name__ == "__main__":
    main()

"""What there is to try, and how each trial is run: in a process of its own that ends when its time does."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .desk import LIBRARIES, Desk, Unexpected

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 40
"""Seconds for a trial that does not ask for more. It takes one or two; the rest is for machines that are busy."""

GRACE = 20
"""Seconds. So much later a process is killed that does not end by itself when its time is up."""

LEFT_OUT = 77
"""The exit code of a trial whose program is not here."""

Meet = Callable[[Desk], None]


@dataclass(frozen=True)
class Trial:
    """`program` on its `side` ("client" or "server"), doing `what`. `needs`: packages and commands, by name.

    `minutes`: it takes that long, and belongs to the slow ones. `meet` raises what went wrong.
    """

    program: str
    side: str
    what: str
    meet: Meet
    needs: tuple[str, ...] = ()
    minutes: float = 0
    fails: bool = False
    """It is about something that goes wrong: there may be no handshake."""

    @property
    def name(self) -> str:
        return f"{self.program} {self.side}: {self.what}"

    @property
    def limit(self) -> float:
        """Seconds."""
        return self.minutes * 60 or LIMIT


TRIALS: dict[str, Trial] = {}


def add(trial: Trial) -> None:
    if trial.name in TRIALS:
        raise ValueError(f"there are two trials {trial.name!r}")
    TRIALS[trial.name] = trial


def client(program: str, what: str, *needs: str, minutes: float = 0) -> Callable[[Meet], Meet]:
    """Marks a function as a trial of a program that is a client."""
    return _marked(program, "client", what, needs, minutes)


def server(program: str, what: str, *needs: str, minutes: float = 0) -> Callable[[Meet], Meet]:
    """Marks a function as a trial of a program that is a server."""
    return _marked(program, "server", what, needs, minutes)


def _marked(program: str, side: str, what: str, needs: tuple[str, ...], minutes: float) -> Callable[[Meet], Meet]:
    def mark(meet: Meet) -> Meet:
        add(Trial(program, side, what, meet, needs, minutes))
        return meet

    return mark


@dataclass(frozen=True)
class Outcome:
    """How a trial went. `mark`: "works", "FAILS" or "left out". `account`: all that its process said."""

    trial: Trial
    mark: str
    reason: str = ""
    account: str = ""


def run(trial: Trial, library: str = "tls13") -> Outcome:
    """In a process of its own, with its time limit."""
    command = [sys.executable, "-m", "interop.programs", "--over", library, "--one", trial.name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=trial.limit + GRACE, errors="replace")
    except subprocess.TimeoutExpired as expired:
        said = expired.stderr or b""
        return Outcome(trial, "FAILS", "it does not end", said.decode(errors="replace") if said else "")
    return told(trial, done.returncode, done.stderr, done.stdout)


def told(trial: Trial, code: int, errors: str, output: str) -> Outcome:
    """The outcome, by a process's exit code and what it said."""
    if code == 0:
        return Outcome(trial, "works", output.strip())
    if code == LEFT_OUT:
        return Outcome(trial, "left out", output.strip())
    return Outcome(trial, "FAILS", _reason(errors), errors)


def _reason(said: str) -> str:
    """One line: the exception's, or where it hung."""
    if "Timeout (" in said:
        where = re.search(r'File ".*/(tls13/[^"]+)", line (\d+) in (\w+)', said)
        return f"hangs in {where[1]}:{where[2]} ({where[3]})" if where else "hangs"
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it ended without a word"


def perform(trial: Trial, library: str) -> int:
    """In this process. The exit code."""
    if absent := _absent(trial.needs):
        print(f"{absent} is not installed")
        return LEFT_OUT
    try:
        with tempfile.TemporaryDirectory() as folder:
            desk = Desk(LIBRARIES[library], Path(folder))
            trial.meet(desk)
            if not trial.fails and not desk.handshakes():
                raise Unexpected("the program did not use the context")
    except BaseException:  # noqa: BLE001  # whatever either side raises is a failure of this trial
        traceback.print_exc()
        return 1
    return 0


def _absent(needs: Sequence[str]) -> str:
    """The first that is not here: a command, which begins with "$", or a package."""
    for need in needs:
        there = shutil.which(need[1:]) if need.startswith("$") else importlib.util.find_spec(need)
        if there is None:
            return need.removeprefix("$")
    return ""

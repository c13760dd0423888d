"""A judge's tests, run to the end whatever they do, and held against the file of those that may fail."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ..trial import PeerMissing

ROOT = Path(__file__).parents[2]
PATIENCE = 45.0
"""Seconds that one test may take."""

OLDER = "older"
"""The reason in a judge's file that takes a test out of the count: it needs a protocol version below TLS 1.3."""

MODULES = {"test_ssl": "test.test_ssl", "test_asyncio": "test.test_asyncio.test_ssl", "trio": "trio._tests.test_ssl"}


@dataclass
class Outcome:
    """How one test ended: pass, fail, skip or hang."""

    state: str
    text: str
    wraps: bool
    """It has made a connection."""


@dataclass
class Ruling:
    """What a judge has said of us."""

    judge: str
    outcomes: dict[str, Outcome]
    wrapping: set[str]
    """Tests that make a connection with the standard library."""
    reasons: dict[str, str]
    """Of tests that may fail: the key of their reason."""
    sentences: dict[str, str]
    unexpected_failures: list[str] = field(default_factory=list)
    unexpected_passes: list[str] = field(default_factory=list)

    def counted(self) -> tuple[int, int]:
        """(passed, all) of the tests that wrap a connection and do not need an older version."""
        subject = [name for name in self.wrapping if self.reasons.get(name) != OLDER]
        return sum(self.outcomes[name].state == "pass" for name in subject), len(subject)


def hear(judge: str) -> Ruling:
    """Both runs. Raises PeerMissing where the judge is not installed."""
    _must_be_here(MODULES[judge])
    standard, ours = run(judge, "ssl"), run(judge, "tls13")
    sentences, reasons = _reasons(judge)
    fit = {name for name, outcome in standard.items() if outcome.state == "pass"}
    missing = {name: Outcome("fail", "it did not run", False) for name in fit - ours.keys()}
    return unexpected(
        Ruling(
            judge,
            {name: outcome for name, outcome in (ours | missing).items() if name in fit},
            {name for name in fit if standard[name].wraps},
            {name: reason for name, reason in reasons.items() if name in fit},
            sentences,
        )
    )


def unexpected(ruling: Ruling) -> Ruling:
    """The same, with what its file does not say."""
    for name, outcome in sorted(ruling.outcomes.items()):
        if outcome.state == "pass" and name in ruling.reasons:
            ruling.unexpected_passes.append(name)
        elif outcome.state != "pass" and name not in ruling.reasons:
            ruling.unexpected_failures.append(name)
    return ruling


def _must_be_here(module: str) -> None:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        raise PeerMissing(f"{module} is not installed")


def _reasons(judge: str) -> tuple[dict[str, str], dict[str, str]]:
    """The sentences, and the key of one for each test; "3.13 NAME" is about one version of Python alone."""
    file = json.loads((Path(__file__).parent / f"{judge}.json").read_text())
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    reasons = {}
    for key, reason in file["tests"].items():
        version, _, name = key.rpartition(" ")
        if version in ("", here):
            reasons[name] = reason
    return file["reasons"], reasons


def run(judge: str, stack: str) -> dict[str, Outcome]:
    """Every test of the judge over this stack: `ssl` or `tls13`. What hangs is ended, and the rest goes on."""
    outcomes: dict[str, Outcome] = {}
    while True:
        before = len(outcomes)
        if not _run_on(judge, stack, outcomes) or len(outcomes) == before:
            return outcomes


def _run_on(judge: str, stack: str, outcomes: dict[str, Outcome]) -> bool:
    """Run the tests that have no outcome yet. True if there may be more: the process was ended, or died of a test."""
    with tempfile.TemporaryDirectory() as folder:
        done = Path(folder, "done.json")
        done.write_text(json.dumps(list(outcomes)))
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "interop.judges.witness", judge, stack, str(writing), str(done)]
        with Path(folder, "output").open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                pass_fds=[writing],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        os.close(writing)
        try:
            running = _listen(reading, outcomes)
        finally:
            process.kill()
            process.wait()
    if running is not None:
        outcomes[running] = Outcome("hang", f"no end after {PATIENCE:.0f} seconds", True)
    return running is not None


def _listen(descriptor: int, outcomes: dict[str, Outcome]) -> str | None:
    """Take outcomes down. Gives the test that did not end, if one did not."""
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    def read() -> None:
        with open(descriptor, "rb") as stream:
            for line in stream:
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    running: str | None = None
    while True:
        try:
            line = lines.get(timeout=PATIENCE)
        except queue.Empty:
            return running
        if line is None:
            return running
        said = json.loads(line)
        if said["state"] == "begun":
            running = said["test"]
        else:
            outcomes[said["test"]] = Outcome(said["state"], said["text"], said["wraps"])
            running = None

"""A `tls13 serve` to talk to, and somebody's certificate in files."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

TLS13 = [sys.executable, "-m", "tls13"]


class Served:
    """A running `tls13 serve`; `port` is where it listens."""

    def __init__(self, directory: Path, *arguments: str, stdin: str | None = None) -> None:
        self.ca = directory / "ca.pem"
        self.process = subprocess.Popen(
            [*TLS13, "serve", "--port", "0", "--ca-out", str(self.ca), *arguments],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # no terminal: passwords are read from stdin
        )
        if stdin is not None:
            self.process.stdin.write(stdin)
            self.process.stdin.flush()
        self.said: list[str] = []
        self.port = 0
        for line in self.process.stderr:
            self.said.append(line)
            if "listening on" in line:
                self.port = int(line.split(";")[0].rsplit(":", 1)[1])
                break

    @property
    def where(self) -> str:
        return f"localhost:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGINT)
            self.wait()

    def wait(self) -> None:
        """For its end; then `said` is all that it said, and `process.returncode` its exit code."""
        self.said += self.process.communicate(timeout=20)[1].splitlines()


@pytest.fixture(scope="session")
def serve() -> type[Served]:
    """`with serve(directory, *arguments) as served:` runs it; its CA is in served.ca."""
    return Served

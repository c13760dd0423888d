"""Real `tls13` processes to be judged, spoken to over TCP."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

TLS13 = [sys.executable, "-m", "tls13"]


class Serving:
    """A running `tls13 serve`. When it is stopped it must have been in good order: no traceback, exit code 0."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self.log = directory / "serve.log"
        command = [*TLS13, "serve", "--port", "0", "--ca-out", str(directory / "ca.pem"), *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, stdin=subprocess.DEVNULL)
        self.port = 0
        while not self.port and self.process.poll() is None:
            for line in self.said.splitlines():
                if "listening on" in line:
                    self.port = int(line.split(";")[0].rsplit(":", 1)[1])
        assert self.port, self.said

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * 4096

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        assert "Traceback" not in self.said, self.said
        assert "never retrieved" not in self.said, self.said
        assert code == 0, self.said


@pytest.fixture(scope="session")
def start(tmp_path_factory):
    """`start(*arguments)` runs a server until the end of the session."""
    running = []

    def begin(*arguments: str) -> Serving:
        running.append(Serving(tmp_path_factory.mktemp("serve"), *arguments))
        return running[-1]

    yield begin
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def port(start) -> int:
    """Where a server with no options listens."""
    return start().port

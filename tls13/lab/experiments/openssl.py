"""The `openssl` program as one end of the wire: s_server or s_client, over loopback TCP.

What it decides is read from itself: with -msg it prints each alert that it sends, also those that our side could not
read any more. Its own reasons are lines on stderr ("error:...:SSL routines:...").
"""

from __future__ import annotations

import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...errors import AlertDescription, ConfigurationError
from .between import End
from .model import Happening

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .bench import Bench
    from .model import Side

ALERT: Final = re.compile(r"^>>> .*Alert .*\n +0([12]) ([0-9a-f]{2})\s*$", re.MULTILINE)
"""Its level and its number: OpenSSL has no names for the newer ones."""
EVENT: Final = re.compile(f"{ALERT.pattern}|SSL routines:[^:]*:([^:\n]+):", re.MULTILINE)
LISTENING: Final = re.compile(r"^ACCEPT .*:(\d+)\s*$", re.MULTILINE)
START: Final = 20.0
"""Seconds that the program may take to start."""
FATAL: Final = 2
LAST_WORDS: Final = 5.0
"""Seconds that it may take to end."""


class OpenSslMissing(ConfigurationError):
    """There is no `openssl` program here, and nothing to run the experiment against."""


class OpenSsl(End):
    """`openssl s_client` or `openssl s_server` with the bench's certificates, in a directory of its own."""

    remote = True

    def __init__(self, bench: Bench, side: Side, options: Sequence[str]) -> None:
        super().__init__(side, bench.outcome)
        program = shutil.which("openssl")
        if program is None:
            raise OpenSslMissing("the openssl program is not installed")
        self._directory = tempfile.TemporaryDirectory(prefix="tls13-break-")
        self._said = Path(self._directory.name) / "said"
        self._read = 0
        self._over = False
        self._closing = False
        """We end it: what it says about that is not of the experiment."""
        self._write_credentials(bench)
        try:
            self._socket = self._serve(program, options) if side == "server" else self._connect(program, options)
        except (OSError, OpenSslMissing):
            self._process.kill()
            self._process.communicate()
            raise

    def _write_credentials(self, bench: Bench) -> None:
        directory = Path(self._directory.name)
        (directory / "ca.pem").write_bytes(bench.authority.certificate_pem)
        (directory / "chain.pem").write_bytes(bench.issued.pem_chain)
        with open(os.open(directory / "key.pem", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(bench.issued.pem_key)

    def _start(self, *command: str) -> None:
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=said, stderr=said, cwd=self._directory.name
            )

    def _serve(self, program: str, options: Sequence[str]) -> socket.socket:
        files = ("-cert", "chain.pem", "-cert_chain", "chain.pem", "-key", "key.pem", "-CAfile", "ca.pem")
        self._start(program, "s_server", "-accept", "127.0.0.1:0", "-naccept", "1", "-msg", *files, *options)
        deadline = time.monotonic() + START
        while (found := LISTENING.search(self._text())) is None:
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise OpenSslMissing(f"openssl s_server does not start: {self._text().strip()[-200:]}")
            select.select([], [], [], 0.01)
        return socket.create_connection(("127.0.0.1", int(found[1])))

    def _connect(self, program: str, options: Sequence[str]) -> socket.socket:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(START)
            where = f"127.0.0.1:{listener.getsockname()[1]}"
            checks = ("-CAfile", "ca.pem", "-verify_return_error", "-verify_hostname", "server.example")
            name = ("-servername", "server.example")
            self._start(program, "s_client", "-connect", where, "-msg", *checks, *name, *options)
            return listener.accept()[0]

    def _text(self) -> str:
        return self._said.read_text(errors="replace")

    # --- End ----------------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError:
            return  # it has ended the connection already: what it still had to say is in the buffer, and in its text
        finally:
            self._listen()

    def give(self, patience: float = 0.0) -> bytes:
        if self._over or not select.select([self._socket], [], [], patience)[0]:
            self._listen()
            return b""
        try:
            data = self._socket.recv(2**16)
        except OSError:
            data = b""
        self._over = not data
        self._listen()
        return data

    def heard(self, data: bytes) -> bool:
        deadline = time.monotonic() + LAST_WORDS
        while data.replace(b"\r\n", b"\n") not in self._said.read_bytes().replace(b"\r\n", b"\n"):
            if time.monotonic() > deadline:
                return False
            select.select([], [], [], 0.01)
        return True

    def cut(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    @property
    def busy(self) -> bool:
        return not self._over

    @property
    def over(self) -> bool:
        return self._over

    def close(self) -> None:
        """Let it read what it was sent, and end by itself: what it says last is what matters most."""
        self._listen()
        self._closing = not self._over
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            self._over = True  # it has torn the connection down
        deadline = time.monotonic() + LAST_WORDS
        while not self._over and time.monotonic() < deadline:
            self.give(LAST_WORDS)
        try:
            self._process.communicate(timeout=LAST_WORDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._listen()
        self._socket.close()
        self._directory.cleanup()

    def _listen(self) -> None:
        """What it has said since, into the outcome."""
        if self._closing:
            return
        text = self._text()
        for found in EVENT.finditer(text[: text.rfind("\n") + 1], self._read):
            self._read = found.end()
            level, number, reason = found.groups()
            if reason:
                self.outcome.happened.append(Happening(self.side, "error", f"OpenSSL says: {reason}"))
            else:
                self._alert(int(level), int(number, 16))

    def _alert(self, level: int, number: int) -> None:
        try:
            alert = AlertDescription(number)
        except ValueError:
            alert = None
        name = alert.name if alert is not None else f"number {number}"
        self.outcome.happened.append(Happening(self.side, "alert", f"OpenSSL sends alert {name}"))
        if level == FATAL and self.outcome.by is None:
            self.outcome.by, self.outcome.alert = self.side, alert

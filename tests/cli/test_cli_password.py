"""tls13 serve with an encrypted key: the password is asked for on the terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tls13.lab.authority import Authority

if TYPE_CHECKING:
    from pathlib import Path

    from tls13.lab.authority import Issued


def test_an_encrypted_key_asks_for_its_password(tmp_path) -> None:
    issued = Authority.create(now=datetime.now(UTC)).issue(["localhost"])
    server, ours = serve(tmp_path, issued)
    try:
        assert "key.pem" in read_until(ours, "password")
        os.write(ours, b"hunter2\n")
        said = read_until(ours, "listening on")
        assert "hunter2" not in said
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
        os.close(ours)


def test_no_password_is_one_sentence(tmp_path) -> None:
    issued = Authority.create(now=datetime.now(UTC)).issue(["localhost"])
    server, ours = serve(tmp_path, issued)
    try:
        read_until(ours, "password")
        os.write(ours, b"\n")
        said = read_until(ours, "encrypted and no password was given")
        assert server.wait(10) != 0
        assert "Traceback" not in said
    finally:
        server.kill()
        os.close(ours)


def serve(folder: Path, issued: Issued) -> tuple[subprocess.Popen[bytes], int]:
    """`tls13 serve` with the key encrypted, and its terminal."""
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(issued.pem_chain)
    key.write_bytes(
        issued.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"hunter2"))
    )
    ours, terminal = pty.openpty()
    command = ["-m", "tls13", "serve", "--port", "0", "--cert", str(certificate), "--key", str(key)]
    server = subprocess.Popen(
        [sys.executable, *command], stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    os.close(terminal)
    return server, ours


def read_until(terminal: int, wanted: str) -> str:
    """What is said up to a line that has `wanted` in it, and that line."""
    said, deadline = "", time.monotonic() + 20
    while wanted not in said or not said.endswith((": ", "\n")):
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], f"{wanted!r} was not said: {said}"
        said += os.read(terminal, 1000).decode()
    return said

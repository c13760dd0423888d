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

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from tls13.lab.authority import Authority


def test_an_encrypted_key_asks_for_its_password(tmp_path) -> None:
    issued = Authority.create(now=datetime.now(UTC)).issue(["localhost"])
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
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
    try:
        assert "key.pem" in read_until(ours, "password")
        os.write(ours, b"hunter2\n")
        said = read_until(ours, "listening on")
        assert "hunter2" not in said
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
        os.close(ours)


def read_until(terminal: int, wanted: str) -> str:
    """What is said up to a line that has `wanted` in it, and that line."""
    said, deadline = "", time.monotonic() + 20
    while wanted not in said or not said.endswith((": ", "\n")):
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], f"{wanted!r} was not said: {said}"
        said += os.read(terminal, 1000).decode()
    return said

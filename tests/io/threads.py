"""What the tests of sockets share: a thread whose outcome is kept."""

from __future__ import annotations

import threading

import tls13

HOST = "server.example"
PATIENCE = 20
"""Seconds after which a thread that should have ended is stuck."""


def in_thread(action, *arguments) -> tuple[threading.Thread, list]:
    """Run it; the list gets what it returned or raised."""
    outcome: list = []

    def run() -> None:
        try:
            outcome.append(action(*arguments))
        except (tls13.TLSError, OSError) as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, outcome

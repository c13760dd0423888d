"""How well `tls13 serve --workers 2` uses its cores: new handshakes for each second of CPU that its processes took.

Only the servers' own time counts (the CPU clocks of the process and its children), so the load may be as slow as it
likes: it is `ssl`, in this process, without sessions. One worker is the base; the two servers take turns.
"""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tls13 import SignatureScheme

from ..files import files_for, root_file
from ..trial import HOST
from .measure import Effort, NotMeasured, Result, compare
from .worker import environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .measure import Sample
    from .stacks import Stack

PATIENCE = 30.0


def workers(_: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    """Raises NotMeasured where `tls13 serve` has no --workers."""
    usage = subprocess.run([sys.executable, "-m", "tls13", "serve", "--help"], stdout=subprocess.PIPE, text=True)
    if "--workers" not in usage.stdout:
        raise NotMeasured("this `tls13 serve` has no --workers")
    with ExitStack() as stack:
        one = stack.enter_context(_server(1))
        two = stack.enter_context(_server(2))
        return compare({"1 worker": _sample(*one, effort), "tls13": _sample(*two, effort)}, 15 if effort.full else 9)


@contextmanager
def _server(count: int) -> Iterator[tuple[int, int]]:
    """A server with so many workers: its process id and its port."""
    files = files_for(SignatureScheme.ecdsa_secp256r1_sha256)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    command = [sys.executable, "-m", "tls13", "serve", "--port", str(port), "--workers", str(count)]
    process = subprocess.Popen(
        [*command, "--cert", str(files.chain), "--key", str(files.key)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        _wait_for(port)
        yield process.pid, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise NotMeasured(f"no server came up on port {port}") from None
            time.sleep(0.05)


def _sample(pid: int, port: int, effort: Effort) -> Sample:
    context = ssl.create_default_context(cafile=str(root_file()))

    def handshakes(count: int) -> None:
        for _ in range(count):
            with (
                socket.create_connection(("127.0.0.1", port), PATIENCE) as sock,
                context.wrap_socket(sock, server_hostname=HOST),
            ):
                pass

    def sample() -> float:
        count = 400 if effort.full else 100
        before = cpu_seconds(pid)
        handshakes(count)
        return (cpu_seconds(pid) - before) / count

    handshakes(100)
    return sample


def cpu_seconds(pid: int) -> float:
    """Of a process and its living children, user and system: by the clock that clock_getcpuclockid(3) names, since
    those of /proc tick in hundredths of a second."""
    own = time.clock_gettime((~pid << 3) | 2)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(cpu_seconds(int(child)) for child in children)

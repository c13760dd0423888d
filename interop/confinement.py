"""Our side of confined.py: start a program in a network of its own, and connect to it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from . import confined
from .program import PATIENCE, Program
from .trial import Disagreement, PeerMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    Connect = Callable[[], socket.socket]

PORT = confined.PORT


@contextmanager
def confine(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Iterator[tuple[Program, Connect]]:
    """The program, which listens on PORT, and what connects to it as often as it is called. `env`: in addition to ours.

    Raises PeerMissing if there is no such program, or no right to confine it.
    """
    if shutil.which(command[0]) is None:
        raise PeerMissing(f"{command[0]} is not installed")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE)
        script = [sys.executable, "-I", "-S", str(Path(confined.__file__)), str(theirs.fileno())]
        everything = [*_unshare(), *script, *command]
        environment = {**os.environ, **(env or {})}
        with Program(everything, env=environment, descriptors=[theirs.fileno()], name=command[0]) as program:
            theirs.close()
            yield program, lambda: _through_the_door(ours, program)
            ours.close()  # the doorkeeper ends


def _through_the_door(door: socket.socket, program: Program) -> socket.socket:
    door.sendall(b"?")
    _, descriptors, _, _ = socket.recv_fds(door, 1, 1)
    if not descriptors:
        raise Disagreement(f"{program.name} does not listen: {program.output[-300:]!r}")
    sock = socket.socket(fileno=descriptors[0])
    sock.settimeout(PATIENCE)
    return sock


@cache
def _unshare() -> tuple[str, ...]:
    """The command that makes a network namespace here. Raises PeerMissing where nothing does."""
    for command in (("unshare", "--net"), ("unshare", "--map-root-user", "--net")):
        if os.geteuid() != 0 and "--map-root-user" not in command:
            continue
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    raise PeerMissing("this system does not let us make a network namespace (unshare --net) to confine it in")

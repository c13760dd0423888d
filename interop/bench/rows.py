"""What is measured: one function a row, from the stacks to the results."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tls13 import NamedGroup, SignatureScheme

from .measure import Effort, Result, compare, in_turns
from .stacks import STACKS, SUITE, Setting, Stack
from .tcp import receive_from_child

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .measure import Work
    from .stacks import Pair

ECDSA = Setting()
RSA = Setting(scheme=SignatureScheme.rsa_pss_rsae_sha256)
HYBRID = Setting(group=NamedGroup.X25519MLKEM768)


class WrongSuite(Exception):
    """A comparison of different things."""


@dataclass(frozen=True)
class Row:
    """`goal`: of the project's design. `bytes_moved`: in the time that a result gives, for rows that move data."""

    key: str
    title: str
    goal: str
    run: Callable[[Sequence[Stack], Effort], Mapping[str, Result]]
    bytes_moved: int = 0


def _handshakes(setting: Setting) -> Callable[[Sequence[Stack], Effort], Mapping[str, Result]]:
    def work_of(stack: Stack) -> Work:
        def work(count: int) -> None:
            for _ in range(count):
                stack.pair(setting).handshake()

        connected(stack, setting)
        return work

    return lambda stacks, effort: in_turns({stack.name: work_of(stack) for stack in stacks}, effort)


def connected(stack: Stack, setting: Setting) -> Pair:
    """A pair after its handshake. Raises WrongSuite if it does not use the suite that all use."""
    pair = stack.pair(setting)
    pair.handshake()
    if pair.client.suite() != SUITE.name or pair.server.suite() != SUITE.name:
        raise WrongSuite(f"{stack.name} negotiated {pair.client.suite()!r} instead of {SUITE.name}")
    return pair


def _bulk(size: int) -> Callable[[Sequence[Stack], Effort], Mapping[str, Result]]:
    data = os.urandom(size)

    def work_of(stack: Stack) -> Work:
        pair = connected(stack, ECDSA)

        def work(count: int) -> None:
            for _ in range(count):
                if pair.transfer(data) != size:
                    raise WrongSuite(f"{stack.name} lost data")

        return work

    return lambda stacks, effort: in_turns({stack.name: work_of(stack) for stack in stacks}, effort)


def _echo(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    def work_of(stack: Stack) -> Work:
        echo = connected(stack, ECDSA).echo

        def work(count: int) -> None:
            for _ in range(count):
                echo()

        return work

    return in_turns({stack.name: work_of(stack) for stack in stacks}, effort)


def _tcp(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    size = 2**27 if effort.seconds > 0.1 else 2**26
    return compare({stack.name: receive_from_child(stack.name, size) for stack in stacks}, effort.rounds)


def _fresh(code: str) -> float:
    """The number that a fresh Python process prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def _memory(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    count = 1000 if effort.seconds > 0.1 else 300
    samples = {
        stack.name: lambda name=stack.name: _fresh(
            f"from interop.bench.rows import idle_pairs; print(idle_pairs({name!r}, {count}))"
        )
        for stack in stacks
    }
    return compare(samples, 3 if effort.seconds > 0.1 else 1)


def idle_pairs(name: str, count: int) -> float:
    """Bytes of memory that each idle pair of client and server adds to this process."""
    stack = next(stack for stack in STACKS if stack.name == name)
    kept = [connected(stack, ECDSA) for _ in range(20)]
    before = _resident()
    kept += [connected(stack, ECDSA) for _ in range(count)]
    return (_resident() - before) / count


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_CRYPTOGRAPHY = "[n for n in sys.modules if n.partition('.')[0] == 'cryptography']"


def _imports(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    """Against the part of `cryptography` that tls13 uses, imported alone: the base, in the place of `ssl`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, tls13; print(' '.join({_CRYPTOGRAPHY}))"],
        capture_output=True,
        text=True,
        check=True,
    )
    timed = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"
    samples = {"cryptography": lambda: _fresh(timed.format(", ".join(done.stdout.split())))}
    for stack in stacks:
        samples[stack.name] = lambda module=stack.module: _fresh(timed.format(module))  # type: ignore[misc]  # bound early
    return compare(samples, 5 if effort.seconds < 0.1 else 15)


ROWS: tuple[Row, ...] = (
    Row("ECDSA P-256", "handshake, ECDSA P-256, X25519", "1.25", _handshakes(ECDSA)),
    Row("RSA-2048", "handshake, RSA-2048, X25519", "1.2", _handshakes(RSA)),
    Row("X25519MLKEM768", "handshake, X25519MLKEM768 (ssl: X25519)", "0.95", _handshakes(HYBRID)),
    Row("16 KiB", "bulk in memory, 16 KiB writes", "0.95", _bulk(2**14), 2**14),
    Row("1 MiB", "bulk in memory, 1 MiB writes", "", _bulk(2**20), 2**20),
    Row("TCP", "bulk over loopback TCP", "1.2", _tcp, 2**20),
    Row("echo", "echo of one byte, in memory", "0.85", _echo),
    Row("memory", "memory per idle pair", "16 KiB", _memory),
    Row("import", "import time over cryptography's own", "1.25 x", _imports),
)

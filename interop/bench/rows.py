"""The table's rows: what is measured, how, and the goal of the project's design."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from . import floor
from .footprint import imports, memory
from .measure import compare
from .serving import workers
from .streams import stream_from_child
from .tcp import receive_from_child
from .worker import FLOOR, in_turns
from .works import AES_128, AES_256, CHACHA20, ECDSA, HYBRID, RESUMPTION, RSA, bulk, echo, handshakes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tls13 import CipherSuite

    from .measure import Effort, Result, Work
    from .stacks import Setting, Stack

    Special = Callable[[Sequence[Stack], Effort], Mapping[str, Result]]

QUICK_STACKS = ("ssl", "tls13", "pyOpenSSL")
"""Who moves bulk data in a quick run: the others are ten times slower."""


@dataclass(frozen=True)
class Row:
    """`make`: the work that each stack does, in a process of its own (CPU time), and `floor` that of the primitives
    alone; or `special`: a way of its own. `goal`: a ratio to `ssl`; for the units "KiB" and "x" a value that is not to
    be exceeded. `moved`: bytes, in the time that a result gives."""

    key: str
    title: str
    goal: float | None
    make: Any = None
    floor: Callable[[], Work] | None = None
    suite: CipherSuite = AES_128
    special: Special | None = None
    unit: str = ""
    moved: int = 0

    def run(self, stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
        stacks = [stack for stack in stacks if self.key not in stack.left_out]
        if self.moved and not effort.full:
            stacks = [stack for stack in stacks if stack.name in QUICK_STACKS]
        if self.special is not None:
            return self.special(stacks, effort)
        names = [stack.name for stack in stacks] + ([FLOOR] if self.floor is not None else [])
        return in_turns(self.key, names, self.suite.name, effort)

    def shown(self, result: Result) -> float:
        """The number that the goal is about."""
        if self.unit == "KiB":
            return result.value / 1024
        return 1 / result.ratio if self.unit == "x" else result.ratio

    def reached(self, result: Result) -> float:
        """How much of the goal: 1.0 is all of it."""
        if self.goal is None:
            return 1.0
        return self.goal / self.shown(result) if self.unit else self.shown(result) / self.goal


def _handshake(key: str, title: str, goal: float, setting: Setting) -> Row:
    return Row(key, f"handshake, {title}", goal, handshakes(setting), lambda: floor.handshake(setting))


def _bulk(size: int, called: str, suite: CipherSuite, cipher: str) -> Row:
    key = called if suite == AES_128 else f"{called} {cipher.removesuffix('-GCM')}"
    title = f"bulk in memory, {called} writes, {cipher}"
    return Row(key, title, 0.95, bulk(suite, size), lambda: floor.data(suite, size), suite, moved=size)


def _echo(size: int, called: str) -> Row:
    return Row(f"echo {called}", f"echo of {called}, in memory", 0.85, echo(size), lambda: floor.data(AES_128, size, 2))


def _over_tcp(way: Any) -> Special:
    """Wall time: two processes work at once."""

    def run(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
        size = 2**26 if effort.full else 2**24
        return compare({stack.name: way(stack.name, size) for stack in stacks}, 15 if effort.full else 5)

    return run


ROWS: tuple[Row, ...] = (
    _handshake("ECDSA P-256", "ECDSA P-256, X25519, 2 tickets", 1.25, ECDSA),
    _handshake("RSA-2048", "RSA-2048, X25519, 2 tickets", 1.2, RSA),
    _handshake("resumption", "resumption, psk_dhe_ke", 2.0, RESUMPTION),
    _handshake("X25519MLKEM768", "X25519MLKEM768 (ssl: X25519)", 0.95, HYBRID),
    *(
        _bulk(size, called, suite, cipher)
        for suite, cipher in ((AES_128, "AES-128-GCM"), (AES_256, "AES-256-GCM"), (CHACHA20, "ChaCha20"))
        for size, called in ((2**14, "16 KiB"), (2**20, "1 MiB"))
    ),
    Row("TCP", "bulk over loopback TCP, two processes", 1.2, special=_over_tcp(receive_from_child), moved=2**20),
    Row("aio", "the same through asyncio's streams", 1.0, special=_over_tcp(stream_from_child), moved=2**20),
    _echo(1, "1 B"),
    _echo(2**10, "1 KiB"),
    Row("memory", "memory per idle pair", 16, special=memory, unit="KiB"),
    Row("import", "import over cryptography's own", 1.25, special=imports, unit="x"),
    Row("workers", "serve --workers 2 / 1, per CPU second", 0.9, special=workers),
)


def row_named(key: str) -> Row:
    return next(row for row in ROWS if row.key == key)

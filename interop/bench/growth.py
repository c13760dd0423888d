"""How cost grows: `python -m interop.bench --growth`. No goal is to be met here: it is the shape that counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .growth_idle import idle_connections
from .growth_memory import long_chain, server_names
from .growth_writes import write_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Table = Sequence[Mapping[str, float | str]]


def growth(*, full: bool) -> Mapping[str, Table]:
    """Everything, printed as it comes, and for JSON."""
    names = (1, 100, 10_000) if full else (1, 100, 1_000)
    idle = (1, 1_000, 10_000) if full else (1, 100, 1_000)
    largest = 2**30 if full else 2**26
    found: dict[str, Table] = {}
    for title, measure in (
        ("a server's certificates, chosen by name", lambda: server_names(names)),
        ("a chain fed one byte at a time", lambda: long_chain((75, 150, 300))),
        ("writes through a socket, to another process", lambda: write_sizes(largest)),
        ("idle connections in one asyncio server", lambda: idle_connections(idle)),
    ):
        found[title] = table = measure()
        show(title, table)
    return found


def show(title: str, table: Table) -> None:
    print(f"{title}\n")
    print("".join(f"{name:>22}" for name in table[0]))
    for line in table:
        print("".join(f"{value if isinstance(value, str) else format(value, ',.2f'):>22}" for value in line.values()))
    print(flush=True)

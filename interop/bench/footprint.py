"""What a stack costs before and beside its work: the memory of idle connections, and the time of its import."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

from .measure import compare
from .worker import WorkerFailed, environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .measure import Effort, Result
    from .stacks import Stack


def fresh(code: str) -> float:
    """The number that a fresh Python process prints. Raises WorkerFailed."""
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment())
    if done.returncode:
        raise WorkerFailed(f"a process ended with {done.returncode}; its words are above")
    return float(done.stdout)


def memory(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    """Resident bytes that each pair adds, over 2,000 pairs (a quick run: 300)."""
    count = 2000 if effort.full else 300
    code = "from interop.bench.footprint import idle_pairs; print(idle_pairs({!r}, {}))"
    samples = {stack.name: partial(fresh, code.format(stack.name, count)) for stack in stacks}
    return compare(samples, 3 if effort.full else 1)


def idle_pairs(name: str, count: int) -> float:
    """Bytes of memory that each idle pair of client and server adds to this process."""
    from .stacks import stack_named
    from .works import ECDSA

    stack = stack_named(name)
    kept = [stack.connected(ECDSA) for _ in range(20)]
    before = resident()
    kept += [stack.connected(ECDSA) for _ in range(count)]
    return (resident() - before) / count


def resident() -> int:
    """Bytes of this process that are in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


_CRYPTOGRAPHY = "[n for n in sys.modules if n.partition('.')[0] == 'cryptography']"


def imports(stacks: Sequence[Stack], effort: Effort) -> Mapping[str, Result]:
    """CPU seconds, in fresh processes. The base, in the place of `ssl`, is that part of `cryptography` which tls13
    loads, imported alone. Everything is compiled: the first round of all is not counted."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, tls13; print(' '.join({_CRYPTOGRAPHY}))"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=environment(),
    )
    timed = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
    codes = {"cryptography": timed.format(", ".join(done.stdout.split()))}
    codes |= {stack.name: timed.format(stack.module) for stack in stacks}
    for code in codes.values():
        fresh(code)
    samples = {name: partial(fresh, code) for name, code in codes.items()}
    return compare(samples, 31 if effort.full else 5)

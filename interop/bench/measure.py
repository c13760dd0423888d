"""Taking turns, and medians of ratios."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

Work = Callable[[int], None]
"""Does something this many times."""

Sample = Callable[[], float]
"""Seconds (or whatever is measured) for one of whatever is done."""


class NotTheSame(Exception):
    """A comparison of different things: another cipher suite, lost data, a session that was not resumed."""


class NotMeasured(Exception):
    """Why a row has no figures here."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds of each sample, and how many samples each stack gives. `full` is for rows that
    have an effort of their own."""

    seconds: float
    rounds: int
    full: bool


QUICK = Effort(0.01, 5, full=False)
FULL = Effort(0.04, 41, full=True)
"""Many short rounds: what disturbs one of them is then rarely in the median."""


@dataclass(frozen=True)
class Result:
    """`ratio`: how many times as fast as the first stack; `value`: of one of what is measured (seconds, bytes)."""

    ratio: float
    value: float


def compare(samples: Mapping[str, Sample], rounds: int) -> dict[str, Result]:
    """Each ratio is that of one round; the first entry is the base.

    Every other round goes backwards, so that nobody always comes after the same neighbour, or always later.
    """
    taken: dict[str, list[float]] = {name: [] for name in samples}
    names = list(samples)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            taken[name].append(samples[name]())
    base = next(iter(taken.values()))
    return {
        name: Result(median(one / other for one, other in zip(base, values, strict=True)), median(values))
        for name, values in taken.items()
    }


def sampler(work: Work, seconds: float) -> Sample:
    """CPU seconds of one: each sample does the work as often as fits into this time. It is warmed up before."""
    work(2)
    count = max(1, min(10**6, int(seconds / max(1e-7, _cpu_seconds(work, 3) / 3))))
    work(2 * count)

    def sample() -> float:
        return _cpu_seconds(work, count) / count

    return sample


def _cpu_seconds(work: Work, count: int) -> float:
    gc.collect()
    start = time.process_time()
    work(count)
    return time.process_time() - start

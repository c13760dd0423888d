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
"""Seconds for one of whatever is measured."""


@dataclass(frozen=True)
class Effort:
    """How long to measure: seconds for each sample, and how many of them each stack gives."""

    seconds: float
    rounds: int


QUICK = Effort(0.02, 7)
FULL = Effort(0.15, 21)


@dataclass(frozen=True)
class Result:
    """`ratio`: how many times as fast as the first stack; `seconds`: for one of what is measured."""

    ratio: float
    seconds: float


def in_turns(works: Mapping[str, Work], effort: Effort) -> dict[str, Result]:
    """CPU time of each, in turns: round by round, so that all of them meet the same weather."""
    return compare({name: _sampler(work, effort.seconds) for name, work in works.items()}, effort.rounds)


def compare(samples: Mapping[str, Sample], rounds: int) -> dict[str, Result]:
    """Each ratio is that of one round; the first entry is the base."""
    taken: dict[str, list[float]] = {name: [] for name in samples}
    for _ in range(rounds):
        for name, sample in samples.items():
            taken[name].append(sample())
    base = next(iter(taken.values()))
    return {
        name: Result(median(one / other for one, other in zip(base, values, strict=True)), median(values))
        for name, values in taken.items()
    }


def _sampler(work: Work, seconds: float) -> Sample:
    """Each sample does the work as often as fits into this time; it is warmed up before."""
    work(1)
    count = max(1, min(10**6, int(seconds / max(1e-7, _cpu_seconds(work, 3) / 3))))

    def sample() -> float:
        return _cpu_seconds(work, count) / count

    return sample


def _cpu_seconds(work: Work, count: int) -> float:
    gc.collect()
    start = time.process_time()
    work(count)
    return time.process_time() - start

"""Real programs over tls13.SSLContext, each on its own way of taking one (interop/programs)."""

from __future__ import annotations

import pytest

from interop.programs.every import EVERY
from interop.programs.registry import run

CASES = [
    pytest.param(trial, id=trial.name, marks=[pytest.mark.interop, *([pytest.mark.slow] if trial.minutes else [])])
    for trial in EVERY.values()
]


@pytest.mark.parametrize("trial", CASES)
def test_a_program_works(trial):
    outcome = run(trial)
    if outcome.mark == "left out":
        pytest.skip(outcome.reason)
    assert outcome.mark == "works", f"{outcome.reason}\n{outcome.account}"

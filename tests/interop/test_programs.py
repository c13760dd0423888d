"""Real programs over tls13.SSLContext, each on its own way of taking one (interop/programs)."""

from __future__ import annotations

import pytest

from interop.programs.every import EVERY
from interop.programs.registry import run


def _cases():
    for trial in EVERY.values():
        yield pytest.param(
            trial, id=trial.name, marks=[pytest.mark.interop, *([pytest.mark.slow] * bool(trial.minutes))]
        )


@pytest.mark.parametrize("trial", _cases())
def test_a_program_works(trial):
    outcome = run(trial)
    if outcome.mark == "left out":
        pytest.skip(outcome.reason)
    assert outcome.mark == "works", f"{outcome.reason}\n{outcome.account}"

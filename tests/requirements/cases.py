"""Marks for the cases of a parametrized test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from _pytest.mark.structures import ParameterSet


def cases(names: Iterable[str], holds: Mapping[str, str]) -> list[ParameterSet]:
    """The names as parameters, each tied to its requirements: `holds` maps a name to "R012 R013".

    A name in `holds` that is no case is a mistake, so that a renamed case does not lose its ties in silence.
    """
    known = list(names)
    lost = [name for name in holds if name not in known]
    if lost:
        raise KeyError(f"these cases do not exist: {lost}")
    return [
        pytest.param(name, id=name, marks=[pytest.mark.requirement(*holds[name].split())] if name in holds else [])
        for name in known
    ]

"""Other TLS stacks and this one understand each other, in every combination that both know."""

from __future__ import annotations

import pytest

from interop import pyopenssl
from interop.matrix import REPRESENTATIVE, cells
from interop.trial import PeerMissing


@pytest.mark.parametrize("trial", REPRESENTATIVE, ids=lambda trial: f"{trial.suite}-{trial.group}-{trial.scheme}")
def test_openssl_4_in_this_process(trial):
    pyopenssl.meet(trial)


@pytest.mark.interop
@pytest.mark.parametrize("cell", [pytest.param(cell, id=cell.name) for cell in cells()])
def test_every_cell_of_the_matrix(cell):
    try:
        cell.meet(cell.trial)
    except PeerMissing as missing:
        pytest.skip(str(missing))

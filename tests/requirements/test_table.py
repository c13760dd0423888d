"""The tables themselves: complete, and saying what the reference says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tls13.errors import AlertDescription

from .cases import cases
from .table import DESIGN_TABLE, RFC_TABLES, BadTable, Row, pending, read, rows

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "requirements.md"
GOOD = {
    "id": "R001",
    "section": "2",
    "who": "S",
    "kind": "U",
    "alerts": [],
    "inferred": False,
    "text": "a rule",
}


def test_the_tables_hold_every_id_once_and_in_order() -> None:
    held = [row.id for path in RFC_TABLES for row in read(path)]
    assert held == [f"R{number:03}" for number in range(1, 328)]
    design = [row.id for row in read(DESIGN_TABLE)]
    assert design == [f"D{number:02}" for number in range(1, len(design) + 1)]
    assert sum(row.kind == "W" for row in rows().values()) == 262


def test_what_is_pending_is_in_the_tables() -> None:
    assert pending() <= set(rows())


def test_the_tables_agree_with_the_reference() -> None:
    """Kind, section and alerts of each row as in ../shared/reference/requirements.md."""
    if not REFERENCE.exists():
        pytest.skip("../shared is not there: this clone stands alone")
    table, section, seen = rows(), "", 0
    for line in REFERENCE.read_text(encoding="utf-8").splitlines():
        if line.startswith("### "):
            section = line.split()[1]
        if re.match(r"\| R\d{3} ", line):
            cells = line.strip("| ").split(" | ")
            row, seen = table[cells[0]], seen + 1
            alerts = [] if cells[4].startswith("- ") or cells[4] == "-" else re.findall(r"[a-z_]{8,}", cells[4])
            named = [name for name in alerts if name in AlertDescription.__members__]
            assert (row.section, row.kind, row.inferred) == (section, cells[5], "†" in cells[4]), row.id
            # An alert that the RFC does not name is judged by its class, so ours may be another of that class.
            ours = [alert.name for alert in row.alerts]
            assert ours == named or (row.inferred and set(named) < set(ours)), row.id
            assert row.text != cells[3], f"{row.id}: a wording of our own"
    assert seen == 327


@pytest.mark.parametrize(
    "change",
    [
        {"alerts": ["no_such_alert"]},
        {"kind": "Q"},
        {"who": "me"},
        {"kind": "W", "untestable": "it is so very hard to test this one"},
        {"untestable": "hard"},
        {"colour": "red"},
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_refused(change) -> None:
    assert Row.parse(dict(GOOD)).id == "R001"
    with pytest.raises(BadTable, match="R001"):
        Row.parse(GOOD | change)


def test_a_tie_to_a_case_that_does_not_exist_is_refused() -> None:
    assert [case.id for case in cases({"a": 1, "b": 2}, {"a": "R001 R002"})] == ["a", "b"]
    with pytest.raises(KeyError, match="c"):
        cases({"a": 1}, {"c": "R001"})

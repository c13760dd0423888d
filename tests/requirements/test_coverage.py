"""The command: what it complains about, and what it lets pass."""

from __future__ import annotations

import pytest

from tls13 import errors
from tls13.errors import AlertDescription

from .__main__ import complaints, summary
from .coverage import Ties
from .table import Row


def row(number: int, **changes: object) -> Row:
    fields: dict[str, object] = {
        "id": f"R{number:03}",
        "section": "4",
        "who": "B",
        "kind": "W",
        "alerts": ["decode_error"],
        "inferred": False,
        "text": "a rule",
    }
    return Row.parse(fields | changes)


def table(*rows: Row) -> dict[str, Row]:
    return {one.id: one for one in rows}


def tied(**tests: str) -> Ties:
    ties = Ties()
    for number, test in tests.items():
        ties.tests[number].append(test)
    return ties


def said(rows: dict[str, Row], ties: Ties, *waiting: str, run: bool = False) -> str:
    return "\n".join(complaints(rows, ties, set(waiting), run=run))


def test_a_row_is_held_or_excused_or_pending() -> None:
    rows = table(row(1), row(2, kind="U", untestable="nobody could ever see whether it is so"), row(3))
    assert said(rows, tied(R001="test_a"), "R003") == ""
    assert "R003 (section 4, W) is held by no test: a rule" in said(rows, tied(R001="test_a"))


def test_pending_only_shrinks() -> None:
    rows = table(row(1), row(2, kind="U", untestable="nobody could ever see whether it is so"))
    assert "R001 is held by a test: take it out of pending.txt" in said(rows, tied(R001="test_a"), "R001")
    assert "R002 is excused: take it out of pending.txt" in said(rows, tied(R001="test_a"), "R002")
    assert "R009 is in no table, but pending.txt lists it" in said(rows, tied(R001="test_a"), "R009")


def test_an_excuse_does_not_stand_beside_a_test() -> None:
    rows = table(row(2, kind="U", untestable="nobody could ever see whether it is so"))
    assert "its reason for being untestable is wrong" in said(rows, tied(R002="test_a"))


def test_a_tie_to_no_row() -> None:
    assert "R007 is in no table, but test_a claims it" in said(table(), tied(R007="test_a"))


def test_what_is_known_not_to_work_holds_nothing() -> None:
    ties = Ties()
    ties.broken["R001"].append("test_a")
    assert "(known not to work: test_a)" in said(table(row(1)), ties)


def test_a_run_shows_the_alert_of_the_row() -> None:
    ties = tied(R001="test_a")
    assert "skipped or failed" in said(table(row(1)), ties, run=True)
    ties.passed.add("test_a")
    assert "R001 gives decode_error; its tests saw no alert" in said(table(row(1)), ties, run=True)
    ties.alerts["R001"].add(AlertDescription.illegal_parameter)
    assert "its tests saw illegal_parameter" in said(table(row(1)), ties, run=True)
    ties.alerts["R001"].add(AlertDescription.decode_error)
    assert said(table(row(1)), ties, run=True) == ""
    assert said(table(row(1, alerts=["decode_error", "illegal_parameter"])), ties, run=True) == ""
    assert said(table(row(1, alerts=[])), tied(R001="test_a")) == ""


def test_a_failing_test_is_named() -> None:
    ties = tied(R001="test_a")
    ties.failed.append("test_a")
    assert "test_a fails" in said(table(row(1)), ties)


def test_an_alert_is_noted_for_the_rows_of_the_test_that_runs() -> None:
    ties = Ties()
    ties.pytest_configure()
    try:
        ties.running = ("R001", "R002")
        errors.BadCookie("a detail")
        ties.running = ()
        errors.BadFinished()
    finally:
        ties.pytest_unconfigure()
    assert dict(ties.alerts) == {one: {AlertDescription.illegal_parameter} for one in ("R001", "R002")}
    assert "a detail" in str(errors.BadCookie("a detail"))


@pytest.mark.parametrize("held", [True, False])
def test_the_summary_counts(held) -> None:
    text = summary(table(row(1), row(2)), tied(R001="test_a") if held else Ties())
    assert f"testable on the wire: {int(held)} of 2" in text
    assert ("R001 R002" in text) is not held

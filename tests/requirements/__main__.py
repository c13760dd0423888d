"""python -m tests.requirements [--run] [--shrink] [ID ...]: what the tests hold of RFC 9846.

Without arguments: collects the marks, prints the coverage per section, and fails when a row is neither held by a
test, nor excused by a reason, nor listed in pending.txt.
--run: runs the tied tests too, and looks whether each row's alert was seen.
--shrink: takes out of pending.txt what a test holds by now.
ID ...: prints these rows and the tests that hold them.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from pathlib import Path

import pytest

from .coverage import Ties
from .table import PENDING, Row, pending, rows

TESTS = Path(__file__).parent.parent


def collect(*, run: bool) -> Ties:
    """The marks of all tests, the slow ones too."""
    ties = Ties()
    arguments = [str(TESTS), "-q", "-m", "", "-p", "no:cacheprovider", "-p", "no:xdist"]
    if run:
        pytest.main([*arguments, "--tb=short"], plugins=[ties])
        return ties
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = pytest.main([*arguments, "--collect-only"], plugins=[ties])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(said.getvalue() + "\nthe tests cannot be collected")
    return ties


def complaints(table: dict[str, Row], ties: Ties, waiting: set[str], *, run: bool) -> list[str]:
    """Every reason to fail, as a sentence."""
    held = ties.tests
    found = [f"{one} is in no table, but {held[one][0]} claims it" for one in sorted({*held, *ties.broken} - {*table})]
    found += [f"{one} is in no table, but pending.txt lists it" for one in sorted(waiting - {*table})]
    for row in table.values():
        if row.id in held:
            if row.id in waiting:
                found.append(f"{row.id} is held by a test: take it out of pending.txt (--shrink does)")
            if row.untestable:
                found.append(f"{row.id} is held by a test: its reason for being untestable is wrong")
            seen = ties.alerts[row.id]
            if run and not ties.passed.intersection(held[row.id]):
                found.append(f"{row.id} is held by tests that were skipped or failed: {held[row.id][0]}")
            elif run and row.alerts and not seen.intersection(row.alerts):
                found.append(f"{row.id} gives {names(row.alerts)}; its tests saw {names(seen) or 'no alert'}")
        elif row.untestable and row.id in waiting:
            found.append(f"{row.id} is excused: take it out of pending.txt (--shrink does)")
        elif not row.untestable and row.id not in waiting:
            broken = f" (known not to work: {ties.broken[row.id][0]})" if row.id in ties.broken else ""
            found.append(f"{row.id} (section {row.section}, {row.kind}) is held by no test{broken}: {row.text}")
    found += [f"{where} fails" for where in ties.failed]
    return found


def names(alerts: object) -> str:
    return " or ".join(sorted(alert.name for alert in alerts))  # type: ignore[attr-defined]  # any collection of alerts


def summary(table: dict[str, Row], ties: Ties) -> str:
    """One line a section, and one a kind."""
    lines = [f"{'section':<10}{'rows':>6}{'held':>6}{'excused':>9}  still open"]
    groups: dict[str, list[Row]] = {}
    for row in table.values():
        groups.setdefault(row.section, []).append(row)
    for name, group in [*groups.items(), ("", list(table.values()))]:
        held = [row for row in group if row.id in ties.tests]
        excused = [row for row in group if row.untestable]
        still = [row.id for row in group if row not in held and row not in excused] if name else []
        lines.append(f"{name or 'all':<10}{len(group):>6}{len(held):>6}{len(excused):>9}  {' '.join(still)}")
    wire = [row for row in table.values() if row.kind == "W"]
    lines.append(f"testable on the wire: {sum(row.id in ties.tests for row in wire)} of {len(wire)}")
    return "\n".join(lines)


def show(row: Row, ties: Ties) -> str:
    alert = f" -> {names(row.alerts)}" if row.alerts else ""
    tests = ties.tests[row.id] or [f"untestable: {row.untestable}" if row.untestable else "no test"]
    return "\n  ".join([f"{row.id} (section {row.section}, {row.kind}){alert}: {row.text}", *tests])


def shrink(table: dict[str, Row], ties: Ties) -> None:
    settled = {*ties.tests, *(row.id for row in table.values() if row.untestable)}
    lines = PENDING.read_text(encoding="utf-8").splitlines()
    PENDING.write_text("".join(f"{line}\n" for line in lines if line not in settled), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.requirements", description=__doc__.split("\n")[0])
    parser.add_argument("--run", action="store_true", help="run the tied tests, and compare the alerts that they saw")
    parser.add_argument("--shrink", action="store_true", help="take out of pending.txt what a test holds")
    parser.add_argument("ids", nargs="*", help="show these rows and their tests")
    arguments = parser.parse_args()
    table, ties = rows(), collect(run=arguments.run)
    if arguments.shrink:
        shrink(table, ties)
    if arguments.ids:
        print("\n".join(show(table[one], ties) for one in arguments.ids))
        return 0
    print(summary(table, ties))
    found = complaints(table, ties, pending(), run=arguments.run)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

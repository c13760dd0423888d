"""python -m interop.bench [--quick] [--row KEY ...] [--json FILE] [--plot FILE.svg] [--check] | --growth | --profile

Prints how many times as fast as `ssl` each stack is, beside the goals of the project's design and the floor: the same
primitives without a TLS implementation around them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .worker import CONFIGURATION, FLOOR, WorkerFailed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .measure import Result
    from .rows import Row

ENOUGH = 0.85
"""--check: of a goal. What is lost to the weather of one run is less."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop.bench", description="Compare TLS stacks for Python.")
    parser.add_argument("--quick", action="store_true", help="less precise, in under a minute")
    parser.add_argument("--row", action="append", metavar="KEY", help="only this row; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="draw the ratios")
    parser.add_argument("--check", action="store_true", help=f"fail below {ENOUGH} of a goal")
    parser.add_argument("--growth", action="store_true", help="how cost grows with size, in place of the table")
    parser.add_argument("--profile", action="store_true", help="what each microsecond of a handshake is spent on")
    options = parser.parse_args()
    if options.growth or options.profile:
        return _another_page(options)
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:
        file.write(CONFIGURATION.format(suite="TLS_AES_128_GCM_SHA256"))
        file.flush()
        os.environ["OPENSSL_CONF"] = file.name  # before OpenSSL is loaded, which the imports below do
        return _compare(options)


def _another_page(options: argparse.Namespace) -> int:
    print("\n".join(versions()) + "\n")
    if options.growth:
        from .growth import growth

        found = growth(full=not options.quick)
        if options.json:
            options.json.write_text(json.dumps({"versions": versions(), "growth": found}, indent=2) + "\n")
        return 0
    from .profile import profile

    profile(full=not options.quick)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from .measure import FULL, QUICK, NotMeasured
    from .rows import ROWS
    from .stacks import STACKS

    rows = [row for row in ROWS if not options.row or row.key in options.row]
    names = [*(stack.name for stack in STACKS[1:]), FLOOR]
    print("\n".join(versions()))
    print("\nratios to ssl: 2.00 is twice as fast; KiB and x: absolute, less is better\n")
    print(f"{'':44}{'goal':>8}" + "".join(f"{name:>12}" for name in names) + f"{'ssl':>16}")
    found: dict[str, Mapping[str, Result]] = {}
    failed = False
    for row in rows:
        try:
            found[row.key] = results = row.run(STACKS, QUICK if options.quick else FULL)
        except (NotMeasured, WorkerFailed) as reason:
            failed = failed or isinstance(reason, WorkerFailed)
            print(f"{row.title:44}{_goal(row):>8}  {reason}", flush=True)
            continue
        cells = "".join(f"{_cell(row, name, results):>12}" for name in names)
        print(f"{row.title:44}{_goal(row):>8}{cells}{_base(row, results):>16}", flush=True)
    _say_who_is_left_out()
    if options.json:
        options.json.write_text(json.dumps(for_machines(rows, found), indent=2) + "\n")
    if options.plot:
        from .plot import draw

        options.plot.write_text(draw([(row, found[row.key]) for row in rows if row.key in found]))
    short = options.check and _below_goals(rows, found)
    return 1 if failed or short else 0


def _below_goals(rows: Sequence[Row], found: Mapping[str, Mapping[str, Result]]) -> bool:
    """Whether we are clearly below a goal; says which."""
    short = [row for row in rows if row.key in found and row.reached(found[row.key]["tls13"]) < ENOUGH]
    for row in short:
        print(f"{row.title}: {row.shown(found[row.key]['tls13']):.2f} where the goal is {_goal(row)}")
    return bool(short)


def _say_who_is_left_out() -> None:
    from .stacks import STACKS

    print()
    for stack in STACKS:
        if stack.note:
            print(f"{stack.name}: {stack.note}")
        for reason in dict.fromkeys(stack.left_out.values()):
            keys = ", ".join(key for key, one in stack.left_out.items() if one == reason)
            print(f"{stack.name} is left out of {keys}: {reason}")


def versions() -> list[str]:
    """What is compared with what, on what."""
    import ssl

    from OpenSSL import SSL

    return [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores",
        f"load at the start: {os.getloadavg()[0]:.1f}",
        f"ssl: {ssl.OPENSSL_VERSION}",
        f"tls13 {version('tls13')} on cryptography {version('cryptography')}: {SSL.SSLeay_version(0).decode()}",
        ", ".join(f"{name} {version(name)}" for name in ("pyopenssl", "siotls", "tlslite-ng", "aioquic")),
    ]


def _goal(row: Row) -> str:
    return "" if row.goal is None else f"{row.goal:g} {row.unit}".strip()


def _cell(row: Row, name: str, results: Mapping[str, Result]) -> str:
    if name not in results:
        return "-"
    number = row.shown(results[name])
    return f"{number:.1f} KiB" if row.unit == "KiB" else f"{number:.2f} {row.unit}".strip()


def _base(row: Row, results: Mapping[str, Result]) -> str:
    if row.unit:
        return _cell(row, "ssl", results)
    base = next(iter(results.values())).value
    if row.moved:
        return f"{row.moved / 2**20 / base:,.0f} MiB/s"
    return f"{base * 1e6:,.1f} us"


def for_machines(rows: Sequence[Row], found: Mapping[str, Mapping[str, Result]]) -> dict[str, Any]:
    return {
        "versions": versions(),
        "rows": {
            row.key: {
                "title": row.title,
                "goal": row.goal,
                "unit": row.unit,
                "stacks": {
                    name: {"ratio": one.ratio, "value": one.value, "reached": row.reached(one)}
                    for name, one in found[row.key].items()
                },
            }
            for row in rows
            if row.key in found
        },
    }


if __name__ == "__main__":
    sys.exit(main())

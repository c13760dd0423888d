"""python -m interop.bench [--quick] [--json FILE] [--row KEY ...]

Prints how many times as fast as `ssl` each stack is, beside the goals of the project's design.
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .measure import Result
    from .rows import Row

CONFIGURATION = """
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = defaults
[defaults]
Ciphersuites = TLS_AES_128_GCM_SHA256
"""
"""`ssl` of Python 3.11 has no way to choose a TLS 1.3 cipher suite, so OpenSSL's configuration does."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop.bench", description="Compare TLS stacks for Python.")
    parser.add_argument("--quick", action="store_true", help="less precise, in under 30 seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there as well")
    parser.add_argument("--row", action="append", metavar="KEY", help="only this row; may be repeated")
    options = parser.parse_args()
    with tempfile.NamedTemporaryFile("w", suffix=".cnf") as file:
        file.write(CONFIGURATION)
        file.flush()
        os.environ["OPENSSL_CONF"] = file.name  # before OpenSSL is loaded, which the imports below do
        return _compare(options)


def _compare(options: argparse.Namespace) -> int:
    from .measure import FULL, QUICK
    from .rows import ROWS
    from .stacks import STACKS

    rows = [row for row in ROWS if not options.row or row.key in options.row]
    names = [stack.name for stack in STACKS]
    print("\n".join(versions()))
    print("\nratios to ssl: 2.00 is twice as fast; memory and import: absolute, less is better\n")
    print(f"{'':42}{'goal':>8}" + "".join(f"{name:>12}" for name in names[1:]) + f"{'ssl':>16}")
    found = {}
    for row in rows:
        stacks = [stack for stack in STACKS if row.key not in stack.left_out]
        found[row.key] = results = row.run(stacks, QUICK if options.quick else FULL)
        cells = "".join(f"{_cell(row, name, results):>12}" for name in names[1:])
        print(f"{row.title:42}{row.goal:>8}{cells}{_base(row, results):>16}", flush=True)
    print()
    for stack in STACKS:
        for key, reason in stack.left_out.items():
            print(f"{stack.name} is left out of {key}: {reason}")
    if options.json:
        options.json.write_text(json.dumps(_for_machines(rows, found), indent=2) + "\n")
    return 0


def versions() -> list[str]:
    """What is compared with what, on what."""
    import ssl

    from OpenSSL import SSL

    return [
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores",
        f"ssl: {ssl.OPENSSL_VERSION}",
        f"tls13 {version('tls13')} on cryptography {version('cryptography')}: {SSL.SSLeay_version(0).decode()}",
        *(f"{name} {version(name)}" for name in ("pyopenssl", "siotls", "tlslite-ng")),
    ]


def _cell(row: Row, name: str, results: Mapping[str, Result]) -> str:
    if name not in results:
        return "-"
    if row.key == "memory":
        return f"{results[name].seconds / 1024:.1f} KiB"
    if row.key == "import":
        return f"{1 / results[name].ratio:.2f} x"
    return f"{results[name].ratio:.2f}"


def _base(row: Row, results: Mapping[str, Result]) -> str:
    if row.key in ("memory", "import"):
        return _cell(row, "ssl", results)
    if row.bytes_moved:
        return f"{row.bytes_moved / 2**20 / results['ssl'].seconds:,.0f} MiB/s"
    return f"{results['ssl'].seconds * 1e6:,.1f} us"


def _for_machines(rows: list[Row], found: Mapping[str, Mapping[str, Result]]) -> dict[str, object]:
    return {
        "versions": versions(),
        "rows": {
            row.key: {
                "title": row.title,
                "goal": row.goal,
                "stacks": {name: {"ratio": one.ratio, "value": one.seconds} for name, one in found[row.key].items()},
            }
            for row in rows
        },
    }


if __name__ == "__main__":
    sys.exit(main())

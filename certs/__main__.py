"""python -m certs make DIR: write the whole catalogue to files."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from certs.bench import workshop
from certs.writer import make

if TYPE_CHECKING:
    from collections.abc import Sequence


def _time(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m certs", description="The PKI workshop of tls13.")
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("make", help="write a CA, good leafs and every broken chain, with a manifest.json")
    maker.add_argument("folder", metavar="DIR", type=Path, help="where to; made if it is not there")
    maker.add_argument(
        "--now", type=_time, metavar="TIME", help="ISO 8601: the time at which the good ones are valid (default: now)"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        count = make(options.folder, workshop(options.now))
    except OSError as error:
        print(f"certs: {error}", file=sys.stderr)
        return 1
    print(f"{count} cases below {options.folder}: manifest.json says what each is for.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

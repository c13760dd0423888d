"""python -m certs make DIR: the whole catalogue as files. python -m certs serve: the same behind one port."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from certs.bench import workshop
from certs.serve import serve
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
    server = commands.add_parser("serve", help="one server for all of them on the loopback address, chosen by SNI")
    server.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    server.add_argument("--port", type=int, default=8443, help="the port; 0 for any (default: 8443)")
    server.add_argument(
        "--ca-out",
        type=Path,
        default=Path("workshop-ca.pem"),
        metavar="FILE",
        help="the root to trust",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            return serve(workshop(), options.host, options.port, options.ca_out)
        count = make(options.folder, workshop(options.now))
    except OSError as error:
        print(f"certs: {error}", file=sys.stderr)
        return 1
    print(f"{count} cases below {options.folder}: manifest.json says what each is for.")
    return 0


if __name__ == "__main__":
    sys.exit(main())

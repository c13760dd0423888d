"""python -m interop [--features] [PEER ...]: meet every other TLS stack that is here, and print how it went: the matrix
of full handshakes, and the table of features.

Exit code: 0 when every meeting went as it should, 1 when one did not, 2 when a peer is missing.
"""

from __future__ import annotations

import argparse
import sys

from .features.every import EVERY
from .features.registry import Table
from .matrix import PEERS, Report, cells
from .trial import PeerMissing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop", description="Meet other TLS 1.3 implementations.")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"any of {', '.join(PEERS)}; all, if none is given")
    parser.add_argument("--features", action="store_true", help="only the table of features")
    arguments = parser.parse_args()
    wanted = arguments.peers or list(PEERS)
    if unknown := set(wanted) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    print("tls13 meets", ", ".join(_introduce(peer) for peer in wanted))
    print()
    report, table = Report(), Table()
    if not arguments.features:
        for cell in cells():
            if cell.peer in wanted:
                report.run(cell)
        print("\n".join(report.lines()), end="\n\n")
    for feature in EVERY:
        if feature.peer in wanted:
            table.run(feature)
    print("\n".join(table.lines()))
    if report.failures or table.failed:
        return 1
    return 2 if report.missing or table.missing else 0


def _introduce(peer: str) -> str:
    try:
        return f"{peer} ({PEERS[peer]()})"
    except PeerMissing as missing:
        return f"{peer} ({missing})"


if __name__ == "__main__":
    sys.exit(main())

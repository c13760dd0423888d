"""python -m interop [PEER ...]: meet every other TLS stack that is here, and print the matrix.

Exit code: 0 when every meeting went as it should, 1 when one did not, 2 when a peer is missing.
"""

from __future__ import annotations

import argparse
import sys

from .matrix import PEERS, Report, cells
from .trial import PeerMissing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop", description="Meet other TLS 1.3 implementations.")
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"any of {', '.join(PEERS)}; all, if none is given")
    wanted = parser.parse_args().peers or list(PEERS)
    if unknown := set(wanted) - set(PEERS):
        parser.error(f"there is no peer {', '.join(sorted(unknown))}")
    print("tls13 meets", ", ".join(_introduce(peer) for peer in wanted))
    print()
    report = Report()
    for cell in cells():
        if cell.peer in wanted:
            report.run(cell)
    print("\n".join(report.lines()))
    if report.failures:
        return 1
    return 2 if report.missing else 0


def _introduce(peer: str) -> str:
    try:
        return f"{peer} ({PEERS[peer]()})"
    except PeerMissing as missing:
        return f"{peer} ({missing})"


if __name__ == "__main__":
    sys.exit(main())

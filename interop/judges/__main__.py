"""python -m interop.judges [JUDGE ...] [-v]: let others' tests judge tls13.SSLContext, and print the figures.

Exit code: 0 when each test passes or stands in the judge's file with its reason, 1 when one does not, 2 when a judge is
not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from typing import TYPE_CHECKING

from ..trial import PeerMissing
from .court import MODULES, hear

if TYPE_CHECKING:
    from .court import Ruling


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop.judges", description="Others' tests, over tls13.")
    parser.add_argument(
        "judges", nargs="*", metavar="JUDGE", help=f"any of {', '.join(MODULES)}; all, if none is given"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="show how each failing test failed")
    arguments = parser.parse_args()
    if unknown := set(arguments.judges) - set(MODULES):
        parser.error(f"there is no judge {', '.join(sorted(unknown))}")
    codes = [judge(name, verbose=arguments.verbose) for name in arguments.judges or MODULES]
    return 1 if 1 in codes else max(codes)


def judge(name: str, *, verbose: bool) -> int:
    try:
        ruling = hear(name)
    except PeerMissing as missing:
        print(f"{name}: {missing}")
        return 2
    print("\n".join(lines(ruling, verbose=verbose)))
    return 1 if ruling.unexpected_failures or ruling.unexpected_passes else 0


def lines(ruling: Ruling, *, verbose: bool) -> list[str]:
    states = Counter(outcome.state for outcome in ruling.outcomes.values())
    passed, subject = ruling.counted()
    said = [
        f"{ruling.judge}: {states['pass']} of {len(ruling.outcomes)} tests pass that pass with `ssl` here",
        f"    of those that make a connection and need no older version: {passed} of {subject}"
        f" ({passed / max(subject, 1):.1%})",
    ]
    for reason, count in Counter(ruling.reasons.values()).most_common():
        said.append(f"    {count:3} do not, because {ruling.sentences[reason]}")
    for name in ruling.unexpected_failures:
        said.append(f"  FAILS ({ruling.outcomes[name].state}): {name}")
    for name in ruling.unexpected_passes:
        said.append(f"  PASSES, and its file says that it does not ({ruling.reasons[name]}): {name}")
    if verbose:
        for name, outcome in sorted(ruling.outcomes.items()):
            if outcome.state != "pass":
                said += ["", f"=== {name} ({outcome.state})", outcome.text]
    return said


if __name__ == "__main__":
    sys.exit(main())

"""python -m interop.programs [--over LIBRARY] [--slow] [WORD ...]: programs over tls13.SSLContext, and how it went.

WORD: only the trials in whose names all of these words are. --over ssl: with the standard library's context, which
shows that a trial is right. Exit code: 0 when all went as they should, 1 when one did not, 2 when one was left out.
"""

from __future__ import annotations

import argparse
import faulthandler
import os
import sys
from collections import Counter

from .desk import LIBRARIES
from .every import CANNOT, EVERY
from .registry import perform, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m interop.programs", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only trials whose names have all of these")
    parser.add_argument("--over", choices=list(LIBRARIES), default="tls13", help="whose context the programs get")
    parser.add_argument("--slow", action="store_true", help="those that take minutes as well")
    parser.add_argument("--one", metavar="TRIAL", choices=list(EVERY), help="this trial, in this process")
    arguments = parser.parse_args()
    if arguments.one:
        trial = EVERY[arguments.one]
        faulthandler.dump_traceback_later(trial.limit, exit=True)
        code = perform(trial, arguments.over)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # threads of a trial that failed may wait for ever
    return _table(arguments.words, arguments.over, arguments.slow)


def _table(words: list[str], library: str, slow: bool) -> int:
    marks: Counter[str] = Counter()
    for trial in EVERY.values():
        if all(word in trial.name for word in words) and (slow or not trial.minutes):
            outcome = run(trial, library)
            marks[outcome.mark] += 1
            line = f"{trial.program:22} {trial.side:7} {trial.what:44} {outcome.mark:9} {outcome.reason}"
            print(line.rstrip()[:220], flush=True)
    print()
    print("\n".join(f"{program:22} cannot take a context: {why}" for program, why in CANNOT.items()))
    print()
    print(", ".join(f"{count} {mark}" for mark, count in marks.items()))
    if marks["FAILS"]:
        return 1
    return 2 if marks["left out"] else 0


if __name__ == "__main__":
    sys.exit(main())

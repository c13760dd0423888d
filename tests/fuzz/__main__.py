"""python -m tests.fuzz [--seconds S] [--from N] [--number N]: see the package."""

from __future__ import annotations

import argparse
import time
import traceback
from collections import Counter
from itertools import count

from .conversations import Broken, Conversation


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Break conversations at random.")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="N", help="the first number (0)")
    parser.add_argument("--number", type=int, help="this one alone, and what came of it")
    options = parser.parse_args()
    if options.number is not None:
        one = Conversation(options.number)
        print(one.name, one.changed)
        one.run()
        print(*one.ends)
        return 0
    deadline = time.monotonic() + options.seconds
    ends: Counter[str] = Counter()
    failed = 0
    for number in count(options.first):
        if time.monotonic() > deadline:
            break
        one = Conversation(number)
        try:
            one.run()
        except Broken:
            failed += 1
            print(f"number {number} ({one.name}):")
            traceback.print_exc()
        ends.update(one.ends or ["nothing was wrong"])
    print(f"{number - options.first} conversations, {failed} broken; {len(ends)} kinds of ends:")
    for end, times in ends.most_common():
        print(f"{times:8} {end}")
    return failed > 0


if __name__ == "__main__":
    raise SystemExit(main())

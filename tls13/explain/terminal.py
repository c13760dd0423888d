"""What a terminal may be sent: colours only where they belong, and nothing of the peer's that would steer it."""

from __future__ import annotations

import os
from typing import Protocol


class Page(Protocol):
    """What is written on: a TextIO, or what stands for one."""

    def write(self, text: str, /) -> object: ...

    def isatty(self) -> bool: ...


class Palette:
    """ANSI colours, or none where they do not belong: not a terminal, or NO_COLOR is set (no-color.org)."""

    def __init__(self, page: Page) -> None:
        self.on = page.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.on and codes and text else text


def printable(text: str) -> str:
    """`text` with every control character escaped: the peer chose it, and it must not steer the reader's terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)

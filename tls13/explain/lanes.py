"""The page of a terminal on which a connection is told: two lines for the two sides, and what passes in between."""

from __future__ import annotations

from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from .terminal import Palette, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .spans import Field
    from .terminal import Page

WIDTH = 100
TIME_WIDTH = 11
LANE = WIDTH - TIME_WIDTH - 2
"""The room between the two lines that stand for client and server."""
LABEL_WIDTH = 24
SIDE = 41
"""The room for what one of the two knows."""
TREE_WIDTH = 36
"""The room for a field's name, with what it is in."""
ACROSS = 12
"""How many bytes stand in one row."""
BESIDE = LANE - 3 * ACROSS - 10
"""The room that is left beside them."""

LENGTHS = ("length", "tag, length")
"""Fields that say no more than how long the next one is."""

Part = tuple[str, str]
"""The codes of a colour ("" for none), and a text in it."""
CLIENT, SERVER = "34", "35"


class Lanes:
    """Writes rows to `page`. All texts may be the peer's: no control character reaches the page."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._paint = Palette(page)
        self._open = False

    # --- from one side to the other -----------------------------------------------------------------------------------

    def arrow(self, when: str, to_server: bool, encrypted: bool, name: str, about: str, codes: str = "1") -> None:
        """One line across, from the sender to the receiver: `-` is in the clear, `=` is encrypted."""
        self.begin()
        stroke, colour = ("=" if encrypted else "-"), (CLIENT if to_server else SERVER)
        tail, head = (stroke * 4, f"{stroke * 3}>") if to_server else (f"<{stroke * 3}", stroke * 4)
        between = stroke * (LANE - len(tail) - len(head) - len(name) - len(about) - 4)
        parts = [(colour, tail), ("", " "), (codes, name), ("", " "), (colour, between), ("", f" {about} ")]
        self._row([*parts, (colour, head)], when)

    def divider(self, text: str) -> None:
        self.begin()
        self._row([("36", f" {text} ".center(LANE, "."))])

    def say(self, codes: str, text: str) -> None:
        for line in wrap(printable(text), LANE - 10):
            self._row([("", " " * 5), (codes, line)])

    def change(self, codes: str, text: str) -> None:
        """What happens on one side, between two messages."""
        self.begin()
        for number, line in enumerate(wrap(printable(text), LANE - 4)):
            self._row([(codes, "*** " if not number else "    "), (codes, line)])

    def field(self, label: str, value: str) -> None:
        for number, line in enumerate(wrap(printable(value), LANE - 9 - LABEL_WIDTH)):
            self._row([("", " " * 7), ("2", f"{'' if number else label:{LABEL_WIDTH}}"), ("", line)])

    def sides(self, client: Sequence[str], server: Sequence[str]) -> None:
        """What is new to each of the two, on its own side of the page."""
        left, right = list(_told(client)), list(_told(server))
        for one, other in zip_longest(left, right, fillvalue=""):
            gap = " " * (LANE - 2 * SIDE)
            self._row([(CLIENT, f" {one:{SIDE}}"), ("", gap[2:]), (SERVER, f"{other:{SIDE}}")])

    # --- opened -------------------------------------------------------------------------------------------------------

    def fields(self, field: Field) -> None:
        """Every field within `field`, with its value and what it is for."""
        for depth, one, parent in _walk(field):
            if depth and (one.name in LENGTHS or (one.value, one.meaning) == (parent.value, parent.meaning)):
                continue  # the field that it is in has said it
            label = " " * 5 + "  " * depth + printable(one.name)
            if len(label) >= TREE_WIDTH:
                self._row([("2", label[:LANE])])
                label = ""
            room = LANE - TREE_WIDTH - 1
            texts = [("", line) for line in wrap(printable(one.value), room)]
            texts += [("2", line) for line in wrap(_meaning(one, parent), room)]
            for number, part in enumerate(texts or [("", "")]):
                self._row([("2", f"{'' if number else label:{TREE_WIDTH}}"), part])

    def octets(self, field: Field, raw: bytes) -> None:
        """Every field within `field`, and beside each leaf its bytes."""
        for depth, one, parent in _walk(field):
            margin = " " * 3 + "  " * min(depth, 8)
            title = printable(f"{one.name}: {one.value}" if one.value else one.name)
            left = [("", margin + line) for line in wrap(title, BESIDE - len(margin) - 1)]
            left += [("2", margin + line) for line in wrap(_meaning(one, parent), BESIDE - len(margin) - 1)]
            right = [] if one.fields else list(_hex(raw, one.start, one.end))
            rows = max(len(left), len(right))
            left += [("", "")] * (rows - len(left))
            right += [""] * (rows - len(right))
            for (codes, text), octets in zip(left, right, strict=True):
                self._row([(codes, f"{text:{BESIDE}}"), ("36", octets)])

    # --- the page -----------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A paragraph of the narrator's own, from one side of the page to the other."""
        if self._open:
            self._row([])
        for line in wrap(printable(text), WIDTH):
            self._page.write(self._paint("36", line) + "\n")
        if self._open:
            self._row([])

    def begin(self) -> None:
        if not self._open:
            self._open = True
            self._page.write(f"{'':{TIME_WIDTH - 3}}{self._paint('1', 'client'):6}")
            self._page.write(f"{'':{LANE - 7}}{self._paint('1', 'server'):6}\n")

    def finish(self) -> None:
        """Close the page: what follows is not part of the account."""
        self._open = False
        self._page.write("\n")

    def _row(self, parts: Sequence[Part], when: str = "") -> None:
        """One line between the two lanes."""
        text = "".join(self._paint(codes, part) for codes, part in parts)
        room = LANE - sum(len(part) for _, part in parts)
        self._page.write(f"{when:{TIME_WIDTH}}|{text}{' ' * room}|\n")


def _told(sentences: Sequence[str]) -> Iterator[str]:
    for sentence in sentences:
        for number, line in enumerate(wrap(printable(sentence), SIDE - 2)):
            yield ("+ " if not number else "  ") + line


def _walk(field: Field, depth: int = 0) -> Iterator[tuple[int, Field, Field]]:
    """How deep, what, and in what."""
    for one in field.fields:
        yield depth, one, field
        yield from _walk(one, depth + 1)


def _meaning(one: Field, parent: Field) -> str:
    """Unless it stands just above, or is no more than that a length is a length."""
    return "" if one.name in LENGTHS or one.meaning == parent.meaning else printable(one.meaning)


def _hex(raw: bytes, start: int, end: int) -> Iterator[str]:
    for at in range(start, end, ACROSS):
        yield f"{at:6x}  {raw[at : min(at + ACROSS, end)].hex(' ')}"

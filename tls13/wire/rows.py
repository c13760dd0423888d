"""Integers that follow one another in a struct, read and written in one call.

A declaration in codec.py says what a struct is, field by field. What is here only makes it fast: `steps_of` finds the
fields that are integers or code points side by side, and hands them to the module `struct` together. A ticket's state
has 17 fields, of which 11 are such.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from struct import Struct as Layout
from typing import TYPE_CHECKING, Any

from ..errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .codec import Codec

LETTERS = {1: "B", 2: "H", 4: "I", 8: "Q"}
"""Of the integers that the module struct knows, by their size in bytes."""


class Row:
    """Several fields at once. Where there is not room for all, Struct finds out which one was too much."""

    def __init__(self, names: Sequence[str], codecs: Sequence[Codec]) -> None:
        self.names, self.values_of = names, itemgetter(*names)
        self.layout = Layout(">" + "".join(LETTERS[codec.integer_size] for codec in codecs))
        self.members = [(place, codec.member) for place, codec in enumerate(codecs) if codec.member is not None]

    def decode(self, data: bytes, at: int, end: int) -> tuple[Iterable[tuple[str, int]], int]:
        """The fields that start at `at`, by name, and where they end. Raises DecodeError."""
        stop = at + self.layout.size
        if stop > end:
            raise DecodeError(f"{self.layout.size} bytes of integers where {end - at} are left")
        numbers = list(self.layout.unpack_from(data, at))
        for place, member in self.members:
            numbers[place] = member(numbers[place])
        return zip(self.names, numbers, strict=True), stop

    def encode(self, values: dict[str, Any], out: bytearray) -> None:
        out += self.layout.pack(*self.values_of(values))


def steps_of(fields: Iterable[tuple[str, Codec]]) -> Iterator[tuple[str, Codec | Row]]:
    """The fields in their order, with those of each row put together under no name."""
    for integers, row in groupby(fields, lambda field: field[1].integer_size in LETTERS):
        names, codecs = zip(*row, strict=True)
        if integers and len(names) > 1:
            yield "", Row(names, codecs)
        else:
            yield from zip(names, codecs, strict=True)

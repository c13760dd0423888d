"""docs/follow-one-byte: the page is what the code does, to the line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tls13
from docs import follow_one_byte
from docs.tracing import Watch

ROOT = Path(follow_one_byte.__file__).parents[1]


@pytest.fixture(scope="module")
def journey() -> follow_one_byte.Journey:
    return follow_one_byte.Journey()


def test_the_committed_files_are_what_the_code_gives() -> None:
    """Anybody who moves a line of this path makes the page again: it names the lines."""
    for path, text in follow_one_byte.made().items():
        assert path.read_text() == text, f"{path.name} is out of date: python -m docs"


def test_the_byte_arrives(journey) -> None:
    assert journey.event == tls13.ApplicationData(b"x")


def test_the_record_is_the_rfcs(journey) -> None:
    """Section 5.2: 5 bytes of header, the content, its type, and a tag of 16."""
    assert journey.record[:5] == bytes([23, 3, 3, 0, 1 + 1 + 16])
    assert len(journey.record) == 5 + 18


def test_each_function_begins_at_the_line_that_is_named(journey) -> None:
    for call in [*journey.sending, *journey.receiving]:
        line = (ROOT / "tls13" / call.path).read_text().splitlines()[call.line - 1]
        assert re.search(rf"def {call.name.split('.')[-1]}\(", line)


def test_every_note_is_about_a_function_that_the_byte_meets(journey) -> None:
    assert set(follow_one_byte.NOTES) <= {call.name for call in [*journey.sending, *journey.receiving]}


def test_a_line_is_shown_with_the_bytes_that_it_makes(journey) -> None:
    (seal,) = [call for call in journey.sending if call.name == "RecordWriter.protect"]
    inner = next(line for line in seal.lines if "inner" in line.changed)
    assert inner.source.startswith("inner = ")
    assert inner.changed["inner"] == b"x\x17"


def test_watching_ends_with_its_block() -> None:
    with Watch() as watch:
        pass
    follow_one_byte.Journey()
    assert not watch.calls

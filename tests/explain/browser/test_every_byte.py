"""Each step, field, byte and key of real handshakes and of RFC 8448's traces, in Chromium: each finds its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.explain.told import EVIL, Told, story
from tests.vectors_reader import RFC8448
from tls13.explain.demos import VARIANTS, demo
from tls13.explain.telling import tell
from tls13.explain.vectors import read_vectors

if TYPE_CHECKING:
    from tls13.explain.capture import Capture

pytestmark = pytest.mark.interop
VECTORS = Path(__file__).parents[2] / "vectors" / "rfc8448.json"
FIELDS = """() => [...document.querySelectorAll('.stage > .inspector [role=treeitem]')].map(item => {
  item.hidden = false; item.focus();
  const board = item.closest('.inspector');
  return [item.querySelector('.field-name').textContent, ...[...board.querySelectorAll('.byte')].flatMap(
    (byte, at) => byte.classList.contains('lit') ? [at] : [])];
})"""
BYTES = """() => [...document.querySelectorAll('.stage > .inspector .byte')].map(byte => {
  byte.dispatchEvent(new PointerEvent('pointerover', {bubbles: true, pointerType: 'mouse'}));
  const rows = byte.closest('.inspector').querySelectorAll('.row.lit');
  return [rows.length, Number(rows[0].dataset.row), rows[0].hasAttribute('aria-expanded')];
})"""


EVERY = """() => [...document.querySelectorAll('.inspector')].flatMap(board => {
  const wrong = [];
  for (const leaf of board.querySelectorAll('[role=treeitem]:not([aria-expanded])')) {
    leaf.hidden = false; leaf.focus();
    const lit = board.querySelectorAll(".byte.lit").length;
    const size = Number(leaf.querySelector('.field-size').textContent);
    if (lit !== size) wrong.push([leaf.textContent, lit, size]);
  }
  for (const byte of board.querySelectorAll('.byte')) {
    byte.dispatchEvent(new PointerEvent('pointerover', {bubbles: true, pointerType: 'mouse'}));
    const rows = board.querySelectorAll('.row.lit');
    if (rows.length !== 1 || rows[0].hasAttribute('aria-expanded')) wrong.push(byte.dataset.at);
  }
  return wrong;
})"""


def flat(field: dict) -> list[dict]:
    return [field, *(inner for child in field["fields"] for inner in flat(child))]


def capture(variant: str) -> Capture:
    """A demo, or one of the traces of RFC 8448."""
    return demo(variant) if variant in VARIANTS else read_vectors(VECTORS.read_bytes(), variant)


@pytest.mark.parametrize("variant", [*VARIANTS, *RFC8448])
def test_each_field_of_each_step_lights_its_bytes_and_each_byte_its_leaf(read, variant) -> None:
    told = tell(capture(variant))
    reader = read(told)
    steps = told.to_json()["steps"]
    assert len(reader.steps()) == len(steps)
    for at, one in enumerate(steps):
        reader.go(at)
        assert one["name"] in reader.tab.inner_text("#stage-title")
        if not one["fields"]:
            continue
        fields = flat(one["fields"])
        assert reader.tab.evaluate(FIELDS) == [
            [field["name"], *range(field["start"], field["end"])] for field in fields
        ]
        for byte, (lit, row, opens) in enumerate(reader.tab.evaluate(BYTES)):
            assert lit == 1
            assert not opens
            assert fields[row]["start"] <= byte < fields[row]["end"]


def test_records_and_certificates_are_opened_to_the_byte_as_well(read) -> None:
    reader = read(tell(demo("mutual-tls")))
    for at in (0, 1, 5):
        reader.go(at)
        reader.unfold()
        assert reader.tab.locator(".stage .inspector").count() > 1
        assert reader.tab.locator("#chain .inspector").count() > 2
        assert reader.tab.evaluate(EVERY) == []


def test_the_mouse_over_a_byte_shows_its_field_and_over_a_field_its_bytes(read) -> None:
    tab = read(Told(story())).tab
    board = tab.locator(".stage > .inspector")
    board.locator(".byte").nth(1).hover()
    assert board.locator(".row.lit .field-name").inner_text() == "random"
    assert "what random is for" in board.locator(".told").inner_text()
    assert board.locator(".byte.lit").count() == 32
    board.locator(".row", has_text="extension_type").first.hover()
    assert board.locator(".byte.lit").count() == 2
    assert "RFC 9846, 4.2.2" in board.locator(".told").inner_text()


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("variant", [*VARIANTS, *RFC8448])
def test_each_key_of_the_schedule_shows_its_value_and_its_programs(read, variant) -> None:
    told = tell(capture(variant)).to_json()
    tab = read(Told(told)).tab
    for node in told["schedule"]:
        tab.locator(f'.node[data-node="{node["id"]}"]').dispatch_event("click")
        shown = tab.locator(".node-detail").inner_text()
        assert node["name"] in shown
        assert squeezed(node["value"] or node["why_unknown"]) in squeezed(shown)
        programs = tab.locator(".node-detail pre").all_inner_texts()
        assert [text.strip() for text in programs] == [text.strip() for text in (node["python"], node["shell"]) if text]


def test_a_protected_record_shows_how_its_nonce_is_made(read) -> None:
    reader = read(Told(story()))
    reader.go(3)
    reader.unfold()
    rows = reader.tab.locator(".nonce tr").all_inner_texts()
    assert [row.replace("\t", " ") for row in rows] == [
        "IV " + " ".join(["02"] * 12),
        "⊕ 258 " + " ".join(["00"] * 10 + ["01", "02"]),
        "nonce " + " ".join(["02"] * 10 + ["03", "00"]),
    ]
    assert reader.tab.locator(".nonce tr:last-child .changed").count() == 2


def test_a_record_that_did_not_open_says_why(read) -> None:
    reader = read(Told(story()))
    reader.go(4)
    reader.unfold()
    assert f"Not opened: no key for it: {EVIL}" in reader.tab.inner_text(".stage")

"""The drawings: up to date, well formed, and readable in light and dark."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from docs import drawing, follow_one_byte, pictures, states

SVG = "{http://www.w3.org/2000/svg}"
CHARACTER = 8
"""Pixels: a little more than the widest of the fonts takes for one."""


def every_drawing() -> dict:
    made = {**pictures.made(), **states.made(), **follow_one_byte.made()}
    return {path: text for path, text in made.items() if path.suffix == ".svg"}


@pytest.fixture(scope="module")
def drawings() -> dict:
    return every_drawing()


def test_the_committed_pictures_are_what_the_script_draws() -> None:
    made = pictures.made()
    for path, text in made.items():
        assert path.read_text() == text, f"{path.name} is out of date: python -m docs"
    assert set(pictures.IMAGES.iterdir()) == set(made), "a picture that nobody makes, or that is missing"


def test_every_word_is_on_the_sheet(drawings) -> None:
    for path, text in drawings.items():
        root = ElementTree.fromstring(text)
        width, height = int(root.attrib["width"]), int(root.attrib["height"])
        for element in root.iter(f"{SVG}text"):
            x, length = int(element.attrib["x"]), CHARACTER * len(element.text or "")
            left = x - {"middle": length // 2, "end": length}.get(element.attrib.get("text-anchor", ""), 0)
            assert left >= 0, (path.name, element.text)
            assert left + length <= width, (path.name, element.text)
            assert 0 < int(element.attrib["y"]) <= height, (path.name, element.text)


def test_a_picture_says_what_it_shows_to_who_does_not_see_it(drawings) -> None:
    for text in drawings.values():
        root = ElementTree.fromstring(text)
        assert root.attrib["role"] == "img"
        assert len(root.findtext(f"{SVG}title") or "") > 20


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(mode) -> None:
    """WCAG AA: 4.5 to 1, for the words in each kind of box and on the paper."""
    style = drawing.STYLE.split("@media")[mode]
    fills = dict(re.findall(r"([.\w]+) \{[^}]*?fill: (#\w{6})", style))
    behind = [fills[f".{kind}"] for kind in ("paper", "box", "clear", "early", "secret")]
    for words, grounds in ((fills["text"], behind), (fills[".note"], behind[:1])):
        for ground in grounds:
            light, dark = sorted([luminance(words), luminance(ground)], reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (words, ground)


def test_a_whole_handshake_is_drawn_as_it_went() -> None:
    """Figure 1 of the RFC, by its messages' names."""
    words = re.findall(r">(\w+)  \(", pictures.ladder("1-rtt", "a full handshake"))
    assert words[:7] == ["ClientHello", "ServerHello", "EncryptedExtensions", "Certificate", "CertificateVerify",
                         "Finished", "Finished"]  # fmt: skip

"""The page without a browser: the whole Story is in it, it needs nothing else, and no word of it becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import ClassVar

import pytest

from tests.explain.told import EVIL, Told, field, protection, record, step, story
from tls13.explain.demos import VARIANTS, demo
from tls13.explain.page import COMFORTABLE, embed, page
from tls13.explain.telling import tell


class Reader(HTMLParser):
    """The elements of a page with their attributes, and the text in each script and style."""

    RAW: ClassVar = ("script", "style", "title")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.inside = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag in self.RAW
        if self.inside:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data

    def text(self, tag: str, **attributes: str) -> str:
        raw = [one for one in self.elements if one[0] in self.RAW]
        for (name, found), text in zip(raw, self.texts, strict=True):
            if name == tag and attributes.items() <= found.items():
                return text
        raise AssertionError(f"no {tag} with {attributes}")


def data_of(html: str) -> dict:
    return json.loads(Reader(html).text("script", id="data"))


def test_the_data_in_the_page_is_the_story() -> None:
    told = story()
    assert data_of(page(Told(told))) == {"stories": [told], "diff": None}


def test_a_hostile_name_makes_no_element() -> None:
    """As many elements as a page with harmless words has, and the scripts are ours."""
    tame = json.loads(json.dumps(story()).replace(json.dumps(EVIL)[1:-1], "harmless"))
    count = [tag for tag, _ in Reader(page(Told(tame))).elements]
    assert [tag for tag, _ in Reader(page(Told(story()))).elements] == count
    assert count.count("script") == 2


@pytest.mark.parametrize("text", ["</script>", "<!--", "<script>", "]]>", "&amp;", "\u2028", "\x00\x1f", "{{script}}"])
def test_text_in_the_data_comes_back_and_is_no_markup(text) -> None:
    embedded = embed({"name": text})
    assert json.loads(embedded) == {"name": text}
    assert not set(embedded) & set("<>&\u2028")


def test_a_title_that_names_a_part_of_the_page_stays_a_title() -> None:
    html = page(Told(story(title="{{style}} {{script}}")))
    assert Reader(html).text("title") == "{{style}} {{script}}"


def test_the_policy_allows_our_script_and_style_and_nothing_else() -> None:
    reader = Reader(page(Told(story())))
    policy = next(one["content"] for tag, one in reader.elements if one.get("http-equiv"))
    style, data, script = reader.text("style"), reader.text("script", id="data"), reader.texts[-1]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": f"'{_sha256(script)}'",
        "style-src": f"'{_sha256(style)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert data != script


def _sha256(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_asks_for_nothing_from_outside() -> None:
    """No element with a source, nothing in style or script that fetches. (Links to the RFC are followed by people.)"""
    html = page(Told(story()))
    reader = Reader(html)
    assert not [one for one in reader.elements if {"src", "href", "srcset", "data", "action"} & set(one[1])]
    assert not re.search(r"url\(|@import|@font-face", reader.text("style"))
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|EventSource|import\(", reader.texts[-1])


def test_the_program_never_parses_markup() -> None:
    script = Reader(page(Told(story()))).texts[-1]
    assert not re.search(r"(inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|Function\(", script)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_page_of_a_handshake_is_whole_and_under_a_megabyte(variant) -> None:
    told = tell(demo(variant))
    html = page(told)
    assert len(html.encode()) < 1_000_000
    assert data_of(html)["stories"] == [told.to_json()]


def test_long_application_data_is_cut_and_says_so() -> None:
    body = bytes(range(256)) * 64
    many = range(10, 80)
    steps = [step(at, "application_data", kind="application_data", bytes=body.hex(), records=[at], length=len(body),
                  fields=field("data", 0, len(body))) for at in many]  # fmt: skip
    records = [record(at, body, protection=protection(body)) for at in many]
    html = page(Told(story(steps=steps, records=records)))
    shown = data_of(html)["stories"][0]
    assert len(html) < COMFORTABLE + 200_000
    for cut, name in [(shown["steps"][0], "bytes"), (shown["records"][0]["protection"], "inner")]:
        assert cut[f"{name}_length"] == len(body)
        assert body.hex().startswith(cut[name])
        assert cut[name]


def test_a_long_handshake_is_never_cut() -> None:
    """Its fields point into its bytes; and application data beside it is cut first."""
    long = step(0, "Certificate", bytes="ab" * 500_000, fields=field("Certificate", 0, 500_000))
    told = story(steps=[long], records=[record(0, bytes(500_000))])
    shown = data_of(page(Told(told)))["stories"][0]
    assert shown["steps"][0]["bytes"] == "ab" * 500_000
    assert len(shown["records"][0]["bytes"]) == 1_000_000


def test_two_stories_come_with_what_differs() -> None:
    data = data_of(page([Told(story()), Told(story(title="the other"))]))
    assert [one["title"] for one in data["stories"]] == [story()["title"], "the other"]
    assert data["diff"]["messages"]


@pytest.mark.parametrize("count", [0, 3])
def test_a_page_shows_one_or_two(count) -> None:
    with pytest.raises(ValueError, match=f"{count} were given"):
        page([Told(story())] * count)

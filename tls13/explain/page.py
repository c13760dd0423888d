"""A Story as one HTML file that needs nothing else: no network, no server, no installed font.

The page is fixed (page/*.html, *.css, *.js); only the data differs. Almost every word in that data was chosen by
the other side of a connection, which may be hostile: a certificate's name can be `</script><script>...`. Three walls,
each enough alone:

* the data goes in as JSON with every `<`, `>` and `&` written as an escape, so that no tag can end or begin in it;
* the program puts text into the page with `textContent` and never as markup;
* a Content-Security-Policy allows the one script and the one style sheet of ours by their hashes, and nothing else:
  no inline handler, no second script, no fetch, no image, no frame.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Protocol, cast

from .diff import compare

if TYPE_CHECKING:
    from collections.abc import Iterator

STYLES = ("base.css", "handshake.css", "bytes.css", "rest.css")
SCRIPTS = ("dom.js", "bytes.js", "records.js", "lifelines.js", "stage.js", "schedule.js", "chain.js", "rest.js",
           "diff.js", "print.js", "main.js")  # fmt: skip
"""In the order they are joined in: one scope, no modules, so that the page works from disk."""
COMFORTABLE = 900_000
"""Characters of JSON for each Story. Above it the bodies of application data are cut, which are long and say little."""
CUTS = (4096, 1024, 256, 64)
"""Bytes that are kept of each body, tried in turn."""

Json = dict[str, object]


class Told(Protocol):
    """What a Story can do, as far as the page cares (story.py)."""

    def to_json(self) -> Json:
        """The Story as plain data, byte strings in hex."""


def page(stories: Told | Sequence[Told]) -> str:
    """The HTML text of one Story, or of two side by side.

    Raises:
        ValueError: more than two Stories, or none.
    """
    told = [one.to_json() for one in ([stories] if not isinstance(stories, Sequence) else stories)]
    if len(told) not in (1, 2):
        raise ValueError(f"a page shows one handshake or compares two: {len(told)} were given")
    difference = compare(*told) if len(told) == 2 else None
    data = embed({"stories": fitted(told), "diff": difference})
    style, script = _joined(STYLES), _joined(SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    title = " and ".join(str(one["title"]) for one in told)
    return _fill(
        _read("page.html"),
        {"title": escape(title), "policy": escape(policy), "style": style, "data": data, "script": script},
    )


def embed(data: object) -> str:
    """`data` as JSON that is harmless inside a script element, whatever its strings hold.

    HTML ends a script element at the first `</script`, and changes its mind about where that is after `<!--`: without
    a `<` neither can occur. The escapes are JSON's own, so the parser gives back what went in.
    """
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


# --- Size: application data may be gigabytes, and a page is to be read ------------------------------------------------


def fitted(told: list[Json]) -> list[Json]:
    """The stories, with the bodies of application data cut as far as needed; what is cut says its whole length."""
    for limit in CUTS:
        if _size(told) <= COMFORTABLE * len(told):
            break
        told = [_cut(one, limit) for one in told]
    return told


def _size(told: list[Json]) -> int:
    return len(json.dumps(told, separators=(",", ":")))


def _cut(story: Json, limit: int) -> Json:
    bodies = {
        record
        for step in _list(story, "steps")
        if step["kind"] == "application_data"
        for record in cast("list[int]", step["records"])
    }
    steps = [_shortened(step, limit) if step["kind"] == "application_data" else step for step in _list(story, "steps")]
    records = [
        _shortened(record, limit) if record["id"] in bodies or _unopened(record) else record
        for record in _list(story, "records")
    ]
    return {**story, "steps": steps, "records": records}


def _list(story: Json, name: str) -> list[Json]:
    return cast("list[Json]", story[name])


def _unopened(record: Json) -> bool:
    protection = record["protection"]
    return isinstance(protection, dict) and protection.get("opened") is False


def _shortened(node: Json, limit: int) -> Json:
    return dict(_shorten(node, limit))


def _shorten(node: Json, limit: int) -> Iterator[tuple[str, object]]:
    for name, value in node.items():
        if name == "protection" and isinstance(value, dict):
            yield name, _shortened(value, limit)
        elif name in ("bytes", "ciphertext", "inner") and isinstance(value, str) and len(value) > 2 * limit:
            yield name, value[: 2 * limit]
            if f"{name}_length" not in node:
                yield f"{name}_length", len(value) // 2
        else:
            yield name, value


# --- The pieces that are the same in every page -----------------------------------------------------------------------


def _fill(template: str, parts: dict[str, str]) -> str:
    """All places at once: a name that was put in and looks like a place (`{{script}}`) stays the text that it is."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def _hash(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _read(name: str) -> str:
    return (files(__package__) / "page" / name).read_text("utf-8")


@cache
def _joined(names: tuple[str, ...]) -> str:
    return "\n".join(_read(name) for name in names)

"""Two Stories side by side: what was agreed, how much it cost, and each message field by field.

The second of two handshakes mostly says the same in another order: browsers shuffle their extensions, and a resumed
handshake leaves messages out. So nothing is compared by place. Messages are paired by name and direction in the order
of time, and the children of a field by what identifies them: an extension by its type, a key share by its group, and
only what has no such mark by its place among its like.
"""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import cast

Json = dict[str, object]

FACTS = {
    "server_name": "server name",
    "cipher_suite": "cipher suite",
    "group": "key exchange",
    "signature_scheme": "signature",
    "alpn": "application protocol",
    "psk": "pre-shared key",
    "early_data": "early data",
}
MARKS = ("extension_type", "group", "name_type")
"""The fields that say which of its like an element of a vector is."""


def compare(a: Json, b: Json) -> Json:
    """What differs between two Stories (as JSON): {"facts": rows, "numbers": rows, "messages": [...]}.

    A row is {"name", "a", "b", "same"}, its values None where there is no such thing; rows of messages also have a
    "level" of indentation. A message is {"name", "a", "b", "rows"}: the ids of its steps and its rows.
    """
    return {
        "facts": [_row(label, *(_agreed(one, name) for one in (a, b))) for name, label in FACTS.items()]
        + [_row("kind", *(", ".join(cast("list[str]", one["variant"])) for one in (a, b)))],
        "numbers": [_row(name, *(counted(one)[name] for one in (a, b))) for name in counted(a)],
        "messages": [_message(*pair) for pair in paired(a, b)],
    }


def _agreed(story: Json, name: str) -> str | None:
    value = cast("Json", story["negotiated"]).get(name)
    return None if value is None else str(value)


def _row(name: str, a: str | None, b: str | None) -> Json:
    return {"name": name, "a": a, "b": b, "same": a == b}


def counted(story: Json) -> dict[str, str]:
    """What a handshake costs, by name, for people."""
    steps = _list(story, "steps")
    messages = [step for step in steps if step["kind"] == "message"]
    way = {True: 0, False: 0}
    for record in _list(story, "records"):
        way[bool(record["to_server"])] += len(str(record["bytes"])) // 2
    trips = max((int(str(step["round_trip"])) for step in messages), default=0)
    ends = max((float(str(step["time_ms"])) for step in messages), default=0.0)
    return {
        "messages": str(len(messages)),
        "bytes from the client": f"{way[True]:,}",
        "bytes from the server": f"{way[False]:,}",
        "round trips until the last message": str(trips),
        "time until the last message": f"{ends:.1f} ms",
    }


# --- Messages -----------------------------------------------------------------------------------------------------


def paired(a: Json, b: Json) -> list[tuple[Json | None, Json | None]]:
    """The messages of both in the order of time, those with the same name and direction side by side."""
    ours, theirs = (
        [step for step in _list(story, "steps") if step["kind"] in ("message", "alert")] for story in (a, b)
    )
    one, other = ([(step["name"], step["to_server"]) for step in steps] for steps in (ours, theirs))
    pairs: list[tuple[Json | None, Json | None]] = []
    for _, a1, a2, b1, b2 in SequenceMatcher(a=one, b=other, autojunk=False).get_opcodes():
        left, right = ours[a1:a2], theirs[b1:b2]
        if one[a1:a2] == other[b1:b2]:
            pairs += zip(left, right, strict=True)
        else:
            pairs += [(step, None) for step in left]
            pairs += [(None, step) for step in right]
    return pairs


def _message(a: Json | None, b: Json | None) -> Json:
    known = a or b or {}
    ours, theirs = _Node.of(a), _Node.of(b)
    rows = _rows(ours, theirs, 1) if ours and theirs else []
    return {"name": known["name"], "a": a and a["id"], "b": b and b["id"], "rows": rows}


class _Node:
    """A field together with the bytes it points into."""

    def __init__(self, field: Json, data: str) -> None:
        self.field, self.data = field, data
        self.name = str(field["name"])

    @classmethod
    def of(cls, step: Json | None) -> _Node | None:
        if step is None or step["fields"] is None:
            return None
        return cls(cast("Json", step["fields"]), str(step["bytes"]))

    @property
    def hex(self) -> str:
        return self.data[2 * cast("int", self.field["start"]) : 2 * cast("int", self.field["end"])]

    @property
    def children(self) -> list[_Node]:
        return [_Node(one, self.data) for one in _list(self.field, "fields")]

    def says(self) -> str:
        """Its value for people; of a leaf that has none, its bytes."""
        value = str(self.field["value"])
        if self.children:
            return value or f"{len(self.hex) // 2} bytes"
        short = self.hex if len(self.hex) <= 128 else f"{self.hex[:128]}…"
        if not _counts(value):
            return value
        return f"{value}: {short}" if value and short else value or short

    def title(self) -> str:
        """Its name, with what marks it out among its like: "[3]" alone says nothing about which extension it is."""
        marks = [str(child.field["value"]) for child in self.children if child.name in MARKS]
        if marks and not _counts(marks[0]):
            return marks[0]
        if self.name.startswith("[") and not self.children:
            return str(self.field["value"]) or self.hex
        return self.name


def _counts(value: str) -> bool:
    return not value or value.endswith((" bytes", " byte"))


def _keyed(node: _Node) -> dict[tuple[str, int], _Node]:
    found: dict[tuple[str, int], _Node] = {}
    for child in node.children:
        title, nth = child.title(), 0
        while (title, nth) in found:
            nth += 1
        found[title, nth] = child
    return found


def _rows(a: _Node | None, b: _Node | None, level: int) -> list[Json]:
    known = a or b
    if known is None:
        return []
    same = a is not None and b is not None and a.hex == b.hex
    row: Json = {
        "name": known.title(),
        "level": level,
        "a": a and a.says(),
        "b": b and b.says(),
        "same": same,
    }
    if same or a is None or b is None:
        return [row]
    ours, theirs = _keyed(a), _keyed(b)
    keys = [*ours, *(key for key in theirs if key not in ours)]
    return [row, *(inner for key in keys for inner in _rows(ours.get(key), theirs.get(key), level + 1))]


def _list(node: Json, name: str) -> list[Json]:
    return cast("list[Json]", node.get(name) or [])

"""The tables: one JSON object a line, one line a requirement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tls13.errors import AlertDescription

HERE = Path(__file__).parent
RFC_TABLES = (HERE / "table_1.json", HERE / "table_2.json")
DESIGN_TABLE = HERE / "table_design.json"
PENDING = HERE / "pending.txt"

KINDS = {
    "W": "shows on the wire: a scripted peer can break it",
    "U": "shows at an API or inside",
    "L": "binds only who also speaks TLS 1.2 or older",
    "P": "is the application's to keep",
    "X": "binds nobody who could be tested: authors of specifications, middleboxes",
    "D": "a rule of DESIGN.md, section 5a",
}
WHO = ("C", "S", "B", "-")


class BadTable(ValueError):
    """A line of a table that says something impossible."""


@dataclass(frozen=True)
class Row:
    """One requirement. `alerts`: what the detecting side sends, one of them; empty: it is behaviour that counts."""

    id: str
    section: str
    who: str
    kind: str
    alerts: tuple[AlertDescription, ...]
    inferred: bool
    text: str
    untestable: str | None = None

    @classmethod
    def parse(cls, fields: dict[str, object]) -> Row:
        alerts = fields.pop("alerts", [])
        if not isinstance(alerts, list) or not all(name in AlertDescription.__members__ for name in alerts):
            raise BadTable(f"{fields.get('id')}: {alerts} are not names of alerts")
        try:
            row = cls(alerts=tuple(AlertDescription[name] for name in alerts), **fields)  # type: ignore[arg-type]  # judged below
        except TypeError as error:
            raise BadTable(f"{fields.get('id')}: {error}") from None
        row.judge()
        return row

    def judge(self) -> None:
        if self.kind not in KINDS or self.who not in WHO:
            raise BadTable(f"{self.id}: kind {self.kind!r}, who {self.who!r}")
        if self.untestable is not None and self.kind in "WD":
            raise BadTable(f"{self.id} can be tested (kind {self.kind}): no reason can excuse it")
        if self.untestable is not None and len(self.untestable) < 20:
            raise BadTable(f"{self.id}: {self.untestable!r} is no reason")


def read(path: Path) -> list[Row]:
    return [Row.parse(fields) for fields in json.loads(path.read_text(encoding="utf-8"))]


def rows() -> dict[str, Row]:
    """Every row of the three tables by its id, in order. Raises BadTable for an id that comes twice."""
    found: dict[str, Row] = {}
    for path in (*RFC_TABLES, DESIGN_TABLE):
        for row in read(path):
            if row.id in found:
                raise BadTable(f"{row.id} comes twice")
            found[row.id] = row
    return found


def pending() -> set[str]:
    """The ids that no test holds yet. This list only shrinks: an id that a test holds must not stand in it."""
    lines = PENDING.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith("#")}

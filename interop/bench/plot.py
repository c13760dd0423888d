"""The ratios as a picture for the README: an SVG of a few KB, readable on light and on dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from .worker import FLOOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .measure import Result
    from .rows import Row

LEFT, WIDTH, BAR, GAP, TOP = 330, 460, 11, 12, 48
COLOURS = {
    "tls13": "#2f7de1",
    "pyOpenSSL": "#c9822b",
    "siotls": "#7d8590",
    "tlslite-ng": "#a0a7b0",
    "aioquic": "#8e6bbf",
}
LARGEST = 3.0

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f } .small { font-size: 10px }
.ssl { stroke: #24292f; stroke-width: 1.5 } .goal { stroke: #d1242f; stroke-width: 2 } .floor { fill: #8887 }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .ssl { stroke: #e6edf3 } }
"""


def draw(found: Sequence[tuple[Row, Mapping[str, Result]]]) -> str:
    """One group of bars for each row that is a ratio to `ssl`; what is longer than the picture is cut off there."""
    parts: list[str] = []
    y = float(TOP)
    for row, results in found:
        if row.unit or "ssl" not in results:
            continue
        lines, height = _group(row, results, y)
        parts += lines
        y += height + GAP
    middle = LEFT + _length(1.0)
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 60}" height="{y + 8}" role="img">',
        "<title>How many times as fast as Python's ssl</title>",
        f"<style>{STYLE}</style>",
        _legend(),
        f'<text x="{middle}" y="{TOP - 8}" text-anchor="middle" class="small">ssl = 1</text>',
    ]
    line = f'<line class="ssl" x1="{middle}" x2="{middle}" y1="{TOP - 4}" y2="{y - GAP + 4}"/>'
    return "\n".join([*head, *parts, line, "</svg>"]) + "\n"


def _group(row: Row, results: Mapping[str, Result], y: float) -> tuple[list[str], float]:
    """The lines, and how high they are together."""
    names = [name for name in COLOURS if name in results]
    height = len(names) * BAR
    lines = [f'<text x="{LEFT - 10}" y="{y + height / 2 + 4}" text-anchor="end">{escape(row.title)}</text>']
    if FLOOR in results:
        width = _length(results[FLOOR].ratio)
        lines.append(f'<rect class="floor" x="{LEFT}" y="{y - 2}" width="{width}" height="{height + 4}"/>')
    for position, name in enumerate(names):
        ratio, top = results[name].ratio, y + position * BAR
        bar = f'x="{LEFT}" y="{top}" width="{_length(ratio)}" height="{BAR - 2}"'
        lines.append(f'<rect fill="{COLOURS[name]}" {bar}/>')
        lines.append(f'<text class="small" x="{LEFT + _length(ratio) + 4}" y="{top + BAR - 3}">{ratio:.2f}</text>')
    if row.goal is not None:
        x = LEFT + _length(row.goal)
        lines.append(f'<line class="goal" x1="{x}" x2="{x}" y1="{y - 3}" y2="{y + height + 3}"/>')
    return lines, height


def _legend() -> str:
    parts, x = [], 10
    for name, colour in COLOURS.items():
        parts.append(
            f'<rect fill="{colour}" x="{x}" y="8" width="10" height="10"/><text x="{x + 14}" y="17">{name}</text>'
        )
        x += 30 + 8 * len(name)
    parts.append(f'<rect class="floor" x="{x}" y="8" width="10" height="10"/>')
    parts.append(f'<text x="{x + 14}" y="17">the primitives alone</text>')
    parts.append(f'<line class="goal" x1="{x + 150}" x2="{x + 150}" y1="6" y2="20"/>')
    parts.append(f'<text x="{x + 156}" y="17">goal</text>')
    return "".join(parts)


def _length(ratio: float) -> float:
    return round(min(ratio, LARGEST) / LARGEST * WIDTH, 1)

"""Small SVG drawings that read on white paper and on a dark screen.

The colours are in a style sheet of the drawing's own, so that it follows the reader's setting wherever it is shown,
also as an <img>. Numbers are whole pixels, and the same drawing is always the same bytes: tests compare them.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLE = """
    text { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; }
    .title { font: 600 15px system-ui, sans-serif; }
    .note { font: 12.5px system-ui, sans-serif; fill: #57606a; }
    .paper { fill: #ffffff; }
    .box { fill: #f6f8fa; stroke: #57606a; }
    .clear { fill: #fff1e5; stroke: #bc4c00; }
    .early { fill: #fbefff; stroke: #8250df; }
    .secret { fill: #dafbe1; stroke: #1a7f37; }
    .line { stroke: #57606a; fill: none; }
    .head { fill: #57606a; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .note { fill: #9198a1; }
      .paper { fill: #0d1117; }
      .box { fill: #161b22; stroke: #9198a1; }
      .clear { fill: #3d2107; stroke: #f0883e; }
      .early { fill: #271052; stroke: #a371f7; }
      .secret { fill: #0f2d17; stroke: #3fb950; }
      .line { stroke: #9198a1; }
      .head { fill: #9198a1; }
    }
"""
LINE_HEIGHT = 17


class Drawing:
    """Boxes, arrows and words on a sheet of `width` by `height` pixels."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.size = width, height
        self.title = title
        self.parts: list[str] = []

    def box(self, x: int, y: int, width: int, height: int, lines: Sequence[str], kind: str = "box") -> None:
        """A box with its words in the middle. `kind`: box, clear (anybody may read it), early or
        secret."""
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>')
        top = y + (height - LINE_HEIGHT * (len(lines) - 1)) // 2 + 5
        for number, line in enumerate(lines):
            self.text(x + width // 2, top + LINE_HEIGHT * number, line, anchor="middle")

    def text(self, x: int, y: int, words: str, *, anchor: str = "start", kind: str = "") -> None:
        """One line of words; `kind`: title, note, or nothing."""
        style = f' class="{kind}"' if kind else ""
        placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
        self.parts.append(f'<text{style} x="{x}" y="{y}"{placed} xml:space="preserve">{escape(words)}</text>')

    def lines(self, x: int, y: int, lines: Sequence[str], *, anchor: str = "start", kind: str = "") -> None:
        for number, line in enumerate(lines):
            self.text(x, y + LINE_HEIGHT * number, line, anchor=anchor, kind=kind)

    def line(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        """A line without a head."""
        self.parts.append(f'<path class="line" d="M{start[0]} {start[1]} L{end[0]} {end[1]}"/>')

    def arrow(self, *points: tuple[int, int], dashed: bool = False) -> None:
        """A line through these points with a head at the last; its last stretch runs along the sheet's edges."""
        path = "M" + " L".join(f"{x} {y}" for x, y in points)
        dashes = ' stroke-dasharray="4 4"' if dashed else ""
        self.parts.append(f'<path class="line" d="{path}"{dashes}/>')
        (x0, y0), (x, y) = points[-2:]
        along = (x > x0) - (x < x0), (y > y0) - (y < y0)
        if along[1] and abs(x - x0) <= abs(y - y0):
            along = 0, along[1]
        dx, dy = 9 * along[0], 9 * along[1]
        left = f"{x - dx - dy // 2} {y - dy - dx // 2}"
        right = f"{x - dx + dy // 2} {y - dy + dx // 2}"
        self.parts.append(f'<path class="head" d="M{x} {y} L{left} L{right} Z"/>')

    def svg(self) -> str:
        width, height = self.size
        body = "\n  ".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img">\n  <title>{escape(self.title)}</title>\n  <style>{STYLE}  </style>\n'
            f'  <rect class="paper" width="{width}" height="{height}"/>\n  {body}\n</svg>\n'
        )

"""docs/states.svg and docs/states.md: the state machines of both sides, as the code has them.

    python -m docs.states

RFC 9846 draws them in appendix A. Here nobody drew anything: flows.py and variants.py run the handshakes, and every
wait is a state, every message an arrow. Only where a state stands on the paper is said by hand, below.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from .drawing import Drawing
from .variants import every_variant

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .flows import Log

HERE = Path(__file__).parent
BOX = 150, 30
SERVER_TOP = 1000

PLACES: dict[str, dict[str, tuple[int, int]]] = {
    "client": {
        "START": (330, 60),
        "WAIT_SH": (330, 170),
        "WAIT_SH (retried)": (60, 250),
        "WAIT_EE": (330, 340),
        "WAIT_CERT_CR": (460, 440),
        "WAIT_CERT": (690, 530),
        "WAIT_CV": (460, 620),
        "WAIT_FINISHED": (330, 720),
        "CONNECTED": (330, 920),
    },
    "server": {
        "START": (330, 60),
        "START (retried)": (60, 150),
        "WAIT_EOED": (65, 440),
        "WAIT_CERT": (665, 400),
        "WAIT_CV": (665, 520),
        "WAIT_FINISHED": (330, 640),
        "CONNECTED": (330, 740),
    },
}
"""The upper left corner of each state's box. A state that the code gains has to be given a place, or drawing fails."""

Point = tuple[int, int]
ROUTES: dict[tuple[str, str, str], tuple[tuple[Point, ...], Point, str]] = {
    ("client", "START", "WAIT_SH"): (((405, 90), (405, 170)), (417, 125), "start"),
    ("client", "WAIT_SH", "WAIT_SH (retried)"): (((330, 185), (135, 185), (135, 250)), (145, 212), "start"),
    ("client", "WAIT_SH", "WAIT_EE"): (((405, 200), (405, 340)), (417, 255), "start"),
    ("client", "WAIT_SH (retried)", "WAIT_EE"): (((135, 280), (135, 355), (330, 355)), (145, 305), "start"),
    ("client", "WAIT_EE", "WAIT_CERT_CR"): (((440, 370), (440, 405), (535, 405), (535, 440)), (547, 423), "start"),
    ("client", "WAIT_EE", "WAIT_FINISHED"): (((370, 370), (370, 720)), (358, 540), "end"),
    ("client", "WAIT_CERT_CR", "WAIT_CERT"): (((610, 455), (765, 455), (765, 530)), (618, 446), "start"),
    ("client", "WAIT_CERT_CR", "WAIT_CV"): (((500, 470), (500, 620)), (510, 548), "start"),
    ("client", "WAIT_CERT", "WAIT_CV"): (((765, 560), (765, 635), (610, 635)), (757, 626), "end"),
    ("client", "WAIT_CV", "WAIT_FINISHED"): (((535, 650), (535, 735), (480, 735)), (547, 695), "start"),
    ("client", "WAIT_FINISHED", "CONNECTED"): (((405, 750), (405, 920)), (417, 775), "start"),
    ("server", "START", "START (retried)"): (((330, 75), (135, 75), (135, 150)), (145, 105), "start"),
    ("server", "START", "WAIT_EOED"): (((375, 90), (375, 260), (140, 260), (140, 440)), (150, 285), "start"),
    ("server", "START", "WAIT_FINISHED"): (((405, 90), (405, 640)), (417, 125), "start"),
    ("server", "START", "WAIT_CERT"): (((480, 75), (740, 75), (740, 400)), (750, 110), "start"),
    ("server", "WAIT_EOED", "WAIT_FINISHED"): (((140, 470), (140, 655), (330, 655)), (150, 560), "start"),
    ("server", "WAIT_CERT", "WAIT_CV"): (((740, 430), (740, 520)), (750, 480), "start"),
    ("server", "WAIT_CERT", "WAIT_FINISHED"): (((665, 415), (440, 415), (440, 640)), (450, 500), "start"),
    ("server", "WAIT_CV", "WAIT_FINISHED"): (((740, 550), (740, 655), (480, 655)), (750, 605), "start"),
    ("server", "WAIT_FINISHED", "CONNECTED"): (((405, 670), (405, 740)), (417, 700), "start"),
}
"""The way of each arrow, where its words begin, and which end of them is there. The same holds for a new arrow."""

AS_BEFORE = ((135, 180), (135, 205), (345, 205), (345, 90)), (145, 222)
"""A retried server goes on exactly as from START: one dashed arrow back there says so, as long as it is true."""


@dataclass(frozen=True)
class Edge:
    """One arrow: what is received, and what is done on the way (in brackets: not in every connection)."""

    role: str
    start: str
    received: str | None
    end: str
    actions: tuple[str, ...]


def edges(logs: Iterable[Log]) -> list[Edge]:
    """Every arrow that some connection went along, in the order of appendix A, more or less."""
    ways: dict[tuple[str, str, str | None, str], list[tuple[str, ...]]] = {}
    for log in logs:
        for step in log.steps:
            ways.setdefault((log.role, step.start, step.received, step.end), []).append(step.actions)
    found = [Edge(*key, merged(runs)) for key, runs in ways.items()]
    order = list(ROUTES)
    return sorted(found, key=lambda edge: order.index((edge.role, usual(edge.start), edge.end)))


def usual(state: str) -> str:
    """A server that was retried has the arrows that START has."""
    return "START" if state == "START (retried)" else state


def merged(runs: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Everything that any run did, each action behind what preceded it there; in brackets what some run left out."""
    order: list[str] = []
    for run in sorted(runs, key=lambda run: (-len(run), run)):
        place = 0
        for action in run:
            if action in order:
                place = order.index(action) + 1
            else:
                order.insert(place, action)
                place += 1
    return tuple(action if all(action in run for run in runs) else f"[{action}]" for action in order)


def waits(logs: Iterable[Log]) -> dict[tuple[str, str], list[str]]:
    """By role and state: the lines of handshake() that wait there."""
    found: dict[tuple[str, str], list[str]] = {}
    for log in logs:
        for state, lines in log.waits.items():
            known = found.setdefault((log.role, state), [])
            known += [line for line in lines if line not in known]
    return found


# --- the drawing -----------------------------------------------------------------------------------------------------


def draw(found: Sequence[Edge]) -> str:
    sheet = Drawing(960, 1800, "The states of a TLS 1.3 client and server, as tls13 runs through them")
    sheet.text(405, 35, "client.py", anchor="middle", kind="title")
    sheet.text(405, SERVER_TOP + 35, "server.py", anchor="middle", kind="title")
    for edge in found:
        if not same_as_from_start(edge, found):
            connect(sheet, edge)
    again = [edge.end for edge in found if same_as_from_start(edge, found)]
    if again:
        route, at = AS_BEFORE
        sheet.arrow(*map(lower, route), dashed=True)
        x, y = lower(at)
        sheet.lines(x, y, ["Recv ClientHello, then", "as from START"])
    for role, places in PLACES.items():
        for state, place in places.items():
            x, y = place if role == "client" else lower(place)
            kind = "secret" if state == "CONNECTED" else "clear" if "START" in state or "_SH" in state else "box"
            sheet.box(x, y, *BOX, [state], kind)
    notes = ["Orange: nothing has been encrypted yet.", "Green: application data flows.", "[in brackets]: not always"]
    sheet.lines(630, 80, notes, kind="note")
    return sheet.svg()


def lower(point: Point) -> Point:
    return point[0], point[1] + SERVER_TOP


def same_as_from_start(edge: Edge, found: Sequence[Edge]) -> bool:
    return edge.start == "START (retried)" and replace(edge, start="START") in found


def connect(sheet: Drawing, edge: Edge) -> None:
    """The arrow, with its words beside it."""
    route, at, anchor = ROUTES[edge.role, edge.start, edge.end]
    if edge.role == "server":
        route, at = tuple(map(lower, route)), lower(at)
    sheet.arrow(*route)
    words = [f"Recv {edge.received}"] if edge.received else []
    sheet.lines(*at, [*words, *edge.actions], anchor=anchor)


# --- the page --------------------------------------------------------------------------------------------------------

INTRODUCTION = """\
# The states of both sides

<!-- made by `python -m docs.states` from what the code does; do not edit -->

![The two state machines](states.svg)

There is no state variable in `client.py` and `server.py`, and no table of transitions. A handshake is a generator: it
runs until it needs a message and then *yields* the types of message of which one must come (`tls13/flow.py`). So the
states of RFC 9846, appendix A, are the places where the generator waits. This page was made by running {count}
different connections, noting each wait and what was done between two of them.

Compared with the RFC's figures:

* `RECVD_CH`, `NEGOTIATED` and `WAIT_FLIGHT2` are not here: nothing is waited for in them, the code runs through.
* A second `HelloRetryRequest` is never welcome (section 4.2.4), so a client that was retried waits for less:
  `WAIT_SH (retried)`. A server that has asked once insists on a cookie: `START (retried)`.
* From `WAIT_EOED` no arrow goes to `WAIT_CERT`: early data comes with a PSK, and a server that authenticates by a PSK
  asks for no certificate during the handshake (section 4.4.2).
* Early data itself, alerts, and what comes after the handshake are not handshake messages in this order, and are left
  out, as is the record change_cipher_spec, which means nothing (appendix E.4).
"""


def page(logs: Sequence[Log]) -> str:
    found = edges(logs)
    parts = [INTRODUCTION.format(count=len(logs) // 2)]
    lines = waits(logs)
    for role in ("client", "server"):
        parts.append(f"\n## {role.capitalize()}\n\nWhere `tls13/{role}.py` waits:\n\n| state | the line |\n|---|---|\n")
        parts += [f"| {state} | `{line}` |\n" for state in PLACES[role] for line in lines.get((role, state), [])]
        parts.append(
            "\nWhat it does from one wait to the next:\n\n| in | on | does | and then waits in |\n|---|---|---|---|\n"
        )
        for edge in found:
            if edge.role == role:
                did = ", ".join(edge.actions) or "checks it"
                parts.append(f"| {edge.start} | {edge.received or 'the beginning'} | {did} | {edge.end} |\n")
    return "".join(parts)


def made() -> dict[Path, str]:
    """Both files as they should be."""
    logs = every_variant()
    return {HERE / "states.svg": draw(edges(logs)), HERE / "states.md": page(logs)}


def main() -> None:
    for path, text in made().items():
        path.write_text(text)


if __name__ == "__main__":
    main()

"""tls13 break: attacks and faults, each with a prediction, and what came of it.

The experiments are in tls13/lab/experiments; here they are told. Any difference between what was predicted and what
happened is a failure: the exit code is then 1.
"""

from __future__ import annotations

import json
import sys
import textwrap
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import ConfigurationError
from ..explain.terminal import Palette, printable
from ..lab.experiments import EXPERIMENTS, PARTS, perform
from ..lab.experiments.between import OTHER, Ours
from ..lab.experiments.model import Prediction

if TYPE_CHECKING:
    import argparse

    from ..explain.capture import Capture
    from ..lab.experiments import Experiment, Peer, Result
    from ..lab.experiments.model import Happening, Outcome

WIDTH: Final = 100
INDENT: Final = 14
BOLD, RED, GREEN, YELLOW, DIM, BLUE = "1", "31", "32", "33", "2", "36"
COLOURS: Final = {"tampering": RED, "alert": YELLOW, "error": YELLOW, "claim": GREEN, "note": DIM}


def break_(options: argparse.Namespace) -> int:
    """Show the menu, or run experiments. Returns 0 if everything came as predicted, else 1. Raises ConfigurationError
    for an experiment that does not exist, or cannot be run against this peer."""
    if options.all and options.names:
        raise ConfigurationError("name experiments, or give --all, not both")
    if options.output is not None and len(options.names) != 1:
        raise ConfigurationError("-o makes the page of one experiment: name one")
    if options.list or not (options.all or options.names):
        _menu(options.json)
        return 0
    results = []
    peer: Peer = options.against
    chosen = _chosen(options.names, peer)
    tell = Teller(options.verbose, brief=len(chosen) > 1 and not options.verbose)
    for experiment in chosen:
        results.append(perform(experiment, peer))
        if not options.json:
            tell.result(results[-1])
    if options.output is not None:
        _write_page(options.output, results[0])
    failed = sum(1 for one in results if one.differences)
    if options.json:
        print(json.dumps({"experiments": [_as_json(one) for one in results], "failed": failed}, indent=2))
    elif len(results) > 1:
        tell.sum_up(results, failed)
    return 1 if failed else 0


def _chosen(names: list[str], peer: Peer) -> list[Experiment]:
    """Those of these names; without names, all that can be run against this peer."""
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        raise ConfigurationError(f"there is no experiment {printable(unknown[0])!r}; tls13 break --list has them all")
    if names:
        return [EXPERIMENTS[name] for name in names]
    return [one for one in EXPERIMENTS.values() if isinstance(one.expected(peer), Prediction)]


def _menu(as_json: bool) -> None:
    if as_json:
        print(json.dumps([_facts(one) for one in EXPERIMENTS.values()], indent=2))
        return
    palette = Palette(sys.stdout)
    width = max(map(len, EXPERIMENTS))
    for part in PARTS:
        print(palette(BOLD, part.title))
        for one in part.experiments:
            where = "" if isinstance(one.openssl, Prediction) else "  (local only)"
            print(f"  {palette(BLUE, one.name.ljust(width))}  {one.title}{palette(DIM, where)}")
        print()
    print(f"{len(EXPERIMENTS)} experiments. Next: tls13 break nonce-reuse")
    print("      tls13 break --all, and tls13 break --all --against openssl")


def _write_page(path: str, result: Result) -> None:
    """The page of tls13 explain, as the side that noticed has seen the connection (or the one that is ours)."""
    from ..explain.page import page
    from ..explain.telling import tell
    from .explain import HIDDEN, write

    write(path, page(tell(_capture(result))), HIDDEN)
    print(f"{path}: a page of this connection; it holds its secrets, which protect nothing", file=sys.stderr)


def _capture(result: Result) -> Capture:
    from ..explain.capture import Capture, Segment

    wire, noticed = result.wire, result.prediction.by or "client"
    end = wire.ends[noticed]
    if not isinstance(end, Ours):
        end = wire.ours(OTHER[noticed])
    began = end.moved[0][1] if end.moved else 0.0
    is_client = end.side == "client"
    return Capture(
        segments=[Segment(sent is is_client, when - began, data) for sent, when, data in end.moved],
        secrets=end.listener.secrets,
        source=f"tls13 break {result.experiment.name}: {result.experiment.title}, as the {end.side} has seen it",
        client="client",
        server="server",
        verified_chain=[one.public_bytes(Encoding.DER) for one in end.listener.chain],
        network=None,
        notes=[happening.text for happening in result.outcome.happened if happening.kind in ("tampering", "note")],
    )


# --- as JSON ----------------------------------------------------------------------------------------------------------


def _facts(one: Experiment) -> dict[str, object]:
    return {
        "name": one.name,
        "part": one.part,
        "title": one.title,
        "attack": one.attack or None,
        "what": one.what,
        "should": one.should,
        "why": one.why,
        "section": one.section,
        "openssl": isinstance(one.openssl, Prediction),
    }


def _ending(one: Prediction | Outcome) -> dict[str, object]:
    return {
        "by": one.by,
        "exception": one.exception.__name__ if one.exception is not None else None,
        "alert": one.alert.name if one.alert is not None else None,
    }


def _as_json(result: Result) -> dict[str, object]:
    return {
        **_facts(result.experiment),
        "peer": result.peer,
        "predicted": {**_ending(result.prediction), "because": result.prediction.because or None},
        "seen": {**_ending(result.outcome), "error": result.outcome.error or None},
        "happened": [_happening(one) for one in result.outcome.happened],
        "differences": result.differences,
    }


def _happening(one: Happening) -> dict[str, object]:
    told: dict[str, object] = {"who": one.who, "kind": one.kind, "text": one.text}
    if one.kind == "claim":
        told["holds"] = one.holds
    if one.detail:
        told["bytes"] = one.detail
    return told


# --- for people -------------------------------------------------------------------------------------------------------


class Teller:
    """Writes results to stdout: a line for each, or the whole story."""

    def __init__(self, detail: int, *, brief: bool) -> None:
        self.palette = Palette(sys.stdout)
        self.detail = detail
        self.brief = brief

    def result(self, result: Result) -> None:
        if self.brief:
            self._line(result)
            return
        self._intentions(result)
        self._what_happened(result.outcome.happened)
        self._verdict(result)

    def sum_up(self, results: list[Result], failed: int) -> None:
        right = len(results) - failed
        print(f"\n{len(results)} experiments against {_peer(results[0])}: {right} as predicted", end="")
        print(self.palette(RED, f", {failed} NOT") if failed else "")

    def _line(self, result: Result) -> None:
        mark = self.palette(RED, "FAIL") if result.differences else self.palette(GREEN, "ok  ")
        print(f"{mark}  {result.experiment.name:24}  {result.outcome}")
        for difference in result.differences:
            self._paragraph("", difference)

    def _intentions(self, result: Result) -> None:
        one = result.experiment
        print(self.palette(BOLD, f"{one.name}: {one.title}"))
        self._paragraph("What", one.what)
        self._paragraph("Should", one.should)
        self._paragraph("Why", one.why)
        if one.attack:
            self._paragraph("Known as", one.attack)
        self._paragraph("Rule", one.section)
        self._paragraph("Against", _peer(result))
        self._paragraph("Predicted", str(result.prediction))
        if result.prediction.because:
            self._paragraph("", f"({result.prediction.because})")

    def _paragraph(self, label: str, text: str, colour: str = "") -> None:
        room = WIDTH - INDENT
        first, *rest = textwrap.wrap(printable(text), room, break_on_hyphens=False) or [""]
        print(self.palette(DIM, f"  {label:{INDENT - 2}}") + self.palette(colour, first))
        for line in rest:
            print(" " * INDENT + self.palette(colour, line))

    def _what_happened(self, happened: list[Happening]) -> None:
        print()
        for who, kind, texts, details in self._gathered(happened):
            colour = COLOURS.get(kind, "")
            if kind == "claim" and not texts[0].startswith("so it is"):
                colour = RED
            self._paragraph(who, ", ".join(_counted(texts)), colour)
            if self.detail > 1:
                for detail in details:
                    self._paragraph("", detail, DIM)

    def _gathered(self, happened: list[Happening]) -> list[tuple[str, str, list[str], list[str]]]:
        """One entry for each thing; the messages that a side sends one after the other share one, unless -v."""
        found: list[tuple[str, str, list[str], list[str]]] = []
        for one in happened:
            who = {"bench": "", "between": "in between"}.get(one.who, one.who)
            text = one.text
            if one.kind == "message" and self.detail:
                text = f"{text} ({len(one.detail) // 2} bytes)"
            if one.kind == "claim":
                text = ("so it is: " if one.holds else "IT IS NOT SO: ") + text
            details = [one.detail] if one.detail else []
            if found and one.kind == "message" and found[-1][:2] == (who, "message") and not self.detail:
                found[-1][2].append(text)
            else:
                found.append((who, one.kind, [text], details))
        return found

    def _verdict(self, result: Result) -> None:
        print()
        self._paragraph("Seen", str(result.outcome))
        for difference in result.differences:
            self._paragraph("DIFFERENT", difference, RED)
        if not result.differences:
            self._paragraph("", "as predicted", GREEN)
        print()


def _counted(texts: list[str]) -> list[str]:
    """What comes several times in a row is said once."""
    runs = [(text, len(list(group))) for text, group in groupby(texts)]
    return [text if count == 1 else f"{text} ({count} times)" for text, count in runs]


def _peer(result: Result) -> str:
    if result.peer == "local":
        return "our own client and server"
    return f"OpenSSL as the {result.experiment.plays}"

"""tls13 explain: one connection as a page (or as JSON, or as a few lines), wherever it comes from.

A connection is made and watched (HOST), waited for (--listen), read from a capture (FILE), taken from a document
(--vectors), or made up on this machine (--demo). Each is a Capture first, and the rest is the same for all.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..explain.demos import VARIANTS, demo
from ..explain.page import page
from ..explain.pcap import read_capture
from ..explain.telling import tell
from ..explain.terminal import printable
from ..explain.vectors import read_vectors
from .explain_live import visit, wait_for_visitor
from .secrets import read_file

if TYPE_CHECKING:
    import argparse

    from ..explain.capture import Capture
    from ..explain.story import Story

HIDDEN, PUBLIC = 0o600, 0o644
"""The mode of a file that holds secrets, and of one that was redacted."""


def explain(options: argparse.Namespace) -> int:
    """Returns the exit code: 0 if there was something to explain; 1 if a connection failed, which is explained too."""
    if options.list:
        for variant, (about, _) in VARIANTS.items():
            print(f"{variant:28} {about}")
        return 0
    captures, code = _captures(options)
    stories = [tell(one, redact=options.redact) for one in captures]
    _show(options, stories)
    return code


# --- where it comes from -------------------------------------------------------------------------------------------


def _captures(options: argparse.Namespace) -> tuple[list[Capture], int]:
    """One, or two for --diff; and the exit code."""
    _check_sources(options)
    if options.diff is not None:
        both = [_named(options, one) for one in options.diff]
        return [capture for capture, _ in both], max(code for _, code in both)
    if options.vectors is not None:
        file, trace = options.vectors
        return [read_vectors(read_file(file), trace)], 0
    if options.demo is not None:
        return [demo(options.demo)], 0
    if options.listen is not None:
        capture, code = wait_for_visitor(options)
        return [capture], code
    capture, code = _named(options, options.target)
    return [capture], code


def _check_sources(options: argparse.Namespace) -> None:
    given = [options.target, options.demo, options.vectors, options.diff, options.listen]
    if sum(one is not None for one in given) != 1:
        raise ConfigurationError("give one of HOST, FILE, --demo, --vectors, --listen and --diff")


def _named(options: argparse.Namespace, source: str) -> tuple[Capture, int]:
    """A capture file, a trace (FILE:NAME of a JSON file), a variant of the demo, or a host: whichever it is."""
    path, _, trace = source.rpartition(":")
    if path.endswith(".json") and Path(path).is_file():
        return read_vectors(read_file(path), trace), 0
    if Path(source).is_file():
        return _from_file(options, source), 0
    if source in VARIANTS:
        return demo(source), 0
    return visit(options, source)


def _from_file(options: argparse.Namespace, file: str) -> Capture:
    """One connection of a capture file: the one that is asked for, or the first whose secrets are known."""
    key_log = read_file(options.keylog).decode("utf-8", "replace") if options.keylog is not None else None
    found = read_capture(read_file(file), key_log, port=options.port)
    number: int | None = options.stream
    if number is None:
        number = next((place for place, one in enumerate(found, 1) if one.secrets), 1)
        if len(found) > 1:
            print(f"{len(found)} connections are in {file}; this is number {number} (--stream N)", file=sys.stderr)
    if not 1 <= number <= len(found):
        raise ConfigurationError(f"--stream {number}: the connections in {file} are numbered from 1 to {len(found)}")
    capture = found[number - 1]
    capture.source = f"{file}, {capture.source}"
    return capture


# --- how it is shown -----------------------------------------------------------------------------------------------


def _show(options: argparse.Namespace, stories: list[Story]) -> None:
    """As a file if there is a name for it, else on stdout."""
    if options.json:
        told = [story.to_json() for story in stories]
        text = json.dumps(told[0] if len(told) == 1 else told)
    elif options.output is not None:
        text = page(stories[0] if len(stories) == 1 else stories)
    else:
        text = "\n\n".join(in_lines(story) for story in stories)
    if options.output is None:
        print(text)
        return
    write(options.output, text, PUBLIC if options.redact else HIDDEN)
    secret = "" if options.redact else "; it holds this connection's secrets (--redact leaves them out)"
    print(f"{options.output}: {len(text) // 1000 + 1} KB{secret}", file=sys.stderr)


def write(path: str, text: str, mode: int) -> None:
    """In a new file, or in the place of an old one. Raises ConfigurationError if that cannot be done."""
    try:
        with contextlib.suppress(FileNotFoundError):
            if Path(path).is_file():
                Path(path).unlink()  # an old file would keep its old mode
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error


def in_lines(story: Story) -> str:
    """The steps, one a line: what there is to see without a page."""
    lines = [f"{story.title}: {', '.join(story.variant)}", printable(story.source), ""]
    for step in story.steps:
        arrow = "   " if step.kind == "keys" else "-->" if step.to_server else "<--"
        size = f"{step.length} bytes" if step.records else ""
        lines.append(f"{step.time_ms:9.1f} ms  {arrow} {step.name:24} {size:12} {step.section}: {step.purpose}")
    lines += ["", story.outcome["text"], *map(printable, story.notes), "", "For all of it: -o page.html"]
    return "\n".join(lines)

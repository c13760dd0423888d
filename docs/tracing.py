"""Watches Python run a piece of tls13, and notes what every line does to the bytes.

sys.settrace calls back before each line. Between two calls one line has run: whichever local variable, or buffer of
`self`, holds other bytes than before was changed by it. That is all; no function of the library knows of it.
"""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import tls13

if TYPE_CHECKING:
    from types import FrameType, TracebackType

    from _typeshed import TraceFunction

PACKAGE = Path(tls13.__file__).parent

Bytes = dict[str, bytes]
"""What there is, by name, as it is at one moment."""


@dataclass
class Line:
    """A statement that changed some bytes."""

    source: str
    changed: Bytes


@dataclass
class Call:
    """A function of the library that ran."""

    name: str
    path: str
    """Relative to the package."""
    line: int
    says: str
    """The first sentence of its docstring."""
    depth: int
    given: Bytes
    lines: list[Line] = field(default_factory=list)
    returned: bytes | None = None


def held(frame: FrameType) -> Bytes:
    """The bytes that a frame can see: in its own variables, or in parts in a list, and in the buffers of its `self`."""
    kinds = bytes | bytearray | memoryview
    found: Bytes = {}
    for name, value in frame.f_locals.items():
        if isinstance(value, kinds):
            found[name] = bytes(value)
        elif isinstance(value, list) and all(isinstance(part, kinds) for part in value):
            found[name] = b"".join(value)
    owner = frame.f_locals.get("self")
    for name, value in getattr(owner, "__dict__", {}).items():
        if isinstance(value, bytes | bytearray) and not name.startswith("_"):
            found[f"self.{name}"] = bytes(value)
    return found


def as_bytes(value: object) -> bytes | None:
    """A returned value, where it is bytes, or an event or record with bytes in it."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, tuple):
        return next((one for one in map(as_bytes, value) if one is not None), None)
    return None


COMPOUND = ast.If | ast.For | ast.While | ast.Try | ast.With | ast.FunctionDef | ast.ClassDef


@lru_cache
def statements(path: str) -> dict[int, str]:
    """Each line's smallest statement, as it is written, on one line."""
    text = Path(path).read_text()
    found: dict[int, tuple[int, str]] = {}
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.stmt) or isinstance(node, COMPOUND):
            continue
        source = ast.get_source_segment(text, node) or ""
        end = node.end_lineno or node.lineno
        for number in range(node.lineno, end + 1):
            if number not in found or end - node.lineno < found[number][0]:
                found[number] = end - node.lineno, " ".join(source.split())
    return {number: source for number, (_, source) in found.items()}


class Watch:
    """`with Watch() as watch: ...` notes the calls of the library inside, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._depth = 0
        self._before: TraceFunction | None = None
        """Whoever traces already (a debugger, a coverage tool) goes on afterwards."""

    def __enter__(self) -> Watch:
        self._before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(self._before)

    def _enter(self, frame: FrameType, event: str, argument: object) -> TraceFunction | None:
        code = frame.f_code
        path = Path(code.co_filename)
        if PACKAGE not in path.parents or code.co_name.startswith("<"):
            return None
        line = code.co_firstlineno
        says = docstrings(code.co_filename).get(line, "")
        call = Call(code.co_qualname, path.relative_to(PACKAGE).as_posix(), line, says, self._depth, held(frame))
        self.calls.append(call)
        self._depth += 1
        return _Frame(self, call, frame).trace

    def leave(self) -> None:
        self._depth -= 1


class _Frame:
    """One running function."""

    def __init__(self, watch: Watch, call: Call, frame: FrameType) -> None:
        self.watch, self.call = watch, call
        self.before = call.given
        self.line = frame.f_lineno

    def trace(self, frame: FrameType, event: str, argument: object) -> TraceFunction:
        now = held(frame)
        changed = {name: value for name, value in now.items() if self.before.get(name) != value}
        if changed:
            source = statements(frame.f_code.co_filename).get(self.line, "")
            self.call.lines.append(Line(source, changed))
        self.before, self.line = now, frame.f_lineno
        if event == "return":
            self.call.returned = as_bytes(argument)
            self.watch.leave()
        return self.trace


@lru_cache
def docstrings(path: str) -> dict[int, str]:
    """By the first line of each function: the first sentence of its docstring."""
    found = {}
    for node in ast.walk(ast.parse(Path(path).read_text())):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            found[first] = re.split(r"(?<=[.?])\s", (ast.get_docstring(node) or "").replace("\n", " "))[0]
    return found

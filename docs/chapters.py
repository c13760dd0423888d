"""Runs a chapter of the guide: every program in it, and whether it prints what the chapter says.

    python -m docs.chapters 3               the programs of chapter 3, with what they print
    python -m docs.chapters                 all of them

In a chapter, ```python is a program; all of a chapter's programs are one session, as if typed one after the other. The
```text block behind one is what it prints. ```console has commands behind a $, each followed by what it prints; they
run in a directory that is thrown away. `...` stands for what is different every time. ```python PATH quotes a file of
the project, and is compared with it.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
GUIDE = Path(__file__).parent / "guide"
FENCE = re.compile(r"^```(?P<kind>\w*)(?: (?P<path>\S+))?\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a chapter."""

    kind: str
    path: str
    body: str
    line: int
    printed: str = ""
    """What the chapter says that it prints."""


class DocumentLies(Exception):
    """A program prints something else than the chapter says, or a quotation is not what the file says."""


def blocks(text: str) -> Iterator[Block]:
    """What there is to run or to compare, in order. Diagrams, which have no kind, are left out."""
    fences = list(FENCE.finditer(text))
    for number, fence in enumerate(fences):
        kind, path = fence["kind"], fence["path"] or ""
        if kind in ("", "text"):
            continue
        following = fences[number + 1] if number + 1 < len(fences) else None
        answered = following is not None and following["kind"] == "text" and kind == "python"
        printed = following["body"] if answered and following is not None else ""
        yield Block(kind, path, fence["body"], text.count("\n", 0, fence.start()) + 1, printed)


def compare(said: str, printed: str, where: str) -> None:
    """Raises DocumentLies where they differ in more than what `...` stands for."""
    checker = doctest.OutputChecker()
    if not checker.check_output(said, printed, doctest.ELLIPSIS):
        raise DocumentLies(f"{where}: the chapter says\n{said}\nand what comes is\n{printed}")


class Session:
    """One chapter being run. `directory` is where commands run."""

    def __init__(self, chapter: Path, directory: Path) -> None:
        self.chapter = chapter
        self.directory = directory
        self.names: dict[str, object] = {"__name__": "__chapter__"}

    def run(self, block: Block) -> str:
        """What it prints. Raises DocumentLies."""
        where = f"{self.chapter.name}, line {block.line}"
        if block.kind == "console":
            return self._commands(block, where)
        if block.kind != "python":
            raise DocumentLies(f"{where}: a block of kind {block.kind} is neither run nor compared")
        if block.path:
            quoted(block, where)
            return ""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(block.body, where, "exec", dont_inherit=True), self.names)  # noqa: S102  # our own chapter
        compare(block.printed, out.getvalue(), where)
        return out.getvalue()

    def _commands(self, block: Block, where: str) -> str:
        printed = ""
        for part in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
            command, _, said = part.partition("\n")
            done = subprocess.run(
                command,
                shell=True,
                cwd=self.directory,
                env=surroundings(self.directory),
                capture_output=True,
                text=True,
            )
            compare(said, done.stdout + done.stderr, f"{where}, $ {command}")
            printed += f"$ {command}\n{done.stdout}{done.stderr}"
        return printed


def surroundings(directory: Path) -> dict[str, str]:
    """The environment of a command: `tls13` and `python` are this project and this interpreter."""
    tools = directory / ".bin"
    if not tools.exists():
        tools.mkdir()
        for name, line in (("tls13", f'"{sys.executable}" -m tls13'), ("python", f'"{sys.executable}"')):
            script = tools / name
            script.write_text(f'#!/bin/sh\nexec {line} "$@"\n')
            script.chmod(0o755)
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "80"}


def quoted(block: Block, where: str) -> None:
    """A quotation: its lines stand in the file, one after the other, whatever the indentation of the whole."""
    text = (ROOT / block.path).read_text()
    for part in re.split(r"^ *\.\.\.\n", block.body, flags=re.MULTILINE):
        wanted = textwrap.dedent(part).strip("\n").split("\n")
        lines = text.split("\n")
        for start in range(len(lines) - len(wanted) + 1):
            if textwrap.dedent("\n".join(lines[start : start + len(wanted)])).split("\n") == wanted:
                break
        else:
            raise DocumentLies(f"{where}: {block.path} does not say\n{part}")


def chapters() -> list[Path]:
    return sorted(GUIDE.glob("[0-9]*.md"))


def main(arguments: list[str]) -> int:
    """The exit code: 1 if a chapter says what is not so."""
    for chapter in chapters():
        if arguments and chapter.name[:2] not in [argument.zfill(2) for argument in arguments]:
            continue
        print(chapter.read_text().split("\n", 1)[0])
        with tempfile.TemporaryDirectory() as directory, contextlib.chdir(ROOT):
            session = Session(chapter, Path(directory))
            try:
                for block in blocks(chapter.read_text()):
                    print(session.run(block), end="")
            except DocumentLies as error:
                print(error, file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

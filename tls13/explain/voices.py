"""Many connections told on one page, as they come: whenever another one speaks, a line says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .trace import Narrator

if TYPE_CHECKING:
    from .terminal import Page


class Voices:
    """Makes a Narrator for each connection of a server, all on `page`; detail as for Narrator."""

    def __init__(self, page: Page, *, detail: int = 0) -> None:
        self.page = page
        self.last: Voice | None = None
        self._detail = detail
        self._count = 0

    def __call__(self) -> Narrator:
        """For the next connection: the `tracer` of tls13.aio.start_server."""
        self._count += 1
        return Narrator(Voice(self, f"connection {self._count}"), is_client=False, detail=self._detail)


class Voice:
    """The page, as one of the narrators has it."""

    def __init__(self, voices: Voices, name: str) -> None:
        self._voices = voices
        self._name = name

    def write(self, text: str) -> None:
        if self._voices.last is not self:
            self._voices.last = self
            self._voices.page.write(f"\n{self._name}\n")
        self._voices.page.write(text)

    def isatty(self) -> bool:
        return self._voices.page.isatty()

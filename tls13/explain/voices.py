"""Many connections told on one page, as they come: whenever another one speaks, a line says which."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .trace import Narrator

if TYPE_CHECKING:
    from .terminal import Page


class Voices:
    """Makes a Narrator for each connection of a server, all on `page`; detail as for Narrator. called: what stands
    before a connection's number."""

    def __init__(self, page: Page, *, detail: int = 0, called: str = "connection") -> None:
        self.page = page
        self.last: Voice | None = None
        self._detail = detail
        self._called = called
        self._count = 0

    def __call__(self) -> Narrator:
        """For the next connection: the `tracer` of tls13.aio.start_server."""
        self._count += 1
        return Narrator(Voice(self, f"{self._called} {self._count}"), is_client=False, detail=self._detail)

    def turn_to(self, voice: Voice) -> None:
        """Its words come next."""
        if self.last is not voice:
            self.last = voice
            self.page.write(voice.heading)


class Voice:
    """The page, as one of the narrators has it."""

    def __init__(self, voices: Voices, name: str) -> None:
        self._voices = voices
        self.heading = f"\n{name}\n"

    def write(self, text: str) -> None:
        self._voices.turn_to(self)
        self._voices.page.write(text)

    def isatty(self) -> bool:
        return self._voices.page.isatty()

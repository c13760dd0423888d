"""A connection, told as it happens: one paragraph for each message, each change of keys, each alert.

`Narrator` is a tls13.Tracer. What it says of a message comes from the decoded message itself (messages.py); the
sentences say what the message is for, and the section where RFC 9846 says so.
"""

from __future__ import annotations

import os
import time
from textwrap import wrap
from typing import TYPE_CHECKING, TextIO

from ..errors import AlertDescription, TLSError
from ..flow import Epoch
from ..trust.names import describe
from ..wire.messages import decode_handshake
from ..wire.registry import ContentType
from .messages import DESCRIPTIONS, SECTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate as X509

    from ..crypto.suites import Suite

EPOCHS = {
    Epoch.INITIAL: "in the clear",
    Epoch.EARLY: "early data keys",
    Epoch.HANDSHAKE: "handshake keys",
    Epoch.APPLICATION: "application keys",
}
EARLY_KEYS = "they come from the PSK and the ClientHello alone: fresh in each connection, but without forward secrecy"
WIDTH = 100
TIME_WIDTH = 11
LANE = WIDTH - TIME_WIDTH - 2
"""The room between the two lines that stand for client and server."""
LABEL_WIDTH = 24

Part = tuple[str, str]
"""The codes of a colour ("" for none), and a text in it."""


class Palette:
    """ANSI colours, or none where they do not belong: not a terminal, or NO_COLOR is set (no-color.org)."""

    def __init__(self, stream: TextIO) -> None:
        self.on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def __call__(self, codes: str, text: str) -> str:
        return f"\x1b[{codes}m{text}\x1b[0m" if self.on and codes and text else text


def printable(text: str) -> str:
    """`text` with every control character escaped: the peer chose it, and it must not steer the reader's terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


class Narrator:
    """Writes the account of one side's connection to `stream`, as it happens. `is_client`: whose side it is."""

    def __init__(self, stream: TextIO, *, is_client: bool = True) -> None:
        self._stream = stream
        self._paint = Palette(stream)
        self._is_client = is_client
        self._began: float | None = None
        self._epochs = {True: Epoch.INITIAL, False: Epoch.INITIAL}
        self._lanes_open = False

    # --- tls13.Tracer -----------------------------------------------------------------------------------------------

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        try:
            message = decode_handshake(raw)
            message.judge()
        except TLSError as error:  # a watcher changes nothing: the handshake itself finds the same, and ends for it
            self._arrow(sent, f"a message of {len(raw)} bytes", EPOCHS[epoch], epoch)
            self._say("31", str(error))
            return
        section, purpose = SECTIONS.get(type(message), ("section 4", ""))
        about = f"{section}, {len(raw)} bytes, {EPOCHS[epoch]}"
        self._arrow(sent, type(message).__name__, about, epoch)
        self._say("3", purpose)
        fields = DESCRIPTIONS.get(type(message))
        for label, value in fields(message) if fields is not None else ():
            self._field(label, value)

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        again = "new " if epoch is Epoch.APPLICATION is self._epochs[sent] else ""
        self._epochs[sent] = epoch
        aead = suite.code.name.removeprefix("TLS_").rpartition("_SHA")[0]
        self._change(
            "33", f"from here on the {self._who(sent)}'s records are encrypted with {aead}, {again}{EPOCHS[epoch]}"
        )
        if epoch is Epoch.EARLY:
            self._say("3", EARLY_KEYS)

    def secret(self, label: str, secret: bytes) -> None:
        """Secrets are not for a terminal."""

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        size = f"{length} byte{'s' if length != 1 else ''}"
        if content_type == ContentType.change_cipher_spec:
            self._arrow(sent, "change_cipher_spec", f"appendix E.4, {size}, {EPOCHS[Epoch.INITIAL]}", Epoch.INITIAL)
            self._say("3", "means nothing: it makes this look like TLS 1.2 to what sits in between")
        else:
            self._arrow(sent, ContentType(content_type).name, f"section 5.2, {size}, {EPOCHS[epoch]}", epoch)
            if epoch is Epoch.EARLY:
                self._say("3", "before anybody is authenticated: whoever records it can send it again (section 8)")

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        try:
            name = AlertDescription(description).name
        except ValueError:
            name = f"{int(description)}, which has no name here"
        closes = description in (AlertDescription.close_notify, AlertDescription.user_canceled)
        section, epoch = ("6.1" if closes else "6.2"), self._epochs[sent]
        codes = "1" if closes else "1;31"
        self._arrow(sent, f"alert {name}", f"section {section}, {EPOCHS[epoch]}", epoch, codes)
        if description == AlertDescription.close_notify:
            self._say("3", f"nothing more will come from the {self._who(sent)}")
        elif not closes:
            self._say("31", f"the {self._who(sent)} ends the connection")

    def verified(self, chain: Sequence[X509]) -> None:
        names = " <- ".join(describe(certificate) for certificate in chain)
        self._change("32", f"chain verified: {names}, a trust anchor")

    # --- layout -----------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A paragraph of the narrator's own, from one side of the page to the other."""
        if self._lanes_open:
            self._row([])
        for line in wrap(printable(text), WIDTH):
            self._stream.write(self._paint("36", line) + "\n")
        if self._lanes_open:
            self._row([])

    def finish(self) -> None:
        """Close the page: what follows is not part of the account."""
        self._lanes_open = False
        self._stream.write("\n")

    def _who(self, sent: bool) -> str:
        return "client" if sent == self._is_client else "server"

    def _open_lanes(self) -> None:
        if not self._lanes_open:
            self._lanes_open = True
            self._stream.write(f"{'':{TIME_WIDTH - 3}}{self._paint('1', 'client'):6}")
            self._stream.write(f"{'':{LANE - 7}}{self._paint('1', 'server'):6}\n")

    def _arrow(self, sent: bool, name: str, about: str, epoch: Epoch, codes: str = "1") -> None:
        """One line across, from the sender to the receiver: `-` is in the clear, `=` is encrypted."""
        self._open_lanes()
        now = time.perf_counter()
        self._began = now if self._began is None else self._began
        to_server = self._who(sent) == "client"
        stroke, colour = ("-" if epoch is Epoch.INITIAL else "="), ("34" if to_server else "35")
        tail, head = (stroke * 4, f"{stroke * 3}>") if to_server else (f"<{stroke * 3}", stroke * 4)
        between = stroke * (LANE - len(tail) - len(head) - len(name) - len(about) - 4)
        parts = [(colour, tail), ("", " "), (codes, name), ("", " "), (colour, between), ("", f" {about} ")]
        self._row([*parts, (colour, head)], f"{(now - self._began) * 1000:7.1f} ms")

    def _say(self, codes: str, text: str) -> None:
        for line in wrap(printable(text), LANE - 10):
            self._row([("", " " * 5), (codes, line)])

    def _change(self, codes: str, text: str) -> None:
        """What happens on one side, between two messages."""
        self._open_lanes()
        for number, line in enumerate(wrap(printable(text), LANE - 4)):
            self._row([(codes, "*** " if not number else "    "), (codes, line)])

    def _field(self, label: str, value: str) -> None:
        for number, line in enumerate(wrap(printable(value), LANE - 9 - LABEL_WIDTH)):
            self._row([("", " " * 7), ("2", f"{'' if number else label:{LABEL_WIDTH}}"), ("", line)])

    def _row(self, parts: Sequence[Part], when: str = "") -> None:
        """One line between the two lanes."""
        text = "".join(self._paint(codes, part) for codes, part in parts)
        room = LANE - sum(len(part) for _, part in parts)
        self._stream.write(f"{when:{TIME_WIDTH}}|{text}{' ' * room}|\n")

"""A connection, told as it happens: one paragraph for each message, each change of keys, each alert.

`Narrator` is a tls13.Tracer. What it says of a message comes from the decoded message itself (messages.py), what each
side knows by then from knowledge.py, and its fields and bytes from spans.py; how it looks is in lanes.py. Secrets come
to every tracer; this one lets them pass: what stands on a terminal is soon in somebody's bug report.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ..errors import AlertDescription, TLSError
from ..flow import Epoch
from ..trust.names import describe
from ..wire.messages import decode_handshake
from ..wire.registry import ContentType
from .dissect import Seen
from .knowledge import KEYS, of_message
from .lanes import Lanes
from .messages import DESCRIPTIONS, section_and_purpose
from .spans import message_fields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate as X509

    from ..crypto.suites import Suite
    from .terminal import Page

EPOCHS = {
    Epoch.INITIAL: "in the clear",
    Epoch.EARLY: "early data keys",
    Epoch.HANDSHAKE: "handshake keys",
    Epoch.APPLICATION: "application keys",
}
EARLY_KEYS = "they come from the PSK and the ClientHello alone: fresh in each connection, but without forward secrecy"
EARLY_DATA = "before anybody is authenticated: whoever records it can send it again (section 8)"
FIELDS, BYTES = 1, 2
"""How much detail: none of these, every field, or the bytes as well."""


class Narrator:
    """Writes the account of one side's connection to `page`, as it happens. is_client: whose side it is.

    detail: 0 tells what matters, FIELDS each field of each message, BYTES their bytes as well.
    """

    def __init__(self, page: Page, *, is_client: bool = True, detail: int = 0) -> None:
        self._lanes = Lanes(page)
        self._is_client = is_client
        self._detail = detail
        self._began: float | None = None
        self._epochs = {True: Epoch.INITIAL, False: Epoch.INITIAL}
        self._before: dict[bool, Seen] = {}
        self._received: Seen | None = None
        """A message whose lesson is not told yet: first it has to be believed."""
        self._round_trip = 0
        self._to_server = False

    # --- tls13.Tracer -----------------------------------------------------------------------------------------------

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        self._believe()
        try:
            message = decode_handshake(raw)
            message.judge()
        except TLSError as error:  # a watcher changes nothing: the handshake itself finds the same, and ends for it
            self._arrow(sent, f"a message of {len(raw)} bytes", EPOCHS[epoch], epoch)
            self._lanes.say("31", str(error))
            self._open(raw)
            return
        seen = Seen("message", self._who(sent) == "client", 0.0, [], raw, epoch, message)
        section, purpose = section_and_purpose(seen)
        about = f"{section}, {len(raw)} bytes, {EPOCHS[epoch]}"
        self._arrow(sent, type(message).__name__, about, epoch)
        self._lanes.say("3", purpose)
        fields = DESCRIPTIONS.get(type(message))
        for label, value in fields(message) if fields is not None else ():
            self._lanes.field(label, value)
        self._open(raw)
        self._received = seen
        if sent:
            self._believe()

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        self._believe()
        update = epoch is Epoch.APPLICATION is self._epochs[sent]
        first = epoch not in self._epochs.values()
        self._epochs[sent] = epoch
        aead = suite.code.name.removeprefix("TLS_").rpartition("_SHA")[0]
        keys = f"{aead}, {'new ' if update else ''}{EPOCHS[epoch]}"
        self._lanes.change("33", f"from here on the {self._who(sent)}'s records are encrypted with {keys}")
        if epoch is Epoch.EARLY:
            self._lanes.say("3", EARLY_KEYS)
        if update or first:
            known = KEYS["update" if update else epoch.name.lower()][3]
            self._lanes.sides(known.client, known.server)

    def secret(self, label: str, secret: bytes) -> None:
        """Secrets are not for a terminal."""

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        self._believe()
        size = f"{length} byte{'s' if length != 1 else ''}"
        if content_type == ContentType.change_cipher_spec:
            self._arrow(sent, "change_cipher_spec", f"appendix E.4, {size}, {EPOCHS[Epoch.INITIAL]}", Epoch.INITIAL)
            self._lanes.say("3", "means nothing: it makes this look like TLS 1.2 to what sits in between")
        else:
            self._arrow(sent, ContentType(content_type).name, f"section 5.2, {size}, {EPOCHS[epoch]}", epoch)
            if epoch is Epoch.EARLY:
                self._lanes.say("3", EARLY_DATA)

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        try:
            name = AlertDescription(description).name
        except ValueError:
            name = f"{int(description)}, which has no name here"
        closes = description in (AlertDescription.close_notify, AlertDescription.user_canceled)
        if sent and not closes:
            self._received = None
        self._believe()
        section, epoch = ("6.1" if closes else "6.2"), self._epochs[sent]
        codes = "1" if closes else "1;31"
        self._arrow(sent, f"alert {name}", f"section {section}, {EPOCHS[epoch]}", epoch, codes)
        if description == AlertDescription.close_notify:
            self._lanes.say("3", f"nothing more will come from the {self._who(sent)}")
        elif not closes:
            self._lanes.say("31", f"the {self._who(sent)} ends the connection")

    def verified(self, chain: Sequence[X509]) -> None:
        self._believe()
        names = " <- ".join(describe(certificate) for certificate in chain)
        self._lanes.change("32", f"chain verified: {names}, a trust anchor")

    # --- in the narrator's own words ----------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """A paragraph, from one side of the page to the other."""
        self._believe()
        self._lanes.note(text)

    def finish(self) -> None:
        """Close the page: what follows is not part of the account."""
        self._believe()
        self._lanes.finish()

    def _who(self, sent: bool) -> str:
        return "client" if sent == self._is_client else "server"

    def _arrow(self, sent: bool, name: str, about: str, epoch: Epoch, codes: str = "1") -> None:
        """A round trip begins when the client speaks after the server."""
        now = time.perf_counter()
        self._began = now if self._began is None else self._began
        to_server = self._who(sent) == "client"
        if to_server and not self._to_server:
            self._round_trip += 1
            self._lanes.divider(f"round trip {self._round_trip}")
        self._to_server = to_server
        self._lanes.arrow(_after(now - self._began), to_server, epoch is not Epoch.INITIAL, name, about, codes)

    def _open(self, raw: bytes) -> None:
        """As far as it is wanted."""
        if self._detail >= BYTES:
            self._lanes.octets(message_fields(raw), raw)
        elif self._detail:
            self._lanes.fields(message_fields(raw))

    def _believe(self) -> None:
        """What each of the two knows by the last message, and did not know before. It is told when the handshake has
        gone on: whoever refuses a message, which its alert says, has learnt nothing by it."""
        seen, self._received = self._received, None
        if seen is None:
            return
        known = of_message(seen, self._before.get(seen.to_server))
        self._before[seen.to_server] = seen
        self._lanes.sides(known.client, known.server)
        if self._detail:
            for sentence in known.wire:
                self._lanes.field("the wire sees", sentence)


def _after(seconds: float) -> str:
    return f"{seconds * 1000:7.1f} ms" if seconds < 99 else f"{seconds:8.1f} s"

"""The steps of a Story: what happened on the wire, one after the other, and what happened in both heads in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import AlertDescription
from ..flow import Epoch
from ..record_layer import WARNING
from ..wire.messages import (
    ClientHello,
    Finished,
    HelloRetryRequest,
    KeyUpdate,
    ServerHello,
    message_class,
)
from ..wire.registry import ContentType, HandshakeType
from .dissect import OLDER
from .knowledge import KEYS, Known, of_message
from .messages import DESCRIPTIONS, section_and_purpose
from .spans import alert_fields, message_fields
from .story import Step
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .dissect import Dissector, Seen
    from .schedule import When
    from .story import StepKind

CLOSING = (AlertDescription.close_notify, AlertDescription.user_canceled)
PREVIEW = 60
"""How many characters of application data are shown in a summary."""
EPOCHS = {epoch: epoch.name.lower() for epoch in Epoch}


def alert_name(code: int) -> str:
    try:
        return AlertDescription(code).name
    except ValueError:
        return f"unknown alert {code}"


def message_name(seen: Seen) -> str:
    """The message's, by its type, even if the rest of it does not decode."""
    kind = message_class(seen.raw) if seen.raw else None
    return kind.__name__ if kind is not None else str(HandshakeType(seen.raw[0]))


def is_warning(seen: Seen, read: Dissector) -> bool:
    """Whether it is an alert after which the connection may go on: before TLS 1.3 there were such (section 6)."""
    return seen.raw[:1] == bytes((WARNING,)) and read.hellos.is_other_version


def is_error(seen: Seen, read: Dissector) -> bool:
    """Whether it is an alert that ends the connection otherwise than by closing it."""
    whole = seen.kind == "alert" and len(seen.raw) == 2
    return whole and seen.raw[1] not in CLOSING and not is_warning(seen, read)


def client_refuses(read: Dissector) -> bool:
    """Whether the client ends the connection for an error before it has sent its Finished: it believes nothing then."""
    errors = (one for one in read.seen if one.to_server and is_error(one, read))
    return "client_finished" not in read.reaches and any(one.epoch is not Epoch.APPLICATION for one in errors)


class Steps:
    """Makes the steps of what was read; afterwards `moments` says in which step each moment of the schedule was."""

    def __init__(self, read: Dissector) -> None:
        self.read = read
        self.steps: list[Step] = []
        self.moments: dict[When, int] = {}
        self._round_trip = 1
        self._to_server = True
        self._hellos = 0
        self._refused = client_refuses(read)
        self._before: dict[bool, Seen] = {}
        """The last message of each direction."""

    def build(self, when: Mapping[str, When]) -> list[Step]:
        """`when`: the moment of each node of the schedule (schedule.py)."""
        for place, seen in enumerate(self.read.seen):
            self._count(seen)
            self._wire(place, seen)
            self._between(place, seen)
        for id, moment in when.items():
            step = self.moments.get(moment)
            if step is not None:
                self.steps[step].keys += (id,)
        return self.steps

    def _count(self, seen: Seen) -> None:
        """A round trip begins when the client speaks after the server."""
        if seen.to_server and not self._to_server:
            self._round_trip += 1
        self._to_server = seen.to_server

    def _add(self, kind: StepKind, seen: Seen, name: str, section: str, purpose: str, known: Known) -> Step:
        step = Step(
            id=len(self.steps),
            kind=kind,
            to_server=seen.to_server,
            time_ms=round(seen.time * 1000, 3),
            round_trip=self._round_trip,
            name=name,
            section=section,
            purpose=purpose,
            epoch=EPOCHS[seen.epoch],
            client_knows=known.client,
            server_knows=known.server,
            wire_sees=known.wire,
        )
        self.steps.append(step)
        return step

    # --- on the wire ------------------------------------------------------------------------------------------------

    def _wire(self, place: int, seen: Seen) -> None:
        make = {
            "message": self._message,
            "change_cipher_spec": self._change_cipher_spec,
            "application_data": self._application_data,
            "alert": self._alert,
            "sealed": self._sealed,
            "unread": self._unread,
            "rubbish": self._rubbish,
        }[seen.kind]
        step = make(seen)
        step.records, step.bytes, step.length = tuple(seen.records), seen.raw, len(seen.raw)
        self.moments[place] = step.id

    def _message(self, seen: Seen) -> Step:
        section, purpose = section_and_purpose(seen)
        if seen.message is None:
            refused = "" if self.read.hellos.is_other_version else ", and a peer refuses it"
            purpose = f"{purpose}; it is not as TLS 1.3 wants it{refused}"
        known = of_message(seen, self._before.get(seen.to_server))
        self._before[seen.to_server] = seen
        if self._refused and isinstance(seen.message, Finished) and not seen.to_server:
            known = known._replace(client=("nothing of that: it refuses this handshake",))
        step = self._add("message", seen, message_name(seen), _section(section), purpose, known)
        step.fields = message_fields(seen.raw)
        step.transcript_hash = seen.after
        describe = DESCRIPTIONS.get(type(seen.message)) if seen.message is not None else None
        if describe is not None and seen.message is not None:
            step.summary = tuple((label, printable(value)) for label, value in describe(seen.message))
        if isinstance(seen.message, ClientHello):
            self.moments.setdefault("start", step.id)
            self.moments["client_hello"] = step.id
        if isinstance(seen.message, Finished) and seen.epoch is not Epoch.APPLICATION:
            self.moments[f"{'client' if seen.to_server else 'server'}_finished_message"] = step.id
        return step

    def _change_cipher_spec(self, seen: Seen) -> Step:
        purpose = "means nothing in TLS 1.3: it makes the connection look like TLS 1.2 to what sits in between"
        known = Known(wire=("a record that TLS 1.2 would send here",))
        return self._add("change_cipher_spec", seen, "change_cipher_spec", "RFC 9846, E.4", purpose, known)

    def _application_data(self, seen: Seen) -> Step:
        early = seen.epoch is Epoch.EARLY
        purpose = "what the two wanted to say to each other"
        if early and self.read.rejects_early_data:
            purpose = "data before the handshake's end, which the server has thrown away unread (section 4.3.10)"
        elif early:
            purpose = "data before the handshake's end: whoever records it can send it again (section 8)"
        who = "client" if seen.to_server else "server"
        wire = ("that data flows, how much and when; padding can blur the length",)
        known = Known(wire=wire)
        name = "early data" if early else "application data"
        section = "RFC 9846, 4.3.10" if early else "RFC 9846, 5.2"
        step = self._add("application_data", seen, name, section, purpose, known)
        text = seen.raw[: PREVIEW * 2].decode("utf-8", "replace")[:PREVIEW]
        shown = printable(text) + ("..." if len(seen.raw) > PREVIEW else "")
        step.summary = (("from", f"the {who}"), ("length", f"{len(seen.raw)} bytes"), ("begins with", shown))
        return step

    def _alert(self, seen: Seen) -> Step:
        code = seen.raw[1] if len(seen.raw) == 2 else -1
        who = "client" if seen.to_server else "server"
        closes, warning = code in CLOSING, is_warning(seen, self.read)
        purpose = f"the {who} ends the connection: {alert_name(code)}"
        if code == AlertDescription.close_notify:
            purpose = f"nothing more will come from the {who}; whoever cuts the connection off cannot forge this"
        elif closes:
            purpose = f"the {who} gives up, without there being an error"
        elif warning:
            purpose = "a warning: before TLS 1.3 a connection may go on after it"
        wire = (f"the alert {alert_name(code)}, in the clear",) if seen.keys is None else ("a short encrypted record",)
        name = f"{'warning' if warning else 'alert'} {alert_name(code)}" if len(seen.raw) == 2 else "alert"
        section = "RFC 9846, 6.1" if closes else "RFC 9846, 6.2"
        step = self._add("alert", seen, name, section, purpose, Known(wire=wire))
        step.fields = alert_fields(seen.raw)
        level = {1: "warning", 2: "fatal"}.get(seen.raw[0], str(seen.raw[0])) if seen.raw else ""
        means = "" if self.read.hellos.is_other_version else ": it means nothing in TLS 1.3"
        step.summary = (("level", f"{level}{means}"), ("description", alert_name(code)))
        return step

    def _sealed(self, seen: Seen) -> Step:
        record = self.read.records[seen.records[0]]
        known = Known(wire=(f"{len(seen.raw)} bytes, of which 5 are a header that it can read",))
        name = "encrypted record"
        return self._add("application_data", seen, name, "RFC 9846, 5.2", f"not opened: {record.why}", known)

    def _unread(self, seen: Seen) -> Step:
        """Of another version: what is in it is not ours to say."""
        record = self.read.records[seen.records[-1]]
        kind = ContentType(record.frame.outer_type).name
        known = Known(wire=(f"its type and its length: {len(record.frame.body)} bytes after the header",))
        return self._add("application_data", seen, f"{kind} record", "RFC 9846, E.1", OLDER, known)

    def _rubbish(self, seen: Seen) -> Step:
        record = self.read.records[seen.records[-1]]
        purpose = record.why or "a handshake message that does not end, or a record of a type that must not be here"
        known = Known(wire=(f"{len(seen.raw)} bytes",))
        return self._add("application_data", seen, "bytes that make no sense here", "RFC 9846, 5.1", purpose, known)

    # --- in between -------------------------------------------------------------------------------------------------

    def _between(self, place: int, seen: Seen) -> None:
        """The changes of keys that follow a message."""
        message = seen.message
        if self.read.suite is None or message is None:
            return
        if isinstance(message, ClientHello):
            self._hellos += 1
            if self.read.hellos.offers_early_data and self._hellos == 1:
                self._keys("early", seen, "early_data")
        elif isinstance(message, ServerHello) and not isinstance(message, HelloRetryRequest):
            what = "handshake" if self.read.hellos.group_code is not None else "psk_ke"
            self._keys(what, seen, "server_hello")
        elif isinstance(message, Finished) and seen.epoch is not Epoch.APPLICATION:
            if seen.to_server:
                self._keys("resumption", seen, "client_finished")
            else:
                self._keys("application", seen, "server_finished")
        elif isinstance(message, KeyUpdate) and seen.keys is not None:
            self._keys("update", seen, place)

    def _keys(self, what: str, seen: Seen, moment: When) -> None:
        name, section, purpose, known = KEYS[what]
        if self._refused and what == "application":
            known = known._replace(client=())
        step = self._add("keys", seen, name, section, purpose, known)
        step.epoch = {"handshake": "handshake", "psk_ke": "handshake", "early": "early"}.get(what, "application")
        self.moments[moment] = step.id


def _section(text: str) -> str:
    """`section 4.2.2` -> `RFC 9846, 4.2.2`; what names another RFC stays."""
    return f"RFC 9846, {text.removeprefix('section ')}" if text.startswith("section ") else text

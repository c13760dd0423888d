"""From a Capture to its Story: read it, then tell it.

With `redact`, the story is told by somebody who knows no secret: nothing is crossed out afterwards, there is nothing
to cross out. So nothing can be forgotten, and a page made this way shows what anybody on the wire could have seen.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ..flow import Epoch
from ..wire.companions import CertificateStatus
from ..wire.extensions import EarlyDataIndication, PostHandshakeAuth, ProtocolNameList
from ..wire.messages import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    KeyUpdate,
)
from ..wire.registry import ExtensionType
from .chain import chain, opened_certificate
from .dissect import Keys, Record, Seen, dissect
from .dissect_frames import Shape
from .lessons import lessons
from .schedule import Graph, Schedule, key_ids
from .snippets import nonce
from .spans import inner_fields, record_fields
from .steps import EPOCHS, Steps, alert_name, is_error
from .story import Node, Protection, RecordTold, Sealed, Story
from .terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .capture import Capture
    from .dissect import Dissector

REDACTED = "left out, so that this can be shared"


def tell(capture: Capture, *, redact: bool = False) -> Story:
    """The Story of one connection. Never raises for what is in it."""
    if redact:
        capture = replace(capture, secrets={}, verified_chain=[])
    read = dissect(capture)
    graph = Schedule(read, read.suite).build() if read.suite is not None else None
    steps = Steps(read)
    told = steps.build(graph.when if graph is not None else {})
    nodes = _placed(graph, steps) if graph is not None else []
    if redact:
        _redact(nodes)
    negotiated = Negotiated(read)
    facts = negotiated.facts()
    return Story(
        title=_title(facts, capture),
        source=capture.source,
        client=capture.client,
        server=capture.server,
        redacted=redact,
        variant=tuple(negotiated.variants()),
        negotiated=facts,
        outcome=_outcome(read),
        steps=told,
        records=[_record(record, nodes) for record in read.records],
        schedule=nodes,
        chain=chain(read, capture.verified_chain, facts["server_name"]),
        lessons=lessons(capture, read),
        network=capture.network,
        notes=tuple(capture.notes),
    )


def _placed(graph: Graph, steps: Steps) -> list[Node]:
    """The nodes, each with the step in which it came into being."""
    for node in graph.nodes:
        node.step = steps.moments.get(graph.when[node.id])
    return graph.nodes


def _redact(nodes: list[Node]) -> None:
    """The values that are left are hashes of public messages and constants; the reason for the rest is another."""
    for node in nodes:
        if node.value is None:
            node.why_unknown = REDACTED


def _title(facts: dict[str, str | None], capture: Capture) -> str:
    words = [facts["server_name"] or capture.server, facts["cipher_suite"], facts["group"]]
    return ", ".join(word for word in words if word)


# --- records -------------------------------------------------------------------------------------------------------


def _record(record: Record, nodes: list[Node]) -> RecordTold:
    frame = record.frame
    protection: Protection | Sealed | None = None
    if record.keys is not None:
        protection = _protection(record, record.keys, {node.id for node in nodes})
    elif record.why:
        protection = Sealed(record.why)
    time_ms = round(frame.time * 1000, 3)
    return RecordTold(record.id, frame.to_server, time_ms, frame.raw, record_fields(frame.raw), protection)


def _protection(record: Record, keys: Keys, known: set[str]) -> Protection:
    key_node, iv_node = key_ids(keys.name)
    body, length = record.frame.body, keys.suite.tag_length
    return Protection(
        epoch=EPOCHS[keys.epoch],
        sequence=record.sequence,
        key_node=key_node if key_node in known else "",
        iv_node=iv_node if iv_node in known else "",
        key=keys.key,
        iv=keys.iv,
        nonce=keys.nonce(record.sequence),
        additional_data=record.frame.raw[:5],
        ciphertext=body[:-length],
        tag=body[-length:],
        inner=record.inner,
        inner_fields=inner_fields(record.inner),
        python=nonce(keys.iv, record.sequence),
    )


# --- what it came to -----------------------------------------------------------------------------------------------


def _outcome(read: Dissector) -> dict[str, str]:
    for seen in read.seen:
        if is_error(seen, read):
            who = "client" if seen.to_server else "server"
            text = f"the {who} ended the connection with the alert {alert_name(seen.raw[1])}"
            return {"kind": "alert", "text": text}
    if read.hellos.is_other_version:
        return {"kind": "unread", "text": "the server chose an older version, which is not read here"}
    if "client_finished" in read.reaches:
        closed = sorted("client" if one.to_server else "server" for one in read.seen if one.kind == "alert")
        end = f"; closed by {' and '.join(closed)}" if closed else ""
        return {"kind": "completed", "text": f"the handshake is complete{end}"}
    sealed = {seen.to_server for seen in read.seen if seen.kind == "sealed"}
    if len(sealed) == 2 and read.hellos.server is not None:
        text = "both sides sent encrypted records that cannot be opened here: how it ended is not seen"
        return {"kind": "completed", "text": text}
    cut = any(record.frame.shape is not Shape.RECORD for record in read.records)
    return {"kind": "cut", "text": "the bytes end in the middle" if cut else "the handshake was not completed"}


class Negotiated:
    """What the two agreed on, as far as it can be read."""

    def __init__(self, read: Dissector) -> None:
        self.read = read
        self.messages = [seen for seen in read.seen if seen.message is not None]
        self.extensions = next((m.message for m in self.messages if isinstance(m.message, EncryptedExtensions)), None)

    def facts(self) -> dict[str, str | None]:
        hellos = self.read.hellos
        name = hellos.client[0].server_name if hellos.client else None
        return {
            "cipher_suite": str(hellos.suite.code) if hellos.suite is not None else None,
            "group": str(hellos.group_code) if hellos.group_code is not None else None,
            "signature_scheme": self._scheme(),
            "alpn": self._alpn(),
            "server_name": printable(name) if name is not None else None,
            "psk": self._psk(),
            "early_data": self._early_data(),
        }

    def _scheme(self) -> str | None:
        for seen in self.messages:
            if isinstance(seen.message, CertificateVerify) and not seen.to_server:
                return str(seen.message.algorithm)
        return None

    def _alpn(self) -> str | None:
        names = self.extensions.extensions.get(ProtocolNameList) if self.extensions is not None else None
        if names is None or not names.protocol_name_list:
            return None
        return printable(names.protocol_name_list[0].decode("ascii", "backslashreplace"))

    def _psk(self) -> str | None:
        """What was used: the kind of PSK, and the mode."""
        kind = self.read.psk_kind
        if kind is None:
            return None
        return f"{kind.name.lower()}, {'psk_dhe_ke' if self.read.hellos.group_code is not None else 'psk_ke'}"

    def _early_data(self) -> str | None:
        if not self.read.hellos.offers_early_data:
            return None
        if self.extensions is None:
            return "rejected" if self.read.hellos.retry is not None else None
        accepted = self.extensions.extensions.get(EarlyDataIndication) is not None
        return "accepted" if accepted else "rejected"

    def variants(self) -> Iterator[str]:
        """In the order in which they change the picture."""
        hellos, facts = self.read.hellos, self.facts()
        if hellos.is_other_version:
            yield "older version"
        if hellos.retry is not None:
            yield "HelloRetryRequest"
        psk = facts["psk"] or ""
        if psk:
            yield "resumption" if psk.startswith("resumption") else "external PSK"
        if facts["early_data"]:
            yield f"0-RTT {facts['early_data']}"
        if hellos.retry is None and not psk and hellos.server is not None:
            yield "1-RTT"
        if "MLKEM" in (facts["group"] or ""):
            yield "post-quantum key exchange"
        yield from self._authentication()
        if any(isinstance(seen.message, KeyUpdate) for seen in self.messages):
            yield "KeyUpdate"
        if any(seen.kind == "change_cipher_spec" for seen in self.read.seen):
            yield "middlebox compatibility"
        outcome = _outcome(self.read)
        if outcome["kind"] == "alert":
            yield f"alert {outcome['text'].rpartition(' ')[2]}"

    def _authentication(self) -> Iterator[str]:
        seen = self.messages
        if any(isinstance(one.message, CompressedCertificate) for one in seen):
            yield "certificate compression"
        shown = [message for one in seen if not one.to_server and (message := opened_certificate(one)) is not None]
        entries = [entry for message in shown for entry in message.certificate_list]
        if any(entry.extensions.find(CertificateStatus.extension_type) is not None for entry in entries):
            yield "OCSP stapling"
        if any(entry.extensions.find(ExtensionType.delegated_credential) is not None for entry in entries):
            yield "delegated credential"
        answers = [
            one for one in seen if one.to_server and isinstance(one.message, Certificate | CompressedCertificate)
        ]
        if any(_in_handshake(one) and _shows_something(one) for one in answers):
            yield "mutual TLS"
        requests = [one for one in seen if isinstance(one.message, CertificateRequest) and not _in_handshake(one)]
        hello = next((one.message for one in seen if isinstance(one.message, ClientHello)), None)
        if requests and hello is not None and hello.extensions.get(PostHandshakeAuth) is not None:
            yield "post-handshake authentication"


def _shows_something(seen: Seen) -> bool:
    certificate = opened_certificate(seen)
    return certificate is not None and bool(certificate.certificate_list)


def _in_handshake(seen: Seen) -> bool:
    return seen.epoch is not Epoch.APPLICATION

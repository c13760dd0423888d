"""A Story: everything that a learner can look at in one connection, as plain data.

It is made once (telling.py) from a Capture, and then only shown: by the page, by `tls13 explain --json`, by a diff of
two. Nothing that shows it computes anything, so what is shown is what was on the wire and what followed from it.

The names of the fields are the names in the JSON. Byte strings are `bytes` here and hexadecimal there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .spans import Field

Octets = bytes
"""By another name, for the classes that have a field `bytes`."""
Pairs = tuple[tuple[str, str], ...]
StepKind = Literal["message", "change_cipher_spec", "application_data", "alert", "keys"]
NodeKind = Literal["input", "extract", "derive", "expand", "hash", "mac"]
VERSION = 1


@dataclass(slots=True)
class Step:
    """Something that happened: on the wire, or ("keys") in both heads after it."""

    id: int
    kind: StepKind
    to_server: bool
    time_ms: float
    round_trip: int
    name: str
    section: str
    purpose: str
    epoch: str
    records: tuple[int, ...] = ()
    length: int = 0
    summary: Pairs = ()
    bytes: Octets = b""
    fields: Field | None = None
    client_knows: tuple[str, ...] = ()
    server_knows: tuple[str, ...] = ()
    wire_sees: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    transcript_hash: Octets | None = None


@dataclass(slots=True)
class Protection:
    """How a record was opened (section 5.2)."""

    epoch: str
    sequence: int
    key_node: str
    iv_node: str
    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)
    nonce: bytes
    additional_data: bytes
    ciphertext: bytes
    tag: bytes
    inner: bytes
    inner_fields: Field
    python: str = field(repr=False)
    opened: bool = True


@dataclass(slots=True)
class Sealed:
    """A record that does not open."""

    why: str
    opened: bool = False


@dataclass(slots=True)
class RecordTold:
    """`protection`: None for a record in the clear."""

    id: int
    to_server: bool
    time_ms: float
    bytes: Octets
    fields: Field
    protection: Protection | Sealed | None


@dataclass(slots=True)
class Node:
    """A value of the key schedule. `inputs`: the ids of the values that it is made of; those come before it."""

    id: str
    name: str
    kind: NodeKind
    inputs: tuple[str, ...]
    label: str
    rfc: str
    section: str
    meaning: str
    value: bytes | None = field(repr=False)
    why_unknown: str | None = None
    transcript_hash: bytes | None = None
    step: int | None = None
    python: str | None = field(default=None, repr=False)
    shell: str | None = field(default=None, repr=False)


@dataclass(slots=True)
class CertificateTold:
    """One of a chain. `signed_by`: its issuer's place in the chain. `shown_by`: "server" or "client"."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    key: str
    signature: str
    serial: str
    role: str
    signed_by: int | None
    checks: Pairs
    bytes: Octets
    fields: Field
    shell: str | None
    shown_by: str = "server"


@dataclass(slots=True)
class Lesson:
    """Why something matters, `shown` with this connection's own values."""

    id: str
    title: str
    text: tuple[str, ...]
    shown: Pairs
    python: str | None = None


@dataclass(slots=True)
class Story:
    """`negotiated`: see NEGOTIATED for its keys. `outcome`: "kind" (completed, alert, cut or unread) and "text"."""

    title: str
    source: str
    client: str
    server: str
    redacted: bool
    variant: tuple[str, ...]
    negotiated: dict[str, str | None]
    outcome: dict[str, str]
    steps: list[Step]
    records: list[RecordTold]
    schedule: list[Node]
    chain: list[CertificateTold]
    lessons: list[Lesson]
    network: dict[str, object] | None
    notes: tuple[str, ...] = ()
    version: int = VERSION

    def to_json(self) -> dict[str, object]:
        """For json.dumps."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}


NEGOTIATED = ("cipher_suite", "group", "signature_scheme", "alpn", "server_name", "psk", "early_data")


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    return value

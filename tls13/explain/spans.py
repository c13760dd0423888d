"""Bytes with their names: every byte of a message in exactly one leaf.

Nothing is parsed a second time here. A message is walked along the codecs of its declaration (tls13/wire/codec.py),
the same that decode it for the engine, and each says where its field ends; only the names, the values in words and
the meanings are added. Where an endpoint would refuse, the walk ends in one leaf that says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import AlertDescription, DecodeError, TLSError
from ..wire.codec import Codec, Enumerated, Fixed, Nested, Opaque, Rest, Struct, UInt, Vector
from ..wire.compression import available_algorithms, decompress
from ..wire.extensions import BODIES, ExtensionBlock
from ..wire.messages import Certificate, CompressedCertificate, message_class
from ..wire.registry import CodePoint, ContentType, ExtensionType, HandshakeType, ProtocolVersion
from .meanings import FIELDS, MESSAGES, word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..wire.extensions import Place

TEXTS = ("host_name", "protocol_name_list")
"""Opaque fields that hold text."""
RFC_9846 = "RFC 9846, "
_SECTIONS: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Field:
    """Some bytes and what they are. `start` and `end` count from the first of the bytes that were given. A field's
    children cover it exactly, in order; without any it is a leaf."""

    name: str
    start: int
    end: int
    type: str
    value: str
    meaning: str
    section: str
    fields: tuple[Field, ...] = ()


def spans(kind: type[Struct] | Codec, data: bytes, name: str = "") -> Field:
    """All of `data`, as one struct or whatever a codec reads. Never raises for what is in it."""
    codec = Nested(kind) if isinstance(kind, type) else kind
    owner = kind.__name__ if isinstance(kind, type) else ""
    field, end = _Walk(data).field(codec, name or owner, owner, RFC_9846 + "3", 0, len(data))
    return _whole(field, end, data)


def _whole(field: Field, end: int, data: bytes) -> Field:
    """With a leaf for what nobody has read."""
    if end == len(data):
        return field
    return replace(field, end=len(data), fields=(*field.fields, undecodable(end, len(data), "bytes left over")))


def undecodable(start: int, end: int, why: str) -> Field:
    """A leaf for bytes that an endpoint would refuse."""
    return Field("undecodable", start, end, "opaque", size(end - start), f"Does not decode: {why}.", RFC_9846 + "6.2")


def size(length: int) -> str:
    return f"{length} byte{'s' if length != 1 else ''}"


def shifted(field: Field, by: int) -> Field:
    """The same field, `by` bytes further on."""
    inner = tuple(shifted(one, by) for one in field.fields)
    return replace(field, start=field.start + by, end=field.end + by, fields=inner)


def section_of(kind: type[Struct]) -> str:
    """Where a struct is defined: its docstring begins with that."""
    if kind.__name__ not in _SECTIONS:
        _SECTIONS[kind.__name__] = _read_section(kind)
    return _SECTIONS[kind.__name__]


def _read_section(kind: type[Struct]) -> str:
    found = re.match(r"(?:RFC (\d+), )?[Ss]ection ([0-9A-E.]*[0-9])|RFC (\d+)", kind.__doc__ or "")
    if found is None:
        return RFC_9846 + "4"
    if found[3] is not None:
        return f"RFC {found[3]}"
    return f"RFC {found[1] or '9846'}, {found[2]}"


class _Walk:
    """Along the codecs, over one piece of bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def field(self, codec: Codec, name: str, owner: str, section: str, at: int, end: int) -> tuple[Field, int]:
        """The field that starts at `at`, and where it ends. `owner`: the struct whose field it is."""
        if isinstance(codec, Nested):
            return self.struct(codec.struct, name, owner, at, end)
        if isinstance(codec, ExtensionBlock):
            return self.extensions(codec, name, owner, section, at, end)
        if isinstance(codec, Vector):
            return self.vector(codec, name, owner, section, at, end)
        if isinstance(codec, Opaque):
            return self.opaque(codec, name, owner, section, at, end)
        value, stop = codec.decode(self.data, at, end)
        meaning = FIELDS.get(owner, {}).get(_base(name), "")
        if isinstance(codec, Enumerated):
            about = word(value)
            meaning = about or meaning if "[" in name else " ".join(filter(None, (meaning, about)))
        return Field(name, at, stop, _type(codec, name), _words(codec, value), meaning, section), stop

    def struct(self, kind: type[Struct], name: str, owner: str, at: int, end: int) -> tuple[Field, int]:
        """Field by field; the first that does not decode takes all that is left."""
        start, section, found = at, section_of(kind), []
        for inner, codec in kind.fields:
            if at == end and inner == "extensions":
                break  # a hello of an older version may do without
            try:
                field, at = self.field(codec, inner, kind.__name__, section, at, end)
            except DecodeError as error:
                if at < end:
                    found.append(undecodable(at, end, error.detail))
                at = end
                break
            if field.start < field.end:  # nothing is no leaf
                found.append(field)
        meaning = FIELDS.get(owner, {}).get(_base(name), "") or MESSAGES.get(kind.__name__, "")
        value = ", ".join(one.value for one in found if one.name in ("group", "host_name"))
        return Field(name, start, at, f"struct {kind.rfc_name}", value, meaning, section, tuple(found)), at

    def opaque(self, codec: Opaque, name: str, owner: str, section: str, at: int, end: int) -> tuple[Field, int]:
        start, stop = codec.scope(self.data, at, end)
        content = self.data[start:stop]
        meaning = FIELDS.get(owner, {}).get(_base(name), "")
        value = _text(content) if _base(name) in TEXTS else size(len(content))
        leaves = [self.length(name, at, start, section)]
        if content:
            leaves += self.content(name, owner, section, start, stop, value)
        return Field(name, at, stop, _type(codec, name), value, meaning, section, tuple(leaves)), stop

    def content(self, name: str, owner: str, section: str, start: int, stop: int, value: str) -> Iterator[Field]:
        """What is in an opaque field, where we know a way in."""
        content = self.data[start:stop]
        if name == "cert_data" and content[0] == 0x30:
            from .x509_fields import certificate_fields

            yield shifted(certificate_fields(content), start)
        else:
            meaning = FIELDS.get(owner, {}).get(_base(name), "")
            yield Field("content", start, stop, "opaque", value, meaning, section)

    def length(self, name: str, at: int, start: int, section: str) -> Field:
        number = int.from_bytes(self.data[at:start], "big")
        meaning = f"How many bytes of {_base(name)} follow."
        return Field("length", at, start, f"uint{8 * (start - at)}", str(number), meaning, section)

    def vector(self, codec: Vector, name: str, owner: str, section: str, at: int, end: int) -> tuple[Field, int]:
        start, stop = codec.scope(self.data, at, end)
        found, place = [self.length(name, at, start, section)], start
        while place < stop:
            element = f"{name}[{len(found) - 1}]"
            try:
                field, place = self.field(codec.element, element, owner, section, place, stop)
            except DecodeError as error:
                field, place = undecodable(place, stop, error.detail), stop
            found.append(replace(field, name=f"[{len(found) - 1}]"))
        meaning = FIELDS.get(owner, {}).get(name, "")
        return Field(name, at, stop, _type(codec, name), _listed(found[1:]), meaning, section, tuple(found)), stop

    # --- extensions: section 4.3 --------------------------------------------------------------------------------------

    def extensions(
        self, codec: ExtensionBlock, name: str, owner: str, section: str, at: int, end: int
    ) -> tuple[Field, int]:
        start, stop = codec.scope(self.data, at, end)
        found, place = [self.length(name, at, start, section)], start
        while place < stop:
            after = place + 4 + int.from_bytes(self.data[place + 2 : place + 4], "big")
            if place + 4 > stop or after > stop:
                found.append(undecodable(place, stop, "an extension that is longer than what is left"))
                break
            found.append(self.extension(codec.place, place, after))
            place = after
        meaning = FIELDS.get(owner, {}).get(name, "")
        value = f"{len(found) - 1}: {_listed(found[1:])}" if len(found) > 1 else "none"
        return Field(name, at, stop, codec.declaration(name), value, meaning, section, tuple(found)), stop

    def extension(self, place: Place, at: int, end: int) -> Field:
        number = ExtensionType(int.from_bytes(self.data[at : at + 2], "big"))
        kind, section = BODIES.get((place, number)), RFC_9846 + "4.3"
        meaning = word(number)
        head = (
            Field("extension_type", at, at + 2, "ExtensionType", str(number), meaning, section),
            self.length("extension_data", at + 2, at + 4, section),
        )
        body: tuple[Field, ...] = ()
        if kind is not None:
            section = section_of(kind)
            inner, stop = self.struct(kind, "extension_data", "", at + 4, end)
            body = inner.fields
            if stop < end:
                body = (*body, undecodable(stop, end, "bytes left over"))
        elif end > at + 4:
            body = (Field("extension_data", at + 4, end, "opaque", size(end - at - 4), meaning, section),)
        value = next((one.value for one in body if one.name != "undecodable"), "")
        return Field(str(number), at, end, "struct Extension", value, meaning, section, (*head, *body))


def _base(name: str) -> str:
    """Without the place in a vector."""
    return name.partition("[")[0]


def _type(codec: Codec, name: str) -> str:
    """In the presentation language. Elements of a vector go by their type alone."""
    if isinstance(codec, Enumerated | UInt) or "[" in name:
        return getattr(codec, "alias", "") or codec.type_name
    return codec.declaration(name)


def _words(codec: Codec, value: object) -> str:
    if isinstance(value, CodePoint):
        return str(value)
    if isinstance(codec, Fixed | Rest) and isinstance(value, bytes):
        return f"{value.hex()[:16]}..." if len(value) > 8 else value.hex()
    return str(value)


def _text(content: bytes) -> str:
    """Of the peer's choice: nothing in it may steer a terminal."""
    text = content.decode("ascii", "backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in text)


def _listed(found: list[Field]) -> str:
    shown = ", ".join(one.value or one.name if one.type != "struct Extension" else one.name for one in found[:4])
    return shown + (f" and {len(found) - 4} more" if len(found) > 4 else "")


# --- whole messages and records ---------------------------------------------------------------------------------------


def message_fields(raw: bytes) -> Field:
    """A whole handshake message with its header (RFC 9846, section 4)."""
    section = RFC_9846 + "4"
    if len(raw) < 4:
        return undecodable(0, len(raw), "a handshake message has at least 4 bytes")
    kind = message_class(raw)
    name = kind.__name__ if kind is not None else str(HandshakeType(raw[0]))
    about = MESSAGES.get(name, "A message of a type that is not known here.")
    head = (
        Field("msg_type", 0, 1, "HandshakeType", str(HandshakeType(raw[0])), about, section),
        Field("length", 1, 4, "uint24", str(int.from_bytes(raw[1:4], "big")), "How many bytes follow.", section),
    )
    body: tuple[Field, ...] = ()
    if kind is not None:
        inner, end = _Walk(raw).struct(kind, name, "", 4, len(raw))
        body = _whole(inner, end, raw).fields
        if kind is CompressedCertificate and body:
            body = _decompressed(raw, body)
    elif len(raw) > 4:
        body = (Field("body", 4, len(raw), "opaque", size(len(raw) - 4), about, section),)
    meaning = about if kind is None else f"{about} A handshake message has a type, a length and a body."
    return Field(name, 0, len(raw), "struct Handshake", "", meaning, section_of(kind) if kind else section, head + body)


def _decompressed(raw: bytes, body: tuple[Field, ...]) -> tuple[Field, ...]:
    """What is in a CompressedCertificate has no bytes of its own here: it is told in the words of the last field."""
    try:
        data = unpacked(CompressedCertificate.decode(raw[4:]))
        entries = Certificate.decode(data).certificate_list
    except TLSError as error:
        told = f"does not unpack: {error}"
    else:
        told = f"a Certificate of {size(len(data))} with {len(entries)} certificate{'s' if len(entries) != 1 else ''}"
    return (*body[:-1], replace(body[-1], value=f"{body[-1].value}: {told}"))


def unpacked(message: CompressedCertificate) -> bytes:
    """The Certificate in it (RFC 8879). Raises TLSError if it does not unpack, or if we cannot."""
    if message.algorithm not in available_algorithms():
        raise DecodeError(f"it is compressed with {message.algorithm}, which is not installed here")
    length = min(message.uncompressed_length, MOST_UNPACKED)
    return decompress(message.algorithm, message.compressed_certificate_message, length)


MOST_UNPACKED = 2**20
"""Bytes. No chain is longer, and a bomb is not set off for the sake of a page."""


def record_fields(raw: bytes) -> Field:
    """A record with its header (RFC 9846, sections 5.1 and 5.2); what is no whole record is one leaf."""
    section = RFC_9846 + "5.1"
    if len(raw) < 5 or raw[0] not in range(20, 25) or int.from_bytes(raw[3:5], "big") != len(raw) - 5:
        return Field("bytes", 0, len(raw), "opaque", size(len(raw)), "No whole record of TLS.", section)
    kind, sealed = ContentType(raw[0]), raw[0] == ContentType.application_data
    name = "TLSCiphertext" if sealed else "TLSPlaintext"
    version = ProtocolVersion(int.from_bytes(raw[1:3], "big"))
    outer = "Says application_data whatever is inside: the real type is encrypted." if sealed else "What is inside."
    body = Field("encrypted_record", 5, len(raw), "opaque", size(len(raw) - 5), ENCRYPTED, RFC_9846 + "5.2")
    if not sealed:
        body = Field(
            "fragment",
            5,
            len(raw),
            "opaque",
            size(len(raw) - 5),
            PLAIN.get(kind, "Of a type that TLS 1.3 does not have."),
            section,
        )
    head = (
        Field("opaque_type" if sealed else "type", 0, 1, "ContentType", str(kind), outer, section),
        Field("legacy_record_version", 1, 3, "ProtocolVersion", str(version), VERSION, section),
        Field("length", 3, 5, "uint16", str(len(raw) - 5), "How many bytes follow, at most 2^14 + 256.", section),
    )
    fields = (*head, body) if len(raw) > 5 else head
    return Field(name, 0, len(raw), f"struct {name}", str(kind), "A record: what TCP carries.", section, fields)


ENCRYPTED = "What the AEAD has made of the content, its type and padding; the last bytes are the tag."
VERSION = "Means nothing: 1.2 for ever, or 1.0 on a first ClientHello, for old boxes on the way."
PLAIN = {
    ContentType.handshake: "Handshake bytes: messages may share a record, and one may take several.",
    ContentType.alert: "An alert, in the clear.",
    ContentType.change_cipher_spec: "One byte, 1, for boxes in between that expect TLS 1.2 (RFC 9846, appendix E.4).",
}


def inner_fields(plain: bytes) -> Field:
    """TLSInnerPlaintext: content, type, zeros (RFC 9846, section 5.2)."""
    section = RFC_9846 + "5.2"
    content = plain.rstrip(b"\0")
    found = []
    if len(content) > 1:
        about = "The content: what the record is for."
        found.append(Field("content", 0, len(content) - 1, "opaque", size(len(content) - 1), about, section))
    if content:
        kind = str(ContentType(content[-1]))
        about = "The real type, the last byte that is not zero."
        found.append(Field("type", len(content) - 1, len(content), "ContentType", kind, about, section))
    if len(content) < len(plain):
        zeros = size(len(plain) - len(content))
        about = "Padding: hides how long the content is."
        found.append(Field("zeros", len(content), len(plain), "uint8 zeros[]", zeros, about, RFC_9846 + "5.4"))
    about = "What was encrypted."
    kind = "struct TLSInnerPlaintext"
    return Field("TLSInnerPlaintext", 0, len(plain), kind, size(len(plain)), about, section, tuple(found))


def alert_fields(raw: bytes) -> Field:
    """An alert: level and description (RFC 9846, section 6)."""
    section = RFC_9846 + "6"
    if len(raw) != 2:
        return undecodable(0, len(raw), "an alert has two bytes")
    try:
        name = AlertDescription(raw[1]).name
    except ValueError:
        name = f"unknown alert {raw[1]}"
    level = {1: "warning", 2: "fatal"}.get(raw[0], str(raw[0]))
    fields = (
        Field("level", 0, 1, "AlertLevel", level, "Means nothing in TLS 1.3: the description alone decides.", section),
        Field("description", 1, 2, "AlertDescription", name, "Why the connection ends.", section),
    )
    return Field(
        "Alert", 0, 2, "struct Alert", name, "The sender ends the connection, or its half of it.", section, fields
    )

"""A certificate opened to its bytes: ASN.1's tags and lengths, with the names of RFC 5280.

This shows and decides nothing: what is believed is decided by tls13/trust. So it is a walk over tag, length and value
that takes whatever comes, beside the names that RFC 5280 gives to each place (x509_words.py); where the bytes are not
what the RFC has there, the names end and the bare tags go on. Every byte is in exactly one leaf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .spans import Field, size, undecodable
from .x509_values import address, bit_string, integer, oid, text, time, usages
from .x509_words import ANY, CERTIFICATE, EXTENSION_VALUES, KEY, MEANINGS, TAGS, Place, Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

CONSTRUCTED, CONTEXT = 0x20, 0x80
DEEPEST = 24
"""How many elements may be inside each other before the rest is one leaf."""
SECTION = "RFC 5280, 4.1"


def certificate_fields(der: bytes) -> Field:
    """A certificate, in DER; or the bare key that may stand in its place (RFC 7250). Never raises for what is in it."""
    walk = _Walk(der)
    place = Place("Certificate", shape=CERTIFICATE)
    if walk.is_key():
        place = Place("subjectPublicKeyInfo", shape=KEY, section="RFC 7250, 3")
    found = list(walk.elements(0, len(der), (place,), "Certificate", SECTION, 0))
    if len(found) == 1:
        return found[0]
    return Field("Certificate", 0, len(der), "opaque", size(len(der)), MEANINGS["Certificate"], SECTION, tuple(found))


class _Element(NamedTuple):
    """Where the parts of one element are. `number`: of the tag, without its class."""

    tag: int
    number: int
    content: int
    end: int


class _Walk:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.extension = ""
        """The dotted OID of the extension that is being walked."""

    def is_key(self) -> bool:
        """A SubjectPublicKeyInfo has two parts, and the second is a BIT STRING; a certificate has three."""
        whole = self.element(0, len(self.data))
        if isinstance(whole, str):
            return False
        tags, at = [], whole.content
        while not isinstance(part := self.element(at, whole.end), str):
            tags.append(part.tag)
            at = part.end
        return tags == [0x30, 0x03]

    def element(self, at: int, end: int) -> _Element | str:
        """The header of the element at `at`; or why there is none."""
        data = self.data
        if at + 2 > end:
            return "an element has a tag and a length"
        tag, length, content = data[at], data[at + 1], at + 2
        if tag & 0x1F == 0x1F:
            return "a tag of several bytes, which no certificate has"
        if length & 0x80:
            octets = length & 0x7F
            if not 1 <= octets <= 4 or content + octets > end:
                return "a length that DER does not have"
            length = int.from_bytes(data[content : content + octets], "big")
            content += octets
        if content + length > end:
            return "an element that is longer than what it is in"
        return _Element(tag, tag & 0x1F, content, content + length)

    def elements(
        self, at: int, end: int, places: tuple[Place, ...], owner: str, section: str, depth: int
    ) -> Iterator[Field]:
        """One after the other, each with the name of its place; without places left, with the name of its tag."""
        left = list(places)
        while at < end:
            one = self.element(at, end)
            if isinstance(one, str):
                yield undecodable(at, end, one)
                return
            place = _take(left, one)
            yield self.field(one, at, place, owner, section, depth)
            at = one.end

    def field(self, one: _Element, at: int, place: Place, owner: str, section: str, depth: int) -> Field:
        name = place.name or owner
        section = place.section or section
        meaning = MEANINGS.get(place.name) or MEANINGS.get(owner) or f"A part of {owner}."
        kind = TAGS.get(one.tag, f"[{one.number}]")
        about = f"ASN.1's tag ({kind}) and the length, {size(one.end - one.content)}."
        head = Field("tag, length", at, one.content, "DER", kind, about, section)
        if one.content == one.end:
            return Field(name, at, one.end, kind, "", meaning, section, (head,))
        inner = tuple(self.inside(one, place, name, section, depth))
        value = self.value(one, place)
        if name == "extnID":
            self.extension = oid(self.data[one.content : one.end])[0]
        if not inner:
            inner = (Field("value", one.content, one.end, kind, value, meaning, section),)
        if name == "AttributeTypeAndValue" and len(inner) == 2:
            value = f"{inner[0].value}={inner[1].value}"
        elif name == "extnValue":
            value = inner[0].value
        elif name == "Extension":
            value, section = inner[0].value, EXTENSION_VALUES.get(self.extension, (section, ANY))[0]
            meaning = MEANINGS.get(value, meaning)
        return Field(name, at, one.end, kind, value or _summed(inner), meaning, section, (head, *inner))

    def inside(self, one: _Element, place: Place, name: str, section: str, depth: int) -> Iterator[Field]:
        """What is in a constructed element, and in the octet and bit strings that hold DER again."""
        shape = place.shape or ANY
        start = one.content
        if name == "extnValue":
            where, inner = EXTENSION_VALUES.get(self.extension, (section, ANY))
            yield from self.wrapped(start, one.end, inner, name, where, depth)
        elif shape.wrapped and self.data[start] == 0:
            about = "How many bits at the end do not count: none."
            yield Field("unused bits", start, start + 1, "uint8", "0", about, section)
            yield from self.wrapped(start + 1, one.end, shape, name, section, depth)
        elif one.tag & CONSTRUCTED and depth < DEEPEST:
            places = shape.places
            if shape.of is not None:
                places = (shape.of,) * 256
            yield from self.elements(start, one.end, places, name, section, depth + 1)

    def wrapped(self, at: int, end: int, shape: Shape, owner: str, section: str, depth: int) -> Iterator[Field]:
        """DER in a string; or one leaf, if it is none."""
        found = self.element(at, end)
        if isinstance(found, str) or found.end != end or depth >= DEEPEST:
            meaning = MEANINGS.get(owner, f"A part of {owner}.")
            yield Field("value", at, end, "opaque", size(end - at), meaning, section)
            return
        yield from self.elements(at, end, (Place(shape.name, shape=shape),), owner, section, depth + 1)

    def value(self, one: _Element, place: Place) -> str:
        """In words."""
        content = self.data[one.content : one.end]
        if place.name == "KeyUsage":
            return usages(content)
        if one.tag == 0x06:
            return oid(content)[1]
        if one.tag == 0x87 and place.text:
            return address(content)
        if one.tag in (0x02, 0x0A):
            return integer(content)
        if one.tag == 0x01:
            return "TRUE" if any(content) else "FALSE"
        if one.tag in (0x17, 0x18):
            return time(content)
        if one.tag == 0x03:
            return bit_string(content)
        if one.tag in (0x0C, 0x13, 0x16, 0x14, 0x1E) or (one.tag & 0xC0 == CONTEXT and place.text):
            return text(content)
        if one.tag & CONSTRUCTED:
            return ""
        return f"{content.hex()[:40]}{'...' if len(content) > 20 else ''}"


def _take(left: list[Place], one: _Element) -> Place:
    """The next place that this element can be in; those before it were optional and are not there."""
    for number, place in enumerate(left):
        if place.fits(one.tag):
            del left[: number + 1]
            return place
        if not place.optional:
            break
    left.clear()
    return Place(TAGS.get(one.tag, f"[{one.number}]"))


def _summed(inner: tuple[Field, ...]) -> str:
    """Of a constructed element: its first few values."""
    values = [one.value for one in inner if one.value and one.name not in ("tag, length", "unused bits")]
    return ", ".join(values[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")

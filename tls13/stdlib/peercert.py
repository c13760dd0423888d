"""The dict of ssl.SSLSocket.getpeercert, field by field as CPython makes it with OpenSSL.

Programs compare these dicts and print them, so all of OpenSSL's habits are part of it: its long names for attributes, a
serial number in capital hexadecimal digits, an IPv6 address without `::`, "<unsupported>" for what it does not show,
and nothing at all for an extension that it cannot read. `cryptography` parses more strictly and forgets how a string
was written, so names are read here from their DER, with a reader of a few lines; whether any of it may be believed was
decided before, in trust/.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.x509.oid import ExtensionOID

from .. import errors
from ..trust.der import raw_extension

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from cryptography import x509

Attribute = tuple[str, str | bytes]
Name = tuple[tuple[Attribute, ...], ...]

VERSION = 0xA0
BIT_STRING = 0x03
ENCODINGS = {0x0C: "utf-8", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
"""UTF8String, UniversalString, BMPString; all others have one byte a character (T61String too, as OpenSSL reads it)."""

OTHER_NAME, EMAIL, DNS, X400, DIRECTORY, EDI_PARTY, URI, ADDRESS, REGISTERED = (
    0xA0, 0x81, 0x82, 0xA3, 0xA4, 0xA5, 0x86, 0x87, 0x88)  # fmt: skip
"""The tags of a GeneralName (RFC 5280, section 4.2.1.6)."""
TEXTS = {EMAIL: "email", DNS: "DNS", URI: "URI"}
UNSUPPORTED = {X400: "X400Name", EDI_PARTY: "EdiPartyName"}
UTF8, IA5 = 0x0C, 0x16
OTHER_NAMES = {
    "1.3.6.1.4.1.311.20.2.3": ("UPN", UTF8),
    "1.3.6.1.5.5.7.8.5": ("XmppAddr", UTF8),
    "1.3.6.1.5.5.7.8.7": ("SRVName", IA5),
    "1.3.6.1.5.5.7.8.8": ("NAIRealm", UTF8),
    "1.3.6.1.5.5.7.8.9": ("SmtpUTF8Mailbox", UTF8),
}
"""The otherNames that OpenSSL 3 shows, and the string type without which it does not."""
FULL_NAME = 0xA0

OCSP, CA_ISSUERS = bytes.fromhex("2b06010505073001"), bytes.fromhex("2b06010505073002")
"""Access methods (RFC 5280, section 4.2.2.1), as the content of their OBJECT IDENTIFIER."""

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
SERIAL_LINE = 70
"""Digits after which OpenSSL breaks the line, and CPython reads no further. RFC 5280 allows 40."""


def peercert(certificate: x509.Certificate) -> dict[str, object]:
    """subject, issuer, version, serialNumber, notBefore and notAfter, and what there is of subjectAltName, OCSP,
    caIssuers and crlDistributionPoints."""
    issuer, subject = _names(certificate.tbs_certificate_bytes)
    found: dict[str, object] = {
        "subject": subject,
        "issuer": issuer,
        "version": certificate.version.value + 1,
        "serialNumber": _serial(certificate.serial_number),
        "notBefore": _time(certificate.not_valid_before_utc),
        "notAfter": _time(certificate.not_valid_after_utc),
    }
    names = _extension(certificate, ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    if names is not None:
        found["subjectAltName"] = names
    for key, values in (
        ("OCSP", _access(certificate, OCSP)),
        ("caIssuers", _access(certificate, CA_ISSUERS)),
        ("crlDistributionPoints", _extension(certificate, ExtensionOID.CRL_DISTRIBUTION_POINTS)),
    ):
        if values:
            found[key] = values
    return found


def _serial(number: int) -> str:
    digits = f"{abs(number):X}"
    digits = "-" * (number < 0) + "0" * (len(digits) % 2) + digits
    end = SERIAL_LINE + (number < 0)
    return digits if len(digits) <= end else digits[:end] + "\\\n"


def _time(moment: datetime) -> str:
    return f"{MONTHS[moment.month - 1]} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"


# --- names ------------------------------------------------------------------------------------------------------------


def _names(tbs: bytes) -> tuple[Name, Name]:
    """The issuer's and the subject's (RFC 5280, section 4.1: TBSCertificate)."""
    fields = [content for tag, content in _elements(_inside(tbs)) if tag != VERSION]
    return _name(fields[2]), _name(fields[4])


def _name(content: bytes) -> Name:
    """A tuple for each RelativeDistinguishedName, in it one for each of its attributes."""
    return tuple(tuple(_attribute(one) for _, one in _elements(rdn)) for _, rdn in _elements(content))


def _attribute(content: bytes) -> Attribute:
    (_, kind), (tag, value) = _elements(content)
    if tag == BIT_STRING:
        return _long_name(kind), value[1:]
    return _long_name(kind), value.decode(ENCODINGS.get(tag, "latin-1"), "replace")


@lru_cache(maxsize=256)
def _long_name(content: bytes) -> str:
    """OpenSSL's long name of an OBJECT IDENTIFIER, or its numbers."""
    dotted = _dotted(content)
    try:
        return ssl._ASN1Object(dotted).longname
    except ValueError:
        return dotted


def _dotted(content: bytes) -> str:
    numbers, number = [], 0
    for byte in content:
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            numbers.append(number)
            number = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first, *numbers[1:]]))


# --- extensions -------------------------------------------------------------------------------------------------------


def _extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> tuple[object, ...] | None:
    """What this extension says; None if it is not there, is there twice, or cannot be read: OpenSSL shows none then."""
    try:
        value = raw_extension(certificate, oid)
        if value is None:
            return None
        inside = _inside(value)
        return tuple(
            _general_names(inside) if oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME else _distribution_points(inside)
        )
    except (errors.MalformedCertificate, ValueError):
        return None


def _access(certificate: x509.Certificate, method: bytes) -> tuple[str, ...]:
    """The addresses for one method in AuthorityInfoAccess."""
    try:
        value = raw_extension(certificate, ExtensionOID.AUTHORITY_INFORMATION_ACCESS) or b"\x30\x00"
        descriptions = [list(_elements(one)) for _, one in _elements(_inside(value))]
        return tuple(
            location.decode() for (_, kind), (tag, location) in descriptions if kind == method and tag == URI
        )  # fmt: skip
    except (errors.MalformedCertificate, ValueError):
        return ()


def _distribution_points(content: bytes) -> Iterator[str]:
    """The addresses in the full names (RFC 5280, section 4.2.1.13)."""
    for _, point in _elements(content):
        for tag, name in _elements(point):
            if tag == 0xA0:
                for kind, names in _elements(name):
                    if kind == FULL_NAME:
                        yield from (address.decode() for one, address in _elements(names) if one == URI)


def _general_names(content: bytes) -> Iterator[tuple[str, object]]:
    for tag, value in _elements(content):
        if tag in TEXTS:
            yield TEXTS[tag], value.decode()
        elif tag == DIRECTORY:
            yield "DirName", _name(_inside(value))
        elif tag == ADDRESS:
            yield "IP Address", _address(value)
        elif tag == REGISTERED:
            yield "Registered ID", _long_name(value)
        elif tag == OTHER_NAME:
            yield "othername", _other_name(value)
        elif tag in UNSUPPORTED:
            yield UNSUPPORTED[tag], "<unsupported>"
        else:
            raise ValueError(f"a GeneralName has no tag {tag:#x}")


def _other_name(content: bytes) -> str:
    (_, kind), (_, explicit) = _elements(content)
    ((tag, value),) = _elements(explicit)
    name, expected = OTHER_NAMES.get(_dotted(kind), ("", None))
    return f"{name}:{value.decode()}" if tag == expected else "<unsupported>"


def _address(value: bytes) -> str:
    if len(value) == 4:
        return ".".join(map(str, value))
    if len(value) == 16:
        return ":".join(f"{value[at] << 8 | value[at + 1]:X}" for at in range(0, 16, 2))
    return "<invalid>"


# --- DER --------------------------------------------------------------------------------------------------------------


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) one after the other. Raises ValueError where the bytes end too early."""
    at = 0
    while at < len(data):
        if len(data) < at + 2:
            raise ValueError("a DER element ends in its header")
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            size = length - 0x80
            length, at = int.from_bytes(data[at : at + size]), at + size
        if len(data) < at + length:
            raise ValueError("a DER element ends before its time")
        yield tag, data[at : at + length]
        at += length


def _inside(element: bytes) -> bytes:
    """The content of the one element that this is."""
    ((_, content),) = _elements(element)
    return content

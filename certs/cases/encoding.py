"""Bytes that are not the DER of a version 3 certificate (RFC 5280, section 4.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import Encoding

from certs.catalogue import ACCEPTED, MALFORMED, UNSUITABLE_CHAIN, UNSUPPORTED, WRONG_HOST, case
from certs.der import (
    EXTENSION_LIST,
    INTEGER,
    ISSUER,
    SEQUENCE,
    SERIAL,
    VERSION,
    Surgery,
    encode,
    extension,
    integer,
    oid,
)

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 5280, section 4.1"
_SERIAL = "RFC 5280, section 4.1.2.2"


def _with_field(bench: Bench, position: int, value: bytes) -> Exhibit:
    """A leaf with one field of the TBSCertificate exchanged, correctly signed."""
    surgery = Surgery(bench.leaf())
    surgery.fields[position] = value
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(MALFORMED, _RULE)
def trailing_garbage(bench: Bench) -> Exhibit:
    """Four more bytes after the end of the leaf."""
    return bench.show(bench.leaf().public_bytes(Encoding.DER) + b"more")


@case(MALFORMED, _RULE)
def truncated(bench: Bench) -> Exhibit:
    """The last byte of the leaf is missing."""
    return bench.show(bench.leaf().public_bytes(Encoding.DER)[:-1])


@case(MALFORMED, _RULE, says="certificate number 1")
def no_certificate_at_all(bench: Bench) -> Exhibit:
    """What is sent as the leaf is text."""
    return bench.show(b"this is not a certificate")


@case(MALFORMED, _RULE, says="certificate number 2")
def garbage_as_intermediate(bench: Bench) -> Exhibit:
    """The leaf is good, and what is sent as its issuer is text."""
    return bench.show(bench.leaf(), [b"this is not a certificate"])


@case(MALFORMED, _RULE)
def pem_instead_of_der(bench: Bench) -> Exhibit:
    """The leaf is sent as PEM."""
    return bench.show(bench.leaf().public_bytes(Encoding.PEM))


@case(MALFORMED, _RULE)
def length_not_minimal(bench: Bench) -> Exhibit:
    """The outermost length takes a byte more than it needs: BER, and not DER."""
    inside = bench.leaf().public_bytes(Encoding.DER)[4:]
    return bench.show(b"\x30\x83" + len(inside).to_bytes(3) + inside)


@case(UNSUPPORTED, "RFC 5280, section 4.1.2.1", says="is X.509 v1, not v3")
def version_1(bench: Bench) -> Exhibit:
    """A version 1 certificate: no extensions, so no names and no usage."""
    surgery = Surgery(bench.leaf())
    del surgery.fields[EXTENSION_LIST]
    del surgery.fields[VERSION]
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(UNSUPPORTED, "RFC 5280, section 4.1.2.1", says="is X.509 v1, not v3")
def version_1_with_extensions(bench: Bench) -> Exhibit:
    """Extensions, although the version says that there are none."""
    surgery = Surgery(bench.leaf())
    del surgery.fields[VERSION]
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(MALFORMED, "RFC 5280, section 4.1.2.1")
def version_4(bench: Bench) -> Exhibit:
    """A version that does not exist."""
    return _with_field(bench, VERSION, encode(0xA0, integer(3)))


@case(ACCEPTED, _SERIAL)
def serial_zero(bench: Bench) -> Exhibit:
    """The serial number is 0: wrong, but there are such, and users SHOULD be prepared to handle them gracefully."""
    return _with_field(bench, SERIAL, integer(0))


@case(UNSUITABLE_CHAIN, _SERIAL)
def serial_negative(bench: Bench) -> Exhibit:
    """The serial number is negative."""
    return _with_field(bench, SERIAL, integer(-4711))


@case(ACCEPTED, _SERIAL)
def serial_too_long(bench: Bench) -> Exhibit:
    """The serial number has 21 octets: a CA may use 20, and for a verifier it is no more than a label."""
    return _with_field(bench, SERIAL, integer(1 << 160))


@case(MALFORMED, _SERIAL)
def serial_not_minimal(bench: Bench) -> Exhibit:
    """The serial number has a leading zero octet that it does not need."""
    return _with_field(bench, SERIAL, encode(INTEGER, b"\x00\x00\x47\x11"))


@case(MALFORMED, "RFC 5280, section 4.1.2.4")
def issuer_of_another_type(bench: Bench) -> Exhibit:
    """The issuer is a number instead of a name."""
    return _with_field(bench, ISSUER, integer(7))


@case(MALFORMED, "RFC 5280, section 4.2")
def duplicate_extension(bench: Bench) -> Exhibit:
    """basicConstraints stands there twice, saying two things."""
    surgery = Surgery(bench.leaf())
    second = extension("2.5.29.19", encode(SEQUENCE, encode(0x01, b"\xff")), critical=True)
    surgery.edit_extensions(lambda old: [*old, second])
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(MALFORMED, "RFC 5280, section 4.2")
def malformed_basic_constraints(bench: Bench) -> Exhibit:
    """The value of basicConstraints is no DER."""
    identifier = "2.5.29.19"
    surgery = Surgery(bench.leaf())
    broken = extension(identifier, b"\x30\x7f", critical=True)
    surgery.edit_extensions(lambda old: [broken if oid(identifier) in one else one for one in old])
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(WRONG_HOST, "RFC 5280, section 4.1.2.9", says="it names no host at all")
def empty_extension_list(bench: Bench) -> Exhibit:
    """The list of extensions is there and has none in it: it has at least one."""
    surgery = Surgery(bench.leaf())
    surgery.edit_extensions(lambda old: [])
    return bench.show(surgery.sign(bench.intermediate.private_key))


@case(ACCEPTED, "RFC 9846, section 4.5.1")
def large_certificate(bench: Bench) -> Exhibit:
    """A leaf with some hundred names: longer than one record, and nothing wrong with it."""
    names = [bench.host, *(f"{number}.{bench.host}" for number in range(400))]
    return bench.show(bench.leaf(names=names))


@case(ACCEPTED, "RFC 5280, section 4.1.2.2")
def serial_of_20_octets(bench: Bench) -> Exhibit:
    """The longest serial number that is allowed."""
    return _with_field(bench, SERIAL, integer((1 << 159) - 1))

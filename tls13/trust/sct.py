"""Signed Certificate Timestamps, taken apart to be shown: RFC 6962, sections 3.2 and 3.3; RFC 9846, section 4.5.1.1.

A log of Certificate Transparency promises with each of them to make a certificate public. They reach a client in three
ways: inside the certificate, inside a stapled OCSP response, or in the TLS extension signed_certificate_timestamp.

**Nothing is verified here.** A signature is worth what its log is worth, and which logs are, at this time, changes from
month to month: browsers ship a list, and this library has none. So these are things that somebody claims.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtensionOID

from .. import errors
from ..errors import DecodeError
from ..wire.codec import Codec, Enumerated, Fixed, Opaque, UInt
from ..wire.companions import SignedCertificateTimestampList
from ..wire.registry import CodePoint
from .der import raw_extension
from .ocsp_response import Response

if TYPE_CHECKING:
    from cryptography import x509

V1: Final = 0
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class HashAlgorithm(CodePoint):
    """RFC 5246, section 7.4.1.4.1: TLS 1.2 still named the hash and the signature apart."""

    none = 0
    md5 = 1
    sha1 = 2
    sha224 = 3
    sha256 = 4
    sha384 = 5
    sha512 = 6


class SignatureAlgorithm(CodePoint):
    """RFC 5246, section 7.4.1.4.1."""

    anonymous = 0
    rsa = 1
    dsa = 2
    ecdsa = 3


class SignedCertificateTimestamp(NamedTuple):
    """RFC 6962, section 3.2."""

    version: int
    log_id: bytes
    """The SHA-256 hash of the log's public key (SubjectPublicKeyInfo)."""
    timestamp: datetime
    """In UTC, to the millisecond."""
    extensions: bytes
    hash_algorithm: HashAlgorithm
    signature_algorithm: SignatureAlgorithm
    signature: bytes


class UnknownTimestamp(NamedTuple):
    """One of another version than v1: RFC 6962, section 3.3, has clients skip what they do not understand."""

    version: int
    content: bytes
    """What follows the version."""


Timestamp = SignedCertificateTimestamp | UnknownTimestamp


_FIELDS: Final[tuple[tuple[str, Codec], ...]] = (
    ("LogID", Fixed(32)),
    ("timestamp", UInt(8)),
    ("extensions", Opaque(0, 2**16 - 1)),
    ("HashAlgorithm", Enumerated(HashAlgorithm)),
    ("SignatureAlgorithm", Enumerated(SignatureAlgorithm)),
    ("signature", Opaque(0, 2**16 - 1)),
)
"""What follows the version. No Struct, for TLS 1.3 is without `digitally-signed` (RFC 5246, section 4.7)."""


def parse_list(data: bytes) -> tuple[Timestamp, ...]:
    """A SignedCertificateTimestampList (RFC 6962, section 3.3). Raises DecodeError."""
    return tuple(map(parse, SignedCertificateTimestampList.decode(data).sct_list))


def parse(data: bytes) -> Timestamp:
    """One SerializedSCT. Raises DecodeError."""
    if not data:
        raise DecodeError("an SCT of no bytes")
    version, at = data[0], 1
    if version != V1:
        return UnknownTimestamp(version, data[1:])
    values: list[Any] = []
    for name, codec in _FIELDS:
        try:
            value, at = codec.decode(data, at, len(data))
        except DecodeError as error:
            raise DecodeError(f"{name} of an SCT: {error.detail}") from None
        values.append(value)
    if at != len(data):
        raise DecodeError(f"{len(data) - at} bytes left over after an SCT")
    log_id, milliseconds, *rest = values
    return SignedCertificateTimestamp(version, log_id, _moment(milliseconds), *rest)


def embedded(certificate: x509.Certificate) -> tuple[Timestamp, ...]:
    """Those that the CA put into the certificate (extension 1.3.6.1.4.1.11129.2.4.2); none if there are none.

    Raises DecodeError, or MalformedCertificate for a certificate whose extensions cannot be read.
    """
    value = raw_extension(certificate, ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS)
    return () if value is None else _parse_wrapped(value)


def stapled(response: bytes, leaf: x509.Certificate) -> tuple[Timestamp, ...]:
    """Those in an OCSP response (DER), beside the statement about this certificate (extension 1.3.6.1.4.1.11129.2.4.5).

    The response is not judged here (check_stapled does). Of several statements about one serial number, all count.
    Raises DecodeError.
    """
    try:
        entries = Response.parse(response).entries
    except errors.BadCertificateStatus as error:
        raise DecodeError(f"{error.says}: {error.detail}") from None
    extensions = [one for entry in entries if entry.serial_number == leaf.serial_number for one in entry.extensions]
    return tuple(
        each
        for one in extensions
        if one.oid == ExtensionOID.SIGNED_CERTIFICATE_TIMESTAMPS
        for each in _parse_wrapped(one.value)
    )


def _parse_wrapped(der: bytes) -> tuple[Timestamp, ...]:
    """Inside certificates and OCSP responses the list is wrapped in an OCTET STRING."""
    try:
        inner = asn1.decode_der(bytes, der)
    except ValueError as error:
        raise DecodeError(f"a list of SCTs that is not in an OCTET STRING: {error}") from None
    return parse_list(inner)


def _moment(milliseconds: int) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError:
        raise DecodeError(f"an SCT of {milliseconds} milliseconds after 1970, which is after the year 9999") from None

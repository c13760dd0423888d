"""Which of our certificates does a CertificateRequest want? RFC 9846, sections 4.3.4 and 4.3.5.

certificate_authorities names issuers; oid_filters names certificate extensions and the values that must be in them.
Two extensions have matching rules, keyUsage and extendedKeyUsage; all others are to be ignored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from .. import errors
from ..errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..wire.extensions import OIDFilter


@asn1.sequence
class _Wrapped:
    """The library decodes a SEQUENCE OF only as a field of a SEQUENCE: so a value is wrapped first."""

    value: asn1.TLV


@asn1.sequence
class _Purposes:
    value: list[x509.ObjectIdentifier]


def judge_filters(filters: Sequence[OIDFilter]) -> None:
    """Raises BadOidFilter for an OID that is named twice and for anyExtendedKeyUsage, DecodeError for broken DER."""
    seen = set()
    for one in filters:
        oid = _oid(one)
        if oid in seen:
            raise errors.BadOidFilter(f"{oid.dotted_string} is named twice")
        seen.add(oid)
        if oid == ExtensionOID.EXTENDED_KEY_USAGE and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in _purposes(one):
            raise errors.BadOidFilter("anyExtendedKeyUsage")


def satisfies(leaf: x509.Certificate, filters: Sequence[OIDFilter]) -> bool:
    """Whether the certificate has every extension that is asked for and that has a matching rule, with its values."""
    for one in filters:
        oid = _oid(one)
        if oid == ExtensionOID.KEY_USAGE and not _has_key_usage(leaf, one):
            return False
        if oid == ExtensionOID.EXTENDED_KEY_USAGE and not _has_purposes(leaf, one):
            return False
    return True


def _has_key_usage(leaf: x509.Certificate, one: OIDFilter) -> bool:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    wanted, shown = _bits(one.certificate_extension_values), _bits(usage.public_bytes())
    return wanted & shown == wanted


def _has_purposes(leaf: x509.Certificate, one: OIDFilter) -> bool:
    try:
        shown = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return all(purpose in shown for purpose in _purposes(one))


def _oid(one: OIDFilter) -> x509.ObjectIdentifier:
    try:
        return asn1.decode_der(x509.ObjectIdentifier, one.certificate_extension_oid)
    except ValueError as error:
        raise DecodeError(f"oid_filters holds an OID that is not DER: {error}") from None


def _purposes(one: OIDFilter) -> list[x509.ObjectIdentifier]:
    try:
        wrapped = asn1.encode_der(_Wrapped(value=asn1.decode_der(asn1.TLV, one.certificate_extension_values)))
        return asn1.decode_der(_Purposes, wrapped).value
    except ValueError as error:
        raise DecodeError(f"oid_filters holds an extendedKeyUsage that is not DER: {error}") from None


def _bits(der: bytes) -> int:
    """The bits of a keyUsage, the first one (digitalSignature) the most significant of 16."""
    try:
        bits = asn1.decode_der(asn1.BitString, der).as_bytes()
    except ValueError as error:
        raise DecodeError(f"oid_filters holds a keyUsage that is not DER: {error}") from None
    return int.from_bytes(bits[:2].ljust(2, b"\0"), "big")

"""The extensions of a certificate as they were written: each one's OID, and bytes that nobody has looked into.

`cryptography` parses all extensions of a certificate together, when the first is asked for, and one that it has no
name for (a TLSFeature of a later extension) takes all the others with it. Here each is for itself.
"""

from __future__ import annotations

from typing import Annotated

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import Encoding

from .. import errors
from ..crypto.spki import elements


@asn1.sequence
class RawExtension:
    """RFC 5280, section 4.1: Extension."""

    oid: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]
    value: bytes


@asn1.sequence
class _TBSCertificate:
    """RFC 5280, section 4.1: what is signed."""

    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    serial_number: asn1.TLV
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    subject_public_key_info: asn1.TLV
    issuer_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(1)]
    subject_unique_id: Annotated[asn1.BitString | None, asn1.Implicit(2)]
    extensions: Annotated[list[RawExtension] | None, asn1.Explicit(3)]


@asn1.sequence
class _Certificate:
    """RFC 5280, section 4.1: Certificate."""

    tbs_certificate: _TBSCertificate
    signature_algorithm: asn1.TLV
    signature: asn1.BitString


def integers(der: bytes) -> list[int]:
    """A SEQUENCE OF INTEGER. Raises ValueError."""
    return [asn1.decode_der(int, asn1.encode_der(one)) for one in elements(der)]


def without_extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> x509.Certificate:
    """The same certificate without one extension: to be read only, for its signature no longer fits.

    Raises ValueError, as `cryptography` does.
    """
    opened = asn1.decode_der(_Certificate, certificate.public_bytes(Encoding.DER))
    inside = opened.tbs_certificate
    inside.extensions = [one for one in inside.extensions or () if one.oid != oid]
    return x509.load_der_x509_certificate(asn1.encode_der(opened))


def raw_extension(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> bytes | None:
    """The DER inside an extension's extnValue; None if the certificate does not have it.

    Raises MalformedCertificate for a certificate that is not DER, or that has the extension twice.
    """
    try:
        extensions = asn1.decode_der(_TBSCertificate, certificate.tbs_certificate_bytes).extensions
    except ValueError as error:  # the library has read these bytes before: where the two differ, nobody is right
        raise errors.MalformedCertificate(f"its extensions cannot be read: {error}", certificate=certificate) from None
    found = [one.value for one in extensions or () if one.oid == oid]
    if len(found) > 1:
        raise errors.MalformedCertificate(f"extension {oid.dotted_string} stands there twice", certificate=certificate)
    return found[0] if found else None

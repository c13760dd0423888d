"""SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), declared. Loaded when the first raw key or delegated credential is
seen: the library's ASN.1 takes long to load, and few connections need it."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat import asn1


@asn1.sequence
class _SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


def algorithm(der: bytes) -> x509.ObjectIdentifier:
    """The OID that its AlgorithmIdentifier begins with; the optional parameters are what the library cannot declare.
    Raises ValueError."""
    identifier = bytes(asn1.decode_der(_SubjectPublicKeyInfo, der).algorithm.data)
    end = 2 + identifier[1] if len(identifier) > 1 else 0
    return asn1.decode_der(x509.ObjectIdentifier, identifier[:end])

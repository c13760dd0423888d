"""SubjectPublicKeyInfo (RFC 5280, section 4.1.2.7), declared. Loaded when the first raw key, delegated credential or
RSASSA-PSS key is seen: the library's ASN.1 takes long to load, and few connections need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from cryptography import x509
from cryptography.hazmat import asn1

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    from .signatures import KeyHolder

CONTEXT_0 = b"\xa0"
HASHES = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
"""By OID, in the library's words: those that a signature scheme of TLS 1.3 has."""
MGF1 = "1.2.840.113549.1.1.8"


@asn1.sequence
class _SubjectPublicKeyInfo:
    algorithm: asn1.TLV
    subject_public_key: asn1.BitString


@asn1.sequence
class _HashAlgorithm:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
class _MaskGenAlgorithm:
    algorithm: x509.ObjectIdentifier
    parameters: _HashAlgorithm


@asn1.sequence
class _PssParameters:
    """RFC 4055, section 3.1: RSASSA-PSS-params. Without the first two it is SHA-1."""

    hash: Annotated[_HashAlgorithm | None, asn1.Explicit(0)]
    mask_gen: Annotated[_MaskGenAlgorithm | None, asn1.Explicit(1)]
    salt_length: Annotated[int, asn1.Explicit(2), asn1.Default(20)]
    trailer: Annotated[int, asn1.Explicit(3), asn1.Default(1)]


@asn1.sequence
class _PssIdentifier:
    algorithm: x509.ObjectIdentifier
    parameters: _PssParameters | None


@asn1.sequence
class _PssPublicKeyInfo:
    algorithm: _PssIdentifier
    subject_public_key: asn1.BitString


@asn1.sequence
class _Wrapped:
    """The library decodes a SEQUENCE OF only as a field of a SEQUENCE: so a value is wrapped first."""

    value: asn1.TLV


@asn1.sequence
class _Elements:
    value: list[asn1.TLV]


def elements(der: bytes) -> list[asn1.TLV]:
    """What is in a SEQUENCE, each for itself. Raises ValueError."""
    return asn1.decode_der(_Elements, asn1.encode_der(_Wrapped(value=asn1.decode_der(asn1.TLV, der)))).value


def algorithm(der: bytes) -> x509.ObjectIdentifier:
    """The OID that its AlgorithmIdentifier begins with; the optional parameters are what the library cannot declare.
    Raises ValueError."""
    identifier = bytes(asn1.decode_der(_SubjectPublicKeyInfo, der).algorithm.data)
    end = 2 + identifier[1] if len(identifier) > 1 else 0
    return asn1.decode_der(x509.ObjectIdentifier, identifier[:end])


def allows_pss(holder: KeyHolder, hash: HashAlgorithm) -> bool:
    """Whether an RSASSA-PSS key may sign as RFC 9846, section 4.3.3 has it: with this hash, the same in MGF1, and a
    salt as long as the digest. Parameters, if it has any, restrict it to one hash for each of the two, and the salt to
    no less than they say (RFC 4055, sections 1.2 and 3.3). The library does not show them."""
    try:
        parameters = asn1.decode_der(_PssPublicKeyInfo, _public_key_info(holder)).algorithm.parameters
    except ValueError:
        return False
    if parameters is None:
        return True
    mask = parameters.mask_gen
    return (
        _names(parameters.hash, hash)
        and mask is not None
        and mask.algorithm.dotted_string == MGF1
        and _names(mask.parameters, hash)
        and parameters.salt_length <= hash.digest_size
        and parameters.trailer == 1
    )


def _names(given: _HashAlgorithm | None, hash: HashAlgorithm) -> bool:
    return given is not None and HASHES.get(given.algorithm.dotted_string) == hash.name


def _public_key_info(holder: KeyHolder) -> bytes:
    if not isinstance(holder, x509.Certificate):
        return holder.der
    parts = elements(holder.tbs_certificate_bytes)
    return asn1.encode_der(parts[6 if parts[0].tag_bytes == CONTEXT_0 else 5])  # X.509v1 has no version in front

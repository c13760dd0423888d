"""An OCSP response, read and not yet judged (ocsp.py does that): RFC 6960, section 4.2.1.

The library parses some of it late, and raises anything for it; and of several answers in one response it does not
show the extensions. So here all of it is asked for, at once, and what the library leaves out is declared.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import ocsp

from .. import errors
from .der import RawExtension
from .names import UNREADABLE

MAX_RESPONSE_BYTES: Final = 2**16
CERT_ID_HASHES: Final = (hashes.SHA1, hashes.SHA256, hashes.SHA384, hashes.SHA512)


@asn1.sequence
class _SingleResponse:
    """For the extensions alone."""

    cert_id: asn1.TLV
    cert_status: asn1.TLV
    this_update: asn1.TLV
    next_update: Annotated[asn1.GeneralizedTime | None, asn1.Explicit(0)]
    extensions: Annotated[list[RawExtension] | None, asn1.Explicit(1)]


@asn1.sequence
class _ResponseData:
    """What the responder signs."""

    version: Annotated[int, asn1.Explicit(0), asn1.Default(0)]
    responder_id: asn1.TLV
    produced_at: asn1.TLV
    responses: list[_SingleResponse]
    extensions: Annotated[list[RawExtension] | None, asn1.Explicit(1)]


class Entry(NamedTuple):
    """One SingleResponse, read."""

    hash: hashes.HashAlgorithm
    name_hash: bytes
    key_hash: bytes
    serial_number: int
    status: ocsp.OCSPCertStatus
    this_update: datetime
    next_update: datetime | None
    revoked_at: datetime | None
    extensions: tuple[RawExtension, ...]

    @classmethod
    def read(cls, one: ocsp.OCSPSingleResponse, data: _SingleResponse) -> Entry:
        return cls(
            one.hash_algorithm,
            one.issuer_name_hash,
            one.issuer_key_hash,
            one.serial_number,
            one.certificate_status,
            one.this_update_utc,
            one.next_update_utc,
            one.revocation_time_utc,
            tuple(data.extensions or ()),
        )

    def is_about(self, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
        """RFC 6960, section 4.1.1: CertID. The serial number alone proves nothing: every CA has its own."""
        if self.serial_number != leaf.serial_number or not isinstance(self.hash, CERT_ID_HASHES):
            return False
        wanted = cert_id(leaf, issuer, self.hash)
        return (self.name_hash, self.key_hash) == (wanted.issuer_name_hash, wanted.issuer_key_hash)


class Response(NamedTuple):
    """An OCSPResponse with a BasicOCSPResponse in it."""

    signed: bytes
    algorithm: x509.ObjectIdentifier
    signature: bytes
    responder_name: x509.Name | None
    responder_key_hash: bytes | None
    produced_at: datetime
    certificates: tuple[x509.Certificate, ...]
    entries: tuple[Entry, ...]
    extensions: tuple[RawExtension, ...]

    @classmethod
    def parse(cls, der: bytes) -> Response:
        """Raises MalformedOcspResponse or OcspResponderFailed."""
        if len(der) > MAX_RESPONSE_BYTES:
            raise errors.MalformedOcspResponse(f"it has {len(der)} bytes; our limit is {MAX_RESPONSE_BYTES}")
        try:
            response = ocsp.load_der_ocsp_response(der)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise errors.OcspResponderFailed(response.response_status.name.lower())
            return cls._read(response)
        except (*UNREADABLE, UnsupportedAlgorithm) as error:
            raise errors.MalformedOcspResponse(str(error)) from None

    @classmethod
    def _read(cls, response: ocsp.OCSPResponse) -> Response:
        data = asn1.decode_der(_ResponseData, response.tbs_response_bytes)
        certificates = tuple(response.certificates)
        for certificate in certificates:
            certificate.subject  # noqa: B018  # reading it parses it
        return cls(
            response.tbs_response_bytes,
            response.signature_algorithm_oid,
            response.signature,
            response.responder_name,
            response.responder_key_hash,
            response.produced_at_utc,
            certificates,
            tuple(map(Entry.read, response.responses, data.responses)),
            tuple(data.extensions or ()),
        )

    def names(self, certificate: x509.Certificate) -> bool:
        """Whether the ResponderID is this certificate's (sections 4.2.1 and 4.2.2.3)."""
        if self.responder_name is not None:
            return certificate.subject == self.responder_name
        return cert_id(certificate, certificate, hashes.SHA1()).issuer_key_hash == self.responder_key_hash


def cert_id(leaf: x509.Certificate, issuer: x509.Certificate, hash: hashes.HashAlgorithm) -> ocsp.OCSPRequest:
    """The CertID that we would ask for: the library hashes the bytes of both certificates as they are."""
    return ocsp.OCSPRequestBuilder().add_certificate(leaf, issuer, hash).build()

"""OCSP responses for the tests: by `cryptography`'s builder, and, what it does not write, by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.der import ECDSA_SHA256, OCTET_STRING, SEQUENCE, bits, children, encode, extension, oid, sign_bytes
from tls13 import errors
from tls13.lab.authority import Authority, Issued, KeyType, digest_for
from tls13.trust.ocsp import check_stapled

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime.now(UTC).replace(microsecond=0) + HOUR
"""The builder writes the time of the machine into producedAt: the tests live a little later."""
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
BY_NAME, BY_KEY = ocsp.OCSPResponderEncoding.NAME, ocsp.OCSPResponderEncoding.HASH

SHA1 = hashes.SHA1()  # what most responders identify certificates with

OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING

RawExtension = tuple[x509.ObjectIdentifier, bytes, bool]


def respond(
    issuer: Authority,
    leaf: x509.Certificate,
    *,
    status: ocsp.OCSPCertStatus = GOOD,
    this_update: datetime = NOW - HOUR,
    next_update: datetime | None = NOW + 7 * DAY,
    hash: hashes.HashAlgorithm = SHA1,
    by: ocsp.OCSPResponderEncoding = BY_NAME,
    responder: tuple[x509.Certificate, CertificateIssuerPrivateKeyTypes] | None = None,
    certificates: Sequence[x509.Certificate] = (),
    single: Sequence[RawExtension] = (),
    whole: Sequence[RawExtension] = (),
) -> bytes:
    """A response about `leaf`, by the issuer or by `responder` (a certificate and a key), which defaults to good."""
    signer, key = responder or (issuer.certificate, issuer.private_key)
    builder = ocsp.OCSPResponseBuilder().add_response(
        leaf,
        issuer.certificate,
        hash,
        status,
        this_update,
        next_update,
        NOW - DAY if status is REVOKED else None,
        x509.ReasonFlags.key_compromise if status is REVOKED else None,
    )
    builder = builder.responder_id(by, signer)
    if certificates:
        builder = builder.certificates(certificates)
    der = builder.sign(key, digest_for(key)).public_bytes(Encoding.DER)
    if not single and not whole:
        return der
    responder_id, produced_at, responses = children(data_of(der))
    (only,) = children(responses)
    fields = [*children(only), *([_extensions(single)] if single else [])]
    parts = [responder_id, produced_at, encode(SEQUENCE, encode(SEQUENCE, *fields))]
    return signed([*parts, *([_extensions(whole)] if whole else [])], key)


def data_of(response: bytes) -> bytes:
    """The ResponseData, DER, of a response."""
    return ocsp.load_der_ocsp_response(response).tbs_response_bytes


def singles_of(response: bytes) -> list[bytes]:
    """Each SingleResponse, DER, of one that has no version field."""
    return children(children(data_of(response))[2])


def signed(
    fields: Sequence[bytes],
    key: CertificateIssuerPrivateKeyTypes,
    identifier: bytes = ECDSA_SHA256,
    certificates: Sequence[x509.Certificate] = (),
) -> bytes:
    """A response around the fields of a ResponseData, signed by an EC or RSA key with this AlgorithmIdentifier."""
    data = encode(SEQUENCE, *fields)
    parts = [data, identifier, bits(sign_bytes(data, key, identifier))]
    if certificates:
        shown = [one.public_bytes(Encoding.DER) for one in certificates]
        parts.append(encode(0xA0, encode(SEQUENCE, *shown)))
    return wrapped(encode(SEQUENCE, *parts))


def wrapped(basic: bytes, kind: str = "1.3.6.1.5.5.7.48.1.1", status: int = 0) -> bytes:
    """OCSPResponse around a BasicOCSPResponse (RFC 6960, section 4.2.1)."""
    inner = encode(SEQUENCE, oid(kind), encode(OCTET_STRING, basic))
    return encode(SEQUENCE, encode(0x0A, bytes([status])), encode(0xA0, inner))


def with_other_signature(response: bytes) -> bytes:
    """The same with one bit of the signature changed: the signature is the last but for certificates, here the last."""
    return response[:-1] + bytes([response[-1] ^ 1])


def _extensions(ones: Sequence[RawExtension]) -> bytes:
    written = [extension(one.dotted_string, value, critical=critical) for one, value, critical in ones]
    return encode(0xA1, encode(SEQUENCE, *written))


class Pki:
    """A root, an intermediate that issued the leaf, a responder that it appointed, and a stranger."""

    def __init__(self, key_type: KeyType = KeyType.ECDSA_P256) -> None:
        self.root = Authority.create(now=NOW - DAY)
        self.issuer = self.root.intermediate(key_type=key_type)
        self.leaf = self.issuer.issue(["server.example"]).certificate
        self.chain = [self.leaf, self.issuer.certificate, self.root.certificate]
        self.stranger = Authority.create(now=NOW - DAY, common_name="stranger")

    def responder(self, issuer: Authority | None = None, **changes: object) -> Issued:
        """A certificate for signing OCSP responses."""
        options = {"common_name": "responder", "usages": [OCSP_SIGNING], **changes}
        return (issuer or self.issuer).issue([], **options)  # type: ignore[arg-type]  # the arguments of `issue`

    def by(self, responder: Issued, **options: object) -> bytes:
        """A good response that this responder signed."""
        pair = (responder.certificate, responder.private_key)
        shown = [responder.certificate]
        return respond(self.issuer, self.leaf, responder=pair, certificates=shown, **options)  # type: ignore[arg-type]  # the arguments of `respond`


def refuse(
    kind: type[errors.CertificateError], response: bytes, pki: Pki, now: datetime = NOW, match: str | None = None
) -> None:
    with pytest.raises(kind, match=match) as caught:
        check_stapled(response, pki.chain, now)
    assert type(caught.value) is kind
    assert caught.value.certificate == pki.leaf
    assert caught.value.chain == tuple(pki.chain)


def several(pki: Pki, *responses: bytes) -> bytes:
    """One response with the statements of all of these."""
    responder_id, produced_at, _ = children(data_of(responses[0]))
    singles = [single for one in responses for single in singles_of(one)]
    return signed([responder_id, produced_at, encode(SEQUENCE, *singles)], pki.issuer.private_key)


def signed_by(other: CertificateIssuerPrivateKeyTypes, response: bytes, identifier: bytes = ECDSA_SHA256) -> bytes:
    """The same response with the signature of another key."""
    shown = ocsp.load_der_ocsp_response(response).certificates
    return signed(children(data_of(response)), other, identifier, shown)

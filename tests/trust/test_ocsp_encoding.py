"""OCSP responses that are written strangely (RFC 6960, sections 4.2.1 and 4.4); the TLSFeature extension (RFC 7633)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID

from certs.der import (
    OCTET_STRING,
    SEQUENCE,
    children,
    encode,
    integer,
)
from tests.trust.ocsp_responses import (
    BY_KEY,
    NOW,
    Pki,
    data_of,
    refuse,
    respond,
    several,
    signed,
    wrapped,
)
from tls13 import errors
from tls13.lab.authority import KeyType
from tls13.trust.features import must_staple, tls_features
from tls13.trust.names import read_extension
from tls13.trust.ocsp import check_stapled
from tls13.trust.ocsp_response import MAX_RESPONSE_BYTES

NONCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


# --- How it is written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["single", "whole"])
def test_an_extension_that_is_not_understood_counts_only_if_it_is_critical(pki: Pki, where: str) -> None:
    """Section 4.4."""
    value = encode(OCTET_STRING, b"12345678")
    check_stapled(respond(pki.issuer, pki.leaf, **{where: [(NONCE, value, False)]}), pki.chain, NOW)
    critical = respond(pki.issuer, pki.leaf, **{where: [(NONCE, value, True)]})
    refuse(errors.OcspExtensionNotUnderstood, critical, pki, match=NONCE.dotted_string)


def test_an_extension_beside_another_certificate_is_not_ours(pki: Pki) -> None:
    other = pki.issuer.issue(["other.example"]).certificate
    critical = respond(pki.issuer, other, single=[(NONCE, encode(OCTET_STRING, b"12345678"), True)])
    check_stapled(several(pki, respond(pki.issuer, pki.leaf), critical), pki.chain, NOW)


def test_a_version_that_is_not_known_is_refused(pki: Pki) -> None:
    fields = children(data_of(respond(pki.issuer, pki.leaf)))
    response = signed([encode(0xA0, integer(1)), *fields], pki.issuer.private_key)
    refuse(errors.MalformedOcspResponse, response, pki, match="version")


@pytest.mark.parametrize("cut", [0, 1, 10, 100, -1])
def test_bytes_that_are_no_response_are_refused(pki: Pki, cut: int) -> None:
    refuse(errors.MalformedOcspResponse, respond(pki.issuer, pki.leaf)[:cut], pki)


def test_another_type_of_response_is_refused(pki: Pki) -> None:
    """Only id-pkix-ocsp-basic is known (section 4.2.1)."""
    refuse(errors.MalformedOcspResponse, wrapped(encode(SEQUENCE), kind="1.3.6.1.5.5.7.48.1.99"), pki)


def test_a_success_without_a_response_is_refused(pki: Pki) -> None:
    refuse(errors.MalformedOcspResponse, encode(SEQUENCE, encode(0x0A, b"\0")), pki)


def test_a_response_without_any_statement_is_refused(pki: Pki) -> None:
    responder_id, produced_at, _ = children(data_of(respond(pki.issuer, pki.leaf)))
    response = signed([responder_id, produced_at, encode(SEQUENCE)], pki.issuer.private_key)
    refuse(errors.OcspForAnotherCertificate, response, pki, match="about none")


def test_a_huge_response_is_not_read(pki: Pki) -> None:
    refuse(errors.MalformedOcspResponse, bytes(MAX_RESPONSE_BYTES + 1), pki, match="our limit")


def test_no_byte_can_be_changed_unnoticed(pki: Pki) -> None:
    """Whatever a peer writes, it is refused. (Or says the same as before: how many bits of the signature's last
    byte count is not signed, and may be said in more than one way.)"""
    response = respond(pki.issuer, pki.leaf, by=BY_KEY)
    status = check_stapled(response, pki.chain, NOW)
    accepted = 0
    for at in range(len(response)):
        for change in (0x01, 0x80):
            changed = response[:at] + bytes([response[at] ^ change]) + response[at + 1 :]
            try:
                assert check_stapled(changed, pki.chain, NOW) == status
            except errors.BadCertificateStatus:
                continue
            accepted += 1
    assert accepted <= 1


def test_changed_bytes_of_the_responders_certificate_never_surprise(pki: Pki) -> None:
    responder = pki.responder()
    response = pki.by(responder)
    der = responder.certificate.public_bytes(Encoding.DER)
    start = response.index(der)
    for at in range(start, start + len(der)):
        changed = response[:at] + bytes([response[at] ^ 0x21]) + response[at + 1 :]
        with pytest.raises(errors.BadCertificateStatus):
            check_stapled(changed, pki.chain, NOW)


# --- The promise: RFC 7633 -------------------------------------------------------------------------------------------


def promising(pki: Pki, value: bytes) -> x509.Certificate:
    draft = pki.issuer.draft(["server.example"], KeyType.ECDSA_P256.generate().public_key())
    return pki.issuer.sign(draft.with_extension(x509.UnrecognizedExtension(ExtensionOID.TLS_FEATURE, value)))


def features(*numbers: int) -> bytes:
    return encode(SEQUENCE, *map(integer, numbers))


@pytest.mark.parametrize(
    ("numbers", "must"),
    [((5,), True), ((5, 17), True), ((17,), False), ((), False), ((50, 5), True), ((50,), False), ((1 << 70, 5), True)],
)
def test_must_staple_is_status_request_among_the_features(pki: Pki, numbers: tuple[int, ...], *, must: bool) -> None:
    """Features without a name are other extensions' numbers, and hide nothing. status_request_v2 (17) is of no use in
    TLS 1.3 (RFC 9846, section 4.5.1.1)."""
    certificate = promising(pki, features(*numbers))
    assert must_staple(certificate) is must
    assert tls_features(certificate) == set(numbers)


def test_a_certificate_without_the_extension_promises_nothing(pki: Pki) -> None:
    assert not must_staple(pki.leaf)
    assert tls_features(pki.leaf) == frozenset()


def test_the_promise_is_what_other_libraries_write(pki: Pki) -> None:
    draft = pki.issuer.draft(["server.example"], KeyType.ECDSA_P256.generate().public_key())
    both = [x509.TLSFeatureType.status_request, x509.TLSFeatureType.status_request_v2]
    certificate = pki.issuer.sign(draft.with_extension(x509.TLSFeature(both)))
    assert tls_features(certificate) == {5, 17}
    assert read_extension(certificate, x509.TLSFeature) is not None


@pytest.mark.parametrize("value", [b"", b"\5\0", features(5) + b"\0", encode(SEQUENCE, b"\1\1\xff"), b"\x30\3\2\1"])
def test_a_promise_that_cannot_be_read_is_the_certificates_fault(pki: Pki, value: bytes) -> None:
    with pytest.raises(errors.MalformedCertificate):
        must_staple(promising(pki, value))

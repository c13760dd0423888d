"""Stapled OCSP responses: what they say, whom they are about, and when (RFC 6960, sections 3.2 and 4.2.2).

Who may sign them is in test_ocsp_responder.py; those that OpenSSL made are in test_ocsp_openssl.py.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_der_x509_certificate, ocsp

from certs.der import ISSUER, PUBLIC_KEY, SUBJECT, Surgery
from tests.trust.chains import P256, UNKNOWN_CURVE, UNREADABLE_NAMES, with_name
from tests.trust.ocsp_responses import (
    BY_KEY,
    BY_NAME,
    DAY,
    GOOD,
    HOUR,
    NOW,
    REVOKED,
    UNKNOWN,
    Pki,
    refuse,
    respond,
    several,
    with_other_signature,
)
from tls13 import errors
from tls13.lab.authority import KeyType
from tls13.trust.ocsp import CLOCK_SKEW, UNDATED_LIFETIME, check_shown, check_stapled

NONCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


# --- Good ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [BY_NAME, BY_KEY], ids=["by name", "by key"])
@pytest.mark.parametrize(
    "hash", [hashes.SHA1(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()], ids=lambda h: h.name
)
def test_the_issuer_says_good(pki: Pki, hash: hashes.HashAlgorithm, by: ocsp.OCSPResponderEncoding) -> None:
    status = check_stapled(respond(pki.issuer, pki.leaf, hash=hash, by=by), pki.chain, NOW)
    assert status.responder == pki.issuer.certificate
    assert (status.this_update, status.next_update) == (NOW - HOUR, NOW + 7 * DAY)
    assert NOW - 2 * HOUR < status.produced_at < NOW


@pytest.mark.parametrize("key_type", KeyType, ids=lambda kind: kind.value)
def test_the_issuer_may_sign_with_any_kind_of_key(key_type: KeyType) -> None:
    pki = Pki(key_type)
    check_stapled(respond(pki.issuer, pki.leaf), pki.chain, NOW)
    refuse(errors.BadOcspSignature, with_other_signature(respond(pki.issuer, pki.leaf)), pki)


def test_an_intermediate_has_a_status_too(pki: Pki) -> None:
    """RFC 9846, section 4.5.1.1: each entry of the chain may bring one."""
    response = respond(pki.root, pki.issuer.certificate)
    assert check_stapled(response, pki.chain[1:], NOW).responder == pki.root.certificate


def test_a_self_signed_certificate_speaks_for_itself(pki: Pki) -> None:
    check_stapled(respond(pki.root, pki.root.certificate), [pki.root.certificate], NOW)


def test_nobody_speaks_for_a_certificate_whose_issuer_is_not_known(pki: Pki) -> None:
    """A pinned certificate: the response's own word for who the issuer is proves nothing."""
    with pytest.raises(errors.UnauthorizedResponder, match="issuer is not known"):
        check_stapled(respond(pki.issuer, pki.leaf), [pki.leaf], NOW)


def test_a_pinned_certificate_is_not_verified_with_a_huge_key(pki: Pki) -> None:
    """The issuer that was sent after it, where a verifier of somebody else's has not judged its key."""
    huge = rsa.RSAPublicNumbers(2**64 + 1, (1 << 2048) - 159).public_key()
    issuer = pki.root.sign(pki.root.draft(["issuer.example"], huge))
    with pytest.raises(errors.WeakKey, match="exponent of 65 bits"):
        check_shown(respond(pki.issuer, pki.leaf), [pki.leaf], [pki.leaf, issuer], NOW)


@UNREADABLE_NAMES
@pytest.mark.parametrize("position", [SUBJECT, ISSUER], ids=["subject", "issuer"])
def test_names_that_cannot_be_read_are_the_certificates_fault(pki: Pki, spoil, position: int) -> None:
    """A chain that somebody else has believed, without reading its names."""
    leaf = load_der_x509_certificate(with_name(pki.leaf, pki.issuer, spoil, position))
    with pytest.raises(errors.MalformedCertificate, match="names cannot be read") as caught:
        check_stapled(respond(pki.issuer, pki.leaf), [leaf], NOW)
    assert caught.value.chain == (leaf,)
    issuer = load_der_x509_certificate(with_name(pki.issuer.certificate, pki.root, spoil, position))
    with pytest.raises(errors.MalformedCertificate, match="names cannot be read"):
        check_stapled(respond(pki.issuer, pki.leaf), [pki.leaf, issuer], NOW)


def test_an_issuer_whose_key_nobody_can_read_is_refused(pki: Pki) -> None:
    surgery = Surgery(pki.issuer.certificate)
    surgery.fields[PUBLIC_KEY] = surgery.fields[PUBLIC_KEY].replace(P256, UNKNOWN_CURVE)
    issuer = load_der_x509_certificate(surgery.sign(pki.root.private_key))
    response = respond(pki.issuer, pki.leaf)
    with pytest.raises(errors.CertificateError):
        check_stapled(response, [pki.leaf, issuer], NOW)


def test_a_time_without_a_zone_is_a_mistake_of_the_caller(pki: Pki) -> None:
    with pytest.raises(errors.ConfigurationError):
        check_stapled(respond(pki.issuer, pki.leaf), pki.chain, NOW.replace(tzinfo=None))


def test_every_refusal_is_bad_certificate_status_response() -> None:
    """RFC 6066, section 8. A revoked certificate has an alert of its own, and a missing response is not a bad one."""
    alerts = errors.AlertDescription
    kinds = errors.BadCertificateStatus.__subclasses__()
    assert len(kinds) > 5
    assert {one.alert for one in kinds} == {alerts.bad_certificate_status_response}
    assert errors.CertificateRevoked.alert is alerts.certificate_revoked
    assert errors.MissingStaple.alert is alerts.certificate_unknown


# --- What it says ----------------------------------------------------------------------------------------------------


def test_a_revoked_certificate_is_refused_with_the_date(pki: Pki) -> None:
    revoked = respond(pki.issuer, pki.leaf, status=REVOKED)
    refuse(errors.CertificateRevoked, revoked, pki, match=f"server.example, on {NOW - DAY:%Y-%m-%d}")


def test_a_revocation_does_not_end(pki: Pki) -> None:
    """A response that is out of date proves nothing good, and still revokes."""
    old = respond(pki.issuer, pki.leaf, status=REVOKED, this_update=NOW - 9 * DAY, next_update=NOW - 2 * DAY)
    refuse(errors.CertificateRevoked, old, pki)


def test_a_revocation_must_be_signed(pki: Pki) -> None:
    refuse(errors.BadOcspSignature, with_other_signature(respond(pki.issuer, pki.leaf, status=REVOKED)), pki)


def test_unknown_is_not_good(pki: Pki) -> None:
    refuse(errors.CertificateStatusUnknown, respond(pki.issuer, pki.leaf, status=UNKNOWN), pki)


@pytest.mark.parametrize("status", [one for one in ocsp.OCSPResponseStatus if one.value], ids=lambda one: one.name)
def test_an_error_message_of_the_responder_is_no_response(pki: Pki, status: ocsp.OCSPResponseStatus) -> None:
    der = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
    refuse(errors.OcspResponderFailed, der, pki, match=status.name.lower())


# --- About whom ------------------------------------------------------------------------------------------------------


def test_a_response_about_a_sibling_is_refused(pki: Pki) -> None:
    other = pki.issuer.issue(["other.example"]).certificate
    refuse(errors.OcspForAnotherCertificate, respond(pki.issuer, other), pki, match=f"{other.serial_number:x}")


@pytest.mark.parametrize("wrong", ["issuer_name_hash", "issuer_key_hash"])
def test_both_hashes_of_the_issuer_must_fit(pki: Pki, wrong: str) -> None:
    """Two CAs may give out the same serial number, and may even have the same name (section 4.1.2)."""
    request = ocsp.OCSPRequestBuilder().add_certificate(pki.leaf, pki.issuer.certificate, hashes.SHA256()).build()
    named = {"issuer_name_hash": request.issuer_name_hash, "issuer_key_hash": request.issuer_key_hash, wrong: bytes(32)}
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        named["issuer_name_hash"],
        named["issuer_key_hash"],
        pki.leaf.serial_number,
        hashes.SHA256(),
        GOOD,
        NOW - HOUR,
        NOW + DAY,
        None,
        None,
    )
    made = builder.responder_id(BY_NAME, pki.issuer.certificate).sign(pki.issuer.private_key, hashes.SHA256())
    refuse(errors.OcspForAnotherCertificate, made.public_bytes(Encoding.DER), pki)


def test_a_hash_that_identifies_nobody_well_is_not_looked_at(pki: Pki) -> None:
    refuse(errors.OcspForAnotherCertificate, respond(pki.issuer, pki.leaf, hash=hashes.SHA224()), pki)


def test_the_statement_about_the_leaf_is_found_among_others(pki: Pki) -> None:
    """Section 4.2.2.3: responders that work ahead sign many at once."""
    other = respond(pki.issuer, pki.issuer.issue(["other.example"]).certificate, status=REVOKED)
    mine = respond(pki.issuer, pki.leaf)
    check_stapled(several(pki, other, mine), pki.chain, NOW)
    refuse(errors.OcspForAnotherCertificate, several(pki, other, other), pki)


def test_of_two_statements_about_the_leaf_the_newer_counts(pki: Pki) -> None:
    old = respond(pki.issuer, pki.leaf, this_update=NOW - 9 * DAY, next_update=NOW - 2 * DAY)
    new = respond(pki.issuer, pki.leaf)
    for order in ([old, new], [new, old]):
        assert check_stapled(several(pki, *order), pki.chain, NOW).this_update == NOW - HOUR


def test_and_one_of_them_is_enough_to_revoke(pki: Pki) -> None:
    revoked = respond(pki.issuer, pki.leaf, status=REVOKED, this_update=NOW - 2 * DAY, hash=hashes.SHA256())
    refuse(errors.CertificateRevoked, several(pki, respond(pki.issuer, pki.leaf), revoked), pki)


# --- When ------------------------------------------------------------------------------------------------------------


def test_before_this_update_it_says_nothing(pki: Pki) -> None:
    """Clocks differ a little: section 4.2.2.1 has a SHOULD."""
    response = respond(pki.issuer, pki.leaf, this_update=NOW + DAY)
    check_stapled(response, pki.chain, NOW + DAY - CLOCK_SKEW)
    refuse(errors.OcspNotYetValid, response, pki, now=NOW + DAY - CLOCK_SKEW - SECOND, match="thisUpdate")


def test_one_that_was_not_yet_made_is_refused(pki: Pki) -> None:
    response = respond(pki.issuer, pki.leaf, this_update=NOW - DAY)
    refuse(errors.OcspNotYetValid, response, pki, now=NOW - 12 * HOUR, match="producedAt")


def test_from_next_update_on_it_says_nothing(pki: Pki) -> None:
    """Section 3.2, (6): nextUpdate is greater than the current time."""
    response = respond(pki.issuer, pki.leaf, next_update=NOW + HOUR)
    check_stapled(response, pki.chain, NOW + HOUR - SECOND)
    refuse(errors.OcspOutOfDate, response, pki, now=NOW + HOUR, match="nextUpdate was")


def test_without_next_update_it_must_be_recent(pki: Pki) -> None:
    """Section 3.2, (5). Otherwise it would be good for ever."""
    response = respond(pki.issuer, pki.leaf, this_update=NOW, next_update=None)
    assert check_stapled(response, pki.chain, NOW + UNDATED_LIFETIME - SECOND).next_update is None
    refuse(errors.OcspOutOfDate, response, pki, now=NOW + UNDATED_LIFETIME, match="no nextUpdate")

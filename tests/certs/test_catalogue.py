"""The catalogue itself: complete, unambiguous, and its good chains are good in the eyes of OpenSSL."""

from __future__ import annotations

from collections import Counter

import pytest
from cryptography import x509
from OpenSSL import crypto

import certs
from certs.catalogue import add
from tls13 import errors

CASES = certs.catalogue()
ACCEPTED = [case for case in CASES.values() if case.verdict.exception is None]

OPENSSL_DIFFERS = {
    "good-cross-signed": "OpenSSL takes the first issuer that fits and does not come back for the second",
    "wrong-authority-key-identifier": "OpenSSL takes the identifier for more than a hint",
}


def test_there_are_more_than_sixty_kinds_of_defect_and_good_chains_beside_them() -> None:
    assert len(CASES) - len(ACCEPTED) >= 60
    assert len(ACCEPTED) >= 30


def test_every_case_says_in_a_sentence_what_it_is_and_which_rule_it_is_about() -> None:
    for case in CASES.values():
        assert case.description[0].isupper() or case.description.startswith(("trustme", "basicC", "notAfter", "any"))
        assert case.description.endswith(".")
        assert case.rfc.startswith(("RFC ", "CVE-"))


@pytest.mark.parametrize(
    "case", [case for case in CASES.values() if case.verdict.exception], ids=lambda case: case.name
)
def test_the_expected_exception_exists_and_carries_the_alert_of_section_6_2(case: certs.Case) -> None:
    exception = getattr(errors, case.verdict.exception or "")
    assert issubclass(exception, errors.Abort)
    assert exception.alert.name == case.verdict.alert


def test_one_server_can_serve_them_all_by_name() -> None:
    by_host = Counter(case.host for case in CASES.values() if case.host.endswith(".localhost"))
    assert max(by_host.values()) == 1


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_openssl_in_strict_mode_accepts_what_we_call_good(case: certs.Case) -> None:
    if case.name in OPENSSL_DIFFERS:
        pytest.skip(OPENSSL_DIFFERS[case.name])
    workshop = certs.workshop()
    exhibit = case.exhibit(workshop)
    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    store.set_time(workshop.now)
    for root in exhibit.roots:
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, root))
    leaf, *above = (crypto.load_certificate(crypto.FILETYPE_ASN1, blob) for blob in exhibit.chain)
    crypto.X509StoreContext(store, leaf, above).verify_certificate()


def test_an_exhibit_is_made_at_the_time_that_it_is_asked_for() -> None:
    workshop = certs.workshop()
    leaf = x509.load_der_x509_certificate(CASES["expired-a-second-ago"].exhibit(workshop).chain[0])
    assert (workshop.now - leaf.not_valid_after_utc).total_seconds() == 1


def test_a_second_case_of_the_same_name_is_a_mistake() -> None:
    case = next(iter(CASES.values()))
    with pytest.raises(ValueError, match="two cases named good-ecdsa-p256"):
        add(case.name, "Again.", case.make, case.verdict, case.rfc)


def test_good_leafs_are_made_once() -> None:
    assert certs.good() is certs.good()
    assert certs.good_rsa_pss() is certs.good_rsa_pss()
    assert certs.good(client=True) is not certs.good()
    assert certs.good().chain[-1].issuer == certs.root().subject

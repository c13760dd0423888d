"""What is kept of a certificate that was seen before: facts, and never a verdict."""

from __future__ import annotations

import sys
from datetime import timedelta

import pytest

from tests.trust.chains import HOST, NOW, WORKSHOP, trusting_root, verifier
from tls13 import errors
from tls13.lab.authority import KeyType
from tls13.trust.facts import COMMON_SIZE, MAX_KEPT, facts
from tls13.trust.names import ServerName


def test_a_chain_that_was_believed_is_judged_again() -> None:
    """Another day, another name, another store: the same certificate objects, each time another answer."""
    chain, judge = WORKSHOP.good().chain, trusting_root()
    assert judge.verify_server(chain, HOST, NOW)
    assert facts(chain[0]) is facts(chain[0])
    with pytest.raises(errors.CertificateExpired):
        judge.verify_server(chain, HOST, chain[0].not_valid_after_utc + timedelta(seconds=1))
    with pytest.raises(errors.WrongHost):
        judge.verify_server(chain, ServerName.parse("elsewhere.example"), NOW)
    with pytest.raises(errors.UnknownIssuer):
        verifier(WORKSHOP.good(client=True).certificate).verify_server(chain, HOST, NOW)
    assert judge.verify_server(chain, HOST, NOW)


def test_a_chain_that_was_refused_is_refused_again() -> None:
    key = KeyType.ED25519.generate().public_key()
    chain = [WORKSHOP.intermediate.sign(WORKSHOP.intermediate.draft([], key)), *WORKSHOP.intermediate.chain]
    for _ in range(2):
        with pytest.raises(errors.WrongHost):
            trusting_root().verify_server(chain, HOST, NOW)


def test_facts_are_of_the_certificate_that_is_asked_about() -> None:
    """Also when hundreds have come and gone, and their identities with them; and no more than MAX_KEPT are held."""
    draft, key = WORKSHOP.intermediate.draft, KeyType.ECDSA_P256.generate().public_key()
    first = WORKSHOP.intermediate.sign(draft(["first.example"], key))
    references = sys.getrefcount(first)
    for number in range(2 * MAX_KEPT):
        name = f"n{number}.example"
        assert facts(WORKSHOP.intermediate.sign(draft([name], key))).dns_names == {name}
        if number == 0:
            assert facts(first).dns_names == {"first.example"}
            assert sys.getrefcount(first) > references
    assert sys.getrefcount(first) == references


def test_a_large_certificate_is_not_kept() -> None:
    names = [f"host{number}.server.example" for number in range(COMMON_SIZE // 24)]
    large = WORKSHOP.intermediate.issue(names).certificate
    assert facts(large) is not facts(large)
    assert facts(large).dns_names == set(names)

"""Every chain of the workshop goes through the chain verifier, and meets the verdict that the catalogue gives it."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

import certs
from certs.catalogue import Case
from tls13 import errors
from tls13.crypto import signatures
from tls13.trust.crl import CrlSet
from tls13.trust.names import ServerName
from tls13.trust.store import TrustStore
from tls13.trust.verify import ChainVerifier, parse_chain

CASES = list(certs.catalogue().values())


def judge(case: Case, exhibit: certs.Exhibit) -> tuple[x509.Certificate, ...]:
    """What a peer of this role would do with the exhibit, from the bytes of the Certificate message on."""
    workshop = certs.workshop()
    trust = TrustStore.from_certificates([x509.load_der_x509_certificate(root) for root in exhibit.roots])
    lists = [x509.load_der_x509_crl(crl) for crl in exhibit.crls]
    crls = CrlSet(lists, require="chain") if lists else None
    verifier = ChainVerifier(trust, crls=crls)
    chain = parse_chain(exhibit.chain)
    if case.role == "client":
        return verifier.verify_client(chain, workshop.now)
    return verifier.verify_server(chain, ServerName.parse(case.host), workshop.now)


@pytest.mark.filterwarnings("ignore:Parsed a serial number:cryptography.utils.CryptographyDeprecationWarning")
@pytest.mark.parametrize("case", [case for case in CASES if case.stage == "chain"], ids=lambda case: case.name)
def test_the_verifier_agrees_with_the_catalogue(case: Case) -> None:
    exhibit = case.exhibit(certs.workshop())
    if case.verdict.exception is None:
        assert judge(case, exhibit)[0].public_bytes(Encoding.DER) == exhibit.chain[0]
        return
    with pytest.raises(errors.TLSError) as caught:
        judge(case, exhibit)
    assert isinstance(caught.value, errors.Abort)
    assert (type(caught.value).__name__, caught.value.alert.name) == (case.verdict.exception, case.verdict.alert)
    assert case.says in str(caught.value)


def test_a_good_chain_with_a_key_that_is_not_its_own_is_found_out_by_the_signature() -> None:
    case = certs.catalogue()["wrong-key"]
    exhibit = case.exhibit(certs.workshop())
    leaf = judge(case, exhibit)[0]
    scheme = signatures.schemes_for(exhibit.private_key, leaf)[0]
    signature = signatures.sign(exhibit.private_key, scheme, b"content")
    with pytest.raises(errors.BadSignature, match=case.says) as caught:
        signatures.verify(leaf.public_key(), scheme, signature, b"content")
    assert caught.value.alert.name == case.verdict.alert


def test_every_refusal_says_something_about_the_case() -> None:
    """The fragment is what a person needs: which host, which date, which issuer."""
    assert [case.name for case in CASES if case.verdict.exception and not case.says] == []

"""Delegated credentials by themselves: RFC 9345's example, its bytes, and what a hostile one must not cause.

tests/test_other_credentials.py has them in handshakes.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import certs
from certs.bench import as_rsa_pss
from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.errors import AlertDescription, BadDelegatedCredential, ConfigurationError
from tls13.trust.delegated import (
    CLIENT_CONTEXT,
    DELEGATION_USAGE,
    MAX_VALIDITY,
    SERVER_CONTEXT,
    check,
    issue,
    may_delegate,
)
from tls13.trust.identity import Identity
from tls13.wire.companions import Credential, DelegatedCredential
from tls13.wire.registry import SignatureScheme

if TYPE_CHECKING:
    from tls13.lab.authority import Draft

WORKSHOP = certs.workshop()
NOW = WORKSHOP.now
KEY = ec.generate_private_key(ec.SECP256R1())
LENT = ed25519.Ed25519PrivateKey.generate()
ALL = tuple(SignatureScheme)
RFC = SHARED / "reference" / "rfc" / "rfc9345-source.draft-ietf-tls-subcerts.md"


def draft(value: bytes = b"\x05\x00", *, critical: bool = False) -> Draft:
    usage = x509.UnrecognizedExtension(DELEGATION_USAGE, value)
    return WORKSHOP.intermediate.draft(["server.example"], KEY.public_key()).with_extension(usage, critical=critical)


OWNER = Identity([WORKSHOP.intermediate.sign(draft())], KEY)
LEAF = OWNER.chain[0]


def signed(cred: Credential, certificate: x509.Certificate = LEAF, context: bytes = SERVER_CONTEXT) -> bytes:
    """RFC 9345, section 4, written down once more, with the library's ECDSA and nothing of ours but the struct."""
    der = certificate.public_bytes(Encoding.DER)
    content = b"\x20" * 64 + context + b"\x00" + der + cred.encode() + b"\x04\x03"
    return KEY.sign(content, ec.ECDSA(hashes.SHA256()))


def credential(spki: bytes = b"", *, days: float = 3, scheme: int = SignatureScheme.ed25519) -> DelegatedCredential:
    cred = Credential(
        valid_time=int((NOW + timedelta(days=days) - LEAF.not_valid_before_utc).total_seconds()),
        dc_cert_verify_algorithm=SignatureScheme(scheme),
        ASN1_subjectPublicKeyInfo=spki or der(LENT.public_key()),
    )
    return DelegatedCredential(cred=cred, algorithm=SignatureScheme.ecdsa_secp256r1_sha256, signature=signed(cred))


def der(key: ed25519.Ed25519PublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def pss(bits: int, exponent: int = 65537) -> bytes:
    """A SubjectPublicKeyInfo with id-RSASSA-PSS, which `cryptography` does not write."""
    return as_rsa_pss(der(rsa.RSAPublicNumbers(exponent, (1 << bits) - 159).public_key()))


def judged(
    body: DelegatedCredential,
    certificate: x509.Certificate = LEAF,
    *,
    now: datetime = NOW,
    context: bytes = SERVER_CONTEXT,
    algorithms: tuple[SignatureScheme, ...] = ALL,
    credential_algorithms: tuple[SignatureScheme, ...] = ALL,
) -> bytes:
    key = check(
        body,
        certificate,
        now,
        context=context,
        algorithms=algorithms,
        credential_algorithms=credential_algorithms,
    )
    return key.der


def refused(*arguments: object, says: str, **options: object) -> None:
    with pytest.raises(BadDelegatedCredential, match=re.escape(says)) as caught:
        judged(*arguments, **options)  # type: ignore[arg-type]  # passed on as they are
    assert caught.value.alert == AlertDescription.illegal_parameter


# --- outside truth ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RFC.is_file(), reason=SHARED_IS_ABSENT)
def test_the_rfcs_example_certificate_may_delegate() -> None:
    """Its section "Example Certificate", by DigiCert."""
    found = re.search("-----BEGIN.*?END CERTIFICATE-----", RFC.read_text(), re.DOTALL)
    assert found is not None
    assert may_delegate(x509.load_pem_x509_certificate(found[0].encode()))


def test_a_credential_signed_by_the_letter_of_the_rfc_is_accepted() -> None:
    assert judged(credential()) == der(LENT.public_key())


def test_what_we_issue_is_signed_by_the_letter_of_the_rfc() -> None:
    made = issue(OWNER, LENT.public_key(), until=NOW + timedelta(days=3), now=NOW)
    assert made.cred == credential().cred
    content = b"\x20" * 64 + SERVER_CONTEXT + b"\x00" + OWNER.der_chain[0] + made.cred.encode() + b"\x04\x03"
    KEY.public_key().verify(made.signature, content, ec.ECDSA(hashes.SHA256()))
    assert judged(made) == der(LENT.public_key())


# --- the checks of section 4.1.3 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0, -1])
def test_the_last_second_of_a_credential_is_its_own(seconds) -> None:
    body = credential()
    end = LEAF.not_valid_before_utc + timedelta(seconds=body.cred.valid_time)
    judged(body, now=end + timedelta(seconds=seconds))
    refused(body, now=end + timedelta(seconds=1), says="expired")


def test_seven_days_and_no_second_more() -> None:
    judged(credential(days=7))
    refused(credential(days=7), now=NOW - timedelta(seconds=1), says="more than 7 days")


def test_a_credential_of_one_role_is_none_of_the_other() -> None:
    refused(credential(), context=CLIENT_CONTEXT, says="signature is not the certificate's")


def test_both_algorithms_must_have_been_offered() -> None:
    """`algorithm` in signature_algorithms, dc_cert_verify_algorithm in delegated_credential."""
    ecdsa, ed = (SignatureScheme.ecdsa_secp256r1_sha256,), (SignatureScheme.ed25519,)
    judged(credential(), algorithms=ecdsa, credential_algorithms=ed)
    refused(credential(), algorithms=ed, credential_algorithms=ed, says="which we did not offer")
    refused(credential(), algorithms=ecdsa, credential_algorithms=ecdsa, says="dc_cert_verify_algorithm is ed25519")


@pytest.mark.parametrize("scheme", ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"])
def test_rsa_encryption_keys_are_refused_by_scheme_and_by_identifier(scheme) -> None:
    """Section 4: the key MUST NOT use the rsaEncryption OID, whatever the credential calls its algorithm."""
    spki = der(rsa.generate_private_key(65537, 2048).public_key())
    refused(credential(spki, scheme=SignatureScheme[scheme]), says=f"dc_cert_verify_algorithm is {scheme}")
    other = SignatureScheme[scheme.replace("rsae", "pss")]
    refused(credential(spki, scheme=other), says=f"{other} with its own key")


def test_rsa_pss_keys_within_our_limits_are_accepted() -> None:
    """Verifying with a huge key is work that a peer could make us do for nothing."""
    scheme = SignatureScheme.rsa_pss_pss_sha256
    for bits in (2048, 8192):
        assert judged(credential(pss(bits), scheme=scheme)) == pss(bits)
    for bits in (1024, 8200):
        refused(credential(pss(bits), scheme=scheme), says=f"an RSA key of {bits} bits")
    refused(credential(pss(2048, 2**64 + 1), scheme=scheme), says="a public exponent of 65 bits")


@pytest.mark.parametrize("spki", [b"\x30", b"\x30\x00", b"not DER", bytes(44), b"\x30\x2a" + bytes(42)])
def test_a_key_that_cannot_be_read_is_the_credentials_fault(spki) -> None:
    refused(credential(spki), says="a delegated credential that is not valid")


@pytest.mark.parametrize(
    "changed", [draft(critical=True), draft(b"\x30\x00"), draft(b""), draft().without_extension(x509.KeyUsage)]
)
def test_a_certificate_must_say_that_it_delegates(changed) -> None:
    """Section 4.2: DelegationUsage ::= NULL, MUST be non-critical; and digitalSignature."""
    certificate = WORKSHOP.intermediate.sign(changed)
    assert not may_delegate(certificate)
    body = credential()
    refused(body.replace(signature=signed(body.cred, certificate)), certificate, says="DelegationUsage")


def test_a_time_beyond_the_calendar_is_an_offence_and_no_overflow() -> None:
    far = draft()
    far = type(far)(**{**vars(far), "not_before": datetime(9990, 1, 1, tzinfo=UTC), "not_after": datetime(9999, 1, 1)})
    certificate = WORKSHOP.intermediate.sign(far)
    body = credential()
    late = body.replace(cred=body.cred.replace(valid_time=2**32 - 1))
    refused(late, certificate, says="after the year 9999")


# --- what we do not issue --------------------------------------------------------------------------------------------


def test_no_credential_outlives_its_certificate_or_a_week() -> None:
    """Section 3: peers MUST NOT issue such."""
    end = LEAF.not_valid_after_utc
    issue(OWNER, LENT.public_key(), until=end, now=end - timedelta(days=1))
    for until in (end + timedelta(seconds=1), LEAF.not_valid_before_utc, NOW - timedelta(days=4000)):
        with pytest.raises(ConfigurationError, match="its certificate is from"):
            issue(OWNER, LENT.public_key(), until=until)
    issue(OWNER, LENT.public_key(), until=NOW + MAX_VALIDITY, now=NOW)
    with pytest.raises(ConfigurationError, match="7 days at most"):
        issue(OWNER, LENT.public_key(), until=NOW + MAX_VALIDITY + timedelta(seconds=1), now=NOW)

"""Who may speak for a certificate's issuer, and with which signatures (RFC 6960, section 4.2.2.2)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs.der import (
    ECDSA_SHA1,
    RSA_MD5,
    RSA_SHA1,
    RSA_SHA256,
    Surgery,
    children,
)
from tests.trust.ocsp_responses import (
    BY_KEY,
    BY_NAME,
    DAY,
    HOUR,
    NOW,
    OCSP_SIGNING,
    Pki,
    data_of,
    refuse,
    respond,
    signed,
    signed_by,
)
from tls13 import errors
from tls13.lab.authority import Authority, Draft, Issued, KeyType, key_usage
from tls13.trust.ocsp import check_stapled

NONCE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.2")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


@pytest.mark.parametrize("by", [BY_NAME, BY_KEY], ids=["by name", "by key"])
@pytest.mark.parametrize("nocheck", [True, False], ids=["nocheck", "without nocheck"])
def test_a_responder_that_the_issuer_appointed(pki: Pki, by: ocsp.OCSPResponderEncoding, *, nocheck: bool) -> None:
    responder = appointed(pki, x509.OCSPNoCheck()) if nocheck else pki.responder()
    assert check_stapled(pki.by(responder, by=by), pki.chain, NOW).responder == responder.certificate


def appointed(pki: Pki, extension: x509.ExtensionType, *, critical: bool = False) -> Issued:
    """A responder whose certificate says one more thing, or says it differently."""
    key = KeyType.ECDSA_P256.generate()
    draft: Draft = pki.issuer.draft([], key.public_key(), common_name="responder", usages=[OCSP_SIGNING])
    certificate = pki.issuer.sign(draft.with_extension(extension, critical=critical))
    return Issued(certificate, key, (certificate,))


@pytest.mark.parametrize(
    ("extension", "critical", "why"),
    [
        (x509.BasicConstraints(ca=True, path_length=0), True, "it is a CA"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False, "id-kp-OCSPSigning"),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False, "id-kp-OCSPSigning"),
        (key_usage(key_cert_sign=True), True, "digitalSignature"),
        (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3"), b"\5\0"), True, "critical extension 1.2.3"),
    ],
    ids=["CA", "any usage", "server", "may not sign", "unknown critical"],
)
def test_who_was_not_appointed_for_it_may_not_speak(
    pki: Pki, extension: x509.ExtensionType, why: str, *, critical: bool
) -> None:
    """Section 4.2.2.2. Any usage is not this usage: it MUST be named."""
    responder = appointed(pki, extension, critical=critical)
    refuse(errors.UnauthorizedResponder, pki.by(responder), pki, match=why)


def test_without_any_extended_key_usage_nobody_is_appointed(pki: Pki) -> None:
    key = KeyType.ECDSA_P256.generate()
    draft = pki.issuer.draft([], key.public_key(), common_name="responder").without_extension(x509.ExtendedKeyUsage)
    certificate = pki.issuer.sign(draft)
    response = pki.by(Issued(certificate, key, (certificate,)))
    refuse(errors.UnauthorizedResponder, response, pki, match="id-kp-OCSPSigning")


def test_what_the_responder_may_say_critically_is_understood(pki: Pki) -> None:
    responder = appointed(pki, x509.ExtendedKeyUsage([OCSP_SIGNING]), critical=True)
    check_stapled(pki.by(responder), pki.chain, NOW)


@pytest.mark.parametrize("who", ["the root", "a stranger", "a namesake of the issuer"])
def test_a_responder_that_another_ca_appointed_is_refused(pki: Pki, who: str) -> None:
    """Section 4.2.2.2: the key that signed the certificate, and no other, also signed the responder's."""
    namesake = Authority(pki.issuer.certificate, KeyType.ECDSA_P256.generate(), now=NOW - DAY)
    other = {"the root": pki.root, "a stranger": pki.stranger, "a namesake of the issuer": namesake}[who]
    refuse(errors.UnauthorizedResponder, pki.by(pki.responder(other)), pki, match="did not issue")


def test_a_responder_may_not_be_shown_by_its_issuer_alone(pki: Pki) -> None:
    """The certificate must be there: nothing is fetched."""
    responder = pki.responder()
    response = respond(pki.issuer, pki.leaf, responder=(responder.certificate, responder.private_key))
    refuse(errors.UnauthorizedResponder, response, pki, match="nor is its certificate")


@pytest.mark.parametrize(
    ("when", "why"), [(NOW - 2 * DAY, "not valid yet"), (NOW + 31 * DAY, "has expired")], ids=["too soon", "too late"]
)
def test_a_responder_whose_certificate_is_not_in_date_is_refused(pki: Pki, when: datetime, why: str) -> None:
    response = pki.by(pki.responder(), this_update=when - HOUR, next_update=when + DAY)
    refuse(errors.UnauthorizedResponder, response, pki, now=when, match=why)


@pytest.mark.parametrize(
    ("key_type", "identifier"), [(KeyType.ECDSA_P256, ECDSA_SHA1), (KeyType.RSA_2048, RSA_SHA1)], ids=["ECDSA", "RSA"]
)
def test_a_responder_whose_certificate_is_signed_over_sha_1_is_refused(key_type: KeyType, identifier: bytes) -> None:
    pki = Pki(key_type)
    responder = pki.responder()
    weak = x509.load_der_x509_certificate(Surgery(responder.certificate).sign(pki.issuer.private_key, identifier))
    response = pki.by(Issued(weak, responder.private_key, (weak,)))
    refuse(errors.UnauthorizedResponder, response, pki, match="not secure")


def test_the_issuer_must_have_signed_what_it_seems_to_have_signed(pki: Pki) -> None:
    response = respond(pki.issuer, pki.leaf)
    refuse(errors.BadOcspSignature, signed_by(KeyType.ECDSA_P256.generate(), response), pki)
    another_kind = signed_by(KeyType.RSA_2048.generate(), response, RSA_SHA256)
    refuse(errors.BadOcspSignature, another_kind, pki, match="another kind")


def test_a_responder_must_have_signed_it(pki: Pki) -> None:
    response = pki.by(pki.responder())
    refuse(errors.BadOcspSignature, signed_by(KeyType.ECDSA_P256.generate(), response), pki)


@pytest.mark.parametrize("by", [BY_NAME, BY_KEY], ids=["by name", "by key"])
def test_the_response_must_name_who_signed_it(pki: Pki, by: ocsp.OCSPResponderEncoding) -> None:
    """Section 4.2.2.3: the ResponderID MUST correspond to the certificate that was used."""
    pair = (pki.stranger.certificate, pki.stranger.private_key)
    response = respond(pki.issuer, pki.leaf, by=by, responder=pair, certificates=[pki.issuer.certificate])
    refuse(errors.UnauthorizedResponder, signed_by(pki.issuer.private_key, response), pki)


def test_the_right_one_among_responders_of_one_name_is_found(pki: Pki) -> None:
    """A CA renews its responder under the old name, and the response brings both certificates."""
    old, new = pki.responder(), pki.responder()
    response = respond(
        pki.issuer,
        pki.leaf,
        responder=(new.certificate, new.private_key),
        certificates=[old.certificate, new.certificate],
    )
    assert check_stapled(response, pki.chain, NOW).responder == new.certificate


def test_of_several_that_may_not_speak_the_first_ones_fault_is_told(pki: Pki) -> None:
    first, second = appointed(pki, key_usage(key_cert_sign=True), critical=True), pki.responder()
    pair = (first.certificate, first.private_key)
    response = respond(pki.issuer, pki.leaf, responder=pair, certificates=[first.certificate, second.certificate])
    refuse(errors.UnauthorizedResponder, response, pki, match="digitalSignature")


def test_how_many_are_tried_is_limited(pki: Pki) -> None:
    """Each costs two verifications, and whoever shows the certificate chose them."""
    right, wrong = pki.responder(), [pki.responder().certificate for _ in range(4)]
    pair = (right.certificate, right.private_key)
    response = respond(pki.issuer, pki.leaf, responder=pair, certificates=[*wrong, right.certificate])
    refuse(errors.BadOcspSignature, response, pki)


@pytest.mark.parametrize("identifier", [RSA_SHA1, RSA_MD5], ids=["SHA-1", "MD5"])
def test_a_signature_over_a_weak_hash_is_refused(identifier: bytes) -> None:
    """RFC 6960, section 4.3, still asks for SHA-1, with a SHOULD; we take the safe side."""
    pki = Pki(KeyType.RSA_2048)
    fields = children(data_of(respond(pki.issuer, pki.leaf)))
    refuse(errors.WeakOcspSignature, signed(fields, pki.issuer.private_key, identifier), pki)

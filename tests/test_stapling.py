"""OCSP stapling in the handshake: who asks, who staples, what is then believed (RFC 9846, section 4.5.1.1; RFC 7633).

What makes a response good is in tests/trust.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

import tls13
from tls13 import errors
from tls13.lab.authority import Authority
from tls13.trust.features import must_staple
from tls13.wire.companions import CertificateStatus

HOST = "server.example"
NOW = datetime.now(UTC).replace(microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus
STAPLE = x509.TLSFeature([x509.TLSFeatureType.status_request])


def respond(
    issuer: Authority,
    leaf: x509.Certificate,
    *,
    status: ocsp.OCSPCertStatus = GOOD,
    this_update: datetime = NOW - HOUR,
    next_update: datetime = NOW + DAY,
) -> bytes:
    revoked = status is REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=leaf,
        issuer=issuer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=status,
        this_update=this_update,
        next_update=next_update,
        revocation_time=NOW - DAY if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer.certificate)
    return builder.sign(issuer.private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def stapling(authority: Authority, response: bool, *, must: bool = True) -> tls13.ServerConfig:
    key = ec.generate_private_key(ec.SECP256R1())
    draft = authority.draft([HOST], key.public_key())
    certificate = authority.sign(draft.with_extension(STAPLE) if must else draft)
    assert must_staple(certificate) == must
    extensions = [CertificateStatus(response=respond(authority, certificate))] if response else []
    return tls13.ServerConfig(tls13.Identity((certificate,), key, leaf_extensions=extensions))


@pytest.mark.parametrize("must", [True, False])
def test_a_staple_is_verified_and_handed_on(pair, authority, client_config, must) -> None:
    made = pair(client=client_config, server=stapling(authority, response=True, must=must))
    made.run()
    response = made.client.session.ocsp_response
    assert ocsp.load_der_ocsp_response(response).certificate_status is GOOD


def test_a_certificate_that_must_bring_one_and_does_not(quick_pair, authority, client_config) -> None:
    """RFC 7633, section 4.3.3."""
    made = quick_pair(client=client_config, server=stapling(authority, response=False))
    made.expect_refusal_by_client(errors.MissingStaple)


def test_other_certificates_need_none(quick_pair, authority, client_config) -> None:
    made = quick_pair(client=client_config, server=stapling(authority, response=False, must=False))
    made.run()
    assert made.client.session.ocsp_response is None


def test_a_bad_staple_is_refused_even_where_none_was_needed(quick_pair, authority, client_config, issued) -> None:
    """RFC 6066, section 8: bad_certificate_status_response. Who cannot show a good one must not show any."""
    old = respond(authority, issued.certificate, this_update=NOW - 9 * DAY, next_update=NOW - 2 * DAY)
    identity = tls13.Identity(issued.chain, issued.private_key, leaf_extensions=[CertificateStatus(response=old)])
    quick_pair(client=client_config, server=tls13.ServerConfig(identity)).expect_refusal_by_client(errors.OcspOutOfDate)


def test_nobody_staples_for_a_client_that_does_not_ask(quick_pair, authority, client_config) -> None:
    made = quick_pair(client=client_config.replace(ocsp_stapling=False), server=stapling(authority, response=True))
    made.run()
    assert made.client.session.ocsp_response is None


def test_a_revoked_client_is_refused_by_a_server_that_asks(
    quick_pair, authority, trust, client_config, server_config
) -> None:
    """Section 4.5.1.1: an empty status_request in CertificateRequest asks the client for a staple."""
    issued = authority.issue(["me"], usages=[ExtendedKeyUsageOID.CLIENT_AUTH])
    for status in (GOOD, REVOKED):
        staple = CertificateStatus(response=respond(authority, issued.certificate, status=status))
        identity = tls13.Identity(issued.chain, issued.private_key, leaf_extensions=[staple])
        made = quick_pair(
            client=client_config.replace(identities=identity),
            server=server_config.replace(client_trust=trust, ocsp_stapling=True),
        )
        if status is GOOD:
            made.run()
            assert made.server.session.verified_chain
        else:
            made.expect_refusal_by_server(errors.CertificateRevoked)


# --- a certificate that is believed for itself ------------------------------------------------------------------------


def shown_by(authority: Authority, status: ocsp.OCSPCertStatus, *, sent: tuple = (), must: bool = False):
    """A server's leaf with a staple, and what it sends with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    draft = authority.draft([HOST], key.public_key())
    leaf = authority.sign(draft.with_extension(STAPLE) if must else draft)
    staple = CertificateStatus(response=respond(authority, leaf, status=status))
    identity = tls13.Identity((leaf,), key, leaf_extensions=[staple])
    identity.der_chain += tuple(one.public_bytes(Encoding.DER) for one in sent)
    return leaf, tls13.ServerConfig(identity)


BELIEVED = pytest.mark.parametrize(
    "store", [tls13.TrustStore.pinned, tls13.TrustStore.from_certificates], ids=["pinned", "in an ordinary store"]
)


@BELIEVED
@pytest.mark.parametrize("status", [GOOD, REVOKED])
def test_where_nobody_knows_who_may_speak_about_a_certificate_the_staple_says_nothing(
    quick_pair, authority, client_config, store, status
) -> None:
    """Whoever pins a certificate believes it whoever signed it, and asks for staples all the same: that is the default.
    Nothing is then said of a response that nobody has checked."""
    stranger = Authority.create(now=NOW)
    for sent in ((), (stranger.certificate,)):
        leaf, server = shown_by(authority, status, sent=sent)
        made = quick_pair(client=client_config.replace(trust=store([leaf])), server=server)
        made.run()
        assert made.client.session.verified_chain == (leaf,)
        assert made.client.session.ocsp_response is None


@BELIEVED
def test_the_issuer_that_is_sent_next_may_speak_about_a_certificate(
    quick_pair, authority, client_config, store
) -> None:
    """Section 4.5.1: each certificate SHOULD directly certify the one before it. That this one does is a matter of its
    key, not of trust."""
    for status in (GOOD, REVOKED):
        leaf, server = shown_by(authority, status, sent=(authority.certificate,))
        made = quick_pair(client=client_config.replace(trust=store([leaf])), server=server)
        if status is REVOKED:
            made.expect_refusal_by_client(errors.CertificateRevoked)
        else:
            made.run()
            assert made.client.session.ocsp_response is not None
            assert made.client.session.verified_chain == (leaf,)


@BELIEVED
def test_a_pinned_certificate_that_must_bring_a_staple_brings_one_that_can_be_judged(
    quick_pair, authority, client_config, store
) -> None:
    """RFC 7633: the certificate itself asks for it, and that is believed."""
    leaf, server = shown_by(authority, GOOD, must=True)
    pinning = client_config.replace(trust=store([leaf]))
    quick_pair(client=pinning, server=server).expect_refusal_by_client(errors.UnauthorizedResponder)
    leaf, server = shown_by(authority, GOOD, must=True, sent=(authority.certificate,))
    quick_pair(client=client_config.replace(trust=store([leaf])), server=server).run()


def test_a_self_signed_certificate_speaks_about_itself(quick_pair, client_config) -> None:
    """It is its own issuer, so that its staple counts, pinned or not."""
    own = Authority.create(now=NOW)
    draft = own.draft([HOST], own.private_key.public_key(), common_name=None)
    leaf = own.sign(replace(draft, subject=own.certificate.subject))
    staple = CertificateStatus(response=respond(own, leaf, status=REVOKED))
    server = tls13.ServerConfig(tls13.Identity((leaf,), own.private_key, leaf_extensions=[staple]))
    made = quick_pair(client=client_config.replace(trust=tls13.TrustStore.pinned([leaf])), server=server)
    made.expect_refusal_by_client(errors.CertificateRevoked)

"""Chains made by trustme, which the users of this library test with: its habits have to be accepted.

trustme marks subjectAltName and extendedKeyUsage as critical although there is a subject, writes validities of a
thousand years, and lets one certificate serve servers and clients.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from certs.bench import DAY, Exhibit
from certs.catalogue import ACCEPTED, EXPIRED, NOT_YET_VALID, UNKNOWN_ISSUER, WRONG_HOST, case

if TYPE_CHECKING:
    from certs.bench import Bench


def _exhibit(leaf: trustme.LeafCert, *roots: trustme.CA) -> Exhibit:
    key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("trustme's leafs have EC keys unless it is asked for others")
    chain = [x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems]
    trusted = [x509.load_pem_x509_certificate(root.cert_pem.bytes()) for root in roots]
    return Exhibit(
        chain=tuple(certificate.public_bytes(Encoding.DER) for certificate in chain),
        private_key=key,
        roots=tuple(certificate.public_bytes(Encoding.DER) for certificate in trusted),
    )


@case(ACCEPTED, "RFC 9846, section 4.5.1.2")
def trustme_leaf(bench: Bench) -> Exhibit:
    """A leaf right below trustme's root."""
    ca = trustme.CA()
    return _exhibit(ca.issue_cert(bench.host), ca)


@case(ACCEPTED, "RFC 9846, section 4.5.1.2")
def trustme_child_ca(bench: Bench) -> Exhibit:
    """A leaf below an intermediate of trustme's."""
    ca = trustme.CA()
    return _exhibit(ca.create_child_ca().issue_cert(bench.host), ca)


@case(ACCEPTED, "RFC 9846, section 4.5.1.2", role="client")
def trustme_client(bench: Bench) -> Exhibit:
    """A leaf of trustme's, presented by a client."""
    ca = trustme.CA()
    return _exhibit(ca.issue_cert("user@client.example"), ca)


@case(EXPIRED, "RFC 5280, section 4.1.2.5")
def trustme_expired(bench: Bench) -> Exhibit:
    """A leaf of trustme's that expired yesterday."""
    ca = trustme.CA()
    return _exhibit(ca.issue_cert(bench.host, not_after=(bench.now - DAY).replace(tzinfo=None)), ca)


@case(NOT_YET_VALID, "RFC 5280, section 4.1.2.5")
def trustme_not_yet_valid(bench: Bench) -> Exhibit:
    """A leaf of trustme's that is valid from tomorrow on."""
    ca = trustme.CA()
    return _exhibit(ca.issue_cert(bench.host, not_before=(bench.now + DAY).replace(tzinfo=None)), ca)


@case(WRONG_HOST, "RFC 9525, section 6")
def trustme_wrong_host(bench: Bench) -> Exhibit:
    """A leaf of trustme's for another host."""
    ca = trustme.CA()
    return _exhibit(ca.issue_cert("other.example"), ca)


@case(UNKNOWN_ISSUER, "RFC 5280, section 6.1")
def trustme_unknown_ca(bench: Bench) -> Exhibit:
    """A leaf of one trustme CA, while another is trusted."""
    return _exhibit(trustme.CA().create_child_ca().issue_cert(bench.host), trustme.CA())


@case(UNKNOWN_ISSUER, "RFC 9846, section 4.5.1", says="did not send an intermediate certificate")
def trustme_missing_intermediate(bench: Bench) -> Exhibit:
    """A leaf below an intermediate of trustme's, sent without it. Nothing in it tells this from an unknown CA: all of
    trustme's CAs have one organization and no common name. So the sentence has to name both."""
    ca = trustme.CA()
    shown = _exhibit(ca.create_child_ca().issue_cert(bench.host), ca)
    return Exhibit(shown.chain[:1], shown.private_key, shown.roots)

"""Certificates that their issuer has taken back, and CRLs that cannot say so (RFC 5280, section 6.3)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from certs.bench import DAY
from certs.catalogue import ACCEPTED, REVOCATION_UNKNOWN, REVOKED, case
from tls13.lab.authority import Authority, KeyType

if TYPE_CHECKING:
    from certs.bench import Bench, Exhibit

_RULE = "RFC 5280, section 6.3"


@case(REVOKED, _RULE)
def revoked_leaf(bench: Bench) -> Exhibit:
    """The intermediate's CRL lists the leaf."""
    leaf = bench.leaf()
    return bench.show(leaf, crls=[bench.crl(bench.intermediate, [leaf]), bench.crl(bench.root)])


@case(REVOKED, _RULE)
def revoked_intermediate(bench: Bench) -> Exhibit:
    """The root's CRL lists the intermediate."""
    issuer = bench.ca(path_length=0)
    lists = [bench.crl(issuer), bench.crl(bench.root, [issuer.certificate])]
    return bench.show(bench.leaf(issuer=issuer), issuer.chain, crls=lists)


@case(ACCEPTED, _RULE)
def good_not_revoked(bench: Bench) -> Exhibit:
    """Fresh CRLs of both issuers, which list other certificates."""
    lists = [bench.crl(bench.intermediate, [bench.leaf()]), bench.crl(bench.root)]
    return bench.show(bench.leaf(), crls=lists)


@case(REVOCATION_UNKNOWN, _RULE)
def expired_crl(bench: Bench) -> Exhibit:
    """The issuer's CRL should have been replaced yesterday: what was revoked since is not in it."""
    old = bench.crl(bench.intermediate, issued=-8 * DAY, next_update=-DAY)
    return bench.show(bench.leaf(), crls=[old, bench.crl(bench.root)])


@case(REVOCATION_UNKNOWN, _RULE)
def crl_from_the_future(bench: Bench) -> Exhibit:
    """The issuer's CRL is dated tomorrow."""
    early = bench.crl(bench.intermediate, issued=DAY)
    return bench.show(bench.leaf(), crls=[early, bench.crl(bench.root)])


@case(REVOCATION_UNKNOWN, _RULE)
def crl_of_another_issuer(bench: Bench) -> Exhibit:
    """The CRL is by a CA that has nothing to do with the leaf."""
    return bench.show(bench.leaf(), crls=[bench.crl(bench.stranger), bench.crl(bench.root)])


@case(REVOCATION_UNKNOWN, _RULE)
def crl_by_a_namesake(bench: Bench) -> Exhibit:
    """The CRL has the issuer's name and another key's signature: it proves nothing, in either direction."""
    namesake = Authority(bench.intermediate.certificate, KeyType.ECDSA_P256.generate(), now=bench.now)
    return bench.show(bench.leaf(), crls=[bench.crl(namesake), bench.crl(bench.root)])


@case(REVOKED, _RULE)
def revoked_in_the_older_crl(bench: Bench) -> Exhibit:
    """Two CRLs are valid and the older one lists the leaf: a certificate that is revoked stays so."""
    leaf = bench.leaf()
    older = bench.crl(bench.intermediate, [leaf], issued=-2 * DAY)
    newer = bench.crl(bench.intermediate, [leaf], issued=timedelta(hours=-1))
    return bench.show(leaf, crls=[older, newer, bench.crl(bench.root)])


@case(ACCEPTED, "RFC 7633, section 4.2.3")
def must_staple(bench: Bench) -> Exhibit:
    """The leaf wants a stapled OCSP response (status_request), and the server staples one."""
    feature = x509.TLSFeature([x509.TLSFeatureType.status_request])
    leaf = bench.leaf(lambda draft: draft.with_extension(feature))
    return bench.show(leaf, ocsp_response=bench.ocsp(leaf, bench.intermediate))

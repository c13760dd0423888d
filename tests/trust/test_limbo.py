"""x509-limbo: chains that others made to find verifiers' mistakes. Read where it lies; every disagreement has a reason.

The counts are exact: the tests fail when a release of `cryptography`, or a change of ours, moves them either way.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509

import tls13
from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.trust.verify import parse_chain

LIMBO = SHARED / "vectors" / "x509-limbo"
DISAGREEMENTS = json.loads((Path(__file__).parent / "limbo_disagreements.json").read_text())

pytestmark = [
    pytest.mark.skipif(not LIMBO.is_dir(), reason=SHARED_IS_ABSENT),
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
]


@cache
def cases(name: str) -> tuple[dict, ...]:
    return tuple(json.loads((LIMBO / f"{name}.json").read_text())["testcases"])


def accepts(case: dict, profile: tls13.Profile) -> bool:
    """From the bytes that a peer would send to the verdict; nothing but documented exceptions on the way."""
    try:
        roots = [x509.load_pem_x509_certificate(pem.encode()) for pem in case["trusted_certs"]]
        crls = [x509.load_pem_x509_crl(pem.encode()) for pem in case.get("crls", [])]
    except ValueError:
        return False  # a root or CRL that cannot be read is the configuration's fault, not the peer's
    depth = case.get("max_chain_depth")
    verifier = tls13.ChainVerifier(
        tls13.TrustStore.from_certificates(roots),
        profile=profile,
        crls=tls13.CrlSet(crls, require="leaf") if crls else None,
        **({} if depth is None else {"max_depth": depth}),
    )
    now = datetime.fromisoformat(case["validation_time"]) if case["validation_time"] else datetime.now(UTC)
    name = case.get("expected_peer_name")
    try:
        chain = parse_chain([der(pem) for pem in (case["peer_certificate"], *case["untrusted_intermediates"])])
        if case["validation_kind"] == "CLIENT":
            verifier.verify_client(chain, now)
        else:
            verifier.verify_server(chain, tls13.ServerName.parse(name["value"]) if name else None, now)
    except tls13.TLSError:
        return False
    return True


def der(pem: str) -> bytes:
    return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))


@cache
def disagreements(name: str, profile: tls13.Profile) -> tuple[frozenset[str], frozenset[str]]:
    """Accepted that should not be, and refused that should not be."""
    accepted, refused = set(), set()
    for case in cases(name):
        wanted = case["expected_result"] == "SUCCESS"
        if accepts(case, profile) != wanted:
            (refused if wanted else accepted).add(case["id"])
    return frozenset(accepted), frozenset(refused)


@pytest.mark.parametrize("profile", tls13.Profile, ids=lambda profile: profile.value)
@pytest.mark.parametrize(("name", "total"), [("limbo-core", 208), ("limbo-pathbuilding", 81)])
def test_the_counts(name, total, profile) -> None:
    accepted, refused = disagreements(name, profile)
    assert len(cases(name)) == total
    assert {
        "agree": total - len(accepted) - len(refused),
        "accepted": len(accepted),
        "refused": len(refused),
    } == DISAGREEMENTS["counts"][name][profile.value]


def test_every_disagreement_of_the_web_pki_profile_has_its_reason() -> None:
    accepted, refused = disagreements("limbo-core", tls13.Profile.WEBPKI)
    assert accepted == set(DISAGREEMENTS["webpki"]["accepted"])
    assert refused == set(DISAGREEMENTS["webpki"]["refused"])
    assert all(DISAGREEMENTS["webpki"]["accepted"].values())

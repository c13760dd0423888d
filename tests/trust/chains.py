"""What the tests of chains share: the workshop's good chains, and verifiers that trust its root."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

import certs
from certs.der import Surgery
from tls13.lab.authority import KeyType
from tls13.trust.names import ServerName
from tls13.trust.store import TrustStore
from tls13.trust.verify import ChainVerifier, Profile

if TYPE_CHECKING:
    from collections.abc import Callable

    from tls13.lab.authority import Authority

WORKSHOP = certs.workshop()
NOW = WORKSHOP.now
HOST = ServerName.parse("server.example")
EVERY_PROFILE = pytest.mark.parametrize("profile", Profile, ids=lambda profile: profile.value)


def verifier(*anchors: x509.Certificate, profile: Profile = Profile.DEFAULT, **options: int) -> ChainVerifier:
    return ChainVerifier(TrustStore.from_certificates(anchors), profile=profile, **options)


def trusting_root(profile: Profile = Profile.DEFAULT) -> ChainVerifier:
    return verifier(WORKSHOP.root.certificate, profile=profile)


P256, UNKNOWN_CURVE = bytes.fromhex("06082a8648ce3d030107"), bytes.fromhex("06082a8648ce3d030106")
"""In a key's AlgorithmIdentifier: prime256v1, and prime239v3, which `cryptography` does not know."""
UNREADABLE_NAMES = pytest.mark.parametrize(
    "spoil",
    [
        lambda name: name[:-1] + b"\xff",
        lambda name: re.sub(rb"(?s)\x55\x04\x03\x0c(.).", b"\x55\x04\x03\x03\\1\0", name),
    ],
    ids=["not UTF-8", "BIT STRING"],
)
"""Two names that `cryptography` cannot parse: it raises ValueError for one and TypeError for the other, and not before
the name is looked at."""


def with_name(certificate: x509.Certificate, ca: Authority, spoil: Callable[[bytes], bytes], *positions: int) -> bytes:
    """The certificate with its name at `positions` (SUBJECT, ISSUER of certs.der) spoilt, signed by this CA; DER."""
    surgery = Surgery(certificate)
    for position in positions:
        surgery.fields[position] = spoil(surgery.fields[position])
    return surgery.sign(ca.private_key)


def leaf_with(*extensions: tuple[x509.ExtensionType, bool], names: tuple[str, ...] = ("server.example",)) -> list:
    draft = WORKSHOP.intermediate.draft(names, KeyType.ECDSA_P256.generate().public_key())
    for value, critical in extensions:
        draft = draft.with_extension(value, critical=critical)
    return [WORKSHOP.intermediate.sign(draft), *WORKSHOP.intermediate.chain]

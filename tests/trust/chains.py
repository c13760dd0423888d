"""What the tests of chains share: the workshop's good chains, and verifiers that trust its root."""

from __future__ import annotations

import pytest
from cryptography import x509

import certs
from tls13.lab.authority import KeyType
from tls13.trust.names import ServerName
from tls13.trust.store import TrustStore
from tls13.trust.verify import ChainVerifier, Profile

WORKSHOP = certs.workshop()
NOW = WORKSHOP.now
HOST = ServerName.parse("server.example")
EVERY_PROFILE = pytest.mark.parametrize("profile", Profile, ids=lambda profile: profile.value)


def verifier(*anchors: x509.Certificate, profile: Profile = Profile.DEFAULT, **options: int) -> ChainVerifier:
    return ChainVerifier(TrustStore.from_certificates(anchors), profile=profile, **options)


def trusting_root(profile: Profile = Profile.DEFAULT) -> ChainVerifier:
    return verifier(WORKSHOP.root.certificate, profile=profile)


def leaf_with(*extensions: tuple[x509.ExtensionType, bool], names: tuple[str, ...] = ("server.example",)) -> list:
    draft = WORKSHOP.intermediate.draft(names, KeyType.ECDSA_P256.generate().public_key())
    for value, critical in extensions:
        draft = draft.with_extension(value, critical=critical)
    return [WORKSHOP.intermediate.sign(draft), *WORKSHOP.intermediate.chain]

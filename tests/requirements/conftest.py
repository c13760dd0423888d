"""Peers that show certificates, and ask for them."""

from __future__ import annotations

import pytest

import tls13
from tls13.lab.authority import CLIENT_AUTH


@pytest.fixture(scope="session")
def client_identity(authority):
    return authority.issue(["client.example"], usages=(CLIENT_AUTH,)).identity


@pytest.fixture
def authenticating(client_config, client_identity):
    """A client that has a certificate, and may be asked for it later too."""
    return client_config.replace(identities=[client_identity], post_handshake_auth=True)


@pytest.fixture
def asking(server_config, trust):
    return server_config.replace(client_trust=trust)


@pytest.fixture
def asking_later(server_config, trust):
    return server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER)

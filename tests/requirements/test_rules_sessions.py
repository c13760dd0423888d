"""What a resumed session must not lead around: DESIGN.md, section 5a."""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.wire.registry import ExtensionType

from .scripts import (
    HOST,
    MODES,
    first_hello,
    session_of,
)

E = ExtensionType


@pytest.fixture
def server_config(server_config):
    """One whose ticket keys stay the same in every config that is made from it."""
    return server_config.replace(tickets=tls13.SealedTickets())


@pytest.mark.requirement("D01")
def test_a_ticket_opens_only_where_the_same_is_demanded(client_config, server_config, trust, quick_pair) -> None:
    """CVE-2025-23419: another demand on the client, another name, another protocol: a full handshake."""
    client = client_config.replace(psk_key_exchange_modes=MODES, alpn_protocols=["a", "b"])
    server = server_config.replace(alpn_protocols=["a"])
    session = session_of(client, server)

    def resumed(client: tls13.ClientConfig, server: tls13.ServerConfig) -> bool:
        made = quick_pair(server=server)
        made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session)
        try:
            made.run()
        except errors.CertificateRequired:
            return False
        return made.server.session.resumed

    assert resumed(client, server)
    assert not resumed(client, server.replace(alpn_protocols=["b"]))
    assert not resumed(client, server.replace(client_trust=trust))
    assert not resumed(client, server.replace(client_trust=trust, client_auth=tls13.ClientAuth.OPTIONAL))


@pytest.mark.requirement("D01")
def test_a_ticket_of_another_name_opens_nothing(client_config, server_config, quick_pair) -> None:
    session = session_of(client_config, server_config)
    other = session.replace(server_name_bytes=b"localhost")
    made = quick_pair()
    config = client_config.replace(psk_key_exchange_modes=MODES)
    made.client = tls13.ClientConnection(config, server_hostname="localhost", session=other)
    assert made.client._handshake.offered_psks()
    made.run()
    assert made.server.session.server_name == "localhost"
    assert not made.server.session.resumed


@pytest.mark.requirement("D02")
def test_a_session_is_offered_only_where_its_chain_would_be_accepted_today(
    client_config, server_config, authority
) -> None:
    session = session_of(client_config, server_config)
    stranger = type(authority).create(now=authority.certificate.not_valid_before_utc)
    distrusting = client_config.replace(
        psk_key_exchange_modes=MODES, trust=tls13.TrustStore.from_certificates([stranger.certificate])
    )
    trusting = client_config.replace(psk_key_exchange_modes=MODES)
    long_after = session.chain_expires_at + 1
    expired = trusting.replace(clock=lambda: long_after)
    fresh = session.replace(made_at_ms=long_after * 1000)
    for config, name, offered_session, expected in (
        (trusting, HOST, session, True),
        (distrusting, HOST, session, False),
        (trusting, "localhost", session, False),
        (expired, HOST, fresh, False),
    ):
        hello = first_hello(tls13.ClientConnection(config, server_hostname=name, session=offered_session))
        assert (E.pre_shared_key in hello.extensions) is expected

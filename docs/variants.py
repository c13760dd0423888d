"""Connections that together go through every state of appendix A, on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tls13 import ClientAuth, ExternalPsk, PskKeyExchangeMode, ReplayGuard, TicketReceived
from tls13.explain.demos import EARLY_DATA, HOST, QUESTION, Stage
from tls13.io.memory import pump
from tls13.wire.registry import CertificateCompressionAlgorithm, NamedGroup

from .flows import Log, WatchedClient, WatchedServer

if TYPE_CHECKING:
    from tls13.config import ClientConfig, ServerConfig
    from tls13.resumption.sessions import StoredSession

X25519, P256 = NamedGroup.x25519, NamedGroup.secp256r1
ZLIB = [CertificateCompressionAlgorithm.zlib]


def run(
    client: ClientConfig, server: ServerConfig, session: StoredSession | None = None, early: bytes | None = None
) -> tuple[list[Log], list[StoredSession]]:
    """One connection: what its two sides did, and the tickets that came of it."""
    ours = WatchedClient(client, HOST, session, early)
    theirs = WatchedServer(server)
    events = pump(ours, theirs).client
    return [ours.log, theirs.log], [event.session for event in events if isinstance(event, TicketReceived)]


def configs() -> list[tuple[ClientConfig, ServerConfig]]:
    """Whatever needs no earlier connection."""
    stage = Stage()
    client, server = stage.client, stage.server
    person = stage.person().identity
    asks = server.replace(client_trust=stage.trust)
    optional = asks.replace(client_auth=ClientAuth.OPTIONAL)
    both = client.replace(groups=[X25519, P256], key_shares=[X25519])
    key = ExternalPsk(b"sensor 7", bytes(range(32)))
    known = client.replace(psks=[key])
    return [
        (client, server),
        (both, server.replace(groups=[P256])),
        (client, server.replace(always_retry=True)),
        (client.replace(identities=person), asks),
        (client, optional),
        (both.replace(identities=person), asks.replace(groups=[P256])),
        (known, server.replace(psks=[key])),
        (
            known.replace(psk_key_exchange_modes=[PskKeyExchangeMode.psk_ke]),
            server.replace(psks=[key], psk_key_exchange_modes=[PskKeyExchangeMode.psk_ke]),
        ),
        (known.replace(certificate_with_psk=True), server.replace(psks=[key], certificate_with_psk=True)),
        (client.replace(certificate_compression=ZLIB), server.replace(certificate_compression=ZLIB)),
        (
            client.replace(certificate_compression=ZLIB, identities=person),
            asks.replace(certificate_compression=ZLIB),
        ),
        (
            client.replace(identities=person, post_handshake_auth=True),
            asks.replace(client_auth=ClientAuth.LATER),
        ),
    ]


def every_variant() -> list[Log]:
    """Both sides of every connection."""
    logs = [log for client, server in configs() for log in run(client, server)[0]]
    stage = Stage()
    server = stage.server.replace(max_early_data=EARLY_DATA, replay_guard=ReplayGuard())
    client = stage.client.replace(groups=[X25519, P256], key_shares=[X25519])
    _, tickets = run(client, server)
    _, more = run(client, server)
    first, second, third, fourth = [*tickets, *more]
    just_started = ReplayGuard(started_at=server.clock())
    for ticket, early, acceptor in (
        (first, None, server),
        (second, QUESTION, server),
        (third, QUESTION, server.replace(replay_guard=just_started)),
        (fourth, QUESTION, server.replace(groups=[P256])),
    ):
        logs += run(client, acceptor, ticket, early)[0]
    return logs

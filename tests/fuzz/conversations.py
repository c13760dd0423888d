"""The conversations that are broken: each kind of handshake that tls13 knows, and what may come after it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ed25519

import tls13
from tests.fuzz import mutations
from tests.test_other_credentials import delegated, delegating
from tls13 import errors
from tls13.lab.authority import CLIENT_AUTH, Authority
from tls13.lab.scripted import ScriptedClient, ScriptedServer
from tls13.resumption.early_data import ReplayGuard
from tls13.resumption.sessions import SessionCache
from tls13.trust.raw_keys import RawPublicKey
from tls13.wire.registry import CertificateCompressionAlgorithm, NamedGroup, PskKeyExchangeMode

if TYPE_CHECKING:
    from tls13.wire.messages import HandshakeMessage

HOST = "server.example"
ZLIB = [CertificateCompressionAlgorithm.zlib]
X25519, P256 = NamedGroup.x25519, NamedGroup.secp256r1

DOCUMENTED = (
    tls13.Abort,
    tls13.AlertReceived,
    tls13.TruncatedStream,
    tls13.ConnectionFailed,
    errors.CloseNotifyInHandshake,
)
"""What a peer's bytes may cause, as Connection.next_event says."""


class Kind(NamedTuple):
    client: tls13.ClientConfig
    server: tls13.ServerConfig
    host: str | None = HOST


@cache
def kinds() -> dict[str, Kind]:
    """Made once: keys and certificates take a while. (Its sessions are forgotten between conversations.)"""
    authority = Authority.create(now=datetime.now(UTC))
    trust = tls13.TrustStore.from_certificates([authority.certificate])
    issued, shown = authority.issue([HOST]), authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])
    client, server = tls13.ClientConfig(trust=trust, key_shares=[X25519]), tls13.ServerConfig(issued.identity)
    psk, raw = tls13.ExternalPsk(b"one", bytes(range(32))), RawPublicKey(ed25519.Ed25519PrivateKey.generate())
    both = client.replace(identities=shown.identity), server.replace(client_trust=trust)
    modes = [PskKeyExchangeMode.psk_dhe_ke, PskKeyExchangeMode.psk_ke]
    return {
        "plain": Kind(client, server),
        "retry": Kind(client.replace(groups=[X25519, P256]), server.replace(groups=[P256], always_retry=True)),
        "post-quantum": Kind(client.replace(key_shares=None), server),
        "client certificate": Kind(*both),
        "everything asked": Kind(
            both[0].replace(
                alpn_protocols=["h2", "http/1.1"],
                certificate_compression=ZLIB,
                grease=True,
                record_size_limit=400,
                sessions=SessionCache(),
                shuffle_extensions=True,
                signed_certificate_timestamps=True,
                ticket_request=(3, 1),
            ),
            both[1].replace(
                alpn_protocols=["http/1.1"],
                certificate_compression=ZLIB,
                ocsp_stapling=True,
                signed_certificate_timestamps=True,
            ),
        ),
        "certificate later": Kind(
            both[0].replace(post_handshake_auth=True), both[1].replace(client_auth=tls13.ClientAuth.LATER)
        ),
        "resumption": Kind(client.replace(sessions=SessionCache()), server),
        "early data": Kind(
            client.replace(sessions=SessionCache()),
            server.replace(max_early_data=2**14, replay_guard=ReplayGuard()),
        ),
        "external PSK": Kind(
            tls13.ClientConfig(psks=[psk], require_psk=True, psk_key_exchange_modes=modes),
            tls13.ServerConfig(None, psks=[psk], psk_key_exchange_modes=modes),
            None,
        ),
        "PSK and certificate": Kind(
            client.replace(psks=[psk], certificate_with_psk=True), server.replace(psks=[psk], certificate_with_psk=True)
        ),
        "raw key": Kind(tls13.ClientConfig(server_raw_keys=[raw.spki]), tls13.ServerConfig(raw), None),
        "delegated": Kind(
            client.replace(delegated_credentials=True), tls13.ServerConfig(delegated(delegating(authority)))
        ),
    }


class Broken(AssertionError):
    """A conversation that ended as none may."""


class Conversation:
    """Number `number`. Everything in it but keys and nonces follows from that."""

    def __init__(self, number: int) -> None:
        self.chance = chance = Random(number)
        self.name = chance.choice(list(kinds()))
        self.kind = kinds()[self.name]
        self.changed = {
            side: set(chance.choices(range(8), k=chance.choice((0, 1, 1, 2)))) for side in ("client", "server")
        }
        self.injected = chance.random() < 0.3
        self.earlier: list[bytes] = []
        """What was sent so far, by either side: may be said again."""
        self.over: set[tls13.Connection] = set()
        """Who has failed."""
        self.completed: set[str] = set()
        """Whose handshake was completed."""
        self.ends: list[str] = []
        """What came of it: the names of exceptions."""

    def run(self) -> None:
        """Raises Broken."""
        config = self.kind.client
        early = None
        if config.sessions is not None:
            config.sessions.clear()
            tls13.pump(tls13.ClientConnection(config, server_hostname=HOST), tls13.ServerConnection(self.kind.server))
            early = b"early" if self.kind.server.max_early_data else None
        client = ScriptedClient(config, self._script("client"), server_hostname=self.kind.host, early_data=early)
        server = ScriptedServer(self.kind.server, self._script("server"))
        for step in range(8):
            self._carry(client, server)
            if step and not self._say_more(client, server):
                break
        client.receive_eof()
        server.receive_eof()
        self._carry(client, server)
        self.completed = {side for side, one in (("client", client), ("server", server)) if one.session is not None}

    def _script(self, side: str):
        numbers = iter(range(10**6))

        def script(message: HandshakeMessage) -> list[bytes]:
            raw = message.to_handshake()
            self.earlier.append(raw)
            return mutations.message(self.chance, raw, self.earlier) if next(numbers) in self.changed[side] else [raw]

        return script

    def _carry(self, client: ScriptedClient, server: ScriptedServer) -> None:
        """Bytes both ways, in pieces, until neither side has any."""
        for _ in range(100):
            if self.injected and self.chance.random() < 0.2:
                self._inject(self.chance.choice((client, server)))
            to_server, to_client = client.data_to_send(), server.data_to_send()
            self._deliver(to_server, server)
            self._deliver(to_client, client)
            if not (client.wants_send or server.wants_send):
                return
        raise Broken("they never come to an end")

    def _deliver(self, stream: bytes, receiver: tls13.Connection) -> None:
        if receiver in self.over:
            return
        piece = self.chance.choice((len(stream) or 1, len(stream) or 1, 1000, 7))
        try:
            for start in range(0, len(stream) or 1, piece):
                receiver.receive_data(stream[start : start + piece])
                for _ in receiver.events():
                    pass
        except DOCUMENTED as error:
            self.over.add(receiver)
            self.ends.append(type(error).__name__)
            if isinstance(error, errors.InternalError):
                raise Broken(f"what the peer sent is called a failure of ours: {error!r}") from error
            self._check_end(receiver)
        except Exception as error:
            raise Broken(f"{error!r} is no exception that a peer may cause") from error

    def _check_end(self, failed: tls13.Connection) -> None:
        """Section 6.2: nothing more is sent but one alert, and nothing more is read."""
        try:
            failed.next_event()
        except tls13.ConnectionFailed:
            if not failed.closed:
                raise Broken("it has failed, and is not closed") from None
            return
        raise Broken("it has failed, and goes on")

    def _inject(self, sender: ScriptedClient | ScriptedServer) -> None:
        content_type, fragment = mutations.record(self.chance)
        if sender.closed or self.chance.random() < 0.3 or not sender.handshake_complete:
            sender.inject(bytes((content_type, 3, 3)) + len(fragment).to_bytes(2, "big") + fragment)
        else:
            sender.send_record(content_type, fragment)

    def _say_more(self, client: ScriptedClient, server: ScriptedServer) -> bool:
        """Something that may come after the handshake; False: there is nobody to say it."""
        talkers = [one for one in (client, server) if one.handshake_complete and not one.closed]
        if not talkers:
            return False
        one = self.chance.choice(talkers)
        choice = self.chance.randrange(5)
        if choice == 0:
            one.send_data(self.chance.randbytes(self.chance.choice((1, 50, 20000))))
        elif choice == 1:
            one.update_keys(request_peer=self.chance.random() < 0.5)
        elif choice == 2 and one is server and self.name == "certificate later":
            # What was changed may have been the client's offer; to ask it then is the user's mistake, and no peer's.
            offered = server._handshake.handshake_transcript is not None
            if offered and len(server._handshake.requests) < 4:
                server.request_client_certificate()
        elif choice == 3 and one is server:
            server.send_ticket()
        elif choice == 4:
            one.close()
        return True

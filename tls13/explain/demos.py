"""Connections to look at, one for each variant of the handshake, made on the spot by a client and a server of ours.

Both ends are in this process with nothing in between, and what is kept is what the client's side knows, with the
private keys that a demonstration may keep. An authority made for this run signs the certificates.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import ocsp

from ..config import ClientAuth, ClientConfig, ServerConfig
from ..connection import ClientConnection, ServerConnection
from ..errors import ConfigurationError, TLSError
from ..events import TicketReceived
from ..io.memory import pump
from ..lab.authority import CLIENT_AUTH, Authority
from ..lab.scripted import ScriptedServer
from ..resumption.early_data import ReplayGuard
from ..resumption.psk import ExternalPsk
from ..trust.identity import Identity
from ..trust.store import TrustStore
from ..wire.companions import CertificateStatus
from ..wire.messages import Finished
from ..wire.registry import CertificateCompressionAlgorithm, NamedGroup, PskKeyExchangeMode
from .dissect_secrets import CERTIFICATE_PRIVATE
from .recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..lab.authority import Issued
    from ..resumption.sessions import StoredSession
    from ..wire.messages import HandshakeMessage
    from .capture import Capture

HOST = "server.example"
QUESTION = b"GET /time HTTP/1.1\r\nHost: server.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n12:34\n"
EARLY_DATA = 2**14


class Stage:
    """An authority, a server's certificate, and configs to vary."""

    def __init__(self) -> None:
        self.authority = Authority.create(now=datetime.now(UTC), common_name="demo root")
        self.signer = self.authority.intermediate(common_name="demo intermediate")
        self.issued = self.signer.issue([HOST])
        self.trust = TrustStore.from_certificates([self.authority.certificate])
        self.client = ClientConfig(
            trust=self.trust,
            groups=[NamedGroup.x25519],
            alpn_protocols=["http/1.1"],
            psk_key_exchange_modes=[PskKeyExchangeMode.psk_dhe_ke],
        )
        self.server = ServerConfig(
            self.issued.identity, groups=[NamedGroup.x25519, NamedGroup.secp256r1], alpn_protocols=["http/1.1"]
        )

    def person(self) -> Issued:
        return self.signer.issue([], common_name="a person", usages=[CLIENT_AUTH])


class Demo:
    """One connection between the two, recorded at the client."""

    def __init__(
        self,
        stage: Stage,
        client: ClientConfig,
        server: ServerConfig | ServerConnection,
        *,
        session: StoredSession | None = None,
        early_data: bytes | None = None,
    ) -> None:
        self.recorder = Recorder("", is_client=True, client="192.0.2.1:51234", server="192.0.2.2:443")
        self.recorder.keep(CERTIFICATE_PRIVATE, _der(stage.issued))
        if session is not None:
            self.recorder.keep_psk(session.psk)
        self.server = server if isinstance(server, ServerConnection) else ServerConnection(server)
        self.client = ClientConnection(
            client.replace(key_share_source=self.recorder.key_share),
            server_hostname=HOST,
            session=session,
            early_data=early_data,
            tracer=self.recorder,
        )
        self.recorder.listen(self.client)
        self.tickets: list[StoredSession] = []

    def pump(self) -> None:
        events = pump(self.client, self.server)
        self.tickets += [event.session for event in events.client if isinstance(event, TicketReceived)]

    def talk(self) -> None:
        """A question and its answer."""
        self.client.send_data(QUESTION)
        self.pump()
        self.server.send_data(ANSWER)
        self.pump()

    def close(self) -> Capture:
        self.client.close()
        self.pump()
        self.server.close()
        self.pump()
        return self.recorder.capture()

    def whole(self) -> Capture:
        """From the first byte to the last, with a question and an answer."""
        self.pump()
        self.talk()
        return self.close()

    def fail(self) -> Capture:
        """Up to the alert, which still reaches the other side."""
        try:
            self.pump()
        except TLSError:
            for one, other in ((self.server, self.client), (self.client, self.server)):
                if not other.closed and (alert := one.data_to_send()):
                    other.receive_data(alert)
        return self.recorder.capture()


def _der(issued: Issued) -> bytes:
    return issued.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


# --- the variants --------------------------------------------------------------------------------------------------


def one_round_trip(stage: Stage) -> Capture:
    return Demo(stage, stage.client, stage.server).whole()


def hello_retry(stage: Stage) -> Capture:
    groups = [NamedGroup.x25519, NamedGroup.secp256r1]
    client = stage.client.replace(groups=groups, key_shares=[NamedGroup.x25519])
    return Demo(stage, client, stage.server.replace(groups=[NamedGroup.secp256r1])).whole()


def first_connection(stage: Stage) -> tuple[ClientConfig, ServerConfig, StoredSession]:
    """A connection before the one that is shown, for its ticket."""
    client = stage.client
    server = stage.server.replace(max_early_data=EARLY_DATA, replay_guard=ReplayGuard())
    first = Demo(stage, client, server)
    first.whole()
    return client, server, first.tickets[0]


def resumption(stage: Stage) -> Capture:
    client, server, ticket = first_connection(stage)
    return Demo(stage, client, server, session=ticket).whole()


def early_accepted(stage: Stage) -> Capture:
    client, server, ticket = first_connection(stage)
    return Demo(stage, client, server, session=ticket, early_data=QUESTION).whole()


def early_rejected(stage: Stage) -> Capture:
    client, server, ticket = first_connection(stage)
    just_started = ReplayGuard(started_at=server.clock())
    return Demo(stage, client, server.replace(replay_guard=just_started), session=ticket, early_data=QUESTION).whole()


def external_psk(stage: Stage) -> Capture:
    """Two machines of one owner: a key in both, no certificate, and (psk_ke) no key exchange."""
    key, modes = token_bytes(32), [PskKeyExchangeMode.psk_ke]
    client = ClientConfig(psks=[ExternalPsk(b"pump 7", key)], require_psk=True, psk_key_exchange_modes=modes)
    server = ServerConfig(None, psks=[ExternalPsk(b"pump 7", key)], psk_key_exchange_modes=modes)
    return Demo(stage, client, server).whole()


def mutual(stage: Stage) -> Capture:
    client = stage.client.replace(identities=stage.person().identity)
    return Demo(stage, client, stage.server.replace(client_trust=stage.trust)).whole()


def post_handshake(stage: Stage) -> Capture:
    client = stage.client.replace(identities=stage.person().identity, post_handshake_auth=True)
    demo = Demo(stage, client, stage.server.replace(client_trust=stage.trust, client_auth=ClientAuth.LATER))
    demo.pump()
    demo.server.request_client_certificate()
    demo.pump()
    demo.talk()
    return demo.close()


def key_update(stage: Stage) -> Capture:
    demo = Demo(stage, stage.client, stage.server)
    demo.pump()
    demo.talk()
    demo.client.update_keys(request_peer=True)
    demo.pump()
    demo.talk()
    return demo.close()


def stapled_and_compressed(stage: Stage) -> Capture:
    status = CertificateStatus(response=_good(stage))
    identity = Identity(stage.issued.chain, stage.issued.private_key, leaf_extensions=[status])
    zlib = [CertificateCompressionAlgorithm.zlib]
    client = stage.client.replace(certificate_compression=zlib)
    return Demo(stage, client, stage.server.replace(identity=identity, certificate_compression=zlib)).whole()


def _good(stage: Stage) -> bytes:
    now = datetime.now(UTC)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=stage.issued.certificate,
        issuer=stage.signer.certificate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=now - timedelta(hours=1),
        next_update=now + timedelta(days=1),
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, stage.signer.certificate)
    key = stage.signer.private_key
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def post_quantum(stage: Stage) -> Capture:
    groups = [NamedGroup.X25519MLKEM768, NamedGroup.x25519]
    return Demo(stage, stage.client.replace(groups=groups), stage.server.replace(groups=groups)).whole()


def unknown_authority(stage: Stage) -> Capture:
    other = Authority.create(now=datetime.now(UTC), common_name="another root")
    trust = TrustStore.from_certificates([other.certificate])
    return Demo(stage, stage.client.replace(trust=trust), stage.server).fail()


def no_common_group(stage: Stage) -> Capture:
    return Demo(stage, stage.client, stage.server.replace(groups=[NamedGroup.secp384r1])).fail()


def forged_finished(stage: Stage) -> Capture:
    """A server that has seen another handshake: one bit of its Finished is wrong."""

    def script(message: HandshakeMessage) -> HandshakeMessage:
        if not isinstance(message, Finished):
            return message
        return Finished(verify_data=bytes((message.verify_data[0] ^ 1,)) + message.verify_data[1:])

    return Demo(stage, stage.client, ScriptedServer(stage.server, script)).fail()


def no_client_certificate(stage: Stage) -> Capture:
    return Demo(stage, stage.client, stage.server.replace(client_trust=stage.trust)).fail()


VARIANTS: dict[str, tuple[str, Callable[[Stage], Capture]]] = {
    "1-rtt": ("a full handshake, in one round trip", one_round_trip),
    "hello-retry": ("the server wants another group; its HelloRetryRequest carries a cookie", hello_retry),
    "resumption": ("a ticket of an earlier connection instead of certificates", resumption),
    "0-rtt": ("data in the first flight, which the server takes", early_accepted),
    "0-rtt-rejected": ("data in the first flight, which the server throws away", early_rejected),
    "external-psk": ("a key that both have, without certificates and without a key exchange", external_psk),
    "mutual-tls": ("the client shows a certificate too", mutual),
    "post-handshake-auth": ("the client is asked for its certificate after the handshake", post_handshake),
    "key-update": ("both sides change their keys while they talk", key_update),
    "ocsp-and-compression": ("a stapled OCSP response, in a compressed Certificate", stapled_and_compressed),
    "x25519mlkem768": ("a key exchange that a quantum computer does not break", post_quantum),
    "alert-unknown-ca": ("the client does not know who signed the server's certificate", unknown_authority),
    "alert-no-common-group": ("the two have no group in common", no_common_group),
    "alert-forged-finished": ("the server's Finished is wrong by one bit", forged_finished),
    "alert-certificate-required": (
        "the server insists on a certificate that the client has not got",
        no_client_certificate,
    ),
}
"""What `tls13 explain --demo` knows: a name, what it shows, and how it is made."""


def demo(variant: str) -> Capture:
    """A connection of this variant, made now. Raises ConfigurationError for a name that is not in VARIANTS."""
    if variant not in VARIANTS:
        raise ConfigurationError(f"there is no demo {variant!r}; there are {', '.join(VARIANTS)}")
    about, make = VARIANTS[variant]
    capture = make(Stage())
    capture.source = f"tls13 explain --demo {variant}: {about}"
    return capture

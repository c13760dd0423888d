"""The client's handshake: RFC 9846, section 2, figure 1, from top to bottom.

`ClientHandshake.handshake()` is the figure. Every method it calls is one of the RFC's operations, with the section
that orders each check beside it. A check that fails raises the offence by name; the engine turns that into an alert.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from .authentication import SERVER_CONTEXT, AuthenticatedFlow
from .crypto.groups import GROUPS
from .crypto.suites import SUITES
from .errors import (
    BadCompressionMethod,
    BadRequestContext,
    CipherSuiteChanged,
    CipherSuiteNotOffered,
    GroupAlreadyShared,
    GroupChanged,
    GroupNotOffered,
    LegacyVersion,
    MissingExtension,
    ProtocolNotOffered,
    RetryChangesNothing,
    SessionIdNotEchoed,
)
from .events import Session
from .flow import Epoch
from .key_schedule import early_secret_without_psk
from .wire.extensions import (
    CH,
    ClientVersions,
    Cookie,
    ExtensionBody,
    Extensions,
    HostNameEntry,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    NamedGroupList,
    ProtocolNameList,
    ServerNameList,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from .wire.messages import (
    Certificate,
    CertificateRequest,
    ClientHello,
    EncryptedExtensions,
    HelloRetryRequest,
    ServerHello,
)
from .wire.registry import ExtensionType, NamedGroup, NameType, ProtocolVersion

if TYPE_CHECKING:
    from cryptography import x509

    from .config import ClientConfig
    from .crypto.groups import KeyShare
    from .crypto.suites import Suite
    from .events import Tracer
    from .flow import Flow, Output
    from .key_schedule import HandshakeSecret
    from .trust.names import ServerName


class Offer(NamedTuple):
    """A ClientHello and what it needs to be followed up: the private half of each key share."""

    hello: ClientHello
    shares: dict[NamedGroup, KeyShare]
    retry: HelloRetryRequest | None = None


class Agreed(NamedTuple):
    """What ServerHello decided."""

    suite: Suite
    group: NamedGroup
    handshake_secret: HandshakeSecret


class ClientHandshake(AuthenticatedFlow):
    """One run of the client's side."""

    def __init__(
        self, config: ClientConfig, server_name: ServerName | None, output: Output, tracer: Tracer | None = None
    ) -> None:
        super().__init__(output, config.key_log, tracer)
        self.config = config
        self.server_name = server_name

    def handshake(self) -> Flow[Session]:
        """RFC 9846, section 2, figure 1."""
        offer = self.offer()
        self.send(offer.hello)

        hello = yield from self.read(ServerHello, HelloRetryRequest)
        if isinstance(hello, HelloRetryRequest):
            offer = self.retry(offer, hello)
            self.send(offer.hello)
            hello = yield from self.read(ServerHello)

        agreed = self.accept(offer, hello)
        digest = self.transcript.digest()
        client_traffic = agreed.handshake_secret.client_traffic(digest)
        server_traffic = agreed.handshake_secret.server_traffic(digest)
        client_random = offer.hello.random
        self.output.read_secret(Epoch.HANDSHAKE, agreed.suite, server_traffic)
        if offer.retry is None and self.config.middlebox_compatibility:
            self.output.send_change_cipher_spec()
        self.output.write_secret(Epoch.HANDSHAKE, agreed.suite, client_traffic)
        self.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", client_random, client_traffic)
        self.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", client_random, server_traffic)

        parameters = yield from self.read(EncryptedExtensions)
        alpn_protocol = self.negotiated(offer, parameters)

        message = yield from self.read(Certificate, CertificateRequest)
        request = None
        if isinstance(message, CertificateRequest):
            request = self.accept_request(message)
            message = yield from self.read(Certificate)
        chain = self.accept_server_certificate(
            message, offer.hello.extensions.types(), self.config.max_certificate_chain
        )
        verified = self.verify_chain(chain)
        scheme = yield from self.read_certificate_verify(chain[0], self.config.signature_schemes, SERVER_CONTEXT)
        yield from self.read_finished(server_traffic)

        main_secret = agreed.handshake_secret.main()
        digest = self.transcript.digest()
        client_application = main_secret.client_traffic(digest)
        server_application = main_secret.server_traffic(digest)
        self.output.read_secret(Epoch.APPLICATION, agreed.suite, server_application)

        if request is not None:
            self.send_certificate(None)
        self.send_finished(client_traffic)
        self.output.write_secret(Epoch.APPLICATION, agreed.suite, client_application)
        self.log_secret("CLIENT_TRAFFIC_SECRET_0", client_random, client_application)
        self.log_secret("SERVER_TRAFFIC_SECRET_0", client_random, server_application)
        if self.wants_secrets:
            self.log_secret("EXPORTER_SECRET", client_random, main_secret.exporter(digest))
        return Session(
            cipher_suite=agreed.suite.code,
            group=agreed.group,
            signature_scheme=scheme,
            alpn_protocol=alpn_protocol,
            server_name=self.server_name.text if self.server_name is not None else None,
            peer_certificates=chain,
            verified_chain=verified,
            hello_retry_request=offer.retry is not None,
        )

    # --- ClientHello: section 4.2.2 ---------------------------------------------------------------------------

    def offer(self) -> Offer:
        """The first ClientHello, with a fresh key share for each group of `config.key_shares` (4.3.8)."""
        config = self.config
        shares = {group: config.key_share_source(GROUPS[group]) for group in config.key_shares}
        hello = ClientHello(
            random=config.random(32),
            # Appendix E.4: a non-empty session id makes this look like a resumption of TLS 1.2.
            legacy_session_id=config.random(32) if config.middlebox_compatibility else b"",
            cipher_suites=config.cipher_suites,
            extensions=Extensions.of(CH, *self.offered_extensions(), _key_share(shares)),
        )
        return Offer(hello, shares)

    def offered_extensions(self) -> list[ExtensionBody]:
        """Everything but key_share and cookie: what stays the same in a second ClientHello."""
        config = self.config
        offered: list[ExtensionBody] = []
        if self.server_name is not None and self.server_name.sni is not None:
            entry = HostNameEntry(name_type=NameType.host_name, host_name=self.server_name.sni)
            offered.append(ServerNameList(server_name_list=(entry,)))
        offered.append(ClientVersions(versions=(ProtocolVersion.TLS1_3,)))
        offered.append(NamedGroupList(named_group_list=config.groups))
        offered.append(SignatureSchemeList(supported_signature_algorithms=config.signature_schemes))
        if config.verifier is not None:
            # Section 4.3.3: what chains may be signed with is another list than what a peer may sign with.
            acceptable = config.verifier.signature_schemes
            offered.append(SignatureSchemeListCert(supported_signature_algorithms=acceptable))
        if config.alpn_protocols:
            offered.append(ProtocolNameList(protocol_name_list=config.alpn_protocols))
        return offered

    # --- HelloRetryRequest: section 4.2.4 ---------------------------------------------------------------------

    def retry(self, offer: Offer, request: HelloRetryRequest) -> Offer:
        """The second ClientHello: the first with the changes that the server asks for, and no others (4.2.2)."""
        suite = self.check_server_hello(offer, request)
        self.output.require_record_boundary()
        self.transcript.retry(suite.hash)

        cookie = request.extensions.get(Cookie)
        selected = request.extensions.get(KeyShareHelloRetryRequest)
        if cookie is None and selected is None:
            raise RetryChangesNothing("neither a cookie nor a group")
        shares = offer.shares
        if selected is not None:
            group = selected.selected_group
            if group not in self.config.groups:
                raise GroupNotOffered(group)
            if group in offer.shares:
                raise GroupAlreadyShared(group)
            shares = {group: self.config.key_share_source(GROUPS[group])}
        changes = [*self.offered_extensions(), _key_share(shares)]
        if cookie is not None:
            changes.append(cookie)
        if self.config.middlebox_compatibility:
            self.output.send_change_cipher_spec()
        return Offer(offer.hello.replace(extensions=Extensions.of(CH, *changes)), shares, request)

    # --- ServerHello: section 4.2.3 ---------------------------------------------------------------------------

    def check_server_hello(self, offer: Offer, hello: ServerHello) -> Suite:
        """The checks that a ServerHello and a HelloRetryRequest share. The version was judged on reading (4.3.1)."""
        if hello.legacy_version != ProtocolVersion.TLS1_2:
            raise LegacyVersion(hello.legacy_version)
        if hello.legacy_session_id_echo != offer.hello.legacy_session_id:
            raise SessionIdNotEchoed
        if hello.cipher_suite not in offer.hello.cipher_suites:
            raise CipherSuiteNotOffered(hello.cipher_suite)
        if hello.legacy_compression_method != 0:
            raise BadCompressionMethod(hello.legacy_compression_method)
        asked = offer.hello.extensions.types()
        if isinstance(hello, HelloRetryRequest):
            asked = (*asked, ExtensionType.cookie)  # the one extension that needs no asking (4.3)
        hello.extensions.refuse_unasked(asked)
        return SUITES[hello.cipher_suite]

    def accept(self, offer: Offer, hello: ServerHello) -> Agreed:
        """The cipher suite and the shared secret; from here on both sides can encrypt (7.1)."""
        suite = self.check_server_hello(offer, hello)
        if offer.retry is not None and hello.cipher_suite != offer.retry.cipher_suite:
            raise CipherSuiteChanged(f"{offer.retry.cipher_suite}, then {hello.cipher_suite}")
        key_share = hello.extensions.get(KeyShareServerHello)
        if key_share is None:
            raise MissingExtension("ServerHello without key_share")
        server_share = key_share.server_share
        if server_share.group not in offer.shares:
            if offer.retry is not None and KeyShareHelloRetryRequest.extension_type in offer.retry.extensions:
                raise GroupChanged(server_share.group)
            raise GroupNotOffered(server_share.group)
        shared_secret = offer.shares[server_share.group].finish(server_share.key_exchange)
        self.transcript.start(suite.hash)
        return Agreed(suite, server_share.group, early_secret_without_psk(suite.hash).handshake(shared_secret))

    # --- EncryptedExtensions, CertificateRequest, Certificate: sections 4.4 and 4.5 -----------------------------

    def negotiated(self, offer: Offer, message: EncryptedExtensions) -> bytes | None:
        """The application protocol, if the server chose one (4.4.1; RFC 7301, section 3.1)."""
        message.extensions.refuse_unasked(offer.hello.extensions.types())
        alpn = message.extensions.get(ProtocolNameList)
        if alpn is None:
            return None
        if len(alpn.protocol_name_list) != 1 or alpn.protocol_name_list[0] not in self.config.alpn_protocols:
            raise ProtocolNotOffered(b", ".join(alpn.protocol_name_list).decode("ascii", "backslashreplace"))
        return alpn.protocol_name_list[0]

    def accept_request(self, request: CertificateRequest) -> CertificateRequest:
        """Section 4.4.2. We have no certificate to show, which is for the server to judge (4.5.1)."""
        if request.certificate_request_context:
            raise BadRequestContext("CertificateRequest in the handshake has a context")
        return request

    def verify_chain(self, chain: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
        """The verified chain, up to a trust anchor; empty only under INSECURE_NO_VERIFICATION."""
        if self.config.verifier is None or self.server_name is None:
            return ()
        now = datetime.fromtimestamp(self.config.clock(), UTC)
        verified = tuple(self.config.verifier.verify_server(chain, self.server_name, now))
        if self.tracer is not None:
            self.tracer.verified(verified)
        return verified


def _key_share(shares: dict[NamedGroup, KeyShare]) -> KeyShareClientHello:
    return KeyShareClientHello(
        client_shares=tuple(KeyShareEntry(group=group, key_exchange=share.public) for group, share in shares.items())
    )

"""The server's handshake: RFC 9846, section 2, figure 1, from top to bottom, seen from the other side.

`ServerHandshake.handshake()` is the figure. A server decides everything in one look at the ClientHello; only when
the client sent no key share that fits does it take a second look, after a HelloRetryRequest (figure 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .authentication import SERVER_CONTEXT, AuthenticatedFlow
from .cookie import NO_GROUP, RetryState, open_cookie, seal, unchanged_part
from .crypto.groups import GROUPS
from .crypto.suites import SUITES
from .errors import (
    BadCompressionMethod,
    BadCookie,
    CipherSuiteChanged,
    ClientHelloChanged,
    DuplicateGroup,
    EarlyDataAfterRetry,
    EarlyDataWithoutPsk,
    IllegalParameter,
    KeyShareMismatch,
    LegacyVersion,
    MissingExtension,
    NoApplicationProtocol,
    NoCommonCipherSuite,
    NoCommonGroup,
    NoCommonSignatureScheme,
    PreSharedKeyNotLast,
    UnrecognizedName,
)
from .events import Session
from .flow import Epoch
from .key_schedule import early_secret_without_psk
from .transcript import Transcript
from .wire.extensions import (
    EE,
    HRR,
    SH,
    Cookie,
    EarlyDataIndication,
    ExtensionBody,
    Extensions,
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    NamedGroupList,
    OfferedPsks,
    ProtocolNameList,
    PskKeyExchangeModes,
    SelectedVersion,
    ServerNameAcknowledged,
    ServerNameList,
    SignatureSchemeList,
)
from .wire.messages import ClientHello, EncryptedExtensions, HelloRetryRequest, ServerHello
from .wire.registry import ExtensionType, NamedGroup, NameType, ProtocolVersion, SignatureScheme

if TYPE_CHECKING:
    from .config import ServerConfig
    from .crypto.suites import Suite
    from .events import Tracer
    from .flow import Flow, Output
    from .trust.identity import Presentable

SELECTED_TLS_1_3 = SelectedVersion(selected_version=ProtocolVersion.TLS1_3)


class Choice(NamedTuple):
    """What the server makes of a ClientHello (4.2.1)."""

    suite: Suite
    group: NamedGroup
    client_share: KeyShareEntry | None
    """None: the client supports the group but sent no share for it."""
    identity: Presentable
    scheme: SignatureScheme
    alpn_protocol: bytes | None
    server_name: str | None
    name_matched: bool


class ServerHandshake(AuthenticatedFlow):
    """One run of the server's side."""

    def __init__(self, config: ServerConfig, output: Output, tracer: Tracer | None = None) -> None:
        super().__init__(output, config.key_log, tracer)
        self.config = config

    def handshake(self) -> Flow[Session]:
        """RFC 9846, section 2, figures 1 and 2."""
        hello = yield from self.read(ClientHello)
        self.check_client_hello(hello)
        choice = self.choose(hello)

        retried_here = False
        if Cookie.extension_type not in hello.extensions and (choice.client_share is None or self.config.always_retry):
            self.send_retry(hello, choice)
            retried_here = True
            hello = yield from self.read(ClientHello)
            self.output.stop_skipping()
            self.check_client_hello(hello)
            choice = self.choose(hello)
            if Cookie.extension_type not in hello.extensions:
                raise BadCookie("the second ClientHello has none")
        retried = Cookie.extension_type in hello.extensions
        if retried:
            self.resume_after_retry(hello, choice)
        self.output.require_record_boundary()  # 5.1: our keys change next, and nothing may be in between
        self.transcript.start(choice.suite.hash)

        client_share = choice.client_share
        if client_share is None:
            raise KeyShareMismatch(f"the second ClientHello has no share for {choice.group}")
        server_share, shared_secret = GROUPS[choice.group].encapsulate(client_share.key_exchange)
        self.send_server_hello(hello, choice, KeyShareEntry(group=choice.group, key_exchange=server_share))
        if hello.legacy_session_id and not retried:
            self.output.send_change_cipher_spec()  # appendix E.4: once, after the first message we send

        handshake_secret = early_secret_without_psk(choice.suite.hash).handshake(shared_secret)
        digest = self.transcript.digest()
        client_traffic = handshake_secret.client_traffic(digest)
        server_traffic = handshake_secret.server_traffic(digest)
        self.output.read_secret(Epoch.HANDSHAKE, choice.suite, client_traffic)
        self.output.write_secret(Epoch.HANDSHAKE, choice.suite, server_traffic)
        self.log_secret("CLIENT_HANDSHAKE_TRAFFIC_SECRET", hello.random, client_traffic)
        self.log_secret("SERVER_HANDSHAKE_TRAFFIC_SECRET", hello.random, server_traffic)
        if hello.extensions.get(EarlyDataIndication) is not None:
            self.output.skip_early_data(self.config.max_skipped_early_data)

        self.send_encrypted_extensions(choice)
        self.send_certificate(choice.identity)
        self.send_certificate_verify(choice.identity, choice.scheme, SERVER_CONTEXT)
        self.send_finished(server_traffic)

        main_secret = handshake_secret.main()
        digest = self.transcript.digest()
        client_application = main_secret.client_traffic(digest)
        server_application = main_secret.server_traffic(digest)
        self.output.write_secret(Epoch.APPLICATION, choice.suite, server_application)
        self.log_secret("CLIENT_TRAFFIC_SECRET_0", hello.random, client_application)
        self.log_secret("SERVER_TRAFFIC_SECRET_0", hello.random, server_application)
        if self.wants_secrets:
            self.log_secret("EXPORTER_SECRET", hello.random, main_secret.exporter(digest))

        yield from self.read_finished(client_traffic)
        self.output.read_secret(Epoch.APPLICATION, choice.suite, client_application)
        return Session(
            cipher_suite=choice.suite.code,
            group=choice.group,
            signature_scheme=choice.scheme,
            alpn_protocol=choice.alpn_protocol,
            server_name=choice.server_name,
            peer_certificates=(),
            verified_chain=(),
            hello_retry_request=retried or retried_here,
        )

    # --- ClientHello: sections 4.2.2, 4.3 and 9.2 -----------------------------------------------------------------

    def check_client_hello(self, hello: ClientHello) -> None:
        """What every ClientHello must keep to, whatever is chosen. The version was judged on reading (4.3.1)."""
        if hello.legacy_version != ProtocolVersion.TLS1_2:
            raise LegacyVersion(hello.legacy_version)
        if hello.legacy_compression_methods != b"\0":
            raise BadCompressionMethod(hello.legacy_compression_methods.hex())
        self.check_pre_shared_key(hello.extensions)
        self.check_groups(hello.extensions)

    def check_pre_shared_key(self, extensions: Extensions) -> None:
        """Sections 4.3.9 to 4.3.11. No PSK is accepted here, but a broken offer is refused as such."""
        psks = extensions.get(OfferedPsks)
        if psks is not None:
            if extensions.types()[-1] != ExtensionType.pre_shared_key:
                raise PreSharedKeyNotLast
            if extensions.get(PskKeyExchangeModes) is None:
                raise MissingExtension("pre_shared_key without psk_key_exchange_modes")
            if len(psks.identities) != len(psks.binders):
                raise IllegalParameter(f"{len(psks.identities)} PSK identities with {len(psks.binders)} binders")
        elif extensions.get(EarlyDataIndication) is not None:
            raise EarlyDataWithoutPsk

    def check_groups(self, extensions: Extensions) -> None:
        """Sections 4.3.7, 4.3.8 and 9.2: supported_groups and key_share, each with the other, without contradiction."""
        groups = extensions.get(NamedGroupList)
        shares = extensions.get(KeyShareClientHello)
        if groups is None or shares is None:
            raise MissingExtension("ClientHello without " + ("supported_groups" if groups is None else "key_share"))
        if extensions.get(SignatureSchemeList) is None:
            raise MissingExtension("ClientHello without signature_algorithms")
        offered = groups.named_group_list
        if len(set(offered)) != len(offered):
            raise DuplicateGroup("in supported_groups")
        remaining = iter(offered)
        for entry in shares.client_shares:
            # In the order of supported_groups, so each share's group is found in what remains of that list.
            if entry.group not in remaining:
                raise KeyShareMismatch(f"{entry.group} is repeated, out of order, or not in supported_groups")

    # --- Negotiation: section 4.2.1 -------------------------------------------------------------------------------

    def choose(self, hello: ClientHello) -> Choice:
        """Every choice the server makes, before it sends a byte. Raises HandshakeFailure where there is none."""
        suite = next((code for code in self.config.cipher_suites if code in hello.cipher_suites), None)
        if suite is None:
            raise NoCommonCipherSuite(f"the client offers {', '.join(code.name for code in hello.cipher_suites)}")
        group, share = self.choose_group(hello.extensions)
        server_name = self.requested_name(hello.extensions)
        identity, scheme, name_matched = self.choose_identity(hello.extensions, server_name)
        return Choice(
            suite=SUITES[suite],
            group=group,
            client_share=share,
            identity=identity,
            scheme=scheme,
            alpn_protocol=self.choose_protocol(hello.extensions),
            server_name=server_name,
            name_matched=name_matched,
        )

    def choose_group(self, extensions: Extensions) -> tuple[NamedGroup, KeyShareEntry | None]:
        """Our most wanted group among the client's shares; else, for a retry, among the groups it supports."""
        supported, key_share = extensions.get(NamedGroupList), extensions.get(KeyShareClientHello)
        shares = {entry.group: entry for entry in key_share.client_shares} if key_share is not None else {}
        for group in self.config.groups:
            if group in shares:
                return group, shares[group]
        offered = supported.named_group_list if supported is not None else ()
        for group in self.config.groups:
            if group in offered:
                return group, None
        raise NoCommonGroup(f"the client offers {', '.join(group.name for group in offered)}")

    def requested_name(self, extensions: Extensions) -> str | None:
        """The host_name of server_name (RFC 6066, section 3). Other name types are unknown and ignored."""
        names = extensions.get(ServerNameList)
        if names is None:
            return None
        hosts = [entry.host_name for entry in names.server_name_list if entry.name_type == NameType.host_name]
        if len(hosts) > 1:
            raise IllegalParameter("server_name holds more than one host_name")
        if not hosts:
            return None
        if not all(0x21 <= byte <= 0x7E for byte in hosts[0]):
            raise IllegalParameter(f"server_name holds a host_name that is not printable ASCII: {hosts[0]!r}")
        return hosts[0].decode("ascii")

    def choose_identity(self, extensions: Extensions, name: str | None) -> tuple[Presentable, SignatureScheme, bool]:
        """The certificate for this name that can sign with what the client verifies (4.5.1.2), and the scheme."""
        schemes = extensions.get(SignatureSchemeList)
        accepted = schemes.supported_signature_algorithms if schemes is not None else ()
        matching = [identity for identity in self.config.identities if name is not None and identity.matches(name)]
        if not matching and name is not None and self.config.strict_server_name:
            raise UnrecognizedName(name)
        for identity in matching or self.config.identities:
            for scheme in self.config.signature_schemes:
                if scheme in identity.signature_schemes and scheme in accepted:
                    return identity, scheme, bool(matching)
        raise NoCommonSignatureScheme(f"the client accepts {', '.join(scheme.name for scheme in accepted)}")

    def choose_protocol(self, extensions: Extensions) -> bytes | None:
        """RFC 7301, section 3.2: our most wanted protocol of the client's, no protocol if either side has no list."""
        alpn = extensions.get(ProtocolNameList)
        if alpn is None or not self.config.alpn_protocols:
            return None
        for protocol in self.config.alpn_protocols:
            if protocol in alpn.protocol_name_list:
                return protocol
        offered = b", ".join(alpn.protocol_name_list).decode("ascii", "backslashreplace")
        raise NoApplicationProtocol(f"the client offers {offered}")

    # --- HelloRetryRequest: section 4.2.4 -------------------------------------------------------------------------

    def send_retry(self, hello: ClientHello, choice: Choice) -> None:
        """Ask for another ClientHello, and put all that we know of this one into its cookie."""
        self.output.require_record_boundary()
        self.transcript.start(choice.suite.hash)
        selected_group = choice.group if choice.client_share is None else NO_GROUP
        state = RetryState(
            cipher_suite=choice.suite.code,
            selected_group=selected_group,
            client_hello1_hash=self.transcript.digest(),
            unchanged=unchanged_part(hello, selected_group),
        )
        request = self.hello_retry_request(hello, state, seal(self.config.cookie_key, state))
        self.output.send(request.to_handshake())
        if hello.legacy_session_id:
            self.output.send_change_cipher_spec()
        if hello.extensions.get(EarlyDataIndication) is not None:
            self.output.skip_early_data(self.config.max_skipped_early_data)

    def hello_retry_request(self, hello: ClientHello, state: RetryState, cookie: bytes) -> HelloRetryRequest:
        """A function of the cookie and of what no ClientHello may change, so that it can be made again."""
        bodies: list[ExtensionBody] = [SELECTED_TLS_1_3, Cookie(cookie=cookie)]
        if state.selected_group != NO_GROUP:
            bodies.append(KeyShareHelloRetryRequest(selected_group=state.selected_group))
        return HelloRetryRequest(
            legacy_session_id_echo=hello.legacy_session_id,
            cipher_suite=state.cipher_suite,
            extensions=Extensions.of(HRR, *bodies),
        )

    def resume_after_retry(self, hello: ClientHello, choice: Choice) -> None:
        """Check a second ClientHello against its cookie, and rebuild the transcript: message_hash, retry, hello (4.1).

        Everything comes from the cookie, so it does not matter which server sent the HelloRetryRequest.
        """
        cookie = hello.extensions.get(Cookie)
        if cookie is None:
            raise BadCookie("there is none")
        state = open_cookie(self.config.cookie_key, cookie.cookie)
        if state.unchanged != unchanged_part(hello, state.selected_group):
            raise ClientHelloChanged
        if hello.extensions.get(EarlyDataIndication) is not None:
            raise EarlyDataAfterRetry
        if choice.suite.code != state.cipher_suite:
            raise CipherSuiteChanged(f"{state.cipher_suite}, then {choice.suite.code}")
        if state.selected_group != NO_GROUP:
            shares = hello.extensions.get(KeyShareClientHello)
            groups = [entry.group for entry in shares.client_shares] if shares is not None else []
            if groups != [state.selected_group]:
                raise KeyShareMismatch(f"the second ClientHello must hold one share, for {state.selected_group}")
        client_hello = self.last_received
        self.transcript = Transcript.resume_from_client_hello1_hash(choice.suite.hash, state.client_hello1_hash)
        self.transcript.update(self.hello_retry_request(hello, state, cookie.cookie).to_handshake())
        self.transcript.update(client_hello)

    # --- ServerHello, EncryptedExtensions: sections 4.2.3 and 4.4.1 -----------------------------------------------

    def send_server_hello(self, hello: ClientHello, choice: Choice, share: KeyShareEntry) -> None:
        self.send(
            ServerHello(
                random=self.config.random(32),
                legacy_session_id_echo=hello.legacy_session_id,
                cipher_suite=choice.suite.code,
                extensions=Extensions.of(SH, SELECTED_TLS_1_3, KeyShareServerHello(server_share=share)),
            )
        )

    def send_encrypted_extensions(self, choice: Choice) -> None:
        bodies: list[ExtensionBody] = []
        if choice.name_matched:
            bodies.append(ServerNameAcknowledged())
        if choice.alpn_protocol is not None:
            bodies.append(ProtocolNameList(protocol_name_list=(choice.alpn_protocol,)))
        self.send(EncryptedExtensions(extensions=Extensions.of(EE, *bodies)))

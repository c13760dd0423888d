"""The ClientHello: RFC 9846, section 4.2.2. Everything that a client is willing to do, in one message.

A second ClientHello (after HelloRetryRequest) must repeat the first but for a few fields, so both are made here, from
the same parts. A PSK is offered with a proof that we have it: the binder, a MAC over the rest of the message, which
is why pre_shared_key comes last.
"""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

from . import errors
from .crypto.groups import GROUPS
from .crypto.suites import SUITES
from .grease import NO_GREASE, Grease, shuffled
from .post_handshake import ClientAfterwards
from .wire.companions import (
    CertificateStatusRequest,
    CertWithExternPsk,
    ClientCertTypes,
    ClientTicketRequest,
    RecordSizeLimit,
    ServerCertTypes,
)
from .wire.extensions import (
    CH,
    ClientVersions,
    Cookie,
    EarlyDataIndication,
    ExtensionBody,
    Extensions,
    HostNameEntry,
    KeyShareClientHello,
    KeyShareEntry,
    NamedGroupList,
    OfferedPsks,
    PostHandshakeAuth,
    ProtocolNameList,
    PskIdentity,
    PskKeyExchangeModes,
    ServerNameList,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from .wire.messages import ClientHello, HelloRetryRequest
from .wire.registry import GREASE, HOST_NAME, TLS1_2, TLS1_3, X509, CertificateType, ExtensionType, NamedGroup

if TYPE_CHECKING:
    from .config import ClientConfig
    from .crypto.groups import KeyShare
    from .resumption.psk import Psk
    from .resumption.sessions import SessionKey, StoredSession
    from .trust.names import ServerName


class Offer:
    """A ClientHello and what it needs to be followed up."""

    def __init__(
        self,
        hello: ClientHello,
        shares: dict[NamedGroup, KeyShare],
        psks: tuple[Psk, ...],
        early_data: bool,
        retry: HelloRetryRequest | None = None,
    ) -> None:
        self.hello = hello
        self.shares = shares
        """The private half of each key share."""
        self.psks = psks
        self.early_data = early_data
        """Whether early data goes with it, under the first PSK."""
        self.retry = retry
        """What this hello answers, if it is the second one."""
        self.asked = _asked(hello.extensions.types())
        """The extensions that may be answered: all that are sent but the reserved ones (RFC 8701, section 3.1)."""


class Offering(ClientAfterwards):
    """The part of a client's handshake that makes the ClientHello."""

    config: ClientConfig
    server_name: ServerName | None
    stored: StoredSession | None = None
    """The session that is offered for resumption."""
    wants_early_data = False
    grease: Grease = NO_GREASE
    seed = b""
    """Of the order of the extensions."""
    session_key: SessionKey | None = None
    transcript_prefix = b""
    """What comes before ClientHello2 in a binder's transcript: message_hash and HelloRetryRequest (4.3.11.2)."""

    def remember(
        self, port: int | None, partition: bytes, session: StoredSession | None, early_data: bytes | None
    ) -> None:
        """Which session to resume: the one that is given, or one that the config's cache has for this server."""
        config, name = self.config, self.server_name
        if config.grease:
            self.grease = Grease(config.random)
        if config.shuffle_extensions:
            self.seed = config.random(16)
        self.fingerprint = config.fingerprint
        if config.sessions is not None and name is not None:
            self.session_key = config.sessions.key(name.canonical, port or 0, partition, self.fingerprint)
            if session is None:
                session = config.sessions.take(self.session_key, config.clock())
        if session is not None and self.may_resume(session):
            self.stored = session
            limit = session.max_early_data_size
            self.wants_early_data = early_data is not None and 0 < limit >= len(early_data) and self.fits(session)

    def remember_session(self, stored: StoredSession) -> None:
        if self.config.sessions is not None and self.session_key is not None:
            self.config.sessions.put(self.session_key, stored)

    def may_resume(self, session: StoredSession) -> bool:
        """Whether this config, today, for this name, would come to the same connection without the session.

        A session must not be a way around verification (RFC 9846, section 4.7.1): it is offered on the terms on which
        it was won, and no others. Those are whom we believe and what else we want to see, and also who we are: the
        server takes whoever resumes for the client that it knew. Nor is a chain that has run out since believed
        because of a ticket. Where nothing but an external PSK was verified, there is nothing that a config without
        that PSK would accept.
        """
        config, now = self.config, self.config.clock()
        if config.require_psk or session.expired(now) or now >= session.authenticated_at + config.max_session_age:
            return False
        if not config.psk_key_exchange_modes or config.certificate_with_psk or session.is_too_long:
            return False
        if SUITES[session.cipher_suite].hash not in [SUITES[code].hash for code in config.cipher_suites]:
            return False
        if session.server_name != self.canonical_name() or session.fingerprint != self.fingerprint:
            return False
        if config.server_raw_keys and session.raw_public_key in config.server_raw_keys:
            return True
        if config.verifier is None:
            return not config.server_raw_keys
        return bool(session.verified) and now < session.chain_expires_at

    def fits(self, session: StoredSession) -> bool:
        """Whether early data can be sent under the parameters of the session, which are fixed (4.3.10)."""
        config = self.config
        protocol_offered = not session.alpn_protocol or session.alpn_protocol in config.alpn_protocols
        return session.cipher_suite in config.cipher_suites and protocol_offered

    def offered_psks(self) -> tuple[Psk, ...]:
        """The ticket first, for early data goes with the first (4.3.10); then those that both sides were given."""
        resumed = (self.stored.as_psk(),) if self.stored is not None else ()
        if not self.config.psks:
            return resumed
        hashes = [SUITES[code].hash for code in self.config.cipher_suites]
        return (*resumed, *[psk for psk in self.config.psks.values() if psk.hash in hashes])

    def offer(self) -> Offer:
        """The first ClientHello, with a fresh key share for each group of `config.key_shares` (4.3.8)."""
        config = self.config
        shares: dict[NamedGroup, KeyShare] = {}
        for group in config.key_shares:
            shares[group] = config.key_share_source(GROUPS[group])
        psks = self.offered_psks()
        fresh: list[ExtensionBody] = [_key_share(shares, self.grease)]
        if self.wants_early_data:
            fresh.append(EarlyDataIndication())
        hello = ClientHello(
            legacy_version=TLS1_2,
            random=config.random(32),
            # Appendix E.4: a non-empty session id makes this look like a resumption of TLS 1.2.
            legacy_session_id=config.random(32) if config.middlebox_compatibility else b"",
            cipher_suites=self.grease.cipher_suites + config.cipher_suites,
            legacy_compression_methods=b"\0",
            extensions=self.block(fresh, psks),
        )
        return Offer(self.bound(hello, psks), shares, psks, self.wants_early_data)

    def offer_again(
        self, offer: Offer, request: HelloRetryRequest, shares: dict[NamedGroup, KeyShare], cookie: Cookie | None
    ) -> Offer:
        """The second ClientHello: the first with the changes that the server asks for, and no others (4.2.2).

        Early data is not offered again (4.3.10); the PSKs are, with binders over the longer transcript.
        """
        # Only where no other group was asked for, the shares and so the reserved one are the same as before (4.3.8).
        grease = self.grease if shares is offer.shares else NO_GREASE
        fresh: list[ExtensionBody] = [_key_share(shares, grease)]
        if cookie is not None:
            fresh.append(cookie)
        extensions = self.block(fresh, offer.psks)
        if len(extensions.encoded()) > 2**16 - 1:
            raise errors.IllegalParameter("the cookie leaves no room for the rest of the second ClientHello")
        hello = offer.hello.replace(extensions=extensions)
        bound = self.bound(hello, offer.psks)
        return Offer(bound, shares, offer.psks, offer.early_data, request)

    def standing_extensions(self) -> Extensions:
        """What every ClientHello of this config to this name says. A config does not change, so it is put together
        once; and for each of the last names."""
        name = self.server_name.sni if self.server_name is not None else None
        if self.grease is not NO_GREASE:
            return _named(Extensions.of(CH, *self.offered_extensions()), name)
        prepared = self.config.prepared
        if "standing" not in prepared:
            standing = Extensions.of(CH, *self.offered_extensions())
            prepared["standing"] = lru_cache(128)(partial(_named, standing))
        return prepared["standing"](name)

    def offered_extensions(self) -> list[ExtensionBody]:
        """What the config asks for."""
        config, grease = self.config, self.grease
        offered: list[ExtensionBody] = [ClientVersions(versions=(*grease.versions, TLS1_3))]
        offered.append(NamedGroupList(named_group_list=(*grease.groups, *config.groups)))
        if not config.require_psk:
            schemes = (*grease.signature_schemes, *config.signature_schemes)
            offered.append(SignatureSchemeList(supported_signature_algorithms=schemes))
        if config.verifier is not None:
            # Section 4.3.3: what chains may be signed with is another list than what a peer may sign with.
            acceptable = config.verifier.signature_schemes
            offered.append(SignatureSchemeListCert(supported_signature_algorithms=acceptable))
        if config.alpn_protocols:
            offered.append(ProtocolNameList(protocol_name_list=(*grease.protocols, *config.alpn_protocols)))
        if config.ocsp_stapling and config.verifier is not None:
            offered.append(CertificateStatusRequest())
        offered += self.certificate_questions()
        types = self.server_certificate_types()
        if CertificateType.RawPublicKey in types:
            offered.append(ServerCertTypes(server_certificate_types=types))
        own = self.client_certificate_types()
        if CertificateType.RawPublicKey in own:
            offered.append(ClientCertTypes(client_certificate_types=own))
        if config.record_size_limit is not None:
            offered.append(RecordSizeLimit(record_size_limit=config.record_size_limit))
        if config.ticket_request is not None:
            new, resumed = config.ticket_request
            offered.append(ClientTicketRequest(new_session_count=new, resumption_count=resumed))
        if config.certificate_with_psk:
            offered.append(CertWithExternPsk())
        if config.post_handshake_auth:
            offered.append(PostHandshakeAuth())
        if config.psk_key_exchange_modes:
            offered.append(PskKeyExchangeModes(ke_modes=(*grease.psk_modes, *config.psk_key_exchange_modes)))
        return offered

    def client_certificate_types(self) -> tuple[CertificateType, ...]:
        """What we can show when a server asks (RFC 7250)."""
        return tuple(dict.fromkeys(identity.certificate_type for identity in self.config.identities))

    def server_certificate_types(self) -> tuple[CertificateType, ...]:
        """What a server may show: a raw public key if we know some, a chain unless we believe nothing else."""
        config = self.config
        if not config.server_raw_keys:
            return (X509,)
        if config.verifier is None:
            return (CertificateType.RawPublicKey,)
        return CertificateType.RawPublicKey, X509

    # --- pre_shared_key: section 4.3.11 ---------------------------------------------------------------------------

    def block(self, fresh: list[ExtensionBody], psks: tuple[Psk, ...]) -> Extensions:
        """The extension block, with what is fresh in this ClientHello; its last one is pre_shared_key, with binders of
        the right length and no content yet."""
        config, offered = self.config, self.psks_without_binders(psks)
        block = self.standing_extensions()
        if config.shuffle_extensions or config.grease or config.min_client_hello:
            block, fresh = self.disguised(block.followed_by(fresh), offered), []
        return block.followed_by(fresh if offered is None else [*fresh, offered])

    def disguised(self, block: Extensions, offered: OfferedPsks | None) -> Extensions:
        """In another order, with reserved extensions, and padded, as the config wants it (grease.py)."""
        if self.config.shuffle_extensions:
            block = shuffled(block, self.seed)
        if self.grease.extensions:
            first, last = self.grease.extensions
            block = block.extended(first, first=True).extended(last)
        return self.padded(block, offered)

    def padded(self, block: Extensions, offered: OfferedPsks | None) -> Extensions:
        """With the padding extension (RFC 7685), if the ClientHello is shorter than the config wants it to be."""
        wanted = self.config.min_client_hello
        if not wanted:
            return block
        parts = [data for _, data in block.raw] + ([offered.encode()] if offered is not None else [])
        fixed = 4 + 2 + 32 + 1 + 32 * self.config.middlebox_compatibility + 2 + 2 + 2
        suites = 2 * (len(self.grease.cipher_suites) + len(self.config.cipher_suites))
        length = fixed + suites + sum(4 + len(data) for data in parts)
        if length >= wanted:
            return block
        return block.extended((int(ExtensionType.padding), bytes(max(0, wanted - length - 4))))

    def psks_without_binders(self, psks: tuple[Psk, ...]) -> OfferedPsks | None:
        if not psks:
            return None
        now = self.config.clock()
        identities = [PskIdentity(psk.identity, psk.obfuscated_ticket_age(now)) for psk in psks]
        binders = [bytes(psk.hash.digest_size) for psk in psks]
        return OfferedPsks(tuple(identities), tuple(binders))

    def bound(self, hello: ClientHello, psks: tuple[Psk, ...]) -> ClientHello:
        """The ClientHello with its binders: each over all that comes before them, with its PSK's hash (4.3.11.2)."""
        if not psks:
            hello.keep(hello.put_together())  # at once: to find that nothing is kept yet takes an AttributeError
            return hello
        return hello.bound(partial(self.binders, psks))

    def binders(self, psks: tuple[Psk, ...], truncated: bytes) -> tuple[bytes, ...]:
        transcript = self.transcript_prefix + truncated
        return tuple([psk.binder(psk.hash.new(transcript).digest()) for psk in psks])


@lru_cache(64)
def _asked(types: tuple[int, ...]) -> frozenset[int]:
    """Without the reserved ones. A config that does not shuffle asks for one or two sets of extensions, ever."""
    return frozenset(types) - GREASE


def _named(standing: Extensions, name: bytes | None) -> Extensions:
    """With server_name (RFC 6066, section 3) before it."""
    if name is None:
        return standing
    entry = HostNameEntry(name_type=HOST_NAME, host_name=name)
    return Extensions.of(CH, ServerNameList(server_name_list=(entry,)), *standing.bodies().values())


def _key_share(shares: dict[NamedGroup, KeyShare], grease: Grease) -> KeyShareClientHello:
    """In the order of supported_groups (4.3.8); a reserved group's share is one byte that nobody can use (RFC 8701)."""
    entries = [KeyShareEntry(group, share.public) for group, share in shares.items()]
    if grease.groups:
        entries[:0] = [KeyShareEntry(group, b"\0") for group in grease.groups]
    return KeyShareClientHello(tuple(entries))

"""What the user of a server sets; config.py has the client's half, and what both have in common."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Literal

from .answers import IdentityAnswers
from .config import (
    CLOCK,
    DEFAULT_PSK_MODES,
    RANDOM,
    Config,
    chosen,
    digest,
    fresh_key_share,
    positive,
    psk_modes,
    raw_keys,
    record_size,
)
from .crypto.groups import DEFAULT_GROUPS
from .crypto.signatures import DEFAULT_SIGNATURE_SCHEMES
from .crypto.suites import DEFAULT_CIPHER_SUITES
from .errors import ConfigurationError
from .record import MAX_EMPTY_RECORDS, MAX_INNER_PLAINTEXT
from .trust.names import UNREADABLE
from .trust.verify import MAX_CHAIN_BYTES, ChainVerifier, Profile
from .wire.extensions import MAX_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from .config import Clock, ConfigSelector, KeyLog, KeyShareSource, PaddingPolicy, PskFinder, Random
    from .resumption.early_data import ReplayGuard
    from .resumption.psk import Psk
    from .resumption.tickets import Tickets
    from .trust.crl import CrlSet
    from .trust.identity import Identities, Presentable
    from .trust.store import TrustStore
    from .trust.verify import Verifier
    from .wire.extensions import OIDFilter
    from .wire.registry import (
        CertificateCompressionAlgorithm,
        CipherSuite,
        NamedGroup,
        PskKeyExchangeMode,
        SignatureScheme,
    )


class ClientAuth(Enum):
    """What a server does about client certificates, if it says whom to trust (client_trust)."""

    REQUIRED = "required"
    """In the handshake; without one it fails (certificate_required)."""
    OPTIONAL = "optional"
    """In the handshake; a client may decline."""
    LATER = "later"
    """Only when request_client_certificate is called (section 4.7.2)."""


MAX_AUTHORITIES = 16
"""A store of more anchors is not listed in certificate_authorities: the list would be longer than the rest."""


class ServerConfig(Config):
    """How a server speaks. All arguments are keywords; see ClientConfig for those not explained here.

    identity: a certificate chain with its key (tls13.Identity), or several: the first whose names match the
    client's server_name and whose key fits its signature_algorithms is used, else the first that fits. None: only
    the PSKs authenticate this server.
    select: is called with each first ClientHello and returns the config to go on with, None for this one, or an
    awaitable of it; handshake_timeout stays that of this one. strict_server_name: refuse names that no
    identity has (unrecognized_name) instead of using the first. strict_alpn: refuse a client none of whose application
    protocols is ours (RFC 7301, section 3.2) instead of going on without one.
    client_trust (with client_profile, client_crls), or client_verifier: whom to believe of the clients' certificates;
    client_raw_keys: SubjectPublicKeyInfos (DER) of clients that need none (RFC 7250); client_auth: when to ask for
    them. certificate_authorities (DER names; by default those of client_trust, if they are few), oid_filters: which to
    ask for.
    tickets: makes and opens tickets (tls13.resumption.tickets); None: no resumption. ticket_count: how many a new
    session gets (a resumed one: one, in place of the one it used); max_tickets: at most, to a client that asks for
    another number. ticket_lifetime: seconds, 7 days at most; max_session_age: seconds from the last verification of a
    certificate to the end of its tickets, and of theirs.
    find_psk: is called with an identity that `psks` does not have; returns a PSK, None, or an awaitable of it.
    max_early_data: bytes of early data that tickets allow from now on; 0, the default: none is accepted. replay_guard:
    what keeps it from being accepted twice; by default one for all configs with the same `tickets`. half_rtt_data: let
    send_data work before the client's Finished.
    cookie_key: 32 secret bytes that seal the HelloRetryRequest's cookie; several servers that share it can finish
    each other's handshakes. always_retry: send a HelloRetryRequest even where it is not needed, to see that the
    client can receive before anything is computed for it.
    max_skipped_early_data: how many bytes of early data to skip where it is not accepted. max_key_shares: of a
    ClientHello.
    """

    def __init__(
        self,
        identity: Presentable | Sequence[Presentable] | None,
        *,
        select: ConfigSelector | None = None,
        client_trust: TrustStore | None = None,
        client_profile: Profile = Profile.DEFAULT,
        client_crls: CrlSet | None = None,
        client_verifier: Verifier | None = None,
        client_raw_keys: Collection[bytes] = (),
        client_auth: ClientAuth = ClientAuth.REQUIRED,
        certificate_authorities: Sequence[bytes] | None = None,
        oid_filters: Sequence[OIDFilter] = (),
        tickets: Tickets | Literal["sealed"] | None = "sealed",
        ticket_count: int = 2,
        ticket_lifetime: int = 7200,
        max_session_age: int = 7 * 86400,
        psks: Sequence[Psk] = (),
        find_psk: PskFinder | None = None,
        psk_key_exchange_modes: Sequence[PskKeyExchangeMode] | None = None,
        max_tickets: int = 8,
        record_size_limit: int = MAX_INNER_PLAINTEXT,
        max_early_data: int = 0,
        replay_guard: ReplayGuard | None = None,
        half_rtt_data: bool = False,
        cipher_suites: Sequence[CipherSuite] = DEFAULT_CIPHER_SUITES,
        groups: Sequence[NamedGroup] = DEFAULT_GROUPS,
        signature_schemes: Sequence[SignatureScheme] = DEFAULT_SIGNATURE_SCHEMES,
        alpn_protocols: Sequence[str | bytes] = (),
        strict_server_name: bool = False,
        strict_alpn: bool = True,
        cookie_key: bytes | None = None,
        always_retry: bool = False,
        certificate_compression: Sequence[CertificateCompressionAlgorithm] = (),
        ocsp_stapling: bool = False,
        signed_certificate_timestamps: bool = False,
        delegated_credentials: bool = False,
        certificate_with_psk: bool = False,
        tolerate_legacy_version: bool = False,
        padding: PaddingPolicy | None = None,
        key_log: KeyLog | None = None,
        clock: Clock = CLOCK,
        random: Random = RANDOM,
        key_share_source: KeyShareSource = fresh_key_share,
        handshake_timeout: float = 60.0,
        max_handshake_message: int = 2**17,
        max_certificate_chain: int = 16,
        max_certificate_chain_bytes: int = MAX_CHAIN_BYTES,
        max_certificate_requests: int = 4,
        max_skipped_early_data: int = 2**16,
        max_key_shares: int = 16,
        max_key_updates: int = 32,
        max_warnings: int = 4,
        max_empty_records: int = MAX_EMPTY_RECORDS,
        max_extensions: int = MAX_EXTENSIONS,
    ) -> None:
        self._common(dict(locals()))
        put = self.__dict__.__setitem__
        put("identities", chosen(identity, self.signature_schemes))
        if not self.identities and not psks and find_psk is None:
            raise ConfigurationError("a server needs an identity (a certificate chain and its key), or PSKs")
        put("select", select)
        put("strict_server_name", bool(strict_server_name))
        put("strict_alpn", bool(strict_alpn))
        if cookie_key is not None and len(cookie_key) < 32:
            raise ConfigurationError(f"cookie_key has {len(cookie_key)} bytes; it needs at least 32 random ones")
        put("shares_cookie_key", cookie_key is not None)
        put("cookie_key", cookie_key if cookie_key is not None else random(32))
        put("always_retry", bool(always_retry))
        put("max_skipped_early_data", max(0, max_skipped_early_data))
        put("max_key_shares", positive("max_key_shares", max_key_shares))
        put("client_raw_keys", raw_keys(client_raw_keys))
        self._client_authentication(client_trust, client_profile, client_crls, client_verifier, client_auth)
        put("certificate_authorities", self._authorities(client_trust, certificate_authorities))
        put("oid_filters", tuple(oid_filters))
        if self.oid_filters:
            from .trust.filters import judge_filters

            judge_filters(self.oid_filters)
        put("tickets", _sealed(random) if tickets == "sealed" else tickets)
        self._arguments["tickets"] = self.tickets  # a config that is made of this one opens the tickets of this one
        put("ticket_count", max(0, ticket_count))
        put("ticket_lifetime", positive("ticket_lifetime", ticket_lifetime))
        put("max_session_age", positive("max_session_age", max_session_age))
        put("find_psk", find_psk)
        put(
            "psk_key_exchange_modes",
            psk_modes(DEFAULT_PSK_MODES if psk_key_exchange_modes is None else psk_key_exchange_modes),
        )
        self._early_data(max_early_data, replay_guard)
        put("half_rtt_data", bool(half_rtt_data))
        put("max_tickets", max(0, max_tickets))
        put("record_size_limit", record_size(record_size_limit))
        put("identity_answers", IdentityAnswers())

    identities: Identities
    identity_answers: IdentityAnswers
    """Which of them its connections have shown, to be found again by those of clients that ask alike."""
    select: ConfigSelector | None
    strict_server_name: bool
    strict_alpn: bool
    shares_cookie_key: bool
    """Whether a first flight may be the second one of a handshake that another server began."""
    cookie_key: bytes
    always_retry: bool
    client_verifier: Verifier | None
    client_raw_keys: frozenset[bytes]
    knows_clients: bool
    """Whether there is anybody to believe; otherwise clients are never asked for a certificate."""
    asks_in_handshake: bool
    client_certificate_required: bool
    _demand: bytes
    certificate_authorities: tuple[bytes, ...]
    oid_filters: tuple[OIDFilter, ...]
    tickets: Tickets | None
    ticket_count: int
    ticket_lifetime: int
    max_session_age: int
    find_psk: PskFinder | None
    max_early_data: int
    replay_guard: ReplayGuard | None
    half_rtt_data: bool
    max_tickets: int
    record_size_limit: int
    max_skipped_early_data: int
    max_key_shares: int

    def _client_authentication(
        self,
        trust: TrustStore | None,
        profile: Profile,
        crls: CrlSet | None,
        verifier: Verifier | None,
        auth: ClientAuth,
    ) -> None:
        put = self.__dict__.__setitem__
        if trust is not None and verifier is not None:
            raise ConfigurationError("client_trust and client_verifier: give one of them")
        if trust is not None:
            verifier = ChainVerifier(trust, profile=profile, crls=crls)
        put("client_verifier", verifier)
        put("knows_clients", verifier is not None or bool(self.client_raw_keys))
        put("asks_in_handshake", self.knows_clients and auth is not ClientAuth.LATER)
        put("client_certificate_required", auth is ClientAuth.REQUIRED)
        wanted = f"{auth.value} {self.ocsp_stapling} {self.delegated_credentials}" if self.knows_clients else "nobody"
        put("_demand", digest(wanted.encode(), *sorted(self.client_raw_keys)))

    @property
    def client_policy(self) -> bytes:
        """A digest of what is demanded of clients: a ticket opens only under the one that it was issued under."""
        return self._demand if self.client_verifier is None else digest(self._demand, self.client_verifier.fingerprint)

    @staticmethod
    def _authorities(trust: TrustStore | None, given: Sequence[bytes] | None) -> tuple[bytes, ...]:
        """By default the names of a small store: a client with several certificates can then choose."""
        if given is not None:
            if isinstance(given, bytes) or not all(isinstance(one, bytes) for one in given):
                raise ConfigurationError(f"certificate_authorities is a list of names in DER, as bytes, not {given!r}")
            return tuple(given)
        if trust is None or trust.is_pinned or len(trust.certificates) > MAX_AUTHORITIES:
            return ()
        try:
            return tuple(dict.fromkeys(certificate.subject.public_bytes() for certificate in trust.certificates))
        except UNREADABLE:
            return ()  # a list without that one would turn away the clients that it has certified

    def _early_data(self, limit: int, guard: ReplayGuard | None) -> None:
        """Section 8: no early data without something that keeps it from being accepted twice."""
        put = self.__dict__.__setitem__
        if not 0 <= limit < 2**32:
            raise ConfigurationError(f"max_early_data is {limit}; it is a number of bytes below 2^32")
        if limit and self.tickets is None:
            raise ConfigurationError("max_early_data without tickets: nobody could send any")
        if limit and guard is None and self.tickets is not None:
            from .resumption.early_data import guard_of

            guard = guard_of(self.tickets, self.clock())
        if limit and guard is not None and self.tickets is not None and self.tickets.shared and not guard.shared:
            raise ConfigurationError(
                "max_early_data with shared tickets needs a ReplayGuard with a shared store: otherwise each server "
                "would accept the same early data once (RFC 9846, section 8)"
            )
        put("max_early_data", limit)
        # What our own tickets allow must not end a connection only because it is rejected (4.3.10). In small records
        # it takes more room than that.
        put("max_skipped_early_data", max(self.max_skipped_early_data, 2 * limit))
        put("replay_guard", guard)


def _sealed(random: Random) -> Tickets:
    from .resumption.tickets import SealedTickets  # a client has no use for it

    return SealedTickets(random=random)

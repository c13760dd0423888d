"""What a user sets. A config is frozen, checked when it is made, and shared between connections and threads.

Without any argument it is secure: the system's trust store, host names checked, AEADs and groups that RFC 9846
recommends, a post-quantum key share. What weakens it is spelled so.

The outside world enters here: `clock` (seconds since 1970) and `random` (n bytes) are the only sources of time and
chance that the core has, so that a test can fix both.
"""

from __future__ import annotations

import hashlib
import os
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Self

from .crypto.groups import DEFAULT_GROUPS, GROUPS, Group, KeyShare
from .crypto.signatures import DEFAULT_SIGNATURE_SCHEMES
from .crypto.suites import DEFAULT_CIPHER_SUITES, SUITES
from .errors import ConfigurationError
from .record import MAX_EMPTY_RECORDS, MAX_INNER_PLAINTEXT, MIN_RECORD_SIZE_LIMIT
from .trust.store import TrustStore
from .trust.verify import MAX_CHAIN_BYTES, ChainVerifier, NamelessVerifier, Profile
from .wire.extensions import MAX_EXTENSIONS
from .wire.registry import CertificateCompressionAlgorithm, CipherSuite, NamedGroup, PskKeyExchangeMode, SignatureScheme

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from .resumption.psk import Psk, Role
    from .resumption.sessions import SessionCache
    from .server_config import ClientAuth as ClientAuth
    from .server_config import ServerConfig as ServerConfig
    from .trust.crl import CrlSet
    from .trust.identity import Identities, Presentable
    from .trust.verify import Verifier
    from .wire.extensions import Extensions
    from .wire.messages import CertificateRequest, ClientHello

    Clock = Callable[[], float]
    Random = Callable[[int], bytes]
    KeyLog = Callable[[str], None]
    PaddingPolicy = Callable[[int, int], int]
    KeyShareSource = Callable[[Group], KeyShare]
    IdentityChooser = Callable[[CertificateRequest], Presentable | Awaitable[Presentable | None] | None]
    PskFinder = Callable[[bytes], Psk | Awaitable[Psk | None] | None]
    ConfigSelector = Callable[[ClientHello], "ServerConfig | Awaitable[ServerConfig | None] | None"]


class InsecureNoVerification:
    """The type of INSECURE_NO_VERIFICATION."""

    def __repr__(self) -> str:
        return "tls13.INSECURE_NO_VERIFICATION"


INSECURE_NO_VERIFICATION: Final = InsecureNoVerification()
"""`verify=INSECURE_NO_VERIFICATION`: the peer may be anybody. For experiments on one's own machine only."""


def fresh_key_share(group: Group) -> KeyShare:
    """Section 4.3.8: a key share of its own for each connection."""
    return group.generate()


DEFAULT_KEY_SHARES = (NamedGroup.X25519MLKEM768, NamedGroup.x25519)


CLOCK: Final = time.time
RANDOM: Final = os.urandom
DEFAULT_PSK_MODES = (PskKeyExchangeMode.psk_dhe_ke,)
LIMITS = (
    "handshake_timeout",
    "max_handshake_message",
    "max_certificate_chain",
    "max_certificate_chain_bytes",
    "max_certificate_requests",
    "max_key_updates",
    "max_warnings",
    "max_empty_records",
    "max_extensions",
)


class Config:
    """What both roles have in common. Subclasses set everything in __init__; nothing changes after."""

    cipher_suites: tuple[CipherSuite, ...]
    groups: tuple[NamedGroup, ...]
    signature_schemes: tuple[SignatureScheme, ...]
    alpn_protocols: tuple[bytes, ...]

    def _common(self, arguments: dict[str, Any]) -> None:
        """Check and keep the arguments that both roles have; `arguments` is what __init__ was called with."""
        given = {name: value for name, value in arguments.items() if name not in ("self", "__class__")}
        put = self.__dict__.__setitem__
        put("cipher_suites", _known(given["cipher_suites"], SUITES, CipherSuite, "cipher suite"))
        put("groups", _known(given["groups"], GROUPS, NamedGroup, "group"))
        put("signature_schemes", _schemes(given["signature_schemes"]))
        put("alpn_protocols", tuple(_protocol(name) for name in given["alpn_protocols"]))
        for name in LIMITS:
            put(name, positive(name, given[name]))
        put("psks", _psks(given["psks"], "client" if isinstance(self, ClientConfig) else "server"))
        put("tolerate_legacy_version", bool(given["tolerate_legacy_version"]))
        put("certificate_with_psk", bool(given["certificate_with_psk"]))
        put("signed_certificate_timestamps", bool(given["signed_certificate_timestamps"]))
        put("certificate_compression", _compression(given["certificate_compression"]))
        put("delegated_credentials", bool(given["delegated_credentials"]))
        put("ocsp_stapling", bool(given["ocsp_stapling"]))
        for name in ("key_log", "clock", "random", "key_share_source"):
            put(name, given[name])
        put("padding", _padding(given["padding"]))
        put("_arguments", given)

    padding: PaddingPolicy | None
    key_log: KeyLog | None
    clock: Clock
    random: Random
    key_share_source: KeyShareSource
    psks: dict[bytes, Psk]
    """The external PSKs, by identity."""
    psk_key_exchange_modes: tuple[PskKeyExchangeMode, ...]
    tolerate_legacy_version: bool
    certificate_with_psk: bool
    signed_certificate_timestamps: bool
    certificate_compression: tuple[CertificateCompressionAlgorithm, ...]
    delegated_credentials: bool
    ocsp_stapling: bool
    handshake_timeout: float
    max_handshake_message: int
    max_certificate_chain: int
    max_certificate_chain_bytes: int
    max_certificate_requests: int
    max_key_updates: int
    max_warnings: int
    max_empty_records: int
    max_extensions: int
    _arguments: dict[str, Any]

    def replace(self, **changes: Any) -> Self:
        """A config that differs in these arguments; checked like any other."""
        return type(self)(**{**self._arguments, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change; use .replace({name}=...)")


class ClientConfig(Config):
    """How a client speaks. All arguments are keywords.

    trust: whom to believe; the system's store by default. profile, crls: how chains are judged (tls13.trust).
    verify: INSECURE_NO_VERIFICATION switches the certificate checks off.
    cipher_suites, groups, signature_schemes: in order of preference. key_shares: the groups for which the first
    ClientHello carries a key share (each costs its bytes and its computation).
    alpn_protocols: for example ("h2", "http/1.1"), most wanted first.
    middlebox_compatibility: look like TLS 1.2 to what sits in between (RFC 9846, appendix E.4).
    certificate_compression: zlib, brotli, zstd: read compressed certificates, and send them to who reads them (RFC
    8879). ocsp_stapling: ask for the CA's word that the certificate is not revoked; if it comes it must be good (of a
    pinned certificate: if its issuer's comes with it), and a certificate that promises it (must-staple) must bring it.
    signed_certificate_timestamps: ask for them; they are passed on, not judged (RFC 6962). record_size_limit: the
    largest record (TLSInnerPlaintext, bytes) to accept (RFC 8449). ticket_request: how many tickets to ask for, of a
    new session and of a resumed one (RFC 9149).
    certificate_with_psk: authenticate with an external PSK and a certificate, both (RFC 8773).
    grease: send reserved numbers that a peer must ignore (RFC 8701); shuffle_extensions: in another order each time;
    min_client_hello: pad the ClientHello to this many bytes (RFC 7685).
    padding: how many zero bytes to add to a record, from its content length and the room left (bytes).
    key_log: is called with each line of an RFC 9850 key log; whoever has the lines can read the connection.
    psks: external PSKs (tls13.ExternalPsk, tls13.import_psk). psk_key_exchange_modes: psk_dhe_ke, and psk_ke where
    forward secrecy may be given up (section 4.3.9).
    tolerate_legacy_version: do not insist that a peer's legacy_version is 0x0303; some that are not quite TLS 1.3
    send others. handshake_timeout: seconds, from when the connection is made.
    clock: seconds since 1970. random: n secure random bytes. key_share_source: a fresh key share for a group
    (a test seam).
    max_handshake_message, max_certificate_chain_bytes (bytes), max_certificate_chain (certificates),
    max_certificate_requests (unanswered), max_key_updates, max_warnings, max_empty_records (in a row),
    max_extensions (of a message): what a peer may make us hold or do.

    identities: our own certificates, for servers that ask (tls13.Identity): the first that the request allows is
    shown. choose_identity: is called with the CertificateRequest instead, and returns an identity, None, or an
    awaitable of it. post_handshake_auth: servers may also ask later (section 4.7.2).
    sessions: a tls13.SessionCache, for resumption. Configs that verify alike and have the same identities use each
    other's sessions; one with choose_identity uses its own. max_session_age: seconds from the last verification of a
    certificate to the end of its tickets, and of theirs. max_tickets: how many of one connection are kept.
    require_psk: the server must use one of `psks`; no certificate is accepted. server_raw_keys: SubjectPublicKeyInfos
    (DER) that are believed without a certificate (RFC 7250); without `trust`, nothing else is. delegated_credentials:
    accept them (RFC 9345). verifier: judges chains in place of trust, profile and crls (tls13.trust.verify.Verifier).

    Raises ConfigurationError for what cannot work.
    """

    def __init__(
        self,
        *,
        trust: TrustStore | None = None,
        profile: Profile = Profile.DEFAULT,
        crls: CrlSet | None = None,
        verify: InsecureNoVerification | None = None,
        verifier: Verifier | None = None,
        server_raw_keys: Collection[bytes] = (),
        cipher_suites: Sequence[CipherSuite] = DEFAULT_CIPHER_SUITES,
        groups: Sequence[NamedGroup] = DEFAULT_GROUPS,
        key_shares: Sequence[NamedGroup] | None = None,
        signature_schemes: Sequence[SignatureScheme] = DEFAULT_SIGNATURE_SCHEMES,
        alpn_protocols: Sequence[str | bytes] = (),
        identities: Presentable | Sequence[Presentable] = (),
        choose_identity: IdentityChooser | None = None,
        post_handshake_auth: bool = False,
        sessions: SessionCache | None = None,
        psks: Sequence[Psk] = (),
        require_psk: bool = False,
        psk_key_exchange_modes: Sequence[PskKeyExchangeMode] | None = None,
        middlebox_compatibility: bool = True,
        grease: bool = False,
        shuffle_extensions: bool = False,
        min_client_hello: int = 0,
        record_size_limit: int | None = None,
        ticket_request: tuple[int, int] | None = None,
        certificate_compression: Sequence[CertificateCompressionAlgorithm] = (),
        ocsp_stapling: bool = True,
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
        max_tickets: int = 16,
        max_session_age: int = 7 * 86400,
        max_key_updates: int = 32,
        max_warnings: int = 4,
        max_empty_records: int = MAX_EMPTY_RECORDS,
        max_extensions: int = MAX_EXTENSIONS,
    ) -> None:
        self._common(dict(locals()))
        put = self.__dict__.__setitem__
        if verify is not None and verify is not INSECURE_NO_VERIFICATION:
            raise ConfigurationError(f"verify is INSECURE_NO_VERIFICATION or left out, not {verify!r}")
        if require_psk and not psks:
            raise ConfigurationError("require_psk without psks: no server could be accepted")
        if verifier is not None and (trust is not None or crls is not None or verify is not None):
            raise ConfigurationError("verifier takes the place of trust, crls and verify: give one or the other")
        only_raw_keys = bool(server_raw_keys) and trust is None
        if verify is None and verifier is None and not require_psk and not only_raw_keys:
            trust = TrustStore.system() if trust is None else trust
            verifier = ChainVerifier(trust, profile=profile, crls=crls)
        put("verifier", verifier)
        put("trust", trust)
        put("server_raw_keys", raw_keys(server_raw_keys))
        put("require_psk", bool(require_psk))
        put("needs_server_name", verifier is not None and not isinstance(verifier, NamelessVerifier))
        put("key_shares", self._key_shares(key_shares))
        put("identities", chosen(identities, self.signature_schemes) if identities != () else ())
        put("choose_identity", choose_identity)
        put("post_handshake_auth", bool(post_handshake_auth))
        put("sessions", sessions)
        if psk_key_exchange_modes is None:
            psk_key_exchange_modes = DEFAULT_PSK_MODES if sessions is not None or psks else ()
        put("psk_key_exchange_modes", psk_modes(psk_key_exchange_modes))
        put("middlebox_compatibility", bool(middlebox_compatibility))
        put("grease", bool(grease))
        put("shuffle_extensions", bool(shuffle_extensions))
        if not 0 <= min_client_hello <= 2**14:
            raise ConfigurationError(f"min_client_hello is {min_client_hello} bytes; it is 0 to {2**14}")
        put("min_client_hello", min_client_hello)
        put("record_size_limit", record_size_limit if record_size_limit is None else record_size(record_size_limit))
        if ticket_request is not None and not all(0 <= count <= 255 for count in ticket_request):
            raise ConfigurationError(f"ticket_request is {ticket_request}; each count is 0 to 255")
        put("ticket_request", ticket_request)
        if certificate_with_psk and not (psks and PskKeyExchangeMode.psk_dhe_ke in self.psk_key_exchange_modes):
            raise ConfigurationError("certificate_with_psk needs psks, and psk_dhe_ke (RFC 8773)")
        if certificate_with_psk and require_psk:
            raise ConfigurationError("certificate_with_psk wants a certificate, and require_psk takes none")
        put("max_tickets", max(0, max_tickets))
        put("max_session_age", positive("max_session_age", max_session_age))
        put("_terms", self._own_terms())
        put("prepared", {})

    verifier: Verifier | None
    """None: INSECURE_NO_VERIFICATION, or require_psk."""
    trust: TrustStore | None
    """What our own verifier believes. Load it where blocking is allowed: reading a system's store takes time."""
    server_raw_keys: frozenset[bytes]
    require_psk: bool
    needs_server_name: bool
    identities: tuple[Presentable, ...]
    choose_identity: IdentityChooser | None
    post_handshake_auth: bool
    sessions: SessionCache | None
    max_tickets: int
    max_session_age: int
    _terms: bytes
    key_shares: tuple[NamedGroup, ...]
    middlebox_compatibility: bool
    grease: bool
    shuffle_extensions: bool
    min_client_hello: int
    record_size_limit: int | None
    ticket_request: tuple[int, int] | None
    prepared: dict[str, Callable[[bytes | None], Extensions]]
    """What its connections have put together of nothing but this config, to be sent by the next ones too (offer.py)."""

    @property
    def fingerprint(self) -> bytes:
        """How servers are verified under this config, and who it says that we are: a session that was won so may take
        the place of both."""
        return digest(self.verifier.fingerprint if self.verifier is not None else b"", self._terms)

    def _own_terms(self) -> bytes:
        """What the verifier's fingerprint does not say. A chooser may show somebody else under each config."""
        shown = [one.der_chain[0] for one in self.identities] if self.choose_identity is None else [self.random(32)]
        wanted = f"{self.ocsp_stapling} {self.delegated_credentials} {[int(one) for one in self.signature_schemes]}"
        return digest(wanted.encode(), *sorted(self.server_raw_keys), b"", *shown)

    def _key_shares(self, wanted: Sequence[NamedGroup] | None) -> tuple[NamedGroup, ...]:
        """In the order of `groups`, as section 4.3.8 wants them; the first group if none of the defaults is offered."""
        if wanted is None:
            return tuple(group for group in self.groups if group in DEFAULT_KEY_SHARES) or self.groups[:1]
        for group in wanted:
            if group not in self.groups:
                raise ConfigurationError(f"a key share for {group!r}, which is not among the groups offered")
        return tuple(group for group in self.groups if group in wanted)


@lru_cache(256)
def digest(*parts: bytes) -> bytes:
    """Of the parts and where each ends."""
    return hashlib.sha256(b"".join([len(part).to_bytes(4, "big") + part for part in parts])).digest()


def chosen(given: Presentable | Sequence[Presentable] | None, schemes: tuple[SignatureScheme, ...]) -> Identities:
    from .trust.identity import Identities  # few clients have one

    if given is None:
        return Identities(())
    identities = Identities(given if isinstance(given, (list, tuple)) else (given,))
    for identity in identities:
        if not any(scheme in schemes for scheme in identity.signature_schemes):
            raise ConfigurationError(f"{identity!r} can sign with none of the signature_schemes of this config")
    return identities


def _psks(given: Sequence[Psk], role: Role) -> dict[bytes, Psk]:
    for psk in given:
        if psk.role not in (None, role):
            raise ConfigurationError(f"{psk!r} is for a {psk.role}: one key, one role (RFC 9257, section 4.1)")
    psks = {psk.identity: psk for psk in given}
    if len(psks) != len(given):
        raise ConfigurationError("two of the psks have the same identity")
    return psks


def psk_modes(wanted: Sequence[PskKeyExchangeMode]) -> tuple[PskKeyExchangeMode, ...]:
    known = dict.fromkeys((PskKeyExchangeMode.psk_dhe_ke, PskKeyExchangeMode.psk_ke))
    return tuple(_known(wanted, known, PskKeyExchangeMode, "PSK key exchange mode")) if wanted else ()


def _known(wanted: Sequence[Any], table: Any, kind: Any, what: str) -> Any:
    """The members of `kind` that were asked for, each in our table, none twice."""
    members = []
    for item in wanted:
        member = kind.__members__.get(item) if isinstance(item, str) else kind(item)
        if member not in table:
            known = ", ".join(kind(code).name for code in table)
            raise ConfigurationError(f"unknown {what} {item!r}; there are: {known}")
        if member in members:
            raise ConfigurationError(f"{what} {member.name} is named twice")
        members.append(member)
    if not members:
        raise ConfigurationError(f"no {what} is left to offer")
    return tuple(members)


def _schemes(wanted: Sequence[SignatureScheme]) -> tuple[SignatureScheme, ...]:
    return tuple(_known(wanted, dict.fromkeys(DEFAULT_SIGNATURE_SCHEMES), SignatureScheme, "signature scheme"))


def _protocol(name: str | bytes) -> bytes:
    """RFC 7301, section 3.1: opaque ProtocolName<1..2^8-1>."""
    raw = name.encode("ascii", "replace") if isinstance(name, str) else bytes(name)
    if not 1 <= len(raw) <= 255:
        raise ConfigurationError(f"an ALPN protocol name has 1 to 255 bytes, not {len(raw)}: {name!r}")
    return raw


def _padding(policy: PaddingPolicy | None) -> PaddingPolicy | None:
    """A policy that asks for more than there is room for would fail in the middle of a connection: try it now."""
    for length in (1, 2, 2**14) if policy is not None else ():
        room = 2**14 - length
        zeros = policy(length, room) if policy is not None else 0
        if not 0 <= zeros <= room:
            raise ConfigurationError(f"padding asks for {zeros} zeros beside {length} bytes, where {room} fit")
    return policy


def record_size(limit: int) -> int:
    if not MIN_RECORD_SIZE_LIMIT <= limit <= MAX_INNER_PLAINTEXT:
        raise ConfigurationError(
            f"record_size_limit is {limit} bytes; RFC 8449 has {MIN_RECORD_SIZE_LIMIT} to {MAX_INNER_PLAINTEXT}"
        )
    return limit


def raw_keys(spkis: Collection[bytes]) -> frozenset[bytes]:
    if spkis == ():
        return frozenset()
    from .trust.raw_keys import known_keys

    return known_keys(spkis)


def _compression(wanted: Sequence[CertificateCompressionAlgorithm]) -> tuple[CertificateCompressionAlgorithm, ...]:
    if not wanted:
        return ()
    from .wire.compression import require

    kind = CertificateCompressionAlgorithm
    algorithms: tuple[CertificateCompressionAlgorithm, ...] = _known(wanted, tuple(kind), kind, "compression algorithm")
    for algorithm in algorithms:
        require(algorithm)
    return algorithms


def positive(name: str, value: float) -> float:
    if value <= 0:
        raise ConfigurationError(f"{name} is {value}; it must be positive")
    return value


if not TYPE_CHECKING:
    _LATE = ("ClientAuth", "ServerConfig")

    def __getattr__(name: str) -> object:
        """The server's half (server_config.py), for which few programs have a use (PEP 562)."""
        if name not in _LATE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from . import server_config

        globals()[name] = value = getattr(server_config, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_LATE})

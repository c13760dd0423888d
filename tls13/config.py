"""What a user sets. A config is frozen, checked when it is made, and shared between connections and threads.

Without any argument it is secure: the system's trust store, host names checked, AEADs and groups that RFC 9846
recommends, a post-quantum key share. What weakens it is spelled so.

The outside world enters here: `clock` (seconds since 1970) and `random` (n bytes) are the only sources of time and
chance that the core has, so that a test can fix both.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, Self

from .crypto.groups import DEFAULT_GROUPS, GROUPS, Group, KeyShare
from .crypto.signatures import DEFAULT_SIGNATURE_SCHEMES
from .crypto.suites import DEFAULT_CIPHER_SUITES, SUITES
from .errors import ConfigurationError
from .trust.store import TrustStore
from .trust.verify import ChainVerifier, Profile
from .wire.registry import CipherSuite, NamedGroup, SignatureScheme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .trust.crl import CrlSet
    from .trust.identity import Presentable

    Clock = Callable[[], float]
    Random = Callable[[int], bytes]
    KeyLog = Callable[[str], None]
    PaddingPolicy = Callable[[int, int], int]
    KeyShareSource = Callable[[Group], KeyShare]


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


class _Config:
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
        for name in ("max_handshake_message", "max_certificate_chain"):
            put(name, _positive(name, given[name]))
        for name in ("key_log", "clock", "random", "key_share_source"):
            put(name, given[name])
        put("padding", _padding(given["padding"]))
        put("_arguments", given)

    padding: PaddingPolicy | None
    key_log: KeyLog | None
    clock: Clock
    random: Random
    key_share_source: KeyShareSource
    max_handshake_message: int
    max_certificate_chain: int
    _arguments: dict[str, Any]

    def replace(self, **changes: Any) -> Self:
        """A config that differs in these arguments; checked like any other."""
        return type(self)(**{**self._arguments, **changes})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a {type(self).__name__} does not change; use .replace({name}=...)")


class ClientConfig(_Config):
    """How a client speaks. All arguments are keywords.

    trust: whom to believe; the system's store by default. profile, crls: how chains are judged (tls13.trust).
    verify: INSECURE_NO_VERIFICATION switches the certificate checks off.
    cipher_suites, groups, signature_schemes: in order of preference. key_shares: the groups for which the first
    ClientHello carries a key share (each costs its bytes and its computation).
    alpn_protocols: for example ("h2", "http/1.1"), most wanted first.
    middlebox_compatibility: look like TLS 1.2 to what sits in between (RFC 9846, appendix E.4).
    padding: how many zero bytes to add to a record, from its content length and the room left (bytes).
    key_log: is called with each line of an RFC 9850 key log; whoever has the lines can read the connection.
    clock: seconds since 1970. random: n secure random bytes. key_share_source: a fresh key share for a group
    (a test seam). max_handshake_message, max_certificate_chain: the largest message (bytes) and chain
    (certificates) that is accepted.

    Raises ConfigurationError for what cannot work.
    """

    def __init__(
        self,
        *,
        trust: TrustStore | None = None,
        profile: Profile = Profile.DEFAULT,
        crls: CrlSet | None = None,
        verify: InsecureNoVerification | None = None,
        cipher_suites: Sequence[CipherSuite] = DEFAULT_CIPHER_SUITES,
        groups: Sequence[NamedGroup] = DEFAULT_GROUPS,
        key_shares: Sequence[NamedGroup] | None = None,
        signature_schemes: Sequence[SignatureScheme] = DEFAULT_SIGNATURE_SCHEMES,
        alpn_protocols: Sequence[str | bytes] = (),
        middlebox_compatibility: bool = True,
        padding: PaddingPolicy | None = None,
        key_log: KeyLog | None = None,
        clock: Clock = time.time,
        random: Random = os.urandom,
        key_share_source: KeyShareSource = fresh_key_share,
        max_handshake_message: int = 2**17,
        max_certificate_chain: int = 16,
    ) -> None:
        self._common(dict(locals()))
        put = self.__dict__.__setitem__
        if verify is not None and verify is not INSECURE_NO_VERIFICATION:
            raise ConfigurationError(f"verify is INSECURE_NO_VERIFICATION or left out, not {verify!r}")
        verifier = None
        if verify is None:
            verifier = ChainVerifier(TrustStore.system() if trust is None else trust, profile=profile, crls=crls)
        put("verifier", verifier)
        put("key_shares", self._key_shares(key_shares))
        put("middlebox_compatibility", bool(middlebox_compatibility))

    verifier: ChainVerifier | None
    """None: INSECURE_NO_VERIFICATION."""
    key_shares: tuple[NamedGroup, ...]
    middlebox_compatibility: bool

    def _key_shares(self, wanted: Sequence[NamedGroup] | None) -> tuple[NamedGroup, ...]:
        """In the order of `groups`, as section 4.3.8 wants them; the first group if none of the defaults is offered."""
        if wanted is None:
            return tuple(group for group in self.groups if group in DEFAULT_KEY_SHARES) or self.groups[:1]
        for group in wanted:
            if group not in self.groups:
                raise ConfigurationError(f"a key share for {group!r}, which is not among the groups offered")
        return tuple(group for group in self.groups if group in wanted)


class ServerConfig(_Config):
    """How a server speaks. All arguments are keywords; see ClientConfig for those not explained here.

    identity: a certificate chain with its key (tls13.Identity), or several: the first whose names match the
    client's server_name and whose key fits its signature_algorithms is used, else the first that fits.
    strict_server_name: refuse names that no identity has (unrecognized_name) instead of using the first.
    cookie_key: 32 secret bytes that seal the HelloRetryRequest's cookie; several servers that share it can finish
    each other's handshakes. always_retry: send a HelloRetryRequest even where it is not needed, to see that the
    client can receive before anything is computed for it.
    max_skipped_early_data: how many bytes of early data to skip (a client may send it; this server does not
    accept it).
    """

    def __init__(
        self,
        identity: Presentable | Sequence[Presentable],
        *,
        cipher_suites: Sequence[CipherSuite] = DEFAULT_CIPHER_SUITES,
        groups: Sequence[NamedGroup] = DEFAULT_GROUPS,
        signature_schemes: Sequence[SignatureScheme] = DEFAULT_SIGNATURE_SCHEMES,
        alpn_protocols: Sequence[str | bytes] = (),
        strict_server_name: bool = False,
        cookie_key: bytes | None = None,
        always_retry: bool = False,
        max_skipped_early_data: int = 2**16,
        padding: PaddingPolicy | None = None,
        key_log: KeyLog | None = None,
        clock: Clock = time.time,
        random: Random = os.urandom,
        key_share_source: KeyShareSource = fresh_key_share,
        max_handshake_message: int = 2**17,
        max_certificate_chain: int = 16,
    ) -> None:
        self._common(dict(locals()))
        put = self.__dict__.__setitem__
        put("identities", self._identities(identity))
        put("strict_server_name", bool(strict_server_name))
        if cookie_key is not None and len(cookie_key) < 32:
            raise ConfigurationError(f"cookie_key has {len(cookie_key)} bytes; it needs at least 32 random ones")
        put("shares_cookie_key", cookie_key is not None)
        put("cookie_key", cookie_key if cookie_key is not None else random(32))
        put("always_retry", bool(always_retry))
        put("max_skipped_early_data", max(0, max_skipped_early_data))

    identities: tuple[Presentable, ...]
    strict_server_name: bool
    shares_cookie_key: bool
    """Whether a first flight may be the second one of a handshake that another server began."""
    cookie_key: bytes
    always_retry: bool
    max_skipped_early_data: int

    def _identities(self, given: Presentable | Sequence[Presentable]) -> tuple[Presentable, ...]:
        identities = tuple(given) if isinstance(given, (list, tuple)) else (given,)
        if not identities:
            raise ConfigurationError("a server needs at least one identity: a certificate chain and its key")
        for identity in identities:
            if not any(scheme in self.signature_schemes for scheme in identity.signature_schemes):
                raise ConfigurationError(f"{identity!r} can sign with none of the signature_schemes of this config")
        return identities


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


def _positive(name: str, value: int) -> int:
    if value <= 0:
        raise ConfigurationError(f"{name} is {value}; it must be positive")
    return value

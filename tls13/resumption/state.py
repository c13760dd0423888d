# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""What a connection leaves to the next one, as bytes: the part that a client's session and a server's ticket share.

Besides the PSK and the cipher suite that it belongs to, that is who was authenticated, and how: a resumed connection
shows no certificate, so whoever asks who its peer is gets the answer from here (RFC 9846, section 2.2).
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..lean import NamedTuple
from ..trust.verify import parse_chain
from ..wire.codec import Opaque, Struct, UInt, Vector
from ..wire.registry import CipherSuite, SignatureScheme

if TYPE_CHECKING:
    from ..events import Session

Certificates = tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]
"""What the peer sent, and the chain that was believed."""

VERSION = 1
NO_SCHEME = SignatureScheme(0)
NEVER = 2**63 - 1
MAX_LIFETIME = 604800
"""Seconds: 7 days (section 4.7.1)."""
LONGEST_TICKET = 2**15
"""Bytes. NewSessionTicket has room for 2^16 - 1, but the ClientHello that should show the ticket has not: its
extensions share that much. A ticket grows with the client's chain."""


class Resumable(Struct):
    """What both kinds of state hold. Times are seconds since 1970 unless they say otherwise. The repr shows no key."""

    __slots__ = ("_certificates",)

    if TYPE_CHECKING:
        _certificates: ClassVar[Certificates]  # a slot of the instance; ClassVar says that it is no field

    version: Annotated[int, UInt(1)] = VERSION
    cipher_suite: CipherSuite
    psk: Annotated[bytes, Opaque(32, 48)]
    ticket_age_add: Annotated[int, UInt(4)]
    ticket_lifetime: Annotated[int, UInt(4)]
    made_at_ms: Annotated[int, UInt(8)]
    """When the ticket was issued (server) or received (client): milliseconds since 1970."""
    authenticated_at: Annotated[int, UInt(8)]
    max_early_data_size: Annotated[int, UInt(4)]
    server_name_bytes: Annotated[bytes, Opaque(0, 255)]
    alpn_protocol: Annotated[bytes, Opaque(0, 255)]
    signature_scheme: SignatureScheme
    client_scheme: SignatureScheme
    chain: Annotated[tuple[bytes, ...], Vector(0, 2**24 - 1, Opaque(1, 2**24 - 1))]
    """What the peer sent: DER, end-entity certificate first."""
    verified: Annotated[tuple[bytes, ...], Vector(0, 2**24 - 1, Opaque(1, 2**24 - 1))]
    """The chain that was believed, up to the trust anchor."""
    raw_public_key: Annotated[bytes, Opaque(0, 2**16 - 1)]
    """What the peer showed in the place of a chain (RFC 7250)."""
    chain_expires_at: Annotated[int, UInt(8)]
    """When the first certificate of `verified` runs out."""

    @classmethod
    def of(cls, session: "Session", *, server_name: str, made_at: float, **rest: Any) -> Self:
        certificates = session.peer_certificates, session.verified_chain
        kept = _kept(certificates)
        state = cls(
            cipher_suite=session.cipher_suite,
            made_at_ms=int(made_at * 1000),
            server_name_bytes=server_name.encode("ascii"),
            alpn_protocol=session.alpn_protocol or b"",
            signature_scheme=session.signature_scheme or NO_SCHEME,
            client_scheme=session.client_scheme or NO_SCHEME,
            chain=kept.chain,
            verified=kept.verified,
            raw_public_key=session.raw_public_key or b"",
            chain_expires_at=kept.expires_at,
            **rest,
        )
        state._keep(certificates)
        return state

    def _keep(self, certificates: Certificates) -> Certificates:
        """Beside the fields, so that a session that never leaves this process is not parsed again."""
        object.__setattr__(self, "_certificates", certificates)
        return certificates

    @property
    def server_name(self) -> str:
        return self.server_name_bytes.decode("ascii")

    def peer_certificates(self) -> tuple[x509.Certificate, ...]:
        return self._parsed()[0]

    def verified_chain(self) -> tuple[x509.Certificate, ...]:
        return self._parsed()[1]

    def _parsed(self) -> Certificates:
        try:
            return self._certificates
        except AttributeError:
            return self._keep((_parse(self.chain), _parse(self.verified)))

    def schemes(self) -> tuple[SignatureScheme | None, SignatureScheme | None]:
        """Of the server's CertificateVerify, and of the client's."""
        return self.signature_scheme or None, self.client_scheme or None

    def expired(self, now: float) -> bool:
        """Whether the ticket is past its lifetime, or 7 days (section 4.7.1), or from the future."""
        age = now - self.made_at_ms / 1000
        return not -60 <= age <= min(self.ticket_lifetime, MAX_LIFETIME)

    def __repr__(self) -> str:
        name = self.server_name or "no server name"
        return f"<{type(self).__name__} for {name}, {self.cipher_suite.name}, {self.ticket_lifetime} s>"


class _Kept(NamedTuple):
    """What goes into a ticket of the certificates."""

    certificates: Certificates
    """Held, so that no other certificate can have the identity that this is found by."""
    chain: tuple[bytes, ...]
    verified: tuple[bytes, ...]
    expires_at: int
    """When the first of `verified` runs out, in seconds since 1970."""


_KEPT: dict[tuple[int, ...], _Kept] = {}
"""Every ticket of every connection to a server asks the same of the same chain. By identity: to compare or hash
certificates by their bytes takes longer than all the rest of a ticket, and `parse_chain` gives the same objects."""


def _kept(certificates: Certificates) -> _Kept:
    chain, verified = certificates
    identity = (len(chain), *map(id, chain), *map(id, verified))
    kept = _KEPT.get(identity)
    if kept is None:
        expires_at = min((int(one.not_valid_after_utc.timestamp()) for one in verified), default=NEVER)
        kept = _Kept(certificates, _ders(chain), _ders(verified), expires_at)
        if len(_KEPT) >= 32:
            _KEPT.clear()
        _KEPT[identity] = kept
    return kept


def _ders(chain: tuple[x509.Certificate, ...]) -> tuple[bytes, ...]:
    return tuple([certificate.public_bytes(Encoding.DER) for certificate in chain])


def _parse(ders: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    """Without the limits that a peer's chain has: this one was within them when it came."""
    return parse_chain(ders, max_bytes=2**24, max_length=2**24)

# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""What a connection leaves to the next one, as bytes: the part that a client's session and a server's ticket share.

Besides the PSK, that is what the connection was, above all who was authenticated in it, and how: a resumed connection
shows no certificate, so whoever asks who its peer is gets the answer from here (RFC 9846, section 2.2).

A ticket's own part is its secret and its times. What the connection was is an `Origin`, which all its tickets share;
and since the connections of one config to one peer agree on the same things, most of them share it as well. So it is
put together once, encoded once and, while it holds no certificates, decoded once: of the work for a ticket this was
the larger half. Nothing in it is secret, and it decides nothing: whether it is good enough is asked at each use.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..trust.verify import parse_chain
from ..wire.codec import Codec, Opaque, Struct, Vector, uint8, uint32, uint64
from ..wire.messages import MAX_TICKET_LIFETIME
from ..wire.registry import CipherSuite, SignatureScheme

if TYPE_CHECKING:
    from ..events import Session

Certificates = tuple[tuple[x509.Certificate, ...], tuple[x509.Certificate, ...]]
"""What the peer sent, and the chain that was believed."""

VERSION = 2
NO_SCHEME = SignatureScheme(0)
LONGEST_TICKET = 2**15
"""Bytes. NewSessionTicket has room for 2^16 - 1, but the ClientHello that should show the ticket has not: its
extensions share that much. A ticket grows with the client's chain."""


class Origin(Struct):
    """The connection that a ticket comes from: what it agreed on, and who was authenticated in it, on what terms."""

    __slots__ = ("_certificates", "_encoded")

    if TYPE_CHECKING:
        _certificates: ClassVar[Certificates]  # slots of the instance; ClassVar says that they are no fields
        _encoded: ClassVar[bytes]

    cipher_suite: CipherSuite
    signature_scheme: SignatureScheme
    client_scheme: SignatureScheme
    chain_expires_at: uint64
    """When the first certificate of `verified` runs out, or what it delegated to, in seconds since 1970."""
    server_name_bytes: Annotated[bytes, Opaque(0, 255)]
    alpn_protocol: Annotated[bytes, Opaque(0, 255)]
    terms: Annotated[bytes, Opaque(0, 32)]
    """A digest of what was demanded of the peer: by a client's verifier, by a server's policy for clients."""
    raw_public_key: Annotated[bytes, Opaque(0, 2**16 - 1)]
    """What the peer showed in the place of a chain (RFC 7250)."""
    chain: Annotated[tuple[bytes, ...], Vector(0, 2**24 - 1, Opaque(1, 2**24 - 1))]
    """What the peer sent: DER, end-entity certificate first."""
    verified: Annotated[tuple[bytes, ...], Vector(0, 2**24 - 1, Opaque(1, 2**24 - 1))]
    """The chain that was believed, up to the trust anchor."""

    @classmethod
    def of(cls, session: "Session", server_name: str, terms: bytes, credential_expires_at: int) -> "Origin":
        """`server_name` in its canonical spelling, or empty."""
        chain, verified = session.peer_certificates, session.verified_chain
        agreed = (
            session.cipher_suite,
            session.signature_scheme,
            session.client_scheme,
            server_name,
            session.alpn_protocol,
            terms,
            credential_expires_at,
            session.raw_public_key,
            len(chain),
            tuple(map(id, chain + verified)),
        )
        origin = _ORIGINS.get(agreed)
        if origin is None:
            origin = _origin_of(session, server_name, terms, credential_expires_at)
            if len(_ORIGINS) >= 32:
                _ORIGINS.clear()
            _ORIGINS[agreed] = origin
        return origin

    def certificates(self) -> Certificates:
        """Beside the fields, so that a session that never leaves this process is not parsed again."""
        try:
            return self._certificates
        except AttributeError:
            return self._keep((_parse(self.chain), _parse(self.verified)))

    def _keep(self, certificates: Certificates) -> Certificates:
        object.__setattr__(self, "_certificates", certificates)
        return certificates


class Shared(Codec):
    """opaque origin<1..2^32-1>: an Origin, whose length stands before it, so that it can be recognized unread."""

    type_name = "Origin"
    whole = Opaque(1, 2**32 - 1)

    def decode(self, data: bytes, at: int, end: int) -> tuple[Origin, int]:
        start = at + 4
        stop = start + int.from_bytes(data[at:start], "big")
        if not start < stop <= end:
            self.whole.scope(data, at, end)  # says what is wrong
        encoded = data[start:stop]
        return (_decoded_again if len(encoded) <= 256 else Origin.decode)(encoded), stop

    def encode(self, value: Origin, out: bytearray) -> None:
        out += self.encoded(value)

    def encoded(self, value: Origin) -> bytes:
        try:
            return value._encoded
        except AttributeError:
            encoded = self.whole.encoded(value.encode())
            object.__setattr__(value, "_encoded", encoded)
            return encoded


class Resumable(Struct):
    """What both kinds of state hold. Times are seconds since 1970 unless they say otherwise. The repr shows no key."""

    version: uint8 = VERSION
    ticket_age_add: uint32
    ticket_lifetime: uint32
    max_early_data_size: uint32
    made_at_ms: uint64
    """When the ticket was issued (server) or received (client): milliseconds since 1970."""
    authenticated_at: uint64
    psk: Annotated[bytes, Opaque(32, 48)]
    origin: Annotated[Origin, Shared()]

    @property
    def cipher_suite(self) -> CipherSuite:
        return self.origin.cipher_suite

    @property
    def alpn_protocol(self) -> bytes:
        """Empty: none was agreed on."""
        return self.origin.alpn_protocol

    @property
    def server_name(self) -> str:
        return self.origin.server_name_bytes.decode("ascii")

    @property
    def chain(self) -> tuple[bytes, ...]:
        return self.origin.chain

    @property
    def verified(self) -> tuple[bytes, ...]:
        return self.origin.verified

    @property
    def chain_expires_at(self) -> int:
        return self.origin.chain_expires_at

    @property
    def raw_public_key(self) -> bytes:
        return self.origin.raw_public_key

    def peer_certificates(self) -> tuple[x509.Certificate, ...]:
        return self.origin.certificates()[0]

    def verified_chain(self) -> tuple[x509.Certificate, ...]:
        return self.origin.certificates()[1]

    def schemes(self) -> tuple[SignatureScheme | None, SignatureScheme | None]:
        """Of the server's CertificateVerify, and of the client's."""
        return self.origin.signature_scheme or None, self.origin.client_scheme or None

    def expired(self, now: float) -> bool:
        """Whether the ticket is past its lifetime, or 7 days (section 4.7.1), or from the future."""
        age = now - self.made_at_ms / 1000
        return not -60 <= age <= self.ticket_lifetime or age > MAX_TICKET_LIFETIME

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed, of its own or of its origin."""
        of_origin = {name: changes.pop(name) for name in _OF_ORIGIN.intersection(changes)}
        if of_origin:
            changes["origin"] = self.origin.replace(**of_origin)
        return super().replace(**changes)

    def __repr__(self) -> str:
        name = self.server_name or "no server name"
        return f"<{type(self).__name__} for {name}, {self.cipher_suite.name}, {self.ticket_lifetime} s>"


_OF_ORIGIN = frozenset(name for name, _ in Origin.fields)

_decoded_again = lru_cache(64)(Origin.decode)
"""For what is short: without certificates, a server's tickets of one kind of client are all from the same Origin."""


_ORIGINS: dict[tuple[object, ...], Origin] = {}
"""By what was agreed on, and by the identity of the certificates: to compare or hash them by their bytes takes longer
than all the rest of a ticket, and `parse_chain` gives the same objects. Each is held by its Origin, so that no other
can come to have its identity."""


def _origin_of(session: "Session", server_name: str, terms: bytes, credential_expires_at: int) -> Origin:
    chain, verified = session.peer_certificates, session.verified_chain
    ends = [int(one.not_valid_after_utc.timestamp()) for one in verified]
    origin = Origin(
        cipher_suite=session.cipher_suite,
        signature_scheme=session.signature_scheme or NO_SCHEME,
        client_scheme=session.client_scheme or NO_SCHEME,
        chain_expires_at=min([credential_expires_at, *ends]),
        server_name_bytes=server_name.encode("ascii"),
        alpn_protocol=session.alpn_protocol or b"",
        terms=terms,
        raw_public_key=session.raw_public_key or b"",
        chain=_ders(chain),
        verified=_ders(verified),
    )
    origin._keep((chain, verified))
    return origin


def _ders(chain: tuple[x509.Certificate, ...]) -> tuple[bytes, ...]:
    return tuple([certificate.public_bytes(Encoding.DER) for certificate in chain])


def _parse(ders: tuple[bytes, ...]) -> tuple[x509.Certificate, ...]:
    """Without the limits that a peer's chain has: this one was within them when it came."""
    return parse_chain(ders, max_bytes=2**24, max_length=2**24)

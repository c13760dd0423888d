"""One meeting of this library with another TLS stack: what is asked of it, and what is checked afterwards.

A `Trial` leaves both sides no choice: one cipher suite, one group, one signature scheme. If both then say that the
handshake is complete, data has gone both ways and close_notify has come, they agree on all of RFC 9846 between; that
the other side negotiated the same thing is asked of that side, where it can say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import shake_128
from typing import TYPE_CHECKING

import tls13
from certs.bench import workshop
from tls13 import CipherSuite, NamedGroup, SignatureScheme
from tls13.crypto.groups import DEFAULT_GROUPS
from tls13.lab.authority import Issued, KeyType

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "server.example"

SUITES: tuple[CipherSuite, ...] = tuple(CipherSuite)
CLASSIC_GROUPS = tuple(group for group in DEFAULT_GROUPS if "MLKEM" not in group.name)
HYBRID_GROUPS = tuple(group for group in DEFAULT_GROUPS if "MLKEM" in group.name)

SMALL = 100
LARGE = 16 * 2**20


class Disagreement(Exception):
    """The two implementations did not do what the trial asked."""


class PeerMissing(Exception):
    """The other implementation is not on this machine."""


@dataclass(frozen=True)
class Trial:
    """What both sides are told. `we_are_client`: which role this library has.

    `retry`: the client first sends a key share for another group, so that the server has to ask again (section
    4.2.4). `chunk`: how many bytes of the stream are carried at a time; None: whatever there is at once, so that
    records arrive coalesced. `fragment`: the largest record content that is sent (by the `openssl` program too, which
    knows no less than 512), or 0 for the RFC's 2^14. `size`: how many bytes of application data go each way.
    """

    we_are_client: bool
    suite: CipherSuite = CipherSuite.TLS_AES_128_GCM_SHA256
    group: NamedGroup = NamedGroup.x25519
    scheme: SignatureScheme = SignatureScheme.ecdsa_secp256r1_sha256
    retry: bool = False
    chunk: int | None = None
    fragment: int = 0
    size: int = SMALL

    @property
    def first_group(self) -> NamedGroup:
        """For which group the client's first ClientHello has a key share."""
        if not self.retry:
            return self.group
        return NamedGroup.secp256r1 if self.group != NamedGroup.secp256r1 else NamedGroup.x25519

    @property
    def client_groups(self) -> Sequence[NamedGroup]:
        """What the client offers, with the group that it has a share for first."""
        return (self.first_group, self.group) if self.retry else (self.group,)

    def client_config(self) -> tls13.ClientConfig:
        """Ours, when we are the client."""
        return _client_config(self.suite, tuple(self.client_groups), self.first_group, self.scheme)

    def server_config(self) -> tls13.ServerConfig:
        """Ours, when we are the server."""
        return _server_config(self.suite, self.group, self.scheme)

    def connection(self) -> tls13.Connection:
        """Our side, at its start."""
        connection: tls13.Connection
        if self.we_are_client:
            connection = tls13.ClientConnection(self.client_config(), server_hostname=HOST)
        else:
            connection = tls13.ServerConnection(self.server_config())
        if self.fragment:  # section 5.1 allows it; no user has a reason to, so there is no public way to ask for it
            connection._layer.writer.max_inner_plaintext = self.fragment + 1
        return connection

    def payload(self, *, from_us: bool) -> bytes:
        """The application data of one direction."""
        return _payload(self.size, from_us)

    def check(self, session: tls13.Session | None) -> None:
        """What we say the handshake came to. Raises Disagreement."""
        if session is None:
            raise Disagreement("our side's handshake is not complete")
        same("cipher suite, says our side", session.cipher_suite, self.suite)
        same("group, says our side", session.group, self.group)
        same("signature scheme, says our side", session.signature_scheme, self.scheme)
        same("HelloRetryRequest, says our side", session.hello_retry_request, self.retry)
        if self.we_are_client and session.verified_chain[-1] != workshop().root.certificate:
            raise Disagreement("the verified chain does not end at our root")


def same(what: str, found: object, wanted: object) -> None:
    """Raises Disagreement unless they are equal."""
    if found != wanted:
        raise Disagreement(f"{what}: {found!s:.200} instead of {wanted!s:.200}")


def issued_for(scheme: SignatureScheme) -> Issued:
    """A certificate whose key signs with this scheme."""
    if scheme.name.startswith("rsa_pss_pss"):
        return workshop().good_rsa_pss
    return workshop().good(KEY_TYPES[scheme])


KEY_TYPES = {
    SignatureScheme.ecdsa_secp256r1_sha256: KeyType.ECDSA_P256,
    SignatureScheme.ecdsa_secp384r1_sha384: KeyType.ECDSA_P384,
    SignatureScheme.ecdsa_secp521r1_sha512: KeyType.ECDSA_P521,
    SignatureScheme.rsa_pss_rsae_sha256: KeyType.RSA_2048,
    SignatureScheme.rsa_pss_rsae_sha384: KeyType.RSA_2048,
    SignatureScheme.rsa_pss_rsae_sha512: KeyType.RSA_2048,
    SignatureScheme.ed25519: KeyType.ED25519,
    SignatureScheme.ed448: KeyType.ED448,
    SignatureScheme.mldsa44: KeyType.ML_DSA_44,
    SignatureScheme.mldsa65: KeyType.ML_DSA_65,
    SignatureScheme.mldsa87: KeyType.ML_DSA_87,
}
PSS_SCHEMES = (
    SignatureScheme.rsa_pss_pss_sha256,
    SignatureScheme.rsa_pss_pss_sha384,
    SignatureScheme.rsa_pss_pss_sha512,
)
CLASSIC_SCHEMES = (*(scheme for scheme in KEY_TYPES if "mldsa" not in scheme.name), *PSS_SCHEMES)
POST_QUANTUM_SCHEMES = tuple(scheme for scheme in KEY_TYPES if "mldsa" in scheme.name)


@cache
def _client_config(
    suite: CipherSuite, groups: tuple[NamedGroup, ...], share: NamedGroup, scheme: SignatureScheme
) -> tls13.ClientConfig:
    trust = tls13.TrustStore.from_certificates([workshop().root.certificate])
    return tls13.ClientConfig(
        trust=trust, cipher_suites=[suite], groups=groups, key_shares=[share], signature_schemes=[scheme]
    )


@cache
def _identity(issued: Issued) -> tls13.Identity:
    return issued.identity


@cache
def _server_config(suite: CipherSuite, group: NamedGroup, scheme: SignatureScheme) -> tls13.ServerConfig:
    identity = _identity(issued_for(scheme))
    return tls13.ServerConfig(identity, cipher_suites=[suite], groups=[group], signature_schemes=[scheme])


@cache
def _payload(size: int, from_us: bool) -> bytes:
    return shake_128(b"from us" if from_us else b"from the peer").digest(size).translate(_NO_LETTERS)


_NO_LETTERS = bytes(byte | 0x80 for byte in range(256))
"""What is typed into the `openssl` program may not begin with one of its commands, which are letters."""

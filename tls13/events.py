# No "from __future__ import annotations" here: NamedTuple compiles each annotation that it gets as a string.
"""What a connection tells its user: events, the negotiated session, and the tracer that a learner may listen with.

Most connections never say more than what is here. The other events, and what names them all, are in rare_events.py:
a NamedTuple takes as long to make as a small module. They are found here all the same.
"""

from typing import TYPE_CHECKING, NamedTuple

from cryptography.x509 import Certificate

from .wire.registry import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme

if TYPE_CHECKING:
    from .rare_events import *  # noqa: F403  # what __getattr__ finds


new_tuple = tuple.__new__
"""Makes an event in half the time that calling its class takes (88 ns, 156): a NamedTuple's own __new__ is a Python
function around this. For those that come with every record or every connection."""


class Session(NamedTuple):
    """What a completed handshake agreed on. Immutable; holds no secrets."""

    cipher_suite: CipherSuite
    group: NamedGroup | None
    """None: a PSK alone (psk_ke), without forward secrecy."""
    signature_scheme: SignatureScheme | None
    """Of the server's CertificateVerify, which may be of the handshake that this one resumes; None: an external PSK."""
    alpn_protocol: bytes | None
    server_name: str | None
    """As the client gave it (client), or as it came in server_name (server)."""
    peer_certificates: tuple[Certificate, ...]
    """What the peer sent, end-entity certificate first; empty on a server that asked for none."""
    verified_chain: tuple[Certificate, ...]
    """The chain from the peer's certificate up to the trust anchor; empty if nothing was verified."""
    hello_retry_request: bool
    """Whether it took a HelloRetryRequest to agree."""
    resumed: bool = False
    """Whether the keys come from a ticket of an earlier connection; its certificates are then repeated here."""
    psk_identity: bytes | None = None
    """Of the external PSK, if one was used."""
    early_data: str | None = None
    """"accepted" or "rejected"; None if none was offered."""
    client_scheme: SignatureScheme | None = None
    """Of the client's CertificateVerify."""
    ocsp_response: bytes | None = None
    """The OCSP response (DER) that the server stapled; it says that its certificate is good."""
    signed_certificate_timestamps: bytes | None = None
    """The SignedCertificateTimestampList that the peer sent (RFC 6962, section 3.3); tls13.trust.sct shows it."""
    raw_public_key: bytes | None = None
    """The peer's SubjectPublicKeyInfo (DER), if it authenticated with a raw public key (RFC 7250)."""
    version: ProtocolVersion = ProtocolVersion.TLS1_3


class HandshakeCompleted(NamedTuple):
    """The peer is authenticated as the config asks, and application data may flow both ways."""

    session: Session


class ApplicationData(NamedTuple):
    data: bytes


class PeerClosed(NamedTuple):
    """close_notify: the peer will send nothing more. Our own direction stays open (RFC 9846, section 6.1)."""


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        """The rare events, all of them as soon as one is asked for (PEP 562). They say that they are of this module."""
        if not name.startswith("__") or name == "__all__":  # "__path__" and its like are asked for by every import
            from . import rare_events

            for rare in rare_events.__all__:
                globals()[rare] = kind = getattr(rare_events, rare)
                if isinstance(kind, type):
                    kind.__module__ = __name__
            if name in globals():
                return globals()[name]
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        __getattr__("Event")
        return sorted(globals())

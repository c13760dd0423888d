"""What a connection has agreed on, as `ssl` names it: the answers of ssl.SSLSocket and ssl.SSLObject."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.serialization import Encoding

from ..config import ClientConfig
from ..crypto.suites import SUITES
from ..trust.names import describe
from .peercert import peercert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

    from ..connection import ClientConnection, ServerConnection
    from ..events import Session


class RawCertificate:
    """What C calls _ssl.Certificate: ssl.SSLSocket.get_verified_chain asks it for its bytes."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._certificate = certificate

    def public_bytes(self, format: int = 1) -> str | bytes:
        """1: PEM, 2: DER (_ssl.ENCODING_PEM, _ssl.ENCODING_DER)."""
        if format == 2:
            return self._certificate.public_bytes(Encoding.DER)
        return self._certificate.public_bytes(Encoding.PEM).decode("ascii")

    def get_info(self) -> dict[str, object]:
        return peercert(self._certificate)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RawCertificate) and self._certificate == other._certificate

    def __hash__(self) -> int:
        return hash(self._certificate)

    def __repr__(self) -> str:
        return f"<RawCertificate {describe(self._certificate)!r}>"


class Facts(ABC):
    """The half of a Channel that only tells."""

    server_side: bool
    handshake_owed = False
    """Whether accept() has promised a handshake, which is made as soon as somebody wants to know something of it, or
    will not wait any more."""

    @property
    @abstractmethod
    def connection(self) -> ClientConnection | ServerConnection: ...

    @property
    @abstractmethod
    def started(self) -> bool:
        """Whether there is a connection already that could tell anything."""

    @abstractmethod
    def do_handshake(self) -> None: ...

    @property
    def agreed(self) -> Session | None:
        """None until the handshake is complete."""
        if self.handshake_owed:
            self.make_owed_handshake()
        return self.connection.session if self.started else None

    def make_owed_handshake(self) -> None:
        if not self.connection.handshake_complete:
            self.do_handshake()
        self.handshake_owed = False

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The peer's certificate: DER, or a dict, which is empty if it was not verified; None if it has none."""
        session = self.agreed
        if session is None:
            raise ValueError("handshake not done yet")
        if not session.peer_certificates:
            return None
        certificate = session.peer_certificates[0]
        if binary_form:
            return certificate.public_bytes(Encoding.DER)
        return peercert(certificate) if self._verifies else {}

    @property
    def _verifies(self) -> bool:
        """By this connection's config: its context may say something else by now. A server asks only to verify."""
        config = self.connection.config
        return config.verifier is not None if isinstance(config, ClientConfig) else True

    def get_verified_chain(self) -> list[RawCertificate] | None:
        session = self.agreed
        return raw_certificates(session.verified_chain or session.peer_certificates) if session is not None else None

    def get_unverified_chain(self) -> list[RawCertificate] | None:
        session = self.agreed
        return raw_certificates(session.peer_certificates) if session is not None else None

    def cipher(self) -> tuple[str, str, int] | None:
        session = self.agreed
        if session is None:
            return None
        return session.cipher_suite.name, "TLSv1.3", SUITES[session.cipher_suite].key_length * 8

    def shared_ciphers(self) -> list[tuple[str, str, int]] | None:
        if not self.server_side or self.agreed is None:
            return None
        ours = self.connection.config.cipher_suites
        return [(code.name, "TLSv1.3", SUITES[code].key_length * 8) for code in ours]

    def compression(self) -> None:
        return None  # TLS 1.3 has none

    def version(self) -> str | None:
        return "TLSv1.3" if self.agreed is not None else None

    def selected_alpn_protocol(self) -> str | None:
        session = self.agreed
        if session is None or session.alpn_protocol is None:
            return None
        return session.alpn_protocol.decode("ascii", "backslashreplace")

    def group(self) -> str | None:
        session = self.agreed
        return session.group.name if session is not None and session.group is not None else None

    def server_sigalg(self) -> str | None:
        session = self.agreed
        return session.signature_scheme.name if session is not None and session.signature_scheme is not None else None

    def client_sigalg(self) -> str | None:
        session = self.agreed
        return session.client_scheme.name if session is not None and session.client_scheme is not None else None

    @property
    def session_reused(self) -> bool:
        session = self.agreed
        return session is not None and session.resumed

    def get_channel_binding(self, cb_type: str = "tls-unique") -> bytes | None:
        """tls-exporter (RFC 9266). tls-unique is not defined for TLS 1.3, so there is none."""
        if not isinstance(cb_type, str):
            raise TypeError(f"the type of a channel binding is a str, not {type(cb_type).__name__}")
        if cb_type == "tls-unique":
            return None
        if cb_type != "tls-exporter":
            raise ValueError(f"{cb_type} channel binding type not implemented")
        return self.connection.channel_binding() if self.agreed is not None else None


def raw_certificates(chain: Sequence[x509.Certificate]) -> list[RawCertificate]:
    return [RawCertificate(certificate) for certificate in chain]

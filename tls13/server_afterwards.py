"""A server after its handshake: RFC 9846, section 4.7. Tickets for the client, and its certificate on request.

What both roles share, and how a transaction after the handshake is carried out, is in post_handshake.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from struct import unpack
from typing import TYPE_CHECKING

from . import errors, events
from .authentication import CLIENT_CONTEXT, Shown
from .errors import UsageError
from .flow import settle
from .key_schedule import resumption_psk
from .post_handshake import Afterwards
from .resumption.state import Origin
from .resumption.tickets import TicketState
from .wire.companions import CertificateStatusWanted
from .wire.extensions import (
    CR,
    NO_EXTENSIONS,
    NST,
    CertificateAuthoritiesExtension,
    EarlyDataTicket,
    ExtensionBody,
    Extensions,
    OIDFilterExtension,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from .wire.messages import (
    MAX_TICKET_LIFETIME,
    Certificate,
    CertificateRequest,
    CompressedCertificate,
    NewSessionTicket,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    from .config import ServerConfig
    from .flow import Flow, Kinds
    from .key_schedule import TrafficSecret
    from .transcript import Transcript
    from .wire.messages import HandshakeMessage
    from .wire.registry import SignatureScheme


class ServerAfterwards(Afterwards):
    """A server after its handshake."""

    config: ServerConfig
    tickets_asked: int | None = None
    requests: dict[bytes, Transcript]
    """The unanswered CertificateRequests, by context. The writing side adds, the reading side takes away."""

    def opening(self) -> Flow[None]:
        return self.send_tickets(self.ticket_count())

    def expected(self) -> Kinds:
        return self.certificate_kinds() if self.requests else ()

    def certificate_kinds(self) -> Kinds:
        return (Certificate, CompressedCertificate) if self.config.certificate_compression else (Certificate,)

    # --- NewSessionTicket: section 4.7.1 --------------------------------------------------------------------------

    def ticket_count(self) -> int:
        """How many tickets a client gets at once: as many as it asks for (RFC 9149). If it does not ask, a resumed one
        gets one for the one that it used, which leaves its stock as it was (section 3 there)."""
        asked, config, session = self.tickets_asked, self.config, self.session
        if asked is not None:
            return min(asked, config.max_tickets)
        return min(config.ticket_count, 1) if session is not None and session.resumed else config.ticket_count

    def send_tickets(self, count: int) -> Flow[None]:
        """Each has its own nonce, and so its own PSK."""
        config, session, secret = self.config, self.session, self.resumption_secret
        tickets, now = config.tickets, config.clock()
        lifetime = min(config.ticket_lifetime, MAX_TICKET_LIFETIME, self.time_left(now))
        if session is None or secret is None or tickets is None or lifetime <= 0:
            return
        name = (session.server_name or "").lower()
        origin = Origin.of(session, name, config.client_policy, self.credential_expires_at)
        extensions, limit = NO_EXTENSIONS[NST], config.max_early_data
        if limit:
            extensions = Extensions.of(NST, EarlyDataTicket(max_early_data_size=limit))
        for ticket_age_add in unpack(f">{count}I", config.random(4 * count)):
            nonce = self.tickets.to_bytes(4, "big")
            self.tickets += 1
            state = TicketState(
                psk=resumption_psk(secret, nonce),
                ticket_age_add=ticket_age_add,
                ticket_lifetime=lifetime,
                max_early_data_size=limit,
                made_at_ms=int(now * 1000),
                authenticated_at=self.authenticated_at,
                origin=origin,
            )
            ticket = yield from tickets.seal(state, now)
            if ticket is None:
                break
            message = NewSessionTicket(lifetime, ticket_age_add, nonce, ticket, extensions)
            self.output.owe(partial(self._encode, message))

    def time_left(self, now: float) -> int:
        """Seconds until a certificate must be verified again: tickets for tickets must end somewhere (4.7.1)."""
        return int(self.authenticated_at + self.config.max_session_age - now)

    def _encode(self, message: HandshakeMessage, secret: TrafficSecret) -> Iterable[bytes]:
        return self.encoded(message)

    # --- CertificateRequest: sections 4.4.2 and 4.7.2 -------------------------------------------------------------

    def certificate_request(self, context: bytes = b"") -> CertificateRequest:
        """What we ask of a client: schemes for its signature, schemes and issuers for its chain."""
        config = self.config
        bodies: list[ExtensionBody] = [
            SignatureSchemeList(supported_signature_algorithms=config.signature_schemes),
            *self.certificate_questions(),
        ]
        if config.ocsp_stapling:
            bodies.append(CertificateStatusWanted())
        if config.client_verifier is not None:
            acceptable = config.client_verifier.signature_schemes
            bodies.append(SignatureSchemeListCert(supported_signature_algorithms=acceptable))
        if config.certificate_authorities:
            bodies.append(CertificateAuthoritiesExtension(authorities=config.certificate_authorities))
        if config.oid_filters:
            bodies.append(OIDFilterExtension(filters=config.oid_filters))
        return CertificateRequest(certificate_request_context=context, extensions=Extensions.of(CR, *bodies))

    def request_client_certificate(self) -> bytes:
        """Send a CertificateRequest; returns its context, which nobody can foresee (section 4.4.2)."""
        established, session = self.handshake_transcript, self.session
        if established is None or session is None:
            raise UsageError("the client did not offer post_handshake_auth, so it must not be asked (4.3.6)")
        if session.psk_identity is not None:
            raise UsageError("an external PSK authenticates this connection: no certificate may be asked for (4.4.2)")
        if not self.config.knows_clients:
            raise UsageError("the config does not say whom to trust: ServerConfig(client_trust=...)")
        requests = self.requests
        if len(requests) >= self.config.max_certificate_requests:
            raise UsageError(f"{len(requests)} requests are unanswered; the limit is max_certificate_requests")
        context = self.config.random(16)
        transcript = established.fork()
        for raw in self.encoded(self.certificate_request(context)):
            transcript.update(raw)
            self.output.send(raw)
        requests[context] = transcript
        return context

    def receive(self, raw: bytes) -> Flow[None]:
        """An answer to a CertificateRequest: three messages, or two without a certificate (4.7.2)."""
        if raw[0] == CompressedCertificate.msg_type:
            message = self.decompressed(CompressedCertificate.decode(raw, 4))
        else:
            message = Certificate.decode(raw, 4)
            message.judge(self.max_extensions)
        context = message.certificate_request_context
        transcript = self.requests.pop(context, None)
        if transcript is None:
            raise errors.UnknownRequestContext(f"its certificate_request_context is {context.hex() or 'empty'}")
        transcript.update(raw)
        self.transcript = transcript
        shown, scheme = yield from self.read_client_signature(message, context)
        yield from self.read_finished(self.output.receiving_secret())
        verified = yield from self.verify_client(shown)
        if shown.holder is not None and self.session is not None:
            self.authenticated_at = int(self.config.clock())
            self.session = self.session._replace(
                peer_certificates=shown.chain,
                verified_chain=verified,
                raw_public_key=shown.raw_public_key,
                client_scheme=scheme,
            )
        self.output.emit(events.ClientAuthenticated(context, shown.chain, verified))

    def read_client_signature(
        self, message: Certificate, context: bytes = b""
    ) -> Flow[tuple[Shown, SignatureScheme | None]]:
        """Sections 4.5.1 and 4.5.2: the client's chain and its CertificateVerify, or neither."""
        shown = self.accept_certificate(
            message,
            self.certificate_request(context).extensions.types(),
            context,
            kind=self.client_certificate_type,
            trusted_raw_keys=self.config.client_raw_keys,
        )
        if shown.holder is None:
            return shown, None
        holder, offered = self.signing_key(shown, shown.holder, server=False)
        return shown, (yield from self.read_certificate_verify(holder, offered, CLIENT_CONTEXT))

    def verify_client(self, shown: Shown) -> Flow[tuple[x509.Certificate, ...]]:
        """The verified chain of a client, up to a trust anchor of ours; empty if it showed none."""
        if not shown.chain:
            return ()
        verifier = self.config.client_verifier
        if verifier is None:  # we believe raw public keys alone (RFC 7250), and nobody can vouch for a chain
            raise errors.CertificateTypeNotOffered("the client shows a chain, and only raw public keys are believed")
        now = datetime.fromtimestamp(self.config.clock(), UTC)
        verified = yield from settle(verifier.verify_client(shown.chain, now))
        if self.tracer is not None:
            self.tracer.verified(verified)
        self.check_status(shown, verified)
        return tuple(verified)

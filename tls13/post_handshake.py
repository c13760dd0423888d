"""What comes after the handshake: RFC 9846, section 4.7. Tickets, and certificates on request.

Each transaction is a small flow of its own, on a transcript of its own where it authenticates somebody; application
data and other transactions go on meanwhile. What the reading side has to send it only leaves to the writing side
(`Output.owe`), which composes it under the keys that it then has: a KeyUpdate may have come in between, and the
messages of one answer may not be torn apart.

KeyUpdate itself is the engine's (engine.py): it touches nothing but keys.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from . import errors, events
from .authentication import CLIENT_CONTEXT, AuthenticatedFlow, Shown
from .errors import UsageError
from .flow import settle
from .key_schedule import resumption_psk
from .wire.companions import CertificateStatusWanted
from .wire.extensions import (
    CR,
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
    NO_EXTENSIONS,
    Certificate,
    CertificateRequest,
    CompressedCertificate,
    NewSessionTicket,
)
from .wire.registry import CertificateType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

    from .config import ClientConfig, ServerConfig
    from .crypto.hkdf import Secret
    from .events import Session
    from .flow import Flow, Kinds
    from .key_schedule import TrafficSecret
    from .resumption.sessions import StoredSession
    from .resumption.state import Origin
    from .resumption.tickets import TicketState
    from .transcript import Transcript
    from .trust.identity import Presentable
    from .trust.names import ServerName
    from .wire.messages import HandshakeMessage
    from .wire.registry import SignatureScheme


class Afterwards(AuthenticatedFlow):
    """What both roles keep of a handshake. The secrets are None where nothing can need them."""

    session: Session | None = None
    exporter_secret: Secret | None = None
    early_exporter_secret: Secret | None = None
    resumption_secret: Secret | None = None
    authenticated_at: int = 0
    """When a certificate was last verified online, in seconds since 1970: tickets do not prolong that for ever."""
    client_certificate_type = CertificateType.X509
    """What a client shows when it is asked (RFC 7250)."""
    tickets = 0
    """How many tickets were sent or received on this connection."""
    handshake_transcript: Transcript | None = None
    """ClientHello..client Finished: what post-handshake authentication goes on from (section 4.5)."""

    def opening(self) -> Flow[None]:
        return
        yield

    def forget(self) -> None:
        """A failed connection keeps no secrets (section 6)."""
        self.exporter_secret = self.early_exporter_secret = self.resumption_secret = None
        self.handshake_transcript = None


@cache
def _origin() -> type[Origin]:
    """For the first ticket. Kept, as those below: an import takes 1 us, also when there is nothing left to do."""
    from .resumption.state import Origin

    return Origin


@cache
def _stored_session() -> type[StoredSession]:
    from .resumption.sessions import StoredSession  # a server never loads it

    return StoredSession


class ClientAfterwards(Afterwards):
    """A client after its handshake."""

    config: ClientConfig
    server_name: ServerName | None
    fingerprint = b""
    """Of the verifier and the name that this connection was verified with."""
    unanswered: list[bytes]
    """The contexts of CertificateRequests. The reading side adds, the writing side takes away."""
    origin: Origin | None = None
    """What all tickets of this connection share; made for the first one."""

    def expected(self) -> Kinds:
        return (NewSessionTicket, CertificateRequest)

    def receive(self, raw: bytes) -> Flow[None]:
        if raw[0] == NewSessionTicket.msg_type:
            message = NewSessionTicket.decode(raw[4:])
            message.judge()
            self.accept_ticket(message)
            return
        request = CertificateRequest.decode(raw[4:])
        request.judge()
        yield from self.answer_request(request, raw)

    # --- NewSessionTicket: section 4.7.1 --------------------------------------------------------------------------

    def accept_ticket(self, message: NewSessionTicket) -> None:
        """Keep what the next connection needs. A client that does not resume silently ignores the ticket."""
        session, secret = self.session, self.resumption_secret
        if session is None or secret is None or message.ticket_lifetime == 0:
            return
        self.tickets += 1
        if self.tickets > self.config.max_tickets:
            return
        origin = self.origin
        if origin is None:
            origin = self.origin = _origin().of(session, server_name=self.canonical_name(), terms=self.fingerprint)
        early = message.extensions.get(EarlyDataTicket)
        stored = _stored_session()(
            ticket=message.ticket,
            psk=resumption_psk(secret, message.ticket_nonce),
            ticket_age_add=message.ticket_age_add,
            ticket_lifetime=min(message.ticket_lifetime, MAX_TICKET_LIFETIME),
            max_early_data_size=early.max_early_data_size if early is not None else 0,
            made_at_ms=int(self.config.clock() * 1000),
            authenticated_at=self.authenticated_at,
            origin=origin,
        )
        secret.rest()  # there may never be another ticket
        self.remember_session(stored)
        self.output.emit(events.TicketReceived(stored))

    def canonical_name(self) -> str:
        return self.server_name.canonical if self.server_name is not None else ""

    def remember_session(self, stored: StoredSession) -> None:
        """Put it where the next connection looks for it."""

    # --- CertificateRequest: sections 4.4.2 and 4.7.2 -------------------------------------------------------------

    def choose_identity(self, request: CertificateRequest) -> Flow[tuple[Presentable, SignatureScheme] | None]:
        """The first of our identities that the request allows, and a scheme that it accepts; None: we have none."""
        extensions = request.extensions
        authorities = extensions.get(CertificateAuthoritiesExtension)
        wanted = frozenset(authorities.authorities) if authorities is not None else None
        oid_filters = extensions.get(OIDFilterExtension)
        filters = oid_filters.filters if oid_filters is not None else ()
        if filters:
            from .trust.filters import judge_filters

            judge_filters(filters)
        identities: Iterable[Presentable] = self.config.identities
        if self.config.choose_identity is not None:
            chosen = yield from settle(self.config.choose_identity(request))
            identities = (chosen,) if chosen is not None else ()
        for identity in self.by_chain(identities, extensions):
            if identity.certificate_type != self.client_certificate_type:
                continue
            if (wanted is not None and not identity.issued_by(wanted)) or not identity.satisfies(filters):
                continue
            scheme = self.scheme_for(identity, extensions)
            if scheme is not None:
                return identity, scheme
        return None

    def answer_request(self, request: CertificateRequest, raw: bytes) -> Flow[None]:
        """Section 4.7.2: our three messages, in one piece; Finished under the key that we have when it is sent."""
        established = self.handshake_transcript
        if established is None:
            raise errors.UnrequestedCertificateRequest
        if self.session is not None and self.session.psk_identity is not None:
            raise errors.CertificateRequestWithPsk
        self.unanswered.append(request.certificate_request_context)
        if len(self.unanswered) > self.config.max_certificate_requests:
            raise errors.TooManyRequests(len(self.unanswered))
        transcript = established.fork()
        transcript.update(raw)
        messages: list[bytes] = []

        def add(message: HandshakeMessage) -> None:
            for one in self.encoded(message):
                transcript.update(one)
                messages.append(one)

        chosen = yield from self.choose_identity(request)
        identity = chosen[0] if chosen is not None else None
        message = self.certificate(identity, request.extensions.types(), request.certificate_request_context)
        add(self.compressed(message, request.extensions))
        if chosen is not None:
            verify = yield from self.certificate_verify(*chosen, CLIENT_CONTEXT, transcript.digest())
            add(verify)

        def compose(secret: TrafficSecret) -> list[bytes]:
            self.unanswered.remove(request.certificate_request_context)
            add(self.finished(secret, transcript.digest()))
            return messages

        self.output.owe(compose)


@cache
def _ticket_state() -> type[TicketState]:
    from .resumption.tickets import TicketState  # a client never loads it

    return TicketState


class ServerAfterwards(Afterwards):
    """A server after its handshake."""

    config: ServerConfig
    tickets_asked: int | None = None
    requests: dict[bytes, Transcript]
    """The unanswered CertificateRequests, by context. The writing side adds, the reading side takes away."""

    def opening(self) -> Flow[None]:
        yield from self.send_tickets(self.ticket_count())

    def expected(self) -> Kinds:
        return self.certificate_kinds() if self.requests else ()

    def certificate_kinds(self) -> Kinds:
        return (Certificate, CompressedCertificate) if self.config.certificate_compression else (Certificate,)

    # --- NewSessionTicket: section 4.7.1 --------------------------------------------------------------------------

    def ticket_count(self) -> int:
        """How many tickets a new connection gets: what the client asks for (RFC 9149), if it does."""
        asked, config = self.tickets_asked, self.config
        return config.ticket_count if asked is None else min(asked, config.max_tickets)

    def send_tickets(self, count: int) -> Flow[None]:
        session, secret, tickets = self.session, self.resumption_secret, self.config.tickets
        if session is None or secret is None or tickets is None:
            return
        config = self.config
        origin = _origin().of(session, server_name=(session.server_name or "").lower(), terms=config.client_policy)
        extensions = NO_EXTENSIONS[NST]
        if config.max_early_data:
            extensions = Extensions.of(NST, EarlyDataTicket(max_early_data_size=config.max_early_data))
        for _ in range(count):
            nonce = self.tickets.to_bytes(2, "big")
            self.tickets += 1
            now = config.clock()
            lifetime = min(config.ticket_lifetime, MAX_TICKET_LIFETIME, self.time_left(now))
            if lifetime <= 0:
                break
            state = _ticket_state()(
                psk=resumption_psk(secret, nonce),
                ticket_age_add=int.from_bytes(config.random(4), "big"),
                ticket_lifetime=lifetime,
                max_early_data_size=config.max_early_data,
                made_at_ms=int(now * 1000),
                authenticated_at=self.authenticated_at,
                origin=origin,
            )
            ticket = yield from tickets.seal(state, now)
            if ticket is None:
                break
            message = NewSessionTicket(
                ticket_lifetime=lifetime,
                ticket_age_add=state.ticket_age_add,
                ticket_nonce=nonce,
                ticket=ticket,
                extensions=extensions,
            )
            self.output.owe(partial(self._encode, message))
        secret.rest()

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
            message = self.decompressed(CompressedCertificate.decode(raw[4:]))
        else:
            message = Certificate.decode(raw[4:])
            message.judge()
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
        verifier = self.config.client_verifier
        if verifier is None or not shown.chain:
            return ()
        now = datetime.fromtimestamp(self.config.clock(), UTC)
        verified = yield from settle(verifier.verify_client(shown.chain, now))
        if self.tracer is not None:
            self.tracer.verified(verified)
        self.check_status(shown, verified)
        return tuple(verified)

"""What comes after the handshake: RFC 9846, section 4.7. Tickets, and certificates on request.

Here is what both roles share, and the client's side; the server's is in server_afterwards.py.

Each transaction is a small flow of its own, on a transcript of its own where it authenticates somebody; application
data and other transactions go on meanwhile. What the reading side has to send it only leaves to the writing side
(`Output.owe`), which composes it under the keys that it then has: a KeyUpdate may have come in between, and the
messages of one answer may not be torn apart.

KeyUpdate itself is the engine's (engine.py): it touches nothing but keys.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from . import errors, events
from .authentication import CLIENT_CONTEXT, AuthenticatedFlow
from .flow import settle
from .key_schedule import resumption_psk
from .wire.extensions import CertificateAuthoritiesExtension, EarlyDataTicket, OIDFilterExtension
from .wire.messages import MAX_TICKET_LIFETIME, CertificateRequest, NewSessionTicket
from .wire.registry import CertificateType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .config import ClientConfig
    from .crypto.hkdf import Secret
    from .events import Session
    from .flow import Flow, Kinds
    from .key_schedule import TrafficSecret
    from .resumption.sessions import StoredSession
    from .resumption.state import Origin
    from .transcript import Transcript
    from .trust.identity import Presentable
    from .trust.names import ServerName
    from .wire.messages import HandshakeMessage
    from .wire.registry import SignatureScheme

NEW_SESSION_TICKET: Final = int(NewSessionTicket.msg_type)
"""As the first byte of a message."""


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

    def opening(self) -> Flow[None] | None:
        return None

    def forget(self) -> None:
        """A failed connection keeps no secrets (section 6)."""
        self.exporter_secret = self.early_exporter_secret = self.resumption_secret = None
        self.handshake_transcript = None


@cache
def _origin() -> type[Origin]:
    """For the first ticket. Kept, as the next one: an import takes 1 us, also when there is nothing left to do."""
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

    def receive(self, raw: bytes) -> Flow[None] | None:
        if raw[0] == NEW_SESSION_TICKET:
            message = NewSessionTicket.decode(raw, 4)
            message.judge(self.max_extensions)
            self.accept_ticket(message)
            return None
        request = CertificateRequest.decode(raw, 4)
        request.judge(self.max_extensions)
        return self.answer_request(request, raw)

    # --- NewSessionTicket: section 4.7.1 --------------------------------------------------------------------------

    def accept_ticket(self, message: NewSessionTicket) -> None:
        """Keep what the next connection needs. A client that does not resume silently ignores the ticket."""
        config, session, secret = self.config, self.session, self.resumption_secret
        if session is None or secret is None or message.ticket_lifetime == 0:
            return
        self.tickets += 1
        if self.tickets > config.max_tickets:
            return
        origin = self.origin
        if origin is None:
            origin = self.origin = _origin().of(
                session, self.canonical_name(), self.fingerprint, self.credential_expires_at
            )
        early = message.extensions.get(EarlyDataTicket)
        stored = _stored_session()(
            ticket=message.ticket,
            psk=resumption_psk(secret, message.ticket_nonce),
            ticket_age_add=message.ticket_age_add,
            ticket_lifetime=min(message.ticket_lifetime, MAX_TICKET_LIFETIME),
            max_early_data_size=early.max_early_data_size if early is not None else 0,
            made_at_ms=int(config.clock() * 1000),
            authenticated_at=self.authenticated_at,
            origin=origin,
        )
        self.remember_session(stored)
        self.output.emit(events.new_tuple(events.TicketReceived, (stored,)))

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
            if self.session is not None:
                self.session, self.origin = self.session._replace(client_scheme=chosen[1]), None

        def compose(secret: TrafficSecret) -> list[bytes]:
            self.unanswered.remove(request.certificate_request_context)
            add(self.finished(secret, transcript.digest()))
            return messages

        self.output.owe(compose)

"""What an experiment works with: an authority, certificates, configs, and two ends to join.

`connect` makes the pair. A side with a script is a scripted peer (lab/scripted.py): everything about it is in order
but what the script changes. Whoever must notice has no script, and against OpenSSL *is* OpenSSL.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from ...config import ClientConfig, ServerConfig
from ...connection import ClientConnection, ServerConnection
from ...errors import UsageError
from ...events import TicketReceived
from ...trust.store import TrustStore
from ...wire.messages import ClientHello, HandshakeMessage
from ...wire.registry import NamedGroup, PskKeyExchangeMode
from ..authority import Authority
from ..scripted import ScriptedClient, ScriptedServer
from .between import Nobody, Ours, Wire
from .model import Happening, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...client import ClientHandshake
    from ...events import Tracer
    from ...resumption.sessions import StoredSession
    from ...trust.names import ServerName
    from ..scripted import Script, Sent
    from .between import End
    from .model import Side

    Change = Callable[[ClientHello, ClientHandshake], ClientHello]
    OpenSsl = Callable[["Bench", Side], End]

HOST = "server.example"
QUESTION = b"GET /balance HTTP/1.1\r\nHost: server.example\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n42 EUR\n"

M = TypeVar("M", bound=HandshakeMessage)


def as_it_is(message: HandshakeMessage) -> HandshakeMessage:
    """The script of a peer that keeps the rules, but can break them later; it puts each message into its own record."""
    return message


def edit(kind: type[M], change: Callable[[M], Sent | list[Sent] | None]) -> Script:
    """A script that changes the messages of one type. [] or None: nothing is sent."""
    return lambda message: change(message) if type(message) is kind else message


class Bench:
    """One run of one experiment."""

    def __init__(self, *, openssl: OpenSsl | None = None, plays: Side | None = None) -> None:
        self.authority = Authority.create(now=datetime.now(UTC), common_name="laboratory root")
        self.issued = self.authority.issue([HOST])
        self.trust = TrustStore.from_certificates([self.authority.certificate])
        self.client = ClientConfig(
            trust=self.trust,
            groups=[NamedGroup.X25519MLKEM768, NamedGroup.x25519, NamedGroup.secp256r1],
            psk_key_exchange_modes=[PskKeyExchangeMode.psk_dhe_ke],
        )
        self.server = ServerConfig(self.issued.identity)
        self.outcome = Outcome()
        self.wires: list[Wire] = []
        self._openssl = openssl
        self._plays = plays

    # --- making connections -------------------------------------------------------------------------------------------

    def connect(
        self,
        *,
        client: ClientConfig | None = None,
        server: ServerConfig | None = None,
        client_script: Script | None = None,
        server_script: Script | None = None,
        session: StoredSession | None = None,
        early_data: bytes | None = None,
        change: Change | None = None,
    ) -> Wire:
        """The two ends, joined; nothing is carried yet. `change` gets the ClientHello with the handshake that can bind
        it again to the PSKs that it offers."""
        ends: dict[Side, End] = {}
        if self._plays is not None and self._openssl is not None:
            ends[self._plays] = self._openssl(self, self._plays)
        if "client" not in ends:
            end = ends["client"] = Ours("client", self.outcome)
            tracer, script = end.listener, client_script
            if change is not None or script is not None:
                end.connection = WilfulClient(
                    client or self.client, script or as_it_is, change, session, early_data, tracer
                )
            else:
                end.connection = ClientConnection(
                    client or self.client, server_hostname=HOST, session=session, early_data=early_data, tracer=tracer
                )
        if "server" not in ends:
            end = ends["server"] = Ours("server", self.outcome)
            if server_script is not None:
                end.connection = ScriptedServer(server or self.server, server_script, tracer=end.listener)
            else:
                end.connection = ServerConnection(server or self.server, tracer=end.listener)
        wire = Wire(ends["client"], ends["server"], self.outcome)
        self.wires.append(wire)
        return wire

    def alone_with_the_server(self, server: ServerConfig | None = None) -> Wire:
        """A connection to the server that the attacker makes, with no client behind it."""
        if self._plays == "server" and self._openssl is not None:
            end = self._openssl(self, "server")
        else:
            end = ours = Ours("server", self.outcome)
            ours.connection = ServerConnection(server or self.server, tracer=ours.listener)
        wire = Wire(Nobody("client", self.outcome), end, self.outcome)
        self.wires.append(wire)
        return wire

    def established(
        self,
        *,
        client: ClientConfig | None = None,
        server: ServerConfig | None = None,
        client_script: Script | None = None,
        server_script: Script | None = None,
    ) -> Wire:
        """A connection after its handshake."""
        wire = self.connect(client=client, server=server, client_script=client_script, server_script=server_script)
        wire.carry()
        return wire

    def ticket(self, *, client: ClientConfig | None = None, server: ServerConfig | None = None) -> StoredSession:
        """The first ticket of a connection that is over. Raises UsageError if none comes."""
        self.note("an earlier connection, for its ticket:")
        wire = self.established(client=client, server=server)
        tickets = [event.session for event in wire.ours("client").events if isinstance(event, TicketReceived)]
        if not tickets:
            raise UsageError("the server gave no ticket")
        self.note("and now:")
        return tickets[0]

    # --- saying what is seen ------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Something that is done and that no message shows."""
        self.outcome.happened.append(Happening("bench", "note", text))

    def claim(self, text: str, holds: bool, detail: bytes = b"") -> None:
        """Something that should be so, and whether it is: computed, not asserted."""
        self.outcome.happened.append(Happening("bench", "claim", text, detail.hex(), holds))

    def claim_alive(self) -> None:
        """The handshake is complete, and data passes in both directions as far as we can say something."""
        wire = self.wires[-1]
        both: tuple[tuple[Side, bytes, Side], ...] = (("client", QUESTION, "server"), ("server", ANSWER, "client"))
        for side, said, other in both:
            end = wire.ends[side]
            if isinstance(end, Ours):
                if whole := end.connection.handshake_complete and not end.over:
                    end.connection.send_data(said)
                    wire.carry()
                self.claim(f"the {side}'s handshake is complete", whole)
                self.claim(f"the {other} reads what the {side} says", wire.ends[other].heard(said))


class WilfulClient(ScriptedClient):
    """A scripted client that can also resume, send early data, and bind a changed ClientHello again."""

    def __init__(
        self,
        config: ClientConfig,
        script: Script,
        change: Change | None,
        session: StoredSession | None,
        early_data: bytes | None,
        tracer: Tracer,
    ) -> None:
        def both(message: HandshakeMessage) -> Sent | Iterable[Sent] | None:
            if change is not None and isinstance(message, ClientHello):
                return change(message, self._own_handshake)
            return script(message)

        self._script = both
        ClientConnection.__init__(
            self, config, server_hostname=HOST, session=session, early_data=early_data, tracer=tracer
        )

    def make_handshake(
        self, config: ClientConfig, server_name: ServerName | None, tracer: Tracer | None
    ) -> ClientHandshake:
        self._own_handshake = super().make_handshake(config, server_name, tracer)
        return self._own_handshake

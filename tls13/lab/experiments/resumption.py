"""Tickets, pre-shared keys and early data in the wrong hands.

A ticket travels in the clear with each ClientHello that offers it, so it must be worth nothing by itself: what counts
is the key that belongs to it, and the binder proves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...errors import BadBinder, BadRecordMac, ConfigurationError
from ...events import EarlyData
from ...resumption.early_data import ReplayGuard
from ...resumption.psk import ExternalPsk
from ...resumption.tickets import SealedTickets
from ...wire.extensions import OfferedPsks
from ..scripted import with_extension
from .bench import QUESTION
from .hellos import body
from .model import Part, alerted, goes_on, refused
from .tampering import flipped

if TYPE_CHECKING:
    from ...client import ClientHandshake
    from ...config import ServerConfig
    from ...wire.messages import ClientHello
    from .bench import Bench
    from .between import Wire

PART: Final = Part("Resumption and early data")
NAME: Final = b"laboratory"
KEY: Final = bytes.fromhex("5f3c0b94de2271a86c1f9d7e40b8a3552b96e1f0c4d87a133e65f2089ab4cd71")
"""An external PSK that both sides were given. In print, and so worth nothing outside of these experiments."""


def _resumable(bench: Bench) -> ServerConfig:
    """A server whose ticket keys stay the same from one connection to the next."""
    return bench.server.replace(tickets=SealedTickets())


def _without_binder(hello: ClientHello, handshake: ClientHandshake) -> ClientHello:
    """The ClientHello with a binder of which one bit is wrong."""
    offered = body(hello, OfferedPsks)
    return with_extension(hello, offered.replace(binders=tuple(flipped(one) for one in offered.binders)))


@PART(
    "forge-binder",
    "A PSK is offered by somebody who does not have it",
    what="The client names a PSK that the server knows; one bit of the binder is wrong.",
    should="The server ends the handshake, and does not fall back to its certificate.",
    why="The binder is an HMAC over the ClientHello, made with the PSK: it proves that whoever offers it has it, and "
    "that this ClientHello is its own.",
    section="RFC 9846, 4.3.11",
    prediction=refused("server", BadBinder),
    openssl=alerted(
        "server", "illegal_parameter", "OpenSSL 3.0 counts a wrong binder among values that are not allowed"
    ),
    openssl_options=("-psk", KEY.hex(), "-psk_identity", NAME.decode()),
)
def forge_binder(bench: Bench) -> None:
    psk = ExternalPsk(NAME, KEY)
    client, server = bench.client.replace(psks=[psk]), bench.server.replace(psks=[psk])
    bench.connect(client=client, server=server, change=_without_binder).carry()


@PART(
    "ticket-theft",
    "A ticket is copied from the wire and used",
    what="The thief has seen a ticket in somebody's ClientHello and offers it himself. The PSK that goes with it was "
    "never sent, so he takes one of zeros.",
    should="The server opens its ticket, finds the PSK, and sees that the binder is not made with it.",
    why="A ticket is no password: it is the server's own note, sealed and useless to whoever only carries it.",
    section="RFC 9846, 4.3.11 and 4.7.1",
    attack="ticket theft",
    prediction=refused("server", BadBinder),
)
def ticket_theft(bench: Bench) -> None:
    server = _resumable(bench)
    session = bench.ticket(server=server)
    stolen = session.replace(psk=bytes(len(session.psk)))
    bench.connect(server=server, session=stolen).carry()


@PART(
    "forge-ticket",
    "A ticket with one bit changed",
    what="The client offers a ticket in which the last bit is flipped, with a correct binder for it.",
    should="The server cannot open it, says nothing, and makes a full handshake with its certificate.",
    why="Tickets are sealed with an AEAD: nobody can write into them 'this client has authenticated as root'. A full "
    "handshake is always possible, so the mistake costs time and not the connection.",
    section="RFC 9846, 4.3.11 and 4.7.1",
    prediction=goes_on(),
)
def forge_ticket(bench: Bench) -> None:
    server = _resumable(bench)
    session = bench.ticket(server=server)
    wire = bench.connect(server=server, session=session.replace(ticket=flipped(session.ticket)))
    wire.carry()
    agreed = wire.ours("client").connection.session
    bench.claim("the handshake is complete, and nothing was resumed", agreed is not None and not agreed.resumed)
    bench.claim(
        "the server has shown its certificate again", agreed is not None and agreed.signature_scheme is not None
    )


def _took(wire: Wire) -> bytes:
    return b"".join(one.data for one in wire.ours("server").events if isinstance(one, EarlyData))


@PART(
    "replay-early-data",
    "A first flight with early data is recorded and sent again",
    what="The client resumes and sends a request with its first flight. Somebody records the flight, and sends it to "
    "the same server twice more.",
    should="The request is taken once. The copies are answered as a handshake without early data, which the attacker "
    "cannot finish.",
    why="Early data is encrypted before the server has said anything, so nothing in it is fresh: a copy is as good as "
    "the original. The server must remember what it has taken.",
    section="RFC 9846, 8",
    attack="0-RTT replay",
    prediction=goes_on(),
)
def replay_early_data(bench: Bench) -> None:
    server = _resumable(bench).replace(max_early_data=1000, replay_guard=ReplayGuard())
    session = bench.ticket(server=server)
    wire = bench.connect(server=server, session=session, early_data=QUESTION)
    flight = wire.hold("client")
    wire.pass_on("server", *flight, saying="lets the first flight pass, and records it")
    bench.claim("the server takes the request", _took(wire) == QUESTION)
    for again in ("second", "third"):
        copy = bench.alone_with_the_server(server)
        copy.pass_on("server", *flight, saying=f"sends the recorded flight a {again} time")
        copy.carry()
        bench.claim(f"the {again} time the server takes nothing", _took(copy) == b"")
        bench.claim("and that handshake does not complete", not copy.ours("server").connection.handshake_complete)


@PART(
    "early-data-unguarded",
    "The same without anybody who remembers",
    what="Each of two servers remembers what it has taken, but by itself; the recorded first flight is sent to both.",
    should="Both take the request: this is why several servers need one shared memory, or no early data.",
    why="Behind a load balancer the same ticket works everywhere, and the attacker chooses where his copy goes.",
    section="RFC 9846, 8.2",
    attack="0-RTT replay, across servers",
    prediction=goes_on(),
)
def early_data_unguarded(bench: Bench) -> None:
    one = _resumable(bench).replace(max_early_data=1000, replay_guard=ReplayGuard())
    other = one.replace(replay_guard=ReplayGuard())
    wire = bench.connect(server=one, session=bench.ticket(server=one), early_data=QUESTION)
    flight = wire.hold("client")
    wire.pass_on("server", *flight, saying="lets the first flight pass, and records it")
    copy = bench.alone_with_the_server(other)
    copy.pass_on("server", *flight, saying="sends the recorded flight to the other server")
    bench.claim("the first server takes the request", _took(wire) == QUESTION)
    bench.claim("and so does the other one: the request has been carried out twice", _took(copy) == QUESTION)


@PART(
    "replay-handshake",
    "A whole handshake is recorded and played again",
    what="Somebody sends a recorded ClientHello to the server, and then everything else that the client had sent.",
    should="The server answers with a new key share of its own; nothing that was recorded decrypts under the new keys.",
    why="Both sides put something fresh into the keys. A recording fits one connection, the one that is over.",
    section="RFC 9846, 7.1 and appendix F.1",
    attack="replay",
    prediction=refused("server", BadRecordMac),
    openssl=alerted("server", "bad_record_mac"),
)
def replay_handshake(bench: Bench) -> None:
    wire = bench.established()
    recorded = [one.raw for one in wire.carried if one.sender == "client"]
    copy = bench.alone_with_the_server()
    copy.pass_on("server", recorded[0], saying="sends the recorded ClientHello to the server")
    copy.carry(patience=0.3)
    copy.pass_on("server", *recorded[1:], saying="sends the rest of the client's records")


@PART(
    "selfie",
    "Somebody who is client and server with one key talks to himself",
    what="Alice and Bob share one PSK, and each is client and server with it. Alice's ClientHello for Bob is sent back "
    "to Alice.",
    should="Alice's server completes the handshake with Alice's client, who believes to talk to Bob. With a role for "
    "the key, Alice's server refuses to have it at all.",
    why="A PSK says 'one of those who know it'. Among two that is the other one only if each key has a direction.",
    section="RFC 9257, 4.1; RFC 9846, appendix F.1",
    attack="Selfie (Drucker, Gueron 2019)",
    prediction=goes_on(),
)
def selfie(bench: Bench) -> None:
    alice = ExternalPsk(NAME, KEY)
    client = bench.client.replace(psks=[alice], require_psk=True)
    wire = bench.connect(client=client, server=bench.server.replace(psks=[alice]))
    wire.carry()
    bench.claim("without roles, Alice talks to herself", wire.ours("client").connection.handshake_complete)
    try:
        bench.server.replace(psks=[ExternalPsk(NAME, KEY, role="client")])
    except ConfigurationError as error:
        bench.note(f"with a role: {error}")
        bench.claim("with a role, Alice's server does not take the key", True)
    else:
        bench.claim("with a role, Alice's server does not take the key", False)

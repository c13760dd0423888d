"""What a handshake may wait for, and what it may do.

A flow is a generator: the RFC's figure 1 as code. It *yields* only what it needs, which is a handshake message of
one of a few types, or the answer to a question that somebody else is still working on (a signature from another
machine, a ticket in a database). It is resumed with the bytes of the message, or with the answer, once they are
there. It *does* everything through an `Output`, and so knows neither sockets nor records: the same flow runs over
TCP, in memory, and (with another Output) under QUIC.

    flow                                    engine
    yield (ServerHello, HelloRetryRequest)  ... waits until a whole message of such a type has arrived
      <- the raw message, as received
    decode, judge, hash what was received
    yield from settle(identity.sign(...))   ... waits only if the signature is not there at once
      <- the signature
    output.send / output.read_secret ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, cast, overload
from weakref import proxy

from . import errors
from .transcript import ENDED, Transcript
from .wire.messages import ClientHello, HandshakeMessage, HelloRetryRequest, ServerHello, message_class, read_again
from .wire.registry import HandshakeType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .config import ClientConfig, ServerConfig
    from .crypto.hkdf import Secret
    from .crypto.suites import Suite
    from .events import Event, Session, Tracer
    from .key_schedule import TrafficSecret
    from .resumption.psk import Psk

    Compose = Callable[[TrafficSecret], Iterable[bytes]]
    """Makes messages under the secret that will protect them."""

A = TypeVar("A", bound=HandshakeMessage)
B = TypeVar("B", bound=HandshakeMessage)
C = TypeVar("C", bound=HandshakeMessage)
T = TypeVar("T")

Kinds = tuple[type[HandshakeMessage], ...]
Need = Kinds | Awaitable[object]
"""The types of message of which one is needed next; or what must be awaited, whose result is needed."""

Flow = Generator[Need, Any, T]
"""Any: the bytes of a message, or whatever the awaitable gives; `read` and `settle` know which."""


class Epoch(IntEnum):
    """Which keys protect a record; QUIC calls them encryption levels (RFC 9001, section 2.1)."""

    INITIAL = 0
    EARLY = 1
    HANDSHAKE = 2
    APPLICATION = 3


INITIAL: Final = Epoch.INITIAL
EARLY: Final = Epoch.EARLY
HANDSHAKE: Final = Epoch.HANDSHAKE
APPLICATION: Final = Epoch.APPLICATION
"""The same, for the path of every record and message: Python 3.11 takes 54 ns for a member of an enum, 4 for a name."""


if TYPE_CHECKING:  # protocols are for the type checker alone, and take a while to make

    class Output(Protocol):
        """Everything a flow may do."""

        def send(self, raw: bytes) -> None:
            """Send a whole handshake message under the current write keys."""

        def send_change_cipher_spec(self) -> None:
            """Middlebox compatibility mode (appendix E.4): a record that means nothing. Ignored under QUIC."""

        def read_secret(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
            """From the next record on, read under this secret. Raises DataAcrossKeyChange (section 5.1)."""

        def write_secret(self, epoch: Epoch, suite: Suite, secret: TrafficSecret) -> None:
            """From the next record on, write under this secret."""

        def write_plaintext(self) -> None:
            """Back to no protection: ClientHello2 follows early data that a HelloRetryRequest has rejected (4.3.10)."""

        def require_record_boundary(self) -> None:
            """Nothing may follow the message just read: raises DataAcrossKeyChange (section 5.1)."""

        def skip_early_data(self, budget: int) -> None:
            """Discard early data that the client sent although we do not accept it, up to `budget` bytes (4.3.10)."""

        def stop_skipping(self) -> None:
            """ClientHello2 is here: nothing more is skipped."""

        def limit_early_data(self, limit: int) -> None:
            """The most early data, in bytes, that the ticket allows: to the client to send, to the server to accept."""

        def limit_records(self, receive: int | None, send: int | None) -> None:
            """RFC 8449: the largest TLSInnerPlaintext, in bytes, that we asked for and that the peer asked for."""

        def go_on_with(self, config: ClientConfig | ServerConfig) -> None:
            """A server has chosen another config for this ClientHello: what it limits and pads, from here on."""

        def owe(self, compose: Compose) -> None:
            """After the handshake: let the writing side send these messages, together, before its next record."""

        def receiving_secret(self) -> TrafficSecret:
            """The secret that protects what is being read: the BaseKey of a post-handshake Finished (4.5.3)."""

        def emit(self, event: Event) -> None:
            """Let the user know."""

    class Handshake(Protocol):
        """What an engine runs: a role's handshake, and what it does afterwards (section 4.7)."""

        def handshake(self) -> Flow[Session]:
            """RFC 9846, section 2, figure 1."""

        def opening(self) -> Flow[None] | None:
            """What is done once the handshake is complete: a server's tickets. None: nothing."""

        def expected(self) -> Kinds:
            """The messages that may come now, besides KeyUpdate."""

        def receive(self, raw: bytes) -> Flow[None] | None:
            """The transaction that this message starts. None: it is over already."""


@lru_cache(64)
def _can_be_awaited(kind: object) -> bool:
    """Kept: to find that a type has no such method takes an AttributeError, and the types are always the same few."""
    return hasattr(kind, "__await__")


def settle(answer: T | Awaitable[T]) -> Flow[T]:
    """The answer of somebody outside, who may give it at once or promise it.

    What is here already is not waited for, so that a callback that simply returns costs a flow nothing.
    """
    kind: object = type(answer)
    if _can_be_awaited(kind):
        return cast("T", (yield cast("Awaitable[object]", answer)))
    return cast("T", answer)


def dismiss(awaitable: Awaitable[object]) -> None:
    """Nobody will await this: end it, so that nothing is left running and Python does not warn of it."""
    end = getattr(awaitable, "close", None) or getattr(awaitable, "cancel", None)
    if end is not None:
        end()


class HandshakeFlow:
    """What both roles' handshakes are made of: reading, sending, and the transcript over both."""

    def __init__(
        self, output: Output, key_log: Callable[[str], None] | None, tracer: Tracer | None, max_extensions: int
    ) -> None:
        self.output: Output = proxy(output)
        """Weakly: the engine holds its handshake. A connection that nobody has any more is gone at once, and leaves
        nothing that the garbage collector would have to find (12 us of a handshake on both sides)."""
        self.transcript = Transcript()
        self.last_received = self.last_sent = b""
        self.tracer = tracer
        self.max_extensions = max_extensions
        self._key_log = key_log

    @overload
    def read(self, kind: type[A], /) -> Flow[A]: ...

    @overload
    def read(self, kind: type[A], other: type[B], /) -> Flow[A | B]: ...

    @overload
    def read(self, kind: type[A], other: type[B], third: type[C], /) -> Flow[A | B | C]: ...

    def read(self, *kinds: type[HandshakeMessage]) -> Flow[HandshakeMessage]:
        """The next message, which must be one of `kinds`, decoded, judged and added to the transcript.

        The transcript takes what was received, never a re-encoding: two encodings of the same meaning are two
        different handshakes.
        """
        raw = yield kinds
        kind = message_class(raw)
        if kind not in kinds:
            raise out_of_order(raw, kinds)
        message = read_again(kind, raw) if len(raw) <= kind.repeats else kind.decode(raw, 4)
        message.judge(self.max_extensions)
        self.last_received = raw
        self.transcript.update(raw)
        return message

    def send(self, message: HandshakeMessage) -> None:
        raw = self.last_sent = message.to_handshake()
        self.transcript.update(raw)
        self.output.send(raw)

    def encoded(self, message: HandshakeMessage) -> Iterable[bytes]:
        """What goes out for this message, where more must be known than `send` does: its encoding; a scripted peer of
        tls13.lab has other ideas."""
        return (message.to_handshake(),)

    def wind_up(self) -> None:
        """The handshake is complete: its transcript and its last messages have served their purpose."""
        self.transcript = ENDED
        self.last_received = self.last_sent = b""

    def log_traffic(self, which: str, client_random: bytes, client: Secret, server: Secret) -> None:
        """The two secrets of one epoch, once they are in use: if the hook fails, the peer can still be told."""
        if self._key_log is not None or self.tracer is not None:
            self.log_secret(f"CLIENT_{which}", client_random, client)
            self.log_secret(f"SERVER_{which}", client_random, server)

    def log_secret(self, label: str, client_random: bytes, secret: Secret) -> None:
        """One line of RFC 9850 for whoever asked for a key log."""
        if self._key_log is not None:
            self._key_log(f"{label} {client_random.hex()} {secret.value.hex()}")
        if self.tracer is not None:
            self.tracer.secret(label, secret.value)

    def trace_inputs(self, psk: Psk | None, shared_secret: bytes | None) -> None:
        """What the key schedule starts from (section 7.1); nobody but a tracer ever sees it."""
        if self.tracer is not None:
            if psk is not None:
                self.tracer.secret("PSK", psk.key)
            if shared_secret is not None:
                self.tracer.secret("ECDHE", shared_secret)


def out_of_order(raw: bytes, expected: Kinds) -> errors.UnexpectedMessage:
    """The offence of a message (or just its first byte) where one of `expected` was due (section 4)."""
    kind = message_class(raw)
    if kind is HelloRetryRequest and ServerHello in expected:
        return errors.SecondHelloRetryRequest()
    wanted = " or ".join(one.__name__ for one in expected) or "no handshake message"
    if kind is ClientHello:
        return errors.Renegotiation(f"{wanted} was expected")
    return errors.MessageOutOfOrder(f"{kind.__name__ if kind else HandshakeType(raw[0])}, where {wanted} was expected")

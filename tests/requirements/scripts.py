"""What the tests by RFC section share: scripts that change one message, and a client that can bind its change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tls13
from tls13.lab.scripted import ScriptedClient
from tls13.resumption.early_data import ReplayGuard
from tls13.wire.messages import ClientHello, HandshakeMessage, decode_handshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from tls13.client import ClientHandshake
    from tls13.resumption.psk import Psk
    from tls13.resumption.sessions import StoredSession

HOST = "server.example"
MODES = (tls13.PskKeyExchangeMode.psk_dhe_ke,)
BOTH_MODES = (tls13.PskKeyExchangeMode.psk_dhe_ke, tls13.PskKeyExchangeMode.psk_ke)
ONLY_PSK = (tls13.PskKeyExchangeMode.psk_ke,)
KEY = b"0123456789abcdef0123456789abcdef"


def edit(kind, change):
    """A script that changes the messages of one type."""
    return lambda message: change(message) if type(message) is kind else message


def before(kind, *others):
    return edit(kind, lambda message: [*others, message])


def instead(kind, *others):
    return edit(kind, lambda message: list(others))


class Clock:
    """Seconds since 1970, as the test wants them."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Recorder:
    """A script that changes nothing and keeps the messages."""

    def __init__(self) -> None:
        self.sent: list[HandshakeMessage] = []

    def __call__(self, message: HandshakeMessage) -> HandshakeMessage:
        self.sent.append(message)
        return message

    def of(self, kind):
        return [message for message in self.sent if type(message) is kind]


class WilfulClient(ScriptedClient):
    """A scripted client that resumes and sends early data, and whose `change` of the `number`th ClientHello gets the
    handshake too: a changed ClientHello can be bound again, so that nothing but the change is wrong with it."""

    def __init__(
        self,
        config: tls13.ClientConfig,
        change: Callable[[ClientHello, ClientHandshake], object] = lambda hello, handshake: hello,
        *,
        number: int = 1,
        session: StoredSession | None = None,
        early_data: bytes | None = None,
    ) -> None:
        hellos = []

        def script(message):
            if isinstance(message, ClientHello):
                hellos.append(message)
                if len(hellos) == number:
                    return change(message, self._handshake)
            return message

        self._script = script
        tls13.ClientConnection.__init__(self, config, server_hostname=HOST, session=session, early_data=early_data)


def bound(hello: ClientHello, handshake: ClientHandshake, psks: Sequence[Psk] | None = None) -> ClientHello:
    """The ClientHello with binders that fit it."""
    hello.extensions.judge()
    return handshake.bound(hello, tuple(psks) if psks is not None else handshake.offered_psks())


def session_of(client: tls13.ClientConfig, server: tls13.ServerConfig) -> StoredSession:
    """The first ticket of a connection of these two."""
    return sessions_of(client, server)[0]


def sessions_of(client: tls13.ClientConfig, server: tls13.ServerConfig) -> list[StoredSession]:
    client = client.replace(psk_key_exchange_modes=client.psk_key_exchange_modes or MODES)
    seen, _ = tls13.pump(tls13.ClientConnection(client, server_hostname=HOST), tls13.ServerConnection(server))
    return [event.session for event in seen if isinstance(event, tls13.TicketReceived)]


def accepting_early_data(server: tls13.ServerConfig, **changes: object) -> tls13.ServerConfig:
    return server.replace(max_early_data=10_000, replay_guard=ReplayGuard(), **changes)


def first_hello(connection: tls13.ClientConnection) -> ClientHello:
    """What the connection has ready to send: its ClientHello."""
    stream = connection.data_to_send()
    message = decode_handshake(stream[5 : 5 + int.from_bytes(stream[3:5], "big")])
    if not isinstance(message, ClientHello):
        raise TypeError(type(message))
    message.judge()
    return message


def events_of(events: Iterable[object], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]

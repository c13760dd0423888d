"""Peers that misbehave on purpose.

A scripted peer is a real one whose outgoing handshake messages pass through a script first: a function from the
message to what is sent in its place. What it sends goes into its own transcript, so that one broken field does not
show up as a broken Finished two messages later: the offence under test is the only one.

    def no_key_share(message):
        return without(message, ExtensionType.key_share) if isinstance(message, ServerHello) else message

    server = ScriptedServer(config, no_key_share)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ..client import ClientHandshake
from ..connection import ClientConnection, Connection, ServerConnection
from ..flow import HandshakeFlow
from ..record_layer import RecordLayer
from ..server import ServerHandshake
from ..wire.extensions import Extensions
from ..wire.messages import EncodedOnce, HandshakeMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..config import ClientConfig, ServerConfig
    from ..events import Tracer
    from ..flow import Epoch, Output
    from ..trust.names import ServerName
    from ..wire.extensions import ExtensionBody

    Sent = HandshakeMessage | bytes
    Script = Callable[[HandshakeMessage], Sent | Iterable[Sent] | None]

M = TypeVar("M", bound=HandshakeMessage)


class _MessageByMessage(RecordLayer):
    """A record for each message: where the records end is the script's to say (section 5.1)."""

    def send_handshake(self, raw: bytes, epoch: Epoch) -> None:
        super().send_handshake(raw, epoch)
        self.finish_flight()


class _Scripted(HandshakeFlow):
    """A handshake of either role whose messages pass through a script."""

    script: Script

    def send(self, message: HandshakeMessage) -> None:
        for raw in self.encoded(message):
            super().send(_as_it_is(raw))

    def encoded(self, message: HandshakeMessage) -> list[bytes]:
        return _scripted(self.script, message)


class _ScriptedClientHandshake(_Scripted, ClientHandshake):
    def __init__(
        self,
        script: Script,
        config: ClientConfig,
        name: ServerName | None,
        output: Output,
        tracer: Tracer | None,
    ) -> None:
        super().__init__(config, name, output, tracer)
        self.script = script


class _ScriptedServerHandshake(_Scripted, ServerHandshake):
    def __init__(self, script: Script, config: ServerConfig, output: Output, tracer: Tracer | None) -> None:
        super().__init__(config, output, tracer)
        self.script = script


def _scripted(script: Script, message: HandshakeMessage) -> list[bytes]:
    answer = script(message)
    if answer is None:
        return []
    items = [answer] if isinstance(answer, (bytes, HandshakeMessage)) else list(answer)
    return [item if isinstance(item, bytes) else item.to_handshake() for item in items]


def _as_it_is(raw: bytes) -> HandshakeMessage:
    """A message of which this is the encoding, whatever it holds."""
    message = EncodedOnce()
    message.keep(raw)
    return message


class ScriptedClient(ClientConnection):
    """A client whose messages pass through `script`."""

    _layer_class = _MessageByMessage

    def __init__(
        self,
        config: ClientConfig,
        script: Script,
        *,
        server_hostname: str | None,
        early_data: bytes | None = None,
        tracer: Tracer | None = None,
    ) -> None:
        self._script = script
        super().__init__(config, server_hostname=server_hostname, early_data=early_data, tracer=tracer)

    def make_handshake(
        self, config: ClientConfig, server_name: ServerName | None, tracer: Tracer | None
    ) -> ClientHandshake:
        return _ScriptedClientHandshake(self._script, config, server_name, self._engine, tracer)

    def inject(self, stream: bytes) -> None:
        """Put bytes of one's own into the stream, after what is already there."""
        self._layer.out.append(stream)

    def send_record(self, content_type: int, fragment: bytes) -> None:
        """Send a record of any type under the current keys."""
        self._layer.writer.write(content_type, fragment, self._layer.out)


class ScriptedServer(ServerConnection):
    """A server whose messages pass through `script`."""

    _layer_class = _MessageByMessage

    def __init__(self, config: ServerConfig, script: Script, *, tracer: Tracer | None = None) -> None:
        self._script = script
        super().__init__(config, tracer=tracer)

    def make_handshake(self, config: ServerConfig, tracer: Tracer | None) -> ServerHandshake:
        return _ScriptedServerHandshake(self._script, config, self._engine, tracer)

    def inject(self, stream: bytes) -> None:
        """Put bytes of one's own into the stream, after what is already there."""
        self._layer.out.append(stream)

    def send_record(self, content_type: int, fragment: bytes) -> None:
        """Send a record of any type under the current keys."""
        self._layer.writer.write(content_type, fragment, self._layer.out)


def ask_for_key_update(connection: Connection) -> None:
    """A KeyUpdate with update_requested, also where an honest peer must wait for the answer to its last one (4.7.3)."""
    connection._engine._update_requested = False
    connection.update_keys(request_peer=True)


# --- editing a message's extensions ---------------------------------------------------------------------------------


def _extensions(message: HandshakeMessage) -> Extensions:
    extensions = message.__dict__["extensions"]
    if not isinstance(extensions, Extensions):
        raise TypeError(f"{type(message).__name__} has no extensions")
    return extensions


def _with_raw(message: M, raw: Iterable[tuple[int, bytes]]) -> M:
    return message.replace(extensions=Extensions(tuple(raw), _extensions(message).place))


def without(message: M, *numbers: int) -> M:
    """The message with these extensions left out."""
    return _with_raw(message, (item for item in _extensions(message).raw if item[0] not in numbers))


def with_raw_extension(message: M, number: int, data: bytes = b"", *, first: bool = False) -> M:
    """The message with one more extension, whatever it is."""
    raw = _extensions(message).raw
    return _with_raw(message, ((number, data), *raw) if first else (*raw, (number, data)))


def with_extension(message: M, body: ExtensionBody) -> M:
    """The message with this extension: in the place of the one of its type, or at the end."""
    number, data = int(body.extension_type), body.encode()
    raw = _extensions(message).raw
    if number not in dict(raw):
        return _with_raw(message, (*raw, (number, data)))
    return _with_raw(message, ((found, data if found == number else old) for found, old in raw))

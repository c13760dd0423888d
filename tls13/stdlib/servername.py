"""sni_callback, as `ssl` has it: a server's program sees the name that a client asks for, and may change context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import Abort, AlertDescription, ConfigurationError
from ..trust.names import ServerName

if TYPE_CHECKING:
    from ..config import ServerConfig
    from ..wire.messages import ClientHello
    from .channel import Channel


class ServernameRefused(Abort):
    """The program's sni_callback has refused the connection, with an alert of its choice."""

    section = "3"
    rfc = "RFC 6066"
    says = "the server's sni_callback refuses this name"

    def __init__(self, alert: AlertDescription) -> None:
        super().__init__(alert.name)
        self.alert = alert  # type: ignore[misc]  # of a class elsewhere; here the program decides


class Unraisable:
    """Has the interpreter report an exception that nobody can catch, as it does with those of C's callbacks: one that
    leaves `__del__` goes to sys.unraisablehook, and nothing else that Python code can do gets there."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __del__(self) -> None:
        raise self._error


def ask_program(channel: Channel, hello: ClientHello) -> ServerConfig:
    """The config to go on with: sni_callback may have put another context on the object that it is called with.

    It answers None, or the number of an alert. Raises ServernameRefused.
    """
    callback: Any = channel.context.sni_callback
    try:
        answer = callback(channel.owner, hello.server_name, channel.context)
    except Exception as error:  # as with `ssl`: reported, and the handshake fails
        Unraisable(error)
        raise ServernameRefused(AlertDescription.handshake_failure) from error
    if answer is None:
        return channel.context.server_config
    try:
        alert = AlertDescription(answer)
    except ValueError:
        Unraisable(TypeError(f"sni_callback returns None or the number of an alert, not {answer!r}"))
        alert = AlertDescription.internal_error
    raise ServernameRefused(alert)


def check_name(server_hostname: str) -> None:
    """Raises what `ssl` raises: TypeError for a NUL, ValueError for what else cannot be a name."""
    if "\0" in server_hostname:
        raise TypeError("server_hostname must not hold a null character")
    try:
        ServerName.parse(server_hostname)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None

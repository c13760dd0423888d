"""What a channel can do that goes beyond a handshake and bytes: RFC 9846, sections 4.7 and 2.3."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from typing import TYPE_CHECKING

from ..connection import ClientConnection, ServerConnection
from ..errors import UsageError
from .facts import Facts
from .failures import library_error

if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import Lock

    from .wire import Wire


class Later(Facts):
    """The part of a Channel that `ssl` has little of."""

    _wire: Wire
    _write_lock: Lock
    _early_data: bytearray
    """A server's: what came. A client's: what its ClientHello is to announce."""

    @abstractmethod
    def _check_failed(self) -> None: ...

    @abstractmethod
    def _send_pending(self, *, waiting: bool = True) -> None: ...

    @contextlib.contextmanager
    def _writing(self, deadline: float | None) -> Iterator[None]:
        """The direction is this thread's."""
        self._wire.hold(self._write_lock, "write", deadline)
        try:
            yield
        finally:
            self._write_lock.release()

    def verify_client_post_handshake(self) -> None:
        """Ask the client for a certificate (RFC 9846, section 4.7.2); its answer comes with what is read next."""
        if not isinstance(self.connection, ServerConnection):
            raise library_error("NOT_SERVER", "only a server asks for certificates")
        try:
            with self._writing(self._wire.deadline()):
                self.connection.request_client_certificate()
                self._send_pending()
        except UsageError as error:
            raise library_error("EXTENSION_NOT_RECEIVED", str(error)) from error

    def update_keys(self, *, request_peer: bool) -> None:
        with self._writing(self._wire.deadline()):
            self.connection.update_keys(request_peer=request_peer)
            self._send_pending()

    def close_writing(self) -> None:
        """close_notify: we send nothing more; reading goes on (one-way close)."""
        self._close_writing_by(self._wire.deadline())

    def _close_writing_by(self, deadline: float | None) -> None:
        self._check_failed()
        if self.agreed is None:
            raise library_error("SHUTDOWN_WHILE_IN_INIT", "the handshake is not complete")
        with self._writing(deadline):
            self.connection.close()
            self._send_pending()

    def send_early_data(self, data: bytes) -> None:
        """A client's: before do_handshake it goes with the ClientHello, and after that until the server has answered.

        Raises UsageError for more than the session allows once the ClientHello is on its way.
        """
        if self.server_side:
            raise ValueError("only a client sends early data")
        if not self.started:
            self._early_data += data
            return
        if isinstance(self.connection, ClientConnection):
            with self._writing(self._wire.deadline()):
                self.connection.send_early_data(data)
                self._send_pending()

    def read_early_data(self) -> bytes:
        """A server's: what came before the handshake was complete; anybody may have sent it again (section 8)."""
        if not self.server_side:
            raise ValueError("only a server reads early data")
        data, self._early_data = bytes(self._early_data), bytearray()
        return data

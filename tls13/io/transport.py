"""What an asyncio stream over TLS writes to: the face of protocol.py for the application's side."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .protocol import TLSProtocol


class TLSTransport(asyncio.Transport):
    """What the stream above writes to. Made by TLSProtocol."""

    def __init__(self, protocol: TLSProtocol, raw: asyncio.Transport) -> None:
        super().__init__()
        self._tls = protocol
        self._raw = raw

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send. Raises UsageError after write_eof or close; data after a failure is dropped, as asyncio
        does it: the failure itself comes out where one reads or drains."""
        self._tls.write(data)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """close_notify: the peer sees the end of our data, and may go on sending (RFC 9846, section 6.1)."""
        self._tls.write_eof()

    def close(self) -> None:
        self._tls.close()

    def abort(self) -> None:
        self._raw.abort()

    def is_closing(self) -> bool:
        return self._tls.closing or self._raw.is_closing()

    def pause_reading(self) -> None:
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        self._tls.resume_reading()

    def is_reading(self) -> bool:
        return not self._tls.paused and not self.is_closing()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._raw.get_write_buffer_limits()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._tls.app = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._tls.app

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """tls13_connection, tls13_session; and what the TCP transport knows: peername, sockname, socket."""
        if name == "tls13_connection":
            return self._tls.connection
        if name == "tls13_session":
            return self._tls.connection.session
        return self._raw.get_extra_info(name, default)

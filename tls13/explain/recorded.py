"""A server's connections, each written into one capture file from its first byte to its last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..io.protocol import TLSProtocol
from .tap import name, record

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from .pcapng import PcapngWriter


def recorded(writer: PcapngWriter) -> type[TLSProtocol]:
    """For the `protocol` of tls13.aio.start_server."""

    class Recorded(TLSProtocol):
        _end: Callable[[], None] | None = None

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            here, there = (name(transport.get_extra_info(which)) for which in ("sockname", "peername"))
            self._end = record(self.connection, writer, here, there)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            super().connection_lost(error)
            if self._end is not None:
                self._end()

    return Recorded

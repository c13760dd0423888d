"""The sockets that `tls13 serve` listens on: opened before the event loop that serves them, so that a fork has them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import TYPE_CHECKING

from ..errors import ConnectFailed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

BACKLOG = 100
"""Connections that wait to be accepted; as asyncio has it."""


class Listening(socket.socket):
    """A socket that listens already: asyncio would change its backlog to that of its own loop."""

    def listen(self, backlog: int = 0) -> None:
        """Done."""


@contextlib.contextmanager
def listening(options: argparse.Namespace) -> Iterator[list[Listening]]:
    """For every address of the host. Raises ConnectFailed."""
    with contextlib.ExitStack() as stack:
        try:
            sockets = [stack.enter_context(sock) for sock in asyncio.run(_bound(options.host, options.port))]
            for sock in sockets:
                socket.socket.listen(sock, BACKLOG)
        except OSError as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            where = f"{options.host}, port {options.port}"
            raise ConnectFailed(
                error.errno, f"cannot listen on {where}: {reason}; --host and --port choose another"
            ) from error
        yield sockets


async def _bound(host: str, port: int) -> list[Listening]:
    """As asyncio binds them. The loop that this needs is over before anything is forked."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    sockets = [Listening(fileno=os.dup(sock.fileno())) for sock in server.sockets]
    server.close()
    return sockets

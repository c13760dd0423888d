"""The sockets that `tls13 serve` listens on: opened before the event loop that serves them, so that forks have them.

Each worker has a socket of its own at the one port (SO_REUSEPORT), and the kernel deals the connections out, by a hash
of their addresses. At one socket for all each connection would wake every idle worker, and all but one in vain: with
two workers that was measured to cost 16 of 660 us for each connection, and it grows with their number. Waking one at a
time (EPOLLEXCLUSIVE) gained nothing over that. The parent has all the sockets too, and closes none while it runs:
connections that wait for a worker that dies are taken by its successor.

Elsewhere than on Linux the option means something else (on macOS the socket that came last has everything), and the
workers share one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from typing import TYPE_CHECKING

from ..errors import ConnectFailed

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    Share = list[socket.socket]
    """One worker's sockets: one for each address of the host."""

BACKLOG = 100
"""Connections that wait to be accepted; as asyncio has it."""
DEALS_OUT = sys.platform == "linux"


@contextlib.contextmanager
def listening(options: argparse.Namespace) -> Iterator[list[Share]]:
    """Each worker's share. Raises ConnectFailed."""
    with contextlib.ExitStack() as stack:
        try:
            first = [stack.enter_context(sock) for sock in asyncio.run(_bound(options.host, options.port))]
            shares = [first] * options.workers
            if options.workers > 1 and DEALS_OUT:
                shares = [
                    first,
                    *([stack.enter_context(_sibling(one)) for one in first] for _ in range(options.workers - 1)),
                ]
            for sock in (one for share in shares for one in share):
                sock.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
            where = f"{options.host}, port {options.port}"
            raise ConnectFailed(
                error.errno, f"cannot listen on {where}: {reason}; --host and --port choose another"
            ) from error
        yield shares


async def _bound(host: str, port: int) -> list[socket.socket]:
    """As asyncio binds them. The loop that this needs is over before anything is forked."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port, start_serving=False)
    sockets = [socket.socket(fileno=os.dup(sock.fileno())) for sock in server.sockets]
    server.close()
    return sockets


def _sibling(first: socket.socket) -> socket.socket:
    """Another socket at its address. The first one was bound without the option: a port that somebody else already
    listens on is an error still, also if that is another `tls13 serve --workers`."""
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    other = socket.socket(first.family, first.type, first.proto)
    try:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if first.family == socket.AF_INET6:
            other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(first.getsockname())
    except OSError:
        other.close()
        raise
    return other

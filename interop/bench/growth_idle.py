"""One asyncio server with 1, 1,000 and 10,000 connections on which nothing happens.

The server is a process of its own, and the clients are this one: each may open 20,000 files. A client makes its
handshake with `ssl` and then lets go of all but the socket, so that its own memory does not matter.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import tls13

from ..files import files_for
from ..trial import HOST
from .stacks import ssl_contexts
from .tcp import PATIENCE, SETTING
from .worker import environment

if TYPE_CHECKING:
    from collections.abc import Sequence

FILES = 20_000
PROBES = 40


def idle_connections(counts: Sequence[int]) -> list[dict[str, float | str]]:
    """For tls13.aio, and for asyncio with `ssl`: the server's memory, and how long a newcomer waits."""
    _allow_files()
    return [line for name in ("tls13", "ssl") for line in _one_server(name, counts)]


def _allow_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard == resource.RLIM_INFINITY else min(FILES, hard), hard))


def _one_server(name: str, counts: Sequence[int]) -> list[dict[str, float | str]]:
    files = files_for(SETTING.scheme)
    command = [sys.executable, "-m", "interop.bench.growth_idle", name, str(files.chain), str(files.key)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment())
    port = int(child.stdout.readline()) if child.stdout is not None else 0
    kept: list[socket.socket] = []
    table: list[dict[str, float | str]] = []
    try:
        _latency(port)
        empty = _resident(child.pid)
        for count in counts:
            kept += [_newcomer(port) for _ in range(count - len(kept))]
            grown = _resident(child.pid) - empty
            table.append({"server": name, "idle connections": f"{count:,}", "KiB of memory each": grown / count})
            table[-1]["accept latency, ms"] = _latency(port) * 1e3
        return table
    finally:
        child.kill()
        child.communicate()
        for sock in kept:
            sock.close()


def _newcomer(port: int) -> socket.socket:
    """A connection after its handshake and one byte there and back, as a bare socket: TLS at this end is forgotten."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
    tls = ssl_contexts(SETTING)[0].wrap_socket(sock, server_hostname=HOST, suppress_ragged_eofs=True)
    tls.sendall(b"x")
    tls.recv(1)
    return socket.socket(fileno=tls.detach())


def _latency(port: int) -> float:
    """Seconds from connect to the first byte of the answer."""
    taken = []
    for _ in range(PROBES):
        start = time.perf_counter()
        sock = _newcomer(port)
        taken.append(time.perf_counter() - start)
        sock.close()
    return median(taken)


def _resident(pid: int) -> float:
    """KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))


async def _echo(name: str, chain: str, key: str) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1024):
                writer.write(data)
                await writer.drain()
        except (OSError, ssl.SSLError, tls13.TLSError):
            pass
        finally:
            writer.close()

    if name == "tls13":
        config = tls13.ServerConfig(tls13.Identity.from_files(chain, key))
        server = await tls13.aio.start_server(talk, "127.0.0.1", 0, config)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    _allow_files()
    asyncio.run(_echo(*sys.argv[1:]))

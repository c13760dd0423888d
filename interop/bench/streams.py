"""Bulk through asyncio's streams over loopback TCP: a child process writes, this one reads; tls13.aio, or `ssl`."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from typing import TYPE_CHECKING, Any

import tls13

from ..trial import HOST
from .stacks import READ, configs, ssl_contexts
from .tcp import PATIENCE, PIECE, SETTING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from .measure import Sample


def stream_from_child(name: str, size: int) -> Sample:
    """Samples of the seconds of the clock that 1 MiB takes while `size` bytes are sent."""
    _contexts(name)  # before the fork: both processes shall have the same certificates

    def sample() -> float:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe()
        child = context.Process(target=_serve, args=(name, theirs, size))
        child.start()
        try:
            return asyncio.run(_receive(name, ours.recv(), size)) / (size / 2**20)
        finally:
            child.join(PATIENCE)
            child.kill()
            child.join()

    return sample


def _contexts(name: str) -> Any:
    return configs(SETTING) if name == "tls13" else ssl_contexts(SETTING)


async def _receive(name: str, port: int, size: int) -> float:
    client = _contexts(name)[0]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    if name == "tls13":
        reader, writer = await tls13.aio.open_connection("127.0.0.1", port, client, server_hostname=HOST)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=HOST)
    left = size - len(await reader.read(READ))
    start = time.perf_counter()
    while left > 0:
        left -= len(await reader.read(READ))
    seconds = time.perf_counter() - start
    writer.write(b"!")  # the child waits for it: nobody closes before all is read
    await writer.drain()
    writer.close()
    return seconds


def _serve(name: str, pipe: Connection, size: int) -> None:
    asyncio.run(_write(name, pipe, size))


async def _write(name: str, pipe: Connection, size: int) -> None:
    done = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(size // len(PIECE)):
            writer.write(PIECE)
            await writer.drain()
        await reader.read(1)
        writer.close()
        done.set()

    config = _contexts(name)[1]
    if name == "tls13":
        server = await tls13.aio.start_server(talk, "127.0.0.1", 0, config)
    else:
        server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=config)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.wait_for(done.wait(), PATIENCE)

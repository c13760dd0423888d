"""asyncio streams and servers."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

import tls13
from tls13 import aio, errors

HOST = "server.example"


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


def run(main) -> None:
    """Every asyncio test is bounded."""
    asyncio.run(asyncio.wait_for(main, 60))


def test_200_connections_at_once(server_config, client_config) -> None:
    async def main() -> None:
        async with await aio.start_server(echo, "127.0.0.1", 0, server_config) as server:

            async def one(number: int) -> None:
                reader, writer = await aio.open_connection(
                    "127.0.0.1", port_of(server), client_config, server_hostname=HOST
                )
                question = b"%d" % number * 1000
                writer.write(question)
                writer.write_eof()
                assert await reader.read() == question
                writer.close()
                await writer.wait_closed()

            await asyncio.gather(*(one(number) for number in range(200)))

    run(main())


def test_what_a_stream_knows(server_config, client_config) -> None:
    async def main() -> None:
        async with await aio.start_server(echo, "127.0.0.1", 0, server_config) as server:
            _, writer = await aio.open_connection("127.0.0.1", port_of(server), client_config, server_hostname=HOST)
            session = writer.get_extra_info("tls13_session")
            assert session.cipher_suite.name == "TLS_AES_128_GCM_SHA256"
            assert writer.get_extra_info("peername")[1] == port_of(server)
            assert writer.can_write_eof()
            writer.close()
            await writer.wait_closed()

    run(main())


def test_a_slow_reader_stops_the_sender(server_config, client_config) -> None:
    """Flow control, both sides: what is written and not read stays with the writer, whose drain waits."""

    async def main() -> None:
        release = asyncio.Event()
        total = 64 * 2**20

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await release.wait()
            received = 0
            while data := await reader.read(2**18):
                received += len(data)
            writer.write(str(received).encode())
            writer.close()

        async with await aio.start_server(slow, "127.0.0.1", 0, server_config) as server:
            reader, writer = await aio.open_connection(
                "127.0.0.1", port_of(server), client_config, server_hostname=HOST
            )
            written, chunk, largest = 0, bytes(2**16), 0
            while written < total:
                writer.write(chunk)
                written += len(chunk)
                largest = max(largest, writer.transport.get_write_buffer_size())
                try:
                    await asyncio.wait_for(writer.drain(), 0.2)
                except TimeoutError:
                    assert not release.is_set(), "the reader reads, so the writer must get on"
                    release.set()
                    await writer.drain()
            assert release.is_set(), "64 MiB went into buffers, and nothing stopped the writer"
            assert largest <= 2**18
            writer.write_eof()
            assert await reader.read() == str(total).encode()
            writer.close()
            await writer.wait_closed()

    run(main())


def test_half_close(server_config, client_config) -> None:
    async def main() -> None:
        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"%d" % len(await reader.read()))
            writer.close()

        async with await aio.start_server(count, "127.0.0.1", 0, server_config) as server:
            reader, writer = await aio.open_connection(
                "127.0.0.1", port_of(server), client_config, server_hostname=HOST
            )
            writer.write(os.urandom(500000))
            writer.write_eof()
            assert await reader.read() == b"500000"
            writer.close()
            await writer.wait_closed()

    run(main())


def test_failures_are_told_apart(server_config, client_config) -> None:
    async def main() -> None:
        seen: list[BaseException] = []
        server = await aio.start_server(
            echo, "127.0.0.1", 0, server_config, on_error=lambda error, peer: seen.append(error)
        )
        port = port_of(server)
        with pytest.raises(errors.WrongHost):
            await aio.open_connection("127.0.0.1", port, client_config, server_hostname="other.example")
        while not seen:
            await asyncio.sleep(0)
        assert isinstance(seen[0], tls13.AlertReceived)
        server.close()
        await server.wait_closed()
        with pytest.raises(errors.ConnectionRefused) as caught:
            await aio.open_connection("127.0.0.1", port, client_config, server_hostname=HOST)
        assert isinstance(caught.value.__cause__, OSError)

        silent = socket.create_server(("127.0.0.1", 0))
        with silent, pytest.raises(errors.HandshakeTimeout):
            await aio.open_connection(
                "127.0.0.1",
                silent.getsockname()[1],
                client_config,
                server_hostname=HOST,
                handshake_timeout=0.05,
            )

    run(main())


def test_truncation_comes_out_where_one_reads(server_config, client_config) -> None:
    async def main() -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"only this")
            await writer.drain()
            writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
            writer.transport.abort()

        async with await aio.start_server(cut, "127.0.0.1", 0, server_config) as server:
            reader, writer = await aio.open_connection(
                "127.0.0.1", port_of(server), client_config, server_hostname=HOST
            )
            with pytest.raises(tls13.TLSError):
                await reader.read()
            writer.close()
            with pytest.raises(tls13.TLSError):
                await writer.wait_closed()

    run(main())


def test_cancelling_a_handshake_leaves_nothing_behind(client_config) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            silent.setblocking(False)
            opening = asyncio.create_task(
                aio.open_connection("127.0.0.1", silent.getsockname()[1], client_config, server_hostname=HOST)
            )
            loop = asyncio.get_running_loop()
            peer, _ = await loop.sock_accept(silent)
            with peer:
                assert (await loop.sock_recv(peer, 5))[:1] == b"\x16"
                opening.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await opening
                try:
                    while await loop.sock_recv(peer, 2**16):
                        pass
                except ConnectionResetError:
                    pass

    run(main())


def test_a_config_may_be_chosen_for_each_connection(server_config, client_config, authority) -> None:
    async def main() -> None:
        current = [server_config]
        server = await aio.start_server(echo, "127.0.0.1", 0, lambda: current[0])

        async def leaf() -> object:
            _, writer = await aio.open_connection("127.0.0.1", port_of(server), client_config, server_hostname=HOST)
            certificate = writer.get_extra_info("tls13_session").peer_certificates[0]
            writer.close()
            await writer.wait_closed()
            return certificate

        first = await leaf()
        renewed = authority.issue([HOST]).identity
        current[0] = server_config.replace(identity=renewed)
        assert (first, await leaf()) == (server_config.identities[0].chain[0], renewed.chain[0])
        server.close()
        await server.wait_closed()

    run(main())


def test_a_config_that_cannot_be_had_is_told_and_the_next_one_served(server_config, client_config) -> None:
    """Whoever gives the configs may fail once: not in silence, and without a socket left over."""

    async def main() -> None:
        seen: list[BaseException] = []

        def config() -> tls13.ServerConfig:
            if not seen:
                raise ZeroDivisionError
            return server_config

        async with await aio.start_server(
            echo, "127.0.0.1", 0, config, on_error=lambda error, peer: seen.append(error)
        ) as server:
            with pytest.raises(tls13.TLSError):
                await aio.open_connection("127.0.0.1", port_of(server), client_config, server_hostname=HOST)
            assert isinstance(seen[0], ZeroDivisionError)
            _, writer = await aio.open_connection("127.0.0.1", port_of(server), client_config, server_hostname=HOST)
            writer.close()
            await writer.wait_closed()

    run(main())

"""asyncio: how connections end, what a peer can make us hold, and what is left behind (nothing)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct

import pytest

import tls13
import tls13.io.protocol
from tls13 import aio, errors
from tls13.lab.scripted import ask_for_key_update

HOST = "server.example"
LONG = 20
"""Seconds: a time-out that no test should reach."""


def run(main) -> None:
    """Bounded; and what is not closed at its end is an error (pytest turns ResourceWarning into one)."""
    asyncio.run(asyncio.wait_for(main, 3 * LONG))
    gc.collect()


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


class RawClient:
    """A client by hand over a non-blocking socket: it reads and writes when the test wants it to."""

    def __init__(self, config: tls13.ClientConfig, port: int) -> None:
        self.connection = tls13.ClientConnection(config, server_hostname=HOST)
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port = port
        self.loop = asyncio.get_running_loop()
        self.received = 0

    async def send(self) -> None:
        await self.loop.sock_sendall(self.sock, self.connection.data_to_send())

    async def receive(self) -> list[tls13.Event]:
        data = await self.loop.sock_recv(self.sock, 2**16)
        if not data:
            self.connection.receive_eof()
        self.connection.receive_data(data)
        events = list(self.connection.events())
        self.received += sum(len(event.data) for event in events if isinstance(event, tls13.ApplicationData))
        return events

    async def shake_hands(self) -> None:
        await self.loop.sock_connect(self.sock, ("127.0.0.1", self.port))
        await self.send()
        while not self.connection.handshake_complete:
            await self.receive()
        await self.send()

    async def read_to_the_end(self) -> None:
        while not self.connection.peer_closed:
            await self.receive()

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


class OneConnection:
    """A server whose one stream the test itself drives."""

    def __init__(self, config: tls13.ServerConfig) -> None:
        self.config = config
        self.streams: asyncio.Future = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> OneConnection:
        self.server = await aio.start_server(
            lambda *streams: self.streams.set_result(streams), "127.0.0.1", 0, self.config
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        if self.streams.done():
            _, writer = self.streams.result()
            writer.transport.abort()
            with contextlib.suppress(OSError, tls13.TLSError, LookupError):
                await writer.wait_closed()


async def until(condition) -> None:
    """Let the loop turn until it is so."""
    while not condition():
        await asyncio.sleep(0)


async def fill(writer: asyncio.StreamWriter) -> None:
    """Write until the kernel takes no more and asyncio holds more than its high water."""
    while writer.transport.get_write_buffer_size() <= 2**17:
        writer.write(bytes(2**16))
        await asyncio.sleep(0)


def test_a_failed_handshake_leaves_no_transport_behind(server_config, client_config, monkeypatch) -> None:
    """open_connection raises only when the socket is closed, also when the peer keeps its side open."""
    monkeypatch.setattr("tls13.io.protocol.CLOSE_SECONDS", 0.02)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            opening = asyncio.create_task(
                aio.open_connection(
                    "127.0.0.1", listener.getsockname()[1], client_config, server_hostname="other.example"
                )
            )
            sock, _ = await loop.sock_accept(listener)
            with sock:
                server = tls13.ServerConnection(server_config)
                while not server.wants_send:
                    server.receive_data(await loop.sock_recv(sock, 2**16))
                    list(server.events())
                await loop.sock_sendall(sock, server.data_to_send())
                with pytest.raises(errors.WrongHost):
                    await opening
                server.receive_data(await loop.sock_recv(sock, 2**16))
                with pytest.raises(tls13.AlertReceived, match="bad_certificate"):
                    list(server.events())
                assert await loop.sock_recv(sock, 1) == b""

    run(main())


def test_a_handshake_that_is_late_is_not_waited_for_any_longer(client_config) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            before = asyncio.get_running_loop().time()
            with pytest.raises(errors.HandshakeTimeout):
                await aio.open_connection(
                    "127.0.0.1",
                    silent.getsockname()[1],
                    client_config,
                    server_hostname=HOST,
                    handshake_timeout=0.05,
                )
            assert asyncio.get_running_loop().time() - before < tls13.io.protocol.CLOSE_SECONDS

    run(main())


def test_what_a_callback_raises_comes_out_and_the_peer_is_told(server_config, client_config) -> None:
    """internal_error on the wire, and the exception itself for whoever wrote the callback."""

    class Broken(Exception):
        pass

    def broken(line: str) -> None:
        raise Broken

    async def main() -> None:
        seen: asyncio.Future = asyncio.get_running_loop().create_future()
        server = await aio.start_server(
            lambda *_: None, "127.0.0.1", 0, server_config, on_error=lambda error, _: seen.set_result(error)
        )
        with pytest.raises(Broken):
            await aio.open_connection(
                "127.0.0.1", port_of(server), client_config.replace(key_log=broken), server_hostname=HOST
            )
        error = await seen
        assert isinstance(error, tls13.AlertReceived)
        assert error.code == tls13.AlertDescription.internal_error
        server.close()

    run(main())


def test_a_peer_that_asks_and_does_not_read_is_not_answered_into_memory(server_config, client_config) -> None:
    """Each KeyUpdate request wants an answer (section 4.7.3). While the buffer is full one answer is owed, no more."""

    async def main() -> None:
        async with OneConnection(server_config) as one:
            with RawClient(client_config, port_of(one.server)) as client:
                await client.shake_hands()
                reader, writer = await one.streams
                await fill(writer)
                before = writer.transport.get_write_buffer_size()
                connection = writer.get_extra_info("tls13_connection")
                asked = 200
                for _ in range(asked):
                    ask_for_key_update(client.connection)
                    client.connection.send_data(b"x")
                    await client.send()
                    await reader.readexactly(1)
                assert connection.key_updates == (0, asked)
                assert writer.transport.get_write_buffer_size() <= before
                while client.connection.key_updates[1] == 0:
                    await client.receive()
                writer.write(b"the end")
                writer.close()
                await client.read_to_the_end()
                assert client.connection.key_updates == (asked, 1)

    run(main())


def test_a_slow_reader_bounds_what_is_held(server_config, client_config) -> None:
    """Inwards: a peer may send as much as it likes; we hold the stream's limit twice, and one read of the socket."""

    async def main() -> None:
        async with OneConnection(server_config) as one:
            with RawClient(client_config, port_of(one.server)) as client:
                await client.shake_hands()
                reader, writer = await one.streams
                connection = writer.get_extra_info("tls13_connection")
                client.connection.send_data(bytes(2**23))
                sending = asyncio.create_task(client.send())
                await until(lambda: not writer.transport.is_reading())
                for _ in range(100):
                    await asyncio.sleep(0)
                assert len(reader._buffer) <= 2 * 2**16 + 2**14
                assert connection._layer.reader.buffered <= 2**18
                assert not sending.done()
                assert len(await reader.readexactly(2**23)) == 2**23
                await sending

    run(main())


def test_what_was_written_arrives_although_the_reader_is_slow_and_talks(
    server_config, client_config, monkeypatch
) -> None:
    """close() half-closes and goes on reading until everything is out: unread bytes would make the kernel send RST,
    which destroys what the peer has not read yet."""
    monkeypatch.setattr("tls13.io.protocol.CLOSE_SECONDS", 0.02)

    async def main() -> None:
        async with OneConnection(server_config) as one:
            with RawClient(client_config, port_of(one.server)) as client:
                await client.shake_hands()
                _, writer = await one.streams
                written = 2**23
                writer.write(bytes(written))
                writer.close()
                for _ in range(5):  # longer than close() waits for a peer that has everything
                    client.connection.send_data(b"wait a moment")
                    await client.send()
                    await asyncio.sleep(0.02)
                await client.read_to_the_end()
                assert client.received == written

    run(main())


def test_a_peer_that_never_reads_is_given_up(server_config, client_config, monkeypatch) -> None:
    monkeypatch.setattr("tls13.io.protocol.CLOSE_SECONDS", 0.02)
    monkeypatch.setattr("tls13.io.protocol.STALL_SECONDS", 0.1)

    async def main() -> None:
        async with OneConnection(server_config) as one:
            with RawClient(client_config, port_of(one.server)) as client:
                await client.shake_hands()
                _, writer = await one.streams
                await fill(writer)
                writer.close()
                with pytest.raises(tls13.TLSError):
                    await writer.wait_closed()

    run(main())


def test_a_peer_that_does_not_close_its_side_is_waited_for_a_moment(server_config, client_config, monkeypatch) -> None:
    monkeypatch.setattr("tls13.io.protocol.CLOSE_SECONDS", 0.02)

    async def main() -> None:
        async with OneConnection(server_config) as one:
            with RawClient(client_config, port_of(one.server)) as client:
                await client.shake_hands()
                _, writer = await one.streams
                writer.close()
                await writer.wait_closed()
                await client.read_to_the_end()

    run(main())


def test_a_cut_stream_is_noticed_behind_a_paused_reader(server_config, client_config) -> None:
    """The data that arrived is delivered first, then TruncatedStream; never a plain end of file (section 6.1)."""

    async def main() -> None:
        async with OneConnection(server_config) as one:
            with RawClient(client_config, port_of(one.server)) as client:
                await client.shake_hands()
                reader, writer = await one.streams
                client.connection.send_data(bytes(2**18))
                await client.send()
                client.sock.shutdown(socket.SHUT_WR)
                await until(lambda: not writer.transport.is_reading())
                assert len(await reader.readexactly(2**18)) == 2**18
                with pytest.raises(tls13.TruncatedStream):
                    await reader.read()

    run(main())


def test_an_error_hook_that_fails_does_not_keep_the_connection(server_config) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        told: list[dict] = []
        loop.set_exception_handler(lambda _, context: told.append(context))

        def broken(error: BaseException, peer: object) -> None:
            raise ZeroDivisionError

        server = await aio.start_server(lambda *_: None, "127.0.0.1", 0, server_config, on_error=broken)
        with socket.create_connection(("127.0.0.1", port_of(server))) as sock:
            sock.setblocking(False)
            await loop.sock_sendall(sock, b"GET / HTTP/1.1\r\n\r\n")
            answer = bytearray()
            with contextlib.suppress(ConnectionResetError):
                while data := await loop.sock_recv(sock, 100):
                    answer += data
            assert answer == b"\x15\x03\x03\x00\x02\x02\x0a"  # a fatal unexpected_message, in plaintext
        server.close()
        await until(lambda: told)
        assert isinstance(told[0]["exception"], ZeroDivisionError)

    run(main())


def test_a_reset_is_told_with_its_number_once(client_config) -> None:
    """A scanner resets what it is done with: a server's log said "[Errno 104] ... [Errno 104] ..." for each."""

    async def main() -> None:
        async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

        async with await asyncio.start_server(reset, "127.0.0.1") as server:
            with pytest.raises(errors.ConnectionReset) as caught:
                await aio.open_connection("127.0.0.1", port_of(server), client_config, server_hostname=HOST)
        assert str(caught.value) == "[Errno 104] the connection was torn down: Connection reset by peer"

    run(main())


class Policy:
    """No padding, until it is to fail."""

    def __init__(self) -> None:
        self.failing = False

    def __call__(self, length: int, room: int) -> int:
        if self.failing:
            self.failing = False
            raise LookupError("no policy today")
        return 0


@pytest.mark.parametrize("what", ["data", "a KeyUpdate's answer"])
def test_a_padding_policy_that_fails_ends_the_connection_and_the_peer_is_told(
    server_config, client_config, monkeypatch, what
) -> None:
    """Whoever writes learns of it at once, and whoever reads does not wait for somebody to close."""
    monkeypatch.setattr(tls13.io.protocol, "CLOSE_SECONDS", 0.01)
    policy = Policy()

    async def main() -> None:
        async with OneConnection(server_config.replace(padding=policy)) as one:
            port = port_of(one.server)
            reader, writer = await aio.open_connection("127.0.0.1", port, client_config, server_hostname=HOST)
            theirs, server = await one.streams
            policy.failing = True
            if what == "data":
                with pytest.raises(LookupError, match="no policy today"):
                    server.write(b"data")
            else:
                writer.update_keys(request_peer=True)
            with pytest.raises(tls13.AlertReceived, match="internal_error"):
                await reader.read()
            with pytest.raises(LookupError, match="no policy today"):
                await theirs.read()
            assert server.transport.is_closing()
            server.write(b"dropped")
            writer.close()
            with contextlib.suppress(tls13.TLSError):
                await writer.wait_closed()

    run(main())


def test_writing_after_the_end_of_data_is_a_mistake_that_ends_nothing(server_config, client_config) -> None:
    async def main() -> None:
        async with OneConnection(server_config) as one:
            port = port_of(one.server)
            reader, writer = await aio.open_connection("127.0.0.1", port, client_config, server_hostname=HOST)
            theirs, server = await one.streams
            server.write_eof()
            with pytest.raises(tls13.UsageError, match="after close"):
                server.write(b"more")
            assert await reader.read() == b""
            writer.write(b"still here")
            writer.write_eof()
            assert await theirs.read() == b"still here"
            writer.close()
            await writer.wait_closed()

    run(main())


@pytest.mark.parametrize("argument", [None, LONG])
def test_a_silent_client_is_given_up_when_the_configs_time_is_over(server_config, argument) -> None:
    """A connection without a network looks at its clock when something comes. Here nothing does."""

    async def main() -> None:
        given_up: asyncio.Future = asyncio.get_running_loop().create_future()
        server = await aio.start_server(
            lambda *_: None,
            "127.0.0.1",
            0,
            server_config.replace(handshake_timeout=0.05),
            handshake_timeout=argument,
            on_error=lambda error, _: given_up.set_result(error),
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        async with asyncio.timeout(LONG / 2):
            assert isinstance(await given_up, errors.HandshakeTimeout)
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()

    run(main())

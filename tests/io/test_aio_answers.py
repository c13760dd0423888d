"""asyncio: callbacks and stores that answer later are awaited, without holding anything else up."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

import tls13
from tls13 import aio, errors
from tls13.trust.verify import ChainVerifier

HOST = "server.example"


def run(main) -> None:
    """Bounded; no task may be left at its end, and what was never awaited or closed is an error (pytest)."""

    async def bounded() -> None:
        await asyncio.wait_for(main, 30)
        for _ in range(3):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(bounded())
    gc.collect()


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def echo(reader: asyncio.StreamReader, writer: aio.TLSWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def talk(server: asyncio.Server, config: tls13.ClientConfig, **options) -> tls13.Session:
    """An echo, and a ticket if the config keeps any; the session."""
    reader, writer = await aio.open_connection("127.0.0.1", port_of(server), config, server_hostname=HOST, **options)
    while config.sessions is not None and not writer.stored_sessions:
        await asyncio.sleep(0)
    writer.write(b"hello")
    writer.write_eof()
    assert await reader.read() == b"hello"
    writer.close()
    await writer.wait_closed()
    return writer.session


class Slow:
    """An identity whose key is somewhere else: each signature takes a turn of the loop or more."""

    def __init__(self, identity: tls13.Identity) -> None:
        self.identity = identity
        self.asked = 0
        self.gate: asyncio.Event | None = None

    def __getattr__(self, name: str):
        return getattr(self.identity, name)

    async def sign(self, scheme, content) -> bytes:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)
        return self.identity.sign(scheme, content)


class SlowStore:
    """A store that keeps its answers to itself for a moment."""

    shared = False

    def __init__(self) -> None:
        self.store = tls13.MemoryStore()

    async def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        await asyncio.sleep(0)
        return self.store.add(key, value, seconds)

    async def get(self, key: bytes) -> bytes | None:
        await asyncio.sleep(0)
        return self.store.get(key)

    async def pop(self, key: bytes) -> bytes | None:
        await asyncio.sleep(0)
        return self.store.pop(key)


def slow_verifier(trust) -> ChainVerifier:
    class Later(ChainVerifier):
        async def verify_server(self, *arguments):
            await asyncio.sleep(0)
            return super().verify_server(*arguments)

    return Later(trust)


def test_signer_stores_select_and_verifier_may_all_be_async(identity, trust) -> None:
    async def main() -> None:
        async def select(hello) -> tls13.ServerConfig:
            await asyncio.sleep(0)
            return config

        signer = Slow(identity)
        config = tls13.ServerConfig(
            signer,
            tickets=tls13.StoredTickets(SlowStore()),
            max_early_data=2**14,
            replay_guard=tls13.ReplayGuard(SlowStore()),
        )
        client = tls13.ClientConfig(verifier=slow_verifier(trust), sessions=tls13.SessionCache())

        async def early_echo(reader, writer) -> None:
            while data := await writer.recv_early_data():
                early.append(data)
            await echo(reader, writer)

        early: list[bytes] = []
        front = config.replace(select=select)
        async with await aio.start_server(early_echo, "127.0.0.1", 0, front, early_data=True) as server:
            first = await talk(server, client)
            assert (first.resumed, signer.asked) == (False, 1)
            second = await talk(server, client, early_data=b"GET /")
            assert (second.resumed, second.early_data, signer.asked) == (True, "accepted", 1)
            assert early == [b"GET /"]

    run(main())


def test_one_that_waits_holds_up_nobody_else(identity, client_config) -> None:
    async def main() -> None:
        slow, quick = Slow(identity), tls13.ServerConfig(identity)
        slow.gate = asyncio.Event()
        configs = iter([tls13.ServerConfig(slow), quick])
        async with await aio.start_server(echo, "127.0.0.1", 0, lambda: next(configs)) as server:
            first = asyncio.create_task(talk(server, client_config))
            while not slow.asked:
                await asyncio.sleep(0)
            await talk(server, client_config)
            assert not first.done()
            slow.gate.set()
            await first

    run(main())


def test_what_an_async_callback_raises_comes_out_and_the_peer_is_told(identity, client_config) -> None:
    """Any exception, ours (a TLSError) or not."""

    async def main(failure: Exception) -> None:
        async def select(hello) -> None:
            await asyncio.sleep(0)
            raise failure

        seen = asyncio.get_running_loop().create_future()
        config = tls13.ServerConfig(identity, select=select)
        async with await aio.start_server(
            echo, "127.0.0.1", 0, config, on_error=lambda error, _: seen.set_result(error)
        ) as server:
            with pytest.raises(tls13.AlertReceived) as caught:
                await talk(server, client_config)
            assert caught.value.code == tls13.AlertDescription.internal_error
            assert await seen is failure

    run(main(ZeroDivisionError()))
    run(main(tls13.UsageError("the callback's own")))


def test_a_promise_that_is_cancelled_or_of_another_loop_ends_the_handshake(identity, client_config) -> None:
    async def main(promise, kind) -> None:
        seen = asyncio.get_running_loop().create_future()
        config = tls13.ServerConfig(identity, select=lambda hello: promise())
        async with await aio.start_server(
            echo, "127.0.0.1", 0, config, on_error=lambda error, _: seen.set_result(error)
        ) as server:
            with pytest.raises(tls13.AlertReceived, match="internal_error"):
                await talk(server, client_config)
            assert type(await seen) is kind

    def cancelled() -> asyncio.Future:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        return future

    run(main(cancelled, errors.InternalError))
    other = asyncio.new_event_loop()
    run(main(other.create_future, tls13.UsageError))
    other.close()


def test_a_question_ends_with_its_connection(identity, client_config) -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def select(hello) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        config = tls13.ServerConfig(identity, select=select)
        async with await aio.start_server(echo, "127.0.0.1", 0, config, handshake_timeout=0.05) as server:
            with pytest.raises(tls13.TLSError):
                await talk(server, client_config)
            await ended.wait()

    run(main())


def test_while_the_handshake_waits_nothing_more_is_read(identity, client_config) -> None:
    """The peer's bytes stay with the kernel; and they are all there afterwards."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        signer = Slow(identity)
        signer.gate = asyncio.Event()
        async with await aio.start_server(echo, "127.0.0.1", 0, tls13.ServerConfig(signer)) as server:
            client = tls13.ClientConnection(client_config, server_hostname=HOST)
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
                await loop.sock_sendall(sock, client.data_to_send())
                while not signer.asked:
                    await asyncio.sleep(0)
                flood = b"\x14\x03\x03\x00\x01\x01" + b"\x17\x03\x03\x40\x00" + bytes(2**14)
                sending = asyncio.create_task(loop.sock_sendall(sock, flood * 1024))
                await asyncio.wait([sending], timeout=0.1)
                assert not sending.done()
                signer.gate.set()
                while not client.closed:  # what is no record under the right keys ends it
                    data = await loop.sock_recv(sock, 2**16)
                    try:
                        client.receive_data(data)
                        list(client.events())
                    except (tls13.AlertReceived, ConnectionResetError):
                        break
                sending.cancel()
                await asyncio.wait([sending])
            for _ in range(100):  # until the server has seen that, too
                await asyncio.sleep(0)

    run(main())


def test_data_flows_while_a_client_looks_for_its_certificate(authority, identity, client_config) -> None:
    """Section 4.7.2, both sides asynchronous: the request is answered when the client has chosen."""

    async def main() -> None:
        chosen = asyncio.Event()
        own = authority.issue(["client.example"], usages=[ExtendedKeyUsageOID.CLIENT_AUTH]).identity

        async def choose(request) -> tls13.Identity:
            await chosen.wait()
            return own

        async def ask(reader, writer) -> None:
            answer = asyncio.create_task(writer.request_client_certificate())
            for _ in range(100):
                line = await reader.readline()
                writer.write(line)
            assert not answer.done()
            chosen.set()
            certificates = await answer
            assert certificates == own.chain
            assert writer.session.peer_certificates == own.chain
            writer.write(b"done\n")
            writer.close()

        trust = tls13.TrustStore.from_certificates([authority.certificate])
        config = tls13.ServerConfig(identity, client_trust=trust, client_auth=tls13.ClientAuth.LATER)
        client = client_config.replace(post_handshake_auth=True, choose_identity=choose)
        async with await aio.start_server(ask, "127.0.0.1", 0, config) as server:
            reader, writer = await aio.open_connection("127.0.0.1", port_of(server), client, server_hostname=HOST)
            for number in range(100):
                writer.write(b"%d\n" % number)
                assert await reader.readline() == b"%d\n" % number
            assert await reader.readline() == b"done\n"
            writer.close()
            await writer.wait_closed()

    run(main())


@pytest.mark.parametrize("ending", ["close", "abort"])
def test_a_client_that_leaves_does_not_leave_the_asker_waiting(ending, trust, server_config, client_config) -> None:
    async def main() -> None:
        async def choose(request) -> None:
            asked.set()
            await asyncio.Event().wait()

        async def ask(reader, writer) -> None:
            try:
                await writer.request_client_certificate()
            except (tls13.TLSError, OSError) as error:
                told.set_result(error)
            writer.close()

        asked = asyncio.Event()
        told = asyncio.get_running_loop().create_future()
        config = server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER)
        client = client_config.replace(post_handshake_auth=True, choose_identity=choose)
        async with await aio.start_server(ask, "127.0.0.1", 0, config) as server:
            _, writer = await aio.open_connection("127.0.0.1", port_of(server), client, server_hostname=HOST)
            await asked.wait()
            if ending == "close":
                writer.close()
                await writer.wait_closed()
            else:
                writer.transport.abort()
            assert isinstance(await told, tls13.TLSError | ConnectionResetError)

    run(main())


def test_plain_sockets_refuse_what_would_have_to_be_awaited(identity, client_config) -> None:
    """In one sentence; nothing is left unawaited, and the peer is told internal_error."""

    async def select(hello) -> None: ...

    one, other = socket.socketpair()
    outcome: list[BaseException] = []

    def serve() -> None:
        try:
            tls13.wrap_socket(other, tls13.ServerConfig(identity, select=select))
        except tls13.TLSError as error:
            outcome.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    with one, pytest.raises(tls13.AlertReceived, match="internal_error"):
        tls13.wrap_socket(one, client_config, server_hostname=HOST)
    thread.join(20)
    assert type(outcome[0]) is tls13.UsageError
    assert "select is async: use tls13.aio" in str(outcome[0])
    gc.collect()


def test_memory_refuses_it_too(identity, client_config) -> None:
    async def select(hello) -> None: ...

    client = tls13.ClientConnection(client_config, server_hostname=HOST)
    server = tls13.ServerConnection(tls13.ServerConfig(identity, select=select))
    with pytest.raises(tls13.UsageError, match=r"is async: use tls13\.aio"):
        tls13.pump(client, server)
    client.receive_data(server.data_to_send())
    with pytest.raises(tls13.AlertReceived, match="internal_error"):
        list(client.events())
    gc.collect()


def test_an_answer_is_given_once(identity, client_config) -> None:
    async def main() -> None:
        question = asyncio.get_running_loop().create_future()
        client = tls13.ClientConnection(client_config, server_hostname=HOST)
        server = tls13.ServerConnection(tls13.ServerConfig(identity, select=lambda hello: question))
        server.receive_data(client.data_to_send())
        asked = server.next_event()
        assert asked == tls13.AnswerAwaited(question)
        server.answer(asked, None)
        with pytest.raises(tls13.UsageError, match="answered already"):
            server.answer(asked, None)
        assert server.wants_send, "a mistake of the caller's does not end the connection"
        client.receive_data(server.data_to_send())
        list(client.events())
        assert client.handshake_complete

    run(main())

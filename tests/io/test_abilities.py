"""What a connection can do besides carrying data, on both faces: plain sockets, and asyncio (the same words there)."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import threading
from contextlib import contextmanager

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

import tls13
from tests.io.threads import HOST, PATIENCE, in_thread
from tls13 import aio, errors


@contextmanager
def meeting(client_config, server_config, *, buffer: int | None = None, server_options=None, **options):
    """Two TLSSockets, joined."""
    one, other = socket.socketpair()
    for sock in (one, other):
        sock.settimeout(PATIENCE)
        if buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    accepted: list = []

    def accept() -> None:
        try:
            accepted.append(tls13.wrap_socket(other, server_config, **(server_options or {})))
        except tls13.TLSError as error:
            accepted.append(error)

    thread = threading.Thread(target=accept)
    thread.start()
    with tls13.wrap_socket(one, client_config, server_hostname=HOST, **options) as client:
        thread.join(PATIENCE)
        if isinstance(accepted[0], BaseException):
            raise accepted[0]
        with accepted[0] as server:
            yield client, server


def a_ticket(client_config, server_config) -> tls13.StoredSession:
    with meeting(client_config, server_config) as (client, server):
        server.sendall(b"x")
        client.recv()
        return client.stored_sessions[-1]


@pytest.fixture
def early_server(server_config) -> tls13.ServerConfig:
    tickets = tls13.SealedTickets()
    return server_config.replace(max_early_data=2**14, replay_guard=tls13.ReplayGuard(), tickets=tickets)


@pytest.fixture
def resuming(client_config) -> tls13.ClientConfig:
    return client_config.replace(psk_key_exchange_modes=["psk_dhe_ke"])


# --- resumption -------------------------------------------------------------------------------------------------------


def test_a_stored_session_resumes(resuming, server_config) -> None:
    stored = a_ticket(resuming, server_config)
    with meeting(resuming, server_config, session=stored) as (client, server):
        assert client.session.resumed
        assert server.session.resumed
        assert client.getpeercert() == server_config.identities[0].der_chain[0]


def test_a_cache_resumes_by_itself_for_the_same_host_port_and_partition(client_config, server_config) -> None:
    config = client_config.replace(sessions=tls13.SessionCache())

    def resumed(**key) -> bool:
        with meeting(config, server_config, **key) as (client, server):
            server.sendall(b"x")
            client.recv()
            return client.session.resumed

    assert not resumed(port=443)
    assert resumed(port=443)
    assert not resumed(port=8443)
    assert not resumed(port=443, partition=b"another site")
    assert resumed(port=443, partition=b"another site")


def test_connect_puts_the_port_into_the_key(client_config, server_config) -> None:
    cache = tls13.SessionCache()
    config = client_config.replace(sessions=cache)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                with tls13.wrap_socket(listener.accept()[0], server_config) as tls:
                    tls.sendall(b"x")
                    tls.recv()

        thread, _ = in_thread(serve)
        seen = []
        for _ in range(2):
            with tls13.connect(listener.getsockname(), config, server_hostname=HOST) as tls:
                seen.append(tls.session.resumed)
                tls.recv()
        thread.join(PATIENCE)
    assert seen == [False, True]
    assert {key.port for key in cache._sessions} == {port}


def test_a_wrapped_socket_has_its_port_in_the_key(client_config, server_config) -> None:
    config = client_config.replace(sessions=tls13.SessionCache())
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with tls13.wrap_socket(listener.accept()[0], server_config) as tls:
                tls.sendall(b"x")
                tls.recv()

        thread, _ = in_thread(serve)
        address = listener.getsockname()
        with tls13.wrap_socket(socket.create_connection(address), config, server_hostname=HOST) as tls:
            tls.recv()
        thread.join(PATIENCE)
    assert {key.port for key in config.sessions._sessions} == {address[1]}


def test_one_more_ticket(resuming, server_config) -> None:
    with meeting(resuming, server_config.replace(ticket_count=0)) as (client, server):
        assert client.stored_sessions == ()
        server.send_ticket()
        server.sendall(b"x")
        client.recv()
        assert len(client.stored_sessions) == 1
        with pytest.raises(tls13.UsageError, match="only a server"):
            client.send_ticket()


# --- early data -------------------------------------------------------------------------------------------------------


def test_early_data_is_read_by_a_call_of_its_own(resuming, early_server) -> None:
    """And recv refuses to pass it by: who does not know of early data must not take it for something else."""
    stored = a_ticket(resuming, early_server)
    with meeting(resuming, early_server, session=stored, early_data=b"GET /") as (client, server):
        assert client.session.early_data == "accepted"
        client.sendall(b"not early")
        with pytest.raises(tls13.UsageError, match="recv_early_data"):
            server.recv()
        assert server.recv_early_data(3) == b"GET"
        assert server.recv_early_data() == b" /"
        assert server.recv_early_data() == b""
        assert server.recv() == b"not early"


def test_early_data_can_be_read_before_the_handshake_is_complete(resuming, early_server) -> None:
    """That is what it is for; the name of the call says what is not known yet."""
    stored = a_ticket(resuming, early_server)
    one, other = socket.socketpair()
    one.settimeout(PATIENCE)
    other.settimeout(PATIENCE)
    client = tls13.ClientConnection(resuming, server_hostname=HOST, session=stored, early_data=b"GET /")
    with one, tls13.wrap_socket(other, early_server, do_handshake_on_connect=False) as server:
        one.sendall(client.data_to_send())
        assert server.recv_early_data() == b"GET /"
        assert not server.connection.handshake_complete
        with pytest.raises(tls13.UsageError, match="before the handshake"):
            server.recv()
        while not client.handshake_complete:
            client.receive_data(one.recv(2**16))
            list(client.events())
        client.send_data(b"authenticated")
        one.sendall(client.data_to_send())
        assert server.recv_early_data() == b""
        assert server.connection.handshake_complete
        assert server.recv() == b"authenticated"


def test_rejected_early_data_is_not_sent_again(resuming, early_server) -> None:
    """Section 4.3.10: only the application knows whether it may be."""
    stored = a_ticket(resuming, early_server)
    refusing = early_server.replace(max_early_data=0)
    with meeting(resuming, refusing, session=stored, early_data=b"GET /") as (client, server):
        assert (client.session.resumed, client.session.early_data) == (True, "rejected")
        client.sendall(b"again")
        assert server.recv_early_data() == b""
        assert server.recv() == b"again"


def test_early_data_without_a_session_is_not_sent(client_config, early_server) -> None:
    with meeting(client_config, early_server, early_data=b"GET /") as (client, server):
        assert client.session.early_data is None
        assert server.recv_early_data() == b""


# --- keys -------------------------------------------------------------------------------------------------------------


def test_new_keys_both_ways(client_config, server_config) -> None:
    with meeting(client_config, server_config) as (client, server):
        client.update_keys(request_peer=True)
        client.sendall(b"under new keys")
        assert server.recv() == b"under new keys"
        server.sendall(b"under new keys, too")
        assert client.recv() == b"under new keys, too"
        assert (client.connection.key_updates, server.connection.key_updates) == ((1, 1), (1, 1))


def test_new_keys_do_not_wait_for_a_full_buffer(client_config, server_config) -> None:
    with meeting(client_config, server_config, buffer=4096) as (client, _):
        client.setblocking(False)
        with pytest.raises(errors.WantWrite):
            client.sendall(bytes(2**20))
        client.update_keys()
        assert client.connection.key_updates == (1, 0)


def test_both_ends_export_the_same(client_config, server_config) -> None:
    with meeting(client_config, server_config) as (client, server):
        exported = client.export_keying_material(b"EXPORTER-test", b"context", 48)
        assert len(exported) == 48
        assert exported == server.export_keying_material(b"EXPORTER-test", b"context", 48)
        assert client.channel_binding() == server.channel_binding() != exported[:32]


# --- client certificates, later ---------------------------------------------------------------------------------------


@pytest.fixture
def asked(authority, trust, client_config, server_config):
    """Configs of a client that has a certificate and of a server that may ask for it, and the client's chain."""
    own = authority.issue(["client.example"], usages=[ExtendedKeyUsageOID.CLIENT_AUTH]).identity
    client = client_config.replace(post_handshake_auth=True, identities=own)
    return client, server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER), own.chain


def test_a_certificate_on_request_keeps_the_data_around_it(asked) -> None:
    client_config, server_config, chain = asked
    with meeting(client_config, server_config) as (client, server):
        client.sendall(b"before")
        thread, outcome = in_thread(client.recv)
        assert server.request_client_certificate() == chain
        assert server.session.peer_certificates == chain
        client.sendall(b"after")
        assert server.recv() == b"before"
        assert server.recv() == b"after"
        server.sendall(b"bye")
        thread.join(PATIENCE)
        assert outcome == [b"bye"]


def test_a_client_may_decline(asked) -> None:
    client_config, server_config, _ = asked
    with meeting(client_config.replace(identities=()), server_config) as (client, server):
        in_thread(client.recv)
        assert server.request_client_certificate() == ()
        server.sendall(b"bye")


def test_another_thread_may_find_the_answer(asked) -> None:
    client_config, server_config, chain = asked
    with meeting(client_config, server_config) as (client, server):
        reading, data = in_thread(server.recv)
        asking, answer = in_thread(server.request_client_certificate)
        answering, _ = in_thread(client.recv)
        asking.join(PATIENCE)
        assert answer == [chain]
        client.sendall(b"data")
        reading.join(PATIENCE)
        assert data == [b"data"]
        server.sendall(b"bye")
        answering.join(PATIENCE)


def test_a_client_that_never_answers_is_not_waited_for(asked, monkeypatch) -> None:
    client_config, server_config, _ = asked
    with meeting(client_config, server_config) as (client, server):
        server.settimeout(0.05)
        with pytest.raises(errors.OperationTimeout):
            server.request_client_certificate()
        monkeypatch.setattr("tls13.io.later.MAX_HELD", 10)
        client.sendall(b"so much to say")
        with pytest.raises(tls13.UsageError, match="does not answer"):
            server.request_client_certificate()
        assert server.recv() == b"so much to say"
        client.shutdown(socket.SHUT_WR)
        with pytest.raises(tls13.UsageError, match="will not answer"):
            server.request_client_certificate()


def test_small_records_fill_what_is_kept_sooner(asked, monkeypatch) -> None:
    """Each costs more than its length: whoever sends a byte at a time must not make us keep a million records."""
    client_config, server_config, _ = asked
    monkeypatch.setattr("tls13.io.later.MAX_HELD", 1000)
    with meeting(client_config, server_config) as (client, server):
        for _ in range(2):  # what has been read no longer counts
            for _ in range(30):
                client.sendall(b"x")
            with pytest.raises(tls13.UsageError, match="does not answer"):
                server.request_client_certificate()
            for _ in range(30):
                assert server.recv() == b"x"
        for _ in range(5):
            client.sendall(b"x")
        server.settimeout(0.05)
        with pytest.raises(errors.OperationTimeout):
            server.request_client_certificate()
        into = bytearray(5)
        assert server.recv_into(into) == 5
        client.sendall(b"y" * 900)
        with pytest.raises(errors.OperationTimeout):
            server.request_client_certificate()


def test_a_non_blocking_server_asks_and_sees_later(asked) -> None:
    client_config, server_config, chain = asked
    with meeting(client_config, server_config) as (client, server):
        server.setblocking(False)
        with pytest.raises(tls13.UsageError, match="wait=False"):
            server.request_client_certificate()
        assert server.request_client_certificate(wait=False) == ()
        client.settimeout(0.05)
        with pytest.raises(errors.OperationTimeout):
            client.recv()
        with pytest.raises(errors.WantRead):
            server.recv()
        assert server.session.peer_certificates == chain


# --- faults that were -------------------------------------------------------------------------------------------------


def test_other_data_in_place_of_an_unfinished_send_is_refused(client_config, server_config) -> None:
    """Its beginning would silently not be sent: the first send's data is encrypted already, and goes out."""
    with meeting(client_config, server_config, buffer=4096) as (client, server):
        client.setblocking(False)
        with pytest.raises(errors.WantWrite):
            client.send(b"a" * 2**16)
        with pytest.raises(tls13.UsageError, match="the same data"):
            client.send(b"b" * 2**16)
        reader, received = in_thread(lambda: b"".join(iter(server.recv, b"")))
        client.setblocking(True)
        assert client.send(b"a" * 2**16) == 2**16
        client.sendall(b"b" * 2**16)
        client.shutdown(socket.SHUT_WR)
        reader.join(PATIENCE)
        assert received == [b"a" * 2**16 + b"b" * 2**16]


def test_nothing_is_read_after_shut_rd(client_config, server_config) -> None:
    with meeting(client_config, server_config) as (client, server):
        server.sendall(b"one two")
        assert client.recv(3) == b"one"
        client.shutdown(socket.SHUT_RD)
        assert client.recv() == b""


class Unreachable(socket.socket):
    """A socket whose network is gone."""

    code = 0

    def recv_into(self, *_) -> int:
        raise OSError(self.code, "the network is gone")

    def send(self, *_) -> int:
        raise OSError(self.code, "the network is gone")


@pytest.mark.parametrize("code", [errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETDOWN])
def test_what_the_kernel_reports_of_the_network_is_a_reset(code, client_config, server_config) -> None:
    """ETIMEDOUT (a keepalive without answer) is a TimeoutError, too, but no time-out of ours."""
    with meeting(client_config, server_config) as (client, _):
        gone = Unreachable(fileno=client.detach_socket().detach())
        gone.code = code
        with gone, tls13.TLSSocket(gone, client.connection) as tls:
            for action in (tls.recv, lambda: tls.sendall(b"x")):
                with pytest.raises(errors.ConnectionReset) as caught:
                    action()
                assert caught.value.errno == code


# --- asyncio ----------------------------------------------------------------------------------------------------------


def run(main) -> None:
    asyncio.run(asyncio.wait_for(main, 30))
    gc.collect()


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def opened(server, config, **options) -> tuple[asyncio.StreamReader, aio.TLSWriter]:
    return await aio.open_connection("127.0.0.1", port_of(server), config, server_hostname=HOST, **options)


async def close(writer) -> None:
    writer.close()
    await writer.wait_closed()


async def greet(reader, writer) -> None:
    writer.write(b"x")
    await reader.read()
    await close(writer)


def test_aio_resumes_by_session_and_by_cache(resuming, server_config) -> None:
    async def main() -> None:
        caching = resuming.replace(sessions=tls13.SessionCache())
        async with await aio.start_server(greet, "127.0.0.1", 0, server_config) as server:
            stored = None
            for config, key, resumed in (
                (resuming, {}, False),
                (resuming, {"session": ...}, True),
                (caching, {}, False),
                (caching, {}, True),
                (caching, {"partition": b"p"}, False),
            ):
                options = {"session": stored} if "session" in key else key
                reader, writer = await opened(server, config, **options)
                assert writer.session.resumed is resumed
                assert await reader.readexactly(1) == b"x"
                stored = writer.stored_sessions[-1]
                await close(writer)
            assert {key.port for key in caching.sessions._sessions} == {port_of(server)}

    run(main())


def test_aio_early_data_comes_early_and_apart(resuming, early_server) -> None:
    async def main() -> None:
        told: list = []

        async def client(reader, writer) -> None:
            early = await writer.recv_early_data()
            told.append((early, writer.connection.handshake_complete))
            if early:
                with pytest.raises(tls13.UsageError):
                    writer.write(b"too early")
            seen.set()
            assert await writer.recv_early_data() == b""
            await writer.handshake_completed()
            told.append(await reader.read())
            writer.write(b"x")
            await close(writer)

        async with await aio.start_server(client, "127.0.0.1", 0, early_server, early_data=True) as server:
            seen = asyncio.Event()
            reader, writer = await opened(server, resuming)
            assert writer.session.early_data is None
            writer.write_eof()
            await reader.read()
            stored = writer.stored_sessions[-1]
            await close(writer)
            assert told == [(b"", True), b""]

            told.clear()
            seen.clear()
            by_hand = tls13.ClientConnection(resuming, server_hostname=HOST, session=stored, early_data=b"GET /")
            loop = asyncio.get_running_loop()
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
                await loop.sock_sendall(sock, by_hand.data_to_send())
                await seen.wait()
                assert told == [(b"GET /", False)]
                while not by_hand.handshake_complete:
                    by_hand.receive_data(await loop.sock_recv(sock, 2**16))
                    list(by_hand.events())
                by_hand.send_data(b"authenticated")
                by_hand.close()
                await loop.sock_sendall(sock, by_hand.data_to_send())
                while not by_hand.peer_closed:
                    by_hand.receive_data(await loop.sock_recv(sock, 2**16))
                    list(by_hand.events())
                assert told[1] == b"authenticated"

    run(main())


def test_aio_early_data_that_nobody_would_read_is_refused(resuming, early_server) -> None:
    """At once where the config is known; else when it comes."""

    async def main() -> None:
        with pytest.raises(tls13.ConfigurationError, match="early_data=True"):
            await aio.start_server(greet, "127.0.0.1", 0, early_server)
        seen = asyncio.get_running_loop().create_future()
        async with await aio.start_server(
            greet, "127.0.0.1", 0, lambda: early_server, on_error=lambda error, _: seen.set_result(error)
        ) as server:
            reader, writer = await opened(server, resuming)
            await reader.readexactly(1)
            stored = writer.stored_sessions[-1]
            await close(writer)
            reader, writer = await opened(server, resuming, session=stored, early_data=b"GET /")
            with pytest.raises(tls13.AlertReceived, match="internal_error"):
                await reader.read()
            writer.close()
            assert "early_data=True" in str(await seen)

    run(main())


def test_aio_a_failed_handshake_comes_out_of_what_began_early(resuming, early_server) -> None:
    async def main() -> None:
        outcome = asyncio.get_running_loop().create_future()

        async def client(reader, writer) -> None:
            if not await writer.recv_early_data():
                writer.write(b"x")
                await reader.read()
                return await close(writer)
            with pytest.raises(tls13.TLSError):
                await writer.recv_early_data()
            with pytest.raises(tls13.TLSError):
                await writer.handshake_completed()
            with pytest.raises(tls13.TLSError):
                await reader.read()
            outcome.set_result(None)
            writer.close()
            return None

        async with await aio.start_server(client, "127.0.0.1", 0, early_server, early_data=True) as server:
            reader, writer = await opened(server, resuming)
            await reader.readexactly(1)
            stored = writer.stored_sessions[-1]
            await close(writer)
            by_hand = tls13.ClientConnection(resuming, server_hostname=HOST, session=stored, early_data=b"GET /")
            loop = asyncio.get_running_loop()
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", port_of(server)))
                await loop.sock_sendall(sock, by_hand.data_to_send() + b"\x17\x03\x03\x00\x20" + bytes(32))
                await outcome
                while await loop.sock_recv(sock, 2**16):
                    pass

    run(main())


def test_aio_new_keys_exporters_and_tickets(resuming, server_config) -> None:
    async def main() -> None:
        async def client(reader, writer) -> None:
            assert await reader.readexactly(3) == b"one"
            writer.send_ticket()
            writer.update_keys(request_peer=True)
            writer.write(writer.channel_binding() + writer.export_keying_material(b"EXPORTER-test"))
            await reader.read()
            assert writer.connection.key_updates == (2, 2)
            await close(writer)

        config = server_config.replace(ticket_count=0)
        async with await aio.start_server(client, "127.0.0.1", 0, config) as server:
            reader, writer = await opened(server, resuming)
            writer.update_keys(request_peer=True)
            writer.write(b"one")
            exported = await reader.readexactly(64)
            assert exported == writer.channel_binding() + writer.export_keying_material(b"EXPORTER-test")
            assert len(writer.stored_sessions) == 1
            with pytest.raises(tls13.UsageError, match="only a server"):
                writer.send_ticket()
            await close(writer)

    run(main())


def test_aio_several_certificate_requests_at_once(asked) -> None:
    client_config, server_config, chain = asked

    async def main() -> None:
        async def client(reader, writer) -> None:
            answers = await asyncio.gather(*(writer.request_client_certificate() for _ in range(3)))
            assert answers == [chain] * 3
            writer.write(b"thank you")
            await close(writer)

        async with await aio.start_server(client, "127.0.0.1", 0, server_config) as server:
            reader, writer = await opened(server, client_config)
            assert await reader.read() == b"thank you"
            await close(writer)
            reader, writer = await opened(server, client_config.replace(post_handshake_auth=False))
            with pytest.raises(tls13.UsageError, match="only a server"):
                await writer.request_client_certificate()
            writer.transport.abort()

    asyncio_errors: list = []

    async def quiet() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: asyncio_errors.append(context))
        await main()

    run(quiet())

"""TLS over real sockets on the loopback address."""

from __future__ import annotations

import asyncio
import gc
import os
import selectors
import socket
import struct
import threading

import pytest

import tls13
from tls13 import errors
from tls13.io.opening import connect_error

HOST = "server.example"


class Server(threading.Thread):
    """Accepts connections and runs `handle` with each, until it is closed. Keeps what went wrong."""

    def __init__(self, config, handle) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.config, self.handle = config, handle
        self.failures: list[BaseException] = []

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            try:
                with tls13.wrap_socket(sock, self.config, handshake_timeout=10) as tls:
                    self.handle(tls)
            except (tls13.TLSError, OSError) as error:
                self.failures.append(error)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_) -> None:
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.join(10)


def echo(tls) -> None:
    while data := tls.recv():
        tls.sendall(data)


@pytest.fixture
def echo_server(server_config):
    with Server(server_config, echo) as server:
        yield server


def connect(server, client_config, **options):
    return tls13.connect(server.address, client_config, server_hostname=HOST, **options)


def test_an_echo(echo_server, client_config) -> None:
    with connect(echo_server, client_config) as tls:
        tls.sendall(b"hello")
        assert tls.recv() == b"hello"
        assert tls.version() == "TLSv1.3"
        assert tls.cipher() == ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128)
        assert tls.getpeercert() == echo_server.config.identities[0].der_chain[0]
        assert tls.getpeername() == echo_server.address


def test_tcp_nodelay_and_keepalive(echo_server, client_config) -> None:
    with connect(echo_server, client_config, keepalive=True, timeout=5) as tls:
        assert tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert tls.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert tls.gettimeout() == 5


@pytest.mark.parametrize("size", [1, 16384, 16385, 2**20])
def test_sizes_and_partial_reads(size, echo_server, client_config) -> None:
    data = os.urandom(size)
    with connect(echo_server, client_config) as tls:
        sender = threading.Thread(target=tls.sendall, args=(data,))
        sender.start()
        buffer, filled = bytearray(size), 0
        while filled < size:
            filled += tls.recv_into(memoryview(buffer)[filled:], 5000)
        sender.join()
        assert buffer == data


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [((b"read-only",), TypeError), ((bytearray(9), -1), ValueError), ((memoryview(b"read-only"), 3), TypeError)],
)
def test_a_buffer_that_cannot_be_filled_loses_nothing(arguments, wrong, echo_server, client_config) -> None:
    with connect(echo_server, client_config, timeout=5) as tls:
        tls.sendall(b"hello")
        with pytest.raises(wrong):
            tls.recv_into(*arguments)
        assert tls.recv() == b"hello"
        plain, other = socket.socketpair()
        with plain, other, pytest.raises(wrong):  # a plain socket says the same
            plain.recv_into(*arguments)


def test_half_close_each_way(server_config, client_config) -> None:
    """RFC 9846, section 6.1."""

    def count(tls) -> None:
        total = 0
        while data := tls.recv():
            total += len(data)
        tls.sendall(str(total).encode())

    with Server(server_config, count) as server, connect(server, client_config) as tls:
        tls.sendall(b"x" * 100000)
        tls.shutdown(socket.SHUT_WR)
        with pytest.raises(tls13.UsageError):
            tls.sendall(b"more")
        assert tls.recv() == b"100000"
        assert tls.recv() == b""
        assert tls.recv() == b""


def test_nobody_listens(client_config) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with pytest.raises(errors.ConnectionRefused) as caught:
            tls13.connect(free.getsockname(), client_config, server_hostname=HOST)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    assert isinstance(caught.value, ConnectionRefusedError)


@pytest.mark.parametrize("host", ["a" * 64 + ".com", "a..b"])
def test_what_cannot_be_a_host_name_is_said(host) -> None:
    """The resolver's own exception is one that nobody catches who waits for an OSError or a TLSError."""
    with pytest.raises(tls13.ConfigurationError, match="is not a host name"):
        tls13.connect((host, 443))
    with pytest.raises(tls13.ConfigurationError, match="is not a host name"):
        tls13.connect((host, 443), server_hostname=HOST)
    for options in ({}, {"server_hostname": HOST}):
        with pytest.raises(tls13.ConfigurationError, match="is not a host name"):
            asyncio.run(tls13.aio.open_connection(host, 443, **options))


def test_a_config_of_another_kind_is_said(server_config) -> None:
    for config, kind in ((5, "int"), (server_config, "ServerConfig")):
        with pytest.raises(tls13.ConfigurationError, match=f"a client needs a tls13.ClientConfig, not {kind}"):
            tls13.connect(("server.example", 443), config)
        with pytest.raises(tls13.ConfigurationError, match=f"a client needs a tls13.ClientConfig, not {kind}"):
            asyncio.run(tls13.aio.open_connection("server.example", 443, config))
    one, other = socket.socketpair()
    with one, other, pytest.raises(tls13.ConfigurationError, match=r"or a tls13\.ServerConfig, not int"):
        tls13.wrap_socket(one, 5, server_hostname=HOST)


@pytest.fixture
def silent():
    """A listener whose backlog takes connections that nobody accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def test_a_server_that_says_nothing(silent, client_config) -> None:
    with pytest.raises(errors.HandshakeTimeout) as caught:
        tls13.connect(silent.getsockname(), client_config, server_hostname=HOST, handshake_timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    assert isinstance(caught.value.__cause__, TimeoutError)


def test_nothing_to_read_in_time(echo_server, client_config) -> None:
    with connect(echo_server, client_config, timeout=0.05) as tls:
        with pytest.raises(errors.OperationTimeout):
            tls.recv()
        tls.sendall(b"still good")
        assert tls.recv() == b"still good"


def test_a_reset_in_the_handshake(client_config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            sock, _ = listener.accept()
            sock.recv(1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()

        thread = threading.Thread(target=reset)
        thread.start()
        with pytest.raises(errors.ConnectionReset) as caught:
            tls13.connect(listener.getsockname(), client_config, server_hostname=HOST)
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        thread.join()


def test_the_stream_is_cut_off(server_config, client_config) -> None:
    def cut(tls) -> None:
        tls.sendall(b"only this")
        tls.detach_socket().close()

    with Server(server_config, cut) as server, connect(server, client_config) as tls:
        assert tls.recv() == b"only this"
        with pytest.raises(tls13.TruncatedStream):
            tls.recv()


def test_the_stream_is_cut_off_in_the_handshake(client_config) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def cut() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.recv(2**16)

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(tls13.TruncatedStream):
            tls13.connect(listener.getsockname(), client_config, server_hostname=HOST)
        thread.join()


def test_each_failure_is_told_apart() -> None:
    """What the operating system says, our exception, and the OSError underneath."""
    for given, expected in (
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), errors.NameNotFound),
        (ConnectionRefusedError(111, "refused"), errors.ConnectionRefused),
        (TimeoutError("timed out"), errors.ConnectTimeout),
        (ConnectionResetError(104, "reset"), errors.ConnectionReset),
        (OSError(101, "Network is unreachable"), errors.ConnectFailed),
    ):
        assert type(connect_error("host.example", 443, given, 1.0)) is expected


def test_the_alert_reaches_a_server_whose_certificate_is_refused(echo_server, client_config) -> None:
    """Closing with unread bytes would make the kernel send RST, and the alert would be lost."""
    for _ in range(20):
        with pytest.raises(errors.WrongHost):
            tls13.connect(echo_server.address, client_config, server_hostname="other.example")
    echo_server.__exit__()
    assert [type(failure) for failure in echo_server.failures] == [tls13.AlertReceived] * 20


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="descriptors are counted in /proc")
def test_no_descriptor_is_left_behind(echo_server, silent, client_config) -> None:
    with connect(echo_server, client_config) as tls:
        tls.sendall(b"warm up")
        tls.recv()
    gc.collect()
    before = open_descriptors()
    for _ in range(5):
        with connect(echo_server, client_config) as tls:
            tls.sendall(b"x")
            tls.recv()
        with pytest.raises(errors.WrongHost):
            tls13.connect(echo_server.address, client_config, server_hostname="other.example")
        with pytest.raises(errors.HandshakeTimeout):
            tls13.connect(silent.getsockname(), client_config, server_hostname=HOST, handshake_timeout=0.01)
    echo_server.__exit__()
    gc.collect()
    assert open_descriptors() <= before


def test_a_file_keeps_the_connection_open(echo_server, client_config) -> None:
    """As socket.makefile: http.client closes the socket before it has read the body."""
    tls = connect(echo_server, client_config)
    with tls.makefile("rwb") as file:
        tls.close()
        file.write(b"one\ntwo\n")
        file.flush()
        assert file.readline() == b"one\n"
        assert file.readline() == b"two\n"
    assert tls.fileno() == -1


def test_unwrap_gives_the_plain_socket_back(server_config, client_config) -> None:
    def plain(tls) -> None:
        with tls.unwrap() as sock:
            sock.sendall(b"in the clear")

    with Server(server_config, plain) as server:
        sock = connect(server, client_config).unwrap()
        with sock:
            assert sock.recv(100) == b"in the clear"


def test_unwrap_does_not_lose_what_came_behind_close_notify_in_silence(server_config, client_config) -> None:
    """A peer that goes on in the clear without waiting, and all of it in one piece, before unwrap() is called."""
    one, other = socket.socketpair()
    server = tls13.ServerConnection(server_config)

    def peer() -> None:
        while not server.handshake_complete:
            server.receive_data(other.recv(2**16))
            list(server.events())
            other.sendall(server.data_to_send())
        server.send_data(b"the last")
        server.close()
        other.sendall(server.data_to_send() + b"in the clear")

    thread = threading.Thread(target=peer)
    thread.start()
    with other, tls13.wrap_socket(one, client_config, server_hostname=HOST) as tls:
        thread.join(10)
        assert tls.recv() == b"the last"
        with pytest.raises(tls13.UsageError, match=r"^12 bytes that follow the peer's close_notify"):
            tls.unwrap()


def test_wrapping_what_cannot_be_wrapped(client_config, server_config) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, pytest.raises(tls13.ConfigurationError):
        tls13.wrap_socket(sock, client_config, server_hostname=HOST)
    one, other = socket.socketpair()
    with one, other, pytest.raises(tls13.ConfigurationError, match="for clients"):
        tls13.wrap_socket(one, server_config, server_hostname=HOST)


def test_an_echo_server_on_selectors(server_config, client_config) -> None:
    """Non-blocking sockets, one thread, several clients: fileno and selectors work."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ, None)
    pending: dict[tls13.TLSSocket, bytearray] = {}

    def serve_one(tls: tls13.TLSSocket) -> None:
        """Go on with one connection as far as it goes without waiting."""
        events = selectors.EVENT_READ
        try:
            tls.do_handshake()
            while True:
                while pending[tls]:
                    del pending[tls][: tls.send(pending[tls])]
                data = tls.recv()
                if not data:
                    raise EOFError
                pending[tls] += data
        except errors.WantRead:
            pass
        except errors.WantWrite:
            events = selectors.EVENT_WRITE
        except (EOFError, tls13.TLSError):
            selector.unregister(tls)
            del pending[tls]
            tls.close()
            return
        selector.modify(tls, events, tls)

    def loop() -> None:
        while not stop.is_set():
            for key, _ in selector.select(0.05):
                if key.data is not None:
                    serve_one(key.data)
                    continue
                sock, _ = listener.accept()
                sock.setblocking(False)
                tls = tls13.wrap_socket(sock, server_config)
                pending[tls] = bytearray()
                selector.register(tls, selectors.EVENT_READ, tls)
                serve_one(tls)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    data = os.urandom(300000)
    clients = [tls13.connect(listener.getsockname(), client_config, server_hostname=HOST) for _ in range(5)]
    for tls in clients:
        sender = threading.Thread(target=tls.sendall, args=(data,))
        sender.start()
        received = bytearray()
        while len(received) < len(data):
            received += tls.recv()
        sender.join()
        assert received == data
    for tls in clients:
        tls.close()
    stop.set()
    thread.join(10)
    for tls in list(pending):
        tls.close()
    selector.close()
    listener.close()
    assert not thread.is_alive()

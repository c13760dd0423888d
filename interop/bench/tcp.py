"""Bulk over loopback TCP: a child process sends, this one receives, each with the sockets that its stack offers."""

from __future__ import annotations

import multiprocessing
import socket
import time
from typing import TYPE_CHECKING, Any

import tls13

from ..trial import HOST
from .stacks import READ, Setting, configs, ssl_contexts

if TYPE_CHECKING:
    from .measure import Sample

SETTING = Setting()
PIECE = bytes(2**18)
PATIENCE = 60.0


def receive_from_child(name: str, size: int) -> Sample:
    """Samples of the seconds that 1 MiB takes while `size` bytes are sent: of the clock, as two processes work."""

    for server in (False, True):  # before the fork: both processes shall have the same certificates
        _contexts(name, server=server)

    def sample() -> float:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            child = multiprocessing.get_context("fork").Process(target=_send, args=(name, listener, size))
            child.start()
            try:
                sock = socket.create_connection(listener.getsockname(), PATIENCE)
                return _receive(_connect(name, sock, server=False), size) / (size / 2**20)
            finally:
                child.join(PATIENCE)
                child.kill()
                child.join()

    return sample


def _receive(connection: Any, size: int) -> float:
    buffer = bytearray(READ)
    left = size - connection.recv_into(buffer)
    start = time.perf_counter()
    while left > 0:
        left -= connection.recv_into(buffer)
    seconds = time.perf_counter() - start
    connection.sendall(b"!")  # the child waits for it: nobody closes before all is read
    connection.close()
    return seconds


def _send(name: str, listener: socket.socket, size: int) -> None:
    sock, _ = listener.accept()
    connection = _connect(name, sock, server=True)
    for _ in range(size // len(PIECE)):
        connection.sendall(PIECE)
    connection.recv(1)
    connection.close()


def _contexts(name: str, *, server: bool) -> Any:
    """What one side of this stack is configured with; the same each time."""
    if name == "tls13":
        return configs(SETTING)[server]
    if name == "ssl":
        return ssl_contexts(SETTING)[server]
    from .others import openssl_contexts

    return openssl_contexts(SETTING)[server]


def _connect(name: str, sock: socket.socket, *, server: bool) -> Any:
    """After the handshake: something with recv_into, sendall and close."""
    context, hostname = _contexts(name, server=server), None if server else HOST
    if name == "tls13":
        return tls13.wrap_socket(sock, context, server_hostname=hostname)
    if name == "ssl":
        return context.wrap_socket(sock, server_side=server, server_hostname=hostname)
    from OpenSSL import SSL

    sock.settimeout(None)  # pyOpenSSL raises WantReadError for sockets with a timeout
    connection = SSL.Connection(context, sock)
    if server:
        connection.set_accept_state()
    else:
        connection.set_tlsext_host_name(HOST.encode())
        connection.set_connect_state()
    connection.do_handshake()
    return connection

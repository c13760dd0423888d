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
    """Samples of the seconds (of the clock: two processes work at once) that `size` bytes take."""

    def sample() -> float:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            child = multiprocessing.get_context("fork").Process(target=_send, args=(name, listener, size))
            child.start()
            try:
                sock = socket.create_connection(listener.getsockname(), PATIENCE)
                return _receive(_client(name, sock), size)
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
    connection = _server(name, sock)
    for _ in range(size // len(PIECE)):
        connection.sendall(PIECE)
    connection.recv(1)
    connection.close()


def _client(name: str, sock: socket.socket) -> Any:
    if name == "tls13":
        return tls13.wrap_socket(sock, configs(SETTING)[0], server_hostname=HOST)
    if name == "ssl":
        return ssl_contexts(SETTING.scheme)[0].wrap_socket(sock, server_hostname=HOST)
    return _openssl(sock, server=False)


def _server(name: str, sock: socket.socket) -> Any:
    if name == "tls13":
        return tls13.wrap_socket(sock, configs(SETTING)[1])
    if name == "ssl":
        return ssl_contexts(SETTING.scheme)[1].wrap_socket(sock, server_side=True)
    return _openssl(sock, server=True)


def _openssl(sock: socket.socket, *, server: bool) -> Any:
    from OpenSSL import SSL

    from .others import openssl_contexts

    sock.settimeout(None)  # pyOpenSSL raises WantReadError for sockets with a timeout
    connection = SSL.Connection(openssl_contexts(SETTING)[server], sock)
    if server:
        connection.set_accept_state()
    else:
        connection.set_tlsext_host_name(HOST.encode())
        connection.set_connect_state()
    connection.do_handshake()
    return connection

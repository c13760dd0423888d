"""A client and a server of ssl's shape that believe each other, and what they wrap."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import tls13
from tests.conftest import HOST
from tls13.stdlib.sockets import SSLObject, SSLSocket


class Room:
    """Contexts of both sides that believe each other, and pairs of what they wrap."""

    def __init__(self, authority, issued, folder) -> None:
        self.chain, self.authority, self.folder = folder / "server.pem", folder / "authority.pem", folder
        self.chain.write_bytes(issued.pem_key + issued.pem_chain)
        self.authority.write_bytes(authority.certificate_pem)
        self._open = contextlib.ExitStack()

    def client(self) -> tls13.SSLContext:
        context = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.authority)
        return context

    def server(self) -> tls13.SSLContext:
        context = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)
        context.load_verify_locations(self.authority)
        return context

    def raw(self) -> tuple[socket.socket, socket.socket]:
        """Two ends of one TCP connection."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            ends = socket.create_connection(listener.getsockname()), listener.accept()[0]
        for end in ends:
            self._open.enter_context(end)
            end.settimeout(10)
        return ends

    def sockets(self, client=None, server=None, **named) -> tuple[SSLSocket, SSLSocket]:
        """Client and server after the handshake."""
        here, there = self.raw()
        made = []

        def serve() -> None:
            with contextlib.suppress(OSError):  # the client says what is wrong
                made.append((server or self.server()).wrap_socket(there, server_side=True))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            tls = (client or self.client()).wrap_socket(here, server_hostname=HOST, **named)
        finally:
            if not made:
                thread.join(10)
        thread.join()
        for end in (tls, *made):
            self._open.enter_context(end)
        return tls, made[0] if made else None

    def objects(self, client=None, server=None) -> tuple[SSLObject, SSLObject]:
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = (
            (client or self.client()).wrap_bio(down, up, server_hostname=HOST),
            (server or self.server()).wrap_bio(up, down, server_side=True),
        )
        for _ in range(3):
            for end in ends:
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        return ends

    def close(self) -> None:
        self._open.close()


def authenticating_later(room) -> tuple[tls13.SSLContext, tls13.SSLContext]:
    client, server = room.client(), room.server()
    client.post_handshake_auth = server.post_handshake_auth = True
    server.verify_mode = ssl.CERT_OPTIONAL
    return client, server


def later_authentication(client, server) -> bool:
    """The client has no certificate, and says so."""
    assert server.verify_client_post_handshake() is None
    server.sendall(b"x")
    assert client.recv(1) == b"x"
    client.sendall(b"y")
    return server.recv(1) == b"y" and server.getpeercert() is None

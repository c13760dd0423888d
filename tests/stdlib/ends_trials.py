"""For test_surface: a trial of each name of SSLSocket and SSLObject. True: it does what `ssl` says."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

import pytest

import tls13
from tests.conftest import HOST
from tests.stdlib.context_trials import post_handshake_auth
from tests.stdlib.room import authenticating_later

# --- what SSLSocket and SSLObject share -------------------------------------------------------------------------------


def channel_binding(client, server) -> bool:
    assert client.get_channel_binding("tls-unique") is None
    value = client.get_channel_binding("tls-exporter")
    return len(value) == 32 and value == server.get_channel_binding("tls-exporter")


def chain(name):
    def trial(client, server) -> bool:
        found = getattr(client, name)() if hasattr(client, name) else getattr(client._sslobj, name)()
        return len(found) >= 1

    return trial


def context(client, server) -> bool:
    other = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context = other
    return server.context is other and isinstance(client.context, tls13.SSLContext)


def peer_certificate(client, server) -> bool:
    found = client.getpeercert()
    assert found["subject"]
    assert ("DNS", HOST) in found["subjectAltName"]
    return server.getpeercert() is None and len(client.getpeercert(binary_form=True)) > 100


def read(client, server) -> bool:
    server.write(b"hello")
    buffer = bytearray(4)
    return client.read(1) == b"h" and client.read(1024, buffer) == 4 and bytes(buffer) == b"ello"


def pending(client, server) -> bool:
    server.write(b"hello")
    return client.read(1) == b"h" and client.pending() == 4


def session(client, server) -> bool:
    server.write(b"x")
    client.read(1)
    found = client.session
    return found.has_ticket and len(found.id) == 32 and found.timeout > 0 and client.session_reused is False


def write(client, server) -> bool:
    return client.write(b"hello") == 5 and server.read() == b"hello"


BOTH = {
    "cipher": lambda client, server: client.cipher() == server.cipher() and client.cipher()[1] == "TLSv1.3",
    "compression": lambda client, server: client.compression() is None,
    "context": context,
    "do_handshake": lambda client, server: client.do_handshake() is None,
    "get_channel_binding": channel_binding,
    "get_unverified_chain": chain("get_unverified_chain"),
    "get_verified_chain": chain("get_verified_chain"),
    "getpeercert": peer_certificate,
    "pending": pending,
    "read": read,
    "selected_alpn_protocol": lambda client, server: client.selected_alpn_protocol() is None,
    "selected_npn_protocol": lambda client, server: no_npn(client),
    "session": session,
    "session_reused": session,
    "shared_ciphers": lambda client, server: client.shared_ciphers() is None and len(server.shared_ciphers()) == 3,
    "version": lambda client, server: client.version() == server.version() == "TLSv1.3",
    "write": write,
}


def no_npn(end) -> bool:
    with pytest.warns(DeprecationWarning, match="NPN"):
        return end.selected_npn_protocol() is None


# --- SSLSocket --------------------------------------------------------------------------------------------------------


def of_a_server(room) -> bool:
    """bind, listen and accept on a wrapped socket; connect and connect_ex from another that was wrapped before."""
    with room.server().wrap_socket(socket.socket(), server_side=True) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        for connect in ("connect", "connect_ex"):
            said = []

            def greet(said=said) -> None:
                tls, _ = listener.accept()
                with tls:
                    said.append(tls.recv(5))

            thread = threading.Thread(target=greet)
            thread.start()
            with room.client().wrap_socket(socket.socket(), server_hostname=HOST) as client:
                assert not getattr(client, connect)(listener.getsockname())
                client.sendall(b"hello")
                thread.join(10)
            assert said == [b"hello"]
    return True


def close(room) -> bool:
    client, _ = room.sockets()
    client.close()
    return client.fileno() == -1


def detach(room) -> bool:
    client, _ = room.sockets()
    number = client.detach()
    return socket.socket(fileno=number).close() is None


def makefile(room) -> bool:
    client, server = room.sockets()
    with client.makefile("rwb") as file:
        file.write(b"one\n")
        file.flush()
        server.sendall(b"two\n")
        return server.recv(9) == b"one\n" and file.readline() == b"two\n"


def recv_into(room) -> bool:
    client, server = room.sockets()
    server.sendall(b"hello")
    buffer = bytearray(9)
    return client.recv_into(buffer, 5) == 5 and bytes(buffer[:5]) == b"hello"


def send(room) -> bool:
    client, server = room.sockets()
    client.sendall(b"hello")
    return client.send(b"!") == 1 and server.recv(5) + server.recv(1) == b"hello!"


def sendfile(room) -> bool:
    client, server = room.sockets()
    with room.chain.open("rb") as file:
        assert client.sendfile(file, count=100) == 100
    return len(server.recv(100)) == 100


def shutdown(room) -> bool:
    client, server = room.sockets()
    client.shutdown(socket.SHUT_RDWR)
    return server.recv(1) == b""


def blocking(room) -> bool:
    client, _ = room.sockets()
    client.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        client.recv(1)
    assert not client.getblocking()
    client.settimeout(0.01)
    with pytest.raises(TimeoutError):
        client.recv(1)
    return client.gettimeout() == client.timeout == 0.01


def unwrap(room) -> bool:
    """After both close_notify the socket below goes on in the clear."""
    client, server = room.sockets()
    below = []
    thread = threading.Thread(target=lambda: below.append(server.unwrap()))
    thread.start()
    plain = client.unwrap()
    thread.join(10)
    plain.sendall(b"clear")
    return below[0].recv(5) == b"clear"


def same_as_the_socket_below(name):
    def trial(room) -> bool:
        client, _ = room.sockets()
        return getattr(client, name) == getattr(socket.socket, name).__get__(client)

    return trial


def inheritable(room) -> bool:
    client, _ = room.sockets()
    client.set_inheritable(True)
    return client.get_inheritable()


def options_of_the_socket(room) -> bool:
    client, _ = room.sockets()
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def names_of_both_ends(room) -> bool:
    client, server = room.sockets()
    return client.getsockname() == server.getpeername() and client.getpeername() == server.getsockname()


def with_client(act):
    """For what is refused."""
    return lambda room: act(room.sockets()[0])


SOCKET = {
    **{name: lambda room, trial=trial: trial(*room.sockets()) for name, trial in BOTH.items()},
    **dict.fromkeys(("accept", "bind", "connect", "connect_ex", "listen"), of_a_server),
    **dict.fromkeys(("setblocking", "getblocking", "settimeout", "gettimeout", "timeout"), blocking),
    **dict.fromkeys(("set_inheritable", "get_inheritable"), inheritable),
    **dict.fromkeys(("setsockopt", "getsockopt"), options_of_the_socket),
    **dict.fromkeys(("getsockname", "getpeername"), names_of_both_ends),
    **{name: same_as_the_socket_below(name) for name in ("family", "type", "proto")},
    **dict.fromkeys(("send", "sendall", "recv"), send),
    "fileno": lambda room: room.sockets()[0].fileno() > 0,
    "close": close,
    "detach": detach,
    "makefile": makefile,
    "recv_into": recv_into,
    "sendfile": sendfile,
    "shutdown": shutdown,
    "unwrap": unwrap,
    "verify_client_post_handshake": post_handshake_auth,
    "dup": with_client(lambda tls: tls.dup()),
    "recvfrom": with_client(lambda tls: tls.recvfrom(1)),
    "recvfrom_into": with_client(lambda tls: tls.recvfrom_into(bytearray(1))),
    "recvmsg": with_client(lambda tls: tls.recvmsg(1)),
    "recvmsg_into": with_client(lambda tls: tls.recvmsg_into([bytearray(1)])),
    "sendmsg": with_client(lambda tls: tls.sendmsg([b"x"])),
    "sendmsg_afalg": with_client(lambda tls: tls.sendmsg_afalg([b"x"], op=0)),
    "sendto": with_client(lambda tls: tls.sendto(b"x", ("127.0.0.1", 9))),
}


# --- SSLObject  -------------------------------------------------------------------------------------


def unwrap_objects(room) -> bool:
    client, server = room.objects()
    for end in (client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.unwrap()
    client.unwrap()
    for end in (client, server):
        with pytest.raises(ssl.SSLZeroReturnError):
            end.read(1)
    return True


OBJECT = {
    **{name: lambda room, trial=trial: trial(*room.objects()) for name, trial in BOTH.items()},
    "server_hostname": lambda room: [end.server_hostname for end in room.objects()] == [HOST, None],
    "server_side": lambda room: [end.server_side for end in room.objects()] == [False, True],
    "unwrap": unwrap_objects,
    "verify_client_post_handshake": lambda room: later_authentication_of_objects(room),
}


def later_authentication_of_objects(room) -> bool:
    client, server = room.objects(*authenticating_later(room))
    assert server.verify_client_post_handshake() is None
    server.write(b"x")
    assert client.read(1) == b"x"
    client.write(b"y")
    return server.read(1) == b"y" and server.getpeercert() is None

"""For test_surface: a trial of each name of SSLContext. True: it does what `ssl` says."""

from __future__ import annotations

import contextlib
import ssl

import pytest

import tls13
from certs import der
from tests.conftest import HOST
from tests.stdlib.room import authenticating_later, later_authentication
from tls13.stdlib.sockets import SSLObject


def set_on_both(name, value):
    """The setting is made on both contexts, and they connect."""

    def trial(room) -> bool:
        client, server = room.client(), room.server()
        for context in (client, server):
            setattr(context, name, value)
        return bool(room.objects(client, server)[0].version()) and getattr(client, name) == value

    return trial


def cert_store_stats(room) -> bool:
    return room.client().cert_store_stats() == {"x509": 1, "crl": 0, "x509_ca": 1}


def check_hostname(room) -> bool:
    client = room.client()
    assert client.check_hostname
    client.check_hostname = False
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    pair = client.wrap_bio(down, up), room.server().wrap_bio(up, down, server_side=True)
    for end in pair * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    return pair[0].version() == "TLSv1.3"


def get_ca_certs(room) -> bool:
    (one,) = room.client().get_ca_certs(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(one).split() == room.authority.read_text().split()


def get_ciphers(room) -> bool:
    return {one["name"] for one in room.client().get_ciphers()} == {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
    }


def keylog_filename(room) -> bool:
    client, path = room.client(), room.folder / "keys.log"
    client.keylog_filename = path
    room.objects(client)
    return "CLIENT_TRAFFIC_SECRET_0" in path.read_text()


def load_cert_chain(room) -> bool:
    server = tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(room.chain.read_bytes())
    return bool(room.objects(server=server)[0].getpeercert())


def load_default_certs(room) -> bool:
    client = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_default_certs()
    with pytest.raises(ssl.SSLCertVerificationError):
        room.sockets(client)
    return True


def ffdhe2048() -> int:
    """RFC 7919, appendix A.1: p = 2^2048 - 2^1984 + {[2^1918 * e] + 560316} * 2^64 - 1."""
    spare = 64
    e, term, n = 0, 1 << (1918 + spare), 1
    while term:
        e, term, n = e + term, term // n, n + 1
    return 2**2048 - 2**1984 + ((e >> spare) + 560316) * 2**64 - 1


def load_dh_params(room) -> bool:
    path = room.folder / "dh.pem"
    parameters = der.encode(der.SEQUENCE, der.integer(ffdhe2048()), der.integer(2))
    path.write_text(ssl.DER_cert_to_PEM_cert(parameters).replace("CERTIFICATE", "DH PARAMETERS"))
    server = room.server()
    server.load_dh_params(path)
    return room.objects(server=server)[0].group() == room.objects()[0].group()


def load_verify_locations(room) -> bool:
    client = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=room.authority.read_text())
    return bool(room.objects(client)[0].getpeercert())


def maximum_version(room) -> bool:
    with pytest.raises(ValueError, match=r"tls13 speaks TLS 1\.3 only"):
        room.client().maximum_version = ssl.TLSVersion.TLSv1_2
    return set_on_both("maximum_version", ssl.TLSVersion.TLSv1_3)(room)


def num_tickets(room) -> bool:
    server = room.server()
    server.num_tickets = 0
    client, _ = room.sockets(server=server)
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)
    return client.session is None


def post_handshake_auth(room) -> bool:
    return later_authentication(*room.sockets(*authenticating_later(room)))


def protocol(room) -> bool:
    return room.client().protocol == ssl.PROTOCOL_TLS_CLIENT


def session_stats(room) -> bool:
    return set(room.client().session_stats().values()) == {0}


def set_alpn_protocols(room) -> bool:
    client, server = room.client(), room.server()
    client.set_alpn_protocols(["h2", "http/1.1"])
    server.set_alpn_protocols(["http/1.1"])
    return {end.selected_alpn_protocol() for end in room.objects(client, server)} == {"http/1.1"}


def set_ciphers(room) -> bool:
    client = room.client()
    client.set_ciphers("TLS_CHACHA20_POLY1305_SHA256")
    return room.objects(client)[1].cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"


def set_default_verify_paths(room) -> bool:
    room.client().set_default_verify_paths()
    return True


def set_ecdh_curve(room) -> bool:
    client = room.client()
    client.set_ecdh_curve("prime256v1")
    return room.objects(client)[0].group() == "secp256r1"


def psk(room) -> bool:
    client, server = tls13.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls13.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_psk_client_callback(lambda hint: ("me", b"k" * 32))
    server.set_psk_server_callback(lambda identity: b"k" * 32 if identity == "me" else b"")
    return room.objects(client, server)[0].version() == "TLSv1.3"


def sni_callback(room) -> bool:
    server, seen = room.server(), []
    server.set_servername_callback(lambda sock, name, context: seen.append((type(sock), name, context)))
    assert server.sni_callback is not None
    room.objects(server=server)
    return seen == [(SSLObject, HOST, server)]


def verify_mode(room) -> bool:
    server = room.server()
    server.verify_mode = ssl.CERT_REQUIRED
    client, _ = room.sockets(server=server)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        client.recv(1)
    client = room.client()
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    return room.objects(client)[0].getpeercert() == {}


CONTEXT = {
    "cert_store_stats": cert_store_stats,
    "check_hostname": check_hostname,
    "get_ca_certs": get_ca_certs,
    "get_ciphers": get_ciphers,
    "hostname_checks_common_name": set_on_both("hostname_checks_common_name", True),
    "keylog_filename": keylog_filename,
    "load_cert_chain": load_cert_chain,
    "load_default_certs": load_default_certs,
    "load_dh_params": load_dh_params,
    "load_verify_locations": load_verify_locations,
    "maximum_version": maximum_version,
    "minimum_version": set_on_both("minimum_version", ssl.TLSVersion.TLSv1_3),
    "num_tickets": num_tickets,
    "options": lambda room: set_on_both("options", room.client().options | ssl.OP_NO_TLSv1_2)(room),
    "post_handshake_auth": post_handshake_auth,
    "protocol": protocol,
    "security_level": lambda room: isinstance(room.client().security_level, int),
    "session_stats": session_stats,
    "set_alpn_protocols": set_alpn_protocols,
    "set_ciphers": set_ciphers,
    "set_default_verify_paths": set_default_verify_paths,
    "set_ecdh_curve": set_ecdh_curve,
    "set_npn_protocols": lambda room: room.client().set_npn_protocols(["http/1.1"]),
    "set_psk_client_callback": psk,
    "set_psk_server_callback": psk,
    "set_servername_callback": sni_callback,
    "sni_callback": sni_callback,
    "sslobject_class": lambda room: isinstance(room.objects()[0], room.client().sslobject_class),
    "sslsocket_class": lambda room: isinstance(room.sockets()[0], room.client().sslsocket_class),
    "verify_flags": set_on_both("verify_flags", ssl.VERIFY_X509_STRICT),
    "verify_mode": verify_mode,
    "wrap_bio": lambda room: isinstance(room.objects()[0], ssl.SSLObject),
    "wrap_socket": lambda room: isinstance(room.sockets()[0], ssl.SSLSocket),
}

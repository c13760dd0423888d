"""The peers that are pip extras ("bench"): pyOpenSSL, siotls, tlslite-ng. Loaded when they are used."""

from __future__ import annotations

import errno
from functools import cache
from typing import TYPE_CHECKING, Any

import siotls
import siotls.crypto
from OpenSSL import SSL
from OpenSSL._util import lib
from siotls.iana import CipherSuites
from siotls.iana import NamedGroup as SiotlsGroup
from siotls.pem import decode_pem_certificate, decode_pem_certificate_chain, decode_pem_private_key
from siotls.trust.backends.openssl.truststore import OpensslTrustStore
from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey

from ..files import files_for, root_file
from ..trial import HOST
from .stacks import READ, End

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.utils import Buffer

    from tls13 import SignatureScheme

    from .stacks import Setting

siotls.crypto.install("openssl")


class OpenSslEnd(End):
    """pyOpenSSL over memory BIOs. It verifies the chain; it has no way to ask for the name."""

    def __init__(self, context: SSL.Context, *, server: bool, session: SSL.Session | None = None) -> None:
        self.tls = SSL.Connection(context, None)
        if session is not None:
            self.tls.set_session(session)
        if server:
            self.tls.set_accept_state()
        else:
            self.tls.set_tlsext_host_name(HOST.encode())
            self.tls.set_connect_state()
        self.complete = False

    def handshake(self) -> None:
        if self.complete:
            self.read()  # the tickets
            return
        try:
            self.tls.do_handshake()
            self.complete = True
        except SSL.WantReadError:
            return

    def take(self) -> Buffer:
        try:
            return self.tls.bio_read(2**21)
        except SSL.WantReadError:
            return b""

    def give(self, data: Buffer) -> None:
        self.tls.bio_write(bytes(data))

    def write(self, data: bytes) -> None:
        self.tls.sendall(data)

    def read(self) -> int:
        size = 0
        try:
            while True:
                size += len(self.tls.recv(READ))
        except SSL.WantReadError:
            return size

    def suite(self) -> str:
        return self.tls.get_cipher_name() or ""

    def resumed(self) -> bool:
        return bool(lib.SSL_session_reused(self.tls._ssl))  # there is no public way to ask


def session_of(end: End) -> SSL.Session | None:
    """What the client of the next pair resumes. OpenSSL gives up the session of a connection that is freed unclosed,
    so this one counts as closed from now on."""
    if not isinstance(end, OpenSslEnd):
        return None
    session = end.tls.get_session()
    end.tls.set_shutdown(SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN)
    return session


@cache
def openssl_contexts(setting: Setting) -> tuple[SSL.Context, SSL.Context]:
    client, server = SSL.Context(SSL.TLS_METHOD), SSL.Context(SSL.TLS_METHOD)
    for context in (client, server):
        context.set_tls13_ciphersuites(setting.suite.name.encode())
        lib.SSL_CTX_set1_curves_list(context._context, setting.group.name.encode())  # as in interop/pyopenssl.py
    files = files_for(setting.scheme)
    server.use_certificate_chain_file(str(files.chain))
    server.use_privatekey_file(str(files.key))
    server.set_session_id(b"bench")  # without it a server that resumes fails
    client.load_verify_locations(str(root_file()))
    client.set_verify(SSL.VERIFY_PEER)
    return client, server


class SiotlsEnd(End):
    """siotls, with the backend on `cryptography`. It gets its data in pieces of 15 KiB: it pads records to whole KiB,
    and the padding makes a full record longer than what it accepts itself (0.0.5)."""

    def __init__(self, config: Any, hostname: str | None) -> None:
        self.tls: Any = siotls.TLSConnection(config, server_hostname=hostname)
        start: Any = self.tls.initiate_connection  # it has no types
        start()

    def handshake(self) -> None:
        """receive_data does it."""

    def take(self) -> Buffer:
        data: bytes = self.tls.data_to_send()
        return data

    def give(self, data: Buffer) -> None:
        self.tls.receive_data(data)

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), 15 * 1024):
            self.tls.send_data(data[start : start + 15 * 1024])

    def read(self) -> int:
        return len(self.tls.data_to_read())

    def suite(self) -> str:
        return str(self.tls.nconfig.cipher_suite.name)

    def resumed(self) -> bool:
        return False


@cache
def siotls_configs(setting: Setting) -> tuple[Any, Any]:
    files = files_for(setting.scheme)
    common: dict[str, Any] = {
        "cipher_suites": [CipherSuites[setting.suite.name]],
        "key_exchanges": [SiotlsGroup.x25519],
    }
    store = OpensslTrustStore([decode_pem_certificate(root_file().read_bytes())])
    client = siotls.TLSConfiguration("client", truststore=store, **common)
    server = siotls.TLSConfiguration(
        "server",
        private_key=decode_pem_private_key(files.key.read_bytes()),
        certificate_chain=decode_pem_certificate_chain(files.chain.read_bytes()),
        **common,
    )
    return client, server


class MemorySocket:
    """What tlslite-ng takes for a socket: two buffers."""

    def __init__(self) -> None:
        self.incoming, self.outgoing = bytearray(), bytearray()

    def send(self, data: Buffer) -> int:
        self.outgoing += data
        return len(data)

    def sendall(self, data: Buffer) -> None:
        self.outgoing += data

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise BlockingIOError(errno.EWOULDBLOCK, "nothing has come yet")
        data = bytes(self.incoming[:size])
        del self.incoming[:size]
        return data

    def close(self) -> None:
        """There is nothing to close."""


class TlsliteEnd(End):
    """tlslite-ng, driven through its generators. It does not verify chains."""

    def __init__(self, setting: Setting, *, server: bool) -> None:
        self.socket = MemorySocket()
        self.tls = TLSConnection(self.socket)
        settings = HandshakeSettings()
        settings.cipherNames = ["aes128gcm"]
        settings.minVersion = settings.maxVersion = (3, 4)
        settings.keyShares = settings.eccCurves = [setting.group.name]
        settings.ticket_count = 2
        if server:
            settings.ticketKeys = [bytes(32)]
            chain, key = _tlslite_identity(setting.scheme)
            self.steps = self.tls.handshakeServerAsync(certChain=chain, privateKey=key, settings=settings)
        else:
            self.steps = self.tls.handshakeClientCert(serverName=HOST, settings=settings, async_=True)

    def handshake(self) -> None:
        for waits_for_writing in self.steps:
            if not waits_for_writing:
                return
        self.read()  # the tickets

    def take(self) -> Buffer:
        data, self.socket.outgoing = self.socket.outgoing, bytearray()
        return data

    def give(self, data: Buffer) -> None:
        self.socket.incoming += data

    def write(self, data: bytes) -> None:
        self.tls.write(data)

    def read(self) -> int:
        return sum(map(len, self._pieces()))

    def _pieces(self) -> Iterator[bytes]:
        for piece in self.tls.readAsync(max=READ):
            if isinstance(piece, int):
                return
            yield piece

    def suite(self) -> str:
        return "TLS_AES_128_GCM_SHA256" if self.tls.getCipherName() == "aes128gcm" else str(self.tls.getCipherName())

    def resumed(self) -> bool:
        return bool(self.tls.resumed)


@cache
def _tlslite_identity(scheme: SignatureScheme) -> tuple[Any, Any]:
    files = files_for(scheme)
    chain = X509CertChain()
    chain.parsePemList(files.chain.read_text())
    return chain, parsePEMKey(files.key.read_text(), private=True)

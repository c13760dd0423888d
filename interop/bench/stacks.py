"""The stacks, each behind the same few methods: an `End` is one side of a connection whose bytes stay in memory."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import tls13
from tls13 import CipherSuite, NamedGroup, SignatureScheme

from ..files import files_for, root_file
from ..trial import HOST

if TYPE_CHECKING:
    from cryptography.utils import Buffer

SUITE = CipherSuite.TLS_AES_128_GCM_SHA256
READ = 2**16


@dataclass(frozen=True)
class Setting:
    """What is negotiated. `ssl` of Python 3.11 cannot be told the group: it uses X25519 all the time."""

    scheme: SignatureScheme = SignatureScheme.ecdsa_secp256r1_sha256
    group: NamedGroup = NamedGroup.x25519


class End(ABC):
    """One side. `give` and `take` are the wire's ends, `write` and `read` the application's."""

    @abstractmethod
    def handshake(self) -> None:
        """Go on with the handshake as far as the bytes that have come allow."""

    @abstractmethod
    def take(self) -> Buffer: ...

    @abstractmethod
    def give(self, data: Buffer) -> None: ...

    @abstractmethod
    def write(self, data: bytes) -> None: ...

    @abstractmethod
    def read(self) -> int:
        """Read all the application data that has come; how many bytes."""

    @abstractmethod
    def suite(self) -> str:
        """What was negotiated; to be sure that all do the same work."""


class Pair:
    """A client and a server."""

    def __init__(self, client: End, server: End) -> None:
        self.client, self.server = client, server

    def handshake(self) -> None:
        client, server = self.client, self.server
        client.handshake()
        while True:
            if to_server := client.take():
                server.give(to_server)
                server.handshake()
            if to_client := server.take():
                client.give(to_client)
                client.handshake()
            if not to_server and not to_client:
                return

    def transfer(self, data: bytes) -> int:
        """From the client to the server."""
        self.client.write(data)
        self.server.give(self.client.take())
        return self.server.read()

    def echo(self) -> int:
        """One byte there and back."""
        self.transfer(b"x")
        self.server.write(b"x")
        self.client.give(self.server.take())
        return self.client.read()


@dataclass(frozen=True)
class Stack(ABC):
    """One TLS stack. `left_out`: the rows that it does not take part in, with the reason."""

    name: str
    module: str
    left_out: dict[str, str] = field(default_factory=dict, hash=False)

    @abstractmethod
    def pair(self, setting: Setting) -> Pair:
        """A client and a server that have not spoken yet; the chain and the name will be verified."""


# --- tls13 ------------------------------------------------------------------------------------------------------------


class Ours(End):
    def __init__(self, connection: tls13.Connection) -> None:
        self.connection = connection

    def handshake(self) -> None:
        for _ in self.connection.events():
            pass

    def take(self) -> Buffer:
        return self.connection.data_to_send()

    def give(self, data: Buffer) -> None:
        self.connection.receive_data(data)

    def write(self, data: bytes) -> None:
        self.connection.send_data(data)

    def read(self) -> int:
        size = 0
        for event in self.connection.events():
            if isinstance(event, tls13.ApplicationData):
                size += len(event.data)
        return size

    def suite(self) -> str:
        return self.connection.session.cipher_suite.name if self.connection.session else ""


class Tls13(Stack):
    def pair(self, setting: Setting) -> Pair:
        client, server = configs(setting)
        return Pair(
            Ours(tls13.ClientConnection(client, server_hostname=HOST)),
            Ours(tls13.ServerConnection(server)),
        )


@cache
def configs(setting: Setting) -> tuple[tls13.ClientConfig, tls13.ServerConfig]:
    trust = tls13.TrustStore.from_file(root_file())
    files = files_for(setting.scheme)
    identity = tls13.Identity.from_files(files.chain, files.key)
    return (
        tls13.ClientConfig(trust=trust, groups=[setting.group], cipher_suites=[SUITE]),
        tls13.ServerConfig(identity, groups=[setting.group], cipher_suites=[SUITE]),
    )


# --- ssl --------------------------------------------------------------------------------------------------------------


class Ssl(End):
    def __init__(self, context: ssl.SSLContext, *, server: bool) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_side=server, server_hostname=None if server else HOST
        )
        self.complete = False

    def handshake(self) -> None:
        if not self.complete:
            try:
                self.tls.do_handshake()
                self.complete = True
            except ssl.SSLWantReadError:
                return

    def take(self) -> Buffer:
        return self.outgoing.read()

    def give(self, data: Buffer) -> None:
        self.incoming.write(data)

    def write(self, data: bytes) -> None:
        self.tls.write(data)

    def read(self) -> int:
        size = 0
        try:
            while True:
                size += len(self.tls.read(READ))
        except ssl.SSLWantReadError:
            return size

    def suite(self) -> str:
        return (self.tls.cipher() or ("",))[0]


class StandardLibrary(Stack):
    def pair(self, setting: Setting) -> Pair:
        client, server = ssl_contexts(setting.scheme)
        return Pair(Ssl(client, server=False), Ssl(server, server=True))


@cache
def ssl_contexts(scheme: SignatureScheme) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """No tickets: the others that are fast do not send any."""
    client = ssl.create_default_context(cafile=str(root_file()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = files_for(scheme)
    server.load_cert_chain(files.chain, files.key)
    server.num_tickets = 0
    return client, server


# --- pyOpenSSL --------------------------------------------------------------------------------------------------------


class PyOpenSsl(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .others import OpenSslEnd, openssl_contexts

        client, server = openssl_contexts(setting)
        return Pair(OpenSslEnd(client, server=False), OpenSslEnd(server, server=True))


class Siotls(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .others import SiotlsEnd, siotls_configs

        client, server = siotls_configs(setting.scheme)
        return Pair(SiotlsEnd(client, HOST), SiotlsEnd(server, None))


class Tlslite(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .others import TlsliteEnd

        return Pair(TlsliteEnd(setting, server=False), TlsliteEnd(setting, server=True))


_PURE = "its AES is pure Python: thousands of times slower"

STACKS: tuple[Stack, ...] = (
    StandardLibrary("ssl", "ssl"),
    Tls13("tls13", "tls13"),
    PyOpenSsl("pyOpenSSL", "OpenSSL.SSL"),
    Siotls(
        "siotls",
        "siotls.connection",
        {"X25519MLKEM768": "it has no post-quantum groups", "TCP": "the row in memory says it"},
    ),
    Tlslite(
        "tlslite-ng",
        "tlslite.api",
        {
            "X25519MLKEM768": "its ML-KEM is another package",
            "16 KiB": _PURE,
            "1 MiB": _PURE,
            "TCP": _PURE,
        },
    ),
)
"""The first one is what the others are compared with."""

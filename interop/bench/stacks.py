"""The stacks, each behind the same few methods: an `End` is one side of a connection whose bytes stay in memory."""

from __future__ import annotations

import ssl
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import tls13
from tls13 import CipherSuite, NamedGroup, SignatureScheme

from ..files import files_for, root_file
from ..trial import HOST
from .measure import NotTheSame

if TYPE_CHECKING:
    from collections.abc import Mapping

READ = 2**16


@dataclass(frozen=True)
class Setting:
    """What is negotiated. `ssl` of Python 3.11 cannot be told the group: it uses X25519 all the time; nor the suite:
    OpenSSL's configuration file does that. `resume`: each handshake uses a ticket of the one before."""

    scheme: SignatureScheme = SignatureScheme.ecdsa_secp256r1_sha256
    group: NamedGroup = NamedGroup.x25519
    suite: CipherSuite = CipherSuite.TLS_AES_128_GCM_SHA256
    resume: bool = False


class End(ABC):
    """One side. `give` and `take` are the wire's ends (bytes, or QUIC's datagrams), `write` and `read` the user's."""

    @abstractmethod
    def handshake(self) -> None:
        """Go on with the handshake, and then with the tickets, as far as the bytes that have come allow."""

    @abstractmethod
    def take(self) -> Any: ...

    @abstractmethod
    def give(self, data: Any) -> None: ...

    @abstractmethod
    def write(self, data: bytes) -> None: ...

    @abstractmethod
    def read(self) -> int:
        """Read all the application data that has come; how many bytes."""

    @abstractmethod
    def suite(self) -> str:
        """What was negotiated, or "" before the end of the handshake; to be sure that all do the same work."""

    @abstractmethod
    def resumed(self) -> bool:
        """Whether this end says that it resumed an earlier session."""


class Pair:
    """A client and a server."""

    def __init__(self, client: End, server: End) -> None:
        self.client, self.server = client, server

    def handshake(self) -> None:
        """Until neither has anything to say: the server's tickets have come then."""
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

    def echo(self, data: bytes) -> int:
        """There and back."""
        self.transfer(data)
        self.server.write(data)
        self.client.give(self.server.take())
        return self.client.read()


@dataclass(frozen=True)
class Stack(ABC):
    """One TLS stack. `left_out`: the rows that it does not take part in, with the reason. `note`: what it does
    differently in the others."""

    name: str
    module: str
    left_out: Mapping[str, str] = field(default_factory=dict, hash=False)
    note: str = ""

    @abstractmethod
    def pair(self, setting: Setting) -> Pair:
        """A client and a server that have not spoken yet; the chain and the name will be verified. A setting that
        resumes makes use of what `remember` was given."""

    def remember(self, setting: Setting, pair: Pair) -> None:
        """The client's session, for the next pair; for stacks that do not do it by themselves."""
        return

    def connected(self, setting: Setting) -> Pair:
        """A pair after its handshake. Raises NotTheSame if it does not use the suite that all use."""
        pair = self.pair(setting)
        pair.handshake()
        for end in (pair.client, pair.server):
            if end.suite() != setting.suite.name:
                raise NotTheSame(f"{self.name} negotiated {end.suite()!r} instead of {setting.suite.name}")
        return pair


# --- tls13 ------------------------------------------------------------------------------------------------------------


class Ours(End):
    def __init__(self, connection: tls13.Connection) -> None:
        self.connection = connection

    def handshake(self) -> None:
        for _ in self.connection.events():
            pass

    def take(self) -> Any:
        return self.connection.data_to_send()

    def give(self, data: Any) -> None:
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

    def resumed(self) -> bool:
        return self.connection.session is not None and self.connection.session.resumed


class Tls13(Stack):
    def pair(self, setting: Setting) -> Pair:
        client, server = configs(setting)
        if not setting.resume and client.sessions is not None:
            client.sessions.clear()  # the tickets were wanted, and are not used
        return Pair(
            Ours(tls13.ClientConnection(client, server_hostname=HOST)),
            Ours(tls13.ServerConnection(server)),
        )


@cache
def configs(setting: Setting) -> tuple[tls13.ClientConfig, tls13.ServerConfig]:
    """A SessionCache, so that the client wants tickets; the server gives as many as it does by default (2)."""
    trust = tls13.TrustStore.from_file(root_file())
    files = files_for(setting.scheme)
    identity = tls13.Identity.from_files(files.chain, files.key)
    common: dict[str, Any] = {"groups": [setting.group], "cipher_suites": [setting.suite]}
    return (
        tls13.ClientConfig(trust=trust, sessions=tls13.SessionCache(), **common),
        tls13.ServerConfig(identity, **common),
    )


# --- ssl --------------------------------------------------------------------------------------------------------------


class Ssl(End):
    def __init__(self, context: ssl.SSLContext, *, server: bool, session: ssl.SSLSession | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming,
            self.outgoing,
            server_side=server,
            server_hostname=None if server else HOST,
            session=session,
        )
        self.complete = False

    def handshake(self) -> None:
        if self.complete:
            self.read()  # the tickets
            return
        try:
            self.tls.do_handshake()
            self.complete = True
        except ssl.SSLWantReadError:
            return

    def take(self) -> Any:
        return self.outgoing.read()

    def give(self, data: Any) -> None:
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

    def resumed(self) -> bool:
        return bool(self.tls.session_reused)


class StandardLibrary(Stack):
    def pair(self, setting: Setting) -> Pair:
        client, server = ssl_contexts(setting)
        session = _SESSIONS.get((self.name, setting)) if setting.resume else None
        return Pair(Ssl(client, server=False, session=session), Ssl(server, server=True))

    def remember(self, setting: Setting, pair: Pair) -> None:
        if isinstance(pair.client, Ssl):
            _SESSIONS[self.name, setting] = pair.client.tls.session


_SESSIONS: dict[tuple[str, Setting], Any] = {}
"""Of stacks whose users carry sessions from one connection to the next: the latest."""


@cache
def ssl_contexts(setting: Setting) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Python's defaults: two tickets. The suite is that of OpenSSL's configuration, for which see worker.py."""
    client = ssl.create_default_context(cafile=str(root_file()))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    files = files_for(setting.scheme)
    server.load_cert_chain(files.chain, files.key)
    return client, server


# --- the peers of the extra "bench" -----------------------------------------------------------------------------------


class PyOpenSsl(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .others import OpenSslEnd, openssl_contexts

        client, server = openssl_contexts(setting)
        session = _SESSIONS.get((self.name, setting)) if setting.resume else None
        return Pair(OpenSslEnd(client, server=False, session=session), OpenSslEnd(server, server=True))

    def remember(self, setting: Setting, pair: Pair) -> None:
        from .others import session_of

        _SESSIONS[self.name, setting] = session_of(pair.client)


class Siotls(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .others import SiotlsEnd, siotls_configs

        client, server = siotls_configs(setting)
        return Pair(SiotlsEnd(client, HOST), SiotlsEnd(server, None))


class Tlslite(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .others import TlsliteEnd

        return Pair(TlsliteEnd(setting, server=False), TlsliteEnd(setting, server=True))


class Aioquic(Stack):
    def pair(self, setting: Setting) -> Pair:
        from .quic import pair

        return pair(setting)


_PURE = "its AES is pure Python: thousands of times slower"
_IN_MEMORY = "the rows in memory say it"
_QUIC = "QUIC is measured for handshakes only"
_BULK = ("16 KiB", "1 MiB", "16 KiB AES-256", "1 MiB AES-256", "16 KiB ChaCha20", "1 MiB ChaCha20")

STACKS: tuple[Stack, ...] = (
    StandardLibrary("ssl", "ssl"),
    Tls13("tls13", "tls13"),
    PyOpenSsl("pyOpenSSL", "OpenSSL.SSL", {"aio": "it has no asyncio face"}, "it verifies chains, not names"),
    Siotls(
        "siotls",
        "siotls.connection",
        {
            "resumption": "it has none",
            "X25519MLKEM768": "it has no post-quantum groups",
            "TCP": _IN_MEMORY,
            "aio": _IN_MEMORY,
        },
    ),
    Tlslite(
        "tlslite-ng",
        "tlslite.api",
        {
            "resumption": "its server does not say whether it resumed",
            "X25519MLKEM768": "its ML-KEM is another package",
            **dict.fromkeys((*_BULK, "TCP", "aio", "echo 1 KiB"), _PURE),
        },
        "it verifies no chains",
    ),
    Aioquic(
        "aioquic",
        "aioquic.quic.connection",
        {
            "resumption": "its tickets are kept by the user's server, not sealed",
            "X25519MLKEM768": "it has no post-quantum groups",
            **dict.fromkeys((*_BULK, "TCP", "aio", "echo 1 B", "echo 1 KiB", "memory"), _QUIC),
        },
        "QUIC: packets are protected twice; key exchange by secp256r1; no tickets",
    ),
)
"""The first one is what the others are compared with."""


def stack_named(name: str) -> Stack:
    return next(stack for stack in STACKS if stack.name == name)

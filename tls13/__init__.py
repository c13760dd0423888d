"""tls13: RFC 9846 as a coroutine, with no I/O inside, that anyone can read, drive, watch and trust.

    with tls13.connect(("example.com", 443)) as tls:            # plain sockets
        tls.sendall(b"GET / HTTP/1.1\\r\\nHost: example.com\\r\\nConnection: close\\r\\n\\r\\n")

    reader, writer = await tls13.aio.open_connection("example.com", 443)        # asyncio

    conn = tls13.ClientConnection(tls13.ClientConfig(), server_hostname="example.com")     # no I/O
    conn.data_to_send(); conn.receive_data(data); conn.events(); conn.send_data(b"..."); conn.close()

What speaks to the outside (sockets, asyncio), and what only clients, only servers or only resumption need, is loaded
when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import errors
from .config import INSECURE_NO_VERIFICATION, ClientConfig
from .connection import ClientConnection, Connection, ServerConnection
from .errors import (
    Abort,
    AlertDescription,
    AlertReceived,
    CertificateError,
    ConfigurationError,
    ConnectionFailed,
    TLSError,
    TruncatedStream,
    UsageError,
)
from .events import ApplicationData, HandshakeCompleted, PeerClosed, Session
from .record import pad_to_multiple_of
from .trust.names import ServerName
from .trust.store import TrustStore
from .trust.verify import ChainVerifier, Profile
from .wire.registry import CipherSuite, NamedGroup, PskKeyExchangeMode, SignatureScheme

if TYPE_CHECKING:
    from .config import ClientAuth, ServerConfig
    from .errors import TransportError
    from .events import (
        AnswerAwaited,
        ClientAuthenticated,
        EarlyData,
        EarlyDataAccepted,
        EarlyDataRejected,
        Event,
        KeysUpdated,
        TicketReceived,
        Tracer,
    )
    from .io import aio
    from .io.keylog import KeyLogFile, key_log_from_environment
    from .io.memory import pump
    from .io.opening import connect, wrap_socket
    from .io.sockets import TLSSocket
    from .resumption.early_data import ReplayGuard
    from .resumption.imported import import_psk
    from .resumption.psk import ExternalPsk, Psk
    from .resumption.sessions import SessionCache, StoredSession
    from .resumption.stores import AsyncRedisStore, MemoryStore, RedisStore, Store
    from .resumption.tickets import GivenTicketKeys, SealedTickets, StoredTicketKeys, StoredTickets, TicketKeys
    from .stdlib.context import SSLContext, create_default_context
    from .stdlib.module import get_server_certificate
    from .stdlib.session import SSLSession
    from .trust.crl import CrlSet
    from .trust.identity import Identity

__version__ = "0.1.0"

_LATE = {
    "SSLContext": "tls13.stdlib.context",
    "SSLSession": "tls13.stdlib.session",
    "create_default_context": "tls13.stdlib.context",
    "_create_unverified_context": "tls13.stdlib.module",
    "get_server_certificate": "tls13.stdlib.module",
    "KeyLogFile": "tls13.io.keylog",
    "key_log_from_environment": "tls13.io.keylog",
    "aio": "tls13.io.aio",
    "pump": "tls13.io.memory",
    "TLSSocket": "tls13.io.sockets",
    "connect": "tls13.io.opening",
    "wrap_socket": "tls13.io.opening",
    "TransportError": "tls13.errors",
    "CrlSet": "tls13.trust.crl",
    "Identity": "tls13.trust.identity",
    "ClientAuth": "tls13.config",
    "ServerConfig": "tls13.config",
    "ReplayGuard": "tls13.resumption.early_data",
    "import_psk": "tls13.resumption.imported",
    **dict.fromkeys(
        (
            "AnswerAwaited",
            "ClientAuthenticated",
            "EarlyData",
            "EarlyDataAccepted",
            "EarlyDataRejected",
            "Event",
            "KeysUpdated",
            "TicketReceived",
            "Tracer",
        ),
        "tls13.events",
    ),
    **dict.fromkeys(("ExternalPsk", "Psk"), "tls13.resumption.psk"),
    **dict.fromkeys(("SessionCache", "StoredSession"), "tls13.resumption.sessions"),
    **dict.fromkeys(("AsyncRedisStore", "MemoryStore", "RedisStore", "Store"), "tls13.resumption.stores"),
    **dict.fromkeys(
        ("GivenTicketKeys", "SealedTickets", "StoredTicketKeys", "StoredTickets", "TicketKeys"),
        "tls13.resumption.tickets",
    ),
}
"""Where the names are that load sockets or asyncio, and those of which not every client has a use."""


_OF_SSL = {
    "DER_cert_to_PEM_cert", "DefaultVerifyPaths", "MemoryBIO", "Options", "PEM_FOOTER", "PEM_HEADER",
    "PEM_cert_to_DER_cert", "Purpose", "RAND_add", "RAND_bytes", "RAND_status", "SSLCertVerificationError",
    "SSLEOFError", "SSLError", "SSLErrorNumber", "SSLObject", "SSLSocket", "SSLSyscallError", "SSLWantReadError",
    "SSLWantWriteError", "SSLZeroReturnError", "TLSVersion", "VerifyFlags", "VerifyMode", "cert_time_to_seconds",
    "enum_certificates", "enum_crls", "get_default_verify_paths", "get_protocol_name", "socket_error",
}  # fmt: skip
_CONSTANTS = (
    "ALERT_DESCRIPTION_", "CERT_", "CHANNEL_BINDING_TYPES", "HAS_", "OPENSSL_VERSION", "OP_", "PROTOCOL_", "SSL_ERROR_",
    "VERIFY_",
)  # fmt: skip
"""What programs use of `ssl` that is not its contexts: `import tls13 as ssl` finds it here."""

for _alert in AlertDescription:  # it answers to the names that `ssl` has for its members, and keeps its own
    _name = _alert.name.upper().replace("USER_CANCELED", "USER_CANCELLED")
    setattr(AlertDescription, f"ALERT_DESCRIPTION_{_name}", _alert)


def _is_of_ssl(name: str) -> bool:
    return name in _OF_SSL or name.startswith(_CONSTANTS)


def __getattr__(name: str) -> Any:
    if name == "__all__":  # `from tls13 import *` asks for it
        return [*_NAMES, *filter(_is_of_ssl, dir(importlib.import_module("ssl")))]
    if _is_of_ssl(name):
        return getattr(importlib.import_module("ssl"), name)
    if name not in _LATE:
        raise AttributeError(f"module 'tls13' has no attribute {name!r}")
    module = importlib.import_module(_LATE[name])
    value = module if module.__name__.endswith(f".{name}") else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATE, *__getattr__("__all__")})


__all__ = [
    "INSECURE_NO_VERIFICATION",
    "Abort",
    "AlertDescription",
    "AlertReceived",
    "AnswerAwaited",
    "ApplicationData",
    "AsyncRedisStore",
    "CertificateError",
    "ChainVerifier",
    "CipherSuite",
    "ClientAuth",
    "ClientAuthenticated",
    "ClientConfig",
    "ClientConnection",
    "ConfigurationError",
    "Connection",
    "ConnectionFailed",
    "CrlSet",
    "EarlyData",
    "EarlyDataAccepted",
    "EarlyDataRejected",
    "Event",
    "ExternalPsk",
    "GivenTicketKeys",
    "HandshakeCompleted",
    "Identity",
    "KeyLogFile",
    "KeysUpdated",
    "MemoryStore",
    "NamedGroup",
    "PeerClosed",
    "Profile",
    "Psk",
    "PskKeyExchangeMode",
    "RedisStore",
    "ReplayGuard",
    "SSLContext",
    "SSLSession",
    "SealedTickets",
    "ServerConfig",
    "ServerConnection",
    "ServerName",
    "Session",
    "SessionCache",
    "SignatureScheme",
    "Store",
    "StoredSession",
    "StoredTicketKeys",
    "StoredTickets",
    "TLSError",
    "TLSSocket",
    "TicketKeys",
    "TicketReceived",
    "Tracer",
    "TransportError",
    "TruncatedStream",
    "TrustStore",
    "UsageError",
    "aio",
    "connect",
    "create_default_context",
    "errors",
    "get_server_certificate",
    "import_psk",
    "key_log_from_environment",
    "pad_to_multiple_of",
    "pump",
    "wrap_socket",
]

_NAMES = tuple(__all__)
if not TYPE_CHECKING:
    del __all__  # with the names of `ssl` it is made when somebody asks for it

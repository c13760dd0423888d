"""tls13.SSLContext: an ssl.SSLContext whose connections run on this engine.

It *is* an ssl.SSLContext, so whatever asks for one takes it: what it inherits stores the plain settings (verify_mode,
options, check_hostname, ...) and keeps to `ssl`'s errors for bad arguments and bad files. Two hooks, `_wrap_socket` and
`_wrap_bio`, make the object that does the work (channel.py); they are private to CPython, the same from 3.8 to 3.13,
and tests hold them for each version.

There is no fallback: TLS 1.3 or nothing. A setting that would mean an older version is refused where it is made. The
frozen config that all settings come to is `client_config` or `server_config`; it is made when first needed, and again
when a setting has changed.
"""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from ..config import INSECURE_NO_VERIFICATION, ClientAuth, ClientConfig, ServerConfig
from ..crypto.groups import DEFAULT_GROUPS, GROUPS
from ..crypto.signatures import DEFAULT_SIGNATURE_SCHEMES, SCHEMES
from ..crypto.suites import DEFAULT_CIPHER_SUITES, SUITES
from ..errors import ConfigurationError
from ..io.keylog import KeyLogFile
from ..resumption.psk import ExternalPsk
from ..trust.crl import CrlSet
from ..trust.identity import Identity
from ..trust.store import TrustStore
from ..trust.verify import ChainVerifier, NamelessVerifier, Profile
from ..wire.registry import CipherSuite, NamedGroup, PskKeyExchangeMode, SignatureScheme
from .channel import Channel
from .sockets import SSLObject, SSLSocket
from .wire import BioWire, SocketWire

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Sequence

    from ..config import IdentityChooser
    from ..resumption.sessions import StoredSession
    from ..trust.verify import Verifier
    from .session import SSLSession

    Password = str | bytes | bytearray | Callable[[], str | bytes | bytearray] | None

STANDARD = ssl.SSLContext
"""The class of the standard library, kept: if a program replaces ssl.SSLContext, super() must still mean this one."""
BASE: Any = STANDARD.__base__
"""C's _ssl._SSLContext."""

OLDER: Final = (
    ssl.PROTOCOL_TLS,
    ssl.PROTOCOL_TLS_CLIENT,
    ssl.PROTOCOL_TLS_SERVER,
)
CURVES = {"prime256v1": "secp256r1", "P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1",
          "X25519": "x25519", "X448": "x448"}  # fmt: skip
"""OpenSSL's names of groups that have others in the RFC."""


class SSLContext(STANDARD):
    """As ssl.SSLContext, for TLS 1.3. What it adds is in the second half of the class."""

    sslsocket_class = SSLSocket
    sslobject_class = SSLObject

    _generation = 0
    _config: tuple[tuple[object, ...], ClientConfig | ServerConfig] | None = None

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> Self:
        if protocol is not None and protocol not in OLDER:
            raise ValueError(f"{protocol!r}: tls13 speaks TLS 1.3 only; use PROTOCOL_TLS_CLIENT or PROTOCOL_TLS_SERVER")
        self = STANDARD.__new__(cls, protocol, *args, **kwargs)
        self._identities = []
        self._anchors = []
        self._extra = {}
        return self

    _identities: list[Identity]
    _anchors: list[x509.Certificate]
    _extra: dict[str, Any]
    _crl_pem = b""
    _system_trust = False
    _alpn: tuple[bytes, ...] = ()
    _suites: tuple[CipherSuite, ...] = DEFAULT_CIPHER_SUITES
    _groups: tuple[NamedGroup, ...] = DEFAULT_GROUPS
    _schemes: tuple[SignatureScheme, ...] = DEFAULT_SIGNATURE_SCHEMES
    _psk_client: Callable[[str | None], tuple[str | None, bytes]] | None = None
    _psk_server: Callable[[str | None], bytes] | None = None
    _verifier: Verifier | None = None
    _choose_identity: IdentityChooser | None = None
    early_data: bytes | None = None
    """What each new client connection sends with its ClientHello, if its session allows it: anybody may send it again
    (RFC 9846, section 8)."""
    on_session: Callable[[StoredSession], None] | None = None
    """Is called with each session that a server gives."""

    def _changed(self) -> None:
        self._generation += 1

    # --- the two hooks --------------------------------------------------------------------------------------------

    def _wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object = None,
        session: SSLSession | None = None,
    ) -> Channel:
        return self._channel(SocketWire(sock), server_side, server_hostname, owner, session, returns=sock)

    def _wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool,
        server_hostname: str | None = None,
        *,
        owner: object = None,
        session: SSLSession | None = None,
    ) -> Channel:
        return self._channel(BioWire(incoming, outgoing), server_side, server_hostname, owner, session, returns=None)

    def _channel(
        self,
        wire: SocketWire | BioWire,
        server_side: bool,
        server_hostname: str | bytes | None,
        owner: object,
        session: SSLSession | None,
        returns: object,
    ) -> Channel:
        if server_side and self.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "Cannot create a server socket with a PROTOCOL_TLS_CLIENT context")
        if not server_side and self.protocol == ssl.PROTOCOL_TLS_SERVER:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "Cannot create a client socket with a PROTOCOL_TLS_SERVER context")
        if isinstance(server_hostname, bytes):
            server_hostname = server_hostname.decode("ascii")
        if server_hostname == "" or (server_hostname or "").startswith("."):
            raise ValueError("server_hostname cannot be an empty string or start with a leading dot.")
        return Channel(
            self,
            wire,
            server_side=server_side,
            server_hostname=server_hostname,
            owner=owner,
            session=session,
            returns=returns,
        )

    # --- certificates ---------------------------------------------------------------------------------------------

    def load_cert_chain(
        self,
        certfile: Any,
        keyfile: Any = None,
        password: Password = None,
    ) -> None:
        """As ssl's, with files; or with PEM bytes, or with `cryptography`'s objects: certificates and a private key.

        Bytes that hold no PEM are a path, as with `ssl`.

        All is read at once. With several calls, whichever certificate fits a client is shown to it.
        """
        if isinstance(certfile, (bytes, bytearray)) and b"-----BEGIN " in certfile:
            identity = _sentence(
                Identity.from_pem, bytes(certfile), bytes(keyfile) if keyfile is not None else None, _secret(password)
            )
        elif isinstance(certfile, (str, bytes, Path)) or hasattr(certfile, "__fspath__"):
            secret = _secret(password)
            STANDARD.load_cert_chain(self, certfile, keyfile, _for_c(secret))
            key_path = os.fsdecode(keyfile) if keyfile is not None else None
            identity = _sentence(Identity.from_files, os.fsdecode(certfile), key_path, secret)
        else:
            chain = [certfile] if isinstance(certfile, x509.Certificate) else list(certfile)
            identity = _sentence(Identity, chain, keyfile)
        self.add_identity(identity)

    def load_pkcs12(self, data: bytes, password: str | bytes | None = None) -> None:
        """A certificate, its chain and its key, from PKCS#12 bytes (a .p12 or .pfx file's)."""
        secret = password.encode() if isinstance(password, str) else password
        try:
            key, leaf, others = pkcs12.load_key_and_certificates(data, secret)
        except ValueError as error:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"the PKCS#12 data cannot be read: {error}") from None
        if key is None or leaf is None:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "the PKCS#12 data holds no certificate with its key")
        self.load_cert_chain([leaf, *others], key)

    def add_identity(self, identity: Identity) -> None:
        """A tls13.Identity, as it is: the newest is preferred."""
        self._identities.insert(0, identity)
        self._changed()

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        STANDARD.load_verify_locations(self, cafile, capath, cadata)
        if cafile is not None:
            self._load_pem(Path(os.fsdecode(cafile)).read_bytes())
        if capath is not None:
            self._anchors += TrustStore.from_directory(os.fsdecode(capath)).certificates
        if isinstance(cadata, str):
            self._load_pem(cadata.encode("ascii"))
        elif cadata is not None:
            self._anchors += _der_certificates(bytes(cadata))
        self._changed()

    def _load_pem(self, data: bytes) -> None:
        if b"-----BEGIN CERTIFICATE-----" in data:
            self._anchors += x509.load_pem_x509_certificates(data)
        if b"-----BEGIN X509 CRL-----" in data:
            self._crl_pem += data + b"\n"

    def set_default_verify_paths(self) -> None:
        STANDARD.set_default_verify_paths(self)
        self._system_trust = True
        self._changed()

    # --- what is offered ------------------------------------------------------------------------------------------

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        protocols = list(alpn_protocols)
        STANDARD.set_alpn_protocols(self, protocols)
        self._alpn = tuple(protocol.encode("ascii") for protocol in protocols)
        self._changed()

    def set_ciphers(self, cipherlist: str, /) -> None:
        """TLS 1.3's names choose, in this order; a list with none of them is checked as ssl does, and says nothing
        about TLS 1.3."""
        named = [name for part in cipherlist.replace(",", ":").replace(" ", ":").split(":") if (name := part.strip())]
        suites = [CipherSuite[name] for name in named if name in CipherSuite.__members__]
        if suites:
            self.set_ciphersuites(suites)
        else:
            STANDARD.set_ciphers(self, cipherlist)

    def get_ciphers(self) -> Any:
        known = {one["name"]: one for one in STANDARD.get_ciphers(self)}
        return [known.get(code.name, {"name": code.name, "protocol": "TLSv1.3"}) for code in self._suites]

    def set_ecdh_curve(self, name: str | bytes, /) -> None:
        text = name.decode("ascii") if isinstance(name, bytes) else name
        STANDARD.set_ecdh_curve(self, text)
        self.set_groups([CURVES.get(text, text)])

    # --- settings that C stores, and that must not say "older" ------------------------------------------------------

    # `ssl`'s own setters look their base up through the name ssl.SSLContext, and call themselves for ever once a
    # program has put our class there. So these five are set in C, below the standard class.

    @property
    def minimum_version(self) -> ssl.TLSVersion:
        return ssl.TLSVersion(BASE.minimum_version.__get__(self))

    @minimum_version.setter
    def minimum_version(self, value: int) -> None:
        BASE.minimum_version.__set__(self, value)

    @property
    def maximum_version(self) -> ssl.TLSVersion:
        return ssl.TLSVersion(BASE.maximum_version.__get__(self))

    @maximum_version.setter
    def maximum_version(self, value: int) -> None:
        if value not in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.MAXIMUM_SUPPORTED):
            raise ValueError(f"maximum_version is {ssl.TLSVersion(value).name}: tls13 speaks TLS 1.3 only")
        BASE.maximum_version.__set__(self, value)

    @property
    def options(self) -> ssl.Options:
        return ssl.Options(BASE.options.__get__(self))

    @options.setter
    def options(self, value: int) -> None:
        if value & ssl.OP_NO_TLSv1_3:
            raise ValueError("OP_NO_TLSv1_3: tls13 speaks TLS 1.3 only")
        BASE.options.__set__(self, value)

    @property
    def verify_flags(self) -> ssl.VerifyFlags:
        return ssl.VerifyFlags(BASE.verify_flags.__get__(self))

    @verify_flags.setter
    def verify_flags(self, value: int) -> None:
        BASE.verify_flags.__set__(self, value)

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        return ssl.VerifyMode(BASE.verify_mode.__get__(self))

    @verify_mode.setter
    def verify_mode(self, value: int) -> None:
        BASE.verify_mode.__set__(self, value)

    @property
    def _msg_callback(self) -> None:
        """C's hook for debugging, which `ssl` keeps to itself: there is none here."""

    @_msg_callback.setter
    def _msg_callback(self, callback: object) -> None:
        if callback is not None:
            raise ValueError("_msg_callback is OpenSSL's: a tls13.ClientConnection(tracer=...) tells of its messages")

    def set_psk_client_callback(self, callback: Callable[[str | None], tuple[str | None, bytes]] | None) -> None:
        """callback(hint) -> (identity, key); TLS 1.3 has no hint. The key goes with SHA-256."""
        self._psk_client = callback
        self._changed()

    def set_psk_server_callback(
        self, callback: Callable[[str | None], bytes] | None, identity_hint: str | None = None
    ) -> None:
        """callback(identity) -> the key, or b""; TLS 1.3 has no hint to send."""
        self._psk_server = callback
        self._changed()

    # --- beyond ssl -----------------------------------------------------------------------------------------------

    def set_ciphersuites(self, suites: str | Sequence[CipherSuite | str]) -> None:
        """TLS 1.3's cipher suites, by preference."""
        self._suites = _members(suites, CipherSuite, SUITES, "cipher suite", {})
        self._changed()

    def set_groups(self, groups: str | Sequence[NamedGroup | str]) -> None:
        """Key exchange groups, by preference: a list, or OpenSSL's way of writing one ("X25519MLKEM768:X25519")."""
        self._groups = _members(groups, NamedGroup, GROUPS, "group", CURVES)
        self._changed()

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        return [group.name for group in self._groups]

    def set_signature_schemes(self, schemes: str | Sequence[SignatureScheme | str]) -> None:
        """What may sign a handshake, ours and the peer's, by preference."""
        self._schemes = _members(schemes, SignatureScheme, SCHEMES, "signature scheme", {})
        self._changed()

    set_client_sigalgs = set_server_sigalgs = set_signature_schemes

    def set_verifier(self, verifier: Verifier | None) -> None:
        """Judges the peer's chain in place of what was loaded (tls13.trust.verify.Verifier)."""
        self._verifier = verifier
        self._changed()

    def set_identity_chooser(self, choose: IdentityChooser | None) -> None:
        """A client's: called with each CertificateRequest, it returns a tls13.Identity or None."""
        self._choose_identity = choose
        self._changed()

    def set_config(self, **arguments: Any) -> None:
        """Any argument of ClientConfig or ServerConfig, over what the settings of this context come to."""
        self._extra.update(arguments)
        self._changed()

    def session_received(self, session: StoredSession) -> None:
        if self.on_session is not None:
            self.on_session(session)

    # --- what it all comes to -------------------------------------------------------------------------------------

    @property
    def client_config(self) -> ClientConfig:
        """The frozen config of this context's client connections."""
        config = self._made(self._make_client)
        if not isinstance(config, ClientConfig):
            raise TypeError("this context is a server's")
        return config

    @property
    def server_config(self) -> ServerConfig:
        """The frozen config of this context's server connections."""
        config = self._made(self._make_server)
        if not isinstance(config, ServerConfig):
            raise TypeError("this context is a client's")
        return config

    def _made(self, make: Callable[[], ClientConfig | ServerConfig]) -> ClientConfig | ServerConfig:
        key = (
            make.__name__,
            self._generation,
            self.verify_mode,
            self.check_hostname,
            self.verify_flags,
            self.options,
            self.post_handshake_auth,
            self.keylog_filename,
            self.num_tickets,
        )
        if self._config is None or self._config[0] != key:
            try:
                self._config = (key, make())
            except ConfigurationError as error:
                raise ssl.SSLError(ssl.SSL_ERROR_SSL, str(error)) from error
        return self._config[1]

    def _common(self) -> dict[str, Any]:
        path = self.keylog_filename
        return {
            "cipher_suites": self._suites,
            "groups": self._groups,
            "signature_schemes": self._schemes,
            "alpn_protocols": self._alpn,
            "key_log": KeyLogFile(str(path)) if path else None,
        }

    def _make_client(self) -> ClientConfig:
        arguments = self._common()
        if self.verify_mode is ssl.CERT_NONE:
            arguments["verify"] = INSECURE_NO_VERIFICATION
        elif self._verifier is not None:
            arguments["verifier"] = self._verifier
        else:
            kind = ChainVerifier if self.check_hostname else NamelessVerifier
            arguments["verifier"] = kind(self._trust(), profile=self._profile(), crls=self._crls())
        if self._psk_client is not None:
            identity, key = self._psk_client(None)
            arguments["psks"] = [ExternalPsk((identity or "").encode(), key)]
        arguments["identities"] = self._identities
        arguments["choose_identity"] = self._choose_identity
        arguments["post_handshake_auth"] = self.post_handshake_auth
        arguments["psk_key_exchange_modes"] = [PskKeyExchangeMode.psk_dhe_ke]
        return ClientConfig(**{**arguments, **self._extra})

    def _make_server(self) -> ServerConfig:
        arguments = self._common()
        if self.verify_mode is not ssl.CERT_NONE:
            arguments["client_verifier"] = self._verifier or ChainVerifier(
                self._trust(), profile=self._profile(), crls=self._crls()
            )
            required = self.verify_mode is ssl.CERT_REQUIRED
            arguments["client_auth"] = ClientAuth.REQUIRED if required else ClientAuth.OPTIONAL
            if self.post_handshake_auth:
                arguments["client_auth"] = ClientAuth.LATER
        if self._psk_server is not None:
            arguments["find_psk"] = self._find_psk
        if self.options & ssl.OP_NO_TICKET or not self.num_tickets:
            arguments["tickets"] = None
        arguments["ticket_count"] = self.num_tickets
        arguments["strict_alpn"] = False  # as ssl: no protocol in common is no reason to fail
        return ServerConfig(self._identities, **{**arguments, **self._extra})

    def _find_psk(self, identity: bytes) -> ExternalPsk | None:
        if self._psk_server is None:
            return None
        key = self._psk_server(identity.decode("utf-8", "replace"))
        return ExternalPsk(identity, key) if key else None

    def _trust(self) -> TrustStore:
        if not self._system_trust:
            return TrustStore.from_certificates(self._anchors)
        system = TrustStore.system()
        if not self._anchors:
            return system
        return TrustStore.from_certificates([*self._anchors, *system.certificates])

    def _profile(self) -> Profile:
        """OpenSSL asks for RFC 5280's forms, critical basicConstraints and key identifiers, only with this flag; there
        are private CAs without them, CPython's own for its tests among those."""
        return Profile.DEFAULT if self.verify_flags & ssl.VERIFY_X509_STRICT else Profile.PRIVATE

    def _crls(self) -> CrlSet | None:
        """VERIFY_CRL_CHECK_*: every certificate that they name must be on no list, and covered by one."""
        chain = self.verify_flags & ssl.VERIFY_CRL_CHECK_CHAIN == ssl.VERIFY_CRL_CHECK_CHAIN
        leaf = self.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
        if not chain and not leaf:
            return None
        require: Literal["chain", "leaf"] = "chain" if chain else "leaf"
        return CrlSet.from_pem(self._crl_pem, require=require) if self._crl_pem else CrlSet([], require=require)


def create_default_context(
    purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH,
    *,
    cafile: Any = None,
    capath: Any = None,
    cadata: Any = None,
) -> SSLContext:
    """As ssl.create_default_context: verification on for clients, off for servers, the system's trust store unless
    another is named, and a key log if SSLKEYLOGFILE is set."""
    if purpose == ssl.Purpose.SERVER_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    elif purpose == ssl.Purpose.CLIENT_AUTH:
        context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    else:
        raise ValueError(purpose)
    if sys.version_info >= (3, 13):  # as `ssl` itself
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    if cafile or capath or cadata:
        context.load_verify_locations(cafile, capath, cadata)
    elif context.verify_mode != ssl.CERT_NONE:
        context.load_default_certs(purpose)
    path = os.environ.get("SSLKEYLOGFILE")
    if path:
        context.keylog_filename = path
    return context


def _members(wanted: Any, kind: Any, table: Any, what: str, aliases: dict[str, str]) -> Any:
    names = wanted.split(":") if isinstance(wanted, str) else wanted
    members = []
    for name in names:
        text = aliases.get(name, name) if isinstance(name, str) else name
        member = kind.__members__.get(text) if isinstance(text, str) else kind(text)
        if member not in table:
            raise ValueError(f"unknown {what} {name!r}; there are: {', '.join(kind(code).name for code in table)}")
        members.append(member)
    if not members:
        raise ValueError(f"no {what} is named")
    return tuple(members)


def _sentence(make: Callable[..., Identity], *arguments: Any) -> Identity:
    """ConfigurationError is ours; who loads certificates expects ssl.SSLError."""
    try:
        return make(*arguments)
    except ConfigurationError as error:
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, f"[SSL] {error}") from error


def _secret(password: Password) -> bytes | Callable[[], bytes] | None:
    """The password, as bytes; what is to be called for it is called once, whoever asks."""
    if not callable(password):
        return password.encode() if isinstance(password, str) else (bytes(password) if password is not None else None)
    asked: list[bytes] = []

    def ask() -> bytes:
        if not asked:
            answer = password()
            asked.append(answer.encode() if isinstance(answer, str) else bytes(answer))
        return asked[0]

    return ask


def _for_c(secret: bytes | Callable[[], bytes] | None) -> Any:
    return secret


def _der_certificates(data: bytes) -> list[x509.Certificate]:
    """One DER certificate after the other."""
    found = []
    while data:
        end = 4 + int.from_bytes(data[2:4], "big") if data[1:2] == b"\x82" else 2 + data[1]
        found.append(x509.load_der_x509_certificate(data[:end]))
        data = data[end:]
    return found

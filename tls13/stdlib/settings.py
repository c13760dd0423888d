"""The settings that ssl.SSLContext has too.

What C stores, C goes on storing: verify_mode, check_hostname, options and the like, with `ssl`'s own errors for bad
arguments and bad files. What our engine needs to know is noted beside it. A setting that would mean an older version
of TLS is refused where it is made.
"""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING, Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..crypto.groups import DEFAULT_GROUPS, GROUPS
from ..crypto.signatures import DEFAULT_SIGNATURE_SCHEMES, SCHEMES
from ..crypto.suites import DEFAULT_CIPHER_SUITES, SUITES
from ..errors import ConfigurationError
from ..io.keylog import KeyLogFile
from ..trust.store import TrustStore
from ..wire.registry import CipherSuite, NamedGroup, SignatureScheme
from .failures import bad_settings, nothing_to_trust
from .loading import der_certificates, is_stream, load_identity, trust_pem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..trust.identity import Identity
    from .loading import Chain, Key, Password, StrOrBytesPath

STANDARD = ssl.SSLContext
"""The class of the standard library, kept: if a program replaces ssl.SSLContext, super() must still mean this one."""
BASE: Any = STANDARD.__base__
"""C's _ssl._SSLContext."""

PROTOCOLS: Final = (ssl.PROTOCOL_TLS, ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER)
CURVES: Final = {"prime256v1": "secp256r1", "P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1",
                 "X25519": "x25519", "X448": "x448"}  # fmt: skip
"""OpenSSL's names of groups that have others in the RFC."""


class Settings(STANDARD):
    """ssl.SSLContext's own half of a tls13.SSLContext."""

    _identities: list[Identity]
    """The newest first."""
    _anchors: list[x509.Certificate]
    _crl_pem = b""
    _system_trust: TrustStore | None = None
    _alpn: tuple[bytes, ...] = ()
    _suites: tuple[CipherSuite, ...] = DEFAULT_CIPHER_SUITES
    _groups: tuple[NamedGroup, ...] = DEFAULT_GROUPS
    _schemes: tuple[SignatureScheme, ...] = DEFAULT_SIGNATURE_SCHEMES
    _psk_client: Callable[[str | None], tuple[str | None, bytes]] | None = None
    _psk_server: Callable[[str | None], bytes] | None = None
    _generation = 0

    def __new__(cls, protocol: int | None = None, *args: Any, **kwargs: Any) -> Self:
        if protocol is not None and protocol not in PROTOCOLS:
            raise ValueError(f"{protocol!r}: tls13 speaks TLS 1.3 only; use PROTOCOL_TLS_CLIENT or PROTOCOL_TLS_SERVER")
        self = STANDARD.__new__(cls, protocol, *args, **kwargs)
        self._identities = []
        self._anchors = []
        return self

    def _changed(self) -> None:
        """What was made of the settings is out of date."""
        self._generation += 1

    # --- certificates ---------------------------------------------------------------------------------------------

    def load_cert_chain(self, certfile: Chain, keyfile: Key = None, password: Password = None) -> None:
        """As ssl's, with files; or with bytes, PEM or PKCS#12; or with `cryptography`'s objects: a certificate or
        several, and a private key.

        All is read at once. With several calls, whichever certificate fits a client is shown to it.
        """
        self.add_identity(
            load_identity(certfile, keyfile, password, lambda *files: STANDARD.load_cert_chain(self, *files))
        )

    def add_identity(self, identity: Identity) -> None:
        """A tls13.Identity, as it is: the newest is preferred."""
        self._identities.insert(0, identity)
        self._changed()

    def load_verify_locations(
        self,
        cafile: StrOrBytesPath | None = None,
        capath: StrOrBytesPath | None = None,
        cadata: Any = None,
    ) -> None:
        stream = is_stream(cafile)
        pem = trust_pem(cafile) if cafile is not None else b""
        if not stream or capath is not None or cadata is not None:
            STANDARD.load_verify_locations(self, None if stream else cafile, capath, cadata)
        if stream:
            self._load_stream(pem)
        else:
            self._load_pem(pem)
        if capath is not None:
            self._anchors += _of_directory(os.fsdecode(capath))
        if isinstance(cadata, str):
            self._load_pem(cadata.encode("ascii"))
        elif cadata is not None:
            self._anchors += der_certificates(bytes(cadata))
        self._changed()

    def _load_stream(self, data: bytes) -> None:
        """Of what can be read only once, the standard class is told what was found, for get_ca_certs."""
        before = len(self._anchors), len(self._crl_pem)
        self._load_pem(data)
        if before == (len(self._anchors), len(self._crl_pem)):
            raise nothing_to_trust()
        if found := self._anchors[before[0] :]:
            der = b"".join(certificate.public_bytes(Encoding.DER) for certificate in found)
            STANDARD.load_verify_locations(self, None, None, der)

    def _load_pem(self, data: bytes) -> None:
        if b"-----BEGIN CERTIFICATE-----" in data or b"-----BEGIN X509 CERTIFICATE-----" in data:
            self._anchors += x509.load_pem_x509_certificates(data)
        if b"-----BEGIN X509 CRL-----" in data:
            self._crl_pem += data + b"\n"

    def set_default_verify_paths(self) -> None:
        """The system's trust store, read now: no handshake, and no event loop, waits for the disk later."""
        STANDARD.set_default_verify_paths(self)
        try:
            self._system_trust = TrustStore.system()
            len(self._system_trust.certificates)
        except ConfigurationError as error:
            raise bad_settings(error) from error
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
        if not isinstance(cipherlist, str):
            raise TypeError(f"cipherlist is a str, not {type(cipherlist).__name__}")
        named = [name for part in cipherlist.replace(",", ":").replace(" ", ":").split(":") if (name := part.strip())]
        suites = [CipherSuite[name] for name in named if name in CipherSuite.__members__]
        if suites:
            self.set_ciphersuites(suites)
        else:
            STANDARD.set_ciphers(self, cipherlist)

    def set_ciphersuites(self, suites: str | Sequence[CipherSuite | str]) -> None:
        """TLS 1.3's cipher suites, by preference."""
        self._suites = members(suites, CipherSuite, SUITES, "cipher suite", {})
        self._changed()

    def get_ciphers(self) -> Any:
        known = {one["name"]: one for one in STANDARD.get_ciphers(self)}
        return [known.get(code.name, {"name": code.name, "protocol": "TLSv1.3"}) for code in self._suites]

    def set_ecdh_curve(self, name: str | bytes, /) -> None:
        text = name.decode("ascii") if isinstance(name, bytes) else name
        STANDARD.set_ecdh_curve(self, text)
        self.set_groups([CURVES.get(text, text)])

    def set_groups(self, groups: str | Sequence[NamedGroup | str]) -> None:
        """Key exchange groups, by preference: a list, or OpenSSL's way of writing one ("X25519MLKEM768:X25519")."""
        self._groups = members(groups, NamedGroup, GROUPS, "group", CURVES)
        self._changed()

    def get_groups(self, *, include_aliases: bool = False) -> list[str]:
        return [group.name for group in self._groups]

    def set_signature_schemes(self, schemes: str | Sequence[SignatureScheme | str]) -> None:
        """What may sign a handshake, ours and the peer's, by preference."""
        self._schemes = members(schemes, SignatureScheme, SCHEMES, "signature scheme", {})
        self._changed()

    set_client_sigalgs = set_server_sigalgs = set_signature_schemes

    def set_psk_client_callback(self, callback: Callable[[str | None], tuple[str | None, bytes]] | None) -> None:
        """callback(hint) -> (identity, key), for each connection; TLS 1.3 has no hint. The key goes with SHA-256."""
        self._psk_client = callback
        self._changed()

    def set_psk_server_callback(
        self, callback: Callable[[str | None], bytes] | None, identity_hint: str | None = None
    ) -> None:
        """callback(identity) -> the key, or b""; TLS 1.3 has no hint to send."""
        self._psk_server = callback
        self._changed()

    def set_npn_protocols(self, npn_protocols: Iterable[str]) -> None:
        raise ValueError("NPN is gone, from `ssl` too: set_alpn_protocols is what came after it")

    # --- what C stores ----------------------------------------------------------------------------------------------

    # `ssl`'s own setters look their base up through the name ssl.SSLContext, and call themselves for ever once a
    # program has put our class there. So these are set in C, below the standard class.

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
        before = self.options
        BASE.options.__set__(self, value)  # C knows what is no option at all
        if self.options & ssl.OP_NO_TLSv1_3:
            BASE.options.__set__(self, before)
            raise ValueError("OP_NO_TLSv1_3: tls13 speaks TLS 1.3 only")

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
    def keylog_filename(self) -> Any:
        return BASE.keylog_filename.__get__(self)

    @keylog_filename.setter
    def keylog_filename(self, value: StrOrBytesPath | None) -> None:
        """C opens it too, and would make a file that others can read."""
        if value is not None:
            try:
                with KeyLogFile(os.fsdecode(value)):
                    pass
            except ConfigurationError as error:
                raise error.__cause__ or error from None
        BASE.keylog_filename.__set__(self, value)

    @property
    def _msg_callback(self) -> None:
        """C's hook for debugging, which `ssl` keeps to itself: there is none here."""

    @_msg_callback.setter
    def _msg_callback(self, callback: object) -> None:
        if callback is not None:
            raise ValueError("_msg_callback is OpenSSL's: a tls13.ClientConnection(tracer=...) tells of its messages")


def members(wanted: Any, kind: Any, table: Any, what: str, aliases: dict[str, str]) -> Any:
    """The members of `kind` that are named, as a list or in OpenSSL's way. Raises ValueError."""
    names = wanted.split(":") if isinstance(wanted, str) else wanted
    found = []
    for name in names:
        text = aliases.get(name, name) if isinstance(name, str) else name
        member = kind.__members__.get(text) if isinstance(text, str) else kind(text)
        if member not in table:
            raise ValueError(f"unknown {what} {name!r}; there are: {', '.join(kind(code).name for code in table)}")
        found.append(member)
    if not found:
        raise ValueError(f"no {what} is named")
    return tuple(found)


def _of_directory(path: str) -> tuple[x509.Certificate, ...]:
    """To `ssl` an empty directory is no error: it looks there again for each chain."""
    try:
        return TrustStore.from_directory(path).certificates
    except ConfigurationError:
        return ()

"""Whom to believe: trust stores.

A store is a set of trust anchors. It is read once for each process and source, and shared: a system's store holds
some 140 certificates, and parsing them costs more than several handshakes. The system's store is not even read before
the first chain needs it; a file that somebody named is read at once, so that a mistake is found where it was made.

This is the one module below `tls13.io` that reads files.
"""

from __future__ import annotations

import os
import re
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cryptography import x509

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # CentOS
    "/etc/ssl/cert.pem",  # Alpine, macOS, BSD
)
SYSTEM_DIRECTORIES = ("/etc/ssl/certs", "/etc/pki/tls/certs")

PEM_CERTIFICATE = (
    rb"(?s)-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----.*?(?:-----END [A-Z0-9 ]+-----|(?=-----BEGIN)|\Z)"
)
"""Also without its last line: a file that was cut off must be an error, not a smaller store."""
HASHED_NAME = r"[0-9a-f]{8}\.\d+"
"""What c_rehash names the files of a certificate directory."""

_lock = threading.Lock()
_read: dict[str, tuple[tuple[int, int], tuple[x509.Certificate, ...]]] = {}
"""By path: the file's time and size, and what it held then."""


class TrustStore:
    """A set of trust anchors. Immutable, and shared between threads and configs."""

    def __init__(self, load: Callable[[], tuple[x509.Certificate, ...]], source: str, *, pinned: bool = False) -> None:
        self._load: Callable[[], tuple[x509.Certificate, ...]] | None = load
        self._certificates: tuple[x509.Certificate, ...] = ()
        self._source = source
        self.is_pinned = pinned
        """Whether these are the peers' own certificates, not CAs."""

    @classmethod
    def system(cls) -> Self:
        """The system's store, read on first use. Where the system has none, certifi's, if that package is installed.

        If the variables SSL_CERT_FILE (a PEM file) or SSL_CERT_DIR (directories) are set, what they name is the store,
        and nothing else: OpenSSL would still look into its own directory when only the file is set. What they name is
        read at once. Raises ConfigurationError if it cannot be read or holds no certificate.
        """
        file, directories = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        if file or directories:
            certificates = _named_certificates(file or "", directories or "")
            return cls(lambda: certificates, "what SSL_CERT_FILE and SSL_CERT_DIR name")
        return cls(_system_certificates, "the system's trust store")

    @classmethod
    def certifi(cls) -> Self:
        """Mozilla's roots, as the package certifi carries them. Raises ConfigurationError if it is not installed."""
        try:
            import certifi
        except ImportError:
            raise ConfigurationError("the package certifi is not installed: pip install certifi") from None
        return cls.from_file(certifi.where())

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """The certificates of a PEM file. Raises ConfigurationError if it cannot be read or holds none."""
        certificates = _read_file(Path(path))
        if not certificates:
            raise ConfigurationError(f"{path} holds no certificate: no line says -----BEGIN CERTIFICATE-----")
        return cls(lambda: certificates, str(path))

    @classmethod
    def from_directory(cls, path: str | os.PathLike[str]) -> Self:
        """All certificates in the PEM files (*.pem, *.crt, *.cer, and c_rehash's names) of a directory."""
        certificates = _read_directory(Path(path))
        if not certificates:
            raise ConfigurationError(f"the directory {path} holds no certificate in a .pem, .crt or .cer file")
        return cls(lambda: certificates, str(path))

    @classmethod
    def from_pem(cls, data: bytes | str) -> Self:
        """The certificates in PEM text. Raises ConfigurationError if there are none, or one cannot be read."""
        certificates = _parse(data.encode() if isinstance(data, str) else data, "the PEM text")
        if not certificates:
            raise ConfigurationError("the PEM text holds no certificate: no line says -----BEGIN CERTIFICATE-----")
        return cls(lambda: certificates, f"{len(certificates)} certificates from PEM")

    @classmethod
    def from_certificates(cls, certificates: Iterable[x509.Certificate]) -> Self:
        """These certificates; none of them makes a store that trusts nobody."""
        anchors = _unique(certificates)
        return cls(lambda: anchors, f"{len(anchors)} certificates")

    @classmethod
    def pinned(cls, certificates: Iterable[x509.Certificate]) -> Self:
        """Exactly these end-entity certificates, whoever signed them: the peer must present one of them.

        Its dates and, for a server, its name are still checked; CAs, CRLs and profiles have no say.
        A stapled OCSP response counts if the peer sends the issuer's certificate too, or the leaf insists on a staple.
        """
        anchors = _unique(certificates)
        if not anchors:
            raise ConfigurationError("a pinned trust store needs at least one certificate")
        return cls(lambda: anchors, f"{len(anchors)} pinned certificates", pinned=True)

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The trust anchors. The first call may read files and raise ConfigurationError."""
        load = self._load
        if load is not None:  # two threads may both come here: they find the same, and the file's cache is locked
            self._certificates = load()
            self._load = None
        return self._certificates

    @property
    def loaded(self) -> bool:
        """Whether the certificates are in memory, so that nothing waits for a disk."""
        return self._load is None

    def load(self) -> None:
        """Read everything now: for a thread, so that an event loop need not wait. Raises ConfigurationError."""
        self.certificates  # noqa: B018  # read and kept

    def __len__(self) -> int:
        return len(self.certificates)

    def __contains__(self, certificate: object) -> bool:
        return certificate in self.certificates

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<TrustStore: {self._source}>"


def _unique(certificates: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    return tuple(dict.fromkeys(certificates))


def _named_certificates(file: str, directories: str) -> tuple[x509.Certificate, ...]:
    """What the two variables name; several directories are separated as in PATH."""
    sources = [("SSL_CERT_FILE", _read_file, file)] if file else []
    sources += [("SSL_CERT_DIR", _read_directory, one) for one in directories.split(os.pathsep) if one]
    found: tuple[x509.Certificate, ...] = ()
    for variable, read, path in sources:
        try:
            found += read(Path(path))
        except ConfigurationError as error:
            raise ConfigurationError(f"{variable}: {error}") from error
    if not found:
        named = " and ".join(f"{variable}={path}" for variable, _, path in sources)
        raise ConfigurationError(f"{named}: there is no certificate in it")
    return _unique(found)


def _system_certificates() -> tuple[x509.Certificate, ...]:
    for candidate in SYSTEM_FILES:
        if Path(candidate).is_file():
            return _read_file(Path(candidate))
    for candidate in SYSTEM_DIRECTORIES:
        if Path(candidate).is_dir() and (certificates := _read_directory(Path(candidate))):
            return certificates
    try:
        return TrustStore.certifi().certificates
    except ConfigurationError:
        return ()


def _read_file(path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of one file, parsed once for each state that the file has been in."""
    try:
        status = path.stat()
        state = (status.st_mtime_ns, status.st_size)
        with _lock:
            known = _read.get(str(path))
        if known is not None and known[0] == state:
            return known[1]
        certificates = _parse(path.read_bytes(), str(path))
    except OSError as error:
        raise ConfigurationError(f"the trust store {path} cannot be read: {error.strerror or error}") from error
    with _lock:
        _read[str(path)] = (state, certificates)
    return certificates


def _read_directory(path: Path) -> tuple[x509.Certificate, ...]:
    try:
        names = sorted(path.iterdir())
    except OSError as error:
        raise ConfigurationError(f"the trust store {path} cannot be read: {error.strerror or error}") from error
    found: tuple[x509.Certificate, ...] = ()
    for name in names:
        if (name.suffix in (".pem", ".crt", ".cer") or re.fullmatch(HASHED_NAME, name.name)) and name.is_file():
            found += _read_file(name)
    return _unique(found)


def _parse(data: bytes, source: str) -> tuple[x509.Certificate, ...]:
    """Every certificate in PEM text. Some real roots have the serial number 0: cryptography's warning helps nobody
    here, because whoever trusts such a root cannot change it."""
    certificates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, block in enumerate(re.findall(PEM_CERTIFICATE, data), 1):
            try:
                certificates.append(x509.load_pem_x509_certificate(block))
            except ValueError as error:
                raise ConfigurationError(f"certificate number {number} in {source} cannot be read: {error}") from None
    return _unique(certificates)

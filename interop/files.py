"""Certificates and keys as the files that other programs want."""

from __future__ import annotations

import atexit
import subprocess
import tempfile
from base64 import encodebytes
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from certs.bench import workshop
from certs.der import SEQUENCE, algorithm, children, encode
from tls13.lab.authority import Issued

from .trial import Disagreement, PeerMissing, issued_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tls13 import SignatureScheme

RSASSA_PSS = "1.2.840.113549.1.1.10"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what a program writes, emptied at the end."""
    with tempfile.TemporaryDirectory(dir=folder()) as name:
        yield Path(name)


class Files(NamedTuple):
    """Where a server finds what it presents."""

    chain: Path
    key: Path


class ClientFiles(NamedTuple):
    """Where a client finds what it shows."""

    certificate: Path
    chain: Path
    key: Path

    @property
    def as_gnutls(self) -> tuple[str, ...]:
        """The options of `gnutls-cli`."""
        return ("--x509certfile", str(self.certificate), "--x509keyfile", str(self.key))

    @property
    def as_openssl(self) -> tuple[str, ...]:
        """The options of `openssl s_client`."""
        return ("-cert", str(self.certificate), "-cert_chain", str(self.chain), "-key", str(self.key))


@cache
def client_files() -> ClientFiles:
    """A client's certificate, of the workshop's intermediate."""
    issued = workshop().good(client=True)
    files = ClientFiles(*(folder() / f"client-{name}.pem" for name in ClientFiles._fields))
    files.certificate.write_bytes(issued.pem_chain)
    files.chain.write_bytes(workshop().intermediate.certificate_pem)
    files.key.touch(mode=0o600)
    files.key.write_bytes(issued.pem_key)
    return files


def root_file() -> Path:
    """The root that clients trust."""
    path = folder() / "root.pem"
    path.write_bytes(workshop().root.certificate_pem)
    return path


@cache
def files_for(scheme: SignatureScheme) -> Files:
    """A chain and a key for this scheme."""
    issued = issued_for(scheme)
    files = Files(folder() / f"{scheme.name}-chain.pem", folder() / f"{scheme.name}-key.pem")
    files.chain.write_bytes(issued.pem_chain)
    files.key.touch(mode=0o600)
    files.key.write_bytes(pss_key_pem(issued) if scheme.name.startswith("rsa_pss_pss") else issued.pem_key)
    return files


@cache
def file_with(data: bytes) -> Path:
    """For a program that sends a file."""
    path = folder() / f"{sha256(data).hexdigest()}.bin"
    path.write_bytes(data)
    return path


NSS_LEAF, NSS_CLIENT = "leaf", "client"
"""Nicknames in an NSS database."""


@cache
def database_for(scheme: SignatureScheme) -> str:
    """The same for NSS: a database with our root, trusted, the chain for this scheme, and a client's."""
    database = folder() / f"{scheme.name}-nss"
    database.mkdir()
    name = f"sql:{database}"
    run("certutil", "-N", "-d", name, "--empty-password")
    run("certutil", "-A", "-d", name, "-n", "root", "-t", "CT,C,C", "-a", "-i", str(root_file()))
    server, client = files_for(scheme), client_files()
    for nickname, chain, key in (
        (NSS_LEAF, server.chain, server.key),
        (NSS_CLIENT, client.certificate, client.key),
    ):
        bundle = str(database / f"{nickname}.p12")
        source = ("-in", str(chain), "-inkey", str(key), "-name", nickname)
        run("openssl", "pkcs12", "-export", *source, "-passout", "pass:", "-out", bundle)
        run("pk12util", "-d", name, "-i", bundle, "-W", "")
    return name


def run(*command: str) -> None:
    """Raises PeerMissing if there is no such program, and Disagreement if it does not succeed."""
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        raise PeerMissing(f"{command[0]} is not installed") from None
    if done.returncode:
        raise Disagreement(f"{command[0]} {command[1]}: {(done.stdout + done.stderr)[-300:]!r}")


def pss_key_pem(issued: Issued) -> bytes:
    """The RSA key as one that is for RSASSA-PSS only: `cryptography` writes all of them as rsaEncryption, and OpenSSL
    does not take those for a certificate that says id-RSASSA-PSS."""
    plain = issued.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    version, _, key = children(plain)
    der = encode(SEQUENCE, version, algorithm(RSASSA_PSS), key)
    return b"-----BEGIN PRIVATE KEY-----\n" + encodebytes(der) + b"-----END PRIVATE KEY-----\n"


@cache
def _keeper() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="tls13-interop-")
    atexit.register(folder.cleanup)
    return folder


def folder() -> Path:
    """Ours alone, and gone when this process ends."""
    return Path(_keeper().name)

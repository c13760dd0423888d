"""What the command line takes from the user to authenticate with, and what it keeps for next time."""

from __future__ import annotations

import contextlib
import getpass
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from ..resumption.psk import ExternalPsk
from ..resumption.sessions import StoredSession
from ..trust.identity import Identity

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable

    from ..wire.registry import SignatureScheme


def external_psk(options: argparse.Namespace) -> ExternalPsk | None:
    """The PSK of --psk and --psk-identity. Raises ConfigurationError; the key is in no message."""
    if options.psk is None and options.psk_identity is None:
        return None
    if options.psk is None or options.psk_identity is None:
        raise ConfigurationError("--psk and --psk-identity go together")
    try:
        key = bytes.fromhex(options.psk)
    except ValueError:
        raise ConfigurationError("--psk is a key in hexadecimal, of at least 16 bytes") from None
    return ExternalPsk(options.psk_identity.encode(), key)


def ask_password(key: str) -> bytes:
    """Of an encrypted key file, on the terminal. Raises ConfigurationError if none is given."""
    try:
        return getpass.getpass(f"password of {key}: ").encode()
    except EOFError:
        raise ConfigurationError(f"{key} is encrypted, and no password was given") from None


class ClientCertificate:
    """The certificate of --cert and --key; knows whether it was shown, in the handshake or later."""

    def __init__(self, certificate: str, key: str) -> None:
        self._identity = Identity.from_files(certificate, key, lambda: ask_password(key))
        self._signed = False

    @property
    def identity(self) -> Identity:
        return Identity(self._identity.chain, signer=self._sign)

    @property
    def shown(self) -> str | None:
        """Its subject, once it was."""
        return self._identity.chain[0].subject.rfc4514_string() if self._signed else None

    def _sign(self, scheme: SignatureScheme, content: bytes) -> bytes | Awaitable[bytes]:
        self._signed = True
        return self._identity.sign(scheme, content)


def read_file(path: str) -> bytes:
    """Raises ConfigurationError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error


class SessionFile:
    """A session in a file that only its owner can read (0600): whoever has it can resume. Each is used once."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)

    def load(self) -> StoredSession | None:
        """None if there is no file. Raises ConfigurationError if it holds something else."""
        if not self._path.exists():
            return None
        try:
            return StoredSession.from_bytes(read_file(str(self._path)))
        except ConfigurationError as error:
            raise ConfigurationError(f"{self._path}: {error}") from None

    def check(self) -> None:
        """That the file can be written, before anything is sent. Raises ConfigurationError."""
        if not os.access(self._path.parent, os.W_OK):
            raise ConfigurationError(f"{self._path} cannot be written: its directory is missing or not yours")

    def save(self, session: StoredSession) -> None:
        """In one step, so that the file is never half a session."""
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")  # 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(session.to_bytes())
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise

    def remove(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

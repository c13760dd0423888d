"""What load_cert_chain and load_verify_locations take: files, and, beyond `ssl`, what is in memory already."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12

from ..errors import ConfigurationError
from ..trust.identity import Identity
from .failures import bad_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    Text = str | bytes | bytearray
    Password = Text | Callable[[], Text] | None
    StrOrBytesPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]
    Chain = StrOrBytesPath | x509.Certificate | Sequence[x509.Certificate]
    Key = StrOrBytesPath | PrivateKeyTypes | None

BEGIN = b"-----BEGIN "
DER_SEQUENCE = b"\x30"


def load_identity(chain: Chain, key: Key, password: Password, check_files: Callable[..., None]) -> Identity:
    """The identity that is named or given. `check_files` is `ssl`'s own loading: it raises what programs know."""
    secret = known_password(password)
    if isinstance(chain, (bytes, bytearray)) and is_content(chain):
        if chain.startswith(DER_SEQUENCE):
            return _from_pkcs12(bytes(chain), secret() if callable(secret) else secret)
        raw = bytes(cast("bytes", key)) if key is not None else None
        return _in_ssls_words(Identity.from_pem, bytes(chain), raw, secret)
    if isinstance(chain, (str, bytes, os.PathLike)):
        keyfile = cast("StrOrBytesPath | None", key)
        if is_stream(chain) or is_stream(keyfile):
            key_pem = Path(os.fsdecode(keyfile)).read_bytes() if keyfile is not None else None
            return _in_ssls_words(Identity.from_pem, Path(os.fsdecode(chain)).read_bytes(), key_pem, secret)
        check_files(chain, key, secret)
        name = os.fsdecode(keyfile) if keyfile is not None else None
        return _in_ssls_words(Identity.from_files, os.fsdecode(chain), name, secret)
    if not isinstance(chain, (x509.Certificate, Iterable)):
        raise TypeError(f"certfile is a file's name, bytes, or certificates, not {type(chain).__name__}")
    certificates = [chain] if isinstance(chain, x509.Certificate) else list(chain)
    return _in_ssls_words(Identity, certificates, key)


def is_content(data: bytes | bytearray) -> bool:
    """Whether these bytes are PEM or DER themselves. If not they are the name of a file, as in `ssl`."""
    return BEGIN in data or (data.startswith(DER_SEQUENCE) and len(data) > 255)


def is_stream(path: object) -> bool:
    """Whether this file can be read only once, like a shell's <(...): then we do, and not `ssl` before us."""
    try:
        mode = os.stat(path).st_mode if isinstance(path, (str, bytes, os.PathLike)) else 0
    except (OSError, ValueError):
        return False  # `ssl` says what is wrong with it
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)


def trust_pem(path: StrOrBytesPath) -> bytes:
    """What is in a file of trusted certificates; nothing if it cannot be read, and then `ssl` says why."""
    try:
        data = Path(os.fsdecode(path)).read_bytes()
    except (OSError, TypeError, ValueError):
        return b""
    if b"-----BEGIN TRUSTED CERTIFICATE-----" in data:
        raise bad_settings(
            f"{os.fsdecode(path)} holds a TRUSTED CERTIFICATE, and what OpenSSL's own format says of its uses is not "
            "heeded here: openssl x509 makes a CERTIFICATE of it"
        )
    return data


def known_password(password: Password) -> bytes | Callable[[], bytes] | None:
    """The password, as bytes; what is to be called for it is called once, whoever asks. Raises TypeError."""
    if password is None:
        return None
    if not callable(password):
        return _bytes_of(password, "password should be a string or callable")
    asked: list[bytes] = []

    def ask() -> bytes:
        if not asked:
            asked.append(_bytes_of(password(), "password callback must return a string"))
        return asked[0]

    return ask


def _bytes_of(text: object, otherwise: str) -> bytes:
    if isinstance(text, str):
        return text.encode()
    if isinstance(text, (bytes, bytearray)):
        return bytes(text)
    raise TypeError(otherwise)


def _from_pkcs12(data: bytes, password: bytes | None) -> Identity:
    try:
        key, leaf, others = pkcs12.load_key_and_certificates(data, password)
    except ValueError as error:
        raise bad_settings(f"the PKCS#12 data cannot be read: {error}") from None
    if key is None or leaf is None:
        raise bad_settings("the PKCS#12 data holds no certificate with its key")
    return _in_ssls_words(Identity, [leaf, *others], key)


def _in_ssls_words(make: Callable[..., Identity], *arguments: Any) -> Identity:
    """ConfigurationError is ours; who loads certificates expects ssl.SSLError."""
    try:
        return make(*arguments)
    except ConfigurationError as error:
        raise bad_settings(error) from error


def der_certificates(data: bytes) -> list[x509.Certificate]:
    """One DER certificate after the other, of which `ssl` has read each before."""
    found = []
    while data:
        end = _der_length(data)
        found.append(x509.load_der_x509_certificate(data[:end]))
        data = data[end:]
    return found


def _der_length(data: bytes) -> int:
    """Of the value that `data` begins with, its header included."""
    first = data[1]
    if first < 0x80:
        return 2 + first
    header = 2 + (first & 0x7F)
    return header + int.from_bytes(data[2:header], "big")

"""Each computed value as a program that computes it again: Python with its standard library alone, and a shell line.

They are pasted by people who want to see for themselves, so each is whole, prints the value in hexadecimal and nothing
else, and contains every input as a literal. The tests run all of them. The shell lines use OpenSSL 3's command; bytes
that are hashed go in as base64, because that is what it can read without help.
"""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..crypto.suites import Hash

PLAIN_HEX = "| tr -d ':\\n' | tr A-F a-f"
"""OpenSSL writes AB:CD; everything here is abcd."""
WIDTH = 64
"""Hexadecimal digits in one line of a program."""


def literal(name: str, value: bytes, comment: str = "") -> str:
    """`name = bytes.fromhex(...)`, in several lines if it is long."""
    digits = value.hex()
    note = f"  # {comment}" if comment else ""
    if len(digits) <= WIDTH * 2:
        return f'{name} = bytes.fromhex("{digits}"){note}\n'
    lines = "".join(f'    "{digits[at : at + WIDTH]}"\n' for at in range(0, len(digits), WIDTH))
    return f"{name} = bytes.fromhex({note}\n{lines})\n"


def expand_label(
    hash: Hash, secret: bytes, label: bytes, context: bytes, length: int, comments: tuple[str, str]
) -> str:
    """HKDF-Expand-Label (section 7.1), for up to one hash's worth of bytes. comments: what secret and context are."""
    return (
        "import hashlib\nimport hmac\n\n"
        + literal("secret", secret, comments[0])
        + literal("context", context, comments[1])
        + f'label = b"tls13 " + b"{label.decode("ascii")}"\n'
        + f"length = {length}\n"
        + 'info = length.to_bytes(2, "big") + bytes([len(label)]) + label + bytes([len(context)]) + context\n'
        + f'print(hmac.new(secret, info + b"\\x01", hashlib.{hash.name}).digest()[:length].hex())\n'
    )


def expand_label_shell(hash: Hash, secret: bytes, label: bytes, context: bytes, length: int) -> str:
    data = f" -kdfopt hexdata:{context.hex()}" if context else ""
    return (
        f"openssl kdf -keylen {length} -kdfopt digest:{hash.name.upper()} -kdfopt mode:EXPAND_ONLY"
        f" -kdfopt hexkey:{secret.hex()} -kdfopt 'prefix:tls13 ' -kdfopt 'label:{label.decode('ascii')}'{data}"
        f" TLS13-KDF {PLAIN_HEX}"
    )


def extract(hash: Hash, salt: bytes, ikm: bytes, comments: tuple[str, str]) -> str:
    """HKDF-Extract (RFC 5869, section 2.2)."""
    return (
        "import hashlib\nimport hmac\n\n"
        + literal("salt", salt, comments[0])
        + literal("input_keying_material", ikm, comments[1])
        + f"print(hmac.new(salt, input_keying_material, hashlib.{hash.name}).hexdigest())\n"
    )


def extract_shell(hash: Hash, salt: bytes, ikm: bytes) -> str:
    return (
        f"openssl kdf -keylen {hash.digest_size} -kdfopt digest:{hash.name.upper()} -kdfopt mode:EXTRACT_ONLY"
        f" -kdfopt hexkey:{ikm.hex()} -kdfopt hexsalt:{salt.hex()} HKDF {PLAIN_HEX}"
    )


def digest(hash: Hash, messages: tuple[bytes, ...], names: tuple[str, ...]) -> str:
    """Transcript-Hash (section 4.1)."""
    lines = [literal(f"message{number}", raw, names[number]) for number, raw in enumerate(messages)]
    joined = " + ".join(f"message{number}" for number in range(len(messages))) or 'b""'
    return "import hashlib\n\n" + "".join(lines) + f"print(hashlib.{hash.name}({joined}).hexdigest())\n"


def digest_shell(hash: Hash, messages: tuple[bytes, ...]) -> str:
    return f"{_feed(b''.join(messages))} | openssl dgst -{hash.name} -r | cut -d ' ' -f 1"


def mac(hash: Hash, key: bytes, data: bytes, comments: tuple[str, str]) -> str:
    """HMAC (section 4.5.3)."""
    return (
        "import hashlib\nimport hmac\n\n"
        + literal("finished_key", key, comments[0])
        + literal("transcript_hash", data, comments[1])
        + f"print(hmac.new(finished_key, transcript_hash, hashlib.{hash.name}).hexdigest())\n"
    )


def mac_shell(hash: Hash, key: bytes, data: bytes) -> str:
    return f"{_feed(data)} | openssl mac -digest {hash.name.upper()} -macopt hexkey:{key.hex()} HMAC {PLAIN_HEX}"


def nonce(iv: bytes, sequence: int) -> str:
    """The per-record nonce (section 5.3)."""
    return (
        literal("iv", iv)
        + f"sequence = {sequence}  # of the record, under this key\n"
        + 'print((int.from_bytes(iv, "big") ^ sequence).to_bytes(len(iv), "big").hex())\n'
    )


def zeros(length: int) -> tuple[str, str]:
    """As many zero bytes, in Python and in the shell."""
    return f"print(bytes({length}).hex())\n", f"printf '%0{2 * length}d' 0"


def _feed(data: bytes) -> str:
    if not data:
        return "printf ''"
    return f"echo {b64encode(data).decode('ascii')} | openssl base64 -d -A"

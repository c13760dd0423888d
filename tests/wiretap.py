"""What went over the wire, read by somebody else: the streams and the key log, and no code of tls13.

Section 5 by hand: HKDF from the standard library, AES-128-GCM, one key after the other. So it says what *our* records
look like to a peer: their types, versions, padding, sequence numbers, and under which key each was protected.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HANDSHAKE, APPLICATION_DATA = 22, 23
CLIENT_HELLO, END_OF_EARLY_DATA, FINISHED, KEY_UPDATE = 1, 5, 20, 24


class Seen(NamedTuple):
    """One record. `key`: "" if it is unprotected, else "early", "handshake", or the number of the application key."""

    content_type: int
    version: int
    content: bytes
    padding: bytes
    key: str
    sequence: int


class Wiretap:
    """Collects what two connections send and tells it apart. Both must use TLS_AES_128_GCM_SHA256."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.client = b""
        self.server = b""

    def key_log(self, line: str) -> None:
        self.log.append(line)

    def secrets(self) -> dict[str, bytes]:
        return {label: bytes.fromhex(secret) for label, _, secret in map(str.split, self.log)}

    def records(self, side: str) -> list[Seen]:
        """The records of "client" or "server", in order."""
        return list(Direction(side.upper(), self.secrets()).read(self.client if side == "client" else self.server))


class Direction:
    def __init__(self, side: str, secrets: dict[str, bytes]) -> None:
        self.waiting = [
            (name, secrets[label])
            for name, label in (
                ("early", "CLIENT_EARLY_TRAFFIC_SECRET" if side == "CLIENT" else ""),
                ("handshake", f"{side}_HANDSHAKE_TRAFFIC_SECRET"),
                ("0", f"{side}_TRAFFIC_SECRET_0"),
            )
            if label in secrets
        ]
        self.key, self.secret, self.sequence = "", b"", 0

    def read(self, stream: bytes):
        while stream:
            header, length = stream[:5], int.from_bytes(stream[3:5], "big")
            body, stream = stream[5 : 5 + length], stream[5 + length :]
            version = int.from_bytes(header[1:3], "big")
            if header[0] != APPLICATION_DATA:
                yield Seen(header[0], version, body, b"", "", 0)
                continue
            inner = self.open(header, body)
            content = inner.rstrip(b"\0")
            padding = inner[len(content) :]
            seen = Seen(content[-1], version, content[:-1], padding, self.key, self.sequence - 1)
            yield seen
            self.follow(seen)

    def open(self, header: bytes, body: bytes) -> bytes:
        """Under the current key; a record that does not open there is the first one under the next."""
        if self.secret:
            try:
                return self.decrypt(header, body)
            except InvalidTag:
                self.sequence -= 1
        while self.waiting:
            self.key, self.secret = self.waiting.pop(0)
            self.sequence = 0
            try:
                return self.decrypt(header, body)
            except InvalidTag:
                continue
        raise InvalidTag

    def decrypt(self, header: bytes, body: bytes) -> bytes:
        key, iv = expand_label(self.secret, b"key", 16), expand_label(self.secret, b"iv", 12)
        nonce = (int.from_bytes(iv, "big") ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        return AESGCM(key).decrypt(nonce, body, header)

    def follow(self, seen: Seen) -> None:
        """A KeyUpdate is the last record under its key (7.2); the others' next keys are in the key log."""
        if seen.content_type == HANDSHAKE and seen.content[:1] == bytes([KEY_UPDATE]):
            secret = expand_label(self.secret, b"traffic upd", 32)
            self.waiting.insert(0, (str(int(self.key) + 1), secret))
            self.secret = b""


def expand_label(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label of section 7.1 with an empty context, for at most one block of SHA-256."""
    name = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0" + b"\1"
    return hmac.new(secret, info, hashlib.sha256).digest()[:length]

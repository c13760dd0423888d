"""A TLS 1.3 of its own, for judging: made of bytes, on `cryptography` and the standard library, on nothing of ours.

It is deliberately careless: every field is where a test can reach it, nothing is checked that a test does not ask for,
and it sends whatever it is told to send. What it knows is written from RFC 9846 alone (key schedule: section 7.1;
records: section 5), so that an error that is in both our encoder and our decoder is still found.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import struct
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

CCS, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLIENT_HELLO, SERVER_HELLO, TICKET, END_OF_EARLY_DATA, ENCRYPTED_EXTENSIONS = 1, 2, 4, 5, 8
CERTIFICATE, CERTIFICATE_REQUEST, CERTIFICATE_VERIFY, FINISHED, KEY_UPDATE = 11, 13, 15, 20, 24
SNI, GROUPS, SCHEMES, ALPN, PSK, EARLY, VERSIONS, COOKIE, PSK_MODES, SHARES = 0, 10, 13, 16, 41, 42, 43, 44, 45, 51
CLOSE_NOTIFY, UNEXPECTED, BAD_MAC, OVERFLOW, FAILURE, BAD_CERTIFICATE = 0, 10, 20, 22, 40, 42
ILLEGAL, DECODE, DECRYPT, VERSION, INTERNAL, MISSING, UNSUPPORTED, NO_ALPN = 47, 50, 51, 70, 80, 109, 110, 120
P256, P384, P521, X25519, X448 = 23, 24, 25, 29, 30
RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").digest()
ALL_SCHEMES = (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B)
SUITES = {0x1301: ("sha256", AESGCM, 16), 0x1302: ("sha384", AESGCM, 32), 0x1303: ("sha256", ChaCha20Poly1305, 32)}
PATIENCE = 15.0

Extensions = list[tuple[int, bytes]]


def vec(size: int, data: bytes) -> bytes:
    """A vector: its length in `size` bytes, then what is in it."""
    return len(data).to_bytes(size, "big") + data


def u16s(values: Sequence[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vec(3, body)


def extensions(found: Extensions) -> bytes:
    return vec(2, b"".join(u16s([kind]) + vec(2, data) for kind, data in found))


def record(kind: int, data: bytes, version: int = 0x0303) -> bytes:
    return bytes([kind]) + u16s([version]) + vec(2, data)


def extract(name: str, salt: bytes, secret: bytes) -> bytes:
    return hmac.digest(salt, secret, name)


def expand(name: str, secret: bytes, label: str, context: bytes, size: int) -> bytes:
    """HKDF-Expand-Label (section 7.1)."""
    info = size.to_bytes(2, "big") + vec(1, b"tls13 " + label.encode()) + vec(1, context)
    out, block = b"", b""
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes([len(out) // hashlib.new(name).digest_size + 1]), name)
        out += block
    return out[:size]


class Keys:
    """One direction under one traffic secret (section 7.3)."""

    def __init__(self, suite: int, secret: bytes) -> None:
        self.suite, self.secret, self.sequence = suite, secret, 0
        self.name, aead, size = SUITES[suite]
        self.aead = aead(expand(self.name, secret, "key", b"", size))
        self.iv = expand(self.name, secret, "iv", b"", 12)

    def _nonce(self) -> bytes:
        number = int.from_bytes(self.iv, "big") ^ self.sequence
        self.sequence += 1
        return number.to_bytes(12, "big")

    def seal(self, inner: bytes, outer: int = DATA, version: int = 0x0303) -> bytes:
        """A record around a TLSInnerPlaintext that is given whole: content, type and padding."""
        header = bytes([outer]) + u16s([version, len(inner) + 16])
        return header + self.aead.encrypt(self._nonce(), inner, header)

    def open(self, whole: bytes) -> tuple[int, bytes]:
        inner = self.aead.decrypt(self._nonce(), whole[5:], whole[:5]).rstrip(b"\0")
        return inner[-1], inner[:-1]

    def next(self) -> Keys:
        """After a KeyUpdate (section 7.2)."""
        return Keys(self.suite, expand(self.name, self.secret, "traffic upd", b"", len(self.secret)))

    def finished(self, digest: bytes) -> bytes:
        key = expand(self.name, self.secret, "finished", b"", len(self.secret))
        return hmac.digest(key, digest, self.name)


class Schedule:
    """Section 7.1, from the top to the bottom."""

    def __init__(self, suite: int, psk: bytes | None = None) -> None:
        self.suite, self.name = suite, SUITES[suite][0]
        self.size = hashlib.new(self.name).digest_size
        self.secret = extract(self.name, bytes(self.size), psk or bytes(self.size))

    def digest(self, data: bytes) -> bytes:
        return hashlib.new(self.name, data).digest()

    def derive(self, label: str, transcript: bytes) -> bytes:
        return expand(self.name, self.secret, label, self.digest(transcript), self.size)

    def step(self, secret: bytes | None) -> None:
        self.secret = extract(self.name, self.derive("derived", b""), secret or bytes(self.size))

    def keys(self, label: str, transcript: bytes) -> Keys:
        return Keys(self.suite, self.derive(label, transcript))


def make_share(group: int) -> tuple[bytes, Callable[[bytes], bytes]]:
    """An ephemeral share, and what makes the common secret of the other's."""
    if group in (X25519, X448):
        private = x25519.X25519PrivateKey.generate() if group == X25519 else x448.X448PrivateKey.generate()
        kind = x25519.X25519PublicKey if group == X25519 else x448.X448PublicKey
        return private.public_key().public_bytes_raw(), lambda other: private.exchange(kind.from_public_bytes(other))
    curve = {P256: ec.SECP256R1, P384: ec.SECP384R1, P521: ec.SECP521R1}[group]()
    key = ec.generate_private_key(curve)
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return point, lambda other: key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(curve, other))


class Closed(Exception):
    """The other side has ended its stream, in good order (FIN, not RST)."""


class Wire:
    """Records over a socket, in clear until there are keys."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = sock
        self.read: Keys | None = None
        self.write: Keys | None = None
        self.segment = 0
        self.pending = b""
        self.transcript = b""
        self.seen: list[tuple[int, bytes]] = []
        """Every record that came: its outer type, and what was in it."""

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.sock.close()

    def raw(self, data: bytes) -> None:
        """Bytes as they are, in segments of `segment` bytes if that is set."""
        for at in range(0, len(data), self.segment or len(data) or 1):
            self.sock.sendall(data[at : at + (self.segment or len(data))])

    def sealed(self, kind: int, data: bytes, padding: int = 0) -> bytes:
        if self.write is None:
            return record(kind, data)
        return self.write.seal(data + bytes([kind]) + bytes(padding))

    def send(self, kind: int, data: bytes, padding: int = 0) -> None:
        self.raw(self.sealed(kind, data, padding))

    def say(self, *messages: bytes) -> None:
        """Handshake messages, in one record, and in the transcript."""
        self.transcript += b"".join(messages)
        self.send(HANDSHAKE, b"".join(messages))

    def _exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self.sock.recv(size - len(data))
            if not piece:
                assert not data, "the stream ended within a record"
                raise Closed
            data += piece
        return data

    def next_record(self) -> tuple[int, bytes]:
        """The next record but for change_cipher_spec."""
        while True:
            header = self._exactly(5)
            whole = header + self._exactly(int.from_bytes(header[3:], "big"))
            kind, data = whole[0], whole[5:]
            assert header[1:3] == b"\3\3" or (header[1:3] == b"\3\1" and not self.seen), "section 5.1: the version"
            if kind == DATA and self.read is not None:
                kind, data = self.read.open(whole)
            self.seen.append((whole[0], data))
            if kind != CCS:
                return kind, data
            assert data == b"\1"

    def next_message(self) -> bytes:
        """The next handshake message, whole; not yet in the transcript."""
        while len(self.pending) < 4 or len(self.pending) < 4 + int.from_bytes(self.pending[1:4], "big"):
            kind, data = self.next_record()
            assert kind == HANDSHAKE, f"a record of type {kind} instead: {data[:2].hex()}"
            self.pending += data
        size = 4 + int.from_bytes(self.pending[1:4], "big")
        found, self.pending = self.pending[:size], self.pending[size:]
        return found

    def hear(self, kind: int) -> bytes:
        """The next handshake message, which is of this type; its body."""
        found = self.next_message()
        assert found[0] == kind, f"handshake message {found[0]} instead of {kind}"
        self.transcript += found
        return found[4:]

    def next_data(self) -> bytes:
        """Application data; what comes before it after a handshake (tickets) is passed over."""
        while True:
            kind, data = self.next_record()
            assert kind in (HANDSHAKE, DATA), f"alert {data.hex()}"
            if kind == DATA:
                return data

    def refusal(self) -> int:
        """The fatal alert that comes, after which there is nothing but the end of the stream (sections 6, 6.2)."""
        kind, data = self.next_record()
        while kind != ALERT:
            kind, data = self.next_record()
        assert len(data) == 2, "an alert is two bytes"
        assert data[0] == 2, f"alert {data[1]} at level {data[0]}"
        self.expect_end()
        return data[1]

    def expect_end(self) -> None:
        with contextlib.suppress(Closed):
            extra = self.next_record()
            raise AssertionError(f"after the last word: {extra}")


class Hello:
    """A ClientHello that can be changed in every field before it is bytes."""

    def __init__(self, groups: Sequence[int] = (X25519,), shares: Sequence[int] | None = None) -> None:
        self.version, self.random, self.session_id = 0x0303, os.urandom(32), os.urandom(32)
        self.suites: Sequence[int] = (0x1301, 0x1302, 0x1303)
        self.compression = b"\0"
        self.made = {group: make_share(group) for group in (groups if shares is None else shares)}
        self.extensions: Extensions = [
            (SNI, vec(2, b"\0" + vec(2, b"localhost"))),
            (VERSIONS, vec(1, u16s([0x0304]))),
            (GROUPS, vec(2, u16s(groups))),
            (SCHEMES, vec(2, u16s(ALL_SCHEMES))),
            (SHARES, self.shares()),
        ]
        self.tail = b""

    def shares(self) -> bytes:
        return vec(2, b"".join(u16s([group]) + vec(2, made[0]) for group, made in self.made.items()))

    def set(self, kind: int, data: bytes) -> Hello:
        """Replace an extension where it is, or put a new one last."""
        if kind not in dict(self.extensions):
            self.extensions.append((kind, data))
        self.extensions = [(k, data if k == kind else old) for k, old in self.extensions]
        return self

    def drop(self, *kinds: int) -> Hello:
        self.extensions = [pair for pair in self.extensions if pair[0] not in kinds]
        return self

    def change(self, **fields: object) -> Hello:
        for name, value in fields.items():
            setattr(self, name, value)
        return self

    def body(self) -> bytes:
        head = u16s([self.version]) + self.random + vec(1, self.session_id) + vec(2, u16s(self.suites))
        return head + vec(1, self.compression) + extensions(self.extensions) + self.tail

    def bytes(self) -> bytes:
        return message(CLIENT_HELLO, self.body())


def with_binder(
    hello: Hello,
    identity: bytes,
    psk: bytes,
    *,
    suite: int = 0x1301,
    label: str = "ext binder",
    age: int = 0,
    before: bytes = b"",
) -> Hello:
    """The hello with a pre_shared_key extension and its binder (section 4.3.11.2) in the last place."""
    schedule = Schedule(suite, psk)
    identities = vec(2, vec(2, identity) + struct.pack(">I", age))
    hello.drop(PSK).set(PSK, identities + vec(2, vec(1, bytes(schedule.size))))
    truncated = hello.bytes()[: -(3 + schedule.size)]
    key = Keys(suite, schedule.derive(label, b""))
    return hello.set(PSK, identities + vec(2, vec(1, key.finished(schedule.digest(before + truncated)))))


def parse_extensions(block: bytes) -> dict[int, bytes]:
    """A block without its length; in the order it has, each type once."""
    found: dict[int, bytes] = {}
    while block:
        kind, size = struct.unpack(">HH", block[:4])
        assert kind not in found, "section 4.3: one of a type"
        found[kind] = block[4 : 4 + size]
        block = block[4 + size :]
    return found

"""The floor: the same primitives as a handshake calls, in a straight line, with nothing between them.

No message is parsed or built, nothing is checked, nobody decides anything: what is left is what `cryptography` and
hashlib take for the key exchange, the chain, the signatures, the key schedule and the records of both sides. No Python
on these primitives can be faster, so the distance from here is the price of being a TLS implementation.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.x509.verification import PolicyBuilder, Store

from certs.bench import workshop
from tls13 import CipherSuite, NamedGroup
from tls13.crypto.signatures import SCHEMES

from ..trial import HOST, issued_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .measure import Work
    from .stacks import Setting

    Piece = Callable[[], object]

AAD, NONCE, SECRET = bytes(5), bytes(12), bytes(32)
SMALL_MESSAGES = 560
"""Bytes of both hellos, EncryptedExtensions, CertificateVerify and both Finished: what is hashed beside the chain."""
FINISHED_SIZE, TICKET_SIZE = 53, 225
"""Bytes that are sealed for the client's Finished, and for each NewSessionTicket."""


def handshake(setting: Setting) -> Work:
    """Everything of one handshake, client and server."""
    parts = tuple(pieces(setting).values())

    def work(count: int) -> None:
        for _ in range(count):
            for part in parts:
                part()

    return work


def pieces(setting: Setting) -> Mapping[str, Piece]:
    """What a handshake is made of, by name; both sides of each."""
    found: dict[str, Piece] = {"key exchange, X25519": _x25519}
    if setting.group == NamedGroup.X25519MLKEM768:
        found["key exchange, ML-KEM-768"] = _ml_kem
    flight = 100
    if not setting.resume:
        chain = issued_for(setting.scheme).chain
        flight += 100 + sum(len(one.tbs_certificate_bytes) + 100 for one in chain)
        found |= _authentication(setting)
    found["key schedule, HMAC"] = _schedule(24 if setting.resume else 20)
    found["transcript, SHA-256"] = _transcript(SMALL_MESSAGES + flight)
    tickets = 1 if setting.resume else 2
    found["records, AES-GCM"] = _records(flight, FINISHED_SIZE, tickets * TICKET_SIZE)
    found["tickets, AES-GCM"] = _tickets(tickets, opened=setting.resume)
    return found


def _x25519() -> None:
    one, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    first, second = one.public_key().public_bytes_raw(), other.public_key().public_bytes_raw()
    one.exchange(X25519PublicKey.from_public_bytes(second))
    other.exchange(X25519PublicKey.from_public_bytes(first))


def _ml_kem() -> None:
    private = mlkem.MLKEM768PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    _, ciphertext = mlkem.MLKEM768PublicKey.from_public_bytes(public).encapsulate()
    private.decapsulate(ciphertext)


def _authentication(setting: Setting) -> Mapping[str, Piece]:
    """The certificates are parsed already, as they are for who meets a server a second time."""
    issued = issued_for(setting.scheme)
    leaf, *rest = issued.chain
    store, name = Store([workshop().root.certificate]), x509.DNSName(HOST)
    private: Any = issued.private_key
    public: Any = leaf.public_key()
    content, arguments = bytes(130), SCHEMES[setting.scheme].arguments
    signature = private.sign(content, *arguments)

    def chain() -> None:
        PolicyBuilder().store(store).time(datetime.now(UTC)).build_server_verifier(name).verify(leaf, rest)

    return {
        "chain verification": chain,
        "signature, made": lambda: private.sign(content, *arguments),
        "signature, verified": lambda: public.verify(signature, content, *arguments),
    }


def _schedule(count: int) -> Piece:
    """The key schedule of section 7.1 on both sides: `count` HMACs each, on fresh keys and labels."""
    info = bytes(50)

    def schedule() -> None:
        for _ in range(2 * count):
            hmac.digest(SECRET, info, "sha256")

    return schedule


def _transcript(size: int) -> Piece:
    messages = bytes(size)

    def transcript() -> None:
        for _ in range(2):
            running = hashlib.sha256(messages)
            for _ in range(4):
                running.copy().digest()

    return transcript


def _records(*sizes: int) -> Piece:
    """Four keys on each side; the server's flight, the client's Finished and the tickets (bytes of each), sealed and
    opened."""
    contents = [bytes(size) for size in sizes]

    def records() -> None:
        for _ in range(5):
            AESGCM(SECRET[:16])
        for content in contents:
            writer, reader = AESGCM(SECRET[:16]), AESGCM(SECRET[:16])
            reader.decrypt(NONCE, writer.encrypt(NONCE, content, AAD), AAD)

    return records


def _tickets(count: int, *, opened: bool) -> Piece:
    key, state = AESGCM(SECRET), bytes(150)
    ticket = key.encrypt(NONCE, state, AAD)

    def tickets() -> None:
        for _ in range(count):
            key.encrypt(os.urandom(12), state, AAD)
        if opened:
            key.decrypt(NONCE, ticket, AAD)

    return tickets


def data(suite: CipherSuite, size: int, directions: int = 1) -> Work:
    """Records of this much data, sealed and opened; each with its content type, none longer than 2^14."""
    cipher: Any = AESGCM(bytes(32 if "256" in suite.name else 16))
    if suite == CipherSuite.TLS_CHACHA20_POLY1305_SHA256:
        cipher = ChaCha20Poly1305(bytes(32))
    records = [bytes(min(2**14, size - start) + 1) for start in range(0, size, 2**14)] * directions

    def work(count: int) -> None:
        for _ in range(count):
            for record in records:
                cipher.decrypt(NONCE, cipher.encrypt(NONCE, record, AAD), AAD)

    return work

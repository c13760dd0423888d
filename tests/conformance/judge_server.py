"""The judge as a server: a flight of wire.py's bytes for a client, each message of which can be another."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from tests.conformance.wire import (
    CCS,
    CERTIFICATE,
    CERTIFICATE_VERIFY,
    CLIENT_HELLO,
    ENCRYPTED_EXTENSIONS,
    FINISHED,
    HANDSHAKE,
    KEY_UPDATE,
    RETRY_RANDOM,
    SERVER_HELLO,
    SHARES,
    SUITES,
    VERSIONS,
    X25519,
    Extensions,
    Schedule,
    Wire,
    extensions,
    make_share,
    message,
    parse_extensions,
    record,
    u16s,
    vec,
)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass
class Credential:
    chain: bytes
    """A CertificateList with one entry."""
    key: Key
    scheme: int


class Issuer:
    """A CA, and leafs for localhost of it."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the judge")])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        usage = x509.KeyUsage(
            *(False,) * 5, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False
        )
        self.certificate = self._sign(self.name, self.key, [(basic, True), (usage, True)])

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, key: Key, scheme: int) -> Credential:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        leaf = self._sign(subject, key, [(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)])
        entry = vec(3, leaf.public_bytes(serialization.Encoding.DER)) + vec(2, b"")
        return Credential(vec(3, entry), key, scheme)

    def _sign(self, subject: x509.Name, key: Key, found: list[tuple[x509.ExtensionType, bool]]) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=10))
        known = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        for extension, critical in [*found, (known, False), (own, False)]:
            builder = builder.add_extension(extension, critical)
        return builder.sign(self.key, hashes.SHA256())


def sign(key: Key, scheme: int, data: bytes) -> bytes:
    """By any scheme that the key can do, also those that TLS 1.3 does not want."""
    digest = {1: hashes.SHA256(), 0: hashes.SHA256(), 4: hashes.SHA256(), 2: hashes.SHA1(), 5: hashes.SHA384()}
    if isinstance(key, rsa.RSAPrivateKey):
        if scheme >> 8 == 8:
            chosen = {4: hashes.SHA256(), 5: hashes.SHA384(), 6: hashes.SHA512(), 9: hashes.SHA256()}[scheme & 0xFF]
            return key.sign(data, padding.PSS(padding.MGF1(chosen), chosen.digest_size), chosen)
        return key.sign(data, padding.PKCS1v15(), digest[scheme >> 8])
    return key.sign(data, ec.ECDSA(digest.get(scheme >> 8, hashes.SHA256())))


class Server(Wire):
    """Connected to by a client, whose ClientHello is read at once."""

    def __init__(self, sock: socket.socket, credential: Credential) -> None:
        super().__init__(sock)
        self.credential = credential
        self.schedule: Schedule | None = None
        self.suite = 0x1301
        self.listen()

    def listen(self) -> None:
        """The next ClientHello, taken apart."""
        body = self.hear(CLIENT_HELLO)
        assert body[:2] == b"\3\3"
        self.random, size = body[2:34], body[34]
        self.session_id, rest = body[35 : 35 + size], body[35 + size :]
        size = int.from_bytes(rest[:2], "big")
        self.suites = [int.from_bytes(rest[at : at + 2], "big") for at in range(2, 2 + size, 2)]
        assert rest[2 + size : 4 + size] == b"\1\0", "section 4.2.2: no compression"
        assert int.from_bytes(rest[4 + size : 6 + size], "big") == len(rest) - 6 - size
        self.offered = parse_extensions(rest[6 + size :])

    def shares(self) -> dict[int, bytes]:
        data, found = self.offered[SHARES][2:], {}
        while data:
            size = int.from_bytes(data[2:4], "big")
            found[int.from_bytes(data[:2], "big")] = data[4 : 4 + size]
            data = data[4 + size :]
        return found

    def server_hello(
        self,
        more: Extensions = (),
        *,
        version: int = 0x0303,
        random: bytes | None = None,
        session_id: bytes | None = None,
        suite: int | None = None,
        compression: bytes = b"\0",
        drop: Sequence[int] = (),
        replace: dict[int, bytes] | None = None,
        group: int = X25519,
        tail: bytes = b"",
    ) -> bytes:
        own, self.agree = make_share(group)
        self.group, self.suite = group, suite or self.suite
        found = [(VERSIONS, b"\3\4"), (SHARES, u16s([group]) + vec(2, own))]
        found = [(kind, (replace or {}).get(kind, data)) for kind, data in found if kind not in drop] + list(more)
        echo = self.session_id if session_id is None else session_id
        head = u16s([version]) + (random or os.urandom(32)) + vec(1, echo) + u16s([self.suite]) + compression
        return message(SERVER_HELLO, head + extensions(found) + tail)

    def retry(self, found: Extensions, **fields: object) -> None:
        """Send a HelloRetryRequest, and put the hello before it into its hash (section 4.1)."""
        hello = self.server_hello(found, random=RETRY_RANDOM, **({"drop": [SHARES]} | fields))
        known = self.suite if self.suite in SUITES else 0x1301
        self.transcript = message(254, Schedule(known).digest(self.transcript))
        self.say(hello)

    def begin(self, more: Extensions = (), behind: bytes = b"", **fields: object) -> None:
        """ServerHello, and from here on the handshake's keys."""
        hello = self.server_hello(more, **fields)
        self.transcript += hello
        self.send(HANDSHAKE, hello + behind)
        if self.session_id:
            self.raw(record(CCS, b"\1"))
        self.protect()

    def protect(self) -> None:
        self.schedule = Schedule(self.suite)
        self.schedule.step(self.agree(self.shares()[self.group]))
        self.read = self.schedule.keys("c hs traffic", self.transcript)
        self.write = self.schedule.keys("s hs traffic", self.transcript)

    def parameters(self, more: Extensions = ()) -> None:
        self.say(message(ENCRYPTED_EXTENSIONS, extensions(more)))

    def certificate(self, body: bytes | None = None) -> None:
        self.say(message(CERTIFICATE, vec(1, b"") + self.credential.chain if body is None else body))

    def verify(self, scheme: int | None = None, spoil: int | None = None, side: bytes = b"server") -> None:
        scheme = scheme or self.credential.scheme
        signed = b" " * 64 + b"TLS 1.3, " + side + b" CertificateVerify\0" + self.schedule.digest(self.transcript)
        signature = sign(self.credential.key, scheme, signed)
        if spoil is not None:
            signature = signature[:spoil] + bytes([signature[spoil] ^ 1]) + signature[spoil + 1 :]
        self.say(message(CERTIFICATE_VERIFY, u16s([scheme]) + vec(2, signature)))

    def finished(self) -> bytes:
        return message(FINISHED, self.write.finished(self.schedule.digest(self.transcript)))

    def authenticate(self) -> None:
        self.parameters()
        self.certificate()
        self.verify()

    def complete(self) -> None:
        """The rest of the handshake, and the client's Finished; then the application's keys."""
        self.begin()
        self.authenticate()
        self.say(self.finished())
        self.conclude()

    def conclude(self) -> None:
        self.schedule.step(None)
        read = self.schedule.keys("c ap traffic", self.transcript)
        self.write = self.schedule.keys("s ap traffic", self.transcript)
        expected = self.read.finished(self.schedule.digest(self.transcript))
        assert self.hear(FINISHED) == expected
        self.read = read

    def update(self, request: bytes = b"\0") -> None:
        self.send(HANDSHAKE, message(KEY_UPDATE, request))
        self.write = self.write.next()

"""The judge as a client: a handshake of wire.py's bytes with a server, which can be left at every step."""

from __future__ import annotations

import socket
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from tests.conformance.wire import (
    ALERT,
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    DATA,
    ENCRYPTED_EXTENSIONS,
    FINISHED,
    HANDSHAKE,
    PSK,
    PSK_MODES,
    RETRY_RANDOM,
    SERVER_HELLO,
    SHARES,
    VERSIONS,
    Closed,
    Hello,
    Schedule,
    Wire,
    expand,
    message,
    parse_extensions,
    record,
    with_binder,
)

HASHES = {4: hashes.SHA256(), 5: hashes.SHA384(), 6: hashes.SHA512()}


class Answer:
    """A ServerHello, taken apart."""

    def __init__(self, body: bytes) -> None:
        self.version = int.from_bytes(body[:2], "big")
        self.random = body[2:34]
        size = body[34]
        self.session_id = body[35 : 35 + size]
        rest = body[35 + size :]
        self.suite = int.from_bytes(rest[:2], "big")
        self.compression = rest[2]
        assert int.from_bytes(rest[3:5], "big") == len(rest) - 5
        self.extensions = parse_extensions(rest[5:])
        self.is_retry = self.random == RETRY_RANDOM


class Client(Wire):
    """Connected to a server. `start` sends a hello, `meet` reads the server's flight, `finish` ends the handshake."""

    def __init__(self, port: int) -> None:
        super().__init__(socket.create_connection(("127.0.0.1", port), timeout=15))
        self.hello = Hello()
        self.schedule: Schedule | None = None
        self.requested: bytes | None = None
        self.encrypted_extensions: dict[int, bytes] = {}
        self.scheme = 0

    def start(self, hello: Hello | None = None, *, version: int = 0x0301) -> None:
        self.hello = hello or self.hello
        self.transcript += self.hello.bytes()
        self.raw(record(HANDSHAKE, self.hello.bytes(), version))

    def answer(self) -> Answer:
        """The ServerHello, or a HelloRetryRequest, whose transcript is then as section 4.1 has it."""
        before = self.transcript
        answer = Answer(self.hear(SERVER_HELLO))
        assert answer.version == 0x0303
        assert answer.session_id == self.hello.session_id
        assert answer.compression == 0
        assert answer.suite in self.hello.suites
        assert answer.extensions[VERSIONS] == b"\3\4"
        if answer.is_retry:
            retry = self.transcript[len(before) :]
            self.transcript = message(254, Schedule(answer.suite).digest(before)) + retry
        return answer

    def derive(self, answer: Answer, psk: bytes | None = None) -> None:
        """The handshake's keys, for both directions."""
        schedule = self.schedule = Schedule(answer.suite, psk if PSK in answer.extensions else None)
        secret = None
        if share := answer.extensions.get(SHARES):
            assert int.from_bytes(share[2:4], "big") == len(share) - 4
            secret = self.hello.made[int.from_bytes(share[:2], "big")][1](share[4:])
        schedule.step(secret)
        self.write = schedule.keys("c hs traffic", self.transcript)
        self.read = schedule.keys("s hs traffic", self.transcript)

    def meet(self, psk: bytes | None = None) -> Answer:
        """Everything up to the server's Finished, verified; our own keys are those of the handshake."""
        answer = self.answer()
        assert not answer.is_retry
        self.derive(answer, psk)
        block = self.hear(ENCRYPTED_EXTENSIONS)
        self.encrypted_extensions = parse_extensions(block[2:])
        if PSK not in answer.extensions:
            self._authenticate()
        assert self.read is not None
        assert self.schedule is not None
        expected = self.read.finished(self.schedule.digest(self.transcript))
        assert self.hear(FINISHED) == expected, "section 4.5.3: the server's Finished"
        assert not self.pending, "section 5.1: Finished ends its record"
        self.enter()
        return answer

    def _authenticate(self) -> None:
        found = self.next_message()
        self.transcript += found
        if found[0] == CERTIFICATE_REQUEST:
            self.requested = found[4:]
            found = self.next_message()
            self.transcript += found
        assert found[0] == CERTIFICATE
        assert found[4] == 0, "section 4.5.1: the context is empty in a handshake"
        size = int.from_bytes(found[8:11], "big")
        leaf = x509.load_der_x509_certificate(found[11 : 11 + size])
        signed = bytes([32]) * 64 + b"TLS 1.3, server CertificateVerify\0"
        signed += self.schedule.digest(self.transcript)
        verify = self.hear(CERTIFICATE_VERIFY)
        self.scheme = int.from_bytes(verify[:2], "big")
        assert int.from_bytes(verify[2:4], "big") == len(verify) - 4
        check_signature(leaf.public_key(), self.scheme, verify[4:], signed)

    def enter(self) -> None:
        """After the server's Finished: its data comes under the next keys, and ours are ready (section 7.1)."""
        self.schedule.step(None)
        self.own = self.schedule.keys("c ap traffic", self.transcript)
        self.read = self.schedule.keys("s ap traffic", self.transcript)

    def finished(self) -> bytes:
        """Our Finished, the right one."""
        return message(FINISHED, self.write.finished(self.schedule.digest(self.transcript)))

    def finish(self) -> None:
        self.say(self.finished())
        self.resumption = self.schedule.derive("res master", self.transcript)
        self.write = self.own

    def complete(self, hello: Hello | None = None) -> Client:
        self.start(hello)
        self.meet()
        self.finish()
        return self

    def echo(self, data: bytes = b"ping") -> None:
        """The server answers what it is sent: the connection is alive."""
        self.send(DATA, data)
        got = b""
        while len(got) < len(data):
            got += self.next_data()
        assert got == data

    def goodbye(self) -> None:
        """close_notify both ways, and the end of the stream."""
        self.send(ALERT, b"\1\0")
        kind, data = self.next_record()
        while kind == HANDSHAKE:
            kind, data = self.next_record()
        assert (kind, data) == (ALERT, b"\1\0"), (kind, data)
        self.expect_end()

    def retry(self, hello: Callable[[Answer, Hello], Hello] | None = None) -> Answer:
        """Take a HelloRetryRequest and answer it, by `hello` or as section 4.2.2 has it."""
        answer = self.answer()
        assert answer.is_retry
        if hello is not None:
            self.start(hello(answer, self.hello), version=0x0303)
        return answer


def check_signature(key: object, scheme: int, signature: bytes, signed: bytes) -> None:
    """Raises InvalidSignature; AssertionError for a scheme that does not go with the key."""
    if isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)):
        assert scheme == (0x0807 if isinstance(key, ed25519.Ed25519PublicKey) else 0x0808)
        key.verify(signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        assert scheme == {"secp256r1": 0x0403, "secp384r1": 0x0503, "secp521r1": 0x0603}[key.curve.name]
        key.verify(signature, signed, ec.ECDSA(HASHES[scheme >> 8]))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        assert scheme in (0x0804, 0x0805, 0x0806)
        digest = HASHES[scheme & 0xFF]
        key.verify(signature, signed, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)


class Ticket:
    """The next NewSessionTicket, and the PSK that it stands for (section 4.7.1)."""

    def __init__(self, client: Client) -> None:
        body = client.next_message()[4:]
        self.lifetime, self.age_add = int.from_bytes(body[:4], "big"), int.from_bytes(body[4:8], "big")
        nonce = body[9 : 9 + body[8]]
        rest = body[9 + body[8] :]
        self.identity = rest[2 : 2 + int.from_bytes(rest[:2], "big")]
        schedule = client.schedule
        self.psk = expand(schedule.name, client.resumption, "resumption", nonce, schedule.size)


def offer(ticket: Ticket, **more) -> Hello:
    """A ClientHello that offers the ticket, with its binder."""
    hello = more.pop("hello", None) or Hello().set(PSK_MODES, b"\1\1")
    return with_binder(hello, ticket.identity, ticket.psk, label="res binder", age=ticket.age_add, **more)


def is_alive(port: int) -> None:
    """A whole connection: handshake, echo, close."""
    with Client(port) as client:
        client.complete()
        client.echo()
        client.goodbye()


__all__ = ["Answer", "Client", "Closed", "Ticket", "check_signature", "is_alive", "offer"]

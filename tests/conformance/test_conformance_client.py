"""`tls13 connect` meets servers that go wrong: what it must refuse, with which alert, and what it must put up with.

The oracle is RFC 9846; each row names the section. Where the RFC leaves the choice, a row has several alerts.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.conformance.judge_server import Issuer, Server
from tests.conformance.wire import (
    ALERT,
    ALPN,
    BAD_CERTIFICATE,
    BAD_MAC,
    CCS,
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    COOKIE,
    DATA,
    DECODE,
    DECRYPT,
    EARLY,
    END_OF_EARLY_DATA,
    FINISHED,
    GROUPS,
    HANDSHAKE,
    ILLEGAL,
    KEY_UPDATE,
    MISSING,
    OVERFLOW,
    P256,
    P384,
    PSK,
    PSK_MODES,
    SCHEMES,
    SHARES,
    SNI,
    TICKET,
    UNEXPECTED,
    UNSUPPORTED,
    VERSION,
    VERSIONS,
    X448,
    X25519,
    message,
    record,
    u16s,
    vec,
)

pytestmark = pytest.mark.slow  # a process for each

UNSUPPORTED_CERTIFICATE = 43
DOWNGRADE_12, DOWNGRADE_11 = b"x" * 24 + b"DOWNGRD\1", b"x" * 24 + b"DOWNGRD\0"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture(scope="module")
def credential(issuer):
    return issuer.issue(ec.generate_private_key(ec.SECP256R1()), 0x0403)


@pytest.fixture(scope="module")
def rsa_credential(issuer):
    return issuer.issue(rsa.generate_private_key(65537, 2048), 0x0804)


@pytest.fixture(scope="module")
def visit(issuer, tmp_path_factory):
    """`with visit(credential) as server`: a `tls13 connect` whose ClientHello the server has read."""
    ca = tmp_path_factory.mktemp("judge") / "ca.pem"
    ca.write_bytes(issuer.pem)
    listener = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "tls13", "connect", f"localhost:{listener.getsockname()[1]}"]
    command += ["--cafile", str(ca), "--timeout", "10"]

    @contextmanager
    def begin(credential, *arguments: str) -> Iterator[Server]:
        process = subprocess.Popen(
            [*command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            with Server(listener.accept()[0], credential) as server:
                server.process = process
                yield server
            _, said = process.communicate(timeout=20)
            assert b"Traceback" not in said, said.decode()
        finally:
            process.kill()
            process.wait()

    yield begin
    listener.close()


def hello(*more, **fields):
    """A ServerHello with this in it."""
    return lambda s: s.send(HANDSHAKE, s.server_hello(more, **fields))


def share(group: int, data: bytes):
    return hello(replace={SHARES: u16s([group]) + vec(2, data)})


def retry(*found, **fields):
    return lambda s: s.retry(list(found), **fields)


def parameters(*found):
    def act(s: Server) -> None:
        s.begin()
        s.parameters(found)

    return act


def after(*steps):
    """A right ServerHello, then this."""

    def act(s: Server) -> None:
        s.begin()
        for step in steps:
            step(s)

    return act


def say(kind: int, body: bytes = b""):
    return lambda s: s.say(message(kind, body))


def finished(how):
    return after(Server.authenticate, lambda s: s.send(HANDSHAKE, how(s.finished())))


def certificate(make):
    return after(Server.parameters, lambda s: s.certificate(make(s.credential.chain)))


def second_hello(**fields):
    """A retry for P-384 that is answered, then a ServerHello like this."""

    def act(s: Server) -> None:
        s.retry([(SHARES, u16s([P384]))])
        s.listen()
        s.send(HANDSHAKE, s.server_hello(**{"group": P384, **fields}))

    return act


def twice_retried(s: Server) -> None:
    s.retry([(SHARES, u16s([P384]))])
    s.listen()
    s.retry([(COOKIE, vec(2, b"x"))])


def half(s: Server) -> None:
    whole = s.server_hello()
    s.raw(record(HANDSHAKE, whole[:40]) + record(CCS, b"\1") + record(HANDSHAKE, whole[40:]))


def flood(s: Server) -> None:
    s.begin()
    s.raw(s.write.seal(bytes(2**14 + 1) + b"\x17"))


REFUSED = {
    # 4.2.3
    "legacy_version 0x0301 (4.2.3)": (hello(version=0x0301), {VERSION}),
    "legacy_version 0x0304 (4.2.3)": (hello(version=0x0304), {VERSION}),
    "TLS 1.2 (E.1)": (hello(drop=[VERSIONS, SHARES], suite=0xC02B), {VERSION}),
    "TLS 1.0 (E.1)": (hello(version=0x0301, drop=[VERSIONS, SHARES], suite=0xC013), {VERSION}),
    "a downgrade to TLS 1.2 (4.2.3)": (
        hello(drop=[VERSIONS, SHARES], suite=0xC02B, random=DOWNGRADE_12),
        {ILLEGAL},
    ),
    "a downgrade to TLS 1.1 (4.2.3)": (
        hello(version=0x0302, drop=[VERSIONS, SHARES], suite=0xC013, random=DOWNGRADE_11),
        {ILLEGAL},
    ),
    "selected_version 0x0303 (4.3.1)": (hello(replace={VERSIONS: b"\3\3"}), {ILLEGAL}),
    "selected_version 0x0305 (4.3.1)": (hello(replace={VERSIONS: b"\3\5"}), {ILLEGAL}),
    "a list of versions (4.3.1)": (hello(replace={VERSIONS: b"\2\3\4"}), {DECODE}),
    "another session id (4.2.3)": (hello(session_id=b"x" * 32), {ILLEGAL}),
    "no session id (4.2.3)": (hello(session_id=b""), {ILLEGAL}),
    "session id of 33 (4.2.3)": (hello(session_id=b"x" * 33), {DECODE, ILLEGAL}),
    "a suite not offered (4.2.3)": (hello(suite=0x1304), {ILLEGAL}),
    "a suite of TLS 1.2 (4.2.3)": (hello(suite=0xC02F), {ILLEGAL}),
    "compression (4.2.3)": (hello(compression=b"\1"), {ILLEGAL}),
    "a byte behind (4.2.3)": (hello(tail=b"\0"), {DECODE}),
    "an extension twice (4.3)": (hello((VERSIONS, b"\3\4")), {DECODE, ILLEGAL}),
    "no key_share (4.3.8)": (hello(drop=[SHARES]), {MISSING, ILLEGAL}),
    "a share of a group not shared (4.3.8)": (hello(group=X448), {ILLEGAL}),
    "a share of no group (4.3.8)": (share(0x9999, b"x"), {ILLEGAL}),
    "a share of 31 bytes (4.3.8.2)": (share(X25519, bytes(31)), {ILLEGAL}),
    "an empty share (4.3.8)": (share(X25519, b""), {ILLEGAL, DECODE}),
    "a share of order 1 (7.4.2)": (share(X25519, bytes(32)), {ILLEGAL}),
    "bytes behind a share (4.3)": (hello(replace={SHARES: u16s([X25519]) + vec(2, bytes(32)) + b"x"}), {DECODE}),
    "a PSK not offered (4.3)": (hello((PSK, b"\0\0")), {UNSUPPORTED}),
    "server_name in a ServerHello (4.3)": (hello((SNI, b"")), {ILLEGAL}),
    "supported_groups in a ServerHello (4.3)": (hello((GROUPS, vec(2, u16s([X25519])))), {ILLEGAL}),
    "an unknown extension in a ServerHello (4.3)": (hello((0xFAB0, b"")), {UNSUPPORTED}),
    "a cookie in a ServerHello (4.3)": (hello((COOKIE, vec(2, b"x"))), {ILLEGAL, UNSUPPORTED}),
    # 4.2.4
    "a retry that changes nothing (4.2.4)": (retry(), {ILLEGAL}),
    "a retry for a group shared (4.3.8)": (retry((SHARES, u16s([X25519]))), {ILLEGAL}),
    "a retry for an unknown group (4.3.8)": (retry((SHARES, u16s([0x9999]))), {ILLEGAL}),
    "a retry without a version (4.2.4)": (
        retry((SHARES, u16s([P384])), drop=[VERSIONS, SHARES]),
        {MISSING, VERSION, ILLEGAL, DECODE},
    ),
    "a retry with an empty cookie (4.3.2)": (retry((COOKIE, vec(2, b""))), {DECODE}),
    "a retry with an unknown extension (4.2.4)": (retry((COOKIE, vec(2, b"x")), (0xFAB0, b"")), {UNSUPPORTED}),
    "a retry with another session id (4.2.4)": (retry((COOKIE, vec(2, b"x")), session_id=b""), {ILLEGAL}),
    "a retry with a suite not offered (4.2.4)": (retry((COOKIE, vec(2, b"x")), suite=0x1304), {ILLEGAL}),
    "a retry with compression (4.2.4)": (retry((COOKIE, vec(2, b"x")), compression=b"\1"), {ILLEGAL}),
    "a second retry (4.2.4)": (twice_retried, {UNEXPECTED}),
    "another suite after the retry (4.2.4)": (second_hello(suite=0x1302), {ILLEGAL}),
    "another group after the retry (4.3.8)": (second_hello(group=X25519), {ILLEGAL}),
    # 4.4.1
    "no EncryptedExtensions (4.4.1)": (after(Server.certificate), {UNEXPECTED}),
    "server_name that is not empty (RFC 6066)": (parameters((SNI, b"\0")), {DECODE}),
    "key_share in EncryptedExtensions (4.4.1)": (parameters((SHARES, b"\0\x1d" + vec(2, bytes(32)))), {ILLEGAL}),
    "supported_versions in EncryptedExtensions (4.4.1)": (parameters((VERSIONS, b"\3\4")), {ILLEGAL}),
    "signature_algorithms in EncryptedExtensions (4.3)": (parameters((SCHEMES, vec(2, u16s([0x0403])))), {ILLEGAL}),
    "psk_key_exchange_modes in EncryptedExtensions (4.3.9)": (parameters((PSK_MODES, b"\1\1")), {ILLEGAL}),
    "ALPN not offered (4.3)": (parameters((ALPN, vec(2, vec(1, b"h2")))), {UNSUPPORTED}),
    "early_data not offered (4.3)": (parameters((EARLY, b"")), {UNSUPPORTED}),
    "an unknown extension in EncryptedExtensions (4.3)": (parameters((0xFAB0, b"")), {UNSUPPORTED}),
    "an extension twice in EncryptedExtensions (4.3)": (parameters((SNI, b""), (SNI, b"")), {DECODE, ILLEGAL}),
    "a byte behind EncryptedExtensions (4)": (after(say(8, b"\0\0\0")), {DECODE}),
    # 4.4.2, 4.5
    "a CertificateRequest without schemes (4.4.2)": (
        after(Server.parameters, say(CERTIFICATE_REQUEST, b"\0" + vec(2, b""))),
        {MISSING},
    ),
    "a CertificateRequest with a context (4.4.2)": (
        after(
            Server.parameters,
            say(CERTIFICATE_REQUEST, b"\1x" + vec(2, b"\0\x0d" + vec(2, vec(2, u16s([0x0403]))))),
        ),
        {ILLEGAL, DECODE},
    ),
    "no Certificate (4.5)": (after(Server.parameters, lambda s: s.verify()), {UNEXPECTED}),
    "Finished without Certificate (4.5)": (after(Server.parameters, lambda s: s.say(s.finished())), {UNEXPECTED}),
    "an empty Certificate (4.5.1.3)": (certificate(lambda c: b"\0" + vec(3, b"")), {DECODE}),
    "a Certificate with a context (4.5.1)": (certificate(lambda c: b"\1x" + c), {ILLEGAL, DECODE}),
    "a certificate of no bytes (4.5.1)": (certificate(lambda c: b"\0" + vec(3, vec(3, b"") + b"\0\0")), {DECODE}),
    "a certificate that is none (6.2)": (
        certificate(lambda c: b"\0" + vec(3, vec(3, b"hello") + b"\0\0")),
        {BAD_CERTIFICATE, DECODE, UNSUPPORTED_CERTIFICATE},
    ),
    "an extension of a certificate that was not asked for (4.5.1)": (
        certificate(lambda c: b"\0" + vec(3, c[3:-2] + vec(2, u16s([0xFAB0, 0])))),
        {UNSUPPORTED},
    ),
    "a byte behind a Certificate (4)": (certificate(lambda c: b"\0" + c + b"\0"), {DECODE}),
    "no CertificateVerify (4.5.2)": (
        after(Server.parameters, Server.certificate, lambda s: s.say(s.finished())),
        {UNEXPECTED},
    ),
    "a Certificate twice (4)": (after(Server.parameters, Server.certificate, Server.certificate), {UNEXPECTED}),
    # 4.5.3, 5
    "Finished, a bit (4.5.3)": (finished(lambda f: f[:-1] + bytes([f[-1] ^ 1])), {DECRYPT}),
    "Finished, the first bit (4.5.3)": (finished(lambda f: f[:4] + bytes([f[4] ^ 0x80]) + f[5:]), {DECRYPT}),
    "Finished, short (4.5.3)": (finished(lambda f: message(FINISHED, f[4:-1])), {DECODE, DECRYPT}),
    "Finished, long (4.5.3)": (finished(lambda f: message(FINISHED, f[4:] + b"\0")), {DECODE, DECRYPT}),
    "Finished, empty (4.5.3)": (finished(lambda f: message(FINISHED, b"")), {DECODE, DECRYPT}),
    "a byte behind Finished (5.1)": (finished(lambda f: f + b"\4"), {UNEXPECTED}),
    "a ticket behind Finished in its record (5.1)": (finished(lambda f: f + message(TICKET, bytes(20))), {UNEXPECTED}),
    "a byte behind a ServerHello (5.1)": (lambda s: s.send(HANDSHAKE, s.server_hello() + b"\x08"), {UNEXPECTED}),
    "EncryptedExtensions in clear behind a ServerHello (5.1)": (
        lambda s: s.send(HANDSHAKE, s.server_hello() + message(8, b"\0\0")),
        {UNEXPECTED},
    ),
    "half a ServerHello, then change_cipher_spec (5.1)": (half, {UNEXPECTED}),
    "application data first (5)": (lambda s: s.send(DATA, b"x"), {UNEXPECTED}),
    "a ClientHello (4)": (lambda s: s.send(HANDSHAKE, s.transcript), {UNEXPECTED}),
    "HelloRequest (4)": (lambda s: s.send(HANDSHAKE, message(0, b"")), {UNEXPECTED}),
    "Finished first (4)": (lambda s: s.send(HANDSHAKE, message(FINISHED, bytes(32))), {UNEXPECTED}),
    "an empty handshake record (5.1)": (lambda s: s.send(HANDSHAKE, b""), {UNEXPECTED}),
    "a record of type 24 (5)": (lambda s: s.send(24, b"x"), {UNEXPECTED}),
    "change_cipher_spec of 2 (5)": (lambda s: s.send(CCS, b"\2"), {UNEXPECTED}),
    "a record of 2^14 + 1 (5.1)": (lambda s: s.send(HANDSHAKE, b"\2\0\x50\0" + bytes(2**14 - 3)), {OVERFLOW}),
    "HTTP (5)": (lambda s: s.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n"), {UNEXPECTED, OVERFLOW, DECODE}),
    "EncryptedExtensions in clear (5)": (
        after(lambda s: s.raw(record(HANDSHAKE, message(8, b"\0\0")))),
        {UNEXPECTED, BAD_MAC},
    ),
    "application data before Finished (2)": (after(lambda s: s.send(DATA, b"x")), {UNEXPECTED}),
    "data of 2^14 + 1 (5.4)": (flood, {OVERFLOW}),
    "KeyUpdate before Finished (4.7.3)": (after(say(KEY_UPDATE, b"\0")), {UNEXPECTED}),
    "EndOfEarlyData of a server (4.6)": (after(Server.parameters, say(END_OF_EARLY_DATA)), {UNEXPECTED}),
    "a ticket before Finished (4)": (after(Server.parameters, say(TICKET, bytes(20))), {UNEXPECTED}),
    "a spoilt record (5.2)": (after(lambda s: s.raw(record(DATA, bytes(60)))), {BAD_MAC}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(visit, credential, what) -> None:
    act, alerts = REFUSED[what]
    with visit(credential) as server:
        act(server)
        assert server.refusal() in alerts
        assert server.process.wait(10) == 1


@pytest.mark.parametrize("at", [0, 4, 20, -1])
def test_a_spoilt_signature(visit, credential, at) -> None:
    with visit(credential) as server:
        after(Server.parameters, Server.certificate, lambda s: s.verify(spoil=at))(server)
        assert server.refusal() == DECRYPT


def test_a_signature_of_the_other_side(visit, credential) -> None:
    """Section 4.5.2: the context string keeps the roles apart."""
    with visit(credential) as server:
        after(Server.parameters, Server.certificate, lambda s: s.verify(side=b"client"))(server)
        assert server.refusal() == DECRYPT


@pytest.mark.parametrize("scheme", [0x0401, 0x0501, 0x0201, 0x0403, 0x0809])
def test_schemes_that_an_rsa_key_must_not_sign_with(visit, rsa_credential, scheme) -> None:
    """Section 4.5.2: PKCS#1, SHA-1, another key's scheme, the one for RSASSA-PSS keys: illegal_parameter."""
    with visit(rsa_credential) as server:
        after(Server.parameters, Server.certificate, lambda s: s.verify(scheme))(server)
        assert server.refusal() in {ILLEGAL}


@pytest.mark.parametrize("scheme", [0x0203, 0x0503, 0x0603, 0x0804, 0x0A0A])
def test_schemes_that_a_p256_key_must_not_sign_with(visit, credential, scheme) -> None:
    with visit(credential) as server:
        after(Server.parameters, Server.certificate, lambda s: s.verify(scheme))(server)
        assert server.refusal() in {ILLEGAL}


@pytest.mark.parametrize("scheme", [0x0804, 0x0805, 0x0806])
def test_rsa_pss(visit, rsa_credential, scheme) -> None:
    rsa_credential.scheme = scheme
    with visit(rsa_credential) as server:
        server.complete()


AFTER = {
    "KeyUpdate of 2 (4.7.3)": (lambda s: s.send(HANDSHAKE, message(KEY_UPDATE, b"\2")), {ILLEGAL}),
    "KeyUpdate of nothing (4.7.3)": (lambda s: s.send(HANDSHAKE, message(KEY_UPDATE, b"")), {DECODE}),
    "a second Finished (4)": (lambda s: s.send(HANDSHAKE, message(FINISHED, bytes(32))), {UNEXPECTED}),
    "HelloRequest (4)": (lambda s: s.send(HANDSHAKE, message(0, b"")), {UNEXPECTED}),
    "a CertificateRequest unasked (4.7.2)": (
        lambda s: s.send(
            HANDSHAKE,
            message(CERTIFICATE_REQUEST, b"\1x" + vec(2, b"\0\x0d" + vec(2, vec(2, u16s([0x0403]))))),
        ),
        {UNEXPECTED},
    ),
    "a Certificate (4)": (lambda s: s.send(HANDSHAKE, message(CERTIFICATE, b"\0" + s.credential.chain)), {UNEXPECTED}),
    "a ticket of no bytes (4.7.1)": (
        lambda s: s.send(HANDSHAKE, message(TICKET, bytes(8) + b"\1x" + vec(2, b"") + vec(2, b""))),
        {DECODE, ILLEGAL},
    ),
    "a ticket cut short (4.7.1)": (lambda s: s.send(HANDSHAKE, message(TICKET, bytes(7))), {DECODE}),
    "change_cipher_spec (5)": (lambda s: s.raw(record(CCS, b"\1")), {UNEXPECTED}),
    "old keys after KeyUpdate (4.7.3)": (
        lambda s: (s.send(HANDSHAKE, message(KEY_UPDATE, b"\0")), s.send(DATA, b"x")),
        {BAD_MAC},
    ),
    "half a ticket, then data (5.1)": (lambda s: (s.send(HANDSHAKE, b"\4\0"), s.send(DATA, b"x")), {UNEXPECTED}),
    "all zeros (5.4)": (lambda s: s.raw(s.write.seal(bytes(20))), {UNEXPECTED}),
    "an alert in clear (5)": (lambda s: s.raw(record(ALERT, b"\2\x28")), {UNEXPECTED, BAD_MAC}),
}


@pytest.mark.parametrize("what", AFTER)
def test_after_the_handshake(visit, credential, what) -> None:
    act, alerts = AFTER[what]
    with visit(credential) as server:
        server.complete()
        act(server)
        assert server.refusal() in alerts


# --- what must be put up with ---------------------------------------------------------------------------------------


def ticket(lifetime: int, more: bytes = b"") -> bytes:
    return message(TICKET, lifetime.to_bytes(4, "big") + os.urandom(4) + b"\1x" + vec(2, b"ticket") + vec(2, more))


def close(server: Server) -> None:
    """close_notify from us; the client's own may come, and then its end, without an error."""
    server.send(ALERT, b"\1\0")
    assert server.process.communicate(timeout=20)[1] is not None
    assert server.process.returncode == 0


def test_tickets_of_every_kind(visit, credential) -> None:
    """Section 4.7.1: a lifetime of none, one beyond seven days, an unknown extension; and user_canceled (6.1)."""
    with visit(credential) as server:
        server.complete()
        for each in (ticket(0), ticket(2**32 - 1), ticket(100, u16s([0x0A0A, 0])), ticket(1)):
            server.send(HANDSHAKE, each)
        server.send(HANDSHAKE, ticket(1) * 2)
        server.send(ALERT, b"\1\x5a")
        server.send(DATA, b"", padding=300)
        server.send(DATA, b"hello")
        close(server)


def test_key_updates_are_answered(visit, credential) -> None:
    """Section 4.7.3: an update_requested is answered before the client's next data."""
    with visit(credential) as server:
        server.complete()
        for _ in range(5):
            server.update(b"\1")
            server.send(DATA, b"x")
        assert server.process.stdout.read(5) == b"xxxxx"
        server.process.stdin.write(b"data of the client")
        server.process.stdin.flush()
        kind, data = server.next_record()
        assert (kind, data) == (HANDSHAKE, message(KEY_UPDATE, b"\0"))
        server.read = server.read.next()
        while kind == HANDSHAKE:
            kind, data = server.next_record()
            if kind == HANDSHAKE:
                assert data == message(KEY_UPDATE, b"\0")
                server.read = server.read.next()
        assert data == b"data of the client"
        close(server)


def test_a_retry_with_a_cookie(visit, credential) -> None:
    """Sections 4.2.2, 4.2.4, 4.3.2: one share of the group asked for, the cookie back, nothing else changed."""
    with visit(credential) as server:
        before = (server.random, server.session_id, server.suites, server.offered)
        server.retry([(SHARES, u16s([P384])), (COOKIE, vec(2, b"biscuit" * 1000))])
        server.raw(record(CCS, b"\1"))
        server.listen()
        assert list(server.shares()) == [P384]
        assert server.offered.pop(COOKIE) == vec(2, b"biscuit" * 1000)
        assert (server.random, server.session_id, server.suites) == before[:3]
        changed = {kind for kind in {*server.offered, *before[3]} if server.offered.get(kind) != before[3].get(kind)}
        assert changed <= {SHARES, 21, PSK}
        server.begin(group=P384)
        server.authenticate()
        server.say(server.finished())
        server.conclude()
        close(server)


@pytest.mark.parametrize("suite", [0x1301, 0x1302, 0x1303])
@pytest.mark.parametrize("size", [1, 7, 16000])
def test_split_everywhere(visit, credential, suite, size) -> None:
    """Section 5.1: the flight in records of any size, with padding, change_cipher_spec twice, segments of any size."""
    with visit(credential) as server:
        server.suite, server.segment = suite, 0 if size == 1 else size
        server.begin()
        server.raw(record(CCS, b"\1"))
        whole = server.send
        flight: list[bytes] = []
        server.send = lambda kind, data: flight.append(data)
        server.authenticate()
        server.say(server.finished())
        server.send = whole
        data = b"".join(flight)
        for at in range(0, len(data), size):
            server.send(HANDSHAKE, data[at : at + size], padding=at % 5)
        server.conclude()
        close(server)


def test_the_first_hello(visit, credential) -> None:
    """Sections 4.2.2, 4.3, 9.2: what every ClientHello has, and what it must not have."""
    with visit(credential) as server:
        offered = server.offered
        assert {VERSIONS, GROUPS, SCHEMES, SHARES, SNI} <= set(offered)
        assert COOKIE not in offered
        assert len(server.session_id) in (0, 32)
        assert 0x1301 in server.suites
        groups = [int.from_bytes(offered[GROUPS][at : at + 2], "big") for at in range(2, len(offered[GROUPS]), 2)]
        assert P256 in groups
        assert len(set(groups)) == len(groups)
        places = [groups.index(group) for group in server.shares()]
        assert places == sorted(places), "section 4.3.8: in the order of supported_groups"
        assert offered[SNI] == vec(2, b"\0" + vec(2, b"localhost"))
        schemes = {int.from_bytes(offered[SCHEMES][at : at + 2], "big") for at in range(2, len(offered[SCHEMES]), 2)}
        assert not {scheme for scheme in schemes if scheme in (0x0101, 0x0201, 0x0202, 0x0203, 0x0301, 0x0303, 0x0402)}
        server.process.send_signal(signal.SIGINT)


def test_a_stream_that_ends_without_close_notify_is_truncated(visit, credential) -> None:
    """Section 6.1."""
    with visit(credential) as server:
        server.complete()
        server.send(DATA, b"half of i")
        server.sock.shutdown(socket.SHUT_WR)
        assert server.process.wait(20) == 1

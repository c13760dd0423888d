"""ClientHellos as tlsfuzzer, TLS-Attacker and BoGo send them: what must be refused and with which alert, what must not.

The oracle is RFC 9846; each row names the section. Where the RFC leaves the choice, a row has several alerts.
"""

from __future__ import annotations

import os

import pytest

from tests.conformance.judge_client import Client
from tests.conformance.wire import (
    ALPN,
    CCS,
    CERTIFICATE,
    COOKIE,
    DATA,
    DECODE,
    EARLY,
    FAILURE,
    FINISHED,
    GROUPS,
    HANDSHAKE,
    ILLEGAL,
    KEY_UPDATE,
    MISSING,
    OVERFLOW,
    P256,
    PSK,
    PSK_MODES,
    SCHEMES,
    SHARES,
    SNI,
    UNEXPECTED,
    VERSION,
    VERSIONS,
    X448,
    X25519,
    Hello,
    message,
    record,
    u16s,
    vec,
)

INSUFFICIENT, UNRECOGNIZED = 71, 112


def hello() -> Hello:
    return Hello()


def share(group: int, data: bytes) -> bytes:
    return vec(2, u16s([group]) + vec(2, data))


def last(kind: int, data: bytes) -> Hello:
    made = hello().drop(kind)
    return made.change(extensions=[*made.extensions, (kind, data)])


def twice(kind: int) -> Hello:
    made = hello()
    return made.change(extensions=[*made.extensions, (kind, dict(made.extensions)[kind])])


def with_trailing(kind: int) -> Hello:
    made = hello()
    return made.set(kind, dict(made.extensions)[kind] + b"\0")


P256_ZERO, P256_OFF = b"\4" + bytes(64), b"\4" + bytes(31) + b"\5" + bytes(31) + b"\1"
AN_OFFER = vec(2, vec(2, b"x" * 32) + bytes(4)) + vec(2, vec(1, bytes(32)))

REFUSED = {
    # 4.2.2
    "legacy_version 0x0302 (4.2.2)": (lambda: hello().change(version=0x0302), {VERSION}),
    "legacy_version 0x0304 (4.2.2)": (lambda: hello().change(version=0x0304), {VERSION}),
    "legacy_version 0xffff (4.2.2)": (lambda: hello().change(version=0xFFFF), {VERSION}),
    "legacy_version 0x0300 (4.2.2)": (lambda: hello().change(version=0x0300), {VERSION}),
    "session id of 33 bytes (4.2.2)": (lambda: hello().change(session_id=bytes(33)), {DECODE, ILLEGAL}),
    "no suites (4.2.2)": (lambda: hello().change(suites=[]), {DECODE}),
    "only a TLS 1.2 suite (4.2.1)": (lambda: hello().change(suites=[0xC02F]), {FAILURE}),
    "only unknown suites (4.2.1)": (lambda: hello().change(suites=[0x1337, 0x0A0A]), {FAILURE}),
    "compression [1] (4.2.2)": (lambda: hello().change(compression=b"\1"), {ILLEGAL}),
    "compression [0, 1] (4.2.2)": (lambda: hello().change(compression=b"\0\1"), {ILLEGAL}),
    "compression [1, 0] (4.2.2)": (lambda: hello().change(compression=b"\1\0"), {ILLEGAL}),
    "compression [] (4.2.2)": (lambda: hello().change(compression=b""), {DECODE, ILLEGAL}),
    "a byte behind the extensions (4.2.2)": (lambda: hello().change(tail=b"\0"), {DECODE}),
    "an extension twice (4.3)": (lambda: twice(GROUPS), {DECODE, ILLEGAL}),
    "an unknown extension twice (4.3)": (
        lambda: hello().change(extensions=[*hello().extensions, (0xFAB0, b""), (0xFAB0, b"")]),
        {DECODE, ILLEGAL},
    ),
    "oid_filters in a ClientHello (4.3)": (lambda: hello().set(48, vec(2, b"")), {ILLEGAL}),
    # 4.3.1
    "no supported_versions (4.3.1)": (lambda: hello().drop(VERSIONS), {VERSION}),
    "no extensions at all (4.3.1, E.2)": (lambda: hello().change(extensions=[]), {VERSION}),
    "only TLS 1.2 (4.3.1)": (lambda: hello().set(VERSIONS, vec(1, u16s([0x0303]))), {VERSION}),
    "only unknown versions (4.3.1)": (lambda: hello().set(VERSIONS, vec(1, u16s([0x0305, 0x7F1C]))), {VERSION}),
    "no version (4.3.1)": (lambda: hello().set(VERSIONS, vec(1, b"")), {DECODE}),
    "half a version (4.3.1)": (lambda: hello().set(VERSIONS, vec(1, b"\3\4\3")), {DECODE}),
    "an empty supported_versions (4.3.1)": (lambda: hello().set(VERSIONS, b""), {DECODE}),
    # 4.3.3, 9.2
    "no signature_algorithms (4.3.3)": (lambda: hello().drop(SCHEMES), {MISSING}),
    "no scheme (4.3.3)": (lambda: hello().set(SCHEMES, vec(2, b"")), {DECODE}),
    "half a scheme (4.3.3)": (lambda: hello().set(SCHEMES, vec(2, b"\4\3\4")), {DECODE}),
    "only unknown schemes (4.5.1.2)": (lambda: hello().set(SCHEMES, vec(2, u16s([0x0A0A]))), {FAILURE}),
    "only PKCS#1 schemes (4.3.3)": (lambda: hello().set(SCHEMES, vec(2, u16s([0x0401, 0x0501]))), {FAILURE}),
    "only SHA-1 schemes (4.3.3)": (lambda: hello().set(SCHEMES, vec(2, u16s([0x0203, 0x0201]))), {FAILURE}),
    # 4.3.7, 4.3.8, 9.2
    "supported_groups but no key_share (9.2)": (lambda: hello().drop(SHARES), {MISSING}),
    "key_share but no supported_groups (9.2)": (lambda: hello().drop(GROUPS), {MISSING}),
    "neither groups nor shares (9.2)": (lambda: hello().drop(GROUPS, SHARES), {MISSING}),
    "no group (4.3.7)": (lambda: hello().set(GROUPS, vec(2, b"")), {DECODE}),
    "only unknown groups (4.3.7)": (
        lambda: hello().set(GROUPS, vec(2, u16s([0x1234]))).set(SHARES, share(0x1234, b"x")),
        {FAILURE, INSUFFICIENT},
    ),
    "obsolete curves (4.3.7)": (
        lambda: hello().set(GROUPS, vec(2, u16s([19, 22]))).set(SHARES, share(19, bytes(49))),
        {FAILURE, INSUFFICIENT},
    ),
    "a group twice (4.3.7)": (lambda: hello().set(GROUPS, vec(2, u16s([X25519, X25519]))), {ILLEGAL}),
    "a share twice (4.3.8)": (
        lambda: hello().set(SHARES, vec(2, 2 * (u16s([X25519]) + vec(2, os.urandom(32))))),
        {ILLEGAL},
    ),
    "a share of no offered group (4.3.8)": (
        lambda: hello().set(GROUPS, vec(2, u16s([P256]))),
        {ILLEGAL},
    ),
    "an empty share (4.3.8)": (lambda: hello().set(SHARES, share(X25519, b"")), {DECODE, ILLEGAL}),
    "X25519 of 31 bytes (4.3.8.2)": (lambda: hello().set(SHARES, share(X25519, bytes(31))), {ILLEGAL}),
    "X25519 of 33 bytes (4.3.8.2)": (lambda: hello().set(SHARES, share(X25519, bytes(33))), {ILLEGAL}),
    "X25519 of order 1 (7.4.2)": (lambda: hello().set(SHARES, share(X25519, bytes(32))), {ILLEGAL}),
    "X25519 of order 4 (7.4.2)": (lambda: hello().set(SHARES, share(X25519, b"\1" + bytes(31))), {ILLEGAL}),
    "X448 of order 1 (7.4.2)": (
        lambda: Hello([X448]).set(SHARES, share(X448, bytes(56))),
        {ILLEGAL},
    ),
    "P-256 not on the curve (4.3.8.2)": (lambda: Hello([P256]).set(SHARES, share(P256, P256_OFF)), {ILLEGAL}),
    "P-256 at zero (4.3.8.2)": (lambda: Hello([P256]).set(SHARES, share(P256, P256_ZERO)), {ILLEGAL}),
    "P-256 at infinity (4.3.8.2)": (lambda: Hello([P256]).set(SHARES, share(P256, b"\0")), {ILLEGAL}),
    "P-256 compressed (4.3.8.2)": (
        lambda: (made := Hello([P256])).set(SHARES, share(P256, b"\2" + made.made[P256][0][1:33])),
        {ILLEGAL},
    ),
    "P-256 hybrid form (4.3.8.2)": (
        lambda: (made := Hello([P256])).set(SHARES, share(P256, b"\6" + made.made[P256][0][1:])),
        {ILLEGAL},
    ),
    "P-256 a byte short (4.3.8.2)": (
        lambda: (made := Hello([P256])).set(SHARES, share(P256, made.made[P256][0][:-1])),
        {ILLEGAL},
    ),
    # 4.3.11
    "a PSK without modes (4.3.9)": (lambda: last(PSK, AN_OFFER), {MISSING}),
    "a PSK that is not last (4.3.11)": (
        lambda: hello().set(PSK_MODES, b"\1\1").set(PSK, AN_OFFER).set(0xFAB0, b""),
        {ILLEGAL},
    ),
    "no identities (4.3.11)": (
        lambda: hello().set(PSK_MODES, b"\1\1").set(PSK, vec(2, b"") + vec(2, vec(1, bytes(32)))),
        {DECODE, ILLEGAL},
    ),
    "no binders (4.3.11)": (
        lambda: hello().set(PSK_MODES, b"\1\1").set(PSK, vec(2, vec(2, b"x") + bytes(4)) + vec(2, b"")),
        {DECODE, ILLEGAL},
    ),
    "a binder too many (4.3.11)": (
        lambda: hello().set(PSK_MODES, b"\1\1").set(PSK, AN_OFFER[:40] + vec(2, 2 * vec(1, bytes(32)))),
        {ILLEGAL},
    ),
    "a binder of 31 bytes (4.3.11)": (
        lambda: hello().set(PSK_MODES, b"\1\1").set(PSK, AN_OFFER[:40] + vec(2, vec(1, bytes(31)))),
        {DECODE, ILLEGAL},
    ),
    "no modes (4.3.9)": (lambda: hello().set(PSK_MODES, vec(1, b"")), {DECODE}),
    "early_data without a PSK (4.3.10)": (lambda: hello().set(EARLY, b""), {ILLEGAL, MISSING}),
    "early_data that is not empty (4.3)": (
        lambda: hello().set(PSK_MODES, b"\1\1").set(EARLY, b"\0").set(PSK, AN_OFFER),
        {DECODE},
    ),
    "an empty cookie (4.3.2)": (lambda: hello().set(COOKIE, vec(2, b"")), {DECODE}),
    "a cookie of nobody's (4.3.2)": (lambda: hello().set(COOKIE, vec(2, b"biscuit")), {ILLEGAL}),
    # RFC 6066, RFC 7301
    "a host name twice (RFC 6066)": (
        lambda: hello().set(SNI, vec(2, 2 * (b"\0" + vec(2, b"localhost")))),
        {DECODE, ILLEGAL, UNRECOGNIZED},
    ),
    "an empty host name (RFC 6066)": (lambda: hello().set(SNI, vec(2, b"\0" + vec(2, b""))), {DECODE, ILLEGAL}),
    "an empty name list (RFC 6066)": (lambda: hello().set(SNI, vec(2, b"")), {DECODE, ILLEGAL}),
    "an empty protocol (RFC 7301)": (lambda: hello().set(ALPN, vec(2, vec(1, b""))), {DECODE, ILLEGAL}),
    "an empty protocol list (RFC 7301)": (lambda: hello().set(ALPN, vec(2, b"")), {DECODE, ILLEGAL}),
    **{
        f"a byte too many in extension {kind} (4.3)": (lambda kind=kind: with_trailing(kind), {DECODE})
        for kind in (SNI, VERSIONS, GROUPS, SCHEMES, SHARES)
    },
}

TAKEN = {
    "an empty session id (4.2.2)": lambda: hello().change(session_id=b""),
    "a session id of 1 byte (4.2.2)": lambda: hello().change(session_id=b"!"),
    "unknown suites around (4.2.2)": lambda: hello().change(suites=[0x0A0A, 0xC02F, 0x1301, 0x00FF, 0x5600]),
    "20000 suites (4.2.2)": lambda: hello().change(suites=[*range(0x2000, 0x3000), 0x1301]),
    "versions old and unknown around (4.3.1)": lambda: hello().set(
        VERSIONS, vec(1, u16s([0x0A0A, 0x0305, 0x0304, 0x0303, 0x0301]))
    ),
    "an unknown extension, empty (4.2.2)": lambda: hello().set(0xFAB0, b""),
    "an unknown extension of 16000 bytes (4.2.2)": lambda: hello().set(0xFAB0, bytes(16000)),
    # There is a limit, of 128 by default, which is the server's to choose; tlsfuzzer sends thousands.
    "120 unknown extensions (4.2.2)": lambda: (made := hello()).change(
        extensions=[*made.extensions, *((0x4000 + n, b"") for n in range(120))]
    ),
    "extensions in reverse (4.3)": lambda: (made := hello()).change(extensions=made.extensions[::-1]),
    "unknown groups around (4.3.7)": lambda: hello().set(GROUPS, vec(2, u16s([0x1234, X25519, 0x0A0A]))),
    "a share of an unknown group first (4.3.8)": lambda: (
        (made := hello())
        .set(GROUPS, vec(2, u16s([0x0A0A, X25519])))
        .set(SHARES, vec(2, u16s([0x0A0A]) + vec(2, b"\0") + made.shares()[2:]))
    ),
    "unknown schemes around (4.3.3)": lambda: hello().set(SCHEMES, vec(2, u16s([0x0A0A, 0x0403, 0x0804, 0x9999]))),
    "many schemes (4.3.3)": lambda: hello().set(SCHEMES, vec(2, u16s([*range(0x2000, 0x2800), 0x0403]))),
    "unknown PSK modes (4.3.9)": lambda: hello().set(PSK_MODES, vec(1, b"\x0a\xff")),
    "a PSK nobody knows (4.3.11)": lambda: hello().set(PSK_MODES, b"\1\1").set(PSK, AN_OFFER),
    "padding (RFC 7685)": lambda: hello().set(21, bytes(500)),
    "status_request_v2 (4.5.1.1)": lambda: hello().set(17, vec(2, b"\2" + vec(2, bytes(4)))),
    "no server_name (9.2)": lambda: hello().drop(SNI),
    "extended_master_secret, renegotiation_info (E)": lambda: hello().set(23, b"").set(0xFF01, b"\0"),
    "post_handshake_auth (4.3.6)": lambda: hello().set(49, b""),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(port, what) -> None:
    make, alerts = REFUSED[what]
    with Client(port) as client:
        client.start(make())
        assert client.refusal() in alerts


@pytest.mark.parametrize("what", TAKEN)
def test_taken(port, what) -> None:
    with Client(port) as client:
        client.complete(TAKEN[what]()).echo()
        client.goodbye()


def good() -> bytes:
    return hello().bytes()


FIRST_RECORDS = {
    "application data (5)": (lambda: record(DATA, b"hello"), {UNEXPECTED}),
    "change_cipher_spec (5)": (lambda: record(CCS, b"\1"), {UNEXPECTED}),
    "heartbeat (5)": (lambda: record(24, b"\1\0\0"), {UNEXPECTED}),
    "type 0 (5)": (lambda: record(0, b"\0"), {UNEXPECTED}),
    "type 255 (5)": (lambda: record(255, b"\0"), {UNEXPECTED}),
    "an empty handshake record (5.1)": (lambda: record(HANDSHAKE, b""), {UNEXPECTED}),
    "a record of 2^14 + 1 (5.1)": (lambda: record(HANDSHAKE, good() + bytes(2**14 + 1 - len(good()))), {OVERFLOW}),
    "a record of 2^16 - 1 (5.1)": (lambda: record(HANDSHAKE, bytes(2**16 - 1)), {OVERFLOW}),
    "Finished first (4)": (lambda: record(HANDSHAKE, message(FINISHED, bytes(32))), {UNEXPECTED}),
    "Certificate first (4)": (lambda: record(HANDSHAKE, message(CERTIFICATE, b"\0" + bytes(3))), {UNEXPECTED}),
    "KeyUpdate first (4.7.3)": (lambda: record(HANDSHAKE, message(KEY_UPDATE, b"\0")), {UNEXPECTED}),
    "a message of no known type (4)": (lambda: record(HANDSHAKE, message(99, b"")), {UNEXPECTED}),
    "a ClientHello and more behind (5.1)": (lambda: record(HANDSHAKE, good() + message(FINISHED, b"")), {UNEXPECTED}),
    "two ClientHellos in one record (5.1)": (lambda: record(HANDSHAKE, 2 * good()), {UNEXPECTED}),
    "half a ClientHello, then data (5.1)": (
        lambda: record(HANDSHAKE, good()[:50]) + record(DATA, b"x"),
        {UNEXPECTED},
    ),
    "half a ClientHello, then change_cipher_spec (5.1)": (
        lambda: record(HANDSHAKE, good()[:50]) + record(CCS, b"\1") + record(HANDSHAKE, good()[50:]),
        {UNEXPECTED},
    ),
    "half a ClientHello, then nothing in a record (5.1)": (
        lambda: record(HANDSHAKE, good()[:50]) + record(HANDSHAKE, b""),
        {UNEXPECTED},
    ),
    "a ClientHello of 2^24 - 1 (4)": (
        lambda: record(HANDSHAKE, b"\1\xff\xff\xff" + bytes(2**14 - 4)),
        {DECODE, ILLEGAL, OVERFLOW, UNEXPECTED, FAILURE},
    ),
    "a ClientHello of 0 bytes (4.2.2)": (lambda: record(HANDSHAKE, b"\1\0\0\0"), {DECODE}),
}


@pytest.mark.parametrize("what", FIRST_RECORDS)
def test_the_first_record(port, what) -> None:
    make, alerts = FIRST_RECORDS[what]
    with Client(port) as client:
        client.raw(make())
        assert client.refusal() in alerts


FOREIGN = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "SSLv2": bytes.fromhex("802e0100020015000000100700c0030080010080060040040080020080050080") + bytes(16),
    "SSH": b"SSH-2.0-OpenSSH_9.2\r\n" + bytes(20),
    "zeros": bytes(2000),
    "0xff": b"\xff" * 2000,
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_not_tls_is_refused_and_let_go(port, what) -> None:
    with Client(port) as client:
        client.raw(FOREIGN[what])
        assert client.refusal() in {UNEXPECTED, OVERFLOW, DECODE, VERSION}


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0000, 0xFFFF])
def test_the_version_of_a_record_is_of_no_meaning(port, version) -> None:
    """Section 5.1: it must be ignored for all purposes."""
    with Client(port) as client:
        client.start(hello(), version=version)
        client.meet()
        client.finish()
        client.echo()


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0302, 0x0303])
def test_the_hellos_of_older_versions(port, version) -> None:
    """Sections 4.2.2 and E.2: protocol_version."""
    old = hello().drop(VERSIONS, SHARES).change(version=version, suites=[0xC02F, 0x002F])
    with Client(port) as client:
        client.start(old)
        assert client.refusal() == VERSION


def test_a_hello_cut_short_anywhere_in_its_body(port) -> None:
    """Each prefix with its length put right is a syntax error, or a hello without what TLS 1.3 needs (E.2)."""
    body = hello().body()
    for size in range(0, len(body), 7):
        with Client(port) as client:
            client.raw(record(HANDSHAKE, message(1, body[:size])))
            assert client.refusal() in {DECODE, VERSION}, size

"""A client that goes wrong after its hello: the second flight, the retry, the records, and what comes afterwards.

The oracle is RFC 9846; each row names the section. Where the RFC leaves the choice, a row has several alerts.
"""

from __future__ import annotations

import pytest

from tests.conformance.judge_client import Client, Ticket, offer
from tests.conformance.wire import (
    ALERT,
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
    HANDSHAKE,
    ILLEGAL,
    KEY_UPDATE,
    OVERFLOW,
    P256,
    PSK_MODES,
    SHARES,
    TICKET,
    UNEXPECTED,
    X25519,
    Hello,
    message,
    record,
    vec,
    with_binder,
)


def spoilt(data: bytes, at: int, bits: int = 1) -> bytes:
    return data[:at] + bytes([data[at] ^ bits]) + data[at + 1 :]


def second_flight(how):
    """The right Finished, as `how` changes it."""
    return lambda c: c.send(HANDSHAKE, how(c.finished()))


def spoil_record(at: int):
    def act(c: Client) -> None:
        c.raw(spoilt(c.sealed(HANDSHAKE, c.finished()), at))

    return act


def inner(plaintext: bytes):
    """A protected record around these very bytes."""
    return lambda c: c.raw(c.write.seal(plaintext))


def plain(kind: int, data: bytes):
    return lambda c: c.raw(record(kind, data))


def say(kind: int, body: bytes = b""):
    return lambda c: c.send(HANDSHAKE, message(kind, body))


def both(*acts):
    def act(c: Client) -> None:
        for each in acts:
            each(c)

    return act


INSTEAD_OF_FINISHED = {
    "Finished, a byte short (4.5.3)": (second_flight(lambda f: message(FINISHED, f[4:-1])), {DECODE, DECRYPT}),
    "Finished, a byte long (4.5.3)": (second_flight(lambda f: message(FINISHED, f[4:] + b"\0")), {DECODE, DECRYPT}),
    "Finished, empty (4.5.3)": (second_flight(lambda f: message(FINISHED, b"")), {DECODE, DECRYPT}),
    "Finished of 2^14 - 4 bytes (4.5.3)": (second_flight(lambda f: message(FINISHED, bytes(16380))), {DECODE, DECRYPT}),
    "Finished and a byte behind it (5.1)": (second_flight(lambda f: f + b"\0"), {UNEXPECTED}),
    "Finished and KeyUpdate in one record (5.1)": (
        second_flight(lambda f: f + message(KEY_UPDATE, b"\0")),
        {UNEXPECTED},
    ),
    "Finished in clear (5)": (lambda c: c.raw(record(HANDSHAKE, c.finished())), {UNEXPECTED, BAD_MAC}),
    "data before Finished (2)": (lambda c: c.send(DATA, b"x"), {UNEXPECTED}),
    "data in clear (5.1)": (plain(DATA, b"x" * 40), {BAD_MAC, UNEXPECTED}),
    "a record of 16 bytes (5.2)": (plain(DATA, bytes(16)), {BAD_MAC, DECODE}),
    "a record of no bytes (5.2)": (plain(DATA, b""), {BAD_MAC, DECODE, UNEXPECTED}),
    "KeyUpdate before Finished (4.7.3)": (say(KEY_UPDATE, b"\0"), {UNEXPECTED}),
    "EndOfEarlyData unasked (4.6)": (say(END_OF_EARLY_DATA), {UNEXPECTED}),
    "Certificate unasked (4.4.2)": (say(CERTIFICATE, b"\0" + bytes(3)), {UNEXPECTED}),
    "NewSessionTicket from a client (4)": (say(TICKET, bytes(20)), {UNEXPECTED}),
    "HelloRequest (4)": (say(0), {UNEXPECTED}),
    "a second ClientHello (4.2.2)": (lambda c: c.send(HANDSHAKE, Hello().bytes()), {UNEXPECTED}),
    "half a Finished, then data (5.1)": (
        lambda c: (c.send(HANDSHAKE, c.finished()[:9]), c.send(DATA, b"x")),
        {UNEXPECTED},
    ),
    "half a Finished, then change_cipher_spec (5.1)": (
        lambda c: (c.send(HANDSHAKE, c.finished()[:9]), c.raw(record(CCS, b"\1"))),
        {UNEXPECTED},
    ),
    "a protected change_cipher_spec (5)": (lambda c: c.send(CCS, b"\1"), {UNEXPECTED}),
    "change_cipher_spec of 0 (5)": (plain(CCS, b"\0"), {UNEXPECTED}),
    "change_cipher_spec of 2 (5)": (plain(CCS, b"\2"), {UNEXPECTED}),
    "change_cipher_spec of 1, 1 (5)": (plain(CCS, b"\1\1"), {UNEXPECTED}),
    "change_cipher_spec of nothing (5)": (plain(CCS, b""), {UNEXPECTED}),
    "inner type 0, all zeros (5.4)": (inner(bytes(50)), {UNEXPECTED}),
    "inner type 24 (5)": (inner(b"x\x18"), {UNEXPECTED}),
    "inner type 99 (5)": (inner(b"x\x63"), {UNEXPECTED}),
    "an empty handshake record (5.4)": (inner(b"\x16"), {UNEXPECTED}),
    "an empty handshake record, padded (5.4)": (inner(b"\x16" + bytes(40)), {UNEXPECTED}),
    "an empty alert (5.4)": (inner(b"\x15"), {UNEXPECTED}),
    "an alert of 1 byte (5.1)": (inner(b"\1\x15"), {DECODE, UNEXPECTED}),
    "two alerts in a record (5.1)": (inner(b"\1\x5a\1\x5a\x15"), {DECODE, UNEXPECTED}),
    "an inner plaintext of 2^14 + 2 (5.4)": (inner(b"\x16" + bytes(2**14 + 1)), {OVERFLOW}),
    "data of 2^14 + 1 (5.4)": (inner(bytes(2**14 + 1) + b"\x17"), {OVERFLOW}),
    "a record of 2^14 + 257 (5.2)": (plain(DATA, bytes(2**14 + 257)), {OVERFLOW}),
    "outer type handshake (5.2)": (
        lambda c: c.raw(c.write.seal(c.finished() + b"\x16", outer=HANDSHAKE)),
        {UNEXPECTED, BAD_MAC},
    ),
    "outer type alert (5.2)": (
        lambda c: c.raw(c.write.seal(c.finished() + b"\x16", outer=ALERT)),
        {UNEXPECTED, BAD_MAC, DECODE},
    ),
    **{
        f"Finished, byte {at} of its record (5.2)": (spoil_record(at), {BAD_MAC}) for at in (5, 20, 40, 41, 56, -1 % 58)
    },
}

SPOILT_FINISHED = [(at, bits) for at in range(32) for bits in (1, 0x80, 0xFF)]


@pytest.mark.parametrize("what", INSTEAD_OF_FINISHED)
def test_instead_of_finished(port, what) -> None:
    act, alerts = INSTEAD_OF_FINISHED[what]
    with Client(port) as client:
        client.start()
        client.meet()
        act(client)
        assert client.refusal() in alerts


def test_a_finished_that_is_wrong_anywhere(port) -> None:
    """Section 4.5.3: decrypt_error, whichever bit it is."""
    for at, bits in SPOILT_FINISHED:
        with Client(port) as client:
            client.start()
            client.meet()
            client.send(HANDSHAKE, spoilt(client.finished(), 4 + at, bits))
            assert client.refusal() == DECRYPT, (at, bits)


AFTER = {
    "change_cipher_spec (5)": (plain(CCS, b"\1"), {UNEXPECTED}),
    "a second Finished (4)": (say(FINISHED, bytes(32)), {UNEXPECTED}),
    "renegotiation (4.2.2)": (lambda c: c.send(HANDSHAKE, Hello().bytes()), {UNEXPECTED}),
    "a ClientHello in clear (5)": (lambda c: c.raw(record(HANDSHAKE, Hello().bytes())), {UNEXPECTED, BAD_MAC}),
    "a fatal alert in clear is not believed (5)": (plain(ALERT, b"\2\x28"), {UNEXPECTED, BAD_MAC}),
    "Certificate unasked (4.7.2)": (say(CERTIFICATE, b"\0" + bytes(3)), {UNEXPECTED}),
    "CertificateRequest from a client (4.7.2)": (say(CERTIFICATE_REQUEST, b"\0" + bytes(2)), {UNEXPECTED}),
    "NewSessionTicket from a client (4.7.1)": (say(TICKET, bytes(20)), {UNEXPECTED}),
    "KeyUpdate of 2 (4.7.3)": (say(KEY_UPDATE, b"\2"), {ILLEGAL}),
    "KeyUpdate of 255 (4.7.3)": (say(KEY_UPDATE, b"\xff"), {ILLEGAL}),
    "KeyUpdate of nothing (4.7.3)": (say(KEY_UPDATE), {DECODE}),
    "KeyUpdate of two bytes (4.7.3)": (say(KEY_UPDATE, b"\0\0"), {DECODE}),
    "two KeyUpdates in a record (5.1)": (lambda c: c.send(HANDSHAKE, 2 * message(KEY_UPDATE, b"\0")), {UNEXPECTED}),
    "KeyUpdate, and data with the old keys (4.7.3)": (
        both(say(KEY_UPDATE, b"\0"), lambda c: c.send(DATA, b"x")),
        {BAD_MAC},
    ),
    "new keys without KeyUpdate (4.7.3)": (lambda c: c.raw(c.write.next().seal(b"x\x17")), {BAD_MAC}),
    "half a KeyUpdate, then data (5.1)": (
        lambda c: (c.send(HANDSHAKE, b"\x18\0"), c.send(DATA, b"x")),
        {UNEXPECTED},
    ),
    "a record again (5.3)": (lambda c: c.raw(2 * c.sealed(DATA, b"x")), {BAD_MAC}),
    "all zeros (5.4)": (inner(bytes(30)), {UNEXPECTED}),
    "an inner plaintext of nothing (5.4)": (inner(b""), {UNEXPECTED, BAD_MAC, DECODE}),
    "an empty handshake record (5.4)": (inner(b"\x16"), {UNEXPECTED}),
    "an empty alert (5.4)": (inner(b"\x15\0\0"), {UNEXPECTED}),
    "data of 2^14 + 1 (5.4)": (inner(bytes(2**14 + 1) + b"\x17"), {OVERFLOW}),
    "data of 2^14, padded to 2^14 + 2 (5.4)": (inner(bytes(2**14) + b"\x17\0"), {OVERFLOW}),
    "the last byte of a tag (5.2)": (lambda c: c.raw(spoilt(d := c.sealed(DATA, b"hello"), len(d) - 1)), {BAD_MAC}),
}


@pytest.mark.parametrize("what", AFTER)
def test_after_the_handshake(port, what) -> None:
    act, alerts = AFTER[what]
    with Client(port) as client:
        client.complete().echo()
        act(client)
        assert client.refusal() in alerts


# --- what must be put up with ---------------------------------------------------------------------------------------


def test_change_cipher_spec_as_often_as_one_likes_within_the_handshake(port) -> None:
    """Section 5: dropped without a word, wherever it comes before Finished."""
    with Client(port) as client:
        client.start()
        client.raw(5 * record(CCS, b"\1"))
        client.meet()
        client.raw(5 * record(CCS, b"\1"))
        client.finish()
        client.echo()


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_messages_split_over_records(port, size) -> None:
    """Section 5.1: each in records of any size, the hello as well as Finished."""
    with Client(port) as client:
        hello = client.hello.bytes()
        client.transcript += hello
        client.raw(b"".join(record(HANDSHAKE, hello[at : at + size]) for at in range(0, len(hello), size)))
        client.meet()
        finished = client.finished()
        for at in range(0, len(finished), size):
            client.send(HANDSHAKE, finished[at : at + size])
        client.transcript += finished
        client.write = client.own
        client.echo()


def test_a_hello_split_in_two_at_every_byte(port) -> None:
    hello = Hello().bytes()
    for at in range(1, len(hello), 5):
        with Client(port) as client:
            client.raw(record(HANDSHAKE, hello[:at]) + record(HANDSHAKE, hello[at:]))
            assert client.next_message()[0] == 2, at


def test_everything_in_segments_of_one_byte(port) -> None:
    with Client(port) as client:
        client.segment = 1
        client.complete().echo(b"x" * 300)
        client.goodbye()


@pytest.mark.parametrize("padding", [0, 1, 255, 2**14 - 4])
def test_padding(port, padding) -> None:
    """Section 5.4."""
    with Client(port) as client:
        client.start()
        client.meet()
        client.send(HANDSHAKE, client.finished(), padding=min(padding, 2**14 - 36))
        client.write = client.own
        client.send(DATA, b"ping", padding=padding)
        assert client.next_data() == b"ping"


def test_records_of_the_greatest_size_and_of_none(port) -> None:
    """Sections 5.1, 5.4: data may be empty, also in a padded record; 2^14 is allowed."""
    with Client(port) as client:
        client.complete()
        for _ in range(5):
            client.send(DATA, b"")
            client.send(DATA, b"", padding=1000)
        client.echo(bytes(range(256)) * 64)


@pytest.mark.parametrize("version", [0x0300, 0x0301, 0x0304, 0xFFFF])
def test_the_version_of_a_protected_record_is_of_no_meaning(port, version) -> None:
    """Section 5.1 wants it ignored; it is in the additional data as it was sent."""
    with Client(port) as client:
        client.complete()
        client.raw(client.write.seal(b"ping\x17", version=version))
        assert client.next_data() == b"ping"


def test_user_canceled_alone_ends_nothing(port) -> None:
    """Section 6.1: read on until close_notify."""
    with Client(port) as client:
        client.complete()
        client.send(ALERT, b"\1\x5a")
        client.echo()
        client.goodbye()


@pytest.mark.parametrize("code", [10, 20, 40, 47, 50, 80, 113, 200])
@pytest.mark.parametrize("level", [1, 2])
def test_an_alert_of_an_error_ends_it_without_an_answer(port, level, code) -> None:
    """Section 6.2: whatever its level says; and unknown ones are errors (section 6)."""
    with Client(port) as client:
        client.complete()
        client.send(ALERT, bytes([level, code]))
        while True:
            try:
                kind, data = client.next_record()
            except Exception:  # noqa: BLE001  # the end, as FIN or RST
                break
            assert kind == HANDSHAKE, data


# --- KeyUpdate ------------------------------------------------------------------------------------------------------


def test_key_updates(port) -> None:
    """Section 4.7.3: many of ours, and one of theirs for each that was asked for, at most, before the next data."""
    with Client(port) as client:
        client.complete().echo()
        for _ in range(20):
            client.send(HANDSHAKE, message(KEY_UPDATE, b"\0"))
            client.write = client.write.next()
            client.echo()
        for _ in range(5):
            client.send(HANDSHAKE, message(KEY_UPDATE, b"\1"))
            client.write = client.write.next()
            client.send(DATA, b"ping")
            kind, data = client.next_record()
            assert (kind, data) == (HANDSHAKE, message(KEY_UPDATE, b"\0"))
            client.read = client.read.next()
            assert client.next_data() == b"ping"
        client.goodbye()


def test_a_key_update_split_over_records(port) -> None:
    with Client(port) as client:
        client.complete()
        for byte in message(KEY_UPDATE, b"\0"):
            client.send(HANDSHAKE, bytes([byte]))
        client.write = client.write.next()
        client.echo()


# --- HelloRetryRequest ----------------------------------------------------------------------------------------------


def again(answer, hello: Hello) -> Hello:
    """The second ClientHello as section 4.2.2 wants it."""
    group = int.from_bytes(answer.extensions[SHARES], "big")
    hello.made = Hello([group]).made
    hello.set(SHARES, hello.shares())
    if COOKIE in answer.extensions:
        hello.set(COOKIE, answer.extensions[COOKIE])
    return hello


def test_a_retry(port) -> None:
    with Client(port) as client:
        client.start(Hello([X25519, P256], shares=[]))
        client.retry(again)
        client.meet()
        client.finish()
        client.echo()
        assert client.seen.count((CCS, b"\1")) == 1, "section E.4: one, after the first of the server's messages"


def test_a_retry_with_change_cipher_spec_between(port) -> None:
    with Client(port) as client:
        client.start(Hello([P256], shares=[]))
        answer = client.retry()
        client.raw(record(CCS, b"\1"))
        client.start(again(answer, client.hello), version=0x0303)
        client.meet()
        client.finish()
        client.echo()


SECOND_HELLOS = {
    "no share again (4.2.2)": (lambda h: h.set(SHARES, vec(2, b"")), {ILLEGAL}),
    "a share of another group (4.2.2)": (lambda h: h.set(SHARES, Hello([P256]).shares()), {ILLEGAL}),
    "two shares (4.2.2)": (lambda h: h.set(SHARES, Hello([X25519, P256]).shares()), {ILLEGAL}),
    "the suites changed (4.2.2)": (lambda h: h.change(suites=[0x1303]), {ILLEGAL}),
    "the random changed (4.2.2)": (lambda h: h.change(random=bytes(32)), {ILLEGAL}),
    "the session id changed (4.2.2)": (lambda h: h.change(session_id=b"x" * 32), {ILLEGAL}),
    "an extension more (4.2.2)": (lambda h: h.set(0xFAB0, b""), {ILLEGAL}),
    "an extension less (4.2.2)": (lambda h: h.drop(0), {ILLEGAL}),
    "early_data (4.3.10)": (lambda h: h.set(EARLY, b""), {ILLEGAL}),
    "legacy_version changed (4.2.2)": (lambda h: h.change(version=0x0302), {70, ILLEGAL}),
}


@pytest.mark.parametrize("what", SECOND_HELLOS)
def test_second_hellos(port, what) -> None:
    change, alerts = SECOND_HELLOS[what]
    with Client(port) as client:
        client.start(Hello([X25519, P256], shares=[]))
        client.retry(lambda answer, hello: change(again(answer, hello)))
        assert client.refusal() in alerts


@pytest.mark.parametrize("kind", [FINISHED, CERTIFICATE, KEY_UPDATE])
def test_something_else_instead_of_a_second_hello(port, kind) -> None:
    with Client(port) as client:
        client.start(Hello([X25519], shares=[]))
        client.retry()
        client.raw(record(HANDSHAKE, message(kind, b"\0")))
        assert client.refusal() == UNEXPECTED


# --- PSKs and tickets -----------------------------------------------------------------------------------------------


@pytest.fixture
def ticket(port) -> Ticket:
    with Client(port) as client:
        found = Ticket(client.complete(Hello().set(PSK_MODES, b"\1\1").change(suites=[0x1301])))
        assert 0 < found.lifetime <= 604800
        client.goodbye()
        return found


def test_resumption(port, ticket) -> None:
    with Client(port) as client:
        client.start(offer(ticket))
        assert client.meet(ticket.psk).extensions[41] == b"\0\0"
        client.finish()
        client.echo()
        client.goodbye()


def test_resumption_after_a_retry(port, ticket) -> None:
    """Section 4.3.11.2: the binder is made again, over both hellos and the retry."""
    with Client(port) as client:
        client.start(offer(ticket, hello=Hello([P256], shares=[]).set(PSK_MODES, b"\1\1")))
        answer = client.retry()
        client.start(offer(ticket, hello=again(answer, client.hello), before=client.transcript), version=0x0303)
        client.meet(ticket.psk)
        client.finish()
        client.echo()


def test_a_wrong_binder(port, ticket) -> None:
    for at in range(1, 33):
        hello = offer(ticket)
        data = dict(hello.extensions)[41]
        with Client(port) as client:
            client.start(hello.set(41, spoilt(data, len(data) - at)))
            assert client.refusal() == DECRYPT


def test_a_ticket_spoilt_anywhere_is_no_ticket(port, ticket) -> None:
    """Section 4.3.11: unknown PSKs are ignored, and the handshake is a full one."""
    for at in range(0, len(ticket.identity), 16):
        with Client(port) as client:
            hello = Hello().set(PSK_MODES, b"\1\1")
            client.start(with_binder(hello, spoilt(ticket.identity, at), ticket.psk, label="res binder"))
            assert 41 not in client.meet().extensions
            client.finish()
            client.echo()


def test_a_ticket_for_another_hash_is_passed_over(port, ticket) -> None:
    """Section 4.3.11: the suite and the PSK go together."""
    with Client(port) as client:
        client.start(offer(ticket, hello=Hello().set(PSK_MODES, b"\1\1").change(suites=[0x1302])))
        assert 41 not in client.meet().extensions
        client.finish()
        client.echo()


def test_only_psk_ke_is_offered(port, ticket) -> None:
    """Section 4.3.9: no mode that the client has not listed; this server then does a full handshake."""
    with Client(port) as client:
        client.start(offer(ticket, hello=Hello().set(PSK_MODES, b"\1\0")))
        assert 41 not in client.meet().extensions


def test_early_data_that_nobody_accepts_is_skipped(port, ticket) -> None:
    """Section 4.3.10: the garbage, up to a limit, and not after the handshake is under way."""
    with Client(port) as client:
        client.start(offer(ticket, hello=Hello().set(PSK_MODES, b"\1\1").set(EARLY, b"")))
        client.raw(record(CCS, b"\1") + record(DATA, bytes(500)) + record(DATA, bytes(40)))
        client.meet(ticket.psk)
        assert EARLY not in client.encrypted_extensions
        client.finish()
        client.echo()


def test_early_data_without_end_is_not_skipped(port, ticket) -> None:
    with Client(port) as client:
        client.start(offer(ticket, hello=Hello().set(PSK_MODES, b"\1\1").set(EARLY, b"")))
        client.meet(ticket.psk)
        client.raw(8 * record(DATA, bytes(2**14)))
        assert client.refusal() in {BAD_MAC, UNEXPECTED}


def test_garbage_in_place_of_early_data_that_was_not_offered(port) -> None:
    with Client(port) as client:
        client.start()
        client.meet()
        client.raw(record(DATA, bytes(500)))
        assert client.refusal() == BAD_MAC


def test_what_a_full_handshake_shows(port) -> None:
    """Sections 4.2.3, 5.1, E.4: the randoms differ, one change_cipher_spec iff there is a session id."""
    randoms = set()
    for session_id in (b"", b"x" * 32):
        with Client(port) as client:
            client.start(Hello().change(session_id=session_id))
            randoms.add(client.meet().random)
            assert client.seen.count((CCS, b"\1")) == bool(session_id)
    assert len(randoms) == 2

"""Alerts: RFC 9846, section 6. What ends a connection, what is said at its end, and what is left of it."""

from __future__ import annotations

import pytest

import tls13
from tests.duel import connected, same
from tests.requirements.cases import cases
from tests.wiretap import Wiretap
from tls13 import errors
from tls13.errors import AlertDescription
from tls13.lab.scripted import with_extension
from tls13.wire.extensions import KeyShareClientHello, KeyShareServerHello, SelectedVersion
from tls13.wire.messages import (
    Certificate,
    CertificateVerify,
    ClientHello,
    EncryptedExtensions,
    Finished,
    HandshakeMessage,
    ServerHello,
)
from tls13.wire.registry import CipherSuite, ProtocolVersion

ALERT = 21
WARNING, FATAL = 1, 2
ROLES = pytest.mark.parametrize("receiver", ["client", "server"])
ERRORS = [
    code for code in AlertDescription if code not in (AlertDescription.close_notify, AlertDescription.user_canceled)
]


def expect(made, receiver: str, offence, *, told: bool = True):
    if receiver == "client":
        return made.expect_refusal_by_client(offence, told=told)
    return made.expect_refusal_by_server(offence, told=told)


# --- error alerts: sections 6 and 6.2 ---------------------------------------------------------------------------------


@ROLES
@pytest.mark.parametrize("level", [WARNING, FATAL, 0, 255])
@pytest.mark.parametrize("code", [*ERRORS, 1, 60, 100, 199, 255])
@pytest.mark.requirement("R256", "R258", "R259", "R267")
def test_every_alert_but_the_two_that_close_ends_the_connection(code, level, receiver, quick_pair) -> None:
    """Whatever its level says, known to us or not; and nothing is sent in answer."""
    made, sender, judge = connected(quick_pair, receiver)
    sender.send_record(ALERT, bytes((level, code)))
    with pytest.raises(tls13.AlertReceived) as caught:
        made.run()
    assert caught.value.code == code
    assert judge.closed
    assert not judge.data_to_send()
    for call in (lambda: judge.send_data(b"x"), lambda: judge.receive_data(b"x"), judge.next_event, judge.update_keys):
        with pytest.raises(tls13.ConnectionFailed):
            call()
    judge.close()
    assert not judge.data_to_send()


@ROLES
@pytest.mark.parametrize("code", [AlertDescription.handshake_failure, 255])
@pytest.mark.requirement("R256", "R267")
def test_an_alert_in_the_handshake_ends_it(code, receiver, quick_pair) -> None:
    made = quick_pair(client_script=same, server_script=same)
    hello = made.client.data_to_send()
    judge = made.client
    if receiver == "server":
        judge = made.server
        judge.receive_data(hello)
        assert not list(judge.events())
        judge.data_to_send()
    judge.receive_data(bytes((ALERT, 3, 3, 0, 2, WARNING, code)))
    with pytest.raises(tls13.AlertReceived):
        list(judge.events())
    assert judge.closed
    assert not judge.handshake_complete
    assert not judge.data_to_send()


PLAIN = {
    "no version": (lambda m: m.replace(extensions=m.extensions.__class__((), m.extensions.place)), 70),
    "compression": (lambda m: m.replace(legacy_compression_methods=b"\1"), 47),
    "no cipher suite": (lambda m: m.replace(cipher_suites=(CipherSuite(0xC02F),)), 40),
    "a length beyond the message": (lambda m: cut(m), 50),
    "another message": (lambda m: Finished(verify_data=bytes(32)), 10),
}


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.requirement("R258", "R268", "R269")
def test_our_error_alerts_are_fatal_and_the_last_thing_we_send(name, quick_pair) -> None:
    """Sections 6 and 6.2, as bytes: exactly one record, with AlertLevel fatal and the alert that the RFC names."""
    change, code = PLAIN[name]
    made = quick_pair(client_script=lambda m: change(m) if isinstance(m, ClientHello) else m)
    made.server.receive_data(made.client.data_to_send())
    with pytest.raises(errors.Abort):
        list(made.server.events())
    assert made.server.data_to_send() == bytes((ALERT, 3, 3, 0, 2, FATAL, code))
    made.server.close()
    assert not made.server.data_to_send()
    with pytest.raises(tls13.ConnectionFailed):
        made.server.receive_data(b"more")


@ROLES
@pytest.mark.requirement("R258", "R265", "R268")
def test_a_protected_error_alert_is_fatal_too_and_no_close_notify_follows(receiver, quick_pair, client_config) -> None:
    tap = Wiretap()
    client = client_config.replace(key_log=tap.key_log, cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256])
    made = quick_pair(client=client, client_script=same, server_script=same)
    sides = {"client": (made.client, b""), "server": (made.server, b"")}
    stream = {"client": b"", "server": b""}
    while made.client.wants_send or made.server.wants_send:
        for side, other in (("client", "server"), ("server", "client")):
            data = sides[side][0].data_to_send()
            stream[side] += data
            sides[other][0].receive_data(data)
            list(sides[other][0].events())
    judge, breaker = (made.client, made.server) if receiver == "client" else (made.server, made.client)
    breaker.send_record(22, b"\x18\0\0\1\7")
    judge.receive_data(breaker.data_to_send())
    with pytest.raises(errors.BadKeyUpdateRequest):
        list(judge.events())
    judge.close()
    setattr(tap, receiver, stream[receiver] + judge.data_to_send())
    last = tap.records(receiver)[-1]
    assert (last.content_type, last.content) == (ALERT, bytes((FATAL, AlertDescription.illegal_parameter)))


# --- syntax and meaning: section 6 ------------------------------------------------------------------------------------


def cut(message: HandshakeMessage) -> bytes:
    raw = message.to_handshake()
    return raw[:1] + (len(raw) - 5).to_bytes(3, "big") + raw[4:-1]


def lengthened(message: HandshakeMessage) -> bytes:
    raw = message.to_handshake()
    return raw[:1] + (len(raw) - 3).to_bytes(3, "big") + raw[4:] + b"\0"


FROM_A_SERVER = [ServerHello, EncryptedExtensions, Certificate, CertificateVerify, Finished]


@pytest.mark.parametrize("change", [cut, lengthened])
@pytest.mark.parametrize("kind", FROM_A_SERVER)
@pytest.mark.requirement("R260", "R269")
def test_a_message_of_the_server_that_is_a_byte_too_short_or_too_long(kind, change, pair) -> None:
    made = pair(server_script=lambda m: change(m) if type(m) is kind else m)
    made.expect_refusal_by_client(errors.DecodeError, told=kind is not ServerHello)


@pytest.mark.parametrize("change", [cut, lengthened])
@pytest.mark.parametrize("kind", [ClientHello, Finished])
@pytest.mark.requirement("R260", "R269")
def test_a_message_of_the_client_that_is_a_byte_too_short_or_too_long(kind, change, pair) -> None:
    made = pair(client_script=lambda m: change(m) if type(m) is kind else m)
    made.expect_refusal_by_server(errors.DecodeError)


@ROLES
@pytest.mark.parametrize("raw", [b"\x18\0\0\0", b"\x18\0\0\2\0\0"], ids=["empty", "two bytes"])
@pytest.mark.requirement("R260")
def test_a_key_update_that_is_too_short_or_too_long(raw, receiver, quick_pair) -> None:
    made, sender, _ = connected(quick_pair, receiver)
    sender.send_record(22, raw)
    expect(made, receiver, errors.DecodeError)


def server_share(change):
    def edit(message: ServerHello):
        share = message.extensions.get(KeyShareServerHello).server_share
        return with_extension(message, KeyShareServerHello(server_share=change(share)))

    return edit


def client_share(change):
    def edit(message: ClientHello):
        shares = message.extensions.get(KeyShareClientHello).client_shares
        return with_extension(message, KeyShareClientHello(client_shares=tuple(map(change, shares))))

    return edit


NO_POINT = b"\4" + b"\1" * 64
SEMANTIC = {
    "a server's share that is no point": (
        "client",
        server_share(lambda s: s.replace(key_exchange=NO_POINT)),
        errors.InvalidKeyShare,
    ),
    "a client's share that is no point": (
        "server",
        client_share(lambda s: s.replace(key_exchange=NO_POINT)),
        errors.InvalidKeyShare,
    ),
    "an unknown selected_version": (
        "client",
        lambda m: with_extension(m, SelectedVersion(selected_version=ProtocolVersion(0x0305))),
        errors.VersionNotOffered,
    ),
    "a compression method": ("client", lambda m: m.replace(legacy_compression_method=1), errors.BadCompressionMethod),
}


@pytest.mark.parametrize("name", cases(SEMANTIC, dict.fromkeys(SEMANTIC, "R261 R269")))
def test_what_is_well_formed_and_makes_no_sense(name, pair, client_config, server_config) -> None:
    """Section 6: an illegal_parameter, where a broken syntax is a decode_error."""
    receiver, change, offence = SEMANTIC[name]
    configs = {
        "client": client_config.replace(groups=["secp256r1"]),
        "server": server_config.replace(groups=["secp256r1"]),
    }
    if receiver == "client":
        made = pair(**configs, server_script=lambda m: change(m) if isinstance(m, ServerHello) else m)
    else:
        made = pair(**configs, client_script=lambda m: change(m) if isinstance(m, ClientHello) else m)
    assert expect(made, receiver, offence).alert == AlertDescription.illegal_parameter


# --- closing: section 6.1 ---------------------------------------------------------------------------------------------


@ROLES
@pytest.mark.requirement("R262")
def test_what_comes_after_close_notify_is_ignored(receiver, quick_pair) -> None:
    """In the same read or a later one, protected or not, even if it would end the connection otherwise."""
    made, sender, judge = connected(quick_pair, receiver)
    sender.send_record(ALERT, b"\1\0")
    sender.send_data(b"more data")
    sender.inject(b"\x17\3\3\0\5stuff and nonsense")
    assert made.run()[0 if receiver == "client" else 1] == [tls13.PeerClosed()]
    judge.receive_data(b"\xff" * 100)
    assert judge.next_event() is None
    judge.receive_eof()
    assert judge.next_event() is None
    judge.send_data(b"the other direction is open")
    assert judge.wants_send


@ROLES
@pytest.mark.requirement("R262")
def test_what_comes_after_close_notify_is_not_kept_either(receiver, quick_pair) -> None:
    made, sender, judge = connected(quick_pair, receiver)
    sender.close()
    made.run()
    judge.receive_data(b"\x17\3\3\0")
    assert judge.bytes_needed == 5


@ROLES
@pytest.mark.requirement("R263", "R265")
def test_close_says_close_notify_as_a_warning_and_nothing_after_it(receiver, quick_pair, client_config) -> None:
    tap = Wiretap()
    client = client_config.replace(key_log=tap.key_log, cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256])
    made = quick_pair(client=client)
    one, other = (made.client, made.server) if receiver == "client" else (made.server, made.client)
    stream = b""
    while made.client.wants_send or made.server.wants_send:
        data = one.data_to_send()
        stream += data
        other.receive_data(data)
        list(other.events())
        one.receive_data(other.data_to_send())
        list(one.events())
    one.send_data(b"last words")
    one.close()
    one.close()
    with pytest.raises(tls13.UsageError):
        one.send_data(b"too late")
    with pytest.raises(tls13.UsageError):
        one.update_keys()
    setattr(tap, receiver, stream + one.data_to_send())
    words, goodbye = tap.records(receiver)[-2:]
    assert words.content == b"last words"
    assert (goodbye.content_type, goodbye.content) == (ALERT, bytes((WARNING, AlertDescription.close_notify)))
    other.send_data(b"an answer")
    one.receive_data(other.data_to_send())
    assert list(one.events()) == [tls13.ApplicationData(b"an answer")]
    assert not one.data_to_send()


@ROLES
@pytest.mark.requirement("R263", "R264", "R265")
def test_giving_up_the_handshake_says_user_canceled_then_close_notify(receiver, quick_pair) -> None:
    made = quick_pair()
    one = made.client if receiver == "client" else made.server
    one.data_to_send()
    one.close()
    assert one.data_to_send() == b"\x15\3\3\0\2\1\x5a" + b"\x15\3\3\0\2\1\0"
    assert not one.handshake_complete


@ROLES
@pytest.mark.requirement("R264")
def test_user_canceled_alone_changes_nothing(receiver, quick_pair) -> None:
    """What counts is the close_notify behind it."""
    made, sender, _ = connected(quick_pair, receiver)
    sender.send_record(ALERT, bytes((WARNING, AlertDescription.user_canceled)))
    sender.send_data(b"data")
    sender.close()
    seen = made.run()[0 if receiver == "client" else 1]
    assert seen == [tls13.ApplicationData(b"data"), tls13.PeerClosed()]


@ROLES
@pytest.mark.requirement("R266")
def test_only_close_notify_is_the_end_of_the_data(receiver, quick_pair) -> None:
    """A stream that just ends may have been cut by anybody."""
    _, sender, judge = connected(quick_pair, receiver)
    sender.send_data(b"data")
    judge.receive_data(sender.data_to_send())
    judge.receive_eof()
    assert judge.next_event() == tls13.ApplicationData(b"data")
    with pytest.raises(tls13.TruncatedStream):
        judge.next_event()
    assert judge.closed
    assert not judge.peer_closed

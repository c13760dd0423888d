"""What a peer can make us hold, compute or wait for has a limit, each a field of the config with a safe default: at the
limit all is well, one beyond it ends the connection by name."""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import HOST
from tests.requirements.scripts import MODES, Recorder, edit, events_of
from tls13 import errors
from tls13.config import LIMITS
from tls13.lab.authority import CLIENT_AUTH
from tls13.lab.scripted import ask_for_key_update, with_extension, with_raw_extension
from tls13.wire.extensions import CT, Extensions, KeyShareClientHello, KeyShareEntry, NamedGroupList
from tls13.wire.messages import (
    Certificate,
    CertificateRequest,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    NewSessionTicket,
)
from tls13.wire.registry import CertificateCompressionAlgorithm, NamedGroup

HANDSHAKE, ALERT, APPLICATION_DATA = 22, 21, 23
ROLES = pytest.mark.parametrize("receiver", ["client", "server"])
BEYOND = pytest.mark.parametrize("beyond", [False, True], ids=["at the limit", "one more"])


def same(message):
    return message


class Duel:
    """A pair whose one side has the limit and whose other side tries it."""

    def __init__(self, quick_pair, receiver: str, **limit) -> None:
        client, server = quick_pair.client_config, quick_pair.server_config
        if receiver == "client":
            client = client.replace(**limit)
        else:
            server = server.replace(**limit)
        self.receiver = receiver
        self.made = quick_pair(client=client, server=server, client_script=same, server_script=same)
        self.judge = getattr(self.made, receiver)
        self.sender = self.made.server if receiver == "client" else self.made.client

    def expect(self, beyond: bool, offence) -> None:
        """The offence, if it was one too many; else that data still flows."""
        if beyond:
            expect = getattr(self.made, f"expect_refusal_by_{self.receiver}")
            expect(offence)
            return
        self.made.run()
        self.sender.send_data(b"still here")
        assert self.made.run()[self.receiver == "server"][-1] == tls13.ApplicationData(b"still here")


@pytest.mark.parametrize("name", [*LIMITS])
@pytest.mark.parametrize("value", [0, -1])
def test_a_limit_is_positive(value, name, client_config, server_config) -> None:
    for config in (client_config, server_config):
        with pytest.raises(tls13.ConfigurationError, match=name):
            config.replace(**{name: value})


def test_the_defaults_are_finite(client_config, server_config) -> None:
    for config in (client_config, server_config):
        for name in LIMITS:
            assert 0 < getattr(config, name) < 2**20, name


# --- messages ---------------------------------------------------------------------------------------------------------


@BEYOND
@ROLES
def test_a_handshake_message(beyond, receiver, quick_pair) -> None:
    """max_handshake_message, in bytes with its header: refused by the header, and so not stored."""
    duel = Duel(quick_pair, receiver, max_handshake_message=2000)
    kind = EncryptedExtensions if receiver == "client" else ClientHello
    lengths = []

    def script(message):
        length = len(message.to_handshake()) + 4
        message = with_raw_extension(message, 0x7777, bytes(2000 + beyond - length))
        lengths.append(len(message.to_handshake()))
        return message

    if receiver == "client":  # an unknown extension of EncryptedExtensions is another offence, but only once it is read
        duel.sender._handshake.script = edit(kind, script)
        duel.made.expect_refusal_by_client(errors.MessageTooLong if beyond else errors.UnsupportedExtension, told=True)
    else:
        made = quick_pair(server=duel.judge.config, client_script=edit(kind, script))
        if beyond:
            made.expect_refusal_by_server(errors.MessageTooLong)
        else:
            made.run()
            assert made.server.handshake_complete
    assert lengths == [2000 + beyond]


def test_a_hello_full_of_extensions_that_nobody_knows_is_answered(quick_pair) -> None:
    """Section 4.3: unrecognized extensions MUST be ignored, and as many are allowed as fit."""

    def script(hello):
        if isinstance(hello, ClientHello):
            raw = tuple((number, b"") for number in range(0x8000, 0x8000 + 10_000))
            hello = hello.replace(extensions=hello.extensions.extended(*raw))
        return (hello,)

    made = quick_pair(client_script=script)
    made.run()
    assert made.server.handshake_complete


@BEYOND
def test_the_extensions_of_a_message(beyond, quick_pair, client_config, server_config) -> None:
    """max_extensions: they are counted before any is looked at."""
    count = len(tls13.ClientConnection(client_config, server_hostname=HOST)._handshake.offered_extensions()) + 2

    def script(hello):
        for number in range(50 - count + beyond):
            hello = with_raw_extension(hello, 0x7700 + number)
        return hello

    made = quick_pair(server=server_config.replace(max_extensions=50), client_script=edit(ClientHello, script))
    if beyond:
        made.expect_refusal_by_server(errors.TooManyExtensions)
    else:
        made.run()


@BEYOND
@pytest.mark.parametrize("kind", [Certificate, NewSessionTicket, CertificateRequest])
def test_the_extensions_of_what_comes_later(kind, beyond, quick_pair, client_config, server_config, trust) -> None:
    """max_extensions: also of a certificate's entry, of a ticket, and of what comes after the handshake."""
    numbers = range(0x7700, 0x7700 + 30 + beyond)

    def script(message):
        if isinstance(message, Certificate):
            (entry, *rest) = message.certificate_list
            full = entry.replace(extensions=Extensions(tuple((number, b"") for number in numbers), CT))
            return (message.replace(certificate_list=(full, *rest)),)
        for number in numbers[: 30 + beyond - len(message.extensions)]:
            message = with_raw_extension(message, number)
        return (message,)

    made = quick_pair(
        client=client_config.replace(max_extensions=30, post_handshake_auth=True, sessions=tls13.SessionCache()),
        server=server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER),
        server_script=edit(kind, script),
    )
    if kind is Certificate:
        offence = errors.TooManyExtensions if beyond else errors.UnsupportedExtension  # which nobody has asked for
        made.expect_refusal_by_client(offence)
        return
    if kind is CertificateRequest:
        made.run()
        made.server.request_client_certificate()
    if beyond:
        made.expect_refusal_by_client(errors.TooManyExtensions)
    else:
        made.run()


@BEYOND
def test_the_key_shares_of_a_client_hello(beyond, quick_pair, server_config) -> None:
    """max_key_shares: each could be a key of thousands of bytes."""

    def script(hello):
        shares = hello.extensions.get(KeyShareClientHello).client_shares
        groups = hello.extensions.get(NamedGroupList).named_group_list
        more = [NamedGroup(0x7700 + number) for number in range(5 - len(shares) + beyond)]
        entries = (*shares, *(KeyShareEntry(group=group, key_exchange=b"x") for group in more))
        hello = with_extension(hello, KeyShareClientHello(client_shares=entries))
        return with_extension(hello, NamedGroupList(named_group_list=(*groups, *more)))

    made = quick_pair(server=server_config.replace(max_key_shares=5), client_script=edit(ClientHello, script))
    if beyond:
        made.expect_refusal_by_server(errors.TooManyKeyShares)
    else:
        made.run()


@BEYOND
@pytest.mark.parametrize("limit", ["max_certificate_chain", "max_certificate_chain_bytes"])
@ROLES
def test_a_chain(receiver, limit, beyond, quick_pair, authority, trust) -> None:
    """In certificates, and in bytes; of a server and of a client."""
    between = authority.intermediate()
    usages = {"usages": [CLIENT_AUTH], "common_name": "somebody"} if receiver == "server" else {}
    shown = between.issue([] if receiver == "server" else [HOST], **usages)
    size = 2 if limit == "max_certificate_chain" else sum(len(der) for der in shown.identity.der_chain)
    changes = {limit: size - beyond}
    client, server = quick_pair.client_config, quick_pair.server_config
    if receiver == "client":
        client, server = client.replace(**changes), server.replace(identity=shown.identity)
    else:
        client, server = client.replace(identities=shown.identity), server.replace(client_trust=trust, **changes)
    made = quick_pair(client=client, server=server)
    if not beyond:
        made.run()
        assert made.server.handshake_complete
        return
    with pytest.raises(errors.CertificateError, match=r"limit|bytes"):
        made.run()


def test_a_compressed_certificate_is_no_way_around_it(quick_pair, client_config, server_config) -> None:
    """uncompressed_length is judged before anything is decompressed (RFC 8879, section 4)."""
    zlib = [CertificateCompressionAlgorithm.zlib]
    made = quick_pair(
        client=client_config.replace(certificate_compression=zlib, max_handshake_message=3000),
        server=server_config.replace(certificate_compression=zlib),
        server_script=edit(CompressedCertificate, lambda m: m.replace(uncompressed_length=3001)),
    )
    made.expect_refusal_by_client(errors.BadCompressedCertificate)


# --- after the handshake, and in a row --------------------------------------------------------------------------------


@BEYOND
@ROLES
def test_key_updates_in_a_row(receiver, beyond, quick_pair) -> None:
    """max_key_updates without any data in between; data makes the count begin again."""
    duel = Duel(quick_pair, receiver, max_key_updates=5)
    duel.made.run()
    for _ in range(3):
        for _ in range(5):
            duel.sender.update_keys()
        duel.sender.send_data(b"x")
    duel.made.run()
    for _ in range(5 + beyond):
        duel.sender.update_keys()
    duel.expect(beyond, errors.TooManyKeyUpdates)


def test_answers_to_key_updates_are_not_sent_one_by_one(quick_pair) -> None:
    """A peer that writes and never reads makes us owe one answer, however often it asks."""
    duel = Duel(quick_pair, "server", max_key_updates=1000)
    duel.made.run()
    for _ in range(500):
        ask_for_key_update(duel.sender)
    duel.judge.receive_data(duel.sender.data_to_send())
    assert len(events_of(list(duel.judge.events()), tls13.KeysUpdated)) == 500
    assert len(duel.judge.data_to_send()) < 100


@BEYOND
@ROLES
def test_warnings(receiver, beyond, quick_pair) -> None:
    """max_warnings: user_canceled says nothing, and so may not be said for ever."""
    duel = Duel(quick_pair, receiver, max_warnings=3)
    duel.made.run()
    for _ in range(2):
        for _ in range(3):
            duel.sender.send_record(ALERT, b"\1\x5a")
        duel.sender.send_data(b"x")
    duel.made.run()
    for _ in range(3 + beyond):
        duel.sender.send_record(ALERT, b"\1\x5a")
    duel.expect(beyond, errors.TooManyWarnings)


@BEYOND
@ROLES
def test_empty_records(receiver, beyond, quick_pair) -> None:
    """max_empty_records: application data may be empty (5.1), but each costs us a decryption."""
    duel = Duel(quick_pair, receiver, max_empty_records=7)
    duel.made.run()
    for _ in range(2):
        for _ in range(7):
            duel.sender.send_record(APPLICATION_DATA, b"")
        duel.sender.send_data(b"x")
    duel.made.run()
    for _ in range(7 + beyond):
        duel.sender.send_record(APPLICATION_DATA, b"")
    duel.expect(beyond, errors.TooManyEmptyRecords)


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (1, 1), (3, 3), (200, 3)])
def test_the_tickets_that_a_client_may_ask_for(asked, given, quick_pair, client_config, server_config) -> None:
    """max_tickets of the server: RFC 9149 lets a client ask for 255."""
    record = Recorder()
    client = client_config.replace(psk_key_exchange_modes=MODES, ticket_request=(asked, 0), max_tickets=1000)
    made = quick_pair(client=client, server=server_config.replace(max_tickets=3), server_script=record)
    made.run()
    assert len(record.of(NewSessionTicket)) == given


@ROLES
def test_the_time_of_a_handshake(receiver, quick_pair) -> None:
    """handshake_timeout, in seconds: a peer that sends a byte now and then does not hold a connection for ever."""
    now = [quick_pair.client_config.clock()]
    duel = Duel(quick_pair, receiver, clock=lambda: now[0], handshake_timeout=5)
    stream = duel.made.client.data_to_send()
    if receiver == "client":
        duel.made.server.receive_data(stream)
        list(duel.made.server.events())
        stream = duel.made.server.data_to_send()
    for number in range(5):
        duel.judge.receive_data(stream[number : number + 1])
        assert duel.judge.next_event() is None
        now[0] += 1
    duel.judge.receive_data(stream[5:6])
    assert duel.judge.next_event() is None
    now[0] += 0.5
    duel.judge.receive_data(stream[6:7])
    with pytest.raises(errors.HandshakeTooSlow):
        duel.judge.next_event()


def test_time_does_not_count_once_the_handshake_is_complete(quick_pair) -> None:
    now = [quick_pair.client_config.clock()]
    duel = Duel(quick_pair, "server", clock=lambda: now[0], handshake_timeout=5)
    duel.made.run()
    now[0] += 10_000
    duel.sender.send_data(b"x")
    assert duel.made.run()[1] == [tls13.ApplicationData(b"x")]


@ROLES
@pytest.mark.parametrize("what", ["key updates", "warnings"])
def test_an_empty_record_in_between_does_not_begin_a_count_anew(receiver, what, quick_pair) -> None:
    """max_key_updates, max_warnings: without application data between them, and an empty record is none."""
    duel = Duel(quick_pair, receiver, max_key_updates=3, max_warnings=3)
    duel.made.run()
    for _ in range(4):
        duel.sender.send_data(b"")
        if what == "key updates":
            duel.sender.update_keys()
        else:
            duel.sender.send_record(ALERT, b"\1\x5a")
    offence = errors.TooManyKeyUpdates if what == "key updates" else errors.TooManyWarnings
    getattr(duel.made, f"expect_refusal_by_{receiver}")(offence)


# --- the config that `select` returns ---------------------------------------------------------------------------------


def test_what_a_selected_config_limits_pads_and_logs(quick_pair, server_config) -> None:
    """The handshake goes on under it, and what was made before it was chosen obeys it as well."""
    lines: list[str] = []
    selected = server_config.replace(
        key_log=lines.append,
        padding=lambda length, room: min(room, 1000),
        max_key_updates=2,
        max_warnings=1,
        max_empty_records=3,
    )
    first = server_config.replace(select=lambda hello: selected, key_log=lambda line: pytest.fail(line))

    def connected():
        made = quick_pair(server=first, client_script=same)
        made.run()
        return made

    made = connected()
    assert len(lines) == 5
    made.server.send_data(b"padded")
    assert len(made.server.data_to_send()) == 5 + len(b"padded") + 1 + 1000 + 16
    for count, offence, breach in (
        (3, errors.TooManyKeyUpdates, lambda client: client.update_keys()),
        (2, errors.TooManyWarnings, lambda client: client.send_record(ALERT, b"\1\x5a")),
        (4, errors.TooManyEmptyRecords, lambda client: client.send_data(b"")),
    ):
        made = connected()
        for _ in range(count):
            breach(made.client)
        made.expect_refusal_by_server(offence)


def test_a_selected_config_limits_the_messages_that_follow(quick_pair, server_config, trust, authority) -> None:
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity
    selected = server_config.replace(client_trust=trust, max_handshake_message=300)
    made = quick_pair(
        client=quick_pair.client_config.replace(identities=somebody),
        server=server_config.replace(select=lambda hello: selected),
    )
    made.expect_refusal_by_server(errors.MessageTooLong)

"""Record types and the messages in them, broken by either side of a connection: RFC 9846, sections 5 and 5.1."""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import records
from tests.duel import ALERT, APPLICATION_DATA, CCS, HANDSHAKE, ROLES, Duel, plain, same
from tls13 import errors
from tls13.wire.messages import CertificateVerify, ClientHello, Finished, KeyUpdate, NewSessionTicket, ServerHello
from tls13.wire.registry import KeyUpdateRequest, NamedGroup

TELLS = KeyUpdate(request_update=KeyUpdateRequest.update_not_requested).to_handshake()


# --- change_cipher_spec: section 5 ------------------------------------------------------------------------------------


@pytest.mark.requirement("R221")
def test_change_cipher_spec_may_come_before_every_record_until_finished(quick_pair) -> None:
    """From the first ClientHello, sent or received, to the peer's Finished; also between protected records."""
    made = quick_pair()
    ccs = plain(CCS, b"\1")
    hello = made.client.data_to_send()
    made.server.receive_data(hello + ccs)
    assert not list(made.server.events())
    for record in records(made.server.data_to_send()):
        made.client.receive_data(ccs + record)
        list(made.client.events())
    assert made.client.handshake_complete
    for record in records(made.client.data_to_send()):
        made.server.receive_data(ccs + record)
        list(made.server.events())
    assert made.server.handshake_complete


@ROLES
@pytest.mark.parametrize("fragment", [b"\0", b"\2", b"\1\1", b"", b"\1" * 3])
@pytest.mark.requirement("R222")
def test_any_other_change_cipher_spec_is_refused(fragment, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver, connected=False)
    duel.breaker.inject(plain(CCS, fragment))
    duel.expect(errors.BadChangeCipherSpec)


@ROLES
@pytest.mark.requirement("R222")
def test_a_protected_change_cipher_spec_is_refused(receiver, quick_pair) -> None:
    """Also while an unprotected one would be dropped: in the middle of the other side's flight."""
    made = quick_pair(
        client_script=lambda m: protected_before(Finished, m, lambda: made.client),
        server_script=lambda m: protected_before(CertificateVerify, m, lambda: made.server),
    )
    if receiver == "client":
        made.expect_refusal_by_client(errors.BadChangeCipherSpec)
    else:
        made.server._handshake.script = same
        made.expect_refusal_by_server(errors.BadChangeCipherSpec)


def protected_before(kind, message, sender):
    if type(message) is kind:
        sender().send_record(CCS, b"\1")
    return message


@pytest.mark.requirement("R223")
def test_change_cipher_spec_before_the_first_client_hello_is_refused(quick_pair) -> None:
    made = quick_pair()
    made.server.receive_data(plain(CCS, b"\1"))
    with pytest.raises(errors.BadChangeCipherSpec):
        made.server.next_event()


@pytest.mark.parametrize("receiver", ["client", "server"])
@pytest.mark.requirement("R223")
def test_change_cipher_spec_after_finished_is_refused(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.inject(plain(CCS, b"\1"))
    duel.expect(errors.BadChangeCipherSpec)


# --- record types: section 5 ------------------------------------------------------------------------------------------


@ROLES
@pytest.mark.parametrize("content_type", [0, 19, 24, 25, 26, 255])
@pytest.mark.requirement("R224", "R225")
def test_a_record_of_another_type_is_refused(content_type, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver, connected=False)
    if receiver == "server":
        duel.breaker.data_to_send()
    duel.breaker.inject(plain(content_type, b"a"))
    duel.expect(errors.UnexpectedRecordType)


@ROLES
@pytest.mark.requirement("R225")
def test_nor_is_it_let_in_behind_the_first_record(receiver, quick_pair, server_config) -> None:
    """Where nobody wonders any more whether the peer speaks TLS: a heartbeat behind change_cipher_spec, or before
    the second ClientHello."""
    made = quick_pair(client_script=same, server_script=same, server=server_config.replace(always_retry=True))
    if receiver == "client":
        made.server.inject(plain(CCS, b"\1") + plain(24, b"heartbeat"))
        made.expect_refusal_by_client(errors.UnexpectedRecordType)
    else:
        made.server.receive_data(made.client.data_to_send())
        assert not list(made.server.events())
        made.server.data_to_send()
        made.client.inject(plain(24, b"heartbeat"))
        made.expect_refusal_by_server(errors.UnexpectedRecordType)


@ROLES
@pytest.mark.parametrize("content_type", [1, 19, 24, 25, 26, 255])
@pytest.mark.requirement("R224", "R225")
def test_a_protected_record_of_another_type_is_refused(content_type, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_record(content_type, b"a")
    duel.expect(errors.UnexpectedRecordType)


# --- handshake messages in records: section 5.1 -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("receiver", "between", "offence"),
    [
        ("client", plain(ALERT, b"\1\0"), errors.InterleavedHandshake),
        ("client", plain(CCS, b"\1"), errors.InterleavedHandshake),
        ("server", plain(ALERT, b"\1\0"), errors.InterleavedHandshake),
        ("server", plain(CCS, b"\1"), errors.BadChangeCipherSpec),  # before the first ClientHello is there
    ],
)
@pytest.mark.requirement("R227", "R228")
def test_nothing_comes_between_the_parts_of_a_hello(receiver, between, offence, quick_pair) -> None:
    made = quick_pair()
    hello = made.client.data_to_send()
    judge = made.server
    if receiver == "client":
        made.server.receive_data(hello)
        list(made.server.events())
        hello, judge = records(made.server.data_to_send())[0], made.client
    judge.receive_data(plain(HANDSHAKE, hello[5:50]) + between + plain(HANDSHAKE, hello[50:]))
    with pytest.raises(offence):
        list(judge.events())


@ROLES
@pytest.mark.parametrize(("content_type", "content"), [(ALERT, b"\1\0"), (APPLICATION_DATA, b"data")])
@pytest.mark.requirement("R227", "R228")
def test_nothing_comes_between_the_parts_of_a_protected_message(content_type, content, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_record(HANDSHAKE, TELLS[:3])
    duel.breaker.send_record(content_type, content)
    duel.expect(errors.InterleavedHandshake)


BEHIND = {
    "ClientHello": ("server", ClientHello, 1),
    "the second ClientHello": ("server", ClientHello, 2),
    "ServerHello": ("client", ServerHello, 1),
    "the server's Finished": ("client", Finished, 1),
    "the client's Finished": ("server", Finished, 1),
}


@pytest.mark.parametrize("more", [b"\x18", TELLS], ids=["a part of a message", "a message"])
@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.requirement("R229", "R230", "R231")
def test_a_message_before_a_key_change_ends_its_record(name, more, pair, server_config) -> None:
    """Whatever follows it in the same record would be protected with the wrong key."""
    receiver, kind, which = BEHIND[name]
    seen = []

    def script(message):
        if type(message) is kind:
            seen.append(message)
            if len(seen) == which:
                return message.to_handshake() + more
        return message

    server = server_config.replace(groups=[NamedGroup.secp384r1]) if which == 2 else server_config
    if receiver == "client":
        made = pair(server_script=script)
        made.expect_refusal_by_client(errors.DataAcrossKeyChange, told=kind is not ServerHello)
    else:
        made = pair(client_script=script, server=server)
        made.expect_refusal_by_server(errors.DataAcrossKeyChange)


def test_messages_are_the_same_however_they_are_cut(quick_pair, client_config) -> None:
    """Whole, in parts of any size, or with the beginning of the next behind their end."""
    client = client_config.replace(sessions=tls13.SessionCache(), max_tickets=1000)
    made = quick_pair(client=client, server_script=lambda m: m)
    made.run()
    one = NewSessionTicket(ticket_lifetime=1, ticket_age_add=1, ticket_nonce=b"", ticket=b"t")
    sent = [one.replace(ticket_nonce=bytes([number]), ticket=bytes([number]) * 9**number) for number in range(1, 4)]
    stream = b"".join(message.to_handshake() for message in sent)
    for size in (*range(1, 60), len(stream) - 1, len(stream)):
        for start in range(0, len(stream), size):
            made.server.send_record(HANDSHAKE, stream[start : start + size])
        seen = [event.session.ticket for event in made.run()[0] if isinstance(event, tls13.TicketReceived)]
        assert seen == [message.ticket for message in sent]


@pytest.mark.requirement("R230")
def test_a_hello_retry_request_ends_its_record(quick_pair, server_config) -> None:
    """It is a ServerHello too; what is behind it was sent before the second ClientHello could be read."""
    made = quick_pair(server=server_config.replace(always_retry=True))
    made.server.receive_data(made.client.data_to_send())
    assert not list(made.server.events())
    retry = records(made.server.data_to_send())[0]
    made.client.receive_data(plain(HANDSHAKE, retry[5:] + b"\2"))
    with pytest.raises(errors.DataAcrossKeyChange):
        list(made.client.events())


@ROLES
@pytest.mark.requirement("R229", "R230", "R231")
def test_a_key_update_ends_its_record(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_record(HANDSHAKE, TELLS + TELLS)
    duel.expect(errors.DataAcrossKeyChange)


@ROLES
@pytest.mark.parametrize("content_type", [HANDSHAKE, ALERT])
@pytest.mark.requirement("R232", "R250")
def test_an_unprotected_record_without_content_is_refused(content_type, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver, connected=False)
    if receiver == "server":
        duel.breaker.data_to_send()
    duel.breaker.inject(plain(content_type, b""))
    duel.expect(errors.EmptyFragment)


@ROLES
@pytest.mark.parametrize("padding", [0, 100])
@pytest.mark.parametrize("content_type", [HANDSHAKE, ALERT])
@pytest.mark.requirement("R232", "R250")
def test_a_protected_record_without_content_is_refused_padded_or_not(
    content_type, padding, receiver, quick_pair
) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker._layer.writer.padding = lambda length, room: padding
    duel.seal(content_type, b"")
    duel.expect(errors.EmptyFragment)


@ROLES
@pytest.mark.parametrize("fragment", [b"\1", b"\1\0\1", b"\1\x5a\1\0"], ids=["half", "one and a half", "two"])
@pytest.mark.requirement("R233", "R234")
def test_an_alert_record_holds_one_alert(fragment, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_record(ALERT, fragment)
    duel.expect(errors.BadAlert)


@ROLES
@pytest.mark.parametrize("fragment", [b"\1", b"\1\0\1", b"\1\x5a\1\0"], ids=["half", "one and a half", "two"])
@pytest.mark.requirement("R233", "R234")
def test_an_unprotected_alert_record_holds_one_alert(fragment, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver, connected=False)
    if receiver == "server":
        duel.breaker.data_to_send()
    duel.breaker.inject(plain(ALERT, fragment))
    duel.expect(errors.BadAlert)


@pytest.mark.parametrize("version", [b"\0\0", b"\3\0", b"\3\1", b"\3\4", b"\xff\xff"])
@pytest.mark.requirement("R236", "R305", "R310")
def test_the_version_of_a_record_means_nothing(version, quick_pair) -> None:
    """Sections 5.1, E and E.2: of the records that bring ClientHello, ServerHello and change_cipher_spec."""
    made = quick_pair()
    while made.client.wants_send or made.server.wants_send:
        for sender, receiver in ((made.client, made.server), (made.server, made.client)):
            for record in records(sender.data_to_send()):
                protected = record[0] == APPLICATION_DATA
                receiver.receive_data(record if protected else record[:1] + version + record[3:])
                list(receiver.events())
    assert made.client.handshake_complete
    assert made.server.handshake_complete


@ROLES
@pytest.mark.requirement("R237", "R238")
def test_a_plaintext_of_more_than_2_to_the_14_bytes_is_refused(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver, connected=False)
    if receiver == "server":
        duel.breaker.data_to_send()
    duel.breaker.inject(plain(HANDSHAKE, b"\2\0\x40\0", 2**14 + 1))
    duel.expect(errors.RecordOverflow)


@pytest.mark.requirement("R237")
def test_a_plaintext_of_2_to_the_14_bytes_is_not(quick_pair, client_config) -> None:
    made = quick_pair(client=client_config.replace(min_client_hello=2**14))
    stream = made.client.data_to_send()
    assert stream[3:5] == (2**14).to_bytes(2, "big")
    made.server.receive_data(stream)
    assert not list(made.server.events())
    assert made.server.wants_send


@ROLES
@pytest.mark.requirement("R240")
def test_unprotected_application_data_is_refused(receiver, quick_pair) -> None:
    """Before there are keys; with keys it is a record that does not decrypt."""
    duel = Duel(quick_pair, receiver, connected=False)
    if receiver == "server":
        duel.breaker.data_to_send()
    duel.breaker.inject(plain(APPLICATION_DATA, b"data"))
    duel.expect(errors.UnexpectedApplicationData)
    duel = Duel(quick_pair, receiver)
    duel.breaker.inject(plain(APPLICATION_DATA, b"data" * 10))
    duel.expect(errors.BadRecordMac)

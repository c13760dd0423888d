"""KeyUpdate, broken by either role: RFC 9846, sections 4.7.3 and 5.5."""

from __future__ import annotations

import pytest

import tls13
from tests.wiretap import Wiretap
from tls13 import errors
from tls13.engine import MAX_EPOCH
from tls13.flow import Epoch
from tls13.lab.scripted import ask_for_key_update
from tls13.wire.messages import KeyUpdate
from tls13.wire.registry import CipherSuite, KeyUpdateRequest

HANDSHAKE = 22
ASKS = KeyUpdate(request_update=KeyUpdateRequest.update_requested).to_handshake()
TELLS = KeyUpdate(request_update=KeyUpdateRequest.update_not_requested).to_handshake()
ROLES = pytest.mark.parametrize("receiver", ["client", "server"])


def same(message):
    return message


class Duel:
    """A connected pair, of which one breaks a rule and the other is to notice. What the latter sends is recorded."""

    def __init__(self, quick_pair, receiver: str) -> None:
        self.tap = Wiretap()
        suites = [CipherSuite.TLS_AES_128_GCM_SHA256]
        client = quick_pair.client_config.replace(key_log=self.tap.key_log, cipher_suites=suites)
        self.made = quick_pair(client=client, client_script=same, server_script=same)
        self.receiver = receiver
        self.judge = self.made.client if receiver == "client" else self.made.server
        self.breaker = self.made.server if receiver == "client" else self.made.client
        self.stream = b""
        self.events = self.carry()

    def carry(self) -> list:
        """Carry everything; what the judge saw."""
        seen = []
        while self.judge.wants_send or self.breaker.wants_send:
            data = self.judge.data_to_send()
            self.stream += data
            self.breaker.receive_data(data)
            list(self.breaker.events())
            self.judge.receive_data(self.breaker.data_to_send())
            seen += self.judge.events()
        return seen

    def sent(self) -> list:
        """The records of the judge after its Finished."""
        setattr(self.tap, self.receiver, self.stream)
        return [record for record in self.tap.records(self.receiver) if record.key.isdigit()]

    def next_keys(self) -> None:
        """The breaker writes under its next keys, and says so to nobody."""
        engine = self.breaker._engine
        engine.write_secret(Epoch.APPLICATION, engine._suite, engine._write_secret.next())

    def expect(self, offence, *, told: bool = True) -> None:
        expect = self.made.expect_refusal_by_client if self.receiver == "client" else self.made.expect_refusal_by_server
        expect(offence, told=told)


@ROLES
@pytest.mark.requirement("R211")
def test_data_under_the_old_keys_after_a_key_update_is_refused(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_record(HANDSHAKE, TELLS)
    duel.breaker.send_data(b"old keys")
    duel.expect(errors.BadRecordMac)


@ROLES
@pytest.mark.requirement("R212", "R211")
def test_after_a_key_update_both_directions_go_on(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    for number in range(3):
        duel.breaker.update_keys()
        duel.breaker.send_data(b"%d" % number)
        assert duel.carry() == [
            tls13.KeysUpdated(answer_requested=False),
            tls13.ApplicationData(b"%d" % number),
        ]
        duel.judge.send_data(b"the other direction keeps its keys")
        duel.carry()
    assert {record.key for record in duel.sent()} == {"0"}


@ROLES
@pytest.mark.requirement("R216")
def test_a_key_update_under_the_new_keys_is_refused(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.next_keys()
    duel.breaker.send_record(HANDSHAKE, TELLS)
    duel.expect(errors.BadRecordMac)


@ROLES
@pytest.mark.requirement("R217")
def test_data_under_new_keys_without_a_key_update_is_refused(receiver, quick_pair) -> None:
    """Otherwise somebody could cut the KeyUpdate, or data before it, out of the stream."""
    duel = Duel(quick_pair, receiver)
    duel.next_keys()
    duel.breaker.send_data(b"new keys")
    duel.expect(errors.BadRecordMac)


@ROLES
@pytest.mark.parametrize("value", [2, 3, 127, 255])
@pytest.mark.requirement("R213")
def test_another_request_update_is_refused(value, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_record(HANDSHAKE, b"\x18\0\0\1" + bytes([value]))
    duel.expect(errors.BadKeyUpdateRequest)


@ROLES
@pytest.mark.requirement("R214", "R216")
def test_a_request_is_answered_before_the_next_data_and_under_the_old_keys(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.update_keys(request_peer=True)
    duel.judge.receive_data(duel.breaker.data_to_send())
    assert list(duel.judge.events()) == [tls13.KeysUpdated(answer_requested=True)]
    duel.judge.send_data(b"data")
    duel.carry()
    *_, answer, data = duel.sent()
    assert (answer.content, answer.key) == (TELLS, "0")
    assert (data.content, data.key, data.sequence) == (b"data", "1", 0)


@ROLES
@pytest.mark.requirement("R214")
def test_a_request_is_answered_without_data_too(receiver, quick_pair) -> None:
    """Who only reads must change its keys as well."""
    duel = Duel(quick_pair, receiver)
    duel.breaker.update_keys(request_peer=True)
    duel.carry()
    assert duel.sent()[-1].content == TELLS
    assert duel.breaker.key_updates == (1, 1)


@ROLES
@pytest.mark.requirement("R214")
def test_several_requests_in_a_row_are_answered_once(receiver, quick_pair) -> None:
    """And the answer asks for nothing: two sides that did would never come to an end."""
    duel = Duel(quick_pair, receiver)
    for _ in range(3):
        ask_for_key_update(duel.breaker)
    duel.judge.receive_data(duel.breaker.data_to_send())
    assert len(list(duel.judge.events())) == 3
    duel.judge.send_data(b"data")
    duel.carry()
    assert [
        record.content for record in duel.sent() if record.content_type == HANDSHAKE and record.content[0] == 24
    ] == [TELLS]


@ROLES
@pytest.mark.requirement("R215")
def test_no_second_request_while_the_first_is_not_answered(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    for _ in range(3):
        duel.judge.update_keys(request_peer=True)
    duel.stream += (held := duel.judge.data_to_send())
    assert [record.content for record in duel.sent()[-3:]] == [ASKS, TELLS, TELLS]
    duel.breaker.receive_data(held)
    list(duel.breaker.events())
    assert tls13.KeysUpdated(answer_requested=False) in duel.carry()
    duel.judge.update_keys(request_peer=True)
    duel.carry()
    assert duel.sent()[-1].content == ASKS


# --- how often: sections 4.7.3 and 5.5 --------------------------------------------------------------------------------


@ROLES
@pytest.mark.requirement("R218")
def test_a_sender_changes_its_keys_less_than_2_to_the_48_times(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.judge._engine.key_updates_sent = MAX_EPOCH - 1
    duel.judge.update_keys()
    assert duel.carry() == []
    with pytest.raises(errors.InternalError):
        duel.judge.update_keys()
    duel.judge._layer.writer.sequence = duel.judge._layer.writer.limit - 1
    with pytest.raises(errors.InternalError):
        duel.judge.send_data(b"data that needs new keys")
    assert not duel.judge.wants_send
    assert MAX_EPOCH == 2**48 - 1


@ROLES
@pytest.mark.requirement("R219")
def test_a_receiver_does_not_count_on_that_limit(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.judge._engine.key_updates_received = MAX_EPOCH + 5
    duel.breaker.update_keys()
    duel.breaker.send_data(b"data")
    assert tls13.ApplicationData(b"data") in duel.carry()


@ROLES
@pytest.mark.requirement("R220")
def test_at_the_limit_a_request_is_not_answered(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.judge._engine.key_updates_sent = MAX_EPOCH
    duel.breaker.update_keys(request_peer=True)
    duel.breaker.send_data(b"data")
    assert duel.carry() == [tls13.KeysUpdated(answer_requested=True), tls13.ApplicationData(b"data")]
    duel.judge.send_data(b"goes on")
    duel.carry()
    assert [(record.content, record.key) for record in duel.sent()][-1] == (b"goes on", "0")


@pytest.mark.requirement("R255")
def test_early_data_stays_below_the_limit_of_its_key(quick_pair, client_config, server_config) -> None:
    """Its key cannot be changed, so there the sender stops."""
    now = [server_config.clock()]
    client = client_config.replace(sessions=tls13.SessionCache(), clock=lambda: now[0])
    server = server_config.replace(tickets=tls13.SealedTickets(), max_early_data=1000, clock=lambda: now[0])
    now[0] += 60
    quick_pair(client=client, server=server).run()
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(client, server_hostname="server.example", early_data=b"first")
    waiting = made.client.data_to_send()
    made.client._layer.writer.sequence = made.client._layer.writer.limit
    with pytest.raises(errors.KeyLimitReached):
        made.client.send_early_data(b"one too many")
    assert not made.client.data_to_send()
    made.server.receive_data(waiting)
    assert list(made.server.events()) == [tls13.EarlyData(b"first")]

"""New keys as an application sees them: RFC 9846, sections 4.7.3 and 7.2. (Its offences: test_key_update_rules.py.)"""

from __future__ import annotations

import pytest

import tls13
from tests.requirements.scripts import events_of
from tests.wiretap import Wiretap
from tls13.crypto.suites import DEFAULT_CIPHER_SUITES
from tls13.wire.registry import CipherSuite


@pytest.fixture
def connected(pair):
    made = pair()
    made.run()
    return made


@pytest.mark.parametrize("request_peer", [False, True])
@pytest.mark.parametrize("starter", ["client", "server"])
def test_data_goes_on_under_new_keys(starter, request_peer, connected) -> None:
    """Also in the middle of it: before, between and after."""
    one, other = connected.client, connected.server
    if starter == "server":
        one, other = other, one
    for number in range(3):
        one.send_data(b"before %d, " % number)
        one.update_keys(request_peer=request_peer)
        one.send_data(b"after %d" % number)
        seen = connected.run()[1 if starter == "client" else 0]
        assert b"".join(event.data for event in events_of(seen, tls13.ApplicationData)) == (
            b"before %d, after %d" % (number, number)
        )
        assert events_of(seen, tls13.KeysUpdated) == [tls13.KeysUpdated(answer_requested=request_peer)]
        other.send_data(b"answer")
        connected.run()
    answered = 3 if request_peer else 0
    assert one.key_updates == (3, answered)
    assert other.key_updates == (answered, 3)


def test_both_ask_at_once(connected) -> None:
    """Section 4.7.3: each answers the other, and the requests do not answer each other for ever."""
    connected.client.update_keys(request_peer=True)
    connected.server.update_keys(request_peer=True)
    connected.run()
    assert connected.client.key_updates == connected.server.key_updates == (2, 2)
    connected.client.send_data(b"x")
    connected.server.send_data(b"y")
    assert connected.run() == ([tls13.ApplicationData(b"y")], [tls13.ApplicationData(b"x")])


def test_a_request_while_the_last_one_is_unanswered(quick_pair) -> None:
    """The keys change, and the peer is not asked again: it is asked already."""
    made = quick_pair()
    made.run()
    for _ in range(3):
        made.client.update_keys(request_peer=True)
    received = made.run()[1]
    assert [event.answer_requested for event in events_of(received, tls13.KeysUpdated)] == [True, False, False]
    assert made.client.key_updates == (3, 1)
    made.client.update_keys(request_peer=True)
    assert [event.answer_requested for event in made.run()[1]] == [True]


def test_every_key_is_another_and_each_starts_at_0(quick_pair, client_config) -> None:
    """Read by somebody who only has the key log: its CLIENT_TRAFFIC_SECRET_0 leads to every later one (7.2)."""
    tap = Wiretap()
    config = client_config.replace(key_log=tap.key_log, cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256])
    made = quick_pair(client=config)
    while made.client.wants_send or made.server.wants_send:
        data = made.client.data_to_send()
        tap.client += data
        made.server.receive_data(data)
        list(made.server.events())
        made.client.receive_data(made.server.data_to_send())
        list(made.client.events())
    for number in range(3):
        made.client.send_data(b"%d" % number)
        made.client.update_keys()
    made.client.send_data(b"3")
    tap.client += made.client.data_to_send()
    data = [(one.content, one.key, one.sequence) for one in tap.records("client") if one.content_type == 23]
    assert data == [(b"0", "0", 0), (b"1", "1", 0), (b"2", "2", 0), (b"3", "3", 0)]


def test_a_closed_side_has_no_new_keys_but_still_reads_under_the_peers(quick_pair) -> None:
    made = quick_pair()
    made.run()
    made.client.close()
    made.run()
    with pytest.raises(tls13.UsageError, match="after close"):
        made.client.update_keys()
    made.server.update_keys(request_peer=True)
    made.server.send_data(b"more")
    seen = made.run()[0]
    assert seen == [tls13.KeysUpdated(answer_requested=True), tls13.ApplicationData(b"more")]
    assert not made.client.wants_send  # after our close_notify nothing is written, not even the answer (6.1)


@pytest.mark.parametrize("role", ["client", "server"])
def test_not_before_the_handshake_is_complete_and_not_after_a_failure(role, quick_pair) -> None:
    made = quick_pair()
    connection = getattr(made, role)
    with pytest.raises(tls13.UsageError, match="before the handshake"):
        connection.update_keys()
    made.run()
    connection.receive_data(b"\x17\3\3\0\x20" + bytes(32))
    with pytest.raises(tls13.TLSError):
        list(connection.events())
    with pytest.raises(tls13.ConnectionFailed):
        connection.update_keys()


@pytest.mark.parametrize("suite", DEFAULT_CIPHER_SUITES)
def test_with_every_suite(suite, quick_pair, client_config) -> None:
    made = quick_pair(client=client_config.replace(cipher_suites=[suite]))
    made.run()
    made.client.update_keys(request_peer=True)
    made.run()
    made.server.send_data(b"x")
    assert made.run()[0] == [tls13.ApplicationData(b"x")]

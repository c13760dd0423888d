"""What our own records look like to somebody who only has the stream and the key log: RFC 9846, section 5."""

from __future__ import annotations

import pytest

import tls13
from tests.wiretap import APPLICATION_DATA, CLIENT_HELLO, END_OF_EARLY_DATA, FINISHED, HANDSHAKE, KEY_UPDATE, Wiretap
from tls13.record import pad_to_multiple_of
from tls13.wire.registry import CipherSuite, NamedGroup

SERVER_HELLO = 2
ENDS_ITS_RECORD = {CLIENT_HELLO, SERVER_HELLO, END_OF_EARLY_DATA, FINISHED, KEY_UPDATE}
"""Section 5.1: the messages that may come directly before a change of keys."""


def carry(tap: Wiretap, client: tls13.ClientConnection, server: tls13.ServerConnection) -> None:
    while client.wants_send or server.wants_send:
        to_server, to_client = client.data_to_send(), server.data_to_send()
        tap.client += to_server
        tap.server += to_client
        server.receive_data(to_server)
        list(server.events())
        client.receive_data(to_client)
        list(client.events())


@pytest.fixture(scope="module")
def tap(client_config, server_config) -> Wiretap:
    """A connection with all that changes keys: a retry, early data, tickets, KeyUpdates, padding; then its end."""
    tap = Wiretap()
    common = {
        "key_log": tap.key_log,
        "padding": pad_to_multiple_of(64),
        "cipher_suites": [CipherSuite.TLS_AES_128_GCM_SHA256],
    }
    sessions = tls13.SessionCache()
    client_config = client_config.replace(**common, sessions=sessions)
    now = [server_config.clock()]
    clocked = {"clock": lambda: now[0]}
    server_config = server_config.replace(**common, **clocked, max_early_data=1000)
    client_config = client_config.replace(**clocked)
    now[0] += 60  # a server that has just started takes no early data
    first = tls13.ClientConnection(client_config, server_hostname="server.example")
    tls13.pump(first, tls13.ServerConnection(server_config))
    tap.log.clear()
    client = tls13.ClientConnection(client_config, server_hostname="server.example", early_data=b"early")
    server = tls13.ServerConnection(server_config)
    carry(tap, client, server)
    assert client.session.early_data == "accepted"
    for _ in range(2):
        client.update_keys(request_peer=True)
        client.send_data(b"question" * 10)
        carry(tap, client, server)
        server.send_data(b"answer" * 5000)
        carry(tap, client, server)
    client.close()
    carry(tap, client, server)
    server.close()
    carry(tap, client, server)
    return tap


SIDES = pytest.mark.parametrize("side", ["client", "server"])


def messages(content: bytes):
    """The handshake messages of a record: all of ours are whole here."""
    while content:
        end = 4 + int.from_bytes(content[1:4], "big")
        assert len(content) >= end, "a message goes on in the next record"
        yield content[:end]
        content = content[end:]


@pytest.mark.requirement("R192", "R193", "R211", "R212", "R216", "R246")
def test_every_record_is_under_the_key_of_its_time(tap) -> None:
    """Sections 4.5.3, 4.6, 4.7.3, 5.3: and each key counts from 0."""
    for side, keys in (
        ("client", ["", "early", "handshake", "0", "1", "2"]),
        ("server", ["", "handshake", "0", "1", "2"]),
    ):
        seen = tap.records(side)
        order = list(dict.fromkeys(record.key for record in seen))
        assert order == keys
        for key in keys[1:]:
            sequences = [record.sequence for record in seen if record.key == key]
            assert sequences == list(range(len(sequences)))
        last = {record.key: record for record in seen}
        ends = [[*messages(last[key].content)][-1] for key in keys[1:] if key in ("early", "handshake", "0", "1")]
        assert [raw[0] for raw in ends] == [
            *([END_OF_EARLY_DATA] if side == "client" else []),
            FINISHED,
            KEY_UPDATE,
            KEY_UPDATE,
        ]
        assert (last["2"].content_type, last["2"].content) == (21, b"\1\0")


def test_the_messages_of_a_flight_share_a_record(tap) -> None:
    """Section 5.1: they may, and each record costs 22 bytes and a call of the AEAD on either side."""
    (flight,) = [record for record in tap.records("server") if record.key == "handshake"]
    assert [raw[0] for raw in messages(flight.content)] == [8, FINISHED]  # a resumed handshake: figure 4
    assert len([record for record in tap.records("client") if record.key == "handshake"]) == 1


@SIDES
@pytest.mark.requirement("R231", "R229")
def test_messages_before_a_change_of_keys_end_their_records(side, tap) -> None:
    """Section 5.1."""
    for record in tap.records(side):
        if record.content_type == HANDSHAKE:
            *before, _ = messages(record.content)
            assert not [raw for raw in before if raw[0] in ENDS_ITS_RECORD]


@SIDES
@pytest.mark.requirement("R224", "R232", "R233", "R250")
def test_only_the_types_of_the_rfc_and_no_empty_records(side, tap) -> None:
    """Sections 5, 5.1 and 5.4."""
    for record in tap.records(side):
        assert record.content_type in (20, 21, 22, 23)
        assert record.content
        assert record.content_type != 21 or len(record.content) == 2
        assert record.content_type != 20 or (record.key, record.content) == ("", b"\1")


@SIDES
@pytest.mark.requirement("R240")
def test_application_data_is_never_sent_unprotected(side, tap) -> None:
    """Section 5.1."""
    assert [record.key for record in tap.records(side) if record.content_type == APPLICATION_DATA]
    assert all(record.key for record in tap.records(side) if record.content_type == APPLICATION_DATA)


@SIDES
@pytest.mark.requirement("R235", "R239", "R320")
def test_the_versions_of_records(side, tap) -> None:
    """Section 5.1 and appendix E.5: 0x0301 for the first ClientHello alone."""
    first, *rest = [record.version for record in tap.records(side)]
    assert first == (0x0301 if side == "client" else 0x0303)
    assert set(rest) == {0x0303}


@pytest.mark.requirement("R239")
def test_the_record_of_a_second_client_hello_has_0x0303(client_config, server_config) -> None:
    """Section 5.1."""
    client = tls13.ClientConnection(client_config, server_hostname="server.example")
    server = tls13.ServerConnection(server_config.replace(groups=[NamedGroup.secp384r1]))
    tap = Wiretap()
    carry(tap, client, server)
    hellos = [record for record in unprotected(tap.client) if record[0] == HANDSHAKE]
    assert [record[1:3] for record in hellos] == [b"\3\1", b"\3\3"]
    assert {record[1:3] for record in unprotected(tap.server)} == {b"\3\3"}


def unprotected(stream: bytes):
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        if stream[0] != APPLICATION_DATA:
            yield stream[:end]
        stream = stream[end:]


@SIDES
@pytest.mark.requirement("R249", "R253", "R237", "R241")
def test_padding_is_zeros_and_records_stay_within_their_lengths(side, tap) -> None:
    """Sections 5.1 to 5.4."""
    padded = [record for record in tap.records(side) if record.padding]
    assert len(padded) > 5
    for record in tap.records(side):
        assert not record.padding.strip(b"\0")
        assert len(record.content) <= 2**14
        assert len(record.content) + 1 + len(record.padding) <= 2**14 + 1

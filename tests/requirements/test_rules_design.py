"""Rules that are easy to miss: DESIGN.md, section 5a. Replay, ticket keys, cookies, exporters.

(Those about sessions are in test_rules_sessions.py, the limits in test_rules_limits.py.)
"""

from __future__ import annotations

import itertools

import pytest

import tls13
from tls13 import errors
from tls13.lab.scripted import with_extension, with_raw_extension
from tls13.wire.extensions import Cookie, KeyShareClientHello, OfferedPsks
from tls13.wire.messages import MAX_TICKET_LIFETIME, ClientHello, HandshakeMessage
from tls13.wire.registry import CipherSuite, NamedGroup

from .scripts import (
    HOST,
    KEY,
    MODES,
    Clock,
    Recorder,
    WilfulClient,
    accepting_early_data,
    events_of,
    session_of,
    sessions_of,
)

EARLY = b"early"


@pytest.fixture
def client(client_config):
    return client_config.replace(psk_key_exchange_modes=MODES)


@pytest.fixture
def server_config(server_config):
    """One whose ticket keys stay the same in every config that is made from it."""
    return server_config.replace(tickets=tls13.SealedTickets())


def accepted(client, server, session) -> bool:
    """Whether the server took early data; the handshake itself must succeed either way, and resume."""
    one = tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=EARLY)
    other = tls13.ServerConnection(server)
    _, received = tls13.pump(one, other)
    assert other.session.resumed
    return bool(events_of(received, tls13.EarlyData))


# --- 0-RTT: rejected whenever it might be a replay ----------------------------------------------------------------


class FailingStore(tls13.MemoryStore):
    def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        raise errors.StoreUnavailable("no route to the store")


@pytest.mark.requirement("D04")
def test_without_its_store_the_server_takes_no_early_data(client, server_config) -> None:
    server = accepting_early_data(server_config)
    one, other = sessions_of(client, server)
    assert accepted(client, server, one)
    failing = server.replace(replay_guard=tls13.ReplayGuard(FailingStore()))
    assert not accepted(client, failing, other)


@pytest.mark.requirement("D05")
def test_just_after_a_start_the_server_takes_no_early_data(client, server_config) -> None:
    """What came before the start is not in its memory: nothing is taken that could have been sent then."""
    clock = Clock(server_config.clock())
    server = server_config.replace(clock=clock, tickets=tls13.SealedTickets(), max_early_data=100)
    assert server.replay_guard.started_at == clock.now
    start, client = clock.now, client.replace(clock=clock)
    for wait, expected in ((0, False), (19, False), (21, True)):
        clock.now = start + wait
        assert accepted(client, server, session_of(client, server)) is expected


def sent(client, session) -> bytes:
    connection = tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=EARLY)
    return connection.data_to_send()


def taken(server, stream: bytes) -> bool:
    connection = tls13.ServerConnection(server)
    connection.receive_data(stream)
    return bool(events_of(list(connection.events()), tls13.EarlyData))


@pytest.mark.requirement("D06")
def test_the_same_first_flight_is_taken_once(client, server_config) -> None:
    server = accepting_early_data(server_config)
    stream = sent(client, session_of(client, server))
    assert taken(server, stream)
    assert not taken(server, stream)


@pytest.mark.requirement("D06")
def test_a_replay_with_another_binder_behind_the_valid_one_is_a_replay(client, server_config) -> None:
    """Only the selected PSK's binder was verified; whoever changes the other one has not made a new ClientHello."""
    server = accepting_early_data(server_config)
    client = client.replace(psks=[tls13.ExternalPsk(b"second", KEY)])
    connection = tls13.ClientConnection(
        client, server_hostname=HOST, session=session_of(client, server), early_data=EARLY
    )
    stream = bytearray(connection.data_to_send())
    last = 5 + int.from_bytes(stream[3:5], "big") - 1
    assert taken(server, bytes(stream))
    stream[last] ^= 1
    assert not taken(server, bytes(stream))


@pytest.mark.requirement("D07")
def test_workers_with_tickets_in_common_need_a_store_in_common(server_config) -> None:
    shared = server_config.replace(tickets=tls13.SealedTickets(tls13.GivenTicketKeys([bytes(48)])))
    with pytest.raises(tls13.ConfigurationError, match="shared store"):
        shared.replace(max_early_data=1)
    with pytest.raises(tls13.ConfigurationError, match="shared store"):
        shared.replace(max_early_data=1, replay_guard=tls13.ReplayGuard())

    class SharedStore(tls13.MemoryStore):
        shared = True

    assert shared.replace(max_early_data=1, replay_guard=tls13.ReplayGuard(SharedStore())).max_early_data == 1


# --- tickets ----------------------------------------------------------------------------------------------------------


def ended(flow):
    """What a flow that waits for nothing returns."""
    try:
        next(flow)
    except StopIteration as end:
        return end.value
    raise RuntimeError("it waits")


@pytest.mark.requirement("D09")
def test_ticket_keys_change_daily_and_are_forgotten() -> None:
    keys = tls13.TicketKeys()
    day, start = 86400, 1_000_000 * 86400
    names = [ended(keys.sealing(start + number * day)).name for number in range(3)]
    assert len(set(names)) == 3
    assert ended(keys.sealing(start + 2 * day + day - 1)).name == names[2]
    last_ticket_expires = start + day - 1 + MAX_TICKET_LIFETIME
    assert ended(keys.opening(names[0], last_ticket_expires)) is not None
    assert ended(keys.opening(names[0], start + day + MAX_TICKET_LIFETIME + day)) is None
    assert names[0] not in {key.name for key in keys._keys.values()}, "it must be gone, not only unused"


@pytest.mark.requirement("D10")
def test_tickets_for_tickets_end_somewhere(client, server_config) -> None:
    """However often it is resumed: max_session_age after the last verification, another one is due."""
    clock = Clock(server_config.clock())
    server = server_config.replace(clock=clock, ticket_lifetime=7200, max_session_age=10_000)
    client = client.replace(clock=clock)
    session, start = session_of(client, server), clock.now
    resumed = []
    for wait in (3000, 6000, 9000, 9900, 10_500):
        clock.now = start + wait
        one = tls13.ClientConnection(client, server_hostname=HOST, session=session)
        other = tls13.ServerConnection(server)
        seen, _ = tls13.pump(one, other)
        resumed.append(other.session.resumed)
        tickets = events_of(seen, tls13.TicketReceived)
        if other.session.resumed:
            assert all(ticket.session.ticket_lifetime <= 10_000 - wait for ticket in tickets)
        session = tickets[-1].session
    assert resumed == [True, True, True, True, False]


@pytest.mark.requirement("D12")
def test_a_servers_early_answer_is_opt_in_and_waits_for_certificates(
    client_config, server_config, trust, quick_pair
) -> None:
    for server, possible in (
        (server_config, False),
        (server_config.replace(half_rtt_data=True), True),
        (server_config.replace(half_rtt_data=True, client_trust=trust), False),
        (server_config.replace(half_rtt_data=True, client_trust=trust, client_auth=tls13.ClientAuth.OPTIONAL), False),
    ):
        made = quick_pair(server=server)
        made.server.receive_data(made.client.data_to_send())
        assert list(made.server.events()) == []
        assert made.server.may_send_before_finished is possible
        if possible:
            made.server.send_data(b"early answer")
        else:
            with pytest.raises(tls13.UsageError):
                made.server.send_data(b"early answer")


# --- the cookie -------------------------------------------------------------------------------------------------------


def second_hello_of(client_config, server) -> tuple[ClientHello, bytes]:
    """A second ClientHello, and what the client sent in all."""
    record = Recorder()
    client = WilfulClient(client_config, lambda hello, handshake: record(hello), number=2)
    first = tls13.ServerConnection(server)
    first.receive_data(client.data_to_send())
    list(first.events())
    client.receive_data(first.data_to_send())
    list(client.events())
    return record.of(ClientHello)[0], client.data_to_send()


@pytest.mark.requirement("D23")
def test_every_byte_of_the_cookie_is_authenticated(client_config, server_config) -> None:
    server = server_config.replace(cookie_key=b"k" * 32, groups=[NamedGroup.secp384r1])
    hello, _ = second_hello_of(client_config, server)
    cookie = hello.extensions.get(Cookie).cookie
    assert tls13.ServerConnection(server)._handshake is not None
    for at, bit in itertools.product(range(len(cookie)), (1, 128)):
        forged = bytearray(cookie)
        forged[at] ^= bit
        refused(server, with_extension(hello, Cookie(cookie=bytes(forged))), errors.BadCookie)


def refused(server, hello: HandshakeMessage, offence: type[errors.Abort]) -> None:
    raw = hello.to_handshake()
    connection = tls13.ServerConnection(server)
    connection.receive_data(b"\x16\3\3" + len(raw).to_bytes(2, "big") + raw)
    with pytest.raises(offence):
        list(connection.events())


@pytest.mark.requirement("D23")
def test_a_cookie_is_good_for_its_client_hello_only(client_config, server_config) -> None:
    """Bound to the first ClientHello, to the suite and to the group: in another's hello it is worth nothing."""
    server = server_config.replace(cookie_key=b"k" * 32, groups=[NamedGroup.secp384r1, NamedGroup.secp521r1])
    hello, _ = second_hello_of(client_config, server)
    other, _ = second_hello_of(client_config, server)
    refused(server, with_extension(hello, other.extensions.get(Cookie)), errors.ClientHelloChanged)
    refused(server, with_raw_extension(hello, 0x1234), errors.ClientHelloChanged)
    suites = [CipherSuite.TLS_CHACHA20_POLY1305_SHA256]
    refused(server.replace(cipher_suites=suites), hello, errors.CipherSuiteChanged)
    shares = hello.extensions.get(KeyShareClientHello)
    elsewhere = shares.client_shares[0].replace(group=NamedGroup.secp521r1)
    moved = with_extension(hello, shares.replace(client_shares=(elsewhere,)))
    refused(server, moved, errors.KeyShareMismatch)


# --- exporters and files ----------------------------------------------------------------------------------------------


@pytest.mark.requirement("D26")
def test_exporters_work_after_completion_and_the_early_one_is_another(client, server_config, quick_pair) -> None:
    server = accepting_early_data(server_config)
    made = quick_pair(server=server)
    made.client = WilfulClient(client, session=session_of(client, server), early_data=EARLY)
    early = made.client.export_early_keying_material(b"label")
    for connection in (made.client, made.server):
        with pytest.raises(tls13.UsageError, match="complete"):
            connection.export_keying_material(b"label")
    made.run()
    assert made.server.export_early_keying_material(b"label") == early
    late = made.client.export_keying_material(b"label")
    assert made.server.export_keying_material(b"label") == late
    assert late != early
    plain = quick_pair()
    plain.run()
    for connection in (plain.client, plain.server):
        with pytest.raises(tls13.UsageError):
            connection.export_early_keying_material(b"label")


@pytest.mark.requirement("D26")
def test_a_server_exports_nothing_before_the_clients_finished(quick_pair) -> None:
    made = quick_pair()
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    with pytest.raises(tls13.UsageError, match="complete"):
        made.server.export_keying_material(b"label")


def test_the_cases_above_offer_a_ticket(client, server_config) -> None:
    """What they change is good without the change."""
    server = accepting_early_data(server_config)
    record = Recorder()
    WilfulClient(client, lambda hello, handshake: record(hello), session=session_of(client, server), early_data=EARLY)
    assert record.of(ClientHello)[0].extensions.get(OfferedPsks) is not None

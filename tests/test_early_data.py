"""Early data: RFC 9846, sections 2.3, 4.3.10, 4.6 and 8, as its users see it: when it is sent, what becomes of it, and
that nothing is ever taken twice or sent again by itself."""

from __future__ import annotations

import threading

import pytest

import tls13
from tests.conftest import HOST
from tests.records import FailingPadding
from tests.requirements.scripts import (
    MODES,
    WilfulClient,
    accepting_early_data,
    edit,
    events_of,
    first_hello,
    instead,
    session_of,
    sessions_of,
)
from tests.wiretap import APPLICATION_DATA, Wiretap
from tls13 import errors
from tls13.lab.authority import CLIENT_AUTH
from tls13.resumption.state import Origin
from tls13.resumption.tickets import TicketState
from tls13.wire.messages import EncryptedExtensions, EndOfEarlyData, Finished, KeyUpdate, NewSessionTicket
from tls13.wire.registry import CipherSuite, ExtensionType, KeyUpdateRequest, NamedGroup

EARLY = b"GET / HTTP/1.1\r\n\r\n"
HANDSHAKE = 22


@pytest.fixture
def client(client_config):
    return client_config.replace(psk_key_exchange_modes=MODES, alpn_protocols=["a", "b"])


@pytest.fixture
def server(server_config):
    return accepting_early_data(server_config, tickets=tls13.SealedTickets(), alpn_protocols=["a", "b"])


@pytest.fixture
def session(client, server):
    return session_of(client, server)


def early(pair, client, server, session, data=EARLY, **scripts):
    made = pair(server=server, server_script=scripts.pop("server_script", None))
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=data, **scripts)
    return made


def taken(events) -> bytes:
    return b"".join(event.data for event in events_of(events, tls13.EarlyData))


def names(events) -> list[str]:
    return [type(event).__name__ for event in events]


# --- accepted ---------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R126")
def test_accepted_early_data_comes_before_everything_else_and_apart(pair, client, server, session) -> None:
    """EarlyData, not ApplicationData: a program that does not know of replays must not take one for the other."""
    made = early(pair, client, server, session)
    seen, received = made.run()
    assert taken(received) == EARLY
    assert names(received)[-1] == "HandshakeCompleted"
    assert set(names(received)[:-1]) == {"EarlyData"}
    assert names(seen)[:2] == ["EarlyDataAccepted", "HandshakeCompleted"]
    assert made.client.session.early_data == made.server.session.early_data == "accepted"
    made.client.send_data(b"late")
    assert made.run()[1] == [tls13.ApplicationData(b"late")]


def test_each_piece_is_measured(quick_pair, client, server, session) -> None:
    made = early(quick_pair, client, server, session, bytes(9_999))
    with pytest.raises(tls13.UsageError, match="2 bytes of early data, where 1"):
        made.client.send_early_data(b"xy")
    made.client.send_early_data(b"x")
    assert len(taken(made.run()[1])) == 10_000


def test_more_can_follow_until_the_answer_is_here(pair, client, server, session) -> None:
    made = early(pair, client, server, session, b"")
    assert made.client.early_data_left == 10_000
    for piece in (b"one ", bytearray(b"two "), memoryview(b"three")):
        made.client.send_early_data(piece)
    assert made.client.early_data_left == 10_000 - 13
    first = made.client.data_to_send()
    made.client.send_early_data(b", four")
    made.server.receive_data(first)
    received = list(made.server.events())
    assert taken(received) == b"one two three"
    received += made.run()[1]
    assert taken(received) == b"one two three, four"
    assert made.client.early_data_left == 0
    with pytest.raises(tls13.UsageError):
        made.client.send_early_data(b"five")
    made.client.send_data(b"still good")
    assert made.run()[1] == [tls13.ApplicationData(b"still good")]


def test_early_data_of_many_records(pair, client, server_config) -> None:
    server = server_config.replace(max_early_data=2**17, replay_guard=tls13.ReplayGuard())
    data = bytes(range(256)) * 256
    made = early(pair, client, server, session_of(client, server), data)
    assert taken(made.run()[1]) == data


def test_the_server_may_answer_early(quick_pair, client, server, session) -> None:
    """half_rtt_data: section 2.3's figure 4 in one round trip. The client has it with the server's first flight."""
    made = early(quick_pair, client, server.replace(half_rtt_data=True), session)
    made.server.receive_data(made.client.data_to_send())
    assert taken(made.server.events()) == EARLY
    made.server.send_data(b"200 OK")
    made.client.receive_data(made.server.data_to_send())
    assert names(made.client.events()) == ["EarlyDataAccepted", "HandshakeCompleted", "ApplicationData"]


def test_a_client_with_a_certificate_can_send_early_data(quick_pair, client, server, authority, trust) -> None:
    """Whose it is is known from the ticket; the session says so once the handshake is complete."""
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])
    client, server = client.replace(identities=somebody.identity), server.replace(client_trust=trust)
    made = early(quick_pair, client, server, session_of(client, server))
    assert taken(made.run()[1]) == EARLY
    assert made.server.session.peer_certificates[0] == somebody.certificate


@pytest.mark.requirement("R272")
def test_the_early_exporter_is_another_and_both_ends_have_it(quick_pair, client, server, session) -> None:
    made = early(quick_pair, client, server, session)
    wanted = made.client.export_early_keying_material(b"EXPERIMENTAL", b"context", 40)
    made.run()
    assert made.server.export_early_keying_material(b"EXPERIMENTAL", b"context", 40) == wanted
    assert made.client.export_keying_material(b"EXPERIMENTAL", b"context", 40) != wanted
    assert made.client.export_keying_material(b"EXPERIMENTAL", b"context", 40) == (
        made.server.export_keying_material(b"EXPERIMENTAL", b"context", 40)
    )


# --- not sent at all --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R326")
@pytest.mark.parametrize("asked", ["nobody", "the client", "the server"])
def test_both_sides_must_have_asked_for_it(asked, quick_pair, client, server, server_config) -> None:
    """Appendix F.5.1: off by default. A server's tickets then allow none, and a client sends none by itself."""
    config = server if asked == "the server" else server_config.replace(alpn_protocols=["a", "b"])
    session = session_of(client, config)
    made = early(quick_pair, client, config, session, EARLY if asked == "the client" else None)
    assert (
        ExtensionType.early_data
        not in first_hello(
            tls13.ClientConnection(
                client, server_hostname=HOST, session=session, early_data=EARLY if asked == "the client" else None
            )
        ).extensions
    )
    seen, received = made.run()
    assert made.client.session.resumed
    assert made.client.session.early_data is made.server.session.early_data is None
    assert not {"EarlyData", "EarlyDataAccepted", "EarlyDataRejected"} & {*names(seen), *names(received)}


@pytest.mark.parametrize("reason", ["another suite", "another protocol", "too much", "no session", "expired"])
def test_what_cannot_be_accepted_is_not_sent(reason, quick_pair, client, server, session) -> None:
    """Section 4.3.10: the parameters are those of the ticket's connection. No event: there was nothing to accept."""
    data = EARLY
    if reason == "another suite":
        client = client.replace(cipher_suites=[CipherSuite.TLS_CHACHA20_POLY1305_SHA256])
    elif reason == "another protocol":
        client = client.replace(alpn_protocols=["b"])
    elif reason == "too much":
        data = bytes(10_001)
    elif reason == "no session":
        session = None
    else:
        late = session.made_at_ms / 1000 + session.ticket_lifetime + 1
        client = client.replace(clock=lambda: late)
    made = early(quick_pair, client, server, session, data)
    assert made.client.early_data_left == 0
    with pytest.raises(tls13.UsageError):
        made.client.send_early_data(b"x")
    seen, received = made.run()
    assert made.client.session.early_data is None
    assert taken(received) == b""
    assert not {"EarlyDataAccepted", "EarlyDataRejected"} & {*names(seen)}


def test_no_more_is_sent_than_the_ticket_allows(quick_pair, client, server, session) -> None:
    made = early(quick_pair, client, server, session, bytes(10_000))
    assert made.client.early_data_left == 0
    with pytest.raises(tls13.UsageError, match="1 bytes of early data, where 0"):
        made.client.send_early_data(b"x")
    assert len(taken(made.run()[1])) == 10_000


@pytest.mark.parametrize("data", [b"", b"x"])
def test_a_ticket_that_allows_none(data, quick_pair, client, server_config) -> None:
    """Not even the promise of some: early_data=b"" asks to send it later."""
    server = server_config.replace(tickets=tls13.SealedTickets(), alpn_protocols=["a", "b"])
    session = session_of(client, server)
    hello = first_hello(tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=data))
    assert ExtensionType.early_data not in hello.extensions
    # And a server that has begun to take some since does not take it with this ticket, whatever the client thinks.
    made = early(quick_pair, client, accepting_early_data(server), session.replace(max_early_data_size=100), b"x")
    seen, received = made.run()
    assert made.server.session.resumed
    assert events_of(seen, tls13.EarlyDataRejected)
    assert taken(received) == b""


# --- rejected ---------------------------------------------------------------------------------------------------------


class Failing:
    shared = False

    def add(self, key, value, seconds):
        raise errors.StoreUnavailable("it is away")


def rejecting(server, reason):
    """The server's config, later, for this reason."""
    now = server.clock()
    return {
        "not any more": lambda: server.replace(max_early_data=0, replay_guard=None),
        "switched off": lambda: server.replace(max_early_data=0),
        "other ticket keys": lambda: server.replace(tickets=tls13.SealedTickets()),
        "other suite": lambda: server.replace(cipher_suites=[CipherSuite.TLS_CHACHA20_POLY1305_SHA256]),
        "other hash": lambda: server.replace(cipher_suites=[CipherSuite.TLS_AES_256_GCM_SHA384]),
        "other protocol": lambda: server.replace(alpn_protocols=["b"]),
        "just started": lambda: server.replace(clock=lambda: now, replay_guard=tls13.ReplayGuard(started_at=now - 19)),
        "not fresh": lambda: server.replace(clock=lambda: now + 30),
        "store away": lambda: server.replace(replay_guard=tls13.ReplayGuard(Failing())),
        "retry": lambda: server.replace(groups=[NamedGroup.secp384r1]),
        "cookie": lambda: server.replace(always_retry=True),
    }[reason]()


REASONS = (
    "not any more",
    "switched off",
    "other ticket keys",
    "other suite",
    "other hash",
    "other protocol",
    "just started",
    "not fresh",
    "store away",
    "retry",
    "cookie",
)


@pytest.mark.requirement("R126", "R134", "R277", "R326")
@pytest.mark.parametrize("reason", REASONS)
def test_rejected_early_data_is_gone(reason, pair, client, server, session) -> None:
    """Whatever the reason, the handshake goes on, both sides say so, and the bytes are not sent again."""
    tap = Wiretap()
    made = early(pair, client.replace(key_log=tap.key_log), rejecting(server, reason), session)
    seen, received = made.run()
    assert taken(received) == b""
    assert "ApplicationData" not in names(received)
    retried = reason in ("retry", "cookie")
    assert events_of(seen, tls13.EarlyDataRejected) == [tls13.EarlyDataRejected(retried=retried)]
    assert made.client.session.early_data == made.server.session.early_data == "rejected"
    assert made.client.session.resumed is (reason not in ("other ticket keys", "other hash", "other protocol"))
    assert made.client.early_data_left == 0
    with pytest.raises(tls13.UsageError):
        made.client.send_early_data(b"x")
    made.client.send_data(b"again, because I say so")
    assert made.run()[1] == [tls13.ApplicationData(b"again, because I say so")]


def test_what_is_in_the_stream_is_the_early_data_once(quick_pair, client, server, session) -> None:
    """Read by somebody who has the keys: one record under the early keys, and no other with those bytes."""
    tap = Wiretap()
    suite = [CipherSuite.TLS_AES_128_GCM_SHA256]
    client = client.replace(key_log=tap.key_log, cipher_suites=suite)
    made = early(quick_pair, client, server.replace(max_early_data=0, replay_guard=None), session)
    while stream := made.client.data_to_send():
        tap.client += stream
        made.server.receive_data(stream)
        list(made.server.events())
        made.client.receive_data(made.server.data_to_send())
        list(made.client.events())
    holding = [(one.key, one.content_type) for one in tap.records("client") if EARLY in one.content]
    assert holding == [("early", APPLICATION_DATA)]


@pytest.mark.parametrize("keep", [True, False], ids=["while it is on its way", "before it is read"])
def test_a_rejection_ends_what_could_still_be_sent(keep, quick_pair, client, server, session) -> None:
    """Pieces that were written before the answer was read are skipped too."""
    made = early(quick_pair, client, rejecting(server, "not any more"), session)
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    made.client.send_early_data(b"more")
    if keep:
        made.server.receive_data(made.client.data_to_send())
        assert list(made.server.events()) == []
    made.run()
    assert made.server.handshake_complete
    made.client.send_data(b"ok")
    assert made.run()[1] == [tls13.ApplicationData(b"ok")]


@pytest.mark.parametrize("reason", ["not any more", "retry"])
@pytest.mark.parametrize("size", [1, 100])
def test_skipping_has_an_end(size, reason, quick_pair, client, server, session) -> None:
    """max_skipped_early_data, in bytes of records; an empty record is charged too. A ticket that is known to allow more
    may have twice as much."""
    config = rejecting(server, reason).replace(max_early_data=0, replay_guard=None, max_skipped_early_data=5000)
    made = quick_pair(server=config)
    made.client = WilfulClient(client, session=session, early_data=b"")
    budget = 2 * session.max_early_data_size if reason == "not any more" else 5000
    for _ in range((budget + 100) // size):
        made.client.send_record(23, bytes(size))
    made.expect_refusal_by_server(errors.TooMuchEarlyData, told=False)


def test_what_the_tickets_allow_is_always_skipped(quick_pair, client, server_config) -> None:
    """A server that takes a mebibyte, and rejects it this time, must not end the connection over it."""
    server = accepting_early_data(server_config, tickets=tls13.SealedTickets())
    server = server.replace(max_early_data=2**20, max_skipped_early_data=1000)
    session = session_of(client, server)
    made = early(quick_pair, client, rejecting(server, "store away"), session, bytes(2**20))
    made.run()
    assert made.server.session.early_data == "rejected"
    assert made.server.session.resumed


def test_early_data_can_be_switched_off_while_tickets_allow_it(quick_pair, client, server_config) -> None:
    """Their clients are rejected, and go on: a ticket lives for a week."""
    server = accepting_early_data(server_config, tickets=tls13.SealedTickets()).replace(max_early_data=200_000)
    session = session_of(client, server)
    made = early(quick_pair, client, server.replace(max_early_data=0), session, bytes(200_000))
    made.run()
    assert made.server.session.resumed
    assert made.client.session.early_data == "rejected"


def test_a_padding_policy_that_fails_ends_early_data_too(quick_pair, client, server, session) -> None:
    """Otherwise what follows would stand where the lost piece was."""
    policy = FailingPadding()
    made = early(quick_pair, client.replace(padding=policy), server, session)
    policy.error = LookupError("no policy today")
    with pytest.raises(LookupError):
        made.client.send_early_data(b"the second piece")
    with pytest.raises(tls13.ConnectionFailed):
        made.client.send_early_data(b"the third")


# --- too much, and out of place ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("extra", "refused"), [(0, False), (1, True)])
def test_a_client_that_sends_more_than_the_ticket_allows(extra, refused, quick_pair, client, server, session) -> None:
    """Section 4.7.1: unexpected_message. Padding and content types are not counted."""
    made = quick_pair(server=server)
    padded = client.replace(padding=lambda length, room: min(room, 50))
    made.client = WilfulClient(padded, session=session, early_data=b"")
    for _ in range(10):
        made.client.send_record(23, bytes(1000))
    if refused:
        made.client.send_record(23, bytes(extra))
        made.expect_refusal_by_server(errors.EarlyDataLimitExceeded, told=False)
    else:
        assert len(taken(made.run()[1])) == 10_000


def test_the_limit_is_the_tickets_not_the_configs(quick_pair, client, server, session) -> None:
    """What the server has allowed since is for the tickets since."""
    made = early(quick_pair, client, server.replace(max_early_data=1), session, bytes(5000))
    assert len(taken(made.run()[1])) == 5000
    larger = server.replace(max_early_data=50_000)
    made = quick_pair(server=larger)
    made.client = WilfulClient(client, session=session_of(client, server), early_data=bytes(10_000))
    made.client.send_record(23, b"x")
    made.expect_refusal_by_server(errors.EarlyDataLimitExceeded, told=False)


def scripted(pair, client, server, session, script, data=EARLY):
    made = pair(server=server)
    made.client = WilfulClient(client, session=session, early_data=data)
    made.client._handshake.script = script
    return made


@pytest.mark.requirement("R193")
def test_end_of_early_data_cannot_be_left_out(quick_pair, client, server, session) -> None:
    """Finished is then under keys that the server does not read with yet."""
    made = scripted(quick_pair, client, server, session, instead(EndOfEarlyData))
    made.expect_refusal_by_server(errors.BadRecordMac, told=False)


@pytest.mark.requirement("R193")
def test_finished_in_the_place_of_end_of_early_data(quick_pair, client, server, session) -> None:
    made = scripted(
        quick_pair, client, server, session, instead(EndOfEarlyData, Finished(verify_data=bytes(32)).to_handshake())
    )
    made.expect_refusal_by_server(errors.MessageOutOfOrder, told=False)


@pytest.mark.requirement("R194")
@pytest.mark.parametrize("reason", ["not any more", "other ticket keys", "retry", "never offered"])
def test_end_of_early_data_that_nobody_waits_for(reason, quick_pair, client, server, session) -> None:
    config = server if reason == "never offered" else rejecting(server, reason)
    data = None if reason == "never offered" else EARLY
    script = edit(Finished, lambda m: [EndOfEarlyData(), m])
    made = scripted(quick_pair, client, config, session, script, data)
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R195")
@pytest.mark.parametrize("data", [EARLY, None])
@pytest.mark.parametrize("place", [EncryptedExtensions, Finished, NewSessionTicket])
def test_end_of_early_data_from_the_server(place, data, quick_pair, client, server, session) -> None:
    script = edit(place, lambda m: [EndOfEarlyData(), m])
    made = early(quick_pair, client, server, session, data, server_script=script)
    made.expect_refusal_by_client(errors.MessageOutOfOrder, told=place is NewSessionTicket)


def test_end_of_early_data_is_empty(quick_pair, client, server, session) -> None:
    made = scripted(quick_pair, client, server, session, instead(EndOfEarlyData, b"\5\0\0\1x"))
    made.expect_refusal_by_server(errors.DecodeError, told=False)


def test_end_of_early_data_ends_its_record(quick_pair, client, server, session) -> None:
    """Section 5.1: the keys change there."""
    both = b"\5\0\0\0" + b"\x14\0\0\x20" + bytes(32)
    made = scripted(quick_pair, client, server, session, instead(EndOfEarlyData, both))
    made.expect_refusal_by_server(errors.DataAcrossKeyChange, told=False)


def test_early_data_after_its_end(quick_pair, client, server, session) -> None:
    """Under the handshake keys application data has no place."""
    made = quick_pair(server=server)
    made.client = WilfulClient(client, session=session, early_data=EARLY)

    def script(message):
        if isinstance(message, Finished):
            made.client.send_record(23, b"late")
        return message

    made.client._handshake.script = script
    made.expect_refusal_by_server(errors.UnexpectedApplicationData, told=False)


@pytest.mark.parametrize("request_update", [0, 1])
def test_key_update_has_no_place_in_early_data(request_update, quick_pair, client, server, session) -> None:
    """Section 4.7.3: after Finished only. Our own client cannot send one there."""
    made = quick_pair(server=server)
    made.client = WilfulClient(client, session=session, early_data=EARLY)
    with pytest.raises(tls13.UsageError, match="before the handshake"):
        made.client.update_keys()
    update = KeyUpdate(request_update=KeyUpdateRequest(request_update)).to_handshake()
    made.client.send_record(HANDSHAKE, update)
    made.expect_refusal_by_server(errors.MessageOutOfOrder, told=False)


def test_a_client_that_gives_up_in_early_data(quick_pair, client, server, session) -> None:
    """close() is user_canceled and close_notify, under the early keys: not the end of a complete request."""
    made = early(quick_pair, client, server, session)
    made.client.close()
    made.server.receive_data(made.client.data_to_send())
    assert made.server.next_event() == tls13.EarlyData(EARLY)
    with pytest.raises(errors.CloseNotifyInHandshake):
        list(made.server.events())


@pytest.mark.requirement("R142")
def test_a_server_cannot_accept_what_was_not_offered(quick_pair, client, server, session) -> None:
    script = edit(
        EncryptedExtensions,
        lambda m: m.replace(extensions=m.extensions.extended((int(ExtensionType.early_data), b""))),
    )
    made = early(quick_pair, client, server, session, None, server_script=script)
    made.expect_refusal_by_client(errors.UnsupportedExtension, told=False)


# --- replays: section 8 -----------------------------------------------------------------------------------------------


def first_flight(client, session) -> bytes:
    return tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=EARLY).data_to_send()


def replayed(server, flight) -> bytes:
    """What a server takes of this flight."""
    connection = tls13.ServerConnection(server)
    connection.receive_data(flight)
    received = taken(connection.events())
    assert connection.wants_send
    assert not connection.handshake_complete
    return received


@pytest.mark.requirement("R275", "R277")
def test_a_replayed_first_flight_is_answered_without_its_early_data(client, server, session) -> None:
    """And the handshake then ends in nothing: whoever replays has no keys for a Finished."""
    flight = first_flight(client, session)
    assert [replayed(server, flight) for _ in range(4)] == [EARLY, b"", b"", b""]


@pytest.mark.requirement("R275")
def test_of_many_replays_at_once_one_is_taken(client, server_config, session) -> None:
    """Two servers with the ticket keys and the store in common, and four threads each."""
    guard_store = tls13.MemoryStore()
    keys = tls13.SealedTickets()
    servers = [
        server_config.replace(
            tickets=keys, alpn_protocols=["a"], max_early_data=10_000, replay_guard=tls13.ReplayGuard(guard_store)
        )
        for _ in range(2)
    ]
    flight = first_flight(client, session_of(client, servers[0]))
    results: list[bytes] = []
    start = threading.Barrier(8)

    def replay(server) -> None:
        start.wait()
        results.extend(replayed(server, flight) for _ in range(5))

    threads = [threading.Thread(target=replay, args=(server,)) for server in servers * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [b""] * 39 + [EARLY]


@pytest.mark.requirement("R275", "D06")
@pytest.mark.parametrize("step", [0.0, 5.0, 9.999, 10.0, 10.001, 15.0, 19.999, 20.0, 20.001, 30.0])
@pytest.mark.parametrize("ahead", [-10.0, 0.0, 10.0], ids=["late", "on time", "early"])
def test_there_is_no_moment_at_which_a_replay_is_taken(ahead, step, client, server) -> None:
    """As long as a ClientHello is fresh it is remembered, also one that came from a clock that runs ahead, and also at
    the very end of the window."""
    now = [1_800_000_000.0]
    guard = tls13.ReplayGuard(tls13.MemoryStore(clock=lambda: now[0]), monotonic=lambda: now[0])
    ticket, age = a_ticket(now[0] - 100), int((100 + ahead) * 1000)
    assert judge(guard, ticket, age, b"binder", now[0]) is None
    now[0] += step
    assert judge(guard, ticket, age, b"binder", now[0]) is not None


@pytest.mark.requirement("R275")
@pytest.mark.parametrize("seen", [0.0, 5.0, 25.0], ids=["at once", "5 s later", "25 s later"])
@pytest.mark.parametrize("back", [2.0, 25.0, 3600.0])
def test_a_clock_that_is_set_back_makes_no_replay_fresh(seen, back) -> None:
    """8.2: remembered as long as it is fresh. What was stale, and forgotten, would be fresh again. `seen`: when the
    server was last asked before."""
    now, elapsed = [1_800_000_000.0], [1000.0]

    def wait(seconds: float) -> None:
        now[0] += seconds
        elapsed[0] += seconds

    store = tls13.MemoryStore(clock=lambda: elapsed[0])
    guard = tls13.ReplayGuard(store, monotonic=lambda: elapsed[0])
    ticket = a_ticket(now[0] - 100)
    assert judge(guard, ticket, 100_000, b"binder", now[0]) is None
    wait(seen)
    assert judge(guard, ticket, 100_000, b"binder", now[0]) is not None
    wait(25.0 - seen)
    now[0] -= back
    for _ in range(int(back) + 11):
        assert judge(guard, ticket, 100_000, b"binder", now[0]) is not None
        wait(1.0)
    assert judge(guard, a_ticket(now[0] - 100), 100_000, b"another", now[0]) is None


def a_ticket(made_at: float, **changes) -> TicketState:
    origin = Origin(
        cipher_suite=CipherSuite.TLS_AES_128_GCM_SHA256,
        signature_scheme=0,
        client_scheme=0,
        chain_expires_at=2**62,
        server_name_bytes=b"",
        alpn_protocol=b"",
        terms=bytes(32),
        raw_public_key=b"",
        chain=(),
        verified=(),
    )
    return TicketState(
        psk=bytes(32),
        ticket_age_add=changes.get("ticket_age_add", 0),
        ticket_lifetime=7200,
        max_early_data_size=1,
        made_at_ms=int(made_at * 1000),
        authenticated_at=0,
        origin=origin,
    )


def judge(guard, ticket, age, binder, now) -> str | None:
    with pytest.raises(StopIteration) as done:
        next(guard.judge(ticket, age, binder, now))
    return done.value.value


@pytest.mark.requirement("R125")
@pytest.mark.parametrize("window", [1.0, 10.0])
@pytest.mark.parametrize(("off", "fresh"), [(0.0, True), (1.0, True), (1.001, False), (-1.0, True), (-1.001, False)])
@pytest.mark.parametrize("add", [0, 1, 2**31, 2**32 - 1])
def test_the_edges_of_freshness(add, off, fresh, window, client, server) -> None:
    """Section 8.3, in milliseconds, with an age that wraps around 2^32."""
    now = 1_800_000_000.0
    ticket = a_ticket(now - 500, ticket_age_add=add)
    obfuscated = int((500 + off * window) * 1000 + add) % 2**32
    assert (judge(tls13.ReplayGuard(window=window), ticket, obfuscated, b"b", now) is None) is fresh


@pytest.mark.requirement("D05")
@pytest.mark.parametrize(("since", "taken_again"), [(0.0, False), (19.999, False), (20.0, False), (20.001, True)])
def test_a_restarted_server_waits_until_the_past_is_stale(since, taken_again) -> None:
    """A memory that was lost may have held what was fresh until two windows after it."""
    start = 1_800_000_000.0
    guard = tls13.ReplayGuard(started_at=start)
    now = start + since
    fresh = judge(guard, a_ticket(now - 100), 100_000, b"other", now)
    assert (fresh is None) is taken_again
    shared = tls13.ReplayGuard(SharedMemory(), started_at=start)
    assert judge(shared, a_ticket(now - 100), 100_000, b"binder", now) is None


class SharedMemory(tls13.MemoryStore):
    """Stands for one that other processes see too, and that outlives a restart."""

    shared = True


@pytest.mark.requirement("D05")
def test_by_default_a_server_waits_after_its_start(quick_pair, client, server_config) -> None:
    now = [server_config.clock()]
    server = server_config.replace(tickets=tls13.SealedTickets(), max_early_data=1000, clock=lambda: now[0])
    client = client.replace(clock=lambda: now[0])
    for after, outcome in ((0, "rejected"), (15, "rejected"), (10, "accepted")):
        now[0] += after
        made = early(quick_pair, client, server, session_of(client, server))
        made.run()
        assert made.server.session.early_data == outcome


@pytest.mark.requirement("R278")
def test_a_binder_that_is_not_valid_does_not_spend_a_valid_one(quick_pair, client, server, session) -> None:
    """Only what was validated is remembered: an attacker cannot fill the store, or use up somebody's early data."""
    store = tls13.MemoryStore()
    server = server.replace(replay_guard=tls13.ReplayGuard(store))
    flight = first_flight(client, session)
    end = 5 + int.from_bytes(flight[3:5], "big")
    spoiled = flight[: end - 1] + bytes([flight[end - 1] ^ 1]) + flight[end:]
    connection = tls13.ServerConnection(server)
    connection.receive_data(spoiled)
    with pytest.raises(errors.BadBinder):
        list(connection.events())
    assert len(store) == 0
    assert replayed(server, flight) == EARLY
    assert len(store) == 1


def test_two_sessions_are_two_and_not_a_replay(client, server) -> None:
    one, other = sessions_of(client, server)
    assert replayed(server, first_flight(client, one)) == EARLY
    assert replayed(server, first_flight(client, other)) == EARLY
    assert replayed(server, first_flight(client, one)) == EARLY  # a new ClientHello under a sealed ticket


def test_a_full_memory_takes_no_early_data(client, server) -> None:
    """It does not forget early: then an attacker could make it forget."""
    server = server.replace(replay_guard=tls13.ReplayGuard(tls13.MemoryStore(capacity=2)))
    flights = [first_flight(client, session_of(client, server)) for _ in range(3)]
    assert [replayed(server, flight) for flight in flights] == [EARLY, EARLY, b""]
    assert [replayed(server, flight) for flight in flights] == [b"", b"", b""]


# --- configs ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"max_early_data": -1},
        {"max_early_data": 2**32},
        {"max_early_data": 1, "tickets": None},
        {"max_early_data": 1, "tickets": tls13.SealedTickets(tls13.GivenTicketKeys([bytes(48)]))},
    ],
)
def test_what_cannot_work_or_is_not_safe_is_found_when_the_config_is_made(change, server_config) -> None:
    with pytest.raises(tls13.ConfigurationError, match="early_data"):
        server_config.replace(**change)


def test_a_window_is_positive() -> None:
    with pytest.raises(tls13.ConfigurationError):
        tls13.ReplayGuard(window=0)


def test_early_data_is_not_for_a_closed_or_failed_connection(client, server, session) -> None:
    connection = tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=b"")
    connection.receive_data(b"\x15\3\3\0\2\2\x28")
    with pytest.raises(tls13.AlertReceived):
        list(connection.events())
    with pytest.raises(tls13.ConnectionFailed):
        connection.send_early_data(b"x")
    closed = tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=b"")
    closed.close()
    with pytest.raises(tls13.UsageError):
        closed.send_early_data(b"x")

"""Early data: RFC 9846, sections 2.3, 4.3.10 and 8, each rule broken by a scripted peer."""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.flow import Epoch
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.wire.extensions import EarlyDataIndication, OfferedPsks, PskIdentity
from tls13.wire.messages import ClientHello, EncryptedExtensions
from tls13.wire.registry import CipherSuite, ExtensionType, NamedGroup

from .scripts import (
    HOST,
    KEY,
    MODES,
    Recorder,
    WilfulClient,
    accepting_early_data,
    bound,
    edit,
    events_of,
    first_hello,
    session_of,
    sessions_of,
)

E = ExtensionType
EXTERNAL = tls13.ExternalPsk(b"external", KEY)
EARLY = b"GET / HTTP/1.1\r\n\r\n"


@pytest.fixture
def client(client_config):
    return client_config.replace(psk_key_exchange_modes=MODES)


@pytest.fixture
def server(server_config):
    return accepting_early_data(server_config, tickets=tls13.SealedTickets())


@pytest.fixture
def session(client, server):
    return session_of(client, server)


def sent_again(made, client, session, **changes):
    """The pair, its client resuming this session with early data."""
    made.client = WilfulClient(client, session=session, early_data=EARLY, **changes)
    return made


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R123", "R124")
def test_early_data_goes_with_the_first_of_several_psks(client, server, session, quick_pair) -> None:
    client, server = client.replace(psks=[EXTERNAL]), server.replace(psks=[EXTERNAL])
    hello = first_hello(tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=EARLY))
    identities = hello.extensions.get(OfferedPsks).identities
    assert [one.identity for one in identities] == [session.ticket, b"external"]
    assert E.early_data in hello.extensions
    made = sent_again(quick_pair(server=server), client, session)
    seen, received = made.run()
    assert b"".join(event.data for event in events_of(received, tls13.EarlyData)) == EARLY
    assert events_of(seen, tls13.EarlyDataAccepted)


@pytest.mark.requirement("R123")
def test_early_data_without_any_psk_is_refused(client, server, session, quick_pair) -> None:
    made = sent_again(quick_pair(server=server), client, session, change=lambda m, h: without(m, E.pre_shared_key))
    made.expect_refusal_by_server(errors.EarlyDataWithoutPsk)


@pytest.mark.requirement("R124")
def test_early_data_under_another_psk_than_the_first(client, server, quick_pair) -> None:
    """Its records are under the keys of `second`, and the ClientHello offers `first` only."""
    first, second = sessions_of(client, server)

    def script(hello, handshake):
        offered = hello.extensions.get(OfferedPsks)
        age = first.as_psk().obfuscated_ticket_age(client.clock())
        identity = offered.identities[0].replace(identity=first.ticket, obfuscated_ticket_age=age)
        return bound(with_extension(hello, offered.replace(identities=(identity,))), handshake, [first.as_psk()])

    made = sent_again(quick_pair(server=server), client, second, change=script)
    made.expect_refusal_by_server(errors.BadRecordMac, told=False)


@pytest.mark.requirement("R127")
def test_the_second_client_hello_does_not_offer_it(client, server, session, quick_pair) -> None:
    record = Recorder()
    made = sent_again(
        quick_pair(server=server.replace(always_retry=True)),
        client,
        session,
        number=2,
        change=lambda m, h: record(m),
    )
    seen, received = made.run()
    (second,) = record.of(ClientHello)
    assert E.early_data not in second.extensions
    assert E.pre_shared_key in second.extensions
    assert events_of(seen, tls13.EarlyDataRejected)
    assert not events_of(received, tls13.EarlyData)
    assert made.server.session.resumed


@pytest.mark.requirement("R127")
@pytest.mark.parametrize("groups", [None, [NamedGroup.secp384r1]], ids=["cookie", "cookie and group"])
def test_a_second_client_hello_that_offers_it_again(groups, client, server, session, quick_pair) -> None:
    def again(hello, handshake):
        body = EarlyDataIndication()
        raw = hello.extensions.raw
        hello = with_raw_extension(without(hello, E.pre_shared_key), int(body.extension_type))
        return bound(with_raw_extension(hello, *raw[-1]), handshake)

    config = server.replace(always_retry=True) if groups is None else server.replace(groups=groups)
    made = sent_again(quick_pair(server=config), client, session, number=2, change=again)
    made.expect_refusal_by_server(errors.EarlyDataAfterRetry)


# --- what a server does with it ---------------------------------------------------------------------------------------


@pytest.mark.requirement("R126")
@pytest.mark.parametrize("way", ["skips", "retries", "accepts"])
def test_the_three_ways(way, client, server, session, pair) -> None:
    config = {
        "skips": server.replace(max_early_data=0, replay_guard=None),
        "retries": server.replace(groups=[NamedGroup.secp384r1]),
        "accepts": server,
    }[way]
    made = sent_again(pair(server=config), client, session)
    seen, received = made.run()
    assert made.server.handshake_complete
    assert made.server.session.resumed
    assert made.server.session.hello_retry_request is (way == "retries")
    data = b"".join(event.data for event in events_of(received, tls13.EarlyData))
    assert data == (EARLY if way == "accepts" else b"")
    answer = tls13.EarlyDataAccepted if way == "accepts" else tls13.EarlyDataRejected
    assert len(events_of(seen, answer)) == 1
    made.client.send_data(b"afterwards")
    assert made.run()[1][-1] == tls13.ApplicationData(b"afterwards")


@pytest.mark.requirement("R147")
def test_the_server_answers_before_early_data_has_ended(client, server, session, quick_pair) -> None:
    """Section 4.3.11.3: whoever waited for EndOfEarlyData would wait for ever."""
    made = sent_again(quick_pair(server=server), client, session)
    made.server.receive_data(made.client.data_to_send())
    received = list(made.server.events())
    assert events_of(received, tls13.EarlyData)
    assert not made.server.handshake_complete
    made.client.receive_data(made.server.data_to_send())
    assert events_of(list(made.client.events()), tls13.EarlyDataAccepted)
    assert made.client.handshake_complete


@pytest.mark.requirement("R125", "R131")
@pytest.mark.parametrize(
    ("late", "accepted"), [(0, True), (9, True), (-9, True), (11, False), (-11, False), (1000, False)]
)
def test_the_age_of_the_ticket_must_be_about_right(late, accepted, client, server, session, quick_pair) -> None:
    """Section 8.3: within ten seconds. The handshake goes on either way."""
    add, age = session.ticket_age_add, 20_000
    now = session.made_at_ms / 1000 + 20

    def aged(hello, handshake):
        offered = hello.extensions.get(OfferedPsks)
        one = offered.identities[0].replace(obfuscated_ticket_age=(age - late * 1000 + add) % 2**32)
        return bound(with_extension(hello, offered.replace(identities=(one,))), handshake)

    config = server.replace(clock=lambda: now)
    made = sent_again(quick_pair(server=config), client.replace(clock=lambda: now), session, change=aged)
    seen, received = made.run()
    assert made.server.session.resumed
    assert bool(events_of(received, tls13.EarlyData)) is accepted
    assert bool(events_of(seen, tls13.EarlyDataAccepted)) is accepted


@pytest.mark.requirement("R128", "R129", "R131")
def test_a_server_does_not_accept_it_with_another_psk_than_the_first(client, server, session, quick_pair) -> None:
    """It does not know the ticket's key, and goes on with the second identity, an external PSK."""
    stranger = server.replace(tickets=tls13.SealedTickets(), psks=[EXTERNAL])
    record = Recorder()
    made = quick_pair(server=stranger, server_script=record)
    seen, received = sent_again(made, client.replace(psks=[EXTERNAL]), session).run()
    assert made.server.session.psk_identity == b"external"
    assert E.early_data not in record.of(EncryptedExtensions)[0].extensions
    assert events_of(seen, tls13.EarlyDataRejected)
    assert not events_of(received, tls13.EarlyData)


@pytest.mark.requirement("R128", "R131")
@pytest.mark.parametrize("first", [True, False])
def test_a_server_does_not_accept_it_with_a_good_ticket_in_the_second_place(first, client, server, session) -> None:
    """Its records would decrypt all the same: they are under the keys of that ticket."""
    stranger = tls13.ExternalPsk(b"nobody knows this one", KEY)

    def script(hello, handshake):
        offered = hello.extensions.get(OfferedPsks)
        age = offered.identities[0].obfuscated_ticket_age
        identities = (PskIdentity(identity=stranger.identity, obfuscated_ticket_age=age), *offered.identities)
        psks = [stranger, session.as_psk()]
        if first:
            identities, psks = identities[::-1], psks[::-1]
        binders = tuple(bytes(32) for _ in psks)
        body = offered.replace(identities=identities, binders=binders)
        return bound(with_extension(hello, body), handshake, psks)

    stream = WilfulClient(client, script, session=session, early_data=EARLY).data_to_send()
    connection = tls13.ServerConnection(server)
    connection.receive_data(stream)
    assert bool(events_of(list(connection.events()), tls13.EarlyData)) is first
    assert not connection.closed


@pytest.mark.requirement("R129", "R131")
@pytest.mark.parametrize("what", ["suite", "protocol"])
def test_a_server_does_not_accept_it_under_other_parameters(what, client, server, quick_pair) -> None:
    """Section 4.3.10. The suites have one hash, so the PSK itself stays good."""
    aes, chacha = CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_CHACHA20_POLY1305_SHA256
    client = client.replace(alpn_protocols=["a", "b"])
    first = server.replace(cipher_suites=[aes, chacha], alpn_protocols=["a", "b"])
    session = session_of(client, first)
    then = first.replace(cipher_suites=[chacha]) if what == "suite" else first.replace(alpn_protocols=["b"])
    record = Recorder()
    made = quick_pair(server=then, server_script=record)
    seen, received = sent_again(made, client, session).run()
    assert made.server.session.early_data == "rejected"
    assert made.server.session.resumed is (what == "suite")
    assert E.early_data not in record.of(EncryptedExtensions)[0].extensions
    assert events_of(seen, tls13.EarlyDataRejected)
    assert not events_of(received, tls13.EarlyData)


@pytest.mark.requirement("R132", "R133")
@pytest.mark.parametrize("place", ["first", "second"])
def test_an_accepted_record_that_does_not_decrypt(place, client, server, session, quick_pair) -> None:
    made = quick_pair(server=server)
    bad = b"\x17\3\3\0\x20" + bytes(32)
    if place == "second":
        sent_again(made, client, session)
        made.client.inject(bad)
    else:
        made.client = WilfulClient(client, session=session, early_data=b"")
        hello = made.client.data_to_send()
        assert made.client._engine.write_epoch is Epoch.EARLY
        made.client.inject(bytes(hello) + bad)
    made.expect_refusal_by_server(errors.BadRecordMac, told=False)


@pytest.mark.requirement("R132")
def test_an_accepted_record_that_is_too_long(client, server, session, quick_pair) -> None:
    made = sent_again(quick_pair(server=server), client, session)
    made.client.inject(b"\x17\3\3\x41\x01" + bytes(0x4101))
    made.expect_refusal_by_server(errors.RecordOverflow, told=False)


@pytest.mark.requirement("R132")
def test_an_accepted_record_of_another_type(client, server, session, quick_pair) -> None:
    made = sent_again(quick_pair(server=server), client, session)
    made.client.send_record(22, b"\x14\0\0\x20" + bytes(32))
    made.expect_refusal_by_server(errors.MessageOutOfOrder, told=False)


# --- what a client checks of the answer -------------------------------------------------------------------------------


@pytest.mark.requirement("R128", "R142", "R143")
def test_it_cannot_be_accepted_with_the_second_psk(client, server, session, quick_pair) -> None:
    script = edit(EncryptedExtensions, lambda m: with_raw_extension(m, E.early_data))
    made = quick_pair(server=server.replace(tickets=tls13.SealedTickets(), psks=[EXTERNAL]), server_script=script)
    sent_again(made, client.replace(psks=[EXTERNAL]), session)
    made.expect_refusal_by_client(errors.EarlyDataNotAcceptable)


@pytest.mark.requirement("R142", "R143")
def test_it_cannot_be_accepted_without_a_psk(client, server, session, quick_pair) -> None:
    script = edit(EncryptedExtensions, lambda m: with_raw_extension(m, E.early_data))
    made = quick_pair(server=server.replace(tickets=tls13.SealedTickets()), server_script=script)
    sent_again(made, client, session).expect_refusal_by_client(errors.EarlyDataNotAcceptable)


@pytest.mark.requirement("R129")
@pytest.mark.parametrize("what", ["suite", "protocol"])
def test_it_cannot_be_accepted_under_other_parameters(what, client, server, quick_pair) -> None:
    aes, chacha = CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_CHACHA20_POLY1305_SHA256
    client = client.replace(alpn_protocols=["a", "b"])
    first = server.replace(cipher_suites=[aes, chacha], alpn_protocols=["a"])
    session = session_of(client, first)
    script = edit(EncryptedExtensions, lambda m: with_raw_extension(m, E.early_data))
    if what == "suite":
        then = first.replace(cipher_suites=[chacha])
    else:
        then, session = first, session.replace(alpn_protocol=b"b")
        script = edit(EncryptedExtensions, lambda m: m)
    made = quick_pair(server=then, server_script=script)
    sent_again(made, client, session).expect_refusal_by_client(errors.EarlyDataNotAcceptable, told=False)


@pytest.mark.requirement("R134")
@pytest.mark.parametrize("protocol", ["a", "b"])
def test_rejected_early_data_is_not_sent_again_by_itself(protocol, client, server, quick_pair) -> None:
    """Section 4.3.10: another protocol might understand it as something else. Whoever wants it again says so."""
    client = client.replace(alpn_protocols=["a", "b"])
    server = server.replace(alpn_protocols=["a", "b"])
    session = session_of(client, server)
    rejecting = server.replace(alpn_protocols=[protocol], max_early_data=0, replay_guard=None)
    made = sent_again(quick_pair(server=rejecting), client, session)
    seen, received = made.run()
    assert made.client.session.alpn_protocol == protocol.encode()
    assert events_of(seen, tls13.EarlyDataRejected)
    assert not events_of(received, tls13.EarlyData)
    assert not events_of(received, tls13.ApplicationData)

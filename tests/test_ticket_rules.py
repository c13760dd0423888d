"""Tickets, early data and external PSKs between two connections: RFC 9846, sections 4.6, 4.7.1, 8 and appendix F."""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import HOST
from tests.mutual import edit, hello_of
from tests.requirements.scripts import MODES, Recorder, WilfulClient, bound, session_of, sessions_of
from tls13 import errors
from tls13.lab.scripted import with_extension
from tls13.resumption.early_data import ReplayGuard
from tls13.wire.extensions import EarlyDataTicket, HostNameEntry, OfferedPsks, ServerNameList
from tls13.wire.messages import (
    Certificate,
    CertificateRequest,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    NewSessionTicket,
    ServerHello,
)
from tls13.wire.registry import CipherSuite, ExtensionType, NameType

DAY = 86400
EARLY = b"early data"
PSK = tls13.ExternalPsk(b"identity", bytes(range(32)))


class Clock:
    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(server_config) -> Clock:
    return Clock(server_config.clock())


@pytest.fixture
def client(client_config, clock) -> tls13.ClientConfig:
    return client_config.replace(clock=clock, psk_key_exchange_modes=MODES)


@pytest.fixture
def server(server_config, clock) -> tls13.ServerConfig:
    return server_config.replace(clock=clock, tickets=tls13.SealedTickets())


@pytest.fixture
def early_server(server) -> tls13.ServerConfig:
    return server.replace(max_early_data=1000, replay_guard=ReplayGuard())


def connection(client: tls13.ClientConfig, session, early_data=None, host=HOST) -> tls13.ClientConnection:
    return tls13.ClientConnection(client, server_hostname=host, session=session, early_data=early_data)


def offers_psk(client: tls13.ClientConfig, session, host=HOST) -> bool:
    hello = hello_of(connection(client, session, host=host).data_to_send())
    return ExtensionType.pre_shared_key in hello.extensions


# --- EndOfEarlyData: section 4.6 --------------------------------------------------------------------------------------


def resumed_pair(quick_pair, client, server, script=None, server_script=None):
    """The client resumes with early data; its messages pass through `script`."""
    made = quick_pair(server=server, server_script=server_script)
    made.client = WilfulClient(client, session=session_of(client, server), early_data=EARLY)
    if script is not None:
        made.client._handshake.script = script
    return made


@pytest.mark.requirement("R193")
def test_early_data_ends_with_end_of_early_data(quick_pair, client, early_server) -> None:
    """Something else under the early keys, where it is due, is refused."""
    made = resumed_pair(
        quick_pair, client, early_server, edit(EndOfEarlyData, lambda m: Finished(verify_data=bytes(32)))
    )
    made.expect_refusal_by_server(errors.MessageOutOfOrder, told=False)
    record = Recorder()
    resumed_pair(quick_pair, client, early_server, record).run()
    assert [type(message) for message in record.sent] == [EndOfEarlyData, Finished]


@pytest.mark.parametrize("more", [b"\x14", Finished(verify_data=bytes(32)).to_handshake()], ids=["a part", "a message"])
@pytest.mark.requirement("R229", "R230", "R231")
def test_end_of_early_data_ends_its_record(more, quick_pair, client, early_server) -> None:
    """Section 5.1: Finished behind it would be protected with the early keys."""
    made = resumed_pair(quick_pair, client, early_server, edit(EndOfEarlyData, lambda m: m.to_handshake() + more))
    made.expect_refusal_by_server(errors.DataAcrossKeyChange)


@pytest.mark.requirement("R194")
def test_rejected_early_data_has_no_end_of_early_data(quick_pair, client, server, early_server) -> None:
    session = session_of(client, early_server)
    rejecting = early_server.replace(max_early_data=0, replay_guard=None)
    for script in (record := Recorder(), edit(Finished, lambda m: [EndOfEarlyData(), m])):
        made = quick_pair(server=rejecting)
        made.client = WilfulClient(client, session=session, early_data=EARLY)
        made.client._handshake.script = script
        if script is record:
            made.run()
            assert made.client.session.early_data == "rejected"
            assert not record.of(EndOfEarlyData)
        else:
            made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.parametrize("kind", [EncryptedExtensions, Finished])
@pytest.mark.parametrize("early", [False, True], ids=["full", "with early data"])
@pytest.mark.requirement("R195")
def test_end_of_early_data_from_a_server_is_refused(early, kind, quick_pair, client, early_server) -> None:
    script = edit(kind, lambda m: [EndOfEarlyData(), m])
    if early:
        made = resumed_pair(quick_pair, client, early_server, server_script=script)
    else:
        made = quick_pair(server_script=script)
    made.expect_refusal_by_client(errors.MessageOutOfOrder, told=not early)


# --- NewSessionTicket: section 4.7.1 ----------------------------------------------------------------------------------


@pytest.mark.requirement("R196")
def test_a_client_that_does_not_resume_ignores_tickets(quick_pair, client_config) -> None:
    made = quick_pair(client=client_config.replace(psk_key_exchange_modes=()), server_script=lambda m: m)
    made.run()
    ticket = NewSessionTicket(ticket_lifetime=DAY, ticket_age_add=1, ticket_nonce=b"n", ticket=b"ticket")
    for _ in range(50):
        made.server.send_record(22, ticket.to_handshake())
    made.server.send_data(b"data")
    assert made.run()[0] == [tls13.ApplicationData(b"data")]


@pytest.mark.requirement("R197")
def test_a_ticket_is_offered_only_with_a_suite_of_its_hash(quick_pair, client, server) -> None:
    """The hash counts, not the suite."""
    session = session_of(client.replace(cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256]), server)
    assert not offers_psk(client.replace(cipher_suites=[CipherSuite.TLS_AES_256_GCM_SHA384]), session)
    made = quick_pair(server=server)
    made.client = connection(client.replace(cipher_suites=[CipherSuite.TLS_CHACHA20_POLY1305_SHA256]), session)
    made.run()
    assert made.client.session.resumed
    assert made.client.session.cipher_suite == CipherSuite.TLS_CHACHA20_POLY1305_SHA256


@pytest.mark.requirement("R197")
def test_a_server_does_not_resume_with_a_suite_of_another_hash(quick_pair, client, server) -> None:
    session = session_of(client.replace(cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256]), server)
    made = quick_pair(server=server.replace(cipher_suites=[CipherSuite.TLS_AES_256_GCM_SHA384]))
    made.client = connection(client, session)
    made.run()
    assert not made.client.session.resumed
    assert made.client.session.cipher_suite == CipherSuite.TLS_AES_256_GCM_SHA384


@pytest.mark.requirement("R197")
def test_a_server_that_resumes_with_a_suite_of_another_hash_is_refused(quick_pair, client, server) -> None:
    session = session_of(client.replace(cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256]), server)
    made = quick_pair(
        server=server,
        server_script=edit(ServerHello, lambda m: m.replace(cipher_suite=CipherSuite.TLS_AES_256_GCM_SHA384)),
    )
    made.client = connection(client, session)
    made.expect_refusal_by_client(errors.PskHashMismatch, told=False)


@pytest.mark.requirement("R198")
def test_a_session_is_offered_only_to_the_name_that_it_is_with(client, server) -> None:
    """Not even to another name of the same certificate, unless that name was verified as well."""
    session = session_of(client, server)
    assert offers_psk(client, session)
    for other in ("other.example", "localhost", "127.0.0.1"):
        assert not offers_psk(client, session, other)


def test_a_name_means_the_same_in_capitals(client, server) -> None:
    session = session_of(client, server)
    assert offers_psk(client, session, "SERVER.example")


@pytest.mark.requirement("R199")
def test_a_server_reports_the_name_of_the_resumption(quick_pair, client, server) -> None:
    """As this ClientHello writes it: here with other letters than the first one."""
    made = quick_pair(server=server)
    name = HostNameEntry(name_type=NameType.host_name, host_name=b"Server.Example")
    made.client = WilfulClient(
        client,
        lambda m, h: bound(with_extension(m, ServerNameList(server_name_list=(name,))), h),
        session=session_of(client, server),
    )
    made.run()
    assert made.server.session.resumed
    assert made.server.session.server_name == "Server.Example"


@pytest.mark.parametrize("wanted", [1, 604800, 604801, 2**31])
@pytest.mark.requirement("R200")
def test_a_server_gives_no_ticket_for_longer_than_7_days(wanted, quick_pair, client, server) -> None:
    record = Recorder()
    made = quick_pair(
        client=client, server=server.replace(ticket_lifetime=wanted, max_session_age=2**31), server_script=record
    )
    made.run()
    assert [message.ticket_lifetime for message in record.of(NewSessionTicket)] == [min(wanted, 604800)] * 2


@pytest.mark.parametrize("lifetime", [100, 604800, 604801, 2**32 - 1])
@pytest.mark.requirement("R201")
def test_a_client_uses_no_ticket_for_longer_than_it_says_nor_than_7_days(
    lifetime, quick_pair, client, server, clock
) -> None:
    script = edit(NewSessionTicket, lambda m: m.replace(ticket_lifetime=lifetime))
    made = quick_pair(client=client, server=server, server_script=script)
    ticket = next(event for event in made.run()[0] if isinstance(event, tls13.TicketReceived))
    clock.now += min(lifetime, 7 * DAY) - 1
    assert offers_psk(client, ticket.session)
    clock.now += 2
    assert not offers_psk(client, ticket.session)
    if lifetime >= 7 * DAY:
        restored = type(ticket.session).from_bytes(ticket.session.replace(ticket_lifetime=2**31).to_bytes())
        assert not offers_psk(client, restored)


@pytest.mark.requirement("R202")
def test_each_ticket_has_its_own_age_add_nonce_and_key(quick_pair, client, server) -> None:
    record = Recorder()
    made = quick_pair(client=client, server=server.replace(ticket_count=8), server_script=record)
    seen, _ = made.run()
    tickets = record.of(NewSessionTicket)
    for field in ("ticket_age_add", "ticket_nonce", "ticket"):
        assert len({getattr(message, field) for message in tickets}) == 8
    assert len({event.session.psk for event in seen if isinstance(event, tls13.TicketReceived)}) == 8


# --- replays: section 8 -----------------------------------------------------------------------------------------------


def replayed(flight: bytes, server: tls13.ServerConfig) -> tuple[tls13.ServerConnection, bytes]:
    """What a server makes of a recorded first flight: the early data that it takes."""
    one = tls13.ServerConnection(server)
    one.receive_data(flight)
    return one, b"".join(event.data for event in one.events() if isinstance(event, tls13.EarlyData))


@pytest.mark.requirement("R275", "R277")
def test_a_replay_loses_its_early_data_and_no_more(client, early_server, clock) -> None:
    session = session_of(client, early_server)
    clock.now += 60
    flight = connection(client, session, EARLY).data_to_send()
    assert replayed(flight, early_server)[1] == EARLY
    for _ in range(3):
        clock.now += 1
        again, data = replayed(flight, early_server)
        assert data == b""
        assert not again.closed
        assert again.wants_send


class Suspicious:
    """A store with false positives, as a Bloom filter has them: it has always seen everything."""

    shared = True

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    def add(self, key: bytes, value: bytes, seconds: float) -> bool:
        self.asked.append(key)
        return False

    def get(self, key: bytes) -> None:
        return None

    pop = get


@pytest.mark.requirement("R277")
def test_an_apparent_replay_is_no_reason_to_abort(quick_pair, client, server) -> None:
    """The handshake goes on, and resumes; only the early data is lost."""
    server = server.replace(max_early_data=1000, replay_guard=ReplayGuard(Suspicious()))
    made = quick_pair(server=server)
    made.client = connection(client, session_of(client, server), EARLY)
    _, seen = made.run()
    assert made.client.session.resumed
    assert (made.client.session.early_data, made.server.session.early_data) == ("rejected", "rejected")
    assert not [event for event in seen if isinstance(event, tls13.EarlyData)]


@pytest.mark.requirement("R278")
def test_what_is_remembered_is_the_validated_binder(client, server, clock) -> None:
    """An attacker can change what no binder covers: here a second PSK's binder. That makes no new ClientHello of it."""
    store = Suspicious()
    server = server.replace(max_early_data=1000, replay_guard=ReplayGuard(store))
    client = client.replace(psks=[PSK])
    session = session_of(client, server)
    flight = bytearray(connection(client, session, EARLY).data_to_send())
    replayed(bytes(flight), server)
    hello = hello_of(bytes(flight[: 5 + int.from_bytes(flight[3:5], "big")]))
    binders = hello.extensions.get(OfferedPsks).binders
    assert len(binders) == 2
    where = flight.index(binders[1])
    flight[where] ^= 1
    clock.now += 1
    replayed(bytes(flight), server)
    assert len(store.asked) == 2
    assert store.asked[0] == store.asked[1]
    where = flight.index(binders[0])
    flight[where] ^= 1
    with pytest.raises(errors.BadBinder):
        replayed(bytes(flight), server)
    assert len(store.asked) == 2


# --- appendix F -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R322")
def test_a_server_with_an_external_psk_shows_and_asks_for_no_certificate(quick_pair, client, server, trust) -> None:
    """Appendix F.1. Also where its config has certificates, and wants some of clients."""
    record = Recorder()
    made = quick_pair(
        client=client.replace(psks=[PSK]),
        server=server.replace(psks=[PSK], client_trust=trust),
        server_script=record,
    )
    made.run()
    assert made.server.session.psk_identity == b"identity"
    assert not record.of(Certificate)
    assert not record.of(CertificateRequest)


@pytest.mark.parametrize("role", ["server", "client"])
@pytest.mark.requirement("R322")
def test_a_certificate_beside_an_external_psk_is_refused(role, quick_pair, client, server) -> None:
    script = edit(Finished, lambda m: [Certificate(certificate_list=()), m])
    made = quick_pair(
        client=client.replace(psks=[PSK]), server=server.replace(psks=[PSK]), **{f"{role}_script": script}
    )
    if role == "server":
        made.expect_refusal_by_client(errors.MessageOutOfOrder)
    else:
        made.expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R326")
def test_early_data_is_off_unless_asked_for_on_either_side(quick_pair, client_config, server_config) -> None:
    """Appendix F.5: a default server gives no ticket for it; a client sends none although its ticket allows it."""
    record = Recorder()
    made = quick_pair(client=client_config.replace(sessions=tls13.SessionCache()), server_script=record)
    made.run()
    assert record.of(NewSessionTicket)
    assert not [message for message in record.of(NewSessionTicket) if message.extensions.get(EarlyDataTicket)]
    sessions = sessions_of(client_config, server_config.replace(max_early_data=1000))
    assert sessions[0].max_early_data_size == 1000
    config = client_config.replace(psk_key_exchange_modes=MODES)
    hello = hello_of(connection(config, sessions[0]).data_to_send())
    assert ExtensionType.pre_shared_key in hello.extensions
    assert ExtensionType.early_data not in hello.extensions


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.requirement("R326")
def test_rejected_early_data_is_not_sent_again_by_itself(retry, quick_pair, client, early_server) -> None:
    session = session_of(client, early_server)
    made = quick_pair(server=early_server.replace(max_early_data=0, replay_guard=None, always_retry=retry))
    made.client = connection(client, session, EARLY)
    events, received = made.run()
    assert tls13.EarlyDataRejected(retried=retry) in events
    assert [type(event) for event in received] == [tls13.HandshakeCompleted]
    made.client.send_data(EARLY)
    assert made.run()[1] == [tls13.ApplicationData(EARLY)]

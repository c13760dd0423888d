"""Resumption: RFC 9846, sections 2.2, 4.3.11 and 4.7.1. Who may resume what, for how long, and as whom."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import tls13
from tests.conftest import HOST, records
from tests.requirements.scripts import MODES, Recorder, WilfulClient, bound, edit, events_of, first_hello, sessions_of
from tls13 import errors
from tls13.crypto.suites import SHA256
from tls13.lab.authority import CLIENT_AUTH, Authority
from tls13.lab.scripted import with_raw_extension
from tls13.trust.raw_keys import RawPublicKey
from tls13.trust.verify import CHAIN_SIGNATURE_SCHEMES, ChainVerifier
from tls13.wire.extensions import OfferedPsks
from tls13.wire.messages import ClientHello, HelloRetryRequest, NewSessionTicket
from tls13.wire.registry import CipherSuite, ExtensionType, NamedGroup, SignatureScheme

DAY = 86400
AES_128, AES_256 = CipherSuite.TLS_AES_128_GCM_SHA256, CipherSuite.TLS_AES_256_GCM_SHA384


@pytest.fixture
def client(client_config):
    return client_config.replace(psk_key_exchange_modes=MODES)


@pytest.fixture
def server(server_config):
    """One whose ticket keys stay the same in every config that is made from it."""
    return server_config.replace(tickets=tls13.SealedTickets())


@pytest.fixture
def session(client, server):
    return sessions_of(client, server)[0]


def resuming(pair, client, server, session, *, host=HOST, server_script=None, **options):
    """A pair whose client has this session."""
    made = pair(server=server, server_script=server_script)
    made.client = tls13.ClientConnection(client, server_hostname=host, session=session, **options)
    return made


def resumes(pair, client, server, session, **options) -> bool:
    """Whether both sides say that they resume."""
    made = resuming(pair, client, server, session, **options)
    made.run()
    assert made.client.session.resumed is made.server.session.resumed
    return made.client.session.resumed


def offers(client, session, *, host=HOST) -> bool:
    hello = first_hello(tls13.ClientConnection(client, server_hostname=host, session=session))
    return ExtensionType.pre_shared_key in hello.extensions


# --- the whole of it --------------------------------------------------------------------------------------------------


def test_a_resumed_session_repeats_who_the_peers_were(pair, authority, client, server, trust) -> None:
    """Section 2.2: nobody shows a certificate again, and nobody needs one to know who the other is."""
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])
    client = client.replace(identities=somebody.identity)
    server = server.replace(client_trust=trust)
    full = pair(client=client, server=server)
    seen, _ = full.run()
    stored = events_of(seen, tls13.TicketReceived)[0].session
    record = Recorder()
    made = resuming(pair, client, server, stored, server_script=record)
    made.run()
    assert [type(m).__name__ for m in record.sent[:3]] == ["ServerHello", "EncryptedExtensions", "Finished"]
    for one, before in ((made.client.session, full.client.session), (made.server.session, full.server.session)):
        assert one.resumed
        assert not before.resumed
        assert one.peer_certificates == before.peer_certificates != ()
        assert one.verified_chain == before.verified_chain != ()
        assert one.signature_scheme == before.signature_scheme is not None
        assert one.client_scheme == before.client_scheme is not None
    made.server.send_data(b"resumed")
    assert events_of(made.run()[0], tls13.ApplicationData) == [tls13.ApplicationData(b"resumed")]


def test_a_resumed_session_can_be_resumed(quick_pair, client, server, session) -> None:
    """And each time with new keys: a ticket of a resumed connection is another PSK."""
    keys = {session.psk}
    for _ in range(3):
        made = resuming(quick_pair, client, server, session)
        seen, _ = made.run()
        assert made.server.session.resumed
        assert made.server.session.verified_chain == ()
        session = events_of(seen, tls13.TicketReceived)[0].session
        assert session.psk not in keys
        keys.add(session.psk)


@pytest.mark.parametrize("tickets", ["two", "none", "client wants none"])
def test_without_a_ticket_there_is_nothing_to_resume(tickets, quick_pair, client_config, client, server) -> None:
    asking = client_config if tickets == "client wants none" else client
    made = quick_pair(client=asking, server=server.replace(tickets=None) if tickets == "none" else server)
    seen, _ = made.run()
    assert len(events_of(seen, tls13.TicketReceived)) == (2 if tickets == "two" else 0)


def test_the_key_exchange_is_new(quick_pair, client, server, session) -> None:
    """psk_dhe_ke: whoever learns the PSK later cannot read what was resumed with it."""
    made = resuming(quick_pair, client, server, session)
    made.run()
    assert made.client.session.group == made.server.session.group == NamedGroup.X25519MLKEM768


# --- HelloRetryRequest ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R137")
@pytest.mark.parametrize("suite", [AES_128, AES_256])
def test_resumption_across_a_retry(suite, pair, client, server) -> None:
    """The server looks at the PSK in the second ClientHello, whose binder covers message_hash and the retry."""
    client, server = client.replace(cipher_suites=[suite]), server.replace(cipher_suites=[suite])
    stored = sessions_of(client, server)[0]
    record = Recorder()
    made = resuming(pair, client, server.replace(groups=[NamedGroup.secp384r1]), stored, server_script=record)
    made.run()
    assert made.client.session.resumed
    assert made.server.session.hello_retry_request
    assert made.server.session.group == NamedGroup.secp384r1


@pytest.mark.requirement("R137", "R138")
def test_a_retry_with_another_hash_than_the_psks(quick_pair, client, server) -> None:
    """Section 4.3.11.2: the binder with the PSK's hash (SHA-384), the message_hash in it with the negotiated one
    (SHA-256). The server chooses the suite, so the PSK is not used: but its binder is still right."""
    client = client.replace(cipher_suites=[AES_128, AES_256])
    (stored, *_) = sessions_of(client.replace(cipher_suites=[AES_256]), server.replace(cipher_suites=[AES_256]))
    hellos: list[ClientHello] = []
    retries = Recorder()
    made = quick_pair(server=server.replace(groups=[NamedGroup.secp384r1]))
    made.client = WilfulClient(client, lambda m, h: hellos.append(m) or m, number=2, session=stored)
    first = made.client.data_to_send()
    made.server.receive_data(first)
    list(made.server.events())
    retry = made.server.data_to_send()
    made.client.receive_data(retry)
    list(made.client.events())
    hello1 = records(first)[0][5:]
    request = records(retry)[0][5:]
    assert made.client._handshake.stored is not None
    psks = hellos[0].extensions.get(OfferedPsks)
    raw = hellos[0].to_handshake()
    binder = psks.binders[0]
    assert len(binder) == 48
    message_hash = b"\xfe\0\0\x20" + SHA256.new(hello1).digest()
    psk = stored.as_psk()
    truncated = message_hash + request + raw[: -(2 + 1 + 48)]
    assert binder == psk.binder(psk.hash.new(truncated).digest())
    made.run()
    assert made.client.session.cipher_suite == AES_128
    assert not made.client.session.resumed
    assert not retries.of(HelloRetryRequest)


# --- what a client offers, and when (D02) -----------------------------------------------------------------------------


@pytest.mark.requirement("R198", "D02")
def test_a_session_is_offered_to_the_name_it_was_verified_for(client, session) -> None:
    """The certificate is for "localhost" too; but the session was authenticated as HOST."""
    assert offers(client, session)
    assert not offers(client, session, host="localhost")
    assert not offers(client, session, host="other.example")


@pytest.mark.requirement("D02")
def test_a_session_is_not_offered_by_a_config_that_would_refuse_the_chain(client, session) -> None:
    strangers = Authority.create(common_name="strangers", now=session.verified_chain()[0].not_valid_before_utc)
    other = tls13.TrustStore.from_certificates([strangers.certificate])
    assert not offers(client.replace(trust=other), session)


@pytest.mark.requirement("D02")
def test_another_verifier_takes_nothing_on_trust(client, session, authority) -> None:
    """Also one that believes the same anchors and one more: what it would say of the chain, and of all that came with
    it, a full handshake shows."""
    more = Authority.create(common_name="strangers", now=session.verified_chain()[0].not_valid_before_utc)
    both = tls13.TrustStore.from_certificates([authority.certificate, more.certificate])
    assert not offers(client.replace(trust=both), session)


@pytest.mark.requirement("D02")
def test_a_session_that_nobody_verified_is_not_offered_by_who_verifies(server, client) -> None:
    careless = tls13.ClientConfig(verify=tls13.INSECURE_NO_VERIFICATION, psk_key_exchange_modes=MODES)
    strangers = Authority.create(common_name="strangers", now=server.identities[0].chain[0].not_valid_before_utc)
    foreign = server.replace(identity=strangers.issue([HOST]).identity)
    assert offers(careless, sessions_of(careless, foreign)[0])
    assert not offers(client, sessions_of(careless, foreign)[0])
    assert not offers(client, sessions_of(careless, server)[0])


@pytest.mark.parametrize(
    "change",
    [
        {"ocsp_stapling": False},
        {"delegated_credentials": True},
        {"signature_schemes": [SignatureScheme.ecdsa_secp256r1_sha256]},
    ],
    ids=lambda change: next(iter(change)),
)
@pytest.mark.requirement("D02")
def test_a_session_is_offered_on_the_terms_that_it_was_won_on(client, server, change) -> None:
    """A must-staple certificate that came without a staple, a delegated credential, a scheme that is not wanted any
    more: a resumed connection would not show them."""
    other = client.replace(**change)
    assert offers(client, sessions_of(client, server)[0])
    assert offers(other, sessions_of(other, server)[0])
    assert not offers(other, sessions_of(client, server)[0])
    assert not offers(client, sessions_of(other, server)[0])


@pytest.mark.parametrize("chosen", [False, True], ids=["identities", "choose_identity"])
def test_a_session_is_its_clients_own(quick_pair, client, server, authority, trust, chosen) -> None:
    """Section 2.2: who resumes is taken for the client of the first connection; so nobody resumes for another."""
    alice, bob = (authority.issue([], common_name=name, usages=[CLIENT_AUTH]) for name in ("alice", "bob"))
    cache = tls13.SessionCache()
    server = server.replace(client_trust=trust, client_auth=tls13.ClientAuth.OPTIONAL)

    def config(issued):
        who = {"choose_identity": lambda request: issued.identity} if chosen else {"identities": issued.identity}
        return client.replace(sessions=cache, **who)

    hers = config(alice)
    for one, expected in ((hers, alice), (config(bob), bob), (hers, alice), (client.replace(sessions=cache), None)):
        made = quick_pair(client=one, server=server)
        made.run()
        shown = (expected.certificate,) if expected is not None else ()
        assert made.server.session.peer_certificates == shown
    again = quick_pair(client=hers, server=server)
    again.run()
    assert again.server.session.resumed
    assert not offers(config(bob), sessions_of(hers, server)[0])


def test_a_client_verifies_a_server_anew_in_the_end(quick_pair, client, server) -> None:
    """Section 4.7.1: tickets for tickets; a server that never ends them is still not believed for ever."""
    now = [client.clock()]
    client = client.replace(sessions=tls13.SessionCache(), clock=lambda: now[0], max_session_age=3 * 86400)
    server = server.replace(clock=lambda: now[0], ticket_lifetime=7 * 86400, max_session_age=10**9)
    resumed = []
    for _ in range(6):
        made = quick_pair(client=client, server=server)
        made.run()
        resumed.append(made.client.session.resumed)
        now[0] += 86400
    assert resumed == [False, True, True, False, True, True]


@pytest.mark.requirement("D02")
def test_a_session_is_not_offered_once_its_chain_has_run_out(client, session) -> None:
    end = session.chain_expires_at
    for now, offered in ((end - 1, True), (end, False), (end + 3600, False)):
        young = session.replace(made_at_ms=int((now - 10) * 1000), authenticated_at=now - 10)
        assert offers(client.replace(clock=lambda now=now: now), young) is offered


@pytest.mark.requirement("D02")
def test_a_session_without_a_certificate_is_not_offered_by_who_wants_one(client, server, session) -> None:
    """A server that was authenticated by an external PSK may give tickets too (ours does not). They are no way to
    a client that has the same trust store, and does not know the PSK."""
    by_psk = session.replace(chain=(), verified=(), signature_scheme=0, chain_expires_at=2**63 - 1)
    assert not offers(client, tls13.StoredSession.from_bytes(by_psk.to_bytes()))


@pytest.mark.requirement("R197", "R137")
def test_a_ticket_goes_with_a_suite_of_its_hash(client, session) -> None:
    assert session.cipher_suite == AES_128
    assert offers(client.replace(cipher_suites=[AES_256, CipherSuite.TLS_CHACHA20_POLY1305_SHA256]), session)
    assert not offers(client.replace(cipher_suites=[AES_256]), session)


def test_a_ticket_is_used_under_another_suite_of_its_hash(quick_pair, client, server, session) -> None:
    """Section 4.7.1: only the hash must be the same."""
    chacha = server.replace(cipher_suites=[CipherSuite.TLS_CHACHA20_POLY1305_SHA256])
    made = resuming(quick_pair, client, chacha, session)
    made.run()
    assert made.server.session.resumed
    assert made.server.session.cipher_suite == CipherSuite.TLS_CHACHA20_POLY1305_SHA256


@pytest.mark.requirement("R201", "R146")
@pytest.mark.parametrize("lifetime", [30, 7 * DAY, 2**32 - 1])
def test_no_ticket_is_older_than_seven_days(lifetime, quick_pair, client, server) -> None:
    """Whatever ticket_lifetime says (4.7.1)."""
    script = edit(NewSessionTicket, lambda m: m.replace(ticket_lifetime=lifetime))
    made = quick_pair(client=client, server=server, server_script=script)
    (stored, *_) = [event.session for event in events_of(made.run()[0], tls13.TicketReceived)]
    last = min(lifetime, 7 * DAY)
    for age, offered in ((last - 1, True), (last + 1, False)):
        now = stored.made_at_ms / 1000 + age
        assert offers(client.replace(clock=lambda now=now: now), stored.replace(chain_expires_at=2**62)) is offered


def test_a_lifetime_of_0_says_discard(quick_pair, client, server) -> None:
    script = edit(NewSessionTicket, lambda m: m.replace(ticket_lifetime=0))
    made = quick_pair(client=client.replace(sessions=tls13.SessionCache()), server=server, server_script=script)
    seen, _ = made.run()
    assert not events_of(seen, tls13.TicketReceived)
    assert len(made.client.config.sessions) == 0


@pytest.mark.requirement("R203", "R299")
def test_unknown_extensions_of_a_ticket_are_ignored(pair, client, server) -> None:
    script = edit(NewSessionTicket, lambda m: with_raw_extension(m, 0x2A2A, b"reserved"))
    made = pair(client=client, server=server, server_script=script)
    stored = [event.session for event in events_of(made.run()[0], tls13.TicketReceived)]
    assert len(stored) == 2
    assert resumes(pair, client, server, stored[0])


@pytest.mark.requirement("R196")
def test_a_client_that_does_not_resume_ignores_tickets(pair, server_config, client_config) -> None:
    """One that nobody asked for: from a server that does not look whether the client has psk_key_exchange_modes."""
    ticket = NewSessionTicket(
        ticket_lifetime=100,
        ticket_age_add=1,
        ticket_nonce=b"\0",
        ticket=b"ticket",
        extensions=NewSessionTicket.decode(bytes(4 + 4) + b"\1\0" + b"\0\1t" + b"\0\0").extensions,
    )
    made = pair(server_script=lambda message: message)
    made.run()
    made.server.send_record(22, ticket.to_handshake())
    made.server.send_data(b"still here")
    assert made.run()[0] == [tls13.ApplicationData(b"still here")]


def test_tickets_beyond_the_limit_are_let_go(quick_pair, client, server) -> None:
    """max_tickets: a server cannot make its client hold as many as it likes."""
    made = quick_pair(client=client.replace(max_tickets=3), server=server.replace(ticket_count=10))
    assert len(events_of(made.run()[0], tls13.TicketReceived)) == 3


# --- the cache --------------------------------------------------------------------------------------------------------


def cached(client, key, *, host=HOST):
    return first_hello(tls13.ClientConnection(client, server_hostname=host, **key)).extensions.get(OfferedPsks)


@pytest.mark.requirement("D11")
@pytest.mark.parametrize(
    ("other", "host"),
    [
        ({"port": 8443}, HOST),
        ({"partition": b"elsewhere"}, HOST),
        ({"port": 443}, "localhost"),
        ({}, HOST),
    ],
)
def test_the_cache_is_keyed_by_name_port_and_partition(other, host, quick_pair, client, server) -> None:
    """Appendix C.4: what must not be linked does not meet."""
    client = client.replace(sessions=tls13.SessionCache())
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, port=443, partition=b"here")
    made.run()
    assert cached(client, other, host=host) is None
    assert cached(client, {"port": 443, "partition": b"here"}) is not None


def test_configs_that_verify_otherwise_do_not_share_sessions(quick_pair, client, server, trust) -> None:
    cache = tls13.SessionCache()
    quick_pair(client=client.replace(sessions=cache), server=server).run()
    careless = tls13.ClientConfig(verify=tls13.INSECURE_NO_VERIFICATION, sessions=cache)
    assert cached(careless, {}) is None
    assert cached(tls13.ClientConfig(trust=trust, sessions=cache), {}) is not None


def test_the_newest_ticket_is_used_first_and_the_oldest_goes_first(quick_pair, client, server) -> None:
    cache = tls13.SessionCache(per_server=2)
    made = quick_pair(client=client.replace(sessions=cache), server=server.replace(ticket_count=4))
    tickets = [event.session.ticket for event in events_of(made.run()[0], tls13.TicketReceived)]
    used = [cached(client.replace(sessions=cache), {}) for _ in range(3)]
    assert [psks.identities[0].identity for psks in used[:2]] == [tickets[3], tickets[2]]
    assert used[2] is None


def test_the_cache_holds_no_more_than_its_capacity(client, server, session) -> None:
    cache = tls13.SessionCache(capacity=3, per_server=2)
    for host in "abcde":
        key = tls13.ClientConnection(client.replace(sessions=cache), server_hostname=host)._handshake.session_key
        cache.put(key, session)
        cache.put(key, session)
        assert len(cache) <= 3
    assert len(cache) == 3
    cache.clear()
    assert len(cache) == 0


@pytest.mark.parametrize("what", ["a session", "a cache"])
def test_saved_and_loaded(what, quick_pair, client, server, session) -> None:
    """As bytes, for a file: the next process resumes, and knows who the server is."""
    if what == "a session":
        loaded = tls13.StoredSession.from_bytes(session.to_bytes())
        assert loaded == session
        made = resuming(quick_pair, client, server, loaded)
    else:
        before, after = tls13.SessionCache(), tls13.SessionCache()
        made = quick_pair(server=server)
        made.client = tls13.ClientConnection(client.replace(sessions=before), server_hostname=HOST, partition=b"p")
        made.run()
        after.load(before.to_bytes())
        assert len(after) == len(before) == 2
        assert cached(client.replace(sessions=after), {}) is None
        made = quick_pair(server=server)
        made.client = tls13.ClientConnection(client.replace(sessions=after), server_hostname=HOST, partition=b"p")
    made.run()
    assert made.client.session.resumed
    assert made.client.session.verified_chain[0] == server.identities[0].chain[0]


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d + b"\0", lambda d: b"\xff" + d[1:], lambda d: b""])
def test_what_was_not_saved_here_is_refused_in_a_sentence(spoil, session) -> None:
    cache = tls13.SessionCache()
    for read, good in ((tls13.StoredSession.from_bytes, session.to_bytes()), (cache.load, cache.to_bytes())):
        with pytest.raises(tls13.ConfigurationError, match=r"stored session|saved sessions"):
            read(spoil(good))


# --- what a server opens (D01) ----------------------------------------------------------------------------------------


@pytest.fixture(params=["sealed", "stored"])
def tickets(request):
    return tls13.SealedTickets() if request.param == "sealed" else tls13.StoredTickets(tls13.MemoryStore())


@pytest.mark.requirement("D01")
def test_a_ticket_is_no_way_around_a_demand_for_certificates(tickets, quick_pair, client, server, authority, trust):
    """CVE-2025-23419: two virtual servers with the same ticket keys, only one of which asks who comes."""
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity
    stranger = Authority.create(common_name="strangers", now=authority.certificate.not_valid_before_utc)
    others = tls13.TrustStore.from_certificates([stranger.certificate])
    open_to_all = server.replace(tickets=tickets)
    demanding = open_to_all.replace(client_trust=trust)
    optional = demanding.replace(client_auth=tls13.ClientAuth.OPTIONAL)
    elsewhere = open_to_all.replace(client_trust=others)
    client = client.replace(identities=somebody)
    for issuing, opening in ((open_to_all, demanding), (optional, demanding), (demanding, open_to_all)):
        assert not resumes(quick_pair, client, opening, sessions_of(client, issuing)[0])
    made = resuming(quick_pair, client, elsewhere, sessions_of(client, demanding)[0])
    with pytest.raises(errors.CertificateRequired):  # nothing that the other CA has issued, and so nothing to show
        made.run()
    for config in (open_to_all, demanding, optional, demanding.replace()):
        assert resumes(quick_pair, client, config, sessions_of(client, config)[0])


@pytest.mark.requirement("D01")
def test_a_ticket_opens_for_the_same_name_and_protocol(tickets, quick_pair, client, server) -> None:
    server = server.replace(tickets=tickets, alpn_protocols=["a", "b"])
    client = client.replace(alpn_protocols=["a"])
    assert resumes(quick_pair, client, server, sessions_of(client, server)[0])
    for other in (client.replace(alpn_protocols=["b"]), client.replace(alpn_protocols=[])):
        assert not resumes(quick_pair, other, server, sessions_of(client, server)[0])
    stored = sessions_of(client, server)[0]
    moved = stored.replace(server_name_bytes=b"localhost")  # a client that would try it under another name
    assert not resumes(quick_pair, client, server, moved, host="localhost")


@pytest.mark.requirement("R199")
def test_the_server_name_is_that_of_this_connection(quick_pair, client, server, session) -> None:
    made = resuming(quick_pair, client, server, session)
    made.run()
    assert made.server.session.server_name == HOST
    assert made.client.session.server_name == HOST


@pytest.mark.requirement("D01")
def test_a_client_certificate_that_has_run_out_is_not_resumed(quick_pair, client, server, authority, trust) -> None:
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH], days=2)
    end = somebody.certificate.not_valid_after_utc.timestamp()
    demanding = server.replace(client_trust=trust, clock=lambda: end - 60)
    client = client.replace(identities=somebody.identity)
    stored = sessions_of(client, demanding)[0]
    for now, accepted in ((end - 30, True), (end + 30, False)):
        made = resuming(
            quick_pair,
            client.replace(clock=lambda now=now: now),
            demanding.replace(clock=lambda now=now: now),
            stored.replace(made_at_ms=int((now - 60) * 1000)),
        )
        if accepted:
            made.run()
            assert made.server.session.resumed
        else:
            with pytest.raises(errors.CertificateExpired):
                made.run()


@pytest.mark.requirement("R146", "R200")
@pytest.mark.parametrize("lifetime", [60, 7 * DAY, 30 * DAY])
def test_a_server_keeps_to_seven_days_too(lifetime, tickets, quick_pair, client, server) -> None:
    """ticket_lifetime is at most 604800 seconds, and an older ticket is not opened even if a client uses it."""
    server = server.replace(tickets=tickets, ticket_lifetime=lifetime, max_session_age=60 * DAY)
    record = Recorder()
    made = quick_pair(client=client, server=server, server_script=record)
    seen, _ = made.run()
    last = min(lifetime, 7 * DAY)
    assert {message.ticket_lifetime for message in record.of(NewSessionTicket)} == {last}
    (one, other) = [event.session for event in events_of(seen, tls13.TicketReceived)]
    for stored, age, resumed in ((one, last - 2, True), (other, last + 2, False)):
        now = server.clock() + age
        late = server.replace(clock=lambda now=now: now)
        assert resumes(quick_pair, client, late, stored) is resumed


@pytest.mark.requirement("R202")
def test_each_ticket_has_its_own_nonce_and_age_add(quick_pair, client, server) -> None:
    record = Recorder()
    quick_pair(client=client, server=server.replace(ticket_count=4), server_script=record).run()
    tickets = record.of(NewSessionTicket)
    for values in zip(*((m.ticket_nonce, m.ticket_age_add, m.ticket) for m in tickets), strict=True):
        assert len(set(values)) == 4


@pytest.mark.requirement("D10")
def test_resuming_does_not_go_on_for_ever(quick_pair, client, server) -> None:
    """max_session_age: from the full handshake on, through any number of resumptions."""
    start = server.clock()
    now = [start]
    server = server.replace(clock=lambda: now[0], ticket_lifetime=3000, max_session_age=7000)
    client = client.replace(clock=lambda: now[0])
    session = sessions_of(client, server)[0]
    lifetimes = [session.ticket_lifetime]
    for age in (2500, 5000, 6900):
        now[0] = start + age
        made = resuming(quick_pair, client, server, session)
        seen, _ = made.run()
        assert made.server.session.resumed
        session = events_of(seen, tls13.TicketReceived)[0].session
        lifetimes.append(session.ticket_lifetime)
    assert lifetimes[0] == lifetimes[1] == 3000
    assert 1990 <= lifetimes[2] <= 2000
    assert 90 <= lifetimes[3] <= 100
    now[0] = start + 7002
    assert not offers(client, session)
    made = resuming(quick_pair, client.replace(clock=lambda: start + 6950), server, session)
    made.run()
    assert not made.server.session.resumed


def test_a_stored_ticket_works_once(quick_pair, client, server) -> None:
    """Section 8.1. A sealed one works for whoever has it: that is why clients use theirs once."""
    stored, sealed = server.replace(tickets=tls13.StoredTickets(tls13.MemoryStore())), server
    one, other = sessions_of(client, stored)[0], sessions_of(client, sealed)[0]
    assert [resumes(quick_pair, client, stored, one) for _ in range(2)] == [True, False]
    assert [resumes(quick_pair, client, sealed, other) for _ in range(2)] == [True, True]


def test_a_stored_ticket_is_not_spent_on_a_retry(pair, client, server) -> None:
    """The first ClientHello is answered by HelloRetryRequest: the ticket is opened for the second one."""
    store = tls13.MemoryStore()
    server = server.replace(tickets=tls13.StoredTickets(store))
    session = sessions_of(client, server)[0]
    assert resumes(pair, client, server.replace(groups=[NamedGroup.secp384r1]), session)


def test_stored_tickets_that_are_names_and_nothing_else(client, server) -> None:
    store = tls13.MemoryStore()
    stored = sessions_of(client, server.replace(tickets=tls13.StoredTickets(store)))
    assert [len(one.ticket) for one in stored] == [32, 32]
    assert len(store) == 2


@pytest.mark.requirement("D09")
def test_ticket_keys_change_every_day_and_go_with_their_last_ticket(quick_pair, client, server) -> None:
    start = 20_000 * DAY + 100.0
    now = [start]
    keys = tls13.TicketKeys()
    server = server.replace(
        tickets=tls13.SealedTickets(keys), clock=lambda: now[0], ticket_lifetime=7 * DAY, max_session_age=90 * DAY
    )
    careless = tls13.ClientConfig(
        verify=tls13.INSECURE_NO_VERIFICATION, psk_key_exchange_modes=MODES, clock=lambda: now[0]
    )
    first = sessions_of(careless, server)
    names = {first[0].ticket[:16]}
    assert first[1].ticket[:16] in names
    for day in range(1, 7):
        now[0] = start + day * DAY
        names.add(sessions_of(careless, server)[0].ticket[:16])
        assert len(names) == day + 1
    assert resumes(quick_pair, careless, server, first[0])
    now[0] = start + 8 * DAY
    sessions_of(careless, server)
    assert first[0].ticket[:16] not in {key.name for key in keys._keys.values()}
    assert len(keys._keys) <= 8


def test_servers_that_were_given_the_same_keys_resume_each_others_sessions(quick_pair, client, server) -> None:
    old, new = bytes(range(48)), bytes(range(48, 96))
    before = server.replace(tickets=tls13.SealedTickets(tls13.GivenTicketKeys([old])))
    rotated = server.replace(tickets=tls13.SealedTickets(tls13.GivenTicketKeys([new, old])))
    after = server.replace(tickets=tls13.SealedTickets(tls13.GivenTicketKeys([new])))
    assert resumes(quick_pair, client, rotated, sessions_of(client, before)[0])
    assert resumes(quick_pair, client, after, sessions_of(client, rotated)[0])
    assert not resumes(quick_pair, client, after, sessions_of(client, before)[0])
    with pytest.raises(tls13.ConfigurationError, match="48"):
        tls13.GivenTicketKeys([bytes(32)])
    with pytest.raises(tls13.ConfigurationError):
        tls13.GivenTicketKeys([])


def test_servers_that_share_a_store_share_their_ticket_keys(quick_pair, client, server) -> None:
    store = tls13.MemoryStore()
    one, other = (server.replace(tickets=tls13.SealedTickets(tls13.StoredTicketKeys(store))) for _ in range(2))
    assert resumes(quick_pair, client, other, sessions_of(client, one)[0])
    assert resumes(quick_pair, client, one, sessions_of(client, other)[0])
    apart = server.replace(tickets=tls13.SealedTickets(tls13.StoredTicketKeys(tls13.MemoryStore())))
    assert not resumes(quick_pair, client, apart, sessions_of(client, one)[0])


class NoStore:
    """A store that does not answer."""

    shared = True

    def add(self, key, value, seconds):
        raise errors.StoreUnavailable("nobody there")

    get = pop = lambda self, key: self.add(key, b"", 0)


@pytest.mark.parametrize(
    "made", [lambda: tls13.StoredTickets(NoStore()), lambda: tls13.SealedTickets(tls13.StoredTicketKeys(NoStore()))]
)
def test_without_its_store_a_server_gives_no_tickets_and_opens_none(made, quick_pair, client, server, session) -> None:
    """And that is all: handshakes go on."""
    failing = server.replace(tickets=made())
    assert sessions_of(client, failing) == []
    assert not resumes(quick_pair, client, failing, session)
    assert not resumes(quick_pair, client, failing, session.replace(ticket=bytes(32)))
    made_up = (2**63).to_bytes(8, "big") + bytes(100)
    assert not resumes(quick_pair, client, failing, session.replace(ticket=made_up))


@pytest.mark.parametrize("length", [1, 15, 16, 28, 31, 32, 43, 44, 1000])
def test_a_made_up_ticket_is_a_full_handshake(length, tickets, quick_pair, client, server, session) -> None:
    server = server.replace(tickets=tickets)
    real = sessions_of(client, server)[0].ticket
    for ticket in (bytes(length), real[:length] if length < len(real) else real + b"\0"):
        assert not resumes(quick_pair, client, server, session.replace(ticket=ticket))


def test_unknown_tickets_cost_a_server_at_most_eight_questions(quick_pair, client, server, session) -> None:
    """MAX_IDENTITIES: a ClientHello may hold a thousand identities, each a question to a database."""
    asked = []

    class Counting(tls13.MemoryStore):
        def pop(self, key):
            asked.append(key)
            return super().pop(key)

    def script(hello, handshake):
        psks = hello.extensions.get(OfferedPsks)
        identities = tuple(psks.identities[0].replace(identity=bytes([n]) * 32) for n in range(200))
        offered = psks.replace(identities=identities, binders=psks.binders * 200)
        return hello.replace(extensions=hello.extensions.replacing(offered, offered.encode()))

    made = quick_pair(server=server.replace(tickets=tls13.StoredTickets(Counting())))
    made.client = WilfulClient(client, script, session=session)
    made.run()
    assert len(asked) == 8
    assert not made.client.session.resumed


# --- sending tickets --------------------------------------------------------------------------------------------------


def test_one_more_ticket_whenever_the_server_likes(pair, client, server) -> None:
    made = pair(client=client, server=server.replace(ticket_count=0))
    assert not events_of(made.run()[0], tls13.TicketReceived)
    made.server.send_data(b"between")
    made.server.send_ticket()
    made.server.send_ticket()
    seen, _ = made.run()
    stored = [event.session for event in events_of(seen, tls13.TicketReceived)]
    assert len(stored) == 2
    assert stored[0].psk != stored[1].psk
    assert resumes(pair, client, server, stored[1])


@pytest.mark.parametrize(("given", "again"), [(0, 0), (1, 1), (2, 1), (4, 1)])
def test_a_resumed_connection_gets_one_ticket_for_the_one_it_used(given, again, quick_pair, client, server, session):
    """RFC 9149, section 3: "without over-provisioning the client with excess tickets"; OpenSSL does the same."""
    made = resuming(quick_pair, client, server.replace(ticket_count=given), session)
    seen, _ = made.run()
    assert made.client.session.resumed
    assert len(events_of(seen, tls13.TicketReceived)) == again


def test_a_ticket_before_the_handshake_is_complete_is_a_mistake(server) -> None:
    with pytest.raises(tls13.UsageError):
        tls13.ServerConnection(server).send_ticket()


def test_a_ticket_for_a_client_without_use_for_it_is_not_sent(pair, server) -> None:
    """Section 4.7.1: only to a client whose psk_key_exchange_modes we have."""
    record = Recorder()
    made = pair(server=server, server_script=record)
    made.run()
    made.server.send_ticket()
    made.run()
    assert not record.of(NewSessionTicket)


@pytest.mark.parametrize("cut", [1, 2, 10**6])
def test_tickets_may_be_cut_and_joined(cut, quick_pair, client, server) -> None:
    """Two in one record, or one in many: section 5.1."""
    record = Recorder()
    made = quick_pair(client=client, server=server, server_script=lambda m: record(m) and m)
    made.run()
    joined = b"".join(message.to_handshake() for message in record.of(NewSessionTicket))
    for start in range(0, len(joined), cut):
        made.server.send_record(22, joined[start : start + cut])
    assert len(events_of(made.run()[0], tls13.TicketReceived)) == 2


def test_the_resumption_secret_is_bound_to_the_clients_finished(quick_pair, client, server) -> None:
    """Both ends agree on it after the client's certificate too: the PSKs of both ends resume (7.1)."""
    verifier = ChainVerifier(client.trust)
    asking = server.replace(client_verifier=verifier, client_auth=tls13.ClientAuth.OPTIONAL)
    stored = sessions_of(client, asking)[0]
    assert resumes(quick_pair, client, asking, stored)


@pytest.mark.requirement("R138", "R139")
def test_a_changed_psk_is_refused(quick_pair, client, server, session) -> None:
    """Whoever has the ticket, but not its key."""
    made = quick_pair(server=server)
    thief = session.replace(psk=bytes(32))
    made.client = WilfulClient(client, lambda m, h: bound(m, h), session=thief)
    made.expect_refusal_by_server(errors.BadBinder)


# --- the edges of each check ------------------------------------------------------------------------------------------


class BelievesAnything:
    """A verifier of somebody's that does not look."""

    fingerprint = b"anything"
    signature_schemes = CHAIN_SIGNATURE_SCHEMES

    def verify_server(self, chain, server_name, now):
        return chain

    verify_client = None


@pytest.mark.requirement("D02")
def test_no_chain_is_nothing_that_a_verifier_believed(client, server) -> None:
    careless = client.replace(trust=None, verifier=BelievesAnything())
    session = sessions_of(careless, server)[0]
    assert offers(careless, session)
    assert not offers(careless, session.replace(chain=(), verified=()))


@pytest.mark.requirement("D02")
def test_a_client_that_takes_psks_only_resumes_nothing_else(client, session) -> None:
    """require_psk: a session with a certificate behind it is not what it wants."""
    psk = tls13.ExternalPsk(b"one", bytes(16))
    config = client.replace(trust=None, require_psk=True, psks=[psk])
    hello = first_hello(tls13.ClientConnection(config, server_hostname=HOST, session=session))
    assert [one.identity for one in hello.extensions.get(OfferedPsks).identities] == [b"one"]


def test_a_ticket_from_the_future_is_not_used(client, session) -> None:
    """A clock that was set back: the age that the server would be told is none."""
    made_at = session.made_at_ms / 1000
    for now, offered in ((made_at - 50, True), (made_at - 70, False)):
        assert offers(client.replace(clock=lambda now=now: now), session) is offered


@pytest.mark.requirement("R201")
def test_what_is_stored_is_not_believed_about_its_lifetime(client, session, quick_pair, server) -> None:
    script = edit(NewSessionTicket, lambda m: m.replace(ticket_lifetime=2**32 - 1))
    made = quick_pair(client=client, server=server, server_script=script)
    stored = events_of(made.run()[0], tls13.TicketReceived)[0].session
    assert stored.ticket_lifetime == 7 * DAY
    forged = session.replace(ticket_lifetime=2**32 - 1, chain_expires_at=2**62)
    late = forged.made_at_ms / 1000 + 7 * DAY + 1
    assert not offers(client.replace(clock=lambda: late), forged)


def test_the_cache_passes_over_what_has_expired(client, session) -> None:
    cache = tls13.SessionCache()
    config = client.replace(sessions=cache)
    key = tls13.ClientConnection(config, server_hostname=HOST)._handshake.session_key
    good, expired = session.replace(ticket=b"good"), session.replace(ticket=b"expired", ticket_lifetime=0)
    now = session.made_at_ms / 1000 + 10
    for stored in (good, expired, expired):
        cache.put(key, stored)
    assert cache.take(key, now) == good
    assert len(cache) == 0
    assert cache.take(key, now) is None


class Everlasting(tls13.SealedTickets):
    """Somebody's own Tickets, which do not look at the time."""

    def open(self, ticket, now):
        state = yield from super().open(ticket, now - 10_000)
        return state


@pytest.mark.requirement("R146")
def test_a_server_looks_at_the_age_whoever_opens_the_ticket(quick_pair, client, server) -> None:
    server = server.replace(tickets=Everlasting(), ticket_lifetime=5000)
    stored = sessions_of(client, server)[0]
    now = server.clock() + 10_000
    made = resuming(quick_pair, client, server.replace(clock=lambda: now), stored)
    made.run()
    assert not made.server.session.resumed


def test_the_time_of_the_full_handshake_goes_with_the_session(quick_pair, client, server, session) -> None:
    later = session.authenticated_at + 1000
    moved = client.replace(clock=lambda: later)
    seen, _ = resuming(quick_pair, moved, server.replace(clock=lambda: later), session).run()
    assert {event.session.authenticated_at for event in events_of(seen, tls13.TicketReceived)} == {
        session.authenticated_at
    }


class Counting(tls13.MemoryStore):
    """Notes what it is asked."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def get(self, key):
        self.asked.append(key)
        return super().get(key)

    def pop(self, key):
        self.asked.append(key)
        return super().pop(key)


@pytest.mark.parametrize("ticket", [bytes(31), bytes(33), bytes(100), b"\xff" * 200])
def test_what_cannot_be_a_ticket_of_ours_is_no_question_to_a_store(ticket, quick_pair, client, server, session) -> None:
    """Anybody can send anything: it should not cost a database anything."""
    store = Counting()
    for tickets in (tls13.StoredTickets(store), tls13.SealedTickets(tls13.StoredTicketKeys(store))):
        failing = server.replace(tickets=tickets)
        assert not resumes(quick_pair, client, failing, session.replace(ticket=ticket))
    assert store.asked == []


@pytest.mark.requirement("D08")
def test_a_nonce_is_never_used_twice(client, server) -> None:
    tickets = [one.ticket for one in sessions_of(client, server.replace(ticket_count=8))]
    assert len({ticket[16:28] for ticket in tickets}) == 8


@pytest.mark.requirement("D02")
def test_who_takes_psks_only_does_not_resume_what_a_raw_key_began(quick_pair, server_config) -> None:
    raw = RawPublicKey(ec.generate_private_key(ec.SECP256R1()))
    client = tls13.ClientConfig(server_raw_keys=[raw.spki], sessions=tls13.SessionCache())
    server = tls13.ServerConfig(raw)
    quick_pair(client=client, server=server).run()
    strict = client.replace(psks=[tls13.ExternalPsk(b"one", bytes(16))], require_psk=True)
    quick_pair(client=strict, server=server, host=HOST).expect_refusal_by_server(errors.MissingExtension)


def test_a_server_may_shorten_how_long_it_believes(quick_pair, client, server) -> None:
    """max_session_age is the config's that is asked, and not the ticket's."""
    now = [client.clock()]
    client, server = client.replace(clock=lambda: now[0]), server.replace(clock=lambda: now[0], ticket_lifetime=DAY)
    session = sessions_of(client, server)[0]
    now[0] += 3600
    assert resumes(quick_pair, client, server, session)
    assert not resumes(quick_pair, client, server.replace(max_session_age=3599), session)


def test_a_clients_judge_may_change_its_mind(quick_pair, client, server, authority, trust) -> None:
    """A verifier whose fingerprint changes judges otherwise than when the tickets were given."""

    class Judge(ChainVerifier):
        opinion = b"one"

        @property
        def fingerprint(self) -> bytes:
            return self.opinion

    judge = Judge(trust)
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])
    client = client.replace(identities=somebody.identity)
    server = server.replace(client_verifier=judge)
    one, other = sessions_of(client, server)
    assert resumes(quick_pair, client, server, one)
    judge.opinion = b"another"
    assert not resumes(quick_pair, client, server, other)


@pytest.mark.parametrize("how", ["a ticket", "an external PSK"])
def test_a_name_that_no_identity_has_is_refused_with_a_psk_too(quick_pair, authority, client, how) -> None:
    """strict_server_name: programs choose by the session's server_name what they show."""
    one, two = (authority.issue([name]).identity for name in (HOST, "two.example"))
    before = tls13.ServerConfig([one, two])
    psk = tls13.ExternalPsk(b"one", bytes(16))
    after = before.replace(identity=one, strict_server_name=True, psks=[psk])
    session = None
    if how == "a ticket":
        made = quick_pair(client=client, server=before, host="two.example")
        session = events_of(made.run()[0], tls13.TicketReceived)[0].session
    else:
        client = client.replace(psks=[psk])
    made = quick_pair(server=after)
    made.client = tls13.ClientConnection(client, server_hostname="two.example", session=session)
    made.expect_refusal_by_server(errors.UnrecognizedName)

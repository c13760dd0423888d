"""Certificates on request: RFC 9846, sections 4.3.6, 4.4.2 and 4.7.2, while data, tickets and new keys go on. (What a
client may not do to its answer: test_answer_rules.py.)"""

from __future__ import annotations

from itertools import permutations

import pytest

import tls13
from tests.conftest import HOST
from tests.promises import Promise, exchange, questions
from tests.requirements.scripts import KEY, MODES, Recorder, edit, events_of, first_hello
from tls13 import errors
from tls13.lab.authority import CLIENT_AUTH, Authority
from tls13.trust.verify import ChainVerifier
from tls13.wire.messages import Certificate, CertificateRequest, CertificateVerify, Finished
from tls13.wire.registry import ExtensionType


@pytest.fixture(scope="module")
def somebody(authority):
    return authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])


@pytest.fixture
def client(client_config, somebody):
    return client_config.replace(identities=somebody.identity, post_handshake_auth=True, psk_key_exchange_modes=MODES)


@pytest.fixture
def server(server_config, trust):
    return server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER, tickets=tls13.SealedTickets())


@pytest.fixture
def later(pair, client, server):
    """Makes a connected pair whose server may ask later; `pair` cuts its bytes in several ways."""

    def make(*, client=client, server=server, **scripts):
        made = pair(client=client, server=server, **scripts)
        made.run()
        return made

    return make


def authenticated(events) -> list[tls13.ClientAuthenticated]:
    return events_of(events, tls13.ClientAuthenticated)


# --- one request ------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R204", "R205")
def test_a_client_is_who_it_says_once_it_was_asked(later, somebody, authority) -> None:
    made = later()
    assert made.server.session.peer_certificates == ()
    context = made.server.request_client_certificate()
    seen, received = made.run()
    assert received == [
        tls13.ClientAuthenticated(context, (somebody.certificate,), (somebody.certificate, authority.certificate))
    ]
    assert seen == []
    assert made.server.session.peer_certificates == (somebody.certificate,)
    assert made.server.session.verified_chain[-1] == authority.certificate
    assert made.server.session.client_scheme in somebody.identity.signature_schemes
    assert made.client.session.client_scheme == made.server.session.client_scheme
    made.server.send_data(b"welcome")
    assert made.run()[0] == [tls13.ApplicationData(b"welcome")]


@pytest.mark.requirement("R206")
def test_a_client_that_declines_is_nobody_and_stays(later, client) -> None:
    made = later(client=client.replace(identities=()))
    context = made.server.request_client_certificate()
    assert authenticated(made.run()[1]) == [tls13.ClientAuthenticated(context, (), ())]
    assert made.server.session.peer_certificates == ()
    made.client.send_data(b"still here")
    assert made.run()[1] == [tls13.ApplicationData(b"still here")]


def test_declining_does_not_undo_what_was_shown_before(later, client, somebody) -> None:
    """A client shows its certificate once, and nothing the second time: it is still who it was."""
    answers = [somebody.identity, None]
    made = later(client=client.replace(identities=(), choose_identity=lambda request: answers.pop(0)))
    for expected in ((somebody.certificate,), ()):
        made.server.request_client_certificate()
        (event,) = authenticated(made.run()[1])
        assert event.peer_certificates == expected
    assert made.server.session.peer_certificates == (somebody.certificate,)


def test_a_certificate_that_is_not_believed_ends_the_connection(later, client, server, authority) -> None:
    foreign = Authority.create(now=authority.now, common_name="strangers", organization="elsewhere")
    shown = foreign.issue([], common_name="somebody", usages=[CLIENT_AUTH]).identity
    made = later(client=client.replace(identities=shown), server=server.replace(certificate_authorities=[]))
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.UnknownIssuer)


# --- several ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_several_requests_are_answered_in_any_order(order, quick_pair, client, server, somebody) -> None:
    """Section 4.7.2: each on a transcript of its own, forked at the client's Finished. Here the application finds its
    certificates in another order than it was asked for them."""
    made = quick_pair(client=client.replace(choose_identity=Promise), server=server)
    made.run()
    contexts = [made.server.request_client_certificate() for _ in range(3)]
    assert len(set(contexts)) == 3
    asked = questions(exchange(made)[0])
    assert [question.awaitable.about[0].certificate_request_context for question in asked] == contexts
    received = []
    for number in order:
        made.client.answer(asked[number], somebody.identity)
        received += authenticated(exchange(made)[1])
    assert [event.context for event in received] == [contexts[number] for number in order]
    assert all(event.peer_certificates == (somebody.certificate,) for event in received)


def test_several_answers_in_one_flight(later, somebody) -> None:
    made = later()
    contexts = [made.server.request_client_certificate() for _ in range(4)]
    received = authenticated(made.run()[1])
    assert [event.context for event in received] == contexts


def test_one_request_after_the_other_without_end(later) -> None:
    """The limit is on what is unanswered."""
    made = later()
    for _ in range(10):
        made.server.request_client_certificate()
        assert len(authenticated(made.run()[1])) == 1


@pytest.mark.requirement("D18")
def test_a_server_asks_no_more_than_its_limit(later, server) -> None:
    made = later(server=server.replace(max_certificate_requests=2))
    made.server.request_client_certificate()
    made.server.request_client_certificate()
    with pytest.raises(tls13.UsageError, match="max_certificate_requests"):
        made.server.request_client_certificate()
    assert len(authenticated(made.run()[1])) == 2
    made.server.request_client_certificate()


def test_a_server_that_goes_on_asking(quick_pair, client, server) -> None:
    """The client's own limit is on what it has not answered yet."""
    made = quick_pair(
        client=client.replace(choose_identity=Promise, max_certificate_requests=3),
        server=server.replace(max_certificate_requests=100),
    )
    made.run()
    for _ in range(4):
        made.server.request_client_certificate()
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(errors.TooManyRequests):
        list(made.client.events())


# --- while other things go on -----------------------------------------------------------------------------------------


@pytest.mark.requirement("R209")
def test_data_and_new_keys_go_on_meanwhile(quick_pair, client, server, somebody) -> None:
    """Between the request and its answer both sides change their keys, twice; the answer's Finished is under the keys
    that protect it (4.5.3), and everything comes in order."""
    made = quick_pair(client=client.replace(choose_identity=Promise), server=server)
    made.run()
    context = made.server.request_client_certificate()
    (question,) = questions(exchange(made)[0])
    for number in range(2):
        made.client.update_keys(request_peer=True)
        made.client.send_data(b"from the client %d" % number)
        made.server.send_data(b"from the server %d" % number)
        made.server.update_keys()
        seen, received = exchange(made)
        assert events_of(seen, tls13.ApplicationData) == [tls13.ApplicationData(b"from the server %d" % number)]
        assert events_of(received, tls13.ApplicationData) == [tls13.ApplicationData(b"from the client %d" % number)]
    made.client.answer(question, somebody.identity)
    made.client.update_keys()
    made.client.send_data(b"after the answer")
    received = exchange(made)[1]
    assert [event.context for event in authenticated(received)] == [context]
    assert received[-1] == tls13.ApplicationData(b"after the answer")
    assert len(events_of(received, tls13.KeysUpdated)) == 1


def test_new_keys_after_the_answer_was_ready_and_before_it_was_sent(quick_pair, client, server) -> None:
    """The reading side leaves the answer to the writing side, whose keys may be others by then."""
    made = quick_pair(client=client, server=server)
    made.run()
    made.server.request_client_certificate()
    made.client.receive_data(made.server.data_to_send())
    assert list(made.client.events()) == []
    made.client.update_keys()
    made.client.send_data(b"x")
    received = exchange(made)[1]
    assert sorted(type(event).__name__ for event in received) == [
        "ApplicationData",
        "ClientAuthenticated",
        "KeysUpdated",
    ]


def test_a_certificate_after_resumption(later, quick_pair, client, server, somebody) -> None:
    """Section 4.7.2 has no exception for it: a resumed client is as good as any. And who has shown a certificate
    later is still known when it resumes."""
    made = quick_pair(client=client, server=server)
    stored = events_of(made.run()[0], tls13.TicketReceived)[0].session
    resumed = quick_pair(server=server)
    resumed.client = tls13.ClientConnection(client, server_hostname=HOST, session=stored)
    resumed.run()
    assert resumed.server.session.resumed
    assert resumed.server.session.peer_certificates == ()
    resumed.server.request_client_certificate()
    (event,) = authenticated(resumed.run()[1])
    assert event.peer_certificates == (somebody.certificate,)
    resumed.server.send_ticket()
    (ticket,) = events_of(resumed.run()[0], tls13.TicketReceived)
    again = quick_pair(server=server)
    again.client = tls13.ClientConnection(client, server_hostname=HOST, session=ticket.session)
    again.run()
    assert again.server.session.resumed
    assert again.server.session.peer_certificates == (somebody.certificate,)
    assert again.server.session.verified_chain[0] == somebody.certificate


@pytest.mark.requirement("D10")
def test_who_shows_a_certificate_now_was_authenticated_now(quick_pair, client, server) -> None:
    """max_session_age counts from there: the tickets after it live longer than those before it."""
    start = server.clock()
    now = [start]
    server = server.replace(clock=lambda: now[0], max_session_age=6000, ticket_lifetime=5000)
    made = quick_pair(client=client.replace(clock=lambda: now[0]), server=server)
    made.run()
    lifetimes = []
    now[0] = start + 4000
    for asks in (False, True):
        if asks:
            made.server.request_client_certificate()
            made.run()
        made.server.send_ticket()
        lifetimes.append(events_of(made.run()[0], tls13.TicketReceived)[0].session.ticket_lifetime)
    assert 1990 <= lifetimes[0] <= 2000
    assert lifetimes[1] == 5000


def test_a_verdict_that_takes_its_time(quick_pair, client, server, trust, somebody) -> None:
    """The server's verifier asks elsewhere; other answers and data go on meanwhile."""
    made = quick_pair(client=client, server=server.replace(client_trust=None, client_verifier=SlowVerifier(trust)))
    made.run()
    contexts = [made.server.request_client_certificate() for _ in range(2)]
    received = exchange(made)[1]
    first, second = questions(received)
    assert not authenticated(received)
    made.client.send_data(b"meanwhile")
    assert exchange(made)[1] == [tls13.ApplicationData(b"meanwhile")]
    made.server.answer(second, (somebody.certificate,))
    assert [event.context for event in authenticated(exchange(made)[1])] == [contexts[1]]
    with pytest.raises(errors.CertificateRevoked):
        made.server.answer_failed(first, errors.CertificateRevoked("since this morning"))
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(tls13.AlertReceived, match="certificate_revoked"):
        list(made.client.events())


class SlowVerifier:
    """One that asks another machine about clients."""

    fingerprint = b"slow"

    def __init__(self, trust) -> None:
        self.signature_schemes = ChainVerifier(trust).signature_schemes

    def verify_client(self, chain, now):
        return Promise(chain, now)

    verify_server = None


# --- who may not be asked, and what is no answer ----------------------------------------------------------------------


@pytest.mark.requirement("R097")
@pytest.mark.parametrize(
    ("why", "sentence"),
    [
        ("not offered", "did not offer post_handshake_auth"),
        ("external psk", "external PSK"),
        ("nobody to believe", "client_trust"),
        ("not complete", "before the handshake"),
    ],
)
def test_where_a_client_may_not_be_asked(why, sentence, quick_pair, client, server, server_config) -> None:
    psk = tls13.ExternalPsk(b"one", KEY)
    if why == "not offered":
        client = client.replace(post_handshake_auth=False)
    elif why == "external psk":
        client, server = client.replace(psks=[psk]), server.replace(psks=[psk])
    elif why == "nobody to believe":
        server = server_config
    made = quick_pair(client=client, server=server)
    if why != "not complete":
        made.run()
    # Without anybody to believe the transcript is not even kept, so the first sentence fits there too.
    with pytest.raises(tls13.UsageError, match=sentence if why != "nobody to believe" else "client_trust|offer"):
        made.server.request_client_certificate()
    made.run()


@pytest.mark.requirement("R208", "R098")
def test_the_client_offers_it_in_its_hello_or_refuses(quick_pair, client) -> None:
    assert (
        ExtensionType.post_handshake_auth
        in first_hello(tls13.ClientConnection(client, server_hostname=HOST)).extensions
    )


@pytest.mark.parametrize("context", [b"", b"\0", b"\1" * 16, bytes(255)])
def test_an_answer_to_a_question_that_nobody_asked(context, quick_pair, client, server) -> None:
    script = edit(Certificate, lambda m: m.replace(certificate_request_context=context))
    made = quick_pair(client=client, server=server, client_script=script)
    made.run()
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.UnknownRequestContext)


def test_an_answer_counts_once(quick_pair, client, server) -> None:
    """The same three messages again: the context is used up."""
    record = Recorder()
    made = quick_pair(client=client, server=server, client_script=record)
    made.run()
    made.server.request_client_certificate()
    made.server.request_client_certificate()
    record.sent.clear()
    made.client.receive_data(made.server.data_to_send())
    list(made.client.events())
    sent = made.client.data_to_send()
    made.server.receive_data(sent)
    assert len(authenticated(made.server.events())) == 2
    made.server.request_client_certificate()
    for message in record.sent[:3]:
        made.client.send_record(22, message.to_handshake())
    made.server.receive_data(made.client.data_to_send())
    with pytest.raises(errors.UnknownRequestContext):
        list(made.server.events())


@pytest.mark.requirement("R204")
def test_a_certificate_where_none_was_asked_for(quick_pair, client, server) -> None:
    made = quick_pair(client=client, server=server, client_script=lambda m: m)
    made.run()
    made.client.send_record(22, Certificate(certificate_request_context=b"", certificate_list=()).to_handshake())
    made.expect_refusal_by_server(errors.MessageOutOfOrder)


def test_the_transcript_of_an_answer_is_its_own(quick_pair, client, server) -> None:
    """A signature over one request's transcript is no good for another request: it signs the context too (4.5.2)."""
    signatures = []

    def script(message):
        if isinstance(message, CertificateVerify):
            signatures.append(message)
            return signatures[0]
        return message

    made = quick_pair(client=client, server=server, client_script=script)
    made.run()
    made.server.request_client_certificate()
    assert authenticated(made.run()[1])
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.BadSignature)


def test_finished_is_checked_there_too(quick_pair, client, server) -> None:
    connected = []
    script = edit(Finished, lambda m: m.replace(verify_data=bytes(32)) if connected else m)
    made = quick_pair(client=client, server=server, client_script=script)
    made.run()
    connected.append(True)
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.BadFinished)


def test_a_request_that_was_changed_on_its_way(quick_pair, client, server) -> None:
    """By a server whose right hand does not know what its left hand sends: the transcripts differ."""
    script = edit(CertificateRequest, lambda m: m.replace(certificate_request_context=b"another"))
    made = quick_pair(client=client, server=server, server_script=script)
    made.run()
    made.server.request_client_certificate()
    made.expect_refusal_by_server(errors.UnknownRequestContext)


def test_a_closed_connection_does_not_answer(quick_pair, client, server) -> None:
    made = quick_pair(client=client, server=server)
    made.run()
    made.server.request_client_certificate()
    made.client.close()
    closing = made.client.data_to_send()
    made.client.receive_data(made.server.data_to_send())
    assert list(made.client.events()) == []
    assert not made.client.data_to_send()
    made.server.receive_data(closing)
    assert list(made.server.events()) == [tls13.PeerClosed()]


@pytest.mark.parametrize("what", ["request_client_certificate", "send_ticket"])
def test_a_server_that_has_closed_asks_and_gives_nothing_more(what, quick_pair, client, server) -> None:
    """Section 6.1: close_notify is the last thing that is sent."""
    made = quick_pair(client=client, server=server)
    made.run()
    made.server.close()
    with pytest.raises(tls13.UsageError, match="after close"):
        getattr(made.server, what)()
    assert made.run()[0] == [tls13.PeerClosed()]

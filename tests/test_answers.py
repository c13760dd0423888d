"""Answers that come later: signatures, verdicts, configs, keys and tickets that are made elsewhere. The handshake waits
for its own; nothing else does. (tls13.aio awaits them by itself: io/test_aio_answers.py.)"""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import HOST
from tests.promises import Promise, exchange, questions
from tests.requirements.scripts import KEY, MODES, events_of, session_of
from tls13 import errors
from tls13.connection import MAX_UNREAD
from tls13.flow import Epoch
from tls13.lab.authority import CLIENT_AUTH
from tls13.record_layer import RecordLayer
from tls13.trust.verify import ChainVerifier
from tls13.wire.messages import Finished

PSK = tls13.ExternalPsk(b"elsewhere", KEY)


class LaterStore:
    """A store on another machine: each call is a promise, which `ask` can keep."""

    shared = True

    def __init__(self) -> None:
        self.memory = tls13.MemoryStore()

    def add(self, key, value, seconds):
        return Promise(self.memory.add, key, value, seconds)

    def get(self, key):
        return Promise(self.memory.get, key)

    def pop(self, key):
        return Promise(self.memory.pop, key)


class LaterVerifier:
    """A verifier on another machine."""

    def __init__(self, trust) -> None:
        self.verifier = ChainVerifier(trust)
        self.signature_schemes = self.verifier.signature_schemes
        self.fingerprint = b"later" + self.verifier.fingerprint[:27]

    def verify_server(self, chain, server_name, now):
        return Promise(self.verifier.verify_server, chain, server_name, now)

    def verify_client(self, chain, now):
        return Promise(self.verifier.verify_client, chain, now)


class LaterSigner:
    """An identity whose key lives elsewhere."""

    def __init__(self, identity) -> None:
        self.identity = identity

    def __getattr__(self, name):
        return getattr(self.identity, name)

    def sign(self, scheme, content):
        return Promise(self.identity.sign, scheme, content)


@pytest.fixture
def client(client_config, authority):
    somebody = authority.issue([], common_name="somebody", usages=[CLIENT_AUTH])
    return client_config.replace(identities=somebody.identity, psk_key_exchange_modes=MODES)


@pytest.fixture
def server(server_config, trust):
    return server_config.replace(client_trust=trust, tickets=tls13.SealedTickets())


def kept(question: tls13.AnswerAwaited) -> object:
    """What the promise promises."""
    action, *arguments = question.awaitable.about
    return action(*arguments)


def finish(made) -> tuple[list, list, int]:
    """Run to the end, keeping every promise: the events of both, and how many promises there were."""
    seen, received, count = [], [], 0
    while True:
        one, other = exchange(made)
        seen += one
        received += other
        open_questions = [(made.client, q) for q in questions(one)] + [(made.server, q) for q in questions(other)]
        if not open_questions:
            return seen, received, count
        for connection, question in open_questions:
            count += 1
            connection.answer(question, kept(question))


def with_later(what, client, server, trust):
    """The two configs with one thing made elsewhere."""
    if what == "server's signature":
        server = server.replace(identity=LaterSigner(server.identities[0]))
    elif what == "client's signature":
        client = client.replace(identities=LaterSigner(client.identities[0]))
    elif what == "server's chain":
        client = client.replace(trust=None, verifier=LaterVerifier(trust))
    elif what == "client's chain":
        server = server.replace(client_trust=None, client_verifier=LaterVerifier(trust))
    elif what == "client's certificate":
        mine = client.identities[0]
        client = client.replace(choose_identity=lambda request: Promise(lambda: mine))
    elif what == "config":
        plain = server
        server = server.replace(select=lambda hello: Promise(lambda: plain))
    elif what == "external PSK":
        client = client.replace(psks=[PSK])
        server = server.replace(find_psk=lambda identity: Promise({PSK.identity: PSK}.get, identity))
    elif what == "tickets":
        server = server.replace(tickets=tls13.StoredTickets(LaterStore()))
    elif what == "ticket keys":
        server = server.replace(tickets=tls13.SealedTickets(tls13.StoredTicketKeys(LaterStore())))
    elif what == "replay record":
        server = server.replace(max_early_data=100, replay_guard=tls13.ReplayGuard(LaterStore()))
    return client, server


EVERYTHING = (
    "server's signature",
    "client's signature",
    "server's chain",
    "client's chain",
    "client's certificate",
    "config",
    "external PSK",
    "tickets",
    "ticket keys",
    "replay record",
)


@pytest.mark.parametrize("retry", [False, True], ids=["", "with a retry"])
@pytest.mark.parametrize("what", EVERYTHING)
def test_each_answer_may_come_later(what, retry, quick_pair, client, server, trust) -> None:
    """The handshake is the same as if it had been there at once; so is the one that resumes it."""
    client, server = with_later(what, client, server.replace(always_retry=retry), trust)
    made = quick_pair(client=client, server=server)
    seen, _, asked = finish(made)
    assert made.client.handshake_complete
    assert made.server.handshake_complete
    assert asked >= (what != "replay record")
    if what == "external PSK":
        assert made.server.session.psk_identity == PSK.identity
        return
    assert made.server.session.verified_chain
    assert made.client.session.verified_chain
    stored = events_of(seen, tls13.TicketReceived)[-1].session
    again = quick_pair(server=server)
    again.client = tls13.ClientConnection(client, server_hostname=HOST, session=stored, early_data=b"early")
    _, received, asked = finish(again)
    assert again.server.session.resumed
    if what == "replay record":
        assert asked == (not retry)
        assert bool(events_of(received, tls13.EarlyData)) is not retry
    again.client.send_data(b"x")
    assert exchange(again)[1] == [tls13.ApplicationData(b"x")]


@pytest.mark.parametrize("what", EVERYTHING[:7])
def test_what_cannot_be_had_ends_the_handshake(what, quick_pair, client, server, trust) -> None:
    """answer_failed raises what went wrong, as a callback would have; the peer hears internal_error and no more."""
    client, server = with_later(what, client, server, trust)
    made = quick_pair(client=client, server=server)
    one, other = exchange(made)
    ((failing, peer, question),) = [(made.client, made.server, q) for q in questions(one)] + [
        (made.server, made.client, q) for q in questions(other)
    ]
    problem = OSError("the other machine is gone")
    with pytest.raises(OSError, match="the other machine is gone") as caught:
        failing.answer_failed(question, problem)
    assert caught.value is problem
    with pytest.raises(tls13.ConnectionFailed):
        failing.next_event()
    with pytest.raises(tls13.ConnectionFailed):
        failing.answer(question, None)
    peer.receive_data(failing.data_to_send())
    with pytest.raises(tls13.AlertReceived, match="internal_error"):
        list(peer.events())


@pytest.mark.parametrize("what", ["tickets", "ticket keys", "replay record"])
def test_what_a_handshake_can_do_without_does_not_end_it(what, quick_pair, client, server, trust) -> None:
    """StoreUnavailable: no ticket, no resumption, no early data; but a connection."""
    client, server = with_later(what, client, server, trust)
    stored = None
    if what == "replay record":
        stored = session_of(client, server)
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=stored, early_data=b"early")
    seen = []
    for _ in range(20):
        one, other = exchange(made)
        seen += one + other
        for question in questions(other):
            made.server.answer_failed(question, errors.StoreUnavailable("gone"))
        if not questions(other):
            break
    assert made.server.handshake_complete
    assert bool(events_of(seen, tls13.TicketReceived)) is (what == "replay record")
    assert not events_of(seen, tls13.EarlyData)
    assert made.server.session.early_data == ("rejected" if what == "replay record" else None)


def test_a_verdict_is_an_alert(quick_pair, client, server, trust) -> None:
    """A CertificateError keeps its own alert."""
    client, server = with_later("server's chain", client, server, trust)
    made = quick_pair(client=client, server=server)
    (question,) = questions(exchange(made)[0])
    with pytest.raises(errors.CertificateRevoked):
        made.client.answer_failed(question, errors.CertificateRevoked("this morning"))
    made.server.receive_data(made.client.data_to_send())
    with pytest.raises(tls13.AlertReceived, match="certificate_revoked"):
        list(made.server.events())


def test_nothing_is_read_while_the_handshake_waits(quick_pair, client, server, trust) -> None:
    """What arrives stays where it is, up to a limit; then somebody is only filling our memory."""
    client, server = with_later("config", client, server, trust)
    made = quick_pair(client=client, server=server)
    made.server.receive_data(made.client.data_to_send())
    (question,) = questions(list(made.server.events()))
    record = b"\x14\3\3\0\1\1"
    made.server.receive_data(record)
    assert list(made.server.events()) == []
    assert not made.server.wants_send
    made.server.receive_data(bytes(MAX_UNREAD - len(record)))
    with pytest.raises(errors.TooMuchBuffered):
        made.server.receive_data(b"x")
    with pytest.raises(tls13.ConnectionFailed):
        made.server.answer(question, server)


def test_a_handshake_does_not_wait_longer_than_its_time(quick_pair, client, server, trust) -> None:
    now = [server.clock()]
    client, server = with_later("config", client, server.replace(clock=lambda: now[0]), trust)
    made = quick_pair(client=client, server=server)
    made.server.receive_data(made.client.data_to_send())
    assert len(questions(list(made.server.events()))) == 1
    now[0] += server.handshake_timeout + 1
    with pytest.raises(errors.HandshakeTooSlow):
        made.server.next_event()


def test_an_answer_is_for_one_question_of_one_connection(quick_pair, client, server, trust) -> None:
    client, server = with_later("config", client, server, trust)
    pairs = [quick_pair(client=client, server=server) for _ in range(2)]
    asked = [questions(exchange(made)[1])[0] for made in pairs]
    with pytest.raises(tls13.UsageError, match="never asked"):
        pairs[0].server.answer(asked[1], server)
    pairs[0].server.answer(asked[0], kept(asked[0]))
    with pytest.raises(tls13.UsageError, match="answered already"):
        pairs[0].server.answer(asked[0], kept(asked[0]))
    finish(pairs[0])
    assert pairs[0].server.handshake_complete
    assert not pairs[1].server.handshake_complete


def test_a_question_that_nobody_heard_is_ended(quick_pair, client, server) -> None:
    """A coroutine that nobody awaits would be a warning of Python's, and a task would go on for nothing."""
    promises: list[Promise] = []

    class Store(LaterStore):
        def add(self, key, value, seconds):
            promises.append(Promise())
            return promises[-1]

    made = quick_pair(client=client, server=server.replace(tickets=tls13.StoredTickets(Store())))
    while not isinstance(made.server.next_event(), tls13.HandshakeCompleted):
        made.server.receive_data(made.client.data_to_send())
        made.client.receive_data(made.server.data_to_send())
        list(made.client.events())
    assert len(promises) == 1  # asked with the last message of the handshake, and waiting behind HandshakeCompleted
    assert not promises[0].ended
    made.server.abandon(tls13.UsageError("enough"))
    assert promises[0].ended


@pytest.mark.parametrize("role", ["client", "server"])
def test_close_gives_up_what_an_answer_would_have_continued(role, quick_pair, client, server, trust) -> None:
    """After close_notify nothing is sent (6.1): the answer comes too late, and nobody minds."""
    what = "client's signature" if role == "client" else "server's signature"
    client, server = with_later(what, client, server, trust)
    made = quick_pair(client=client, server=server)
    one, other = exchange(made)
    connection = getattr(made, role)
    (question,) = questions(one if role == "client" else other)
    connection.close()
    assert connection.data_to_send()
    connection.answer(question, kept(question))
    assert not connection.wants_send
    assert not connection.data_to_send()
    assert connection.next_event() is None
    assert not connection.handshake_complete


def test_a_session_is_not_offered_on_a_promise(quick_pair, client, server, trust) -> None:
    """A ClientHello does not wait for a verdict about a stored chain: a full handshake can."""
    stored = session_of(client, server)
    asking = client.replace(trust=None, verifier=LaterVerifier(trust))
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(asking, server_hostname=HOST, session=stored)
    finish(made)
    assert not made.client.session.resumed


def test_data_is_not_held_up_by_a_ticket(quick_pair, client, server, trust) -> None:
    """After the handshake only the transaction itself waits."""
    client, server = with_later("tickets", client, server.replace(ticket_count=0), trust)
    made = quick_pair(client=client, server=server)
    finish(made)
    made.server.send_ticket()
    made.client.send_data(b"meanwhile")
    received = exchange(made)[1]
    (question,) = questions(received)
    assert events_of(received, tls13.ApplicationData) == [tls13.ApplicationData(b"meanwhile")]
    made.server.update_keys()
    made.server.answer(question, kept(question))
    assert events_of(exchange(made)[0], tls13.TicketReceived)


def test_an_answer_that_is_given_while_data_is_told_is_followed_up_at_once(quick_pair, client, server, trust) -> None:
    client, server = with_later("client's chain", client.replace(post_handshake_auth=True), server, trust)
    made = quick_pair(client=client, server=server.replace(client_auth=tls13.ClientAuth.LATER))
    finish(made)
    made.server.request_client_certificate()
    (question,) = questions(exchange(made)[1])
    made.client.send_data(b"meanwhile")
    made.server.receive_data(made.client.data_to_send())
    told = []
    for event in made.server.events():
        if isinstance(event, tls13.ApplicationData):
            made.server.answer(question, kept(question))
        told.append(type(event))
    assert told == [tls13.ApplicationData, tls13.ClientAuthenticated]


class Joining(RecordLayer):
    """A peer that puts the messages of one flight into one record: legal (5.1), and what others do."""

    def send_handshake(self, raw, epoch):
        self.joined = getattr(self, "joined", b"")
        if epoch is not Epoch.HANDSHAKE:
            super().send_handshake(raw, epoch)
            return
        self.joined += raw
        if raw[0] == Finished.msg_type:
            super().send_handshake(self.joined, epoch)


class JoiningClient(tls13.ClientConnection):
    _layer_class = Joining


class JoiningServer(tls13.ServerConnection):
    _layer_class = Joining


def test_the_rest_of_a_record_waits_too(quick_pair, client, server, trust) -> None:
    """The peer's CertificateVerify and Finished are here already, while its chain is still being judged."""
    client_asks, server_asks = with_later("server's chain", *with_later("client's chain", client, server, trust), trust)
    made = quick_pair()
    made.client = JoiningClient(client_asks, server_hostname=HOST)
    made.server = JoiningServer(server_asks)
    _, _, asked = finish(made)
    assert asked == 2
    assert made.server.session.verified_chain
    assert made.client.session.verified_chain


def test_close_gives_up_what_was_read_already(quick_pair, client, server) -> None:
    """EncryptedExtensions and Finished in one record; the application closes at the event between them."""
    server = server.replace(max_early_data=100, replay_guard=tls13.ReplayGuard())
    made = quick_pair()
    made.client = tls13.ClientConnection(
        client, server_hostname=HOST, session=session_of(client, server), early_data=b"x"
    )
    made.server = JoiningServer(server)
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    made.client.receive_data(made.server.data_to_send())
    assert made.client.next_event() == tls13.EarlyDataAccepted()
    made.client.close()
    closing = len(made.client.data_to_send())
    assert made.client.next_event() is None
    assert not made.client.wants_send
    assert not made.client.handshake_complete
    assert closing == 2 * (5 + 2 + 1 + 16)  # user_canceled and close_notify, protected; and nothing behind them

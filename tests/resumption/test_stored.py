"""What comes back from files, stores and other processes may be damaged, foreign or too large: it is refused, or it is
as good as what was put there."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tls13
from tests.requirements.scripts import sessions_of
from tls13.errors import ConfigurationError, StoreUnavailable
from tls13.resumption.sessions import SessionKey
from tls13.resumption.state import LONGEST_TICKET
from tls13.resumption.tickets import TicketState
from tls13.wire.registry import CipherSuite


@pytest.fixture
def server(server_config):
    return server_config.replace(tickets=tls13.SealedTickets())


@pytest.fixture
def session(client_config, server):
    return sessions_of(client_config, server)[0]


@pytest.mark.parametrize(
    ("fields", "because"),
    [
        ({"server_name_bytes": "bücher.example".encode()}, "not ASCII"),
        ({"psk": bytes(48), "cipher_suite": CipherSuite.TLS_AES_128_GCM_SHA256}, "not as long as its hash"),
        ({"psk": bytes(32), "cipher_suite": CipherSuite.TLS_AES_256_GCM_SHA384}, "not as long as its hash"),
        ({"chain": (b"no certificate",)}, "certificate number 1"),
        ({"verified": (b"no certificate",)}, "certificate number 1"),
    ],
)
def test_a_session_that_could_not_be_used_is_refused_where_it_is_read(session, fields, because) -> None:
    with pytest.raises(ConfigurationError, match=because):
        tls13.StoredSession.from_bytes(session.replace(**fields).to_bytes())


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_damaged_file_of_sessions_is_refused_or_usable(saved, data) -> None:
    """Any byte of it may be another: nothing but ConfigurationError comes out, and what is read can be offered."""
    place = data.draw(st.integers(0, len(saved) - 1))
    damaged = saved[:place] + bytes([data.draw(st.integers(0, 255))]) + saved[place + 1 :]
    cache = tls13.SessionCache()
    with contextlib.suppress(ConfigurationError):
        cache.load(damaged)
    tls13.SessionCache().load(cache.to_bytes())


@pytest.fixture(scope="module")
def saved(client_config, server_config):
    session = sessions_of(client_config, server_config.replace(tickets=tls13.SealedTickets()))[0]
    cache = tls13.SessionCache()
    cache.put(SessionKey("localhost", 443, b"", session.fingerprint), session)
    return cache.to_bytes()


def test_sessions_of_a_host_that_is_not_ascii_are_refused_and_none_is_kept(saved) -> None:
    cache = tls13.SessionCache()
    with pytest.raises(ConfigurationError, match="host name is not ASCII"):
        cache.load(saved.replace(b"localhost", b"localh\xc3\xb6t", 1))
    assert len(cache) == 0


def test_a_ticket_that_no_clienthello_has_room_for_is_not_kept(session) -> None:
    """pre_shared_key shares 2^16 - 1 bytes with every other extension (RFC 9846, section 4.2.2)."""
    cache = tls13.SessionCache()
    key = SessionKey("localhost", 443, b"", session.fingerprint)
    cache.put(key, session.replace(ticket=bytes(LONGEST_TICKET + 1)))
    assert len(cache) == 0
    cache.put(key, session.replace(ticket=bytes(LONGEST_TICKET)))
    assert len(cache) == 1


def test_a_server_gives_no_ticket_that_could_not_be_offered(session) -> None:
    """A sealed ticket holds the client's chain, which may be long."""
    tickets = tls13.SealedTickets()
    state = _state(session)
    assert _value(tickets.seal(state, 0.0)) is not None
    long = state.replace(chain=state.chain * (LONGEST_TICKET // len(state.chain[0]) + 1))
    assert _value(tickets.seal(long, 0.0)) is None


def _state(session):
    """What the server remembers of the same session."""
    names = {name for name, _ in TicketState.fields}
    return TicketState(**{name: value for name, value in vars(session).items() if name in names})


def _value(flow):
    """What a flow that asks nothing gives."""
    with pytest.raises(StopIteration) as end:
        next(flow)
    return end.value.value


# --- stores -----------------------------------------------------------------------------------------------------------


def test_a_full_store_refuses_until_something_has_expired() -> None:
    """Not before: who could push out what is remembered could have an early flight taken twice (section 8.2)."""
    now = [0.0]
    store = tls13.MemoryStore(capacity=3, clock=lambda: now[0])
    for number in range(3):
        assert store.add(b"%d" % number, b"", 10.0 + number)
    with pytest.raises(StoreUnavailable):
        store.add(b"more", b"", 1.0)
    now[0] = 10.5
    assert store.add(b"more", b"", 1.0)
    assert (store.get(b"0"), store.get(b"1"), store.get(b"more")) == (None, b"", b"")


def test_a_store_forgets_what_has_expired_and_only_that() -> None:
    now = [0.0]
    store = tls13.MemoryStore(capacity=1000, clock=lambda: now[0])
    for number in range(500):
        store.add(b"short %d" % number, b"", 1.0)
        store.add(b"long %d" % number, b"", 1000.0)
        store.pop(b"short %d" % number)
        store.add(b"short %d" % number, b"again", 500.0)
    now[0] = 2.0
    for number in range(400):
        assert store.get(b"short %d" % number) == b"again"
        assert store.get(b"long %d" % number) == b""
    now[0] = 501.0
    for number in range(500):
        assert store.add(b"new %d" % number, b"", 1.0)
    assert store.get(b"short 1") is None
    assert store.get(b"long 1") == b""


def test_it_does_not_grow_by_what_was_popped() -> None:
    store = tls13.MemoryStore(capacity=10, clock=lambda: 0.0)
    for number in range(10_000):
        assert store.add(b"%d" % number, b"", 1000.0)
        store.pop(b"%d" % number)
    assert len(store) == 0
    assert len(store._queue) <= 21


@pytest.mark.parametrize("secret", [b"", b"short", bytes(49)])
def test_ticket_keys_that_somebody_else_wrote_are_not_used(pair, client_config, server_config, secret) -> None:
    """A store may be shared with programs that know nothing of ours: such a server gives no tickets, and goes on."""

    class Foreign(tls13.MemoryStore):
        def get(self, key: bytes) -> bytes | None:
            return secret

        def add(self, key: bytes, value: bytes, seconds: float) -> bool:
            return False

    server = server_config.replace(tickets=tls13.SealedTickets(tls13.StoredTicketKeys(Foreign())))
    made = pair(client=client_config, server=server)
    seen, _ = made.run()
    assert made.client.handshake_complete
    assert not [event for event in seen if isinstance(event, tls13.TicketReceived)]


@pytest.mark.parametrize("kind", [tls13.RedisStore, tls13.AsyncRedisStore])
def test_what_is_no_redis_is_refused_without_repeating_its_password(kind) -> None:
    pytest.importorskip("redis", reason="the extra `redis` is not installed")
    with pytest.raises(ConfigurationError, match="no URL of a Redis") as caught:
        kind("http://user:hunter2@localhost")
    shown = f"{caught.value}{caught.value.__cause__}"
    assert "hunter2" not in shown


def test_a_redis_client_that_decodes_is_refused() -> None:
    redis = pytest.importorskip("redis", reason="the extra `redis` is not installed")
    for kind, client in ((tls13.RedisStore, redis.Redis), (tls13.AsyncRedisStore, redis.asyncio.Redis)):
        with pytest.raises(ConfigurationError, match="decode_responses"):
            kind(client(decode_responses=True))


def test_an_imported_psk_is_for_some_hash() -> None:
    with pytest.raises(ConfigurationError, match="targets is empty"):
        tls13.import_psk(b"who", bytes(32), targets=())

"""What tickets cost while nothing happens: a server has many idle connections, and a client many sessions."""

from __future__ import annotations

import gc
import hashlib

import tls13
from tests.requirements.scripts import sessions_of

HASH = type(hashlib.sha256())


def reachable(root: object, kind: type) -> list[object]:
    """The objects of this kind that hang on `root`, through anything but classes and modules."""
    found, seen, todo = [], set(), [root]
    while todo:
        one = todo.pop()
        if id(one) not in seen and not isinstance(one, type) and type(one).__name__ not in ("module", "function"):
            seen.add(id(one))
            found += [one] if isinstance(one, kind) else []
            todo += gc.get_referents(one)
    return found


def test_an_idle_connection_keeps_no_hash_states(quick_pair, client_config, server_config) -> None:
    """Each is four times as large as the secret that it was prepared for; tickets need one only while they are made."""
    client = client_config.replace(sessions=tls13.SessionCache())
    made = quick_pair(client=client, server=server_config.replace(tickets=tls13.SealedTickets()))
    seen, _ = made.run()
    assert sum(isinstance(event, tls13.TicketReceived) for event in seen) == 2
    for end in (made.client, made.server):
        handshake = end._handshake
        assert reachable(handshake.resumption_secret, bytes), "this test looks in the wrong place"
        assert not reachable(handshake.resumption_secret, HASH)


def test_sessions_of_one_server_hold_its_chain_once(client_config, server_config) -> None:
    server = server_config.replace(tickets=tls13.SealedTickets())
    sessions = sessions_of(client_config, server) + sessions_of(client_config, server)
    assert len({session.ticket for session in sessions}) == 4
    assert sessions[0].chain
    assert len({id(session.origin) for session in sessions}) == 1

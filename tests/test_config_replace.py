"""What a config that is made of another keeps of it."""

from __future__ import annotations

import pytest

import tls13
from tls13.resumption.tickets import StoredTicketKeys, TicketKeys

HOST = "server.example"


def test_tickets_of_a_config_open_under_one_that_is_made_of_it(quick_pair, client_config, server_config) -> None:
    """The keys of its tickets are the server's, not the argument's: a changed ALPN list does not end all sessions."""
    client = client_config.replace(sessions=tls13.SessionCache())
    quick_pair(client=client, server=server_config).run()
    made = quick_pair(client=client, server=server_config.replace(max_tickets=1))
    made.run()
    assert made.client.session.resumed


def taken(client_config, configs) -> list[tls13.EarlyData]:
    """What servers with these configs take of one and the same flight, under a ticket of the first."""
    client = client_config.replace(sessions=tls13.SessionCache())
    tls13.pump(tls13.ClientConnection(client, server_hostname=HOST), tls13.ServerConnection(configs[0]))
    flight = tls13.ClientConnection(client, server_hostname=HOST, early_data=b"once").data_to_send()
    events = []
    for config in configs:
        connection = tls13.ServerConnection(config)
        connection.receive_data(flight)
        events += list(connection.events())
    return [event for event in events if isinstance(event, tls13.EarlyData)]


def test_early_data_that_was_taken_is_remembered_under_a_config_that_is_made_of_the_first(
    trust, identity, client_config
) -> None:
    """Otherwise a changed config would take each recorded first flight once more (section 8)."""
    guard = tls13.ReplayGuard()
    server = tls13.ServerConfig(identity, max_early_data=2**14, replay_guard=guard)
    assert taken(client_config, [server, server.replace(max_tickets=1)]) == [tls13.EarlyData(b"once")]
    default = tls13.ServerConfig(identity, max_early_data=2**14)
    assert default.replace(max_tickets=1).replay_guard is default.replay_guard


def test_configs_with_the_same_tickets_remember_together_what_was_taken(trust, identity, client_config) -> None:
    """Each would otherwise take the same early data once; also where the config that they are made of takes none."""
    now = [client_config.clock()]
    base = tls13.ServerConfig(identity, clock=lambda: now[0])
    given = tls13.ServerConfig(identity, clock=lambda: now[0], tickets=base.tickets, max_early_data=2**14)
    configs = [base.replace(max_early_data=2**14), base.replace(max_early_data=2**14), given]
    now[0] += 60  # a server that has just started takes none
    assert taken(client_config.replace(clock=lambda: now[0]), configs) == [tls13.EarlyData(b"once")]


@pytest.mark.parametrize("stored", [False, True])
def test_tickets_with_the_same_keys_are_the_same_tickets(trust, identity, client_config, stored) -> None:
    """What opens in two places is remembered in one."""
    now, store, keys = [client_config.clock()], tls13.MemoryStore(), TicketKeys()
    configs = [
        tls13.ServerConfig(
            identity,
            clock=lambda: now[0],
            tickets=tls13.SealedTickets(StoredTicketKeys(store) if stored else keys),
            max_early_data=2**14,
        )
        for _ in range(2)
    ]
    now[0] += 60
    assert taken(client_config.replace(clock=lambda: now[0]), configs) == [tls13.EarlyData(b"once")]


def test_tickets_that_nothing_can_be_remembered_with_want_a_guard(identity) -> None:
    class Unhashable:
        """Somebody's own."""

        __hash__ = None
        shared = False

    with pytest.raises(tls13.ConfigurationError, match="replay_guard"):
        tls13.ServerConfig(identity, tickets=Unhashable(), max_early_data=1)

"""What is left of a failed connection: RFC 9846, section 6."""

from __future__ import annotations

import gc
import weakref

import pytest

import tls13
from tests.duel import ALERT, ROLES, connected
from tests.wiretap import Wiretap

FATAL = 2


def reachable_bytes(root: object) -> set[bytes]:
    """Every bytes and bytearray that can be reached from an object, as a debugger or a memory dump could."""
    found, seen, todo = set(), set(), [root]
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, type) or type(one).__name__ in ("module", "function"):
            continue
        seen.add(id(one))
        if isinstance(one, (bytes, bytearray)):
            found.add(bytes(one))
        todo += gc.get_referents(one)
        todo += [getattr(one, name, None) for name in ("__dict__",)]
        todo += [getattr(one, name, None) for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
    return found


@pytest.mark.requirement("R257")
@pytest.mark.parametrize("how", ["alert received", "alert sent"])
@ROLES
def test_a_failed_connection_forgets_its_secrets(receiver, how, quick_pair, client_config, server_config) -> None:
    """Nothing that hangs on the connection, nor on its exception, holds a secret of the key log any more."""
    tap = Wiretap()
    made, sender, judge = connected(
        quick_pair,
        receiver,
        client=client_config.replace(key_log=tap.key_log, sessions=tls13.SessionCache()),
        server=server_config,
    )
    secrets = set(tap.secrets().values())
    assert len(secrets) == 5
    assert secrets & reachable_bytes(judge), "this test looks in the wrong place"
    sender.send_record(ALERT, bytes((FATAL, 40)) if how == "alert received" else b"\1")
    with pytest.raises(tls13.TLSError) as caught:
        made.run()
    judge.data_to_send()
    error = caught.value.with_traceback(None)
    assert not secrets & (reachable_bytes(judge) | reachable_bytes(error))


@ROLES
@pytest.mark.requirement("R256")
def test_nothing_is_exported_from_a_failed_connection(receiver, quick_pair) -> None:
    made, sender, judge = connected(quick_pair, receiver)
    assert judge.export_keying_material(b"label")
    sender.send_record(ALERT, bytes((FATAL, 40)))
    with pytest.raises(tls13.AlertReceived):
        made.run()
    with pytest.raises(tls13.TLSError):
        judge.export_keying_material(b"label")
    with pytest.raises(tls13.TLSError):
        judge.export_early_keying_material(b"label")


@pytest.mark.parametrize(
    "how",
    ["alert received", "alert sent"],
)
@ROLES
@pytest.mark.requirement("R257")
def test_a_failed_connection_has_no_keys_of_records_left(receiver, how, quick_pair) -> None:
    """The cipher objects hide their keys from Python, and hold them all the same."""
    made, sender, judge = connected(quick_pair, receiver)
    sender.send_record(ALERT, bytes((FATAL, 40)) if how == "alert received" else b"\1")
    with pytest.raises(tls13.TLSError):
        made.run()
    judge.data_to_send()
    assert judge._layer.reader._aead is None
    assert judge._layer.writer._aead is None
    assert judge._layer.reader._key == judge._layer.writer._key == b""


@pytest.mark.parametrize("flights", range(5))
def test_a_dropped_connection_is_gone_at_once(flights, client_config, server_config) -> None:
    """Its secrets do not wait for the garbage collector, nor does a server's memory: nothing in it refers in a ring."""
    gc.collect()
    gc.disable()
    try:
        client = tls13.ClientConnection(client_config, server_hostname="server.example")
        server = tls13.ServerConnection(server_config)
        sender, receiver = client, server
        for _ in range(flights):
            receiver.receive_data(sender.data_to_send())
            list(receiver.events())
            sender, receiver = receiver, sender
        assert client.handshake_complete == (flights > 1)
        assert server.handshake_complete == (flights > 2)
        parts = [
            weakref.ref(part) for one in (client, server) for part in (one, one._engine, one._handshake, one._layer)
        ]
        del client, server, sender, receiver
        assert [part() for part in parts] == [None] * 8
    finally:
        gc.enable()

"""What is left of a failed connection: RFC 9846, section 6."""

from __future__ import annotations

import gc
import weakref
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import tls13
from tests.conftest import HOST
from tests.duel import ALERT, ROLES, connected
from tests.requirements.scripts import MODES, sessions_of
from tests.wiretap import Wiretap
from tls13 import errors
from tls13.crypto.hkdf import Secret
from tls13.lab.authority import CLIENT_AUTH, Authority
from tls13.record import RecordReader, RecordWriter
from tls13.resumption.psk import Psk
from tls13.resumption.state import Resumable
from tls13.wire.messages import Certificate

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


def frames_of(error: BaseException) -> list[dict[str, object]]:
    """The local variables of each frame of ours that an exception, or one behind it, has passed."""
    behind: list[BaseException | None] = [error]
    found: list[dict[str, object]] = []
    while behind:
        one = behind.pop()
        if one is None:
            continue
        behind += [one.__cause__, one.__context__]
        trace = one.__traceback__
        while trace is not None:
            if "/tls13/" in trace.tb_frame.f_code.co_filename:
                found.append(dict(trace.tb_frame.f_locals))
            trace = trace.tb_next
    return found


def keys_in(locals: list[dict[str, object]]) -> list[str]:
    """What a debugger could decrypt with, of what these variables hold themselves."""
    kinds = (Secret, Psk, Resumable, AESGCM)
    held = [
        f"{name}: {type(value).__name__}" for one in locals for name, value in one.items() if isinstance(value, kinds)
    ]
    readers = [value for one in locals for value in one.values() if isinstance(value, (RecordReader, RecordWriter))]
    return held + ["a record key" for one in readers if one._key or one._aead is not None]


@ROLES
def test_an_exception_has_no_frames_with_keys(receiver, quick_pair) -> None:
    _, sender, judge = connected(quick_pair, receiver)
    sender.send_data(b"data")
    record = bytearray(sender.data_to_send())
    record[-1] ^= 1
    judge.receive_data(record)
    with pytest.raises(errors.BadRecordMac) as caught:
        judge.next_event()
    assert frames_of(caught.value)
    assert keys_in(frames_of(caught.value)) == []


@pytest.mark.parametrize("what", ["send_ticket", "update_keys", "early_data"])
def test_what_a_callback_raises_has_no_frames_with_keys(quick_pair, client_config, server_config, what) -> None:
    """Wherever it comes out: also where the user has called and no peer has sent anything."""

    def fail(*_: object) -> bytes:
        raise LookupError("not today")

    class Failing(tls13.SealedTickets):
        seal = fail

    class FailingTracer:
        def __getattr__(self, name: str):
            return fail if failing else lambda *_: None

    failing: list[bool] = []
    client = client_config.replace(psk_key_exchange_modes=MODES)
    if what == "send_ticket":
        server = server_config.replace(tickets=Failing(), ticket_count=0)
        made = quick_pair(client=client, server=server)
        made.run()
        call = made.server.send_ticket
    elif what == "update_keys":
        one = tls13.ClientConnection(client, server_hostname=HOST, tracer=FailingTracer())
        tls13.pump(one, tls13.ServerConnection(server_config))
        failing.append(True)
        call = one.update_keys
    else:
        session = sessions_of(client, server_config.replace(max_early_data=100, tickets=tls13.SealedTickets()))[0]
        careless = client.replace(key_log=fail)

        def call() -> None:
            tls13.ClientConnection(careless, server_hostname=HOST, session=session, early_data=b"early")

    with pytest.raises(LookupError) as caught:
        call()
    assert [one for one in keys_in(frames_of(caught.value)) if "StoredSession" not in one] == []


def test_a_connection_that_has_failed_sends_nothing_in_the_clear(
    quick_pair, client_config, server_config, trust
) -> None:
    """A writing thread may be composing its answer just when the reading one finds the stream cut off: the answer is a
    certificate, and must not leave under no keys."""
    somebody = Authority.create(now=datetime.now(UTC)).issue([], common_name="somebody", usages=[CLIENT_AUTH])

    class Scheduler:
        """The reading thread's turn comes where the client's Certificate is composed."""

        def __getattr__(self, name: str):
            return lambda *_: None

        def message(self, sent: bool, raw: bytes, epoch: object) -> None:
            if sent and raw[0] == Certificate.msg_type:
                client.receive_eof()
                with pytest.raises(tls13.TruncatedStream):
                    list(client.events())

    config = client_config.replace(identities=somebody.identity, post_handshake_auth=True)
    client = tls13.ClientConnection(config, server_hostname=HOST, tracer=Scheduler())
    server = tls13.ServerConnection(server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.LATER))
    tls13.pump(client, server)
    server.request_client_certificate()
    client.receive_data(server.data_to_send())
    assert list(client.events()) == []
    assert client.data_to_send() == b""
    assert client.data_to_send() == b""

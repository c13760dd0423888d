"""Whoever has our key log can read our connections, with the tool that everybody uses. Without it nobody can."""

from __future__ import annotations

import pytest

import tls13
from interop import wireshark
from interop.trial import HOST, PeerMissing, Trial
from tls13 import AlertDescription, CipherSuite, NamedGroup
from tls13.wire.registry import HandshakeType

pytestmark = pytest.mark.interop

ANY = Trial(True)
FROM_CLIENT, FROM_SERVER = b"what the client says", b"what the server says"


class Recording:
    """One connection between a client and a server of ours, with the key log that one of them keeps."""

    def __init__(self, trial: Trial = ANY, *, logged_by_client: bool = True, client=(), server=(), **more):
        self.key_log: list[str] = []
        logs = {"key_log": self.key_log.append}
        client = trial.client_config().replace(**dict(client), **(logs if logged_by_client else {}))
        server = trial.server_config().replace(**dict(server), **({} if logged_by_client else logs))
        self.client = tls13.ClientConnection(client, server_hostname=HOST, port=443, **more)
        self.server = tls13.ServerConnection(server)
        self.tap = wireshark.Tap(self.client, self.server)
        self.tap.carry()

    def talk(self) -> None:
        self.client.send_data(FROM_CLIENT)
        self.tap.carry()
        self.server.send_data(FROM_SERVER)
        self.tap.carry()

    def close(self) -> None:
        self.client.close()
        self.server.close()
        self.tap.carry()

    def look(self, lines=None) -> wireshark.Seen:
        try:
            return wireshark.look(self.tap.segments, self.key_log if lines is None else lines)
        except PeerMissing as missing:
            pytest.skip(str(missing))


@pytest.mark.parametrize("logged_by_client", [True, False], ids=["logged by the client", "logged by the server"])
@pytest.mark.parametrize("suite", list(CipherSuite), ids=lambda suite: suite.name)
def test_tshark_reads_everything_key_updates_included(suite, logged_by_client):
    made = Recording(Trial(True, suite), logged_by_client=logged_by_client)
    made.talk()
    made.client.update_keys(request_peer=True)
    made.talk()
    made.server.update_keys()
    made.talk()
    made.close()
    seen = made.look()
    assert [HandshakeType(code).name for code in seen.messages if code != HandshakeType.new_session_ticket] == [
        "client_hello",
        "server_hello",
        "encrypted_extensions",
        "certificate",
        "certificate_verify",
        "finished",
        "finished",
        *["key_update"] * 3,
    ]
    assert seen.data == {True: FROM_CLIENT * 3, False: FROM_SERVER * 3}
    assert seen.alerts == [AlertDescription.close_notify] * 2


def test_tshark_reads_what_comes_after_a_hello_retry_request():
    made = Recording(Trial(True, group=NamedGroup.secp384r1, retry=True))
    made.talk()
    seen = made.look()
    assert [HandshakeType(code).name for code in seen.messages[:4]] == ["client_hello", "server_hello"] * 2
    assert seen.data == {True: FROM_CLIENT, False: FROM_SERVER}


def test_tshark_reads_early_data():
    client = {"sessions": tls13.SessionCache()}
    server = {"tickets": tls13.SealedTickets(), "max_early_data": 1000, "replay_guard": tls13.ReplayGuard()}
    Recording(client=client, server=server)
    again = Recording(client=client, server=server, early_data=b"early")
    again.talk()
    assert again.client.session.early_data == "accepted"
    seen = again.look()
    assert HandshakeType.end_of_early_data in seen.messages
    assert seen.data == {True: b"early" + FROM_CLIENT, False: FROM_SERVER}


def test_without_the_key_log_tshark_reads_the_hellos_and_nothing_else():
    made = Recording()
    made.talk()
    made.close()
    seen = made.look(lines=[])
    assert [HandshakeType(code).name for code in seen.messages] == ["client_hello", "server_hello"]
    assert (seen.data, seen.alerts) == ({True: b"", False: b""}, [])

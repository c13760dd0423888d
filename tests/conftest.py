"""What many tests need: a CA, an identity, configs, and a pair of connections."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import settings

import tls13
from tls13.lab.authority import Authority, Issued
from tls13.lab.scripted import ScriptedClient, ScriptedServer

HOST = "server.example"

settings.register_profile("tls13", deadline=None)  # no timed assertions: a loaded machine is no fault of the code
settings.load_profile("tls13")


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority.create(now=datetime.now(UTC))


@pytest.fixture(scope="session")
def issued(authority: Authority) -> Issued:
    return authority.issue([HOST, "127.0.0.1", "::1", "localhost"])


@pytest.fixture(scope="session")
def identity(issued: Issued) -> tls13.Identity:
    return issued.identity


@pytest.fixture(scope="session")
def trust(authority: Authority) -> tls13.TrustStore:
    return tls13.TrustStore.from_certificates([authority.certificate])


@pytest.fixture(scope="session")
def client_config(trust: tls13.TrustStore) -> tls13.ClientConfig:
    return tls13.ClientConfig(trust=trust)


@pytest.fixture(scope="session")
def server_config(identity: tls13.Identity) -> tls13.ServerConfig:
    return tls13.ServerConfig(identity)


A_RECORD = -1
"""A chunk size: one record after the other."""


def records(stream: bytes) -> list[bytes]:
    """The records of a stream, and what is left of it."""
    found = []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        found.append(stream[:end])
        stream = stream[end:]
    return found


class Pair:
    """A client and a server in memory. `chunk`: how many bytes are carried at a time."""

    def __init__(self, client: tls13.ClientConnection, server: tls13.ServerConnection, chunk: int | None) -> None:
        self.client, self.server, self.chunk = client, server, chunk

    def run(self) -> tuple[list[tls13.Event], list[tls13.Event]]:
        """Carry bytes until there are none; what the client and the server saw."""
        if self.chunk != A_RECORD:
            return tls13.pump(self.client, self.server, self.chunk)
        seen = ([], [])
        while (to_server := self.client.data_to_send()) or self.server.wants_send:
            to_client = self.server.data_to_send()
            for stream, receiver, events in ((to_server, self.server, seen[1]), (to_client, self.client, seen[0])):
                for record in records(stream):
                    receiver.receive_data(record)
                    events.extend(receiver.events())
        return seen

    def expect_refusal_by_client(self, offence: type[tls13.Abort], *, told: bool = True) -> tls13.Abort:
        return self._expect(offence, self.client, self.server, told)

    def expect_refusal_by_server(self, offence: type[tls13.Abort], *, told: bool = True) -> tls13.Abort:
        return self._expect(offence, self.server, self.client, told)

    def _expect(
        self, offence: type[tls13.Abort], refusing: tls13.Connection, refused: tls13.Connection, told: bool
    ) -> tls13.Abort:
        """The run ends with exactly this offence, its alert reaches the other side, and nothing follows it.

        `told=False`: the script has broken the other side so much that it cannot read the alert any more.
        """
        with pytest.raises(tls13.TLSError) as caught:
            self.run()
        error = caught.value
        assert type(error) is offence, repr(error)
        assert refusing.closed
        with pytest.raises(tls13.ConnectionFailed):
            refusing.next_event()
        alert = refusing.data_to_send()
        assert not refusing.data_to_send()
        if not told:
            return error
        refused.receive_data(alert)
        with pytest.raises(tls13.AlertReceived) as received:
            list(refused.events())
        assert received.value.code == offence.alert
        return error


@pytest.fixture(params=[None, 1, 2, A_RECORD], ids=["at once", "1 byte", "2 bytes", "a record"])
def chunk(request: pytest.FixtureRequest) -> int | None:
    """Every protocol test runs with the bytes cut in several ways."""
    return request.param


class PairMaker:
    """Makes pairs; every argument has a default that works."""

    def __init__(self, client: tls13.ClientConfig, server: tls13.ServerConfig, chunk: int | None) -> None:
        self.client_config, self.server_config, self.chunk = client, server, chunk

    def __call__(self, *, client=None, server=None, client_script=None, server_script=None, host=HOST) -> Pair:
        client_config = self.client_config if client is None else client
        server_config = self.server_config if server is None else server
        if client_script is None:
            one = tls13.ClientConnection(client_config, server_hostname=host)
        else:
            one = ScriptedClient(client_config, client_script, server_hostname=host)
        if server_script is None:
            other = tls13.ServerConnection(server_config)
        else:
            other = ScriptedServer(server_config, server_script)
        return Pair(one, other, self.chunk)


@pytest.fixture
def pair(client_config: tls13.ClientConfig, server_config: tls13.ServerConfig, chunk: int | None) -> PairMaker:
    return PairMaker(client_config, server_config, chunk)


@pytest.fixture
def quick_pair(client_config: tls13.ClientConfig, server_config: tls13.ServerConfig) -> PairMaker:
    """For tests that do not depend on how the bytes are cut."""
    return PairMaker(client_config, server_config, None)

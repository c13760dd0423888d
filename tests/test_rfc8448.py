"""RFC 8448's three 1-RTT traces through the public interface: the client gets the recorded ClientHello and private
keys, is fed the recorded server records, and must send exactly the recorded client records.

(RFC 8448 is older than RFC 9846; the protocol on the wire is the same. The other two traces, with resumption and with
a client certificate, are in test_rfc8448_resumed.py.)
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tls13
from tls13.client import ClientHandshake, Offer
from tls13.crypto.groups import GROUPS
from tls13.wire.messages import decode_handshake
from tls13.wire.registry import NamedGroup

TRACES = json.loads((Path(__file__).parent / "vectors" / "rfc8448.json").read_text())["traces"]


class Replay(ClientHandshake):
    """The real flow, with the two things that are random taken from the trace."""

    trace: dict

    def hello(self, number: int):
        hellos = [m for m in self.trace["messages"] if m["sender"] == "client" and m["type"] == "ClientHello"]
        return decode_handshake(bytes.fromhex(hellos[number]["bytes"]))

    def shares(self, hello):
        from tls13.wire.extensions import KeyShareClientHello

        hello.judge()
        public = {entry.key_exchange.hex() for entry in hello.extensions.get(KeyShareClientHello).client_shares}
        keys = [key for key in self.trace["ephemeral_keys"] if key["role"] == "client" and key["public"] in public]
        return {
            NamedGroup[key["group"]]: GROUPS[NamedGroup[key["group"]]].from_private(bytes.fromhex(key["private"]))
            for key in keys
        }

    def offer(self) -> Offer:
        hello = self.hello(0)
        return Offer(hello, self.shares(hello), (), early_data=False)

    def retry(self, offer, request) -> Offer:
        super().retry(offer, request)
        hello = self.hello(1)
        return Offer(hello, self.shares(hello), (), early_data=False, retry=request)


class ReplayClient(tls13.ClientConnection):
    def __init__(self, config, trace) -> None:
        self.trace = trace
        super().__init__(config, server_hostname="server")

    def make_handshake(self, config, server_name, tracer):
        flow = Replay(config, server_name, self._engine, tracer)
        flow.trace = self.trace
        return flow


def drain(client) -> list[bytes]:
    """What the client sends, record by record."""
    stream, records = client.data_to_send(), []
    while stream:
        end = 5 + int.from_bytes(stream[3:5], "big")
        records.append(stream[:end])
        stream = stream[end:]
    return records


@pytest.mark.parametrize("name", ["simple_1rtt", "hello_retry_request", "compatibility_mode"])
@pytest.mark.parametrize("chunk", [1, 2, 2**16], ids=["1 byte", "2 bytes", "a record"])
def test_a_recorded_connection(name, chunk) -> None:
    trace = TRACES[name]
    lines: list[str] = []
    config = tls13.ClientConfig(
        verify=tls13.INSECURE_NO_VERIFICATION,
        middlebox_compatibility=name == "compatibility_mode",
        key_log=lines.append,
    )
    client = ReplayClient(config, trace)
    expected: list[bytes] = []
    sent = drain(client)
    events: list[tls13.Event] = []
    for record in trace["records"]:
        raw = bytes.fromhex(record["record"])
        if record["sender"] == "client":
            expected.append(raw)
            if record["epoch"] == "application" and record["content_type"] == "application_data":
                client.send_data(bytes.fromhex(record["payload"]))
            elif record["epoch"] == "application" and record["content_type"] == "alert":
                client.close()
        else:
            for start in range(0, len(raw), chunk):
                client.receive_data(raw[start : start + chunk])
                events += client.events()
        sent += drain(client)
    assert [record.hex() for record in sent] == [record.hex() for record in expected]
    assert client.handshake_complete
    assert client.peer_closed
    data = b"".join(event.data for event in events if isinstance(event, tls13.ApplicationData))
    server_data = [
        bytes.fromhex(record["payload"])
        for record in trace["records"]
        if (record["sender"], record["epoch"], record["content_type"]) == ("server", "application", "application_data")
    ]
    assert data == b"".join(server_data)
    assert events[-1] == tls13.PeerClosed()

    logged = {line.split()[0]: line.split()[2] for line in lines}
    secrets = trace["secrets"]
    assert logged == {
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET": secrets["client_handshake_traffic_secret"],
        "SERVER_HANDSHAKE_TRAFFIC_SECRET": secrets["server_handshake_traffic_secret"],
        "CLIENT_TRAFFIC_SECRET_0": secrets["client_application_traffic_secret_0"],
        "SERVER_TRAFFIC_SECRET_0": secrets["server_application_traffic_secret_0"],
        "EXPORTER_SECRET": secrets["exporter_master_secret"],
    }

"""aioquic's handshakes: QUIC, so packets take the place of records, and 1200 bytes the place of none.

It signs, verifies, exchanges keys and seals no less than the others, and protects its packets twice (header and
payload); it has no tickets unless its user stores them, so there are none. The key exchange is secp256r1: it has no
public way to ask for another group.
"""

from __future__ import annotations

from functools import cache
from time import monotonic
from typing import TYPE_CHECKING, Any

from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import HandshakeCompleted
from aioquic.tls import CipherSuite

from ..files import files_for, root_file
from ..trial import HOST
from .measure import NotTheSame
from .stacks import End, Pair

if TYPE_CHECKING:
    from .stacks import Setting

ADDRESS = ("192.0.2.1", 443)


class QuicEnd(End):
    def __init__(self, connection: QuicConnection) -> None:
        self.connection = connection
        self.complete = False

    def handshake(self) -> None:
        while (event := self.connection.next_event()) is not None:
            if isinstance(event, HandshakeCompleted):
                self.complete = True

    def take(self) -> list[bytes]:
        return [datagram for datagram, _ in self.connection.datagrams_to_send(monotonic())]

    def give(self, data: Any) -> None:
        for datagram in data:
            self.connection.receive_datagram(datagram, ADDRESS, monotonic())

    def write(self, data: bytes) -> None:
        raise NotTheSame("QUIC's data is not measured")

    def read(self) -> int:
        raise NotTheSame("QUIC's data is not measured")

    def suite(self) -> str:
        schedule = self.connection.tls.key_schedule
        return f"TLS_{schedule.cipher_suite.name}" if self.complete and schedule is not None else ""

    def resumed(self) -> bool:
        return self.connection.tls.session_resumed


class QuicPair(Pair):
    def handshake(self) -> None:
        """Until both are complete; the client's last flight is sent after it is."""
        client, server = self.client, self.server
        while not (client.suite() and server.suite()):
            if flight := client.take():
                server.give(flight)
                server.handshake()
            if answer := server.take():
                client.give(answer)
                client.handshake()
            if not flight and not answer:
                raise NotTheSame("aioquic's handshake does not end")


@cache
def configurations(setting: Setting) -> tuple[QuicConfiguration, QuicConfiguration]:
    suites = [CipherSuite[setting.suite.name.removeprefix("TLS_")]]
    client = QuicConfiguration(is_client=True, server_name=HOST, cipher_suites=suites)
    client.load_verify_locations(str(root_file()))
    server = QuicConfiguration(is_client=False, cipher_suites=suites)
    files = files_for(setting.scheme)
    server.load_cert_chain(files.chain, files.key)
    return client, server


def pair(setting: Setting) -> Pair:
    """A client that has begun, and a server."""
    client_configuration, server_configuration = configurations(setting)
    client = QuicConnection(configuration=client_configuration)
    client.connect(ADDRESS, monotonic())
    identifier = client.original_destination_connection_id
    server = QuicConnection(configuration=server_configuration, original_destination_connection_id=identifier)
    return QuicPair(QuicEnd(client), QuicEnd(server))

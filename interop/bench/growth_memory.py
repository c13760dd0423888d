"""Growth in memory: many certificates on a server, and a long chain that comes one byte at a time."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from cryptography import x509

import tls13
from certs.bench import workshop
from tls13.lab.authority import Issued, KeyType

from .stacks import Ours, Pair

if TYPE_CHECKING:
    from collections.abc import Sequence

OID = x509.ObjectIdentifier("1.3.6.1.4.1.55738.1")
"""Of an extension that nobody knows: it makes a certificate as long as one wants."""


def server_names(counts: Sequence[int]) -> list[dict[str, float]]:
    """CPU time of handshakes with a server of so many identities, for the first name and for the last."""
    authority, key = workshop().intermediate, KeyType.ECDSA_P256.generate()
    identities: list[tls13.Identity] = []
    trust = tls13.TrustStore.from_certificates([workshop().root.certificate])
    client = tls13.ClientConfig(trust=trust, groups=[tls13.NamedGroup.x25519])
    table = []
    for count in counts:
        for number in range(len(identities), count):
            leaf = authority.sign(authority.draft((_name(number),), key.public_key()))
            identities.append(Issued(leaf, key, (leaf, *authority.chain)).identity)
        _handshake_seconds(client, tls13.ServerConfig(identities), _name(0))  # warm
        start = time.process_time()
        server = tls13.ServerConfig(identities, groups=[tls13.NamedGroup.x25519])
        made = time.process_time() - start
        first, last = (_handshake_seconds(client, server, name) for name in (_name(0), _name(count - 1)))
        table.append({"certificates": count, "first name, us": first * 1e6, "last name, us": last * 1e6})
        table[-1]["making the config, ms"] = made * 1e3
    return table


def _name(number: int) -> str:
    return f"host-{number}.example"


def _handshake_seconds(client: tls13.ClientConfig, server: tls13.ServerConfig, name: str) -> float:
    taken = []
    for _ in range(60):
        start = time.process_time()
        connection = tls13.ClientConnection(client, server_hostname=name)
        Pair(Ours(connection), Ours(tls13.ServerConnection(server))).handshake()
        taken.append(time.process_time() - start)
    return median(taken)


def long_chain(sizes: Sequence[int]) -> list[dict[str, float]]:
    """CPU time for the server's flight with a chain of so many KB, each byte in a call of its own."""
    table = []
    for size in sizes:
        issued = _issued(size * 1000)
        trust = tls13.TrustStore.from_certificates([workshop().root.certificate])
        limits: dict[str, Any] = {"max_handshake_message": 2**20, "max_certificate_chain_bytes": 2**20}
        client = tls13.ClientConnection(tls13.ClientConfig(trust=trust, **limits), server_hostname=_name(0))
        server = tls13.ServerConnection(tls13.ServerConfig(issued.identity))
        server.receive_data(client.data_to_send())
        for _ in server.events():
            pass
        flight = server.data_to_send()
        start = time.process_time()
        for position in range(len(flight)):
            client.receive_data(flight[position : position + 1])
            for _ in client.events():
                pass
        seconds = time.process_time() - start
        if not client.handshake_complete:
            raise ValueError(f"a chain of {size} KB was not accepted")
        table.append({"KB of certificates": size, "ms": seconds * 1e3, "us per byte": seconds / len(flight) * 1e6})
    return table


def _issued(size: int) -> Issued:
    """A leaf with an extension of this many bytes."""
    authority, key = workshop().intermediate, KeyType.ECDSA_P256.generate()
    draft = authority.draft((_name(0),), key.public_key())
    leaf = authority.sign(draft.with_extension(x509.UnrecognizedExtension(OID, bytes(size))))
    return Issued(leaf, key, (leaf, *authority.chain))

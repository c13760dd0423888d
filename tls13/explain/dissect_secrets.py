"""Which secrets of a connection are known, and which follow from those that are (RFC 9846, section 7.1).

A key log gives the secrets of the right-hand column only: who has them cannot go back up to the inputs. Whoever was
there (a live connection, the demo, a trace of RFC 8448) has the inputs, the PSK and the result of the key exchange,
and computes the rest as the peers did. Here both are put together; a value that can be computed is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..crypto.groups import DiffieHellman
from ..crypto.suites import SHA256, SHA384
from ..errors import TLSError
from ..key_schedule import EarlySecret, HandshakeSecret, MainSecret, TrafficSecret, early_secret_without_psk
from ..resumption.psk import Psk, PskKind

if TYPE_CHECKING:
    from ..crypto.groups import Group
    from ..crypto.suites import Hash
    from .dissect_hellos import Hellos

PSK, ECDHE = "PSK", "ECDHE"
CLIENT_PRIVATE, SERVER_PRIVATE = "client private key", "server private key"
CERTIFICATE_PRIVATE = "certificate private key"
"""DER, PKCS #8: for the demonstration that it opens nothing."""

HASHES = {hash.digest_size: hash for hash in (SHA256, SHA384)}
"""By their size: a secret is as long as its hash."""

Labels = dict[str, tuple[str, bytes, str]]
DERIVED: Labels = {
    "CLIENT_EARLY_TRAFFIC_SECRET": ("early", b"c e traffic", "client_hello"),
    "EARLY_EXPORTER_SECRET": ("early", b"e exp master", "client_hello"),
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET": ("handshake", b"c hs traffic", "server_hello"),
    "SERVER_HANDSHAKE_TRAFFIC_SECRET": ("handshake", b"s hs traffic", "server_hello"),
    "CLIENT_TRAFFIC_SECRET_0": ("main", b"c ap traffic", "server_finished"),
    "SERVER_TRAFFIC_SECRET_0": ("main", b"s ap traffic", "server_finished"),
    "EXPORTER_SECRET": ("main", b"exp master", "server_finished"),
    "RESUMPTION_SECRET": ("main", b"res master", "client_finished"),
}
"""RFC 9850's label (the last one is ours): the stage, the label of HKDF-Expand-Label, and up to where is hashed."""


@dataclass(frozen=True, slots=True)
class KnownPsk:
    """A PSK whose value is known: its binder proves that it is the one that was offered."""

    position: int
    kind: PskKind
    hash: Hash
    key: bytes = field(repr=False)

    @property
    def early_secret(self) -> EarlySecret:
        return EarlySecret(self.hash, self.key)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A key exchange that can be done again. `whose`: whose private key, and whose share."""

    private: bytes = field(repr=False)
    share: bytes
    whose: tuple[str, str]
    secret: bytes = field(repr=False)


class Material:
    """`digests`: transcript hashes by how far they reach; the dissector adds them as it reads."""

    def __init__(self, given: dict[str, list[bytes]], hellos: Hellos) -> None:
        self.given = given
        self.hellos = hellos
        self.digests: dict[str, bytes] = {}
        self.psks = _known_psks(given.get(PSK, []), hellos)
        self.early = self._early()
        self.exchange: Exchange | None = None
        self.shared_secret = self._shared_secret()
        self.handshake = self._handshake()
        self.main: MainSecret | None = self.handshake.main() if self.handshake is not None else None

    def psk(self, position: int | None) -> KnownPsk | None:
        return next((one for one in self.psks if one.position == position), None)

    def secret(self, label: str) -> bytes | None:
        """The first value of an RFC 9850 label: computed if that is possible yet, else as it was given."""
        stage, hkdf_label, reach = DERIVED[label]
        above = {"early": self.early_of_client, "handshake": self.handshake, "main": self.main}[stage]
        if above is not None and (digest := self.digest(reach, HASHES[len(above.value)])) is not None:
            hash = HASHES[len(above.value)]
            return TrafficSecret(hash, above.value).expand_label(hkdf_label, digest, hash.digest_size)
        values = self.given.get(label)
        return values[0] if values else None

    def digest(self, reach: str, hash: Hash) -> bytes | None:
        """Early data's is over the first ClientHello, with the hash of its PSK."""
        if reach == "client_hello":
            return hash.new(self.hellos.client_raw[0]).digest() if self.hellos.client_raw else None
        return self.digests.get(reach)

    @property
    def early_of_client(self) -> EarlySecret | None:
        """What early data is protected with: the first PSK's, whichever the server takes."""
        first = self.psk(0)
        return first.early_secret if first is not None else self.early

    def _early(self) -> EarlySecret | None:
        suite, selected = self.hellos.suite, self.hellos.selected_psk
        if suite is None or self.hellos.server is None:
            return None
        if selected is None:
            return early_secret_without_psk(suite.hash)
        known = self.psk(selected)
        return known.early_secret if known is not None else None

    def _shared_secret(self) -> bytes | None:
        hellos = self.hellos
        if hellos.group is not None:
            self.exchange = _exchanged(hellos.group, self.given, hellos.client_share, hellos.server_share)
            if self.exchange is not None:
                return self.exchange.secret
        values = self.given.get(ECDHE)
        return values[0] if values else None

    def _handshake(self) -> HandshakeSecret | None:
        if self.early is None:
            return None
        if self.hellos.group_code is None:
            return self.early.handshake(None)
        return self.early.handshake(self.shared_secret) if self.shared_secret is not None else None


def _exchanged(
    group: Group, given: dict[str, list[bytes]], client_share: bytes, server_share: bytes
) -> Exchange | None:
    """The shared secret, if one of the private keys belongs to one of the shares."""
    for private in given.get(CLIENT_PRIVATE, []):
        secret = _finish(group, private, client_share, server_share)
        if secret is not None:
            return Exchange(private, server_share, ("client", "server"), secret)
    if isinstance(group, DiffieHellman):  # a KEM's server has no private key: only the secret itself
        for private in given.get(SERVER_PRIVATE, []):
            secret = _finish(group, private, server_share, client_share)
            if secret is not None:
                return Exchange(private, client_share, ("server", "client"), secret)
    return None


def _finish(group: Group, private: bytes, own: bytes, other: bytes) -> bytes | None:
    try:
        share = group.from_private(private)
        return share.finish(other) if share.public == own else None
    except (ValueError, TLSError):  # a private key of another group
        return None


def _known_psks(values: list[bytes], hellos: Hellos) -> list[KnownPsk]:
    """Which value belongs to which identity: the one whose binder is right."""
    offered = hellos.offered_psks
    if offered is None:
        return []
    found = []
    for position, binder in enumerate(offered.binders):
        hash = HASHES.get(len(binder))
        if hash is None:
            continue
        digest = hash.new(hellos.binder_input(hash)).digest()
        for key in values:
            for kind in PskKind:
                if Psk(b"?", key, hash, kind).binder(digest) == binder:  # public here: a watcher's check
                    found.append(KnownPsk(position, kind, hash, key))
    return found

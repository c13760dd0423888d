"""A live connection as a Capture: its bytes, its times, and all the secrets that its side of it knows.

A Recorder listens in three places, none of which the engine knows of: at the transport (tap.py), as the connection's
tracer, and as the source of key shares. The last is for the lesson on forward secrecy: whoever wants to show that the
ephemeral private key opens a connection must have kept it, which nobody else should.
"""

from __future__ import annotations

import time
from secrets import token_bytes
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from ..crypto.groups import Hybrid, Weierstrass
from .capture import Capture, Segment
from .dissect_secrets import CLIENT_PRIVATE, PSK
from .tap import tap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.x509 import Certificate

    from ..connection import Connection
    from ..crypto.groups import Group, KeyShare
    from ..crypto.suites import Suite
    from ..errors import AlertDescription
    from ..events import Tracer
    from ..flow import Epoch


class Recorder:
    """A tls13.Tracer for one connection; `also` is told everything that it is.

        recorder = Recorder("example.com", is_client=True)
        config = config.replace(key_share_source=recorder.key_share)        (a client; to know the key exchange)
        connection = ClientConnection(config, server_hostname=..., tracer=recorder)
        recorder.listen(connection)
        ...
        story = tell(recorder.capture())

    source: a sentence that says what this is. client, server: their addresses.
    """

    def __init__(
        self,
        source: str,
        *,
        is_client: bool,
        client: str = "client",
        server: str = "server",
        also: Tracer | None = None,
    ) -> None:
        self.source = source
        self.client, self.server = client, server
        self.secrets: dict[str, list[bytes]] = {}
        self.verified_chain: list[bytes] = []
        self.notes: list[str] = []
        self.network: dict[str, object] | None = None
        self._is_client = is_client
        self._also = also
        self._segments: list[Segment] = []
        self._began: float | None = None

    # --- the three places ---------------------------------------------------------------------------------------------

    def listen(self, connection: Connection) -> None:
        """From here on all its bytes are kept. Call it before the first of them moves."""
        tap(connection, self.bytes_moved)

    def bytes_moved(self, sent: bool, data: bytes) -> None:
        """Bytes of the transport, sent or received by our side."""
        now = time.perf_counter()
        self._began = now if self._began is None else self._began
        self._segments.append(Segment(sent is self._is_client, now - self._began, data))

    def key_share(self, group: Group) -> KeyShare:
        """A fresh key share, whose private half is kept: for a config's key_share_source."""
        private = fresh_private_key(group)
        self.keep(CLIENT_PRIVATE, private)
        return group.from_private(private)

    def keep(self, label: str, value: bytes) -> None:
        """A secret, by the labels of capture.py."""
        values = self.secrets.setdefault(label, [])
        if value not in values:
            values.append(value)

    def keep_psk(self, key: bytes) -> None:
        """One that the client offers, or the server has."""
        self.keep(PSK, key)

    def capture(self) -> Capture:
        """Everything up to now."""
        return Capture(
            segments=list(self._segments),
            secrets={label: list(values) for label, values in self.secrets.items()},
            source=self.source,
            client=self.client,
            server=self.server,
            verified_chain=list(self.verified_chain),
            network=self.network,
            notes=list(self.notes),
        )

    # --- tls13.Tracer -----------------------------------------------------------------------------------------------

    def message(self, sent: bool, raw: bytes, epoch: Epoch) -> None:
        if self._also is not None:
            self._also.message(sent, raw, epoch)

    def keys(self, sent: bool, epoch: Epoch, suite: Suite) -> None:
        if self._also is not None:
            self._also.keys(sent, epoch, suite)

    def secret(self, label: str, secret: bytes) -> None:
        self.keep(label, secret)
        if self._also is not None:
            self._also.secret(label, secret)

    def record(self, sent: bool, content_type: int, length: int, epoch: Epoch) -> None:
        if self._also is not None:
            self._also.record(sent, content_type, length, epoch)

    def alert(self, sent: bool, description: AlertDescription | int) -> None:
        if self._also is not None:
            self._also.alert(sent, description)

    def verified(self, chain: Sequence[Certificate]) -> None:
        self.verified_chain = [certificate.public_bytes(Encoding.DER) for certificate in chain]
        if self._also is not None:
            self._also.verified(chain)


def fresh_private_key(group: Group) -> bytes:
    """In the form that Group.from_private takes."""
    if isinstance(group, Hybrid):
        return token_bytes(64) + fresh_private_key(group.curve)  # ML-KEM's seed d || z
    if isinstance(group, Weierstrass):
        number = ec.generate_private_key(group.curve).private_numbers().private_value
        return number.to_bytes((group.curve.key_size + 7) // 8, "big")
    return token_bytes(group.client_share_length)

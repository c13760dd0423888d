"""What the hellos decided: everything that anybody on the way can read (RFC 9846, sections 4.2.2 to 4.2.4).

The dissector looks ahead for it, because early data comes before the ServerHello that says what it was worth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..crypto.groups import GROUPS
from ..crypto.suites import SUITES
from ..errors import TLSError
from ..transcript import message_hash
from ..wire.companions import CertWithExternPsk
from ..wire.extensions import (
    EarlyDataIndication,
    KeyShareClientHello,
    KeyShareServerHello,
    OfferedPsks,
    SelectedPsk,
)
from ..wire.messages import ClientHello, HandshakeMessage, HelloRetryRequest, ServerHello, decode_handshake
from ..wire.registry import ContentType, ExtensionType, NamedGroup, ProtocolVersion
from .dissect_frames import Shape, handshake_messages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..crypto.groups import Group
    from ..crypto.suites import Hash, Suite
    from .dissect_frames import Frame


def decoded(raw: bytes) -> HandshakeMessage | None:
    """The message with its extensions; None if it is none that an endpoint would take."""
    try:
        message = decode_handshake(raw)
        message.judge()
    except TLSError:
        return None
    return message


@dataclass(slots=True)
class Hellos:
    """Each as it came, and decoded. What did not come, or does not decode, is None."""

    client_raw: list[bytes] = field(default_factory=list)
    client: list[ClientHello] = field(default_factory=list)
    retry_raw: bytes = b""
    retry: HelloRetryRequest | None = None
    server_raw: bytes = b""
    server: ServerHello | None = None

    @property
    def suite(self) -> Suite | None:
        chosen = self.server if self.server is not None else self.retry
        return SUITES.get(chosen.cipher_suite) if chosen is not None else None

    @property
    def is_other_version(self) -> bool:
        """Whether a ServerHello came that is not of TLS 1.3."""
        if not self.server_raw:
            return False
        try:
            hello = decode_handshake(self.server_raw)
        except TLSError:
            return False
        selected = hello.extensions.find(ExtensionType.supported_versions) if isinstance(hello, ServerHello) else None
        return selected != ProtocolVersion.TLS1_3.to_bytes(2, "big")

    @property
    def group(self) -> Group | None:
        """Of the key exchange; None without one (psk_ke), or if we do not know it."""
        return GROUPS.get(self.group_code) if self.group_code is not None else None

    @property
    def group_code(self) -> NamedGroup | None:
        share = self.server.extensions.get(KeyShareServerHello) if self.server is not None else None
        return share.server_share.group if share is not None else None

    @property
    def server_share(self) -> bytes:
        share = self.server.extensions.get(KeyShareServerHello) if self.server is not None else None
        return share.server_share.key_exchange if share is not None else b""

    @property
    def client_share(self) -> bytes:
        """The one that the server answers."""
        shares = self.client[-1].extensions.get(KeyShareClientHello) if self.client else None
        entries = shares.client_shares if shares is not None else ()
        return next((one.key_exchange for one in entries if one.group == self.group_code), b"")

    @property
    def offered_psks(self) -> OfferedPsks | None:
        return self.client[-1].extensions.get(OfferedPsks) if self.client else None

    @property
    def selected_psk(self) -> int | None:
        selected = self.server.extensions.get(SelectedPsk) if self.server is not None else None
        return selected.selected_identity if selected is not None else None

    @property
    def has_certificate_beside_psk(self) -> bool:
        """Whether the server shows a certificate though a PSK is used (RFC 8773)."""
        return self.server is not None and self.server.extensions.get(CertWithExternPsk) is not None

    @property
    def offers_early_data(self) -> bool:
        return bool(self.client) and self.client[0].extensions.get(EarlyDataIndication) is not None

    def binder_input(self, hash: Hash) -> bytes:
        """What the binders of the last ClientHello are computed over: all of it but themselves (4.3.11.2)."""
        offered = self.offered_psks
        if offered is None:
            return b""
        binders = 2 + sum(1 + len(binder) for binder in offered.binders)
        prefix = b""
        if len(self.client_raw) > 1:
            prefix = message_hash(hash, hash.new(self.client_raw[0]).digest()) + self.retry_raw
        return prefix + self.client_raw[-1][:-binders]


def read_hellos(found: Iterable[Frame]) -> Hellos:
    """From the unprotected handshake records of both directions."""
    streams = {True: bytearray(), False: bytearray()}
    for frame in found:
        if frame.shape is Shape.RECORD and frame.outer_type == ContentType.handshake:
            streams[frame.to_server] += frame.body
    hellos = Hellos()
    for raw in handshake_messages(bytes(streams[True])):
        message = decoded(raw)
        if isinstance(message, ClientHello) and len(hellos.client) < 2:
            hellos.client_raw.append(raw)
            hellos.client.append(message)
    for raw in handshake_messages(bytes(streams[False])):
        message = decoded(raw)
        if isinstance(message, HelloRetryRequest):
            if hellos.retry is None:
                hellos.retry_raw, hellos.retry = raw, message
        elif raw[0] == ServerHello.msg_type and not hellos.server_raw:
            hellos.server_raw = raw
            hellos.server = message if isinstance(message, ServerHello) else None
    if hellos.retry is None and hellos.client:  # a second ClientHello that nobody asked for changes nothing
        del hellos.client[1:], hellos.client_raw[1:]
    return hellos

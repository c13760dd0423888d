"""What a server answers to almost every client alike, and so finds once.

EncryptedExtensions (RFC 9846, section 4.4.1): its answers to what the client asked and need not show. The same answers
are the same message, whoever has asked. Everything in it is the server's own choice, from its config; nothing is the
client's.

Which identity it shows (4.5.1.2): that follows from its config, from the name, and from what the client says of
certificates. A client thinks of these, so only short ones are kept, and not many.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .wire.companions import (
    ClientCertType,
    DelegatedCredentialSchemes,
    RecordSizeLimit,
    ServerCertType,
    ServerCertTypes,
    ServerTicketRequestHint,
)
from .wire.extensions import (
    EE,
    CertificateAuthoritiesExtension,
    EarlyDataIndication,
    ExtensionBody,
    Extensions,
    ProtocolNameList,
    ServerNameAcknowledged,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from .wire.messages import EncryptedExtensions

if TYPE_CHECKING:
    from .trust.identity import Presentable
    from .wire.registry import CertificateType, SignatureScheme

    IdentityAnswer = tuple[Presentable, SignatureScheme, bool]
    """What to show, what it signs with, and whether it is for the name."""

ASKED_OF_IDENTITIES: tuple[type[ExtensionBody], ...] = (
    SignatureSchemeList,
    SignatureSchemeListCert,
    CertificateAuthoritiesExtension,
    ServerCertTypes,
    DelegatedCredentialSchemes,
)
"""All by which, besides server_name, a client says what certificate it wants to see."""

MAX_ANSWERS, MAX_NAME, MAX_ASKED = 256, 255, 64
"""How many are kept of a config; for names and extension_data of how many bytes."""


class IdentityAnswers:
    """What was shown to whom, for one config.

    Found by the identity of the bodies: `Extensions.judge` gives the same object for the same short bytes, and each
    answer holds those that it is found by, so that no others can come to have their identities.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str | None, tuple[int, ...]], tuple[IdentityAnswer, object]] = {}

    def find(self, name: str | None, extensions: Extensions) -> IdentityAnswer | None:
        kept = self._kept.get((name, tuple(map(id, map(extensions.get, ASKED_OF_IDENTITIES)))))
        return kept[0] if kept is not None else None

    def keep(self, name: str | None, extensions: Extensions, answer: IdentityAnswer) -> None:
        sizes = [len(extensions.find(kind.number) or b"") for kind in ASKED_OF_IDENTITIES]
        if len(name or "") > MAX_NAME or max(sizes) > MAX_ASKED:
            return
        if len(self._kept) >= MAX_ANSWERS:
            self._kept.clear()
        bodies = tuple(map(extensions.get, ASKED_OF_IDENTITIES))
        self._kept[name, tuple(map(id, bodies))] = answer, bodies


@lru_cache(64)
def encrypted_extensions(
    name_matched: bool,
    alpn_protocol: bytes | None,
    early_data: bool,
    limit: int | None,
    server_type: CertificateType | None,
    client_type: CertificateType | None,
    ticket_hint: int | None,
) -> EncryptedExtensions:
    """EncryptedExtensions with what is not None and not False of these, each as the extension's struct has it."""
    bodies: list[ExtensionBody] = []
    if name_matched:
        bodies.append(ServerNameAcknowledged())
    if alpn_protocol is not None:
        bodies.append(ProtocolNameList(protocol_name_list=(alpn_protocol,)))
    if early_data:
        bodies.append(EarlyDataIndication())
    if limit is not None:
        bodies.append(RecordSizeLimit(record_size_limit=limit))
    if server_type is not None:
        bodies.append(ServerCertType(server_certificate_type=server_type))
    if client_type is not None:
        bodies.append(ClientCertType(client_certificate_type=client_type))
    if ticket_hint is not None:
        bodies.append(ServerTicketRequestHint(expected_count=ticket_hint))
    return EncryptedExtensions(extensions=Extensions.of(EE, *bodies))

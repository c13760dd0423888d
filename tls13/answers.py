"""EncryptedExtensions: RFC 9846, section 4.4.1. A server's answers to what the client asked and need not show.

The same answers are the same message, whoever has asked, and almost every connection of a server is given the same:
so each is put together once. Everything in it is the server's own choice, from its config; nothing is the client's.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from .wire.companions import ClientCertType, RecordSizeLimit, ServerCertType, ServerTicketRequestHint
from .wire.extensions import EE, EarlyDataIndication, Extensions, ProtocolNameList, ServerNameAcknowledged
from .wire.messages import EncryptedExtensions

if TYPE_CHECKING:
    from .wire.extensions import ExtensionBody
    from .wire.registry import CertificateType


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
    """With what is not None and not False of these, each as the extension's struct has it."""
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

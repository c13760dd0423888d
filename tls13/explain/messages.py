"""What is worth saying of each handshake message, to somebody who learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import TLSError
from ..trust.names import UNREADABLE, certificate_names, describe
from ..wire.companions import CertWithExternPsk
from ..wire.compression import decompress
from ..wire.extensions import (
    CertificateAuthoritiesExtension,
    ClientVersions,
    Cookie,
    EarlyDataIndication,
    EarlyDataTicket,
    Extensions,
    KeyShareClientHello,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    NamedGroupList,
    OfferedPsks,
    OIDFilterExtension,
    PostHandshakeAuth,
    ProtocolNameList,
    PskKeyExchangeModes,
    SelectedPsk,
    SelectedVersion,
    ServerNameList,
    SignatureSchemeList,
)
from ..wire.messages import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    HandshakeMessage,
    HelloRetryRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
    message_class,
)
from ..wire.registry import KeyUpdateRequest
from .chain import opened_certificate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .dissect import Seen

SECTIONS: dict[type[HandshakeMessage], tuple[str, str]] = {
    ClientHello: ("section 4.2.2", "what the client can do"),
    HelloRetryRequest: ("section 4.2.4", "the server wants another ClientHello"),
    ServerHello: ("section 4.2.3", "what the server chose"),
    EncryptedExtensions: ("section 4.4.1", "answers that need not be public; the first encrypted message"),
    CertificateRequest: ("section 4.4.2", "the server wants to know who the client is"),
    Certificate: ("section 4.5.1", "who the sender says it is"),
    CertificateVerify: ("section 4.5.2", "proof: a signature over this very handshake with the key of what was shown"),
    Finished: ("section 4.5.3", "a MAC over all of the handshake: its sender saw what the receiver saw"),
    EndOfEarlyData: ("section 4.6", "the client has sent all its early data, and changes to the handshake keys"),
    NewSessionTicket: ("section 4.7.1", "a ticket for a shorter handshake next time"),
    CompressedCertificate: ("RFC 8879, section 4", "a Certificate, compressed"),
    KeyUpdate: ("section 4.7.3", "the sender changes its keys"),
}


def section_and_purpose(seen: Seen) -> tuple[str, str]:
    """Where the RFC has a message, and what it is for."""
    kind, message = message_class(seen.raw) or HandshakeMessage, seen.message
    section, purpose = SECTIONS.get(kind, ("section 4", "a message of a type that is not known here"))
    if isinstance(message, ClientHello | ServerHello) and _has_share(message.extensions):
        purpose += ", and its half of the key exchange"
    if shows_nothing(seen):
        purpose = "empty: the sender has no certificate to show"
    return section, purpose


def _has_share(hello: Extensions) -> bool:
    offered = hello.get(KeyShareClientHello)
    return bool(offered is not None and offered.client_shares) or hello.get(KeyShareServerHello) is not None


def shows_nothing(seen: Seen) -> bool:
    """Whether it is a Certificate with none in it (section 4.5.1)."""
    certificate = opened_certificate(seen)
    return certificate is not None and not certificate.certificate_list


Fields = list[tuple[str, str]]


def _list(values: Sequence[object], limit: int = 6) -> str:
    shown = ", ".join(str(value) for value in values[:limit])
    return shown + (f" and {len(values) - limit} more" if len(values) > limit else "")


def _client_hello(message: HandshakeMessage) -> Fields:
    if not isinstance(message, ClientHello):
        return []
    hello = message.extensions
    fields = [("random", f"{message.random.hex()[:16]}..."), ("cipher_suites", _list(message.cipher_suites))]
    names, versions, groups = hello.get(ServerNameList), hello.get(ClientVersions), hello.get(NamedGroupList)
    shares, schemes, alpn = hello.get(KeyShareClientHello), hello.get(SignatureSchemeList), hello.get(ProtocolNameList)
    if names is not None:
        hosts = [entry.host_name.decode("ascii", "replace") for entry in names.server_name_list]
        fields.append(("server_name", f"{_list(hosts)}: the wire sees which host is wanted"))
    if versions is not None:
        fields.append(("supported_versions", f"{_list(versions.versions)}: the field legacy_version still says 1.2"))
    if groups is not None:
        fields.append(("supported_groups", _list(groups.named_group_list, 8)))
    if shares is not None:
        entries = [f"{entry.group} ({len(entry.key_exchange)} bytes)" for entry in shares.client_shares]
        fields.append(("key_share", f"{_list(entries) or 'none'}: public halves of fresh keys"))
    if schemes is not None:
        fields.append(("signature_algorithms", _list(schemes.supported_signature_algorithms, 4)))
    if alpn is not None:
        fields.append(("ALPN", _list([name.decode("ascii", "replace") for name in alpn.protocol_name_list])))
    if hello.get(Cookie) is not None:
        fields.append(("cookie", "what the HelloRetryRequest asked to be returned"))
    if hello.get(PostHandshakeAuth) is not None:
        fields.append(("post_handshake_auth", "the server may ask for a certificate later"))
    return fields + _offered_psks(hello)


def _offered_psks(hello: Extensions) -> Fields:
    """What a client offers to spare both sides the certificates (sections 2.2 and 2.3)."""
    fields: Fields = []
    modes, psks = hello.get(PskKeyExchangeModes), hello.get(OfferedPsks)
    if modes is not None:
        fields.append(("psk_key_exchange_modes", _list(modes.ke_modes)))
    if hello.get(EarlyDataIndication) is not None:
        fields.append(("early_data", "application data follows at once, under keys of the first PSK"))
    if psks is not None:
        for identity, binder in zip(psks.identities, psks.binders, strict=False):
            age = ", from a ticket" if identity.obfuscated_ticket_age else ""
            fields.append(("pre_shared_key", f"an identity of {len(identity.identity)} bytes{age}"))
            fields.append(
                ("binder", f"{binder.hex()[:16]}...: a MAC over all the rest shows that the client has the PSK")
            )
    return fields


def _server_hello(message: HandshakeMessage) -> Fields:
    if not isinstance(message, ServerHello):
        return []
    extensions = message.extensions
    fields = [("cipher_suite", str(message.cipher_suite))]
    version = extensions.get(SelectedVersion)
    if version is not None:
        fields.append(("supported_versions", str(version.selected_version)))
    share, selected = extensions.get(KeyShareServerHello), extensions.get(KeyShareHelloRetryRequest)
    if share is not None:
        entry = share.server_share
        fields.append(("key_share", f"{entry.group} ({len(entry.key_exchange)} bytes): now both have the secret"))
    if selected is not None:
        fields.append(("key_share", f"send a share for {selected.selected_group}, please"))
    psk = extensions.get(SelectedPsk)
    if psk is not None:
        which = f"number {psk.selected_identity} of those offered"
        alone = "no Certificate and no CertificateVerify, the PSK says who is who"
        beside = "and a certificate beside it (tls_cert_with_extern_psk, RFC 8773)"
        both = extensions.get(CertWithExternPsk) is not None
        fields.append(("pre_shared_key", f"{which}: {beside if both else alone}"))
        if share is None:
            fields.append(("key_share", "none: the keys come from the PSK alone, without forward secrecy"))
    cookie = extensions.get(Cookie)
    if cookie is not None:
        fields.append(("cookie", f"{len(cookie.cookie)} bytes, to be returned: it lets the server forget the client"))
    return fields


def _encrypted_extensions(message: HandshakeMessage) -> Fields:
    if not isinstance(message, EncryptedExtensions):
        return []
    fields: Fields = []
    alpn = message.extensions.get(ProtocolNameList)
    if alpn is not None:
        fields.append(("ALPN", _list([name.decode("ascii", "replace") for name in alpn.protocol_name_list])))
    if message.extensions.get(EarlyDataIndication) is not None:
        fields.append(("early_data", "accepted: what the client has sent early is read"))
    return fields


def _certificate_request(message: HandshakeMessage) -> Fields:
    if not isinstance(message, CertificateRequest):
        return []
    extensions = message.extensions
    fields = _context(message.certificate_request_context)
    schemes, authorities = extensions.get(SignatureSchemeList), extensions.get(CertificateAuthoritiesExtension)
    filters = extensions.get(OIDFilterExtension)
    if schemes is not None:
        fields.append(("signature_algorithms", _list(schemes.supported_signature_algorithms, 4)))
    if authorities is not None:
        fields.append(("certificate_authorities", _list([_name(one) for one in authorities.authorities], 3)))
    if filters is not None:
        fields.append(("oid_filters", f"{len(filters.filters)}: what the certificate must be for"))
    return fields


def _context(context: bytes) -> Fields:
    """Of a request after the handshake, which its answer repeats; in the handshake it is empty."""
    return [("request_context", f"{context.hex()[:16]}...: which request this is")] if context else []


def _name(der: bytes) -> str:
    from cryptography import x509

    try:
        return x509.Name.from_bytes(der).rfc4514_string()
    except UNREADABLE:
        return f"{len(der)} bytes that cannot be read"


def _certificate(message: HandshakeMessage) -> Fields:
    if not isinstance(message, Certificate):
        return []
    fields = _context(message.certificate_request_context)
    if not message.certificate_list:
        return [*fields, ("certificate_list", "empty: no certificate to show")]
    return fields + [field for number, entry in enumerate(message.certificate_list) for field in _entry(number, entry)]


def _entry(number: int, entry: CertificateEntry) -> Fields:
    from cryptography import x509

    label = f"certificate {number}"
    try:
        certificate = x509.load_der_x509_certificate(entry.cert_data)
        names, until = certificate_names(certificate), f"{certificate.not_valid_after_utc:%Y-%m-%d}"
        issuer = certificate.issuer.rfc4514_string()
    except (*UNREADABLE, TLSError):
        return [(label, _no_certificate(entry.cert_data))]
    holds = [(label, f"{describe(certificate)}, signed by {issuer}, valid until {until}")]
    return [*holds, ("subjectAltName", _list(names))] if names else holds


def _no_certificate(der: bytes) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return f"{len(der)} bytes that cannot be read"
    return f"a bare public key (RFC 7250), {len(der)} bytes"


def _compressed(message: HandshakeMessage) -> Fields:
    """And what is in it (RFC 8879); of no more than 1 MiB, whatever it says itself."""
    if not isinstance(message, CompressedCertificate):
        return []
    packed, length = message.compressed_certificate_message, message.uncompressed_length
    fields = [("algorithm", f"{message.algorithm}: {len(packed)} bytes in place of {length}")]
    try:
        opened = Certificate.decode(decompress(message.algorithm, packed, min(length, 2**20)))
    except (TLSError, ImportError, KeyError):
        return [*fields, ("certificate_list", "cannot be unpacked here")]
    return fields + _certificate(opened)


def _certificate_verify(message: HandshakeMessage) -> Fields:
    if not isinstance(message, CertificateVerify):
        return []
    return [("algorithm", str(message.algorithm)), ("signature", f"{len(message.signature)} bytes")]


def _finished(message: HandshakeMessage) -> Fields:
    if not isinstance(message, Finished):
        return []
    return [("verify_data", f"{message.verify_data.hex()[:16]}...")]


def _ticket(message: HandshakeMessage) -> Fields:
    if not isinstance(message, NewSessionTicket):
        return []
    fields = [
        ("ticket", f"{len(message.ticket)} bytes, which only the server can read: the identity of a PSK"),
        ("ticket_lifetime", f"{message.ticket_lifetime} seconds"),
    ]
    early = message.extensions.get(EarlyDataTicket)
    if early is not None:
        fields.append(("early_data", f"{early.max_early_data_size} bytes may come early with it"))
    return fields


def _key_update(message: HandshakeMessage) -> Fields:
    if not isinstance(message, KeyUpdate):
        return []
    wanted = message.request_update == KeyUpdateRequest.update_requested
    return [("request_update", "yes: the receiver shall change its own, too" if wanted else "no answer is wanted")]


DESCRIPTIONS: dict[type[HandshakeMessage], Callable[[HandshakeMessage], Fields]] = {
    ClientHello: _client_hello,
    ServerHello: _server_hello,
    HelloRetryRequest: _server_hello,
    EncryptedExtensions: _encrypted_extensions,
    Certificate: _certificate,
    CompressedCertificate: _compressed,
    CertificateRequest: _certificate_request,
    CertificateVerify: _certificate_verify,
    Finished: _finished,
    NewSessionTicket: _ticket,
    KeyUpdate: _key_update,
}

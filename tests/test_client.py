"""What a client refuses: RFC 9846, sections 4.2.3 to 4.5, each rule broken by a scripted server."""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.record import RecordWriter
from tls13.wire.extensions import (
    CR,
    HRR,
    Cookie,
    Extensions,
    KeyShareEntry,
    KeyShareHelloRetryRequest,
    KeyShareServerHello,
    ProtocolNameList,
    SelectedVersion,
    SignatureSchemeList,
)
from tls13.wire.messages import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    EndOfEarlyData,
    Finished,
    HandshakeMessage,
    HelloRetryRequest,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
    decode_handshake,
)
from tls13.wire.registry import (
    CipherSuite,
    ExtensionType,
    KeyUpdateRequest,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)

from .requirements.cases import cases

SELECTED_TLS_1_3 = SelectedVersion(selected_version=ProtocolVersion.TLS1_3)


def edit(kind, change):
    """A script that changes the messages of one type."""

    def script(message: HandshakeMessage):
        return change(message) if type(message) is kind else message

    return script


def instead(kind, *others):
    """A script that sends others in place of a message."""
    return edit(kind, lambda message: list(others))


def before(kind, *others):
    return edit(kind, lambda message: [*others, message])


def share(group, key_exchange=b"\1"):
    return KeyShareServerHello(server_share=KeyShareEntry(group=group, key_exchange=key_exchange))


def retry(*bodies, suite=CipherSuite.TLS_AES_128_GCM_SHA256, session_id=None, **fields):
    """A script that answers the ClientHello with this HelloRetryRequest instead of a ServerHello."""

    def change(hello):
        echo = hello.legacy_session_id_echo if session_id is None else session_id
        return HelloRetryRequest(
            legacy_session_id_echo=echo,
            cipher_suite=suite,
            extensions=Extensions.of(HRR, *bodies),
            **fields,
        )

    return edit(ServerHello, change)


COOKIE = Cookie(cookie=b"cookie")
REQUEST = CertificateRequest(
    certificate_request_context=b"",
    extensions=Extensions.of(
        CR, SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.ecdsa_secp256r1_sha256,))
    ),
)
KEY_UPDATE = KeyUpdate(request_update=KeyUpdateRequest.update_not_requested)
TICKET = NewSessionTicket(ticket_lifetime=1, ticket_age_add=1, ticket_nonce=b"", ticket=b"t")


def first_entry(message, **changes):
    entry = message.certificate_list[0].replace(**changes)
    return message.replace(certificate_list=(entry, *message.certificate_list[1:]))


REFUSED = {
    # 4.2.3 ServerHello
    "legacy_version": (
        edit(ServerHello, lambda m: m.replace(legacy_version=ProtocolVersion.TLS1_3)),
        errors.LegacyVersion,
    ),
    "session id changed": (
        edit(ServerHello, lambda m: m.replace(legacy_session_id_echo=bytes(32))),
        errors.SessionIdNotEchoed,
    ),
    "session id cut": (
        edit(ServerHello, lambda m: m.replace(legacy_session_id_echo=m.legacy_session_id_echo[:-1])),
        errors.SessionIdNotEchoed,
    ),
    "cipher suite not offered": (
        edit(ServerHello, lambda m: m.replace(cipher_suite=CipherSuite.TLS_AES_128_CCM_8_SHA256)),
        errors.CipherSuiteNotOffered,
    ),
    "cipher suite of TLS 1.2": (
        edit(ServerHello, lambda m: m.replace(cipher_suite=CipherSuite(0xC02F))),
        errors.CipherSuiteNotOffered,
    ),
    "compression": (
        edit(ServerHello, lambda m: m.replace(legacy_compression_method=1)),
        errors.BadCompressionMethod,
    ),
    "no supported_versions": (
        edit(ServerHello, lambda m: without(m, ExtensionType.supported_versions)),
        errors.ProtocolVersionError,
    ),
    "TLS 1.2 with its own extensions": (
        edit(
            ServerHello,
            lambda m: with_raw_extension(
                without(m, ExtensionType.supported_versions, ExtensionType.key_share),
                ExtensionType.renegotiation_info,
                b"\0",
            ),
        ),
        errors.ProtocolVersionError,
    ),
    "downgrade to TLS 1.2": (
        edit(
            ServerHello,
            lambda m: without(m, ExtensionType.supported_versions).replace(random=m.random[:24] + b"DOWNGRD\1"),
        ),
        errors.Downgrade,
    ),
    "downgrade to TLS 1.1": (
        edit(
            ServerHello,
            lambda m: without(m, ExtensionType.supported_versions).replace(random=m.random[:24] + b"DOWNGRD\0"),
        ),
        errors.Downgrade,
    ),
    "selected_version TLS 1.2": (
        edit(ServerHello, lambda m: with_extension(m, SelectedVersion(selected_version=ProtocolVersion.TLS1_2))),
        errors.VersionNotOffered,
    ),
    "selected_version unknown": (
        edit(ServerHello, lambda m: with_extension(m, SelectedVersion(selected_version=ProtocolVersion(0x7F1C)))),
        errors.VersionNotOffered,
    ),
    "no key_share": (
        edit(ServerHello, lambda m: without(m, ExtensionType.key_share)),
        errors.MissingExtension,
    ),
    "key_share of another group": (
        edit(ServerHello, lambda m: with_extension(m, share(NamedGroup.secp384r1, bytes(97)))),
        errors.GroupNotOffered,
    ),
    "key_share of the wrong length": (
        edit(ServerHello, lambda m: with_extension(m, share(NamedGroup.x25519, bytes(31)))),
        errors.InvalidKeyShare,
    ),
    "key_share of low order": (
        edit(ServerHello, lambda m: with_extension(m, share(NamedGroup.x25519, bytes(32)))),
        errors.InvalidKeyShare,
    ),
    "ALPN in ServerHello": (
        edit(
            ServerHello,
            lambda m: with_raw_extension(m, ExtensionType.application_layer_protocol_negotiation, b"\0\3\2h2"),
        ),
        errors.MisplacedExtension,
    ),
    "unknown extension in ServerHello": (
        edit(ServerHello, lambda m: with_raw_extension(m, 0x1234)),
        errors.UnsupportedExtension,
    ),
    "pre_shared_key that was not offered": (
        edit(ServerHello, lambda m: with_raw_extension(m, ExtensionType.pre_shared_key, b"\0\0")),
        errors.UnsupportedExtension,
    ),
    "extension twice in ServerHello": (
        edit(ServerHello, lambda m: with_raw_extension(m, ExtensionType.supported_versions, b"\3\4")),
        errors.DuplicateExtension,
    ),
    "trailing data in an extension": (
        edit(
            ServerHello,
            lambda m: with_raw_extension(
                without(m, ExtensionType.supported_versions), ExtensionType.supported_versions, b"\3\4\0"
            ),
        ),
        errors.DecodeError,
    ),
    # 4.2.4 HelloRetryRequest
    "retry without supported_versions": (retry(COOKIE), errors.NoVersionInRetry),
    "retry that changes nothing": (retry(SELECTED_TLS_1_3), errors.RetryChangesNothing),
    "retry for a group already shared": (
        retry(SELECTED_TLS_1_3, KeyShareHelloRetryRequest(selected_group=NamedGroup.x25519)),
        errors.GroupAlreadyShared,
    ),
    "retry for a group not offered": (
        retry(SELECTED_TLS_1_3, KeyShareHelloRetryRequest(selected_group=NamedGroup.ffdhe2048)),
        errors.GroupNotOffered,
    ),
    "retry with another session id": (retry(SELECTED_TLS_1_3, COOKIE, session_id=b""), errors.SessionIdNotEchoed),
    "retry with a suite not offered": (
        retry(SELECTED_TLS_1_3, COOKIE, suite=CipherSuite.TLS_AES_128_CCM_SHA256),
        errors.CipherSuiteNotOffered,
    ),
    "retry with compression": (
        retry(SELECTED_TLS_1_3, COOKIE, legacy_compression_method=1),
        errors.BadCompressionMethod,
    ),
    "retry with legacy_version": (
        retry(SELECTED_TLS_1_3, COOKIE, legacy_version=ProtocolVersion.TLS1_3),
        errors.LegacyVersion,
    ),
    "retry with empty cookie": (
        edit(
            ServerHello,
            lambda m: HelloRetryRequest(
                legacy_session_id_echo=m.legacy_session_id_echo,
                cipher_suite=m.cipher_suite,
                extensions=Extensions(((43, b"\3\4"), (44, b"\0\0")), HRR),
            ),
        ),
        errors.DecodeError,
    ),
    "retry with an unknown extension": (
        edit(
            ServerHello,
            lambda m: HelloRetryRequest(
                legacy_session_id_echo=m.legacy_session_id_echo,
                cipher_suite=m.cipher_suite,
                extensions=Extensions(((43, b"\3\4"), (44, b"\0\1c"), (0x1234, b"")), HRR),
            ),
        ),
        errors.UnsupportedExtension,
    ),
    # 4.4.1 EncryptedExtensions
    "no EncryptedExtensions": (instead(EncryptedExtensions), errors.MessageOutOfOrder),
    "key_share in EncryptedExtensions": (
        edit(EncryptedExtensions, lambda m: with_raw_extension(m, ExtensionType.key_share, b"\0\x1d\0\1a")),
        errors.MisplacedExtension,
    ),
    "post_handshake_auth in EncryptedExtensions": (
        edit(EncryptedExtensions, lambda m: with_raw_extension(m, ExtensionType.post_handshake_auth)),
        errors.MisplacedExtension,
    ),
    "psk_key_exchange_modes in EncryptedExtensions": (
        edit(EncryptedExtensions, lambda m: with_raw_extension(m, ExtensionType.psk_key_exchange_modes, b"\1\1")),
        errors.MisplacedExtension,
    ),
    "ALPN that was not offered": (
        edit(EncryptedExtensions, lambda m: with_extension(m, ProtocolNameList(protocol_name_list=(b"h2",)))),
        errors.UnsupportedExtension,
    ),
    "unknown extension in EncryptedExtensions": (
        edit(EncryptedExtensions, lambda m: with_raw_extension(m, 0x1234)),
        errors.UnsupportedExtension,
    ),
    "early_data that was not offered": (
        edit(EncryptedExtensions, lambda m: with_raw_extension(m, ExtensionType.early_data)),
        errors.UnsupportedExtension,
    ),
    "non-empty server_name": (
        edit(
            EncryptedExtensions,
            lambda m: with_raw_extension(without(m, ExtensionType.server_name), ExtensionType.server_name, b"\0"),
        ),
        errors.DecodeError,
    ),
    # 4.4.2 CertificateRequest
    "CertificateRequest with a context": (
        before(Certificate, REQUEST.replace(certificate_request_context=b"c")),
        errors.BadRequestContext,
    ),
    "CertificateRequest without signature_algorithms": (
        before(Certificate, REQUEST.replace(extensions=Extensions((), CR))),
        errors.MissingExtension,
    ),
    "two CertificateRequests": (before(Certificate, REQUEST, REQUEST), errors.MessageOutOfOrder),
    "CertificateRequest before EncryptedExtensions": (
        before(EncryptedExtensions, REQUEST),
        errors.MessageOutOfOrder,
    ),
    # 4.5.1 Certificate
    "no Certificate": (instead(Certificate), errors.MessageOutOfOrder),
    "Certificate with a context": (
        edit(Certificate, lambda m: m.replace(certificate_request_context=b"c")),
        errors.BadRequestContext,
    ),
    "empty Certificate": (edit(Certificate, lambda m: m.replace(certificate_list=())), errors.EmptyCertificateList),
    "timestamps that were not asked for": (
        edit(Certificate, lambda m: first_entry(m, extensions=Extensions(((18, b"\0\3\0\1x"),), m_place(m)))),
        errors.UnsupportedExtension,
    ),
    "server_name in Certificate": (
        edit(Certificate, lambda m: first_entry(m, extensions=Extensions(((0, b""),), m_place(m)))),
        errors.MisplacedExtension,
    ),
    "certificate that is none": (
        edit(Certificate, lambda m: first_entry(m, cert_data=b"0\0")),
        errors.MalformedCertificate,
    ),
    "too many certificates": (
        edit(Certificate, lambda m: m.replace(certificate_list=m.certificate_list * 17)),
        errors.CertificateError,
    ),
    # 4.5.2 CertificateVerify
    "no CertificateVerify": (instead(CertificateVerify), errors.MessageOutOfOrder),
    "scheme not offered": (
        edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme.rsa_pkcs1_sha256)),
        errors.SignatureSchemeNotOffered,
    ),
    "SHA-1": (
        edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme.ecdsa_sha1)),
        errors.SignatureSchemeNotOffered,
    ),
    "scheme of another curve": (
        edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme.ecdsa_secp384r1_sha384)),
        errors.SignatureSchemeUnsuitable,
    ),
    "scheme of another kind of key": (
        edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme.rsa_pss_rsae_sha256)),
        errors.SignatureSchemeUnsuitable,
    ),
    "signature with one bit flipped": (
        edit(CertificateVerify, lambda m: m.replace(signature=m.signature[:-1] + bytes([m.signature[-1] ^ 1]))),
        errors.BadSignature,
    ),
    "empty signature": (edit(CertificateVerify, lambda m: m.replace(signature=b"")), errors.BadSignature),
    # 4.5.3 Finished
    "Finished with one bit flipped": (
        edit(Finished, lambda m: m.replace(verify_data=bytes([m.verify_data[0] ^ 1]) + m.verify_data[1:])),
        errors.BadFinished,
    ),
    "Finished too short": (edit(Finished, lambda m: m.replace(verify_data=m.verify_data[:-1])), errors.DecodeError),
    "Finished too long": (edit(Finished, lambda m: m.replace(verify_data=m.verify_data + b"\0")), errors.DecodeError),
    # order: sections 4, 4.6, 4.7
    "EndOfEarlyData from a server": (before(Finished, EndOfEarlyData()), errors.MessageOutOfOrder),
    "KeyUpdate in the handshake": (before(Finished, KEY_UPDATE), errors.MessageOutOfOrder),
    "NewSessionTicket in the handshake": (before(Finished, TICKET), errors.MessageOutOfOrder),
    "EncryptedExtensions twice": (edit(EncryptedExtensions, lambda m: [m, m]), errors.MessageOutOfOrder),
    "Finished first": (
        edit(EncryptedExtensions, lambda m: [Finished(verify_data=bytes(32)), m]),
        errors.MessageOutOfOrder,
    ),
    "unknown handshake type": (before(Finished, b"\x63\0\0\0"), errors.MessageOutOfOrder),
}


def m_place(message):
    return message.certificate_list[0].extensions.place


HOLDS = {
    "legacy_version": "R027 R028",
    "session id changed": "R031",
    "session id cut": "R031",
    "cipher suite not offered": "R032",
    "cipher suite of TLS 1.2": "R032",
    "compression": "R033 R034",
    "no supported_versions": "R036",
    "TLS 1.2 with its own extensions": "R036 R069",
    "downgrade to TLS 1.2": "R041 R042",
    "downgrade to TLS 1.1": "R041 R042",
    "selected_version TLS 1.2": "R071",
    "selected_version unknown": "R071",
    "no key_share": "R001",
    "key_share of another group": "R001 R110 R111",
    "ALPN in ServerHello": "R035 R058",
    "unknown extension in ServerHello": "R056 R057",
    "pre_shared_key that was not offered": "R056 R057",
    "extension twice in ServerHello": "R060",
    "trailing data in an extension": "R054 R055",
    "retry without supported_versions": "R044",
    "retry that changes nothing": "R047",
    "retry for a group already shared": "R047 R107 R108",
    "retry for a group not offered": "R107 R108",
    "retry with another session id": "R046",
    "retry with a suite not offered": "R046 R050",
    "retry with compression": "R046",
    "retry with legacy_version": "R046",
    "retry with an unknown extension": "R045 R057",
    "no EncryptedExtensions": "R148",
    "key_share in EncryptedExtensions": "R058 R149",
    "post_handshake_auth in EncryptedExtensions": "R098 R149",
    "psk_key_exchange_modes in EncryptedExtensions": "R120 R149",
    "ALPN that was not offered": "R056 R057",
    "unknown extension in EncryptedExtensions": "R056 R057",
    "early_data that was not offered": "R056 R057",
    "CertificateRequest with a context": "R152",
    "CertificateRequest without signature_algorithms": "R153",
    "CertificateRequest before EncryptedExtensions": "R148 R150",
    "no Certificate": "R157",
    "Certificate with a context": "R161",
    "timestamps that were not asked for": "R057 R162",
    "server_name in Certificate": "R058",
}
"""The rows of tests/requirements that a case holds."""


@pytest.mark.parametrize("name", cases(REFUSED, HOLDS))
def test_the_client_refuses(name, pair) -> None:
    script, offence = REFUSED[name]
    pair(server_script=script).expect_refusal_by_client(offence)


def test_something_after_finished_is_under_the_wrong_keys(pair) -> None:
    """Section 4.5.3: what follows Finished is protected with the application keys."""
    made = pair(server_script=edit(Finished, lambda m: [m, TICKET]))
    made.expect_refusal_by_client(errors.BadRecordMac, told=False)


def test_a_second_server_hello(pair) -> None:
    """It comes unprotected, after the first has changed the keys (section 5)."""
    made = pair(server_script=edit(ServerHello, lambda m: [m, m]))
    made.expect_refusal_by_client(errors.UnexpectedRecordType, told=False)


def test_messages_may_not_straddle_a_key_change(pair) -> None:
    """Section 5.1: a ServerHello and the beginning of something else in one record."""
    made = pair(server_script=edit(ServerHello, lambda m: m.to_handshake() + b"\x08"))
    made.expect_refusal_by_client(errors.DataAcrossKeyChange, told=False)


@pytest.mark.requirement("R048")
def test_a_second_hello_retry_request(pair) -> None:
    """Section 4.2.4."""
    first = retry(SELECTED_TLS_1_3, COOKIE)
    made = pair(server_script=lambda m: [first(m), first(m)] if type(m) is ServerHello else m)
    made.expect_refusal_by_client(errors.SecondHelloRetryRequest, told=False)


def retried(change):
    """A server that asks for secp384r1, and then changes its ServerHello."""
    return edit(ServerHello, change)


@pytest.mark.parametrize(
    ("change", "offence"),
    [
        pytest.param(
            lambda m: m.replace(cipher_suite=CipherSuite.TLS_CHACHA20_POLY1305_SHA256),
            errors.CipherSuiteChanged,
            marks=pytest.mark.requirement("R052"),
        ),
        pytest.param(
            lambda m: with_extension(m, share(NamedGroup.secp256r1, bytes(65))),
            errors.GroupChanged,
            marks=pytest.mark.requirement("R112", "R113"),
        ),
        (lambda m: with_raw_extension(m, ExtensionType.cookie, b"\0\1c"), errors.MisplacedExtension),
    ],
)
def test_what_a_retry_settled_stays(change, offence, pair, server_config) -> None:
    """Sections 4.2.4 and 4.3.8."""
    server = server_config.replace(groups=[NamedGroup.secp384r1])
    pair(server=server, server_script=retried(change)).expect_refusal_by_client(offence)


@pytest.mark.parametrize("chosen", [(b"spdy/1",), (b"h2", b"http/1.1")])
def test_alpn_must_be_one_of_the_offered(chosen, pair, client_config) -> None:
    """RFC 7301, section 3.1."""
    script = edit(EncryptedExtensions, lambda m: with_extension(m, ProtocolNameList(protocol_name_list=chosen)))
    made = pair(client=client_config.replace(alpn_protocols=["h2", "http/1.1"]), server_script=script)
    made.expect_refusal_by_client(errors.ProtocolNotOffered)


@pytest.mark.requirement("R159")
def test_a_certificate_request_is_answered_with_an_empty_certificate(pair) -> None:
    """Section 4.5.1: no certificate is an answer too. (The server here does not expect one, which shows it.)"""
    made = pair(server_script=before(Certificate, REQUEST))
    made.expect_refusal_by_server(errors.MessageOutOfOrder)
    assert made.client.handshake_complete


def test_tickets_are_read_and_dropped(quick_pair) -> None:
    """Section 4.7.1: a client that does not resume MUST silently ignore them; a broken one is still an error."""
    made = quick_pair(server_script=lambda m: m)
    made.run()
    made.server.send_record(22, TICKET.to_handshake() * 3)
    made.server.send_data(b"after")
    assert made.run()[0] == [tls13.ApplicationData(b"after")]
    made.server.send_record(22, b"\x04\0\0\x05" + bytes(5))
    assert made.expect_refusal_by_client(errors.DecodeError)


@pytest.mark.requirement("R097")
def test_a_certificate_request_after_the_handshake_was_not_offered(quick_pair) -> None:
    """Section 4.7.2."""
    made = quick_pair(server_script=lambda m: m)
    made.run()
    made.server.send_record(22, REQUEST.to_handshake())
    made.expect_refusal_by_client(errors.UnrequestedCertificateRequest)


@pytest.mark.requirement("R165")
def test_extraneous_and_unordered_certificates_are_tolerated(pair, authority) -> None:
    """Section 4.5.1.2: only the end-entity certificate's place matters."""
    from cryptography.hazmat.primitives.serialization import Encoding

    extra = CertificateEntry(cert_data=authority.certificate.public_bytes(Encoding.DER))
    script = edit(
        Certificate, lambda m: m.replace(certificate_list=(*m.certificate_list, extra, extra, *m.certificate_list))
    )
    made = pair(server_script=script)
    made.run()
    assert made.client.handshake_complete
    assert made.server.handshake_complete


@pytest.mark.parametrize(("length", "fits"), [(1, True), (63_000, True), (65_000, False)])
def test_a_cookie_must_leave_room_for_the_rest(client_config, length, fits) -> None:
    """Section 4.3.2 gives a cookie 2^16 - 1 bytes, and so have all extensions of the second ClientHello together."""
    client = tls13.ClientConnection(client_config, server_hostname="server.example")
    hello = decode_handshake(client.data_to_send()[5:])
    retry = HelloRetryRequest(
        legacy_session_id_echo=hello.legacy_session_id,
        cipher_suite=hello.cipher_suites[0],
        extensions=Extensions.of(HRR, SELECTED_TLS_1_3, Cookie(cookie=bytes(length))),
    )
    records: list[bytes] = []
    RecordWriter().write(22, retry.to_handshake(), records)
    client.receive_data(b"".join(records))
    if fits:
        assert list(client.events()) == []
        assert len(client.data_to_send()) > length
    else:
        with pytest.raises(errors.IllegalParameter, match="cookie"):
            list(client.events())

"""What a server refuses, and what it must tolerate: RFC 9846, sections 4.2.2, 4.3 and 9.2, by a scripted client."""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.lab.authority import KeyType
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.wire.extensions import (
    ClientVersions,
    Cookie,
    HostNameEntry,
    KeyShareClientHello,
    KeyShareEntry,
    NamedGroupList,
    ServerNameList,
    SignatureSchemeList,
)
from tls13.wire.messages import Certificate, ClientHello, Finished, HandshakeMessage, KeyUpdate
from tls13.wire.registry import (
    CipherSuite,
    ExtensionType,
    KeyUpdateRequest,
    NamedGroup,
    NameType,
    ProtocolVersion,
    SignatureScheme,
)

from .requirements.cases import cases

E = ExtensionType


def hello(change):
    """A script that changes the first ClientHello only."""
    seen = []

    def script(message: HandshakeMessage):
        if isinstance(message, ClientHello) and not seen:
            seen.append(message)
            return change(message)
        return message

    return script


def second_hello(change):
    """A script that changes the second ClientHello only."""
    seen = []

    def script(message: HandshakeMessage):
        if isinstance(message, ClientHello):
            seen.append(message)
            return change(message) if len(seen) == 2 else message
        return message

    return script


def edit(kind, change):
    def script(message: HandshakeMessage):
        return change(message) if type(message) is kind else message

    return script


def shares(message: ClientHello) -> tuple[KeyShareEntry, ...]:
    return message.extensions.get(KeyShareClientHello).client_shares


def with_shares(message, *entries):
    return with_extension(message, KeyShareClientHello(client_shares=entries))


PSK = b"\0\x0a\0\4abcd\0\0\0\0" + b"\0\x21\x20" + bytes(32)

REFUSED = {
    # 4.2.2
    "legacy_version 0x0304": (lambda m: m.replace(legacy_version=ProtocolVersion.TLS1_3), errors.LegacyVersion),
    "legacy_version 0x0301": (lambda m: m.replace(legacy_version=ProtocolVersion.TLS1_0), errors.LegacyVersion),
    "legacy_version 0x0400": (lambda m: m.replace(legacy_version=ProtocolVersion(0x0400)), errors.LegacyVersion),
    "compression 1": (lambda m: m.replace(legacy_compression_methods=b"\1"), errors.BadCompressionMethod),
    "compression 0, 1": (lambda m: m.replace(legacy_compression_methods=b"\0\1"), errors.BadCompressionMethod),
    "compression 1, 0": (lambda m: m.replace(legacy_compression_methods=b"\1\0"), errors.BadCompressionMethod),
    "no supported_versions": (lambda m: without(m, E.supported_versions), errors.ProtocolVersionError),
    "only old versions": (
        lambda m: with_extension(m, ClientVersions(versions=(ProtocolVersion.TLS1_2, ProtocolVersion.TLS1_1))),
        errors.ProtocolVersionError,
    ),
    "only unknown versions": (
        lambda m: with_extension(m, ClientVersions(versions=(ProtocolVersion(0x7F1C), ProtocolVersion(0x0A0A)))),
        errors.ProtocolVersionError,
    ),
    "no cipher suite in common": (
        lambda m: m.replace(cipher_suites=(CipherSuite(0xC02F), CipherSuite(0x1A1A))),
        errors.NoCommonCipherSuite,
    ),
    "bytes after the extensions": (
        lambda m: _lengthened(m.to_handshake(), b"\0"),
        errors.DecodeError,
    ),
    # 4.3
    "extension twice": (lambda m: with_raw_extension(m, E.supported_versions, b"\2\3\4"), errors.DuplicateExtension),
    "unknown extension twice": (
        lambda m: with_raw_extension(with_raw_extension(m, 0x1234), 0x1234),
        errors.DuplicateExtension,
    ),
    "oid_filters in ClientHello": (
        lambda m: with_raw_extension(m, E.oid_filters, b"\0\0"),
        errors.MisplacedExtension,
    ),
    # 4.3.3, 9.2
    "no signature_algorithms": (lambda m: without(m, E.signature_algorithms), errors.MissingExtension),
    "no supported_groups": (lambda m: without(m, E.supported_groups), errors.MissingExtension),
    "no key_share": (lambda m: without(m, E.key_share), errors.MissingExtension),
    "no signature scheme in common": (
        lambda m: with_extension(
            m, SignatureSchemeList(supported_signature_algorithms=(SignatureScheme.rsa_pss_rsae_sha256,))
        ),
        errors.NoCommonSignatureScheme,
    ),
    # 4.3.7, 4.3.8
    "no group in common": (
        lambda m: with_shares(
            with_extension(m, NamedGroupList(named_group_list=(NamedGroup.ffdhe2048,))),
            KeyShareEntry(group=NamedGroup.ffdhe2048, key_exchange=bytes(256)),
        ),
        errors.NoCommonGroup,
    ),
    "group twice": (
        lambda m: with_extension(
            m, NamedGroupList(named_group_list=(*m.extensions.get(NamedGroupList).named_group_list, NamedGroup.x25519))
        ),
        errors.DuplicateGroup,
    ),
    "share twice": (lambda m: with_shares(m, *shares(m), shares(m)[-1]), errors.KeyShareMismatch),
    "shares out of order": (lambda m: with_shares(m, *reversed(shares(m))), errors.KeyShareMismatch),
    "share of a group not listed": (
        lambda m: with_shares(m, *shares(m), KeyShareEntry(group=NamedGroup.ffdhe2048, key_exchange=b"1")),
        errors.KeyShareMismatch,
    ),
    "share of the wrong length": (
        lambda m: with_shares(m, shares(m)[0].replace(key_exchange=bytes(1215))),
        errors.InvalidKeyShare,
    ),
    "ML-KEM key not reduced": (
        lambda m: with_shares(m, shares(m)[0].replace(key_exchange=b"\xff" * 1184 + b"\1" * 32)),
        errors.InvalidKeyShare,
    ),
    "low-order X25519 in a hybrid": (
        lambda m: with_shares(m, shares(m)[0].replace(key_exchange=shares(m)[0].key_exchange[:1184] + bytes(32))),
        errors.InvalidKeyShare,
    ),
    # 4.3.9 to 4.3.11: no PSK is accepted here, but a broken offer is refused as what it is
    "pre_shared_key not last": (
        lambda m: with_raw_extension(
            with_raw_extension(m, E.psk_key_exchange_modes, b"\1\1"), E.pre_shared_key, PSK, first=True
        ),
        errors.PreSharedKeyNotLast,
    ),
    "pre_shared_key without modes": (
        lambda m: with_raw_extension(m, E.pre_shared_key, PSK),
        errors.MissingExtension,
    ),
    "fewer binders than identities": (
        lambda m: with_raw_extension(
            with_raw_extension(m, E.psk_key_exchange_modes, b"\1\1"),
            E.pre_shared_key,
            b"\0\x14" + b"\0\4abcd\0\0\0\0" * 2 + PSK[12:],
        ),
        errors.IllegalParameter,
    ),
    "early_data without pre_shared_key": (
        lambda m: with_raw_extension(m, E.early_data),
        errors.EarlyDataWithoutPsk,
    ),
    # RFC 6066, section 3
    "two host names": (
        lambda m: with_raw_extension(without(m, E.server_name), E.server_name, b"\0\x08\0\0\1a\0\0\1b"),
        errors.IllegalParameter,
    ),
    "empty host name": (
        lambda m: with_raw_extension(without(m, E.server_name), E.server_name, b"\0\3\0\0\0"),
        errors.DecodeError,
    ),
    "host name with a NUL": (
        lambda m: with_raw_extension(without(m, E.server_name), E.server_name, b"\0\6\0\0\3a\0b"),
        errors.IllegalParameter,
    ),
    # RFC 7301, section 3.1
    "empty list of protocols": (
        lambda m: with_raw_extension(m, E.application_layer_protocol_negotiation, b"\0\0"),
        errors.DecodeError,
    ),
    "empty protocol name": (
        lambda m: with_raw_extension(m, E.application_layer_protocol_negotiation, b"\0\1\0"),
        errors.DecodeError,
    ),
    # 4.3.2: a cookie nobody sealed
    "cookie of one's own making": (lambda m: with_extension(m, Cookie(cookie=b"x" * 80)), errors.BadCookie),
}


def _lengthened(raw: bytes, more: bytes) -> bytes:
    return raw[:1] + (len(raw) - 4 + len(more)).to_bytes(3, "big") + raw[4:] + more


HOLDS = {
    "legacy_version 0x0304": "R016 R017 R063",
    "legacy_version 0x0301": "R016 R017",
    "legacy_version 0x0400": "R016 R017",
    "compression 1": "R021 R022",
    "compression 0, 1": "R021 R022",
    "compression 1, 0": "R021 R022",
    "no supported_versions": "R061 R062",
    "only old versions": "R064 R065",
    "only unknown versions": "R064 R065",
    "no cipher suite in common": "R003 R010",
    "bytes after the extensions": "R026",
    "extension twice": "R060",
    "unknown extension twice": "R060",
    "oid_filters in ClientHello": "R058 R091",
    "no signature_algorithms": "R076 R077",
    "no signature scheme in common": "R003 R010",
    "no group in common": "R003 R007 R010",
    "group twice": "R099",
    "share twice": "R103",
    "shares out of order": "R101",
    "share of a group not listed": "R101 R104",
    "pre_shared_key not last": "R059 R144 R145",
    "pre_shared_key without modes": "R116 R117 R118",
    "early_data without pre_shared_key": "R123",
}
"""The rows of tests/requirements that a case holds."""


@pytest.mark.parametrize("name", cases(REFUSED, HOLDS))
def test_the_server_refuses(name, pair) -> None:
    change, offence = REFUSED[name]
    pair(client_script=hello(change)).expect_refusal_by_server(offence)


TOLERATED = {
    "unknown cipher suites": lambda m: m.replace(
        cipher_suites=(CipherSuite(0x0A0A), CipherSuite(0xC02F), *m.cipher_suites, CipherSuite(0x00FF))
    ),
    "unknown versions": lambda m: with_extension(
        m, ClientVersions(versions=(ProtocolVersion(0x7A7A), ProtocolVersion.TLS1_3, ProtocolVersion.TLS1_2))
    ),
    "unknown extensions": lambda m: with_raw_extension(with_raw_extension(m, 0x1234), 0x2A2A, bytes(16384)),
    "unknown groups": lambda m: with_extension(
        m,
        NamedGroupList(named_group_list=(NamedGroup(0x3A3A), *m.extensions.get(NamedGroupList).named_group_list)),
    ),
    "unknown signature schemes": lambda m: with_extension(
        m,
        SignatureSchemeList(
            supported_signature_algorithms=(
                SignatureScheme(0x4A4A),
                *m.extensions.get(SignatureSchemeList).supported_signature_algorithms,
            )
        ),
    ),
    "status_request_v2 and other old things": lambda m: with_raw_extension(
        with_raw_extension(with_raw_extension(m, E.status_request_v2, b"\0\0"), E.ec_point_formats, b"\1\0"),
        E.session_ticket,
    ),
    "a list of host names of unknown types": lambda m: with_raw_extension(
        without(m, E.server_name), E.server_name, b"\0\4\x63\0\1x"
    ),
    "a PSK nobody knows": lambda m: with_raw_extension(
        with_raw_extension(m, E.psk_key_exchange_modes, b"\3\0\1\x0b"), E.pre_shared_key, PSK
    ),
    "no session id": lambda m: m.replace(legacy_session_id=b""),
    "padding": lambda m: with_raw_extension(m, E.padding, bytes(500)),
}


TOLERATED_HOLDS = {
    "unknown cipher suites": "R020",
    "unknown versions": "R064",
    "unknown extensions": "R024",
    "status_request_v2 and other old things": "R024",
}


@pytest.mark.parametrize("name", cases(TOLERATED, TOLERATED_HOLDS))
def test_the_server_ignores_what_it_does_not_know(name, pair) -> None:
    """Section 9.3: everything unknown MUST be ignored; the server goes on as if it were not there.

    The client of this test checks the echo of a session id that it did not send, so only the server is looked at.
    """
    made = pair(client_script=hello(TOLERATED[name]))
    if name == "no session id":
        made.expect_refusal_by_client(errors.SessionIdNotEchoed, told=False)
        return
    made.run()
    assert made.server.handshake_complete
    assert made.client.handshake_complete


@pytest.mark.requirement("R062")
def test_a_hello_of_tls_1_2_without_extensions(pair) -> None:
    """Section 4.3.1: it is an older version's, not a broken one's."""

    def change(message):
        raw = without(message, *message.extensions.types()).to_handshake()
        return raw[:1] + (len(raw) - 6).to_bytes(3, "big") + raw[4:-2]

    pair(client_script=hello(change)).expect_refusal_by_server(errors.ProtocolVersionError)


# --- HelloRetryRequest: 4.2.4 -----------------------------------------------------------------------------------------

RETRIED = {
    "another random": (lambda m: m.replace(random=bytes(32)), errors.ClientHelloChanged),
    "another session id": (lambda m: m.replace(legacy_session_id=bytes(32)), errors.ClientHelloChanged),
    "fewer cipher suites": (lambda m: m.replace(cipher_suites=m.cipher_suites[:1]), errors.ClientHelloChanged),
    "one more extension": (lambda m: with_raw_extension(m, 0x1234), errors.ClientHelloChanged),
    "no server_name any more": (lambda m: without(m, E.server_name), errors.ClientHelloChanged),
    "early_data": (
        lambda m: with_raw_extension(
            with_raw_extension(with_raw_extension(m, E.psk_key_exchange_modes, b"\1\1"), E.early_data),
            E.pre_shared_key,
            PSK,
        ),
        errors.ClientHelloChanged,
    ),
    "no cookie": (lambda m: without(m, E.cookie), errors.BadCookie),
    "a cookie with one bit flipped": (
        lambda m: with_extension(m, Cookie(cookie=_flip(m.extensions.get(Cookie).cookie))),
        errors.BadCookie,
    ),
    "a cookie cut short": (
        lambda m: with_extension(m, Cookie(cookie=m.extensions.get(Cookie).cookie[:-1])),
        errors.BadCookie,
    ),
    "no share": (lambda m: with_shares(m), errors.KeyShareMismatch),
    "two shares": (
        lambda m: with_shares(m, KeyShareEntry(group=NamedGroup.secp256r1, key_exchange=b"1"), *shares(m)),
        errors.KeyShareMismatch,
    ),
    "a share of another group": (
        lambda m: with_shares(m, KeyShareEntry(group=NamedGroup.secp256r1, key_exchange=b"1")),
        errors.KeyShareMismatch,
    ),
}


def _flip(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


RETRIED_HOLDS = {
    "another random": "R012",
    "another session id": "R012",
    "fewer cipher suites": "R012",
    "one more extension": "R012",
    "no server_name any more": "R012",
    "early_data": "R012",
    "no cookie": "R072",
    "a cookie with one bit flipped": "R072",
    "a cookie cut short": "R072",
    "no share": "R109",
    "two shares": "R109",
    "a share of another group": "R109",
}


@pytest.mark.parametrize("name", cases(RETRIED, RETRIED_HOLDS))
def test_the_second_client_hello_must_be_the_first_but_for_the_share(name, pair, server_config) -> None:
    """Sections 4.2.2 and 4.3.8."""
    change, offence = RETRIED[name]
    made = pair(server=server_config.replace(groups=[NamedGroup.secp384r1]), client_script=second_hello(change))
    made.expect_refusal_by_server(offence)


@pytest.mark.requirement("R009", "R049", "R109")
@pytest.mark.parametrize("groups", [[NamedGroup.secp256r1], [NamedGroup.secp521r1], [NamedGroup.x448]])
def test_a_retry_for_a_group(groups, pair, server_config) -> None:
    made = pair(server=server_config.replace(groups=groups))
    made.run()
    assert made.client.session.group == made.server.session.group == groups[0]
    assert made.client.session.hello_retry_request
    assert made.server.session.hello_retry_request


@pytest.mark.requirement("R049")
def test_a_retry_for_the_cookie_alone(pair, server_config) -> None:
    made = pair(server=server_config.replace(always_retry=True))
    made.run()
    assert made.client.session.group == NamedGroup.X25519MLKEM768
    assert made.client.session.hello_retry_request


@pytest.mark.requirement("R051", "R072")
@pytest.mark.parametrize("groups", [[NamedGroup.secp384r1], [NamedGroup.x25519]])
def test_another_server_finishes_the_handshake(groups, client_config, server_config) -> None:
    """Section 4.3.2: all that the first server knew is in the cookie, if the second has the same key."""
    config = server_config.replace(cookie_key=b"k" * 32, groups=groups, always_retry=True)
    client = tls13.ClientConnection(client_config, server_hostname="server.example")
    first, second = tls13.ServerConnection(config), tls13.ServerConnection(config)
    first.receive_data(client.data_to_send())
    assert list(first.events()) == []
    client.receive_data(first.data_to_send())
    assert list(client.events()) == []
    tls13.pump(client, second)
    assert client.handshake_complete
    assert second.session.hello_retry_request


@pytest.mark.parametrize("tickets", ["sealed", None])
def test_no_server_is_called_by_more_than_255_letters(quick_pair, server_config, tickets) -> None:
    """A HostName has room for more, but the DNS has not; and a ticket holds the name."""

    def named(length: int):
        entry = HostNameEntry(name_type=NameType.host_name, host_name=b"a" * length)
        return hello(lambda m: with_extension(m, ServerNameList(server_name_list=(entry,))))

    server = server_config.replace(tickets=tickets)
    client = quick_pair.client_config.replace(sessions=tls13.SessionCache())
    quick_pair(client=client, server=server, client_script=named(255)).run()
    quick_pair(client=client, server=server, client_script=named(256)).expect_refusal_by_server(errors.UnrecognizedName)


def test_another_identity_is_used_where_the_named_one_cannot_sign(quick_pair, authority, client_config) -> None:
    """The first whose names match and whose key fits, else the first that fits."""
    fitting = authority.issue(["b.example"], key_type=KeyType.RSA_2048).identity
    server = tls13.ServerConfig([authority.issue(["a.example"]).identity, fitting])
    client = client_config.replace(
        trust=None, verify=tls13.INSECURE_NO_VERIFICATION, signature_schemes=[SignatureScheme.rsa_pss_rsae_sha256]
    )
    made = quick_pair(client=client, server=server, host="a.example")
    made.run()
    assert made.client.session.peer_certificates == fitting.chain
    strict = quick_pair(client=client, server=server.replace(strict_server_name=True), host="a.example")
    strict.expect_refusal_by_server(errors.NoCommonSignatureScheme)


@pytest.mark.parametrize("what", ["groups", "suites", "schemes"])
def test_a_refusal_does_not_repeat_all_that_was_offered(quick_pair, what) -> None:
    """A ClientHello has room for tens of thousands of numbers, and the sentence goes to somebody's log."""
    numbers = range(0x7000, 0x7000 + 200)

    def change(m):
        if what == "suites":
            return m.replace(cipher_suites=tuple(map(CipherSuite, numbers)))
        if what == "schemes":
            schemes = tuple(map(SignatureScheme, numbers))
            return with_extension(m, SignatureSchemeList(supported_signature_algorithms=schemes))
        m = with_extension(m, KeyShareClientHello(client_shares=()))
        return with_extension(m, NamedGroupList(named_group_list=tuple(map(NamedGroup, numbers))))

    with pytest.raises(errors.HandshakeFailure) as caught:
        quick_pair(client_script=hello(change)).run()
    assert len(str(caught.value)) < 1000
    assert "184 more" in str(caught.value)


def test_a_cookie_of_another_key_is_refused(client_config, server_config) -> None:
    client = tls13.ClientConnection(client_config, server_hostname="server.example")
    first = tls13.ServerConnection(server_config.replace(always_retry=True))
    first.receive_data(client.data_to_send())
    list(first.events())
    client.receive_data(first.data_to_send())
    list(client.events())
    other = tls13.ServerConnection(server_config.replace(cookie_key=b"o" * 32))
    assert other.config.shares_cookie_key
    other.receive_data(client.data_to_send())
    with pytest.raises(errors.BadCookie):
        list(other.events())


# --- the rest of the handshake --------------------------------------------------------------------------------------


def test_finished_is_checked(pair) -> None:
    """Section 4.5.3."""
    script = edit(Finished, lambda m: m.replace(verify_data=_flip(m.verify_data)))
    pair(client_script=script).expect_refusal_by_server(errors.BadFinished)


@pytest.mark.parametrize(
    "message",
    [
        Certificate(certificate_list=()),
        KeyUpdate(request_update=KeyUpdateRequest.update_not_requested),
        b"\x05\0\0\0",
        b"\x04\0\0\0",
        b"\x63\0\0\0",
    ],
    ids=["Certificate", "KeyUpdate", "EndOfEarlyData", "NewSessionTicket", "unknown"],
)
def test_nothing_but_finished_may_come(message, pair) -> None:
    """Sections 4, 4.5.1 and 4.6: no certificate was asked for, no early data accepted."""
    pair(client_script=edit(Finished, lambda m: [message, m])).expect_refusal_by_server(errors.MessageOutOfOrder)


@pytest.mark.requirement("R013")
def test_client_hello_after_the_handshake_is_no_renegotiation(quick_pair) -> None:
    """Section 4.2.2."""
    sent = []
    made = quick_pair(client_script=lambda m: sent.append(m) or m)
    made.run()
    made.client.send_record(22, sent[0].to_handshake())
    made.expect_refusal_by_server(errors.Renegotiation)


@pytest.mark.requirement("R011")
def test_the_first_message_must_be_a_client_hello(pair) -> None:
    """Section 4.2.2."""
    pair(client_script=lambda m: Finished(verify_data=bytes(32))).expect_refusal_by_server(errors.MessageOutOfOrder)


def test_more_bytes_behind_a_client_hello(pair) -> None:
    """Section 5.1: the server's keys change after it."""
    script = hello(lambda m: m.to_handshake() + b"\1")
    pair(client_script=script).expect_refusal_by_server(errors.DataAcrossKeyChange)


@pytest.mark.requirement("D28")
def test_alpn(pair, client_config, server_config) -> None:
    """RFC 7301: the server's preference decides; nothing in common ends the handshake; no list means no protocol."""
    server = server_config.replace(alpn_protocols=["h2", "http/1.1"])
    made = pair(client=client_config.replace(alpn_protocols=["http/1.1", "h2"]), server=server)
    made.run()
    assert made.client.session.alpn_protocol == made.server.session.alpn_protocol == b"h2"

    made = pair(client=client_config.replace(alpn_protocols=["spdy/1"]), server=server)
    made.expect_refusal_by_server(errors.NoApplicationProtocol)

    for client, one in ((client_config, server), (client_config.replace(alpn_protocols=["h2"]), server_config)):
        made = pair(client=client, server=one)
        made.run()
        assert made.client.session.alpn_protocol is None


@pytest.mark.requirement("D30")
def test_the_certificate_is_chosen_by_name(quick_pair, authority, identity, server_config, client_config) -> None:
    """RFC 6066, section 3, and RFC 9846, section 4.5.1.2."""
    other = authority.issue(["*.other.example"]).identity
    server = server_config.replace(identity=[identity, other])
    for host, expected in (("server.example", identity), ("www.other.example", other)):
        made = quick_pair(server=server, host=host)
        made.run()
        assert made.client.session.peer_certificates == expected.chain
        assert made.server.session.server_name == host
    quick_pair(server=server, host="third.example").expect_refusal_by_client(errors.WrongHost)
    strict = server.replace(strict_server_name=True)
    quick_pair(server=strict, host="third.example").expect_refusal_by_server(errors.UnrecognizedName)


def test_an_ip_address_is_not_sent_as_server_name(quick_pair) -> None:
    """RFC 6066, section 3; RFC 9846, section 4.5.1.2."""
    made = quick_pair(host="127.0.0.1")
    made.run()
    assert made.server.session.server_name is None
    assert made.client.handshake_complete


@pytest.mark.requirement("R009")
def test_an_empty_key_share_asks_for_a_retry(quick_pair) -> None:
    """Section 4.3.8: an empty client_shares vector is legal."""
    made = quick_pair(client_script=hello(with_shares))
    made.server.receive_data(made.client.data_to_send())
    assert list(made.server.events()) == []
    answer = made.server.data_to_send()
    assert answer[11:43].hex().startswith("cf21ad74e59a6111")

"""Older versions, and what is left of them: RFC 9846, appendices C.5, E and F."""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import A_RECORD, HOST
from tests.mutual import edit, first_hello, hello_of
from tls13 import errors
from tls13.crypto.suites import SUITES
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.wire.extensions import ClientVersions
from tls13.wire.messages import EncryptedExtensions, ServerHello
from tls13.wire.registry import CipherSuite, ExtensionType, ProtocolVersion

E = ExtensionType


# --- appendix E -------------------------------------------------------------------------------------------------------


def tls_1_2(message: ServerHello, *, keeps_extensions: bool = True):
    if keeps_extensions:
        return without(message, E.supported_versions, E.key_share)
    raw = without(message, *message.extensions.types()).to_handshake()
    return raw[:1] + (len(raw) - 6).to_bytes(3, "big") + raw[4:-2]


OLD_VERSIONS = [ProtocolVersion(0x0002), ProtocolVersion(0x0300), ProtocolVersion.TLS1_0, ProtocolVersion.TLS1_1]


@pytest.mark.parametrize("keeps_extensions", [True, False])
@pytest.mark.requirement("R306", "R315")
def test_a_client_refuses_a_server_that_chooses_tls_1_2(keeps_extensions, pair) -> None:
    """Appendix E.1."""
    script = edit(ServerHello, lambda m: tls_1_2(m, keeps_extensions=keeps_extensions))
    pair(server_script=script).expect_refusal_by_client(errors.ProtocolVersionError)


@pytest.mark.parametrize("version", [*OLD_VERSIONS, ProtocolVersion.TLS1_3, ProtocolVersion(0x0305)])
@pytest.mark.requirement("R306", "R315", "R318", "R319")
def test_a_client_refuses_a_server_hello_with_another_legacy_version(version, pair) -> None:
    """Appendix E.5: 0x0303 or nothing. Without supported_versions, an older version was chosen."""
    script = edit(ServerHello, lambda m: m.replace(legacy_version=version))
    pair(server_script=script).expect_refusal_by_client(errors.LegacyVersion)
    script = edit(ServerHello, lambda m: tls_1_2(m).replace(legacy_version=version))
    pair(server_script=script).expect_refusal_by_client(errors.ProtocolVersionError)


@pytest.mark.parametrize("version", OLD_VERSIONS)
@pytest.mark.requirement("R315")
def test_a_server_never_negotiates_an_old_version(version, pair) -> None:
    """Appendix E.5, offered in either way."""
    script = first_hello(lambda m: with_extension(m, ClientVersions(versions=(version,))))
    pair(client_script=script).expect_refusal_by_server(errors.ProtocolVersionError)
    script = first_hello(lambda m: without(m, E.supported_versions).replace(legacy_version=version))
    pair(client_script=script).expect_refusal_by_server(errors.ProtocolVersionError)


@pytest.mark.requirement("R307")
def test_supported_versions_alone_decides_about_the_version(pair) -> None:
    """Appendix E.2: in no order that means anything to us, and whatever legacy_version would allow."""
    for versions in ((0x0304,), (0x0303, 0x0302, 0x0304), (0x7F1C, 0x0304, 0x0303)):
        offer = ClientVersions(versions=tuple(map(ProtocolVersion, versions)))
        made = pair(client_script=first_hello(lambda m, offer=offer: with_extension(m, offer)))
        made.run()
        assert made.client.session.version == made.server.session.version == ProtocolVersion.TLS1_3
    only_older = ClientVersions(versions=(ProtocolVersion.TLS1_2, ProtocolVersion.TLS1_1))
    made = pair(client_script=first_hello(lambda m: with_extension(m, only_older)))
    made.expect_refusal_by_server(errors.ProtocolVersionError)


@pytest.mark.parametrize("version", [ProtocolVersion.TLS1_0, ProtocolVersion.TLS1_2])
@pytest.mark.requirement("R309")
def test_a_server_refuses_a_hello_without_supported_versions(version, pair) -> None:
    """Appendix E.2: it supports nothing that such a client could mean."""
    script = first_hello(lambda m: without(m, E.supported_versions).replace(legacy_version=version))
    pair(client_script=script).expect_refusal_by_server(errors.ProtocolVersionError)


@pytest.mark.requirement("R311")
def test_a_client_that_sent_early_data_fails_at_tls_1_2(quick_pair, client_config, server_config) -> None:
    """Appendix E.3: and the early data is not sent again."""
    now = [server_config.clock()]
    client = client_config.replace(sessions=tls13.SessionCache(), clock=lambda: now[0])
    server = server_config.replace(tickets=tls13.SealedTickets(), max_early_data=100, clock=lambda: now[0])
    now[0] += 60
    quick_pair(client=client, server=server).run()
    made = quick_pair(server=server, server_script=edit(ServerHello, tls_1_2))
    made.client = tls13.ClientConnection(client, server_hostname=HOST, early_data=b"early")
    assert made.client.early_data_left == 95
    made.expect_refusal_by_client(errors.ProtocolVersionError, told=False)


@pytest.mark.parametrize("retry", [False, True], ids=["ServerHello", "HelloRetryRequest"])
@pytest.mark.parametrize("session_id", [True, False])
@pytest.mark.requirement("R312")
def test_a_server_sends_change_cipher_spec_to_who_sent_a_session_id(
    session_id, retry, quick_pair, client_config, server_config
) -> None:
    """Appendix E.4: once, directly after its first message."""
    made = quick_pair(
        client=client_config.replace(middlebox_compatibility=session_id),
        server=server_config.replace(always_retry=retry),
    )
    stream = b""
    while made.client.wants_send or made.server.wants_send:
        made.server.receive_data(made.client.data_to_send())
        list(made.server.events())
        data = made.server.data_to_send()
        stream += data
        made.client.receive_data(data)
        list(made.client.events())
    assert made.client.handshake_complete
    assert made.client.session.hello_retry_request == retry
    after_first = stream[5 + int.from_bytes(stream[3:5], "big") :]
    assert after_first.startswith(b"\x14\3\3\0\1\1") == session_id
    assert stream.count(b"\x14\3\3\0\1\1") == session_id


WEAK_SUITES = {
    "TLS_RSA_WITH_RC4_128_MD5": 0x0004,
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA": 0xC011,
    "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA": 0x0008,
    "TLS_RSA_WITH_DES_CBC_SHA": 0x0009,
    "TLS_NULL_WITH_NULL_NULL": 0x0000,
    "TLS_SHA256_SHA256 (RFC 9150, no encryption)": 0xC0B4,
}


@pytest.mark.parametrize("name", WEAK_SUITES)
@pytest.mark.requirement("R313", "R314")
def test_a_weak_cipher_is_neither_offered_nor_chosen_nor_accepted(name, pair, quick_pair, client_config) -> None:
    """Appendix E.5: RC4, and what is below 112 bits."""
    weak = CipherSuite(WEAK_SUITES[name])
    assert weak not in hello_of(quick_pair(client=client_config).client.data_to_send()).cipher_suites
    with pytest.raises(tls13.ConfigurationError):
        client_config.replace(cipher_suites=[weak])
    made = pair(client_script=first_hello(lambda m: m.replace(cipher_suites=(weak,))))
    made.expect_refusal_by_server(errors.NoCommonCipherSuite)
    made = pair(server_script=edit(ServerHello, lambda m: m.replace(cipher_suite=weak)))
    made.expect_refusal_by_client(errors.CipherSuiteNotOffered)


@pytest.mark.requirement("R314", "R244", "R248")
def test_what_the_cipher_suites_have_in_common() -> None:
    """Keys of 128 bits at least (E.5), tags of 255 bytes at most (5.2), nonces of 12 bytes (5.3)."""
    for suite in SUITES.values():
        assert suite.key_length >= 16
        aead = suite.aead(bytes(suite.key_length))
        assert len(aead.encrypt(bytes(12), b"", b"")) == suite.tag_length <= 255


SSL2_HELLO = bytes.fromhex("802e0103040015000000100000c0130700c0040080000005")
"""CLIENT-HELLO of SSL 2.0 with version 0x0304 inside."""


@pytest.mark.parametrize("chunk_size", [1, 5, 100])
@pytest.mark.requirement("R315", "R317")
def test_a_hello_in_the_format_of_ssl_2_is_refused(chunk_size, server_config) -> None:
    """Appendix E.5, whatever version it asks for."""
    server = tls13.ServerConnection(server_config)
    server.receive_data(SSL2_HELLO[:chunk_size])
    with pytest.raises(errors.UnexpectedRecordType, match=r"SSL 2\.0"):
        server.next_event()
    assert server.data_to_send() == b"\x15\3\3\0\2\2\x0a"


@pytest.mark.requirement("R316", "R318")
def test_the_client_hello_is_one_of_tls(quick_pair) -> None:
    """Appendix E.5: a handshake record, and legacy_version 0x0303."""
    stream = quick_pair().client.data_to_send()
    assert stream[:1] == b"\x16"
    assert stream[5:6] == b"\1"
    assert stream[9:11] == b"\3\3"


@pytest.mark.parametrize("retry", [False, True])
@pytest.mark.requirement("R318")
def test_a_server_hello_has_0x0303(retry, quick_pair, server_config) -> None:
    made = quick_pair(server=server_config.replace(always_retry=retry))
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    answer = made.server.data_to_send()
    assert (answer[5], answer[9:11]) == (2, b"\3\3")


@pytest.mark.parametrize("version", [*OLD_VERSIONS, ProtocolVersion.TLS1_3, ProtocolVersion(0x0305)])
@pytest.mark.requirement("R318", "R319")
def test_a_server_refuses_a_hello_with_another_legacy_version(version, pair) -> None:
    """Appendix E.5: although supported_versions says TLS 1.3."""
    script = first_hello(lambda m: m.replace(legacy_version=version))
    pair(client_script=script).expect_refusal_by_server(errors.LegacyVersion)


TRUNCATED_HMAC = 4


@pytest.mark.requirement("R321")
def test_truncated_hmac_is_not_used(quick_pair, pair) -> None:
    """Appendix E.5: not sent; not answered; an answer to it is refused, asked for or not."""
    assert TRUNCATED_HMAC not in hello_of(quick_pair().client.data_to_send()).extensions.types()
    sent = []
    asks = first_hello(lambda m: with_raw_extension(m, TRUNCATED_HMAC))
    made = pair(client_script=asks, server_script=lambda m: sent.append(m) or m)
    made.run()
    (parameters,) = [message for message in sent if isinstance(message, EncryptedExtensions)]
    assert TRUNCATED_HMAC not in parameters.extensions.types()
    for client_script in (None, asks):
        made = pair(
            client_script=client_script,
            server_script=edit(EncryptedExtensions, lambda m: with_raw_extension(m, TRUNCATED_HMAC)),
        )
        made.expect_refusal_by_client(errors.UnsupportedExtension)


# --- appendices C.5 and F ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("R304")
def test_nobody_is_left_unauthenticated_without_having_asked_for_it(quick_pair) -> None:
    """Appendix C.5: neither the chain nor the name can be forgotten."""
    with pytest.raises(tls13.ConfigurationError, match="server_hostname"):
        tls13.ClientConnection(tls13.ClientConfig(), server_hostname=None)
    made = quick_pair(client=tls13.ClientConfig(trust=tls13.TrustStore.from_certificates([])))
    made.expect_refusal_by_client(errors.EmptyTrustStore)
    with pytest.raises(tls13.ConfigurationError):
        tls13.ServerConfig(None)


@pytest.mark.requirement("R323")
def test_the_channel_binding_has_32_bytes_and_is_of_this_connection(quick_pair) -> None:
    """Appendix F.1; RFC 9266."""
    bindings = set()
    for _ in range(3):
        made = quick_pair()
        made.run()
        binding = made.client.channel_binding()
        assert binding == made.server.channel_binding()
        assert len(binding) == 32
        bindings.add(binding)
    assert len(bindings) == 3


@pytest.mark.requirement("R327")
def test_an_application_can_see_when_the_handshake_is_complete(quick_pair) -> None:
    """Appendix F.5: a server, only when the client's Finished is here."""
    made = quick_pair()
    made.chunk = A_RECORD
    assert not made.client.handshake_complete
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    made.client.receive_data(made.server.data_to_send())
    assert not made.client.handshake_complete
    assert [type(event) for event in made.client.events()] == [tls13.HandshakeCompleted]
    assert made.client.handshake_complete
    assert not made.server.handshake_complete
    assert made.server.session is None
    made.server.receive_data(made.client.data_to_send())
    assert tls13.HandshakeCompleted in [type(event) for event in made.server.events()]
    assert made.server.handshake_complete

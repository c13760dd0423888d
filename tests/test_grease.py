"""GREASE, shuffled extensions and padding: what a peer must not care about (RFC 8701, RFC 7685)."""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.lab.scripted import with_raw_extension
from tls13.wire.extensions import (
    ClientVersions,
    KeyShareClientHello,
    NamedGroupList,
    ProtocolNameList,
    PskKeyExchangeModes,
    SignatureSchemeList,
)
from tls13.wire.messages import ClientHello, EncryptedExtensions, ServerHello, decode_handshake
from tls13.wire.registry import GREASE, GREASE_PSK_MODES, CipherSuite, ExtensionType, NamedGroup

HOST = "server.example"


def hello_of(config: tls13.ClientConfig) -> ClientHello:
    stream = tls13.ClientConnection(config, server_hostname=HOST).data_to_send()
    hello = decode_handshake(stream[5:])
    assert isinstance(hello, ClientHello)
    hello.judge()
    return hello


@pytest.fixture
def greasy(client_config) -> tls13.ClientConfig:
    return client_config.replace(grease=True, alpn_protocols=["h2"], sessions=tls13.SessionCache())


def test_every_list_that_can_grow_has_a_reserved_value(greasy) -> None:
    """RFC 8701, section 3.1: cipher suites, extensions, groups, key shares, schemes, versions, PSK modes, ALPN."""
    hello = hello_of(greasy)
    get = hello.extensions.get
    assert hello.cipher_suites[0] in GREASE
    reserved = [number for number in hello.extensions.types() if number in GREASE]
    assert len(set(reserved)) == 2
    assert get(NamedGroupList).named_group_list[0] in GREASE
    assert get(KeyShareClientHello).client_shares[0].group == get(NamedGroupList).named_group_list[0]
    assert get(SignatureSchemeList).supported_signature_algorithms[0] in GREASE
    assert get(ClientVersions).versions[0] in GREASE
    assert get(PskKeyExchangeModes).ke_modes[0] in GREASE_PSK_MODES
    assert int.from_bytes(get(ProtocolNameList).protocol_name_list[0], "big") in GREASE


def test_a_server_ignores_it_all(pair, greasy, server_config) -> None:
    for _ in range(20):
        made = pair(client=greasy.replace(shuffle_extensions=True, min_client_hello=3000), server=server_config)
        made.run()
        assert made.client.handshake_complete
        assert made.server.handshake_complete


def test_the_second_client_hello_repeats_it(pair, greasy, server_config) -> None:
    """Section 4.2.2: the values and the order are the same; our server compares the two."""
    greasy = greasy.replace(shuffle_extensions=True)
    for server in (server_config.replace(groups=[NamedGroup.secp384r1]), server_config.replace(always_retry=True)):
        made = pair(client=greasy, server=server)
        made.run()
        assert made.client.session.hello_retry_request


def test_a_resumed_client_hello_ends_with_pre_shared_key(quick_pair, greasy) -> None:
    """Section 4.3.11, whatever else is shuffled, reserved or padded."""
    config = greasy.replace(shuffle_extensions=True, min_client_hello=4000)
    quick_pair(client=config).run()
    hello = hello_of(config)
    assert hello.extensions.types()[-1] == ExtensionType.pre_shared_key
    assert len(hello.to_handshake()) == 4000


@pytest.mark.parametrize("length", [600, 1500, 1700, 16000])
def test_a_client_hello_is_padded_to_the_length_that_is_wanted(client_config, length) -> None:
    short = len(hello_of(client_config).to_handshake())
    padded = hello_of(client_config.replace(min_client_hello=length))
    assert len(padded.to_handshake()) == max(short, length)
    zeros = padded.extensions.find(ExtensionType.padding)
    assert zeros is None if short >= length else not any(zeros)


def test_the_order_is_another_one_each_time(client_config) -> None:
    config = client_config.replace(shuffle_extensions=True)
    assert len({hello_of(config).extensions.types() for _ in range(20)}) > 10


def test_a_server_that_chooses_a_reserved_suite_is_refused(quick_pair, greasy) -> None:
    """RFC 8701, section 3.1: a client that offered it must reject it like any other that it does not know."""
    made = quick_pair(client=greasy)
    chosen = made.client._handshake.grease.cipher_suites[0]
    assert chosen not in list(CipherSuite)

    def script(message):
        return message.replace(cipher_suite=chosen) if isinstance(message, ServerHello) else message

    made.server = type(quick_pair(server_script=script).server)(made.server.config, script)
    made.expect_refusal_by_client(errors.CipherSuiteNotOffered, told=False)


def test_a_server_that_answers_a_reserved_extension_is_refused(quick_pair, greasy) -> None:
    made = quick_pair(client=greasy)
    number = made.client._handshake.grease.extensions[0][0]

    def script(message):
        return with_raw_extension(message, number) if isinstance(message, EncryptedExtensions) else message

    made.server = type(quick_pair(server_script=script).server)(made.server.config, script)
    made.expect_refusal_by_client(errors.UnsupportedExtension)

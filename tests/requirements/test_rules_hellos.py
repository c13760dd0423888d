"""The hellos: RFC 9846, sections 4.2 and 4.3, what is sent, and each rule broken by a scripted peer."""

from __future__ import annotations

import pytest

import tls13
from tls13 import errors
from tls13.lab.scripted import ScriptedClient, with_extension, with_raw_extension, without
from tls13.wire.extensions import (
    ClientVersions,
    Cookie,
    KeyShareClientHello,
    SelectedVersion,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from tls13.wire.messages import CertificateVerify, ClientHello, HelloRetryRequest, ServerHello
from tls13.wire.registry import GREASE, CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme

from .scripts import HOST, Recorder, edit, first_hello

E = ExtensionType
SHA1_SCHEMES = {SignatureScheme.rsa_pkcs1_sha1, SignatureScheme.ecdsa_sha1}
P384 = [NamedGroup.secp384r1]
CCS = b"\x14\3\3\0\1\1"


def hellos(made, script: Recorder) -> list[ClientHello]:
    made.client = ScriptedClient(made.client.config, script, server_hostname=HOST)
    made.run()
    assert made.client.handshake_complete
    return script.of(ClientHello)


# --- ClientHello: section 4.2.2 ---------------------------------------------------------------------------------------


@pytest.mark.requirement("R011")
def test_the_first_thing_a_client_sends_is_a_client_hello(client_config) -> None:
    stream = tls13.ClientConnection(client_config, server_hostname=HOST).data_to_send()
    assert (stream[0], stream[5]) == (22, 1)


@pytest.mark.requirement("R016", "R021", "R061", "R073", "R076")
@pytest.mark.parametrize("grease", [False, True])
def test_what_every_client_hello_says(grease, client_config, server_config, quick_pair) -> None:
    config = client_config.replace(grease=grease)
    for server in (server_config, server_config.replace(always_retry=True), server_config.replace(groups=P384)):
        made = quick_pair(client=config, server=server)
        for number, hello in enumerate(hellos(made, Recorder())):
            raw = hello.to_handshake()
            assert raw[4:6] == b"\3\3"
            assert hello.legacy_compression_methods == b"\0"
            versions = hello.extensions.get(ClientVersions).versions
            assert [version for version in versions if version not in GREASE] == [ProtocolVersion.TLS1_3]
            assert hello.extensions.get(SignatureSchemeList) is not None
            assert (Cookie.extension_type in hello.extensions) is (number == 1)


@pytest.mark.requirement("R073")
def test_a_cookie_is_for_its_connection_only(client_config, server_config, quick_pair) -> None:
    client = client_config.replace(sessions=tls13.SessionCache())
    quick_pair(client=client, server=server_config.replace(always_retry=True)).run()
    assert Cookie.extension_type not in first_hello(tls13.ClientConnection(client, server_hostname=HOST)).extensions


@pytest.mark.requirement("R018", "R019")
def test_the_session_id_is_fresh_or_empty(client_config) -> None:
    found = [first_hello(tls13.ClientConnection(client_config, server_hostname=HOST)) for _ in range(3)]
    ids = [hello.legacy_session_id for hello in found]
    assert {len(one) for one in ids} == {32}
    assert len(set(ids)) == 3
    plain = client_config.replace(middlebox_compatibility=False)
    assert first_hello(tls13.ClientConnection(plain, server_hostname=HOST)).legacy_session_id == b""


@pytest.mark.requirement("R012", "R049", "R072", "R109")
@pytest.mark.parametrize("way", ["cookie", "group", "cookie and group"])
def test_the_second_client_hello_is_the_first_with_what_was_asked_for(way, client_config, server_config) -> None:
    """Section 4.2.2. The cookie that comes back is the one that was sent, byte for byte."""
    group = way != "cookie"
    server = server_config.replace(groups=P384) if group else server_config.replace(always_retry=True)
    client = client_config.replace(alpn_protocols=["h2"], psks=[tls13.ExternalPsk(b"unknown", bytes(16))])
    record = Recorder()
    one = ScriptedClient(client, record, server_hostname=HOST)
    other = tls13.ServerConnection(server)
    other.receive_data(one.data_to_send())
    list(other.events())
    stream = other.data_to_send()
    request = HelloRetryRequest.decode(stream[9 : 5 + int.from_bytes(stream[3:5], "big")])
    request.judge()
    if way == "group":
        raw = without(request, E.cookie).to_handshake()
        stream = b"\x16\3\3" + len(raw).to_bytes(2, "big") + raw
    one.receive_data(stream)
    list(one.events())
    first, second = record.of(ClientHello)
    for field in ("legacy_version", "random", "legacy_session_id", "cipher_suites", "legacy_compression_methods"):
        assert getattr(first, field) == getattr(second, field)
    cookie = request.extensions.get(Cookie)
    returned = second.extensions.get(Cookie)
    assert returned == (None if way == "group" else cookie)
    changed = {E.cookie, E.pre_shared_key, E.key_share} if group else {E.cookie, E.pre_shared_key}
    kept = [item for item in first.extensions.raw if item[0] not in changed]
    assert [item for item in second.extensions.raw if item[0] not in changed] == kept
    if group:
        (share,) = second.extensions.get(KeyShareClientHello).client_shares
        assert share.group == NamedGroup.secp384r1


@pytest.mark.requirement("R013")
def test_a_second_client_hello_that_nobody_asked_for(quick_pair) -> None:
    """Right behind the first, where the server waits for Finished: it is not under the handshake keys."""
    record = Recorder()
    made = quick_pair(client_script=record)
    made.client.inject(b"\x16\3\3" + len(raw := record.sent[0].to_handshake()).to_bytes(2, "big") + raw)
    made.expect_refusal_by_server(errors.UnexpectedRecordType, told=False)


@pytest.mark.requirement("R013")
def test_a_client_hello_under_the_handshake_keys(quick_pair) -> None:
    hello = []

    def script(message):
        if isinstance(message, ClientHello):
            hello.append(message)
            return message
        return [hello[0], message]

    quick_pair(client_script=script).expect_refusal_by_server(errors.Renegotiation)


@pytest.mark.requirement("R020")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_unknown_suites_anywhere(place, client_config, quick_pair) -> None:
    def script(message):
        if not isinstance(message, ClientHello):
            return message
        known, unknown = message.cipher_suites, (CipherSuite(0x5A5A), CipherSuite(0x1399), CipherSuite(0x002F))
        at = {"first": 0, "middle": 1, "last": len(known)}[place]
        return message.replace(cipher_suites=(*known[:at], *unknown, *known[at:]))

    made = quick_pair(client_script=script)
    made.run()
    assert made.server.handshake_complete
    assert made.server.session.cipher_suite == CipherSuite.TLS_AES_128_GCM_SHA256


@pytest.mark.requirement("R024")
@pytest.mark.parametrize("length", [0, 1, 16384])
def test_an_unknown_extension_of_any_length(length, quick_pair) -> None:
    script = edit(ClientHello, lambda m: with_raw_extension(m, 0xFE0E, bytes(length), first=True))
    made = quick_pair(client_script=script)
    made.run()
    assert made.server.handshake_complete


@pytest.mark.requirement("R063", "R064")
@pytest.mark.parametrize("legacy", [ProtocolVersion.TLS1_0, ProtocolVersion.TLS1_2, ProtocolVersion.TLS1_3])
def test_a_servers_version_comes_from_supported_versions(legacy, client_config, server_config, quick_pair) -> None:
    """Also where the config does not insist on legacy_version."""
    tolerant = server_config.replace(tolerate_legacy_version=True)
    made = quick_pair(server=tolerant, client_script=edit(ClientHello, lambda m: m.replace(legacy_version=legacy)))
    made.run()
    assert made.server.handshake_complete
    made = quick_pair(
        server=tolerant,
        client_script=edit(ClientHello, lambda m: without(m.replace(legacy_version=legacy), E.supported_versions)),
    )
    made.expect_refusal_by_server(errors.ProtocolVersionError)


@pytest.mark.requirement("R070", "R036")
@pytest.mark.parametrize("legacy", [ProtocolVersion.TLS1_0, ProtocolVersion.TLS1_2, ProtocolVersion.TLS1_3])
def test_a_clients_version_comes_from_supported_versions(legacy, client_config, quick_pair) -> None:
    tolerant = client_config.replace(tolerate_legacy_version=True)
    made = quick_pair(client=tolerant, server_script=edit(ServerHello, lambda m: m.replace(legacy_version=legacy)))
    made.run()
    assert made.client.handshake_complete
    made = quick_pair(
        client=tolerant,
        server_script=edit(ServerHello, lambda m: without(m.replace(legacy_version=legacy), E.supported_versions)),
    )
    made.expect_refusal_by_client(errors.ProtocolVersionError)


# --- ServerHello: section 4.2.3 ---------------------------------------------------------------------------------------


@pytest.mark.requirement("R027", "R033", "R035", "R036", "R067", "R068")
def test_what_every_server_hello_says(quick_pair, server_config) -> None:
    for server in (server_config, server_config.replace(groups=P384)):
        record = Recorder()
        made = quick_pair(server=server, server_script=record)
        made.run()
        (hello,) = record.of(ServerHello)
        assert hello.to_handshake()[4:6] == b"\3\3"
        assert hello.legacy_compression_method == 0
        assert hello.extensions.get(SelectedVersion).selected_version == 0x0304
        assert set(hello.extensions.types()) == {E.supported_versions, E.key_share}


@pytest.mark.requirement("R030")
def test_the_servers_random_has_nothing_to_do_with_the_clients(client_config, server_config) -> None:
    """The same ClientHello, answered twice: two randoms, and neither is the client's."""
    hello = tls13.ClientConnection(client_config, server_hostname=HOST).data_to_send()
    randoms = {bytes(hello[11:43])}
    for _ in range(2):
        server = tls13.ServerConnection(server_config)
        server.receive_data(hello)
        list(server.events())
        randoms.add(server.data_to_send()[11:43])
    assert len(randoms) == 3
    drawn = []

    def random(count: int) -> bytes:
        drawn.append(bytes([len(drawn)]) * count)
        return drawn[-1]

    server = tls13.ServerConnection(server_config.replace(random=random))
    server.receive_data(hello)
    list(server.events())
    assert server.data_to_send()[11:43] in drawn


@pytest.mark.requirement("R031")
@pytest.mark.parametrize(
    ("compatible", "change"),
    [
        (True, lambda echo: echo[:-1] + bytes([echo[-1] ^ 1])),
        (True, lambda echo: echo[:31]),
        (True, lambda echo: b""),
        (False, lambda echo: bytes(32)),
        (False, lambda echo: b"\0"),
    ],
    ids=["changed", "cut", "empty", "32 bytes for none", "1 byte for none"],
)
def test_another_session_id_than_ours(compatible, change, client_config, quick_pair) -> None:
    script = edit(ServerHello, lambda m: m.replace(legacy_session_id_echo=change(m.legacy_session_id_echo)))
    made = quick_pair(client=client_config.replace(middlebox_compatibility=compatible), server_script=script)
    made.expect_refusal_by_client(errors.SessionIdNotEchoed)


@pytest.mark.requirement("R032")
@pytest.mark.parametrize("suite", [0x1302, 0xC02F, 0x0A0A, 0x0000, 0x00FF], ids=hex)
def test_a_suite_that_was_not_offered(suite, client_config, quick_pair) -> None:
    script = edit(ServerHello, lambda m: m.replace(cipher_suite=CipherSuite(suite)))
    only = client_config.replace(cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256])
    quick_pair(client=only, server_script=script).expect_refusal_by_client(errors.CipherSuiteNotOffered)


@pytest.mark.requirement("R037")
def test_the_random_is_looked_at_first(quick_pair) -> None:
    """What has the random of a HelloRetryRequest is one, and its key_share is then a group without a share."""
    random = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    made = quick_pair(server_script=edit(ServerHello, lambda m: m.replace(random=random)))
    made.expect_refusal_by_client(errors.DecodeError)
    made = quick_pair(server_script=edit(ServerHello, lambda m: m.replace(random=random[:-1] + b"\0")))
    made.run()
    assert made.client.handshake_complete


@pytest.mark.requirement("R069")
@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.replace(legacy_session_id_echo=b""),
        lambda m: m.replace(cipher_suite=CipherSuite(0xC02F)),
        lambda m: m.replace(legacy_compression_method=1),
        lambda m: with_raw_extension(m, E.server_name),
        lambda m: with_raw_extension(with_raw_extension(m, 0x1234), 0x1234),
    ],
    ids=["session id", "suite", "compression", "misplaced extension", "extension twice"],
)
def test_supported_versions_comes_before_everything_else(change, quick_pair) -> None:
    """A ServerHello of TLS 1.2 is that, whatever else TLS 1.3 would find wrong with it."""
    script = edit(ServerHello, lambda m: change(without(m, E.supported_versions)))
    quick_pair(server_script=script).expect_refusal_by_client(errors.ProtocolVersionError)


# --- HelloRetryRequest: section 4.2.4 ---------------------------------------------------------------------------------


@pytest.mark.requirement("R051", "R052")
def test_the_suite_of_the_retry_is_the_suite_of_the_hello(client_config, server_config, quick_pair) -> None:
    suites = [CipherSuite.TLS_AES_256_GCM_SHA384, CipherSuite.TLS_AES_128_GCM_SHA256]
    for always in ({"groups": P384}, {"always_retry": True}):
        record = Recorder()
        made = quick_pair(server=server_config.replace(cipher_suites=suites, **always), server_script=record)
        made.run()
        assert record.of(ServerHello)[0].cipher_suite == suites[0]
        assert made.client.session.hello_retry_request
        other = edit(ServerHello, lambda m: m.replace(cipher_suite=suites[1]))
        made = quick_pair(server=server_config.replace(cipher_suites=suites, **always), server_script=other)
        made.expect_refusal_by_client(errors.CipherSuiteChanged)


@pytest.mark.requirement("R053")
@pytest.mark.parametrize("version", [0x0303, 0x0305, 0x7F1C], ids=hex)
def test_another_version_after_the_retry(version, server_config, quick_pair) -> None:
    body = SelectedVersion(selected_version=ProtocolVersion(version))
    script = edit(ServerHello, lambda m: with_extension(m, body))
    made = quick_pair(server=server_config.replace(groups=P384), server_script=script)
    made.expect_refusal_by_client(errors.VersionNotOffered)


@pytest.mark.requirement("R074")
@pytest.mark.parametrize("count", [1, 3])
def test_a_server_without_state_passes_over_change_cipher_spec(count, client_config, server_config) -> None:
    """Section 4.3.2: for the second server, the connection begins with it."""
    config = server_config.replace(cookie_key=b"k" * 32, always_retry=True)
    client = tls13.ClientConnection(client_config, server_hostname=HOST)
    first, second = tls13.ServerConnection(config), tls13.ServerConnection(config)
    first.receive_data(client.data_to_send())
    list(first.events())
    client.receive_data(first.data_to_send())
    list(client.events())
    stream = client.data_to_send()
    assert stream.startswith(CCS)
    second.receive_data(CCS * (count - 1) + stream)
    list(second.events())
    tls13.pump(client, second)
    assert second.handshake_complete


# --- signature schemes: section 4.3.3 ---------------------------------------------------------------------------------

OBSOLETE = [0x0101, 0x0202, 0x0301, 0x0302, 0x0303, 0x0402, 0x0502, 0x0602]
"""RSA with MD5, then DSA with SHA-1, the three with SHA-224, and DSA with the others (appendix B.3.1.3)."""


def offered_schemes(client: tls13.ClientConfig) -> tuple[list[int], list[int]]:
    extensions = first_hello(tls13.ClientConnection(client, server_hostname=HOST)).extensions
    handshake = extensions.get(SignatureSchemeList).supported_signature_algorithms
    chains = extensions.get(SignatureSchemeListCert).supported_signature_algorithms
    return list(handshake), list(chains)


@pytest.mark.requirement("R084", "R087", "R088")
def test_nothing_obsolete_is_offered(client_config, server_config, trust) -> None:
    asking = server_config.replace(client_trust=trust)
    asked = tls13.ServerConnection(asking)._handshake.certificate_request().extensions
    lists = [
        *offered_schemes(client_config),
        asked.get(SignatureSchemeList).supported_signature_algorithms,
        asked.get(SignatureSchemeListCert).supported_signature_algorithms,
    ]
    for schemes in lists:
        assert not set(schemes) & set(OBSOLETE)
        assert not set(schemes) & SHA1_SCHEMES
        # No pair of hash and signature of TLS 1.2 but those that have a name of their own.
        assert not [one for one in schemes if one >> 8 <= 6 and one.name.startswith("0x")]


@pytest.mark.requirement("R084", "R087", "R088")
@pytest.mark.parametrize("scheme", [*OBSOLETE, *SHA1_SCHEMES], ids=hex)
def test_nothing_obsolete_can_be_configured(scheme, client_config, server_config) -> None:
    for config in (client_config, server_config):
        with pytest.raises(tls13.ConfigurationError):
            config.replace(signature_schemes=[SignatureScheme(scheme)])


@pytest.mark.requirement("R087", "R088")
@pytest.mark.parametrize("scheme", [*OBSOLETE, *SHA1_SCHEMES], ids=hex)
def test_nothing_obsolete_is_accepted(scheme, quick_pair) -> None:
    script = edit(CertificateVerify, lambda m: m.replace(algorithm=SignatureScheme(scheme)))
    quick_pair(server_script=script).expect_refusal_by_client(errors.SignatureSchemeNotOffered)


@pytest.mark.requirement("R087", "R088")
def test_nothing_obsolete_is_chosen(quick_pair) -> None:
    """A client that offers nothing else has nothing in common with us."""
    body = SignatureSchemeList(supported_signature_algorithms=tuple(SignatureScheme(one) for one in OBSOLETE))
    made = quick_pair(client_script=edit(ClientHello, lambda m: with_extension(m, body)))
    made.expect_refusal_by_server(errors.NoCommonSignatureScheme)

"""What everybody must implement, send and ignore: RFC 9846, section 9."""

from __future__ import annotations

import pytest

import certs
import tls13
from tests.conftest import HOST
from tests.mutual import edit, first_hello, hello_of
from tests.requirements.cases import cases
from tls13 import errors
from tls13.crypto.groups import GROUPS
from tls13.crypto.signatures import DEFAULT_SIGNATURE_SCHEMES
from tls13.crypto.suites import SUITES
from tls13.lab.authority import Authority, Issued, KeyType
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.wire.extensions import (
    CR,
    HRR,
    ClientVersions,
    Cookie,
    Extensions,
    KeyShareClientHello,
    NamedGroupList,
    ProtocolNameList,
    ServerNameList,
    SignatureSchemeList,
    SignatureSchemeListCert,
)
from tls13.wire.messages import (
    CertificateRequest,
    ClientHello,
    HelloRetryRequest,
    NewSessionTicket,
    ServerHello,
    decode_handshake,
)
from tls13.wire.registry import GREASE, CipherSuite, ExtensionType, NamedGroup, ProtocolVersion, SignatureScheme

E = ExtensionType
KEY = bytes(range(32))


# --- 9.1: cipher suites, signatures, groups ---------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"])
@pytest.mark.parametrize("limited", ["client", "server"])
@pytest.mark.requirement("R279")
def test_the_mandatory_cipher_suites_are_there_by_default(suite, limited, pair, client_config, server_config) -> None:
    """A peer that knows this one only is understood by a config that was given nothing."""
    wanted = CipherSuite[suite]
    configs = {"client": client_config, "server": server_config}
    configs[limited] = configs[limited].replace(cipher_suites=[wanted])
    made = pair(**configs)
    made.run()
    assert made.client.session.cipher_suite == made.server.session.cipher_suite == wanted


@pytest.mark.parametrize(
    ("ca", "leaf", "scheme"),
    [
        (KeyType.RSA_2048, KeyType.ECDSA_P256, SignatureScheme.ecdsa_secp256r1_sha256),
        (KeyType.RSA_2048, KeyType.RSA_2048, SignatureScheme.rsa_pss_rsae_sha256),
        (KeyType.ECDSA_P256, KeyType.RSA_2048, SignatureScheme.rsa_pss_rsae_sha256),
        (KeyType.ECDSA_P256, KeyType.ECDSA_P256, SignatureScheme.ecdsa_secp256r1_sha256),
    ],
    ids=lambda value: value.name,
)
@pytest.mark.requirement("R280")
def test_the_mandatory_signatures_are_there_by_default(ca, leaf, scheme, quick_pair, authority, client_config) -> None:
    """rsa_pkcs1_sha256 in certificates, rsa_pss_rsae_sha256 and ecdsa_secp256r1_sha256 in CertificateVerify."""
    root = Authority.create(now=authority.now, key_type=ca)
    if ca is KeyType.RSA_2048:
        assert root.issue([HOST]).certificate.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.11"
    made = quick_pair(
        client=client_config.replace(trust=tls13.TrustStore.from_certificates([root.certificate])),
        server=tls13.ServerConfig(root.issue([HOST], key_type=leaf).identity),
    )
    made.run()
    assert made.client.session.signature_scheme == scheme
    hello = hello_of(quick_pair().client.data_to_send())
    assert scheme in hello.extensions.get(SignatureSchemeList).supported_signature_algorithms
    chains = hello.extensions.get(SignatureSchemeListCert).supported_signature_algorithms
    assert SignatureScheme.rsa_pkcs1_sha256 in chains
    assert SignatureScheme.rsa_pss_rsae_sha256 in chains


@pytest.mark.parametrize("group", [NamedGroup.secp256r1, NamedGroup.x25519])
@pytest.mark.parametrize("limited", ["client", "server"])
@pytest.mark.requirement("R281")
def test_the_mandatory_groups_are_there_by_default(group, limited, pair, client_config, server_config) -> None:
    configs = {"client": client_config, "server": server_config}
    configs[limited] = configs[limited].replace(groups=[group])
    made = pair(**configs)
    made.run()
    assert made.client.session.group == made.server.session.group == group


# --- 9.2: extensions --------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R282", "R283", "R284", "R294")
def test_a_client_sends_the_mandatory_extensions(quick_pair, server_config) -> None:
    """All but signature_algorithms_cert and cookie at once; a cookie when it was given one."""
    made = quick_pair(server=server_config.replace(always_retry=True))
    hello = hello_of(stream := made.client.data_to_send())
    everywhere = {E.supported_versions, E.signature_algorithms, E.supported_groups, E.key_share, E.server_name}
    assert everywhere <= set(hello.extensions.types())
    names = hello.extensions.get(ServerNameList).server_name_list
    assert [entry.host_name for entry in names] == [HOST.encode()]
    made.server.receive_data(stream)
    list(made.server.events())
    made.client.receive_data(made.server.data_to_send())
    list(made.client.events())
    second = hello_of(made.client.data_to_send().removeprefix(b"\x14\3\3\0\1\1"))
    assert everywhere | {E.cookie} <= set(second.extensions.types())


@pytest.mark.requirement("R282", "R283", "R284")
def test_a_server_sends_the_mandatory_extensions(pair, server_config) -> None:
    """In HelloRetryRequest and ServerHello; and it acts upon those of the client."""
    sent = []
    server = server_config.replace(groups=[NamedGroup.secp384r1])
    made = pair(server=server)
    first = made.client.data_to_send()
    made.server.receive_data(first)
    list(made.server.events())
    retry = decode_handshake(made.server.data_to_send()[5:][:-6])
    assert isinstance(retry, HelloRetryRequest)
    assert {E.supported_versions, E.key_share, E.cookie} <= set(retry.extensions.types())
    made = pair(server=server, server_script=lambda m: sent.append(m) or m)
    made.run()
    hello, *_ = [message for message in sent if type(message) is ServerHello]
    assert {E.supported_versions, E.key_share} <= set(hello.extensions.types())
    assert made.server.session.server_name == HOST


def psk_without_modes(message: ClientHello):
    offer = b"\0\x0a\0\4abcd\0\0\0\0" + b"\0\x21\x20" + bytes(32)
    return with_raw_extension(without(message, E.psk_key_exchange_modes), E.pre_shared_key, offer)


MISSING_IN_HELLO = {
    "no signature_algorithms": (lambda m: without(m, E.signature_algorithms), "R285 R290 R291 R293"),
    "no supported_groups and no key_share": (
        lambda m: without(m, E.supported_groups, E.key_share),
        "R286 R290 R291 R293",
    ),
    "supported_groups without key_share": (lambda m: without(m, E.key_share), "R287 R290 R292 R293"),
    "key_share without supported_groups": (lambda m: without(m, E.supported_groups), "R286 R290 R292 R293"),
    "pre_shared_key without psk_key_exchange_modes": (psk_without_modes, "R289 R290 R293"),
}


@pytest.mark.parametrize("name", cases(MISSING_IN_HELLO, {name: ids for name, (_, ids) in MISSING_IN_HELLO.items()}))
def test_a_client_hello_that_lacks_what_it_needs_is_refused(name, pair) -> None:
    pair(client_script=first_hello(MISSING_IN_HELLO[name][0])).expect_refusal_by_server(errors.MissingExtension)


@pytest.mark.requirement("R291", "R293")
def test_a_server_without_certificates_misses_signature_algorithms_too(pair) -> None:
    """What the ClientHello lacks comes before what the server has."""
    made = pair(
        server=tls13.ServerConfig(None, psks=[tls13.ExternalPsk(b"identity", KEY)]),
        client_script=first_hello(lambda m: without(m, E.signature_algorithms)),
    )
    made.expect_refusal_by_server(errors.MissingExtension)


@pytest.mark.parametrize("lacks", [E.supported_groups, E.key_share])
@pytest.mark.requirement("R292", "R293")
def test_groups_and_shares_come_together_beside_a_psk_too(lacks, pair, client_config, server_config) -> None:
    """Whatever the PSK would allow. (The binder would be wrong too, and is not looked at.)"""
    psk = tls13.ExternalPsk(b"identity", KEY)
    made = pair(
        client=client_config.replace(psks=[psk]),
        server=server_config.replace(psks=[psk]),
        client_script=first_hello(lambda m: without(m, lacks)),
    )
    made.expect_refusal_by_server(errors.MissingExtension)


@pytest.mark.requirement("R285", "R293")
def test_a_psk_that_nobody_knows_is_no_substitute_for_signature_algorithms(pair, client_config) -> None:
    made = pair(
        client=client_config.replace(psks=[tls13.ExternalPsk(b"identity", KEY)]),
        client_script=first_hello(lambda m: without(m, E.signature_algorithms)),
    )
    made.expect_refusal_by_server(errors.MissingExtension)


@pytest.mark.requirement("R284")
def test_a_retry_without_supported_versions_is_refused(pair) -> None:
    def change(message):
        return HelloRetryRequest(
            legacy_session_id_echo=message.legacy_session_id_echo,
            cipher_suite=message.cipher_suite,
            extensions=Extensions.of(HRR, Cookie(cookie=b"cookie")),
        )

    pair(server_script=edit(ServerHello, change)).expect_refusal_by_client(errors.NoVersionInRetry)


@pytest.mark.requirement("R284", "R306")
def test_a_server_hello_without_supported_versions_is_tls_1_2(pair) -> None:
    """There the missing extension means another version, and the alert says so."""
    made = pair(server_script=edit(ServerHello, lambda m: without(m, E.supported_versions)))
    made.expect_refusal_by_client(errors.ProtocolVersionError)


@pytest.mark.requirement("R285")
def test_a_certificate_request_without_signature_algorithms_is_refused(pair, server_config, trust) -> None:
    script = edit(CertificateRequest, lambda m: m.replace(extensions=Extensions((), CR)))
    pair(server=server_config.replace(client_trust=trust), server_script=script).expect_refusal_by_client(
        errors.MissingExtension
    )


@pytest.mark.requirement("R287")
def test_a_server_hello_without_key_share_is_refused(pair) -> None:
    pair(server_script=edit(ServerHello, lambda m: without(m, E.key_share))).expect_refusal_by_client(
        errors.MissingExtension
    )


@pytest.mark.requirement("R288")
def test_a_psk_is_not_used_without_pre_shared_key(pair, client_config, server_config) -> None:
    """A server that goes on with the PSK alone, and does not say which: its hello has neither of the two."""
    psk = tls13.ExternalPsk(b"identity", KEY)
    modes = {"psks": [psk], "psk_key_exchange_modes": ["psk_ke"]}
    made = pair(
        client=client_config.replace(**modes),
        server=server_config.replace(**modes),
        server_script=edit(ServerHello, lambda m: without(m, E.pre_shared_key)),
    )
    made.expect_refusal_by_client(errors.MissingExtension, told=False)


@pytest.mark.requirement("R294")
def test_server_name_decides_which_certificate_is_shown(quick_pair, authority, identity, server_config) -> None:
    other = authority.issue(["other.example"]).identity
    server = server_config.replace(identity=[identity, other])
    for host, expected in ((HOST, identity), ("other.example", other)):
        made = quick_pair(server=server, host=host)
        made.run()
        assert made.client.session.peer_certificates == expected.chain
        assert made.server.session.server_name == host


# --- 9.3: invariants --------------------------------------------------------------------------------------------------

RESERVED = 0x5A5A

UNKNOWN = {
    "cipher suites": lambda m: m.replace(cipher_suites=(CipherSuite(RESERVED), CipherSuite(0xC02F), *m.cipher_suites)),
    "extensions": lambda m: with_raw_extension(with_raw_extension(m, RESERVED, b"anything"), 0xFE00, bytes(1000)),
    "versions": lambda m: with_extension(
        m, ClientVersions(versions=(ProtocolVersion(0x0305), ProtocolVersion(RESERVED), ProtocolVersion.TLS1_3))
    ),
    "groups": lambda m: with_extension(
        m, NamedGroupList(named_group_list=(NamedGroup(RESERVED), *m.extensions.get(NamedGroupList).named_group_list))
    ),
    "signature schemes": lambda m: with_extension(
        m,
        SignatureSchemeList(
            supported_signature_algorithms=(
                SignatureScheme(RESERVED),
                *m.extensions.get(SignatureSchemeList).supported_signature_algorithms,
            )
        ),
    ),
    "protocols": lambda m: with_extension(m, ProtocolNameList(protocol_name_list=(b"\x5a\x5a", b"h2"))),
    "types of server names": lambda m: with_raw_extension(without(m, E.server_name), E.server_name, b"\0\4\x63\0\1x"),
    "PSK modes": lambda m: with_raw_extension(m, E.psk_key_exchange_modes, b"\2\x5a\1"),
    "signature schemes of chains": lambda m: with_extension(
        m,
        SignatureSchemeListCert(
            supported_signature_algorithms=(SignatureScheme(RESERVED), SignatureScheme.ecdsa_secp256r1_sha256)
        ),
    ),
}


@pytest.mark.parametrize("name", cases(UNKNOWN, dict.fromkeys(UNKNOWN, "R296 R298")))
def test_a_server_ignores_what_it_does_not_know(name, pair, client_config, server_config) -> None:
    configs = {"client": client_config, "server": server_config}
    if name == "protocols":
        configs = {side: config.replace(alpn_protocols=["h2"]) for side, config in configs.items()}
    made = pair(**configs, client_script=first_hello(UNKNOWN[name]))
    made.run()
    assert made.client.handshake_complete
    assert made.server.handshake_complete


@pytest.mark.requirement("R299", "R203", "R296")
def test_a_client_ignores_unknown_extensions_of_requests_and_tickets(pair, client_config, server_config, trust) -> None:
    def script(message):
        if isinstance(message, (CertificateRequest, NewSessionTicket)):
            return with_raw_extension(with_raw_extension(message, RESERVED, b"anything"), 0xFE00)
        return message

    made = pair(
        client=client_config.replace(sessions=tls13.SessionCache()),
        server=server_config.replace(client_trust=trust, client_auth=tls13.ClientAuth.OPTIONAL),
        server_script=script,
    )
    client, _ = made.run()
    assert made.server.handshake_complete
    assert [type(event) for event in client] == [tls13.HandshakeCompleted, tls13.TicketReceived, tls13.TicketReceived]


@pytest.mark.requirement("R297")
def test_a_client_supports_all_that_it_offers(quick_pair, client_config) -> None:
    """Every cipher suite, group and version of the ClientHello, but for the reserved ones, is one that it can use.
    (tests/test_connection.py uses each suite and group, tests/crypto each signature scheme.)"""
    made = quick_pair(client=client_config.replace(grease=True, sessions=tls13.SessionCache()))
    hello = hello_of(made.client.data_to_send())
    get = hello.extensions.get
    assert {*hello.cipher_suites} - {*GREASE} == {*SUITES} & {*hello.cipher_suites}
    groups = {*get(NamedGroupList).named_group_list} - {*GREASE}
    assert groups <= {*GROUPS}
    assert {entry.group for entry in get(KeyShareClientHello).client_shares} - {*GREASE} <= groups
    assert {*get(ClientVersions).versions} - {*GREASE} == {ProtocolVersion.TLS1_3}


@pytest.mark.parametrize("group", [group for group in NamedGroup if group in GROUPS], ids=lambda group: group.name)
@pytest.mark.requirement("R297", "R281")
def test_every_group_that_is_offered_can_be_chosen(group, quick_pair, server_config) -> None:
    made = quick_pair(server=server_config.replace(groups=[group]))
    made.run()
    assert made.client.session.group == group


def shown_with(scheme: SignatureScheme) -> Issued:
    """A certificate whose key can sign with it."""
    shop = certs.workshop()
    for issued in (shop.good_rsa_pss, *map(shop.good, KeyType)):
        if scheme in issued.identity.signature_schemes:
            return issued
    raise LookupError(scheme)


@pytest.mark.parametrize("scheme", DEFAULT_SIGNATURE_SCHEMES, ids=lambda scheme: scheme.name)
@pytest.mark.requirement("R297", "R280")
def test_every_signature_scheme_that_is_offered_can_be_chosen(scheme, quick_pair, client_config) -> None:
    trust = tls13.TrustStore.from_certificates([certs.workshop().root.certificate])
    made = quick_pair(
        client=client_config.replace(trust=trust),
        server=tls13.ServerConfig(shown_with(scheme).identity, signature_schemes=[scheme]),
    )
    hello = hello_of(made.client.data_to_send())
    assert scheme in hello.extensions.get(SignatureSchemeList).supported_signature_algorithms
    made = quick_pair(client=made.client.config, server=made.server.config)
    made.run()
    assert made.client.session.signature_scheme == scheme

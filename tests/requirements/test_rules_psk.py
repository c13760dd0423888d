"""Pre-shared keys: RFC 9846, sections 4.3.9 and 4.3.11 (and 2.2, 4.2.1), each rule broken by a scripted peer."""

from __future__ import annotations

from itertools import pairwise

import pytest

import tls13
from tls13 import errors
from tls13.crypto.suites import SHA256, SHA384
from tls13.lab.scripted import with_extension, with_raw_extension, without
from tls13.wire.extensions import KeyShareServerHello, OfferedPsks, PskKeyExchangeModes, SelectedPsk
from tls13.wire.messages import ClientHello, ServerHello
from tls13.wire.registry import CipherSuite, ExtensionType, NamedGroup

from .scripts import (
    BOTH_MODES,
    HOST,
    KEY,
    MODES,
    ONLY_PSK,
    Recorder,
    WilfulClient,
    bound,
    edit,
    first_hello,
    session_of,
    sessions_of,
)

E = ExtensionType
PSK = tls13.ExternalPsk(b"one", KEY)
OTHER = tls13.ExternalPsk(b"other", KEY[::-1])


@pytest.fixture
def server_config(server_config):
    """One whose ticket keys stay the same in every config that is made from it."""
    return server_config.replace(tickets=tls13.SealedTickets())


@pytest.fixture
def with_psk(client_config):
    return client_config.replace(psks=[PSK], psk_key_exchange_modes=BOTH_MODES)


@pytest.fixture
def psk_server(server_config):
    return server_config.replace(psks=[PSK], psk_key_exchange_modes=BOTH_MODES)


def offered(hello: ClientHello) -> OfferedPsks:
    psks = hello.extensions.get(OfferedPsks)
    assert psks is not None
    return psks


# --- the key itself ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R004", "R136")
def test_an_external_psk_comes_with_its_identity_and_its_hash() -> None:
    """Sections 2.2 and 4.3.11: SHA-256 where nothing else was agreed on."""
    psk = tls13.ExternalPsk(b"name", KEY)
    assert (psk.identity, psk.hash) == (b"name", SHA256)
    assert tls13.ExternalPsk(b"name", KEY, hash="sha384").hash is SHA384
    with pytest.raises(tls13.ConfigurationError):
        tls13.ExternalPsk(b"", KEY)
    with pytest.raises(tls13.ConfigurationError):
        tls13.ExternalPsk(b"name", KEY, hash="md5")


@pytest.mark.requirement("D13")
def test_an_external_psk_has_at_least_128_bits() -> None:
    tls13.ExternalPsk(b"name", bytes(16))
    with pytest.raises(tls13.ConfigurationError, match="16"):
        tls13.ExternalPsk(b"name", bytes(15))
    with pytest.raises(tls13.ConfigurationError, match="16"):
        tls13.import_psk(b"name", bytes(15))


@pytest.mark.requirement("D27")
def test_the_repr_of_a_psk_shows_no_key(client_config, server_config) -> None:
    session = session_of(client_config, server_config)
    for shown, secret in ((PSK, KEY), (session, session.psk), (session.as_psk(), session.psk)):
        assert secret.hex() not in repr(shown)
        assert repr(secret)[2:-1] not in repr(shown)


# --- psk_key_exchange_modes: section 4.3.9 ----------------------------------------------------------------------------


@pytest.mark.requirement("R116", "R117", "R144", "R059")
def test_a_client_offers_psks_with_modes_and_last(with_psk, client_config, server_config) -> None:
    session = session_of(client_config, server_config)
    resuming = client_config.replace(psk_key_exchange_modes=MODES, grease=True, shuffle_extensions=True)
    for connection in (
        tls13.ClientConnection(with_psk, server_hostname=HOST),
        tls13.ClientConnection(resuming, server_hostname=HOST, session=session),
    ):
        hello = first_hello(connection)
        assert hello.extensions.types()[-1] == E.pre_shared_key
        assert hello.extensions.get(PskKeyExchangeModes) is not None
    assert (
        E.psk_key_exchange_modes
        not in first_hello(
            tls13.ClientConnection(
                client_config.replace(psk_key_exchange_modes=()), server_hostname=HOST, session=session
            )
        ).extensions.types()
    )


@pytest.mark.requirement("R118")
def test_a_valid_psk_without_modes_is_refused(with_psk, psk_server, quick_pair) -> None:
    made = quick_pair(server=psk_server)
    made.client = WilfulClient(with_psk, lambda m, h: bound(without(m, E.psk_key_exchange_modes), h))
    made.expect_refusal_by_server(errors.MissingExtension)


A_SHARE = KeyShareServerHello.decode(b"\0\x1d\0\x20" + b"\x09" + bytes(31)).server_share


@pytest.mark.requirement("R008", "R119", "R121", "R111")
def test_a_server_uses_psk_ke_and_sends_a_share_all_the_same(with_psk, psk_server, quick_pair) -> None:
    """Section 4.3.9: in this mode the server MUST NOT supply a key_share."""
    script = edit(ServerHello, lambda m: with_extension(m, KeyShareServerHello(server_share=A_SHARE)))
    made = quick_pair(client=with_psk.replace(psk_key_exchange_modes=ONLY_PSK), server=psk_server, server_script=script)
    made.expect_refusal_by_client(errors.PskModeNotOffered, told=False)


@pytest.mark.requirement("R008", "R119", "R122", "R140", "R141")
def test_a_server_leaves_its_share_out_where_psk_dhe_ke_was_listed(with_psk, psk_server, quick_pair) -> None:
    script = edit(ServerHello, lambda m: without(m, E.key_share))
    made = quick_pair(client=with_psk.replace(psk_key_exchange_modes=MODES), server=psk_server, server_script=script)
    made.expect_refusal_by_client(errors.PskModeNotOffered, told=False)


@pytest.mark.requirement("R119", "R121", "R122")
@pytest.mark.parametrize(
    ("client", "server", "with_share"),
    [
        (ONLY_PSK, BOTH_MODES, False),
        (BOTH_MODES, ONLY_PSK, False),
        (MODES, BOTH_MODES, True),
        (BOTH_MODES, MODES, True),
    ],
)
def test_our_server_keeps_to_the_listed_modes(client, server, with_share, with_psk, psk_server, quick_pair) -> None:
    record = Recorder()
    made = quick_pair(
        client=with_psk.replace(psk_key_exchange_modes=client),
        server=psk_server.replace(psk_key_exchange_modes=server),
        server_script=record,
    )
    made.run()
    assert made.client.session.psk_identity == made.server.session.psk_identity == b"one"
    assert (E.key_share in record.of(ServerHello)[0].extensions) is with_share
    assert (made.client.session.group is not None) is with_share


@pytest.mark.requirement("R119")
def test_without_a_mode_in_common_the_psk_is_not_used(with_psk, psk_server, quick_pair) -> None:
    made = quick_pair(
        client=with_psk.replace(psk_key_exchange_modes=MODES),
        server=psk_server.replace(psk_key_exchange_modes=ONLY_PSK),
    )
    made.run()
    assert made.server.session.psk_identity is None
    assert made.client.session.peer_certificates


@pytest.mark.requirement("R007")
def test_without_a_group_in_common_only_a_psk_alone_would_do(with_psk, server_config, quick_pair) -> None:
    """Section 4.2.1: and this server does not know it."""
    client = with_psk.replace(groups=[NamedGroup.x25519])
    server = server_config.replace(groups=[NamedGroup.secp256r1], psk_key_exchange_modes=BOTH_MODES)
    quick_pair(client=client, server=server).expect_refusal_by_server(errors.NoCommonGroup)
    made = quick_pair(client=client, server=server.replace(psks=[PSK]))
    made.run()
    assert made.server.session.psk_identity == b"one"


# --- pre_shared_key: section 4.3.11 -----------------------------------------------------------------------------------


@pytest.mark.requirement("R145", "R059")
def test_a_valid_psk_that_is_not_last_is_refused(with_psk, psk_server, quick_pair) -> None:
    made = quick_pair(server=psk_server)
    made.client = WilfulClient(with_psk, lambda m, h: with_raw_extension(m, 0x1234))
    made.expect_refusal_by_server(errors.PreSharedKeyNotLast)


@pytest.mark.requirement("R077")
def test_a_psk_that_is_not_accepted_does_not_take_the_place_of_signature_algorithms(
    with_psk, server_config, quick_pair
) -> None:
    """Section 4.3.3: the server must show a certificate then, and cannot know how to sign."""
    made = quick_pair(server=server_config)
    made.client = WilfulClient(with_psk, lambda m, h: bound(without(m, E.signature_algorithms), h))
    made.expect_refusal_by_server(errors.MissingExtension)


@pytest.mark.requirement("R135")
@pytest.mark.parametrize("age", [0, 1, 2**31, 2**32 - 1])
def test_the_age_of_an_external_psk_means_nothing(age, with_psk, psk_server, quick_pair) -> None:
    def aged(hello, handshake):
        identities = tuple(one.replace(obfuscated_ticket_age=age) for one in offered(hello).identities)
        return bound(with_extension(hello, offered(hello).replace(identities=identities)), handshake)

    made = quick_pair(server=psk_server)
    made.client = WilfulClient(with_psk, aged)
    made.run()
    assert made.server.session.psk_identity == b"one"


@pytest.mark.requirement("R135")
def test_our_client_sends_age_0_for_an_external_psk(with_psk) -> None:
    hello = first_hello(tls13.ClientConnection(with_psk, server_hostname=HOST))
    assert [one.obfuscated_ticket_age for one in offered(hello).identities] == [0]


@pytest.mark.requirement("R137")
def test_a_ticket_is_not_used_under_a_suite_of_another_hash(client_config, server_config, quick_pair) -> None:
    """The server wants TLS_AES_128_GCM_SHA256; the ticket's PSK is for SHA-384."""
    sha384, sha256 = CipherSuite.TLS_AES_256_GCM_SHA384, CipherSuite.TLS_AES_128_GCM_SHA256
    client = client_config.replace(cipher_suites=[sha384, sha256], psk_key_exchange_modes=MODES)
    server = server_config.replace(cipher_suites=[sha256, sha384])
    session = session_of(client, server.replace(cipher_suites=[sha384]))
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session)
    made.run()
    assert made.server.session.cipher_suite == sha256
    assert not made.server.session.resumed


@pytest.mark.requirement("R137")
def test_for_an_external_psk_a_suite_of_its_hash_is_chosen(with_psk, psk_server, quick_pair) -> None:
    psk = tls13.ExternalPsk(b"384", KEY, hash="sha384")
    made = quick_pair(client=with_psk.replace(psks=[psk]), server=psk_server.replace(psks=[psk]))
    made.run()
    assert made.server.session.psk_identity == b"384"
    assert made.server.session.cipher_suite == CipherSuite.TLS_AES_256_GCM_SHA384


def spoiled(index: int, change):
    """A client's change: the binder at `index` is another."""

    def script(hello, handshake):
        psks = offered(hello)
        binders = list(psks.binders)
        binders[index] = change(binders[index])
        return with_extension(hello, psks.replace(binders=tuple(binders)))

    return script


@pytest.mark.requirement("R138", "R139")
@pytest.mark.parametrize(
    "change",
    [
        lambda binder: bytes([binder[0] ^ 1]) + binder[1:],
        lambda binder: binder[:-1] + bytes([binder[-1] ^ 1]),
        lambda binder: binder + b"\0",
        lambda binder: bytes(48),
    ],
    ids=["first bit", "last bit", "a byte longer", "of another hash"],
)
def test_a_binder_that_does_not_fit(change, with_psk, psk_server, quick_pair) -> None:
    made = quick_pair(server=psk_server)
    made.client = WilfulClient(with_psk, spoiled(0, change))
    made.expect_refusal_by_server(errors.BadBinder)


@pytest.mark.requirement("R138", "R139")
def test_a_tickets_binder_that_does_not_fit(client_config, server_config, quick_pair) -> None:
    session = session_of(client_config, server_config)
    made = quick_pair()
    client = client_config.replace(psk_key_exchange_modes=MODES)
    made.client = WilfulClient(client, spoiled(0, lambda binder: bytes(len(binder))), session=session)
    made.expect_refusal_by_server(errors.BadBinder)


@pytest.mark.requirement("R138")
def test_a_binder_covers_what_comes_before_it(with_psk, psk_server, quick_pair) -> None:
    """Section 4.3.11.2: a ClientHello that was changed on its way has no valid binder."""
    made = quick_pair(server=psk_server)
    made.client = WilfulClient(with_psk, lambda m, h: m.replace(cipher_suites=m.cipher_suites[::-1]))
    made.expect_refusal_by_server(errors.BadBinder)


@pytest.mark.requirement("R139")
def test_a_binder_for_each_identity(with_psk, psk_server, quick_pair) -> None:
    two = with_psk.replace(psks=[PSK, OTHER])
    made = quick_pair(server=psk_server)
    made.client = WilfulClient(two, lambda m, h: with_extension(m, offered(m).replace(binders=offered(m).binders[:1])))
    # One of the alternatives of the table's hint: the count is wrong, the syntax is not.
    made.expect_refusal_by_server(errors.IllegalParameter)


@pytest.mark.requirement("R138")
def test_only_the_selected_psks_binder_is_verified(with_psk, psk_server, quick_pair) -> None:
    """Section 4.3.11.2: the others' may be anything, and tell nothing of which keys the server has."""
    made = quick_pair(server=psk_server.replace(psks=[OTHER]))
    made.client = WilfulClient(with_psk.replace(psks=[PSK, OTHER]), spoiled(0, lambda binder: bytes(len(binder))))
    made.run()
    assert made.server.session.psk_identity == b"other"


@pytest.mark.requirement("D15")
def test_an_unknown_identity_and_a_wrong_key_look_the_same(with_psk, server_config, quick_pair) -> None:
    """Appendix F.6, to a server that knows PSKs only."""
    server = server_config.replace(identity=None, psks=[PSK])
    said = []
    for psk in (OTHER, tls13.ExternalPsk(b"one", KEY[::-1])):
        made = quick_pair(client=with_psk.replace(psks=[psk]), server=server)
        said.append(str(made.expect_refusal_by_server(errors.BadBinder)))
    assert said[0] == said[1]


@pytest.mark.requirement("R140", "R141")
@pytest.mark.parametrize("selected", [1, 2, 65535])
def test_an_identity_out_of_range(selected, with_psk, psk_server, quick_pair) -> None:
    script = edit(ServerHello, lambda m: with_extension(m, SelectedPsk(selected_identity=selected)))
    made = quick_pair(client=with_psk, server=psk_server, server_script=script)
    made.expect_refusal_by_client(errors.PskNotOffered)


@pytest.mark.requirement("R140", "R141", "R137")
def test_a_suite_of_another_hash(with_psk, psk_server, quick_pair) -> None:
    script = edit(ServerHello, lambda m: m.replace(cipher_suite=CipherSuite.TLS_AES_256_GCM_SHA384))
    made = quick_pair(client=with_psk, server=psk_server, server_script=script)
    made.expect_refusal_by_client(errors.PskHashMismatch, told=False)


# --- tickets ----------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R146")
def test_a_ticket_is_not_used_beyond_its_lifetime(client_config, server_config) -> None:
    """Section 4.3.11.1."""
    session = session_of(client_config, server_config.replace(ticket_lifetime=100))
    made_at = session.made_at_ms / 1000
    for age, used in ((0, True), (99, True), (101, False), (10**6, False)):
        cache = tls13.SessionCache()
        config = client_config.replace(sessions=cache, clock=lambda age=age: made_at + age)
        given = tls13.ClientConnection(config, server_hostname=HOST, session=session)
        assert (E.pre_shared_key in first_hello(given).extensions) is used
        cache.put(given._handshake.session_key, session)
        cached = tls13.ClientConnection(config, server_hostname=HOST)
        assert (E.pre_shared_key in first_hello(cached).extensions) is used


@pytest.mark.requirement("D11")
def test_a_ticket_is_used_once(client_config, server_config, quick_pair) -> None:
    client = client_config.replace(sessions=tls13.SessionCache())
    quick_pair(client=client, server=server_config.replace(ticket_count=3)).run()
    tickets = []
    for _ in range(4):
        psks = first_hello(tls13.ClientConnection(client, server_hostname=HOST)).extensions.get(OfferedPsks)
        tickets.append(psks.identities[0].identity if psks is not None else None)
    assert tickets[3] is None
    assert len(set(tickets)) == 4


@pytest.mark.requirement("D08")
def test_two_tickets_have_no_byte_string_in_common_but_the_keys_name(client_config, server_config) -> None:
    """A random nonce each: the same state sealed twice looks different."""
    tickets = [one.ticket for one in sessions_of(client_config, server_config.replace(ticket_count=4))]
    for one, other in pairwise(tickets):
        assert one[:16] == other[:16]
        assert one[16:28] != other[16:28]
        assert one[28:] != other[28:]
    spoiled = bytearray(tickets[0])
    spoiled[40] ^= 1
    flow = server_config.tickets.open(bytes(spoiled), server_config.clock())
    with pytest.raises(StopIteration) as opened:
        next(flow)
    assert opened.value.value is None


def test_a_psk_without_any_script(with_psk, psk_server) -> None:
    """What the cases above change is good without the change."""
    client = WilfulClient(with_psk, lambda m, h: bound(m, h))
    server = tls13.ServerConnection(psk_server)
    tls13.pump(client, server)
    assert client.session.psk_identity == b"one"

"""Groups and key shares: RFC 9846, sections 4.3.7 and 4.3.8, each rule broken by a scripted peer."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

import tls13
from tls13 import errors
from tls13.crypto.groups import GROUPS, KeyShare
from tls13.lab.scripted import with_extension
from tls13.wire.extensions import (
    KeyShareClientHello,
    KeyShareEntry,
    KeyShareServerHello,
    NamedGroupList,
)
from tls13.wire.messages import ClientHello, EncryptedExtensions, ServerHello
from tls13.wire.registry import NamedGroup

from .scripts import HOST, Recorder, edit, first_hello

P384 = [NamedGroup.secp384r1]


@pytest.mark.requirement("R100")
def test_a_servers_groups_change_nothing_in_this_handshake(client_config, quick_pair) -> None:
    """They come, they name what would have been better, and the handshake ends as it began."""
    body = NamedGroupList(named_group_list=(NamedGroup.secp521r1, NamedGroup(0x0A0A)))
    made = quick_pair(server_script=edit(EncryptedExtensions, lambda m: with_extension(m, body)))
    made.run()
    assert made.client.session.group == NamedGroup.X25519MLKEM768
    assert (
        first_hello(tls13.ClientConnection(client_config, server_hostname=HOST))
        .extensions.get(KeyShareClientHello)
        .client_shares[0]
        .group
        == NamedGroup.X25519MLKEM768
    )


@pytest.mark.requirement("R099", "R101", "R103", "R104")
@pytest.mark.parametrize("grease", [False, True])
def test_our_shares_are_of_our_groups_in_their_order(grease, client_config) -> None:
    groups = [NamedGroup.secp256r1, NamedGroup.x25519, NamedGroup.X25519MLKEM768]
    config = client_config.replace(groups=groups, key_shares=groups[::-1], grease=grease)
    extensions = first_hello(tls13.ClientConnection(config, server_hostname=HOST)).extensions
    listed = list(extensions.get(NamedGroupList).named_group_list)
    shared = [entry.group for entry in extensions.get(KeyShareClientHello).client_shares]
    assert len(set(listed)) == len(listed)
    assert len(set(shared)) == len(shared)
    assert shared == [group for group in listed if group in shared]


@pytest.mark.requirement("R102", "R105")
def test_every_share_is_made_for_itself(client_config, server_config) -> None:
    """The X25519 part of the hybrid is another key than the X25519 share; no connection has another's."""
    seen = []
    for _ in range(2):
        client = tls13.ClientConnection(client_config, server_hostname=HOST)
        hello = client.data_to_send()
        shares = {group: entry.public for group, entry in client._handshake.offer().shares.items()}
        seen += [shares[NamedGroup.X25519MLKEM768][-32:], shares[NamedGroup.x25519]]
        for _ in range(2):
            server = tls13.ServerConnection(server_config.replace(groups=[NamedGroup.x25519]))
            server.receive_data(hello)
            list(server.events())
            stream = server.data_to_send()
            answer = ServerHello.decode(stream[9 : 5 + int.from_bytes(stream[3:5], "big")])
            answer.judge()
            seen.append(answer.extensions.get(KeyShareServerHello).server_share.key_exchange)
    assert len(set(seen)) == len(seen)


@pytest.mark.requirement("R106")
def test_a_peer_may_use_its_share_again(client_config, server_config, quick_pair) -> None:
    """Section 4.3.8: RFC 8446 permitted it. Client and server meet twice with the same keys."""
    private = X25519PrivateKey.generate()
    group = GROUPS[NamedGroup.x25519]

    def same(_: object) -> KeyShare:
        return group.from_private(private.private_bytes_raw())

    client = client_config.replace(groups=[NamedGroup.x25519], key_share_source=same)
    shares = set()
    for _ in range(2):
        made = quick_pair(client=client)
        shares.add(first_hello(made.client).extensions.get(KeyShareClientHello).client_shares[0].key_exchange)
        made = quick_pair(client=client)
        made.run()
        assert made.server.handshake_complete
    assert len(shares) == 1


@pytest.mark.requirement("R106")
def test_a_server_may_use_its_share_again(client_config, server_config, monkeypatch, quick_pair) -> None:
    private = X25519PrivateKey.generate()
    monkeypatch.setattr(
        type(GROUPS[NamedGroup.x25519]), "fresh", lambda self: (private, private.public_key().public_bytes_raw())
    )
    shares = set()
    for _ in range(2):
        record = Recorder()
        own = GROUPS[NamedGroup.x25519].from_private

        def fresh(_: object, own=own) -> KeyShare:
            return own(X25519PrivateKey.generate().private_bytes_raw())

        client = client_config.replace(groups=[NamedGroup.x25519], key_share_source=fresh)
        made = quick_pair(client=client, server_script=record)
        made.run()
        assert made.client.handshake_complete
        shares.add(record.of(ServerHello)[0].extensions.get(KeyShareServerHello).server_share.key_exchange)
    assert len(shares) == 1


@pytest.mark.requirement("R112", "R113")
@pytest.mark.parametrize("group", [NamedGroup.secp256r1, NamedGroup.x25519, NamedGroup.X25519MLKEM768])
def test_another_group_than_the_retry_selected(group, server_config, quick_pair) -> None:
    share = (
        GROUPS[group].generate().public[:1120]
        if group == NamedGroup.X25519MLKEM768
        else GROUPS[group].generate().public
    )
    body = KeyShareServerHello(server_share=KeyShareEntry(group=group, key_exchange=share))
    script = edit(ServerHello, lambda m: with_extension(m, body))
    made = quick_pair(server=server_config.replace(groups=P384), server_script=script)
    made.expect_refusal_by_client(errors.GroupChanged)


FFDHE2048 = 2048 // 8


@pytest.mark.requirement("R114")
@pytest.mark.parametrize("y", [0, 1, 2**2048 - 1], ids=["0", "1", "above p"])
def test_no_finite_field_share_is_taken_for_good(y, client_config, server_config, quick_pair) -> None:
    """Section 4.3.8.1. We offer no finite-field group and choose none, so no such value is ever computed with."""
    entry = KeyShareEntry(group=NamedGroup.ffdhe2048, key_exchange=y.to_bytes(FFDHE2048, "big"))
    script = edit(ServerHello, lambda m: with_extension(m, KeyShareServerHello(server_share=entry)))
    quick_pair(server_script=script).expect_refusal_by_client(errors.GroupNotOffered)

    def only(message):
        message = with_extension(message, NamedGroupList(named_group_list=(NamedGroup.ffdhe2048,)))
        return with_extension(message, KeyShareClientHello(client_shares=(entry,)))

    quick_pair(client_script=edit(ClientHello, only)).expect_refusal_by_server(errors.NoCommonGroup)
    for config in (client_config, server_config):
        with pytest.raises(tls13.ConfigurationError):
            config.replace(groups=[NamedGroup.ffdhe2048])


BAD_POINTS = {
    "infinity": lambda length: b"\0",
    "compressed": lambda length: b"\2" + bytes(length // 2),
    "hybrid form": lambda length: b"\6" + bytes(length - 1),
    "not on the curve": lambda length: b"\4" + b"\1" * (length - 1),
    "zero": lambda length: b"\4" + bytes(length - 1),
    "too short": lambda length: b"\4" + bytes(length - 2),
    "too long": lambda length: b"\4" + bytes(length),
}


@pytest.mark.requirement("R115")
@pytest.mark.parametrize("name", BAD_POINTS)
@pytest.mark.parametrize("group", [NamedGroup.secp256r1, NamedGroup.secp384r1, NamedGroup.secp521r1])
def test_a_share_that_is_no_point_of_its_curve(group, name, client_config, quick_pair) -> None:
    """Section 4.3.8.2, from either side."""
    entry = KeyShareEntry(group=group, key_exchange=BAD_POINTS[name](GROUPS[group].client_share_length))
    client = client_config.replace(groups=[group])
    script = edit(ServerHello, lambda m: with_extension(m, KeyShareServerHello(server_share=entry)))
    quick_pair(client=client, server_script=script).expect_refusal_by_client(errors.InvalidKeyShare)
    script = edit(ClientHello, lambda m: with_extension(m, KeyShareClientHello(client_shares=(entry,))))
    quick_pair(client=client, client_script=script).expect_refusal_by_server(errors.InvalidKeyShare)

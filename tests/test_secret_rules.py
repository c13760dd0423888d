"""Shared secrets and exporters between two connections: RFC 9846, sections 7.4.2 and 7.5."""

from __future__ import annotations

import hashlib
import hmac

import pytest

import tls13
from tests.conftest import HOST
from tests.mutual import edit, first_hello
from tests.requirements.scripts import MODES, sessions_of
from tests.wiretap import Wiretap
from tls13 import errors
from tls13.lab.scripted import with_extension
from tls13.wire.extensions import KeyShareClientHello, KeyShareEntry, KeyShareServerHello
from tls13.wire.messages import ServerHello
from tls13.wire.registry import CipherSuite, NamedGroup

P = 2**255 - 19
LOW_ORDER = {
    "0": 0,
    "1": 1,
    "order 8": int.from_bytes(
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"), "little"
    ),
    "order 8, the other": int.from_bytes(
        bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"), "little"
    ),
    "p - 1": P - 1,
    "p": P,
    "p + 1": P + 1,
}
"""RFC 7748, section 6: the values of X25519 for which the shared secret is zero, whoever multiplies them with what."""

SHARES = [
    *[(NamedGroup.x25519, number.to_bytes(32, "little"), name) for name, number in LOW_ORDER.items()],
    (NamedGroup.x448, bytes(56), "0"),
    (NamedGroup.x448, b"\1" + bytes(55), "1"),
]


@pytest.mark.parametrize("receiver", ["client", "server"])
@pytest.mark.parametrize(("group", "share", "name"), SHARES, ids=[f"{group.name} {name}" for group, _, name in SHARES])
@pytest.mark.requirement("R271", "R261")
def test_a_share_that_makes_the_secret_zero_is_refused(
    group, share, name, receiver, quick_pair, client_config, server_config
) -> None:
    """Section 7.4.2: with it, an attacker would decide the secret of both sides."""
    entry = KeyShareEntry(group=group, key_exchange=share)
    configs = {"client": client_config.replace(groups=[group]), "server": server_config.replace(groups=[group])}
    if receiver == "client":
        script = edit(ServerHello, lambda m: with_extension(m, KeyShareServerHello(server_share=entry)))
        quick_pair(**configs, server_script=script).expect_refusal_by_client(errors.InvalidKeyShare)
    else:
        script = first_hello(lambda m: with_extension(m, KeyShareClientHello(client_shares=(entry,))))
        quick_pair(**configs, client_script=script).expect_refusal_by_server(errors.InvalidKeyShare)


def exported(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    """TLS-Exporter of section 7.5, for one block of SHA-256, from the standard library."""

    def labelled(key: bytes, name: bytes, digest: bytes, size: int) -> bytes:
        info = size.to_bytes(2, "big") + bytes([6 + len(name)]) + b"tls13 " + name + bytes([len(digest)]) + digest
        return hmac.new(key, info + b"\1", hashlib.sha256).digest()[:size]

    derived = labelled(secret, label, hashlib.sha256(b"").digest(), 32)
    return labelled(derived, b"exporter", hashlib.sha256(context).digest(), length)


@pytest.mark.requirement("R272")
def test_exporters_use_the_exporter_secret_unless_the_early_one_is_asked_for(
    quick_pair, client_config, server_config
) -> None:
    """Section 7.5, from the key log alone; in a connection that has both secrets."""
    tap = Wiretap()
    now = [server_config.clock()]
    client = client_config.replace(
        psk_key_exchange_modes=MODES,
        key_log=tap.key_log,
        cipher_suites=[CipherSuite.TLS_AES_128_GCM_SHA256],
        clock=lambda: now[0],
    )
    server = server_config.replace(max_early_data=100, clock=lambda: now[0], tickets=tls13.SealedTickets())
    now[0] += 60
    session, *_ = sessions_of(client, server)
    tap.log.clear()
    made = quick_pair(server=server)
    made.client = tls13.ClientConnection(client, server_hostname=HOST, session=session, early_data=b"early")
    made.run()
    secrets = tap.secrets()
    assert secrets["EXPORTER_SECRET"] != secrets["EARLY_EXPORTER_SECRET"]
    for one in (made.client, made.server):
        for label, context in ((b"EXPORTER-a", b""), (b"EXPORTER-a", b"context"), (b"EXPORTER-b", b"context")):
            by_key_log = exported(secrets["EXPORTER_SECRET"], label, context, 32)
            assert one.export_keying_material(label, context) == by_key_log
            early = exported(secrets["EARLY_EXPORTER_SECRET"], label, context, 32)
            assert one.export_early_keying_material(label, context) == early

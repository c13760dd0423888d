"""Exporters and channel bindings as an application uses them: RFC 9846, section 7.5; RFC 5705; RFC 9266."""

from __future__ import annotations

import hashlib
import hmac

import pytest

import tls13
from tests.conftest import HOST
from tests.requirements.scripts import MODES, session_of
from tests.wiretap import Wiretap
from tls13.wire.registry import CipherSuite

LABEL = b"EXPERIMENTAL-tls13"


@pytest.fixture
def connected(pair):
    made = pair()
    made.run()
    return made


def test_both_ends_have_the_same_bytes_and_nobody_else(connected, pair) -> None:
    one = connected.client.export_keying_material(LABEL, b"context", 32)
    assert connected.server.export_keying_material(LABEL, b"context", 32) == one
    other = pair()
    other.run()
    assert other.client.export_keying_material(LABEL, b"context", 32) != one


def test_label_context_and_length_tell_the_values_apart(connected) -> None:
    """Section 7.5: the length is in the label too, so a short value is no prefix of a long one."""
    export = connected.client.export_keying_material
    values = {
        export(LABEL, b"", 32),
        export(LABEL + b"2", b"", 32),
        export(LABEL, b"context", 32),
        export(LABEL, b"", 33)[:32],
        connected.client.channel_binding(),
    }
    assert len(values) == 5
    assert export(LABEL) == export(LABEL, b"", 32)
    for length in (0, 1, 255 * 32):
        assert len(export(LABEL, b"", length)) == length


@pytest.mark.parametrize(("label", "length"), [(b"", 32), (b"x" * 250, 32), (LABEL, 255 * 48 + 1), (LABEL, -1)])
def test_what_cannot_be_exported_is_a_mistake_and_no_more(label, length, connected) -> None:
    with pytest.raises(tls13.UsageError):
        connected.client.export_keying_material(label, b"", length)
    connected.client.send_data(b"still here")
    assert connected.run()[1] == [tls13.ApplicationData(b"still here")]


@pytest.mark.requirement("R272", "R323")
def test_it_is_made_of_the_logged_exporter_secret(quick_pair, client_config) -> None:
    """By hand, with HKDF from the standard library and the key log (RFC 9850); and tls-exporter is 32 bytes of it."""
    tap = Wiretap()
    suites = [CipherSuite.TLS_AES_128_GCM_SHA256]
    made = quick_pair(client=client_config.replace(key_log=tap.key_log, cipher_suites=suites))
    made.run()
    secret = tap.secrets()["EXPORTER_SECRET"]
    assert made.server.export_keying_material(LABEL, b"context", 32) == by_hand(secret, LABEL, b"context")
    assert made.server.channel_binding() == by_hand(secret, b"EXPORTER-Channel-Binding", b"")
    assert made.client.channel_binding() == made.server.channel_binding()


def by_hand(secret: bytes, label: bytes, context: bytes) -> bytes:
    """Section 7.5, for 32 bytes under SHA-256."""

    def expand(key: bytes, name: bytes, data: bytes) -> bytes:
        name, digest = b"tls13 " + name, hashlib.sha256(data).digest()
        info = b"\0\x20" + bytes([len(name)]) + name + b"\x20" + digest + b"\1"
        return hmac.new(key, info, hashlib.sha256).digest()

    return expand(expand(secret, label, b""), b"exporter", context)


def test_it_does_not_change_with_the_keys_or_the_end(connected) -> None:
    """The exporter secret is of the handshake: KeyUpdate and close_notify do not touch it."""
    before = connected.client.channel_binding()
    connected.client.update_keys(request_peer=True)
    connected.run()
    connected.client.close()
    connected.run()
    assert connected.client.channel_binding() == connected.server.channel_binding() == before


def test_a_resumed_connection_has_its_own(quick_pair, client_config, server_config) -> None:
    client = client_config.replace(psk_key_exchange_modes=MODES)
    server = server_config.replace(tickets=tls13.SealedTickets())
    session = session_of(client, server)
    values = set()
    for stored in (None, session, session):
        made = quick_pair(server=server)
        made.client = tls13.ClientConnection(client, server_hostname=HOST, session=stored)
        made.run()
        assert made.client.session.resumed is (stored is not None)
        values.add(made.client.channel_binding())
    assert len(values) == 3


@pytest.mark.requirement("D26")
def test_not_before_completion_and_not_after_failure(quick_pair) -> None:
    made = quick_pair()
    for connection in (made.client, made.server):
        with pytest.raises(tls13.UsageError, match="before the handshake"):
            connection.channel_binding()
    made.run()
    made.server.receive_data(b"\x17\3\3\0\x20" + bytes(32))
    with pytest.raises(tls13.TLSError):
        list(made.server.events())
    with pytest.raises(tls13.ConnectionFailed):
        made.server.channel_binding()


def test_no_early_exporter_without_early_data(connected) -> None:
    for connection in (connected.client, connected.server):
        with pytest.raises(tls13.UsageError, match="no such exporter"):
            connection.export_early_keying_material(LABEL)

"""The key schedule against RFC 8448's five traces, and exporters against OpenSSL's."""

from __future__ import annotations

import hmac

import pytest

from tests.vectors_reader import RFC8448, load, unhex
from tls13.crypto.hkdf import Secret
from tls13.crypto.suites import SHA256, SHA384, SUITES
from tls13.key_schedule import (
    EarlySecret,
    TrafficSecret,
    early_secret_without_psk,
    export_keying_material,
    resumption_psk,
)
from tls13.transcript import Transcript
from tls13.wire.registry import CipherSuite

SUITE = SUITES[CipherSuite.TLS_AES_128_GCM_SHA256]


def transcripts(trace) -> dict[str, bytes]:
    """The transcript hash after each point of the handshake that the schedule needs."""
    transcript, hashes = Transcript(), {}
    messages = [m for m in trace["messages"] if m["type"] not in ("NewSessionTicket", "EndOfEarlyData")]
    retried = any(m["type"] == "HelloRetryRequest" for m in messages)
    for number, message in enumerate(trace["messages"]):
        if message["type"] == "NewSessionTicket":
            continue
        if message["type"] == "Finished":
            hashes[f"before {message['sender']} Finished"] = transcript.digest()
        transcript.update(unhex(message["bytes"]))
        if message["type"] == "HelloRetryRequest":
            transcript.retry(SHA256)
        if number == 0 and not retried:
            started = transcript.fork()
            started.start(SHA256)
            hashes["ClientHello"] = started.digest()
        if message["type"] == "ServerHello":
            transcript.start(SHA256)
        if message["type"] in ("ServerHello", "Finished"):
            name = "ServerHello" if message["type"] == "ServerHello" else f"{message['sender']} Finished"
            hashes[name] = transcript.digest()
    return hashes


@pytest.mark.parametrize("name", RFC8448)
def test_every_secret_of_a_trace(name) -> None:
    trace = RFC8448[name]
    expected, at = trace["secrets"], transcripts(trace)
    early = EarlySecret(SHA256, unhex(trace["psk"]) if "psk" in trace else None)
    assert early.value.hex() == expected["early_secret"]
    if "psk" in trace:
        assert early.binder_key(b"res binder").value.hex() == expected["binder_key"]
        assert early.client_early_traffic(at["ClientHello"]).value.hex() == expected["client_early_traffic_secret"]
        assert early.early_exporter(at["ClientHello"]).value.hex() == expected["early_exporter_master_secret"]
    else:
        assert early_secret_without_psk(SHA256).value == early.value
    handshake = early.handshake(unhex(trace["shared_secret"]))
    assert handshake.value.hex() == expected["handshake_secret"]
    client, server = handshake.traffic(at["ServerHello"])
    assert client.value.hex() == expected["client_handshake_traffic_secret"]
    assert server.value.hex() == expected["server_handshake_traffic_secret"]
    main = handshake.main()
    assert main.value.hex() == expected["master_secret"]
    client_application, server_application, exporter = main.traffic(at["server Finished"])
    assert client_application.value.hex() == expected["client_application_traffic_secret_0"]
    assert server_application.value.hex() == expected["server_application_traffic_secret_0"]
    assert exporter.value.hex() == expected["exporter_master_secret"]
    assert main.resumption(at["client Finished"]).value.hex() == expected["resumption_master_secret"]
    for message in trace["messages"]:
        if message["type"] == "Finished":
            key = client if message["sender"] == "client" else server
            assert key.verify_data(at[f"before {message['sender']} Finished"]).hex() == message["bytes"][8:]


@pytest.mark.parametrize("name", RFC8448)
def test_every_key_and_iv_of_a_trace(name) -> None:
    """Section 7.3."""
    for keys in RFC8448[name]["traffic_keys"].values():
        secret = TrafficSecret(SHA256, unhex(keys["secret"]))
        assert [part.hex() for part in secret.traffic_keys(SUITE)] == [keys["key"], keys["iv"]]


def test_a_binder_is_a_finished_over_the_truncated_client_hello() -> None:
    """Section 4.3.11.2; RFC 8448, section 4: the ClientHello without the binders list, under its own fork."""
    trace = RFC8448["resumed_0rtt"]
    binder = trace["finished"][0]
    hello, prefix = unhex(trace["messages"][0]["bytes"]), unhex(binder["client_hello_prefix"])
    assert hello == prefix + b"\x00\x21\x20" + unhex(binder["verify_data"])
    transcript = Transcript()
    truncated = transcript.fork()
    truncated.update(prefix)
    truncated.start(SHA256)
    assert truncated.digest().hex() == binder["binder_hash"]
    key = EarlySecret(SHA256, unhex(trace["psk"])).binder_key(b"res binder")
    assert key.verify_data(truncated.digest()).hex() == binder["verify_data"]


def test_the_psk_of_a_ticket_is_the_one_that_the_next_trace_resumes_with() -> None:
    """Section 4.7.1. RFC 8448, section 3 gives the ticket, section 4 uses it."""
    trace = RFC8448["simple_1rtt"]
    secret = Secret(SHA256, unhex(trace["secrets"]["resumption_master_secret"]))
    psk = resumption_psk(secret, unhex(trace["new_session_ticket"]["nonce"]))
    assert psk.hex() == trace["secrets"]["resumption_psk"] == RFC8448["resumed_0rtt"]["psk"]


@pytest.mark.parametrize("label", [b"res binder", b"ext binder", b"imp binder"])
def test_the_three_binder_keys(label) -> None:
    """Section 4.3.11.2, and RFC 9258, section 5.2; here written out."""
    early = EarlySecret(SHA384, b"psk")
    assert early.value == hmac.digest(bytes(48), b"psk", "sha384")
    info = b"\0\x30" + bytes([6 + len(label)]) + b"tls13 " + label + b"\x30" + SHA384.empty
    assert early.binder_key(label).value == hmac.digest(early.value, info + b"\1", "sha384")


def test_both_arms_of_no_psk_and_no_exchange() -> None:
    """Section 7.1: where there is no PSK or no shared secret, zeros of the hash's length stand for it."""
    for hash in (SHA256, SHA384):
        zeros = bytes(hash.digest_size)
        assert EarlySecret(hash, None).value == EarlySecret(hash, zeros).value
        assert EarlySecret(hash, b"psk").handshake(None).value == EarlySecret(hash, b"psk").handshake(zeros).value


@pytest.mark.parametrize("number", range(3))
def test_exporters_and_channel_bindings_are_openssls(number) -> None:
    trace = load("openssl_traces")["traces"][number]
    logged = {line.split()[0]: unhex(line.split()[2]) for line in trace["keylog"]}
    hash = SUITES[CipherSuite[trace["suite"]]].hash
    secret, wanted = Secret(hash, logged["EXPORTER_SECRET"]), trace["exporter"]
    value = export_keying_material(secret, wanted["label"].encode(), unhex(wanted["context"]), wanted["length"])
    assert value.hex() == wanted["value"]
    assert export_keying_material(secret, b"EXPORTER-Channel-Binding", b"", 32).hex() == trace["channel_binding"]


@pytest.mark.parametrize("number", range(3))
def test_openssls_records_open_with_its_key_log(number) -> None:
    """The first protected record of the server holds EncryptedExtensions."""
    from tls13.record import RecordReader

    trace = load("openssl_traces")["traces"][number]
    logged = {line.split()[0]: unhex(line.split()[2]) for line in trace["keylog"]}
    suite = SUITES[CipherSuite[trace["suite"]]]
    server = RecordReader()
    server.ccs_allowed = True
    for sender, stream in trace["flow"]:
        if sender == "s":
            server.receive(unhex(stream))
    first = server.next_record()
    assert first is not None
    assert first[1][0] == 2
    traffic = TrafficSecret(suite.hash, logged["SERVER_HANDSHAKE_TRAFFIC_SECRET"])
    server.set_keys(suite, *traffic.traffic_keys(suite))
    opened = server.next_record()
    assert opened is not None
    assert opened[0] == 22
    assert opened[1][0] == 8


def test_the_next_traffic_secret_differs() -> None:
    """Section 7.2: HKDF-Expand-Label(secret, "traffic upd", "", Hash.length), written out."""
    secret = TrafficSecret(SHA256, b"s" * 32)
    info = b"\0\x20" + b"\x11tls13 traffic upd" + b"\0" + b"\1"
    assert secret.next().value == hmac.digest(b"s" * 32, info, "sha256")


def test_what_is_made_together_is_what_it_is_alone() -> None:
    """The salt of the next stage and the finished_key come with the secrets beside them, or by themselves."""
    together, alone = EarlySecret(SHA384, b"psk"), EarlySecret(SHA384, b"psk")
    together.binder_key(b"res binder")
    assert together.handshake(b"secret").value == alone.handshake(b"secret").value
    stage = alone.handshake(b"secret")
    client, server = stage.traffic(b"h" * 48)
    assert client != server
    assert stage.main().value == alone.handshake(b"secret").main().value
    suite = SUITES[CipherSuite.TLS_AES_256_GCM_SHA384]
    for secret in (client, server):
        plain = TrafficSecret(SHA384, secret.value)
        before = secret.verify_data(b"t" * 48)
        assert secret.traffic_keys(suite) == plain.traffic_keys(suite)
        assert secret.verify_data(b"t" * 48) == before == plain.verify_data(b"t" * 48)


def test_no_stage_shows_its_secret() -> None:
    early = EarlySecret(SHA256, b"a psk")
    assert early.value.hex() not in repr(early) + repr(early.handshake(None)) + repr(early.handshake(None).main())

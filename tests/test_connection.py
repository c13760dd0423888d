"""Connections in memory: what holds after, around and beneath the handshake. RFC 9846, sections 4.7, 5 and 6."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tls13
from tests.records import FailingPadding
from tls13 import errors
from tls13.lab.scripted import ScriptedClient, ScriptedServer, ask_for_key_update, with_raw_extension
from tls13.wire.messages import ClientHello, EncryptedExtensions, KeyUpdate
from tls13.wire.registry import CipherSuite, ExtensionType, KeyUpdateRequest, NamedGroup, SignatureScheme

ASKS = KeyUpdate(request_update=KeyUpdateRequest.update_requested).to_handshake()
TELLS = KeyUpdate(request_update=KeyUpdateRequest.update_not_requested).to_handshake()


def same(message):
    return message


# --- data and closing: sections 2 and 6.1 ---


def test_what_comes_while_events_are_told_is_told_too(quick_pair) -> None:
    made = quick_pair()
    made.run()
    told = []
    made.client.send_data(b"one")
    made.server.receive_data(made.client.data_to_send())
    for event in made.server.events():
        told.append(event.data)
        if len(told) < 3:
            made.client.send_data(b"more")
            made.server.receive_data(made.client.data_to_send())
    assert told == [b"one", b"more", b"more"]


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (lambda connection: connection.receive_eof(), tls13.TruncatedStream),
        (lambda connection: connection.abandon(ValueError("enough")), tls13.ConnectionFailed),
    ],
    ids=["end of the stream", "given up"],
)
def test_what_happens_while_events_are_told_ends_them(happens, says, quick_pair) -> None:
    made = quick_pair()
    made.run()
    made.client.send_data(b"data")
    made.server.receive_data(made.client.data_to_send())
    events = made.server.events()
    assert next(events) == tls13.ApplicationData(b"data")
    happens(made.server)
    with pytest.raises(says):
        next(events)


def test_an_idle_connection_holds_no_bytes(quick_pair) -> None:
    made = quick_pair()
    made.run()
    made.client.send_data(bytes(10000))
    made.server.receive_data(made.client.data_to_send())
    assert next(made.server.events()) == tls13.ApplicationData(bytes(10000))
    assert made.server._layer.reader.received == b""


def test_data_flows_both_ways(pair) -> None:
    made = pair()
    client, server = made.run()
    assert [type(event) for event in client] == [type(event) for event in server] == [tls13.HandshakeCompleted]
    made.client.send_data(b"question")
    made.server.send_data(b"answer" * 10)
    client, server = made.run()
    assert b"".join(event.data for event in server) == b"question"
    assert b"".join(event.data for event in client) == b"answer" * 10


@pytest.mark.parametrize("suite", [CipherSuite(code) for code in range(0x1301, 0x1306)])
def test_every_cipher_suite(suite, quick_pair, client_config, server_config) -> None:
    made = quick_pair(
        client=client_config.replace(cipher_suites=[suite]), server=server_config.replace(cipher_suites=[suite])
    )
    made.run()
    assert made.client.session.cipher_suite == made.server.session.cipher_suite == suite
    made.client.send_data(b"x" * 70000)
    assert b"".join(event.data for event in made.run()[1]) == b"x" * 70000


@pytest.mark.parametrize("group", [NamedGroup(code) for code in tls13.ClientConfig().groups])
def test_every_group(group, quick_pair, client_config, server_config) -> None:
    made = quick_pair(client=client_config.replace(groups=[group]), server=server_config.replace(groups=[group]))
    made.run()
    assert made.client.session.group == made.server.session.group == group


def test_by_default_the_client_sends_two_key_shares(client_config) -> None:
    from tls13.wire.extensions import KeyShareClientHello
    from tls13.wire.messages import decode_handshake

    client = tls13.ClientConnection(client_config, server_hostname="server.example")
    hello = decode_handshake(client.data_to_send()[5:])
    hello.judge()
    shares = hello.extensions.get(KeyShareClientHello).client_shares
    assert [entry.group for entry in shares] == [NamedGroup.X25519MLKEM768, NamedGroup.x25519]


@pytest.mark.requirement("R105")
def test_each_connection_has_key_shares_of_its_own(client_config) -> None:
    """Section 4.3.8: MUST NOT be reused."""
    first, second = (
        tls13.ClientConnection(client_config, server_hostname="server.example").data_to_send() for _ in range(2)
    )
    assert first[-32:] != second[-32:]


@pytest.mark.requirement("R002")
def test_nothing_is_sent_before_the_handshake_is_complete(quick_pair) -> None:
    made = quick_pair()
    with pytest.raises(tls13.UsageError):
        made.client.send_data(b"early")
    assert not made.client.handshake_complete


@pytest.mark.requirement("D12")
def test_a_server_sends_no_data_before_the_clients_finished(quick_pair) -> None:
    """Section 2 would allow it after the server's Finished, to a client that is not authenticated yet: not here."""
    made = quick_pair()
    made.server.receive_data(made.client.data_to_send())
    assert list(made.server.events()) == []
    with pytest.raises(tls13.UsageError):
        made.server.send_data(b"half a round trip early")


@pytest.mark.requirement("D03")
def test_the_client_says_what_chains_may_be_signed_with(client_config) -> None:
    """signature_algorithms_cert is exactly what its chain verifier accepts (section 4.3.3), and another list than
    what may sign a CertificateVerify: PKCS#1 in the one only, Ed25519 in the other only."""
    from tls13.wire.extensions import SignatureSchemeList, SignatureSchemeListCert
    from tls13.wire.messages import decode_handshake

    client = tls13.ClientConnection(client_config, server_hostname="server.example")
    hello = decode_handshake(client.data_to_send()[5:])
    hello.judge()
    chains = hello.extensions.get(SignatureSchemeListCert).supported_signature_algorithms
    verify = hello.extensions.get(SignatureSchemeList).supported_signature_algorithms
    assert chains == client_config.verifier.signature_schemes
    assert SignatureScheme.rsa_pkcs1_sha256 in chains
    assert SignatureScheme.rsa_pkcs1_sha256 not in verify
    assert SignatureScheme.ed25519 in verify
    assert SignatureScheme.ed25519 not in chains


@pytest.mark.parametrize("closer", ["client", "server"])
def test_each_direction_closes_on_its_own(closer, pair) -> None:
    """Section 6.1: after our close_notify we send nothing more, and go on reading."""
    made = pair()
    made.run()
    one, other = (made.client, made.server) if closer == "client" else (made.server, made.client)
    one.close()
    one.close()
    made.run()
    assert other.peer_closed
    assert not other.closed
    with pytest.raises(tls13.UsageError):
        one.send_data(b"too late")
    other.send_data(b"still here")
    seen = made.run()[0 if closer == "client" else 1]
    assert b"".join(event.data for event in seen) == b"still here"
    other.close()
    assert made.run()[0 if closer == "client" else 1] == [tls13.PeerClosed()]


def test_close_notify_is_a_warning(quick_pair) -> None:
    """Section 6.1: MUST be sent with AlertLevel=warning."""
    made = quick_pair(client_script=same)
    made.run()
    seen = []
    made.client._layer.writer.write = lambda content_type, data, out: seen.append((content_type, bytes(data)))
    made.client.close()
    assert seen == [(21, b"\1\0")]


def test_what_comes_after_close_notify_is_ignored(quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    made.client.close()
    made.client.inject(b"\x17\3\3\0\5stuff and nonsense")
    assert made.run()[1] == [tls13.PeerClosed()]
    made.server.receive_data(b"more")
    assert made.server.next_event() is None


def test_closing_in_the_handshake_says_user_canceled(quick_pair) -> None:
    """Section 6.1: followed by close_notify, which before the handshake is complete is an error."""
    made = quick_pair()
    made.client.close()
    stream = made.client.data_to_send()
    assert stream.endswith(b"\x15\3\3\0\2\1\x5a" + b"\x15\3\3\0\2\1\0")
    made.server.receive_data(stream)
    with pytest.raises(errors.CloseNotifyInHandshake):
        list(made.server.events())
    assert made.client.next_event() is None


def test_user_canceled_means_nothing_by_itself(quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    for _ in range(4):
        made.client.send_record(21, b"\1\x5a")
    made.client.send_data(b"data")
    assert made.run()[1] == [tls13.ApplicationData(b"data")]
    for _ in range(5):
        made.client.send_record(21, b"\1\x5a")
    made.expect_refusal_by_server(errors.TooManyWarnings)


def test_the_end_of_the_stream_without_close_notify_is_truncation(pair) -> None:
    made = pair()
    made.run()
    made.client.receive_eof()
    with pytest.raises(tls13.TruncatedStream):
        made.client.next_event()
    made.server.close()
    made.client = None


def test_the_end_of_the_stream_after_close_notify_is_not(quick_pair) -> None:
    made = quick_pair()
    made.run()
    made.server.close()
    made.client.receive_data(made.server.data_to_send())
    made.client.receive_eof()
    assert list(made.client.events()) == [tls13.PeerClosed()]


# --- alerts: section 6 ---


@pytest.mark.parametrize("level", [1, 2, 77])
@pytest.mark.parametrize("code", [10, 47, 117, 200])
def test_any_other_alert_ends_the_connection_whatever_its_level(level, code, quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(21, bytes((level, code)))
    with pytest.raises(tls13.AlertReceived) as caught:
        made.run()
    assert caught.value.code == code
    for call in (lambda: made.server.send_data(b"x"), lambda: made.server.receive_data(b"x"), made.server.next_event):
        with pytest.raises(tls13.ConnectionFailed):
            call()
    assert not made.server.data_to_send()


@pytest.mark.parametrize("fragment", [b"\1", b"\1\0\1", b"\2\x28\2\x28"])
def test_an_alert_has_two_bytes(fragment, quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(21, fragment)
    made.expect_refusal_by_server(errors.BadAlert)


@pytest.mark.requirement("D24")
def test_a_failed_connection_keeps_no_traceback_and_no_keys(quick_pair) -> None:
    """Section 6: secrets of failed connections MUST be forgotten; frames would keep them alive."""
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(23, b"x" * 10)
    stream = bytearray(made.client.data_to_send())
    stream[-1] ^= 1
    made.server.receive_data(stream)
    with pytest.raises(errors.BadRecordMac) as caught:
        made.server.next_event()
    names = [entry.name for entry in caught.traceback]
    assert "_open_ciphertext" not in names
    assert made.server._engine._read_secret is None
    made.server.data_to_send()
    assert made.server._layer.writer._aead is None
    assert made.server._layer.writer._key == b""


def test_what_a_callback_raises_comes_out_and_the_peer_hears_internal_error(quick_pair, server_config) -> None:
    class Mine(Exception):
        pass

    def key_log(line: str) -> None:
        raise Mine("disk full")

    made = quick_pair(server=server_config.replace(key_log=key_log))
    with pytest.raises(Mine):
        made.run()
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(tls13.AlertReceived) as caught:
        list(made.client.events())
    assert caught.value.code == 80


def test_a_client_without_keys_may_tell_in_plaintext_why(quick_pair) -> None:
    """OpenSSL 3.0 does so; only until something has decrypted (the record layer holds the rest)."""
    made = quick_pair()
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    made.server.receive_data(b"\x15\3\3\0\2\2\x30")
    with pytest.raises(tls13.AlertReceived) as caught:
        made.server.next_event()
    assert caught.value.code == 48


# --- KeyUpdate: section 4.7.3 ---


def test_a_key_update_is_honoured_and_answered(pair) -> None:
    made = pair(client_script=same)
    made.run()
    for _ in range(3):
        ask_for_key_update(made.client)
        made.client.send_data(b"under new keys")
        client, server = made.run()
        assert tls13.KeysUpdated(answer_requested=True) in server
        assert client == [tls13.KeysUpdated(answer_requested=False)]
        assert made.client.key_updates == made.server.key_updates
        made.server.send_data(b"and back")
        assert b"".join(event.data for event in made.run()[0]) == b"and back"


def test_the_answer_comes_before_the_next_application_data(quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    ask_for_key_update(made.client)
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    made.server.send_data(b"data")
    made.client.receive_data(made.server.data_to_send())
    assert list(made.client.events()) == [
        tls13.KeysUpdated(answer_requested=False),
        tls13.ApplicationData(b"data"),
    ]


def test_one_answer_for_many_requests(quick_pair) -> None:
    """Section 4.7.3: while silent, several requests may be answered once."""
    made = quick_pair(client_script=same)
    made.run()
    for _ in range(5):
        ask_for_key_update(made.client)
    client, _ = made.run()
    assert client == [tls13.KeysUpdated(answer_requested=False)]


@pytest.mark.parametrize("value", [2, 255])
def test_request_update_is_0_or_1(value, quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(22, b"\x18\0\0\1" + bytes([value]))
    made.expect_refusal_by_server(errors.BadKeyUpdateRequest)


@pytest.mark.parametrize("body", [b"", b"\0\0"])
def test_key_update_has_one_byte(body, quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(22, b"\x18\0\0" + bytes([len(body)]) + body)
    made.expect_refusal_by_server(errors.DecodeError)


def test_data_under_the_old_key_after_a_key_update(quick_pair) -> None:
    """Section 4.7.3: everything after KeyUpdate uses the next keys."""
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(22, TELLS)
    made.client.send_data(b"old key")
    made.expect_refusal_by_server(errors.BadRecordMac)


def test_key_update_ends_its_record(quick_pair) -> None:
    """Section 5.1: no message may straddle a change of keys."""
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(22, TELLS + TELLS)
    made.expect_refusal_by_server(errors.DataAcrossKeyChange)


def test_a_flood_of_key_updates(quick_pair) -> None:
    made = quick_pair(client_script=same)
    made.run()
    for _ in range(3):
        for _ in range(32):
            made.client.update_keys()
        made.client.send_data(b"data between")
    made.run()
    for _ in range(33):
        made.client.update_keys()
    made.expect_refusal_by_server(errors.TooManyKeyUpdates)


def test_keys_change_before_the_limit_of_the_aead(quick_pair) -> None:
    """Section 5.5: a sender MUST change its keys, or close, in time."""
    made = quick_pair()
    made.run()
    made.client._layer.writer.sequence = made.server._layer.reader._sequence = made.client._layer.writer.limit - 10
    made.client.send_data(b"x" * 2**16)
    _, server = made.run()
    assert server[0] == tls13.KeysUpdated(answer_requested=False)
    assert b"".join(event.data for event in server[1:]) == b"x" * 2**16
    assert made.client._layer.writer.sequence == 4


# --- records around the handshake: section 5 ---


@pytest.mark.requirement("R018", "R019")
def test_middlebox_compatibility_mode(quick_pair, client_config) -> None:
    """Appendix E.4: one change_cipher_spec from each side, if the client sent a session id; else none."""
    for on in (True, False):
        made = quick_pair(client=client_config.replace(middlebox_compatibility=on))
        first = made.client.data_to_send()
        assert first[43] == (32 if on else 0)
        made.server.receive_data(first)
        list(made.server.events())
        answer = made.server.data_to_send()
        made.client.receive_data(answer)
        list(made.client.events())
        second = made.client.data_to_send()
        ccs = b"\x14\3\3\0\1\1"
        assert answer.count(ccs) == second.count(ccs) == on
        assert second.startswith(ccs) == on


def test_change_cipher_spec_is_dropped_until_finished(quick_pair) -> None:
    """Section 5."""
    made = quick_pair(client_script=same)
    made.client.inject(b"\x14\3\3\0\1\1" * 3)
    made.run()
    assert made.server.handshake_complete
    made.client.inject(b"\x14\3\3\0\1\1")
    made.expect_refusal_by_server(errors.BadChangeCipherSpec)


def test_change_cipher_spec_before_the_client_hello(server_config) -> None:
    server = tls13.ServerConnection(server_config)
    server.receive_data(b"\x14\3\3\0\1\1")
    with pytest.raises(errors.BadChangeCipherSpec):
        server.next_event()


def test_handshake_messages_cut_into_many_records(quick_pair) -> None:
    """Section 5.1: fragmentation; the record layer's limit is set very low."""
    made = quick_pair(client_script=same, server_script=same)
    made.server._layer.writer.max_inner_plaintext = 8
    made.run()
    assert made.client.handshake_complete
    assert made.server.handshake_complete


def test_a_handshake_message_interrupted_by_data(quick_pair) -> None:
    """Section 5.1."""
    made = quick_pair(client_script=same)
    made.run()
    made.client.send_record(22, TELLS[:2])
    made.client.send_data(b"in between")
    made.expect_refusal_by_server(errors.InterleavedHandshake)


@pytest.mark.requirement("R002")
def test_application_data_instead_of_finished(quick_pair) -> None:
    """Section 2: a client's data before its Finished."""
    made = quick_pair(client_script=lambda m: m if isinstance(m, ClientHello) else None)
    made.server.receive_data(made.client.data_to_send())
    list(made.server.events())
    made.client.receive_data(made.server.data_to_send())
    list(made.client.events())
    made.client._layer.writer = type(made.client._layer.writer)()
    keys = made.server._layer.reader
    made.client._layer.writer.set_keys(keys._suite, keys._key, keys._iv.to_bytes(12, "big"))
    made.client.data_to_send()
    made.client._layer.writer.write(23, b"too early", made.client._layer.out)
    with pytest.raises(errors.UnexpectedApplicationData):
        made.run()


def test_a_message_of_an_absurd_length_is_refused_at_its_header(quick_pair, server_config) -> None:
    server = tls13.ServerConnection(server_config.replace(max_handshake_message=5000))
    server.receive_data(b"\x16\3\3\0\4\1\0\x20\0")
    with pytest.raises(errors.MessageTooLong):
        server.next_event()


def test_an_unwanted_message_is_refused_at_its_first_byte(server_config) -> None:
    server = tls13.ServerConnection(server_config)
    server.receive_data(b"\x16\3\3\0\1\x0b")
    with pytest.raises(errors.MessageOutOfOrder):
        server.next_event()


# --- rejected early data: section 4.3.10 ---

PSK = b"\0\x0a\0\4abcd\0\0\0\0" + b"\0\x21\x20" + bytes(32)


def offers_early_data(message):
    if not isinstance(message, ClientHello):
        return message
    extensions = [(ExtensionType.psk_key_exchange_modes, b"\1\1"), (ExtensionType.pre_shared_key, PSK)]
    if ExtensionType.cookie not in message.extensions.types():  # not in a second ClientHello (4.3.10)
        extensions.insert(1, (ExtensionType.early_data, b""))
    for number, data in extensions:
        message = with_raw_extension(message, number, data)
    return message


@pytest.mark.requirement("R126", "R131")
@pytest.mark.parametrize("retry", [False, True], ids=["directly", "after a retry"])
@pytest.mark.parametrize("records", [0, 1, 3])
def test_rejected_early_data_is_skipped(retry, records, pair, client_config, server_config) -> None:
    """A client may offer it though we never accept it; its records are discarded, and the handshake goes on."""

    class EarlyClient(ScriptedClient):
        pass

    client = EarlyClient(client_config, offers_early_data, server_hostname="server.example")
    for _ in range(records):
        client.inject(b"\x17\3\3\0\x20" + bytes(32))
    server = tls13.ServerConnection(server_config.replace(always_retry=retry))
    if retry:
        # The second ClientHello of the script leaves the PSK out, so the hellos differ in nothing else.
        tls13.pump(client, server)
    else:
        tls13.pump(client, server, 7)
    assert server.handshake_complete
    assert client.handshake_complete


@pytest.mark.parametrize("retry", [False, True], ids=["directly", "after a retry"])
def test_too_much_rejected_early_data(retry, client_config, server_config) -> None:
    client = ScriptedClient(client_config, offers_early_data, server_hostname="server.example")
    for _ in range(4):
        client.inject(b"\x17\3\3\0\x20" + bytes(32))
    server = tls13.ServerConnection(server_config.replace(always_retry=retry, max_skipped_early_data=100))
    with pytest.raises(errors.TooMuchEarlyData):
        tls13.pump(client, server)


# --- configs, names, verification ---


def test_a_client_needs_a_name_unless_it_says_that_it_does_not_care(client_config) -> None:
    with pytest.raises(tls13.ConfigurationError, match="server_hostname"):
        tls13.ClientConnection(client_config, server_hostname=None)
    insecure = tls13.ClientConfig(verify=tls13.INSECURE_NO_VERIFICATION)
    assert tls13.ClientConnection(insecure, server_hostname=None).data_to_send()


def test_without_verification_the_signature_is_still_checked(quick_pair, identity) -> None:
    """The peer may be anybody, but it is the one with the certificate's key."""
    insecure = tls13.ClientConfig(verify=tls13.INSECURE_NO_VERIFICATION)
    made = quick_pair(client=insecure, host="any.example")
    made.run()
    assert made.client.session.verified_chain == ()
    assert made.client.session.peer_certificates == identity.chain


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"groups": []}, "no group"),
        ({"groups": ["x25519", "x25519"]}, "twice"),
        ({"groups": ["ffdhe2048"]}, "unknown group"),
        ({"cipher_suites": ["TLS_RSA_WITH_RC4_128_MD5"]}, "unknown cipher suite"),
        ({"signature_schemes": [SignatureScheme.rsa_pkcs1_sha256]}, "unknown signature scheme"),
        ({"alpn_protocols": [""]}, "1 to 255 bytes"),
        ({"alpn_protocols": ["x" * 256]}, "1 to 255 bytes"),
        ({"max_handshake_message": 0}, "positive"),
        ({"padding": lambda length, room: 100}, "100 zeros"),
        ({"key_shares": [NamedGroup.x448], "groups": [NamedGroup.x25519]}, "not among the groups"),
        ({"certificate_compression": ["rot13"]}, "unknown compression algorithm"),
        ({"verify": False}, "INSECURE_NO_VERIFICATION"),
    ],
)
def test_a_mistake_is_found_when_the_config_is_made(change, sentence) -> None:
    with pytest.raises(tls13.ConfigurationError, match=sentence):
        tls13.ClientConfig(**change)


def test_a_config_does_not_change(client_config) -> None:
    with pytest.raises(AttributeError):
        client_config.groups = ()
    other = client_config.replace(alpn_protocols=["h2"])
    assert (client_config.alpn_protocols, other.alpn_protocols) == ((), (b"h2",))
    assert other.verifier.trust is client_config.verifier.trust


def test_a_server_config_needs_an_identity_that_can_sign(identity) -> None:
    with pytest.raises(tls13.ConfigurationError):
        tls13.ServerConfig([])
    with pytest.raises(tls13.ConfigurationError, match="sign"):
        tls13.ServerConfig(identity, signature_schemes=[SignatureScheme.ed25519])
    with pytest.raises(tls13.ConfigurationError, match="cookie_key"):
        tls13.ServerConfig(identity, cookie_key=b"short")


def test_the_key_log_has_the_lines_of_rfc_9850(quick_pair, client_config, server_config) -> None:
    client_lines: list[str] = []
    server_lines: list[str] = []
    made = quick_pair(
        client=client_config.replace(key_log=client_lines.append),
        server=server_config.replace(key_log=server_lines.append),
    )
    made.run()
    assert client_lines == server_lines
    assert [line.split()[0] for line in client_lines] == [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
        "EXPORTER_SECRET",
    ]


# --- robustness ---


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stream=st.binary(max_size=400), role=st.sampled_from(["client", "server"]))
def test_any_bytes_give_events_or_documented_exceptions(stream, role, client_config, server_config) -> None:
    one = (
        tls13.ClientConnection(client_config, server_hostname="server.example")
        if role == "client"
        else tls13.ServerConnection(server_config)
    )
    one.receive_data(stream)
    try:
        assert list(one.events()) == []
    except tls13.TLSError:
        assert one.closed


mutations = st.dictionaries(
    st.integers(0, 7), st.tuples(st.integers(0, 2000), st.integers(0, 255), st.integers(0, 50)), max_size=3
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations=mutations)
def test_a_mutated_message_gives_events_or_documented_exceptions(mutations, client_config, server_config) -> None:
    """Change a byte of some messages of a real handshake, or cut their end off: whatever comes of it has a name."""
    numbers = iter(range(1000))

    def mutate(message):
        raw = bytearray(message.to_handshake())
        position, value, cut = mutations.get(next(numbers), (None, 0, 0))
        if position is not None:
            raw[position % len(raw)] = value
            del raw[max(1, len(raw) - cut) :]
        return bytes(raw)

    client = ScriptedClient(client_config, mutate, server_hostname="server.example")
    server = ScriptedServer(server_config, mutate)
    try:
        tls13.pump(client, server)
    except tls13.TLSError:
        assert client.closed or server.closed


def test_encrypted_extensions_are_the_first_thing_encrypted(quick_pair) -> None:
    """Section 4.4.1, seen by a tracer."""
    seen = []

    class Watch:
        def message(self, sent, raw, epoch) -> None:
            seen.append((sent, raw[0], int(epoch)))

        def __getattr__(self, name):
            return lambda *arguments: None

    made = quick_pair()
    client = tls13.ClientConnection(made.client.config, server_hostname="server.example", tracer=Watch())
    tls13.pump(client, tls13.ServerConnection(made.server.config))
    assert seen == [
        (True, 1, 0),
        (False, 2, 0),
        (False, 8, 2),
        (False, 11, 2),
        (False, 15, 2),
        (False, 20, 2),
        (True, 20, 2),
    ]
    assert EncryptedExtensions.msg_type == 8


# --- a padding policy that fails --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["data", "a KeyUpdate", "a KeyUpdate's answer", "a ticket", "the end"])
def test_a_padding_policy_that_fails_ends_the_connection(quick_pair, client_config, server_config, what) -> None:
    """What it was to pad is lost. Behind it nothing may be sent as if it had gone; and the peer is told."""
    policy = FailingPadding()
    made = quick_pair(
        client=client_config.replace(sessions=tls13.SessionCache()), server=server_config.replace(padding=policy)
    )
    made.run()
    if what == "a KeyUpdate's answer":
        made.client.update_keys(request_peer=True)
        made.server.receive_data(made.client.data_to_send())
        assert [type(event) for event in made.server.events()] == [tls13.KeysUpdated]
    elif what == "a ticket":
        made.server.send_ticket()
    policy.error = LookupError("no policy today")
    calls = {
        "data": lambda: made.server.send_data(b"first"),
        "a KeyUpdate": made.server.update_keys,
        "the end": made.server.close,
    }
    with pytest.raises(LookupError, match="no policy today"):
        calls.get(what, made.server.data_to_send)()
    assert made.server.closed
    with pytest.raises(tls13.ConnectionFailed):
        made.server.send_data(b"second")
    made.client.receive_data(made.server.data_to_send())
    with pytest.raises(tls13.AlertReceived, match="internal_error"):
        list(made.client.events())

"""The record layer: RFC 9846, section 5. RFC 8448's records, each rule by its offence, and properties."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors_reader import RFC8448, unhex
from tls13 import errors
from tls13.crypto.suites import SHA256, SUITES
from tls13.errors import AlertDescription
from tls13.key_schedule import TrafficSecret
from tls13.record import RecordReader, RecordWriter, pad_to_multiple_of
from tls13.wire.registry import CipherSuite, ContentType

SUITE = SUITES[CipherSuite.TLS_AES_128_GCM_SHA256]
KEY, IV = bytes(range(16)), bytes(range(12))
SECRETS = {
    "client_early": "client_early_traffic_secret",
    "client_handshake": "client_handshake_traffic_secret",
    "server_handshake": "server_handshake_traffic_secret",
    "client_application": "client_application_traffic_secret_0",
    "server_application": "server_application_traffic_secret_0",
}


def protected():
    """A writer and a reader with the same keys."""
    writer, reader = RecordWriter(), RecordReader()
    writer.set_keys(SUITE, KEY, IV)
    reader.set_keys(SUITE, KEY, IV)
    return writer, reader


def seal(inner: bytes, sequence: int = 0, suite=SUITE, key=KEY) -> bytes:
    """A record around any TLSInnerPlaintext, made without the writer."""
    header = b"\x17\3\3" + (len(inner) + suite.tag_length).to_bytes(2, "big")
    nonce = (int.from_bytes(IV, "big") ^ sequence).to_bytes(12, "big")
    return header + suite.aead(key).encrypt(nonce, inner, header)


def read_all(reader: RecordReader, stream: bytes, chunk: int) -> None:
    for start in range(0, len(stream), chunk):
        reader.receive(stream[start : start + chunk])
        while reader.next_record() is not None:
            pass


def refused(stream: bytes, offence, alert: AlertDescription, reader: RecordReader, chunk: int = 2**20) -> None:
    assert offence.alert == alert
    with pytest.raises(errors.TLSError) as caught:
        read_all(reader, stream, chunk)
    assert type(caught.value) is offence, repr(caught.value)
    with pytest.raises(errors.ConnectionFailed):
        reader.next_record()


# --- RFC 8448 ---

PROTECTED = [
    (name, number)
    for name, trace in RFC8448.items()
    for number, record in enumerate(trace["records"])
    if record["epoch"] != "plaintext"
]


def test_all_27_protected_records_are_here() -> None:
    assert len(PROTECTED) == 27


@pytest.mark.parametrize(("name", "number"), PROTECTED)
def test_a_record_of_rfc_8448_opens_and_is_sealed_again(name, number) -> None:
    trace = RFC8448[name]
    record = trace["records"][number]
    secret = TrafficSecret(SHA256, unhex(trace["secrets"][SECRETS[record["keys"]]]))
    writer, reader = RecordWriter(), RecordReader()
    keys = secret.traffic_keys(SUITE)
    writer.set_keys(SUITE, *keys)
    reader.set_keys(SUITE, *keys)
    writer._sequence = reader._sequence = record["seq"]
    content_type = ContentType[record["content_type"]]
    reader.receive(unhex(record["record"]))
    assert reader.next_record() == (content_type, unhex(record["payload"]))
    out = bytearray()
    writer.write(content_type, unhex(record["payload"]), out)
    assert out.hex() == record["record"]


# --- the rules: what is refused ---

A = AlertDescription
PLAINTEXT_RULES = {
    "too long": (b"\x16\3\3\x40\1", errors.RecordOverflow, A.record_overflow),
    "empty handshake": (b"\x16\3\3\0\0", errors.EmptyFragment, A.unexpected_message),
    "empty alert": (b"\x15\3\3\0\0", errors.EmptyFragment, A.unexpected_message),
    "application data without keys": (b"\x17\3\3\0\1a", errors.UnexpectedApplicationData, A.unexpected_message),
    "heartbeat": (b"\x18\3\3\0\1a", errors.UnexpectedRecordType, A.unexpected_message),
    "type 0": (b"\0\3\3\0\1a", errors.UnexpectedRecordType, A.unexpected_message),
    "type 255": (b"\xff\3\3\0\1a", errors.UnexpectedRecordType, A.unexpected_message),
    "HTTP": (b"GET / HTTP/1.1\r\n", errors.UnexpectedRecordType, A.unexpected_message),
    "SSL 2.0": (b"\x80\x2e\1\0\2\0\x15", errors.UnexpectedRecordType, A.unexpected_message),
    "CCS of 0": (b"\x14\3\3\0\1\0", errors.BadChangeCipherSpec, A.unexpected_message),
    "CCS of two bytes": (b"\x14\3\3\0\2\1\1", errors.BadChangeCipherSpec, A.unexpected_message),
    "empty CCS": (b"\x14\3\3\0\0", errors.BadChangeCipherSpec, A.unexpected_message),
    "33 CCS": (b"\x14\3\3\0\1\1" * 33, errors.TooManyEmptyRecords, A.unexpected_message),
}


@pytest.mark.parametrize("chunk", [1, 2, 2**20])
@pytest.mark.parametrize("name", PLAINTEXT_RULES)
def test_a_plaintext_rule(name, chunk) -> None:
    stream, offence, alert = PLAINTEXT_RULES[name]
    reader = RecordReader()
    reader.ccs_allowed = True
    refused(stream, offence, alert, reader, chunk)


PROTECTED_RULES = {
    "too long": (b"\x17\3\3" + (2**14 + 257).to_bytes(2, "big"), errors.RecordOverflow, A.record_overflow),
    "inner plaintext too long": (seal(bytes(2**14 + 1) + b"\x17"), errors.RecordOverflow, A.record_overflow),
    "padding makes it too long": (seal(b"a\x17" + bytes(2**14)), errors.RecordOverflow, A.record_overflow),
    "flipped bit": (seal(b"a\x17")[:-1] + b"\0", errors.BadRecordMac, A.bad_record_mac),
    "flipped header": (b"\x17\3\1" + seal(b"a\x17")[3:], errors.BadRecordMac, A.bad_record_mac),
    "too short for a tag": (b"\x17\3\3\0\x10" + bytes(16), errors.BadRecordMac, A.bad_record_mac),
    "no bytes at all": (b"\x17\3\3\0\0", errors.BadRecordMac, A.bad_record_mac),
    "wrong sequence number": (seal(b"a\x17", 1), errors.BadRecordMac, A.bad_record_mac),
    "repeated record": (seal(b"a\x17") * 2, errors.BadRecordMac, A.bad_record_mac),
    "all zeros": (seal(bytes(10)), errors.NoContentType, A.unexpected_message),
    "only one zero": (seal(b"\0"), errors.NoContentType, A.unexpected_message),
    "empty handshake": (seal(b"\x16"), errors.EmptyFragment, A.unexpected_message),
    "empty padded handshake": (seal(b"\x16" + bytes(9)), errors.EmptyFragment, A.unexpected_message),
    "empty alert": (seal(b"\x15"), errors.EmptyFragment, A.unexpected_message),
    "protected CCS": (seal(b"\1\x14"), errors.BadChangeCipherSpec, A.unexpected_message),
    "heartbeat inside": (seal(b"a\x18"), errors.UnexpectedRecordType, A.unexpected_message),
    "type 255 inside": (seal(b"a\xff"), errors.UnexpectedRecordType, A.unexpected_message),
    "unprotected handshake": (b"\x16\3\3\0\1a", errors.UnexpectedRecordType, A.unexpected_message),
    "unprotected alert": (b"\x15\3\3\0\2\2\x28", errors.UnexpectedRecordType, A.unexpected_message),
    "CCS when it is over": (b"\x14\3\3\0\1\1", errors.BadChangeCipherSpec, A.unexpected_message),
    "33 empty records": (
        b"".join(seal(b"\x17", number) for number in range(33)),
        errors.TooManyEmptyRecords,
        A.unexpected_message,
    ),
}


@pytest.mark.parametrize("chunk", [1, 2, 2**20])
@pytest.mark.parametrize("name", PROTECTED_RULES)
def test_a_rule_for_protected_records(name, chunk) -> None:
    stream, offence, alert = PROTECTED_RULES[name]
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    refused(stream, offence, alert, reader, chunk)


@pytest.mark.parametrize("stream", [b"\x14\3\3\0\1\1", b"\x15\3\3\0\2\1\0"], ids=["change_cipher_spec", "alert"])
def test_nothing_comes_between_the_parts_of_a_message(stream) -> None:
    """Section 5.1."""
    reader = RecordReader()
    reader.ccs_allowed = reader.mid_message = True
    refused(stream, errors.InterleavedHandshake, A.unexpected_message, reader)


@pytest.mark.parametrize("inner", [b"a\x17", b"\1\0\x15"], ids=["application data", "alert"])
def test_nothing_protected_comes_between_them_either(inner) -> None:
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.mid_message = True
    refused(seal(inner), errors.InterleavedHandshake, A.unexpected_message, reader)


def test_what_is_not_tls_is_called_by_its_name() -> None:
    reader = RecordReader()
    reader.receive(b"GET ")
    with pytest.raises(errors.UnexpectedRecordType, match="HTTP"):
        reader.next_record()


# --- the rules: what is tolerated ---


@pytest.mark.parametrize("version", [b"\3\1", b"\3\3", b"\xff\xff", b"\0\0"])
def test_the_version_of_a_record_is_ignored(version) -> None:
    """Section 5.1: legacy_record_version MUST be ignored for all purposes."""
    reader = RecordReader()
    reader.receive(b"\x16" + version + b"\0\1a")
    assert reader.next_record() == (22, b"a")


def test_padding_is_removed_and_the_largest_record_fits() -> None:
    """Section 5.4."""
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.receive(seal(b"data\x17" + bytes(500)))
    reader.receive(seal(bytes(2**14) + b"\x17", 1))
    reader.receive(seal(b"\x17" + bytes(2**14), 2))
    assert reader.next_record() == (23, b"data")
    assert reader.next_record() == (23, bytes(2**14))
    assert reader.next_record() == (23, b"")
    assert reader.next_record() is None


def test_32_empty_records_are_endured_and_data_resets_the_count() -> None:
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    inner = ([b"\x17"] * 32 + [b"a\x17"]) * 3
    reader.receive(b"".join(seal(one, number) for number, one in enumerate(inner)))
    seen = [reader.next_record() for _ in inner]
    assert seen.count((23, b"a")) == 3


def test_a_peer_without_keys_may_send_one_plaintext_alert() -> None:
    """Until a record has decrypted: OpenSSL 3.0 sends its unknown_ca so."""
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.plaintext_alert_allowed = True
    reader.receive(b"\x15\3\3\0\2\2\x30")
    assert reader.next_record() == (21, b"\2\x30")
    reader.receive(seal(b"a\x17"))
    assert reader.next_record() == (23, b"a")
    refused(b"\x15\3\3\0\2\2\x30", errors.UnexpectedRecordType, A.unexpected_message, reader)


def test_early_data_that_cannot_be_read_is_skipped_up_to_the_budget() -> None:
    """Section 4.3.10."""
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.skip_early_data(200)
    foreign = seal(b"early" * 10 + b"\x17", key=bytes(16))
    reader.receive(foreign * 2 + seal(b"a\x17"))
    assert reader.next_record() == (23, b"a")
    refused(foreign, errors.BadRecordMac, A.bad_record_mac, reader)

    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.skip_early_data(2 * (len(foreign) - 5))
    refused(foreign * 3, errors.TooMuchEarlyData, A.unexpected_message, reader)


def test_before_the_second_client_hello_application_data_is_skipped() -> None:
    reader = RecordReader()
    reader.skip_early_data(10)
    reader.receive(b"\x17\3\3\0\5early" + b"\x16\3\3\0\1a")
    assert reader.next_record() == (22, b"a")
    reader.stop_skipping()
    refused(b"\x17\3\3\0\1x", errors.UnexpectedApplicationData, A.unexpected_message, reader)


def test_each_skipped_record_costs_at_least_one_byte() -> None:
    reader = RecordReader()
    reader.skip_early_data(100)
    refused(b"\x17\3\3\0\0" * 101, errors.TooMuchEarlyData, A.unexpected_message, reader)


# --- writing ---


def test_the_versions_that_are_written() -> None:
    """Section 5.1: 0x0301 for the initial ClientHello at most, 0x0303 for everything else."""
    writer, out = RecordWriter(), bytearray()
    writer.write(22, b"\1ne", out)
    writer.write(22, b"\1wo", out)
    assert bytes(out) == b"\x16\3\1\0\3\1ne\x16\3\3\0\3\1wo"


@pytest.mark.parametrize("first", [(22, b"\2 ServerHello"), (21, b"\2\x28")], ids=["ServerHello", "alert"])
def test_a_first_record_that_is_no_client_hello_has_0x0303(first) -> None:
    """Section 5.1: "a record containing a second ClientHello or a ServerHello MUST have version 0x0303"."""
    writer, out = RecordWriter(), bytearray()
    writer.write(*first, out)
    assert out[1:3] == b"\3\3"


def test_long_content_is_fragmented_and_empty_content_is_not_sent() -> None:
    writer, out = RecordWriter(), bytearray()
    writer.write(22, bytes(2**14 + 1), out)
    assert len(out) == 2 * 5 + 2**14 + 1
    for content_type in (21, 22):
        before = len(out)
        writer.write(content_type, b"", out)
        assert len(out) == before
    writer, reader = protected()
    out = bytearray()
    writer.write(23, b"", out)
    reader.receive(out)
    assert reader.next_record() == (23, b"")


def test_padding_policies() -> None:
    """Section 5.4: zeros, within the limit."""
    for policy, content, length in (
        (pad_to_multiple_of(64), b"a", 64),
        (pad_to_multiple_of(64), bytes(64), 64),
        (pad_to_multiple_of(2**14), bytes(2**14), 2**14),
        (lambda length, room: room, b"a", 2**14),
    ):
        writer, reader = RecordWriter(padding=policy), RecordReader()
        writer.set_keys(SUITE, KEY, IV)
        reader.set_keys(SUITE, KEY, IV)
        out = bytearray()
        writer.write(23, content, out)
        assert len(out) == 5 + length + 1 + 16
        reader.receive(out)
        assert reader.next_record() == (23, content)
        inner = SUITE.aead(KEY).decrypt(IV, bytes(out[5:]), bytes(out[:5]))
        assert inner[len(content) + 1 :].strip(b"\0") == b""
    writer = RecordWriter(padding=lambda length, room: room + 1)
    writer.set_keys(SUITE, KEY, IV)
    with pytest.raises(errors.ConfigurationError):
        writer.write(23, b"a", bytearray())
    with pytest.raises(errors.ConfigurationError):
        pad_to_multiple_of(0)


def test_no_record_is_written_beyond_the_limit_of_the_key() -> None:
    """Section 5.5."""
    writer, _ = protected()
    writer._sequence = SUITE.record_limit - 1
    assert writer.records_left == 1
    writer.write(23, b"a", bytearray())
    with pytest.raises(errors.KeyLimitReached):
        writer.write(23, b"a", bytearray())


def test_the_sequence_number_does_not_wrap() -> None:
    """Section 5.3."""
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader._sequence = 2**64 - 1
    reader.receive(seal(b"a\x17", 2**64 - 1))
    assert reader.next_record() == (23, b"a")
    refused(seal(b"a\x17"), errors.KeyLimitReached, A.internal_error, reader)


def test_limits_by_suite() -> None:
    """Section 5.5 and RFC 9147, section 4.5.3."""
    limits = {suite.code.name: suite.record_limit for suite in SUITES.values()}
    assert limits["TLS_AES_128_GCM_SHA256"] == limits["TLS_AES_256_GCM_SHA384"] == int(2**24.5)
    assert limits["TLS_AES_128_CCM_SHA256"] == 2**23


def test_new_keys_start_at_sequence_number_0() -> None:
    """Section 5.3."""
    writer, reader = protected()
    out = bytearray()
    writer.write(23, b"old", out)
    writer.set_keys(SUITE, bytes(16), IV)
    writer.write(23, b"new", out)
    reader.receive(out)
    assert reader.next_record() == (23, b"old")
    reader.set_keys(SUITE, bytes(16), IV)
    assert reader.next_record() == (23, b"new")


def test_bytes_needed_tells_header_then_body() -> None:
    reader = RecordReader()
    assert reader.bytes_needed == 5
    reader.receive(b"\x16\3\3")
    assert reader.bytes_needed == 2
    reader.receive(b"\0\4a")
    assert reader.bytes_needed == 3
    reader.receive(b"bcd")
    assert reader.bytes_needed == 0
    assert reader.next_record() == (22, b"abcd")
    assert reader.buffered == 0


# --- properties ---

contents = st.lists(st.tuples(st.sampled_from([21, 22, 23]), st.binary(min_size=1, max_size=40000)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    contents=contents,
    cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=50),
    suite=st.sampled_from(sorted(SUITES)),
    padding=st.sampled_from([None, pad_to_multiple_of(512)]),
)
def test_whatever_is_written_comes_back(contents, cuts, suite, padding) -> None:
    writer, reader = RecordWriter(padding=padding), RecordReader()
    key = bytes(SUITES[suite].key_length)
    writer.set_keys(SUITES[suite], key, IV)
    reader.set_keys(SUITES[suite], key, IV)
    stream = bytearray()
    for content_type, data in contents:
        writer.write(content_type, data, stream)
    seen: list[tuple[int, bytes]] = []
    position = number = 0
    while position < len(stream):
        size = cuts[number % len(cuts)]
        reader.receive(stream[position : position + size])
        position, number = position + size, number + 1
        while (record := reader.next_record()) is not None:
            assert len(record[1]) <= 2**14
            seen.append(record)
    expected = b"".join(bytes([kind]) * len(data) for kind, data in contents)
    assert b"".join(bytes([kind]) * len(data) for kind, data in seen) == expected
    assert b"".join(data for _, data in seen) == b"".join(data for _, data in contents)


@settings(max_examples=300, deadline=None)
@given(stream=st.binary(max_size=300), keys=st.booleans(), ccs=st.booleans(), skip=st.booleans())
def test_any_bytes_give_a_record_or_a_documented_exception(stream, keys, ccs, skip) -> None:
    reader = RecordReader()
    reader.ccs_allowed = ccs
    if keys:
        reader.set_keys(SUITE, KEY, IV)
    if skip:
        reader.skip_early_data(50)
    reader.receive(stream)
    try:
        while reader.next_record() is not None:
            pass
    except errors.Abort:
        pass


def test_feeding_single_bytes_moves_each_byte_a_bounded_number_of_times() -> None:
    """The buffer is cut off rarely: what is copied stays proportional to what came in (no timing here)."""
    moved = 0

    class Counting(RecordReader):
        def _compact(self) -> None:
            nonlocal moved
            before = self._start
            super()._compact()
            if before and not self._start:
                moved += len(self._buffer)

    writer, _ = protected()
    reader = Counting()
    reader.set_keys(SUITE, KEY, IV)
    stream = bytearray()
    for _ in range(20):
        writer.write(23, bytes(2**14), stream)
    view, total = memoryview(stream), 0
    for start in range(0, len(stream), 7):
        reader.receive(view[start : start + 7])
        while (record := reader.next_record()) is not None:
            total += len(record[1])
    assert total == 20 * 2**14
    assert moved <= 2 * len(stream)

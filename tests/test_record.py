"""The record layer: RFC 9846, section 5. Each rule by its offence, and what is tolerated."""

from __future__ import annotations

import pytest

from tests.records import IV, KEY, SUITE, protected, written
from tls13 import errors
from tls13.errors import AlertDescription
from tls13.record import RecordReader


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
    "too short for a tag": (b"\x17\3\3\0\x0f" + bytes(15), errors.BadRecordMac, A.bad_record_mac),
    "no bytes at all": (b"\x17\3\3\0\0", errors.BadRecordMac, A.bad_record_mac),
    "wrong sequence number": (seal(b"a\x17", 1), errors.BadRecordMac, A.bad_record_mac),
    "repeated record": (seal(b"a\x17") * 2, errors.BadRecordMac, A.bad_record_mac),
    "no cleartext, forged": (b"\x17\3\3\0\x10" + bytes(16), errors.BadRecordMac, A.bad_record_mac),
    "no cleartext, authentic": (seal(b""), errors.NoContentType, A.unexpected_message),
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


def test_application_data_between_the_parts_of_a_second_client_hello_is_not_skipped() -> None:
    """Section 5.1: early data left the client before its second ClientHello, so none can come inside of it."""
    reader = RecordReader()
    reader.skip_early_data(100)
    reader.mid_message = True
    refused(b"\x17\3\3\0\1a", errors.InterleavedHandshake, A.unexpected_message, reader)


@pytest.mark.parametrize("inner", [b"a\x17", b"\1\0\x15"], ids=["application data", "alert"])
def test_nothing_protected_comes_between_them_either(inner) -> None:
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.mid_message = True
    refused(seal(inner), errors.InterleavedHandshake, A.unexpected_message, reader)


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (b"GET ", "plain HTTP"),
        (b"HTTP/1.1 400 Bad Request\r\n", "plain HTTP"),
        (b"2", "another text protocol"),
        (b"* OK IMAP4rev1", "another text protocol"),
        (b"\x80\x2e\1", "SSL 2.0"),
        (b"\0\0\0\1", "does not speak TLS"),
    ],
)
def test_what_is_not_tls_is_called_by_its_name(stream, says) -> None:
    """From its first byte: nobody waits for the rest of a header that will not come."""
    reader = RecordReader()
    reader.receive(stream)
    with pytest.raises(errors.UnexpectedRecordType, match=says):
        reader.next_record()


@pytest.mark.parametrize("keys", [False, True], ids=["plaintext", "protected"])
def test_a_record_that_is_too_long_is_refused_by_its_header(keys) -> None:
    """Section 5.2. Nobody waits for, or holds, a body that will be refused."""
    reader = RecordReader()
    reader.skip_early_data(2**20)
    if keys:
        reader.set_keys(SUITE, KEY, IV)
    refused(b"\x17\3\3\x41\1", errors.RecordOverflow, A.record_overflow, reader)


def test_a_lower_limit_counts_content_type_and_padding() -> None:
    """RFC 8449, section 4."""
    reader = RecordReader(max_inner_plaintext=64)
    reader.set_keys(SUITE, KEY, IV)
    reader.receive(seal(bytes(63) + b"\x17") + seal(b"a\x17" + bytes(62), 1))
    assert reader.next_record() == (23, bytes(63))
    assert reader.next_record() == (23, b"a")
    refused(seal(b"a\x17" + bytes(63), 2), errors.RecordOverflow, A.record_overflow, reader)


def test_after_a_failure_every_call_says_so_and_keeps_no_frames() -> None:
    """The frames of the first exception hold keys."""
    reader = RecordReader()
    reader.receive(b"\x17\3\3\0\1a")
    with pytest.raises(errors.UnexpectedApplicationData):
        reader.next_record()
    reader.receive(b"\x16\3\3\0\1a")
    for _ in range(2):
        with pytest.raises(errors.ConnectionFailed, match="application data") as caught:
            reader.next_record()
        assert isinstance(caught.value.__cause__, errors.UnexpectedApplicationData)
        assert caught.value.__cause__.__traceback__ is None


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


def test_change_cipher_spec_is_dropped_and_counted_in_a_row() -> None:
    """Section 5; 32 in a row, in plaintext and under keys."""
    ccs = b"\x14\3\3\0\1\1"
    reader = RecordReader()
    reader.ccs_allowed = True
    reader.receive((ccs * 32 + b"\x16\3\3\0\1a") * 2)
    assert [reader.next_record() for _ in range(3)] == [(22, b"a"), (22, b"a"), None]
    reader.set_keys(SUITE, KEY, IV)
    reader.receive(ccs * 32 + seal(b"a\x16") + ccs * 32 + seal(b"a\x17", 1))
    assert [reader.next_record() for _ in range(3)] == [(22, b"a"), (23, b"a"), None]
    refused(ccs * 33, errors.TooManyEmptyRecords, A.unexpected_message, reader)


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


def test_such_an_alert_has_two_bytes() -> None:
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader.plaintext_alert_allowed = True
    refused(b"\x15\3\3\0\4\2\x30\2\x30", errors.UnexpectedRecordType, A.unexpected_message, reader)


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
    reader.skip_early_data(2**14 + 256 + 5)
    largest = b"\x17\3\3\x41\0" + bytes(2**14 + 256)  # it is a TLSCiphertext, although we have no keys for it
    reader.receive(largest + b"\x17\3\3\0\5early" + b"\x16\3\3\0\1a")
    assert reader.next_record() == (22, b"a")
    reader.stop_skipping()
    refused(b"\x17\3\3\0\1x", errors.UnexpectedApplicationData, A.unexpected_message, reader)


def test_each_skipped_record_costs_at_least_one_byte() -> None:
    reader = RecordReader()
    reader.skip_early_data(100)
    refused(b"\x17\3\3\0\0" * 101, errors.TooMuchEarlyData, A.unexpected_message, reader)


# --- keys ---


def test_the_sequence_number_does_not_wrap() -> None:
    """Section 5.3."""
    reader = RecordReader()
    reader.set_keys(SUITE, KEY, IV)
    reader._sequence = 2**64 - 1
    reader.receive(seal(b"a\x17", 2**64 - 1))
    assert reader.next_record() == (23, b"a")
    refused(seal(b"a\x17"), errors.KeyLimitReached, A.internal_error, reader)


def test_new_keys_start_at_sequence_number_0() -> None:
    """Section 5.3."""
    writer, reader = protected()
    old = written(writer, (23, b"old"))
    writer.set_keys(SUITE, bytes(16), IV)
    reader.receive(old + written(writer, (23, b"new")))
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
    reader.receive(b"bcd\x16\3\3\0\1")
    assert reader.bytes_needed == 0
    assert reader.bytes_needed == 0
    assert reader.next_record() == (22, b"abcd")
    assert (reader.buffered, reader.bytes_needed) == (5, 1)

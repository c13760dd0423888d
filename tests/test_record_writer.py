"""Writing records: RFC 9846, section 5. Versions, fragments, padding, limits."""

from __future__ import annotations

from array import array

import pytest

from tests.records import IV, KEY, SUITE, protected, written
from tls13 import errors
from tls13.crypto.suites import SUITES
from tls13.record import RecordReader, RecordWriter, pad_to_multiple_of


def test_the_versions_that_are_written() -> None:
    """Section 5.1: 0x0301 for the initial ClientHello at most, 0x0303 for everything else."""
    assert written(RecordWriter(), (22, b"\1ne"), (22, b"\1wo")) == b"\x16\3\1\0\3\1ne\x16\3\3\0\3\1wo"


def test_application_data_is_never_written_in_the_clear() -> None:
    """Section 5.1: "Application Data messages are always protected", whatever the caller has mistaken."""
    writer, out = RecordWriter(), []
    for data in (b"secret", bytes(2**15)):
        with pytest.raises(errors.InternalError):
            writer.write(23, data, out)
    writer.set_keys(SUITE, KEY, IV)
    writer.set_plaintext()
    with pytest.raises(errors.InternalError):
        writer.write(23, b"secret", out)
    assert not out


@pytest.mark.parametrize("first", [(22, b"\2 ServerHello"), (21, b"\2\x28")], ids=["ServerHello", "alert"])
def test_a_first_record_that_is_no_client_hello_has_0x0303(first) -> None:
    """Section 5.1: "a record containing a second ClientHello or a ServerHello MUST have version 0x0303"."""
    assert written(RecordWriter(), first)[1:3] == b"\3\3"


def test_long_content_is_fragmented_and_empty_content_is_not_sent() -> None:
    writer = RecordWriter()
    assert len(written(writer, (22, bytes(2**14 + 1)))) == 2 * 5 + 2**14 + 1
    assert written(writer, (21, b""), (22, b"")) == b""
    writer, reader = protected()
    reader.receive(written(writer, (23, b"")))
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
        record = written(writer, (23, content))
        assert len(record) == 5 + length + 1 + 16
        reader.receive(record)
        assert reader.next_record() == (23, content)
        inner = SUITE.aead(KEY).decrypt(IV, record[5:], record[:5])
        assert inner[len(content) + 1 :].strip(b"\0") == b""
    writer = RecordWriter(padding=lambda length, room: room + 1)
    writer.set_keys(SUITE, KEY, IV)
    with pytest.raises(errors.ConfigurationError):
        writer.write(23, b"a", [])
    with pytest.raises(errors.ConfigurationError):
        pad_to_multiple_of(0)


def test_a_padding_policy_that_raises_leaves_no_gap() -> None:
    """The alert that follows has the next sequence number, or the peer could not read it."""
    calls = []

    def policy(length: int, room: int) -> int:
        calls.append((length, room))
        if len(calls) == 2:
            raise ZeroDivisionError
        return 0

    writer, reader = RecordWriter(padding=policy), protected()[1]
    writer.set_keys(SUITE, KEY, IV)
    out = []
    writer.write(23, b"one", out)
    with pytest.raises(ZeroDivisionError):
        writer.write(23, b"two", out)
    writer.write(21, b"\2\x50", out)
    reader.receive(b"".join(out))
    assert [reader.next_record() for _ in range(3)] == [(23, b"one"), (21, b"\2\x50"), None]
    assert calls[0] == (3, 2**14 - 3)


def test_a_view_is_cut_by_bytes_whatever_its_items_are() -> None:
    """Section 5.1: 2^14 bytes a record, not 2^14 numbers of 8 bytes."""
    numbers = array("Q", range(2**12))
    writer, reader = protected()
    reader.receive(written(writer, (23, memoryview(numbers))))
    first, second = reader.next_record(), reader.next_record()
    assert first is not None
    assert second is not None
    assert (len(first[1]), first[1] + second[1]) == (2**14, numbers.tobytes())


def test_no_record_is_written_beyond_the_limit_of_the_key() -> None:
    """Section 5.5."""
    writer, _ = protected()
    writer.sequence = SUITE.record_limit - 1
    assert writer.limit - writer.sequence == 1
    writer.write(23, b"a", [])
    with pytest.raises(errors.KeyLimitReached):
        writer.write(23, b"a", [])


def test_limits_by_suite() -> None:
    """Section 5.5 and RFC 9147, section 4.5.3."""
    limits = {suite.code.name: suite.record_limit for suite in SUITES.values()}
    assert limits["TLS_AES_128_GCM_SHA256"] == limits["TLS_AES_256_GCM_SHA384"] == int(2**24.5)
    assert limits["TLS_AES_128_CCM_SHA256"] == 2**23

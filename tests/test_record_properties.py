"""The record layer under any data, any cuts and any bytes; and how much work it does for them."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.records import IV, KEY, SUITE, protected, written
from tls13 import errors, record
from tls13.crypto.suites import SUITES
from tls13.record import RecordReader, RecordWriter, pad_to_multiple_of
from tls13.wire.registry import CipherSuite

contents = st.lists(st.tuples(st.sampled_from([21, 22, 23]), st.binary(min_size=1, max_size=40000)), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    contents=contents,
    cuts=st.lists(st.integers(1, 5000), min_size=1, max_size=50),
    suite=st.sampled_from([None, *sorted(SUITES)]),
    padding=st.sampled_from([None, pad_to_multiple_of(512)]),
    limit=st.sampled_from([64, 2**14 + 1]),
)
def test_whatever_is_written_comes_back(contents, cuts, suite, padding, limit) -> None:
    """In every suite and, but for application data, in plaintext."""
    writer, reader = RecordWriter(padding=padding), RecordReader(max_inner_plaintext=limit)
    writer.max_inner_plaintext = limit
    if suite is None:
        contents = [(content_type, data) for content_type, data in contents if content_type != 23]
    else:
        key = bytes(SUITES[suite].key_length)
        writer.set_keys(SUITES[suite], key, IV)
        reader.set_keys(SUITES[suite], key, IV)
    stream = written(writer, *contents)
    seen: list[tuple[int, bytes]] = []
    position = number = 0
    while position < len(stream):
        size = cuts[number % len(cuts)]
        reader.receive(stream[position : position + size])
        position, number = position + size, number + 1
        while (record := reader.next_record()) is not None:
            assert len(record[1]) <= limit - 1
            seen.append(record)
    expected = b"".join(bytes([kind]) * len(data) for kind, data in contents)
    assert b"".join(bytes([kind]) * len(data) for kind, data in seen) == expected
    assert b"".join(data for _, data in seen) == b"".join(data for _, data in contents)
    assert reader.buffered == 0


@settings(max_examples=300, deadline=None)
@given(stream=st.binary(max_size=300), keys=st.booleans(), ccs=st.booleans(), skip=st.booleans(), mid=st.booleans())
def test_any_bytes_give_a_record_or_a_documented_exception(stream, keys, ccs, skip, mid) -> None:
    reader = RecordReader()
    reader.ccs_allowed, reader.mid_message = ccs, mid
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


@pytest.mark.parametrize("sequence", [0, 1, 255, 256, 2**24, 2**32 + 7, 2**63])
def test_the_nonce_is_the_padded_sequence_number_xor_the_iv(sequence) -> None:
    """Section 5.3, written out byte by byte, and opened with nothing but an AEAD."""
    suite = SUITES[CipherSuite.TLS_CHACHA20_POLY1305_SHA256]  # whose limit lets the number grow so far
    writer, key = RecordWriter(), bytes(32)
    writer.set_keys(suite, key, IV)
    writer.sequence = sequence
    record = written(writer, (23, b"a"))
    padded = bytes(4) + sequence.to_bytes(8, "big")
    nonce = bytes(left ^ right for left, right in zip(padded, IV, strict=True))
    assert suite.aead(key).decrypt(nonce, record[5:], record[:5]) == b"a\x17"


def test_no_two_records_share_a_nonce() -> None:
    """Also across the fragments of one write: every tag differs although content and key are the same."""
    writer, _ = protected()
    writer.max_inner_plaintext = 2
    out = written(writer, (23, b"a" * 500))
    records = {out[start : start + 23] for start in range(0, len(out), 23)}
    assert len(records) == 500
    last = (int.from_bytes(IV, "big") ^ 499).to_bytes(12, "big")
    assert AESGCM(KEY).decrypt(last, out[-18:], out[-23:-18]) == b"a\x17"


# --- how much work: bytes that are copied, not time ---


class CountingBuffer(bytearray):
    """A receive buffer that knows how many bytes were copied into it, out of it, and within it."""

    copied = 0

    def __init__(self, data=b""):
        CountingBuffer.copied += len(data)
        super().__init__(data)

    def __getitem__(self, index):
        taken = super().__getitem__(index)
        return CountingBuffer(taken) if isinstance(index, slice) else taken

    def __iadd__(self, data):
        CountingBuffer.copied += len(data)
        return super().__iadd__(data)

    def __delitem__(self, index):
        super().__delitem__(index)
        CountingBuffer.copied += len(self)


@pytest.fixture
def counting(monkeypatch) -> type[CountingBuffer]:
    """Whatever buffer a reader makes for itself counts."""
    monkeypatch.setattr(record, "bytearray", CountingBuffer, raising=False)
    monkeypatch.setattr(CountingBuffer, "copied", 0)
    return CountingBuffer


@pytest.mark.parametrize("kind", [bytes, memoryview])
@pytest.mark.parametrize(
    ("total", "cut"),
    [(2**18, 1), (2**20, 7), (5 * 2**20, 1000), (5 * 2**20, 2**16)],
    ids=["single bytes", "7 bytes", "1,000 bytes", "64 KiB"],
)
def test_the_work_is_linear_however_the_stream_is_cut(total, cut, kind, counting) -> None:
    """A buffer that is shortened record by record would copy 5 MiB 320 times over."""
    writer, reader = protected()
    stream = written(writer, (23, bytes(total)))
    received = 0
    for start in range(0, len(stream), cut):
        reader.receive(kind(stream[start : start + cut]))
        while (record := reader.next_record()) is not None:
            received += len(record[1])
    assert received == total
    assert 0.9 * len(stream) <= counting.copied <= 2.1 * len(stream)


def test_bytes_that_come_in_whole_records_are_not_copied(counting) -> None:
    """They cannot change; what others may write into again is copied once."""
    for kind, copies in ((bytes, 0), (bytearray, 1), (memoryview, 1)):
        writer, reader = protected()
        stream = written(writer, (23, bytes(2**20)))
        counting.copied = 0
        reader.receive(kind(stream))
        while reader.next_record() is not None:
            pass
        assert reader.buffered == 0
        assert counting.copied // len(stream) == copies


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_the_work_is_linear_for_a_reader_that_falls_behind(kind, counting) -> None:
    """One record is read for each piece that comes, while 5 MiB wait: what waits is not moved each time."""
    writer, reader = protected()
    stream = written(writer, (23, bytes(5 * 2**20)))
    reader.receive(kind(stream))
    for _ in range(320):
        reader.receive(b"\x16")
        record = reader.next_record()
        assert record is not None
        assert len(record[1]) == 2**14
    assert 0.9 * len(stream) <= counting.copied <= 3 * len(stream)


def test_what_is_held_does_not_grow_with_what_has_been_read() -> None:
    """Pieces that never end where a record ends; and an idle reader holds nothing."""
    writer, reader = protected()
    stream = written(writer, (23, bytes(2**21)))
    for start in range(0, len(stream), 1000):
        reader.receive(stream[start : start + 1000])
        while reader.next_record() is not None:
            pass
        assert len(reader.received) <= 2**17 + 2**15
    assert len(reader.received) == 0

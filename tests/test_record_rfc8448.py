"""RFC 8448's records: each alone, and each direction of each trace from its first byte to its last."""

from __future__ import annotations

import pytest

from tests.records import written
from tests.vectors_reader import RFC8448, unhex
from tls13.crypto.suites import SUITES
from tls13.record import RecordReader, RecordWriter
from tls13.wire.registry import CipherSuite, ContentType

PROTECTED = [
    (name, number)
    for name, trace in RFC8448.items()
    for number, record in enumerate(trace["records"])
    if record["epoch"] != "plaintext"
]
DIRECTIONS = [(name, sender) for name in RFC8448 for sender in ("client", "server")]


def keys_of(trace, record):
    """A suite with the key and the iv that the RFC prints; nothing of ours has derived them."""
    keys = trace["traffic_keys"][f"{record['sender']}_{record['epoch']}"]
    return SUITES[CipherSuite[trace["cipher_suite"]]], unhex(keys["key"]), unhex(keys["iv"])


def records_of(name, sender):
    return [record for record in RFC8448[name]["records"] if record["sender"] == sender]


def test_all_27_protected_records_are_here() -> None:
    assert len(PROTECTED) == 27


@pytest.mark.parametrize(("name", "number"), PROTECTED)
def test_a_record_of_rfc_8448_opens_and_is_sealed_again(name, number) -> None:
    trace = RFC8448[name]
    record = trace["records"][number]
    writer, reader = RecordWriter(), RecordReader()
    writer.set_keys(*keys_of(trace, record))
    reader.set_keys(*keys_of(trace, record))
    writer.sequence = reader._sequence = record["seq"]
    content_type = ContentType[record["content_type"]]
    reader.receive(unhex(record["record"]))
    assert reader.next_record() == (content_type, unhex(record["payload"]))
    assert written(writer, (content_type, unhex(record["payload"]))).hex() == record["record"]


@pytest.mark.parametrize("cut", [1, 2, None, 2**20], ids=["1 byte", "2 bytes", "a record", "everything"])
@pytest.mark.parametrize(("name", "sender"), DIRECTIONS)
def test_a_direction_is_read_however_it_is_cut(name, sender, cut) -> None:
    """Keys change between records, sequence numbers start again at 0, change_cipher_spec is dropped."""
    records = records_of(name, sender)
    stream = b"".join(unhex(record["record"]) for record in records)
    sizes = iter([len(unhex(record["record"])) for record in records])
    expected = [record for record in records if record["content_type"] != "change_cipher_spec"]
    reader, epoch, position = RecordReader(), "plaintext", 0
    reader.ccs_allowed = True
    for record in expected:
        if record["epoch"] != epoch:
            epoch = record["epoch"]
            reader.set_keys(*keys_of(RFC8448[name], record))
        while (read := reader.next_record()) is None:
            assert position < len(stream)
            size = cut or next(sizes)
            reader.receive(stream[position : position + size])
            position += size
        assert read == (ContentType[record["content_type"]], unhex(record["payload"]))
    assert position >= len(stream)
    assert reader.next_record() is None
    assert reader.buffered == 0


@pytest.mark.parametrize(("name", "sender"), DIRECTIONS)
def test_a_direction_is_written_byte_for_byte(name, sender) -> None:
    """Versions too: 0x0301 for the first ClientHello; 0x0303 for the second, ServerHello and HelloRetryRequest."""
    writer, epoch = RecordWriter(), "plaintext"
    for record in records_of(name, sender):
        if record["content_type"] == "change_cipher_spec":
            continue  # the connection writes it: it is never protected
        if record["epoch"] != epoch:
            epoch = record["epoch"]
            writer.set_keys(*keys_of(RFC8448[name], record))
        content_type = ContentType[record["content_type"]]
        assert written(writer, (content_type, unhex(record["payload"]))).hex() == record["record"]

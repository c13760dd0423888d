"""Record readers and writers with keys of their own, for the tests of the record layer; a policy that fails."""

from __future__ import annotations

from tls13.crypto.suites import SUITES
from tls13.record import RecordReader, RecordWriter
from tls13.wire.registry import CipherSuite

SUITE = SUITES[CipherSuite.TLS_AES_128_GCM_SHA256]
KEY, IV = bytes(range(16)), bytes(range(0xF0, 0xFC))


def protected() -> tuple[RecordWriter, RecordReader]:
    """A writer and a reader with the same keys."""
    writer, reader = RecordWriter(), RecordReader()
    writer.set_keys(SUITE, KEY, IV)
    reader.set_keys(SUITE, KEY, IV)
    return writer, reader


def written(writer: RecordWriter, *contents: tuple[int, bytes | memoryview]) -> bytes:
    """What the writer makes of these content types and contents, as the stream has it."""
    out: list[bytes | bytearray | memoryview] = []
    for content_type, content in contents:
        writer.write(content_type, content, out)
    return b"".join(out)


class FailingPadding:
    """A padding policy that adds nothing, and once raises what it is given."""

    error: Exception | None = None

    def __call__(self, length: int, room: int) -> int:
        error, self.error = self.error, None
        if error is not None:
            raise error
        return 0

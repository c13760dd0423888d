"""The record layer: RFC 9846, section 5. Bytes of the stream <-> (content type, fragment).

    struct {                                    struct {
        ContentType type;                           ContentType opaque_type = application_data;
        ProtocolVersion legacy_record_version;      ProtocolVersion legacy_record_version = 0x0303;
        uint16 length;                              uint16 length;
        opaque fragment[length];                    opaque encrypted_record[length];
    } TLSPlaintext;                             } TLSCiphertext;

Inside a TLSCiphertext the content comes first, then its real type, then zeros: whoever opens it looks for the last
byte that is not zero. The nonce is the record's sequence number, mixed into the direction's iv, so that a record that
is lost, repeated or moved does not decrypt. Each direction has a reader or a writer of its own; they share nothing.

This is the path that every byte takes. So: plain ints, one AEAD object for each key, records that are put together only
when the stream asks for them, a buffer that is not copied to be shortened, nor copied at all if it is bytes and ends
where a record does, and no object made for a record but its fragment.
"""

from __future__ import annotations

from struct import Struct, unpack
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag

from . import errors
from .errors import ConfigurationError, ConnectionFailed, TLSError
from .wire.registry import ContentType, HandshakeType

if TYPE_CHECKING:
    from collections.abc import Callable

    from .crypto.suites import Aead, Suite
    from .wire.companions import RecordSizeLimit

    Buffer = bytes | bytearray | memoryview

CHANGE_CIPHER_SPEC: Final = int(ContentType.change_cipher_spec)
ALERT: Final = int(ContentType.alert)
HANDSHAKE: Final = int(ContentType.handshake)
APPLICATION_DATA: Final = int(ContentType.application_data)
CLIENT_HELLO: Final = int(HandshakeType.client_hello)

HEADER: Final = Struct("!BHH").pack
"""ContentType, ProtocolVersion, uint16 length."""
TYPE_AND_LENGTH: Final = Struct("!BxxH").unpack_from
"""What matters of a header that has come: its version is ignored for all purposes (section 5.1)."""
HEADER_LENGTH: Final = 5
MAX_PLAINTEXT: Final = 2**14
"""TLSPlaintext.length (section 5.1)."""
MAX_CIPHERTEXT: Final = 2**14 + 256
"""TLSCiphertext.length (section 5.2)."""
MAX_INNER_PLAINTEXT: Final = 2**14 + 1
"""TLSInnerPlaintext: content, type and padding together (section 5.4)."""
MIN_RECORD_SIZE_LIMIT: Final = 64
"""RFC 8449, section 4."""
MAX_EMPTY_RECORDS: Final = 32
"""Records in a row that carry nothing (empty application data, change_cipher_spec): each costs us work for nothing.
The default of a config's max_empty_records."""
MAX_SEQUENCE: Final = 2**64 - 1
TYPE_BYTE: Final = unpack("256c", bytes(range(256)))
COMPACT_AT: Final = 2**17
"""How much of the receive buffer may be used up before it is cut off."""
COPY_BELOW: Final = 8192
"""Bytes. A copy of less costs less than a view (1 KiB: by 110 ns, 8 KiB: by 40 ns)."""

bytes(2**21)  # glibc maps large buffers anew each time, page by page, until something as large has been freed once;
# not a bytearray, which writes its own zeros into 512 new pages (1.3 ms) where these are never touched (20 us)


class RecordReader:
    """One direction's bytes -> records. Plaintext until the first set_keys.

    The connection tells it what the protocol's state allows: `ccs_allowed`, `mid_message`, `plaintext_alert_allowed`.
    """

    def __init__(
        self, max_inner_plaintext: int = MAX_INNER_PLAINTEXT, max_empty_records: int = MAX_EMPTY_RECORDS
    ) -> None:
        self.ccs_allowed = False
        """From the first ClientHello to the peer's Finished a lone change_cipher_spec is dropped (section 5)."""
        self.mid_message = False
        """A handshake message has begun and not ended: no other record may come in between (section 5.1)."""
        self.plaintext_alert_allowed = False
        """A peer that has no keys yet may say so in plaintext; ends with the first record that decrypts."""
        self.max_inner_plaintext = max_inner_plaintext
        self.max_empty_records = max_empty_records
        self.received: bytes | bytearray = b""
        """What has come. The first `_start` bytes of it are read; it is empty when all are."""
        self._start = 0
        self._suite: Suite | None = None
        """None: nothing is protected yet."""
        self._key = b""
        self._aead: Aead | None = None
        """Made for the first record: it takes 2.5 KiB, and a direction may be idle for long."""
        self._iv = 0
        self._sequence = 0
        self._empty_records = 0
        self._early_data_budget = -1
        self._first = True
        self._error: TLSError | None = None

    def receive(self, data: Buffer) -> None:
        """Take bytes from the stream; next_record does the work."""
        if not self.received:
            self.received = data if type(data) is bytes else bytearray(data)  # whatever can change is copied
        elif type(self.received) is bytearray:
            self._compact(self.received)
            self.received += data
        else:  # bytes that end within a record
            self.received = bytearray(memoryview(self.received)[self._start :])
            self._start = 0
            self.received += data

    def _compact(self, buffer: bytearray) -> None:
        """Forget what has been read, when it is much and no less than the rest, which must move."""
        if self._start >= COMPACT_AT and 2 * self._start >= len(buffer):
            del buffer[: self._start]
            self._start = 0

    @property
    def buffered(self) -> int:
        """Bytes received and not yet read."""
        return len(self.received) - self._start

    def give_back(self) -> int:
        """Forget what was received and not read, and say how many bytes that was."""
        size = len(self.received) - self._start
        self.received = b""
        self._start = 0
        return size

    @property
    def bytes_needed(self) -> int:
        """How many more bytes the current record needs: its header first, then its body; 0 if it is all here."""
        buffer, start = self.received, self._start
        body = start + HEADER_LENGTH
        if body > len(buffer):
            return body - len(buffer)
        end = body + TYPE_AND_LENGTH(buffer, start)[1]
        return end - len(buffer) if end > len(buffer) else 0

    def forget(self) -> None:
        """The connection has failed: nothing is read any more, and an exception's frame may keep this object."""
        self.received, self._start = b"", 0
        self._suite = self._aead = None
        self._key, self._iv = b"", 0

    def set_keys(self, suite: Suite, key: bytes, iv: bytes) -> None:
        """The next record is protected with these; its sequence number is 0 (section 5.3)."""
        self._suite, self._key, self._aead = suite, key, None
        self._iv = int.from_bytes(iv, "big")
        self._sequence = 0
        self._first = False

    def skip_early_data(self, budget: int) -> None:
        """Discard what cannot be read, as section 4.3.10 wants from a server that does not accept early data.

        With keys, that is every record that does not decrypt, up to the first that does. Without (the ClientHello
        was answered with HelloRetryRequest) it is every application_data record, up to stop_skipping. Each is
        charged its length, at least 1; beyond `budget` bytes next_record raises TooMuchEarlyData.
        """
        self._early_data_budget = budget

    def stop_skipping(self) -> None:
        """The second ClientHello is here: nothing more is discarded."""
        self._early_data_budget = -1

    def next_record(self) -> tuple[int, bytes] | None:
        """The next record's content type and fragment, or None until more bytes arrive.

        Raises the offence that a record commits; after that, ConnectionFailed.
        """
        if self._error is not None:
            first = self._error.with_traceback(None)  # whose frames hold keys
            raise ConnectionFailed(f"this record stream has failed before: {first}") from first
        buffer = self.received
        size = len(buffer)
        try:
            while True:
                start = self._start
                body = start + HEADER_LENGTH
                if body > size:
                    if self._first and start < size:
                        self._refuse_what_is_not_tls(buffer[start])
                    return None
                outer_type, length = TYPE_AND_LENGTH(buffer, start)
                suite = self._suite if outer_type == APPLICATION_DATA else None
                # Judged before the body arrives: what cannot be right is not waited for.
                if suite is None:
                    self._check_plaintext_header(outer_type, length)
                elif length > MAX_CIPHERTEXT:
                    raise errors.RecordOverflow(f"TLSCiphertext of {length} bytes; the limit is {MAX_CIPHERTEXT}")
                end = body + length
                if end > size:
                    return None
                self._start = end
                if suite is None:
                    record = self._open_plaintext(outer_type, body, end)
                else:
                    record = self._open_ciphertext(suite, start, body, end)
                if end == size:  # an idle connection holds no buffer
                    self._start = size = 0
                    self.received = buffer = b""
                if record is not None:
                    return record
        except TLSError as error:
            self._error = error
            raise

    # --- plaintext: section 5.1 -------------------------------------------------------------------------------------

    def _refuse_what_is_not_tls(self, first_byte: int) -> None:
        """Somebody who speaks another protocol is told so at once, not after 5 bytes that never come."""
        if first_byte not in (CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION_DATA):
            start = bytes(self.received[self._start : self._start + 8])
            what = "the peer does not speak TLS"
            if 0x20 <= first_byte < 0x7F:
                what += "; it looks like plain HTTP or another text protocol"
            elif first_byte & 0x80:
                what += " 1.3; it may be an SSL 2.0 hello"
            raise errors.UnexpectedRecordType(f"{what}: its stream begins with {start!r}")

    def _check_plaintext_header(self, outer_type: int, length: int) -> None:
        if self._first:
            self._refuse_what_is_not_tls(outer_type)
        if outer_type == CHANGE_CIPHER_SPEC:
            if not self.ccs_allowed:
                raise errors.BadChangeCipherSpec("before the first ClientHello, or after the peer's Finished")
            if length != 1:
                raise errors.BadChangeCipherSpec(f"{length} bytes")
        elif self._suite is not None:
            if not (outer_type == ALERT and self.plaintext_alert_allowed and length == 2):
                raise errors.UnexpectedRecordType(f"an unprotected record of type {ContentType(outer_type)}")
        elif outer_type == APPLICATION_DATA:
            if self._early_data_budget < 0:
                raise errors.UnexpectedApplicationData("unprotected")
        elif outer_type not in (ALERT, HANDSHAKE):
            raise errors.UnexpectedRecordType(ContentType(outer_type))
        limit = MAX_CIPHERTEXT if outer_type == APPLICATION_DATA else MAX_PLAINTEXT  # what we skip is a TLSCiphertext
        if length > limit:
            raise errors.RecordOverflow(f"TLSPlaintext of {length} bytes; the limit is {limit}")

    def _open_plaintext(self, outer_type: int, body: int, end: int) -> tuple[int, bytes] | None:
        self._first = False
        if self.mid_message and outer_type != HANDSHAKE:
            raise errors.InterleavedHandshake(ContentType(outer_type))
        if outer_type == APPLICATION_DATA:
            self._charge_early_data(end - body)
            return None
        if outer_type == CHANGE_CIPHER_SPEC:
            if self.received[body] != 1:
                raise errors.BadChangeCipherSpec(f"0x{self.received[body]:02x}")
            self._count_empty_record()
            return None
        if body == end:
            raise errors.EmptyFragment(ContentType(outer_type))
        self._empty_records = 0
        return outer_type, bytes(self.received[body:end])

    # --- ciphertext: sections 5.2 to 5.4 ------------------------------------------------------------------------------

    def _open_ciphertext(self, suite: Suite, start: int, body: int, end: int) -> tuple[int, bytes] | None:
        aead, sequence, buffer = self._aead, self._sequence, self.received
        if aead is None:
            aead = self._aead = suite.aead(self._key)
            self._key = b""
        if sequence > MAX_SEQUENCE:
            raise errors.KeyLimitReached("the sequence number would wrap")
        try:
            inner = aead.decrypt(
                (self._iv ^ sequence).to_bytes(12, "big"),
                buffer[body:end] if end - body < COPY_BELOW else memoryview(buffer)[body:end],
                buffer[start:body],
            )
        except InvalidTag:
            if self._early_data_budget >= 0:
                self._charge_early_data(end - body)
                return None
            raise errors.BadRecordMac(f"record number {sequence} under this key, {end - body} bytes") from None
        self._sequence = sequence + 1
        if not sequence:  # the first that decrypts: from here on, everything has to
            self._early_data_budget = -1
            self.plaintext_alert_allowed = False
        if len(inner) > self.max_inner_plaintext:
            raise errors.RecordOverflow(
                f"TLSInnerPlaintext of {len(inner)} bytes; the limit is {self.max_inner_plaintext}"
            )
        content_type = inner[-1] if inner else 0
        if not content_type:
            inner = inner.rstrip(b"\0")
            if not inner:
                raise errors.NoContentType
            content_type = inner[-1]
        content = inner[:-1]
        if content_type != APPLICATION_DATA or self.mid_message:
            self._check_inner_type(content_type, len(content))
        if content:
            self._empty_records = 0
        else:
            self._count_empty_record()
        return content_type, content

    def _check_inner_type(self, content_type: int, length: int) -> None:
        if content_type == CHANGE_CIPHER_SPEC:
            raise errors.BadChangeCipherSpec("it is protected")
        if content_type not in (ALERT, HANDSHAKE, APPLICATION_DATA):
            raise errors.UnexpectedRecordType(f"{ContentType(content_type)}, protected")
        if self.mid_message and content_type != HANDSHAKE:
            raise errors.InterleavedHandshake(ContentType(content_type))
        if not length:
            raise errors.EmptyFragment(ContentType(content_type))

    # --- limits -----------------------------------------------------------------------------------------------------

    def _charge_early_data(self, length: int) -> None:
        self._early_data_budget -= max(1, length)
        if self._early_data_budget < 0:
            raise errors.TooMuchEarlyData

    def _count_empty_record(self) -> None:
        self._empty_records += 1
        if self._empty_records > self.max_empty_records:
            raise errors.TooManyEmptyRecords(f"more than {self.max_empty_records}")


class RecordWriter:
    """One direction's content -> records. Plaintext until the first set_keys.

    `padding` gives, for a record's content length and the room left beside it (both in bytes), how many zeros to add
    (section 5.4); it raises ConfigurationError when it asks for more than there is room for.
    """

    def __init__(self, padding: Callable[[int, int], int] | None = None) -> None:
        self.initial = True
        """Nothing is written yet: if a ClientHello comes now, it is the initial one (section 5.1)."""
        self.max_inner_plaintext = MAX_INNER_PLAINTEXT
        """Content, type and padding of a record that we send; a peer may ask for less (RFC 8449)."""
        self.padding = padding
        self._suite: Suite | None = None
        """None: nothing is protected."""
        self._key = b""
        self._aead: Aead | None = None
        """Made for the first record, as the reader's is."""
        self._iv = 0
        self.sequence = 0
        """How many records this key has protected."""
        self.limit = 0
        """How many it may protect (section 5.5)."""

    def set_keys(self, suite: Suite, key: bytes, iv: bytes) -> None:
        """Protect from the next record on; its sequence number is 0 (section 5.3)."""
        self._suite, self._key, self._aead = suite, key, None
        self._iv = int.from_bytes(iv, "big")
        self.sequence = 0
        self.limit = suite.record_limit
        self.initial = False

    def set_plaintext(self) -> None:
        """No protection any more: ClientHello2 follows early data that was rejected (section 4.3.10)."""
        self._suite = self._aead = None
        self._key = b""

    def nearly_used_up(self, size: int) -> bool:
        """Whether the key must be changed before `size` more bytes are written (section 5.5), with room for alerts and
        handshake messages."""
        return self.limit - self.sequence <= size // (self.max_inner_plaintext - 1) + 16

    def write(self, content_type: int, data: Buffer, out: list[Buffer]) -> None:
        """Append `data` to `out` as one or more records of this type. Empty data makes an empty application_data
        record, and no record of any other type (section 5.1). Raises KeyLimitReached at the AEAD's limit, and
        InternalError for application data without keys."""
        if type(data) is memoryview:
            data = data.cast("B")  # len() counts items, and a view's items may be wider than a byte
        if len(data) >= self.max_inner_plaintext:
            self._write_in_pieces(content_type, memoryview(data), out)
        elif not data and content_type != APPLICATION_DATA:
            return
        elif self._suite is None:
            self._write_plaintext(content_type, data, out)
        else:
            self.protect(content_type, data, out)

    def _write_in_pieces(self, content_type: int, data: memoryview, out: list[Buffer]) -> None:
        write = self._write_plaintext if self._suite is None else self.protect
        size = self.max_inner_plaintext - 1
        for start in range(0, len(data), size):
            write(content_type, data[start : start + size], out)

    def protect(self, content_type: int, data: Buffer, out: list[Buffer]) -> None:
        """Append one TLSCiphertext (section 5.2); there is room for `data` in it. Raises KeyLimitReached at the AEAD's
        limit, and without keys."""
        suite, aead, sequence = self._suite, self._aead, self.sequence
        if suite is None or sequence >= self.limit:
            raise errors.KeyLimitReached(f"{sequence} records")
        if aead is None:
            aead = self._aead = suite.aead(self._key)
            self._key = b""
        inner = b"".join((data, TYPE_BYTE[content_type]))
        if self.padding is not None:
            inner += bytes(self._pad(self.padding, len(inner) - 1))
        header = HEADER(APPLICATION_DATA, 0x0303, len(inner) + suite.tag_length)
        sealed = aead.encrypt((self._iv ^ sequence).to_bytes(12, "big"), inner, header)
        self.sequence = sequence + 1
        out.append(header)
        out.append(sealed)

    def _write_plaintext(self, content_type: int, data: Buffer, out: list[Buffer]) -> None:
        if content_type == APPLICATION_DATA:  # "always protected" (section 5.1): whatever went wrong, not in the clear
            raise errors.InternalError("application data, and there are no keys to protect it with")
        initial, self.initial = self.initial, False
        # A server's first record is no ClientHello: its version MUST be 0x0303.
        version = 0x0301 if initial and content_type == HANDSHAKE and data[0] == CLIENT_HELLO else 0x0303
        out.append(HEADER(content_type, version, len(data)))
        out.append(data)

    def _pad(self, padding: Callable[[int, int], int], content_length: int) -> int:
        room = self.max_inner_plaintext - 1 - content_length
        zeros = padding(content_length, room)
        if not 0 <= zeros <= room:
            raise ConfigurationError(f"the padding policy asks for {zeros} bytes where {room} fit")
        return zeros


class EndedWriter(RecordWriter):
    """Of a connection that has failed: nothing leaves it any more. A thread may still be composing an answer for it,
    which a writer without keys would send in the clear."""

    def set_keys(self, suite: Suite, key: bytes, iv: bytes) -> None:
        """There is nothing left to protect."""

    def write(self, content_type: int, data: Buffer, out: list[Buffer]) -> None:
        """Drop it: whoever asks is told elsewhere that the connection has failed."""

    protect = write


def record_size_limit(body: RecordSizeLimit) -> int:
    """What a peer's record_size_limit (RFC 8449) lets us send, as a TLSInnerPlaintext in bytes. More than TLS 1.3 has
    is no error, less than 64 is BadRecordSizeLimit."""
    if body.record_size_limit < MIN_RECORD_SIZE_LIMIT:
        raise errors.BadRecordSizeLimit(body.record_size_limit)
    return min(body.record_size_limit, MAX_INNER_PLAINTEXT)


def pad_to_multiple_of(size: int) -> Callable[[int, int], int]:
    """A padding policy: records' contents are padded to the next multiple of `size` bytes, as far as there is room."""
    if size < 1:
        raise ConfigurationError(f"pad_to_multiple_of({size}): the size must be positive")
    return lambda length, room: min(-length % size, room)

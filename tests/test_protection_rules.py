"""Protection, padding and limits of records, broken by either side of a connection: RFC 9846, sections 5.2 to 5.5."""

from __future__ import annotations

import pytest

import tls13
from tests.conftest import A_RECORD
from tests.duel import APPLICATION_DATA, ROLES, Duel, plain
from tls13 import errors

# --- protection: sections 5.2 to 5.4 ----------------------------------------------------------------------------------


@ROLES
@pytest.mark.requirement("R241", "R242", "R245")
def test_a_ciphertext_beyond_its_limit_is_refused(receiver, quick_pair) -> None:
    """Section 5.2: whatever it would decrypt to. Here everything but its length is right."""
    duel = Duel(quick_pair, receiver)
    duel.seal(APPLICATION_DATA, bytes(2**14 + 240))
    assert b"".join(duel.breaker._layer.out)[3:5] == (2**14 + 257).to_bytes(2, "big")
    duel.expect(errors.RecordOverflow)


@ROLES
@pytest.mark.parametrize("sent", [0, 2**14 + 257], ids=["its header", "all of it"])
@pytest.mark.requirement("R242", "R245")
def test_a_ciphertext_beyond_its_limit_is_not_even_decrypted(sent, receiver, quick_pair) -> None:
    """It is refused for its length, which is in its header, and not because it is forged as well."""
    duel = Duel(quick_pair, receiver)
    duel.breaker.inject(plain(APPLICATION_DATA, bytes(sent), 2**14 + 257))
    duel.expect(errors.RecordOverflow)


@ROLES
@pytest.mark.parametrize("where", [5, 20, -1], ids=["content", "type", "tag"])
@pytest.mark.requirement("R243")
def test_a_record_that_was_altered_is_refused(where, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_data(b"x" * 15)
    altered = bytearray(duel.breaker.data_to_send())
    altered[where] ^= 1
    duel.breaker.inject(bytes(altered))
    duel.expect(errors.BadRecordMac)


@ROLES
@pytest.mark.parametrize("length", [0, 1, 15, 16])
@pytest.mark.requirement("R243")
def test_a_record_too_short_for_its_tag_is_refused(length, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker.inject(plain(APPLICATION_DATA, bytes(length)))
    duel.expect(errors.BadRecordMac)


@ROLES
@pytest.mark.requirement("R246")
def test_a_sequence_number_that_goes_on_under_new_keys_is_refused(receiver, quick_pair) -> None:
    """Section 5.3: it is 0 for the first record under each key; here for those of the first KeyUpdate."""
    duel = Duel(quick_pair, receiver)
    for _ in range(3):
        duel.breaker.send_data(b"data")
    reached = duel.breaker._layer.writer.sequence
    duel.breaker.update_keys()
    duel.made.run()
    duel.breaker._layer.writer.sequence = reached
    duel.breaker.send_data(b"data")
    duel.expect(errors.BadRecordMac)


@ROLES
@pytest.mark.parametrize("zeros", [0, 9, 2**14])
@pytest.mark.requirement("R252")
def test_a_record_of_nothing_but_zeros_is_refused(zeros, receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.seal(0, bytes(zeros))
    duel.expect(errors.NoContentType)


@ROLES
@pytest.mark.parametrize("chunk", [None, A_RECORD], ids=["at once", "a record"])
@pytest.mark.requirement("R251")
def test_the_search_for_the_type_ends_with_the_record(chunk, receiver, quick_pair) -> None:
    """Section 5.4: what lies before it in memory, a header or another record's bytes, is not looked at."""
    duel = Duel(quick_pair, receiver)
    duel.breaker.send_data(b"\x17" * 100)
    duel.seal(0, bytes(50))
    duel.made.chunk = chunk
    duel.expect(errors.NoContentType)


@ROLES
@pytest.mark.parametrize(("content", "padding"), [(2**14 + 1, 0), (1, 2**14), (2**14, 1)])
@pytest.mark.requirement("R253", "R245")
def test_padding_does_not_make_room_for_more(content, padding, receiver, quick_pair) -> None:
    """Section 5.4: content, type and padding together have 2^14 + 1 bytes at most."""
    duel = Duel(quick_pair, receiver)
    duel.breaker._layer.writer.padding = lambda length, room: padding
    duel.breaker._layer.writer._pad = lambda policy, length: padding  # which would find that there is no room
    duel.seal(APPLICATION_DATA, bytes(content))
    duel.expect(errors.RecordOverflow)


@ROLES
@pytest.mark.requirement("R253")
def test_the_largest_records_are_read(receiver, quick_pair) -> None:
    duel = Duel(quick_pair, receiver)
    duel.breaker._layer.writer.padding = lambda length, room: room
    for content in (b"\1", bytes(2**14)):
        duel.breaker.send_data(content)
        assert b"".join(duel.breaker._layer.out)[3:5] == (2**14 + 17).to_bytes(2, "big")
        seen = duel.made.run()[0 if receiver == "client" else 1]
        assert seen == [tls13.ApplicationData(content)]


# --- limits: sections 5.3 and 5.5 -------------------------------------------------------------------------------------


@pytest.mark.requirement("R247")
def test_a_sender_stops_before_its_sequence_number_wraps() -> None:
    """Section 5.3; the AEAD's limit comes long before, so it is lifted here."""
    from tests.records import protected

    writer, _ = protected()
    writer.sequence = writer.limit = 2**64
    out = []
    with pytest.raises(errors.KeyLimitReached):
        writer.write(APPLICATION_DATA, b"data", out)
    assert not out


@ROLES
@pytest.mark.requirement("R254")
def test_keys_change_before_the_limit_of_the_aead_is_reached(receiver, quick_pair) -> None:
    """Section 5.5, for every record in one call: application data that reaches beyond the limit of the key."""
    duel = Duel(quick_pair, receiver)
    writer, reader = duel.breaker._layer.writer, duel.judge._layer.reader
    writer.sequence = reader._sequence = writer.limit - 3
    duel.breaker.send_data(b"x" * 2**16)
    seen = duel.made.run()[0 if receiver == "client" else 1]
    assert seen[0] == tls13.KeysUpdated(answer_requested=False)
    assert b"".join(event.data for event in seen[1:]) == b"x" * 2**16

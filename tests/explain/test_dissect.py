"""What the passive reader makes of whole, cut, changed and foreign captures."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors_reader import RFC8448, unhex
from tls13.explain.capture import Capture, Segment
from tls13.explain.demos import VARIANTS, Demo, Stage, demo, first_connection
from tls13.explain.dissect import Dissector, dissect
from tls13.explain.dissect_frames import Shape
from tls13.explain.telling import tell
from tls13.explain.vectors import read_vectors
from tls13.flow import Epoch
from tls13.wire.registry import NamedGroup

VECTORS = Path(__file__).parents[1] / "vectors" / "rfc8448.json"
EPOCHS = {
    "plaintext": Epoch.INITIAL,
    "early": Epoch.EARLY,
    "handshake": Epoch.HANDSHAKE,
    "application": Epoch.APPLICATION,
}


@cache
def made(variant: str) -> Capture:
    return demo(variant)


def names(read: Dissector) -> list[str]:
    return [
        f"{'>' if one.to_server else '<'} {type(one.message).__name__}" for one in read.seen if one.kind == "message"
    ]


def streams(capture: Capture) -> dict[bool, bytes]:
    return {way: b"".join(one.data for one in capture.segments if one.to_server is way) for way in (True, False)}


def told(read: Dissector) -> list[tuple]:
    return [(one.kind, one.to_server, one.raw, one.epoch) for one in read.seen]


# --- RFC 8448 ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RFC8448)
def test_the_messages_and_contents_are_those_of_rfc_8448(name) -> None:
    trace, read = RFC8448[name], dissect(read_vectors(VECTORS.read_bytes(), name))
    messages = [one.raw for one in read.seen if one.kind == "message"]
    assert messages == [unhex(one["bytes"]) for one in trace["messages"]]
    assert len(read.records) == len(trace["records"])
    for ours, theirs in zip(read.records, trace["records"], strict=True):
        assert ours.content == unhex(theirs["payload"])
        assert (ours.keys.epoch if ours.keys is not None else Epoch.INITIAL) is EPOCHS[theirs["epoch"]]
        assert not ours.why


# --- every variant ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_record_of_every_variant_opens(variant) -> None:
    read = dissect(made(variant))
    assert [one.why for one in read.records] == [""] * len(read.records)
    assert all(one.message is not None for one in read.seen if one.kind == "message")


@pytest.mark.parametrize("size", [1, 7, 100])
@pytest.mark.parametrize("variant", ["0-rtt", "mutual-tls", "key-update"])
def test_how_the_streams_are_cut_into_segments_changes_nothing(variant, size) -> None:
    capture = made(variant)
    cut = [
        Segment(one.to_server, one.time, one.data[at : at + size])
        for one in capture.segments
        for at in range(0, len(one.data), size)
    ]
    assert told(dissect(replace(capture, segments=cut))) == told(dissect(capture))


def test_a_message_in_several_records_and_several_in_one() -> None:
    read = dissect(made("1-rtt"))
    hello, *_ = read.seen
    record = bytes.fromhex("160301")
    pieces = [hello.raw[at : at + 50] for at in range(0, len(hello.raw), 50)]
    split = b"".join(record + len(one).to_bytes(2, "big") + one for one in pieces)
    capture = made("1-rtt")
    again = dissect(replace(capture, segments=[Segment(True, 0.0, split), *capture.segments[1:]]))
    assert again.seen[0].raw == hello.raw
    assert again.seen[0].records == list(range(len(pieces)))
    assert all(not one.why for one in again.records)  # the transcript is of messages, not of records
    flight = next(one for one in read.seen if type(one.message).__name__ == "Finished")
    together = [one for one in read.seen if one.records == flight.records]
    assert len(together) == 4


def test_after_a_retry_the_transcript_begins_with_message_hash() -> None:
    read = dissect(made("hello-retry"))
    assert read.handshake[0][0] == 254
    assert names(read)[:4] == ["> ClientHello", "< HelloRetryRequest", "> ClientHello", "< ServerHello"]


@pytest.mark.parametrize("early_data", [None, b"too early"])
def test_a_ticket_that_is_offered_again_after_a_retry(early_data) -> None:
    """Its second binder is over message_hash, HelloRetryRequest and the second ClientHello (4.3.11.2); early data of
    the first flight was lost with it (4.3.10)."""
    stage = Stage()
    client, server, ticket = first_connection(stage)
    client = client.replace(groups=[NamedGroup.x25519, NamedGroup.secp256r1], key_shares=[NamedGroup.x25519])
    demo = Demo(stage, client, server.replace(groups=[NamedGroup.secp256r1]), session=ticket, early_data=early_data)
    capture = demo.whole()
    read = dissect(replace(capture, secrets={key: capture.secrets[key] for key in ("PSK", "client private key")}))
    assert [one.position for one in read.material.psks] == [0]
    assert not any(one.why for one in read.records)
    assert read.rejects_early_data == (early_data is not None)
    assert [one.raw for one in read.seen if one.epoch is Epoch.EARLY] == ([early_data] if early_data else [])
    assert ("0-RTT rejected" in tell(capture).variant) == (early_data is not None)
    for node in tell(capture).schedule:
        assert node.kind != "mac" or node.meaning.endswith("It is what the message holds.")


def test_key_updates_start_new_generations() -> None:
    used = [one.keys.name for one in dissect(made("key-update")).records if one.keys is not None]
    for who in ("client", "server"):
        mine = [name for name in used if name.startswith(f"{who}_application")]
        assert mine == sorted(mine)
        assert {f"{who}_application_traffic_secret_{number}" for number in (0, 1)} == set(mine)


def test_authentication_after_the_handshake_has_a_transcript_of_its_own() -> None:
    read = dissect(made("post-handshake-auth"))
    finished = [one for one in read.seen if type(one.message).__name__ == "Finished"][-1]
    assert finished.epoch is Epoch.APPLICATION
    assert [one[0] for one in finished.hashed[-3:]] == [13, 11, 15]  # the request, Certificate, CertificateVerify
    assert finished.hashed[:-3] == tuple(read.handshake)


# --- secrets that are missing, or wrong


def without(capture: Capture, *labels: str) -> Capture:
    return replace(capture, secrets={key: one for key, one in capture.secrets.items() if key not in labels})


def test_without_secrets_the_hellos_are_read_and_the_rest_says_why_not() -> None:
    read = dissect(replace(made("1-rtt"), secrets={}))
    assert names(read) == ["> ClientHello", "< ServerHello"]
    sealed = [one for one in read.records if one.frame.outer_type == 23]
    assert sealed
    for one in sealed:
        who = "client" if one.frame.to_server else "server"
        assert one.why == f"no secret is known that protects the {who}'s records here"


def test_a_key_log_without_the_handshake_secrets_still_opens_what_follows() -> None:
    capture = made("1-rtt")
    log = {key: one for key, one in capture.secrets.items() if "TRAFFIC_SECRET_0" in key}
    read = dissect(replace(capture, secrets=log))
    opened = {one.keys.epoch for one in read.records if one.keys is not None}
    assert opened == {Epoch.APPLICATION}
    assert sum(1 for one in read.records if one.why) == 2  # the two flights of the handshake


def test_rejected_early_data_does_not_open_for_who_knows_only_what_the_server_used() -> None:
    capture = without(made("0-rtt-rejected"), "CLIENT_EARLY_TRAFFIC_SECRET", "PSK", "EARLY_EXPORTER_SECRET")
    read = dissect(capture)
    sealed = [one for one in read.seen if one.kind == "sealed"]
    assert [one.epoch for one in sealed] == [Epoch.EARLY]
    assert "early data, perhaps" in read.records[sealed[0].records[0]].why
    assert all(one.keys is not None for one in read.records if one.frame.outer_type == 23 and not one.why)
    assert read.seen[-1].kind == "alert"


@pytest.mark.parametrize("label", ["ECDHE", "PSK"])
def test_a_wrong_input_opens_nothing_and_breaks_nothing(label) -> None:
    capture = replace(made("resumption"), secrets={label: [bytes(32)]})
    assert not any(one.keys for one in dissect(capture).records)


def test_a_psk_is_found_by_its_binder() -> None:
    capture = made("resumption")
    psks = [bytes(32), *capture.secrets["PSK"], bytes(48)]
    known = dissect(replace(capture, secrets={"PSK": psks})).material.psks
    assert [(one.position, one.kind.name, one.key) for one in known] == [(0, "RESUMPTION", psks[1])]


def test_the_ephemeral_private_key_of_either_side_opens_everything() -> None:
    for name in RFC8448:
        capture = read_vectors(VECTORS.read_bytes(), name)
        for label in ("client private key", "server private key"):
            only = {key: one for key, one in capture.secrets.items() if key in (label, "PSK")}
            assert not any(one.why for one in dissect(replace(capture, secrets=only)).records), (name, label)


# --- what is not whole ------------------------------------------------------------------------------------------------


def changed(capture: Capture, to_server: bool, place: int, bit: int = 1) -> Capture:
    """One bit of one direction's stream is another."""
    segments = []
    for one in capture.segments:
        data = one.data
        if one.to_server is to_server:
            if 0 <= place < len(data):
                data = data[:place] + bytes((data[place] ^ bit,)) + data[place + 1 :]
            place -= len(one.data)
        segments.append(Segment(one.to_server, one.time, data))
    return replace(capture, segments=segments)


def test_a_record_that_was_changed_does_not_open_and_those_after_it_need_its_number() -> None:
    capture = made("1-rtt")
    length = len(streams(capture)[False])
    read = dissect(changed(capture, False, length - 1))
    *rest, last = [one for one in read.records if not one.frame.to_server]
    assert "its tag does not verify under the server's keys" in last.why
    assert not any(one.why for one in rest)


def test_a_capture_that_ends_in_a_record() -> None:
    capture = made("1-rtt")
    first = capture.segments[0]
    read = dissect(replace(capture, segments=[replace(first, data=first.data[:-10])]))
    assert [one.frame.shape for one in read.records] == [Shape.CUT]
    assert tell(replace(capture, segments=[replace(first, data=first.data[:-10])])).outcome["kind"] == "cut"


def test_bytes_that_are_not_tls() -> None:
    capture = made("1-rtt")
    answer = Segment(False, 1.0, b"HTTP/1.1 400 Bad Request\r\n\r\n")
    read = dissect(replace(capture, segments=[capture.segments[0], answer]))
    assert read.records[-1].frame.shape is Shape.NOT_TLS
    assert read.records[-1].frame.raw == answer.data
    assert read.seen[-1].kind == "rubbish"


def test_a_server_of_tls_1_2_is_named_and_not_misread() -> None:
    """Its encrypted Finished has the type of a handshake record, and is no message to be read."""
    hello = bytes.fromhex("02000026 0303") + bytes(32) + bytes.fromhex("00 c02f 00")
    record = bytes.fromhex("160303") + len(hello).to_bytes(2, "big") + hello
    sealed = bytes.fromhex("140303000101 1603030028") + bytes(range(40))
    capture = made("1-rtt")
    read = dissect(replace(capture, segments=[capture.segments[0], Segment(False, 0.1, record + sealed)]))
    assert read.hellos.is_other_version
    assert [one.kind for one in read.seen] == ["message", "message", "unread", "unread"]


def test_an_unfinished_message_is_left_over() -> None:
    capture = made("1-rtt")
    fragment = bytes.fromhex("1603010004 010000ff")
    read = dissect(replace(capture, segments=[Segment(True, 0.0, fragment)]))
    assert [(one.kind, one.raw) for one in read.seen] == [("rubbish", fragment[5:])]


def test_nothing_at_all() -> None:
    story = tell(Capture([], {}, "nothing", "a", "b", [], None, []))
    assert (story.steps, story.schedule, story.outcome["kind"]) == ([], [], "cut")


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_no_capture_makes_it_fail(data) -> None:
    """Bits changed, segments lost, repeated and cut, secrets taken away: there is a Story of it, as plain data."""
    capture = made(data.draw(st.sampled_from(sorted(VARIANTS))))
    segments = list(capture.segments)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(segments) - 1))
        one = segments[at]
        place = data.draw(st.integers(0, max(0, len(one.data) - 1)))
        segments[at : at + 1] = data.draw(
            st.sampled_from(
                [
                    [],
                    [one, one],
                    [replace(one, data=one.data[:place])],
                    [replace(one, data=one.data[:place] + b"\x00\x17" + one.data[place:])],
                    [replace(one, data=one.data[:place] + bytes(b ^ 1 for b in one.data[place:]))],
                    [replace(one, data=one.data[:place] + one.data[place + 1 :])],
                ]
            )
        )
        if not segments:
            break
    kept = {key: one for key, one in capture.secrets.items() if data.draw(st.booleans())}
    story = tell(replace(capture, segments=segments, secrets=kept))
    shown = b"".join(one.bytes for one in story.records)
    assert len(shown) == sum(len(one.data) for one in segments)  # no byte is left out
    assert story.to_json()


@settings(deadline=None, max_examples=100)
@given(up=st.binary(max_size=80), down=st.binary(max_size=80))
def test_no_bytes_make_it_fail(up, down) -> None:
    capture = Capture(
        [Segment(True, 0, up), Segment(False, 0, down)], {"ECDHE": [b"x"]}, "noise", "a", "b", [], None, []
    )
    assert tell(capture).to_json()

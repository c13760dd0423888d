"""Every byte in exactly one leaf, with a name, a meaning and a section: of what is right, and of what is not."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vectors_reader import RFC8448, unhex
from tls13.explain.demos import VARIANTS, demo
from tls13.explain.dissect import dissect
from tls13.explain.meanings import FIELDS, MESSAGES, word
from tls13.explain.meanings_extensions import EXTENSIONS
from tls13.explain.spans import Field, alert_fields, inner_fields, message_fields, record_fields, spans
from tls13.wire import companions, extensions, messages  # noqa: F401  # the declarations are what is tested
from tls13.wire.codec import Struct
from tls13.wire.extensions import KeyShareEntry
from tls13.wire.messages import MESSAGES as DECLARED
from tls13.wire.registry import CipherSuite, ExtensionType, NamedGroup, PskKeyExchangeMode, SignatureScheme

VECTORS = Path(__file__).parents[1] / "vectors" / "rfc8448.json"


def leaves(field: Field) -> list[Field]:
    return [leaf for one in field.fields for leaf in leaves(one)] if field.fields else [field]


def check(field: Field, length: int) -> None:
    """Children cover their parent exactly, in order; so the leaves partition the bytes."""
    assert (field.start, field.end) == (0, length)
    stack = [field]
    while stack:
        one = stack.pop()
        assert one.name
        assert one.type
        assert one.section.startswith("RFC ")
        if one.fields:
            assert one.start == one.fields[0].start
            assert one.end == one.fields[-1].end
            for before, after in zip(one.fields, one.fields[1:], strict=False):
                assert before.end == after.start, (one.name, before.name, after.name)
            stack += one.fields
        else:
            assert one.end > one.start or one is field, one.name
            assert one.end == one.start or one.meaning.endswith((".", "!", "?")), one


@cache
def every_message() -> list[bytes]:
    found = [unhex(one["bytes"]) for trace in RFC8448.values() for one in trace["messages"]]
    for variant in VARIANTS:
        found += [one.raw for one in dissect(demo(variant)).seen if one.kind == "message"]
    return found


def structs(kind: type[Struct] = Struct):
    for one in kind.__subclasses__():
        yield one
        yield from structs(one)


# --- meanings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [one for one in structs() if one.__module__.startswith("tls13.wire")], ids=str)
def test_every_field_of_every_struct_has_a_meaning(kind) -> None:
    for name, _ in kind.fields:
        assert FIELDS[kind.__name__][name].endswith("."), f"{kind.__name__}.{name}"


def test_no_meaning_is_for_a_field_that_is_not_there() -> None:
    declared = {one.__name__: {name for name, _ in one.fields} for one in structs()}
    for struct, fields in FIELDS.items():
        assert set(fields) <= declared[struct], struct


def test_every_message_and_every_extension_has_a_meaning() -> None:
    assert {kind.__name__ for kind in DECLARED.values()} | {"HelloRetryRequest"} == set(MESSAGES)
    assert set(ExtensionType) == set(EXTENSIONS)


def test_known_numbers_have_a_word_and_unknown_ones_are_said_to_be_unknown() -> None:
    for known in (*CipherSuite, *SignatureScheme):
        assert word(known).endswith(".")
    assert "not known" in word(ExtensionType(0x1234))
    assert "0x1234" in word(ExtensionType(0x1234))
    assert "RFC 8701" in word(NamedGroup(0x0A0A))
    assert word(PskKeyExchangeMode.psk_dhe_ke) == ""  # and not what another registry says of the number 1


# --- messages ---------------------------------------------------------------------------------------------------------


def test_every_byte_of_every_message_is_in_one_explained_leaf() -> None:
    for raw in every_message():
        field = message_fields(raw)
        check(field, len(raw))
        assert not [leaf for leaf in leaves(field) if leaf.name == "undecodable"], field.name


def test_a_client_hello_opened() -> None:
    raw = unhex(RFC8448["simple_1rtt"]["messages"][0]["bytes"])
    by_name = {one.name: one for one in message_fields(raw).fields}
    assert raw[by_name["random"].start : by_name["random"].end] == raw[6:38]
    assert by_name["random"].section == "RFC 9846, 4.2.2"
    assert by_name["legacy_session_id"].type == "opaque legacy_session_id<0..32>"
    blocks = {one.name: one for one in by_name["extensions"].fields}
    assert blocks["server_name"].value == "server"
    assert blocks["server_name"].section == "RFC 6066, 3"
    shares = blocks["key_share"].fields[-1].fields[1]
    assert (shares.name, shares.type, shares.value) == ("[0]", "struct KeyShareEntry", "x25519")
    share = next(one for one in leaves(shares) if one.name == "content")
    assert raw[share.start : share.end] == unhex(RFC8448["simple_1rtt"]["ephemeral_keys"][0]["public"])


def test_an_unknown_extension_is_an_honest_leaf() -> None:
    body = bytes.fromhex("0303") + bytes(32) + bytes.fromhex("00 0002 1301 01 00 0007 1234 0003 aabbcc")
    raw = b"\x01" + len(body).to_bytes(3, "big") + body
    field = message_fields(raw)
    check(field, len(raw))
    extension = field.fields[-1].fields[1]
    assert extension.name == "unknown_0x1234"
    assert [one.name for one in extension.fields] == ["extension_type", "length", "extension_data"]
    assert "receiver ignores it" in extension.meaning


def test_the_certificate_is_opened_within_its_message() -> None:
    raw = unhex(RFC8448["simple_1rtt"]["messages"][3]["bytes"])
    entry = message_fields(raw).fields[-1].fields[1]
    der = entry.fields[0].fields[1]
    assert der.name == "Certificate"
    assert raw[der.start : der.start + 2] == bytes.fromhex("3082")


def test_a_compressed_certificate_says_what_is_in_it() -> None:
    raw = next(one for one in every_message() if one[0] == 25)
    assert "a Certificate of" in message_fields(raw).fields[-1].value
    broken = raw[:-3] + b"???"
    check(message_fields(broken), len(broken))
    assert "does not unpack" in message_fields(broken).fields[-1].value
    check(message_fields(bytes.fromhex("19000000")), 4)
    unknown = raw[:4] + b"\x12\x34" + raw[6:]
    assert "not installed here" in message_fields(unknown).fields[-1].value


def test_a_field_of_no_bytes_is_no_leaf() -> None:
    check(message_fields(bytes.fromhex("14000000")), 4)  # a Finished without verify_data


def test_a_hostile_name_cannot_steer_a_terminal() -> None:
    body = bytes.fromhex("0303") + bytes(32) + bytes.fromhex("00 0002 1301 01 00 000c 0000 0008 0006 00 0003 1b5b6d")
    raw = b"\x01" + len(body).to_bytes(3, "big") + body
    name = next(one for one in leaves(message_fields(raw)) if one.value.endswith("[m"))
    assert name.value == "\\x1b[m"


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_whatever_happens_to_a_message_its_bytes_stay_explained(data) -> None:
    raw = bytearray(data.draw(st.sampled_from(every_message())))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(raw)))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check(message_fields(bytes(raw)), len(raw))


@settings(deadline=None, max_examples=200)
@given(raw=st.binary(max_size=200))
def test_any_bytes_can_be_walked(raw) -> None:
    check(message_fields(raw), len(raw))
    check(record_fields(raw), len(raw))
    check(inner_fields(raw), len(raw))
    check(alert_fields(raw), len(raw))
    check(spans(KeyShareEntry, raw), len(raw))


# --- records ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RFC8448)
def test_the_records_of_rfc_8448(name) -> None:
    for one in RFC8448[name]["records"]:
        raw = unhex(one["record"])
        field = record_fields(raw)
        check(field, len(raw))
        assert field.name == ("TLSPlaintext" if one["epoch"] == "plaintext" else "TLSCiphertext")
        assert field.fields[2].value == str(len(raw) - 5)


def test_the_inside_of_a_record() -> None:
    field = inner_fields(b"hello\x17\0\0\0")
    assert [(one.name, one.start, one.end) for one in field.fields] == [
        ("content", 0, 5),
        ("type", 5, 6),
        ("zeros", 6, 9),
    ]
    assert field.fields[1].value == "application_data"
    assert [one.name for one in inner_fields(bytes(4)).fields] == ["zeros"]


def test_an_alert() -> None:
    assert alert_fields(b"\x02\x28").value == "handshake_failure"
    assert alert_fields(b"\x02\xc8").value == "unknown alert 200"
    assert alert_fields(b"\x02").name == "undecodable"

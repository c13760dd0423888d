# No "from __future__ import annotations" here: the annotations are declarations that wire/codec.py reads.
"""The Python that declarations are compiled to means what they say: RFC 9846, section 3, read field by field."""

import subprocess
import sys
from itertools import product
from typing import Annotated, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.declared import instances, structs, values
from tls13.cookie import RetryState
from tls13.errors import ConfigurationError, DecodeError
from tls13.resumption.imported import ImportedIdentity
from tls13.resumption.sessions import StoredSession
from tls13.resumption.state import Shared
from tls13.resumption.tickets import TicketState
from tls13.wire import written
from tls13.wire.codec import Codec, Fixed, Nested, Opaque, Rest, Struct, UInt, Vector
from tls13.wire.extensions import ExtensionBlock, KeyShareEntry, ProtocolNameList
from tls13.wire.messages import Certificate, CertificateEntry, CompressedCertificate, Finished
from tls13.wire.registry import CipherSuite, NamedGroup, PskKeyExchangeMode


class Inner(Struct):
    three: Annotated[int, UInt(3)]
    mode: PskKeyExchangeMode


class Awkward(Struct):
    """Whatever the presentation language has, side by side, under the names that generated text likes to use."""

    at: Annotated[int, UInt(3)]
    at_: Annotated[int, UInt(1)]
    end: Annotated[bytes, Fixed(3)]
    end_: Annotated[bytes, Opaque(2, 5)]
    data: Inner
    first: Annotated[bytes, Opaque(0, 2**24 - 1)]
    high: Annotated[tuple[int, ...], Vector(0, 2**8 - 1, UInt(3))]
    at_high: Annotated[tuple[int, ...], Vector(0, 2**8 - 1, UInt(2))]
    length: Annotated[tuple[bytes, ...], Vector(0, 2**16 - 1, Fixed(2))]
    item: Annotated[tuple[Inner, ...], Vector(4, 2**16 - 1)]
    as_B: Annotated[tuple[bytes, ...], Vector(0, 2**24 - 1, Opaque(0, 3))]
    items: Annotated[tuple[tuple[bytes, ...], ...], Vector(0, 2**16 - 1, Vector(1, 255, Opaque(0, 255)))]
    suites: Annotated[tuple[CipherSuite, ...], Vector(2, 254)]
    modes: Annotated[tuple[PskKeyExchangeMode, ...], Vector(0, 2**16 - 1)]
    five: Annotated[int, UInt(5)]
    pack: Annotated[int, UInt(8)]
    new: CipherSuite
    error: Annotated[bytes, Rest()]


ALL = [*structs(), Inner, Awkward, RetryState, ImportedIdentity, StoredSession, TicketState]
EACH = pytest.mark.parametrize("struct", ALL, ids=lambda struct: struct.__name__)


# --- the declaration, interpreted: slowly, and without what is compiled ----------------------------------------------


def read(codec: Codec, data: bytes, at: int, end: int) -> tuple[Any, int]:
    if isinstance(codec, Nested):
        return interpreted(codec.struct, data, at, end)
    if not isinstance(codec, Vector) or not isinstance(codec.element, Nested):
        return codec.decode(data, at, end)  # none of which is compiled
    at, stop = codec.scope(data, at, end)
    found = []
    while at < stop:
        value, at = read(codec.element, data, at, stop)
        found.append(value)
    return tuple(found), stop


def interpreted(struct: type[Struct], data: bytes, at: int, end: int) -> tuple[Struct, int]:
    values = {}
    for name, codec in struct.fields:
        try:
            values[name], at = read(codec, data, at, end)
        except DecodeError as offence:
            raise DecodeError(f"{struct.__name__}.{name}: {offence.detail}") from None
        assert at <= end
    return struct(**values), at


def bytes_of(value: Struct) -> bytes:
    """What an interpreter of the declaration writes."""
    out = bytearray()
    for name, codec in value.fields:
        codec.encode(getattr(value, name), out)
    return bytes(out)


def outcome(decode: Any, data: bytes, at: int, end: int) -> Any:
    try:
        value, stop = decode(data, at, end)
    except DecodeError as offence:
        return offence.detail
    return list(vars(value).items()), [type(one) for one in vars(value).values()], stop


def same(struct: type[Struct], data: bytes, at: int, end: int) -> None:
    found = outcome(struct.decode_at, data, at, end)
    assert found == outcome(lambda *scope: interpreted(struct, *scope), data, at, end)
    everything = outcome(lambda data, at, end: (struct.decode(data[:end], at), end), data, at, end)
    left = 0 if isinstance(found, str) else end - found[2]
    assert everything == (f"{left} bytes left over after {struct.__name__}" if left else found)


@st.composite
def mutated(draw: st.DrawFn, struct: type[Struct]) -> bytes:
    """The bytes of a good struct with some of them changed, taken out, put in or cut off."""
    data = bytearray(bytes_of(draw(instances(struct))))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("change", "insert", "remove", "cut", "length"))):
            case "change" if at < len(data):
                data[at] = draw(st.integers(0, 255))
            case "length" if at < len(data):
                data[at] = (data[at] + draw(st.sampled_from((-2, -1, 1, 2)))) % 256
            case "insert":
                data[at:at] = draw(st.binary(max_size=3))
            case "remove":
                del data[at : at + draw(st.integers(1, 3))]
            case "cut":
                del data[at:]
    return bytes(data)


@EACH
def test_the_compiled_reader_and_the_declaration_agree(struct) -> None:
    """On values and types, on where it ends, and on what is wrong, in the same words; wherever its scope is."""

    @settings(max_examples=30, deadline=None, database=None)
    @given(mutated(struct), st.binary(max_size=3), st.binary(max_size=3), st.integers(-3, 0))
    def check(data: bytes, before: bytes, after: bytes, less: int) -> None:
        same(struct, data, 0, len(data))
        start, end = len(before), len(before + data)
        same(struct, before + data + after, start, end)
        same(struct, before + data + after, start, max(start, end + less))

    check()


@EACH
def test_no_byte_beyond_the_scope_matters(struct) -> None:
    @settings(max_examples=30, deadline=None, database=None)
    @given(mutated(struct), st.integers(0, 60), st.binary(max_size=4))
    def check(data: bytes, end: int, other: bytes) -> None:
        end = min(end, len(data))
        assert outcome(struct.decode_at, data, 0, end) == outcome(struct.decode_at, data[:end] + other, 0, end)

    check()


class Trailing(Struct):
    name: Annotated[bytes, Opaque(0, 3)]
    rest: Annotated[bytes, Rest()]


class Triples(Struct):
    triples: Annotated[tuple[int, ...], Vector(0, 255, UInt(3))]
    last: Annotated[bytes, Opaque(0, 255)]


class Names(Struct):
    names: Annotated[tuple[bytes, ...], Vector(0, 255, Opaque(0, 255))]
    last: Annotated[bytes, Fixed(1)]


class Bytes(Struct):
    numbers: Annotated[tuple[int, ...], Vector(0, 255, UInt(1))]
    last: Annotated[int, UInt(1)]


@pytest.mark.parametrize("struct", [Trailing, Triples, Names, Bytes], ids=lambda struct: struct.__name__)
def test_whatever_sticks_out_of_its_scope_is_found(struct) -> None:
    """All short rows of small numbers: lengths that point behind their vector, behind the struct, behind the data."""
    for length in range(7):
        for numbers in product(range(5), repeat=length):
            data = bytes(numbers)
            same(struct, data, 0, length)
            same(struct, data + b"\1\2\3", 0, length)


# --- writing ---------------------------------------------------------------------------------------------------------


def wild(codec: Codec) -> st.SearchStrategy[Any]:
    """Values that are of the right type, in and out of the bounds."""
    if isinstance(codec, ExtensionBlock):
        return st.just(codec.empty)
    if isinstance(codec, Nested | Shared):
        return values(codec)
    if isinstance(codec, Vector):
        return st.lists(wild(codec.element), max_size=4).map(tuple)
    if isinstance(codec, Opaque):
        return st.sampled_from((0, codec.floor, max(0, codec.floor - 1), min(codec.ceiling, 2**16) + 1)).map(bytes)
    if isinstance(codec, UInt):
        return st.sampled_from((0, 1, 256**codec.size - 1, 256**codec.size, -1))
    return st.binary(max_size=4) if isinstance(codec, Rest) else st.sampled_from((31, 32, 33, 3)).map(bytes)


def outcome_of_writing(encode: Any, value: Struct) -> bytes | str:
    try:
        return encode(value)
    except ConfigurationError as offence:
        return str(offence)


@EACH
def test_the_compiled_writer_and_the_declaration_agree(struct) -> None:
    """On the bytes, and on what is out of its bounds, in the same words."""

    @settings(max_examples=30, deadline=None, database=None)
    @given(
        st.one_of(
            instances(struct),
            st.fixed_dictionaries({name: wild(codec) for name, codec in struct.fields}).map(lambda v: struct(**v)),
        )
    )
    def check(value: Struct) -> None:
        assert outcome_of_writing(type(value).encode, value) == outcome_of_writing(bytes_of, value)

    check()


@pytest.mark.parametrize("number", [-1, 256**2, 256**5])
def test_an_integer_that_does_not_fit_is_told_by_its_type(number) -> None:
    with pytest.raises(ConfigurationError, match=f"{number} for a NamedGroup"):
        KeyShareEntry(group=number, key_exchange=b"x").encode()


# --- what is written, and when ---------------------------------------------------------------------------------------


def test_the_text_can_be_read() -> None:
    """The essay in written.py shows the first of the two functions; both are plain Python."""
    text = KeyShareEntry.python()
    shown = "\n".join(line[4:] for line in (written.__doc__ or "").splitlines() if line.startswith("    ") or not line)
    assert text.partition("\n\n\n")[0].strip() in shown
    assert text.endswith(
        """\
def encode(self):
    try:
        key_exchange = self.key_exchange
        if len(key_exchange) < 1:
            raise ConfigurationError
        return as_HH.pack(self.group, len(key_exchange)) + key_exchange
    except (ConfigurationError, error):
        raise self.unwritable() from None
"""
    )


def test_a_vector_of_names_is_a_loop() -> None:
    assert """
        while at < protocol_name_list_end:
            if at + 1 > protocol_name_list_end:
                raise DecodeError
            length = data[at]
            at += 1
            item_end = at + length
            if length < 1 or item_end > protocol_name_list_end:
                raise DecodeError
            item = data[at:item_end]
            at = item_end
            protocol_name_list.append(item)
""" in ProtocolNameList.python()


def test_nothing_is_compiled_at_import() -> None:
    program = "import sys, tls13, tls13.wire.companions; sys.exit('tls13.wire.written' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_struct_is_made_by_names_or_in_its_order() -> None:
    entry = KeyShareEntry(NamedGroup.x25519, b"x")
    assert entry == KeyShareEntry(key_exchange=b"x", group=NamedGroup.x25519) == KeyShareEntry.decode(entry.encode())


@pytest.mark.parametrize("given", [{"group": 29}, {"group": 29, "key_exchange": None}], ids=["left out", "None"])
def test_a_field_that_is_not_given_is_named(given: Any) -> None:
    for _ in range(2):  # the first time and, by then written, again
        with pytest.raises(TypeError, match=r"KeyShareEntry: missing or unknown: key_exchange$"):
            KeyShareEntry(**given)
    with pytest.raises(TypeError, match="colour"):
        KeyShareEntry(29, b"x", colour="red")  # type: ignore[call-arg]  # what this is about


def test_a_message_that_its_header_cannot_count_is_not_written() -> None:
    """Section 4: uint24 length."""
    Finished(b"x" * (2**24 - 1)).to_handshake()
    with pytest.raises(ConfigurationError, match="a Finished of 16777216 bytes; the limit is 16777215"):
        Finished(b"x" * 2**24).to_handshake()
    huge = CertificateEntry(cert_data=b"x" * (2**24 - 9))
    Certificate(certificate_list=(huge,)).encode()
    with pytest.raises(ConfigurationError, match="a Certificate of 16777217 bytes; the limit is 16777215"):
        Certificate(certificate_list=(huge,), certificate_request_context=b"x").to_handshake()


def test_a_struct_does_not_take_the_functions_of_its_parent() -> None:
    """Not even where those are compiled already."""

    class Parent(Struct):
        one: Annotated[int, UInt(1)]

    assert Parent.decode(b"\1").encode() == b"\1"

    class Child(Parent):
        two: Annotated[int, UInt(1)] = 2

    assert vars(Child.decode(b"\1\2")) == {"one": 1, "two": 2}
    assert Child(one=1).encode() == b"\1\2"


def test_two_structs_of_one_name_are_not_mixed_up() -> None:
    def declare() -> type[Struct]:
        class Same(Struct):
            one: Annotated[int, UInt(1)]

        return Same

    class Both(Struct):
        left: declare()
        right: declare()

    with pytest.raises(TypeError, match="two things called Same"):
        Both.decode(b"\1\2")


def test_a_code_point_that_everybody_knows_is_the_enums_own() -> None:
    assert KeyShareEntry.decode(b"\0\x1d\0\1x").group is NamedGroup.x25519


@pytest.mark.parametrize("length", [2**16 - 1, 2**16, 2**16 + 5, 2**17 + 1])
def test_a_length_of_24_bits_counts_with_all_of_them(length) -> None:
    entry = CertificateEntry(cert_data=bytes(length))
    raw = length.to_bytes(3, "big") + bytes(length) + b"\0\0"
    assert entry.encode() == raw
    assert CertificateEntry.decode(raw) == entry
    number = CompressedCertificate(algorithm=1, uncompressed_length=length, compressed_certificate_message=b"x")
    assert CompressedCertificate.decode(number.encode()) == number
    assert number.encode()[2:5] == length.to_bytes(3, "big")

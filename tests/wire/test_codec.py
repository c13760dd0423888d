"""The presentation language at work: RFC 9846, section 3. Bounds, scopes, and that nothing reads past its end."""

from __future__ import annotations

from struct import pack
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.declared import instances, structs
from tls13.errors import ConfigurationError, DecodeError
from tls13.wire import companions as c
from tls13.wire import extensions as e
from tls13.wire import messages as m
from tls13.wire.codec import (
    MOST_REPEATED,
    Codec,
    CodePointVector,
    Enumerated,
    Fixed,
    Opaque,
    Rest,
    Struct,
    UInt,
    Vector,
    codec_for,
)
from tls13.wire.registry import CipherSuite, CodePoint, NamedGroup, PskKeyExchangeMode

# --- the building blocks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ceiling", "size"), [(1, 1), (255, 1), (256, 2), (2**16 - 1, 2), (2**16, 3), (2**24 - 1, 3)])
def test_a_length_takes_as_many_bytes_as_the_ceiling_needs(ceiling, size) -> None:
    """Section 3.4."""
    out = bytearray()
    Opaque(0, ceiling).encode(b"x", out)
    assert bytes(out) == (1).to_bytes(size, "big") + b"x"


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_integers_are_big_endian_and_end_with_their_scope(size) -> None:
    """Section 3.1."""
    number, out = 0x01020304 >> 8 * (4 - size), bytearray(b"before")
    UInt(size).encode(number, out)
    assert bytes(out) == b"before" + bytes([1, 2, 3, 4][:size])
    assert UInt(size).decode(bytes(out) + b"after", 6, 6 + size) == (number, 6 + size)
    with pytest.raises(DecodeError, match=f"uint{8 * size} needs {size} bytes where {size - 1} are left"):
        UInt(size).decode(bytes(out) + b"after", 6, 5 + size)


def test_a_fixed_field_has_its_length() -> None:
    assert Fixed(3).decode(b"abcd", 0, 4) == (b"abc", 3)
    with pytest.raises(DecodeError):
        Fixed(3).decode(b"abcd", 2, 4)
    for wrong in (b"ab", b"abcd"):
        with pytest.raises(ConfigurationError):
            Fixed(3).encode(wrong, bytearray())


def test_the_rest_is_what_the_scope_leaves() -> None:
    assert Rest().decode(b"abcd", 1, 3) == (b"bc", 3)
    assert Rest().decode(b"abcd", 2, 2) == (b"", 2)


@pytest.mark.parametrize("kind", [PskKeyExchangeMode, NamedGroup])
def test_a_code_point_that_nobody_knows_survives(kind: type[CodePoint]) -> None:
    """Section 9.3: unrecognized values are ignored, so they must be readable."""
    codec = Enumerated(kind)
    for number in (0, 1, 0x0A, 2 ** (8 * kind.size) - 1):
        raw = number.to_bytes(kind.size, "big")
        value, end = codec.decode(raw, 0, kind.size)
        assert (value, end) == (number, kind.size)
        assert isinstance(value, kind)
        assert value.known == (number in kind._value2member_map_)
        out = bytearray()
        codec.encode(value, out)
        assert bytes(out) == raw
    with pytest.raises(DecodeError):
        codec.decode(bytes(kind.size), 1, kind.size)


def test_a_vector_reads_its_elements_inside_its_own_end() -> None:
    """The last element sticks out: refused, although the bytes are there."""
    codec = codec_for(Annotated[tuple[e.KeyShareEntry, ...], Vector(0, 2**16 - 1)])
    data = b"\0\6" + b"\0\x1d\0\2xy" + b"beyond"
    value, end = codec.decode(data, 0, len(data))
    assert end == 8
    assert value[0].key_exchange == b"xy"
    for length in (1, 3, 5, 7, 10):
        with pytest.raises(DecodeError):
            codec.decode(length.to_bytes(2, "big") + data[2:], 0, len(data))


def test_code_points_in_a_vector_are_whole() -> None:
    codec = codec_for(Annotated[tuple[CipherSuite, ...], Vector(2, 2**16 - 2)])
    assert codec.decode(b"\0\4\x13\1\x1a\x1a", 0, 6) == ((0x1301, 0x1A1A), 6)
    with pytest.raises(DecodeError, match="3 bytes cannot hold CipherSuite of 2 bytes each"):
        codec.decode(b"\0\3\x13\1\x13", 0, 5)
    one_byte = codec_for(Annotated[tuple[CipherSuite, ...], Vector(2, 254)])
    out = bytearray()
    one_byte.encode((CipherSuite(0x1301), CipherSuite(0xFFFF)), out)
    assert bytes(out) == b"\4\x13\1\xff\xff"
    with pytest.raises(ConfigurationError):
        codec.encode((), bytearray())


def test_an_error_says_where_it_was() -> None:
    with pytest.raises(
        DecodeError, match=r"KeyShareClientHello.client_shares: KeyShareEntry.key_exchange: a vector of 0"
    ):
        e.KeyShareClientHello.decode(b"\0\4\0\x1d\0\0")


def test_a_declaration_that_means_nothing_is_found_when_it_is_made() -> None:
    with pytest.raises(TypeError, match="no codec for"):

        class Wrong(Struct):
            field: int

    with pytest.raises(TypeError, match="missing or unknown"):
        e.KeyShareEntry(group=NamedGroup.x25519)


# --- the bounds of every vector -----------------------------------------------------------------------------

BOUNDS = [  # struct, field, floor, ceiling, one element as it stands on the wire
    (m.ClientHello, "legacy_session_id", 0, 32, b"x"),
    (m.ClientHello, "cipher_suites", 2, 2**16 - 2, b"\x13\1"),
    (m.ClientHello, "legacy_compression_methods", 1, 255, b"\0"),
    (m.ServerHello, "legacy_session_id_echo", 0, 32, b"x"),
    (m.HelloRetryRequest, "legacy_session_id_echo", 0, 32, b"x"),
    (m.EncryptedExtensions, "extensions", 0, 2**16 - 1, b"\x12\x34\0\1x"),
    (m.CertificateRequest, "certificate_request_context", 0, 255, b"x"),
    (m.CertificateRequest, "extensions", 0, 2**16 - 1, b"\x12\x34\0\1x"),
    (m.Certificate, "certificate_request_context", 0, 255, b"x"),
    (m.Certificate, "certificate_list", 0, 2**24 - 1, b"\0\0\1x\0\0"),
    (m.CertificateEntry, "cert_data", 1, 2**24 - 1, b"x"),
    (m.CertificateEntry, "extensions", 0, 2**16 - 1, b"\x12\x34\0\0"),
    (m.CertificateVerify, "signature", 0, 2**16 - 1, b"x"),
    (m.NewSessionTicket, "ticket_nonce", 0, 255, b"x"),
    (m.NewSessionTicket, "ticket", 1, 2**16 - 1, b"x"),
    (m.NewSessionTicket, "extensions", 0, 2**16 - 1, b"\x12\x34\0\1x"),
    (e.ClientVersions, "versions", 2, 254, b"\3\4"),
    (e.Cookie, "cookie", 1, 2**16 - 1, b"x"),
    (e.SignatureSchemeList, "supported_signature_algorithms", 2, 2**16 - 2, b"\4\3"),
    (e.SignatureSchemeListCert, "supported_signature_algorithms", 2, 2**16 - 2, b"\4\3"),
    (e.CertificateAuthoritiesExtension, "authorities", 3, 2**16 - 1, b"\0\1x"),
    (e.OIDFilter, "certificate_extension_oid", 1, 255, b"x"),
    (e.OIDFilter, "certificate_extension_values", 0, 2**16 - 1, b"x"),
    (e.OIDFilterExtension, "filters", 0, 2**16 - 1, b"\1x\0\0"),
    (e.NamedGroupList, "named_group_list", 2, 2**16 - 1, b"\0\x1d"),
    (e.KeyShareEntry, "key_exchange", 1, 2**16 - 1, b"x"),
    (e.KeyShareClientHello, "client_shares", 0, 2**16 - 1, b"\0\x1d\0\1x"),
    (e.PskKeyExchangeModes, "ke_modes", 1, 255, b"\1"),
    (e.PskIdentity, "identity", 1, 2**16 - 1, b"x"),
    (e.OfferedPsks, "identities", 7, 2**16 - 1, b"\0\1x\0\0\0\0"),
    (e.OfferedPsks, "binders", 33, 2**16 - 1, b"\x20" + bytes(32)),
    (e.HostNameEntry, "host_name", 1, 2**16 - 1, b"x"),
    (e.ServerNameList, "server_name_list", 1, 2**16 - 1, b"\0\0\1x"),
    (e.ProtocolNameList, "protocol_name_list", 2, 2**16 - 1, b"\1x"),
    (m.CompressedCertificate, "compressed_certificate_message", 1, 2**24 - 1, b"x"),
    (c.CertificateStatusRequest, "responder_id_list", 0, 2**16 - 1, b"x"),
    (c.CertificateStatusRequest, "request_extensions", 0, 2**16 - 1, b"x"),
    (c.CertificateStatus, "response", 1, 2**24 - 1, b"x"),
    (c.SignedCertificateTimestampList, "sct_list", 1, 2**16 - 1, b"\0\1x"),
    (c.CertificateCompressionAlgorithms, "algorithms", 2, 254, b"\0\1"),
    (c.ClientCertTypes, "client_certificate_types", 1, 255, b"\2"),
    (c.ServerCertTypes, "server_certificate_types", 1, 255, b"\2"),
    (c.DelegatedCredentialSchemes, "supported_signature_algorithms", 2, 2**16 - 2, b"\4\3"),
    (c.Credential, "ASN1_subjectPublicKeyInfo", 1, 2**24 - 1, b"x"),
    (c.DelegatedCredential, "signature", 0, 2**16 - 1, b"x"),
]
"""requirements.md, section 3, "Syntax bounds"; those of RFCs 6066, 7301, 8879, 6962, 7250 and 9345."""
ROWS = [pytest.param(*row, id=f"{row[0].__name__}.{row[1]}") for row in BOUNDS]
FROM_THE_ROOM_ABOVE = {
    ("ClientHello", "extensions"),
    ("ServerHello", "extensions"),
    ("HelloRetryRequest", "extensions"),
}
"""Their floors, 7 and 6, are judged as a version's: test_messages.py, "the version rule"."""


def test_every_vector_has_its_row() -> None:
    vectors = {(s.__name__, name) for s in structs() for name, codec in s.fields if isinstance(codec, Opaque)}
    assert vectors - FROM_THE_ROOM_ABOVE == {(struct.__name__, name) for struct, name, *_ in BOUNDS}


def read(codec: Codec, content: bytes, size: int, after: bytes = b"after") -> object:
    data = b"before" + len(content).to_bytes(size, "big") + content + after
    value, end = codec.decode(data, 6, len(data))
    assert end == 6 + size + len(content)
    return value


@pytest.mark.parametrize(("struct", "field", "floor", "ceiling", "element"), ROWS)
def test_the_bounds_of_a_vector(struct, field, floor, ceiling, element) -> None:
    codec, step = dict(struct.fields)[field], len(element)
    size = {1: 1, 2: 2, 3: 3}[(ceiling.bit_length() + 7) // 8]
    least, most = -(-floor // step) * step, min(ceiling, 2**16 - 1) // step * step
    if (floor, "extensions") != (0, field):  # the same extension many times over is for `judge`, not for the codec
        read(codec, element * (most // step), size)
    read(codec, element * (least // step), size)
    if floor:
        with pytest.raises(DecodeError, match=f"a vector of {floor - 1} bytes where <{floor}"):
            read(codec, bytes(floor - 1), size)
    if ceiling + 1 < 2 ** (8 * size):
        with pytest.raises(DecodeError, match=f"a vector of {ceiling + 1} bytes where <{floor}"):
            read(codec, bytes(ceiling + 1), size)
    if step > 1:
        with pytest.raises(DecodeError):
            read(codec, (element * (least // step + 1))[:-1], size)
        with pytest.raises(DecodeError):
            read(codec, element * (least // step + 1) + element[:1], size)


@pytest.mark.parametrize(("struct", "field", "floor", "ceiling", "element"), ROWS)
def test_what_is_out_of_bounds_is_not_written_either(struct, field, floor, ceiling, element) -> None:
    codec = dict(struct.fields)[field]
    if isinstance(codec, (e.ExtensionBlock, Vector)):
        value = read(codec, element * -(-max(floor, 1) // len(element)), codec.size)
        out = bytearray()
        codec.encode(value, out)
        assert bytes(out[codec.size :]) == element * -(-max(floor, 1) // len(element))
        if floor:
            with pytest.raises(ConfigurationError):
                codec.encode((), bytearray())
        return
    for length in {floor - 1, ceiling + 1} - {-1}:
        with pytest.raises(ConfigurationError):
            codec.encode(bytes(length), bytearray())


def test_the_elements_of_vectors_have_their_bounds_too() -> None:
    """DistinguishedName<1..2^16-1>, PskBinderEntry<32..255>, ProtocolName<1..2^8-1>."""
    for kind, raw in (
        (e.CertificateAuthoritiesExtension, b"\0\5\0\1x\0\0"),
        (e.ProtocolNameList, b"\0\3\1x\0"),
        (e.OfferedPsks, b"\0\7\0\1x\0\0\0\0" + b"\0\x41\x20" + bytes(32) + b"\x1f" + bytes(31)),
    ):
        with pytest.raises(DecodeError, match=r"a vector of (0|31) bytes"):
            kind.decode(raw)


# --- encode(decode(x)) == x, from the declarations ----------------------------------------------------------


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_what_is_written_is_read_back_and_written_the_same(struct) -> None:
    @settings(max_examples=40, deadline=None, database=None)
    @given(instances(struct))
    def check(value: Struct) -> None:
        raw = value.encode()
        again = struct.decode(raw)
        assert again == value
        assert hash(again) == hash(value)
        assert again.encode() == raw
        assert again.replace() == value
        if struct.fields and not isinstance(struct.fields[-1][1], Rest):
            for wrong in (raw[:-1], raw + b"\0"):
                with pytest.raises(DecodeError):
                    struct.decode(wrong)

    check()


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_any_bytes_are_a_struct_or_a_decode_error(struct) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(st.binary(max_size=60))
    def check(raw: bytes) -> None:
        try:
            value = struct.decode(raw)
        except DecodeError:
            return
        assert value.encode() in (raw, raw + b"\0\0")  # an older hello is given an empty block

    check()


def test_a_peer_cannot_fill_our_memory_with_numbers_of_its_own() -> None:
    """An unknown number that was sent is kept, because the next hello has it again; but not every one there is."""
    member = Enumerated(NamedGroup).member
    assert member(0x2345) is member(0x2345)
    seen = {number: member(number) for number in range(2**16)}
    assert all(made == number for number, made in seen.items())
    assert sum(member(number) is made for number, made in seen.items()) <= 1024


# --- what is kept of what peers send ------------------------------------------------------------------------


def test_a_peer_cannot_make_us_keep_much() -> None:
    """Lists and bodies that were read are kept for the next one who says the same: few, and short ones."""
    suites = dict(m.ClientHello.fields)["cipher_suites"]
    assert isinstance(suites, CodePointVector)
    for number in range(1000):
        codes = (number, 0x1301)
        assert suites.read[pack(">2H", *codes)] == codes
        assert suites.written[codes] == pack(">2H", *codes)
        assert e.ClientVersions.repeated[pack(">B2H", 4, *codes)].versions == codes
        for kept in (suites.read, suites.written, e.ClientVersions.repeated):
            assert len(kept) <= MOST_REPEATED
    long = bytes(2 * MOST_REPEATED)
    assert suites.read[long] == (0,) * MOST_REPEATED
    assert long not in suites.read
    with pytest.raises(DecodeError):
        e.ClientVersions.repeated[b""]
    assert b"" not in e.ClientVersions.repeated

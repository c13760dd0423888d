"""The handshake messages: RFC 9846, section 4, on RFC 8448's recorded ones and on what must be refused."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.vectors_reader import RFC8448, unhex
from tls13.errors import (
    Abort,
    AlertDescription,
    ConfigurationError,
    DecodeError,
    Downgrade,
    DuplicateExtension,
    MisplacedExtension,
    MissingExtension,
    NoVersionInRetry,
    ProtocolVersionError,
    VersionNotOffered,
)
from tls13.wire.codec import Nested, Opaque, Struct, Vector
from tls13.wire.extensions import BODIES, ExtensionBlock, Extensions, OfferedPsks, Place, PskIdentity, SelectedVersion
from tls13.wire.messages import (
    MESSAGES,
    RETRY_RANDOM,
    Certificate,
    CertificateEntry,
    CertificateRequest,
    ClientHello,
    HelloRetryRequest,
    ServerHello,
    decode_handshake,
    message_class,
)
from tls13.wire.registry import CipherSuite, ExtensionType, HandshakeType, ProtocolVersion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tls13.wire.codec import Codec

RECORDED = [
    pytest.param(unhex(message["bytes"]), message["type"], id=f"{trace}-{number}-{message['type']}")
    for trace in RFC8448
    for number, message in enumerate(RFC8448[trace]["messages"])
]
RAW = [param.values[0] for param in RECORDED]
NO_END_OF_ITS_OWN = {"Finished"}
"""verify_data is as long as the hash of the suite, which only the handshake knows: authentication.py checks it."""

CUT = (DecodeError, ProtocolVersionError, NoVersionInRetry)
"""A hello that ends where its extensions would begin is an older version's, and gets that version's answer."""


def framed(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def understood(raw: bytes) -> bytes:
    """Decode and judge; what the message is when it is written again."""
    message = decode_handshake(raw)
    message.judge()
    return message.to_handshake()


# --- what RFC 8448 recorded ------------------------------------------------------------------------------------------


def test_all_40_recorded_messages_are_here() -> None:
    assert len(RECORDED) == 40


@pytest.mark.parametrize(("raw", "name"), RECORDED)
def test_a_recorded_message_decodes_is_judged_good_and_encodes_to_the_same_bytes(raw, name) -> None:
    message = decode_handshake(raw)
    message.judge()
    assert type(message).__name__ == name
    assert message.to_handshake() == raw
    assert message == decode_handshake(raw)
    assert hash(message) == hash(decode_handshake(raw))


@pytest.mark.parametrize(("raw", "name"), RECORDED)
def test_a_message_that_ends_early_is_refused(raw, name) -> None:
    """Wherever it ends, with a header that agrees and with the old one."""
    for length in range(len(raw)):
        with pytest.raises(DecodeError):
            decode_handshake(raw[:length])
        if length >= 4 and name not in NO_END_OF_ITS_OWN:
            with pytest.raises(CUT):
                understood(framed(raw[0], raw[4:length]))


@pytest.mark.parametrize(("raw", "name"), RECORDED)
def test_a_byte_after_a_message_is_refused(raw, name) -> None:
    with pytest.raises(DecodeError):
        decode_handshake(raw + b"\0")
    if name not in NO_END_OF_ITS_OWN:
        with pytest.raises(DecodeError):
            decode_handshake(framed(raw[0], raw[4:] + b"\0"))


def length_fields(struct: type[Struct], data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    """Position and size of every length inside a struct, read off its declaration."""
    for _, codec in struct.fields:
        yield from _lengths_of(codec, data, at, end)
        _, at = codec.decode(data, at, end)


def _lengths_of(codec: Codec, data: bytes, at: int, end: int) -> Iterator[tuple[int, int]]:
    if isinstance(codec, Nested):
        yield from length_fields(codec.struct, data, at, end)
    if not isinstance(codec, Opaque):
        return
    yield at, codec.size
    at, stop = codec.scope(data, at, end)
    while isinstance(codec, Vector) and at < stop:
        yield from _lengths_of(codec.element, data, at, stop)
        _, at = codec.element.decode(data, at, stop)
    while isinstance(codec, ExtensionBlock) and at < stop:
        yield at + 2, 2
        number, length = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (0, 2))
        at += 4 + length
        if body := BODIES.get((codec.place, number)):
            yield from length_fields(body, data, at - length, at)


@pytest.mark.requirement("R260")
@pytest.mark.parametrize(("raw", "name"), RECORDED)
def test_every_length_is_exact(raw, name) -> None:
    """One less and one more: the bytes that are left over, or missing, are noticed."""
    kind = message_class(raw)
    assert kind is not None
    fields = list(length_fields(kind, raw, 4, len(raw)))
    assert fields or name in ("EndOfEarlyData", "Finished")
    for at, size in fields:
        length = int.from_bytes(raw[at : at + size], "big")
        for wrong in {max(0, length - 1), min(length + 1, 2 ** (8 * size) - 1)} - {length}:
            with pytest.raises(CUT):
                understood(raw[:at] + wrong.to_bytes(size, "big") + raw[at + size :])


@pytest.mark.parametrize(("raw", "name"), RECORDED)
def test_there_is_one_way_to_write_a_message(raw, name) -> None:
    """Whatever single byte changes, what is still accepted is written as it was read: nothing is lost or mended."""
    for at in range(4, len(raw)):
        for flip in (1, 0x80):
            changed = raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]
            with suppress(Abort):
                assert understood(changed) == changed


# --- any bytes at all ------------------------------------------------------------------------------------------------


@settings(max_examples=500, deadline=None)
@given(raw=st.binary(max_size=80))
@example(raw=b"")
@example(raw=b"\x01\0\0")
def test_any_bytes_give_a_message_or_an_abort(raw) -> None:
    with suppress(Abort):
        assert understood(raw) == raw


@settings(max_examples=500, deadline=None)
@given(
    kind=st.sampled_from(sorted(MESSAGES)),
    body=st.one_of(
        st.binary(max_size=120), st.tuples(st.sampled_from(RAW), st.binary(max_size=6), st.integers(0, 300))
    ),
)
def test_any_body_of_a_known_message_gives_a_message_or_an_abort(kind, body) -> None:
    if isinstance(body, tuple):
        recorded, patch, at = body
        kind, body = recorded[0], recorded[4 : 4 + at] + patch + recorded[4 + at + len(patch) :]
    raw = framed(kind, body)
    with suppress(Abort):
        assert understood(raw) == raw


def test_what_is_no_message_of_tls_1_3_is_refused() -> None:
    for kind in set(range(256)) - set(MESSAGES):
        assert message_class(framed(kind, b"")) is None
        with pytest.raises(DecodeError):
            decode_handshake(framed(kind, b""))


def test_a_message_longer_than_its_length_field_is_not_written() -> None:
    """Section 4: uint24 length. The list of certificates and the context together could pass it."""
    around = 1 + 3 + 2 * (3 + 2)  # the lengths of the context, of the list, and of both entries
    large, room = CertificateEntry(cert_data=bytes(2**23)), 2**24 - 1 - 2**23 - around
    for short, fits in ((room, True), (room + 1, False)):
        message = Certificate(certificate_list=(large, CertificateEntry(cert_data=bytes(short))))
        if fits:
            assert message.to_handshake()[:4] == b"\x0b\xff\xff\xff"
        else:
            with pytest.raises(ConfigurationError, match="16777216 bytes"):
                message.to_handshake()


# --- the version rule, which comes before everything else (section 4.3.1) --------------------------------------------


def client_hello(*extensions: tuple[int, bytes], tail: bytes | None = None) -> bytes:
    """A ClientHello with these extensions; `tail`: what stands in place of the block."""
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
    block = b"".join(n.to_bytes(2, "big") + len(d).to_bytes(2, "big") + d for n, d in extensions)
    return framed(1, body + (len(block).to_bytes(2, "big") + block if tail is None else tail))


def server_hello(*extensions: tuple[int, bytes], random: bytes = bytes(32), tail: bytes | None = None) -> bytes:
    body = b"\3\3" + random + b"\0" + b"\x13\1" + b"\0"
    block = b"".join(n.to_bytes(2, "big") + len(d).to_bytes(2, "big") + d for n, d in extensions)
    return framed(2, body + (len(block).to_bytes(2, "big") + block if tail is None else tail))


TLS_1_3 = (ExtensionType.supported_versions, b"\2\3\4")
SELECTED = (ExtensionType.supported_versions, b"\3\4")
RENEGOTIATION = (ExtensionType.renegotiation_info, b"\0")


def refuse(raw: bytes, offence: type[Abort], alert: AlertDescription) -> None:
    message = decode_handshake(raw)
    with pytest.raises(offence) as caught:
        message.judge()
    assert type(caught.value) is offence
    assert caught.value.alert == alert


@pytest.mark.parametrize(
    "raw",
    [
        client_hello(tail=b""),
        client_hello(tail=b"\0\0"),
        client_hello((ExtensionType.server_name, b"nonsense")),
        client_hello((ExtensionType.supported_versions, b"\2\3\3")),
        client_hello((ExtensionType.supported_versions, b"\4\x0a\x0a\3\3"), (0x1234, b""), (0x1234, b"")),
    ],
    ids=["no block", "empty block", "no supported_versions", "TLS 1.2 only", "TLS 1.2 only, and worse"],
)
def test_a_client_hello_of_an_older_version_gets_protocol_version(raw) -> None:
    """Appendix E.2; its extensions are not looked at."""
    refuse(raw, ProtocolVersionError, AlertDescription.protocol_version)


def test_a_client_hello_with_tls_1_3_among_others_is_accepted() -> None:
    understood(client_hello((ExtensionType.supported_versions, b"\x08\x7a\x7a\3\4\3\3\3\2")))


@pytest.mark.parametrize("versions", [b"", b"\0", b"\1\3", b"\3\3\4\3", b"\2\3\4\0", b"\4\3\4"])
def test_supported_versions_has_its_syntax(versions) -> None:
    refuse(client_hello((ExtensionType.supported_versions, versions)), DecodeError, AlertDescription.decode_error)


@pytest.mark.parametrize("tail", [None, b""], ids=["a block", "no block"])
def test_a_server_hello_of_tls_1_2_gets_protocol_version(tail) -> None:
    """Not illegal_parameter for an extension that TLS 1.2 allows there."""
    refuse(server_hello(RENEGOTIATION, tail=tail), ProtocolVersionError, AlertDescription.protocol_version)


@pytest.mark.parametrize("last", [b"DOWNGRD\1", b"DOWNGRD\0"])
def test_a_downgrade_is_seen(last) -> None:
    """Section 4.2.3: the sentinel in the Random of an older ServerHello."""
    raw = server_hello(RENEGOTIATION, random=bytes(24) + last)
    refuse(raw, Downgrade, AlertDescription.illegal_parameter)


def test_the_sentinel_means_nothing_elsewhere() -> None:
    understood(server_hello(SELECTED, random=bytes(24) + b"DOWNGRD\1"))
    raw = server_hello(RENEGOTIATION, random=b"DOWNGRD\1" + bytes(24))
    refuse(raw, ProtocolVersionError, AlertDescription.protocol_version)


@pytest.mark.parametrize("version", [0x0303, 0x0302, 0x0305, 0x7F1C, 0x0A0A])
def test_a_selected_version_that_nobody_offered_is_refused(version) -> None:
    """Section 4.3.1: prior to TLS 1.3 or not offered: illegal_parameter."""
    raw = server_hello((ExtensionType.supported_versions, version.to_bytes(2, "big")))
    refuse(raw, VersionNotOffered, AlertDescription.illegal_parameter)


@pytest.mark.requirement("R037")
def test_a_hello_retry_request_is_told_by_its_random() -> None:
    """Section 4.2.3: SHA-256 of "HelloRetryRequest"."""
    assert hashlib.sha256(b"HelloRetryRequest").digest() == RETRY_RANDOM
    retry = server_hello(SELECTED, random=RETRY_RANDOM)
    assert message_class(retry) is HelloRetryRequest
    assert message_class(server_hello(SELECTED, random=RETRY_RANDOM[:-1] + b"\0")) is ServerHello
    assert understood(retry) == retry
    assert decode_handshake(retry).extensions.place is Place.HRR  # type: ignore[attr-defined]


@pytest.mark.requirement("R044")
def test_a_hello_retry_request_needs_supported_versions() -> None:
    """Section 4.2.4: there is no HelloRetryRequest in older versions."""
    for extensions in ((), ((ExtensionType.cookie, b"\0\1x"),)):
        raw = server_hello(*extensions, random=RETRY_RANDOM)
        refuse(raw, NoVersionInRetry, AlertDescription.missing_extension)


# --- what else a message must say --------------------------------------------------------------------------------


@pytest.mark.requirement("R153")
def test_a_certificate_request_needs_signature_algorithms() -> None:
    """Section 4.4.2: an empty block is good syntax, and misses it."""
    for block in (b"\0\0", b"\0\4\x12\x34\0\0"):
        raw = framed(13, b"\0" + block)
        refuse(raw, MissingExtension, AlertDescription.missing_extension)
    understood(framed(13, b"\0\0\x08\0\x0d\0\4\0\2\4\3"))


def test_every_entry_of_a_certificate_is_judged() -> None:
    """Section 4.5.1."""
    good = b"\0\0\1x\0\0"
    for block, offence in (
        (b"\0\4\0\x2b\0\0", MisplacedExtension),
        (b"\0\x08\x12\x34\0\0\x12\x34\0\0", DuplicateExtension),
    ):
        entries = good + b"\0\0\1y" + block
        refuse(
            framed(11, b"\0" + len(entries).to_bytes(3, "big") + entries), offence, AlertDescription.illegal_parameter
        )


def test_judging_comes_after_decoding_and_before_using() -> None:
    message = decode_handshake(server_hello(SELECTED))
    assert isinstance(message, ServerHello)
    assert message.extensions.get(SelectedVersion) is None
    message.judge()
    assert message.extensions.get(SelectedVersion) == SelectedVersion(selected_version=ProtocolVersion.TLS1_3)


def test_messages_are_values() -> None:
    message = CertificateRequest(certificate_request_context=b"", extensions=Extensions((), Place.CR))
    assert message == message.replace()
    assert message != message.replace(certificate_request_context=b"x")
    with pytest.raises(AttributeError):
        message.certificate_request_context = b"x"
    with pytest.raises(TypeError, match="certificate_request_context"):
        CertificateRequest(extensions=Extensions((), Place.CR))
    with pytest.raises(TypeError, match="unknown: colour"):
        message.replace(colour="red")


def test_unknown_code_points_survive() -> None:
    """Section 9.3, and RFC 8701."""
    hello = decode_handshake(client_hello(TLS_1_3, (0x2A2A, b"grease"), (0x4321, b"")))
    assert isinstance(hello, ClientHello)
    changed = hello.replace(cipher_suites=(CipherSuite(0x1A1A), CipherSuite(0x00FF), CipherSuite(0x1301)))
    raw = changed.to_handshake()
    assert understood(raw) == raw
    assert decode_handshake(raw) == changed
    assert str(changed.cipher_suites[0]) == "GREASE_0x1a1a"


def test_the_kind_of_a_message_is_the_rfcs_number() -> None:
    for number, message in MESSAGES.items():
        assert message.msg_type == number == HandshakeType[message.msg_type.name]


def test_legacy_fields_are_constants() -> None:
    """Sections 4.2.2 and 4.2.3: what a middlebox looks at is always the same."""
    extensions = Extensions((), Place.CH)
    hello = ClientHello(random=bytes(32), legacy_session_id=b"", cipher_suites=(), extensions=extensions)
    assert hello.legacy_version == 0x0303
    assert hello.legacy_compression_methods == b"\0"
    for kind in (ServerHello, HelloRetryRequest):
        answer = kind.decode(server_hello(SELECTED)[4:]).replace(random=bytes(32))
        assert kind.defaults["legacy_version"] == answer.legacy_version == 0x0303
        assert kind.defaults["legacy_compression_method"] == answer.legacy_compression_method == 0
    assert HelloRetryRequest.defaults["random"] == RETRY_RANDOM


# --- binders ---------------------------------------------------------------------------------------------------------


def test_a_hello_with_its_binders_is_what_its_fields_say() -> None:
    """Section 4.3.11.2: a binder is over the message up to the list of binders. They are put into the encoded hello,
    and that is what an encoder would have made of them."""
    identities = tuple(PskIdentity(identity=name, obfuscated_ticket_age=7) for name in (b"one", b"another"))
    empty = OfferedPsks(identities=identities, binders=(bytes(32), bytes(48)))
    hello = ClientHello(
        random=bytes(32),
        legacy_session_id=b"",
        cipher_suites=(CipherSuite.TLS_AES_128_GCM_SHA256,),
        extensions=Extensions.of(Place.CH, SelectedVersion(selected_version=ProtocolVersion.TLS1_3), empty),
    )
    before = hello.to_handshake()
    seen: list[bytes] = []
    binders = (b"\x11" * 32, b"\x22" * 48)
    bound = hello.bound(lambda truncated: (seen.append(truncated), binders)[1])
    raw = bound.to_handshake()
    assert raw == ClientHello(**vars(bound)).to_handshake()
    assert ClientHello.decode(raw, 4) == bound
    assert raw == before[: -2 - 33 - 49] + b"\0\x52" + b"\x20" + binders[0] + b"\x30" + binders[1]
    assert seen == [before[: -2 - 33 - 49]]
    assert bound.extensions.get(OfferedPsks) == empty.replace(binders=binders)
    assert hello.to_handshake() == before


def test_a_hello_without_a_psk_has_nothing_to_bind() -> None:
    hello = ClientHello(random=bytes(32), legacy_session_id=b"", cipher_suites=(), extensions=Extensions((), Place.CH))
    assert hello.bound(lambda truncated: (truncated,)) is hello

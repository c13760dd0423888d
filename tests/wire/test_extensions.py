"""Extensions: RFC 9846, section 4.3. Which may stand where, once each, and nothing after their end."""

from __future__ import annotations

import pytest

from tls13.errors import AlertDescription, DecodeError, DuplicateExtension, MisplacedExtension, UnsupportedExtension
from tls13.wire import companions as c
from tls13.wire import extensions as e
from tls13.wire.extensions import ALLOWED, BODIES, Extensions, Place
from tls13.wire.messages import Certificate, CertificateRequest, ClientHello, NewSessionTicket, decode_handshake
from tls13.wire.registry import GREASE, ExtensionType, NamedGroup

CH, SH, HRR, EE, CR, CT, NST = Place
PLACES = [pytest.param(place, id=place.name) for place in Place]
UNKNOWN = (0x1234, 0x7F00, 0xFFFE, *sorted(GREASE))

GOOD = {  # one good body for each struct that is declared
    e.ClientVersions: "02 0304",
    e.SelectedVersion: "0304",
    e.Cookie: "0001 aa",
    e.SignatureSchemeList: "0002 0403",
    e.SignatureSchemeListCert: "0002 0804",
    e.CertificateAuthoritiesExtension: "0003 0001 30",
    e.OIDFilterExtension: "0000",
    e.PostHandshakeAuth: "",
    e.NamedGroupList: "0002 001d",
    e.KeyShareClientHello: "0000",
    e.KeyShareHelloRetryRequest: "001d",
    e.KeyShareServerHello: "001d 0001 aa",
    e.PskKeyExchangeModes: "01 01",
    e.EarlyDataIndication: "",
    e.EarlyDataTicket: "00004000",
    e.OfferedPsks: "0007 0001 aa 00000000 0021 20" + "00" * 32,
    e.SelectedPsk: "0000",
    e.ServerNameList: "0004 00 0001 61",
    e.ServerNameAcknowledged: "",
    e.ProtocolNameList: "0003 02 6832",
    e.Padding: "000000",
    c.RecordSizeLimit: "4001",
    c.CertificateStatusRequest: "01 0000 0000",
    c.CertificateStatusWanted: "",
    c.CertificateStatus: "01 000001 30",
    c.TimestampsWanted: "",
    c.SignedCertificateTimestampList: "0003 0001 00",
    c.CertificateCompressionAlgorithms: "02 0001",
    c.ClientCertTypes: "01 02",
    c.ClientCertType: "02",
    c.ServerCertTypes: "02 0200",
    c.ServerCertType: "02",
    c.DelegatedCredentialSchemes: "0002 0403",
    c.DelegatedCredential: "00000e10 0403 000001 30 0403 0000",
    c.CertWithExternPsk: "",
    c.ClientTicketRequest: "0201",
    c.ServerTicketRequestHint: "02",
}
KNOWN = [
    pytest.param(place, number, body, id=f"{place.name}-{body.__name__}") for (place, number), body in BODIES.items()
]


def judged(place: Place, *pairs: tuple[int, bytes]) -> Extensions:
    block = Extensions(pairs, place)
    block.judge()
    return block


# --- where -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("R058")
@pytest.mark.parametrize("place", PLACES)
def test_an_extension_is_refused_exactly_where_it_must_not_stand(place) -> None:
    """Section 4.3: illegal_parameter. The table itself is compared with the RFC's in test_presentation_language.py."""
    for number, places in ALLOWED.items():
        body = BODIES.get((place, number))
        data = bytes.fromhex(GOOD[body]) if body else b"anything"
        if place in places:
            assert judged(place, (number, data)).raw == ((number, data),)
            continue
        with pytest.raises(MisplacedExtension, match=f"{ExtensionType(number).name} in {place.value}") as caught:
            judged(place, (number, data))
        assert caught.value.alert == AlertDescription.illegal_parameter


@pytest.mark.requirement("R060")
@pytest.mark.parametrize("place", PLACES)
def test_the_same_extension_twice_is_refused_known_or_not(place) -> None:
    """Section 4.3: there MUST NOT be more than one of the same type in a block."""
    known = [(number, bytes.fromhex(GOOD[body])) for (where, number), body in BODIES.items() if where is place]
    for number, data in [*known, *((number, b"") for number in UNKNOWN)]:
        with pytest.raises(DuplicateExtension) as caught:
            judged(place, (number, data), (0x4321, b""), (number, data))
        assert caught.value.alert == AlertDescription.illegal_parameter


@pytest.mark.parametrize("place", PLACES)
def test_what_nobody_knows_is_ignored_and_kept(place) -> None:
    """Section 4.3, and 9.3: unrecognized extensions are ignored where they are requests."""
    pairs = tuple((number, bytes([number & 0xFF])) for number in UNKNOWN)
    assert judged(place, *pairs).raw == pairs
    assert not judged(place, *pairs).bodies()


def test_unknown_extensions_survive_a_round_trip_in_every_message_that_starts_anew() -> None:
    pairs = tuple((number, b"body") for number in UNKNOWN)
    for message in (
        ClientHello(
            random=bytes(32),
            legacy_session_id=b"",
            cipher_suites=(),
            extensions=Extensions(((43, b"\2\3\4"), *pairs), CH),
        ).replace(cipher_suites=(0x1301, 0x0A0A)),
        CertificateRequest(certificate_request_context=b"", extensions=Extensions(((13, b"\0\2\4\3"), *pairs), CR)),
        NewSessionTicket(
            ticket_lifetime=1, ticket_age_add=2, ticket_nonce=b"", ticket=b"t", extensions=Extensions(pairs, NST)
        ),
    ):
        raw = message.to_handshake()
        again = decode_handshake(raw)
        again.judge()
        assert again == message
        assert again.to_handshake() == raw


# --- what is answered must have been asked -------------------------------------------------------------------------


@pytest.mark.requirement("R057")
@pytest.mark.parametrize("place", [SH, HRR, EE, CT], ids=lambda place: place.name)
def test_an_answer_to_no_question_is_refused(place) -> None:
    """Section 4.3: unsupported_extension; unknown ones too, because nobody asked for them."""
    for number in (ExtensionType.supported_groups, 0x1234, 0x0A0A):
        block = Extensions(((ExtensionType.key_share, b""), (number, b"")), place)
        with pytest.raises(UnsupportedExtension, match=place.value) as caught:
            block.refuse_unasked({ExtensionType.key_share})
        assert caught.value.alert == AlertDescription.unsupported_extension
        block.refuse_unasked((ExtensionType.key_share, number))
    Extensions((), place).refuse_unasked(())


# --- bodies ------------------------------------------------------------------------------------------------------


def test_every_declared_body_has_a_good_example() -> None:
    assert set(BODIES.values()) == set(GOOD)
    for kind, text in GOOD.items():
        assert kind.decode(bytes.fromhex(text)).encode() == bytes.fromhex(text)


def test_the_bodies_that_are_opened_and_where() -> None:
    """One that is not opened here would be taken as it comes."""
    opened: dict[str, str] = {}
    for place, number in BODIES:
        name = ExtensionType(number).name
        opened[name] = f"{opened.get(name, '')} {place.name}".strip()
    assert opened == {
        "supported_versions": "CH SH HRR",
        "cookie": "CH HRR",
        "signature_algorithms": "CH CR",
        "signature_algorithms_cert": "CH CR",
        "certificate_authorities": "CH CR",
        "oid_filters": "CR",
        "post_handshake_auth": "CH",
        "supported_groups": "CH EE",
        "key_share": "CH HRR SH",
        "psk_key_exchange_modes": "CH",
        "early_data": "CH EE NST",
        "pre_shared_key": "CH SH",
        "server_name": "CH EE",
        "application_layer_protocol_negotiation": "CH EE",
        "padding": "CH",
        "record_size_limit": "CH EE",
        "status_request": "CH CR CT",
        "signed_certificate_timestamp": "CH CR CT",
        "compress_certificate": "CH CR",
        "client_certificate_type": "CH EE",
        "server_certificate_type": "CH EE",
        "delegated_credential": "CH CR CT",
        "tls_cert_with_extern_psk": "CH SH",
        "ticket_request": "CH EE",
    }


@pytest.mark.parametrize(("place", "number", "kind"), KNOWN)
def test_a_body_is_read_and_found_by_its_class(place, number, kind) -> None:
    data = bytes.fromhex(GOOD[kind])
    block = judged(place, (0x0A0A, b""), (number, data))
    assert block.get(kind) == kind.decode(data)
    assert block.bodies() == {number: kind.decode(data)}
    for other in GOOD:
        if other is not kind:
            assert block.get(other) is None


@pytest.mark.requirement("R055")
@pytest.mark.parametrize(("place", "number", "kind"), KNOWN)
def test_data_after_a_body_is_refused(place, number, kind) -> None:
    """Section 4.3: decode_error if there is data left over; padding has no end of its own."""
    data = bytes.fromhex(GOOD[kind])
    if kind is not e.Padding:
        with pytest.raises(DecodeError) as caught:
            judged(place, (number, data + b"\0"))
        assert caught.value.alert == AlertDescription.decode_error
        for length in range(len(data)):
            with pytest.raises(DecodeError):
                judged(place, (number, data[:length]))


def test_an_extension_that_we_do_not_implement_is_not_opened() -> None:
    """Section 4.3: trailing data does not matter to a receiver that ignores the extension."""
    for number in ALLOWED:
        for place in ALLOWED[number]:
            if (place, number) not in BODIES:
                judged(place, (number, b"\xff" * 9))


# --- the block ---------------------------------------------------------------------------------------------------


def test_a_block_keeps_the_order_of_the_wire() -> None:
    pairs = ((0xFFFF, b"a"), (0, b""), (0x0A0A, b"b"))
    block = Extensions(pairs, NST)
    assert block.types() == (0xFFFF, 0, 0x0A0A)
    assert tuple(block) == pairs
    assert len(block) == 3
    assert block.find(0x0A0A) == b"b"
    assert block.find(1) is None
    assert 0 in block
    assert 1 not in block
    assert block == Extensions(pairs, NST)
    assert hash(block) == hash(Extensions(pairs, NST))
    assert block != Extensions(pairs, CH)
    assert block != Extensions(pairs[::-1], NST)


def test_a_block_to_send_is_the_block_that_is_read() -> None:
    groups = e.NamedGroupList(named_group_list=(NamedGroup.x25519, NamedGroup(0x2A2A)))
    block = Extensions.of(CH, groups, e.PostHandshakeAuth())
    assert block.raw == ((10, b"\0\4\0\x1d\x2a\x2a"), (49, b""))
    assert block.get(e.NamedGroupList) is groups
    again = judged(CH, *block.raw)
    assert again == block
    assert again.get(e.NamedGroupList) == groups


def test_a_block_in_which_a_type_comes_twice_is_whole_until_it_is_judged() -> None:
    """The version is judged before (section 4.3.1), and whoever looks at the message sees what was sent."""
    pairs = ((0x1234, b"a"), (43, b"\2\3\4"), (0x1234, b"bc"))
    message = NewSessionTicket(
        ticket_lifetime=1, ticket_age_add=2, ticket_nonce=b"", ticket=b"t", extensions=Extensions(pairs, NST)
    )
    again = decode_handshake(message.to_handshake())
    assert again == message
    assert (again.extensions.raw, again.extensions.count, len(again.extensions)) == (pairs, 3, 3)
    assert again.to_handshake() == message.to_handshake()
    with pytest.raises(DuplicateExtension):
        again.judge()


def test_an_extension_that_comes_twice_is_found_in_one_pass() -> None:
    """A ClientHello has room for 16,000 of them, and whoever compares each with each works for seconds."""
    compared = 0

    class Counting(int):
        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return int(self) == other

        __hash__ = int.__hash__

    numbers = [*range(0x4000, 0x4000 + 2000), 0x4000 + 1999]
    block = Extensions(tuple((Counting(number), b"") for number in numbers), NST)
    with pytest.raises(DuplicateExtension):
        block.judge()
    assert compared < 10 * len(numbers)


def test_a_block_is_followed_by_more_extensions() -> None:
    """The first one stays as it is: it begins every ClientHello of a config."""
    groups, auth = e.NamedGroupList(named_group_list=(NamedGroup.x25519,)), e.PostHandshakeAuth()
    first = Extensions.of(CH, groups)
    longer = first.followed_by([auth])
    assert longer == Extensions.of(CH, groups, auth)
    assert longer.encoded() == Extensions(longer.raw, CH).encoded()
    assert (longer.get(e.NamedGroupList), longer.get(e.PostHandshakeAuth)) == (groups, auth)
    assert (first.types(), first.get(e.PostHandshakeAuth)) == ((10,), None)
    other = e.NamedGroupList(named_group_list=(NamedGroup.secp256r1,))
    replaced = longer.replacing(other, other.encode())
    assert replaced == Extensions.of(CH, other, auth)
    assert (replaced.get(e.NamedGroupList), longer.get(e.NamedGroupList)) == (other, groups)


def test_a_block_shows_what_it_holds() -> None:
    shown = repr(judged(CH, (ExtensionType.cookie, b"\0\1x"), (0x0A0A, b"\1\2")))
    assert shown == "Extensions(Cookie(cookie=b'x'), GREASE_0x0a0a: 0102)"


@pytest.mark.parametrize(
    "block", ["0001 00", "0003 000000", "0005 1234 0002 00", "0004 1234 0001", "0008 1234 0000 1234 00"]
)
def test_a_block_ends_with_its_last_extension(block) -> None:
    with pytest.raises(DecodeError):
        decode_handshake(b"\x08\0\0" + bytes([len(bytes.fromhex(block))]) + bytes.fromhex(block))


def test_each_entry_of_a_certificate_has_a_block_of_its_own() -> None:
    entry = bytes.fromhex("000001 78 0004 1234 0000")
    body = b"\0" + (2 * len(entry)).to_bytes(3, "big") + entry + entry
    message = decode_handshake(b"\x0b" + len(body).to_bytes(3, "big") + body)
    message.judge()
    assert isinstance(message, Certificate)
    assert [one.extensions.types() for one in message.certificate_list] == [(0x1234,), (0x1234,)]
    assert {one.extensions.place for one in message.certificate_list} == {CT}

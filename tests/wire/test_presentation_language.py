"""Every struct, rendered back into the RFC's presentation language and compared with the RFC's text.

The texts are read where they lie and not copied. Comments, white space and default values are left out of the
comparison, and 2^8-1 is 255. Where the RFC has a `select`, we have one class for each arm, and its fields must be that
arm's.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.errors import AlertDescription
from tls13.wire import companions, extensions, messages, registry
from tls13.wire.codec import Struct

RFC = SHARED / "reference" / "rfc"
pytestmark = pytest.mark.skipif(not RFC.is_dir(), reason=SHARED_IS_ABSENT)

OF_OTHER_TEXTS = {
    "ServerNameList": "rfc6066.txt",
    "HostNameEntry": "rfc6066.txt",
    "ProtocolNameList": "rfc7301.txt",
    "CompressedCertificate": "rfc8879.txt",
    "CertificateCompressionAlgorithms": "rfc8879.txt",
    "SignedCertificateTimestampList": "rfc6962.txt",
    "ClientCertTypes": "rfc7250.txt",
    "ClientCertType": "rfc7250.txt",
    "ServerCertTypes": "rfc7250.txt",
    "ServerCertType": "rfc7250.txt",
    "DelegatedCredentialSchemes": "rfc9846-numbered.md",
    "Credential": "rfc9345-source.draft-ietf-tls-subcerts.md",
    "DelegatedCredential": "rfc9345-source.draft-ietf-tls-subcerts.md",
    "CertWithExternPsk": "rfc8773.txt",
    "ClientTicketRequest": "rfc9149.txt",
    "ServerTicketRequestHint": "rfc9149.txt",
}
WITHOUT_A_STRUCT = {
    "ServerNameAcknowledged": "RFC 6066 says it in prose: the extension_data is empty",
    "CertificateStatusRequest": "RFC 6066 has the fields of its one arm in a struct of their own, OCSPStatusRequest",
    "CertificateStatus": "RFC 6066 has its one arm, OCSPResponse, as a vector type of its own",
    "RecordSizeLimit": "RFC 8449 says `uint16 RecordSizeLimit;`",
    "CertificateStatusWanted": "RFC 9846, section 4.5.1.1, says it in prose: empty",
    "TimestampsWanted": "RFC 6962 says it in prose: empty",
    "Padding": "RFC 7685 says it in prose: any number of zero bytes",
}
NOT_OURS = {
    "Handshake": "HandshakeMessage.to_handshake and Engine._next_message: the header of every message",
    "Extension": "ExtensionBlock reads and writes the pairs",
    "UncompressedPointRepresentation": "crypto/groups.py: 04 || X || Y",
    "Empty": "an arm without fields",
    "Alert": "two bytes, in connection.py",
    "TLSPlaintext": "record.py",
    "TLSInnerPlaintext": "record.py",
    "TLSCiphertext": "record.py",
    "ChangeCipherSpec": "record.py",
}


def structs() -> dict[str, type[Struct]]:
    found = {}
    for module in (extensions, companions, messages):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.__name__:
                found[name] = value
    for base in ("EncodedOnce", "ExtensionBody", "HandshakeMessage"):
        del found[base]
    return found


OURS = structs()


def normal(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    text = re.sub(r" = [0-9a-fx]+;", ";", text)
    text = text.replace("2^8-2", "254").replace("2^8-1", "255").replace("2^8", "256")
    text = re.sub(r"\bselect\(", "select (", text).replace(" <", "<")
    return re.sub(r"\s+", " ", text).strip()


@cache
def texts(name: str = "rfc9846-numbered.md") -> dict[str, str]:
    """Struct name -> its body in the RFC. In RFC 9846, appendix B, where every struct stands once."""
    whole = (RFC / name).read_text()
    if name.startswith("rfc9846"):
        whole = whole[whole.index("## B.1.") :]
    return {
        match["name"]: normal(match["body"])
        for match in re.finditer(r"struct \{(?P<body>(?:[^{}]|\{[^{}]*\})*)\} (?P<name>\w+);", whole)
    }


def rendered(kind: type[Struct]) -> str:
    match = re.fullmatch(r"struct \{(.*)\} (\w+);", kind.rfc(), re.DOTALL)
    assert match is not None
    return normal(match[1])


@pytest.mark.parametrize("name", [name for name in OURS if name not in WITHOUT_A_STRUCT])
def test_a_struct_is_the_rfcs(name) -> None:
    kind = OURS[name]
    text = texts(OF_OTHER_TEXTS.get(name, "rfc9846-numbered.md"))[kind.rfc_name]
    ours = rendered(kind)
    if "select (" not in text:
        assert ours.rstrip(";") == text.rstrip(";")
        return
    # Fields outside of the select stand as they are; one arm of it is ours.
    before, arms, after = re.fullmatch(r"(.*?)select \([\w.]+\) \{(.*?)\};?(.*)", text).groups()  # type: ignore[union-attr]
    bodies = [arm.strip() for arm in re.split(r"case [\w/ ]+:", arms) if arm.strip()]
    after = after.strip().removeprefix("name;").strip()
    candidates = [normal(f"{before} {_arm(body)} {after}") for body in bodies]
    assert ours in candidates, f"{ours!r} is none of {candidates}"


def _arm(body: str) -> str:
    """An arm is a field, or the name of a struct or a vector of its own."""
    if re.fullmatch(r"Empty;", body):
        return ""
    named = re.fullmatch(r"(\w+);", body)
    if named is None:
        return body
    return texts().get(named[1], {"HostName": "HostName host_name;"}.get(named[1], body))


@pytest.mark.parametrize("name", WITHOUT_A_STRUCT)
def test_what_has_no_struct_in_its_rfc_says_why(name) -> None:
    assert name in OURS
    assert not OURS[name].rfc_name.endswith("?")


def test_every_struct_of_rfc_9846_has_its_place() -> None:
    places = {kind.rfc_name for kind in OURS.values()}
    assert set(texts()) - places - set(NOT_OURS) == set()


def test_the_placement_of_extensions_is_the_rfcs_table() -> None:
    """Section 4.3: which extension may stand in which message."""
    whole = (RFC / "rfc9846-numbered.md").read_text()
    rows = re.findall(r"^\| (\w+)[^|]*\|\s*([A-Z, ]+?)\s*\|", whole, flags=re.MULTILINE)
    table = {name: places for name, places in rows if name in registry.ExtensionType.__members__}
    assert len(table) > 15
    for name, places in table.items():
        number = registry.ExtensionType[name]
        ours = {place.name for place in extensions.ALLOWED[number]}
        theirs = {place.strip() for place in places.split(",")} - {"-"}
        if name == "ech_outer_extensions":
            theirs = set()  # inside an encrypted ClientHello only (RFC 9849), never in one that we see
        assert ours == theirs, name


@pytest.mark.parametrize(
    ("enum", "kind"),
    [
        ("HandshakeType", registry.HandshakeType),
        ("NamedGroup", registry.NamedGroup),
        ("SignatureScheme", registry.SignatureScheme),
        ("ExtensionType", registry.ExtensionType),
        ("PskKeyExchangeMode", registry.PskKeyExchangeMode),
        ("KeyUpdateRequest", registry.KeyUpdateRequest),
        ("ContentType", registry.ContentType),
        ("AlertDescription", AlertDescription),
    ],
)
def test_the_numbers_are_the_rfcs(enum, kind) -> None:
    whole = (RFC / "rfc9846-numbered.md").read_text()
    appendix = whole[whole.index("## B.1.") :]
    body = next(
        match["body"]
        for match in re.finditer(r"enum \{(?P<body>[^{}]*)\} (?P<name>\w+);", appendix)
        if match["name"] == enum
    )
    numbers = {name: int(value, 0) for name, value in re.findall(r"(\w+)\((0x[0-9a-fA-F]+|\d+)\)", normal(body))}
    for name, number in numbers.items():
        if name in kind.__members__:
            assert kind[name] == number, name
        else:
            assert "RESERVED" in name or number not in set(kind), f"{name} has another name here"
    assert len(set(numbers) & set(kind.__members__)) >= 2

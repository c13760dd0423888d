"""What RFC 9846's appendix does not list: numbers, places and named types, against the texts that define them.

test_presentation_language.py compares with RFC 9846 itself. Here are the companions: a registry entry must stand as
`name(number)` in one of the RFCs, or with its number in a row of codepoints.md, which names the source of each.
"""

from __future__ import annotations

import re
from functools import cache

import pytest

from tests.vectors_reader import SHARED, SHARED_IS_ABSENT
from tls13.errors import AlertDescription
from tls13.wire import extensions, messages, registry
from tls13.wire.codec import Fixed, Opaque, Struct, Vector
from tls13.wire.extensions import ALLOWED, Place
from tls13.wire.registry import CodePoint, ExtensionType, ProtocolVersion

REFERENCE = SHARED / "reference"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=SHARED_IS_ABSENT)

KINDS = [
    value
    for value in vars(registry).values()
    if isinstance(value, type) and issubclass(value, CodePoint) and value not in (CodePoint, ProtocolVersion)
]
DEFINE_NAMED_TYPES = ("rfc9846-numbered.md", "rfc6066.txt", "rfc7301.txt")
PLACED_DIFFERENTLY = {
    "ech_outer_extensions": "RFC 9849: inside an encrypted ClientHello only, never in one that we see",
}


@cache
def numbers() -> set[tuple[str, int]]:
    """Every `name(number)` of every RFC."""
    texts = "\n".join(path.read_text(errors="replace") for path in sorted((REFERENCE / "rfc").iterdir()))
    return {(name, int(number, 0)) for name, number in re.findall(r"(\w+)\s*\((0x[0-9a-fA-F]+|\d+)\)", texts)}


@cache
def rows() -> list[tuple[set[str], set[int]]]:
    """The rows of codepoints.md: the names and the numbers in each of its first two columns, or in a short list."""
    text = (REFERENCE / "codepoints.md").read_text()
    cells = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("|")]
    lists = [[name, number] for name, number in re.findall(r"(\w+) (\d+)\b", text)]
    return [
        (set(re.findall(r"[A-Za-z]\w+", " ".join(pair))), {int(n, 0) for n in re.findall(r"0x\w+|\d+", " ".join(pair))})
        for pair in (*cells, *lists)
    ]


def is_written(name: str, number: int) -> bool:
    return (name, number) in numbers() or any(name in names and number in found for names, found in rows())


@pytest.mark.parametrize("kind", [*KINDS, AlertDescription], ids=lambda kind: kind.__name__)
def test_every_number_is_the_registrys(kind) -> None:
    unwritten = [member.name for member in kind if not is_written(member.name, int(member))]
    assert not unwritten
    assert not [member.name for member in kind if is_written(member.name, int(member) ^ 0x40)]  # the search is exact


def test_versions_count_on_from_ssl_3() -> None:
    """RFC 6101, 2246, 4346, 5246: {3, 0} to {3, 3}; RFC 9846, section 4.3.1: 0x0304."""
    assert [int(version) for version in ProtocolVersion] == [0x0300, 0x0301, 0x0302, 0x0303, 0x0304]
    assert [version.name for version in ProtocolVersion] == ["SSL3", "TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"]


def test_the_places_of_all_extensions_are_those_of_the_companions_too() -> None:
    """codepoints.md, section 4, of which RFC 9846's own table is a part."""
    text = (REFERENCE / "codepoints.md").read_text()
    table = text[text.index("## 4. Extensions") : text.index("## 5. ")]
    places = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) == 11 and (name := cells[1].split(" ")[0].strip("*")) in ExtensionType.__members__:
            places[name] = {place for place, cell in zip(Place, cells[2:9], strict=True) if "x" in cell}
    ours = {ExtensionType(number).name: set(allowed) for number, allowed in ALLOWED.items()}
    assert ours.keys() <= places.keys()
    for name in ours.keys() - PLACED_DIFFERENTLY.keys():
        assert ours[name] == places[name], name


def named_types() -> dict[str, Opaque | Fixed]:
    """The codecs that the RFCs give a name: `opaque Random[32]`, `opaque HostName<1..2^16-1>`."""
    everything = (*vars(extensions).values(), *vars(messages).values())
    found: dict[str, Opaque | Fixed] = {}
    for struct in everything:
        if isinstance(struct, type) and issubclass(struct, Struct):
            for _, codec in struct.fields:
                inner = codec.element if isinstance(codec, Vector) else codec
                if isinstance(inner, (Opaque, Fixed)) and inner.alias:
                    found[f"{struct.__name__}.{inner.alias}"] = inner
    return found


def test_the_named_types_are_as_long_as_their_texts_say() -> None:
    """`Random random;` looks the same whatever Random is."""
    texts = "".join((REFERENCE / "rfc" / name).read_text() for name in DEFINE_NAMED_TYPES).replace("2^8-1", "255")
    found = named_types()
    assert {"ClientHello.Random", "HostNameEntry.HostName", "OfferedPsks.PskBinderEntry"} <= found.keys()
    for name, codec in found.items():
        plain = Opaque(codec.floor, codec.ceiling) if isinstance(codec, Opaque) else Fixed(codec.size)
        assert plain.declaration(codec.alias) + ";" in texts, name

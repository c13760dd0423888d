"""The registries: numbers that we know have the RFC's name, and those that we do not know have a readable one."""

from __future__ import annotations

import copy
import pickle

import pytest

from tls13.wire import registry
from tls13.wire.registry import (
    CipherSuite,
    CodePoint,
    ContentType,
    ExtensionType,
    HandshakeType,
    NamedGroup,
    PskKeyExchangeMode,
)

KINDS = [
    value
    for value in vars(registry).values()
    if isinstance(value, type) and issubclass(value, CodePoint) and value is not CodePoint
]


def test_grease_is_what_rfc_8701_reserves() -> None:
    """Section 2: sixteen values with both bytes alike, ending in A; eight single bytes for PSK modes."""
    assert sorted(registry.GREASE) == [int(f"{n:x}a{n:x}a", 16) for n in range(16)]
    assert sorted(registry.GREASE_PSK_MODES) == [0x0B, 0x2A, 0x49, 0x68, 0x87, 0xA6, 0xC5, 0xE4]


@pytest.mark.parametrize(
    ("member", "name"),
    [
        (CipherSuite(0x1301), "TLS_AES_128_GCM_SHA256"),
        (CipherSuite(0xC02F), "unknown_0xc02f"),
        (NamedGroup(0x7A7A), "GREASE_0x7a7a"),
        (ExtensionType(0x0A0B), "unknown_0x0a0b"),
        (PskKeyExchangeMode(0x2A), "GREASE_0x2a"),
        (PskKeyExchangeMode(7), "unknown_0x07"),
        (ContentType(0x2A), "unknown_0x2a"),
        (HandshakeType(0x0A), "unknown_0x0a"),
    ],
)
def test_a_number_shows_what_it_is(member, name) -> None:
    assert str(member) == member.name == name


@pytest.mark.parametrize("kind", KINDS)
def test_every_number_that_fits_is_a_member_and_no_other(kind: type[CodePoint]) -> None:
    """Section 9.3: what is unknown must be readable; what cannot be written is a mistake of ours."""
    limit = 2 ** (8 * kind.size)
    for number in range(0, limit, 1 if kind.size == 1 else 257):
        member = kind(number)
        assert (member, member.value, type(member)) == (number, number, kind)
    for wrong in (-1, limit, "x"):
        with pytest.raises(ValueError, match="is not a valid"):
            kind(wrong)


def test_what_a_peer_invents_is_not_kept() -> None:
    """Else every connection could leave its numbers in our memory."""
    before = len(CipherSuite)
    for number in range(0x2000, 0x2100):
        assert not CipherSuite(number).known
        assert CipherSuite(number) is not CipherSuite(number)
    assert len(CipherSuite) == before


@pytest.mark.parametrize("number", [0x1301, 0xC02F, 0x1A1A])
def test_a_code_point_can_be_copied_and_pickled(number) -> None:
    suite = CipherSuite(number)
    for again in (copy.deepcopy(suite), pickle.loads(pickle.dumps(suite))):
        assert (again, str(again), type(again)) == (suite, str(suite), CipherSuite)

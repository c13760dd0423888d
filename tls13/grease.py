"""Looking ordinary and keeping the protocol supple: GREASE, shuffled extensions, a padded ClientHello.

A peer must ignore what it does not know (RFC 9846, section 9.3); those that do not are found only when the first new
number is deployed, and then it is too late. So a client sends numbers that will never mean anything, wherever a list
can grow (RFC 8701), and puts its extensions in another order each time. A peer that chooses such a number, or counts
positions, is broken, and fails now.

None of it changes between the two ClientHellos of one connection (RFC 9846, section 4.2.2), so it is drawn once.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from .wire.registry import (
    GREASE,
    GREASE_PSK_MODES,
    CipherSuite,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from .wire.extensions import Extensions

VALUES = sorted(GREASE)
PSK_MODES = sorted(GREASE_PSK_MODES)


class Grease:
    """The reserved values of one connection (RFC 8701, section 3.1), each in a tuple, to be put before a list."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        drawn = random(8)
        one, two, *_ = sorted(VALUES, key=lambda value: sha256(drawn + value.to_bytes(2, "big")).digest())
        self.cipher_suites: tuple[CipherSuite, ...] = (CipherSuite(VALUES[drawn[0] % 16]),)
        self.groups: tuple[NamedGroup, ...] = (NamedGroup(VALUES[drawn[1] % 16]),)
        self.versions: tuple[ProtocolVersion, ...] = (ProtocolVersion(VALUES[drawn[2] % 16]),)
        self.signature_schemes: tuple[SignatureScheme, ...] = (SignatureScheme(VALUES[drawn[3] % 16]),)
        self.protocols: tuple[bytes, ...] = (VALUES[drawn[4] % 16].to_bytes(2, "big"),)
        self.psk_modes: tuple[PskKeyExchangeMode, ...] = (PskKeyExchangeMode(PSK_MODES[drawn[5] % 8]),)
        self.extensions: tuple[tuple[int, bytes], ...] = ((one, b""), (two, b"\0"))
        """The first and the last extension: one empty, one not."""


class _NoGrease(Grease):
    def __init__(self) -> None:
        self.cipher_suites = self.groups = self.versions = self.signature_schemes = ()
        self.protocols = self.psk_modes = self.extensions = ()


NO_GREASE = _NoGrease()


def shuffled(block: Extensions, seed: bytes) -> Extensions:
    """In an order that depends on the seed alone, so that a second ClientHello repeats the first's."""
    return block.ordered(lambda number: sha256(seed + number.to_bytes(2, "big")).digest())

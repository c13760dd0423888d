"""Extensions: RFC 9846, section 4.3. Which may stand where, once each, and nothing after their end."""

from __future__ import annotations

import pytest

from tls13.errors import DuplicateExtension, MisplacedExtension
from tls13.wire.extensions import ALLOWED, Extensions, Place
from tls13.wire.registry import ExtensionType


@pytest.mark.parametrize("place", Place, ids=lambda place: place.name)
def test_the_same_extension_twice_is_refused_known_or_not(place) -> None:
    """Section 4.3: there MUST NOT be more than one of the same type in a block."""
    for number in (0x7A7A, 0x1234):
        with pytest.raises(DuplicateExtension):
            Extensions(((number, b""), (0x4321, b""), (number, b"other")), place).judge()


@pytest.mark.parametrize("place", Place, ids=lambda place: place.name)
def test_a_known_extension_in_the_wrong_message_is_refused(place) -> None:
    for number, places in ALLOWED.items():
        if place not in places:
            with pytest.raises(MisplacedExtension, match=ExtensionType(number).name):
                Extensions(((number, b""),), place).judge()

"""The handshake messages: RFC 9846, section 4, on RFC 8448's recorded ones and on what must be refused."""

from __future__ import annotations

import pytest

from tests.vectors_reader import RFC8448, unhex
from tls13.wire.messages import decode_handshake

RECORDED = [
    pytest.param(unhex(message["bytes"]), message["type"], id=f"{trace}-{number}-{message['type']}")
    for trace in RFC8448
    for number, message in enumerate(RFC8448[trace]["messages"])
]


def test_all_40_recorded_messages_are_here() -> None:
    assert len(RECORDED) == 40


@pytest.mark.parametrize(("raw", "name"), RECORDED)
def test_a_recorded_message_decodes_is_judged_good_and_encodes_to_the_same_bytes(raw, name) -> None:
    message = decode_handshake(raw)
    message.judge()
    assert type(message).__name__ == name
    assert message.to_handshake() == raw

"""Two connections, of which one breaks a rule of the record layer and the other is to notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Pair, PairMaker
    from tls13.wire.messages import HandshakeMessage

CCS, ALERT, HANDSHAKE, APPLICATION_DATA = 20, 21, 22, 23
ROLES = pytest.mark.parametrize("receiver", ["client", "server"])
"""Who is to notice."""


def same(message: HandshakeMessage) -> HandshakeMessage:
    return message


def plain(content_type: int, fragment: bytes, length: int | None = None) -> bytes:
    """An unprotected record; `length`: what its header says."""
    size = len(fragment) if length is None else length
    return bytes([content_type, 3, 3]) + size.to_bytes(2, "big") + fragment


class Duel:
    """A connected pair, of which one breaks a rule and the other is to notice."""

    def __init__(self, quick_pair, receiver: str, *, connected: bool = True) -> None:
        self.made: Pair = quick_pair(client_script=same, server_script=same)
        if connected:
            self.made.run()
        self.receiver = receiver
        self.judge = self.made.client if receiver == "client" else self.made.server
        self.breaker = self.made.server if receiver == "client" else self.made.client

    def seal(self, content_type: int, content: bytes) -> None:
        """A protected record that the writer by itself would refuse to make."""
        self.breaker._layer.writer.protect(content_type, content, self.breaker._layer.out)

    def expect(self, offence, *, told: bool = True) -> None:
        expect = self.made.expect_refusal_by_client if self.receiver == "client" else self.made.expect_refusal_by_server
        expect(offence, told=told)


def connected(quick_pair: PairMaker, receiver: str, **configs):
    """A connected pair; who breaks the rule; who is to notice."""
    made = quick_pair(client_script=same, server_script=same, **configs)
    made.run()
    return (made, made.server, made.client) if receiver == "client" else (made, made.client, made.server)

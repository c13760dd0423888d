"""The judge's own conversation goes well in every suite and group: else nothing it says means anything."""

from __future__ import annotations

import pytest

from tests.conformance.judge_client import Client, is_alive
from tests.conformance.wire import P256, P384, P521, X448, X25519, Hello


def test_a_conversation(port) -> None:
    is_alive(port)


@pytest.mark.parametrize("suite", [0x1301, 0x1302, 0x1303])
def test_each_suite(port, suite) -> None:
    with Client(port) as client:
        client.complete(Hello().change(suites=[suite])).echo()
        client.goodbye()


@pytest.mark.parametrize("group", [P256, P384, P521, X25519, X448])
def test_each_group(port, group) -> None:
    with Client(port) as client:
        client.complete(Hello([group])).echo()
        client.goodbye()

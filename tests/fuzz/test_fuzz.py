"""Whatever a peer sends, what comes of it has a name (see the package)."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz.conversations import Conversation, kinds

CONVERSATIONS = 6000


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_what_a_peer_sends_causes_documented_exceptions_only(part) -> None:
    """And they are many: a fuzzer whose changes are all noticed at the first byte finds nothing."""
    ends: Counter[str] = Counter()
    for number in range(part * CONVERSATIONS // 4, (part + 1) * CONVERSATIONS // 4):
        one = Conversation(number)
        one.run()
        ends.update(one.ends or ["nothing was wrong"])
    assert len(ends) > 20, ends
    assert ends["nothing was wrong"] < CONVERSATIONS // 8


@pytest.mark.parametrize("name", kinds())
def test_each_kind_of_conversation_succeeds_when_nothing_is_changed(name) -> None:
    one = Conversation(0)
    one.name, one.kind, one.injected = name, kinds()[name], False
    one.changed = {"client": set(), "server": set()}
    one.run()
    assert set(one.ends) <= {"TruncatedStream"}  # the end of the stream, where nobody has closed
    assert one.completed == {"client", "server"}

"""CPython's tests of `ssl` and of asyncio with TLS, and trio's, over tls13.SSLContext (interop/judges)."""

from __future__ import annotations

import pytest

from interop.judges.__main__ import lines
from interop.judges.court import Outcome, Ruling, hear, unexpected
from interop.trial import PeerMissing

GOALS = {"test_ssl": 0.85, "test_asyncio": 1.0, "trio": 0.96}
"""Of the tests that make a connection and need no older version. Of trio's, one wants tls-unique."""


@pytest.mark.slow
@pytest.mark.interop
@pytest.mark.parametrize("judge", GOALS)
def test_a_judge_finds_what_its_file_says_and_enough_of_it(judge) -> None:
    try:
        ruling = hear(judge)
    except PeerMissing as missing:
        pytest.skip(str(missing))
    said = "\n".join(lines(ruling, verbose=False))
    assert not ruling.unexpected_failures, said
    assert not ruling.unexpected_passes, said
    passed, subject = ruling.counted()
    assert passed >= GOALS[judge] * subject, said


def test_a_failure_without_a_reason_and_a_pass_with_one_are_both_told() -> None:
    outcomes = {
        "fails": Outcome("fail", "", True),
        "hangs": Outcome("hang", "", True),
        "is skipped": Outcome("skip", "", True),
        "may fail": Outcome("fail", "", True),
        "passes": Outcome("pass", "", True),
        "was forgiven": Outcome("pass", "", True),
    }
    reasons = {"may fail": "older", "was forgiven": "older"}
    ruling = unexpected(Ruling("judge", outcomes, set(outcomes), reasons, {"older": "they are old"}))
    assert ruling.unexpected_failures == ["fails", "hangs", "is skipped"]
    assert ruling.unexpected_passes == ["was forgiven"]
    assert ruling.counted() == (1, 4)

"""Every feature that another TLS stack knows, used with it: real connections, in both directions."""

from __future__ import annotations

import pytest

from interop.features.every import EVERY
from interop.features.registry import FEATURES, Feature, Peer, Table
from interop.trial import Disagreement, PeerMissing


@pytest.mark.interop
@pytest.mark.parametrize("feature", [pytest.param(feature, id=str(feature)) for feature in EVERY])
def test_every_feature_with_every_peer(feature):
    try:
        feature.meet()
    except PeerMissing as missing:
        pytest.skip(str(missing))


def test_the_table_says_what_failed_and_why_in_one_line_and_what_was_not_tried():
    def fail():
        raise Disagreement("they spoke\nof different things")

    def miss():
        raise PeerMissing("nobody is here")

    table = Table()
    for name, meet in zip(FEATURES, (fail, miss, lambda: None), strict=False):
        table.run(Feature(name, "somebody", True, meet))
    lines = list(table.lines())
    marks = [line.removeprefix(name).strip() for name, line in zip(FEATURES[:3], lines[1:4], strict=True)]
    assert marks == ["FAILED", "-", "yes"]
    assert f"FAILED {FEATURES[0]}, somebody server: Disagreement: they spoke of different things" in lines
    assert (table.failed, table.missing) == (1, 1)


def test_a_feature_has_a_row():
    with pytest.raises(ValueError, match="no row"):
        Peer("somebody").server("telepathy")

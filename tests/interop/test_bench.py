"""The benchmark compares like with like, and its arithmetic is right. Nothing here asserts how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from interop.bench.measure import NotTheSame, Result, compare


def test_a_ratio_is_the_median_of_those_of_the_rounds_and_the_stacks_take_turns():
    turns = []

    def stack(name, *seconds):
        values = iter(seconds)

        def sample():
            turns.append(name)
            return next(values)

        return sample

    results = compare({"ssl": stack("ssl", 1.0, 10.0, 1.0), "other": stack("other", 2.0, 5.0, 8.0)}, 3)
    assert results["ssl"].ratio == 1.0
    assert results["other"].ratio == 0.5  # of 0.5, 2.0 and 0.125; the ratio of the medians would be 0.2
    assert results["other"].value == 5.0
    assert turns == ["ssl", "other", "other", "ssl", "ssl", "other"]  # nobody always comes first


def test_more_is_better_for_a_ratio_and_less_for_memory_and_import():
    pytest.importorskip("siotls", reason="the extra bench is not installed")
    from interop.bench.rows import row_named

    assert row_named("ECDSA P-256").reached(Result(ratio=1.0, value=1e-3)) == pytest.approx(1.0 / 1.25)
    assert row_named("memory").reached(Result(ratio=3.0, value=32 * 1024)) == pytest.approx(0.5)
    assert row_named("import").reached(Result(ratio=0.4, value=0.25)) == pytest.approx(1.25 / 2.5)


@pytest.mark.filterwarnings("ignore:The async.* module is deprecated:DeprecationWarning")  # tlslite-ng loads it
def test_a_handshake_that_does_not_resume_is_not_measured_as_a_resumption():
    pytest.importorskip("siotls", reason="the extra bench is not installed")
    from interop.bench.stacks import stack_named
    from interop.bench.works import RESUMPTION, handshakes

    handshakes(RESUMPTION)(stack_named("tls13"))(2)
    with pytest.raises(NotTheSame, match="siotls did not resume"):
        handshakes(RESUMPTION)(stack_named("siotls"))(1)


@pytest.mark.interop
def test_every_row_runs_and_the_numbers_and_the_picture_can_be_kept(tmp_path):
    file, picture = tmp_path / "numbers.json", tmp_path / "picture.svg"
    command = [sys.executable, "-m", "interop.bench", "--quick", "--json", str(file), "--plot", str(picture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept = json.loads(file.read_text())
    assert "ssl: OpenSSL" in done.stdout
    for key, row in kept["rows"].items():
        assert row["title"] in done.stdout
        assert "tls13" in row["stacks"], key
        assert ("floor" in row["stacks"]) == (key not in ("TCP", "aio", "memory", "import", "workers"))
    drawn = "".join(ElementTree.parse(picture).getroot().itertext())
    assert "handshake, RSA-2048" in drawn


@pytest.mark.interop
def test_growth_is_measured_at_three_sizes_each(tmp_path):
    file = tmp_path / "growth.json"
    command = [sys.executable, "-m", "interop.bench", "--growth", "--quick", "--json", str(file)]
    subprocess.run(command, capture_output=True, text=True, check=True)
    tables = json.loads(file.read_text())["growth"]
    assert [len(table) >= 3 for table in tables.values()] == [True] * 4

"""The benchmark compares like with like, and its arithmetic is right. Nothing here asserts how fast anything is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from interop.bench.measure import compare


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
    assert results["other"].seconds == 5.0
    assert turns == ["ssl", "other"] * 3


@pytest.mark.interop
def test_every_row_runs_and_the_numbers_can_be_kept(tmp_path):
    file = tmp_path / "numbers.json"
    command = [sys.executable, "-m", "interop.bench", "--quick", "--json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    kept = json.loads(file.read_text())
    assert "ssl: OpenSSL" in done.stdout
    for key, row in kept["rows"].items():
        assert row["title"] in done.stdout
        assert {"ssl", "tls13", "pyOpenSSL"} <= set(row["stacks"]), key

"""The measurement of `netpress shrink` beside others, for a moment: its files, its rows, its bar."""

import pytest

from netpress import benchmarks
from netpress.benchmarks import shrink


@pytest.mark.slow
def test_ours_and_theirs_are_in_one_record(tmp_path, monkeypatch):
    pytest.importorskip("torch_pruning")
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path))
    record = shrink.measure(toy=True)
    assert {row["by"] for row in record["rows"]} >= {"original", "netpress", "torch-pruning"}
    assert {row["file"] for row in record["rows"]} == {"fp32", "int8"} and all(row["ms"] > 0 for row in record["rows"])
    assert len(record["bars"]) == 1 and "shrink" in benchmarks.LONG


def test_the_fastest_within_the_budget_is_compared():
    rows = [
        {"seed": 0, "by": "netpress", "ms": 2.0, "lost": 0.9}, {"seed": 0, "by": "netpress", "ms": 1.0, "lost": 3.0},
        {"seed": 0, "by": "torch-pruning", "ms": 1.0, "lost": 1.1},
        {"seed": 0, "by": "original", "ms": 3.0, "lost": 0.0},
    ]  # fmt: skip
    assert shrink.faster(rows, 0) == 1.5

"""What the page on speed says of GPUs."""

import pandas as pd
import pytest

from netpress.book import devices_page

METHODS = {"a": 0.5, "b": 0.7}


def runs() -> pd.DataFrame:
    """Two methods on a processor (seeds 0 and 1) and a point better on a GPU (2 and 3), where a third one ran too, and
    where one method has a seed of its own."""
    seeds = [(seed, "cpu", -0.01 * seed) for seed in (0, 1)] + [
        (seed, "cuda", 0.01 - 0.01 * (seed - 2)) for seed in (2, 3)
    ]
    rows = [(f"{m}-s{seed}", seed, kind, best + off) for seed, kind, off in seeds for m, best in METHODS.items()]
    rows += [("c-s2", 2, "cuda", 0.9), ("a-s4", 4, "cuda", 0.1)]
    frame = pd.DataFrame(rows, columns=["name", "seed", "kind", "last"])
    return frame.assign(paper="triage", dataset="mnist", status="done", time="2026-01-01T12:00:00+00:00", took=60.0)


def test_only_methods_and_seeds_that_both_have_are_compared() -> None:
    (row,) = devices_page.compared(runs())
    assert (row["data set"], row["methods"]) == ("MNIST", 2)
    assert row["processor"].mean == pytest.approx(59.5) and row["GPU"].mean == pytest.approx(60.5)
    assert (row["processor"].n, row["GPU"].n) == (2, 2)
    assert row["GPU less processor"].mean == pytest.approx(1) and row["GPU less processor"].low < 0


def test_without_a_gpu_there_is_nothing_to_compare() -> None:
    assert not list(devices_page.compared(runs().query("kind == 'cpu'")))


def test_what_was_trained_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = runs().iloc[:0]
    made = {"triage": runs().assign(device="H100"), "pyramid": empty, "compressing": empty}
    monkeypatch.setattr(devices_page, "every", lambda paper: made[paper])
    monkeypatch.setattr(devices_page.results, "read", lambda *_: None)
    said = devices_page.on_a_gpu()
    assert said.startswith(
        "6 networks of the edition small were trained on H100, up to 6 at once and in 60 s on the clock"
    )
    monkeypatch.setattr(devices_page, "every", lambda paper: empty)
    assert devices_page.on_a_gpu().startswith("Nothing was done on a GPU yet")

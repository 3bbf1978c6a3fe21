"""How fast a network settles: curves whose answer can be read off."""

import math
from dataclasses import replace

import invented
import numpy as np
import pandas as pd
import pytest
import sweeps

from netpress import papers, sweep
from netpress.book import search_page
from netpress.papers.triage import convergence
from netpress.runs import records
from netpress.training.stage import Stage


def curve(accuracies, step=10):
    return [[step * (i + 1), accuracy] for i, accuracy in enumerate(accuracies)]


FLAT = curve([0.1, 0.3, 0.5, 0.7] + [0.8] * 16)


def test_the_final_level_is_the_mean_of_the_last_fifth():
    rising = curve(np.linspace(0.1, 1.0, 10))
    assert convergence.final_level(rising) == pytest.approx((0.9 + 1.0) / 2)


def test_a_network_settles_when_its_smoothed_accuracy_stays_near():
    # smoothed: 0.167, 0.3, 0.5, 0.667, 0.767, 0.8, ... so the sixth measurement is the first that stays within a point
    assert convergence.smoothed(FLAT)[:6] == pytest.approx([0.5 / 3, 0.3, 0.5, 2 / 3, 2.3 / 3, 0.8])
    assert convergence.settled(FLAT) == 60
    late = curve([0.8] * 10 + [0.6] + [0.8] * 9)
    assert convergence.settled(late) == 130  # a dip undoes what was reached before
    assert convergence.settled(curve([0.5] * 8)) == 10


def test_the_parents_level_less_a_point():
    assert convergence.reached(FLAT, 0.81) == 60
    assert convergence.reached(FLAT, 0.5) == 30
    assert math.isnan(convergence.reached(FLAT, 0.9))


def test_what_still_rises_is_seen():
    assert convergence.drift(FLAT) == pytest.approx(0)
    rising = curve(np.linspace(0.0, 0.99, 100))
    assert convergence.drift(rising) == pytest.approx(0.1)


def test_the_frame_counts_in_epochs():
    runs = pd.DataFrame({"curve": [FLAT, None], "final_epochs": [4, 4], "baseline": [0.81, 0.81]})
    found = convergence.with_settling(runs)
    assert found["settled"].tolist()[0] == pytest.approx(60 / 50)  # 200 steps in 4 epochs
    assert found["rate"].tolist()[0] == pytest.approx(50 / 60)
    assert found["settled"].isna().tolist() == [False, True]


def test_looking_on_the_way_changes_nothing(tmp_path, monkeypatch):
    """Dropout and BatchNorm train on as if nobody had looked; what was seen is kept, every epoch's end included."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    network = {"model": "vgg16", "width": 1 / 32, "images": 96}
    plain = Stage("train", epochs=2, batch_size=32, schedule="constant", lr=0.01)
    runs = [
        sweeps.tiny(name, steps=(replace(plain, looks=looks),), **network)
        for name, looks in (("unseen", ()), ("seen", (1, 2, 4)))
    ]
    sweep.ensure(runs, sweeps.EDITION, tmp_path / "results", workers=1)
    unseen, seen = (records.read(records.path_of(run, sweeps.EDITION, tmp_path / "results")) for run in runs)
    assert unseen["weights_sha256"] == seen["weights_sha256"]
    assert [step for step, _ in seen["curve"]] == [1, 2, 3, 4, 6]
    ends = [accuracy for step, accuracy in seen["curve"] if step in (3, 6)]
    assert ends == [row["test_accuracy"] for row in unseen["history"]]
    assert "curve" not in unseen and "looks" not in unseen["history"][0]


def test_how_long_networks_settle_is_read_from_curves() -> None:
    """Twenty epochs of two steps; ended after ten, its last fifth is epochs 9 and 10: 0.55 less 0.5."""
    curve = [[2.0 * n, 0.5 if n < 10 else 0.55 if n == 10 else 0.6] for n in range(1, 21)]
    record = {"curve": curve, "run": {"steps": [{"epochs": 20}]}}
    assert search_page.drift_after(record, 10) == pytest.approx(5.0)
    assert search_page.drift_after(record, 20) == pytest.approx(0.0)


def test_parents_of_one_edition_do_not_hide_those_of_another(tmp_path, monkeypatch) -> None:
    """Each gains in its last epoch what is planted, in points: 3 in small, at first 0 in large."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    monkeypatch.setattr(papers, "shown", lambda paper, edition: papers.grid(paper, edition))

    def parent(edition: str, gain: float) -> None:
        run = next(run for run in papers.grid("triage", edition, ("cifar10",)) if run.method == "parent")
        content = invented.content(run, 0.8)
        rows = [row | {"test_accuracy": 0.8} for row in content["history"]]
        rows[-1]["test_accuracy"] += gain / 100
        records.write(run, edition, content | {"history": rows}, tmp_path)

    parent("small", 3.0)
    assert "by VGG16 on CIFAR-10 (3.00)." in search_page.unsettled_text("triage")
    parent("large", 0.0)
    assert "by VGG16 on CIFAR-10 (edition small: 3.00)." in search_page.unsettled_text("triage")
    assert search_page.unsettled_text("triage", "large").startswith("No parent shown here gained more")
    parent("large", 2.0)
    both = "VGG16 on CIFAR-10 in Deep Net Triage (edition {}: {})".format
    assert f"by {both('small', '3.00')} and {both('large', '2.00')}." in search_page.unsettled_text()

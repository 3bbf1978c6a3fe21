"""How fast a network settles: curves whose answer can be read off."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import sweeps

from netpress.papers.triage import first_steps, with_settling
from netpress.runs import records, sweep
from netpress.training.stage import Stage


def curve(accuracies, step=10):
    return [[step * (i + 1), accuracy] for i, accuracy in enumerate(accuracies)]


FLAT = curve([0.1, 0.3, 0.5, 0.7] + [0.8] * 16)


def test_first_passage_is_at_99_percent_of_the_mean_of_the_last_fifth():
    # smoothed: 0.167, 0.3, 0.5, 0.667, 0.767, 0.8, ... and 99 % of 0.8 is 0.792
    assert first_steps(FLAT, 0.81) == (60, 60)
    assert first_steps(FLAT, 0.5)[1] == 30
    assert math.isnan(first_steps(FLAT, 0.9)[1])
    assert first_steps(curve([0.8] * 10 + [0.6] + [0.8] * 9), 0)[0] == 10  # a later dip is no convergence
    rising = curve(np.linspace(0.1, 1.0, 10))  # its final level is 0.95, smoothed 0.967 at the end
    assert first_steps(rising, 0)[0] == 100


def test_the_frame_counts_in_epochs():
    runs = pd.DataFrame({"curve": [FLAT, None], "final_epochs": [4, 4], "baseline": [0.81, 0.81]})
    found = with_settling(runs)
    assert found["passage"].tolist()[0] == pytest.approx(60 / 50)  # 200 steps in 4 epochs
    assert found["rate"].tolist()[0] == pytest.approx(50 / 60)
    assert found["passage"].isna().tolist() == [False, True]


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

"""The measurements of `netpress shrink`: both arms train the very same networks, and what is picked is recorded."""

from dataclasses import replace

import pytest

from netpress import benchmarks
from netpress.benchmarks import arms as both_arms
from netpress.benchmarks import shrink, shrink_cost
from netpress.book import benchmark_page
from netpress.training.cache import Cache
from netpress.training.compute import plain
from netpress.training.loop import train
from netpress.training.stage import Stage

STILL = {"lr": 0.0, "epochs": 1}  # one batch of all 64 images, and nothing learnt: losses depend on no order
KEYS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (both_arms, shrink, shrink_cost):
        monkeypatch.setattr(module, "source", lambda: "digits")


def test_the_plain_loop_trains_the_same_resnet(digits):
    """In float32 both tell the same losses and accuracies: whole, frozen, and imitating."""
    with shrink_cost.resnets(64) as warm:
        both = replace(warm, config=plain())
        parent = both.network(shrink_cost.MODEL, seed=1).requires_grad_(False).eval()
        cases = [
            ("train", Stage("whole", **STILL), "", None),
            ("train", Stage("frozen", trains=("layer3",), **STILL), "+layer3", None),
            ("imitate", Stage("imitate", loss="block-l2", at="layer4", trains=("layer4",), teacher="parent",
                              optimiser="adam", weight_decay=0.0, **STILL), "+layer4", parent),
        ]  # fmt: skip
        for task, stage, ending, teacher in cases:
            model = shrink_cost.MODEL + ending
            network = both.network(model)
            taught = {"teacher": shrink_cost.MODEL, "taught": teacher} if teacher else {}
            theirs = both.theirs(task, model, stage, network, **taught)["history"][0]
            ours = train(stage, network, both.feed(stage, network, teacher, Cache(2**30)), both.config, 0)[0]
            told = {key: theirs[key] for key in KEYS if key in theirs and ours[key] is not None}
            assert told and told == pytest.approx({key: ours[key] for key in told}, rel=1e-4)


def test_all_18_networks_are_in_the_triage(digits):
    runs = shrink_cost.networks(64)
    assert len(runs) == 18 and not any(run.measures for run in runs)
    assert all(need in runs for run in runs for _, need in run.needs)


def test_what_is_picked_is_recorded_and_goes_on(digits, folder, monkeypatch, capsys):
    edition = "demo+epochs=1+imitation_epochs=1+parent_epochs=2+tune_epochs=1"
    monkeypatch.setattr(shrink, "EDITION", edition)
    monkeypatch.setattr(shrink, "SEEDS", (0,))
    monkeypatch.setattr(shrink, "PX", 16)
    monkeypatch.setattr(shrink, "NETWORKS", {"netpress:small_resnet": 50.0})
    record = shrink.measure()
    (first, *_) = record["bars"]
    assert first["met"] is False and first["bar"] == "at least 50"
    (network,) = record["networks"]
    assert [step["kind"] for step in network["steps"]][:3] == ["replaced"] * 3
    kept = [step["what"] for step in network["steps"] if step["kind"] == "replaced" and not step["taken"]]
    assert (record["why"] is None) == (not kept) and all(name in (record["why"] or "") for name in kept)
    monkeypatch.setattr(benchmark_page, "record", lambda name: record)
    table = benchmark_page.table_shrunk().to_frame().reset_index()
    assert list(table["network"]) == ["netpress:small_resnet"]
    assert table["as it was"][0] == pytest.approx(100 * network["tests"]["parent"][0])
    trained = {p: p.stat().st_mtime_ns for p in (folder / "results").rglob("*-s0.json")}
    again = shrink.measure()
    assert again["bars"] == record["bars"] and {p: p.stat().st_mtime_ns for p in trained} == trained
    assert "shrink" in benchmarks.LONG and "shrink" in benchmarks.MEASUREMENTS

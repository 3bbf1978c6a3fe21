"""The measurements of `netpress shrink`: both arms train the very same networks, and what is picked is recorded."""

from dataclasses import replace

import pytest

from netpress.benchmarks import arms as both_arms
from netpress.benchmarks import shrink, shrink_cost
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

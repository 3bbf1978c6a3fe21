"""The grid of the first paper, its stages, and what a shared beginning saves."""

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest

from netpress import papers
from netpress.errors import UserError
from netpress.papers import triage
from netpress.papers.triage import figures
from netpress.papers.triage.claims import CLAIMS
from netpress.runs import sweep
from netpress.runs.run import fingerprint


@pytest.mark.parametrize(
    ("edition", "seeds", "networks"),
    [  # fresh seeds have the control in two views, and ten networks in the second
        ("demo", [0], 32),
        ("small", range(7), 124),
        ("small", range(9, 10), 124 + 4 + 2 * 11),  # one seed on two data sets
        ("small", range(10, 13), 124 + 4),
        ("large", range(9, 15), 124 + 4 * 12),
        ("paper", range(9, 15), 124 + 4 * 12),
    ],
)
def test_networks_per_seed(edition, seeds, networks):
    runs = [run for run in papers.grid("triage", edition) if run.stages[-1].schedule != "constant"]
    found = Counter(run.seed for run in runs)
    assert {seed: found[seed] for seed in seeds} == dict.fromkeys(seeds, networks)
    assert len({run.name for run in runs}) == len({run.fingerprint for run in runs}) == len(runs)


def test_fresh_seeds_are_as_many_as_was_planned_on_each_data_set():
    runs = [run for run in papers.grid("triage", "small") if run.method == "parent" and run.seed >= 9]
    assert Counter(run.dataset for run in runs) == {"mnist": 8, "cifar10": 5, "cifar100": 7, "dogs": 4}


def test_fresh_seeds_settle_some_networks_at_a_constant_rate():
    runs = [run for run in papers.grid("triage", "small") if run.stages[-1].schedule == "constant"]
    assert {run.seed for run in runs} == {3, 4, 5, 6, 9, 10, 11, 12, 13}
    assert Counter(run.dataset for run in runs) == dict.fromkeys(("cifar10", "cifar100", "mnist"), (4 * 3 + 5 * 2) * 6)
    assert len({(run.stages[-1].epochs, run.stages[-1].lr, run.stages[-1].looks) for run in runs}) == 1


def test_every_combination_is_there_once():
    runs = papers.grid("triage", "small", seeds=(0,))
    combinations = {(r.dataset, r.model, r.method) for r in runs}
    expected = {
        (dataset, f"vgg16-block{block}", f"{begin}-{regime}")
        for dataset in ("mnist", "cifar10", "cifar100", "dogs")
        for block in range(1, 6)
        for begin in ("random", "mean", "student-teacher")
        for regime in ("frozen", "thawed")
    } | {(dataset, "vgg16", "parent") for dataset in ("mnist", "cifar10", "cifar100", "dogs")}
    assert combinations == expected
    kinds = {(f.get("initialisation", ""), f.get("regime", "")) for f in (dict(run.factors) for run in runs)}
    assert kinds == set(triage.NAMES)


def test_compressed_networks_need_their_own_parent():
    for run in papers.grid("triage", "small", ("cifar10",)):
        roles = dict(run.needs)
        if run.method == "parent":
            assert not roles
        else:
            assert roles["parent"].name == f"triage/cifar10/vgg16-parent-s{run.seed}"


def test_regimes_train_the_replacement_or_everything():
    for run in papers.grid("triage", "demo"):
        final = run.stages[-1]
        if run.method.endswith("frozen"):
            assert final.trains == (run.model.removeprefix("vgg16-"),)
        else:
            assert final.trains == ()


def test_hyper_parameters_are_the_same_for_every_method():
    finals = {
        (s.epochs, s.lr, s.batch_size, s.optimiser, s.schedule, s.weight_decay, s.view)
        for r in papers.grid("triage", "small", seeds=(0,))
        if r.method != "parent"
        for s in r.stages[-1:]
    }
    assert len(finals) == 1


def test_frozen_and_thawed_share_their_imitation():
    runs = {run.label: run for run in papers.grid("triage", "demo")}
    frozen, thawed = (runs[f"vgg16-block2-student-teacher-{regime}-s0"] for regime in ("frozen", "thawed"))
    assert frozen.steps[:3] == thawed.steps[:3]
    assert frozen.steps[2].shared
    other = runs["vgg16-block3-student-teacher-frozen-s0"]
    assert fingerprint(frozen, 3) == fingerprint(thawed, 3) != fingerprint(other, 3)
    assert frozen.fingerprint != thawed.fingerprint


def test_paper_edition_is_as_printed():
    parent = papers.grid("triage", "paper", seeds=(0,))[0]
    assert (parent.px, parent.width, parent.images) == (224, 1.0, None)
    assert type(parent.steps[0]).__name__ == "Pretrained"


def test_every_claim_has_its_rule():
    numbers = [1, "2a", "2b", 3, "4a", "4b", "5a", "5b", "6a", "6b", "7a", "7b", *range(8, 12)]
    assert [claim.id for claim in CLAIMS] == [f"T{i}" for i in numbers]
    assert all(claim.rule and claim.where and claim.rests_on for claim in CLAIMS)


def test_what_a_block_is_worth_is_told_against_its_own_parent():
    gains = {("random", "frozen"): -0.03, ("mean", "frozen"): -0.01, ("random", "thawed"): 0.02}
    rows = [
        {"dataset": "cifar10", "model": model, "block": block, "method": method, "seed": seed, "status": "done",
         "initialisation": kind[0], "regime": kind[1], "retraining": "one-cycle" if block else "",
         "edition": "small", "best": 0.7 + 0.1 * seed + gain, "last": 0.7}
        for seed in (0, 1)
        for model, block, method, kind, gain in (
            ("vgg16", "", "parent", ("", ""), 0.0),
            *(("vgg16-block2", "block2", "-".join(kind), kind, gain) for kind, gain in gains.items()),
        )
    ]  # fmt: skip
    table = figures.criticality(pd.DataFrame(rows)).cells
    assert list(table.columns) == ["block 2", "runs"]
    frozen, thawed = table.loc["CIFAR-10, frozen", "block 2"], table.loc["CIFAR-10, thawed", "block 2"]
    assert (frozen.mean, thawed.mean) == (pytest.approx(-2.0), pytest.approx(2.0))
    assert frozen.n == 2 and frozen.half == pytest.approx(0, abs=1e-9)  # parents differ by ten points, gains do not


def mean_beside_random(gains):
    """Block 1 replaced, all else frozen: `gains`, data set -> points of mean above random, one number a seed."""
    return pd.DataFrame([
        {"dataset": dataset, "model": "vgg16-block1", "block": "block1", "method": f"{begin}-frozen", "seed": seed,
         "status": "done", "initialisation": begin, "regime": "frozen", "retraining": "one-cycle", "edition": "small",
         "paper": "triage", "best": 0.5 + (gain / 100 if begin == "mean" else 0.0)}
        for dataset, found in gains.items()
        for seed, gain in enumerate(found)
        for begin in ("mean", "random")
    ])  # fmt: skip


def test_weights_that_cannot_be_had_are_told_before_anything_is_computed(tmp_path, monkeypatch):
    def unreachable(model):
        raise UserError(f"no weights of {model}")

    monkeypatch.setattr("netpress.nets.published.check", unreachable)
    monkeypatch.setattr("netpress.runs.sweep.Schedule.outcomes", lambda *_: pytest.fail("work was begun"))
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    parent = papers.grid("triage", "paper", ("mnist",), (0,))[0]
    runs = [replace(parent, dataset="digits")]  # their data are at hand everywhere
    with pytest.raises(UserError, match="no weights of vgg16"):
        sweep.ensure(runs, "paper", tmp_path / "results")
    assert not (tmp_path / "results").exists()

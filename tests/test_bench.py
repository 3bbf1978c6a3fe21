"""netpress bench: the plain loop trains the very same networks, and measurements leave records."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commanded import Command, command  # noqa: F401 - a fixture

from netpress import benchmarks, env, nets, papers
from netpress.benchmarks import arms as both_arms
from netpress.benchmarks import distillation, grid, imitation, overhead, remade, results
from netpress.benchmarks.arms import Arms, arms
from netpress.benchmarks.work import of_stage
from netpress.errors import UserError
from netpress.runs import records, sweep
from netpress.training.cache import Cache
from netpress.training.compute import ComputeConfig, plain
from netpress.training.loop import train
from netpress.training.stage import Stage

STILL = {"lr": 0.0, "epochs": 1}  # one batch of all 64 images, and nothing learnt: losses depend on no order
KEYS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


@pytest.fixture(scope="module")
def digits() -> Iterator[pytest.MonkeyPatch]:
    """Measurements on digits alone, which are always there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(both_arms, "source", lambda: "digits")
        patch.setattr(grid, "source", lambda: "digits")
        yield patch


@pytest.fixture(scope="module")
def small(digits: pytest.MonkeyPatch) -> Iterator[Arms]:
    with arms("plain.py", 64, 1 / 8) as both:
        yield replace(both, config=plain())


@pytest.fixture(scope="module")
def peers(digits: pytest.MonkeyPatch) -> Iterator[Arms]:
    with arms("peers.py", 64, 1 / 8) as both:
        yield replace(both, config=plain())


def compared(both: Arms, task: str, stage: Stage, model: str, teacher: str | None = None) -> None:
    """Both arms tell the same losses and accuracies, in float32, of networks that differ in no tensor."""
    parent = both.network(teacher, seed=1).requires_grad_(False).eval() if teacher else None
    network = both.network(model)
    taught = {"teacher": teacher, "taught": parent} if parent else {}
    theirs = both.theirs(task, model, stage, network, **taught)
    feed = both.feed(stage, network, parent, Cache(2**30))
    ours = train(stage, network, feed, both.config, 0)[0]
    said = {key: value for key, value in theirs["history"][0].items() if key in KEYS and ours[key] is not None}
    assert said == pytest.approx({key: ours[key] for key in said}, rel=1e-4)
    assert theirs["cost"] > 0


@pytest.mark.parametrize("block", [None, "block1", "block3", "block5"])
def test_the_plain_loop_trains_the_same_network(small: Arms, block: str | None) -> None:
    model = f"vgg16-{block}" if block else "vgg16"
    stage = Stage("train", trains=(block,) if block else ("block1", "block2"), **STILL)
    compared(small, "train", stage, model)


@pytest.mark.parametrize("block", ["block1", "block4"])
def test_the_plain_loop_imitates_the_same_block(small: Arms, block: str) -> None:
    stage = replace(imitation.stage_of(block), **STILL)
    compared(small, "imitate", stage, f"vgg16-{block}", "vgg16")


@pytest.mark.parametrize("loss", distillation.LOSSES)
@pytest.mark.parametrize("student", distillation.STUDENTS)
def test_the_peers_shape_computes_the_same_losses(peers: Arms, student: str, loss: str) -> None:
    stage = replace(distillation.stage_of(student, loss), **STILL)
    if stage.trains == () or "head" in stage.trains:  # no dropout, so that both see the same numbers
        stage = replace(stage, trains=("C1", "C2"))
    compared(peers, "distil", stage, student, "vgg19")


def test_both_arms_do_a_whole_block_of_the_grid(small: Arms) -> None:
    runs = grid.grid(64, 1 / 8)
    assert len(runs) == 31
    chosen = (runs[0], *papers.matching(runs, "*block5*"))
    rounds = [grid.one_round(small, chosen)]
    assert [row["name"] for row in rounds[0]] == [run.label for run in chosen]
    assert all(row["ours"] > 0 and row["plain"] > 0 for row in rounds[0])
    assert grid.part("triage-grid", rounds, "frozen", 1 / 8)["measured"] > 0


def test_multiply_adds_that_remain_by_hand() -> None:
    """VGG16 at a quarter of its width with block 4 replaced, 32 px: multiply-adds of each layer written out."""
    block3 = [9 * 32 * 64 * 64, *[9 * 64 * 64 * 64] * 2]
    early = [9 * 3 * 16 * 1024, 9 * 16 * 16 * 1024, 9 * 16 * 32 * 256, 9 * 32 * 32 * 256, *block3]
    replacement, block4 = 9 * 64 * 128 * 16, 9 * 64 * 128 * 16 + 2 * 9 * 128 * 128 * 16
    late = [*[9 * 128 * 128 * 4] * 3, 128 * 1024, 1024 * 1024, 1024 * 10]
    network, parent = (nets.build(model, 32, 10, 1 / 4) for model in ("vgg16-block4", "vgg16"))
    frozen = of_stage(Stage("retrain", trains=("block4",)), network, 32)
    behind = replacement + sum(late)
    ours = behind + replacement + sum(late) + behind  # forwards, the one layer's weights, back to it, evaluation
    assert (frozen.plain, frozen.ours) == (ours + 2 * sum(early), ours)
    thawed = of_stage(Stage("retrain"), network, 32)
    assert thawed.plain == thawed.ours == 4 * (sum(early) + behind) - early[0]
    taught = of_stage(imitation.stage_of("block4"), network, 32, parent)
    assert taught.ours == 2 * replacement
    assert taught.plain == 2 * replacement + sum(early) + sum(early) + block4


def test_the_reason_for_a_missed_aim_has_the_ratios_of_the_table() -> None:
    """Seconds of two blocks: 42 in the plain loop against 6, of which 4 are steps."""
    costs = {
        "block1": {"plain": 12.0, "ours": 4.0, "steps": 3.0},
        "block5": {"plain": 30.0, "ours": 2.0, "steps": 1.0},
    }
    table = [{"block": block, "work": work, **costs[block]} for block, work in (("block1", 2.54), ("block5", 48.96))]
    each = [imitation.total([costs], block, (block,), None) for block in costs]

    def why(least: float | None) -> str | None:
        return imitation.why(table, [imitation.total([costs], "all blocks", tuple(costs), least), *each])

    assert why(7.0) is None and why(None) is None  # 42 / 6 meets the first bar, and nothing is aimed at in the second
    reason = why(7.1)
    assert reason is not None
    assert "block1 3.0 with 2.5 times fewer multiply-adds, block5 15.0 with 49.0 times" in reason
    assert "its steps alone take 67% of the stage, and plain / ours is then 10.5." in reason


def test_a_bar_is_met_by_the_median() -> None:
    assert results.bar("n", "w", [1.0, 3.5, 3.0], least=3) == {
        "name": "n", "what": "w", "measured": 3.0, "low": 1.0, "high": 3.5, "bar": "at least 3", "met": True,
    }  # fmt: skip
    assert results.bar("n", "w", [60.0], most=50)["met"] is False
    assert results.bar("n", "w", [60.0])["met"] is None


def test_a_measurement_leaves_a_record_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], digits: Any
) -> None:
    monkeypatch.setattr(overhead, "STEPS", 20)
    monkeypatch.setattr(overhead, "ROUNDS", 2)
    benchmarks.command("step-overhead", as_json=True, results=tmp_path)
    told = json.loads(capsys.readouterr().out)
    assert told == results.read(results.place("cpu", told["made"]["precision"]), "step-overhead", tmp_path)
    assert told["bars"][0]["bar"] == "at most 50" and told["bars"][0]["measured"] > 0
    benchmarks.tell([told], as_json=False)
    assert "step-overhead" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["step-512", "triage-grid-full"])
def test_what_is_measured_on_a_gpu_can_be_tried_without_one(tmp_path: Path, digits: Any, name: str) -> None:
    with pytest.raises(UserError, match=r"there is none here"):
        benchmarks.command(name, results=tmp_path)
    benchmarks.command(name, results=tmp_path, quick=True)
    assert [path.name for path in (tmp_path / "bench").rglob("*.json")] == [f"{name}.json"]
    tried = results.read("quick", name, tmp_path)
    assert tried and all(bar["measured"] > 0 and bar["met"] is None for bar in tried["bars"])


def test_on_a_gpu_the_digits_say_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars for a GPU are about CIFAR-10: with nothing else at hand they are neither met nor missed."""
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path))
    assert {name: benchmarks.refusal(name)[:10] for name in ("triage-grid", "whole-grid")} == {
        "triage-grid": "", "whole-grid": "whole-grid",
    }  # fmt: skip
    monkeypatch.setattr("netpress.training.compute.choose", lambda: ComputeConfig("cuda"))
    for name, one in benchmarks.MEASUREMENTS.items():
        assert bool(one.pictures) is benchmarks.refusal(name).startswith(f"On a GPU {name} is measured on CIFAR-10")
    with pytest.raises(UserError, match="put CIFAR-10 into the data folder"):
        benchmarks.command("distillation", results=tmp_path)


def test_on_a_gpu_no_round_begins_that_would_last_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10_000, 100))
    monkeypatch.setattr(results, "time", SimpleNamespace(perf_counter=lambda: next(hours)))
    assert len(results.rounds(lambda: None, 3, ComputeConfig("cuda"))) == 2
    assert len(results.rounds(lambda: None, 3, ComputeConfig("cpu"))) == 3


def test_every_measurement_is_listed(command: Command) -> None:  # noqa: F811
    told = command("bench", "--help").out
    for name, one in benchmarks.MEASUREMENTS.items():
        assert any(line.split()[:1] == [name] and one.says in line for line in told.splitlines())


def test_an_unknown_measurement_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="triage-grid"):
        benchmarks.command("triage-gird")


def test_without_the_plain_loop_it_says_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(env, "checkout", lambda: None)
    with pytest.raises(UserError, match=r"baselines/plain\.py"), arms("plain.py", 64, 1 / 8):
        pass


def test_the_package_imports_nothing_of_the_baseline() -> None:
    code = "import sys, netpress.benchmarks.grid, netpress.benchmarks.distillation; print('plain' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_records_made_again_are_told_from_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remade, "EDITION", dict.fromkeys(("cpu", "cuda", "mps"), "demo"))
    with pytest.raises(UserError, match=r"5 records of edition demo .* there are 0"):
        remade.measure()
    monkeypatch.setattr(remade, "CHOSEN", 2)
    alone = next(run for run in papers.grid("compressing", "demo") if run.label == "cnn-16-32-alone-s0")
    sweep.ensure((alone,), "demo", workers=1)
    path = records.path_of(alone, "demo")
    altered = records.load(path)
    path.write_bytes(records.encode(altered | {"last": altered["last"] + 1e-9}))
    told = remade.measure()
    assert {row["name"].split("/")[-1]: row["equal"] for row in told["records"]} == {
        "cnn-16-32-alone-s0": False, "cnn-256-512-teacher-s0": True,
    }  # fmt: skip
    assert told["bars"][0]["measured"] == 1 and told["bars"][0]["met"] is False

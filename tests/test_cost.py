"""Estimated costs against multiply-adds counted by hand, and what runs took on processors and on shared GPUs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import invented
import pytest
from commanded import Command, command  # noqa: F401 - a fixture

from netpress import data, nets, papers
from netpress.runs import cost, records
from netpress.runs.cost import Spell, on_the_clock, spent
from netpress.runs.run import Run
from netpress.training.stage import Stage

EDITION = "demo+width=1.0+epochs=3+imitation_epochs=2"


def conv(inputs: int, outputs: int, side: int) -> int:
    return 9 * inputs * outputs * side * side


FIRST_FOUR = [
    conv(3, 64, 32) + conv(64, 64, 32),
    conv(64, 128, 16) + conv(128, 128, 16),
    conv(128, 256, 8) + 2 * conv(256, 256, 8),
    conv(256, 512, 4) + 2 * conv(512, 512, 4),
]
REPLACED = conv(512, 512, 2)
NETWORK_OF_TABLE_ONE = ("cnn-256-512", 32, 10, 1 / 4)  # as the demo has it
HEAD = 512 * 4096 + 4096 * 4096 + 4096 * 10


def run_of(method: str) -> Run:
    return papers.matching(papers.grid("triage", EDITION), f"*block5-{method}*")[0]


@pytest.fixture
def images() -> tuple[int, int]:
    return data.count("digits", "train"), data.count("digits", "test")


def test_a_frozen_network_passes_its_prefix_once(images: tuple[int, int]) -> None:
    train, test = images
    epoch = train * (REPLACED + HEAD + HEAD + REPLACED) + test * (REPLACED + HEAD)
    assert cost.work(run_of("mean-frozen")) == 3 * epoch + (train + test) * sum(FIRST_FOUR)


def test_a_thawed_network_passes_everything_in_every_epoch(images: tuple[int, int]) -> None:
    train, test = images
    whole = sum(FIRST_FOUR) + REPLACED + HEAD
    assert cost.work(run_of("mean-thawed")) == 3 * (train * (3 * whole - FIRST_FOUR[0]) + test * whole)


def test_a_student_teacher_stage_sees_no_head_and_asks_its_teacher_once(images: tuple[int, int]) -> None:
    train, test = images
    run = run_of("student-teacher-frozen")
    stage = run.stages[0]
    teacher = sum(FIRST_FOUR) + 3 * conv(512, 512, 2) + HEAD
    assert cost.stage_work(run, stage) == 2 * train * 2 * REPLACED + (train + test) * sum(FIRST_FOUR) + train * teacher
    seen = replace(stage, view="crop")
    assert cost.stage_work(run, seen) == 2 * train * (2 * REPLACED + sum(FIRST_FOUR) + teacher)


def test_what_runs_share_is_counted_once() -> None:
    runs = tuple(run_of(f"student-teacher-{regime}") for regime in ("frozen", "thawed"))
    found = cost.estimates(runs, cost.rates(runs, EDITION))
    assert found[runs[0]] == pytest.approx(cost.work(runs[0]) / cost.NOMINAL)
    shared = cost.stage_work(runs[1], runs[1].stages[0])
    assert found[runs[1]] == pytest.approx((cost.work(runs[1]) - shared) / cost.NOMINAL)


def test_a_network_costs_what_its_own_records_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two kinds of networks were trained, one at twice and one at half the nominal rate; a third takes the median."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    runs = [replace(run_of("mean-thawed"), model=f"vgg16-block{n}") for n in (1, 2, 3)]
    for run, faster in zip(runs, (2.0, 0.5), strict=False):
        seconds = cost.work(run) / cost.NOMINAL / faster
        stages = [{"stage": "retrain", "epochs": 3, "seconds": seconds, "images_per_second": 1.0}]
        records.write(run, EDITION, invented.content(run, 0.5) | {"stages": stages})
    found = cost.estimates(runs, cost.rates(runs, EDITION))
    times = zip(runs, (2, 0.5, 1.25), strict=True)
    assert found == pytest.approx({run: cost.work(run) / cost.NOMINAL / faster for run, faster in times})
    assert "2 kinds of networks" in cost.basis(cost.rates(runs, EDITION))


def test_a_core_is_not_judged_by_a_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [run_of("mean-frozen"), run_of("mean-thawed")]
    for run, kind, seconds in zip(runs, ("cpu", "cuda"), (100.0, 1.0), strict=True):
        content = invented.content(run, 0.5)
        stages = [stage | {"seconds": seconds / len(content["stages"])} for stage in content["stages"]]
        records.write(run, EDITION, content | {"stages": stages, "made": content["made"] | {"kind": kind}})
    one, other = (cost.works(tuple(runs))[run] / seconds for run, seconds in zip(runs, (100.0, 1.0), strict=True))
    monkeypatch.delenv("NETPRESS_DEVICE", raising=False)
    assert cost.rates(runs, EDITION)[""] == pytest.approx(one)
    monkeypatch.setenv("NETPRESS_DEVICE", "cuda:1")
    assert cost.rates(runs, EDITION)[""] == pytest.approx(other)


@pytest.mark.parametrize("paper", ["triage", "pyramid", "compressing"])
def test_every_planned_run_has_a_cost(paper: str) -> None:
    for run in papers.grid(paper, "demo"):
        assert all(cost.stage_work(run, stage) > 0 for stage in run.steps if isinstance(stage, Stage))


def test_parameters_are_those_of_the_network() -> None:
    asked = ("vgg16", 32, 10, 0.25)
    assert cost.parameters(*asked) == sum(p.numel() for p in nets.build(*asked).parameters())


def test_a_plan_takes_what_a_run_takes(command: Command, tmp_path: Path) -> None:  # noqa: F811
    """Data sets, seeds, a pattern, a changed setting, and the folder whose records say what is done."""
    chosen = ("--edition", "small", "--dataset", "mnist", "--seeds", "1", "--only", "*block2*", "--set", "epochs=2")
    told = json.loads(command("plan", "triage", *chosen, "--results", str(tmp_path), "--json").out)
    runs = [run for run in papers.grid("triage", "small+epochs=2", ("mnist",), (1,)) if run.model == "vgg16-block2"]
    assert [row["name"] for row in told] == [run.name for run in runs] and len(
        runs
    ) == 8  # six, and two on augmented images
    assert {row["state"] for row in told} == {"missing"}
    records.write(runs[0], "small+epochs=2", invented.content(runs[0], 0.5), tmp_path)
    told = json.loads(command("plan", "triage", *chosen, "--results", str(tmp_path), "--json").out)
    assert [row["state"] for row in told] == ["done"] + ["missing"] * 7


# --- seconds that were spent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def spell(begin: float, end: float, kind: str = "cuda", device: str = "NVIDIA H100") -> Spell:
    """A run from and until so many seconds after noon."""
    return Spell(kind, device, (NOON + timedelta(seconds=end)).isoformat(), end - begin)


def test_networks_that_share_a_gpu_take_its_time_once_and_cores_add_up() -> None:
    side_by_side = [spell(0, 100), spell(10, 60), spell(90, 130), spell(200, 260)]
    assert on_the_clock(side_by_side) == on_the_clock(side_by_side[::-1]) == pytest.approx(130 + 60)
    assert on_the_clock([]) == 0
    both = [spell(0, 100, "cpu", "EPYC"), spell(0, 100, "cpu", "EPYC"), spell(0, 100), spell(0, 100)]
    assert spent(both) == {("cpu", "EPYC"): pytest.approx(200), ("cuda", "NVIDIA H100"): pytest.approx(100)}

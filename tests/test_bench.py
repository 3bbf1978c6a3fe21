"""netpress bench: the plain loop trains the very same networks, and measurements leave records."""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from commanded import Command, command  # noqa: F401 - a fixture

from netpress import benchmarks, env, nets, papers
from netpress.benchmarks import arms, remade, step
from netpress.errors import UserError
from netpress.runs import records
from netpress.training.compute import ComputeConfig, choose, plain
from netpress.training.feed import Cache, Feed
from netpress.training.loop import train
from netpress.training.stage import Stage

STILL = {"lr": 0.0, "epochs": 1}  # one batch of all 64 images, and nothing learnt: losses depend on no order
KEYS = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
WIDTH = 1 / 16


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[arms.Plain]:
    """The plain loop on digits, which are always there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arms, "source", lambda: "digits")
        made = arms.Plain(arms.pictures(64, plain()), plain(), WIDTH, tmp_path_factory.mktemp("loop"))
        yield made
        made.end()


@pytest.mark.parametrize("fair", [False, True])
@pytest.mark.parametrize(
    ("model", "stage"),
    [
        ("vgg16", Stage("train", trains=("block1", "block2"), **STILL)),
        ("vgg16-block5", Stage("train", trains=("block5",), **STILL)),
        ("vgg16-block4", Stage("imitate", "block-l2", ("block4",), "block4", "parent", optimiser="adam", **STILL)),
    ],
)
def test_the_plain_loop_trains_the_same_network(loop: arms.Plain, model: str, stage: Stage, fair: bool) -> None:
    """All arms tell the same losses and accuracies, in float32, of networks that differ in no tensor."""
    torch.manual_seed(0)
    teacher = nets.build("vgg16", 32, 10, WIDTH).requires_grad_(False).eval() if stage.teacher else None
    network = nets.build(model, 32, 10, WIDTH)
    theirs = loop.train(stage, model, network, teacher, fair)
    feed = Feed(stage, network, teacher, loop.train_test, loop.config, Cache(2**30))
    ours = train(stage, network, feed, loop.config, 0)[0]
    told = {key: value for key, value in theirs["history"][0].items() if key in KEYS and ours[key] is not None}
    assert told == pytest.approx({key: ours[key] for key in told}, rel=1e-4)
    assert theirs["cost"] > 0


def test_the_grid_is_done_in_each_arm(loop: arms.Plain) -> None:
    runs = arms.grid(64, WIDTH)
    assert len(runs) == 31
    chosen = (runs[0], *papers.matching(runs, "*block5-student*"))
    rounds = [arms.one_round(chosen, loop)]
    assert [row["name"] for row in rounds[0]] == [run.label for run in chosen]
    assert all(row[arm] > 0 for row in rounds[0] for arm in ("ours", *arms.ARMS))
    frozen = arms.ratio(
        [[row for row in rows if row["regime"] == "frozen"] for rows in rounds], "networks", "fair", None
    )
    assert frozen["what"] == "1 networks" and frozen["measured"] > 0


def test_a_bar_is_met_by_the_median() -> None:
    assert benchmarks.bar("n", "w", [1.0, 3.5, 3.0], least=3) == {
        "name": "n", "what": "w", "measured": 3.0, "low": 1.0, "high": 3.5, "bar": "at least 3", "met": True,
    }  # fmt: skip
    assert benchmarks.bar("n", "w", [60.0], most=50)["met"] is False
    assert benchmarks.bar("n", "w", [60.0])["met"] is None


def test_a_measurement_leaves_a_record_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bars = [benchmarks.bar("remade", "records", [5.0], least=5)]
    monkeypatch.setattr(remade, "measure", lambda: benchmarks.content("remade", plain(), bars, {}))
    benchmarks.command("remade", as_json=True, results=tmp_path)
    told = json.loads(capsys.readouterr().out)
    assert told == records.read(tmp_path / "bench" / "cpu-fp32" / "remade.json") and told["bars"] == bars
    benchmarks.command("remade", results=tmp_path)
    assert "at least 5" in capsys.readouterr().out


def test_a_step_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of next to nothing, on a CPU."""
    monkeypatch.setattr(step, "STEPS", 1)
    monkeypatch.setattr(step, "BATCH", 4)
    record = step.measure(width=WIDTH, side=64)
    assert [row["how"] for row in record["steps"]][-1] == "eager"
    assert 0 < record["bars"][0]["measured"] < math.inf


def test_what_needs_a_gpu_or_its_pictures_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path))
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path))
    monkeypatch.setattr("netpress.training.compute.choose", lambda: ComputeConfig("cpu"))
    with pytest.raises(UserError, match="there is none here"):
        benchmarks.command("step-128", results=tmp_path)
    assert benchmarks.refusal("triage-grid") == ""
    monkeypatch.setattr("netpress.training.compute.choose", lambda: ComputeConfig("cuda"))
    assert benchmarks.refusal("step-128") == benchmarks.refusal("rules") == ""
    with pytest.raises(UserError, match="put CIFAR-10 into the data folder"):
        benchmarks.command("triage-grid", results=tmp_path)


def test_every_measurement_is_listed_and_others_are_refused(command: Command) -> None:  # noqa: F811
    told = command("bench", "--help").out
    assert all(name in told for name in benchmarks.MEASUREMENTS)
    assert "triage-grid" in command("bench", "triage-gird").sentence


def test_without_the_plain_loop_it_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loop: arms.Plain
) -> None:
    monkeypatch.setattr(env, "root", lambda: tmp_path)
    with pytest.raises(UserError, match=r"baselines/plain\.py"):
        arms.Plain(loop.train_test, plain(), WIDTH, tmp_path)


def test_records_made_again_are_told_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen are those that this machine can make again; the times in them do not count."""
    runs = [run for run in papers.grid("triage", "demo") if "parent" in run.label or "block1-mean" in run.label]
    here = records.made(choose())
    known = {run: {"status": "done", "last": 0.5, "made": here | {"seconds": 1.0}} for run in runs}
    monkeypatch.setattr(records, "fresh", lambda runs, edition: known)
    with pytest.raises(UserError, match=r"5 records of edition small .* there are 3"):
        remade.measure()
    known[runs[1]] = known[runs[1]] | {"made": here | {"seconds": 1e6}}
    again = known | {runs[2]: known[runs[2]] | {"last": 0.5 + 1e-9}}
    monkeypatch.setattr(remade, "again", lambda run, edition: again[run])
    monkeypatch.setattr(remade, "CHOSEN", 2)
    told = remade.measure()
    assert {row["name"]: row["equal"] for row in told["records"]} == {runs[0].name: True, runs[2].name: False}
    assert told["bars"][0]["measured"] == 1 and told["bars"][0]["met"] is False

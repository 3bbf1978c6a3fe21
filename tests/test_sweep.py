"""Sweeps: what is done, what is not done again, what went wrong, and what is told of it."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sweeps
from sweeps import EDITION, BadMeasure, Trouble, child, found, grid, intricate, parent, tiny

from netpress import data, env
from netpress.compress.edits import Inherit, Prune
from netpress.data.registry import DATASETS
from netpress.errors import UserError
from netpress.runs import records, sweep
from netpress.runs.run import Run
from netpress.training.stage import Stage

TRAIN = Stage("train", batch_size=32)


def ensure(runs: tuple[Run, ...], workers: int = 1, **more: object) -> sweep.Summary:
    return sweep.ensure(runs, EDITION, workers=workers, **more)


def state(run: Run) -> str:
    return records.state(run, EDITION)


def file_of(run: Run) -> Path:
    return records.path_of(run, EDITION)


def weights_of(run: Run) -> Path:
    return env.weights_dir() / f"{run.fingerprint}.safetensors"


# --- what is done, and what is not done again


@pytest.mark.parametrize("workers", [1, 2])
def test_does_what_is_missing_and_nothing_twice(folder: Path, workers: int) -> None:
    first = ensure((child(number=1), child()), workers)
    assert (first.before, first.done, first.failures) == (0, 3, [])  # the parent too, that nobody asked for
    files = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith((".json", ".safetensors"))} == set()
    written = {path: path.read_bytes() for path in (folder / "results").rglob("*.json")}
    second = ensure((child(), child(number=1), child(number=2)), workers)
    assert (second.before, second.done) == (3, 1)
    assert all(path.read_bytes() == content for path, content in written.items())


def test_workers_give_the_same_bits_as_one_process_and_train_a_shared_beginning_once(folder: Path) -> None:
    runs = intricate(epochs=1)
    ensure(runs)
    alone = found(folder / "results")
    shutil.rmtree(folder)
    folder.mkdir()
    assert ensure(runs[::-1], workers=2).done == len(runs)
    assert found(folder / "results") == alone
    together = [records.read(file_of(run)) or {} for run in runs[1:3]]
    assert sum("shared" in stage for record in together for stage in record["stages"]) == 1


def test_a_stale_record_is_set_aside_and_never_taken_for_a_fresh_one(folder: Path) -> None:
    old, new = tiny("same", images=80), tiny("same")
    ensure((old,))
    before = file_of(old).read_bytes()
    assert file_of(new) == file_of(old) and state(new) == "stale" and records.fresh([new], EDITION) == {}
    row = records.frame([new], EDITION).iloc[0]
    assert row.status == "stale" and row.isna().best
    ensure((new,))
    assert state(new) == "done" and state(old) == "stale"
    (aside,) = file_of(new).parent.glob("*.stale")
    assert aside.read_bytes() == before


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_weights_of_a_parent_are_made_again_and_its_record_stays(folder: Path, how: str) -> None:
    ensure((child(),))
    record, content = file_of(parent()).read_bytes(), weights_of(parent()).read_bytes()
    if how == "gone":
        weights_of(parent()).unlink()
    else:
        weights_of(parent()).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    summary = ensure((parent(), child(number=1)))
    assert (summary.done, summary.remade, summary.before) == (1, 1, 1)
    assert summary.lines[-1] == "1 done now, weights of 1 made again, 1 done before, 0 not done."
    assert file_of(parent()).read_bytes() == record and weights_of(parent()).read_bytes() == content


# --- runs that fail, and that wait for such


def test_failures_stay_visible_and_can_be_retried(folder: Path) -> None:
    trouble = folder / "trouble"
    trouble.touch()
    bad = {how: tiny(how, steps=(Trouble(how, str(trouble)), TRAIN)) for how in ("raise", "memory", "diverge", "kill")}
    bad["measure"] = tiny("measure", steps=(TRAIN,), measures=(BadMeasure(str(trouble)),))
    after = tiny("after", steps=(TRAIN,), needs=(("parent", bad["raise"]),))
    good = tuple(tiny("good", seed) for seed in range(3))
    every = (*bad.values(), after, *good)
    summary = ensure(every, 2)
    ended = {outcome.run.method: outcome for outcome in summary.failures}
    assert summary.done == 3
    states = {"raise": "failed", "measure": "failed", "memory": "out-of-memory", "diverge": "diverged"}
    assert {how: state(run) for how, run in bad.items()} == states | {"kill": "missing"}  # a killed worker is no result
    assert "killed by SIGKILL (the system does so when memory runs out" in ended["kill"].line
    assert ended["after"].reason == f"needs {bad['raise'].name}, which is failed" and state(after) == "missing"
    assert "a made-up mistake" in ended["raise"].line
    assert re.search(r"not finite in stage train, epoch 1, step 1$", ended["diverge"].line)
    reason = (records.read(file_of(bad["raise"])) or {})["reason"]
    assert "thing.py" in reason and "/home" not in reason and str(Path(sweeps.__file__).parent) not in reason

    survey = sweep.survey(every, EDITION)
    assert survey.counts["total"] == len(every) == sum(survey.counts[name] for name in sweep.STATES)
    assert survey.blocked == {after.name: f"needs {bad['raise'].name}, which is failed"}

    del bad["kill"]
    again = ensure((*bad.values(), after, *good))  # still visible, and not done again
    assert (again.done, again.before) == (0, 3)
    assert {outcome.run for outcome in again.failures} == {*bad.values(), after}

    trouble.unlink()
    retried = ensure((*bad.values(), after, *good), retry=("failed",))
    assert (retried.done, retried.before, retried.failures) == (len(bad) + 1, 3, [])


def test_a_status_to_retry_must_exist() -> None:
    with pytest.raises(UserError, match=r"'faild'.*'failed'"):
        ensure((parent(),), retry=("faild",))


def test_layers_that_are_pruned_away_are_told(folder: Path) -> None:
    run = tiny("pruned", steps=(Inherit(), Prune(1000.0, "global")), needs=(("parent", parent()),))
    summary = ensure((parent(), run))
    assert set((records.read(file_of(run)) or {})["empty_layers"]) <= {
        "blocks.conv1.conv",
        "blocks.conv2.conv",
        "head.fc",
    }
    assert "empty_layers" not in (records.read(file_of(parent())) or {})
    assert any("no weight is left in" in outcome.note for outcome in summary.outcomes)


# --- before any work


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_data_leave_no_record_and_are_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A made-up copy of MNIST, whose sizes fit and whose bytes do not."""
    for file in DATASETS["mnist"].sources[0].all_files:
        path = folder / "data" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as made:
            made.truncate(file.size)
    monkeypatch.setenv("NETPRESS_DATA", str(folder / "data"))
    runs = tuple(replace(tiny(f"m{n}", steps=(TRAIN,)), dataset="mnist") for n in range(2))
    for _ in range(2):
        with pytest.raises(UserError, match="is altered"):
            ensure(runs, workers)
    assert list(folder.rglob("*/mnist/*.json")) == list(folder.rglob("*.lock")) == []


@pytest.mark.data
@pytest.mark.skipif(not data.available("mnist"), reason="MNIST is not here")
def test_restored_data_are_used_at_the_next_try(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, real = folder / "data" / "MNIST" / "raw", env.data_folder() / "MNIST" / "raw"
    place.mkdir(parents=True)
    for path in real.glob("*.gz"):
        (place / path.name).symlink_to(path)
    bad = place / "train-images-idx3-ubyte.gz"
    bad.unlink()
    bad.symlink_to(bad)
    monkeypatch.setenv("NETPRESS_DATA", str(folder / "data"))
    run = replace(tiny("m", steps=(TRAIN,)), dataset="mnist")
    with pytest.raises(UserError, match=bad.name):
        ensure((run,))
    bad.unlink()
    bad.symlink_to(real / bad.name)
    assert ensure((run,)).done == 1


def test_data_that_cannot_be_had_are_told_before_anything_is_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "data" / "CIFAR-10").mkdir(parents=True)
    (folder / "data" / "CIFAR-10" / "train.npz").write_bytes(b"cut")
    monkeypatch.setenv("NETPRESS_DATA", str(folder / "data"))
    with pytest.raises(UserError, match=r"cifar10: .*CIFAR-10.* Restore the data"):
        ensure((replace(parent(), dataset="cifar10"),))

    def unreachable(dataset: str) -> None:
        raise UserError(f"{dataset} could not be downloaded.")

    monkeypatch.setattr("netpress.data.fetch", unreachable)
    with pytest.raises(UserError, match="could not be downloaded"):
        ensure((parent(),))
    assert not (folder / "results").exists()


def test_workers_suit_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    asked = [(None, 1.0, 100), (None, 1.0, 4), (3, 1.0, 100), (9, 1.0, 2)]
    for device, counts in (("cpu", [6, 4, 3, 2]), ("mps", [1, 1, 3, 2]), ("cuda", [2, 2, 3, 2])):
        monkeypatch.setattr("netpress.training.compute.check_device", lambda _: None)
        monkeypatch.setenv("NETPRESS_DEVICE", device)
        monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: type("", (), {"total_memory": 80 * 2**30}))
        assert [sweep.workers_for(*each) for each in asked] == counts
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", "/theirs")
    assert [sweep.workers_for(None, width, 100) for width in (2.0, 1.0, 0.5, 0.25)] == [2, 2, 4, 6]
    monkeypatch.setattr("torch.cuda.get_device_properties", lambda _: type("", (), {"total_memory": 10 * 2**30}))
    assert [sweep.workers_for(None, width, 100) for width in (1.0, 0.25)] == [1, 4]


# --- status, and the command line


TINY = ("--set", "images=96", "--set", "epochs=1", "--set", "parent_epochs=1", "--set", "width=0.02")


def test_command_line_only_seeds_set_status(tmp_path: Path) -> None:
    some = (*TINY, "--seeds", "1", "--only", "*block5-random*")
    done = sweeps.command(tmp_path, "run", "triage", *some, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "3 done now, 0 done before, 0 not done." in done.stderr and "3/3" in done.stderr
    edition = "demo+epochs=1+images=96+parent_epochs=1+width=0.02"
    names = sorted(path.stem for path in (tmp_path / "results" / edition).rglob("*.json"))
    assert names == ["vgg16-block5-random-frozen-s1", "vgg16-block5-random-thawed-s1", "vgg16-parent-s1"]
    shown = json.loads(sweeps.command(tmp_path, "results", "triage", *some, "--format", "json").stdout)
    assert sorted(row["name"].rpartition("/")[2] for row in shown) == names[:2]
    told = json.loads(sweeps.command(tmp_path, "status", "triage", "--edition", edition, "--json").stdout)
    assert told["done"] == 0 and told["now"] == []  # the edition's own seed is another


def test_counts_add_up(folder: Path) -> None:
    ensure(grid(4))
    counts = sweep.survey(grid(6), EDITION).counts
    assert (counts["total"], counts["done"], counts["missing"]) == (6, 4, 2)

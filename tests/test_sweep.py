"""Sweeps: what is done, what is not done again, and what is told of it."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import invented
import pytest
import sweeps
from sweeps import EDITION, BadMeasure, Trouble, child, grid, parent, tiny

from netpress import paths, sweep
from netpress.atomic import CannotWrite
from netpress.errors import UserError
from netpress.runs import records
from netpress.runs.run import Run
from netpress.sweep import status
from netpress.training.stage import Stage


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Records and cache of this test alone."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def ensure(runs: tuple[Run, ...], workers: int = 1, **more: object) -> sweep.Summary:
    return sweep.ensure(runs, EDITION, workers=workers, **more)


def state(run: Run) -> str:
    return records.state(run, EDITION)


def file_of(run: Run) -> Path:
    return records.path_of(run, EDITION)


def test_does_what_is_missing_and_nothing_twice(results: Path) -> None:
    first = ensure((child(), child(number=1)))
    assert (first.before, first.done, first.failures) == (0, 3, [])  # the parent too, that nobody asked for
    written = {path: path.read_bytes() for path in results.rglob("*.json")}
    assert len(written) == 3
    second = ensure((child(), child(number=1), child(number=2)))
    assert (second.before, second.done) == (3, 1)
    assert all(path.read_bytes() == content for path, content in written.items())


def test_nothing_is_left_behind_but_records_and_weights(results: Path) -> None:
    ensure((child(),))
    files = {path.name for path in results.parent.rglob("*") if path.is_file()}
    assert {name for name in files if not name.endswith((".json", ".safetensors"))} == {".leases.lock"}


def weights() -> set[str]:
    return {path.stem for path in paths.weights_dir().glob("*.safetensors")}


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_are_kept_of_all_runs_or_of_those_that_others_need(
    results: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    runs = (parent(), child(), child(number=1))
    ensure(runs, workers)
    assert weights() == {run.fingerprint for run in runs}
    all_kept = {run: records.bare(records.read(file_of(run)) or {}) for run in runs}
    shutil.rmtree(results.parent)
    monkeypatch.setenv("NETPRESS_WEIGHTS", "needed")
    ensure(runs, workers)
    assert weights() == {parent().fingerprint}
    assert {run: records.bare(records.read(file_of(run)) or {}) for run in runs} == all_kept
    monkeypatch.setenv("NETPRESS_WEIGHTS", "none")
    with pytest.raises(UserError, match=r"NETPRESS_WEIGHTS is 'none': set it to all, or needed"):
        ensure((child(number=2),), workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_weights_that_cannot_be_written_stop_the_sweep(results: Path, workers: int) -> None:
    """Nobody needs them and the run has ended: it is told all the same, in the end at the latest."""
    ensure((parent(),))
    folder = paths.weights_dir()
    for run in (child(), child(number=1)):
        (folder / f"{run.fingerprint}.safetensors").mkdir()  # which no file can replace
    with pytest.raises(CannotWrite, match="safetensors"):
        ensure((child(), child(number=1)), workers)


def test_a_stale_record_is_set_aside_and_never_taken_for_a_fresh_one(results: Path) -> None:
    old = tiny("same", images=80)
    ensure((old,))
    before = file_of(old).read_bytes()
    new = tiny("same")
    assert file_of(new) == file_of(old) and state(new) == "stale"
    assert records.fresh([new], EDITION) == {}
    row = records.frame([new], EDITION).iloc[0]
    assert row.status == "stale" and row.isna().best
    ensure((new,))
    assert state(new) == "done" and state(old) == "stale"
    (aside,) = file_of(new).parent.glob("*.stale")
    assert aside.read_bytes() == before


def test_lost_weights_of_a_parent_are_remade_and_its_record_stays(results: Path) -> None:
    ensure((child(),))
    record, weights = file_of(parent()).read_bytes(), paths.weights_dir() / f"{parent().fingerprint}.safetensors"
    content = weights.read_bytes()
    weights.unlink()
    ensure((child(number=1),))
    assert file_of(parent()).read_bytes() == record
    assert weights.read_bytes() == content


def test_failures_stay_visible_and_can_be_retried(results: Path, tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    trouble.touch()
    train = Stage("train", batch_size=32)
    faults = ("raise", "memory", "diverge")
    bad = {how: tiny(how, steps=(Trouble(how, str(trouble)), train)) for how in faults}
    bad["measure"] = tiny("measure", steps=(train,), measures=(BadMeasure(str(trouble)),))
    after = tiny("after", steps=(train,), needs=(("parent", bad["raise"]),))
    good = tuple(tiny("good", seed) for seed in range(3))
    summary = ensure((*bad.values(), after, *good))
    ended = {outcome.run.method: outcome for outcome in summary.failures}
    assert summary.done == len(good)
    expected = dict.fromkeys(bad, "failed") | {"memory": "out-of-memory", "diverge": "diverged"}
    assert {how: state(run) for how, run in bad.items()} == expected
    assert ended["after"].reason == f"needs {bad['raise'].name}, which is failed"
    assert state(after) == "missing"
    assert "a made-up mistake" in ended["raise"].line
    assert re.search(r"not finite in stage train, epoch 1, step 1$", ended["diverge"].line)

    survey = status.survey((*bad.values(), after, *good), EDITION, results)
    assert survey.counts["blocked"] == 1 and survey.counts["done"] == 3
    assert survey.blocked == {after.name: f"needs {bad['raise'].name}, which is failed"}

    again = ensure((*bad.values(), *good))  # still visible, and not done again
    assert (again.done, again.before) == (0, 3)
    assert {outcome.run for outcome in again.failures} == set(bad.values())

    trouble.unlink()
    retried = ensure((*bad.values(), *good), retry=("failed",))
    assert {outcome.run for outcome in retried.outcomes} == set(bad.values())
    assert retried.done == len(bad) and retried.before == 3 and not retried.failures


def test_a_status_to_retry_must_exist() -> None:
    with pytest.raises(UserError, match=r"'faild'.*'failed'"):
        ensure((parent(),), retry=("faild",))


def test_a_reason_names_no_folder_of_this_machine(results: Path, tmp_path: Path) -> None:
    trouble = tmp_path / "trouble"
    trouble.touch()
    run = tiny("raise", steps=(Trouble("raise", str(trouble)),))
    ensure((run,))
    reason = (records.read(file_of(run)) or {})["reason"]
    assert "thing.py" in reason and "sweeps.py" in reason
    assert str(Path(sweeps.__file__).parent) not in reason and "/home" not in reason


def test_a_test_loss_that_is_not_finite_is_null(results: Path) -> None:
    content = {"status": "done", "history": [{"test_loss": float("inf"), "train_loss": 1.0}], "x": (float("nan"), 2)}
    path = records.write(parent(), EDITION, content)
    record = records.read(path) or {}
    assert record["history"] == [{"test_loss": None, "train_loss": 1.0}] and record["x"] == [None, 2]


def test_workers_give_the_same_bits_as_one_process_and_train_a_shared_beginning_once(results: Path) -> None:
    runs = sweeps.intricate(epochs=1)
    ensure(runs)
    alone = {run: records.bare(records.read(file_of(run)) or {}) for run in runs}
    shutil.rmtree(results.parent)
    assert ensure(runs, workers=2).done == len(runs)
    together = {run: records.read(file_of(run)) or {} for run in runs}
    assert {run: records.bare(record) for run, record in together.items()} == alone
    assert sum("shared" in stage for run in runs[1:3] for stage in together[run]["stages"]) == 1


def test_status_adds_up(results: Path) -> None:
    ensure(grid(4))
    counts = status.survey(grid(6), EDITION, results).counts
    assert counts["total"] == 6 == sum(counts[name] for name in status.STATES)
    assert (counts["done"], counts["missing"]) == (4, 2)


TINY = ("--set", "images=96", "--set", "epochs=1", "--set", "parent_epochs=1", "--set", "width=0.02")


def test_command_line_only_seeds_set_status(tmp_path: Path) -> None:
    some = ("--seeds", "1", "--only", "*block5-random*")
    done = sweeps.command(tmp_path, "run", "triage", *TINY, *some, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "3 done now, 0 done before, 0 not done." in done.stderr
    edition = "demo+epochs=1+images=96+parent_epochs=1+width=0.02"
    names = sorted(path.stem for path in (tmp_path / "results" / edition).rglob("*.json"))
    assert names == ["vgg16-block5-random-frozen-s1", "vgg16-block5-random-thawed-s1", "vgg16-parent-s1"]
    told = sweeps.command(tmp_path, "status", "triage", "--edition", f"{edition}+seeds=2", "--json")
    counts = json.loads(told.stdout)
    assert (counts["total"], counts["done"]) == (62, 0)  # records of another edition are not taken
    table = sweeps.command(tmp_path, "status", "--edition", edition)
    assert table.returncode == 0 and "running" in table.stdout


def test_ten_thousand_records_are_looked_at_in_a_second(results: Path) -> None:
    """The processor's time: how long it takes on a machine that does something else too says little."""
    import time

    runs = tuple(tiny("one", seed) for seed in range(10_000))
    history = [{"epoch": n, "train_loss": 0.1, "test_loss": 0.2} for n in range(50)]
    for run in runs:
        path = file_of(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        head = {"name": run.name, "fingerprint": run.fingerprint, "edition": EDITION, "run": {}}
        path.write_bytes(records.encode(head | invented.content(run, 0.5) | {"history": history}))
    fresh = tuple(tiny("one", seed) for seed in range(10_000))
    began = time.process_time()
    counts = status.survey(fresh, EDITION, results).counts
    assert time.process_time() - began < 1.0
    assert counts["done"] == 10_000


def test_data_that_are_not_whole_are_told_before_anything_is_done(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "CIFAR-10").mkdir(parents=True)
    (tmp_path / "data" / "CIFAR-10" / "train.npz").write_bytes(b"cut")
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path / "data"))
    with pytest.raises(UserError, match=r"cifar10: .*CIFAR-10.* Restore the data"):
        ensure((replace(parent(), dataset="cifar10"),))
    assert not results.exists()


def test_data_that_cannot_be_had_are_told_before_anything_is_done(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(dataset: str) -> None:
        raise UserError(f"{dataset} could not be downloaded.")

    monkeypatch.setattr("netpress.data.fetch", unreachable)
    with pytest.raises(UserError, match="could not be downloaded"):
        ensure((parent(),))
    assert not results.exists()

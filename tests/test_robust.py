"""Sweeps that are killed, starved and made to fail. The short forms run with `make test`, the long ones with
`make test-long`."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sweeps
from sweeps import EDITION, BadMeasure, Trouble, child, found, grid, intricate, parent, tiny

from netpress import sweep
from netpress.atomic import CannotWrite
from netpress.runs import records
from netpress.runs.weights import WeightStore
from netpress.sweep import leases
from netpress.training.stage import Stage

slow = pytest.mark.slow


# --- kill -9 and signals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "times"), [(12, 5), pytest.param(60, 50, marks=slow)])
def test_kills_of_a_sweep(tmp_path: Path, size: int, times: int) -> None:
    counts = sweeps.script(tmp_path, "kills", "grid", size, times, tmp_path / "kills")
    print(counts)
    assert counts["kills"] == times
    assert (counts["lost"], counts["different"]) == (0, 0)


@slow
def test_kills_of_a_sweep_with_worker_processes(tmp_path: Path) -> None:
    """The whole group of processes, or the sweep alone, whose workers must then end by themselves."""
    chance, expected, done, kills = random.Random(2), None, 0, 0
    sweeps.script(tmp_path / "reference", "sweep", 300, 2)
    expected, place = found(tmp_path / "reference" / "results"), tmp_path / "killed"
    while kills < 50:
        process = sweeps.start(place, "sweep", 300, 2)
        sweeps.wait_for(lambda: list(place.rglob("*.lease")), 60)
        time.sleep(chance.uniform(0, 2))
        sweeps.kill(process, whole_group=kills % 2 == 0)
        kills += 1
        now = found(place / "results")
        assert len(now) >= done and all(expected[name] == record for name, record in now.items())
        done = len(now)
        if done == len(expected):
            shutil.rmtree(place)
            done = 0
    told = sweeps.script(place, "sweep", 300, 2)
    assert told["failed"] == 0 and found(place / "results") == expected


@pytest.mark.parametrize(
    ("number", "code", "workers"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)], ids=["int", "term"]
)
def test_a_signal_writes_a_checkpoint_and_ends_the_sweep(tmp_path: Path, number: int, code: int, workers: int) -> None:
    words = [
        "run",
        "triage",
        "--only",
        "*parent*",
        "--workers",
        workers,
        "--set",
        "parent_epochs=4000",
        "--seeds",
        "0,1",
    ]
    process = subprocess.Popen(
        [sweeps.NETPRESS, *map(str, words), "--set", "images=128", "--set", "width=0.03"], stderr=subprocess.PIPE,
        env=sweeps.environment(tmp_path, NETPRESS_CHECKPOINT_SECONDS="1000"), text=True, start_new_session=True,
    )  # fmt: skip
    told: list[Any] = []

    def under_way() -> bool:
        told[:] = [lease for path in tmp_path.rglob("*.lease") if (lease := leases.read(path))]
        return len(told) == workers and all(lease.get("epoch", 0) > 0 for lease in told)

    sweeps.wait_for(under_way, 200)
    shown = sweeps.command(tmp_path, "status", "triage", "--json", "--edition", sweeps.edition_of(tmp_path))
    began = time.monotonic()
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    took = time.monotonic() - began
    assert process.returncode == code
    print(f"ended after {took:.1f} s")
    assert took < sweeps.at_most(5)
    assert "Traceback" not in errors
    assert (
        errors.splitlines()[-1]
        == f"netpress: stopped by {signal.Signals(number).name}; the same command goes on from there."
    )
    assert len(list((tmp_path / "cache").rglob("*.checkpoint"))) == workers
    assert list(tmp_path.rglob("*.lease")) == []
    running = json.loads(shown.stdout)
    assert running["running"] == 1 == len(running["now"])  # the edition has one seed
    assert all(row["epochs"] == 4000 and row["images_per_second"] > 0 for row in running["now"])


def test_one_that_hangs_is_ended_all_the_same(tmp_path: Path) -> None:
    text = """
import signal, time
from netpress.sweep.signals import interruptible
with interruptible():
    while True:
        try:
            print("ready", flush=True)  # inside the try: the signal may come the moment it is read
            time.sleep(1000)
        except KeyboardInterrupt:
            pass
"""
    process = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, env=sweeps.environment(tmp_path))
    assert process.stdout and process.stdout.readline() == b"ready\n"
    process.terminate()
    began = time.monotonic()
    assert process.wait(60) == 143 and time.monotonic() - began < sweeps.at_most(5)
    process.stdout.close()


# --- a full disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    place = tmp_path / "small"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place]
    if not shutil.which("mount") or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


TINY = ("--set", "images=96", "--set", "epochs=1", "--set", "parent_epochs=1", "--set", "width=0.03")


def test_a_full_disk_is_told_and_costs_nothing(small_disk: Path, tmp_path: Path) -> None:
    words = ("run", "triage", *TINY, "--only", "*frozen*", "--workers", "2")
    full = sweeps.command(small_disk, *words)
    assert full.returncode == 2 and "Traceback" not in full.stderr, full.stderr
    last = full.stderr.splitlines()[-1]
    assert last.startswith(f"netpress: No space to write {small_disk}") and "bytes are needed" in last
    edition = sweeps.edition_of(small_disk)
    kept = found(small_disk / "results", edition)
    assert {record["status"] for record in kept.values()} == {"done"}
    again = sweeps.command(small_disk, *words[:-1], "1")
    assert again.returncode == 2 and kept.items() <= found(small_disk / "results", edition).items()
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert sweeps.command(small_disk, *words).returncode == 0
    assert sweeps.command(tmp_path / "large", *words[:-1], "1").returncode == 0
    assert found(small_disk / "results", edition) == found(tmp_path / "large" / "results", edition)


def test_a_run_does_not_fail_because_the_disk_is_full(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise CannotWrite("No space to write x: 1 bytes are needed.")

    monkeypatch.setattr(WeightStore, "put", full)
    with pytest.raises(CannotWrite):
        sweep.ensure((child(),), EDITION, workers=1)
    assert records.state(parent(), EDITION) == "missing"  # its weights are needed; a run whose are not is done


# --- failures, and what must not matter -----------------------------------------------------------------------------


def test_thirty_runs_of_which_five_fail_in_five_ways(folder: Path) -> None:
    trouble = folder / "trouble"
    trouble.touch()
    train = Stage("train", batch_size=32)
    faults = ("raise", "memory", "diverge", "kill")
    bad = tuple(tiny(how, steps=(Trouble(how, str(trouble)), train)) for how in faults)
    bad += (tiny("measure", steps=(train,), measures=(BadMeasure(str(trouble)),)),)
    runs = (*grid(25)[:20], *bad, *grid(25)[20:])
    first = sweep.ensure(runs, EDITION, workers=2)
    assert first.done == 25
    assert {outcome.run for outcome in first.failures} == set(bad)
    assert all(outcome.line.startswith(outcome.run.name) and len(outcome.line) > 60 for outcome in first.failures)
    print(*(outcome.line for outcome in first.failures), sep="\n")
    trouble.unlink()
    second = sweep.ensure(runs, EDITION, workers=2, retry=("failed",))
    assert {outcome.run for outcome in second.outcomes} == set(bad)
    assert (second.done, second.before, second.failures) == (5, 25, [])


def surroundings() -> list[tuple[str, str, dict[str, str]]]:
    """Workers, working directory and environment."""
    return [
        ("2", "Größe ü und mehr", {"LC_ALL": "C", "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "1"}),
        ("1", "plain", {"LC_ALL": "C.UTF-8", "TZ": "America/St_Johns", "PYTHONHASHSEED": "2", "LANG": "de_DE.UTF-8"}),
        ("4", "a b", {"LC_ALL": "tr_TR.UTF-8", "TZ": "UTC", "OMP_NUM_THREADS": "2"}),
        ("3", "ü", {"LC_ALL": "POSIX", "MKL_NUM_THREADS": "4", "PYTHONUTF8": "0"}),
    ]


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=slow)])
def test_a_seeds_result_depends_on_nothing_around_it(folder: Path, count: int) -> None:
    runs = intricate(epochs=1)
    sweep.ensure(runs, EDITION, workers=1)
    expected = found(folder / "results")
    for workers, name, more in surroundings()[:count]:
        place = folder / name
        place.mkdir()
        text = f"""
import sys; sys.path.insert(0, {str(Path(sweeps.__file__).parent)!r})
from sweeps import *
from netpress import sweep
if __name__ == "__main__":
    sweep.ensure(intricate(epochs=1)[::-1], EDITION, workers={workers})
"""
        (place / "program.py").write_text(text, "utf-8")
        done = subprocess.run(
            [sys.executable, "program.py"], env=sweeps.environment(place, **more), cwd=place, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert found(place / "results") == expected


def test_a_child_waits_for_its_parent_whatever_the_order(folder: Path) -> None:
    assert sweep.ensure((child(number=2), child(number=1), parent()), EDITION, workers=1).done == 3

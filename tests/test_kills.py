"""Sweeps that are killed, stopped, or at work beside each other: nothing is lost, and nothing is done twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sweeps
from sweeps import EDITION, found, parent, tiny

from netpress.files import write_atomic
from netpress.runs import records, sweep
from netpress.training.stage import Stage

LONG = (
    "run",
    "triage",
    "--only",
    "*parent*",
    "--set",
    "parent_epochs=4000",
    "--set",
    "images=128",
    "--set",
    "width=0.03",
)


@pytest.mark.parametrize(
    ("number", "code", "workers"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)], ids=["int", "term"]
)
def test_a_signal_writes_a_checkpoint_and_ends_the_sweep(tmp_path: Path, number: int, code: int, workers: int) -> None:
    words = [sweeps.NETPRESS, *LONG, "--seeds", "0,1", "--workers", str(workers)]
    own = sweeps.environment(tmp_path, NETPRESS_CHECKPOINT_SECONDS="1000")
    process = subprocess.Popen(words, stderr=subprocess.PIPE, env=own, text=True, start_new_session=True)
    sweeps.wait_for(lambda: len(list(tmp_path.rglob("*.now"))) == workers, 600)
    shown = sweeps.command(tmp_path, "status", "triage", "--json", "--edition", sweeps.edition_of(tmp_path))
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in errors, errors
    last = f"netpress: stopped by {signal.Signals(number).name}; the same command goes on from there."
    assert errors.splitlines()[-1] == last
    assert len(list((tmp_path / "cache").rglob("*.checkpoint"))) == workers
    assert list(tmp_path.rglob("*.lock")) == list(tmp_path.rglob("*.now")) == []
    running = json.loads(shown.stdout)
    assert running["running"] == 1 == len(running["now"])  # the edition has one seed
    assert all(row["epochs"] == 4000 and row["images_per_second"] > 0 for row in running["now"])


def test_one_that_hangs_is_ended_all_the_same(tmp_path: Path) -> None:
    text = """
import time
from netpress.errors import interruptible
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
    assert process.wait(60) == 143
    process.stdout.close()


def test_sweeps_at_once_do_every_run_once(tmp_path: Path) -> None:
    processes, size = 2, 20
    under_way = [sweeps.start(tmp_path, "sweep", size, 1) for _ in range(processes)]
    told = [json.loads(process.communicate(timeout=1500)[0]) for process in under_way]
    print(told)
    assert sum(one["done"] for one in told) == size, "a run was done twice, or not at all"
    assert all(one["done"] + one["elsewhere"] + one["before"] == size and one["failed"] == 0 for one in told)
    assert len(found(tmp_path / "results")) == size
    assert list((tmp_path / "results").rglob("*.lock")) == []


def test_a_killed_owner_is_replaced(folder: Path) -> None:
    run = tiny("long", steps=(Stage("train", epochs=3000, batch_size=32),))
    path = records.path_of(run, EDITION)

    def now() -> dict[str, Any]:
        survey = sweep.survey((run,), EDITION)
        return {row["name"]: row["epoch"] for row in survey.running if "epoch" in row}

    text = f"import sys; sys.path.insert(0, {str(Path(sweeps.__file__).parent)!r})\n"
    text += "from sweeps import *\nfrom netpress.runs import sweep\n"
    text += "sweep.ensure((tiny('long', steps=(Stage('train', epochs=3000, batch_size=32),)),), EDITION, workers=1)"
    words, own = [sys.executable, "-c", text], sweeps.environment(folder)
    first = subprocess.Popen(words, env=own, stderr=subprocess.DEVNULL)
    sweeps.wait_for(now, 300)
    job = sweep.Job(run, path)
    assert not sweep.Locks().take(job)
    first.kill()
    first.wait()
    assert sweep.survey((run,), EDITION).counts["missing"] == 1  # it left its lock's file, which nobody holds
    locks = sweep.Locks()
    assert locks.take(job)
    locks.close()
    assert not path.with_suffix(".lock").exists() and not path.with_suffix(".now").exists()


def test_a_run_that_another_sweep_did_since_it_was_planned_is_not_done_again(folder: Path) -> None:
    run, place = parent(), records.folder_of(EDITION)
    jobs, _ = sweep.planned((run,), place)
    sweep.ensure((run,), EDITION, workers=1)
    before = records.path_of(run, EDITION).read_bytes()
    executor, locks = sweep.Here(), sweep.Locks()
    executor.start = lambda job: pytest.fail("it is done twice")  # type: ignore[method-assign]
    executor.done = []
    (outcome,) = sweep.Schedule(jobs, executor, locks, None, place).outcomes()  # type: ignore[arg-type]
    assert outcome.earlier and outcome.status == "done" and locks.held == {}
    write_atomic(records.path_of(run, EDITION), before)

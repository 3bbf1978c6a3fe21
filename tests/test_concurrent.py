"""Two sweeps at once on one folder, and owners that die."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import invented
import pytest
import sweeps
from sweeps import EDITION, found, parent, tiny

from netpress import sweep
from netpress.runs import records
from netpress.runs.perform import Progress
from netpress.runs.run import Run, described
from netpress.runs.weights import WeightStore
from netpress.sweep import executors, jobs, leases
from netpress.sweep.leases import Leases
from netpress.training.stage import Stage

slow = pytest.mark.slow


def lease_of(run: Run, results: Path, **said: Any) -> Path:
    """A lease as another sweep would have left it."""
    path = leases.path_of(run, EDITION, results)
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {
        "host": leases.host(),
        "pid": os.getpid(),
        "started": leases.started(os.getpid()),
        "token": "other",
        "beat": 0,
    }
    path.write_text(json.dumps(own | said))
    return path


def test_a_living_owner_keeps_its_lease_and_a_dead_one_does_not(folder: Path) -> None:
    mine = Leases(EDITION, folder)
    lease_of(parent(), folder)
    assert not mine.take(parent())
    lease_of(parent(), folder, started="1")  # this process's number, but it was another process's then
    assert mine.take(parent()) and mine.is_mine(parent())
    assert not Leases(EDITION, folder).take(parent())
    mine.release(parent())
    assert not leases.path_of(parent(), EDITION, folder).exists()

    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone_started = leases.started(gone.pid)
    sweeps.wait_for(lambda: leases.started(gone.pid) is None, 20)  # a zombie is dead too
    lease_of(parent(), folder, pid=gone.pid, started=gone_started)
    assert mine.take(parent())
    gone.wait()


def test_an_owner_elsewhere_is_dead_when_it_gives_no_sign_of_life(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(leases.time, "monotonic", lambda: now)
    mine = Leases(EDITION, folder)
    for beat in range(4):
        lease_of(parent(), folder, host="elsewhere", beat=beat)
        assert not mine.take(parent())
        now += 0.9 * leases.PATIENCE
        assert not mine.take(parent())
    now += 0.2 * leases.PATIENCE
    assert mine.take(parent())


def test_leases_that_cannot_be_read_are_no_leases(folder: Path) -> None:
    for text in ("", "{", "[]", "{}", '{"host": 1}'):
        lease_of(parent(), folder).write_text(text)
        mine = Leases(EDITION, folder)
        assert mine.take(parent())
        mine.release(parent())


def test_a_lease_gives_signs_of_life(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT", 0.05)
    with Leases(EDITION, folder) as mine:
        mine.take(parent())
        mine.tell(parent(), Progress("train", 1, 2, 3, 4, 5.0, 6.0))
        path = leases.path_of(parent(), EDITION, folder)
        sweeps.wait_for(lambda: (leases.read(path) or {"beat": 0})["beat"] > 2, 5)
        assert (leases.read(path) or {})["done"] == 3
    assert not path.exists()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("processes", "size"), [(3, 20), pytest.param(4, 200, marks=slow)])
def test_sweeps_at_once_do_every_run_once(tmp_path: Path, processes: int, size: int) -> None:
    under_way = [sweeps.start(tmp_path, "sweep", size, 1) for _ in range(processes)]
    told = [json.loads(process.communicate(timeout=1500)[0]) for process in under_way]
    print(told)
    assert sum(one["done"] for one in told) == size, "a run was done twice, or not at all"
    assert all(one["done"] + one["elsewhere"] + one["before"] == size and one["failed"] == 0 for one in told)
    assert len(found(tmp_path / "results")) == size
    assert list((tmp_path / "results").rglob("*.lease")) == []


def test_a_killed_owner_is_replaced_within_ten_seconds(folder: Path) -> None:
    long = tiny("long", steps=(Stage("train", epochs=3000, batch_size=32),))
    path = leases.path_of(long, EDITION, folder / "results")

    def owner() -> str | None:
        return (leases.read(path) or {}).get("token")

    text = f"import sys; sys.path.insert(0, {str(Path(sweeps.__file__).parent)!r})\n"
    text += "from sweeps import *\nfrom netpress import sweep\n"
    text += "sweep.ensure((tiny('long', steps=(Stage('train', epochs=3000, batch_size=32),)),), EDITION, workers=1)"
    words, own = [sys.executable, "-c", text], sweeps.environment(folder)
    first = subprocess.Popen(words, env=own, stderr=subprocess.DEVNULL)
    sweeps.wait_for(owner, 60)
    held = owner()
    second = subprocess.Popen(words, env=own, stderr=subprocess.DEVNULL)
    time.sleep(8)  # it is there by now, and waits
    assert owner() == held
    first.kill()
    took = sweeps.wait_for(lambda: owner() not in (None, held), 10)
    print(f"replaced after {took:.1f} s")
    second.kill()
    first.wait(), second.wait()


def test_a_run_that_another_sweep_took_over_is_not_recorded_twice(folder: Path) -> None:
    """We were stopped for long; another sweep has done our run meanwhile."""
    run = parent()
    head = {"name": run.name, "fingerprint": run.fingerprint, "edition": EDITION, "run": described(run)}
    theirs = records.encode(head | invented.content(run, 0.5))

    class Slow(executors.Here):
        def start(self, job: jobs.Job) -> None:
            super().start(job)
            leases.path_of(run, EDITION, folder / "results").unlink()
            records.path_of(run, EDITION, folder / "results").write_bytes(theirs)

    (job,), _ = sweep.planned((run,), EDITION, folder / "results")
    with Leases(EDITION, folder / "results") as mine, Slow(mine.tell) as executor:
        (outcome,) = sweep.Schedule([job], executor, mine, WeightStore()).outcomes()
    assert outcome.earlier and outcome.status == "done"
    assert records.path_of(run, EDITION, folder / "results").read_bytes() == theirs

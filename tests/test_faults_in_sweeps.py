"""What the machine or the user did wrong is no result of a run: no record says so, and the next try does the run."""

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import sweeps
from commanded import Command, command  # noqa: F401 - a fixture
from sweeps import EDITION, Trouble, child, parent, tiny

from netpress import atomic, console, data, ends, papers, paths, sweep
from netpress.atomic import CannotWrite
from netpress.compress.edits import Inherit, Prune
from netpress.data.registry import DATASETS
from netpress.errors import UserError
from netpress.runs import records
from netpress.sweep.cluster import Cluster, Remote
from netpress.sweep.schedule import Outcome
from netpress.training.stage import Stage

# --- data -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
def test_damaged_data_leave_no_record_and_are_tried_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A made-up copy of MNIST, whose sizes fit and whose bytes do not."""
    place = folder / "data"
    for file in DATASETS["mnist"].sources[0].all_files:
        path = place / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as made:
            made.truncate(file.size)
    monkeypatch.setenv("NETPRESS_DATA", str(place))
    runs = tuple(replace(tiny(f"m{n}", steps=(Stage("train", batch_size=32),)), dataset="mnist") for n in range(2))
    for _ in range(2):
        with pytest.raises(UserError, match="is altered"):
            sweep.ensure(runs, EDITION, workers=workers)
    assert list(folder.rglob("*/mnist/*.json")) == [] and list(folder.rglob("*.lease")) == []


@pytest.mark.data
@pytest.mark.skipif(not data.available("mnist"), reason="MNIST is not here")
@pytest.mark.parametrize("kind", ["unreadable", "a flipped byte"])
def test_restored_data_are_used_at_the_next_try(folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    place, real = folder / "data" / "MNIST" / "raw", paths.data_folder() / "MNIST" / "raw"
    place.mkdir(parents=True)
    for path in real.glob("*.gz"):
        (place / path.name).symlink_to(path)
    bad = place / "train-images-idx3-ubyte.gz"
    bad.unlink()
    if kind == "unreadable":
        bad.symlink_to(bad)
    else:
        content = bytearray((real / bad.name).read_bytes())
        content[12345] ^= 1
        bad.write_bytes(content)
    monkeypatch.setenv("NETPRESS_DATA", str(folder / "data"))
    run = replace(tiny("m", steps=(Stage("train", batch_size=32),)), dataset="mnist")
    with pytest.raises(UserError, match=bad.name):
        sweep.ensure((run,), EDITION, workers=1)
    assert list(folder.rglob("*.json")) == []
    bad.unlink()
    bad.symlink_to(real / bad.name)
    assert sweep.ensure((run,), EDITION, workers=1).done == 1


@dataclass(frozen=True)
class Refused:
    """An edit to which the system refuses a file."""

    number: int

    def apply(self, network: Any, needs: dict[str, Any]) -> Any:
        raise OSError(self.number, os.strerror(self.number), "/some/file")


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EMFILE, errno.ESTALE])
def test_what_the_system_refuses_is_no_result(folder: Path, number: int) -> None:
    run = tiny("refused", steps=(Refused(number), Stage("train", batch_size=32)))
    with pytest.raises(CannotWrite, match="/some/file"):
        sweep.ensure((run,), EDITION, workers=1)
    assert records.state(run, EDITION) == "missing" and list(folder.rglob("*.lease")) == []


# --- settings -------------------------------------------------------------------------------------------------------

SMALL = ("--set", "parent_epochs=1", "--set", "width=0.02", "--workers", "1")


@pytest.mark.parametrize(
    ("paper", "change", "wanted"),
    [
        ("triage", "batch=100000", " training images are no whole batch of 100,000"),
        ("triage", "images=1", "1 training images are no whole batch"),
        ("triage", "px=1", "at least 32 px, not 1"),
        ("pyramid", "px=1", "at least 32 px, not 1"),
        ("compressing", "px=1", " px"),
    ],
)
def test_impossible_settings_are_refused_before_anything_runs(
    command: Command,  # noqa: F811
    folder: Path,
    paper: str,
    change: str,
    wanted: str,
) -> None:
    told = command("run", paper, *SMALL, "--set", change, "--only", "*parent*")
    assert told.status == 2 and wanted in told.sentence
    assert list(folder.rglob("*.json")) == [] and list(folder.rglob("*.lease")) == []


def test_another_size_of_images_works_for_every_paper() -> None:
    for paper in ("triage", "pyramid", "compressing"):
        runs = papers.grid(paper, "demo+px=64")
        assert 64 in {run.px for run in runs}


# --- the machine ----------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system that can be made read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("only root can mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@dataclass(frozen=True)
class ReadOnly:
    """An edit during which the file system of the results becomes read-only."""

    place: str

    def apply(self, network: Any, needs: dict[str, Any]) -> Any:
        subprocess.run(["mount", "-o", "remount,ro", self.place], check=True)
        return network


def test_results_that_become_read_only_are_told_and_the_sweep_goes_on_afterwards(disk: Path, folder: Path) -> None:
    runs = (parent(), tiny("last", steps=(ReadOnly(str(disk)), Stage("train", batch_size=32))))
    with pytest.raises(CannotWrite, match="Read-only file system"):
        sweep.ensure(runs, EDITION, disk, workers=1)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert records.state(parent(), EDITION, disk) == "done"
    assert sweep.ensure((parent(), child()), EDITION, disk, workers=1).done == 1


def test_a_user_without_home_or_name_has_a_record_of_what_failed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    (folder / "trouble").touch()
    monkeypatch.setattr(Path, "home", nobody)
    run = tiny("bad", steps=(Trouble("raise", str(folder / "trouble")), Stage("train", batch_size=32)))
    summary = sweep.ensure((run, parent()), EDITION, workers=1)
    assert [outcome.status for outcome in summary.failures] == ["failed"] and summary.done == 1
    assert records.state(run, EDITION) == "failed"


def test_a_clock_that_is_set_back_changes_no_seconds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, shift = time.time, iter(range(0, -(10**6), -7200))
    monkeypatch.setattr(time, "time", lambda: real() + next(shift))
    sweep.ensure((parent(),), EDITION, workers=1)
    record = records.read(records.path_of(parent(), EDITION)) or {}
    assert 0 < record["made"]["seconds"] < 600 and all(0 < stage["seconds"] < 600 for stage in record["stages"])


def test_with_the_cache_gone_weights_are_counted_apart(folder: Path) -> None:
    sweep.ensure((parent(), child()), EDITION, workers=1)
    shutil.rmtree(folder / "cache")
    records.path_of(child(), EDITION).unlink()
    summary = sweep.ensure((parent(), child()), EDITION, workers=1)
    assert (summary.done, summary.remade, summary.before) == (1, 1, 1)
    assert summary.lines[-1].startswith("1 done now, weights of 1 made again, 1 done before, 0 not done.")


def test_what_killed_processes_leave_in_the_temporary_folder_is_removed_at_the_next_start(tmp_path: Path) -> None:
    text = f"""
import os
from pathlib import Path
from netpress.atomic import temporary_folder
with temporary_folder(Path({str(tmp_path)!r})) as folder:
    (folder / "log").touch()
    os.kill(os.getpid(), 9)
"""
    assert sweeps.python(tmp_path, text).returncode == -9
    (left,) = tmp_path.glob("netpress-*")
    (tmp_path / "netpress-of-somebody-else").mkdir()
    with atomic.temporary_folder(tmp_path) as first, atomic.temporary_folder(tmp_path) as second:
        assert first.exists() and second.exists() and not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["netpress-of-somebody-else"]


# --- what a terminal gets to see ------------------------------------------------------------------------------------

BAD = "\x1b]0;title\x07\x1b[31mred\x9b2J\r"


def test_escape_codes_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = Outcome(parent(), "failed", f"first\n{BAD}").line
    console.print_table([{"a": BAD}], ("a",))
    ends.say(BAD)
    shown = capsys.readouterr()
    for text in (line, shown.out, shown.err):
        assert "\\x1b[31mred\\x9b2J" in text
        assert not {c for c in text if not c.isprintable()} - {"\n"}


# --- what a pruned network has left ---------------------------------------------------------------------------------


def test_layers_that_are_pruned_away_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = (Inherit(), Prune(1000.0, "global"))
    run = tiny("pruned", steps=steps, needs=(("parent", parent()),))
    summary = sweep.ensure((parent(), run), EDITION, workers=1)
    record = records.read(records.path_of(run, EDITION)) or {}
    assert record["status"] == "done" and record["empty_layers"]
    assert set(record["empty_layers"]) <= {"blocks.conv1.conv", "blocks.conv2.conv", "head.fc"}
    assert "empty_layers" not in (records.read(records.path_of(parent(), EDITION)) or {})
    assert any("no weight is left in" in note for outcome in summary.outcomes for note in outcome.notes)
    from netpress.book.made_with import made_with

    page = str(made_with({EDITION: (parent(), run)}, records.frame((parent(), run), EDITION))._repr_html_())
    assert "Pruned away" in page and record["empty_layers"][0] in page
    assert "Pruned away" not in str(
        made_with({EDITION: (parent(),)}, records.frame((parent(),), EDITION))._repr_html_()
    )


# --- Ray ------------------------------------------------------------------------------------------------------------


def test_a_part_of_a_gpu_belongs_to_ray(command: Command, folder: Path) -> None:  # noqa: F811
    told = command("run", "triage", "--gpus-per-run", "0.5")
    assert told.status == 2 and "--ray" in told.sentence and list(folder.rglob("*")) == []


class SmallCluster:
    """What we ask of Ray, for a cluster of one core and one GPU."""

    def __init__(self) -> None:
        self.down = False

    def nodes(self) -> list[dict]:
        return [{"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}}, {"Alive": False, "Resources": {"GPU": 8.0}}]

    def shutdown(self) -> None:
        self.down = True


@pytest.mark.parametrize(("gpus", "wanted"), [(1.5, "a part of one GPU"), (2, "the most is 1")])
def test_half_a_gpu_too_many_is_told_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, gpus: float, wanted: str
) -> None:
    small = SmallCluster()
    monkeypatch.setattr("netpress.sweep.cluster.connect", lambda cluster: small)
    with pytest.raises(UserError, match=wanted):
        sweep.ensure((parent(),), EDITION, cluster=Cluster("local", gpus))
    assert small.down and list(folder.rglob("*.lease")) == [] and list(folder.rglob("*.json")) == []


def test_whatever_ray_raises_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ray = pytest.importorskip("ray")

    def slow(*_: object, **__: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", slow)
    with pytest.raises(UserError, match=r"No Ray cluster at 'local' \(The current node timed out"):
        sweep.ensure((parent(),), EDITION, cluster=Cluster("local"))
    assert list(folder.rglob("*.lease")) == []


def test_ray_gets_a_short_folder_where_tmpdir_is_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from netpress.sweep.cluster import own_folder

    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp/" + "x" * 80)
    assert (own_folder() or "").endswith("/ray") and len(own_folder() or "") < 40
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    assert own_folder() is None


def test_a_user_error_on_the_cluster_is_no_failed_run() -> None:
    class Told(Exception):
        cause = UserError("data are altered")

    class Ray:
        exceptions = type("exceptions", (), {"RayError": Told, "NodeDiedError": KeyError})

        @staticmethod
        def get(reference: Any) -> Any:
            raise Told

    remote = Remote(Cluster("local"), lambda *_: None, None)
    remote.ray = Ray
    with pytest.raises(UserError, match="data are altered"):
        remote.end(None)


def test_many_temporary_folders_at_once_take_none_of_each_other(tmp_path: Path) -> None:
    def used(number: int) -> str:
        with atomic.temporary_folder(tmp_path) as folder:
            (folder / "file").write_text(str(number))
            return (folder / "file").read_text()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(used, range(500))) == [str(number) for number in range(500)]
    assert list(tmp_path.iterdir()) == []

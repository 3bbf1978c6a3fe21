"""What the machine refuses is one sentence and no result: a full or read-only disk, no rights, no locks."""

import errno
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sweeps
from commanded import Command, command  # noqa: F401 - a fixture
from sweeps import EDITION, child, found, parent, tiny

from netpress import console, errors
from netpress.errors import CannotWrite
from netpress.runs import records, sweep
from netpress.training.stage import Stage

TINY = ("--set", "images=96", "--set", "epochs=1", "--set", "parent_epochs=1", "--set", "width=0.03")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kilobytes."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("only root can mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_told_and_costs_nothing(disk: Path) -> None:
    words = ("run", "triage", *TINY, "--only", "*block5*frozen*", "--workers")
    full = sweeps.command(disk, *words, "2")
    assert full.returncode == 2 and "Traceback" not in full.stderr, full.stderr
    last = full.stderr.splitlines()[-1]
    assert last.startswith(f"netpress: No space to write {disk}") and "bytes are needed" in last
    edition = sweeps.edition_of(disk)
    kept = found(disk / "results", edition)
    assert {record["status"] for record in kept.values()} <= {"done"}
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    assert sweeps.command(disk, *words, "1").returncode == 0
    assert kept.items() <= found(disk / "results", edition).items()


def test_results_that_are_read_only_are_told_and_the_sweep_goes_on_afterwards(disk: Path, folder: Path) -> None:
    sweep.ensure((parent(),), EDITION, disk, workers=1)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert sweep.survey((parent(), child()), EDITION, disk).counts["done"] == 1
    with pytest.raises(CannotWrite, match="Read-only file system"):
        sweep.ensure((child(),), EDITION, disk, workers=1)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert sweep.ensure((parent(), child()), EDITION, disk, workers=1).done == 1


@dataclass(frozen=True)
class Refused:
    """An edit to which the system refuses a file."""

    number: int

    def apply(self, network: Any, needs: dict[str, Any]) -> Any:
        raise OSError(self.number, os.strerror(self.number), "/some/file")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_what_the_system_refuses_is_no_result(folder: Path, number: int) -> None:
    run = tiny("refused", steps=(Refused(number), Stage("train", batch_size=32)))
    with pytest.raises(CannotWrite, match="/some/file"):
        sweep.ensure((run,), EDITION, workers=1)
    assert records.state(run, EDITION) == "missing" and list(folder.rglob("*.lock")) == []


def test_a_file_system_without_locks_is_told_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(CannotWrite, match=r"No locks available\): Its file system locks no files, as NFS"):
        sweep.ensure((parent(),), EDITION, workers=1)
    assert records.state(parent(), EDITION) == "missing"


def test_a_record_names_its_own_commit_in_another_repositorys_hook(tmp_path: Path) -> None:
    """Git gives its hooks GIT_DIR: whoever asks inherits it."""
    subprocess.run(["git", "init", "-q", tmp_path / "other"], check=True)
    text = "import netpress; from netpress.runs.records import commit; print(commit())"
    own = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=sweeps.ROOT, capture_output=True, text=True)
    git_dir = str(tmp_path / "other" / ".git")
    assert sweeps.python(tmp_path, text, GIT_DIR=git_dir, GIT_WORK_TREE=str(tmp_path)).stdout.startswith(
        own.stdout.strip()
    )
    # a package that lies in a checkout which does not hold it
    shutil.copytree(sweeps.ROOT / "src" / "netpress", tmp_path / "other" / "netpress")
    words = {"PYTHONPATH": str(tmp_path / "other")}
    assert sweeps.python(tmp_path, text, **words).stdout == "unknown\n"
    assert sweeps.python(tmp_path, text, **words, NETPRESS_COMMIT="abc").stdout == "abc\n"


# --- what commands say


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            "Cannot use /x (Permission denied): Change its perm",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "Free some space"),
        (ModuleNotFoundError("No module named 'papermill'", name="papermill"), "pip install 'netpress[book]'"),
        (ModuleNotFoundError("No module named 'ray'", name="ray"), "pip install 'netpress[cluster]'"),
        (MemoryError(), "Memory ran out"),
    ],
)
def test_what_the_machine_did_wrong_is_one_sentence(error: Exception, wanted: str) -> None:
    assert wanted in (errors.sentence_of(error) or "")


def test_a_mistake_of_ours_is_still_a_traceback() -> None:
    assert errors.sentence_of(ValueError("x")) is None and errors.sentence_of(OSError("without a number")) is None
    with pytest.raises(ZeroDivisionError):
        errors.run(lambda: 1 // 0)


@pytest.mark.parametrize("which", ["data", "results"])
def test_a_folder_that_may_not_be_read_is_one_sentence(which: str, tmp_path: Path) -> None:
    closed = tmp_path / which
    closed.mkdir(mode=0)
    words = ["netpress", "doctor" if which == "data" else "status"]
    text = f"import sys, netpress.cli; sys.argv = {words}; netpress.cli.main()"
    done = sweeps.python(tmp_path, text, **{f"NETPRESS_{which.upper()}": str(closed / "inside")})
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert str(closed) in done.stderr and "Permission denied" in done.stderr


def shell(tmp_path: Path, line: str) -> subprocess.CompletedProcess:
    """A line of a shell, in which $NETPRESS is the command."""
    environment = sweeps.environment(tmp_path, NETPRESS=str(sweeps.NETPRESS))
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=600)


def test_who_reads_no_further_ends_it_well(tmp_path: Path) -> None:
    done = shell(tmp_path, "$NETPRESS editions --json | head -c 1; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", ["editions", "status --json"])
def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, words: str) -> None:
    done = shell(tmp_path, f"$NETPRESS {words} > /dev/full")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("netpress: The output cannot be written")


@pytest.mark.parametrize("columns", ["0", "1"])
def test_a_terminal_without_a_width_shows_tables(
    command: Command,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch, columns: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    assert console.printer().width == 200
    assert "any laptop" in command("editions").out


BAD = "\x1b]0;title\x07\x1b[31mred\x9b2J\r"


def test_escape_codes_are_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    line = sweep.Outcome(parent(), "failed", f"first\n{BAD}").line
    console.print_table([{"a": BAD}], ("a",))
    errors.say(BAD)
    shown = capsys.readouterr()
    for text in (line, shown.out, shown.err):
        assert "\\x1b[31mred\\x9b2J" in text
        assert not {c for c in text if not c.isprintable()} - {"\n"}


def test_without_the_books_packages_it_says_what_to_install(tmp_path: Path) -> None:
    text = """
import sys
for name in ("papermill", "nbformat", "pydantic", "yaml", "jupyter_book"):
    sys.modules[name] = None
from netpress import cli
sys.argv = ["netpress", "book"]
cli.main()
"""
    done = sweeps.python(tmp_path, text, cwd=sweeps.ROOT)
    assert done.returncode == 2 and "pip install 'netpress[book]'" in done.stderr and "Traceback" not in done.stderr

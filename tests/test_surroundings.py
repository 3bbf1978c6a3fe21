"""What a process finds around it: variables, limits of a container, folders, standard output."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sweeps
from commanded import Command, command  # noqa: F401 - a fixture

from netpress import limits, paths, surroundings
from netpress.errors import UserError
from netpress.sweep.workers import default_workers
from netpress.training import memory
from netpress.training.compute import choose

# --- variables ------------------------------------------------------------------------------------------------------

WRONG = [
    ("NETPRESS_DEVICE", "gpu"),
    ("NETPRESS_DEVICE", "cuda:x"),
    ("NETPRESS_DEVICE", "0"),
    ("NETPRESS_DEVICE", "cpu:1"),
    ("NETPRESS_CACHE_GB", "2GB"),
    ("NETPRESS_CACHE_GB", "-1"),
    ("NETPRESS_CACHE_GB", "nan"),
    ("NETPRESS_CACHE_GB", "inf"),
    ("NETPRESS_CHECKPOINT_SECONDS", "5s"),
    ("NETPRESS_CHECKPOINT_SECONDS", "-5"),
    ("NETPRESS_CHECKPOINT_SECONDS", "1e9"),
    ("NETPRESS_DATA", "~nobody-of-this-name/x"),
    ("NETPRESS_RESULTS", "~nobody-of-this-name/x"),
    ("NETPRESS_CACHE", "~nobody-of-this-name/x"),
    ("NETPRESS_DATA", __file__),
    ("NETPRESS_RESULTS", "/dev/null"),
    ("NETPRESS_CACHE", "/dev/null"),
    ("NETPRESS_COMMIT", "\x1b[31mred"),
    ("NETPRESS_COMMIT", "x" * 65),
    ("NETPRESS_PRECISION", "fp8"),
    ("NETPRESS_WEIGHTS", "none"),
]


def test_every_variable_is_tried() -> None:
    assert {name for name, _ in WRONG} == set(surroundings.NAMES)


@pytest.mark.parametrize(("name", "value"), WRONG)
@pytest.mark.parametrize("words", [("doctor",), ("status",), ("run", "triage"), ("plan", "triage")])
def test_a_variable_that_cannot_be_used_is_named_before_any_work(
    command: Command,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    name: str,
    value: str,
    words: tuple[str, ...],
) -> None:
    monkeypatch.setenv(name, value)
    told = command(*words)
    assert told.status == 2 and f"The variable {name} is" in told.sentence and told.out == ""
    assert not (folder / "results").exists()


@pytest.mark.parametrize("value", ["cuda:99", "cuda"])
def test_a_device_that_is_not_here_is_told_before_any_run(
    command: Command,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    value: str,
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setenv("NETPRESS_DEVICE", value)
    words = ("run", "triage", "--only", "*parent*", "--set", "images=96", "--set", "parent_epochs=1", "--workers", "1")
    for told in (command("doctor"), command(*words)):
        assert told.status == 2 and "NETPRESS_DEVICE" in told.sentence
    assert list(folder.rglob("*.json")) == []


@pytest.mark.parametrize("value", ["", "  "])
def test_a_blank_variable_is_none(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    for name in surroundings.NAMES:
        monkeypatch.setenv(name, value)
    surroundings.check()
    assert surroundings.number("NETPRESS_CACHE_GB") is None and surroundings.folder("NETPRESS_DATA") is None


def test_variables_that_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_CACHE_GB", " 0.5 ")
    monkeypatch.setenv("NETPRESS_DEVICE", "CPU")
    assert choose().cache_bytes == 2**29 and choose().device == "cpu"


def test_a_misspelt_variable_is_told_by_doctor(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("NETPRESS_RESUTLS", "/x")
    told = command("doctor")
    assert told.status == 0 and "NETPRESS_RESUTLS is not known: did you mean NETPRESS_RESULTS?" in told.out


def test_variables_are_read_in_one_place() -> None:
    package = Path(paths.__file__).parent
    reading = re.compile(r"""environ(\.get\(|\[)\s*["']NETPRESS_\w+["'](?!\]\s*=)|getenv|["']NETPRESS_\w+["'] in os""")
    found = {str(p.relative_to(package)) for p in package.rglob("*.py") if reading.search(p.read_text("utf-8"))}
    assert found == {"benchmarks/scaling.py"}  # a process that its own parent has given the variable


# --- containers -----------------------------------------------------------------------------------------------------


def system(root: Path, own: str, files: dict[str, str]) -> Path:
    """A made-up /proc and /sys: the process's groups, and what the groups allow."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(own)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


GIB = 2**30
GROUPS = {
    "version 2, own group outermost": ("0::/\n", {"cpu.max": "100000 100000\n", "memory.max": f"{GIB}\n"}),
    "version 2, an outer group": (
        "0::/a/b\n",
        {"a/cpu.max": "50000 100000", "a/memory.max": f"{GIB}", "a/b/cpu.max": "max 100000", "a/b/memory.max": "max"},
    ),
    "version 2, a name that the container does not show": (
        "0::/docker/123\n",
        {"cpu.max": "100000 100000", "memory.max": f"{GIB}"},
    ),
    "version 1": (
        "4:cpu,cpuacct:/x\n5:memory:/x\n",
        {
            "cpu/x/cpu.cfs_quota_us": "100000",
            "cpu/x/cpu.cfs_period_us": "100000",
            "memory/x/memory.limit_in_bytes": f"{GIB}",
        },
    ),
    "version 1, own group outermost": (
        "4:cpu,cpuacct:/docker/1\n5:memory:/docker/1\n",
        {"cpu/cpu.cfs_quota_us": "90000", "cpu/cpu.cfs_period_us": "100000", "memory/memory.limit_in_bytes": f"{GIB}"},
    ),
}


@pytest.mark.parametrize("kind", GROUPS)
def test_one_core_and_one_gibibyte_of_a_container(tmp_path: Path, kind: str) -> None:
    root = system(tmp_path, *GROUPS[kind])
    assert (limits.cores(root), limits.memory(root)) == (1, GIB)


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"cpu.max": "max 100000", "memory.max": "max"},
        {"cpu/cpu.cfs_quota_us": "-1", "memory/memory.limit_in_bytes": str(2**63 - 4096)},
        {"cpu.max": "", "memory.max": "nonsense"},
    ],
)
def test_without_a_limit_the_machine_counts(tmp_path: Path, files: dict[str, str]) -> None:
    root = system(tmp_path, "0::/\n", files)
    assert limits.cores(root) == len(os.sched_getaffinity(0))
    assert limits.memory(root) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def test_workers_and_caches_keep_to_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "cores", lambda: 1)
    monkeypatch.setattr(limits, "memory", lambda: GIB)
    monkeypatch.setattr("netpress.training.compute.best_device", lambda: "cpu")
    assert default_workers() == 1
    assert memory.cache_budget("cpu", 1.0) == GIB // 4 and memory.cache_budget("cpu", 0.5) == GIB // 8


# --- folders --------------------------------------------------------------------------------------------------------


OWN = ("NETPRESS_RESULTS", "NETPRESS_DATA", "NETPRESS_CACHE")


def test_elsewhere_it_finds_the_checkout_that_the_package_lies_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OWN:
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "results").mkdir()
    monkeypatch.chdir(tmp_path)
    assert paths.results_dir() == sweeps.ROOT / "results" and paths.root() == sweeps.ROOT


def test_a_chapter_that_papermill_runs_from_elsewhere_shows_the_checkouts_records(tmp_path: Path) -> None:
    """The user's own papermill, in a folder that has nothing to do with the book."""
    (tmp_path / "results").mkdir()
    chapter = sweeps.ROOT / "chapters" / "triage" / "accuracy.ipynb"
    words = ["papermill", chapter, "out.ipynb", "-k", "python3", "-p", "edition", "small", "-p", "run_missing", "False"]
    environment = sweeps.environment(tmp_path)
    for name in OWN:
        environment.pop(name, None)
    run = f"import sys; from papermill.__main__ import papermill; sys.argv = {list(map(str, words))!r}; papermill()"
    done = subprocess.run([sys.executable, "-c", run], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    said = (tmp_path / "out.ipynb").read_text(encoding="utf-8")
    records = [
        json.loads(path.read_text()) for path in sorted((sweeps.ROOT / "results/small/triage/mnist").glob("*0.json"))
    ]
    assert records and all(record["made"]["commit"][:7] in said for record in records[:3])
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out.ipynb", "results"]


def test_outside_of_any_checkout_nothing_is_written_into_a_foreign_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in OWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for place in (paths.results_dir(), paths.cache_dir(), paths.data_folder()):
        assert tmp_path / "home" / ".netpress" in place.parents
    (tmp_path / "data").mkdir()
    assert paths.data_folder() == tmp_path / "data"  # only read


def test_a_user_without_a_home_is_told_which_variables_help(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NETPRESS_RESULTS", raising=False)
    monkeypatch.setattr(paths, "checkout", lambda: None)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UserError, match="NETPRESS_RESULTS"):
        paths.results_dir()


def test_a_removed_working_folder_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    words = f"cd {gone}; rmdir {gone}; exec {sweeps.NETPRESS} status"
    environment = sweeps.environment(tmp_path)
    del environment["NETPRESS_RESULTS"]
    done = subprocess.run(["sh", "-c", words], env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("netpress: The working folder is gone")


def test_a_short_folder_for_sockets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(long))
    assert len(str(paths.short_folder())) <= paths.SHORT
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == long)
    with pytest.raises(UserError, match="TMPDIR"):
        paths.short_folder()


@pytest.mark.parametrize("name", ["NETPRESS_DATA", "NETPRESS_RESULTS"])
def test_a_name_that_is_too_long_is_one_sentence(
    command: Command,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setenv(name, str(folder / ("x" * 300)))
    told = command("doctor" if name == "NETPRESS_DATA" else "status")
    assert told.status == 2 and "too long" in told.sentence.lower()


@pytest.mark.parametrize("which", ["data", "results"])
def test_a_folder_that_may_not_be_read_is_one_sentence(which: str, tmp_path: Path) -> None:
    closed = tmp_path / which
    closed.mkdir(mode=0)
    text = f"""
import sys
import netpress.cli
sys.argv = ["netpress", {"doctor" if which == "data" else "status"!r}]
netpress.cli.main()
"""
    done = sweeps.python(tmp_path, text, **{f"NETPRESS_{which.upper()}": str(closed / "inside")})
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert str(closed) in done.stderr and "Permission denied" in done.stderr


@pytest.mark.parametrize("kind", ["a file", "may not be written to"])
def test_a_build_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path, kind: str) -> None:
    """Told before anything is trained or run."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: chapters/index\n")
    (tmp_path / "_build").touch() if kind == "a file" else (tmp_path / "_build").mkdir(mode=0o555)
    text = """
import sys
from netpress import cli
from netpress.book import site
site.train = lambda *_: sys.exit("work was begun")
sys.argv = ["netpress", "book", "--editions", "demo"]
cli.main()
"""
    done = sweeps.python(tmp_path, text, cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.startswith(f"netpress: Cannot write {tmp_path / '_build'} ("), (
        done.stderr
    )
    assert len(done.stderr.splitlines()) == 1


# --- standard output ------------------------------------------------------------------------------------------------


def shell(tmp_path: Path, line: str) -> subprocess.CompletedProcess:
    """A line of a shell, in which $NETPRESS is the command."""
    environment = sweeps.environment(tmp_path, NETPRESS=str(sweeps.NETPRESS))
    return subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize("words", ["plan compressing --edition paper --json", "editions --json", "status --json"])
def test_who_reads_no_further_ends_it_well(tmp_path: Path, words: str) -> None:
    done = shell(tmp_path, f"$NETPRESS {words} | head -c 1; exit ${{PIPESTATUS[0]}}")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("words", ["status", "status --json", "editions", "describe vgg16", "doctor"])
@pytest.mark.parametrize("how", [">&-", "> /dev/full"])
def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path: Path, words: str, how: str) -> None:
    done = shell(tmp_path, f"$NETPRESS {words} {how}")
    assert done.returncode == 2 and done.stderr.startswith("netpress: The output cannot be written"), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_closed_error_output_does_not_matter(tmp_path: Path) -> None:
    assert shell(tmp_path, "$NETPRESS editions --json 2>&-").returncode == 0
    assert shell(tmp_path, "$NETPRESS nonsense 2>&-").returncode == 2


def test_a_mistake_of_ours_is_still_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from netpress import ends

    assert ends.sentence_of(ValueError("x")) is None and ends.sentence_of(OSError("without a number")) is None
    with pytest.raises(ZeroDivisionError):
        ends.run(lambda: 1 // 0)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "/x cannot be used (Permission denied)"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "free some space"),
        (ModuleNotFoundError("No module named 'papermill'", name="papermill"), "pip install 'netpress[book]'"),
        (ModuleNotFoundError("No module named 'ray'", name="ray"), "pip install 'netpress[cluster]'"),
        (MemoryError(), "Memory ran out"),
    ],
)
def test_what_the_machine_did_wrong_is_one_sentence(error: Exception, wanted: str) -> None:
    from netpress import ends

    assert wanted in (ends.sentence_of(error) or "")


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

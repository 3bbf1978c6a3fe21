"""Variables and folders: each is checked when it is read, and a wrong one is named before any work."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import sweeps
from commanded import Command, command  # noqa: F401 - a fixture

from netpress import env
from netpress.errors import UserError
from netpress.training import compute

GIB = 2**30
NOBODY = "~nobody-of-this-name/x"
WRONG = {
    "NETPRESS_DEVICE": ("gpu", "cuda:x", "0", "cpu:1"),
    "NETPRESS_CACHE_GB": ("2GB", "-1", "nan", "inf"),
    "NETPRESS_CHECKPOINT_SECONDS": ("5s", "-5", "1e9"),
    "NETPRESS_DATA": (NOBODY, __file__),
    "NETPRESS_RESULTS": (NOBODY, "/dev/null"),
    "NETPRESS_CACHE": (NOBODY, "/dev/null"),
    "NETPRESS_COMMIT": ("\x1b[31mred", "x" * 65),
    "NETPRESS_PRECISION": ("fp8",),
}


@pytest.mark.parametrize("name", env.VARIABLES)
def test_a_variable_that_cannot_be_used_is_named_before_any_work(
    command: Command,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    name: str,
) -> None:
    for value in WRONG[name]:
        monkeypatch.setenv(name, value)
        told = command("run", "triage")
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
    for told in (command("doctor"), command("run", "triage", "--only", "*parent*", "--workers", "1")):
        assert told.status == 2 and "NETPRESS_DEVICE" in told.sentence
    assert list(folder.rglob("*.json")) == []


def test_values(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    for blank in ("", "  "):
        for name in env.VARIABLES:
            monkeypatch.setenv(name, blank)
        env.check()
        assert env.get("NETPRESS_CACHE_GB") is env.get("NETPRESS_DATA") is None
    monkeypatch.setenv("NETPRESS_CACHE_GB", " 0.5 ")
    monkeypatch.setenv("NETPRESS_DEVICE", "CPU")
    assert compute.choose().cache_bytes == GIB // 2 and compute.choose().device == "cpu"


def test_variables_are_read_in_one_place() -> None:
    package = Path(env.__file__).parent
    reading = re.compile(r"""environ(\.get\(|\[)\s*["']NETPRESS_(?!DATA)\w+["'](?!\]\s*=)|getenv""")
    assert [path for path in package.rglob("*.py") if reading.search(path.read_text("utf-8"))] == []


# --- folders

OWN = ("NETPRESS_RESULTS", "NETPRESS_DATA", "NETPRESS_CACHE")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable names a folder, and we are in a new one."""
    for name in OWN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_checkout_is_where_we_are_or_where_the_package_lies(
    unset: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "results").mkdir()
    assert env.results_dir() == sweeps.ROOT / "results" and env.root() == sweeps.ROOT
    deep = tmp_path / "chapters" / "triage"
    deep.mkdir(parents=True)
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(deep)
    assert env.root() == tmp_path and env.data_folder() == tmp_path / "data"
    assert env.weights_dir() == tmp_path / ".cache" / "netpress" / "weights"
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("NETPRESS_DATA", "relative")
    assert env.weights_dir() == tmp_path / "elsewhere" / "weights" and env.data_folder() == deep / "relative"


def test_outside_of_any_checkout_nothing_is_written_into_a_foreign_folder(
    unset: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(env, "checkout", lambda: None)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for place in (env.results_dir(), env.cache_dir(), env.data_folder()):
        assert tmp_path / "home" / ".netpress" in place.parents
    (tmp_path / "data").mkdir()
    assert env.data_folder() == tmp_path / "data"  # only read

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UserError, match="NETPRESS_RESULTS"):
        env.results_dir()


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
    assert len(str(env.short_folder())) <= env.SHORT
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == long)
    with pytest.raises(UserError, match="TMPDIR"):
        env.short_folder()


@pytest.mark.parametrize(("name", "words"), [("NETPRESS_DATA", "doctor"), ("NETPRESS_RESULTS", "status")])
def test_a_name_that_is_too_long_is_one_sentence(
    command: Command,  # noqa: F811
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    words: str,
) -> None:
    monkeypatch.setenv(name, str(folder / ("x" * 300)))
    told = command(words)
    assert told.status == 2 and "too long" in told.sentence.lower()

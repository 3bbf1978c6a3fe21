"""Whole files or nothing, and where things lie."""

import errno
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from netpress import paths
from netpress.atomic import write_atomic
from netpress.errors import UserError


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_writes_makes_folders_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "record.json"
    write_atomic(target, b"one")
    write_atomic(str(target), b"two")
    assert target.read_bytes() == b"two"
    assert names(target.parent) == ["record.json"]


def test_names_as_long_as_the_file_system_allows(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 255)
    write_atomic(target, b"long")
    assert target.read_bytes() == b"long"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    target = tmp_path / "record.json"
    write_atomic(target, b"old")

    def full(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"record\.json: 12,345 bytes are needed"):
        write_atomic(target, bytes(12345))
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["record.json"]


def test_a_write_cut_off_half_way(tmp_path: Path) -> None:
    """The system itself stops this one after 1,000 bytes."""
    target = tmp_path / "record.json"
    write_atomic(target, b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match="5,000 bytes are needed"):
            write_atomic(target, bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["record.json"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="Cannot write"):
        write_atomic(tmp_path / "file" / "record.json", b"x")


def test_readers_never_see_a_part(tmp_path: Path) -> None:
    target = tmp_path / "record"
    contents = {bytes([i]) * 200_000 for i in range(4)}
    write_atomic(target, next(iter(contents)))
    writers = [threading.Thread(target=lambda c=c: [write_atomic(target, c) for _ in range(10)]) for c in contents]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert target.read_bytes() in contents
    assert names(tmp_path) == ["record"]


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("NETPRESS_DATA", "NETPRESS_RESULTS", "NETPRESS_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    deep = tmp_path / "chapters" / "triage"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert paths.root() == Path(paths.__file__).parents[2]  # the checkout that the package lies in
    (tmp_path / "_toc.yml").write_text("format: jb-book\n")
    assert paths.root() == tmp_path
    assert paths.data_folder() == tmp_path / "data"
    assert paths.results_dir() == tmp_path / "results"
    assert paths.weights_dir() == tmp_path / ".cache" / "netpress" / "weights"
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("NETPRESS_DATA", "relative")
    monkeypatch.setenv("NETPRESS_RESULTS", " ")
    assert paths.weights_dir() == tmp_path / "elsewhere" / "weights"
    assert paths.data_folder() == deep / "relative"
    assert paths.results_dir() == tmp_path / "results"


def test_torchvision_and_timm_import_in_a_fresh_process() -> None:
    code = (
        "from netpress.compat import import_torchvision as i; tv = i(); assert i() is tv;"
        "import timm, torchvision.models, torchvision.transforms.v2; print(tv.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "torchvision"

"""The digest of files tells every change of them, and nothing else."""

import hashlib
import os
from pathlib import Path

import pytest

import netpress
from netpress import digests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "in" / "b.csv").write_text("2")
    return tmp_path


def test_it_is_what_sha256_says_of_paths_and_contents(folder: Path) -> None:
    parts = [b"a.py\0" + hashlib.sha256(b"1").digest(), b"in/b.csv\0" + hashlib.sha256(b"2").digest()]
    assert digests.of_folder(folder) == hashlib.sha256(b"".join(parts)).hexdigest()
    assert digests.of_files(sorted(folder.rglob("*.*"), reverse=True), folder) == digests.of_folder(folder)


def test_a_change_a_name_a_new_file_and_a_lost_one_are_told(folder: Path) -> None:
    before = digests.of_folder(folder)
    seen = {before}
    (folder / "a.py").write_text("3")
    seen.add(digests.of_folder(folder))
    (folder / "a.py").rename(folder / "c.py")
    seen.add(digests.of_folder(folder))
    (folder / "d").write_text("")
    seen.add(digests.of_folder(folder))
    (folder / "in" / "b.csv").unlink()
    seen.add(digests.of_folder(folder))
    assert len(seen) == 5


def test_files_with_other_endings_and_the_place_of_the_folder_do_not_count(folder: Path, tmp_path: Path) -> None:
    before = digests.of_folder(folder, (".py",))
    (folder / "in" / "b.csv").write_text("other")
    assert digests.of_folder(folder, (".py",)) == before
    moved = folder / "moved"
    moved.mkdir()
    (moved / "a.py").write_text("1")
    assert digests.of_folder(moved) == before


def test_a_name_that_is_no_text_is_a_name_too(folder: Path) -> None:
    before = digests.of_folder(folder)
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    except OSError:  # macOS takes none
        pytest.skip("this file system takes no such name")
    assert digests.of_folder(folder) != before


def test_code_that_was_changed_after_this_process_began_is_not_known(folder: Path) -> None:
    long_ago = netpress.BEGAN - 100
    os.utime(folder / "a.py", (long_ago, long_ago))
    assert digests.of_code(folder) == digests.of_folder(folder, (".py",))  # the other file is no code
    (folder / "in" / "c.py").write_text("")
    assert digests.of_code(folder) == ""

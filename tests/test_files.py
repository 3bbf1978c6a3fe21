"""Files are written whole or not at all, and tell when they were altered."""

import errno
import hashlib
import os
import resource
import threading
from pathlib import Path

import pytest

from netpress import files
from netpress.errors import UserError
from netpress.files import digest_of_folder, write_atomic


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_writes_makes_folders_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a" / ("n" * 255)  # as long as file systems allow
    write_atomic(target, b"one")
    write_atomic(str(target), b"two")
    assert target.read_bytes() == b"two" and names(target.parent) == [target.name]


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
    assert target.read_bytes() == b"old" and names(tmp_path) == ["record.json"]


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
    assert target.read_bytes() == b"old" and names(tmp_path) == ["record.json"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="Cannot use"):
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


def test_the_digest_of_a_folder_tells_every_change_of_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "in" / "b.csv").write_text("2")
    parts = [b"a.py\0" + hashlib.sha256(b"1").digest(), b"in/b.csv\0" + hashlib.sha256(b"2").digest()]
    seen = [digest_of_folder(tmp_path)]
    assert seen == [hashlib.sha256(b"".join(parts)).hexdigest()]
    (tmp_path / "a.py").write_text("3")
    seen.append(digest_of_folder(tmp_path))
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    seen.append(digest_of_folder(tmp_path))
    (tmp_path / "in" / "b.csv").unlink()
    seen.append(digest_of_folder(tmp_path))
    assert len(set(seen)) == 4 and digest_of_folder(tmp_path) == digest_of_folder(tmp_path, (".py",))


def test_sealed_content_tells_when_it_was_cut_or_altered(tmp_path: Path) -> None:
    path = tmp_path / "sealed"
    assert files.read_sealed(path) is None
    whole = files.seal(b"body")
    path.write_bytes(whole)
    assert files.read_sealed(path) == b"body"
    for place in range(0, len(whole), 5):
        for content in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            path.write_bytes(content)
            assert files.read_sealed(path) is None and names(tmp_path) == ["sealed.corrupt"]

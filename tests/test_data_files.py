"""Everything that can be wrong with a data set's files, and the cache of decoded images."""

import random
import shutil
from pathlib import Path

import pytest
import torch

from netpress import data
from netpress.data import cache, official
from netpress.data.registry import DATASETS
from netpress.errors import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def copy(real: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private data folder with the two small test files of MNIST, and a private cache."""
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (tmp_path / "data/MNIST/raw").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real / "MNIST/raw" / name, tmp_path / "data/MNIST/raw" / name)
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("cifar", "train"), "Unknown data set 'cifar': did you mean 'cifar10'"),
        (("digits", "tset"), "Unknown split 'tset': did you mean 'test'"),
        (("digits", "train", 0), "images is 0"),
        (("digits", "train", 1.5), "images is 1.5"),
        (("digits", "train", True), "images is True"),
        (("digits", "train", 10, 0), "px is 0"),
        (("digits", "train", None, "32"), "px is '32'"),
    ],
)
def test_wrong_arguments(arguments: tuple, words: str) -> None:
    with pytest.raises(UserError, match=words):
        data.load(*arguments)


def test_checksums_need_no_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    there = [data.checksum(dataset) for dataset in data.DATASETS]
    assert all(data.available(dataset) for dataset in data.DATASETS if dataset != "stl10")
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path))
    assert [data.checksum(dataset) for dataset in data.DATASETS] == there
    assert len(set(there)) == len(there) and {len(c) for c in there} == {64}
    ok, reason = data.available("cifar10")
    assert not ok and str(tmp_path) in reason and "toronto" in reason
    assert data.available("digits")


def test_known_sums_are_the_folders_own(real: Path) -> None:
    lines = (line.split() for line in (real / "SHA256SUMS").read_text().splitlines())
    listed = {name: digest for digest, name in lines}
    ours = {f.path: f for s in DATASETS.values() for f in s.sources[0].all_files if f.digest.startswith("sha256")}
    assert len(ours) == 22
    for path, file in ours.items():
        assert file.digest == f"sha256:{listed[path]}"
        assert file.size == (real / path).stat().st_size


def test_publishers_sums_are_torchvisions() -> None:
    from netpress.compat import import_torchvision

    sets = import_torchvision().datasets
    md5 = {f.path: f.digest.removeprefix("md5:") for s in DATASETS.values() for f in s.sources[-1].all_files}
    assert md5["cifar-10-python.tar.gz"] == sets.CIFAR10.tgz_md5
    assert md5["cifar-100-python.tar.gz"] == sets.CIFAR100.tgz_md5
    assert md5["stl10_binary.tar.gz"] == sets.STL10.tgz_md5
    for name, digest in sets.Flowers102._file_dict.values():
        assert md5[f"flowers-102/{name}"] == digest
    for kind in (sets.CIFAR10, sets.CIFAR100):
        entries = [*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])]
        assert all(official.CIFAR_MD5[f"{kind.base_folder}/{name}"] == digest for name, digest in entries)
    for name, digest in (*sets.STL10.train_list[:2], *sets.STL10.test_list):
        assert official.STL10_MD5[f"stl10_binary/{name}"] == digest


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "MNIST/raw/t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte\.gz is missing: expected 4,542 bytes with SHA256"):
        data.load("mnist", "test")
    ok, reason = data.available("mnist")
    assert not ok and "missing" in reason


@pytest.mark.parametrize("keep", [0, 1, 10, 4541])
def test_a_truncated_file_is_named(copy: Path, keep: int) -> None:
    path = copy / "MNIST/raw/t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=rf"labels.*cut short: it has {keep:,} bytes, expected 4,542"):
        data.load("mnist", "test")
    assert not data.available("mnist")


def test_a_folder_in_the_place_of_a_file(copy: Path) -> None:
    path = copy / "MNIST/raw/t10k-labels-idx1-ubyte.gz"
    path.unlink()
    path.mkdir()
    with pytest.raises(UserError, match=r"t10k-labels.*unreadable"):
        data.load("mnist", "test")


def test_a_hundred_altered_bytes_are_all_found(copy: Path) -> None:
    """Also with a warm cache: what was decoded earlier does not hide what is wrong now."""
    good = data.load("mnist", "test", images=10).checksum
    dice = random.Random(0)
    names = [copy / "MNIST/raw" / f"t10k-{part}-ubyte.gz" for part in ("labels-idx1", "images-idx3")]
    for round_ in range(100):
        path = names[round_ % 2]
        content = path.read_bytes()
        at, bit = dice.randrange(len(content)), 1 << dice.randrange(8)
        path.write_bytes(content[:at] + bytes([content[at] ^ bit]) + content[at + 1 :])
        with pytest.raises(UserError, match=rf"{path.name} is altered.*expected .* SHA256"):
            data.load("mnist", "test", images=10)
        path.write_bytes(content)
    assert data.load("mnist", "test", images=10).checksum == good


def entries() -> list[Path]:
    return sorted((data.cache_dir() / "data").glob("*.images"))


def test_the_second_load_is_the_first(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = data.load("mnist", "test", images=20)
    monkeypatch.setattr(data, "_decode", None)  # decoding again would fail
    second = data.load("mnist", "test", images=20)
    assert torch.equal(first.x, second.x) and torch.equal(first.y, second.y)
    assert (first.checksum, first.classes, first.provenance) == (
        second.checksum, second.classes, second.provenance
    )  # fmt: skip


def test_every_setting_has_its_own_entry(copy: Path) -> None:
    loads = [("test", 20, 32), ("test", 21, 32), ("test", 20, 33)]
    sums = {data.load("mnist", split, images, px).checksum for split, images, px in loads}
    assert len(sums) == len(entries()) == 3


def test_a_corrupt_cache_is_noticed_and_made_again(copy: Path) -> None:
    good = data.load("mnist", "test", images=3)
    (entry,) = entries()
    content, dice = entry.read_bytes(), random.Random(1)
    for _ in range(100):
        at = dice.randrange(len(content))
        entry.write_bytes(content[:at] + bytes([content[at] ^ (1 << dice.randrange(8))]) + content[at + 1 :])
        with pytest.warns(UserWarning, match="corrupt"):
            assert cache.read(entry) is None
        assert not entry.exists()
    again = data.load("mnist", "test", images=3)
    assert torch.equal(again.x, good.x) and entry.read_bytes() == content
    for state in (b"", content[:100]):
        entry.write_bytes(state)
        with pytest.warns(UserWarning, match="corrupt"):
            assert data.load("mnist", "test", images=3).checksum == good.checksum
    assert entry.read_bytes() == content


def test_a_cache_that_cannot_be_written_costs_a_warning(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "data").write_text("in the way")
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    with pytest.warns(UserWarning, match="not kept"):
        assert len(data.load("mnist", "test", images=3)) == 3

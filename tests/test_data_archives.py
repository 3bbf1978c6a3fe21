"""The publishers' archives, made small here, and downloads from a server of our own."""

import dataclasses
import functools
import hashlib
import http.server
import io
import os
import pickle
import struct
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat

from netpress import data
from netpress.data import files, official, pixels, views
from netpress.data.registry import DATASETS
from netpress.errors import UserError

pytestmark = pytest.mark.usefixtures("own_cache")


def tar(path: Path, contents: dict[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG", quality=95)
    return out.getvalue()


def cells(items: list[str]) -> np.ndarray:
    column = np.empty((len(items), 1), dtype=object)
    column[:, 0] = items
    return column


def test_stanford_dogs_from_its_archive_and_lists(tmp_path: Path) -> None:
    names = ["n02-Chihuahua/n02_1.jpg", "n02-Chihuahua/n02_2.jpg", "n03-toy_terrier/n03_9.jpg"]
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    contents = {f"Images/{n}": jpeg(c) for n, c in zip(names, colours, strict=True)}
    contents["../../escaped.txt"] = b"never written"
    tar(tmp_path / "images.tar", contents)
    lists = {}
    for split, chosen, labels in (("train", [names[2], names[0]], [2, 1]), ("test", [names[1], names[2]], [1, 2])):
        out = io.BytesIO()
        savemat(out, {"file_list": cells(chosen), "labels": np.array(labels, float)[:, None]})
        lists[f"{split}_list.mat"] = out.getvalue()
    tar(tmp_path / "lists.tar", lists)
    with (tmp_path / "images.tar").open("rb") as images, (tmp_path / "lists.tar").open("rb") as table:
        handles = {"stanford-dogs/images.tar": images, "stanford-dogs/lists.tar": table}
        raw = official.dogs(handles, "train")
    assert raw.labels.tolist() == [1, 0] and raw.classes == ("Chihuahua", "toy terrier")
    packed = pixels.pack(raw.image, np.arange(2), 16)
    assert packed.shape == (2, 3, 16, 16)
    for row, colour in zip(packed, (colours[2], colours[0]), strict=True):
        assert np.abs(row.reshape(3, -1).mean(1) - colour).max() < 4
    assert not list(tmp_path.parent.rglob("escaped.txt"))


def test_links_and_missing_members_are_refused(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"there": b"1"})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with path.open("rb") as handle:
        assert official.members(handle, ["there"]) == [b"1"]
    for name in ("link", "absent"):
        with path.open("rb") as handle, pytest.raises(UserError, match=f"the first is '{name}'"):
            official.members(handle, [name])


class Python2(pickle._Pickler):
    """Pickles as Python 2 did, as CIFAR's batches are: byte strings, and NumPy's old module names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)

    def save_str(self, value: str) -> None:
        self.save_bytes(value.encode("ascii"))

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str


def python2(content: object) -> bytes:
    out = io.BytesIO()
    Python2(out, protocol=2).dump(content)
    return out.getvalue().replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100"])
def test_official_cifar_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: str) -> None:
    pixels_ = np.random.default_rng(0).integers(0, 256, (10, 3072), np.uint8)
    if dataset == "cifar10":
        folder, key, parts = "cifar-10-batches-py", b"labels", [f"data_batch_{i}" for i in range(1, 6)]
        meta, names = "batches.meta", b"label_names"
    else:
        folder, key, parts, meta, names = "cifar-100-python", b"fine_labels", ["train"], "meta", b"fine_label_names"
    step = 10 // len(parts)
    contents = {
        f"{folder}/{part}": python2({b"data": pixels_[i * step : (i + 1) * step], key: list(range(step))})
        for i, part in enumerate(parts)
    }
    contents[f"{folder}/{meta}"] = python2({names: [b"cat", b"dog"]})
    name = dataset.replace("cifar", "cifar-") + "-python.tar.gz"
    path = tar(tmp_path / name, contents, "w:gz")
    with path.open("rb") as handle, pytest.raises(UserError, match="has MD5"):
        getattr(official, dataset)({name: handle}, "train")  # not the publisher's: never unpickled
    monkeypatch.setattr(official, "CIFAR_MD5", {n: hashlib.md5(c).hexdigest() for n, c in contents.items()})
    with path.open("rb") as handle:
        raw = getattr(official, dataset)({name: handle}, "train")
    assert raw.classes == ("cat", "dog") and raw.labels.tolist() == list(range(step)) * len(parts)
    packed = pixels.pack(raw.image, np.arange(10), 32)
    assert np.array_equal(packed, pixels_.reshape(10, 3, 32, 32))


def test_pickles_can_build_arrays_and_nothing_else(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple:
            return os.mkdir, (str(tmp_path / "made"),)

    with pytest.raises(pickle.UnpicklingError, match="no place in a batch"):
        official.ArraysOnly(io.BytesIO(pickle.dumps(Evil()))).load()
    assert not (tmp_path / "made").exists()
    for harmless in (np.load, np.array, len, torch.Tensor):
        with pytest.raises(pickle.UnpicklingError):
            official.ArraysOnly(io.BytesIO(pickle.dumps(harmless))).load()


def test_stl10_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored as channel, column, row, labels from 1; torchvision's own reader is the judge."""
    stored = np.random.default_rng(0).integers(0, 256, (4, 3, 96, 96), np.uint8)
    contents = {
        "stl10_binary/train_X.bin": stored.tobytes(),
        "stl10_binary/train_y.bin": bytes([1, 10, 3, 1]),
    }
    path = tar(tmp_path / "stl10_binary.tar.gz", contents, "w:gz")
    monkeypatch.setattr(official, "STL10_MD5", {n: hashlib.md5(c).hexdigest() for n, c in contents.items()})
    with path.open("rb") as handle:
        raw = official.stl10({"stl10_binary.tar.gz": handle}, "train")
    assert raw.labels.tolist() == [0, 9, 2, 0] and len(raw.classes) == 10
    expected = np.transpose(stored, (0, 1, 3, 2))  # as torchvision.datasets.STL10 does it
    assert np.array_equal(pixels.pack(raw.image, np.arange(4), 96), expected)


def test_official_flowers(tmp_path: Path) -> None:
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250)]
    contents = {f"jpg/image_0000{i}.jpg": jpeg(colours[i - 1], (50, 80)) for i in (1, 2, 3)}
    tar(tmp_path / "102flowers.tgz", contents, "w:gz")
    savemat(tmp_path / "setid.mat", {"trnid": [[3, 1]], "valid": [[2]], "tstid": [[2]]})
    savemat(tmp_path / "imagelabels.mat", {"labels": np.array([[77, 1, 102]], np.uint8)})
    names = ("setid.mat", "imagelabels.mat", "102flowers.tgz")
    handles = {f"flowers-102/{name}": io.BytesIO((tmp_path / name).read_bytes()) for name in names}
    raw = official.flowers102(handles, "train")
    assert raw.labels.tolist() == [101, 76] and len(raw.classes) == 102
    first = raw.image(0)
    assert first.shape == (80, 50, 3) and np.abs(first.mean((0, 1)) - colours[2]).max() < 4


def test_official_flower_names_and_lists(real: Path) -> None:
    from netpress.compat import import_torchvision

    ours = data.load("flowers102", "test", images=102)
    theirs = import_torchvision().datasets.Flowers102.classes
    assert len(ours.classes) == len(theirs) == 102
    handles = {f"flowers-102/{n}": (real / "Flowers-102" / n).open("rb") for n in ("setid.mat", "imagelabels.mat")}
    ids = official._matlab(handles["flowers-102/setid.mat"])
    assert [ids[key].size for key in ("trnid", "valid", "tstid")] == [1020, 1020, 6149]
    for handle in handles.values():
        handle.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A publisher on this machine: its address and its folder."""
    folder = tmp_path / "published"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    serve = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    thread = threading.Thread(target=serve.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{serve.server_address[1]}", folder
    serve.shutdown()
    serve.server_close()


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_download_checks_and_keeps(server: tuple[str, Path], tmp_path: Path, algorithm: str) -> None:
    url, published = server
    content = os.urandom(5000)
    (published / "set.tar").write_bytes(content)
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
    file = files.File("folder/set.tar", digest, None, f"{url}/set.tar")
    place = tmp_path / "downloads"
    (place / "partial").mkdir(parents=True)
    (place / "partial" / "set.tar").write_bytes(content[:100])  # an interrupted download
    files.fetch((file,), place, "A set")
    assert (place / "folder/set.tar").read_bytes() == content
    (published / "set.tar").unlink()
    files.fetch((file,), place, "A set")  # nothing is fetched twice
    with files.checked(place, (file,)) as handles:
        assert handles["folder/set.tar"].read() == content


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_a_wrong_download_is_refused(server: tuple[str, Path], tmp_path: Path, algorithm: str) -> None:
    url, published = server
    (published / "set.tar").write_bytes(b"something else")
    file = files.File("set.tar", f"{algorithm}:{hashlib.new(algorithm, b'x').hexdigest()}", None, f"{url}/set.tar")
    with pytest.raises(UserError):
        files.fetch((file,), tmp_path / "downloads", "A set")
    assert not (tmp_path / "downloads/set.tar").exists()


def test_every_entry_names_its_decoders_and_a_view_that_there_is() -> None:
    for dataset in DATASETS.values():
        assert dataset.view in views.VIEWS and all(callable(source.decoder) for source in dataset.sources)
        assert dataset.sources[-1].all_files == () or all(file.url for file in dataset.sources[-1].all_files)


@pytest.mark.data
def test_grey_data_sets_are_those_with_equal_channels() -> None:
    for name, dataset in DATASETS.items():
        if data.available(name):
            x = data.load(name, "test", images=20).x
            assert bool((x == x[:, :1]).all()) == dataset.grey


def test_a_download_that_was_broken_off_is_completed(
    server: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, published = server
    for name in ("a", "b"):
        (published / name).write_bytes(name.encode())
    parts = tuple(files.File(n, f"md5:{hashlib.md5(n.encode()).hexdigest()}", 1, f"{url}/{n}") for n in "ab")
    source = dataclasses.replace(DATASETS["stl10"].sources[0])
    vars(source)["files"] = {"train": parts, "test": parts}
    monkeypatch.setattr(data, "DATASETS", {"stl10": dataclasses.replace(DATASETS["stl10"], sources=(source,))})
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path / "nothing"))
    data.downloads().mkdir(parents=True)
    (data.downloads() / "a").write_bytes(b"a")
    assert not data.available("stl10")
    data.fetch("stl10")
    assert data.available("stl10")


def test_without_a_network_the_message_says_where_to_put_it(tmp_path: Path) -> None:
    file = files.File("set.tar", "md5:0", None, "http://127.0.0.1:9/set.tar")
    with pytest.raises(UserError, match=r"could not be downloaded .*Put these files into .*downloads: set\.tar"):
        files.fetch((file,), tmp_path / "downloads", "A set")

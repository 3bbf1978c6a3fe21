"""Files that somebody else wrote, cut, moved or forgot: in the place of records, data, weights, checkpoints, a site."""

import gzip
import json
import random
import tarfile
from pathlib import Path

import numpy as np
import pytest
import sweeps
from commanded import Command, command  # noqa: F401 - a fixture
from sweeps import EDITION, child, found, parent, tiny

from netpress import data, env
from netpress.book import build, glue, render
from netpress.book.page import Page
from netpress.data import files
from netpress.data.folder import _idx, members
from netpress.errors import UserError
from netpress.files import digest
from netpress.runs import records, sweep
from netpress.runs.store import WeightStore
from netpress.training.checkpoint import CheckpointFile


@pytest.fixture
def done(folder: Path) -> Path:
    """Records of a parent and its child."""
    sweep.ensure((parent(), child()), EDITION, workers=1)
    return folder


def test_nothing_there_is_one_sentence(command: Command, tmp_path: Path) -> None:  # noqa: F811
    for words in (("claims",), ("status",), ("results", "triage")):
        told = command(*words, "--results", tmp_path / "nowhere")
        assert told.status == 2 and "There is no folder" in told.sentence
    (tmp_path / "file").touch()
    for words in (("claims",), ("status",), ("run", "triage")):
        assert "is no folder" in command(*words, "--results", tmp_path / "file").sentence
        assert "names no file or folder" in command(*words, "--results", "").sentence


# --- weights and checkpoints ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["a folder", "no tensors"])
def test_weights_that_cannot_be_used_are_set_aside_and_made_again(done: Path, kind: str) -> None:
    before, store = found(done / "results"), WeightStore()
    weights, note = store.paths(parent().fingerprint)
    good = weights.read_bytes()
    if kind == "a folder":
        weights.unlink()
        weights.mkdir()
    else:
        content = b"nonsense"
        weights.write_bytes(content)
        note.write_text(json.dumps({"weights": digest(content), "metadata": {}}))
    records.path_of(child(), EDITION).unlink()
    summary = sweep.ensure((parent(), child()), EDITION, workers=1)
    assert summary.failures == [] and found(done / "results") == before
    assert weights.read_bytes() == good
    assert (summary.done, summary.remade, summary.before) == (1, 1, 1)
    assert "1 done now, weights of 1 made again, 1 done before" in summary.lines[-1]


@pytest.mark.parametrize("kind", ["no rows", "a folder", "no checkpoint"])
def test_an_unusable_checkpoint_is_set_aside(folder: Path, kind: str) -> None:
    from netpress.runs.perform import RunState, new_workspace

    run = parent()
    point = CheckpointFile(folder / "cache" / "checkpoints", run.fingerprint)
    under = RunState(run, new_workspace(), lambda _: None).conditions()
    made = sweeps.made_up(0, 1)
    made.metadata.update(under=under, history=[], stages=[], seconds=0.0)
    if kind == "no rows":
        del made.metadata["rows"]
    point.keep(made)
    point.flush()
    if kind == "a folder":
        point.path.unlink()
        point.path.mkdir()
    elif kind == "no checkpoint":
        point.path.write_bytes(b"[1, 2")
    summary = sweep.ensure((run,), EDITION, workers=1)
    assert (summary.done, summary.failures) == (1, [])
    assert [path.name for path in point.path.parent.iterdir()] == [point.path.name + ".corrupt"]


# --- data as people have it -----------------------------------------------------------------------------------------


def test_mnist_is_read_packed_and_unpacked(tmp_path: Path) -> None:
    """The same images from both, by the same decoder; here a made-up file of two images."""
    idx = bytes([0, 0, 8, 3]) + bytes(12) + bytes(range(256)) * 6 + bytes(32)
    assert len(idx) == 16 + 2 * 784
    for name, content in (("packed", gzip.compress(idx)), ("loose", idx)):
        (tmp_path / name).write_bytes(content)
    both = []
    for name in ("packed", "loose"):
        with (tmp_path / name).open("rb") as handle:
            both.append(_idx(handle, 16))
    assert np.array_equal(*both) and len(both[0]) == 2 * 784


@pytest.mark.data
@pytest.mark.skipif(not data.available("mnist"), reason="MNIST is not here")
def test_mnist_unpacked_is_the_same_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed_sum, packed = data.checksum("mnist"), data.load("mnist", "test", images=50)
    place = tmp_path / "data" / "MNIST" / "raw"
    place.mkdir(parents=True)
    for path in (env.data_folder() / "MNIST" / "raw").glob("*.gz"):
        (place / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    assert data.available("mnist") and data.checksum("mnist") == packed_sum
    loose = data.load("mnist", "test", images=50)
    assert loose.checksum == packed.checksum
    path = place / "t10k-images-idx3-ubyte"
    path.write_bytes(sweeps_flipped(path.read_bytes()))
    with pytest.raises(UserError, match=r"t10k-images-idx3-ubyte is altered"):
        data.load("mnist", "test", images=50)


def sweeps_flipped(content: bytes) -> bytes:
    """One byte changed."""
    place = random.Random(1).randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def test_an_unpacked_archive_is_read_like_the_archive(tmp_path: Path) -> None:
    loose = tmp_path / "cifar-10-batches-py"
    loose.mkdir()
    (loose / "data_batch_1").write_bytes(b"one")
    (loose / "batches.meta").write_bytes(b"names")
    file = files.File("cifar-10-python.tar.gz", "md5:0", None, "http://x/y", "cifar-10-batches-py")
    with files.checked(tmp_path, (file,)) as handles:
        names = ["cifar-10-batches-py/batches.meta", "cifar-10-batches-py/data_batch_1"]
        assert members(handles["cifar-10-python.tar.gz"], names) == [b"names", b"one"]


def test_cifar_unpacked_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "batches.meta").write_bytes(b"x")
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path))
    assert data.available("cifar10")
    with pytest.raises(UserError, match="lacks 5 expected files"):  # which are checked by their own sums
        data.load("cifar10", "train")


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>404</html>", b"\n  <html></html>", b"PK\x03\x04"])
def test_something_else_in_place_of_an_archive_names_the_final_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path))
    place = tmp_path / "stl10_binary.tar.gz"
    place.write_bytes(content)
    with pytest.raises(UserError) as error:
        data.load("stl10", "test")
    assert str(error.value).startswith(f"{place} is ") and f"at {place}" in str(error.value)
    assert ("web page" in str(error.value)) == (b"html" in content)


def test_a_download_that_is_something_else_names_the_final_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pretend(url: str, folder: str, name: str, md5: str | None) -> None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / name).write_bytes(b"<html>log in first</html>")

    from netpress.compat import import_torchvision

    monkeypatch.setattr(import_torchvision().datasets.utils, "download_url", pretend)
    with pytest.raises(UserError) as error:
        files.fetch((files.File("sub/a.gz", "sha256:0", 5, "http://x/a.gz"),), tmp_path, "A set")
    assert str(tmp_path / "sub" / "a.gz") in str(error.value) and "partial" not in str(error.value)


def test_tar_members_are_regular_files(tmp_path: Path) -> None:
    loose = tmp_path / "x"
    (loose / "folder").mkdir(parents=True)
    (loose / "a").write_bytes(b"1")
    with tarfile.open(fileobj=files.packed(loose)) as archive:
        assert archive.getnames() == ["x/a"]


# --- what a book is written over ------------------------------------------------------------------------------------


def test_another_sphinx_site_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "objects.inv").touch()
    with pytest.raises(UserError, match="not a site of this book"):
        render.replaceable(tmp_path)
    (tmp_path / render.MARK).touch()
    render.replaceable(tmp_path)


def test_a_link_to_a_site_stays_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    link.symlink_to(real, target_is_directory=True)
    rendered: list[Path] = []
    (tmp_path / "_toc.yml").write_text("root: chapters/index")
    (tmp_path / "_config.yml").touch()
    monkeypatch.setattr(build.Book, "trained", True)
    monkeypatch.setattr(build.Book, "plan", lambda *_: {"index": ("demo",)})
    monkeypatch.setattr(build.Book, "publish", lambda self, plan, place: rendered.append(place))
    monkeypatch.setattr(env, "root", lambda: tmp_path)
    assert build.build((), link) == 0
    assert rendered == [real] and link.is_symlink()


def test_a_disk_that_fills_while_publishing_leaves_the_old_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, made = tmp_path / "site", tmp_path / "made"
    for place in (old, made):
        place.mkdir()
        (place / "index.html").write_text(place.name)

    def full(source: Path, target: Path, **_: object) -> None:
        Path(target).mkdir()
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("shutil.copytree", full)
    monkeypatch.setattr(render, "sphinx", lambda book: book)
    with pytest.raises(OSError, match="No space"):
        render.render(made, old)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["made", "site"]
    assert (old / "index.html").read_text() == "site"


# --- a page's parameters and numbers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "form", "wanted"),
    [
        (-0.0004, ".1%", "0.0%"),
        (-0.06, ".1f", "−0.1"),
        (-0.04, ".1f", "0.0"),
        (0.0, ".1%", "0.0%"),
        (-0.0, "d", "0"),
        (float("inf"), "d", "infinite"),
        (float("-inf"), ".1f", "minus infinite"),
        (float("nan"), ".1%", "not run"),
        (None, ".1%", "not run"),
        (np.float64("nan"), "d", "not run"),
        (-3, "d", "−3"),
        (1234567, ",d", "1,234,567"),
    ],
)
def test_numbers_of_the_prose(value: float, form: str, wanted: str) -> None:
    assert glue.written(value, form) == wanted


def test_what_pandas_has_for_missing_is_not_run() -> None:
    import pandas as pd

    assert [glue.written(value, ".1%") for value in (pd.NA, pd.NaT)] == ["not run", "not run"]


def test_the_chapter_is_no_parameter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netpress.book.parameters.injected", lambda: {"chapter": "x"})
    with pytest.raises(UserError, match="Unknown parameter 'chapter'"):
        Page(chapter="triage/accuracy", edition="demo")


def test_a_page_advises_the_command_that_makes_its_runs() -> None:
    page = Page(chapter="triage/accuracy", edition="small", dataset="mnist", seeds=[7, 9])
    assert page._sweep_command() == "netpress run triage --edition small --dataset mnist --seeds 7,9"
    assert tiny("x").name

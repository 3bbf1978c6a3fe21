"""A folder of the user's own pictures: what a viewer would show, a split that content alone decides, and errors."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from netpress import data
from netpress.data import noted, picture_folder, pictures
from netpress.errors import UserError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))


def noise(seed: int, size: tuple[int, int] = (20, 16)) -> Image.Image:
    """A random picture, width x height."""
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3), np.uint8))


def fill(folder: Path, count: int, begin: int = 0) -> None:
    """So many random pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(begin, begin + count):
        noise(i).save(folder / f"{i:03}.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes with 24 training and 6 test pictures each."""
    for n, name in enumerate(("cat", "dog")):
        fill(tmp_path / "photos" / "train" / name, 24, 1000 * n)
        fill(tmp_path / "photos" / "test" / name, 6, 1000 * n + 500)
    return tmp_path / "photos"


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def test_a_folder_is_a_data_set_like_any_other(photos: Path) -> None:
    name = pictures.register(photos, 16)
    assert name.startswith("photos@") and data.classes(name) == 2 and data.available(name)
    train, test = data.load(name, "train", px=16), data.load(name, "test", px=16)
    assert train.x.shape == (48, 3, 16, 16) and train.x.dtype == torch.uint8 and train.classes == ("cat", "dog")
    assert [int((test.y == label).sum()) for label in (0, 1)] == [6, 6]
    assert data.checksum(name) == data.checksum(name) and len(data.checksum(name)) == 64
    fit, validation = data.load(name, "fit", px=16), data.load(name, "validation", px=16)
    assert (len(fit), len(validation)) == (38, 10) == (data.count(name, "fit"), data.count(name, "validation"))
    rows = {tuple(x.flatten().tolist()) for x in train.x}
    parts = [{tuple(x.flatten().tolist()) for x in part.x} for part in (fit, validation)]
    assert parts[0] | parts[1] == rows and not parts[0] & parts[1]
    assert len(data.load(name, "train", images=7, px=16)) == 7
    # one picture, worked out by hand: the central square, resized by Pillow
    shown = noise(1003).crop((2, 0, 18, 16))
    assert any(torch.equal(torch.from_numpy(np.array(shown)).permute(2, 0, 1), x) for x in train.x)
    assert "48 train, 12 test images in 2 classes" in data.provenance(name) and str(photos) not in data.provenance(name)


def test_content_alone_names_it(photos: Path, tmp_path: Path) -> None:
    name = pictures.register(photos, 16)
    before = data.load(name, "train", px=16)
    moved = tmp_path / "elsewhere" / "photos"
    shutil.copytree(photos, moved)
    (moved / "train" / "cat" / "000.png").rename(moved / "train" / "cat" / "zzz.png")
    (moved / "train" / "cat" / ".DS_Store").write_text("hidden")
    (moved / "notes.txt").write_text("no picture")
    assert pictures.register(moved, 16) == name
    assert torch.equal(data.load(name, "train", px=16).x, before.x)
    noise(77).save(moved / "train" / "cat" / "one_more.png")
    assert pictures.register(moved, 16) != name
    shutil.rmtree(photos)  # what is in the cache is enough
    shutil.rmtree(moved)
    assert torch.equal(data.load(name, "train", px=16).x, before.x)


def test_an_emptied_cache_is_filled_again_from_the_same_folder_only(photos: Path, tmp_path: Path) -> None:
    name = pictures.register(photos, 16)
    before = data.load(name, "test", px=16)
    shutil.rmtree(tmp_path / "cache" / "data")
    assert torch.equal(data.load(name, "test", px=16).x, before.x)
    shutil.rmtree(tmp_path / "cache" / "data", ignore_errors=True)
    noise(5).save(photos / "test" / "cat" / "new.png")
    with pytest.raises(UserError, match="has changed since"):
        data.load(name, "test", px=16)


def test_one_folder_of_classes_is_split_by_content(tmp_path: Path) -> None:
    for n, name in enumerate(("a", "b", "c")):
        fill(tmp_path / "all" / name, 40, 1000 * n)
    first = picture_folder.look_through(tmp_path / "all")
    (tmp_path / "all" / "a").rename(tmp_path / "all" / "train")  # a class may be called so
    assert picture_folder.look_through(tmp_path / "all").classes == ("b", "c", "train")
    (tmp_path / "all" / "train").rename(tmp_path / "all" / "a")
    counts = first.counts
    assert counts["train"] + counts["test"] == 120 and 10 <= counts["test"] <= 40
    split = {p.digest: p.split for p in first.pictures}
    assert all((int(digest[:8], 16) % 5 == 0) == (where == "test") for digest, where in split.items())
    fill(tmp_path / "all" / "a", 30, 5000)  # more pictures move none of the others
    again = {p.digest: p.split for p in picture_folder.look_through(tmp_path / "all").pictures}
    assert all(again[digest] == where for digest, where in split.items())
    shutil.copy(tmp_path / "all/a/000.png", tmp_path / "all/a/copy.png")  # a copy goes with its original
    copies = [
        p for p in picture_folder.look_through(tmp_path / "all").pictures if p.path.name in ("000.png", "copy.png")
    ]
    assert len({p.split for p in copies if p.path.parent.name == "a"}) == 1


def test_validation_folder(photos: Path) -> None:
    shutil.copytree(photos / "test", photos / "val")
    name = pictures.register(photos, 16)
    assert data.count(name, "fit") == 48 and data.count(name, "validation") == 12
    assert len(data.load(name, "validation", px=16)) == 12 and len(data.load(name, "fit", px=16)) == 48
    shutil.rmtree(photos / "test")  # val/ alone: it is what is looked at at the end
    name = pictures.register(photos, 16)
    assert data.count(name, "test") == 12 and data.count(name, "fit") == 38


GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_modes_are_shown_as_a_viewer_shows_them() -> None:
    def level(image: Image.Image, kind: str = "PNG", **options) -> np.ndarray:
        return pictures.decoded(encoded(image, kind, **options))

    grey = np.repeat(GREY[:, :, None], 3, 2)
    assert np.array_equal(level(Image.fromarray(GREY)), grey)
    sixteen = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert sixteen.mode == "I;16" and np.array_equal(level(sixteen), grey)
    assert np.array_equal(level(sixteen, "TIFF"), grey)
    assert np.array_equal(level(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"), grey)
    assert np.array_equal(level(Image.fromarray(GREY.astype(np.float32)), "TIFF"), grey)
    bits = Image.fromarray(GREY > 127)
    assert bits.mode == "1" and set(level(bits).ravel()) == {0, 255}
    palette = noise(1).quantize(16)
    assert np.array_equal(level(palette), np.asarray(palette.convert("RGB")))
    see_through = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    assert set(level(see_through).ravel()) == {255}  # white, not the red that nobody sees
    half = level(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))
    assert 125 <= half[0, 0, 0] <= 129
    la = level(Image.new("LA", (8, 8), (0, 0)))
    assert set(la.ravel()) == {255}
    keyed = encoded(Image.new("P", (8, 8), 0), "GIF", transparency=0)
    assert set(pictures.decoded(keyed).ravel()) == {255}
    red = pictures.decoded(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    assert red[4, 4, 0] > 200 and red[4, 4, 1] < 60 and red[4, 4, 2] < 60
    for kind in ("JPEG", "WEBP", "BMP", "PPM", "GIF", "TIFF"):
        assert level(noise(3), kind).shape == (16, 20, 3)
    several = encoded(noise(1), "GIF", save_all=True, append_images=[noise(2)])
    assert pictures.decoded(several).shape == (16, 20, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_exif_says(orientation: int) -> None:
    """The left upper corner, as it is shown, is white: where it lies in the file is the standard's table."""
    stored = np.zeros((8, 12, 3), np.uint8)
    row, column = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}[
        orientation
    ]
    stored[row, column] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = pictures.decoded(encoded(Image.fromarray(stored), "PNG", exif=exif))
    assert shown.shape == ((8, 12, 3) if orientation < 5 else (12, 8, 3))
    assert tuple(np.argwhere(shown[:, :, 0])[0]) == (0, 0)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "altered"])
def test_broken_files_are_named_or_skipped(photos: Path, damage: str) -> None:
    file = photos / "train" / "dog" / "1003.png"
    content = encoded(noise(1, (200, 200)), "JPEG")
    broken = {"cut": content[: len(content) // 2], "empty": b"", "text": b"hello", "altered": content[:20] * 9}
    file.write_bytes(broken[damage])
    with pytest.raises(UserError, match=r"1003\.png cannot be decoded .*--skip-broken"):
        pictures.register(photos, 16)
    name = pictures.register(photos, 16, skip_broken=True)
    assert data.count(name, "train") == 47 == len(data.load(name, "train", px=16))
    assert "1 broken files were left out" in data.provenance(name)
    with pytest.raises(UserError, match="cannot be decoded"):  # a cache is no permission
        pictures.register(photos, 16)
    shutil.rmtree(noted.cache_dir() / "data")
    assert len(data.load(name, "train", px=16)) == 47


WRONG = {
    "nothing there": (lambda p: shutil.rmtree(p), "does not exist"),
    "a file": (lambda p: (shutil.rmtree(p), p.write_text("x")), "is no folder"),
    "one class": (lambda p: [shutil.rmtree(p / s / "dog") for s in ("train", "test")], "has 1 class: at least two"),
    "no class": (lambda p: [shutil.rmtree(p / "train" / c) for c in ("cat", "dog")], "has no classes: at least two"),
    "a class missing in test": (lambda p: shutil.rmtree(p / "test" / "dog"), "test lacks the class 'dog'"),
    "a class missing in train": (lambda p: fill(p / "test" / "emu", 3), "has a class 'emu' that train lacks"),
    "no test": (lambda p: shutil.rmtree(p / "test"), r"has no folder test \(or val\)"),
    "no train": (lambda p: shutil.rmtree(p / "train"), "has no folder train"),
    "an empty class": (
        lambda p: [f.unlink() for f in (p / "train" / "cat").iterdir()], "has no train pictures of the class 'cat'",
    ),
    "an empty class in test": (
        lambda p: [f.unlink() for f in (p / "test" / "cat").iterdir()], "has no test pictures of the class 'cat'",
    ),
    "zero pictures": (lambda p: [f.unlink() for f in p.rglob("*.png")], "has no pictures in its classes"),
    "two pictures": (
        lambda p: [f.unlink() for c in ("cat", "dog") for f in sorted((p / "train" / c).iterdir())[1:]],
        "has 2 training pictures: at least 32",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_folders(photos: Path, case: str) -> None:
    spoil, said = WRONG[case]
    spoil(photos)
    with pytest.raises(UserError, match=said) as told:
        pictures.register(photos, 16)
    assert str(told.value).count("\n") == 0


def test_wrong_names(photos: Path) -> None:
    with pytest.raises(UserError, match="is not known here"):
        data.load("photos@0123456789ab", "train", px=16)
    name = pictures.register(photos, 16)
    with pytest.raises(UserError, match="Unknown split"):
        data.load(name, "trian", px=16)
    assert not data.available("photos@0123456789ab")

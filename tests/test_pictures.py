"""Pictures of a user's own: what a viewer would show, a split that content alone decides, and what is told."""

import io
import os
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from netpress.errors import UserError
from netpress.yours import pictures


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


def some(folder: Path, count: int = 4) -> list[Path]:
    """The first pictures of a folder."""
    return sorted(folder.iterdir())[:count]


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


def test_loaders_of_a_folder(photos: Path) -> None:
    read = pictures.read(str(photos), 16)
    assert read.classes == ("cat", "dog") and read.px == 16
    x, y = next(iter(read.test))
    assert x.shape == (12, 3, 16, 16) and x.dtype == torch.float32 and y.tolist() == [0] * 6 + [1] * 6
    assert (len(read.train.y), len(read.val.y)) == (38, 10)  # a fifth of 48 is set apart
    fit, val = ({tuple(image.flatten().tolist()) for image in loader.x} for loader in (read.train, read.val))
    assert not fit & val and len(fit | val) == 48
    # one picture, worked out by hand: the central square, resized by Pillow
    shown = torch.from_numpy(np.array(noise(503).crop((2, 0, 18, 16)))).permute(2, 0, 1) / 255
    assert any(torch.equal(shown, image) for image in x)
    assert len(pictures.read(str(photos), 16, images=7).train.y) == 7
    assert "48 train, 12 test pictures in 2 classes" in read.notes[0]


def test_content_alone_decides(photos: Path, tmp_path: Path) -> None:
    before = pictures.read(str(photos), 16)
    moved = tmp_path / "elsewhere" / "other"
    shutil.copytree(photos, moved)
    (moved / "train" / "cat" / "000.png").rename(moved / "train" / "cat" / "zzz.png")
    after = pictures.read(str(moved), 16)
    assert torch.equal(before.train.x, after.train.x) and torch.equal(before.val.y, after.val.y)
    shutil.rmtree(tmp_path / "cache")
    assert torch.equal(pictures.read(str(moved), 16).train.x, before.train.x)
    (kept,) = (tmp_path / "cache" / "pictures").iterdir()
    kept.write_bytes(b"damaged")
    assert torch.equal(pictures.read(str(moved), 16).train.x, before.train.x)


def test_one_folder_of_classes_is_split_by_content(tmp_path: Path) -> None:
    for n, name in enumerate(("a", "b", "train")):  # a class may be called so
        fill(tmp_path / "all" / name, 40, 1000 * n)
    split = {p.digest: p.split for p in pictures.look_through(tmp_path / "all").pictures}
    assert 10 <= list(split.values()).count("test") <= 40
    fill(tmp_path / "all" / "a", 30, 5000)  # more pictures move none of the others
    again = pictures.look_through(tmp_path / "all")
    assert again.classes == ("a", "b", "train")
    assert split.items() <= {p.digest: p.split for p in again.pictures}.items()
    shutil.copy(tmp_path / "all/a/000.png", tmp_path / "all/a/copy.png")  # a copy goes with its original
    found = pictures.look_through(tmp_path / "all").pictures
    found = {p.path.name: p.split for p in found if p.path.parent.name == "a"}
    assert found["copy.png"] == found["000.png"]


SPLITS = [
    ("train", "test"), ("training_set", "test_set"), ("Training", "Testing"), ("train_images", "test-images"),
    ("TRAIN", "val"), ("training", "Validation"), ("trainset", "valid"),
]  # fmt: skip


@pytest.mark.parametrize("names", SPLITS)
def test_words_for_splits_are_no_classes(photos: Path, names: tuple[str, str]) -> None:
    for old, new in zip(("train", "test"), names, strict=True):
        (photos / old).rename(photos / f"_{new}")
        (photos / f"_{new}").rename(photos / new)
    read = pictures.read(str(photos), 16)
    assert read.classes == ("cat", "dog") and len(read.test.y) == 12
    nested = photos.parent / "outer"
    nested.mkdir()
    photos.rename(nested / "dataset")  # as archives unpack
    assert pictures.read(str(nested), 16).classes == ("cat", "dog")


def test_validation_folder(photos: Path) -> None:
    shutil.copytree(photos / "test", photos / "val")
    read = pictures.read(str(photos), 16)
    assert (len(read.train.y), len(read.val.y), len(read.test.y)) == (48, 12, 12)


# What people's folders hold beside pictures -------------------------------------------------------------------------


def hide(photos: Path) -> None:
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir"):
        shutil.copytree(photos / "test" / "cat", photos / "train" / "cat" / name)
    (photos / "train" / "cat" / "Thumbs.db").write_bytes(b"x")


def rename(ending: str):
    return lambda photos: [file.rename(file.parent / f"{file.stem}{ending}") for file in some(photos / "train" / "cat")]


def link(photos: Path) -> None:
    shutil.move(photos / "train" / "cat", photos.parent / "far")
    (photos / "train" / "cat").symlink_to(photos.parent / "far")
    (photos.parent / "further").mkdir()
    for file in some(photos.parent / "far"):
        shutil.move(file, photos.parent / "further" / file.name)
    (photos.parent / "far" / "more").symlink_to(photos.parent / "further")
    (photos.parent / "far" / "round").symlink_to(photos.parent / "far")


def not_utf8(photos: Path) -> None:
    for split in ("train", "test"):
        (photos / split / "cat").rename(os.fsdecode(os.fsencode(photos / split) + b"/caf\xe9"))


def composed(photos: Path) -> None:
    (photos / "train" / "cat").rename(photos / "train" / "Caf\u00e9")
    (photos / "test" / "cat").rename(photos / "test" / "Cafe\u0301")


def copies(photos: Path) -> None:
    for file in some(photos / "test" / "cat"):
        shutil.copy(file, photos / "train" / "cat" / f"copy-{file.name}")


def large(photos: Path) -> None:
    noise(1, (3000, 2000)).save(photos / "train" / "cat" / "000.png")


HELD = {  # what is done to a folder -> training pictures of the class, and what is told
    "hidden folders": (hide, 24, ""),
    "no ending": (rename(""), 24, ""),
    "an address's ending": (rename(".png?w=640"), 24, ""),
    "a blank behind": (rename(".png "), 24, ""),
    "links": (link, 24, ""),
    "names that are not UTF-8": (not_utf8, 24, ""),
    "one name in two Unicodes": (composed, 24, ""),
    "copies of test pictures": (copies, 28, "4 test or validation pictures are training pictures too"),
    "text": (lambda p: (p / "train" / "cat" / "labels.csv").write_text("a,b"), 24, "no pictures: 1 .csv"),
    "HEIC": (lambda p: [f.with_suffix(".HEIC").write_bytes(b"x") for f in some(p / "train" / "cat")], 24, "4 .heic"),
    "films and PostScript": (lambda p: (p / "train" / "cat" / "a.mpg").write_bytes(b"\0\0\1\xb3" * 9), 24, "1 .mpg"),
    "a large one": (large, 24, ""),
}


@pytest.mark.parametrize("case", HELD)
def test_pictures_are_found_and_what_is_passed_over_is_told(photos: Path, case: str) -> None:
    change, count, told = HELD[case]
    change(photos)
    read = pictures.read(str(photos), 16)
    y = torch.cat([read.train.y, read.val.y])
    assert int((y != read.classes.index("dog")).sum()) == count
    assert told in " ".join(read.notes) and (told or len(read.notes) == 1)
    "".join(read.classes).encode()


# What Pillow gives ---------------------------------------------------------------------------------------------------

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def test_modes_are_shown_as_a_viewer_shows_them() -> None:
    def level(image: Image.Image, kind: str = "PNG", **options) -> np.ndarray:
        return pictures.decoded(encoded(image, kind, **options))

    grey = np.repeat(GREY[:, :, None], 3, 2)
    sixteen = Image.fromarray(GREY.astype(np.uint16) * 257)
    assert sixteen.mode == "I;16"
    for image, kind in (
        (Image.fromarray(GREY), "PNG"), (sixteen, "PNG"), (sixteen, "TIFF"),
        (Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"), (Image.fromarray(GREY.astype(np.float32)), "TIFF"),
    ):  # fmt: skip
        assert np.array_equal(level(image, kind), grey)
    assert set(level(Image.fromarray(GREY > 127)).ravel()) == {0, 255}
    palette = noise(1).quantize(16)
    assert np.array_equal(level(palette), np.asarray(palette.convert("RGB")))
    assert set(level(Image.new("RGBA", (8, 8), (255, 0, 0, 0))).ravel()) == {255}  # white, not the red nobody sees
    assert 125 <= level(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))[0, 0, 0] <= 129
    assert set(level(Image.new("LA", (8, 8), (0, 0))).ravel()) == {255}
    red = level(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")
    assert red[4, 4, 0] > 200 and red[4, 4, 1] < 60
    assert level(noise(1), "GIF", save_all=True, append_images=[noise(2)]).shape == (16, 20, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_exif_says(orientation: int) -> None:
    """The left upper corner, as it is shown, is white: where it lies in the file is the standard's table."""
    stored = np.zeros((8, 12, 3), np.uint8)
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (-1, 0), 7: (-1, -1), 8: (0, -1)}
    stored[corners[orientation]] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = pictures.decoded(encoded(Image.fromarray(stored), "PNG", exif=exif))
    assert shown.shape == ((8, 12, 3) if orientation < 5 else (12, 8, 3))
    assert tuple(np.argwhere(shown[:, :, 0])[0]) == (0, 0)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_damaged_exif_is_no_damaged_picture(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E], exif[0x011A] = 6, "x" * 30, (72, 1)
    whole = encoded(noise(3), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    at = whole.index(b"x" * 30) - 40
    for i in range(40):
        damaged = bytearray(whole)
        damaged[at + i] = 255
        if kind == "PNG":  # its chunks have sums, which a program that damages EXIF writes
            begin = whole.index(b"eXIf")
            length = int.from_bytes(whole[begin - 4 : begin], "big")
            end = begin + 4 + length
            damaged[end : end + 4] = zlib.crc32(damaged[begin:end]).to_bytes(4, "big")
        try:
            assert pictures.decoded(bytes(damaged)).size == 20 * 16 * 3
        except OSError:  # the file's own structure was hit
            continue


def bomb() -> bytes:
    """The head of a PNG of 20,000 x 20,000 pixels."""
    head = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    body = b"IDAT" + zlib.compress(b"\0" * 100)
    chunks = [len(c[4:]).to_bytes(4, "big") + c + zlib.crc32(c).to_bytes(4, "big") for c in (head, body)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def broken_content(kind: str) -> bytes:
    content = encoded(noise(1, (200, 200)), "JPEG")
    return {
        "cut": content[: len(content) // 2], "empty": b"", "text": b"<html>404</html>", "altered": content[:20] * 9,
        "too large": bomb(), "AVIF": encoded(noise(1), "AVIF")[:-40],
        "DDS": b"DDS " + bytes([124, 0, 0, 0]) + b"\xff" * 130,
    }[kind]  # fmt: skip


@pytest.mark.parametrize("kind", ["cut", "empty", "text", "altered", "too large", "AVIF", "DDS", "link"])
@pytest.mark.parametrize("px", [16, None])
def test_broken_files_are_named_or_skipped(photos: Path, kind: str, px: int | None) -> None:
    file = photos / "train" / "dog" / "1003.png"
    if kind == "link":
        file.unlink()
        file.symlink_to("../nowhere.png")
    else:
        file.write_bytes(broken_content(kind))
    with pytest.raises(UserError, match=r"1003\.png cannot be decoded .*--skip-broken") as told:
        pictures.read(str(photos), px)
    assert "\n" not in str(told.value) and " at 0x" not in str(told.value)
    read = pictures.read(str(photos), px, skip_broken=True)
    assert len(read.train.y) + len(read.val.y) == 47 and "1 broken files were left out" in " ".join(read.notes)
    with pytest.raises(UserError, match="cannot be decoded"):  # a cache is no permission
        pictures.read(str(photos), px)


WRONG = {
    "nothing there": (lambda p: shutil.rmtree(p), "cannot be read"),
    "one class": (lambda p: [shutil.rmtree(p / s / "dog") for s in ("train", "test")], "has 1 class: at least two"),
    "no class": (lambda p: [shutil.rmtree(p / "train" / c) for c in ("cat", "dog")], "has no classes: at least two"),
    "a class missing in test": (lambda p: shutil.rmtree(p / "test" / "dog"), "'dog' is in train and not in test"),
    "a class missing in train": (lambda p: fill(p / "test" / "emu", 3), "'emu' is in test and not in train"),
    "no test": (lambda p: shutil.rmtree(p / "test"), r"has no folder test \(or val\)"),
    "no train": (lambda p: shutil.rmtree(p / "train"), "has no folder train"),
    "an empty class": (lambda p: [f.unlink() for f in (p / "train" / "cat").iterdir()], "cat has no pictures"),
    "HEIC alone": (lambda p: [f.rename(f.with_suffix(".heic")).write_bytes(b"x") for f in
                              some(p / "train" / "cat", 99)], "no pictures .24 .heic."),
    "one picture": (lambda p: [f.unlink() for f in some(p / "train" / "cat", 23)], "has 1 train pictures of the class"),
    "few": (lambda p: [f.unlink() for c in ("cat", "dog") for f in some(p / "train" / c, 20)], "8 training pictures"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_folders(photos: Path, case: str) -> None:
    spoil, said = WRONG[case]
    spoil(photos)
    with pytest.raises(UserError, match=said) as told:
        pictures.read(str(photos), 16)
    assert "\n" not in str(told.value)

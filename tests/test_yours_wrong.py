"""`netpress shrink` with wrong inputs: one sentence, exit status 2, and nothing trained."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from netpress import cli
from netpress.nets import examples

NETS = """
import torch
from torch import nn

class Base(nn.Module):
    def __init__(self, classes, channels=3, shared=False):
        super().__init__()
        self.one = nn.Conv2d(channels, 8, 3, padding=1)
        self.two = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.three = self.two if shared else nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1))
        self.fc = nn.Linear(8, classes)
    def forward(self, x):
        return self.fc(torch.relu(self.three(torch.relu(self.two(torch.relu(self.one(x)))))).mean((2, 3)))

def build(classes): return Base(classes)
def fails(classes): raise RuntimeError("out of ideas")
def no_module(classes): return [1, 2]
def no_argument(): return Base(2)
def other_classes(classes): return Base(classes + 3)
def grey(classes): return Base(classes, channels=1)
def shared(classes): return Base(classes, shared=True)

class Branching(Base):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)
def branching(classes): return Branching(classes)

class Pair(Base):
    def forward(self, x):
        return super().forward(x), x
def pair(classes): return Pair(classes)

def one_block(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))

class Tokens(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.layers = nn.Sequential(*(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(2)))
        self.fc = nn.Linear(8, classes)
    def forward(self, x):
        return self.fc(self.layers(self.patch(x).flatten(2).transpose(1, 2)).mean(1))
def tokens(classes): return Tokens(classes)

def other_size(classes):
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4 * 60 * 60, classes))
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, networks and weights that are all right."""
    home = tmp_path_factory.mktemp("right")
    random = np.random.RandomState(0)
    for split, count in (("train", 30), ("test", 6)):
        for name in ("cat", "dog"):
            folder = home / "photos" / split / name
            folder.mkdir(parents=True)
            for i in range(count):
                Image.fromarray(random.randint(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
    (home / "nets.py").write_text(NETS)
    (home / "syntax.py").write_text("def build(classes:\n")
    (home / "text.txt").write_text("hello")
    net = examples.small_resnet(2)
    torch.save(net.state_dict(), home / "right.pt")
    torch.save(net, home / "whole.pt")
    torch.save(net.state_dict() | {"fc.bias": torch.full((2,), float("nan"))}, home / "nan.pt")
    torch.save(examples.small_resnet(9).state_dict(), home / "nine.pt")
    torch.save(torch.nn.Linear(2, 2).state_dict(), home / "linear.pt")
    return home


@pytest.fixture
def home(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may spoil, as the current folder."""
    shutil.copytree(original, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    return tmp_path / "home"


def away(*paths: str) -> Callable[[Path], None]:
    """Take folders away."""
    return lambda home: [shutil.rmtree(home / path) for path in paths]  # type: ignore[return-value]


def emptied(pattern: str, keep: int = 0) -> Callable[[Path], None]:
    """Take files away, all but the first few of each folder."""

    def spoil(home: Path) -> None:
        for folder in {file.parent for file in home.glob(pattern)}:
            for file in sorted(folder.iterdir())[keep:]:
                file.unlink()

    return spoil


def broken(home: Path) -> None:
    (home / "photos/train/dog/7.png").write_bytes(b"no picture")


def nothing(home: Path) -> None:
    """Leave all as it is."""


RIGHT = {"model": "netpress:small_resnet", "--data": "photos"}

# name: (what is other than right, what is spoilt, a part of the sentence)
WRONG: dict[str, tuple[dict[str, str], Callable[[Path], None], str]] = {
    "a name alone": ({"model": "resnet18"}, nothing, "for example torchvision:resnet18"),
    "a misspelt library": ({"model": "torchvison:resnet18"}, nothing, "did you mean torchvision:resnet18?"),
    "a misspelt torchvision network": ({"model": "torchvision:resnet81"}, nothing, "torchvision has no classifier"),
    "a misspelt timm network": ({"model": "timm:convnext_ato"}, nothing, "did you mean timm:convnext_atto?"),
    "a misspelt example": ({"model": "netpress:small_resnets"}, nothing, "did you mean netpress:small_resnet?"),
    "no name": ({"model": "torchvision:"}, nothing, "names no network"),
    "no such file": ({"model": "nots.py:build"}, nothing, "There is no file nots.py"),
    "no function": ({"model": "nets.py:"}, nothing, "names no network"),
    "a misspelt function": ({"model": "nets.py:bild"}, nothing, "did you mean 'build'?"),
    "a file with a syntax error": ({"model": "syntax.py:build"}, nothing, "cannot be run (SyntaxError"),
    "a function that fails": ({"model": "nets.py:fails"}, nothing, "failed with RuntimeError: out of ideas"),
    "a function that makes no network": ({"model": "nets.py:no_module"}, nothing, "returned a list"),
    "a function without an argument": ({"model": "nets.py:no_argument"}, nothing, "failed with TypeError"),
    "a network for other classes": ({"model": "nets.py:other_classes"}, nothing, "gives 5 logits"),
    "a network for one channel": ({"model": "nets.py:grey"}, nothing, "three channels is needed"),
    "control flow": ({"model": "nets.py:branching"}, nothing, "its forward decides on values"),
    "shared weights": ({"model": "nets.py:shared"}, nothing, "uses the same weights in"),
    "one block": ({"model": "nets.py:one_block"}, nothing, "has no two blocks"),
    "a transformer": ({"model": "nets.py:tokens"}, nothing, "transformers have not"),
    "two outputs": ({"model": "nets.py:pair"}, nothing, "gives tuple for 2 images"),
    "a network for another size": ({"model": "nets.py:other_size"}, nothing, "does not take colour images of 32"),
    "no such block": ({"--blocks": "layers.9"}, nothing, "has no block 'layers.9': did you mean"),
    "a part of a block": ({"--blocks": "layers.0.0.conv1"}, nothing, "is no block: more than its one map"),
    "a block of one layer": ({"--blocks": "stem"}, nothing, "it is one layer already"),
    "no such folder": ({"--data": "fotos/"}, nothing, "There is no folder 'fotos/'"),
    "a misspelt data set": ({"--data": "digit"}, nothing, "did you mean 'digits'?"),
    "a file as data": ({"--data": "text.txt"}, nothing, "text.txt is no folder"),
    "one class": ({}, away("photos/train/dog", "photos/test/dog"), "has 1 class"),
    "no class": ({}, away("photos/train/dog", "photos/train/cat"), "has no classes"),
    "zero pictures": ({}, emptied("photos/*/*/*.png"), "has no pictures"),
    "two pictures": ({}, emptied("photos/train/*/*.png", 1), "has 2 training pictures"),
    "a class missing in test": ({}, away("photos/test/dog"), "lacks the class 'dog'"),
    "a class missing in train": ({}, away("photos/train/dog"), "has a class 'dog' that train lacks"),
    "an empty class": ({}, emptied("photos/train/dog/*.png"), "no train pictures of the class 'dog'"),
    "no test": ({}, away("photos/test"), "has no folder test (or val)"),
    "no train": ({}, away("photos/train"), "has no folder train"),
    "a broken picture": ({}, broken, "7.png cannot be decoded"),
    "a misspelt network, told before pictures": ({"model": "torchvision:resnet81"}, broken, "has no classifier"),
    "no such weights": ({"--weights": "none.pt"}, nothing, "There is no file 'none.pt'"),
    "text as weights": ({"--weights": "text.txt"}, nothing, "cannot be loaded as weights alone"),
    "a whole network as weights": ({"--weights": "whole.pt"}, nothing, "cannot be loaded as weights alone"),
    "weights of other classes": ({"--weights": "nine.pt"}, nothing, "fc.weight has shape 9x32 and 2x32 is needed"),
    "weights of another network": ({"--weights": "linear.pt"}, nothing, "is missing; "),
    "weights that are no numbers": ({"--weights": "nan.pt"}, nothing, "fc.bias is not finite"),
    "a negative budget": ({"--most": "-1"}, nothing, "--most -1.0 is no number of points"),
    "a budget that is no number": ({"--most": "nan"}, nothing, "--most nan is no number of points"),
    "a budget above all": ({"--most": "150"}, nothing, "--most 150.0 is no number of points"),
    "seeds that are no numbers": ({"--seeds": "a"}, nothing, "--seeds 'a' is no list of numbers"),
    "a seed out of range": ({"--seeds": "1000000"}, nothing, "a whole number from 0 to 999999"),
    "a negative seed": ({"--seeds": "-1"}, nothing, "a whole number from 0"),
    "images too small": ({"--px": "2"}, nothing, "--px 2: a side of 8 to 1024"),
    "images too large": ({"--px": "5000"}, nothing, "--px 5000: a side of"),
    "a misspelt edition": ({"--edition": "smal"}, nothing, "did you mean 'small'?"),
    "a misspelt setting": ({"--set": "epoch=2"}, nothing, "did you mean 'epochs'?"),
    "no epochs": ({"--set": "epochs=0"}, nothing, "out of range"),
    "a file to write into": ({"--out": "text.txt"}, nothing, "--out text.txt is a file"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_each_is_told_in_one_sentence(case, home, tmp_path, monkeypatch, capsys):
    other, spoil, expected = WRONG[case]
    spoil(home)
    words = RIGHT | other
    options = [f"{name}={value}" for name, value in words.items() if name != "model"]
    monkeypatch.setattr(sys, "argv", ["netpress", "shrink", words["model"], *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert ended.value.code == 2
    sentences = [line for line in told.err.splitlines() if line.startswith("netpress: ")]
    assert len(sentences) == 1 and told.err.splitlines()[-1] == sentences[0]
    assert expected in sentences[0] and sentences[0].endswith((".", "?"))
    assert not (tmp_path / "results").exists() and not (tmp_path / "cache" / "weights").exists()


def test_there_are_enough_of_them_and_the_right_one_is_right(home, monkeypatch, capsys):
    assert len(WRONG) >= 40
    words = ["netpress", "shrink", *(x for pair in RIGHT.items() for x in pair if x != "model")]
    monkeypatch.setattr(sys, "argv", [*words, "--weights", "right.pt", "--plan", "--edition", "demo"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr()
    assert ended.value.code == 0 and "layers.1" in told.out and "Minutes of one core" in told.out
    assert "Weights from right.pt" in told.err

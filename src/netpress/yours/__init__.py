"""Any network, any data: the fastest network that loses no more points than it may, as files.

networks.py makes a network from a label; pictures.py makes loaders of a folder; cut.py says what can be taken out;
shrink.py searches; export.py writes and times files; report.py tells. In a notebook: `netpress.shrink`.
"""

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netpress import data, words
from netpress.errors import UserError, known, nearest

if TYPE_CHECKING:
    from torch import nn

LIMITS = (8, 1024)  # of --px
LIBRARIES = ("torchvision", "timm", "netpress")
GOALS = ("milliseconds", "bytes", "multiply-adds")
ENGINES = ("onnxruntime", "torch")
HOW = "torchvision:NAME, timm:NAME or FILE.py:FUNCTION"


@dataclass(frozen=True)
class Wanted:
    """What a user asks of the command: a network, pictures, and the settings of `netpress.shrink`."""

    model: str
    data: str
    weights: str = ""
    px: int | None = None
    images: int | None = None
    skip_broken: bool = False
    plan: bool = False
    out: Path = Path("shrunk")
    parent_epochs: int = 24

    def check(self, settings: Mapping[str, Any]) -> None:
        """UserError for the first thing that is wrong without looking into any file, and without torch."""
        check_model(self.model)
        check_data(self.data)
        if self.weights and not words.place(self.weights).is_file():
            raise UserError(f"There is no file {self.weights!r}: give weights as safetensors, or as a state_dict.")
        known(settings["goal"], GOALS, "goal (--for)")
        known(settings["engine"], ENGINES, "engine")
        most, lr = settings["most"], settings["lr"]
        if not (math.isfinite(lr) and lr > 0):
            raise UserError(f"--lr {lr} is no learning rate: give a number above 0, for example 0.001.")
        if not (math.isfinite(most) and 0 <= most < 100):
            raise UserError(f"--most {most} is no number of points: give 0 to 99, for example 1.0.")
        if self.px is not None and not LIMITS[0] <= self.px <= LIMITS[1]:
            raise UserError(f"--px {self.px}: a side of {LIMITS[0]} to {LIMITS[1]} pixels is expected.")
        if self.out.exists() and not self.out.is_dir():
            raise UserError(f"--out {self.out} is a file: give a folder.")
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {self.out} cannot be made ({error.strerror}): give another folder.") from error


def shrunk(wanted: Wanted, blocks: Sequence[str] = (), notes: Sequence[str] = (), **settings: Any) -> Any:
    """Read the pictures, make the network, and search: a `Shrunk`, or the table of `wanted.plan`. notes: sentences
    for the report alone."""
    from netpress.yours import networks, pictures
    from netpress.yours.shrink import shrink

    images = pictures.read(wanted.data, wanted.px, wanted.images, wanted.skip_broken)
    net = networks.make(wanted.model, len(images.classes), wanted.weights, images.notes.append)
    net = pictures.with_input(net, images, bool(wanted.weights))
    for note in images.notes:
        print(note, file=sys.stderr)
    return shrink(
        net, images.train, images.val, test=images.test, out=wanted.out, name=Path(wanted.model).name, plan=wanted.plan,
        blocks=[f"network.{block}" for block in blocks], notes=[*images.notes, *notes],
        parent_epochs=0 if wanted.weights else wanted.parent_epochs, **settings,
    )  # fmt: skip


def command(wanted: Wanted, blocks: Sequence[str] = (), **settings: Any) -> None:
    """`netpress shrink`: print what was found."""
    made_by = f"Made by `netpress {shlex.join(sys.argv[1:])}`."
    found = shrunk(wanted, blocks, [made_by], **settings)
    if wanted.plan:
        return print(found)
    print(found.report())
    print(f"\n{wanted.out}: network.onnx, {'network.int8.onnx, ' if found.int8 else ''}card.md, report.html")


def load(model: "nn.Module", file: str | Path) -> "nn.Module":
    """Make a small network of your own class again: `model` with the changes in `file` (network.safetensors), and the
    weights in it. A network that was read from pictures has its normalisation before it."""
    import json

    import torch
    from safetensors import safe_open
    from safetensors.torch import load_file

    from netpress.yours import cut, networks, pictures

    with safe_open(str(file), "pt") as held:
        about = json.loads(held.metadata()["netpress"])
    tensors = load_file(str(file))
    net = networks.plain(networks.unwrapped(model, "The model"), "The model").cpu()
    if about["normalised"] and not isinstance(net, pictures.Normalised):
        net = pictures.Normalised(net, (0.0,) * 3, (1.0,) * 3)
    example = torch.zeros(about["example"])
    for values in about["moves"]:
        changed = cut.apply(net, cut.Move.of(values), example, rank=False)
        if changed is None:
            raise UserError(f"{file} is of another network: its change {values['where']} cannot be made here.")
        net = changed
    net.load_state_dict(tensors)
    return net.eval()


def check_model(model: str) -> None:
    """UserError for what is no label of a network."""
    kind, colon, name = model.rpartition(":")
    if not colon or not name or not kind:
        file, word = model.rstrip(":"), model.isidentifier()
        example = f", for example torchvision:{model}" if word else f", as {file}:build" if file.endswith(".py") else ""
        raise UserError(f"{model!r} names no network: write {HOW}{example}.")
    if kind.endswith(".py"):
        if not words.place(kind).is_file():
            raise UserError(f"There is no file {kind}: give a Python file, as FILE.py:FUNCTION.")
    elif kind not in LIBRARIES:
        near = nearest(kind, LIBRARIES)
        hint = f"did you mean {near}:{name}?" if near else f"write {HOW}."
        raise UserError(f"{model!r} names no network: {hint}")


def check_data(name: str) -> None:
    """UserError, with the nearest name, for what is neither a folder nor a data set."""
    if name in data.DATASETS or (path := words.place(name)).is_dir():
        return
    if path.exists():
        raise UserError(
            f"{name} is no folder: give a folder of pictures, with train/CLASS/* and test/CLASS/*, or CLASS/*."
        )
    near = nearest(name, data.DATASETS)
    hint = f"did you mean {near!r}?" if near else f"give one, or a data set: {', '.join(data.DATASETS)}."
    raise UserError(f"There is no folder {name!r}: {hint}")

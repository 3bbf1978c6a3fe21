"""Networks of others: torchvision's, timm's, and those that a function in a user's file makes.

| label | the network |
|---|---|
| `torchvision:resnet18` | torchvision's, with random weights |
| `timm:convnext_atto` | timm's, with random weights |
| `netpress:small_resnet` | one of this package's examples (examples.py) |
| `my_net.py:build` | what `build(classes)` in that file returns: the user's own code, which is run |

A label may go on: `~imagenet` says how images were normalised when its weights were trained (weights.py; here they come
normalised by their own mean), `[layer2,layer3.0]` which modules are to be blocks (cuts.py chooses otherwise), and
each `+layer3` that one convolution takes the place of that block (replacement.py). Where a run is described, the
path of a file is left out and its content's hash stands for it: `my_net.py:build@1f3a9c2b10de`.
"""

import hashlib
import importlib.util
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from netpress import words
from netpress.atomic import write_atomic
from netpress.compat import import_torchvision
from netpress.errors import UserError, nearest
from netpress.nets.replacement import put_replacement
from netpress.nets.slicing import SlicedNetwork, check_same, sliced
from netpress.nets.tracing import check_takes, first_line
from netpress.nets.weights import load_into, rescale
from netpress.paths import cache_dir

HOW = "torchvision:NAME, timm:NAME or FILE.py:FUNCTION"
LABEL = re.compile(
    r"(?P<kind>.*?):(?P<name>[^:@~\[\]+]+)(@(?P<hash>[0-9a-f]{12}))?"
    r"(~(?P<expects>[a-z]+))?(\[(?P<asked>[^\]]*)\])?(?P<rest>(\+[^+]+)*)"
)


@dataclass(frozen=True)
class Label:
    """A label taken apart. kind: "torchvision", "timm", "netpress", or a file; name: of the network or function."""

    kind: str
    name: str
    hash: str = ""
    expects: str = ""
    asked: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()

    def __str__(self) -> str:
        asked = f"[{','.join(self.asked)}]" if self.asked else ""
        expects = f"~{self.expects}" if self.expects else ""
        return self.source + expects + asked + "".join(f"+{name}" for name in self.replaced)

    @property
    def source(self) -> str:
        """The label without what is done to the network."""
        return f"{self.kind}:{self.name}" + (f"@{self.hash}" if self.hash else "")

    @property
    def is_file(self) -> bool:
        """Whether it is a user's own code."""
        return self.kind.endswith(".py")


def parse(model: str) -> Label:
    """A label taken apart. UserError where it is none."""
    found = LABEL.fullmatch(model)
    if not found or not (found["kind"] in LIBRARIES or found["kind"].endswith(".py")):
        raise UserError(f"{model!r} names no network: write {HOW}.")
    asked = tuple(part for part in (found["asked"] or "").split(",") if part)
    replaced = tuple(part for part in found["rest"].split("+") if part)
    return Label(found["kind"], found["name"], found["hash"] or "", found["expects"] or "", asked, replaced)


def build(model: str, px: int, classes: int, width: float = 1.0) -> SlicedNetwork:
    """The network of a label for images (N, 3, px, px), cut into blocks, its weights from torch's global generator.

    UserError for an unknown label, code that fails, and networks that cannot be cut.
    """
    if width != 1.0:
        raise UserError(f"The width of {model} cannot be changed: leave it at 1.")
    label = parse(model)
    with torch.device("cpu"):  # a network may compute with what it is made of, which "meta" has no values for
        network = sliced(make(label, classes), px, label.source, label.asked)
        if label.expects:
            rescale(network)
        for name in label.replaced:
            put_replacement(network, name, classes)
    return network.train()


def check(model: str, px: int, classes: int) -> SlicedNetwork:
    """Build the network of a label, see that its blocks give what it gives, and return it."""
    label = parse(model)
    net = make(label, classes)
    check_takes(net, px, label.source)
    with torch.no_grad():
        outputs = net.eval()(torch.zeros(2, 3, px, px)).shape[1]
    if outputs != classes:
        raise UserError(f"{label.source} gives {outputs} logits, and the images have {classes} classes.")
    network = sliced(net, px, label.source, label.asked)
    check_same(net, network, px, label.source)
    return network


def with_weights(model: str, px: int, classes: int, file: Path) -> SlicedNetwork:
    """The same with a file's weights in it. UserError naming the tensors that do not fit."""
    label = parse(model)
    net = make(label, classes)
    check_takes(net, px, label.source)
    load_into(net, file, label.source)
    network = sliced(net, px, label.source, label.asked)
    check_same(net, network, px, label.source)
    return network


def make(label: Label, classes: int) -> nn.Module:
    """The network as its makers have it, not yet cut."""
    check_name(label)
    maker = LIBRARIES.get(label.kind, of_file)
    with warnings.catch_warnings(), torch.device("cpu"):
        warnings.simplefilter("ignore")  # of torchvision, that it will initialise some networks otherwise one day
        return maker(label, classes)


def of_torchvision(label: Label, classes: int) -> nn.Module:
    """One of torchvision's classifiers."""
    return import_torchvision().models.get_model(label.name, weights=None, num_classes=classes)


def of_timm(label: Label, classes: int) -> nn.Module:
    """One of timm's networks."""
    import_torchvision()  # timm imports it
    import timm

    return timm.create_model(label.name, pretrained=False, num_classes=classes)


def of_examples(label: Label, classes: int) -> nn.Module:
    """One of this package's examples."""
    from netpress.nets import examples

    return examples.EXAMPLES[label.name](classes)


Maker = Callable[[Label, int], nn.Module]
LIBRARIES: dict[str, Maker] = {"torchvision": of_torchvision, "timm": of_timm, "netpress": of_examples}


def names_in(library: str) -> list[str]:
    """The networks that a library has."""
    if library == "netpress":  # without the others, which take a second to import
        from netpress.nets.examples import EXAMPLES

        return list(EXAMPLES)
    models = import_torchvision().models  # timm imports it too
    if library == "torchvision":
        return models.list_models(module=models)
    import timm

    return timm.list_models()


def check_name(label: Label) -> None:
    """UserError with the nearest name where the library that a label names has no such network."""
    if label.kind not in LIBRARIES or label.name in (names := names_in(label.kind)):
        return
    near = nearest(label.name, names)
    hint = f"did you mean {label.kind}:{near}?" if near else f"it has {len(names)}, for example {names[0]}."
    raise UserError(f"{label.kind} has no classifier {label.name!r}: {hint}")


# Files --------------------------------------------------------------------------------------------------------------


def registered(model: str) -> str:
    """The label as runs carry it: of a file, the content's hash instead of the path, which is noted in the cache."""
    label = parse(model)
    if not label.is_file or label.hash:
        return str(label)
    path = words.place(label.kind).absolute()
    digest = hash_of(path)
    write_atomic(note_of(digest), json.dumps({"path": str(path)}).encode())
    return str(replace(label, kind=path.name, hash=digest))


def of_file(label: Label, classes: int) -> nn.Module:
    """What a function in a user's file makes."""
    path = path_of(label)
    module = loaded(path, hash_of(path))
    function = getattr(module, label.name, None)
    if not callable(function):
        names = [name for name, held in vars(module).items() if callable(held) and not name.startswith("_")]
        near = nearest(label.name, names)
        hint = f"did you mean {near!r}?" if near else f"it defines {', '.join(names) or 'none'}."
        raise UserError(f"{path.name} has no function {label.name!r}: {hint}")
    try:
        net = function(classes)
    except Exception as error:  # the user's own code may raise anything
        raise UserError(
            f"{label.name}({classes}) in {path.name} failed with {type(error).__name__}: {first_line(error)}. It is "
            "called with the number of classes and must return the network."
        ) from error
    if not isinstance(net, nn.Module):
        raise UserError(
            f"{label.name}({classes}) in {path.name} returned a {type(net).__name__}, not a torch.nn.Module."
        )
    return net


def path_of(label: Label) -> Path:
    """Where a label's file lies; UserError where it is gone, or is another one by now."""
    if not label.hash:
        return words.place(label.kind).absolute()
    try:
        path = Path(json.loads(note_of(label.hash).read_bytes())["path"])
    except (OSError, ValueError, KeyError):
        raise UserError(f"Where {label.kind} lies is not known here: give its path, as FILE.py:{label.name}.") from None
    if hash_of(path) != label.hash:
        raise UserError(f"{path} has changed since these networks were trained: its runs are others. Begin again.")
    return path


def note_of(digest: str) -> Path:
    """Where it is noted in which file a content was found."""
    return cache_dir() / "yours" / f"{digest}.json"


def hash_of(path: Path) -> str:
    """The beginning of the SHA-256 of a file's content. UserError where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give a Python file, as FILE.py:FUNCTION.") from None


def loaded(path: Path, digest: str) -> Any:
    """The module of a file, run once in a process. UserError where that fails."""
    name = f"netpress_user_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    import_torchvision()  # the file may import it, or timm, in the plain way
    try:
        with beside(path):
            spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UserError(
            f"{path.name} cannot be run ({type(error).__name__}: {first_line(error)}): mend it first."
        ) from error
    return module


@contextmanager
def beside(path: Path) -> Iterator[None]:
    """Inside, a file may import what lies beside it."""
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.path.remove(str(path.parent))

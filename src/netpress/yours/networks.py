"""Networks of a user's own: made from a label, given weights from a file, and made plain enough to train and export.

| label | the network |
|---|---|
| `torchvision:resnet18` | torchvision's, with random weights |
| `timm:convnext_atto` | timm's, with random weights |
| `netpress:small_resnet` | one of the examples (examples.py) |
| `my_net.py:build` | what `build(classes)` in that file returns: the user's own code, which is run |
"""

import argparse
import copy
import importlib.util
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune

from netpress import words
from netpress.compat import import_torchvision
from netpress.errors import UserError, nearest
from netpress.yours.examples import EXAMPLES

NAMED = 8  # tensors that do not fit, and are named in a message
AVERAGED = ("ema", "averaged", "swa")  # words in the keys under which trainers keep averaged weights
DEEPEST = 3  # dicts in dicts that are looked into for weights
WRAPPERS = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}
Tell = Callable[[str], object]


def make(label: str, classes: int, weights: str = "", tell: Tell = lambda _: None) -> nn.Module:
    """Make the network of `label` with `classes` outputs, load the file `weights`, and make it plain.

    tell: called with each sentence that the user should know. UserError for an unknown name, code that fails, weights
    that do not fit, and networks that can be neither trained nor exported (scripted, prepared for quantisation).
    """
    kind, _, name = label.rpartition(":")
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # of torchvision, that it will initialise some networks otherwise one day
        torch.manual_seed(0)
        net = of_file(kind, name, classes) if kind.endswith(".py") else of_library(kind, name, classes)
    net = unwrapped(net, label)
    if weights:
        load_into(net, words.place(weights), label, tell)
    return plain(net, label)


def of_library(kind: str, name: str, classes: int) -> nn.Module:
    """Make a network of torchvision, timm or the examples. UserError with the nearest name for an unknown one."""
    torchvision: Any = import_torchvision()  # timm imports it, too
    if kind == "netpress":
        names = list(EXAMPLES)
    elif kind == "timm":
        import timm

        names = timm.list_models()
    else:
        names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        near = nearest(name, names)
        hint = f"did you mean {kind}:{near}?" if near else f"it has {len(names)}, for example {names[0]}."
        raise UserError(f"{kind} has no classifier {name!r}: {hint}")
    if kind == "netpress":
        return EXAMPLES[name](classes)
    if kind == "timm":
        return timm.create_model(name, pretrained=False, num_classes=classes)
    return torchvision.models.get_model(name, weights=None, num_classes=classes)


def of_file(file: str, name: str, classes: int) -> nn.Module:
    """Run a user's file and call its function `name` with the number of classes. The file may import its neighbours."""
    path = words.place(file).absolute()
    spec = importlib.util.spec_from_file_location(f"netpress_user_{path.stem}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    import_torchvision()  # the file may import it, or timm, in the plain way
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
        function = getattr(module, name, None)
        if not callable(function):
            names = [key for key, held in vars(module).items() if callable(held) and not key.startswith("_")]
            near = nearest(name, names)
            hint = f"did you mean {near!r}?" if near else f"it defines {', '.join(names) or 'none'}."
            raise UserError(f"{path.name} has no function {name!r}: {hint}")
        net = function(classes)
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException as error:  # the user's own code may raise anything, SystemExit too
        raise UserError(
            f"{path.name} failed with {type(error).__name__} ({first_line(error)}): {name}({classes}) is called with "
            "the number of classes and must return the network."
        ) from error
    finally:
        sys.path.remove(str(path.parent))
    if not isinstance(net, nn.Module):
        raise UserError(f"{name}({classes}) in {path.name} returned a {type(net).__name__}, not a torch.nn.Module.")
    return net


# Made plain ----------------------------------------------------------------------------------------------------------


def unwrapped(net: nn.Module, what: str) -> nn.Module:
    """Take a network, and its parts, out of DataParallel and torch.compile. UserError for what is scripted, exported or
    quantised."""
    whole = nn.Sequential(net)
    while wrapped := [(name, module) for name, module in whole.named_modules() if type(module).__name__ in WRAPPERS]:
        name, module = wrapped[0]
        whole.set_submodule(name, getattr(module, WRAPPERS[type(module).__name__]))
    for name, module in whole[0].named_modules():
        of = f"{type(module).__module__}.{type(module).__name__}"
        if isinstance(module, torch.jit.ScriptModule) or "train" in vars(module):  # torch.export exchanges `train`
            raise UserError(
                f"{what} is scripted or exported: give the network as it was before torch.jit or torch.export."
            )
        if "FakeQuantize" in of or "ao.nn." in of or "Observer" in of:
            raise UserError(
                f"{what} is prepared for quantisation ({name} is a {type(module).__name__}): give the network as it "
                "was before, 8-bit integers are made here."
            )
    return whole[0]


def copied(net: nn.Module, what: str) -> nn.Module:
    """A copy of a network, also where it keeps tensors that were computed, as weight normalisation does."""
    kept = [value for module in net.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    try:
        return copy.deepcopy(net, {id(tensor): tensor.detach().clone() for tensor in kept if not tensor.is_leaf})
    except Exception as error:  # whatever the user's network holds
        raise UserError(
            f"{what} cannot be copied ({first_line(error)}): let it hold modules, tensors and plain values alone."
        ) from error


def plain(net: nn.Module, what: str) -> nn.Module:
    """Bake in weight normalisation and pruning masks; float32; everything trains. Returns `net` itself.

    Hooks that reparametrise weights can be neither copied nor exported; the weights that they give stay.
    """
    for module in net.modules():
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
        for hook in list(module._forward_pre_hooks.values()):
            name = getattr(hook, "name", None) or getattr(hook, "_tensor_name", None)
            if isinstance(hook, prune.BasePruningMethod):
                prune.remove(module, str(name))
            elif type(hook).__name__ == "WeightNorm":
                nn.utils.remove_weight_norm(module, str(name))
            elif type(hook).__name__ == "SpectralNorm":
                nn.utils.remove_spectral_norm(module, str(name))
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        if tensor.is_meta:
            raise UserError(f"{what} has no values in {name}: it was made on the meta device, make it on the CPU.")
        if type(tensor) is nn.Parameter:
            tensor.requires_grad_(tensor.is_floating_point())
    return net.float()


# Weights from a file -------------------------------------------------------------------------------------------------


def load_into(net: nn.Module, file: Path, what: str, tell: Tell = lambda _: None) -> None:
    """Load the weights in `file` (safetensors, or what `torch.save` wrote) into `net`.

    Trainers put weights under keys (`state_dict`, `model`) and prefixes (`module.`, `model.`) of their own: the dict
    and the prefix are taken with which most tensors fit, averaged weights before raw ones; `tell` says which. UserError
    naming, tensor by tensor, what does not fit. Nothing in the file is run.
    """
    own = net.state_dict()
    found = [(key, prefix, tensors) for key, held in states(read(file)) for prefix, tensors in prefixed(held, own)]
    if not found:
        raise UserError(f"{file} holds no state_dict, which is tensors by name: save network.state_dict().")

    def fitting(option: tuple[str, str, dict[str, Tensor]]) -> tuple[int, bool]:
        return sum(name in own for name in option[2]), any(word in f"{option[:2]}".lower() for word in AVERAGED)

    key, prefix, tensors = max(found, key=fitting)
    most = fitting((key, prefix, tensors))
    equal = [" ".join(filter(None, option[:2])) or "no name" for option in found if fitting(option) == most]
    if most[0] and len(equal) > 1:
        raise UserError(f"{file} holds the network {len(equal)} times, under {' and '.join(equal)}: save one of them.")
    missing_ok = {n: own[n] for n in own if n.endswith("num_batches_tracked")}  # older files lack it
    tensors = missing_ok | {name: tensor for name, tensor in tensors.items() if prefix == "" or name in own}
    wrong = [
        *(f"{prefix}{name} is missing" for name in own if name not in tensors),
        *(f"{name} is not in the network" for name in tensors if name not in own),
        *(complaint(name, tensors[name], own[name]) for name in own if name in tensors),
    ]
    if wrong := [line for line in wrong if line]:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise UserError(f"{file} does not fit {what}: {'; '.join(wrong[:NAMED])}{more}.")
    net.load_state_dict({name: tensor.to(own[name].dtype) for name, tensor in tensors.items()})
    if most[1]:
        tell(f"{file.name} holds averaged weights ({key or prefix}), and those are taken.")
    if prefix:
        tell(f"The names in {file.name} begin with {prefix}, which is left out.")


def complaint(name: str, tensor: Tensor, own: Tensor) -> str:
    """Say why a tensor does not fit; "" where it does."""
    if tensor.shape != own.shape:
        shapes = ["x".join(map(str, shape)) or "()" for shape in (tensor.shape, own.shape)]
        return f"{name} has shape {shapes[0]} and {shapes[1]} is needed"
    if tensor.is_meta:
        return f"{name} has no values (it was saved from the meta device)"
    if tensor.is_complex() and not own.is_complex():
        return f"{name} is complex"
    return "" if bool(torch.isfinite(tensor.float()).all()) else f"{name} is not finite"


def read(file: Path) -> object:
    """What a file of weights holds. UserError, in one sentence, where it is none."""
    try:
        head = file.open("rb").read(1)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}): give a file of weights.") from error
    if file.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        try:
            return load_file(file)
        except Exception as error:  # the parser has an error of its own, which it does not export everywhere
            raise UserError(f"{file} is no whole safetensors file ({first_line(error)}): save it again.") from error
    try:
        if not head:
            raise EOFError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals([argparse.Namespace]):  # the trainer's options, which are values
                return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's errors, zip's, and torch's own, whose texts are about torch.load
        raise UserError(
            f"{file} cannot be loaded as weights alone ({type(error).__name__}): save the network's state_dict() with "
            "torch.save, or as safetensors."
        ) from error


def states(held: object, key: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """All dicts of tensors in what a file held, with the key under which each lies. Tensors are made dense."""
    if not isinstance(held, dict) or depth > DEEPEST:
        return
    if tensors := {name: dense(t) for name, t in held.items() if isinstance(name, str) and isinstance(t, Tensor)}:
        for name in [name.removesuffix("_mask") for name in tensors if name.endswith("_mask")]:
            if f"{name}_orig" in tensors:  # torch.nn.utils.prune
                tensors[name] = tensors.pop(f"{name}_orig") * tensors.pop(f"{name}_mask")
        yield key, tensors
    for name, value in held.items():
        yield from states(value, str(name), depth + 1)


def dense(tensor: Tensor) -> Tensor:
    """A sparse or quantised tensor as a plain one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if tensor.is_quantized:
            return tensor.dequantize()
        return tensor.to_dense() if tensor.layout != torch.strided else tensor


def prefixed(tensors: dict[str, Tensor], own: dict[str, Tensor]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The tensors without each prefix that makes names of the network's out of some of them; first without none."""
    yield "", tensors
    first = next(iter(own), "")
    prefixes = {name.removesuffix(first) for name in tensors if first and name.endswith(first)} - {""}
    for prefix in sorted(p for p in prefixes if p.endswith(".")):
        yield prefix, {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def first_line(error: BaseException) -> str:
    """What an error says, short enough to stand in a sentence."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= 160 else f"{text[:157]}..."

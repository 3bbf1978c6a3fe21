"""What can be taken out of a network: its moves. The network keeps its class; its own modules are exchanged.

| kind | the move |
|---|---|
| `layer` | one convolution, with BatchNorm and ReLU, in the place of a block |
| `nothing` | the block is left out: what goes in comes out, as in a residual network or a transformer |
| `narrow` | channels that belong together, as torch-pruning finds, are fewer: a multiple of 8 or 16 |

A block is a module that is called once, with one tensor, and gives one tensor; or several children of a Sequential that
follow one another, `features.0-6`. So no graph of the network is needed: its forward may do what it likes.
"""

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from netpress.compat import import_torchvision
from netpress.errors import UserError, nearest

LEAST = 0.01  # of the network's multiply-adds or parameters: a move that saves less of both is none
LARGEST_KERNEL = 15
WIDE = 64  # channels from which a narrower group has a multiple of 16, else of 8


@dataclass(frozen=True)
class Move:
    """One change. where: the block, or "a" to "b" of a Sequential as "features.0-6". keep: (layer, channels that stay)
    for each group of channels that `narrow` makes smaller."""

    kind: str
    where: str
    keep: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        texts = {"layer": "one layer for {}", "nothing": "without {}", "narrow": "fewer channels in {}"}
        return texts[self.kind].format(self.where).replace(" network.", " ")  # of pictures.Normalised

    def to_json(self) -> dict[str, Any]:
        """The move as plain values; `Move.of` reads them."""
        return asdict(self)

    @staticmethod
    def of(values: dict[str, Any]) -> "Move":
        """The move that `to_json` wrote."""
        return Move(values["kind"], values["where"], tuple((name, int(count)) for name, count in values["keep"]))

    @property
    def parts(self) -> list[str]:
        """The modules that it changes."""
        return [name for name, _ in self.keep] or children(self.where)


class Skip(nn.Module):
    """In the place of a block that is left out: gives its first argument."""

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        return x


@dataclass(frozen=True)
class Block:
    """A block: where it is, the shapes that go in and come out, and whether what comes out is never negative."""

    where: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    nonnegative: bool


# Which moves there are -----------------------------------------------------------------------------------------------


def moves(net: nn.Module, example: Tensor, asked: Sequence[str] = ()) -> list[Move]:
    """All moves that make `net` smaller, those that save the most multiply-adds first.

    example: a batch of inputs of at least two. asked: blocks; only moves of these, or of parts of them, are given.
    Each was tried on a copy: the network still runs and gives the same shapes. UserError for a name in `asked` that is
    no block.
    """
    found = list(blocks(net, example))
    check_asked(net, found, asked)
    whole = size(net, example)
    saved: dict[Move, float] = {}
    for move in [*block_moves(net, found), *narrow_moves(net, example, found)]:
        if asked and not any(within(part, name) for name in asked for part in move.parts):
            continue
        changed = apply(net, move, example)
        if changed is None:
            continue
        parts = [1 - new / old for new, old in zip(size(changed, example), whole, strict=True)]
        if max(parts) >= LEAST and min(parts) >= 0:
            saved[move] = parts[0]
    return sorted(saved, key=lambda move: -saved[move])


def blocks(net: nn.Module, example: Tensor) -> Iterator[Block]:
    """Find the blocks of a network by looking at what its modules are called with."""
    seen: dict[str, list[tuple[Any, Any]]] = {}

    def look(name: str) -> Any:
        def hook(module: nn.Module, arguments: tuple, options: dict, output: Any) -> None:
            tensors = [value for value in [*arguments, *options.values()] if value is not None]
            alone = len([t for t in tensors if isinstance(t, Tensor)]) == 1 and isinstance(tensors[0], Tensor)
            seen.setdefault(name, []).append((tensors[0] if alone else None, output))

        return hook

    named = list(net.named_modules())
    handles = [module.register_forward_hook(look(name), with_kwargs=True) for name, module in named]
    try:
        run(net, example)
    finally:
        for handle in handles:
            handle.remove()
    once = {name: calls[0] for name, calls in seen.items() if len(calls) == 1 and calls[0][0] is not None}
    for name, module in named:
        if name and name in once and layers(module) and list(module.children()):
            yield block(name, once[name][0], once[name][1])
        if type(module) is nn.Sequential:
            parts = [f"{name}.{child}" if name else child for child, _ in module.named_children()]
            if all(part in once and part.rpartition(".")[2].isdigit() for part in parts):
                yield from runs(parts, [once[part] for part in parts], list(module))


def block(where: str, before: Tensor, after: Any) -> Block:
    """A block, from what went in and what came out; with no shape where that was no tensor."""
    shape = tuple(after.shape) if isinstance(after, Tensor) else ()
    return Block(where, tuple(before.shape), shape, bool(shape) and bool((after >= 0).all()))


def runs(names: list[str], calls: list[tuple[Any, Any]], modules: list[nn.Module]) -> Iterator[Block]:
    """Children of a Sequential between two changes of resolution: from after a pool, or from a strided layer."""
    maps = [calls[0][0], *(after for _, after in calls)] if calls else []
    sides = [tuple(x.shape[2:]) if isinstance(x, Tensor) else () for x in maps]
    begins = {0, len(names)}
    for i, (before, after) in enumerate(pairwise(sides)):
        if before != after:
            begins.add(i if layers(modules[i]) else i + 1)
    for start, stop in pairwise(sorted(begins)):
        inside = [layer for module in modules[start:stop] for layer in layers(module)]
        if len(inside) >= 2 and 2 <= stop - start < len(names):
            last = names[stop - 1].rpartition(".")[2]
            yield block(f"{names[start]}-{last}", calls[start][0], calls[stop - 1][1])


def block_moves(net: nn.Module, found: Sequence[Block]) -> Iterator[Move]:
    """Moves that take a whole block out."""
    for each in found:
        if replacement(net, each) is not None:
            yield Move("layer", each.where)
        if each.before == each.after:
            yield Move("nothing", each.where)


def narrow_moves(net: nn.Module, example: Tensor, found: Sequence[Block], share: float = 0.5) -> Iterator[Move]:
    """Moves that leave about `share` of the channels: of each block those that are used within it alone, together; and
    of each group that reaches through several blocks, as that of a residual stream, by itself."""
    graph, copied = dependencies(net, example)
    if graph is None:
        return
    # the smallest blocks first, single modules before runs of them: a group belongs to one
    smallest = sorted((each.where for each in found), key=lambda where: (-where.count("."), "-" in where))
    names = {module: name for name, module in copied.named_modules()}
    most = len(layers(net)) / 2
    together: dict[str, list[tuple[str, int]]] = {}
    for group in graph.get_all_groups(root_module_types=[nn.Conv2d, nn.Linear]):
        modules = dict.fromkeys(item.dep.target.module for item in group)
        members = [names[module] for module in modules if module in names and layers(module)]
        channels = len(group[0].idxs)
        if len(members) < 2 or (keep := narrower(channels, share)) == channels:
            continue  # what has no layer behind it is given out
        inside = (where for where in smallest if all(within(name, where) for name in members))
        where = next(inside, "")
        if not where or sum(len(layers(net.get_submodule(child))) for child in children(where)) > most:
            where = f"the stream of {members[0]}"
        together.setdefault(where, []).append((members[0], keep))
    for where, keeps in together.items():
        move = Move("narrow", where, tuple(keeps))
        if len(keeps) > 1 and apply(net, move, example) is None:
            keeps = [pair for pair in keeps if apply(net, Move("narrow", where, (pair,)), example) is not None]
        if keeps:
            yield Move("narrow", where, tuple(keeps))


def narrower(channels: int, share: float) -> int:
    """About `share` of so many channels, as a multiple of 8, or of 16 where there are many."""
    step = 16 if channels >= WIDE else 8
    return min(channels, max(step, round(channels * share / step) * step))


def check_asked(net: nn.Module, found: Sequence[Block], asked: Sequence[str]) -> None:
    """UserError, with the nearest name, for one that is no block of the network."""
    names = [each.where for each in found]
    for name in asked:
        if name not in names and not any(within(other, name) for other in names):
            near = nearest(name, names)
            hint = f"did you mean {near!r}?" if near else f"its blocks are {', '.join(names[:12]) or 'none'}."
            raise UserError(f"{type(net).__name__} has no block {name!r}: {hint}")


# Doing them ----------------------------------------------------------------------------------------------------------


def apply(net: nn.Module, move: Move, example: Tensor, rank: bool = True) -> nn.Module | None:
    """A copy of `net` with the move done; None where it cannot be done.

    rank: channels of the least weight go; False: the last ones, for a network whose weights are loaded afterwards.
    """
    if move.kind == "narrow":
        return narrowed(net, move, example, rank)
    found = next((each for each in blocks(net, example) if each.where == move.where), None)
    if found is None:
        return None
    new = replacement(net, found) if move.kind == "layer" else Skip()
    if new is None:
        return None
    changed = copy.deepcopy(net)
    first, *others = children(move.where)
    changed.set_submodule(first, new.to(example.device))
    for other in others:
        changed.set_submodule(other, nn.Identity())
    return changed.train(net.training) if same_shapes(changed, net, example) else None


def replacement(net: nn.Module, found: Block) -> nn.Module | None:
    """The convolution that does to shapes what a block does; None where there is none, or where it would be no less.

    (N, C, h, w) -> (N, C', h', w'), with BatchNorm, and ReLU where the block gives nothing negative.
    """
    if len(found.before) != 4 or len(found.after) != 4:
        return None
    inside = [layer for name in children(found.where) for layer in layers(net.get_submodule(name))]
    convolutions = [layer for layer in inside if isinstance(layer, nn.Conv2d)]
    outputs = {layer.out_channels for layer in convolutions}
    if len(inside) < 2 or found.after[1] not in outputs:  # (N, h, w, C) has its channels elsewhere
        return None
    fits = [geometry(*sides) for sides in zip(found.before[2:], found.after[2:], strict=True)]
    if None in fits:
        return None
    kernel, stride, padding = zip(*fits, strict=True)
    new = nn.Sequential()
    new.add_module("conv", nn.Conv2d(found.before[1], found.after[1], kernel, stride, padding, bias=False))
    new.add_module("bn", nn.BatchNorm2d(found.after[1]))
    if found.nonnegative:
        new.add_module("relu", nn.ReLU())
    return new


def geometry(before: int, after: int) -> tuple[int, int, int] | None:
    """Kernel, stride and padding that make maps of side `after` out of `before`: the smallest odd kernel from 3 on.

    It is no smaller than the stride, so that no pixel is passed over. None where none does, as where maps grow.
    """
    if not 0 < after <= before:
        return None
    strides = sorted({max(1, before // after), -(-before // after)}, key=lambda s: abs(before / after - s))
    for stride in strides:
        for kernel in range(3, LARGEST_KERNEL + 1, 2):
            for padding in range(kernel // 2, -1, -1):
                fits = before + 2 * padding >= kernel and (before + 2 * padding - kernel) // stride + 1 == after
                if fits and kernel >= stride:
                    return kernel, stride, padding
    return None


def narrowed(net: nn.Module, move: Move, example: Tensor, rank: bool) -> nn.Module | None:
    """A copy with fewer channels; layers of the move that are gone, or narrow already, are left as they are."""
    graph, copied = dependencies(net, example)
    if graph is None:
        return None
    import torch_pruning as pruning

    done, named = False, dict(copied.named_modules())
    for name, keep in move.keep:
        layer = named.get(name)
        if not isinstance(layer, nn.Conv2d | nn.Linear):
            continue
        channels = channels_of(layer)
        if channels <= keep:
            continue
        convolves = isinstance(layer, nn.Conv2d)
        prune = pruning.prune_conv_out_channels if convolves else pruning.prune_linear_out_channels
        try:
            group = graph.get_pruning_group(layer, prune, idxs=list(range(channels)))
            weight = pruning.importance.GroupMagnitudeImportance(p=2)(group) if rank else None
            order = list(range(channels))[::-1] if weight is None else weight.argsort().tolist()
            graph.get_pruning_group(layer, prune, idxs=sorted(order[: channels - keep])).prune()
        except Exception:  # layers that torch-pruning does not know fail in ways of their own
            return None
        done = True
    return copied.train(net.training) if done and same_shapes(copied, net, example) else None


def dependencies(net: nn.Module, example: Tensor) -> tuple[Any, nn.Module]:
    """torch-pruning's graph of a copy of a network, and the copy; None in its place where it cannot follow it."""
    import_torchvision()  # torch-pruning imports it
    copied = copy.deepcopy(net).eval()
    try:
        import torch_pruning as pruning

        with warnings.catch_warnings(), torch.enable_grad():
            warnings.simplefilter("ignore")
            return pruning.DependencyGraph().build_dependency(copied, example_inputs=example, verbose=False), copied
    except Exception:  # it walks through gradients, and fails in ways of its own; absent, it finds nothing
        return None, copied


# Looking at networks -------------------------------------------------------------------------------------------------


def size(net: nn.Module, example: Tensor) -> tuple[float, int]:
    """Multiply-adds for one input, as torch counts them, and parameters."""
    counter = FlopCounterMode(display=False)
    with counter:
        run(net, example)
    return counter.get_total_flops() / 2 / len(example), sum(p.numel() for p in net.parameters())


def run(net: nn.Module, example: Tensor) -> Any:
    """What a network gives in eval mode; its mode stays."""
    training = net.training
    try:
        with torch.no_grad():
            return net.eval()(example)
    finally:
        net.train(training)


def same_shapes(changed: nn.Module, net: nn.Module, example: Tensor) -> bool:
    """Whether a changed network runs, and gives what the network gives but for the values."""

    def shapes(output: Any) -> list[tuple[int, ...]]:
        return [tuple(leaf.shape) for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]

    try:
        return shapes(run(changed, example)) == shapes(run(net, example))
    except Exception:  # a shape that does not fit, an attribute of a module that is gone
        return False


def layers(module: nn.Module) -> list[nn.Module]:
    """The convolutions and linear layers in a module, itself among them."""
    kinds = (nn.modules.conv._ConvNd, nn.Linear, nn.MultiheadAttention)
    return [part for part in module.modules() if isinstance(part, kinds)]


def channels_of(layer: nn.Module) -> int:
    """How many channels (features) a layer gives."""
    return layer.out_channels if isinstance(layer, nn.Conv2d) else int(layer.out_features)  # type: ignore[arg-type]


def children(where: str) -> list[str]:
    """The modules of a block: "features.3-5" is those of the Sequential from 3 to 5, where it is no name itself."""
    parent, _, last = where.rpartition(".")
    first, dash, end = last.partition("-")
    if not (dash and first.isdigit() and end.isdigit()):
        return [where]
    return [f"{parent}.{i}" if parent else str(i) for i in range(int(first), int(end) + 1)]


def within(name: str, where: str) -> bool:
    """Whether a module is a block or a part of it."""
    return any(name == child or name.startswith(f"{child}.") for child in children(where))

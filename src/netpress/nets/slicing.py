"""A traced network as named blocks and a head, which is what everything else here works on.

The coarsest blocks that number 4 to 12 are chosen: the network's own modules, the largest split into its children as
long as there are too few; where that gives too many, modules of the same resolution are taken together
(`features.0-6`). An operation without a convolution belongs to the block before it. What comes after the last map,
from the global pool on, is the head.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import fx, nn

from netpress.errors import UserError, nearest
from netpress.nets.network import HEAD, Network
from netpress.nets.tracing import PROBED, Traced, device_of, trace

FEWEST, MOST = 4, 12  # blocks
NONNEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)
KEEPS_SIGN = (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Dropout2d, nn.Identity)


@dataclass(frozen=True)
class Part:
    """Operations `start` to `stop` of a trace, both included, under a name."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Shape:
    """What a block does to maps: channels and side before and after, and whether what it gives is never negative."""

    inputs: int
    outputs: int
    before: int
    after: int
    nonnegative: bool


class SlicedNetwork(Network):
    """A Network made of another network's parts. Its blocks have the names of modules: `layer1`, `features.4`.

    PyTorch takes no dot in the name of a module, so they are kept under names with a dash instead.
    """

    def __init__(self, blocks: dict[str, nn.Module], head: nn.Module, shapes: dict[str, Shape]) -> None:
        super().__init__({key_of(name): block for name, block in blocks.items()}, head)
        self.shapes = shapes

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.shapes, HEAD)

    def __getitem__(self, name: str) -> nn.Module:
        return self.head if self._index(name) == len(self.blocks) else self.blocks[key_of(name)]

    def _slice(self, start: int, stop: int) -> nn.Sequential:
        return nn.Sequential(OrderedDict((key_of(name), self[name]) for name in self.names[start:stop]))

    def put(self, name: str, block: nn.Module) -> None:
        """Another module in the place of a block, or of the head."""
        if self._index(name) == len(self.blocks):
            self.head = block
        else:
            self.blocks[key_of(name)] = block


def key_of(name: str) -> str:
    """A block's name as PyTorch takes it: no identifier has a dash, so that two names stay two."""
    return name.replace(".", "-")


def sliced(net: nn.Module, px: int, what: str, asked: Sequence[str] = ()) -> SlicedNetwork:
    """Any network that maps images (N, 3, px, px) to logits as blocks and a head, with the same modules in it.

    what: the network's name in errors. asked: modules that are to be blocks, as "layer2", "layer3.0" or
    "features.0-6"; the others are cut as without. UserError, in one sentence, for a network that cannot be traced,
    has one block only, has no maps between its blocks, or whose blocks share weights; and for a name in `asked`
    that no cut surrounds.
    """
    traced = trace(net, px, what)
    parts = chosen(traced, what, asked)
    head = Part(HEAD, parts[-1].stop + 1, len(traced.nodes) - 1)
    check_own_weights(traced, (*parts, head), what)
    blocks = {part.name: module_of(traced, part) for part in parts}
    return SlicedNetwork(blocks, module_of(traced, head), {part.name: shape_of(traced, part) for part in parts})


def check_same(net: nn.Module, network: Network, px: int, what: str) -> None:
    """UserError unless both give the very same output, bit for bit, for random images in eval mode."""
    images = torch.rand(PROBED, 3, px, px, generator=torch.Generator().manual_seed(0)).to(device_of(net))
    modes = net.training, network.training
    with torch.no_grad():
        same = torch.equal(net.eval()(images), network.eval()(images))
    net.train(modes[0]), network.train(modes[1])
    if not same:
        raise UserError(
            f"{what} does not give the same output once it is cut into blocks: something in its forward depends on "
            "more than its input. Such a network cannot be shrunk here."
        )


# Which blocks -------------------------------------------------------------------------------------------------------


def chosen(traced: Traced, what: str, asked: Sequence[str] = ()) -> tuple[Part, ...]:
    """The blocks of a network, without the head; those that were asked for, and the coarsest others."""
    if not traced.cuts or len(default_stops(traced)) < 2:
        raise UserError(
            f"{what} has no two blocks that pass on square maps, (N, channels, h, h), and only such blocks can be "
            "replaced by a convolution: networks of several convolutions have them, transformers have not."
        )
    spans = dict(span(traced, name, what) for name in asked)
    stops = default_stops(traced)
    for start, stop in spans.values():
        stops = [s for s in stops if not start <= s <= stop] + [stop] + [start - 1] * (start > 0)
    stops = with_convolutions(traced, sorted(set(stops)))
    names = {start: name for name, (start, _) in spans.items()}
    return tuple(named(traced, stops, names))


def default_stops(traced: Traced) -> list[int]:
    """Where the coarsest blocks end, so that they number FEWEST to MOST where that can be."""
    labels = [path[:1] for path in traced.paths]
    stops = stops_of(traced, labels)
    while len(stops) < FEWEST:
        finer = next(
            (s for label in largest(traced, labels, stops) if (s := split(traced, labels, label, stops))), None
        )
        if finer is None:
            return stops
        labels, stops = finer
    if len(stops) > MOST:
        return by_pairs(by_resolution(traced, stops))
    return stops


def stops_of(traced: Traced, labels: list[tuple[str, ...]]) -> list[int]:
    """The cuts at which the label changes, and the last cut; each part has a convolution."""
    last = traced.cuts[-1]
    return with_convolutions(traced, [i for i in traced.cuts if i == last or labels[i] != labels[i + 1]])


def with_convolutions(traced: Traced, stops: list[int]) -> list[int]:
    """The stops without those before a part that has no convolution: it goes with the part before it."""
    kept: list[int] = []
    for start, stop in ranges(stops):
        if kept and not any(traced.convolves[start : stop + 1]):
            kept.pop()
        elif len(kept) == 1 and not any(traced.convolves[: kept[0] + 1]):
            kept.pop()  # the first part has no part before it: it goes with the second
        kept.append(stop)
    return kept


def ranges(stops: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and stop of every part."""
    for before, stop in pairwise((-1, *stops)):
        yield before + 1, stop


def largest(traced: Traced, labels: list[tuple[str, ...]], stops: list[int]) -> list[tuple[str, ...]]:
    """The labels before the head, those with the most convolutions first."""
    within = range(stops[-1] + 1)
    counts = {labels[i]: 0 for i in within}
    for i in within:
        counts[labels[i]] += traced.convolves[i]
    return sorted(counts, key=lambda label: -counts[label])


def split(
    traced: Traced, labels: list[tuple[str, ...]], label: tuple[str, ...], stops: list[int]
) -> tuple[list[tuple[str, ...]], list[int]] | None:
    """The labels with one split into its children, down to where that gives more parts; None where it never does."""
    deepest = max((len(path) for path, own in zip(traced.paths, labels, strict=True) if own == label), default=0)
    for depth in range(len(label) + 1, deepest + 1):
        finer = [path[:depth] if own == label else own for path, own in zip(traced.paths, labels, strict=True)]
        found = stops_of(traced, finer)
        if len(found) > len(stops):
            return finer, found
    return None


def by_resolution(traced: Traced, stops: list[int]) -> list[int]:
    """Parts of the same resolution together: a part ends behind a pool and before a strided convolution."""
    parts = list(ranges(stops))
    kept = [
        stop
        for (start, stop), (after, end) in pairwise(parts)
        if shrinks(traced, start, stop)[1] or shrinks(traced, after, end)[0]
    ]
    found = [*kept, stops[-1]]
    return found if len(found) >= FEWEST else stops


def shrinks(traced: Traced, start: int, stop: int) -> tuple[bool, bool]:
    """Whether a part makes maps smaller by a convolution, and whether by anything else, as a pool."""
    by_convolution = by_other = False
    places = [start - 1, *(cut for cut in traced.cuts if start <= cut <= stop)]
    for before, cut in pairwise(places):
        if side(traced, cut) < side(traced, before):
            convolves = any(traced.convolves[before + 1 : cut + 1])
            by_convolution, by_other = by_convolution or convolves, by_other or not convolves
    return by_convolution, by_other


def side(traced: Traced, at: int) -> int:
    """The side of the maps after an operation; the image's before the first."""
    return traced.shapes[at][-1] if at >= 0 else traced.px


def by_pairs(stops: list[int]) -> list[int]:
    """Neighbours together, until there are no more than MOST."""
    while len(stops) > MOST:
        stops = [stop for i, stop in enumerate(stops) if i % 2 or stop == stops[-1]]
    return stops


# Names --------------------------------------------------------------------------------------------------------------


def named(traced: Traced, stops: list[int], given: dict[int, str]) -> Iterator[Part]:
    """The parts with their names: of the modules that they are, each as short as it can be."""
    parts = list(ranges(stops))
    taken = {HEAD}
    for start, stop in parts:
        name = given.get(start) or name_of(traced, start, stop)
        if name in taken:
            name = next(f"{name}~{i}" for i in range(2, len(parts) + 2) if f"{name}~{i}" not in taken)
        taken.add(name)
        yield Part(name, start, stop)


def name_of(traced: Traced, start: int, stop: int) -> str:
    """The shortest path that only operations of the part have; where it is several modules, the first and the last."""
    units = [traced.paths[i] for i in range(start, stop + 1) if traced.convolves[i]]
    others = [path for i, path in enumerate(traced.paths) if not start <= i <= stop]
    first, last = (own_prefix(path, others) for path in (units[0], units[-1]))
    both = common(first, last)
    if first == last or (both and not any(path[: len(both)] == both for path in others)):
        return ".".join(both)
    tail = traced.paths[stop][: len(last)]  # with the pool behind the last convolution
    last = tail if tail[:-1] == last[:-1] else last
    shown = last[-1] if first[:-1] == last[:-1] else ".".join(last)
    return f"{'.'.join(first)}-{shown}"


def own_prefix(path: tuple[str, ...], others: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The shortest beginning of a path that no other path has."""
    return next((path[:n] for n in range(1, len(path)) if all(other[:n] != path[:n] for other in others)), path)


def common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """What two paths begin with."""
    n = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:n]


def span(traced: Traced, name: str, what: str) -> tuple[str, tuple[int, int]]:
    """The operations of a module, or from one module to another, that was asked for as a block."""
    blocks = {part.name: (part.start, part.stop) for part in named(traced, default_stops(traced), {})}
    ends = blocks.get(name) or ends_of(traced, name)
    if ends is None:
        known = sorted({".".join(path[:n]) for path in traced.paths for n in range(1, len(path) + 1)})
        near = nearest(name, [*blocks, *known])
        hint = f"did you mean {near!r}?" if near else f"it is cut into {', '.join(blocks)}."
        raise UserError(f"{what} has no block {name!r}: {hint}")
    start, stop = ends
    while stop not in traced.cuts and stop + 1 < len(traced.nodes) and not traced.convolves[stop + 1]:
        stop += 1
    if (start and start - 1 not in traced.cuts) or stop not in traced.cuts:
        raise UserError(
            f"{name!r} of {what} is no block: more than its one map goes in or comes out of it, as within a residual "
            "connection, or it belongs to the head. Name the module around it."
        )
    return name, (start, stop)


def ends_of(traced: Traced, name: str) -> tuple[int, int] | None:
    """The first and the last operation of a module, "layer2.0", or of several, "features.0-6"."""
    whole = under(traced, name)
    if whole:
        return whole[0], whole[-1]
    for at in [i for i, letter in enumerate(name) if letter == "-"]:
        first, last = name[:at], name[at + 1 :]
        beside = ".".join([*first.split(".")[:-1], last])
        one, two = under(traced, first), under(traced, last) or under(traced, beside)
        if one and two and one[0] <= two[-1]:
            return one[0], two[-1]
    return None


def under(traced: Traced, name: str) -> list[int]:
    """The positions of a module's operations."""
    path = tuple(name.split("."))
    return [i for i, own in enumerate(traced.paths) if own[: len(path)] == path]


# Modules ------------------------------------------------------------------------------------------------------------


def module_of(traced: Traced, part: Part) -> nn.Module:
    """A part of the network as a module of its own: what the operation before it gave -> what its last one gives."""
    graph, known = fx.Graph(), {}
    before = traced.nodes[part.start - 1] if part.start else traced.image
    known[before] = graph.placeholder("x")
    wanted = set(traced.nodes[part.start : part.stop + 1])
    constants = {n for node in wanted for n in node.all_input_nodes if n.op == "get_attr"}
    targets = {str(n.target) for n in wanted if n.op == "call_module"} | {str(n.target) for n in constants}
    prefix = prefix_of(targets, part.name)
    for node in traced.graph.nodes:
        if node in wanted or node in constants:
            known[node] = graph.node_copy(node, known.__getitem__)
            if node.op in ("call_module", "get_attr"):
                known[node].target = str(node.target).removeprefix(prefix)
    graph.output(known[traced.nodes[part.stop]])
    held = {target.removeprefix(prefix): attribute(traced.root, target) for target in targets}
    return fx.GraphModule(held, graph, class_name="Block")


def prefix_of(targets: set[str], name: str) -> str:
    """What the paths of a part's modules begin with and need not say again: "net.layer1." in the block layer1."""
    own = f"net.{name}."
    if all(target.startswith(own) for target in targets):
        return own
    parents = [target.split(".")[:-1] for target in targets]
    shared = 0
    while parents and all(len(p) > shared and p[shared] == parents[0][shared] for p in parents):
        shared += 1
    return "".join(f"{word}." for word in parents[0][:shared]) if parents else ""


def attribute(root: nn.Module, target: str) -> object:
    """A module, parameter or buffer by its path."""
    path, _, name = target.rpartition(".")
    return getattr(root.get_submodule(path), name)


def shape_of(traced: Traced, part: Part) -> Shape:
    """What a part does to maps."""
    before = traced.shapes[part.start - 1] if part.start else (PROBED, 3, traced.px, traced.px)
    after = traced.shapes[part.stop]
    return Shape(before[1], after[1], before[-1], after[-1], is_nonnegative(traced, part))


def is_nonnegative(traced: Traced, part: Part) -> bool:
    """Whether a part ends in an activation such as ReLU, up to pools and dropout behind it."""
    node = traced.nodes[part.stop]
    while (module := traced.module(node)) is not None and isinstance(module, KEEPS_SIGN):
        node = node.args[0]  # type: ignore[assignment]
    name = str(getattr(node.target, "__name__", node.target))
    return isinstance(module, NONNEGATIVE) or (module is None and name in ("relu", "relu6", "sigmoid"))


def check_own_weights(traced: Traced, parts: Sequence[Part], what: str) -> None:
    """UserError where two parts hold the same parameter or buffer: a block cannot be replaced alone then."""
    owner: dict[int, str] = {}
    for part in parts:
        for tensor in module_of(traced, part).state_dict(keep_vars=True).values():
            if owner.setdefault(id(tensor), part.name) != part.name:
                raise UserError(
                    f"{what} uses the same weights in {owner[id(tensor)]} and in {part.name}: a block that shares its "
                    "weights cannot be replaced alone. Give each its own."
                )

"""A traced network as named blocks and a head, which is what everything else here works on. cuts.py says where."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx, nn

from netpress.errors import UserError
from netpress.nets.cuts import Part, chosen
from netpress.nets.network import HEAD, Network
from netpress.nets.tracing import PROBED, Traced, device_of, trace

NONNEGATIVE = (nn.ReLU, nn.ReLU6, nn.Sigmoid, nn.Hardsigmoid, nn.Softplus)
KEEPS_SIGN = (nn.MaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Dropout2d, nn.Identity)


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

"""Any network as a list of operations, and the places where it can be cut: `torch.fx` traces, shapes are looked at.

A place is a cut where exactly one tensor is alive and that tensor is a stack of square maps, (N, C, h, h). Two
tensors are alive within a residual block or a dense block, none but vectors behind the global pool.
"""

import copy
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from netpress.errors import UserError

IN_PLACE: dict[Any, Callable] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
PROBED = 2  # images that pass through a network to learn its shapes: one may look like no batch at all


class Whole(nn.Module):
    """A network called with images alone, so that further arguments of its forward keep their defaults."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


class InMode(nn.Module):
    """A function such as `dropout` whose `training` was fixed by tracing: here it follows the network's mode again."""

    def __init__(self, function: Callable, arguments: tuple, options: dict[str, Any]) -> None:
        super().__init__()
        self.function, self.arguments, self.options = function, arguments, options

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.arguments, **self.options, training=self.training)


class LayerTracer(fx.Tracer):
    """Goes into modules that have children, and takes all others as they are: what they do inside is theirs."""

    def __init__(self) -> None:
        layers = sys.modules.get("timm.layers")
        self.opaque = set(layers.get_notrace_modules()) if layers else set()
        super().__init__(autowrap_functions=tuple(layers.get_notrace_functions()) if layers else ())

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_alone = next(m.children(), None) is None
        return is_alone or type(m) in self.opaque or super().is_leaf_module(m, module_qualified_name)


@dataclass(frozen=True)
class Traced:
    """A traced network: its operations in order, without constants.

    modules: the network's modules by path. nodes: the operations. shapes: what each gives, () where it is no tensor.
    """

    root: nn.Module
    graph: fx.Graph
    nodes: tuple[fx.Node, ...]
    shapes: tuple[tuple[int, ...], ...]
    px: int

    @cached_property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Of each operation, the module that it belongs to: ("layer1", "0", "conv1"), () for the network itself."""
        return tuple(path_of(node) for node in self.nodes)

    @cached_property
    def convolves(self) -> tuple[bool, ...]:
        """Of each operation, whether it is or holds a convolution."""
        return tuple(is_convolution(self.module(node), node) for node in self.nodes)

    @property
    def image(self) -> fx.Node:
        """What stands for the images."""
        return next(node for node in self.graph.nodes if node.op == "placeholder")

    @cached_property
    def lone(self) -> tuple[int, ...]:
        """The positions after which exactly one value is alive: all before it have been used up."""
        place = {node: i for i, node in enumerate(self.nodes)}
        found, reach = [], last_use(self.image, place)
        for i, node in enumerate(self.nodes[:-1]):
            if reach <= i:
                found.append(i)
            reach = max(reach, last_use(node, place))
        return tuple(found)

    @cached_property
    def cuts(self) -> tuple[int, ...]:
        """The positions after which the network can be cut: one value is alive, square maps, before the global pool."""
        found = []
        for i in self.lone:
            if self.is_pooled(i) or len(self.shapes[i]) == 2:
                break
            if is_square(self.shapes[i]):
                found.append(i)
        return tuple(found)

    def is_pooled(self, at: int) -> bool:
        """Whether an operation is a global pool: from there on it is the head."""
        node = self.nodes[at]
        module = self.module(node)
        name = (type(module).__name__ if module else str(node.target)).lower()
        last = "avg" in name and self.shapes[at][2:] == (1, 1) and not any(self.convolves[at + 1 :])
        return last or any(word in name for word in ("adaptive", "mean", "globalpool"))

    def module(self, node: fx.Node) -> nn.Module | None:
        """The module that an operation calls."""
        return self.root.get_submodule(str(node.target)) if node.op == "call_module" else None


def trace(net: nn.Module, px: int, what: str) -> Traced:
    """Trace a network for images (N, 3, px, px). `what` names it in errors. Its layers work in place no more.

    UserError where its forward decides on values, or where it does not take such images.
    """
    root = Whole(net.eval())
    not_in_place(net)
    check_takes(net, px, what)
    try:
        graph = LayerTracer().trace(root)
    except Exception as error:  # whatever a forward does with a value that is not there
        raise UserError(
            f"{what} cannot be cut into blocks: its forward decides on values or shapes while it runs "
            f"({first_line(error)}). A network whose forward always takes the same path can be."
        ) from error
    traced = fx.GraphModule(root, graph)
    tidy(traced)
    images = torch.zeros(PROBED, 3, px, px, device=device_of(net))
    with torch.no_grad():
        ShapeProp(traced).propagate(images)
    nodes = tuple(n for n in traced.graph.nodes if n.op in ("call_module", "call_function", "call_method"))
    return Traced(traced, traced.graph, nodes, tuple(shape_of(node) for node in nodes), px)


def check_takes(net: nn.Module, px: int, what: str) -> None:
    """UserError where a network does not map images (N, 3, px, px) to logits (N, classes)."""
    images = torch.zeros(PROBED, 3, px, px, device=device_of(net))
    try:
        with torch.no_grad():
            logits = net(images)
    except Exception as error:  # whatever a layer says of a shape that it was not made for
        raise UserError(
            f"{what} does not take colour images of {px} x {px} pixels ({first_line(error)}): a network for three "
            "channels is needed, and a size that it was made for, which --px sets."
        ) from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != PROBED:
        given = f"a tensor of shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(f"{what} gives {given} for {PROBED} images: logits of shape (images, classes) are expected.")


def tidy(traced: fx.GraphModule) -> None:
    """Take out assertions and what nobody uses; nothing works in place; functions learn again whether they train."""
    graph = traced.graph
    for node in list(graph.nodes):
        if node.op == "call_function" and node.target is torch._assert:
            graph.erase_node(node)
    for node in list(graph.nodes):
        if node.op != "call_function":
            continue
        node.target = IN_PLACE.get(node.target, node.target)
        if node.kwargs.get("inplace"):
            node.kwargs = {**node.kwargs, "inplace": False}
        if node.kwargs.get("training") is False and isinstance(node.args[0], fx.Node):
            free_mode(node, traced)
    once_each(traced)
    graph.eliminate_dead_code()
    traced.recompile()


def free_mode(node: fx.Node, traced: fx.GraphModule) -> None:
    """Replace a function whose `training` was fixed by tracing with a module that follows the network's mode."""
    options = {key: value for key, value in node.kwargs.items() if key != "training"}
    if len(node.all_input_nodes) != 1:
        return
    name = f"net.{node.name.removeprefix('net_')}"
    traced.add_submodule(name, InMode(node.target, node.args[1:], options))  # type: ignore[arg-type]
    with node.graph.inserting_before(node):
        module = node.graph.call_module(name, (node.args[0],))
    module.meta = dict(node.meta)
    node.replace_all_uses_with(module)
    node.graph.erase_node(node)


def once_each(traced: fx.GraphModule) -> None:
    """A module without weights that is called several times, as a ReLU, becomes as many: quantisation asks for that."""
    called: set[str] = set()
    for node in traced.graph.nodes:
        if node.op != "call_module":
            continue
        target = str(node.target)
        module = traced.get_submodule(target)
        if target in called and not module.state_dict():
            number = next(n for n in range(2, len(called) + 3) if f"{target}_{n}" not in called)
            node.target = f"{target}_{number}"
            traced.add_submodule(node.target, copy.deepcopy(module))
        called.add(str(node.target))


def not_in_place(net: nn.Module) -> None:
    """A block must leave its input as it was: others look at it too. The values are the same."""
    for module in net.modules():
        if getattr(module, "inplace", None) is True:
            module.inplace = False  # type: ignore[assignment]


def last_use(node: fx.Node, place: dict[fx.Node, int]) -> int:
    """The position of the last operation that uses a value; beyond all where it is given out."""
    return max((place.get(user, len(place)) for user in node.users), default=-1)


def path_of(node: fx.Node) -> tuple[str, ...]:
    """The path of the module that an operation is, or else of the one that it is written in."""
    if node.op == "call_module":
        return tuple(str(node.target).split(".")[1:])
    stack = list(node.meta.get("nn_module_stack", {}))
    return tuple(stack[-1].split(".")[1:]) if stack else ()


def is_convolution(module: nn.Module | None, node: fx.Node) -> bool:
    """Whether an operation is or holds a convolution of maps."""
    if module is not None:
        return any(isinstance(part, nn.Conv2d) for part in module.modules())
    return node.op == "call_function" and "conv2d" in str(getattr(node.target, "__name__", node.target))


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of what an operation gave; () where it was no tensor."""
    meta = node.meta.get("tensor_meta")
    shape = getattr(meta, "shape", None)
    return tuple(shape) if shape is not None else ()


def is_square(shape: tuple[int, ...]) -> bool:
    """(N, C, h, h): with channels last the two last sides would be a side and the channels."""
    return len(shape) == 4 and shape[2] == shape[3]


def device_of(net: nn.Module) -> torch.device:
    """Where its parameters are."""
    return next((p.device for p in net.parameters()), torch.device("cpu"))


def first_line(error: BaseException) -> str:
    """What an error says, short enough to stand in a sentence."""
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return text if len(text) <= 160 else f"{text[:157]}..."

"""A finished network as files that run elsewhere: with torch alone, with ONNX Runtime, without this package.

The network that is written takes images (N, 3, px, px), float32 from 0 to 1, for any N: how they are normalised is a
part of it. Masks and code books are the weights that they stand for.
"""

import copy
import importlib.util
import json
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, fx, nn

from netpress.atomic import write_atomic
from netpress.compress.finish import finished
from netpress.data.views import Normalise

CHECKED = 64  # images on which another engine must agree
TOLERANCE = 1e-4  # absolute, and relative to the logit
TO_EXPORT = ("onnx", "onnxruntime", "onnxscript")
HOW = "run `pip install 'netpress[export]'`"


class Ready(nn.Module):
    """A network with its normalisation: images (N, 3, px, px), 0 to 1 -> logits."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module, normalise: Normalise) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(normalise.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(normalise.std).view(1, 3, 1, 1))
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images - self.mean) / self.std)


@dataclass(frozen=True)
class Written:
    """What was written: bytes by file. `left_out`: files that were not, with the reason, as sentences."""

    bytes: dict[str, int]
    left_out: dict[str, str]


def ready(network: nn.Module, normalise: Normalise) -> Ready:
    """A copy of a network for the world outside: on the CPU, finished, in eval mode, float32."""
    plain = finished(copy.deepcopy(network)).eval().cpu().float()
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return Ready(plain, normalise).eval()


def write(net: Ready, images: Tensor, classes: tuple[str, ...], out: Path) -> Written:
    """Write network.safetensors, model.py and network.onnx into a folder. images: uint8 (N, 3, px, px), to check on.

    Each file is checked against PyTorch on up to CHECKED images before it is said to be there; ONNX is left out where
    its packages are missing or it does not agree.
    """
    some = images[:CHECKED].float() / 255
    with torch.no_grad():
        expected = net(some)
    program = exported(net, some)
    tensors = {name: t.detach().contiguous().clone() for name, t in net.state_dict().items()}
    about = {"px": some.shape[-1], "classes": list(classes), "graph": graph_of(program, net)}
    metadata = {"network": json.dumps(about)}  # one entry: several would be written in any order
    write_atomic(out / "network.safetensors", save(tensors, metadata))
    write_atomic(out / "model.py", resources.files("netpress.yours").joinpath("model.py").read_bytes())
    left_out = {}
    if reason := disagreement(loaded(out)(some), expected):
        left_out["model.py"] = f"model.py does not give what the network gives ({reason})"
    if reason := write_onnx(program, some, expected, out / "network.onnx"):
        left_out["network.onnx"] = reason
    for name in left_out:
        (out / name).unlink(missing_ok=True)
    there = (out / name for name in ("network.safetensors", "model.py", "network.onnx"))
    return Written({path.name: path.stat().st_size for path in there if path.exists()}, left_out)


def disagreement(found: Tensor, expected: Tensor) -> str:
    """How far two engines are apart where that is too far; "" where they agree."""
    apart = (found - expected).abs() - TOLERANCE * (1 + expected.abs())
    if bool((apart <= 0).all()):  # false for what is no number, too
        return ""
    return f"logits differ by up to {float((found - expected).abs().max()):.2g}"


# With torch alone ---------------------------------------------------------------------------------------------------


def exported(net: nn.Module, images: Tensor) -> torch.export.ExportedProgram:
    """The network as PyTorch's own operations, for any number of images."""
    with quiet(), torch.no_grad():
        return torch.export.export(
            net, (images,), dynamic_shapes=({0: torch.export.Dim("images", min=1)},), strict=False
        )


def graph_of(program: torch.export.ExportedProgram, net: nn.Module) -> dict[str, Any]:
    """An exported network as JSON: which tensor each name stands for, and the calls in order."""
    signature = program.graph_signature
    tensors = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    calls, output = [], ""
    names: dict[fx.Node, str] = {}
    for node in program.graph.nodes:
        if node.op == "placeholder":
            names[node] = node.name if node.name in tensors else "images"
        elif node.op == "call_function":
            names[node] = node.name
            calls.append([node.name, called(node.target), written(node.args, names), written(node.kwargs, names)])
        elif node.op == "output":
            output = names[node.args[0][0]]
    return {"tensors": tensors, "trains": [n for n, _ in net.named_parameters()], "calls": calls, "output": output}


def called(function: Any) -> str:
    """An operation by name: aten.conv2d.default, or mul of the module operator."""
    return str(function) if isinstance(function, torch._ops.OpOverload) else function.__name__


def written(value: Any, names: dict[fx.Node, str]) -> Any:
    """Arguments of an operation as JSON."""
    if isinstance(value, fx.Node):
        return {"value": names[value]}
    if isinstance(value, list | tuple):
        return [written(part, names) for part in value]
    if isinstance(value, dict):
        return {key: written(part, names) for key, part in value.items()}
    if isinstance(value, torch.dtype | torch.memory_format | torch.layout):
        return {"torch": str(value).removeprefix("torch.")}
    return str(value) if isinstance(value, torch.device) else value


def loaded(out: Path) -> nn.Module:
    """The network as model.py in a folder makes it."""
    spec = importlib.util.spec_from_file_location("netpress_exported_model", out / "model.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Network().requires_grad_(False)


# With ONNX ----------------------------------------------------------------------------------------------------------


def missing_packages() -> list[str]:
    """What ONNX needs and is not installed."""
    return [name for name in TO_EXPORT if importlib.util.find_spec(name) is None]


def write_onnx(program: torch.export.ExportedProgram, images: Tensor, expected: Tensor, path: Path) -> str:
    """Write a network as ONNX, and run it. "" where that went well; otherwise why the file is not there."""
    if missing := missing_packages():
        return f"network.onnx needs {', '.join(missing)}: {HOW} and give the same command again."
    path.unlink(missing_ok=True)
    partial = path.with_name(".network.onnx")
    try:
        with quiet():
            torch.onnx.export(
                program, (images,), str(partial), dynamo=True, external_data=False, verbose=False,
                input_names=["images"], output_names=["logits"],
            )  # fmt: skip
        strip(partial)
        found = run_onnx(partial, images)
    except Exception as error:  # an exporter and an engine of others, with errors of their own
        partial.unlink(missing_ok=True)
        return f"PyTorch's ONNX exporter or ONNX Runtime failed ({type(error).__name__}: {str(error).splitlines()[0]})."
    if reason := disagreement(found, expected):
        partial.unlink()
        return f"ONNX Runtime does not give what PyTorch gives ({reason})."
    partial.replace(path)
    return ""


def strip(path: Path) -> None:
    """Take out of an ONNX file where each operation was written, and names that differ from one export to the next."""
    import onnx

    model = onnx.load(str(path))
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.functions,
        *(n for f in model.functions for n in f.node),
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = re.sub(r"\bs\d+\b", "images", side.dim_param)
    path.write_bytes(model.SerializeToString(deterministic=True))


def run_onnx(path: Path, images: Tensor) -> Tensor:
    """The logits that ONNX Runtime gives, with one thread on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return torch.from_numpy(session.run(None, {name: images.numpy()})[0])


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters tell at length what they do."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

"""Networks as files of ONNX, in float32 and in 8-bit integers: written, checked against PyTorch, run, and timed."""

import importlib.util
import io
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from netpress.errors import UserError
from netpress.files import write_atomic
from netpress.yours.networks import first_line

TOLERANCE = 1e-3  # of the largest value that a network gives
NEEDED = ("onnx", "onnxruntime", "onnxscript")
CALIBRATED = 128  # inputs by which the ranges of 8-bit integers are chosen
LEAST_PASSES, LEAST_SECONDS = 9, 0.5  # of a timing


class CannotExport(UserError):
    """A network, or a change of it, that does not become a file."""


def check_installed() -> None:
    """UserError naming what ONNX needs and is not installed."""
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        raise UserError(f"Shrinking needs {', '.join(missing)}: run `pip install 'netpress[export]'`.")


def program_of(net: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """A network in eval mode as PyTorch's own operations, for any number of inputs like `example`'s.

    CannotExport where its forward decides on values.
    """
    try:
        with quiet(), torch.no_grad():
            batch = ({0: torch.export.Dim("batch", min=1)},)
            return torch.export.export(net.eval(), (example,), dynamic_shapes=batch, strict=False)
    except Exception as error:  # what a forward does with values that are not there
        raise CannotExport(
            f"The network cannot be exported ({first_line(error)}): its forward must take the same path for all inputs "
            "and any number of them."
        ) from error


def write_float(net: nn.Module, example: Tensor, path: Path) -> None:
    """Write a network as ONNX in float32. CannotExport unless ONNX Runtime gives what PyTorch gives."""
    program = program_of(net, example)
    partial = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with quiet():
            torch.onnx.export(
                program, (example,), str(partial), dynamo=True, external_data=False, verbose=False,
                input_names=["inputs"], optimize=True,
            )  # fmt: skip
        write_atomic(partial, stripped(partial))
        with torch.no_grad():
            expected = [t for t in tree_flatten(net(example))[0] if isinstance(t, Tensor)]
        for found, wanted in zip(File(partial).flat(example), expected, strict=True):
            apart = float((found - wanted).abs().max())
            if not apart <= TOLERANCE * max(1.0, float(wanted.abs().max())):
                raise CannotExport(f"ONNX Runtime does not give what PyTorch gives (they are {apart:.2g} apart).")
        partial.replace(path)
    except UserError:
        raise
    except Exception as error:  # an exporter and an engine of others, with errors of their own
        raise CannotExport(f"The network cannot be written as ONNX ({first_line(error)}).") from error
    finally:
        partial.unlink(missing_ok=True)


def write_integers(source: Path, inputs: Tensor, path: Path) -> None:
    """Write the ONNX file `source` with 8-bit integers: static, QDQ, per channel, ranges from `inputs`.

    CannotExport where ONNX Runtime cannot quantise it.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Reader(quantization.CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter(inputs[:CALIBRATED].split(32))

        def get_next(self) -> dict[str, Any] | None:
            return next(({"inputs": batch.numpy()} for batch in self.batches), None)

    ready, partial = (path.with_name(f".{word}-{path.name}") for word in ("ready", "new"))
    try:
        with quiet():
            quant_pre_process(str(source), str(ready), skip_symbolic_shape=True)
            # GroupNorm has these; their constants are shared between layers, which the quantiser does not take
            floats = [node.name for node in onnx.load(ready).graph.node if node.op_type == "InstanceNormalization"]
            quantization.quantize_static(
                str(ready), str(partial), Reader(), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
                weight_type=quantization.QuantType.QInt8, activation_type=quantization.QuantType.QUInt8,
                nodes_to_exclude=floats,
                # without VNNI the sums of 8-bit products overflow: 7 bits for the weights
                reduce_range=not torch.cpu._is_vnni_supported(),
            )  # fmt: skip
        write_atomic(path, stripped(partial))
        File(path).flat(inputs[:2])
    except Exception as error:
        path.unlink(missing_ok=True)
        raise CannotExport(f"ONNX Runtime cannot make 8-bit integers of the network ({first_line(error)}).") from error
    finally:
        ready.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)


def stripped(path: Path) -> bytes:
    """An ONNX file without where each operation was written and names that differ from one export to the next."""
    import onnx

    model = onnx.load(str(path))
    inner = [node for function in model.functions for node in function.node]
    for part in (model, model.graph, *model.graph.node, *model.functions, *inner):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        del value.metadata_props[:]
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = re.sub(r"\bs\d+\b", "batch", side.dim_param)
    return model.SerializeToString(deterministic=True)


class File:
    """An ONNX file as a function of inputs, in ONNX Runtime on the CPU. threads: 0 for all."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def flat(self, inputs: Tensor) -> list[Tensor]:
        """All tensors that it gives, one after the other."""
        name = self.session.get_inputs()[0].name
        return [torch.from_numpy(found) for found in self.session.run(None, {name: inputs.numpy()})]

    def like(self, output: Any) -> Callable[[Tensor], Any]:
        """The same function, its tensors in the tuples or dicts of `output`."""
        _, structure = tree_flatten(output)
        return lambda inputs: tree_unflatten(self.flat(inputs), structure)


def milliseconds(works: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Median milliseconds of each function, timed in turns: what else the machine does then falls on all of them."""
    passes: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work(), work()
    start = time.perf_counter()
    while len(next(iter(passes.values()))) < LEAST_PASSES or time.perf_counter() - start < LEAST_SECONDS * len(works):
        for name, work in works.items():
            before = time.perf_counter()
            work()
            passes[name].append(1000 * (time.perf_counter() - before))
    return {name: median(times) for name, times in passes.items()}


def time_files(files: Mapping[str, Path], example: Tensor, batch: int = 1, threads: int = 1) -> dict[str, float]:
    """Milliseconds that ONNX Runtime takes for a batch of so many inputs with each of these files."""
    inputs = torch.cat([example] * -(-batch // len(example)))[:batch]
    opened = {name: File(path, threads) for name, path in files.items()}
    return milliseconds({name: lambda file=file: file.flat(inputs) for name, file in opened.items()})  # type: ignore[misc]


@contextmanager
def quiet() -> Iterator[None]:
    """Exporters tell at length what they do."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        # they print whole graphs on both outputs, too
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

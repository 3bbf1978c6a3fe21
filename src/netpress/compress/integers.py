"""8-bit integer inference on the CPU, by the path that PyTorch maintains.

`torch.ao.quantization` is deprecated. Its successor is torchao's export quantisation ("PT2E"): the network is
exported, BatchNorm is folded into the convolutions, observers watch calibration images go through, and torchao
lowers the result to oneDNN's integer convolution and linear kernels. No compiler is needed.
Weights: signed, symmetric, one scale per output channel. Activations: unsigned, one scale and zero point each.
"""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from netpress.compress.prune import finished, weight_layers
from netpress.errors import UserError

BATCH = 64
OLDEST = "2.12"  # with torch 2.11 torchao finds no integer kernel for any layer


class IntegerNetwork(nn.Module):
    """A network whose convolutions and linear layers compute in 8-bit integers. Made by `int8`.

    forward: images float32 (N, C, px, px) on the CPU -> logits float32 (N, classes), for any N. The exported
    graph takes exactly `batch` images, so others are cut and filled up; images do not influence each other.
    tensors: all that defines it (8-bit weights, scales, folded biases, activation scales), by name.
    kernels: the integer kernels it calls, in order.
    """

    def __init__(self, tensors: dict[str, Tensor], lowered: Any, images: Tensor, kernels: tuple[str, ...]) -> None:
        super().__init__()
        self.tensors, self.lowered = tensors, lowered
        self.image_shape = tuple(images.shape[1:])
        self.batch = len(images)
        self.kernels = kernels

    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.cat([self._part(part) for part in images.float().split(self.batch)])

    def train(self, mode: bool = True) -> "IntegerNetwork":
        """Stays as it is: it has no other mode than evaluation."""
        return self

    def _part(self, images: Tensor) -> Tensor:
        filler = images[-1:].expand(self.batch - len(images), *images.shape[1:])
        return self.lowered(torch.cat([images, filler]).contiguous())[: len(images)]


def int8(network: nn.Module, calibration: Tensor) -> IntegerNetwork:
    """The network in 8-bit integers. The network itself is not changed.

    calibration: training images float32 (N, C, px, px), normalised as the network sees them: the ranges of the
    activations are measured on them, 64 at a time; the last incomplete 64 are left out where there are others.
    UserError where this machine has no integer kernels, torchao is missing, or a layer would stay in floats.
    """
    if calibration.dim() != 4 or not len(calibration) or not calibration.is_floating_point():
        raise UserError(
            "Calibration images are float32 (N, C, px, px), normalised as the network sees them, "
            f"not {calibration.dtype} of shape {tuple(calibration.shape)}."
        )
    _check_machine()
    first, *others = calibration.float().cpu().split(BATCH)
    plain = finished(copy.deepcopy(network)).eval().cpu()
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with _quiet(), torch.no_grad():
        from torchao.quantization.pt2e import quantize_pt2e
        from torchao.quantization.pt2e.lowering import lower_pt2e_quantized_to_x86
        from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

        exported = torch.export.export(plain, (first.contiguous(),)).module()
        config = x86.get_default_x86_inductor_quantization_config(reduce_range=not _exact_products())
        prepared = quantize_pt2e.prepare_pt2e(exported, x86.X86InductorQuantizer().set_global(config))
        for images in (first, *others):
            if len(images) == len(first):
                prepared(images)
        converted = quantize_pt2e.convert_pt2e(prepared)  # with quantisation steps in it, still computed in floats
        lowered: Any = lower_pt2e_quantized_to_x86(converted, (first.contiguous(),))
    for node in lowered.graph.nodes:
        if node.target is torch.ops.aten.view.default:  # oneDNN's convolutions give maps that `view` cannot flatten
            node.target = torch.ops.aten.reshape.default
    lowered.recompile()
    kernels = tuple(str(n.target) for n in lowered.graph.nodes if str(n.target).startswith("onednn.q"))
    layers = len(weight_layers(network))
    if len(kernels) != layers:
        raise UserError(
            f"Only {len(kernels)} of {layers} layers found an integer kernel: 8-bit inference needs plain "
            "convolutions and linear layers, and an x86 CPU. Leave it out for this network."
        )
    return IntegerNetwork(_tensors(converted), lowered, first, kernels)


def _check_machine() -> None:
    """UserError where torch is too old, or there is no oneDNN or no torchao."""
    if torch.__version__ < OLDEST:
        raise UserError(f"8-bit inference needs PyTorch {OLDEST} or newer, and this is {torch.__version__}: update it.")
    if not torch.backends.mkldnn.is_available():
        raise UserError(
            "This PyTorch has no oneDNN, and so no 8-bit integer kernels: use an x86 CPU, or leave 8-bit inference out."
        )
    try:
        import torchao  # noqa: F401
    except ImportError as error:
        raise UserError("8-bit inference needs torchao: run `pip install torchao`.") from error


def _exact_products() -> bool:
    """Whether the CPU adds up products of 8-bit integers in 32 bits (VNNI, AMX).

    Others add pairs in 16 bits, which can overflow: there the activations take 7 bits.
    """
    if not hasattr(torch.cpu, "get_capabilities"):  # unknown: the answer that is never wrong
        return False
    return any(torch.cpu.get_capabilities().get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))


def _tensors(converted: Any) -> dict[str, Tensor]:
    """Everything that defines the integer network. Zero points of weights are left out: symmetric, they are 0."""
    names = dict.fromkeys(str(node.target) for node in converted.graph.nodes if node.op == "get_attr")
    state = dict(converted.named_parameters()) | dict(converted.named_buffers())
    held = {name: state[name].detach().clone() for name in names if not name.startswith("_zero_point")}
    to_integers = torch.ops.quantized_decomposed.quantize_per_tensor.default
    steps = [node for node in converted.graph.nodes if node.target is to_integers]  # of the activations, in order
    scales = torch.tensor([node.args[1] for node in steps], dtype=torch.float64)  # Python floats, hence 64 bits
    zeros = torch.tensor([node.args[2] for node in steps], dtype=torch.uint8)
    return held | {"activation_scales": scales, "activation_zeros": zeros}


@contextmanager
def _quiet() -> Iterator[None]:
    """torchao reports which of its GPU libraries do not load, and torch which of its own names are old."""
    loggers = [logging.getLogger(name) for name in ("torchao", "torch.utils._pytree")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

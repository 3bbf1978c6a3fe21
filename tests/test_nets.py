"""All networks: they learn, they are drawn alike, they are refused where they cannot be built; slices, sizes."""

import math
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from networks import conv, images, on_meta, parameters
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from netpress import nets
from netpress.errors import UserError
from netpress.nets import bit, small, vgg
from netpress.nets.describe import describe
from netpress.nets.network import Network


@pytest.mark.parametrize("model", ["vgg16", "svgg14-backward", "six-layer", "bit-r14x1"])
def test_slices_are_views_that_make_up_the_network(model: str) -> None:
    network, x = nets.build(model, 32, 4, 1 / 8).eval(), images(3, 32)
    whole = network(x)
    for name in network.names:
        entering = network.before(name)(x)
        leaving = network.upto(name)(x)
        assert torch.equal(leaving, network[name](entering))
        assert network.upto(name)[-1] is network[name]
    assert torch.equal(network.upto("head")(x), whole)
    for one, two in pairwise(network.names):
        assert list(network.upto(one)) == list(network.before(two))
    assert len(network.before(network.names[0])) == 0


def test_training_a_slice_trains_the_network() -> None:
    network = nets.build("vgg16", 32, 4, 1 / 16)
    assert {id(p) for p in network.upto("block2").parameters()} < {id(p) for p in network.parameters()}
    assert len(list(network.parameters())) == len(set(network.parameters()))  # slices are not registered
    network.upto("block2").eval()
    assert network["block3"].training and not network["block2"].training


def test_an_unknown_block_is_named() -> None:
    network = nets.build("six-layer", 32, 4, 1 / 8)
    for use in (network.before, network.upto, network.__getitem__):
        with pytest.raises(UserError, match=r"conv9.*conv1, conv2"):
            use("conv9")
    with pytest.raises(ValueError, match="head"):
        Network({"head": nn.Identity()}, nn.Identity())


def test_cnn_counts_are_those_of_the_keras_example() -> None:
    # convolutions have in * 9 * out + out, the dense layer ceil(px/4)^2 * out * classes + classes
    teacher = 3 * 9 * 256 + 256 + 256 * 9 * 512 + 512 + 7 * 7 * 512 * 10 + 10
    student = 3 * 9 * 16 + 16 + 16 * 9 * 32 + 32 + 7 * 7 * 32 * 10 + 10
    assert parameters(on_meta("cnn-256-512", 28, 10)) == teacher == 1_438_218
    assert parameters(on_meta("cnn-16-32", 28, 10)) == student == 20_778


@pytest.mark.parametrize("side", [28, 32, 7, 8, 9])
def test_same_convolution_is_kerass(side: int) -> None:
    """TensorFlow: ceil(side / 2) outputs; max((outputs - 1) * 2 + 3 - side, 0) zeros, the lesser half in front."""
    layer, x = small.SameConv(2, 3).double(), torch.randn(1, 2, side, side, dtype=torch.float64)
    outputs = math.ceil(side / 2)
    total = max((outputs - 1) * 2 + 3 - side, 0)
    front = total // 2
    expected = torch.zeros(1, 3, outputs, outputs, dtype=torch.float64)
    for i in range(outputs):
        for j in range(outputs):
            for di in range(3):
                for dj in range(3):
                    s, t = 2 * i + di - front, 2 * j + dj - front
                    if 0 <= s < side and 0 <= t < side:
                        expected[0, :, i, j] += layer.weight[:, :, di, dj] @ x[0, :, s, t]
            expected[0, :, i, j] += layer.bias
    torch.testing.assert_close(layer(x), expected)


def test_same_pool_keeps_the_size() -> None:
    x = -torch.rand(1, 2, 4, 5)  # negative: a pad of zeros would show
    found = small.SamePool()(x)
    assert found.shape == x.shape
    for i in range(4):
        for j in range(5):
            assert torch.equal(found[..., i, j], x[..., i : i + 2, j : j + 2].amax((-1, -2)))


def test_six_layers() -> None:
    network = on_meta("six-layer", 28, 10)
    kinds = [type(layer) for layer in network.modules()]
    assert (kinds.count(nn.Conv2d), kinds.count(nn.Linear)) == (4, 2)
    fully = 64 * 7 * 7 * 128 + 128 + 128 * 10 + 10
    assert parameters(network) == conv(3, 32) + conv(32, 32) + conv(32, 64) + conv(64, 64) + fully


LARGE = ("bit-r101x3",)  # only their shapes are looked at


@pytest.mark.parametrize("model", [m for m in nets.MODELS if m not in LARGE])
def test_every_network_learns_a_step(model: str) -> None:
    """In the way networks are trained: channels_last and bfloat16 autocast, and every parameter gets a gradient."""
    torch.manual_seed(0)
    network = nets.build(model, 32, 5, 1 / 8).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = images(4, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(x)
    assert logits.shape == (4, 5)
    F.cross_entropy(logits.float(), torch.tensor([0, 1, 2, 3])).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


@pytest.mark.parametrize("model", ["vgg16", "cnn-16-32", "six-layer", "bit-r14x1"])
def test_the_same_seed_gives_the_same_network(model: str) -> None:
    made = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        made.append(torch.cat([p.detach().flatten() for p in nets.build(model, 32, 5, 1 / 8).parameters()]))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_models_are_the_families_models() -> None:
    assert nets.FAMILIES == {"vgg": vgg.MODELS, "small": small.MODELS, "bit": bit.MODELS}


def test_names_are_checked_without_torch() -> None:
    program = (
        "import sys; from netpress import nets; from netpress.errors import UserError\n"
        "try: nets.family_of('vgg16-blok3')\nexcept UserError as e: print(e)\n"
        "print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines() == ["Unknown model 'vgg16-blok3': did you mean 'vgg16-block3'?", "False"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("resnet9000", 32, 10, 1.0), "choose one of vgg16"),
        (("svgg12-forward", 32, 10, 1.0), "did you mean 'svgg1"),
        (("vgg16", 28, 10, 1.0), "at least 32 px, not 28"),
        (("svgg5-backward", 31, 10, 1.0), "at least 32 px"),
        (("six-layer", 4, 10, 1.0), "at least 8 px"),
        (("bit-r14x1", 8, 10, 1.0), "at least 16 px"),
        (("vgg16", 32, 1, 1.0), "at least 2 classes, not 1"),
        (("vgg16", 32, 10, 0.0), "width"),
        (("vgg16", 32, 10, -1.0), "width"),
        (("vgg16", 32, 10, float("nan")), "width"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments: tuple[str, int, int, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        nets.build(*arguments)


@pytest.mark.parametrize("model", nets.MODELS)
@pytest.mark.parametrize("px", [32, 128])
def test_multiply_adds_are_half_of_torchs_flops(model: str, px: int) -> None:
    network = on_meta(model, px, 10, 1 / 8)
    description = describe(network, px)
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.empty(1, 3, px, px, device="meta"))
    assert 2 * description.multiply_adds == counter.get_total_flops()
    assert description.parameters == sum(row.parameters for row in description.layers) == parameters(network)


def test_vgg16s_multiply_adds_by_hand() -> None:
    shapes = [(3, 64, 224), (64, 64, 224), (64, 128, 112), (128, 128, 112), (128, 256, 56), (256, 256, 56),
              (256, 256, 56), (256, 512, 28), (512, 512, 28), (512, 512, 28)] + 3 * [(512, 512, 14)]  # fmt: skip
    expected = sum(9 * i * o * side * side for i, o, side in shapes) + 25088 * 4096 + 4096 * 4096 + 4096 * 1000
    description = describe(on_meta("vgg16", 224, 1000), 224)
    assert description.multiply_adds == expected == 15_470_264_320  # the well-known 15.5 G
    rows = {row.name: row for row in description.layers}
    assert rows["block3.conv3_2.conv"].shape == (256, 56, 56)
    assert rows["block5.pool5"].shape == (512, 7, 7)
    assert rows["head.fc1"].parameters == 25088 * 4096 + 4096
    assert rows["head.fc1"].kind == "fully connected"


def test_describe_leaves_the_network_as_it_was() -> None:
    network = nets.build("vgg16", 32, 4, 1 / 8)
    network["block2"].eval()
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    describe(network, 32)
    assert modes == [module.training for module in network.modules()]
    assert not any(module._forward_hooks for module in network.modules())
    for name, tensor in network.state_dict().items():
        assert tensor.device.type == "cpu" and torch.equal(tensor, state[name])
    described = {row.name for row in describe(network, 32).layers}
    assert "block1.conv1_1.bn" in described and "head.fc3" in described

"""Networks against published counts, torchvision's and timm's own networks, and arithmetic by hand."""

import math
import subprocess
import sys
import time
import urllib.error
import urllib.request
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from netpress import nets
from netpress.compat import import_torchvision
from netpress.errors import UserError
from netpress.nets import bit, levels, published, small, vgg
from netpress.nets.describe import describe
from netpress.nets.network import ConvLayer, Network

torchvision = import_torchvision()


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def on_meta(model: str, px: int, classes: int, width: float = 1.0) -> Network:
    with torch.device("meta"):
        return nets.build(model, px, classes, width)


def images(n: int, px: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, px, px, generator=torch.Generator().manual_seed(seed))


# --- VGG16 --------------------------------------------------------------------------------------------------------


def test_vgg16_has_the_published_number_of_parameters() -> None:
    network = on_meta("vgg16", 224, 1000)
    norms = sum(parameters(layer) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    assert parameters(network) - norms == 138_357_544


def conv(inputs: int, outputs: int) -> int:
    """3x3 kernels, biases, and BatchNorm's two coefficients a channel."""
    return 9 * inputs * outputs + outputs + 2 * outputs


@pytest.mark.parametrize(
    ("block", "whole", "replaced"),
    [
        ("block1", conv(3, 64) + conv(64, 64), conv(3, 64)),
        ("block2", conv(64, 128) + conv(128, 128), conv(64, 128)),
        ("block3", conv(128, 256) + 2 * conv(256, 256), conv(128, 256)),
        ("block4", conv(256, 512) + 2 * conv(512, 512), conv(256, 512)),
        ("block5", 3 * conv(512, 512), conv(512, 512)),
    ],
)
def test_one_convolution_takes_the_place_of_a_block(block: str, whole: int, replaced: int) -> None:
    parent, student = on_meta("vgg16", 32, 10), on_meta(f"vgg16-{block}", 32, 10)
    assert parameters(parent[block]) == whole
    assert parameters(student[block]) == replaced
    assert [type(layer) for layer in student[block]] == [ConvLayer, nn.MaxPool2d]  # type: ignore[union-attr]
    for name in parent.names:
        if name != block:
            assert str(parent[name]) == str(student[name])
    parent, student = (nets.build(m, 32, 10, 1 / 8) for m in ("vgg16", f"vgg16-{block}"))
    x = images(2, 32)
    assert parent.upto(block)(x).shape == student.upto(block)(x).shape


@pytest.mark.parametrize(("model", "theirs"), [("vgg16", "vgg16_bn"), ("vgg19", "vgg19_bn")])
@pytest.mark.parametrize("training", [False, True])
def test_features_are_torchvisions(model: str, theirs: str, training: bool) -> None:
    torch.manual_seed(0)
    reference = torchvision.models.get_model(theirs, weights=None, num_classes=10)
    shake(reference)
    network = nets.build(model, 64, 10)
    loaded = vgg.from_torchvision(network, reference)
    assert not any(name.startswith("head.fc1") for name in loaded)  # torchvision's head belongs to 224 px
    for net in (network, reference):
        net.train(training)
    x = images(2, 64)
    with torch.no_grad():
        assert torch.equal(network.before("head")(x), reference.features(x))


def test_the_whole_of_vgg16_is_torchvisions_at_224_px() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg16_bn(weights=None, num_classes=7).eval()
    shake(reference)
    network = nets.build("vgg16", 224, 7).eval()
    assert len(vgg.from_torchvision(network, reference)) == len(network.state_dict())
    x = images(1, 224)
    with torch.no_grad():
        torch.testing.assert_close(network(x), reference(x))


@pytest.mark.parametrize(("width", "rate"), [(1.0, 0.5), (0.25, 0.125), (0.125, 0.0625)])
def test_dropout_shrinks_with_the_width(width: float, rate: float) -> None:
    """At full width it is torchvision's."""
    for model in ("vgg16", "vgg19", "svgg11-forward"):
        head = nets.build(model, 32, 10, width).head
        rates = [layer.p for layer in head.modules() if isinstance(layer, nn.Dropout)]
        assert rates == ([] if model == "svgg11-forward" else [rate, rate])


def test_only_head_layers_whose_weights_fit_are_taken() -> None:
    torch.manual_seed(0)
    reference = torchvision.models.vgg16_bn(weights=None, num_classes=7)
    network = nets.build("vgg16", 32, 7)
    loaded = vgg.from_torchvision(network, reference)
    # at 32 px the first layer sees 512 features instead of 25088: its bias would fit, and does not come alone
    assert {name for name in loaded if name.startswith("head")} == {
        "head.fc2.weight", "head.fc2.bias", "head.fc3.weight", "head.fc3.bias"
    }  # fmt: skip
    assert torch.equal(network.head.fc2.weight, reference.classifier[3].weight)  # type: ignore[union-attr]


def shake(module: nn.Module) -> None:
    """BatchNorm away from its beginning, so that a coefficient in the wrong place shows."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.1)
            nn.init.normal_(layer.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(layer.running_var, 0.5, 1.5)  # type: ignore[arg-type]
        elif isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.bias, std=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["vgg16", "vgg19"])
@pytest.mark.parametrize(("px", "side"), [(32, 1), (64, 2), (96, 3), (100, 3), (224, 7)])
def test_vgg_takes_any_size_from_32_px(model: str, px: int, side: int) -> None:
    network = nets.build(model, px, 5, 1 / 16)
    assert network.before("head")(images(2, px)).shape == (2, 32, side, side)
    assert network(images(2, px)).shape == (2, 5)


def test_vgg_begins_with_small_logits_and_live_features() -> None:
    torch.manual_seed(0)
    network = nets.build("vgg16", 32, 10, 1 / 8)
    x = images(64, 32)
    assert network(x).std() < 1
    hidden = nn.Sequential(*list(network.head)[:6]).eval()(network.before("head")(x))  # type: ignore[call-overload]
    assert 0.2 < hidden.std() < 5


# --- the pyramid --------------------------------------------------------------------------------------------------

# 96 px, 10 classes, by hand: a convolution has 9 * in * out weights, out biases, 2 * out of BatchNorm
C1 = (9 * 3 * 64 + 3 * 64) + (9 * 64 * 64 + 3 * 64) + (9 * 64 * 128 + 3 * 128) + (9 * 128 * 128 + 3 * 128)
C2 = (9 * 128 * 256 + 3 * 256) + 3 * (9 * 256 * 256 + 3 * 256)
C3 = (9 * 256 * 512 + 3 * 512) + 3 * (9 * 512 * 512 + 3 * 512)
C4 = 4 * (9 * 512 * 512 + 3 * 512)
FC = (512 * 3 * 3 * 1536 + 1536) + (1536 * 1536 + 1536) + (1536 * 10 + 10)
C1_ONE = 9 * 3 * 128 + 3 * 128
C2_ONE = 9 * 128 * 256 + 3 * 256
C3_ONE = 9 * 256 * 512 + 3 * 512
C4_ONE = 9 * 512 * 512 + 3 * 512
FC_ONE = 512 * 3 * 3 * 10 + 10

# model -> compressed sets, (convolutions, fully connected), parameters
PYRAMID = {
    "vgg19": ((), (16, 3), C1 + C2 + C3 + C4 + FC),
    "svgg17-forward": (("F",), (16, 1), C1 + C2 + C3 + C4 + FC_ONE),
    "svgg14-forward": (("F", "C4"), (13, 1), C1 + C2 + C3 + C4_ONE + FC_ONE),
    "svgg11-forward": (("F", "C4", "C3"), (10, 1), C1 + C2 + C3_ONE + C4_ONE + FC_ONE),
    "svgg8-forward": (("F", "C4", "C3", "C2"), (7, 1), C1 + C2_ONE + C3_ONE + C4_ONE + FC_ONE),
    "svgg5-forward": (("F", "C4", "C3", "C2", "C1"), (4, 1), C1_ONE + C2_ONE + C3_ONE + C4_ONE + FC_ONE),
    "svgg17-backward": (("C1",), (13, 3), C1_ONE + C2 + C3 + C4 + FC),
    "svgg14-backward": (("C1", "C2"), (10, 3), C1_ONE + C2_ONE + C3 + C4 + FC),
    "svgg11-backward": (("C1", "C2", "C3"), (7, 3), C1_ONE + C2_ONE + C3_ONE + C4 + FC),
    "svgg8-backward": (("C1", "C2", "C3", "C4"), (4, 3), C1_ONE + C2_ONE + C3_ONE + C4_ONE + FC),
    "svgg5-backward": (("C1", "C2", "C3", "C4", "F"), (4, 1), C1_ONE + C2_ONE + C3_ONE + C4_ONE + FC_ONE),
}


def test_the_hand_calculation_itself() -> None:
    assert (PYRAMID["vgg19"][2], PYRAMID["svgg5-forward"][2]) == (29_491_018, 3_887_626)
    assert round(29_491_018, -6) == 29_000_000 and 7.5 < 29_491_018 / 3_887_626 < 7.7  # "30 M", and not "10x fewer"


@pytest.mark.parametrize("model", PYRAMID)
def test_every_level_of_the_pyramid(model: str) -> None:
    sets, depth, count = PYRAMID[model]
    assert levels.compressed(model) == sets
    assert levels.depth(model) == depth
    network = on_meta(model, 96, 10)
    kinds = [type(layer) for layer in network.modules()]
    assert (kinds.count(nn.Conv2d), kinds.count(nn.Linear)) == depth
    assert parameters(network) == count
    assert describe(network, 96).parameters == count


def above(model: str) -> str:
    """The network of which a level of the pyramid compresses one more set."""
    return next(name for name, (sets, *_) in PYRAMID.items() if sets == PYRAMID[model][0][:-1])


def test_a_level_is_the_level_above_with_one_more_set_compressed() -> None:
    assert set(PYRAMID) == {"vgg19", *levels.MODELS}
    for model in levels.MODELS:
        teacher = above(model)
        assert levels.compressed(model)[:-1] == levels.compressed(teacher)
        (new,) = set(levels.compressed(model)) - set(levels.compressed(teacher))
        ours, theirs = on_meta(model, 32, 10), on_meta(teacher, 32, 10)
        for name in ours.names:
            assert (str(ours[name]) == str(theirs[name])) == (name != levels.module_of(new))
    with pytest.raises(UserError, match="no level"):
        levels.compressed("vgg16")


@pytest.mark.parametrize("model", levels.MODELS)
def test_first_and_last_agree_in_shape_at_every_set(model: str) -> None:
    student, teacher = (nets.build(m, 64, 4, 1 / 8) for m in (model, above(model)))
    x = images(2, 64)
    for name in ("C1", "C2", "C3", "C4"):
        pairs = [vgg.first_and_last(net[name], net.before(name)(x)) for net in (student, teacher)]  # type: ignore[arg-type]
        assert [t.shape for t in pairs[0]] == [t.shape for t in pairs[1]]
        whole = student[name](student.before(name)(x))
        assert F.max_pool2d(pairs[0][1], 2).shape == whole.shape


def test_first_and_last_are_the_layers_outputs() -> None:
    network, x = nets.build("vgg19", 32, 4, 1 / 8).eval(), images(2, 32)
    entering = network.before("C2")(x)
    layers = dict(network["C2"].named_children())
    one = layers["conv3_1"](entering)
    four = layers["conv3_4"](layers["conv3_3"](layers["conv3_2"](one)))
    first, last = vgg.first_and_last(network["C2"], entering)  # type: ignore[arg-type]
    assert torch.equal(first, one) and torch.equal(last, four)
    first, last = vgg.first_and_last(network["C1"], x)  # type: ignore[arg-type]
    assert first is x
    assert torch.equal(F.max_pool2d(last, 2), network["C1"](x))
    student = nets.build("svgg8-forward", 32, 4, 1 / 8).eval()
    first, last = vgg.first_and_last(student["C2"], entering)  # type: ignore[arg-type]
    assert first is last and torch.equal(F.max_pool2d(last, 2), student["C2"](entering))
    with pytest.raises(UserError, match="not for the head"):
        vgg.first_and_last(network["head"], x)  # type: ignore[arg-type]


# --- slices -------------------------------------------------------------------------------------------------------


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


# --- small networks -----------------------------------------------------------------------------------------------


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


# --- BiT ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "theirs", "count"),
    [
        ("bit-r50x1", "resnetv2_50x1_bit", 25_549_352),
        ("bit-r101x3", "resnetv2_101x3_bit", 387_934_888),
    ],
)
def test_bit_has_the_published_number_of_parameters(model: str, theirs: str, count: int) -> None:
    import timm

    assert parameters(on_meta(model, 224, 1000)) == count
    with torch.device("meta"):
        assert parameters(timm.create_model(theirs, num_classes=1000)) == count


def test_bit_is_timms_network() -> None:
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model("resnetv2_50x1_bit", num_classes=10).eval()
    network = nets.build("bit-r50x1", 128, 6).eval()
    loaded = published.from_timm(network, theirs)
    assert set(network.state_dict()) - set(loaded) == {"head.classifier.fc.weight", "head.classifier.fc.bias"}
    x = images(1, 128)
    with torch.no_grad():
        torch.testing.assert_close(network.before("head")(x), theirs.stages(theirs.stem(x)))
        published.from_timm(network := nets.build("bit-r50x1", 128, 10).eval(), theirs)
        torch.testing.assert_close(network(x), theirs(x))
    with pytest.raises(UserError, match="128 px"):
        published.from_timm(nets.build("bit-r50x1", 32, 10), theirs)


@pytest.mark.parametrize(("px", "stem"), [(32, 32), (64, 32), (128, 32), (224, 56)])
def test_bits_stem_leaves_the_stages_something_to_see(px: int, stem: int) -> None:
    network = nets.build("bit-r14x1", px, 3, 1 / 4)
    assert network.names == ("stem", "stage1", "stage2", "stage3", "stage4", "head")
    assert network.upto("stem")(images(1, px)).shape[2:] == (stem, stem)
    last = network.before("head")(images(1, px))
    assert last.shape[2:] == (stem // 8, stem // 8)


@pytest.mark.parametrize("width", [1 / 8, 1 / 4, 0.3, 1 / 2, 1.0])
def test_bits_groups_divide_its_channels(width: float) -> None:
    for model in bit.MODELS:
        groups = [m for m in on_meta(model, 32, 3, width).modules() if isinstance(m, nn.GroupNorm)]
        assert groups and all(norm.num_channels // norm.num_groups >= 2 for norm in groups)


# --- all of them --------------------------------------------------------------------------------------------------

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


# --- describe -----------------------------------------------------------------------------------------------------


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


# --- published weights --------------------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("model", ["vgg16", "vgg19", "bit-r101x3", "bit-r50x1"])
def test_weights_out_of_reach_are_a_quick_and_clear_error(model: str) -> None:
    began = time.perf_counter()
    for use in (lambda: nets.pretrained(None, model), lambda: nets.check_pretrained(model)):  # type: ignore[arg-type]
        with pytest.raises(UserError, match=f"(?s){model}.*https://.*no network.*--set weights=scratch"):
            use()
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("model", ["vgg16-block1", "svgg5-forward", "six-layer", "bit-r14x1"])
def test_where_nothing_is_published_that_is_said(model: str) -> None:
    with pytest.raises(UserError, match="No pretrained weights are published"):
        nets.check_pretrained(model)


def test_published_weights_go_into_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.vgg16_bn(weights=None, num_classes=1000)
    asked = {}

    def download(url: str, **options: object) -> dict[str, Tensor]:
        asked.update(options, url=url)
        # the published file is older than BatchNorm's count of batches
        return {k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}

    monkeypatch.setattr(published, "check", lambda model: None)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    network = nets.build("vgg16", 32, 10)
    nets.pretrained(network, "vgg16")
    assert torch.equal(network["block1"][0].conv.weight, theirs.features[0].weight)  # type: ignore[index]
    assert asked["weights_only"] is True and asked["check_hash"] is True and "vgg16_bn-" in str(asked["url"])


def test_pretrained_vgg_must_fit() -> None:
    theirs = torchvision.models.vgg16_bn(weights=None, init_weights=False)
    for model, width in (("vgg16", 1 / 2), ("vgg16-block3", 1.0), ("vgg19", 1.0)):
        with pytest.raises(UserError, match="width"):
            vgg.from_torchvision(nets.build(model, 32, 10, width), theirs)

"""VGG16 and the levels of the pyramid against torchvision and hand calculation."""

import pytest
import torch
from networks import conv, images, on_meta, parameters, torchvision
from torch import nn
from torch.nn import functional as F

from netpress import nets
from netpress.errors import UserError
from netpress.nets import levels, vgg
from netpress.nets.describe import describe
from netpress.nets.network import ConvLayer


def test_vgg16_has_the_published_number_of_parameters() -> None:
    network = on_meta("vgg16", 224, 1000)
    norms = sum(parameters(layer) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))
    assert parameters(network) - norms == 138_357_544


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

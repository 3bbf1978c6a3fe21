"""Any network as blocks: the cut network against the one that it was cut from, over many networks of others."""

import copy
import warnings

import pytest
import torch
from torch import nn

from netpress import nets
from netpress.compat import import_torchvision
from netpress.compress.edits import Inherit, Prune, Random, ShareWeights
from netpress.compress.finish import finished
from netpress.errors import UserError
from netpress.nets.describe import describe
from netpress.nets.network import Network
from netpress.nets.slicing import check_same, sliced

TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2",
    "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_0", "vgg11_bn",
)  # fmt: skip
TIMM = (
    "convnext_atto", "densenet121", "dla34", "efficientnet_lite0", "ese_vovnet19b_dw", "ghostnet_050", "lcnet_050",
    "mixnet_s", "mobilenetv3_small_050", "regnetx_002", "repvgg_a0", "resnet18", "rexnet_100", "starnet_s1",
)  # fmt: skip
PX = 64


def theirs(kind: str, name: str) -> nn.Module:
    """A network as its makers have it, with random weights and no BatchNorm at its first statistics."""
    torchvision = import_torchvision()
    import timm

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "torchvision":
            net = torchvision.models.get_model(name, weights=None, num_classes=7)
        else:
            net = timm.create_model(name, pretrained=False, num_classes=7)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
    return net


def from_block(network: Network, block: str, entering: torch.Tensor) -> torch.Tensor:
    """The logits from what enters a block on."""
    for name in network.names[network.names.index(block) :]:
        entering = network[name](entering)
    return entering


@pytest.mark.parametrize(("kind", "name"), [*(("torchvision", n) for n in TORCHVISION), *(("timm", n) for n in TIMM)])
def test_a_cut_network_gives_the_very_same_output(kind: str, name: str) -> None:
    net = theirs(kind, name)
    images = torch.randn(3, 3, PX, PX)
    with torch.no_grad():
        expected = copy.deepcopy(net).eval()(images)
        network = sliced(net, PX, name)
        assert torch.equal(network.eval()(images), expected)
        blocks = network.names[:-1]
        assert 4 <= len(blocks) <= 12
        for block in blocks:  # every slice: the maps have the shapes that are said, and the rest goes on from there
            shape = network.shapes[block]
            entering, leaving = network.before(block)(images), network.upto(block)(images)
            assert entering.shape == (3, shape.inputs, shape.before, shape.before)
            assert leaving.shape == (3, shape.outputs, shape.after, shape.after)
            assert torch.equal(from_block(network, block, entering), expected)
            assert not shape.nonnegative or leaving.min() >= 0
            assert any(isinstance(module, nn.Conv2d) for module in network[block].modules())


@pytest.mark.parametrize(
    ("kind", "name"),
    [("torchvision", "efficientnet_b0"), ("torchvision", "densenet121"), ("timm", "ghostnet_050"), ("timm", "dla34")],
)
def test_it_trains_as_the_original_does(kind: str, name: str) -> None:
    """Dropout, stochastic depth and BatchNorm in train mode, and gradients: with the same random numbers, the same."""
    net = theirs(kind, name).train()
    original = copy.deepcopy(net)
    network = sliced(net, PX, name).train()
    images = torch.randn(4, 3, PX, PX)
    results = []
    for one in (original, network):
        torch.manual_seed(5)
        output = one(images)
        output.square().sum().backward()
        results.append(output)
    assert torch.equal(*results)
    grads = {p.shape: 0.0 for p in original.parameters()}
    for sign, one in ((1, original), (-1, network)):
        for p in one.parameters():
            grads[p.shape] += sign * float(p.grad.double().abs().sum())
    assert max(map(abs, grads.values())) < 1e-6 * sum(float(p.grad.abs().sum()) for p in original.parameters())
    sums = [sorted(float(b.double().sum()) for b in one.buffers()) for one in (original, network)]
    assert sums[0] == pytest.approx(sums[1], rel=1e-9)  # BatchNorm's statistics: each counted the batch once


def test_the_blocks_are_the_modules_that_a_reader_of_the_network_knows() -> None:
    def blocks(kind: str, name: str, px: int = PX) -> tuple[str, ...]:
        return sliced(theirs(kind, name), px, name).names[:-1]

    assert blocks("torchvision", "resnet18") == ("conv1", "layer1", "layer2", "layer3", "layer4")
    assert blocks("torchvision", "efficientnet_b0") == tuple(f"features.{i}" for i in range(9))
    assert blocks("torchvision", "vgg16_bn")[1:3] == ("features.7-13", "features.14-23")  # up to a pool each
    assert blocks("timm", "convnext_atto") == ("stem", *(f"stages.{i}" for i in range(4)))
    assert blocks("torchvision", "mobilenet_v3_small") == (
        "features.0", "features.1", "features.2-3", "features.4-8", "features.9-12",
    )  # fmt: skip


def test_parameters_keep_their_identity_and_their_number() -> None:
    net = theirs("torchvision", "resnet18")
    network = sliced(net, PX, "resnet18")
    assert {id(p) for p in net.parameters()} == {id(p) for p in network.parameters()}
    assert dict(network.named_parameters())["blocks.layer2.0.conv1.weight"] is net.layer2[0].conv1.weight


def test_blocks_that_were_asked_for() -> None:
    def blocks(*asked: str) -> tuple[str, ...]:
        return sliced(theirs("torchvision", "resnet18"), PX, "resnet18", asked).names[:-1]

    assert blocks("layer2", "layer3") == ("conv1", "layer1", "layer2", "layer3", "layer4")
    assert blocks("layer2.1") == ("conv1", "layer1", "layer2.0", "layer2.1", "layer3", "layer4")
    assert blocks("layer1-layer2") == ("conv1", "layer1-layer2", "layer3", "layer4")
    assert blocks("layer2.1", "layer4.0") == (
        "conv1", "layer1", "layer2.0", "layer2.1", "layer3", "layer4.0", "layer4.1",
    )  # fmt: skip
    with pytest.raises(UserError, match="did you mean 'layer2'"):
        blocks("layr2")
    with pytest.raises(UserError, match=r"'layer2\.0\.conv1' of resnet18 is no block"):
        blocks("layer2.0.conv1")
    with pytest.raises(UserError, match="'fc' of resnet18 is no block"):
        blocks("fc")


class Small(nn.Module):
    """Three convolutions, of which the second and third share their weights if told so."""

    def __init__(self, shared: bool = False, channels: int = 3) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=1)
        self.three = self.two if shared else nn.Conv2d(8, 8, 3, padding=1)
        self.four = nn.Conv2d(8, 8, 3, padding=1)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        for layer in (self.one, self.two, self.three, self.four):
            x = torch.relu(layer(x))
        return self.fc(x.mean((2, 3)))


class Branches(Small):
    """Decides on a value while it runs."""

    def forward(self, x):
        return super().forward(x) if x.mean() > 0 else super().forward(-x)


class TwoOutputs(Small):
    """Gives two things."""

    def forward(self, x):
        y = super().forward(x)
        return y, y


class OneBlock(nn.Module):
    """One convolution and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("net", "said"),
    [
        (Branches(), "its forward decides on values"),
        (Small(shared=True), "uses the same weights in two and in"),
        (Small(channels=1), "does not take colour images of 16 x 16 pixels"),
        (OneBlock(), "has no two blocks"),
        (TwoOutputs(), "gives tuple for 2 images: logits"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), r"gives a tensor of shape \(2, 4, 14, 14\)"),
        (nn.TransformerEncoderLayer(16, 2), "does not take colour images"),
    ],
)
def test_what_cannot_be_cut_is_told_in_a_sentence(net: nn.Module, said: str) -> None:
    with pytest.raises(UserError, match=said) as told:
        sliced(net, 16, "mine.py:build")
    assert str(told.value).startswith("mine.py:build ")


def test_transformers_have_no_blocks_that_are_maps() -> None:
    for name in ("vit_tiny_patch16_224", "mixer_s32_224"):
        with pytest.raises(UserError, match="transformers have not"):
            sliced(theirs("timm", name), 224, name)
    with pytest.raises(UserError, match="transformers have not"):
        sliced(theirs("torchvision", "swin_t"), 64, "swin_t")


def test_a_network_that_changes_between_calls_is_found_out() -> None:
    class Restless(Small):
        calls = 0

        def forward(self, x):
            self.calls += 1
            return super().forward(x) + self.calls

    net = Restless()
    with pytest.raises(UserError, match="does not give the same output"):
        check_same(net, sliced(net, 16, "restless"), 16, "restless")


def test_working_in_place_does_not_spoil_what_a_block_was_given() -> None:
    class InPlace(Small):
        def forward(self, x):
            x = self.one(x)
            for layer in (self.two, self.three, self.four):
                y = torch.nn.functional.relu(x, inplace=True)
                y += 1.0
                x = layer(y)
            return self.fc(x.mean((2, 3)))

    network = sliced(InPlace(), 16, "in place").eval()
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        entering = network.before("two")(images)
        copied = entering.clone()
        from_block(network, "two", entering)
    assert torch.equal(entering, copied)


def test_edits_and_description_work_on_it() -> None:
    torch.manual_seed(0)
    label = "netpress:small_resnet"
    parent, network = nets.build(label, 16, 5), nets.build(f"{label}+layers.1", 16, 5)
    network = Inherit().apply(network, {"parent": parent})
    own, theirs_ = network.state_dict(), parent.state_dict()
    for name, tensor in own.items():
        kept = name in theirs_ and torch.equal(tensor, theirs_[name])
        assert kept != name.startswith("blocks.layers-1."), name
    before = own["blocks.layers-1.replacement.conv.weight"].clone()
    network = Random("layers.1").apply(network, {})
    assert not torch.equal(before, network.state_dict()["blocks.layers-1.replacement.conv.weight"])
    images = torch.rand(4, 3, 16, 16)
    network = ShareWeights(4).apply(Prune(2.0).apply(network, {}), {})
    assert network(images).shape == (4, 5)
    network = finished(network)
    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    zeros = sum(int((w == 0).sum()) for w in weights) / sum(w.numel() for w in weights)
    assert zeros == pytest.approx(0.5, abs=0.01)
    assert all(len(w.unique()) <= 17 for w in weights)
    size = describe(network, 16)
    assert size.parameters == sum(p.numel() for p in network.parameters())


def test_a_replacement_has_the_shape_of_the_block_and_ends_as_it_does() -> None:
    for label, name in (("torchvision:resnet18", "conv1"), ("torchvision:resnet18", "layer3"),
                        ("torchvision:mobilenet_v3_small", "features.4-8")):  # fmt: skip
        network, short = nets.build(label, PX, 3), nets.build(f"{label}+{name}", PX, 3)
        images = torch.randn(2, 3, PX, PX)
        with torch.no_grad():
            whole, one = (n.eval().upto(name)(images) for n in (network, short))
        assert whole.shape == one.shape
        convolutions = [m for m in short[name].modules() if isinstance(m, nn.Conv2d)]
        assert len(convolutions) == 1
        assert bool((one >= 0).all()) == network.shapes[name].nonnegative
    short = nets.build("torchvision:vgg11_bn+head", 32, 3)
    assert sum(p.numel() for p in short.head.parameters()) == 512 * 3 + 3


def test_maps_that_grow_cannot_be_made_by_one_convolution() -> None:
    from netpress.nets.replacement import geometry

    for before in range(1, 60):
        for after in range(1, before + 1):
            found = geometry(before, after)
            if found:
                conv = nn.Conv2d(1, 1, found.kernel, found.stride, found.padding)
                assert conv(torch.zeros(1, 1, before, before)).shape[-1] == after
                assert found.kernel >= found.stride
    assert geometry(8, 16) is None
    assert (geometry(32, 32).stride, geometry(32, 32).kernel) == (1, 3)
    assert (geometry(32, 16).stride, geometry(32, 16).kernel) == (2, 3)
    assert (geometry(64, 16).stride, geometry(64, 16).kernel) == (4, 5)


def test_wrong_labels() -> None:
    for label, said in {
        "torchvision:resnet19": "did you mean torchvision:resnet1",
        "timm:convnext_ato": "did you mean timm:convnext_at",
        "torchvison:resnet18": "names no network: write torchvision:NAME",
        "torchvision:": "names no network",
        "netpress:smal_resnet": "did you mean netpress:small_resnet",
    }.items():
        with pytest.raises(UserError, match=said):
            nets.build(label, 32, 10)
    with pytest.raises(UserError, match="width"):
        nets.build("torchvision:resnet18", 32, 10, 0.5)


def test_a_users_file(tmp_path, monkeypatch) -> None:
    from netpress.nets import foreign

    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    file = tmp_path / "my_net.py"
    file.write_text(
        "from torch import nn\n"
        "def build(classes):\n"
        "    conv = lambda a, b: [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]\n"
        "    return nn.Sequential(*conv(3, 4), *conv(4, 4), *conv(4, 4), *conv(4, 4), nn.AdaptiveAvgPool2d(1),\n"
        "                         nn.Flatten(), nn.Linear(4, classes))\n"
        "def broken(classes):\n    raise KeyError('nothing')\n"
        "def number(classes):\n    return 3\n"
    )
    network = foreign.check(f"{file}:build", 16, 4)
    assert network.names == ("0", "2", "4", "6", "head")
    carried = foreign.registered(f"{file}:build+4")
    assert carried.startswith("my_net.py:build@") and carried.endswith("+4") and str(tmp_path) not in carried
    assert nets.build(carried, 16, 4)(torch.rand(2, 3, 16, 16)).shape == (2, 4)
    wrong = {"bild": "did you mean 'build'", "broken": "failed with KeyError", "number": "returned a int"}
    for name, said in wrong.items():
        with pytest.raises(UserError, match=said):
            foreign.check(f"{file}:{name}", 16, 4)
    with pytest.raises(UserError, match="cannot be read"):
        foreign.check(f"{tmp_path}/none.py:build", 16, 4)
    file.write_text(file.read_text() + "\n# changed\n")
    with pytest.raises(UserError, match="has changed since"):
        nets.build(carried, 16, 4)
    file.write_text("import nothing_of_that_name\n")
    with pytest.raises(UserError, match="cannot be run"):
        foreign.check(f"{file}:build", 16, 4)


def test_logits_must_be_as_many_as_classes(tmp_path) -> None:
    from netpress.nets import foreign

    file = tmp_path / "fixed.py"
    file.write_text("from netpress.nets import examples\ndef build(classes):\n    return examples.small_resnet(9)\n")
    with pytest.raises(UserError, match="gives 9 logits, and the images have 4 classes"):
        foreign.check(f"{file}:build", 16, 4)


def test_a_quarter_of_the_channels_is_a_sixteenth_of_the_weights_between_them() -> None:
    from netpress.nets.examples import narrow, resnet18_32, resnet18_quarter, vgg16_bn_quarter

    whole, quarter = resnet18_32(10), resnet18_quarter(10)
    for (name, theirs), (also, ours) in zip(whole.state_dict().items(), quarter.state_dict().items(), strict=True):
        shape = [n if n in (3, 10) or (n < 16 and i > 1) else n // 4 for i, n in enumerate(theirs.shape)]
        assert (also, list(ours.shape)) == (name, shape), name
    assert [list(p.shape) for p in narrow(resnet18_32(10), 1).parameters()] == [
        list(p.shape) for p in whole.parameters()
    ]
    convs = [(3, 16), (16, 16), (16, 32), (32, 32), (32, 64), *[(64, 64)] * 2, (64, 128), *[(128, 128)] * 5]
    linear = (128 * 49 + 1) * 1024 + (1024 + 1) * 1024 + (1024 + 1) * 10
    by_hand = sum(9 * i * o + o + 2 * o for i, o in convs) + linear
    vgg = vgg16_bn_quarter(10)
    assert sum(p.numel() for p in vgg.parameters()) == by_hand
    assert vgg(torch.rand(2, 3, PX, PX)).shape == (2, 10)

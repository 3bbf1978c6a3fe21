"""Initialisations against literal loops and against what must stay as it was."""

import math

import pytest
import torch
from torch import nn

from netpress import nets
from netpress.compress.edits import Inherit, Mean, Pretrained, Random
from netpress.errors import UserError
from netpress.nets.network import Network
from netpress.nets.vgg import conv_layers

BLOCKS = ("block1", "block2", "block3", "block4", "block5")
COEFFICIENTS = ("weight", "bias", "running_mean", "running_var")


def network(model: str, seed: int, width: float = 1 / 8) -> Network:
    torch.manual_seed(seed)
    made = nets.build(model, 32, 10, width)
    for layer in made.modules():  # as if trained
        if isinstance(layer, nn.BatchNorm2d):
            for name in COEFFICIENTS:
                nn.init.uniform_(getattr(layer, name), 0.5, 1.5)
        elif isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.bias)  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize("block", BLOCKS)
def test_inherit_takes_all_but_the_replacement(block: str) -> None:
    parent, student = network("vgg16", 1), network(f"vgg16-{block}", 2)
    own = {name: t.clone() for name, t in student.state_dict().items()}
    assert Inherit().apply(student, {"parent": parent}) is student
    theirs = parent.state_dict()
    for name, tensor in student.state_dict().items():
        # the replacement has the shape of the block's first layer and must not be taken for it
        expected = own[name] if f".{block}." in name else theirs[name]
        assert torch.equal(tensor, expected), name


def test_inherit_copies_and_does_not_share() -> None:
    parent, student = network("vgg16", 1), network("vgg16", 2)
    Inherit().apply(student, {"parent": parent})
    with torch.no_grad():
        student["block1"][0].conv.weight.zero_()  # type: ignore[index]
    assert parent["block1"][0].conv.weight.abs().sum() > 0  # type: ignore[index]


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_level_inherits_earlier_replacements_from_the_level_above(direction: str) -> None:
    above, level = network(f"svgg17-{direction}", 1), network(f"svgg14-{direction}", 2)
    Inherit("teacher").apply(level, {"teacher": above})
    done, new = ("head", "C4") if direction == "forward" else ("C1", "C2")
    for name in level.names:
        pairs = list(zip(level[name].state_dict().values(), above[name].state_dict().values(), strict=False))
        assert all(torch.equal(a, b) for a, b in pairs) == (name != new), name
    assert any("replacement" in name for name in level[done].state_dict())


def test_scratch_inherits_from_vgg19_only_layers_that_it_has() -> None:
    parent, student = network("vgg19", 1), network("svgg8-backward", 2)
    before = {name: t.clone() for name, t in student.state_dict().items()}
    Inherit().apply(student, {"parent": parent})
    changed = {n.split(".")[1] for n, t in student.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {"fc1", "fc2", "fc3"}


def test_a_parent_of_other_width_gives_only_what_fits() -> None:
    parent, student = network("vgg16", 1, 1 / 8), network("vgg16", 2, 1 / 4)
    before = {name: t.clone() for name, t in student.state_dict().items()}
    Inherit().apply(student, {"parent": parent})
    changed = {n for n, t in student.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {"head.fc3.bias"} or not changed  # ten classes in both


@pytest.mark.parametrize("block", BLOCKS)
def test_random_is_glorot_uniform_and_touches_one_block(block: str) -> None:
    student = network(f"vgg16-{block}", 1, width=1.0 if block == "block3" else 1 / 4)
    before = {name: t.clone() for name, t in student.state_dict().items()}
    torch.manual_seed(5)
    Random(block).apply(student, {})
    for name, tensor in student.state_dict().items():
        if f".{block}." not in name:
            assert torch.equal(tensor, before[name]), name
    (layer,) = conv_layers(student[block])
    outputs, inputs = layer.conv.weight.shape[:2]
    limit = math.sqrt(6 / (9 * inputs + 9 * outputs))
    weights = layer.conv.weight.detach()
    assert weights.abs().max() <= limit and weights.abs().max() > 0.95 * limit
    assert weights.std() == pytest.approx(limit / math.sqrt(3), rel=0.1)  # a uniform distribution's
    assert abs(weights.mean()) < 0.1 * limit
    assert layer.conv.bias is not None and not layer.conv.bias.any()
    assert (layer.bn.weight == 1).all() and not layer.bn.bias.any()
    assert not layer.bn.running_mean.any() and (layer.bn.running_var == 1).all()  # type: ignore[union-attr,operator]


@pytest.mark.parametrize("block", BLOCKS)
def test_literal_mean_by_plain_loops(block: str) -> None:
    parent, student = network("vgg16", 1).double(), network(f"vgg16-{block}", 2).double()
    Mean(block).apply(student, {"parent": parent})
    layers = conv_layers(parent[block])
    total, count = torch.zeros(3, 3, dtype=torch.float64), 0
    for layer in layers:
        for outgoing in layer.conv.weight.detach():
            for kernel in outgoing:
                total += kernel
                count += 1
    (found,) = conv_layers(student[block])
    for outgoing in found.conv.weight.detach():
        for kernel in outgoing:
            torch.testing.assert_close(kernel, total / count, rtol=1e-12, atol=1e-14)
    for part, name in (("conv", "bias"), *(("bn", name) for name in COEFFICIENTS)):
        values = [v for layer in layers for v in getattr(getattr(layer, part), name).tolist()]
        mean = sum(values) / len(values)
        assert getattr(getattr(found, part), name).tolist() == pytest.approx([mean] * len(found.conv.weight))


def test_mean_touches_the_replacement_alone() -> None:
    parent, student = network("vgg16", 1), network("vgg16-block3", 2)
    before = {name: t.clone() for name, t in student.state_dict().items()}
    theirs = {name: t.clone() for name, t in parent.state_dict().items()}
    Mean("block3").apply(student, {"parent": parent})
    changed = {n for n, t in student.state_dict().items() if not torch.equal(t, before[n])}
    assert all(name.startswith("blocks.block3.replacement.") for name in changed) and len(changed) == 6
    assert all(torch.equal(t, theirs[n]) for n, t in parent.state_dict().items())


def test_all_filters_are_equal_after_the_literal_mean_and_training_separates_them() -> None:
    parent, student = network("vgg16", 1), network("vgg16-block2", 2)
    needs = {"parent": parent}
    Mean("block2").apply(Inherit().apply(student, needs), needs)
    (layer,) = conv_layers(student["block2"])
    assert (layer.conv.weight == layer.conv.weight[0, 0]).all()
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.05)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        x, y = torch.randn(16, 3, 32, 32, generator=generator), torch.randint(10, (16,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(student(x), y).backward()
        optimiser.step()
    kernels = layer.conv.weight.detach().flatten(2).flatten(0, 1)
    assert len(torch.unique(kernels, dim=0)) > len(kernels) / 2


def test_edits_are_values() -> None:
    assert Mean("block1") == Mean("block1", "parent") != Mean("block1", "teacher")
    assert len({Random("block1"), Random("block1"), Inherit(), Inherit("teacher")}) == 3


def test_wrong_edits_are_refused() -> None:
    student = network("vgg16-block3", 1)
    with pytest.raises(UserError, match=r"role 'parent'.*teacher"):
        Inherit().apply(student, {"teacher": student})
    with pytest.raises(UserError, match="one layer, not 2"):
        Mean("block2").apply(student, {"parent": student})
    with pytest.raises(UserError, match="no block 'block9'"):
        Random("block9").apply(student, {})
    with pytest.raises(UserError, match="No pretrained weights are published"):
        Pretrained("vgg16-block3").apply(student, {})

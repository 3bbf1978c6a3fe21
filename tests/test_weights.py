"""Weights from a file: what fits is loaded, what does not is named, and nothing in the file is run."""

import io
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from netpress.errors import UserError
from netpress.nets import examples, foreign
from netpress.nets.weights import NORMALISATIONS, load_into, read_state, rescale


@pytest.fixture
def trained() -> nn.Module:
    torch.manual_seed(3)
    return examples.small_resnet(5)


def test_safetensors_and_state_dicts(trained: nn.Module, tmp_path: Path) -> None:
    state = trained.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    torch.save(state, tmp_path / "b.pt")
    torch.save({"state_dict": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, tmp_path / "c.ckpt")
    torch.save({k: v for k, v in state.items() if "num_batches" not in k}, tmp_path / "d.pth")
    images = torch.rand(2, 3, 16, 16)
    for file in sorted(tmp_path.iterdir()):
        network = foreign.with_weights("netpress:small_resnet", 16, 5, file)
        assert torch.equal(network.eval()(images), trained.eval()(images)), file.name


def test_what_does_not_fit_is_named(trained: nn.Module, tmp_path: Path) -> None:
    def told(state: dict) -> str:
        torch.save(state, tmp_path / "w.pt")
        with pytest.raises(UserError) as error:
            load_into(examples.small_resnet(5), tmp_path / "w.pt", "mine")
        return str(error.value)

    state = trained.state_dict()
    assert "fc.weight has shape 9x32 and 5x32 is needed; fc.bias has shape 9 and 5" in told(
        state | {"fc.weight": torch.zeros(9, 32), "fc.bias": torch.zeros(9)}
    )
    assert "stem.0.weight is missing" in told({k: v for k, v in state.items() if k != "stem.0.weight"})
    assert "extra.weight is not in the network" in told(state | {"extra.weight": torch.zeros(2)})
    assert "fc.bias is not finite" in told(state | {"fc.bias": torch.full((5,), float("nan"))})
    other = told(nn.Linear(3, 2).state_dict())
    assert "and" in other and "more." in other and other.count("\n") == 0


def test_files_that_are_no_weights(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self):
            return (Path.write_text, (tmp_path / "sprung", "x"))

    (tmp_path / "trap.pt").write_bytes(pickle.dumps(Trap()))
    buffer = io.BytesIO()
    torch.save(examples.small_resnet(5), buffer)
    (tmp_path / "whole.pt").write_bytes(buffer.getvalue())
    (tmp_path / "text.pt").write_text("hello")
    (tmp_path / "text.safetensors").write_text("hello")
    torch.save([torch.zeros(2)], tmp_path / "list.pt")
    torch.save({}, tmp_path / "empty.pt")
    for name, said in {
        "trap.pt": "cannot be loaded as weights alone",
        "whole.pt": "cannot be loaded as weights alone",
        "text.pt": "cannot be loaded as weights alone",
        "text.safetensors": "is no whole safetensors file",
        "list.pt": "holds no state_dict",
        "empty.pt": "holds no state_dict",
        "none.pt": "cannot be read",
    }.items():
        with pytest.raises(UserError, match=said):
            read_state(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_rescaled_images_are_those_that_the_weights_expect(trained: nn.Module) -> None:
    """Against normalising twice by hand."""
    pixels = torch.rand(4, 3, 16, 16)
    given = ((0.2, 0.3, 0.4), (0.1, 0.2, 0.3))
    network = foreign.check("netpress:small_resnet", 16, 5)
    for name, module in network.named_modules():
        assert "rescale" not in name, module
    for expected in NORMALISATIONS.values():
        other = foreign.check("netpress:small_resnet", 16, 5)
        other.load_state_dict(network.state_dict())
        rescale(other).set(given, expected)
        numbers = [[torch.tensor(n)[:, None, None] for n in pair] for pair in (given, expected)]
        normal = [(pixels - mean) / std for mean, std in numbers]
        with torch.no_grad():
            assert torch.allclose(other.eval()(normal[0]), network.eval()(normal[1]), atol=1e-4)

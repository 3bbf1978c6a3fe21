"""Files that leave the house: run by ONNX Runtime, and by torch alone in a process that has no netpress."""

import json
import subprocess
import sys
from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open

from netpress import nets
from netpress.compress.edits import Prune, ShareWeights
from netpress.data.views import Normalise
from netpress.yours import export

NORMALISE = Normalise((0.4, 0.5, 0.3), (0.2, 0.25, 0.3))
NAMES = tuple("abcde")

ALONE = """
import sys, torch
for name in ("netpress", "torchvision", "timm", "safetensors"):
    sys.modules[name] = None  # none of them may be imported
sys.path.insert(0, sys.argv[1])
from model import Network
net = Network()
images, expected = torch.load(sys.argv[2])
assert net.classes == list("abcde"), net.classes
assert torch.allclose(net(images), expected, atol=1e-4), (net(images) - expected).abs().max()
assert torch.allclose(net(images[:1]), expected[:1], atol=1e-4)
net(images).square().mean().backward()
assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters()) and len(list(net.parameters())) > 5
"""


def by_hand(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """The network on uint8 images, normalised here."""
    mean, std = (torch.tensor(n).view(3, 1, 1) for n in (NORMALISE.mean, NORMALISE.std))
    with torch.no_grad():
        return network.eval()((images / 255 - mean) / std)


@pytest.mark.parametrize(
    "label",
    [
        "netpress:small_resnet+layers.1+head",
        "torchvision:mobilenet_v3_small",
        "torchvision:shufflenet_v2_x0_5",
        "timm:convnext_atto+stages.1",
    ],
)
def test_files_run_elsewhere(label: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nets.build(label, 32, 5)
    with torch.no_grad():
        network.train()(torch.randn(8, 3, 32, 32))  # BatchNorm has statistics of its own
    images = torch.randint(0, 256, (70, 3, 32, 32), dtype=torch.uint8)
    expected = by_hand(network, images)
    written = export.write(export.ready(network, NORMALISE), images, NAMES, tmp_path)
    assert not written.left_out and set(written.bytes) == {"network.safetensors", "model.py", "network.onnx"}
    onnx.checker.check_model(str(tmp_path / "network.onnx"))
    session = onnxruntime.InferenceSession(str(tmp_path / "network.onnx"))
    for count in (1, 64, 70):  # any number of images
        found = session.run(None, {"images": (images[:count].float() / 255).numpy()})[0]
        assert torch.allclose(torch.from_numpy(found), expected[:count], atol=1e-4, rtol=1e-4)
    torch.save((images.float() / 255, expected), tmp_path / "expected.pt")
    subprocess.run([sys.executable, "-c", ALONE, str(tmp_path), str(tmp_path / "expected.pt")], check=True, timeout=120)


def test_the_file_has_the_networks_tensors_by_name(tmp_path: Path) -> None:
    network = nets.build("netpress:small_resnet", 16, 5)
    network = ShareWeights(3).apply(Prune(4.0).apply(network, {}), {})
    export.write(export.ready(network, NORMALISE), torch.zeros(4, 3, 16, 16, dtype=torch.uint8), NAMES, tmp_path)
    with safe_open(tmp_path / "network.safetensors", "pt") as file:
        weight = file.get_tensor("network.blocks.stem.0.weight")
        assert json.loads(file.metadata()["network"])["classes"] == list(NAMES)
    assert torch.equal(weight, network["stem"].get_submodule("0").weight)  # masks and code books made permanent
    assert len(weight.unique()) <= 9
    assert torch.nn.utils.parametrize.is_parametrized(network["stem"].get_submodule("0"))  # in the copy alone


def test_what_does_not_agree_is_not_said_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = nets.build("netpress:small_resnet", 16, 5)
    ready, images = export.ready(network, NORMALISE), torch.zeros(4, 3, 16, 16, dtype=torch.uint8)
    monkeypatch.setattr(export, "run_onnx", lambda path, images: torch.full((len(images), 5), 0.5))
    written = export.write(ready, images, NAMES, tmp_path)
    assert "does not give what PyTorch gives" in written.left_out["network.onnx"]
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["model.py", "network.safetensors"]
    monkeypatch.setattr(export, "run_onnx", lambda path, images: torch.full((len(images), 5), float("nan")))
    assert "network.onnx" in export.write(ready, images, NAMES, tmp_path).left_out
    monkeypatch.setattr(export, "TO_EXPORT", ("onnx", "no_such_package"))
    written = export.write(ready, images, NAMES, tmp_path)
    assert written.left_out["network.onnx"].startswith("network.onnx needs no_such_package: run `pip install")


def test_model_py_is_short() -> None:
    lines = Path(export.__file__).with_name("model.py").read_text().splitlines()
    code = [line for line in lines[lines.index("import json") :] if line.strip()]
    assert len(code) <= 45

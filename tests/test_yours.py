"""A network of one's own: made, given weights, cut, searched, and taken away as files that say what they do."""

import argparse
import collections
import itertools
import json
import math
import threading
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from commanded import Command, command  # noqa: F401 - a fixture
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import netpress
from netpress import yours
from netpress.errors import UserError
from netpress.yours import cut, examples, export, networks
from netpress.yours.report import Report
from netpress.yours.shrink import Shrunk

QUIET = {"tell": lambda _: None}


def convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


class Small(nn.Module):
    """Three stages, a view and a noise that only training has; any input of `channels`, square or not."""

    def __init__(self, channels: int = 3, classes: int = 3) -> None:
        super().__init__()
        self.stem, self.a = convolution(channels, 16, 2), nn.Sequential(convolution(16, 16), convolution(16, 16))
        self.b = nn.Sequential(convolution(16, 32, 2), convolution(32, 32))
        self.fc = nn.Linear(32, classes)

    def forward(self, x):
        x = self.a(self.stem(x))
        if self.training:
            x = x * (torch.rand(len(x), 1, 1, 1) > 0.01)
        x = F.adaptive_avg_pool2d(self.b(x), 1)
        return self.fc(x.view(x.size(0), -1))


# Networks ------------------------------------------------------------------------------------------------------------


def weight_normed(function):
    net = Small()
    for layer in [m for m in net.modules() if isinstance(m, nn.Conv2d)]:
        function(layer)
    return net


def quantised():
    net = Small().train()
    net.qconfig = torch.ao.quantization.get_default_qat_qconfig("fbgemm")
    return torch.ao.quantization.prepare_qat(net)


def within(wrap):
    net = Small()
    net.a = wrap(net.a)
    return net


PLAIN = {
    "a part data parallel": lambda: within(nn.DataParallel),
    "weight_norm": lambda: weight_normed(nn.utils.weight_norm),
    "parametrised": lambda: weight_normed(nn.utils.parametrizations.weight_norm),
    "spectral": lambda: weight_normed(nn.utils.parametrizations.spectral_norm),
    "pruned": lambda: weight_normed(lambda m: nn.utils.prune.l1_unstructured(m, "weight", 0.5)),
    "data parallel": lambda: nn.DataParallel(Small()),
    "compiled": lambda: torch.compile(Small()),
    "half": lambda: Small().half(),
    "frozen": lambda: Small().requires_grad_(False),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", PLAIN)
def test_networks_are_made_plain_and_give_the_same(kind: str) -> None:
    torch.manual_seed(0)
    net = PLAIN[kind]().eval()
    x = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        expected = (
            net.half()(x.half()) if kind == "half" else net._orig_mod(x) if kind == "compiled" else net(x)
        ).float()
        made = networks.plain(networks.unwrapped(networks.copied(net, "it"), "it"), "it").eval()
        assert torch.allclose(made(x), expected, atol=1e-2 if kind == "half" else 1e-5)
    assert type(made) is Small and all(p.requires_grad and p.dtype == torch.float32 for p in made.parameters())
    assert made.state_dict().keys() == Small().state_dict().keys()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.jit.script(nn.Linear(3, 3)), "is scripted"),
        (lambda: torch.export.export(nn.Linear(3, 3), (torch.rand(2, 3),)).module(), "is scripted or exported"),
        (lambda: nn.Sequential(nn.BatchNorm2d(3).to("meta")), "has no values"),
        (quantised, "is prepared for quantisation"),
        (lambda: Small().to("meta"), "has no values"),
    ],
)
def test_networks_that_cannot_be_trained_are_refused(make, said: str) -> None:
    with pytest.raises(UserError, match=said):
        networks.plain(networks.unwrapped(make(), "it"), "it")


def test_a_file_is_run_beside_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "blocks_of_mine.py").write_text("from torch import nn\ndef act(): return nn.ReLU()\n")
    (tmp_path / "net.py").write_text(
        "from torch import nn\nfrom blocks_of_mine import act\n"
        "def build(n): return nn.Sequential(nn.Conv2d(3, n, 3), act())\n"
        "def wrong(n): raise SystemExit('no')\ndef other(n): return 5\n"
    )
    file = f"{tmp_path}/net.py"
    assert isinstance(networks.make(f"{file}:build", 4), nn.Sequential)
    for name, said in (
        ("bild", "did you mean 'build'"),
        ("wrong", "failed with SystemExit"),
        ("other", "returned a int"),
    ):
        with pytest.raises(UserError, match=said):
            networks.make(f"{file}:{name}", 4)
    (tmp_path / "broken.py").write_text("def (")
    with pytest.raises(UserError, match="failed with SyntaxError"):
        networks.make(f"{tmp_path}/broken.py:build", 4)


# Weights -------------------------------------------------------------------------------------------------------------


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + name: tensor for name, tensor in state.items()}


def masked(state: dict) -> dict:
    found = {n: t for n, t in state.items() if n != "fc.weight"}
    return found | {"fc.weight_orig": state["fc.weight"], "fc.weight_mask": torch.ones_like(state["fc.weight"])}


TRAINERS = {
    "plain": lambda s: s,
    "two wrappers": lambda s: prefixed("_orig_mod.module.", s),
    "lightning": lambda s: {"state_dict": prefixed("model.", s) | {"loss.weight": torch.ones(3)}, "epoch": 3},
    "any prefix": lambda s: {"model": prefixed("module.student.", s)},
    "averaged": lambda s: {"state_dict": {n: t * 0 for n, t in s.items()}, "state_dict_ema": s},
    "averaged beside raw": lambda s: prefixed("model.", {n: t * 0 for n, t in s.items()}) | prefixed("ema_model.", s),
    "options": lambda s: {"model": s, "args": argparse.Namespace(lr=0.1)},
    "averaged model": lambda s: prefixed("module.", s) | {"n_averaged": torch.tensor(3)},
    "deep": lambda s: {"model": {"model": {"state_dict": s}}},
    "numbers beside": lambda s: s | {"epoch": 3},
    "older": lambda s: {n: t for n, t in s.items() if "num_batches" not in n},
    "sparse": lambda s: {n: t.to_sparse() if t.dim() == 2 else t for n, t in s.items()},
    "double": lambda s: {n: t.double() if t.is_floating_point() else t for n, t in s.items()},
    "pruned": masked,
}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_weights_as_trainers_write_them(tmp_path: Path, trainer: str) -> None:
    state, file, said = examples.small_resnet(3).state_dict(), tmp_path / "mine.pt", []
    torch.save(TRAINERS[trainer](state), file)
    net = examples.small_resnet(3)
    networks.load_into(net, file, "it", said.append)
    assert all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())
    assert ("holds averaged weights" in " ".join(said)) == (trainer in ("averaged", "averaged beside raw"))


STRANGE = {
    "another head": (lambda s: examples.small_resnet(7).state_dict(), "fc.weight has shape 7x32 and 3x32 is needed"),
    "a layer missing": (lambda s: {n: t for n, t in s.items() if n != "fc.bias"}, "fc.bias is missing"),
    "a layer more": (lambda s: s | {"more.weight": torch.ones(1)}, "more.weight is not in the network"),
    "not finite": (lambda s: s | {"fc.bias": torch.full((3,), math.nan)}, "fc.bias is not finite"),
    "no values": (lambda s: {n: t.to("meta") for n, t in s.items()}, "has no values"),
    "complex": (lambda s: s | {"fc.bias": s["fc.bias"].to(torch.complex64)}, "fc.bias is complex"),
    "twice": (lambda s: prefixed("student.", s) | prefixed("teacher.", s), r"2 times, under student\. and teacher\."),
    "twice, by key": (
        lambda s: {"model": s, "best": {n: t * 0 for n, t in s.items()}},
        "2 times, under model and best",
    ),
    "no names": (lambda s: list(s.values()), "holds no state_dict"),
    "a whole network": (lambda s: examples.small_resnet(3), "save the network's state_dict"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_weights_that_do_not_fit_are_named(tmp_path: Path, kind: str) -> None:
    change, said = STRANGE[kind]
    torch.save(change(examples.small_resnet(3).state_dict()), tmp_path / "mine.pt")
    with pytest.raises(UserError, match=said) as told:
        networks.load_into(examples.small_resnet(3), tmp_path / "mine.pt", "small_resnet")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"<html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_files_that_hold_no_weights(tmp_path: Path, content: bytes) -> None:
    for name in ("mine.pt", "mine.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=r"cannot be loaded as weights alone|is no whole safetensors file"):
            networks.load_into(examples.small_resnet(3), tmp_path / name, "it")
    save_file(examples.small_resnet(3).state_dict(), tmp_path / "good.safetensors")
    networks.load_into(examples.small_resnet(3), tmp_path / "good.safetensors", "it")


# Moves ---------------------------------------------------------------------------------------------------------------


def test_moves_make_a_network_smaller_and_can_be_made_again() -> None:
    pytest.importorskip("torch_pruning")
    torch.manual_seed(0)
    net, example = examples.small_resnet(10), torch.rand(2, 3, 16, 16)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = cut.moves(net, example)
    assert {move.kind for move in found} == {"layer", "nothing", "narrow"}
    whole = cut.size(net, example)
    for move in found:
        changed, again = (cut.apply(net, move, example, rank=rank) for rank in (True, False))
        assert changed is not None and again is not None and cut.Move.of(json.loads(json.dumps(move.to_json()))) == move
        shapes = {name: tensor.shape for name, tensor in changed.state_dict().items()}
        assert shapes == {name: tensor.shape for name, tensor in again.state_dict().items()}
        assert type(changed) is type(net) and cut.size(changed, example) != whole
        assert all(count % 8 == 0 for _, count in move.keep)
        changed.train()(example).sum().backward()
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_multiply_adds_are_counted_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 5))
    assert cut.size(net, torch.rand(2, 3, 4, 4)) == (27 * 8 * 16 + 8 * 16 * 5, 27 * 8 + 8 + 8 * 16 * 5 + 5)


def test_flat_networks_are_cut_between_changes_of_resolution() -> None:
    layers = [*convolution(3, 16), *convolution(16, 16), nn.MaxPool2d(2), *convolution(16, 32), *convolution(32, 32)]
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 3))
    where = {each.where for each in cut.blocks(net.eval(), torch.rand(2, 3, 8, 8))}
    assert {"0-6", "7-13"} <= where
    changed = cut.apply(net, cut.Move("layer", "0-6"), torch.rand(2, 3, 8, 8))
    assert changed is not None and [type(changed[i]).__name__ for i in (0, 1, 7)] == [
        "Sequential",
        "Identity",
        "Conv2d",
    ]


def test_transformers_lose_depth_and_odd_names_are_kept() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.one, self.two = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)

        def forward(self, x, mask=None):
            return x + self.two(F.gelu(self.one(self.norm(x))))

    blocks = collections.OrderedDict((name, Block()) for name in ("conv1/3x3", "a,b", "e f", "stage-1"))
    net = nn.Sequential(blocks)
    found = [move for move in cut.moves(net, torch.rand(2, 5, 16)) if move.kind == "nothing"]
    assert {move.where for move in found} == set(blocks)
    with pytest.raises(UserError, match="did you mean 'stage-1'"):
        cut.moves(net, torch.rand(2, 5, 16), ["stage-2"])


# Files ---------------------------------------------------------------------------------------------------------------


def normed_in_groups() -> nn.Module:
    layers = [(nn.Conv2d(inputs, 8, 3), nn.GroupNorm(4, 8), nn.SiLU()) for inputs in (3, 8)]
    return nn.Sequential(*itertools.chain(*layers), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))


@pytest.mark.parametrize("make", [Small, normed_in_groups])
def test_files_give_what_the_network_gives(tmp_path: Path, make) -> None:
    torch.manual_seed(0)
    net, x = make().eval(), torch.rand(64, 3, 12, 20)
    export.write_float(net, x[:2], tmp_path / "a.onnx")
    export.write_integers(tmp_path / "a.onnx", x, tmp_path / "b.onnx")
    with torch.no_grad():
        expected = net(x).numpy()
    for name, apart in (("a.onnx", 1e-4), ("b.onnx", 0.1)):
        session = onnxruntime.InferenceSession(str(tmp_path / name))
        (found,) = session.run(None, {"inputs": x[:5].numpy()})
        assert np.abs(found - expected[:5]).max() < apart * max(1, np.abs(expected).max())
    assert (tmp_path / "b.onnx").read_bytes() != (tmp_path / "a.onnx").read_bytes()
    first = (tmp_path / "a.onnx").read_bytes()
    export.write_float(net, x[:2], tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == first and len(list(tmp_path.iterdir())) == 2


# The search ----------------------------------------------------------------------------------------------------------


def batches(count: int, shape: tuple[int, ...], seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Images whose class is where they are bright."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        y = torch.randint(3, (16,), generator=generator)
        x = torch.rand(16, *shape, generator=generator)
        for i, label in enumerate(y.tolist()):
            x[i, :, :, 6 * label : 6 * label + 6] += 1
        found.append((x, y))
    return found


def searched(out: Path, **options) -> Shrunk:
    torch.manual_seed(0)
    train, val = batches(6, (1, 12, 20)), batches(3, (1, 12, 20), seed=1)
    settings = {"epochs": 1, "parent_epochs": 2, "blocks": ("a.1",), "most": 60.0, "out": out} | QUIET | options
    return netpress.shrink(Small(1), train, val, test=val, **settings)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shrunk") / "out"


@pytest.fixture(scope="module")
def found(out: Path):
    return searched(out)


def test_what_is_said_is_what_is_delivered(found, out: Path) -> None:
    assert type(found.model) is Small and not found.model.training
    report = Report.read(out)
    assert report.facts == found.report().facts and report.facts["taken"] >= 1
    for row in report.files.values():
        if row["file"]:
            assert row["bytes"] == (out / row["file"]).stat().st_size
    small = report.files["small"]
    taken = [step for step in report.facts["steps"][1:] if step["became"] == "taken"]
    assert small["score"] == pytest.approx(taken[-1]["score"], abs=0.03)  # it has the weights that were judged
    parameters = sum(p.numel() for p in found.model.parameters())
    assert small["parameters"] == parameters < report.files["original"]["parameters"]
    val = batches(3, (1, 12, 20), seed=1)
    session = onnxruntime.InferenceSession(str(found.onnx))
    right = [session.run(None, {"inputs": x.numpy()})[0].argmax(1) == y.numpy() for x, y in val]
    assert np.mean(right) == pytest.approx(small["score"]) == pytest.approx(small["test"])
    with torch.no_grad():
        expected = found.model(val[0][0])
        assert torch.allclose(torch.export.load(out / "network.pt2").module()(val[0][0]), expected, atol=1e-4)
        again = yours.load(Small(1), out / "network.safetensors")
        assert torch.equal(again(val[0][0]), expected) and type(again) is Small
    for text in ((out / "card.md").read_text(), found.report()._repr_html_(), repr(found.report())):
        assert report.summary.split(":")[0] in text and "taken" in text
    assert "<script" not in (out / "report.html").read_text()


def test_a_search_that_was_stopped_goes_on_with_the_same_networks(tmp_path: Path) -> None:
    lines, fast = [], {"goal": "multiply-adds", "blocks": ("a",)}

    def stop(line: str) -> None:
        lines.append(line)
        if len(lines) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched(tmp_path / "b", tell=stop, **fast)
    journal = tmp_path / "b" / "search" / "journal.jsonl"
    before = journal.read_text()
    journal.write_text(before + '{"key": "cut off')  # as a killed process leaves it
    again = searched(tmp_path / "b", **fast)
    assert journal.read_text().startswith(before)

    def weights(shrunk) -> dict:
        return shrunk.model.state_dict()

    whole = searched(tmp_path / "c", **fast)
    assert whole.facts["steps"] == again.facts["steps"] and len(whole.facts["steps"]) > 2
    assert all(torch.equal(tensor, weights(whole)[name]) for name, tensor in weights(again).items())
    changed = journal.stat().st_mtime_ns
    searched(tmp_path / "b", **fast)
    assert journal.stat().st_mtime_ns == changed  # nothing was trained


def test_another_network_is_another_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that gives the same for these inputs, as ReLU6 does, and where only a file of its classes changed."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    file, label = tmp_path / "net.py", f"{tmp_path}/net.py:build"
    code = "from torch import nn\nclass Act(nn.{}):\n    pass\ndef build(n):\n    return nn.Sequential("
    code += "nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8, momentum={}), Act(), nn.Flatten(), nn.Linear(8 * 10 * 18, n))\n"
    train = batches(3, (1, 12, 20))
    same, others = ("ReLU", 0.1, ""), (("ReLU6", 0.1, ""), ("ReLU", 0.2, ""), ("ReLU", 0.1, "# new"))
    for act, momentum, ending in (same, *others, same):
        file.write_text(code.format(act, momentum) + ending)
        netpress.shrink(networks.make(label, 3), train, train, plan=True, **QUIET)
    assert len(list((tmp_path / "cache" / "shrunk").iterdir())) == 4


def test_any_output_any_loss_any_metric(tmp_path: Path) -> None:
    class Maps(Small):
        def forward(self, x):
            return {"out": super().forward(x).view(-1, 3, 1), "more": x.mean((1, 2, 3))}

    def metric(outputs, targets) -> float:
        assert outputs["more"].shape == targets.shape
        return (outputs["out"].squeeze(2).argmax(1) == targets).double().mean().item()

    shrunk = netpress.shrink(
        Maps(1), batches(3, (1, 12, 20)), batches(3, (1, 12, 20), 1), metric=metric, most=99.0, epochs=1, blocks=("b",),
        loss=lambda outputs, y: F.cross_entropy(outputs["out"].squeeze(2), y), goal="multiply-adds", out=tmp_path,
        **QUIET,
    )  # fmt: skip
    whole = cut.size(Maps(1), torch.rand(2, 1, 12, 20))
    assert shrunk.facts["taken"] and shrunk.report().files["small"]["multiply-adds"] < whole[0]


class Decides(Small):
    def forward(self, x):
        if x.is_meta or x.abs().max() > 100:
            x = x.clamp(-1, 1)
        return super().forward(x)


class Sparse(Small):
    def forward(self, x):
        return super().forward(x).to_sparse()


class Locked(Small):
    def __init__(self) -> None:
        super().__init__(1)
        self.lock = threading.Lock()


def running_out():
    """A loss whose backward pass runs out of memory, from the second batch on."""
    calls = itertools.count()

    def out_of_memory(_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    def loss(outputs, targets):
        found = F.cross_entropy(outputs, targets)
        if next(calls):
            found.register_hook(out_of_memory)
        return found

    return loss


REFUSED = {
    "a lock": (Locked, {}, "cannot be copied"),
    "memory runs out": (lambda: Small(1), {"parent_epochs": 1, "loss": running_out()}, "the memory was not enough"),
    "decides on values": (lambda: Decides(1), {}, "cannot be exported"),
    "another channel": (lambda: Small(3), {}, "cannot be trained with these inputs of 1x12x20"),
    "too few classes": (lambda: Small(1, 2), {}, "cannot be trained with these inputs"),
    "no tensor": (lambda: Sparse(1), {}, "Sparse"),
    "a metric that fails": (lambda: Small(1), {"metric": lambda o, t: o["x"]}, "cannot be trained"),
    "an unknown goal": (lambda: Small(1), {"goal": "byts"}, "did you mean 'bytes'"),
    "too many points": (lambda: Small(1), {"most": 100}, "most is points from 0 to 99"),
    "an unknown block": (lambda: Small(1), {"blocks": ("bb",)}, "has no block 'bb'"),
    "a parent that diverges": (lambda: Small(1), {"parent_epochs": 3, "lr": 1e30}, "could not be trained .*--lr"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_done_is_one_sentence_before_anything_else(tmp_path: Path, kind: str) -> None:
    make, options, said = REFUSED[kind]
    train = batches(3, (1, 12, 20))
    with pytest.raises(UserError, match=said) as told:
        netpress.shrink(make(), train, train, epochs=1, out=tmp_path, **(QUIET | options))
    assert "\n" not in str(told.value)
    assert not list(tmp_path.rglob("*.safetensors"))


# The command ---------------------------------------------------------------------------------------------------------

WRONG = [
    (["resnet18"], "for example torchvision:resnet18"),
    (["torchvison:resnet18"], "did you mean torchvision:resnet18"),
    (["net.py:build"], "There is no file net.py"),
    (["torchvision:resnet18", "--data", "digit"], "did you mean 'digits'"),
    (["torchvision:resnet18", "--most", "100"], "--most 100.0"),
    (["torchvision:resnet18", "--px", "4"], "--px 4"),
    (["torchvision:resnet18", "--for", "milliscends"], "did you mean 'milliseconds'"),
    (["torchvision:resnet18", "--engine", "tflite"], "choose one of onnxruntime, torch"),
    (["torchvision:resnet18", "--weights", "mine.pt"], "There is no file 'mine.pt'"),
    (["torchvision:resnet18", "--lr", "0"], "--lr 0.0"),
]


@pytest.mark.parametrize(("words", "said"), WRONG)
def test_wrong_words(command: Command, words: list[str], said: str, tmp_path: Path) -> None:  # noqa: F811
    data = [] if "--data" in words else ["--data", "digits"]
    told = command("shrink", *words, *data, "--out", str(tmp_path / "out"))
    assert told.status == 2 and said in told.sentence


def test_a_plan_tells_minutes_and_trains_nothing(command: Command, tmp_path: Path) -> None:  # noqa: F811
    told = command(
        "shrink", "netpress:small_resnet", "--data", "digits", "--plan", "--images", "64", "--out", str(tmp_path)
    )
    assert told.status == 0 and "minutes at most" in told.out and "probe" in told.out
    assert not list(tmp_path.rglob("*.safetensors"))

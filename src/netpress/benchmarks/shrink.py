"""`netpress shrink` beside torch-pruning and ModelOpt's FastNAS: same parents, equal epochs a candidate, three seeds.

Every candidate of each is taught by the original (soft targets), exported to ONNX in float32 and in 8-bit integers,
and judged by these files: validation accuracy, and milliseconds in ONNX Runtime on one thread, in turns.
Hours of one CPU core; ours goes on where it was stopped, and what the others did is kept beside it.
"""

import copy
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import nn

from netpress import env
from netpress.benchmarks import bar, content
from netpress.benchmarks.arms import source
from netpress.compat import import_torchvision
from netpress.files import write_atomic
from netpress.training.compute import choose
from netpress.yours import cut, export, networks, pictures
from netpress.yours.shrink import Lessons, accuracy, main_cross_entropy, shrink, taught

NETWORKS = ("resnet18_quarter", "vgg16_bn_quarter", "mobilenet_v2_32")
SEEDS, IMAGES, EPOCHS, PARENT_EPOCHS = (0, 1, 2), 10_000, 7, 40
RATIOS = (0.25, 0.5, 0.7)  # of the channels that torch-pruning takes
MOST = 1.0  # points that may be lost
LEAST = 1.2  # times as fast as the best of theirs, at batch 1


def measure(toy: bool = False) -> dict[str, Any]:
    """The record: one row a network, seed and file; how much faster ours is than the fastest of theirs.

    toy: one tiny network on digits for a moment, to see whether it works.
    """
    names, seeds, images, epochs = (("small_resnet",), (0,), 300, 1) if toy else (NETWORKS, SEEDS, IMAGES, EPOCHS)
    dataset = "digits" if toy else source()
    folder = env.cache_dir() / "bench-shrink" / ("toy" if toy else "full")
    rows, bars = [], []
    for name in names:
        found = [row for seed in seeds for row in compared(name, dataset, images, epochs, seed, folder)]
        rows += found
        ratios = [faster(found, seed) for seed in seeds]
        bars.append(bar("shrink", f"{name}, batch 1, theirs / ours within {MOST:g} point", ratios, least=LEAST))
    settings = {"dataset": dataset, "images": images, "epochs": epochs, "seeds": list(seeds), "most": MOST}
    return content("shrink", choose(), bars, settings, rows=rows, why=absent())


def absent() -> str | None:
    """Which of the others is not installed, and was left out."""
    gone = [name for name, module in MODULES.items() if importlib.util.find_spec(module) is None]
    return f"not installed here, and left out: {', '.join(gone)}" if gone else None


def faster(rows: list[dict[str, Any]], seed: int) -> float:
    """Milliseconds of the fastest of theirs, or of the original, over ours, among files that lose no more than MOST."""
    good = [row for row in rows if row["seed"] == seed and row["lost"] <= MOST]
    times = {who: min(row["ms"] for row in good if (row["by"] == "netpress") == who) for who in (True, False)}
    return times[False] / times[True]


def compared(name: str, dataset: str, images: int, epochs: int, seed: int, folder: Path) -> Iterator[dict[str, Any]]:
    """The files of one network and seed: the original's, ours, and theirs."""
    own = pictures.read(dataset, images=images)
    lessons = Lessons(own.train, main_cross_entropy, taught, None, 1e-3, seed)
    parent, place = trained(name, own, lessons, epochs, seed, folder)
    example = torch.cat([x for x, _ in own.val])[: export.CALIBRATED]
    files = write(parent, example, place / "original")
    ours = shrink(
        parent,
        own.train,
        own.val,
        test=own.test,
        most=MOST,
        epochs=epochs,
        seed=seed,
        out=place / "netpress",
        name=name,
    )
    of_ours = {"fp32": ours.onnx} | ({"int8": ours.int8} if ours.int8 else {})
    candidates = {("original", "-"): files, ("netpress", f"{MOST:g} point"): of_ours}
    for by, setting, make in theirs(parent, lessons, own):
        made = place / by / setting
        if not (made / "network.onnx").is_file():
            print(f"{name}, seed {seed}: {by} {setting}", file=sys.stderr)
            net = make()
            lessons.learn(net, copy.deepcopy(parent), epochs, f"{by} {setting}")
            write(net, example, made)
        candidates[by, setting] = {"fp32": made / "network.onnx", "int8": made / "network.int8.onnx"}
    # every candidate against the original retrained for as long, too
    reference = max([ours.facts["parent"], *ours.facts["control"]])
    for (by, setting), written in candidates.items():
        times = export.time_files(written | {"original": files["fp32"]}, example)
        for kind, path in written.items():
            run = export.File(path, 0).like(torch.zeros(1))
            score, test = (
                accuracy(torch.cat([run(x) for x, _ in part]), torch.cat([y for _, y in part]))
                for part in (own.val, own.test)
            )
            yield {
                "network": name, "seed": seed, "by": by, "setting": setting, "file": kind, "ms": times[kind],
                "original ms": times["original"], "bytes": path.stat().st_size, "lost": 100 * (reference - score),
                "score": score, "test": test,
            }  # fmt: skip


def trained(
    name: str, own: pictures.Pictures, lessons: Lessons, epochs: int, seed: int, folder: Path
) -> tuple[nn.Module, Path]:
    """The parent, trained once for all of them, and its folder."""
    place = folder / f"{name}-{seed}"
    net = pictures.with_input(networks.make(f"netpress:{name}", len(own.classes)), own, False)
    if not (weights := place / "parent.safetensors").is_file():
        longer = PARENT_EPOCHS if epochs == EPOCHS else epochs
        replace(lessons, lr=2 * lessons.lr).learn(net, None, longer, f"{name}, seed {seed}")
        write_atomic(weights, save({key: t.contiguous() for key, t in net.state_dict().items()}))
    net.load_state_dict(load_file(weights))
    return net.eval(), place


def write(net: nn.Module, example: torch.Tensor, folder: Path) -> dict[str, Path]:
    """Write a network's two files."""
    files = {"fp32": folder / "network.onnx", "int8": folder / "network.int8.onnx"}
    export.write_float(net, example[:2], files["fp32"])
    export.write_integers(files["fp32"], example, files["int8"])
    return files


def theirs(
    parent: nn.Module, lessons: Lessons, own: pictures.Pictures
) -> Iterator[tuple[str, str, Callable[[], nn.Module]]]:
    """What the others make of a network, before it is trained again: who, with which setting, and how."""
    example = next(iter(own.val))[0][:2]
    if importlib.util.find_spec(MODULES["torch-pruning"]):
        for ratio in RATIOS:
            yield "torch-pruning", f"{ratio:g}", lambda ratio=ratio: by_torch_pruning(parent, example, ratio)  # type: ignore[misc]
    if importlib.util.find_spec("modelopt"):
        yield "FastNAS", "0.5", lambda: searched(parent, example, own)


MODULES = {"torch-pruning": "torch_pruning", "FastNAS": "modelopt"}


def by_torch_pruning(parent: nn.Module, example: torch.Tensor, ratio: float) -> nn.Module:
    """torch-pruning's magnitude pruner, as its page says: the same share of all groups but the last layer's."""
    import_torchvision()
    import torch_pruning as pruning

    net = copy.deepcopy(parent).train()
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    importance = pruning.importance.GroupMagnitudeImportance(p=2)
    pruning.pruner.MagnitudePruner(
        net, example, importance=importance, pruning_ratio=ratio, ignored_layers=[last]
    ).step()
    return net


def searched(parent: nn.Module, example: torch.Tensor, own: pictures.Pictures) -> nn.Module:
    """ModelOpt's FastNAS: half of the multiply-adds, candidates judged on validation images."""
    import modelopt.torch.prune as prune

    def score(net: nn.Module) -> float:
        with torch.no_grad():
            answers = torch.cat([net.eval()(x) for x, _ in own.val])
        return accuracy(answers, torch.cat([y for _, y in own.val]))

    net, _ = prune.prune(
        copy.deepcopy(parent), mode="fastnas", constraints={"flops": cut.size(parent, example)[0] * 2 * 0.5},
        dummy_input=example[:1], config={"data_loader": own.train, "score_func": score, "checkpoint": None},
    )  # fmt: skip
    return net

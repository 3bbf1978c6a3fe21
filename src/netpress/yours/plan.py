"""What a shrink will cost on this machine: training steps of every network are timed, and counted up."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from netpress import data, nets
from netpress.nets.slicing import SlicedNetwork
from netpress.report.tables import Table, listing
from netpress.training import compute, loop
from netpress.yours.grid import Task

PASSES = 2  # timed after one that is not counted


def costs(task: Task) -> dict[str, float]:
    """Minutes of one core (or of the GPU), by what they are for: the parents, each block, and the steps at most."""
    chosen, seeds = task.settings, len(task.seeds)
    steps = data.count(task.dataset, "fit", chosen.images) // task.batch_size
    with compute.one_thread():
        parent = step_seconds(task, task.model, "", "")
        epochs = chosen.epochs + (0 if task.weights else chosen.parent_epochs)
        found = {"parent, and parent retrained": steps * epochs * parent}
        for block in task.blocks:
            model = f"{task.model}+{block}"
            whole, frozen, imitated = (
                step_seconds(task, model, *part) for part in (("", ""), (block, ""), (block, block))
            )
            passes = parent  # frozen prefixes and the teacher are passed once, forwards
            found[block] = steps * (
                2 * chosen.epochs * (whole + frozen) + chosen.imitation_epochs * imitated + 2 * passes
            )
    each = steps * (chosen.epochs * parent + chosen.imitation_epochs * parent / 3)
    found["steps, at most"] = (len(task.blocks) - 1 + len(chosen.ratios) + len(chosen.bits)) * each
    return {name: seeds * seconds / 60 for name, seconds in found.items()}


def step_seconds(task: Task, model: str, first: str, last: str) -> float:
    """Seconds of one training step of a network from block `first` up to `last`; "": the whole network."""
    config, classes = compute.choose(), data.classes(task.dataset)
    with torch.random.fork_rng(devices=[]):
        network = nets.build(model, task.px, classes)
        assert isinstance(network, SlicedNetwork)
        config.place(network)
        work = step_of(task, network, (first or network.names[0], last), config)
    work()
    began = time.perf_counter()
    for _ in range(PASSES):
        work()
    return (time.perf_counter() - began) / PASSES


def step_of(
    task: Task, network: SlicedNetwork, part: tuple[str, str], config: compute.ComputeConfig
) -> Callable[[], float]:
    """One step on images that are noise: forwards, back, and the optimiser's part."""
    first, last = part
    names = network.names[network.names.index(first) :]
    names = names[: names.index(last) + 1] if last else names
    parameters = loop.thaw(network, names)
    optimiser = torch.optim.SGD(parameters, 1e-6, momentum=0.9)
    shape = network.shapes.get(first)
    channels, px = (shape.inputs, shape.before) if shape else (network.shapes[network.names[-2]].outputs, 0)
    px = px or network.shapes[network.names[-2]].after
    x = config.place(torch.randn(task.batch_size, channels, px, px))
    y = torch.zeros(task.batch_size, dtype=torch.long, device=config.device)
    loop.set_modes(network, names)

    def step() -> float:
        with config.autocast():
            output = x
            for name in names:
                output = network[name](output)
        logits = output.float().flatten(1)
        loss = functional.cross_entropy(logits, y) if not last else logits.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def table(task: Task) -> Table:
    """The costs, and their sum."""
    found = costs(task)
    rows: list[dict[str, Any]] = [{"for": name, "minutes": minutes} for name, minutes in found.items()]
    rows.append({"for": "all", "minutes": sum(found.values())})
    seeds = f"{len(task.seeds)} seed" + ("s" if len(task.seeds) > 1 else "")
    images = data.count(task.dataset, "fit", task.settings.images)
    caption = (
        f"Minutes of one core as measured now: {seeds}, {images:,} images of {task.px} px, edition {task.edition}."
    )
    return listing(rows, caption, "Workers divide them: two cores take about half as long.", digits=2)

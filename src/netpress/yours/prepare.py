"""From what a user has written to a task: everything that can be wrong is found here, before anything is trained."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch

from netpress import data, editions, nets
from netpress.data import picture_folder, pictures
from netpress.data.views import Normalise, normalise_of
from netpress.errors import UserError
from netpress.nets import foreign
from netpress.nets.describe import describe
from netpress.nets.network import HEAD
from netpress.nets.replacement import replacement_for
from netpress.nets.slicing import SlicedNetwork
from netpress.nets.weights import NORMALISATIONS, keep, rescale
from netpress.training.compute import plain
from netpress.training.evaluate import accuracy
from netpress.yours.grid import Task
from netpress.yours.wanted import Wanted, check_words, folder_of

SIZES = {"digits": 16}  # px; of the others see editions.LOW
LARGEST, SMALLEST = 224, 32  # px of pictures, where --px does not say
TRIED = 512  # training images on which the normalisation of given weights is found out
UNCHANGED = "data"
LEAST = 0.01  # of the network: what a replacement must save


@dataclass(frozen=True)
class Block:
    """What a block is, and what one layer in its place would be. Parameters, and multiply-adds of one image.

    `kept`: why it stays, as a sentence; "" where it can be replaced.
    """

    name: str
    shape: str
    parameters: int
    multiply_adds: int
    new_parameters: int
    new_multiply_adds: int
    kept: str = ""


@dataclass(frozen=True)
class Prepared:
    """A task, all blocks of its network in order, and sentences that the user should read before it begins."""

    task: Task
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]


def prepare(wanted: Wanted) -> Prepared:
    """Check everything and find the blocks. UserError, in one sentence, for whatever is wrong."""
    check_words(wanted)
    label = replace(foreign.parse(wanted.model), asked=tuple(dict.fromkeys(wanted.blocks)))
    foreign.check_name(label)  # before pictures are decoded or data are downloaded
    px = wanted.px or own_size(wanted.data)
    dataset = data_set(wanted, px)
    classes, notes = data.classes(dataset), [data.provenance(dataset)]
    weights = ""
    if wanted.weights:
        label, weights, note = with_weights(label, wanted, (dataset, px, classes))
        notes.append(note)
    else:
        foreign.check(str(label), px, classes)
        notes.append("No weights were given: the network begins at random and is trained here.")
    if label.is_file:
        notes.append(f"{Path(label.kind).name} is your own code and is run.")
    model = foreign.registered(str(label))
    network = foreign.build(model, px, classes)
    blocks = tuple(facts(network, classes, px))
    chosen = tuple(b.name for b in blocks if not b.kept and (not wanted.blocks or b.name in wanted.blocks))
    if not chosen:
        raise UserError(nothing_to_do(label, blocks, wanted.blocks))
    task = Task(model, dataset, px, chosen, wanted.edition, wanted.seeds, weights, wanted.most)
    check_images(task)
    judged = data.count(dataset, "validation")
    if 100 / judged > wanted.most / 2:
        notes.append(f"Decisions rest on {judged} validation images: one of them is {100 / judged:.2f} points.")
    return Prepared(task, blocks, tuple(notes))


def own_size(name: str) -> int:
    """The side of the images where the user names none: their own, but from SMALLEST to LARGEST."""
    if name in data.DATASETS:
        return SIZES.get(name) or editions.LOW[name]
    path = folder_of(name)
    found = list(picture_folder.sides(path)) if path else []
    side = int(median(found)) // SMALLEST * SMALLEST if found else LARGEST
    return min(LARGEST, max(SMALLEST, side))


def data_set(wanted: Wanted, px: int) -> str:
    """The name of the data set; a folder is decoded into the cache."""
    if path := folder_of(wanted.data):
        return pictures.register(path, px, wanted.skip_broken)
    data.fetch(wanted.data)
    if not (found := data.available(wanted.data)):
        raise UserError(f"{wanted.data}: {found.reason}. Restore the data, or give a folder of pictures.")
    return wanted.data


def check_images(task: Task) -> None:
    """UserError where there are too few images for a batch."""
    if data.count(task.dataset, "fit", task.settings.images) < task.batch_size:
        raise UserError(f"{task.dataset} has fewer training images than a batch of {task.batch_size}: add some.")


# Weights ------------------------------------------------------------------------------------------------------------


def with_weights(label: foreign.Label, wanted: Wanted, place: tuple[str, int, int]) -> tuple[foreign.Label, str, str]:
    """Load weights and find out how images were normalised for them; the label, where they are kept, and a sentence.

    A file does not say how its images were normalised. So the normalisation is taken with which the network is right
    most often on training images: ours, or one of those that are usual.
    """
    dataset, px, classes = place
    images = data.load(dataset, "fit", px=px)
    given = normalise_of(images)
    some = replace(images, x=images.x[:TRIED], y=images.y[:TRIED])
    network = foreign.with_weights(str(label), px, classes, Path(wanted.weights).expanduser())
    found = {UNCHANGED: accuracy(network, some, given, plain())}
    for name, (mean, std) in NORMALISATIONS.items():
        found[name] = accuracy(network, some, Normalise(mean, std), plain())
    best = max(found, key=lambda name: found[name])
    if best != UNCHANGED:
        label = replace(label, expects=best)
        rescale(network).set((given.mean, given.std), NORMALISATIONS[best])
    how = "the data's own mean" if best == UNCHANGED else f"{best} normalisation"
    note = (
        f"Weights from {Path(wanted.weights).name}: right on {found[best]:.1%} of {len(some)} training images ({how})."
    )
    return label, keep(network), note


# Blocks -------------------------------------------------------------------------------------------------------------


def facts(network: SlicedNetwork, classes: int, px: int) -> list[Block]:
    """Every block and the head, with what one layer in its place would have."""
    whole = sizes(network, px)
    found = []
    for name in network.names:
        own = network[name]
        module = replacement_for(network, name, classes)
        if module is None:
            found.append(Block(name, shape_text(network, name), *whole[name], *whole[name], kept="no one layer fits"))
            continue
        network.put(name, module)
        new = sizes(network, px)[name]
        network.put(name, own)
        kept = reason(whole[name], new, tuple(map(sum, zip(*whole.values(), strict=True))))  # type: ignore[arg-type]
        found.append(Block(name, shape_text(network, name), *whole[name], *new, kept))
    return found


def sizes(network: SlicedNetwork, px: int) -> dict[str, tuple[int, int]]:
    """Parameters and multiply-adds of each block and the head."""
    size = describe(network, px)
    return {name: (sum(p.numel() for p in network[name].parameters()), size.of_block(name)) for name in network.names}


def reason(old: tuple[int, int], new: tuple[int, int], total: tuple[int, int]) -> str:
    """Why a block is not worth replacing; "" where it is.

    It is worth it where one layer has no more parameters and no more multiply-adds than the block, and saves at least a
    hundredth of the network in one of the two.
    """
    if new == old:
        return "it is one layer already"
    if new[0] > old[0] or new[1] > old[1]:
        return "one layer in its place would be larger"
    saved = max((old[i] - new[i]) / total[i] for i in (0, 1))
    return "" if saved >= LEAST else "one layer in its place would save next to nothing"


def shape_text(network: SlicedNetwork, name: str) -> str:
    """What a block does, as 64x32x32 to 128x16x16."""
    if name == HEAD:
        last = network.shapes[network.names[-2]]
        return f"{last.outputs}x{last.after}x{last.after} to logits"
    shape = network.shapes[name]
    return f"{shape.inputs}x{shape.before}x{shape.before} to {shape.outputs}x{shape.after}x{shape.after}"


def nothing_to_do(label: foreign.Label, blocks: tuple[Block, ...], asked: Sequence[str]) -> str:
    """Why no block is left that could be replaced."""
    why = "; ".join(f"{b.name}: {b.kept}" for b in blocks if b.kept and (not asked or b.name in asked))
    return f"{label.source} has no block that one layer could make smaller ({why}): name others with --blocks."


def whole_size(task: Task, replaced: Sequence[str]) -> tuple[int, int]:
    """Parameters and multiply-adds of the network with these blocks replaced."""
    model = task.model + "".join(f"+{name}" for name in replaced)
    with torch.random.fork_rng(devices=[]):
        size = describe(nets.build(model, task.px, data.classes(task.dataset)), task.px)
    return size.parameters, size.multiply_adds

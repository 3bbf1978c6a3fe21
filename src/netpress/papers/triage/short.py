"""What each page about Deep Net Triage opens with: sentences made from its runs."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from netpress import editions
from netpress.data.registry import titles
from netpress.papers.triage import CONSTANT, INITIALISATIONS, figures
from netpress.papers.triage.claims import FILTERS, FROZEN, IMITATED, OUTPUT, PER_BLOCK, began
from netpress.report.estimates import Estimate, interval
from netpress.report.frames import balanced, estimates, finished
from netpress.report.sentences import cells, clear, count, known, listed, minus, plain, signed
from netpress.report.sentences import runs as runs_text
from netpress.report.tables import number
from netpress.report.tests import Contrast, difference

Cell = tuple[str, str, Estimate]
FROZEN_LOSS = 5.0  # points: what the paper says that frozen networks lose at most


def idea(runs: pd.DataFrame) -> list[str]:
    """What a block saves, and what was trained."""
    saved = figures.cost(runs).cells
    rows = finished(runs)
    if len(saved) < 2:
        return []
    ranges = [
        f"{number(float(part.min()), 0)} to {number(float(part.max()), 0)} % of the {word}"
        for name, word in (("parameters", "weights"), ("multiply-adds", "multiply-adds"))
        for part in [100 - saved[f"{name}, % of the parent's"].drop("parent")]
    ]
    return [
        f"Replacing one of five blocks saves {listed(ranges)}.",
        f"{count(len(rows), 'network')} on {count(rows['dataset'].nunique(), 'data set')} say what that costs: "
        "see the next page.",
    ]


def accuracy(runs: pd.DataFrame) -> list[str]:
    """What a block is worth, frozen and thawed; which is the most critical."""
    frozen, thawed = by_block(runs, "frozen"), by_block(runs, "thawed")
    if not frozen or not thawed:
        return []
    worst, (low, high) = lowest(frozen), (lowest(thawed), highest(thawed))
    single, one = lowest(by_network(runs, "frozen")), lowest(by_network(runs, "thawed"))
    n = runs_text(*(value for _, _, value in [*frozen, *thawed]))
    return [
        f"Frozen but for its replacement, a network loses up to {plain(minus(worst[2]))} points ({place(worst)}) "
        f"averaged over the three initialisations, and up to {plain(minus(single[2]))} with one of them "
        f"({place(single)}); on average over blocks {of_regime(runs, 'frozen')}.",
        f"Retrained as a whole, it ends between {signed(low[2])} ({place(low)}) and {signed(high[2])} points "
        f"({place(high)}) of its parent averaged over the three, the worst single one at {signed(one[2])} "
        f"({place(one)}); {n}.",
        blocks(runs),
    ]


def by_block(runs: pd.DataFrame, regime: str) -> list[Cell]:
    """(data set, block, points above the parent): the cells of the table of criticality of one regime."""
    rows = figures.gains(runs)
    return cells(estimates(rows[rows["regime"] == regime], "data set", "compressed", "gain", 1.0))


def by_network(runs: pd.DataFrame, regime: str) -> list[Cell]:
    """(data set, block and initialisation, points above the parent) of one regime: every network by itself."""
    rows = figures.gains(runs)
    rows = rows[rows["regime"] == regime]
    rows = rows.assign(network=rows["compressed"] + " " + rows["initialisation"])
    return cells(estimates(rows, "data set", "network", "gain", 1.0))


def worst_frozen(runs: pd.DataFrame) -> str:
    """What decides whether frozen networks stay within five points: the block that loses most, on fresh seeds and on
    all."""
    found = by_block(runs, "frozen")
    if not found:
        return "not run"
    data, block, value = lowest(found)
    fresh = {cell[:2]: cell[2] for cell in by_block(runs[runs["seed"] >= editions.FRESH], "frozen")}
    lost = f"{plain(minus(value))} points"
    if (data, block) in fresh:
        lost = f"{number(-fresh[data, block].mean)} points on fresh seeds, {plain(minus(value))} on all"
    near = value.low is not None and value.high is not None and value.low < -FROZEN_LOSS < value.high
    return f"{block} on {data} {'lies at the margin' if near else 'loses most'} ({lost})"


def equal_filters(runs: pd.DataFrame) -> str:
    """Mean initialisation against random, where equal filters should hurt most: block 1, all else frozen."""
    mean, random = (began(name, FROZEN | {"block": "block1"}) for name in ("mean", "random"))
    contrast = Contrast(mean, random)
    found = {
        titles()[name]: difference(runs[runs["dataset"] == name], contrast)
        for name in runs["dataset"].drop_duplicates()
    }
    found = {name: value for name, value in found.items() if known(value)}
    if not found:
        return "It is not run yet."
    sides: dict[str, list[str]] = {word: [] for word in SIDES.values()}
    for name, value in found.items():
        sides[side(value)].append(f"{name} ({signed(value)})")
    parts = [f"{word} random-frozen on {listed(names)}" for word, names in sides.items() if names]
    words = f"With block 1 replaced, mean-frozen is {listed(parts)}, in points of best accuracy."
    return f"{words} {sureness(list(found.values()))}".rstrip()


SIDES = {1: "better than", -1: "worse than", 0: "equal to"}  # sign of a difference: how it is told


def side(value: Estimate) -> str:
    """On which side of 0 a difference lies, as it is printed: what rounds to 0.0 is equal."""
    mean = round(value.mean, 1)
    return SIDES[(mean > 0) - (mean < 0)]


def sureness(found: Sequence[Estimate]) -> str:
    """Whether differences may be chance, as a sentence; "" where some have an interval and others none."""
    if all(value.n == 1 for value in found):
        return "There is one run each, so no interval says whether it may be chance."
    bounded = all(value.half is not None for value in found)
    return "Every interval includes zero, so it may be chance." if bounded and not any(map(clear, found)) else ""


def blocks(runs: pd.DataFrame) -> str:
    """Whether blocks are equally critical: the widest difference between two of them."""
    rows = figures.compressed(figures.named(runs))
    means = balanced(rows).groupby(["block", "seed"], sort=False)["best"].mean().unstack("seed") if len(rows) else rows
    if len(means) < 2:
        return ""
    order = means.mean(axis=1).sort_values()
    gap = interval((means.loc[order.index[-1]] - means.loc[order.index[0]]).dropna()).times(100)
    first, last = (name.removeprefix("block") for name in (order.index[0], order.index[-1]))
    so = "do not look alike, though the paper says they are" if gap.mean > 1 else "look alike, as the paper says"
    return f"So blocks {so}: on average block {first} costs {plain(gap)} points more than block {last}."


def of_regime(runs: pd.DataFrame, regime: str) -> str:
    """Points below the parent on average over blocks, by data set: "0.2 (MNIST), 2.1 (CIFAR-10)"."""
    rows = finished(runs)
    rows = figures.compressed(figures.named(rows[rows["regime"].isin(["", regime])]))
    means = rows.groupby(["dataset", "seed"], sort=False)["over_parent"].mean()
    by_set = {name: interval(part).times(-100) for name, part in means.groupby(level=0, sort=False)}
    return ", ".join(f"{number(value.mean)} on {titles()[name]}" for name, value in by_set.items() if known(value))


def convergence(runs: pd.DataFrame) -> list[str]:
    """What a count of epochs can tell, and what it takes to settle."""
    rows = figures.compressed(figures.named(runs))
    if rows.empty:
        return []
    share, most = float((rows["epochs_to_99"] == rows["final_epochs"]).mean()), int(rows["final_epochs"].max())
    ceiling = (
        f"The paper's measure, epochs until 99 % of the best accuracy, has a ceiling here: {100 * share:.0f} % of "
        f"{count(len(rows), 'network')} reach it only in the last of {most} epochs, so it tells little."
    )
    return [ceiling, settled(runs)]


def settled(runs: pd.DataFrame) -> str:
    """How long networks take to settle at a constant rate, by how they begin."""
    rows = finished(runs)
    rows = rows[rows["retraining"] == CONSTANT]
    found = {
        name: interval(rows[rows["initialisation"] == name].groupby("seed")["settled"].mean())
        for name in INITIALISATIONS
    }
    if not all(known(value) for value in found.values()):
        return (
            "Runs at a constant rate, until a network settles, have no such ceiling and decide the claims; they are "
            "not all there yet, so which beginning is fastest cannot be told."
        )
    words = [f"{plain(value, 2)} epochs from a {name} start" for name, value in found.items()]
    return (
        f"At a constant rate, without a ceiling, networks settle on average after {listed(words)}; "
        f"{runs_text(*found.values())}."
    )


def filters(runs: pd.DataFrame) -> list[str]:
    """How much more like the parent's a student's filters and output are than those of a random start."""
    sides = began(IMITATED, FROZEN), began("random", FROZEN)
    alike, output = (difference(runs, Contrast(*sides, measure, by=PER_BLOCK)) for measure in (FILTERS, OUTPUT))
    if not known(alike) or not known(output):
        return []
    table = figures.similarity(runs).cells
    chance = table["untrained: filters"].iloc[0]
    word = "a little" if max(abs(alike.mean), abs(output.mean)) < 0.1 else "much"
    return [
        f"After imitation a replacement is {word} more like the parent's block than after a random start: filters "
        f"{signed(alike, 3)} in cosine, output {signed(output, 3)} in CKA ({runs_text(alike)}).",
        f"An untrained layer reaches a cosine of {plain(chance, 2)} by chance.",
    ]


def headline(runs: pd.DataFrame) -> str:
    """What the paper's idea is worth here, in plain words: of networks that are retrained as a whole."""
    thawed = by_block(runs, "thawed")
    if not thawed:
        return ""
    (_, worst, low), (_, _, high) = lowest(thawed), highest(thawed)
    alike = abs(high.mean - low.mean) < 1
    blocks_are = (
        "Which block it is then makes less than a point of difference."
        if alike
        else f"The paper calls all blocks equal; here {worst} costs most."
    )
    return (
        f"One block of VGG16 can give way to a single convolution: retrained as a whole, the network ends "
        f"between {off(low)} and {off(high)} the original, averaged over three ways to begin; the worst single "
        f"network ends {off(lowest(by_network(runs, 'thawed'))[2])} it ({runs_text(low, high)}). {blocks_are}"
    )


def off(value: Estimate) -> str:
    """ "2.0 points below", "1.8 points above"."""
    return f"{number(abs(value.mean))} points {'below' if value.mean < 0 else 'above'}"


def lowest(found: list[Cell]) -> Cell:
    """The cell with the smallest mean."""
    return min(found, key=lambda cell: cell[2].mean)


def highest(found: list[Cell]) -> Cell:
    """The cell with the largest mean."""
    return max(found, key=lambda cell: cell[2].mean)


def place(cell: Cell) -> str:
    """ "block 1, CIFAR-10"."""
    return f"{cell[1]}, {cell[0]}"


SENTENCES: Mapping[str, Callable[[pd.DataFrame], list[str]]] = {
    "idea": idea, "accuracy": accuracy, "convergence": convergence, "filters": filters,
}  # fmt: skip
HEADLINES = (headline,)

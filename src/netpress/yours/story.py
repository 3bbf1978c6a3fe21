"""What came out, as tables and pictures: for the terminal, the chapter and the report."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress.report.estimates import interval
from netpress.report.tables import Table, listing, number
from netpress.report.theme import INK, WIDTH, Figure, Words, colour, figure
from netpress.runs.run import Run
from netpress.yours import grid
from netpress.yours.decide import Tried
from netpress.yours.prepare import Block, Prepared, whole_size

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from netpress.yours.shrink import Shrunk

CHANCE = 1.5  # times as often right as by guessing: not yet trained
ROW, HEAD = 46, 110  # CSS pixels of a row of the picture, and of what is above and below
TITLES = {
    method: f"{beginning}, {regime}"
    for wanted in grid.REGIMES
    for method, (beginning, regime) in grid.METHODS.items()
    if regime == wanted
}


# Blocks -------------------------------------------------------------------------------------------------------------


def table_blocks(prepared: Prepared) -> Table:
    """Every block, and what one layer in its place would save."""
    rows = [
        {
            "block": block.name,
            "maps": block.shape,
            "parameters": f"{block.parameters:,}",
            "multiply-adds": f"{block.multiply_adds:,}",
            "in its place": "kept: " + block.kept if block.kept else saved_text(block),
        }
        for block in prepared.blocks
    ]
    return listing(rows, f"The blocks of {source(prepared.task.model)} at {prepared.task.px} px.")


def saved_text(block: Block) -> str:
    """What one layer would have instead."""
    return f"{block.new_parameters:,} parameters, {block.new_multiply_adds:,} multiply-adds"


def source(model: str) -> str:
    """A network's label as the user knows it: without the hash of a file."""
    return model.split("~")[0].split("[")[0].split("@")[0]


# Triage -------------------------------------------------------------------------------------------------------------


def table_triage(shrunk: "Shrunk") -> Table:
    """Per block: what it would save, and the points lost by each method, beside the parent and the parent retrained."""
    decision = shrunk.decision
    rows = []
    for block in decision.order:
        part = next(b for b in shrunk.prepared.blocks if b.name == block)
        row: dict[str, Any] = {"block": block} | savings(shrunk, part)
        for method, title in TITLES.items():
            row[f"{title}: lost"] = decision.lost(decision.replaced(block, method), decision.controls)
        row["beside the parent as it was"] = decision.lost(decision.replaced(block, grid.STEP), decision.parents)
        rows.append(row)
    return listing(
        rows,
        "Triage: points lost on validation images by replacing one block, the least critical first.",
        "Lost beside the parent that was retrained for as long; in the last column imitated and thawed, beside the "
        "parent as it was. Below zero: more accurate.",
        digits=2,
    )


def savings(shrunk: "Shrunk", block: Block) -> dict[str, str]:
    """What a block saves of the whole network, in per cent, and milliseconds as measured."""
    whole = whole_size(shrunk.prepared.task, ())
    before, after = (shrunk.times[name] for name in (shrunk.model, f"{shrunk.model}+{block.name}"))
    return {
        "parameters saved": f"{(block.parameters - block.new_parameters) / whole[0]:.1%}",
        "multiply-adds saved": f"{(block.multiply_adds - block.new_multiply_adds) / whole[1]:.1%}",
        "time saved": f"{(before - after) / before:.1%}",
    }


def triage_frame(shrunk: "Shrunk") -> pd.DataFrame:
    """The picture's numbers: one row a block, shares in per cent, points lost beside the parent retrained."""
    whole, decision, rows = whole_size(shrunk.prepared.task, ()), shrunk.decision, []
    before = shrunk.times[shrunk.model]
    for name in decision.order:
        block = next(b for b in shrunk.prepared.blocks if b.name == name)
        row: dict[str, Any] = {
            "block": name,
            "parameters": 100 * (block.parameters - block.new_parameters) / whole[0],
            "multiply-adds": 100 * (block.multiply_adds - block.new_multiply_adds) / whole[1],
            "time": 100 * (before - shrunk.times[f"{shrunk.model}+{name}"]) / before,
            "cut": name in decision.removed,
        }
        for method in TITLES:
            lost = decision.lost(decision.replaced(name, method), decision.controls)
            row |= {method: lost.mean, f"{method} low": lost.low, f"{method} high": lost.high}
        rows.append(row)
    return pd.DataFrame(rows)


def figure_triage(shrunk: "Shrunk") -> Figure:
    """In one picture what to cut: per block what it saves, what it costs, and whether it was cut."""
    frame, most = triage_frame(shrunk), shrunk.prepared.task.most
    cut = [name for name in frame["block"] if name in shrunk.decision.removed]
    kept = [name for name in frame["block"] if name not in cut]
    words = Words(
        alt=f"Cut: {', '.join(cut) or 'nothing'}. Kept: {', '.join(kept) or 'nothing'}. Left, for each block, the "
        "share of parameters, multiply-adds and time that one layer in its place saves; right, the points lost, with a "
        f"line at the budget of {most:g}.",
        caption=f"What to cut of {source(shrunk.model)}: what each block saves (left) and costs (right).",
    )
    size = (WIDTH, HEAD + ROW * len(frame))
    note = "Points lost beside the parent that was retrained for as long; bars over seeds where there are several."
    return figure(lambda canvas: paint_triage(canvas, frame, most), size, words, frame, note)


def paint_triage(canvas: "Canvas", frame: pd.DataFrame, most: float) -> None:
    """Two panels that share their rows."""
    left, right = canvas.subplots(1, 2, sharey=True, gridspec_kw={"width_ratios": [1, 1]})
    places = range(len(frame))
    for i, what in enumerate(("parameters", "multiply-adds", "time")):
        left.barh([p + 0.26 * (i - 1) for p in places], frame[what], 0.22, color=colour(i), label=what)
    left.set_xlabel("saved, % of the network")
    left.set_yticks(list(places), [f"{row.block}\n{'cut' if row.cut else 'kept'}" for row in frame.itertuples()])
    left.invert_yaxis()
    for i, (method, title) in enumerate(TITLES.items()):
        at = [p + 0.18 * (i - 1.5) for p in places]
        thawed = grid.METHODS[method][1] == "thawed"
        for p, row in zip(at, frame.to_dict("records"), strict=True):
            if pd.notna(row[f"{method} low"]):
                right.plot([row[f"{method} low"], row[f"{method} high"]], [p, p], color=colour(i), lw=1.6)
        right.plot(frame[method].replace(float("inf"), float("nan")), at, ls="none", marker="osD^"[i], color=colour(i),
                   mfc=colour(i) if thawed else "none", label=title)  # fmt: skip
    right.axvline(0, color=INK, lw=0.8)
    right.axvline(most, color=INK, ls="--", lw=1.4, label="budget")
    right.set_xlabel("points lost")
    for axes in (left, right):
        axes.grid(axis="y", visible=False)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3 if axes is left else 2, fontsize=9)


# Steps --------------------------------------------------------------------------------------------------------------


def table_steps(shrunk: "Shrunk") -> Table:
    """Every change that was tried, in order."""
    rows = [start(shrunk), *(step(shrunk, tried) for tried in shrunk.decision.tried)]
    return listing(
        rows,
        f"Step by step, within a budget of {shrunk.prepared.task.most:g} points on validation images.",
        f"Points are lost beside {reference_text(shrunk)}. Bytes: of the weights as written to disk.",
        digits=2,
    )


def reference_text(shrunk: "Shrunk") -> str:
    """What points are lost against."""
    retrained = shrunk.decision.reference == shrunk.decision.controls
    return "the parent retrained for as long" if retrained else "the parent as it was, which retraining did not improve"


def start(shrunk: "Shrunk") -> dict[str, Any]:
    """The row of the parent."""
    decision = shrunk.decision
    return {
        "step": "the network as it was",
        "lost": decision.lost(decision.parents),
        **size_cells(shrunk, decision.parents[0]),
        "taken": "",
    }


def step(shrunk: "Shrunk", tried: Tried) -> dict[str, Any]:
    """The row of a change."""
    verb = {"replaced": f"replace {tried.what}", "pruned": f"prune: {tried.what}", "shared": f"share: {tried.what}"}
    refused = tried.reason or "over the budget"
    return {
        "step": verb.get(tried.kind, tried.what),
        "lost": tried.lost if tried.lost.n else "no result",
        **size_cells(shrunk, tried.runs[0]),
        "taken": ("within the budget, not in the files" if tried.kind == "int8" else "yes")
        if tried.accepted
        else f"no: {refused}",
    }


def size_cells(shrunk: "Shrunk", run: Run) -> dict[str, str]:
    """Parameters, multiply-adds, bytes and time of a run's network."""
    record = shrunk.decision.found[run]
    measures = record.get("measures", {})
    sizes = [value for name, value in measures.items() if name.startswith("bytes_") and value]
    time = shrunk.times.get(run.model)
    return {
        "parameters": f"{record.get('parameters', 0):,}",
        "multiply-adds": f"{record.get('multiply_adds', 0):,}",
        "bytes": f"{min(sizes):,}" if sizes else "",
        "ms an image": number(time, 2) if time is not None else "",
    }


# In the end ---------------------------------------------------------------------------------------------------------


def table_test(shrunk: "Shrunk") -> Table:
    """Accuracies on the test images, which were looked at once, when all was decided."""
    titles = {
        "parent": "the network as it was",
        "retrained": "the same, retrained for as long",
        "whole": "with blocks replaced",
        "best": "in the end",
    }
    runs = {"parent": "parents", "retrained": "controls", "whole": "whole", "best": "best"}
    rows = [
        {
            "network": title,
            "accuracy, %": interval([100 * value for value in shrunk.tests[name]]),
            **size_cells(shrunk, getattr(shrunk.decision, runs[name])[0]),
        }
        for name, title in titles.items()
    ]
    count = len(shrunk.images("test"))
    return listing(rows, f"On {count:,} test images, looked at once.", "Intervals are over seeds.", digits=2)


def factors(shrunk: "Shrunk") -> dict[str, float]:
    """How many times smaller the network is in the end: parameters that are not zero, multiply-adds, bytes, time."""
    decision = shrunk.decision
    old, new = decision.found[decision.parents[0]], decision.found[decision.best[0]]

    def size(record: dict[str, Any]) -> int:
        return min(v for name, v in record["measures"].items() if name.startswith("bytes_") and v)

    return {
        "parameters": old["parameters"] / new["parameters"],
        "multiply-adds": old["multiply_adds"] / new["multiply_adds"],
        "bytes": size(old) / size(new),
        "time": shrunk.times[shrunk.model] / shrunk.times[decision.best[0].model],
    }


def summary(shrunk: "Shrunk") -> str:
    """What came out, in two sentences."""
    gains = [f"{value:.1f} times {word}" for word, value in words_of(factors(shrunk)) if f"{value:.1f}" != "1.0"]
    before, after = (100 * sum(shrunk.tests[name]) / len(shrunk.tests[name]) for name in ("parent", "best"))
    removed = shrunk.decision.removed
    cut = f"One layer{' each' if len(removed) > 1 else ''} has taken the place of {listed(removed)}"
    return (
        f"{cut if removed else 'No block was replaced'}; the network has {', '.join(gains) or 'not become smaller'}. "
        f"On test images it is right on {after:.1f} %, where the network as it was is right on {before:.1f} %."
    )


def warnings(shrunk: "Shrunk") -> list[str]:
    """What a reader must know before believing any of it."""
    classes = len(shrunk.images("test").classes)
    found = []
    if max(shrunk.tests["parent"]) < CHANCE / classes:
        found.append(
            f"The network as it was is hardly more often right than by chance ({100 * max(shrunk.tests['parent']):.1f} "
            "%): what is lost beside it means nothing. Give trained weights, or train longer with --set parent_epochs."
        )
    return found


def words_of(found: dict[str, float]) -> Sequence[tuple[str, float]]:
    """Factors with what they are of, in words."""
    names = {"parameters": "fewer parameters", "multiply-adds": "fewer multiply-adds", "bytes": "fewer bytes"}
    return [(names[key], found[key]) for key in names] + [("the speed", found["time"])]


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else "".join(names)

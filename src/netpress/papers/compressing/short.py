"""What each page about Compressing Neural Nets opens with: sentences made from its runs."""

from collections.abc import Callable, Mapping

import pandas as pd

from netpress.data.registry import titles
from netpress.papers.compressing import distillation, tables
from netpress.papers.compressing.claims import (
    AGREEMENT,
    ALONE,
    AT_5X,
    CHANGE,
    CONTROL,
    CUT,
    DISTILLED,
    HOTTEST,
    LARGE,
    LONG,
    NARROW,
    PARENT,
    SHORT,
    SMALL,
    TAUGHT,
    UNTOUCHED,
)
from netpress.papers.paper import Kind
from netpress.report.estimates import Estimate
from netpress.report.frames import finished, rows_where
from netpress.report.sentences import clear, count, known, listed, minus, plain, signed
from netpress.report.sentences import runs as runs_text
from netpress.report.tables import number
from netpress.report.tests import LAST, Contrast, difference


def per_set(runs: pd.DataFrame, contrast: Contrast) -> dict[str, Estimate]:
    """Data set -> left minus right, where both were run."""
    found = {
        titles()[name]: difference(runs[runs["dataset"] == name], contrast)
        for name in runs["dataset"].drop_duplicates()
    }
    return {title: value for title, value in found.items() if known(value)}


def on_each(found: Mapping[str, Estimate], unit: str = "points") -> str:
    """ "−0.1 ± 0.2 points on MNIST and −0.4 ± 0.4 on CIFAR-10"."""
    parts = [f"{signed(value)} {unit} on {title}" for title, value in found.items()]
    return listed([parts[0], *(part.replace(f" {unit}", "") for part in parts[1:])]) if parts else ""


def idea(runs: pd.DataFrame) -> list[str]:
    """What was trained, and how small the small ones are."""
    rows = finished(runs)
    lines = [f"{count(len(rows), 'network')} were trained to judge pruning, distillation and function matching."]
    return [*lines, smaller(rows), pruned(runs)] if len(rows) else []


def smaller(rows: pd.DataFrame) -> str:
    """How many times fewer weights the student of Table I has than its teacher, over the data sets."""
    large, small = (
        rows_where(rows, where).groupby("dataset")["parameters"].mean().astype("float64")
        for where in (distillation.TEACHES, distillation.ALONE)
    )
    times = (large / small).dropna()
    if times.empty:
        return ""
    words = dict.fromkeys(number(end, 0) for end in (times.min(), times.max()))
    return f"The student of Table I has {' to '.join(words)} times fewer weights than its teacher."


def distillation_page(runs: pd.DataFrame) -> list[str]:
    """What a teacher is worth to the small student, and what temperature does to it."""
    gain = per_set(runs, Contrast(TAUGHT, ALONE, LAST))
    alike = per_set(runs, Contrast(TAUGHT, ALONE, AGREEMENT))
    if not gain:
        return []
    helps = [title for title, value in gain.items() if clear(value) and value.mean > 0]
    so = f"The teacher helps on {listed(helps)}" if helps else "On no data set does the teacher make it more accurate"
    if len(helps) == len(gain):
        so = "The teacher helps on every data set"
    lines = [
        f"Taught as printed, the student of Table I differs by {on_each(gain)} from the same student alone "
        f"({runs_text(*gain.values())}). {so}; the paper has no student alone to compare with."
    ]
    if alike:
        lines.append(f"Its agreement with the teacher differs by {on_each(alike)}.")
    return [*lines, hotter(runs)]


def hotter(runs: pd.DataFrame) -> str:
    """Whether agreement rises with the temperature, from T = 1 to the highest, in both forms of the loss."""
    words = []
    cold: Kind = DISTILLED | {"temperature": 1.0}
    for name, form in (("as printed", "printed"), ("with the factor T²", "squared")):
        hot = DISTILLED | {"temperature": HOTTEST, "form": ("either", form)}
        found = difference(runs, Contrast(hot, cold, AGREEMENT))
        words += [f"{signed(found)} points {name}"] if known(found) else []
    swept = set(rows_where(finished(runs), cold)["dataset"])
    places = listed([title for name, title in titles().items() if name in swept])
    return f"On {places}, from T = 1 to T = {HOTTEST:g} agreement changes by {listed(words)}." if words else ""


def pruning_page(runs: pd.DataFrame) -> list[str]:
    """What pruning to one weight of five costs, before and after retraining; against narrow networks of equal size."""
    after = {name: difference(runs, Contrast(kind | AT_5X, kind | CONTROL, LAST)) for name, kind in NETWORKS.items()}
    before = {
        name: difference(runs, Contrast(kind | UNTOUCHED, kind | PARENT, LAST)) for name, kind in NETWORKS.items()
    }
    if not all(known(value) for value in after.values()):
        return []
    words = [f"{signed(value)} points {name}" for name, value in after.items()]
    raw = [f"{signed(value)} {name}" for name, value in before.items() if known(value)]
    lines = [
        f"Pruned to one weight of five and retrained, a network changes by {listed(words)} against the same network "
        f"retrained unpruned ({runs_text(*after.values())}); before retraining it is {listed(raw)}."
    ]
    costs = difference(runs, Contrast(LARGE | AT_5X, SMALL | AT_5X, CHANGE))
    if known(costs):
        more = "that pruning fails on large networks, as the paper says, is not seen once they are retrained"
        if clear(costs) and costs.mean < 0:
            more = "pruning does cost the large network more, as the paper says"
        loses = f"{plain(costs)} points less" if costs.mean > 0 else f"{plain(minus(costs))} points more"
        lines.append(f"Retrained, VGG16 loses {loses} than six layers: {more}.")
    return [*lines, narrow(runs)]


def retrained(runs: pd.DataFrame) -> str:
    """What retraining does to a network of which nothing is pruned."""
    found = {name: difference(runs, Contrast(kind | CONTROL, kind | PARENT, LAST)) for name, kind in NETWORKS.items()}
    words = listed([f"{signed(value)} points {name}" for name, value in found.items() if known(value)])
    by = f", here by {words} ({runs_text(*found.values())})" if words else ""
    return f"Retraining alone can change a network{by}."


def narrow(runs: pd.DataFrame) -> str:
    """Narrow networks that are taught, against pruned ones of the same file size."""
    found = difference(runs, Contrast(LARGE | NARROW, LARGE | CUT, LAST, by=("dataset", "ratio")))
    if not known(found):
        return ""
    so = "which contradicts the paper" if clear(found) and found.mean < 0 else "as the paper concludes"
    if not clear(found):
        so = "which leaves open what the paper concludes"
    word = "below" if found.mean < 0 else "above"
    return (
        f"At equal file size a narrow VGG16 that is taught lies {plain(minus(found) if found.mean < 0 else found)} "
        f"points {word} a pruned one, {so}."
    )


def matching_page(runs: pd.DataFrame) -> list[str]:
    """What patience is worth, and what labels alone reach in the same time."""
    cells = tables.schedules(runs).cells
    if "same cut, same mixture" not in cells or len(cells) < 2:
        return []
    column = cells["same cut, same mixture"]
    first, last = column.iloc[0], column.iloc[-1]
    if not known(first) or not known(last):
        return []
    gain = difference(runs, Contrast(LONG, SHORT, LAST))
    needs = "needs patience" if clear(gain) and gain.mean > 0 else "gains nothing clear from patience"
    epochs = lengths(runs)
    lines = [
        f"Function matching, which imitates a teacher without labels, {needs}: {plain(first)} % after "
        f"{epochs[0]} epochs, {plain(last)} % after {epochs[-1]} ({runs_text(last)})."
    ]
    others = {
        "labels alone": "Labels alone reach",
        "fixed teacher, own cut": "A fixed teacher that answers once an image brings",
    }
    for name, words in others.items():
        if name in cells:
            at = [f"{plain(v)} % after {e}" for v, e in zip(cells[name], epochs, strict=True) if known(v)]
            lines += [f"{words} {listed(at)}."] if at else []
    return lines


def lengths(runs: pd.DataFrame) -> list[str]:
    """The epochs of the schedules that were finished, the shortest first, as in `tables.schedules`."""
    return [f"{epochs:g}" for epochs in tables.scheduled(runs)["epochs"].unique()]


def pruned(runs: pd.DataFrame) -> str:
    """What pruning is worth here, in plain words."""
    found = {name: difference(runs, Contrast(kind | AT_5X, kind | CONTROL, LAST)) for name, kind in NETWORKS.items()}
    if not all(known(value) for value in found.values()):
        return ""
    words = listed([f"{signed(value)} points {name}" for name, value in found.items()])
    return (
        f"Four of five weights can be pruned: retrained, that changes accuracy by {words}, against the same network "
        f"retrained with all its weights ({runs_text(*found.values())})."
    )


def taught(runs: pd.DataFrame) -> str:
    """What a teacher is worth here, in plain words."""
    gain = per_set(runs, Contrast(TAUGHT, ALONE, LAST))
    if not gain:
        return ""
    helped = any(clear(value) and value.mean > 0 for value in gain.values())
    so = "A teacher helps a very small network" if helped else "A teacher does not help a very small network"
    return (
        f"{so}: {on_each(gain)}, against the same network alone ({runs_text(*gain.values())}). {narrow(runs)}".strip()
    )


def patient(runs: pd.DataFrame) -> str:
    """What patience is worth here, in plain words, and what labels alone reach."""
    return " ".join(line for line in matching_page(runs) if "fixed teacher" not in line)


NETWORKS = {"for a network of six layers": SMALL, "for VGG16": LARGE}
SENTENCES: Mapping[str, Callable[[pd.DataFrame], list[str]]] = {
    "idea": idea, "distillation": distillation_page, "pruning": pruning_page, "matching": matching_page,
}  # fmt: skip
HEADLINES = (pruned, taught, patient)

"""The demo is short, and still shows what its pages are about: each effect here is one that a reader is to see."""

import functools
from collections.abc import Callable

import books
import pandas as pd
import pytest

from netpress import papers
from netpress.runs import records

RESULTS = books.ROOT / "results"
EDITION = "demo"


@functools.cache
def frame(paper: str) -> pd.DataFrame:
    """The finished runs of a paper in the demo that was trained here."""
    runs = papers.grid(paper, EDITION)
    if not all(records.state(run, EDITION, RESULTS) in records.RESULTS for run in runs):
        pytest.skip("the demo is not trained: `make book` does it")
    return papers.frame(runs, EDITION, RESULTS)


def best(paper: str, **factors: object) -> float:
    """The mean of the best accuracies of the runs with these factors."""
    rows = frame(paper)
    for name, value in factors.items():
        rows = rows[rows[name] == value]
    assert len(rows), factors
    return float(rows["best"].mean())


def after_one_epoch(initialisation: str) -> float:
    """Accuracy of the frozen networks of the triage after their first epoch of retraining, over all blocks."""
    history = records.history(papers.grid("triage", EDITION), EDITION, RESULTS)
    rows = history[(history["stage"] == "retrain") & (history["epoch"] == 1) & (history["regime"] == "frozen")]
    return float(rows[rows["initialisation"] == initialisation]["test_accuracy"].mean())


svgg5 = functools.partial(best, "pyramid", level="svgg5", direction="forward")
pruned = functools.partial(best, "compressing", model="vgg16", how="global", ratio=20)
shared = functools.partial(best, "compressing", model="vgg16", base="dense")
matched = functools.partial(best, "compressing", part="matching", way="matched")

EFFECTS: dict[str, Callable[[], bool]] = {
    "triage/method: the parent has learned": lambda: best("triage", method="parent") > 0.9,
    "triage/figures: a block that imitates begins ahead of a random one": lambda: (
        after_one_epoch("student-teacher") > after_one_epoch("random") + 0.01
    ),
    "triage/result: thawed networks end no worse than frozen ones": lambda: (
        best("triage", regime="thawed") > best("triage", regime="frozen") - 0.005
    ),
    "pyramid/result: forward with frozen layers loses at the last level, thawed it does not": lambda: (
        svgg5(approach="two-stages", regime="thawed") > svgg5(approach="two-stages", regime="frozen") + 0.02
    ),
    "compressing/method: a network pruned 20 times is lost until it is retrained": lambda: (
        pruned(finish="retrained") > pruned(finish="untouched") + 0.3
    ),
    "compressing/figures: two bits a weight are too few until they are tuned": lambda: (
        shared(bits=2, finish="tuned") > shared(bits=2, finish="untuned") + 0.1
    ),
    "compressing/figures: four bits a weight are enough": lambda: (
        shared(bits=4, finish="untuned") > best("compressing", model="vgg16", method="parent") - 0.02
    ),
    "compressing/figures: a student alone stays below its teacher": lambda: (
        best("compressing", role="alone", model="cnn-16-32") < best("compressing", role="teacher", model="cnn-256-512")
    ),
    "compressing/figures: whoever is patient wins": lambda: matched(length=10) > matched(length=3) > matched(length=1),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_the_demo_of_the_book_shows(effect: str) -> None:
    frame("triage")
    assert EFFECTS[effect]()

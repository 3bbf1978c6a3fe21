"""The ladder of scale: its rungs, its figure, and a conclusion that follows the records."""

import invented
import pandas as pd
import pytest

from netpress import papers
from netpress.papers.triage import ladder
from netpress.runs import records


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder for invented records, in the place of the project's."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def climb(results, cost, rungs=ladder.IMAGES):
    """Records of some rungs: on every one, the network of a block is `cost(images, block)` points below its parent."""
    for images in rungs:
        edition = ladder.rung("small", images)
        runs = papers.grid("triage", edition, (ladder.DATASET,), ladder.SEEDS)
        for run in filter(ladder.belongs, runs):
            parent = 0.6 + 0.01 * run.seed
            lost = 0.0 if run.method == "parent" else cost(images or ladder.EVERY, run) / 100
            records.write(run, edition, invented.content(run, round(parent - lost, 6)), results)


def shown_whole(monkeypatch):
    """The edition's own rung as if all of its fresh seeds were there."""
    monkeypatch.setattr(papers, "shown", lambda paper, edition, results=None: papers.grid(paper, edition))


def test_rungs_are_editions_of_their_own():
    assert [ladder.rung("small", images) for images in ladder.IMAGES] == [
        "small+images=1000", "small+images=3000", "small", "small+images=all",
    ]  # fmt: skip
    runs = ladder.runs_of("small", 1000)
    assert len(runs) == 3 * (1 + 3 * 2)
    assert {run.seed for run in runs} == {3, 4, 5} and {run.images for run in runs} == {1000}
    assert {run.images for run in ladder.runs_of("small", None)} == {None}


def test_fresh_seeds_of_the_edition_are_hidden_until_all_are_there(results):
    climb(results, lambda images, run: 1.0)
    assert set(ladder.frame("small")["images"]) == {1000, 3000, 50_000}


def test_points_and_conclusion_follow_the_records(results, monkeypatch):
    shown_whole(monkeypatch)
    base = {1000: 9.0, 3000: 6.0, 10_000: 4.0, 50_000: 3.0}

    def cost(images, run):
        jitter = 0.1 * (run.seed - 4)  # at the ends of opposite sign, so that differences have a spread
        return (base[images] if run.method.endswith("frozen") else 1.0) + jitter * (1 if images == 1000 else -1)

    climb(results, cost)
    rungs = ladder.frame("small")
    assert len(rungs) == 4 * 3 * 3 * 2
    own = rungs[(rungs["block"] == "block1") & (rungs["regime"] == "frozen")]
    assert own.groupby("images")["over_parent"].mean().round(6).to_dict() == {k: -v for k, v in base.items()}
    said = ladder.conclusion(rungs, "small")
    # differences 6 - 0.2, 6, 6 + 0.2: mean 6, half = 4.303 * 0.2 / sqrt(3) = 0.497
    assert "Frozen, criticality of block 1 shrinks with data, by 6.0 ± 0.5 points (n = 3)" in said
    assert "(it costs 9.0 points, then 3.0)" in said
    assert "Thawed, it cannot be told" in said
    drawn = ladder.figure_ladder(rungs, "small")
    assert "50,000" in drawn.svg and "block 5" in drawn.svg
    frozen = drawn.to_frame().query("block == 'block 1' and regime == 'frozen' and images == 1000")
    assert frozen["mean"].iloc[0] == pytest.approx(-9.0)


def test_the_rungs_that_are_there_are_told_before_the_last_is(results):
    climb(results, lambda images, run: 9000 / images, rungs=(1000, 3000))
    said = ladder.conclusion(ladder.frame("small"), "small")
    assert "Frozen, block 1 costs, in points by number of training images: 9.0 ± 0.0 with 1,000 and 3.0 ± 0.0" in said
    assert said.endswith("networks with block 1 replaced are not all run yet with 50,000 images.")


def test_what_lacks_is_told_of_block_1_frozen_and_thawed(results):
    """Another block's networks are no help, nor are those of the other regime."""
    costs = {"block": ["block5", "block1"], "regime": "frozen", "seed": 3, "over_parent": -1.0}
    said = ladder.conclusion(pd.DataFrame(costs | {"images": [1000, 50_000]}), "small")
    assert said.endswith("is open: networks with block 1 replaced are not all run yet with 1,000 and 50,000 images.")
    whole = [
        {"block": "block1", "regime": regime, "seed": seed, "images": 50_000, "over_parent": -1.0}
        for regime in ("frozen", "thawed")
        for seed in ladder.SEEDS
    ]
    said = ladder.conclusion(pd.DataFrame([*whole, whole[0] | {"block": "block5", "images": 1000}]), "small")
    assert said.endswith("not all run yet with 1,000 images.")
    # each regime has one end, or both ends but no seed in common
    for change in ({"regime": "thawed"}, {"seed": 4}):
        ends = [whole[0], whole[0] | {"images": 1000} | change]
        assert ladder.conclusion(pd.DataFrame(ends), "small").endswith("not all run yet with 1,000 and 50,000 images.")


def test_an_edition_without_a_ladder_says_so(results):
    for edition in ("demo", "small+epochs=2"):
        rungs = ladder.frame(edition)
        assert ladder.conclusion(rungs, edition) == (
            f"The edition {edition} does not tell: its networks see one number of images."
        )
        assert f"none in the edition {edition}." in ladder.figure_ladder(rungs, edition).words.caption


def test_criticality_may_grow(results, monkeypatch):
    shown_whole(monkeypatch)
    climb(results, lambda images, run: images / 10_000 + 0.01 * run.seed * (images > 1000))
    said = ladder.conclusion(ladder.frame("small"), "small")
    assert "Thawed, criticality of block 1 grows with data, by 4.9 ± 0.0 points" in said


def test_nothing_is_said_before_it_was_run(results):
    rungs = ladder.frame("small")
    assert rungs.empty
    assert ladder.conclusion(rungs, "small").endswith("not all run yet with 1,000 and 50,000 images.")
    drawn = ladder.figure_ladder(rungs, "small")
    assert "nothing to show yet" in drawn.svg and "not run yet" in drawn.words.caption

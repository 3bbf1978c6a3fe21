"""The ladder of scale: its rungs, its figure, and a conclusion that follows the records."""

import invented
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
        for run in ladder.runs_of("small", images):
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


def test_points_follow_the_records(results, monkeypatch):
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
    few, many, less = ladder.by_size(rungs, "frozen")
    # differences 6 - 0.2, 6, 6 + 0.2: mean 6, half = 4.303 * 0.2 / sqrt(3) = 0.497
    assert [round(value.mean, 6) for value in (few, many, less)] == [9.0, 3.0, 6.0] and round(less.half, 3) == 0.497
    drawn = ladder.figure_ladder(rungs, "small")
    assert "50k" in drawn.svg and "block 5" in drawn.svg
    assert drawn.words.finding == "Replaced blocks and the number of training images"  # thawed, nothing changes
    frozen = drawn.to_frame().query("block == 'block 1' and regime == 'frozen'")
    assert frozen[1000].iloc[0] == pytest.approx(-9.0)


def test_the_finding_follows_the_records(results, monkeypatch):
    shown_whole(monkeypatch)
    climb(results, lambda images, run: images / 10_000 + 0.01 * run.seed * (images > 1000))
    assert (
        ladder.figure_ladder(ladder.frame("small"), "small").words.finding
        == "Block 1 matters more the more images are seen"
    )


@pytest.mark.parametrize("edition", ["demo", "small+epochs=2", "small"])
def test_what_was_not_run_says_so(results, edition):
    rungs = ladder.frame(edition)
    assert rungs.empty
    drawn = ladder.figure_ladder(rungs, edition)
    assert "nothing to show yet" in drawn.svg and f"Not run in the edition {edition}." in drawn.words.caption


def test_one_end_alone_says_nothing(results):
    climb(results, lambda images, run: 9000 / images, rungs=(1000, 3000))
    assert ladder.by_size(ladder.frame("small"), "frozen") is None

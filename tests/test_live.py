"""Change it: a run of a page with a stage changed, trained live on digits."""

from dataclasses import replace

import pytest

from netpress import papers
from netpress.book import Page, live
from netpress.errors import UserError
from netpress.report.figures import Figure

LABEL = "cnn-16-32-distilled-t10-a0.9"


@pytest.fixture
def page(monkeypatch, tmp_path):
    """A page of the small edition, in a cache and a folder of records of its own."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path / "results"))
    return lambda missing: Page(chapter="compressing/distillation", edition="small", run_missing=missing)


def test_a_changed_stage_is_another_run():
    run = papers.grid("compressing", "demo")[1]
    changed = run.with_stage("train", epochs=3, lr=0.01)
    assert [(s.epochs, s.lr) for s in changed.stages] == [(3, 0.01)]
    assert changed.fingerprint != run.fingerprint and run.with_stage("train") == run
    with pytest.raises(UserError, match="stage of this run 'retrain'"):
        run.with_stage("retrain", epochs=3)
    with pytest.raises(UserError, match="epochs"):
        run.with_stage("train", epoch=3)


def test_the_run_has_the_pages_stages_and_the_demos_size(page):
    run = page(True).live.run(LABEL)
    own = next(r for r in papers.grid("compressing", "small") if f"{r.model}-{r.method}" == LABEL)
    demo = next(r for r in papers.grid("compressing", "demo") if f"{r.model}-{r.method}" == LABEL)
    assert run.steps == own.steps and run.steps != demo.steps
    assert (run.dataset, run.width, run.needs) == ("digits", demo.width, demo.needs)
    with pytest.raises(UserError, match="run of compressing"):
        page(True).live.run("cnn-16-32-distilled")


def test_the_table_of_stages_is_made_of_the_stages(page):
    shown = page(True).live
    run = shown.run(LABEL)
    table = shown.stages(run)
    assert table.cells.loc["train", "epochs"] == run.stages[0].epochs
    assert "temperature=10.0" in table.cells.loc["train", "more"]
    other = shown.stages(run.with_stage("train", temperature=2.0, epochs=7))
    assert other.cells.loc["train", "epochs"] == 7 and "temperature=2.0" in other.cells.loc["train", "more"]


def test_nothing_is_trained_in_a_build_without_the_parents(page):
    shown = page(False).live
    run = shown.run(LABEL)
    assert "Not run here" in shown.compare(run).text
    assert shown.trained == {}


def test_both_are_trained_once_and_drawn(page, monkeypatch):
    parent = papers.grid("compressing", "demo")[0]
    shown = page(True).live
    run = shown.run(LABEL).with_stage("train", epochs=2)
    quick = parent.with_stage("train", epochs=1)
    run = replace(run, needs=(("teacher", quick),))
    changed = run.with_stage("train", epochs=3, temperature=2.0)
    drawn = shown.compare(run, changed)
    assert isinstance(drawn, Figure)
    assert "as it is" in drawn.words.caption and "train: epochs=3, temperature=2.0" in drawn.words.caption
    assert sorted(shown.trained) == sorted({quick.fingerprint, run.fingerprint, changed.fingerprint})
    assert [len(shown.trained[r.fingerprint]["history"]) for r in (run, changed)] == [2, 3]
    monkeypatch.setattr("netpress.runs.perform.perform", lambda *_, **__: pytest.fail("trained twice"))
    assert "Nothing was changed" not in shown.compare(changed, run).words.caption
    assert "Nothing was changed" in shown.compare(run, run.with_stage("train", epochs=2)).words.caption


def test_too_many_epochs_are_refused_before_any_work(page):
    shown = page(True).live
    with pytest.raises(UserError, match="More than"):
        shown.compare(shown.run(LABEL).with_stage("train", epochs=live.MOST_EPOCHS + 1))

"""Change it: a run of a page with a stage changed, trained live on digits."""

import dataclasses
from dataclasses import replace

import invented
import pytest

from netpress import papers
from netpress.book import Page, live
from netpress.errors import UserError
from netpress.report.figures import Figure
from netpress.runs import records

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


def test_the_run_is_the_demos(page):
    run = page(True).live.run(LABEL)
    demo = next(r for r in papers.grid("compressing", "demo") if f"{r.model}-{r.method}" == LABEL)
    assert run.fingerprint == demo.fingerprint
    with pytest.raises(UserError, match="run of this paper"):
        page(True).live.run("cnn-16-32-distilled")


def test_the_table_of_stages_is_made_of_the_stages(page):
    shown = page(True).live
    run = shown.run(LABEL)
    table = shown.stages(run)
    assert table.cells.loc["train", "epochs"] == run.stages[0].epochs
    assert "temperature=10.0" in table.cells.loc["train", "more"]
    other = shown.stages(run.with_stage("train", temperature=2.0, epochs=7))
    assert other.cells.loc["train", "epochs"] == 7 and "temperature=2.0" in other.cells.loc["train", "more"]


def test_nothing_is_trained_in_a_build(page, monkeypatch):
    monkeypatch.setattr("netpress.runs.perform.perform", lambda *_, **__: pytest.fail("trained"))
    shown = page(False).live
    run = shown.run(LABEL)
    assert "Not run here" in shown.compare(run).text and shown.found == {}


def test_a_build_draws_what_the_demo_has_under_whatever_name(page, monkeypatch, tmp_path):
    for run in papers.grid("compressing", "demo"):
        records.write(run, "demo", invented.content(run, 0.9), tmp_path / "results")
    monkeypatch.setattr("netpress.runs.perform.perform", lambda *_, **__: pytest.fail("trained"))
    shown = page(False).live
    run = shown.run(LABEL)
    of_it = (r for r in shown.runs.values() if (r.model, r.needs) == (run.model, run.needs))
    other = next(r for r in of_it if r.steps != run.steps)
    fields = [f.name for f in dataclasses.fields(run.stages[0]) if f.name != "name"]
    same = run.with_stage("train", **{name: getattr(other.stages[0], name) for name in fields})
    assert same.fingerprint != other.fingerprint and "89.7, " not in shown.compare(run, same).words.caption
    assert shown.found[same.fingerprint]["name"] == other.name
    assert "Not run here" in shown.compare(run, same, seeds=(7,)).text


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
    assert sorted(shown.found) == sorted({quick.fingerprint, run.fingerprint, changed.fingerprint})
    assert [len(shown.found[r.fingerprint]["history"]) for r in (run, changed)] == [2, 3]
    monkeypatch.setattr("netpress.runs.perform.perform", lambda *_, **__: pytest.fail("trained twice"))
    assert "Nothing was changed" not in shown.compare(changed, run).words.caption
    assert "Nothing was changed" in shown.compare(run, run.with_stage("train", epochs=2)).words.caption


def test_too_many_epochs_are_refused_before_any_work(page):
    shown = page(True).live
    with pytest.raises(UserError, match="More than"):
        shown.compare(shown.run(LABEL).with_stage("train", epochs=live.MOST_EPOCHS + 1))

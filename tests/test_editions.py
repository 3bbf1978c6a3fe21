"""Editions: one table, typed; every spelling of the same changes is one; a change that does nothing is refused."""

import subprocess
import sys

import pytest
import sweeps

from netpress import editions, env, papers
from netpress.book.page import Page
from netpress.errors import UserError
from netpress.runs import records

SPELLINGS = ("demo+width=0.02+epochs=1", "demo+epochs=1+width=2e-2", "demo+epochs=01+width=.02")


@pytest.mark.parametrize("paper", papers.PAPERS)
@pytest.mark.parametrize("edition", editions.EDITIONS)
def test_every_row_of_the_table_is_a_setting_of_its_paper(edition, paper):
    chosen = editions.settings(edition, paper)
    rows = {name.removeprefix(f"{paper}.") for name in editions.ROWS if name.startswith(f"{paper}.") or "." not in name}
    assert vars(chosen).keys() == rows
    column = editions.EDITIONS.index(edition)
    for name in rows:
        row = editions.ROWS.get(f"{paper}.{name}") or editions.ROWS[name]
        assert getattr(chosen, name) == row[column]


def test_every_spelling_is_one_edition_and_one_folder(tmp_path):
    assert {editions.proper(name) for name in SPELLINGS} == {"demo+epochs=1+width=0.02"}
    grids = [papers.grid("triage", name) for name in SPELLINGS]
    places = {records.path_of(runs[0], name, tmp_path) for runs, name in zip(grids, SPELLINGS, strict=True)}
    assert places == {tmp_path / "demo+epochs=1+width=0.02" / "triage" / "digits" / "vgg16-parent-s0.json"}
    assert grids[0] == grids[1] == grids[2]


def test_folders_of_committed_records_are_named_properly():
    folder = env.root() / "results"
    named = [path.name for path in folder.glob("*+*")]
    assert named and [editions.proper(name) for name in named] == named


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("triage", "--set", "retrain_epochs=2"), "retrain_epochs=2"),
        (("triage", "--set", "epochs=1", "--set", "tune_rate=0.5"), "tune_rate=0.5"),
        (("triage", "--set", "retrain_epochs=2", "--only", "*parent*"), "retrain_epochs=2"),
        (("pyramid", "--set", "timed_images=4"), "timed_images=4"),
        (("triage", "--set", "seeds=2", "--seeds", "0"), "seeds=2"),
    ],
)
def test_a_setting_that_does_nothing_is_refused_before_anything_runs(tmp_path, words, said):
    command = [sys.executable, "-m", "netpress.cli", "run", *words, "--results", str(tmp_path / "results")]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 2 and not (tmp_path / "results").exists()
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"netpress: The setting {said} changes no run of {words[0]}: leave it out")


def test_a_setting_that_other_runs_of_the_paper_need_is_taken(tmp_path):
    """One command does the parents, the next one the rest: they are one edition."""
    settings = ("images=96", "epochs=1", "parent_epochs=1", "width=0.02")
    changes = [word for setting in settings for word in ("--set", setting)]
    done = sweeps.command(tmp_path, "run", "triage", *changes, "--only", "*parent*", "--workers", "1")
    assert done.returncode == 0 and "1 done now" in done.stderr, done.stderr


def test_a_page_that_trains_refuses_it_too(monkeypatch):
    monkeypatch.setattr("netpress.runs.sweep.ensure", lambda *_: pytest.fail("work was begun"))
    with pytest.raises(UserError, match="retrain_epochs=2 changes no run of triage"):
        Page(chapter="triage/accuracy", edition="demo+retrain_epochs=2").records()


@pytest.mark.parametrize(
    ("paper", "edition"),
    [
        ("triage", "demo+epochs=1+imitation_epochs=2+judged_on=validation+parent_schedule=three-phase+width=0.02"),
        ("triage", "small+images=all"),
        ("triage", "demo+weights=pretrained"),
        ("pyramid", "demo+px=64+seeds=2"),
        ("compressing", "demo+distilled_epochs=3+tune_epochs=1"),
    ],
)
def test_settings_that_matter_are_taken(paper, edition):
    papers.check_changes(edition, lambda other: papers.grid(paper, other))


def test_a_value_that_is_the_editions_own_is_no_mistake():
    """Its records have a folder of their own, as of every exploration."""
    edition = f"demo+epochs={editions.settings('demo', 'triage').epochs}"
    papers.check_changes(edition, lambda other: papers.grid("triage", other))


def test_what_nobody_knows_is_refused_with_the_nearest():
    for call in (lambda: editions.proper("demo+epoch=2"), lambda: editions.settings("demo", "triag")):
        with pytest.raises(UserError, match=r"did you mean '(epochs|triage)'"):
            call()

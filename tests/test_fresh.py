"""Fresh seeds: they take the data set in, and everything that decides was written down before the first of them ran."""

import subprocess
from datetime import datetime

import books
import pytest

from netpress import editions, papers
from netpress.runs import records
from netpress.seeds import seed_of, seed_of_run


def test_the_pilot_began_alike_on_all_data_sets_and_fresh_seeds_do_not():
    for seed in (0, 1, 2):
        assert seed_of_run("mnist", seed, "network") == seed_of(seed, "network")
        assert seed_of_run("cifar10", seed, "network") == seed_of(seed, "network")
    assert seed_of_run("mnist", 3, "network") != seed_of_run("cifar10", 3, "network")
    assert seed_of_run("mnist", 3, "network") != seed_of(3, "network")


def test_an_exploration_has_no_fresh_seeds():
    assert editions.seeds("small", "triage", "cifar10") == (0, 1, 2, *range(3, 7), *range(9, 14))
    assert editions.seeds("small+epochs=2", "triage", "cifar10") == (0, 1, 2)
    for edition in ("large", "large+epochs=2"):  # nothing of it was seen when the rules were made
        assert editions.seeds(edition, "triage", "cifar10") == tuple(range(9, 15))
    assert editions.seeds("demo", "triage", "digits") == (0,)


@pytest.mark.parametrize("paper", papers.PAPERS)
def test_claims_are_judged_on_fresh_seeds_alone(paper):
    """Until all of them are there the pilot's are, and that is provisional."""
    runs, provisional = papers.judged(paper, "small", books.ROOT / "results")
    whole = len(papers.shown(paper, "small", books.ROOT / "results")) == len(papers.grid(paper, "small"))
    assert provisional is not whole and {run.seed >= editions.FRESH for run in runs} == {whole}
    runs, provisional = papers.judged(paper, "demo")
    assert {run.seed for run in runs} == {0} and not provisional


def test_nobody_looks_at_fresh_seeds_before_the_last_one_is_there(invent):
    everything = invent("small", ("triage",))
    assert papers.shown("triage", "small") == tuple(everything)
    records.path_of(everything[-1], "small").unlink()
    assert {run.seed for run in papers.shown("triage", "small")} == set(range(9))


def written_down() -> datetime:
    """When the rules in force and the numbers of seeds were committed."""
    from netpress.report.claims import RULES_OF

    command = ["git", "log", "--format=%cI", "-S", f'RULES_OF = "{RULES_OF}"', "--", "src/netpress/report/claims.py"]
    try:
        found = subprocess.run(command, cwd=books.ROOT, capture_output=True, text=True, check=True).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        found = []
    if not found:
        pytest.skip("the history of the project is not here: the date of the rules cannot be read")
    return datetime.fromisoformat(found[-1])


def test_the_rules_are_older_than_every_fresh_record():
    fresh = [
        (run.name, record["made"]["time"])
        for paper in papers.PAPERS
        for run, record in records.fresh(papers.grid(paper, "small"), "small", books.ROOT / "results").items()
        if run.seed >= editions.FRESH
    ]
    before = written_down()
    early = [name for name, time in fresh if datetime.fromisoformat(time) < before]
    assert not early

"""Fresh seeds: they take the data set in, and everything that decides was written down before the first of them ran."""

import re
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
    assert editions.seeds("small", "triage", "cifar10") == (0, 1, 2, *range(3, 7), *range(9, 17))
    assert editions.seeds("small+epochs=2", "triage", "cifar10") == (0, 1, 2)
    for edition in ("large", "large+epochs=2"):  # nothing of it was seen when the rules were made
        assert editions.seeds(edition, "triage", "cifar10") == tuple(range(9, 15))
    assert editions.seeds("demo", "triage", "digits") == (0,)


@pytest.mark.parametrize("paper", papers.PAPERS)
def test_claims_are_judged_on_fresh_seeds_alone(paper):
    assert {run.seed >= editions.FRESH for run in papers.judged(paper, "small")} == {True}
    assert {run.seed for run in papers.judged(paper, "demo")} == {0}


def test_nobody_looks_at_fresh_seeds_before_the_last_one_is_there(invent):
    everything = invent("small", ("triage",))
    assert papers.shown("triage", "small") == tuple(everything)
    records.path_of(everything[-1], "small").unlink()
    assert {run.seed for run in papers.shown("triage", "small")} == {0, 1, 2}


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
        for run, record in records.fresh(papers.judged(paper, "small"), "small", books.ROOT / "results").items()
    ]
    before = written_down()
    early = [name for name, time in fresh if datetime.fromisoformat(time) < before]
    assert not early


@pytest.mark.parametrize("paper", papers.PAPERS)
def test_every_verdict_of_the_pilot_is_about_claims_of_today(paper):
    found = papers.pilot_verdicts(paper, "small", books.ROOT / "results")
    assert set(found) <= {claim.id for claim in papers.get(paper).claims}
    assert {"triage": 10, "pyramid": 9, "compressing": 6}[paper] == len(found)
    assert all(verdict["n"] in (3, 5, "exact") for verdict in found.values())


# how the sentences of the pilot's record say from where to where a claim holds
SIDES = {
    r"(?:supported if|is) more than (-?[\d.]*\d)": lambda number: (number, None),
    r"(?:supported if|is) less than (-?[\d.]*\d)": lambda number: (None, number),
    r"differ by less than ([\d.]*\d)": lambda number: (-number, number),
    r"at least ([\d.]*\d)": lambda number: (number, None),
    r"is above (0)": lambda number: (number, None),
}


@pytest.mark.parametrize("paper", papers.PAPERS)
def test_what_a_claim_has_of_its_pilot_is_what_the_record_says(paper):
    found = papers.pilot_verdicts(paper, "small", books.ROOT / "results")
    claims = {claim.id: claim for claim in papers.get(paper).claims}
    assert set(found) == {name for name, claim in claims.items() if claim.pilot}
    for name, old in found.items():
        part = claims[name].pilot.decided_by
        named = re.findall(r"(?:weakest|widest) of \d+(?: pairs)?: ([^;]+)", old["note"])
        facts = [fact for fact in (*part.places, *part.pair, part.against) if fact]
        assert bool(named) == bool(part.text), name
        assert all(plain(fact) in plain(", ".join(named)) for fact in facts), name
        rule = old["rule"][max(0, old["rule"].find(f"{named[0]}: ")) :] if named else old["rule"]
        sides = [(m.start(), side(float(m[1]))) for pattern, side in SIDES.items() if (m := re.search(pattern, rule))]
        assert claims[name].pilot.holds == min(sides)[1], name


def plain(name):
    """A name without what only style adds."""
    return name.lower().removeprefix("the ").replace("vgg16-", "").replace("-", " ")

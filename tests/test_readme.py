"""The results in README.md: what the committed records say, and what the section says of invented ones."""

import re

import books
import pytest

from netpress import papers
from netpress.book import readme
from netpress.errors import UserError


def test_the_readme_says_what_the_committed_records_say(monkeypatch):
    monkeypatch.setenv("NETPRESS_RESULTS", str(books.ROOT / "results"))
    monkeypatch.chdir(books.ROOT)
    text = (books.ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.written(text) == text, "run `python -m netpress.book.readme`"
    figure = books.ROOT / readme.FIGURE
    editions = readme.shown()
    assert figure.exists() == any(editions.values())
    if figure.exists():
        assert figure.read_text(encoding="utf-8") == readme.picture(editions), "run `python -m netpress.book.readme`"


def test_it_counts_verdicts_and_tells_a_finding_of_each_paper(invent):
    assert set(readme.shown().values()) == {""}
    invent("demo", ("triage",))
    assert readme.shown()["triage"] == ""  # made on the reader's machine
    invent("small", ("triage",))
    editions = readme.shown()
    assert editions == {"triage": "small", "pyramid": "", "compressing": ""}
    section = readme.section(editions)
    counts = re.search(r"\| Deep Net Triage \| small \| fresh seeds \|(.*)\|", section)[1]
    assert sum(int(count) for count in counts.split("|")) == 13
    assert "pilot" not in section  # no pilot's verdicts lie beside these records
    assert section.count("not run yet on real images") == 2
    assert re.search(r"4 fresh seeds; claim T\d+[ab]?; edition small", section)
    assert f"({readme.FIGURE})" in section
    drawn = readme.picture(editions)
    assert drawn.startswith("<svg") and "background:#ffffff" in drawn and drawn == readme.picture(editions)


def test_a_readme_without_marks_is_refused():
    with pytest.raises(UserError, match="lacks the marks"):
        readme.written("# netpress\n")


def test_every_claim_that_is_told_exists():
    for paper in map(papers.get, papers.PAPERS):
        assert set(paper.headline) <= {claim.id for claim in paper.claims}

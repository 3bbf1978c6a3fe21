"""What pages say: questions as titles, few numbers, no codes at the top, sentences that agree with the records."""

import json
import re

import books
import inprocess
import pytest

from netpress import papers
from netpress.book import pages, parameters
from netpress.book.page import Page
from netpress.report import sentences
from netpress.runs import records

CHAPTERS = books.ROOT / "chapters"
NOTEBOOKS = [parameters.chapter_of(path) for path in books.notebooks()]
FINDINGS = ["index", "triage/result", "pyramid/result", "compressing/result"]  # pages with sentences that state one
COMPUTED = [name for name in NOTEBOOKS if not name.startswith(("yours/", "appendix/"))]
TURNED = ("best", "last", "measures.agreement", "measures.filter_cosine")
MOST = 12  # numbers in 100 words
NUMBER = re.compile(r"(?<![\w.])[+−-]?\d[\d,.]*\d|(?<![\w.])\d")


@pytest.fixture
def committed(monkeypatch):
    """The committed records, and what pages say of them: (whether it holds, the sentence) of each finding."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(books.ROOT / "results"))
    monkeypatch.chdir(books.ROOT)
    monkeypatch.setattr("netpress.book.live.Live.compare", lambda *_, **__: None)  # what records say is meant here
    told: list[tuple[bool, str]] = []
    plain = sentences.found

    def found(holds: object, sentence: str, otherwise: str = sentences.OPEN) -> str:
        told.append((bool(holds), sentence))
        return plain(holds, sentence, otherwise)

    monkeypatch.setattr(sentences, "found", found)
    return told


def running_text(said: str) -> str:
    """Sentences alone: no tables, formulas, code, links, directives or headings."""
    text = re.sub(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|\{[\w:-]+\}|\]\([^)]*\)", " ", said, flags=re.DOTALL)
    kept = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", ":", "("))]
    return "\n".join(kept)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chapter", COMPUTED)
def test_a_page_has_few_numbers_and_findings_that_hold_for_the_committed_records_alone(chapter, committed, monkeypatch):
    """At most twelve numbers in a hundred words. With all records turned round no finding is told."""
    monkeypatch.setattr("netpress.report.theme.Panel.svg", lambda *_: "")
    page = inprocess.run(CHAPTERS / f"{chapter}.ipynb", run_missing=False)
    text = running_text("\n\n".join(said for place, said in page.items() if place.startswith(("prose", "said"))))
    words, numbers = len(text.split()), len(NUMBER.findall(text))
    assert numbers <= MOST * max(words, 100) / 100, f"{numbers} numbers in {words} words"
    assert not [sentence for holds, sentence in committed if not holds]
    if not committed:
        assert chapter not in FINDINGS
        return
    committed.clear()
    frame = records.frame

    def turned(*args, **kwargs):
        rows = frame(*args, **kwargs)
        return rows.assign(**{name: 1 - rows[name].astype("float64") for name in TURNED if name in rows})

    monkeypatch.setattr(records, "frame", turned)
    inprocess.run(CHAPTERS / f"{chapter}.ipynb", run_missing=False)
    assert committed and not [sentence for holds, sentence in committed if holds]


def test_numbers_are_counted():
    text = running_text("# Title 7\nIn 900 networks it costs 2.1 ± 0.2 points (`3.1`, $x = 4$).\n\n| 1 | 2 |\n")
    assert NUMBER.findall(text) == ["900", "2.1", "0.2"]


@pytest.mark.parametrize("chapter", NOTEBOOKS)
def test_a_page_opens_with_a_question_and_without_codes(chapter):
    cells = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))["cells"]
    first = "".join(cells[0]["source"])
    title = re.search(r"^# (.*)$", first, re.MULTILINE)[1]
    assert title.endswith("?") or chapter == "together/explorer"
    top = "".join("".join(cell["source"]) for cell in cells[:5] if cell["cell_type"] == "markdown")
    assert not re.search(r"\b[TPK]\d+[ab]?\b", top)


def test_the_board_has_a_row_for_every_claim_and_leads_to_what_it_rests_on(committed):
    page = Page(chapter="together/claims", edition="small", run_missing=False)
    every = [claim.id for paper in papers.PAPERS for claim in papers.get(paper).claims]
    html = pages.board(page, every, facts=True).html
    assert all(html.count(f'id="claim-{name}"') == 1 for name in every)
    assert set(pages.CENTRAL) <= set(every)
    for paper in papers.PAPERS:
        known = pages.evidence(paper)
        missing = {name for claim in papers.get(paper).claims for name in claim.rests_on} - {*known}
        assert not missing, f"{paper}: no page shows {missing}"
    assert (
        'href="#claim-T1"' not in html
        and '"together/claims.html#claim-T1"'
        in pages.board(Page(chapter="index", edition="small", run_missing=False), ["T1"]).html
    )


def test_verdicts_are_told_with_scale_and_extent():
    from types import SimpleNamespace

    def said(verdict, cells=None):
        return sentences.held(SimpleNamespace(verdict=verdict, cells=cells))

    assert said("supported") == "held here" and said("contradicted", (0, 4)) == "did not hold here"
    assert (
        said("contradicted", (7, 10)) == "held in 7 of 10 cells"
        and said("contradicted", (2, 10)) == "did not hold here"
    )
    assert said("supported", (27, 36)) == "held on average, in 27 of 36 cells"
    assert said("cannot be tested") == "cannot be tested at this scale" and sentences.held(None) == "not run yet"

"""What the pages say: numbers come from records and nowhere else, wrong parameters are refused, claims are linked."""

import json
import random
import re
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import books
import inprocess
import invented
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as some
from typer.testing import CliRunner

from netpress import book, cli, editions, papers
from netpress.book import pages, parameters
from netpress.book.page import Page, duration
from netpress.errors import UserError
from netpress.papers import speed
from netpress.runs import records, timing

CHAPTERS = books.ROOT / "chapters"
FOUND = books.notebooks()
OF_PAPERS = [path for path in FOUND if path.parent.name != "yours"]  # the others show a network of the reader's
NAMES = [parameters.chapter_of(path) for path in FOUND]
every_chapter = pytest.mark.parametrize("path", FOUND, ids=NAMES)
SHIFT = 0.00041  # added to an accuracy: another number to two decimals, and nothing that a chart leaves out


@contextmanager
def invented_records(folder, *names):
    """Invented records of some editions of every paper, with times; gives their runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETPRESS_RESULTS", str(folder))
        patch.chdir(books.ROOT)
        patch.setattr("netpress.book.live.Live.find", lambda self, runs: None)  # what records say is meant here
        runs = [run for edition in names for run in invented.fill(folder, edition)]
        for edition in names:
            for paper in papers.PAPERS:
                invented.latencies(paper, edition, folder)
        yield runs


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("invented")
    with invented_records(folder, "demo") as runs:
        yield folder, runs


def shown() -> dict[tuple[str, str], str]:
    """Everything that the book shows of the demo edition, by chapter and place."""
    said = {"edition": "demo", "run_missing": False}
    pages = {parameters.chapter_of(path): inprocess.run(path, **said) for path in OF_PAPERS}
    return {(chapter, place): text for chapter, page in pages.items() for place, text in page.items()}


def per_cent(value: float) -> str:
    return f"{100 * value:.2f}"


def occurrences(pages: dict[tuple[str, str], str], number: str) -> dict[tuple[str, str], int]:
    """Where a number stands, as a number of its own, and how often."""
    whole = re.compile(rf"(?<![\d.]){re.escape(number)}(?![\d])")
    counts = {place: len(whole.findall(text)) for place, text in pages.items()}
    return {place: count for place, count in counts.items() if count}


@pytest.mark.timeout(900)
@pytest.mark.xdist_group("content")
def test_ten_changed_records_change_every_place_that_shows_them(results):
    folder, runs = results
    before = shown()
    held = {run: records.read(records.path_of(run, "demo", folder)) for run in runs}
    every = [per_cent(record[kind]) for record in held.values() for kind in ("best", "last")]
    pairs = {run: (per_cent(record["best"]), per_cent(record["best"] + SHIFT)) for run, record in held.items()}
    clear = [  # numbers that no other record has, and that read the same in a table and as JSON
        run
        for run, (old, new) in pairs.items()
        if every.count(old) == 1 and new not in every and not old.endswith("0") and not new.endswith("0")
    ]
    chosen = clear[:: len(clear) // 10][:10]
    assert len(chosen) == 10 and {run.paper for run in chosen} == set(papers.PAPERS)
    for run in chosen:
        records.write(run, "demo", invented.content(run, held[run]["best"] + SHIFT), folder)
    after = shown()
    for run in chosen:
        old, new = pairs[run]
        where = occurrences(before, old)
        assert ("together/explorer", "output explorer") in where, run.name
        assert not occurrences(after, old), f"{run.name}: {old} is still shown"
        found = occurrences(after, new)
        assert {place: found.get(place) for place in where} == where, run.name


@pytest.mark.timeout(900)
@pytest.mark.xdist_group("content")
@pytest.mark.parametrize(("edition", "every"), [("demo", 7), ("small", 500)])
def test_pages_say_what_is_not_there_yet(edition, every, tmp_path, monkeypatch):
    """A sweep is under way: few records, of any kind."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    monkeypatch.chdir(books.ROOT)
    for paper in papers.PAPERS:
        runs = papers.grid(paper, edition)
        for number, run in enumerate(runs[::every]):
            records.write(run, edition, invented.content(run, invented.accuracy(number, len(runs))), tmp_path)
    for path in OF_PAPERS:
        page = inprocess.run(path, edition=edition, run_missing=False)
        assert any("Made with" in text for text in page.values()), path


# numbers in prose


NOT_PROSE = re.compile(
    r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|\{[\w:-]+\}`[^`]*`|`[^`]*`|\]\([^)]*\)|[Ss]ections? \d+\.\d+", re.DOTALL
)
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)")


def bare_decimals(text: str) -> list[str]:
    """Decimals that are typed into prose; what a paper prints is quoted as `code`."""
    return DECIMAL.findall(NOT_PROSE.sub("", text))


@every_chapter
def test_no_number_is_typed_into_results(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    assert not bare_decimals(text), "take it from a record, or quote the paper as `code`"


def test_typed_numbers_are_found():
    assert bare_decimals("# Results\nIt reaches 98.6 %.") == ["98.6"]
    assert not bare_decimals("Section 3.1 prints `72.9`; $x = 0.5$ and ({ref}`x 1.5 <y>`).")


# parameters


lists = some.lists(some.one_of(some.text(), some.integers()))
anything = some.one_of(some.none(), some.booleans(), some.integers(), some.floats(), some.text(), lists)
names = some.one_of(some.sampled_from(["edition", "dataset", "seeds", "run_missing", "seed", "Edition"]), some.text())


@every_chapter
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=names, value=anything)
def test_wrong_parameters_are_refused_by_name(path, name, value):
    known = parameters.defaults(path)
    assume(name not in known or type(value) is not type(known[name]) or value not in right_values(path)[name])
    try:
        book.check_parameters(path, {name: value})
    except UserError as error:
        assert repr(name) in str(error) or name in str(error)
    else:
        assert name in known and type(value) is type(known[name]) and name == "seeds"


@cache
def right_values(path: Path) -> dict[str, list]:
    """Some values that each parameter of a chapter takes."""
    shows = parameters.papers_of(parameters.chapter_of(path))
    datasets = [d for paper in shows if paper in papers.PAPERS for d in editions.settings("small", paper).datasets]
    right = {
        "edition": [*editions.EDITIONS, "demo+batch=32", "small+batch=32+images=500"],
        "dataset": ["all", *dict.fromkeys(datasets)],
        "seeds": [[], [0], [2, 0], [99]],
        "run_missing": [True, False],
    }
    others = {name: [value] for name, value in parameters.defaults(path).items() if name not in right}
    return {name: (right | others)[name] for name in parameters.defaults(path)}


@every_chapter
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=some.data())
def test_right_parameters_are_accepted(path, data):
    chosen = {name: data.draw(some.sampled_from(values), name) for name, values in right_values(path).items()}
    if chosen.get("dataset", "all") != "all":
        chosen["edition"] = "small"
    page = book.check_parameters(path, chosen)
    assert {name: getattr(page, name) for name in chosen} == chosen
    assert chosen["edition"] in page.command()


# what pages end with


def test_pages_and_the_table_of_cost_count_the_same_time(results):
    """Where a page shows all runs that have a record: each invented one took 3.5 seconds."""
    cells = pages.table_cost().cells
    assert len(cells) == len(papers.PAPERS)
    for paper in papers.PAPERS:
        shown = Page(chapter=f"{paper}/result", edition="demo", run_missing=False)
        time = duration(3.5 * len(shown.runs))
        assert f"Cost: {time} for the runs above" in shown.made_with().text
        assert list(cells.loc[cells["paper"] == paper, "time"]) == [time]


def test_results_say_that_they_are_the_pilots_until_the_fresh_seeds_are_there(invent):
    runs = invent("small", ("compressing",))
    words = ["results", "compressing", "--edition", "small", "--format", "csv"]
    whole = CliRunner().invoke(cli.app, words)
    assert not whole.stderr and len(whole.stdout.splitlines()) == 1 + len(runs)
    assert runs[-1].seed >= editions.FRESH
    records.path_of(runs[-1], "small").unlink()
    pilot = CliRunner().invoke(cli.app, words)
    assert "shown once all of them are done" in pilot.stderr
    assert len(pilot.stdout.splitlines()) == 1 + sum(run.seed < editions.FRESH for run in runs)


def test_the_best_complete_edition_is_chosen(invent):
    assert parameters.best("triage") == "demo"
    runs = invent("small", ("triage",))
    assert parameters.best("triage") == "small" and parameters.best("pyramid") == "demo"
    records.path_of(runs[7], "small").unlink()
    assert parameters.best("triage") == "demo"


def test_times_are_measured_once(tmp_path, monkeypatch):
    monkeypatch.setattr(speed, "IMAGES", 1)
    monkeypatch.setattr(timing, "PASSES", 2)
    speed.ensure_latencies({"triage": "demo"}, "digits", tmp_path)
    times = speed.latencies("triage", "demo", tmp_path)
    assert {key[0] for key in times} == {"vgg16", *(f"vgg16-block{i}" for i in range(1, 6))}
    assert all(0 < milliseconds < 10_000 for milliseconds in times.values())
    monkeypatch.setattr(timing, "in_turns", pytest.fail)
    speed.ensure_latencies({"triage": "demo"}, "digits", tmp_path)


# all parameters; last, since its records are there until the end of the module


@pytest.fixture(scope="module")
def both_editions(tmp_path_factory):
    with invented_records(tmp_path_factory.mktemp("both"), "demo", "small"):
        yield


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("path", OF_PAPERS, ids=lambda path: parameters.chapter_of(path))
def test_right_parameters_make_pages_without_a_warning(path, both_editions):
    chance = random.Random(str(path.relative_to(CHAPTERS)))
    for _ in range(20):
        chosen = {name: chance.choice(values) for name, values in right_values(path).items()}
        chosen |= {"edition": "small" if chosen.get("dataset", "all") != "all" else chance.choice(["demo", "small"])}
        if "seeds" in chosen:  # of those that have records
            chosen["seeds"] = chance.choice([[], [0], *([[2, 0], [1]] if chosen["edition"] == "small" else [])])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            page = inprocess.run(path, **chosen | {"run_missing": False})
        assert page, chosen

"""What pages open with is made from records: a changed record changes the sentences, and what lacks is not told."""

import json
from dataclasses import replace

import books
import invented
import pytest

import netpress
from netpress import book, data, editions, papers, paths
from netpress.atomic import write_atomic
from netpress.book import forest, opening, parameters, site
from netpress.book.page import Page
from netpress.book.scoreboard import Scoreboard
from netpress.report import kept, sentences
from netpress.report.boards import spoken
from netpress.report.claims import NOT_RUN
from netpress.report.estimates import interval
from netpress.report.findings import BY_PILOT, finding
from netpress.runs import records
from netpress.runs.run import Run

CHAPTERS = {parameters.chapter_of(path): path for path in parameters.notebooks_in(books.ROOT / "chapters")}
OPEN = [name for name in CHAPTERS if name not in ("index", "yours/shrink")]  # these open in their own way


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Invented records of the demo, in a folder of their own."""
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    monkeypatch.chdir(books.ROOT)
    invented.fill(tmp_path, "demo")
    for paper in papers.PAPERS:
        invented.latencies(paper, "demo", tmp_path)
    return tmp_path


def page(chapter: str, edition: str = "demo") -> Page:
    """A chapter's page as its notebook makes it, training nothing."""
    known = parameters.defaults(CHAPTERS[chapter])
    given = {"edition": edition if known["edition"] != "best" else "best", "run_missing": False}
    return book.check_parameters(CHAPTERS[chapter], given)


def said(chapter: str) -> str:
    return " ".join(opening.sentences(page(chapter)))


def named(part: str) -> Run:
    """The first run of the demo with these words in its label."""
    return next(r for paper in papers.PAPERS for r in papers.grid(paper, "demo") if part in r.label)


@pytest.mark.parametrize("chapter", OPEN)
def test_every_page_opens_with_the_box(chapter):
    cells = json.loads(CHAPTERS[chapter].read_text(encoding="utf-8"))["cells"]
    title, parameters_cell, page_cell = cells[:3]
    assert "".join(title["source"]).count("\n") == 1  # a label, and the title
    assert parameters_cell["id"] == "parameters" and page_cell["id"] == "page"
    assert page_cell["source"][-1] == "book.in_short(page)" and "remove-input" in page_cell["metadata"]["tags"]


def test_made_with_is_said_once_a_page():
    for path in CHAPTERS.values():
        assert "# Made with" not in path.read_text(encoding="utf-8"), path


CHANGES = {
    "triage/accuracy": ("vgg16-block1-random-frozen", {"best": 0.1}),
    "triage/convergence": ("vgg16-block2-mean-thawed", {"epochs_to_99": editions.settings("demo", "triage").epochs}),
    "triage/filters": ("vgg16-block2-student-teacher-frozen", {"measures": {"filter_cosine": 0.9, "cka": 0.1}}),
    "triage/idea": ("vgg16-block1-random-frozen", {"parameters": 10, "multiply_adds": 10}),
    "pyramid/accuracy": ("svgg5-backward-two-stages", {"best": 0.1}),
    "pyramid/idea": ("svgg5-backward-two-stages", {"best": 0.1}),
    "compressing/distillation": ("cnn-16-32-alone", {"last": 0.1}),
    "compressing/pruning": ("vgg16-pruned-5x-global-retrained", {"last": 0.1}),
    "compressing/matching": ("matched-10x", {"last": 0.1}),
    "compressing/idea": ("cnn-16-32-alone", {"parameters": 10}),
    "together/shrink": ("vgg16-pruned-5x-global-retrained", {"last": 0.99999, "parameters": 10, "multiply_adds": 10}),
    "together/explorer": ("vgg16-block1-random-frozen", {"status": "failed"}),
    "index": ("vgg16-block1-random-thawed", {"best": 0.1}),
    "appendix/settings": ("vgg16-block1-random-thawed", {"made": invented.MADE | {"seconds": 1e6}}),
}
# pages of verdicts, in the edition small, where several seeds decide: one fresh run turns one
JUDGED = {
    "triage/verdicts": "triage/cifar10/vgg16-block5-random-thawed-s3",
    "pyramid/verdicts": "pyramid/cifar100/svgg5-backward-two-stages-s3",
    "compressing/verdicts": "compressing/cifar10/six-layer-pruned-5x-global-retrained-s3",
    "together/scoreboard": "triage/cifar10/vgg16-block5-random-thawed-s3",
}
# pages of what was measured: which record, and where in it the number is
MEASURED = {
    "pyramid/speed": ("demo/pyramid/speed.json", lambda held: held["networks"][0], {"seconds": [9.0] * 5}),
    "appendix/speed": ("bench/cpu/triage-grid.json", lambda held: held["bars"][0], {"measured": 7.7}),
    "appendix/sweeps": ("bench/cpu/sweep-scaling.json", lambda held: held["rows"][-1], {"speed_up": 77.0}),
    "appendix/rules": ("bench/cpu/rules.json", lambda held: held["bars"][0], {"measured": 0.09}),
}
COUNTED = {"pyramid/architectures", "appendix/data"}  # from the layers and the grid: no record has a part in it


def test_no_page_is_forgotten():
    assert {*OPEN, "index"} == {*CHANGES, *JUDGED, *MEASURED, *COUNTED}


@pytest.mark.parametrize("chapter", CHANGES)
def test_a_changed_record_changes_the_sentences(chapter, results):
    part, changes = CHANGES[chapter]
    run, before = named(part), said(chapter)
    assert before != opening.NOTHING_YET
    place = records.path_of(run, "demo", results)
    kept = {**records.read(place)}
    held = {**kept, **changes, "measures": kept["measures"] | changes.get("measures", {})}
    records.write(run, "demo", held, results)
    assert said(chapter) != before


@pytest.fixture(scope="module")
def several_seeds(tmp_path_factory):
    """Invented records of the edition small."""
    folder = tmp_path_factory.mktemp("small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETPRESS_RESULTS", str(folder))
        patch.chdir(books.ROOT)
        runs = {run.name: run for run in invented.fill(folder, "small")}
        yield folder, runs


@pytest.mark.parametrize("chapter", JUDGED)
def test_a_changed_record_changes_the_verdicts(chapter, several_seeds):
    folder, runs = several_seeds
    run = runs[JUDGED[chapter]]
    words = lambda: " ".join(opening.sentences(page(chapter, "small")))  # noqa: E731
    before, kept = words(), records.read(records.path_of(run, "small", folder))
    records.write(run, "small", {**kept, "best": 0.1, "last": 0.1}, folder)
    changed = words()
    records.write(run, "small", kept, folder)
    assert changed != before and words() == before


@pytest.mark.parametrize("chapter", MEASURED)
def test_a_changed_measurement_changes_the_sentences(chapter, results):
    name, part, changes = MEASURED[chapter]
    place, committed_one = results / name, books.ROOT / "results" / name
    if not place.exists():
        held = json.loads(committed_one.read_text(encoding="utf-8"))
        write_atomic(place, records.encode({k: v for k, v in held.items() if k != "sha256"}))
    before = said(chapter)
    held = {k: v for k, v in json.loads(place.read_text(encoding="utf-8")).items() if k != "sha256"}
    part(held).update(changes)
    write_atomic(place, records.encode(held))
    assert said(chapter) != before


@pytest.mark.parametrize("chapter", OPEN)
def test_pages_open_with_something_before_anything_was_run(chapter, tmp_path, monkeypatch):
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    monkeypatch.chdir(books.ROOT)
    for text in (opening.in_short(page(chapter)).html, said(chapter)):
        assert len(text) > 20 and "nan" not in text and "None" not in text


def test_single_runs_are_told_as_such_and_estimates_with_their_n(results):
    assert "one run" in said("pyramid/accuracy") and "±" not in said("pyramid/accuracy")
    one, three = interval([0.02]), interval([0.01, 0.02, 0.03])
    assert sentences.signed(one.times(100)) == "+2.0" and sentences.signed(three.times(100)) == "+2.0 ± 2.5"
    assert sentences.runs(one, three) == "n = 1 to 3" and sentences.runs(three) == "n = 3"
    assert sentences.span([one.times(100), three.times(-100 * -1)]) == "+2.0"
    assert sentences.span([interval([-4.3]), interval([2.6])]) == "−4.3 to +2.6"
    turned = sentences.minus(interval([1.0, 2.0, 3.0]))
    assert turned.mean == -2 and turned.low == pytest.approx(-4.48, abs=0.01)
    assert sentences.clear(interval([1.0, 1.1, 0.9])) and not sentences.clear(interval([1.0, -1.0, 0.2]))


def test_verdict_pages_name_every_claim_once(results):
    for paper in papers.PAPERS:
        text = said(f"{paper}/verdicts")
        words = text.replace("(", " ").replace(")", " ").replace(",", " ").replace(".", " ").split()
        assert {claim.id for claim in papers.get(paper).claims} == {
            w for w in words if w[0] in "TPK" and w[1:2].isdigit()
        }
        assert all(words.count(claim.id) == 1 for claim in papers.get(paper).claims)


def test_the_landing_page_opens_with_five_sentences(results):
    assert len(opening.sentences(page("index"))) == 5
    assert "digits in the place of every data set" in opening.scale(page("index"))


# the forest plot


def committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records that are committed are those that are read."""
    monkeypatch.chdir(books.ROOT)
    monkeypatch.setenv("NETPRESS_RESULTS", str(books.ROOT / "results"))


def of_small() -> Scoreboard:
    """The committed records: their pilot speaks as long as fresh seeds lack."""
    return Scoreboard(Page(chapter="index", edition="small", run_missing=False))


def test_the_forest_has_every_claim_once_and_leads_to_its_card(monkeypatch):
    committed(monkeypatch)
    board = of_small()
    html = board.forest().html
    ids = [claim.id for paper in papers.PAPERS for claim in papers.get(paper).claims]
    assert all(html.count(f'href="together/scoreboard.html#claim-{i}"') == 1 for i in ids)
    drawn = [f for f in board.findings if f.effect is not None]
    assert html.count('class="np-forest-dot"') == len(drawn) >= 24
    assert all(word in html for word in {f.verdict for f in drawn})


def test_strips_shade_where_a_claim_holds_and_point_beyond_their_end():
    axis = forest.Axis(-8.0, 8.0)
    assert axis.x(0) == forest.WIDE / 2 and axis.x(-20) == forest.EDGE and axis.x(20) == forest.WIDE - forest.EDGE
    assert f'x="{forest.WIDE / 2:.1f}"' in forest.shade((0.0, None), axis)
    assert forest.shade((None, None), axis) == "" and f'width="{axis.x(1.0):.1f}"' in forest.shade((None, 1.0), axis)


def test_a_fresh_verdict_takes_the_place_of_the_pilots(monkeypatch):
    committed(monkeypatch)
    (first, *_), pilot = papers.verdicts("triage", "small"), papers.pilot_verdicts("triage", "small")
    waiting = replace(first, verdict=NOT_RUN, result=replace(first.result, n=0, effect=None))
    for verdict, by in ((waiting, BY_PILOT), (first, "")):
        shown = finding(verdict, pilot[first.claim.id])
        assert shown.by == by and (pilot[first.claim.id]["verdict"] if by else first.verdict) in spoken(shown)
    assert first.verdict != pilot[first.claim.id]["verdict"]
    counted = next(v for v in papers.verdicts("pyramid", "small") if v.claim.id == "P6")
    known = papers.pilot_verdicts("pyramid", "small")["P6"]
    assert finding(counted, known).by == "" and finding(counted, known).by != BY_PILOT
    assert spoken(finding(counted, known)) == "contradicted (7.59 times fewer parameters; counted)"


def test_pilot_and_fresh_seeds_stand_side_by_side(monkeypatch):
    """Against the pilot's file as it is: each of its verdicts beside the claims it is about, a dash beside the new."""
    committed(monkeypatch)
    board = of_small()
    shown = board.by_edition().cells.astype(str)
    assert list(shown.columns)[-2:] == ["small, pilot", "small"]
    assert list(shown["small"]) == [verdict.verdict for verdict in board.all]
    rows = json.loads((books.ROOT / "results/small/claims/pilot.json").read_text())["verdicts"]
    said = {claim: row["verdict"] for row in rows for claim in row["claims"]}
    assert len(said) >= 24 and dict(shown["small, pilot"]) == {claim: said.get(claim, "–") for claim in shown.index}


def test_claims_are_judged_once_and_again_when_a_record_changes(invent, monkeypatch):
    runs = invent("demo", ("triage",))
    calls = []
    judge = papers.verdicts_on
    monkeypatch.setattr(papers, "verdicts_on", lambda *given: calls.append(1) or judge(*given))
    before = papers.verdicts("triage", "demo")
    assert [v.result for v in papers.verdicts("triage", "demo")] == [v.result for v in before] and len(calls) == 1
    path = records.path_of(runs[-1], "demo")
    path.write_bytes(records.encode(records.read(path) | {"best": 0.111}))
    assert [v.result for v in papers.verdicts("triage", "demo")] != [v.result for v in before] and len(calls) == 2


def test_another_process_need_not_judge_the_same_claims(invent, monkeypatch, tmp_path):
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    invent("demo", ("triage",))
    calls = []
    judge = papers.verdicts_on
    monkeypatch.setattr(papers, "verdicts_on", lambda *given: calls.append(1) or judge(*given))

    def anew():
        papers._judged_once.cache_clear()
        return papers.verdicts("triage", "demo")

    before = anew()
    assert anew() == before and len(calls) == 1
    assert [verdict.claim for verdict in anew()] == list(papers.get("triage").claims)
    (file,) = (paths.cache_dir() / "verdicts").iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-40], bytes([whole[0] ^ 1]) + whole[1:]):  # none of these is believed
        file.write_bytes(damaged)
        done = len(calls)
        assert anew() == before and len(calls) == done + 1
    monkeypatch.setattr(kept, "version", lambda _: "another version")
    done = len(calls)
    assert anew() == before and len(calls) == done + 1
    monkeypatch.setattr(netpress, "BEGAN", 0.0)  # the code was changed since: nobody knows which one runs here
    assert anew() == before and anew() == before and len(calls) == done + 3


def test_other_sources_of_data_make_what_is_kept_of_states_and_verdicts_old(invent, monkeypatch, tmp_path):
    """The publisher's files have another checksum than those of the data folder, which is a part of fingerprints."""
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path / "cache"))
    invent("demo", ("triage",))
    assert set(papers.states("triage", "demo").values()) == {"done"}
    assert {verdict.verdict for verdict in papers.verdicts("triage", "demo")} != {NOT_RUN}
    of_all = site.shared_by_pages()
    monkeypatch.setenv("NETPRESS_DATA", str(tmp_path))
    monkeypatch.setattr(data, "checksum", lambda dataset: "another source")
    assert set(papers.states("triage", "demo").values()) == {"stale"}
    assert {verdict.verdict for verdict in papers.verdicts("triage", "demo")} == {NOT_RUN}
    assert site.shared_by_pages() != of_all

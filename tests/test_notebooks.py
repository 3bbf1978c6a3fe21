"""Every chapter: its form as it is committed, and that it runs from top to bottom on the demo edition."""

import ast
import json
import re
import tokenize
from collections import Counter
from io import StringIO
from pathlib import Path

import books
import invented
import nbformat
import pytest
import yaml

import netpress
from netpress import editions, papers
from netpress.book import build, parameters

CHAPTERS = books.ROOT / "chapters"
FOUND = books.notebooks()
NAMES = [parameters.chapter_of(path) for path in FOUND]
SAMPLE = books.SAMPLE / "chapters" / "triage" / "sample.ipynb"
every_notebook = pytest.mark.parametrize("path", [*FOUND, SAMPLE], ids=[*NAMES, "sample"])

LABEL = re.compile(r"^(sec|fig|tab|eq)-[a-z0-9-]+$")
BY_FILE = re.compile(r"\]\((?!https?://|#)[^)]*\.(?:md|ipynb|html)|\{doc\}`")


def read(path: Path):
    return nbformat.read(path, as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


@every_notebook
def test_it_is_committed_without_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}
    for cell in code(notebook):
        assert not cell.outputs and cell.execution_count is None
        assert set(cell.metadata) <= {"tags", "mystnb"}


@every_notebook
def test_cells_have_lasting_and_different_names(path):
    names = [cell.id for cell in read(path).cells]
    assert len(set(names)) == len(names)
    assert not [name for name in names if re.fullmatch(r"[0-9a-f]{8}", name)], "give cells names that say what they do"


@every_notebook
def test_the_first_code_cell_holds_commented_typed_literals(path):
    first = code(read(path))[0]
    assert "parameters" in tags(first)
    values = parameters.literals(first.source)
    statements = ast.parse(first.source).body
    assert len(values) == len(statements) and all(isinstance(one, ast.AnnAssign) for one in statements)
    assert ... not in values.values()
    comments = [t for t in tokenize.generate_tokens(StringIO(first.source).readline) if t.type == tokenize.COMMENT]
    assert len(comments) == len(statements)
    assert {"edition", "run_missing"} <= set(values)


@every_notebook
def test_papermill_understands_the_parameters(path, caplog):
    from papermill import inspect_notebook

    found = {name: said["inferred_type_name"] for name, said in inspect_notebook(str(path)).items()}
    assert "Unable to parse" not in caplog.text
    assert set(found) == set(parameters.literals(code(read(path))[0].source)) and "None" not in found.values()


@every_notebook
def test_the_second_code_cell_checks_them(path):
    notebook = read(path)
    first, second = code(notebook)[:2]
    calls = [node for node in ast.walk(ast.parse(second.source)) if isinstance(node, ast.Call)]
    pages = [call for call in calls if ast.unparse(call.func).endswith("Page")]
    assert len(pages) == 1
    passed = {word.arg: word.value for word in pages[0].keywords}
    assert ast.literal_eval(passed.pop("chapter")) == parameters.chapter_of(path)
    assert set(passed) == set(parameters.literals(first.source))
    assert all(ast.unparse(value) == name for name, value in passed.items())


@every_notebook
def test_one_hidden_cell_sets_up_and_one_closes(path):
    cells = code(read(path))
    assert [cell.id for cell in (*cells[:2], cells[-1])] == ["parameters", "page", "made-with"]
    assert all("remove-input" in tags(cell) for cell in (*cells[:2], cells[-1]))
    assert cells[-1].source == "page.made_with()"


@every_notebook
def test_each_code_cell_is_under_a_screen_and_hidden_in_the_site(path):
    for cell in code(read(path)):
        assert len(cell.source.splitlines()) <= 30, cell.id
        assert {"hide-input", "remove-input", "remove-cell", "live"} & set(tags(cell)), cell.id


@every_notebook
def test_links_go_by_label(path):
    """The same notebook is rendered for other editions, in another folder."""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert not BY_FILE.search(cell.source), f"{cell.id}: link by label, not by file"


def test_labels_are_well_formed_and_unique_in_the_book():
    found = [label for path in FOUND for label in build.labels(read(path))]
    for path in CHAPTERS.rglob("*.md"):
        found += [first or second for first, second in build.DEFINED.findall(path.read_text(encoding="utf-8"))]
    assert not [label for label in found if not LABEL.match(label)]
    assert not [label for label, times in Counter(found).items() if times > 1]


def test_every_chapter_is_in_the_contents():
    listed = [name.removeprefix("chapters/") for name in build.pages_of(build.read_toc(books.ROOT))]
    assert set(NAMES) <= set(listed)
    assert all(list(CHAPTERS.glob(f"{name}.*")) for name in listed)


@pytest.fixture(scope="session")
def records_folder(tmp_path_factory):
    """Where all chapters of this session have their records."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETPRESS_RESULTS", str(folder / "results"))
        patch.setenv("NETPRESS_CACHE", str(folder / "cache"))
        yield folder / "results"


def one_epoch(chapter: str) -> str:
    """The demo edition with every stage of a chapter's papers cut to one epoch."""
    shown = parameters.papers_of(chapter)
    rows = [
        name.split(".") for name, row in editions.ROWS.items() if name.endswith("_epochs") or name.endswith(".epochs")
    ]
    rows = [(paper, name) for paper, name in rows if name != "settling_epochs"]  # of fresh seeds, which the demo lacks
    return editions.with_changes("demo", sorted({f"{name}=1" for paper, name in rows if paper in shown}))


def parameters_of(chapter: str, results: Path) -> dict[str, object]:
    """What a chapter is run with; one about all papers shows invented records, as each was trained with another's."""
    if len(parameters.papers_of(chapter)) < 2:
        return {"edition": one_epoch(chapter)}
    edition = one_epoch(chapter)
    if not (results / edition).exists():
        invented.fill(results, edition)
        for paper in papers.PAPERS:
            invented.latencies(paper, edition, results)
    return {"edition": edition, "run_missing": False}


QUICK = ("triage/result",)  # `make book` runs all of them, and test_content.py, without a kernel
MARKED = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("chapter", MARKED)
def test_it_runs_from_top_to_bottom(chapter, records_folder, tmp_path):
    known = parameters.defaults(CHAPTERS / f"{chapter}.ipynb")
    chosen = {name: value for name, value in parameters_of(chapter, records_folder).items() if name in known}
    build.run_all([build.Job(books.ROOT, chapter, tmp_path / "out.ipynb", chosen)])
    shown = read(tmp_path / "out.ipynb")
    assert all(cell.execution_count for cell in code(shown))
    assert not [output for cell in code(shown) for output in cell.outputs if output.output_type == "error"]
    assert any("Made with" in str(output) for cell in code(shown) for output in cell.outputs)


def test_old_addresses_lead_to_pages_that_are_there():
    moved = json.loads((books.ROOT / "_redirects.json").read_text(encoding="utf-8"))
    listed = {name.removeprefix("chapters/") for name in build.pages_of(build.read_toc(books.ROOT))}
    assert {new.partition("#")[0] for new in moved.values()} <= listed and not listed & set(moved)


def test_the_book_is_cited_as_citation_cff_says():
    cff = yaml.safe_load((books.ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    entry = (CHAPTERS / "appendix" / "references.md").read_text(encoding="utf-8")
    for value in (cff["title"], cff["authors"][0]["name"], cff["version"], netpress.__version__):
        assert f"{{{value}}}" in entry, value

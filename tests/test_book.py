"""The book's machinery: parameters, glued values, pages of further editions, the site and its checks."""

import base64
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import books
import invented
import nbformat
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from netpress import book, editions, papers
from netpress.book import build, glue, parameters, render
from netpress.errors import UserError
from netpress.runs import records

SAMPLE = books.SAMPLE / "chapters" / "triage" / "sample.ipynb"
GOOD = {"edition": "demo", "dataset": "digits", "seeds": [0], "run_missing": False}


def page(**changes):
    return book.Page(chapter="triage/sample", **(GOOD | changes))


# parameters


def test_good_parameters_make_a_page():
    made = page()
    assert (made.edition, made.dataset, made.seeds, made.run_missing) == ("demo", "digits", [0], False)
    assert len(made.runs) == 32
    assert {run.seed for run in page(seeds=[2, 5]).runs} == {2, 5}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("edition", "dmo", "demo"),
        ("edition", 3, "in quotes"),
        ("edition", "demo+epoch=2", "epochs"),
        ("edition", "demo+epochs=nan", "number"),
        ("dataset", "digit", "digits"),
        ("dataset", "cifar10", "digits"),
        ("dataset", None, "in quotes"),
        ("seeds", 0, "list"),
        ("seeds", "0,1", "list"),
        ("seeds", [0, 0], "once"),
        ("seeds", [-1], "whole number"),
        ("seeds", [1.0], "list"),
        ("seeds", [True], "list"),
        ("seeds", [math.nan], "list"),
        ("run_missing", "false", "True or False"),
        ("run_missing", 0, "True or False"),
    ],
)
def test_wrong_values_are_refused_and_named(name, value, said):
    with pytest.raises(UserError) as caught:
        page(**{name: value})
    told = str(caught.value)
    assert name in told and said in told and "\n" not in told


def test_unknown_names_are_refused_with_the_nearest_one():
    with pytest.raises(UserError, match=r"'edtion'.*'edition'"):
        page(edtion="demo")


def test_parameters_are_checked_before_a_kernel_starts():
    assert book.check_parameters(SAMPLE, {"edition": "small", "dataset": "mnist"}).dataset == "mnist"
    with pytest.raises(UserError, match=r"'sed'.*'seeds'"):
        book.check_parameters(SAMPLE, {"sed": [1]})
    with pytest.raises(UserError, match="edition"):
        book.check_parameters(SAMPLE, {"edition": "huge"})


anything = some.one_of(
    some.none(), some.booleans(), some.integers(), some.floats(), some.text(), some.lists(some.text())
)


@settings(max_examples=50, deadline=None)
@given(some.sampled_from(["edition", "dataset", "seeds", "run_missing", "__import__('os').getcwd()"]), anything)
def test_what_is_not_right_is_refused_by_name(name, value):
    try:
        made = book.check_parameters(SAMPLE, {name: value})
    except UserError as error:
        assert name in str(error)
    else:
        assert type(getattr(made, name)) is type(value)


def test_what_papermill_has_put_into_the_kernel_is_checked(monkeypatch):
    class Shell:
        user_ns = {"In": ["", "edition = 'demo'", "# Parameters\nedition = 'demo'\nsedes = [1]\n"]}

    import IPython

    monkeypatch.setattr(IPython, "get_ipython", Shell)
    with pytest.raises(UserError, match=r"'sedes'.*'seeds'"):
        page()


@pytest.mark.parametrize("content", [b"- [x", b"5", b"a: 1", b"\xff\xfe"])
def test_what_is_no_table_of_contents_is_named(tmp_path, content):
    (tmp_path / "_toc.yml").write_bytes(content)
    with pytest.raises(UserError, match=r"_toc\.yml is no table of contents"):
        build.read_toc(tmp_path)


BROKEN = ['{"cells": [', "[]", "{}", '{"cells": [1]}', '{"cells": [{"source": 5}]}', '{"cells": [{"metadata": 1}]}']


@pytest.mark.parametrize("content", BROKEN)
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    broken = tmp_path / "broken.ipynb"
    broken.write_text(content)
    with pytest.raises(UserError, match=r"broken\.ipynb is not a notebook"):
        book.check_parameters(broken, {})
    with pytest.raises(UserError, match="no chapter"):
        book.check_parameters(tmp_path / "absent.ipynb", {})


def test_a_byte_order_mark_is_read(tmp_path):
    marked = tmp_path / "sample.ipynb"
    marked.write_text(SAMPLE.read_text(encoding="utf-8"), encoding="utf-8-sig")
    assert parameters.defaults(marked) == parameters.defaults(SAMPLE)


def test_the_command_remakes_the_page():
    command = page(edition="demo+epochs=1", seeds=[0, 2]).command()
    assert command.startswith("papermill chapters/triage/sample.ipynb out.ipynb -k python3 -p edition demo+epochs=1")
    assert "-p dataset digits" in command and "-y 'seeds: [0, 2]'" in command


def test_a_page_of_a_network_of_ones_own_says_its_command_before_it_was_shrunk(monkeypatch, tmp_path):
    monkeypatch.setenv("NETPRESS_CACHE", str(tmp_path))
    made = book.YourPage(chapter="yours/shrink", edition="demo", most=1.0, blocks=["layer2"], px=32, run_missing=False)
    words = shlex.split(made.command())
    assert words[:7] == ["papermill", "chapters/yours/shrink.ipynb", "out.ipynb", "-k", "python3", "-p", "edition"]
    assert words[8:] == ["-y", "blocks: ['layer2']", "-p", "most", "1", "-p", "px", "32"]
    assert made.command() in made.made_with().text and "Made with" not in made.made_with().text
    with pytest.raises(UserError, match="has not been shrunk yet"):
        made.records()


# what is glued


@pytest.mark.parametrize(
    ("value", "form", "written"),
    [
        (0.123, ".1%", "12.3%"),
        (-0.5, ".2f", "\N{MINUS SIGN}0.50"),
        (31, "d", "31"),
        ("a text", "", "a text"),
        (None, ".1f", "not run"),
        (math.nan, ".1f", "not run"),
        (np.float64(0.5), ".1f", "0.5"),
        (np.int64(5), "d", "5"),
    ],
)
def test_numbers_are_written_out(value, form, written):
    assert glue.written(value, form) == written


def test_a_sentence_is_filled_and_escaped(monkeypatch):
    said = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: said.append(bundle["text/markdown"]))
    page().say(
        "In **{n:,d}** networks {name} costs {gap:.1f} points, {other:.1f}.", n=900, name="a_b*", gap=-2.13, other=None
    )
    assert said == ["In **900** networks a\\_b\\* costs \N{MINUS SIGN}2.1 points, not run."]
    with pytest.raises(UserError, match="needs a format"):
        page().say("{n}", n=1.5)


def test_captions_are_left_to_the_page():
    framed = '<figure class="np-figure"><div>x</div><figcaption>c</figcaption></figure>'
    assert glue.unframed(framed) == '<div class="np-figure"><div>x</div></div>'
    assert glue.unframed("<table><caption>c</caption></table>") == "<table></table>"


# pages of further editions


def test_labels_and_title_of_a_further_edition_have_its_name():
    notebook = nbformat.read(SAMPLE, as_version=4)
    names = build.labels(notebook)
    assert names == ["sec-triage-sample", "eq-triage-sample", "fig-triage-sample", "tab-triage-sample"]
    made = build.for_edition(notebook, "demo+epochs=1", names)
    assert build.labels(made) == [f"{name}-demo-epochs-1" for name in names]
    first = made.cells[0].source
    assert "# A sample (edition demo+epochs=1)" in first
    assert "{numref}`fig-triage-sample-demo-epochs-1`" in first and "{cite}`nowak2018triage`" in first
    assert build.labels(notebook) == names


def test_links_of_a_further_editions_page_lead_out_of_its_folder():
    data = {"text/html": '<a href="../together/scoreboard.html#claim-T1">T1</a> <a href="#here">', "text/plain": "../"}
    cell = nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("display_data", data=data)])
    made = build.for_edition(nbformat.v4.new_notebook(cells=[cell]), "demo", ())
    found = made.cells[0].outputs[0].data
    assert '"../../../together/scoreboard.html#claim-T1"' in found["text/html"] and '"#here"' in found["text/html"]
    assert found["text/plain"] == "../" and made.metadata.orphan and made.metadata.nosearch


def test_only_whole_labels_are_renamed():
    text = "{ref}`sec-a` sec-ab x-sec-a {ref}`words <sec-a>` (sec-a)="
    assert build.renamed(text, ["sec-a"], "e") == "{ref}`sec-a-e` sec-ab x-sec-a {ref}`words <sec-a-e>` (sec-a-e)="


def test_pages_are_found_in_the_contents():
    contents = {"root": "chapters/index", "parts": [{"chapters": [{"file": "chapters/triage/sample"}]}]}
    assert build.pages_of(contents) == ["chapters/index", "chapters/triage/sample"]


# executed notebooks


def test_what_differs_from_run_to_run_is_dropped():
    notebook = nbformat.read(SAMPLE, as_version=4)
    cell = notebook.cells[1]
    cell.metadata["papermill"] = {"start_time": "now"}
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="50%"),
        nbformat.v4.new_output("stream", name="stdout", text="kept"),
    ]
    notebook.metadata["papermill"] = {"input_path": "somewhere"}
    kept = build.clean(notebook, "the key")
    assert [output["text"] for output in kept.cells[1].outputs] == ["kept"]
    assert kept.cells[1].metadata == {"tags": ["parameters", "remove-input", "remove-cell"]}
    assert set(kept.metadata) == {"kernelspec", "language_info", "netpress"}


@pytest.mark.parametrize(
    ("changed", "chapters"),
    [
        ("bench/cpu/step.json", ["appendix/rules", "together/trust"]),
        ("small/claims/pilot.json", ["triage/result", "appendix/rules"]),
        ("small/triage/run.json", ["triage/result", "together/trust"]),
    ],
)
def test_a_page_is_run_again_when_what_it_shows_has_changed(tmp_path, monkeypatch, changed, chapters):
    monkeypatch.setenv("NETPRESS_RESULTS", str(tmp_path))
    every = {"triage/result": "small", "pyramid/result": "demo"}
    every |= dict.fromkeys(("together/trust", "appendix/rules"), "best")

    def keys():
        made = build.Book(books.ROOT)
        return {name: made.job(name, edition, trained=False).key for name, edition in every.items()}

    before = keys()
    (tmp_path / changed).parent.mkdir(parents=True)
    (tmp_path / changed).write_text("{}")
    now = keys()
    other = {name for name in every if now[name] != before[name]}
    assert other >= set(chapters) and "pyramid/result" not in other


def test_a_damaged_page_is_made_again(tmp_path):
    path = tmp_path / "page.ipynb"
    job = build.Job(tmp_path, "page", path, key="k")
    assert job.outdated
    path.write_text('{"metadata": {"netpress": {"key": "k"}}}')
    assert not job.outdated
    path.write_text('{"metadata": {"netpr')
    assert job.outdated


# the site


@pytest.mark.parametrize(
    "content",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<script src=//cdn.example/x.js></script>",
        '<link rel="stylesheet" href="http://cdn.example/x.css">',
        '<link href="https://cdn.example/x.css" rel="stylesheet">',
        '<img alt="" src="https://elsewhere.example/x.png">',
        "<style>@import url(https://cdn.example/x.css)</style>",
        "<style>body {background: url('//cdn.example/x.png')}</style>",
        f"<p>{Path.home()}/secret</p>",
    ],
)
def test_pages_that_fetch_or_name_folders_are_refused(tmp_path, content):
    (tmp_path / "page.html").write_text("<a href='https://example.org'>a link is no request</a>")
    render.check(tmp_path)
    (tmp_path / "page.html").write_text(content)
    with pytest.raises(UserError, match=r"page\.html"):
        render.check(tmp_path)


def test_a_folder_that_is_no_site_is_never_replaced(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="not a site"):
        render.replaceable(tmp_path)
    render.replaceable(tmp_path / "new")


def test_old_addresses_lead_on(tmp_path):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "page.html").touch()
    (tmp_path / "_redirects.json").write_text(
        '{"old/deep/one": "new/page#here", "gone": "nowhere", "new/page": "new/page"}'
    )
    render.redirect(tmp_path, tmp_path)
    assert 'url=../../new/page.html#here"' in (tmp_path / "old" / "deep" / "one.html").read_text()
    assert not (tmp_path / "gone.html").exists() and (tmp_path / "new" / "page.html").read_text() == ""


@pytest.fixture
def project(tmp_path, monkeypatch, invent):
    """The sample book in a folder whose name is awkward."""
    folder = books.small_book(tmp_path / "a bök")
    monkeypatch.chdir(folder)
    return folder


def test_the_best_complete_edition_is_the_main_one(project, invent):
    def plan(*chosen):
        return build.Book(project, chosen).plan(chosen or ("demo", "small", "large"))

    assert plan() == {}
    invent("demo", ("triage",))
    invent("small", ("triage",), 40)
    assert plan() == {"triage/sample": ("demo", "small")}
    invent("small", ("triage",))
    assert plan() == {"triage/sample": ("small", "demo")}
    assert plan("demo") == {"triage/sample": ("demo",)}


def test_unknown_editions_are_refused_before_anything_is_made(project):
    folder = project
    with pytest.raises(UserError, match="did you mean 'demo'"):
        build.build(("dmo",))
    assert not (folder / "_build").exists()


def built(folder: Path) -> dict[str, bytes]:
    html = folder / "_build" / "html"
    return {str(file.relative_to(html)): file.read_bytes() for file in html.rglob("*") if file.is_file()}


@pytest.mark.timeout(1800)
def test_a_site_is_built_once_and_the_same_again(project, invent, capfd):
    folder, results = project, project.parent / "results"
    invent("demo", ("triage",))
    best, *_ = invent("small", ("triage",), 40)
    records.write(best, "small", invented.content(best, 0.939), results)
    assert build.build() == 0
    first = built(folder)
    assert {"index.html", "triage/sample.html", "editions/small/triage/sample.html"} <= set(first)
    main, further = first["triage/sample.html"].decode(), first["editions/small/triage/sample.html"].decode()
    assert "90.0%" in main and "93.9%" in further
    known = sum(run.seed < editions.FRESH for run in papers.grid("triage", "small"))
    assert "32 of 32 done" in main and f"40 of {known} done" in further
    assert "a &lt;b&gt;processor&lt;/b&gt;" in main and "<b>processor" not in main
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in main

    executed = {path: path.stat().st_mtime_ns for path in (folder / "_build" / "pages").rglob("*.ipynb")}
    assert build.build() == 0 and "up to date" in capfd.readouterr().err
    assert built(folder) == first

    # `jupyter-book build .`, warnings as errors, shows what was run last; from nothing, the bytes are the same again
    words = ["-c", "from jupyter_book.cli.main import main; main()", "build", ".", "-W", "-n", "--keep-going", "-q"]
    subprocess.run([sys.executable, *words], cwd=folder, check=True)
    assert "90.0%" in (folder / "_build" / "html" / "chapters" / "triage" / "sample.html").read_text()
    shutil.rmtree(folder / "_build" / "book")
    assert build.build() == 0
    assert built(folder) == first
    assert {path: path.stat().st_mtime_ns for path in (folder / "_build" / "pages").rglob("*.ipynb")} == executed

    # one changed record changes every place that shows it, and only its edition is run again
    changed = next((results / "demo").rglob("*block5-student-teacher-thawed*.json"))
    record = records.read(changed)
    changed.write_bytes(records.encode(record | {"best": 0.987}))
    assert build.build() == 0
    again = built(folder)
    assert "98.7%" in again["triage/sample.html"].decode()
    assert again["editions/small/triage/sample.html"] == first["editions/small/triage/sample.html"]

    # one that fails leaves the site as it was
    append(folder, nbformat.v4.new_code_cell("1 / 0"))
    with pytest.raises(UserError, match=r"triage/sample failed in its code cell \d+: ZeroDivisionError"):
        build.build()
    assert built(folder) == again


def append(folder: Path, cell: nbformat.NotebookNode) -> None:
    """Put a cell at the end of the sample chapter."""
    chapter = folder / "chapters" / "triage" / "sample.ipynb"
    notebook = nbformat.read(chapter, as_version=4)
    notebook.cells.append(cell)
    nbformat.write(notebook, chapter)


def test_a_warning_of_sphinx_fails_the_build(project, invent):
    folder = project
    invent("demo", ("triage",))
    index = folder / "chapters" / "index.md"
    index.write_text(index.read_text() + "\n{ref}`sec-nowhere`\n")
    for _ in range(2):  # the second time nothing has changed
        with pytest.raises(UserError, match="sec-nowhere"):
            build.build(("demo",))
    assert not (folder / "_build" / "html").exists()


def test_the_kernel_itself_refuses_unknown_names(project, invent):
    """As the user's own papermill does it: not through our command."""
    folder = project
    invent("demo", ("triage",))
    words = ["papermill", "chapters/triage/sample.ipynb", "out.ipynb", "-k", "python3", "-p", "edtion", "demo"]
    words = [sys.executable, "-m", *words, "--no-progress-bar"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode != 0 and "Unknown parameter 'edtion'" in done.stderr
    outputs = json.loads((folder / "out.ipynb").read_text())["cells"]
    assert not any(cell["id"] == "made-with" and cell.get("outputs") for cell in outputs)


# what comes before the demo is trained


PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.mark.timeout(1800)
def test_a_site_comes_before_the_demo_is_trained(project, invent, monkeypatch, capsys):
    """Ctrl-C while it is trained leaves a whole site; afterwards the demo's pages and parts join."""
    invent("small", ("triage",))
    for name in ("beside.png", "with blanks.png", "tag.png"):
        (project / "chapters" / "triage" / name).write_bytes(base64.b64decode(PIXEL))
    part = nbformat.v4.new_code_cell("print('a walk on digits')", metadata={"tags": ["needs-demo"]})
    picture = nbformat.v4.new_markdown_cell(
        "![beside](beside.png) ![pasted](attachment:image.png) ![blanks](<with blanks.png>) "
        '![blanks pasted](attachment:my%20own.png) <img src="tag.png" alt="tag" width="9"/>'
    )
    picture["attachments"] = {name: {"image/png": PIXEL} for name in ("image.png", "my own.png")}
    append(project, part)
    append(project, picture)

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(build.Book, "train", stop)
    with pytest.raises(KeyboardInterrupt):
        build.build()
    first = built(project)
    page = first["triage/sample.html"].decode()
    assert "Open it now" in capsys.readouterr().out
    assert "make book" in page and "a walk on digits" not in page and "editions/demo/triage/sample.html" not in first
    assert all(page.count(f'alt="{n}"') == 1 for n in ("beside", "pasted", "blanks", "blanks pasted", "tag"))
    assert {"_images/beside.png", "_images/with blanks.png", "_images/tag.png"} <= first.keys()

    def train(self):
        invent("demo", ("triage",))
        build.write_atomic(self.mark, self.demo_key().encode())
        return 0

    monkeypatch.setenv("NETPRESS_CACHE", str(project / "cache"))
    monkeypatch.setattr(build.Book, "train", train)
    assert build.build() == 0
    again = built(project)
    assert "a walk on digits" in again["triage/sample.html"].decode() and "editions/demo/triage/sample.html" in again
    assert "editions/demo" not in again["searchindex.js"].decode().split("titleterms")[0].split("docnames")[0]
    assert 'href="demo/triage/sample.html"' in again["editions/index.html"].decode()

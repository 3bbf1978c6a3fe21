"""What can be taken away from a site, how it is found and shared: files beside the pages, links, buttons, addresses."""

import re

import books
import invented
import pandas as pd
import pytest
from filelock import FileLock, Timeout

from netpress.book import build, pdf, render
from netpress.book.page import Page
from netpress.errors import UserError
from netpress.report.tables import Table, listing

REPOSITORY, ADDRESS = "https://github.com/someone/netpress", "https://example.org/book"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The sample book, with a repository and an address in its configuration."""
    folder = tmp_path_factory.mktemp("away")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETPRESS_RESULTS", str(folder / "results"))
        patch.chdir(books.small_book(folder / "book"))
        config = folder / "book" / "_config.yml"
        text = (
            config.read_text()
            .replace('repository_url: ""', f"repository_url: {REPOSITORY}")
            .replace('baseurl: ""', f"baseurl: {ADDRESS}")
        )
        config.write_text(text)
        invented.fill(folder / "results", "demo", ("triage",))
        invented.fill(folder / "results", "small", ("triage",), 40)
        build.build()
    return folder / "book" / "_build" / "html"


def test_numbers_of_every_figure_and_table_are_a_file(site):
    page = (site / "triage" / "sample.html").read_text()
    linked = re.findall(r'href="\.\./(_data/[^"]+\.csv)"', page)
    assert len(linked) >= 2
    for name in linked:
        frame = pd.read_csv(site / name)
        assert len(frame) and len(frame.columns)
    assert 'href="#' in page and page.count('class="np-take"') == len(linked)


def test_the_notebook_is_the_committed_one(site):
    kept = site / "_notebooks" / "triage" / "sample.ipynb"
    assert kept.read_text() == (books.SAMPLE / "chapters" / "triage" / "sample.ipynb").read_text()
    for page in (site / "triage" / "sample.html", *site.glob("editions/*/triage/sample.html")):
        assert "_notebooks/triage/sample.ipynb" in page.read_text(), page


def test_a_named_repository_makes_buttons(site):
    page = (site / "triage" / "sample.html").read_text()
    for link in (
        f"{REPOSITORY}/edit/main/chapters/triage/sample.ipynb",
        f"{REPOSITORY}/issues/new?title=",
        "https://mybinder.org/v2/gh/someone/netpress/main?urlpath=lab/tree/chapters/triage/sample.ipynb",
        "https://colab.research.google.com/github/someone/netpress/blob/main/chapters/triage/sample.ipynb",
    ):
        assert link in page, link


def test_pages_can_be_shared_and_found(site):
    page = (site / "triage" / "sample.html").read_text()
    said = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)"', page))
    assert said["url"] == f"{ADDRESS}/triage/sample.html" and said["title"] and 0 < len(said["description"]) <= 203
    assert (
        said["image"].startswith(f"{ADDRESS}/_images/") and (site / said["image"].removeprefix(f"{ADDRESS}/")).exists()
    )
    assert (site / ".nojekyll").exists() and 'href="/book/index.html"' in (site / "404.html").read_text()


def test_values_in_a_file_have_all_their_digits(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda value, **more: shown.append(more["metadata"]))
    page = Page(chapter="triage/result", edition="demo")
    rows = [{"network": "a, b", "accuracy": 76.123456789}, {"network": "c", "accuracy": None}]
    page.glue("t", listing(rows, "A table."))
    page.glue("t", Table(pd.DataFrame(), "Empty."))
    texts = [said["netpress"]["csv"] for said in shown if "scrapbook" in said]
    assert texts == ['network,accuracy\n"a, b",76.123456789\nc,\n', ""]
    with pytest.raises(UserError, match="a figure or a table is expected"):
        page.glue("t", 0.5)


def test_the_printed_book_has_the_main_pages(tmp_path):
    for name in ("editions/index.md", "editions/demo/triage/idea.ipynb", "triage/idea.ipynb", "_build/x"):
        (tmp_path / "book" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "book" / name).write_text("# Trained\n\n## Edition demo\n\n- [](/editions/demo/triage/idea.ipynb)")
    printed = pdf.printed_book(tmp_path / "book", tmp_path / "print")
    found = {file.relative_to(printed).as_posix() for file in printed.rglob("*") if file.is_file()}
    assert found == {"editions/index.md", "triage/idea.ipynb"}
    assert "Edition demo" not in (printed / "editions" / "index.md").read_text()
    page = (
        '<html><head></head><div id="np-explorer" class="x"><table></table><script>1</script></div><p>after</p></html>'
    )
    made = pdf.fit_for_paper(page)
    assert "<table>" not in made and pdf.NOT_PRINTED in made and "<p>after</p>" in made and "@page" in made


def test_a_pdf_is_printed_while_no_book_is_built(tmp_path, monkeypatch):
    """Both work on the assembled book and on the site."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_build" / "book").mkdir(parents=True)
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    held = []

    def look(*_):
        with pytest.raises(Timeout):
            FileLock(tmp_path / "_build" / "lock", timeout=0).acquire()
        held.append(True)
        return tmp_path / "_toc.yml"

    monkeypatch.setattr(pdf, "make", look)
    monkeypatch.setattr(render, "render", look)
    pdf.main()
    assert held == [True, True]

"""What can be taken away from a site, how it is found and shared: files beside the pages, links, buttons, addresses."""

import importlib.util
import json
import re
from types import SimpleNamespace

import books
import invented
import pandas as pd
import pytest
from filelock import FileLock, Timeout

from netpress import book
from netpress.book import glue, pdf
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
        book.build()
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


def test_without_a_repository_there_is_none(extension):
    app = SimpleNamespace(config=SimpleNamespace(html_theme_options={"repository_url": ""}), srcdir="/nowhere")
    assert extension.repository(app, "triage/idea") == []


def test_pages_can_be_shared_and_found(site):
    page = (site / "triage" / "sample.html").read_text()
    said = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)"', page))
    assert said["url"] == f"{ADDRESS}/triage/sample.html" and said["title"] and 0 < len(said["description"]) <= 202
    assert f"<loc>{ADDRESS}/triage/sample.html</loc>" in (site / "sitemap.xml").read_text()
    assert (site / ".nojekyll").exists()
    lost = (site / "404.html").read_text()
    assert 'href="/book/index.html"' in lost and "src=" not in lost
    assert "np-texts.js" in (site / "search.html").read_text() and "np-texts.js" not in page
    texts = json.loads((site / "_static" / "np-texts.js").read_text().removeprefix("window.npTexts = ").rstrip(";\n"))
    assert "triage/sample" in texts and len(texts["triage/sample"]) > 50


@pytest.fixture(scope="module", name="extension")
def _extension():
    spec = importlib.util.spec_from_file_location("netpress_site", books.ROOT / "_ext" / "netpress_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_entry_for_bibtex_comes_from_the_citation_file(extension):
    entry = extension.bibtex({
        "title": "A book", "version": "1.2", "date-released": "2026-03-04", "url": "https://example.org",
        "authors": [{"family-names": "Doe", "given-names": "Ann"}, {"name": "The group"}],
    })  # fmt: skip
    assert entry.startswith("@software{netpress,\n") and entry.endswith("\n}")
    for line in ("author = {Doe, Ann and {The group}}", "title = {{A book}}", "year = {2026}", "version = {1.2}"):
        assert line in entry


def test_values_in_a_file_have_all_their_digits():
    table = listing([{"network": "a, b", "accuracy": 76.123456789}, {"network": "c", "accuracy": None}], "A table.")
    text = glue.csv_of(table)
    assert text == 'network,accuracy\n"a, b",76.123456789\nc,\n'
    two = pd.DataFrame({("x", "ours"): [1.5], ("x", "paper"): [2]})
    assert glue.csv_of(Table(two, "Two rows of heads.")) == '"x, ours","x, paper"\n1.5,2\n'
    assert glue.csv_of(Table(pd.DataFrame(), "Empty.")) == "" and glue.csv_of("a word") == ""


def test_the_printed_book_has_the_main_pages():
    contents = {
        "root": "index",
        "parts": [
            {"caption": "One", "chapters": [{"file": "triage/idea"}, {"file": "appendix/api"}]},
            {"caption": "Further", "chapters": [{"file": "editions/demo/index", "sections": []}]},
        ],
    }
    assert pdf.printed_toc(contents) == {
        "root": "index", "parts": [{"caption": "One", "chapters": [{"file": "triage/idea"}]}],
    }  # fmt: skip
    page = (
        '<html><head></head><div id="np-explorer" class="x"><table></table><script>1</script></div><p>after</p></html>'
    )
    made = pdf.fit_for_paper(page)
    assert "<table>" not in made and pdf.NOT_PRINTED in made and "<p>after</p>" in made and "@page" in made


def test_a_pdf_is_printed_while_no_book_is_built(tmp_path, monkeypatch):
    """Both work on the assembled book and on the site."""
    (tmp_path / "chapters").mkdir()
    (tmp_path / "_toc.yml").touch()
    monkeypatch.chdir(tmp_path)
    held = []

    def look(*_):
        with pytest.raises(Timeout):
            FileLock(tmp_path / "_build" / "lock", timeout=0).acquire()
        held.append(True)
        return tmp_path / "book.pdf"

    monkeypatch.setattr(pdf, "make", look)
    monkeypatch.setattr(pdf, "into_site", look)
    pdf.main()
    assert held == [True, True]

"""The real book from invented records: built twice it is the same to the byte, and its pages are not too large."""

import shutil
from pathlib import Path

import books
import invented
import pytest

from netpress import papers
from netpress.book import build, pdf

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("site"), pytest.mark.timeout(3600)]
MOST_PAGE, MOST_WITH_CHARTS = 1_000_000, 3_000_000  # bytes of a page alone


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the book with records of two editions."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("chapters", "_static", "_ext"):
        shutil.copytree(books.ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(books.ROOT / name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETPRESS_RESULTS", str(folder / "results"))
        patch.chdir(folder)
        for edition in ("demo", "small"):
            invented.fill(folder / "results", edition)
            for paper in papers.PAPERS:
                invented.latencies(paper, edition, folder / "results")
        yield folder


def built(project: Path) -> dict[str, bytes]:
    shutil.rmtree(project / "_build", ignore_errors=True)
    assert build.build() == 0
    site = project / "_build" / "html"
    return {str(file.relative_to(site)): file.read_bytes() for file in site.rglob("*") if file.is_file()}


def test_two_builds_are_the_same_and_light(project):
    first = built(project)
    pages = {name: content for name, content in first.items() if name.endswith(".html") and "_static" not in name}
    assert {"index.html", "together/explorer.html", "editions/demo/triage/result.html"} <= set(pages)
    assert "editions/demo/together/explorer.html" not in pages  # one page for all editions
    for name, content in pages.items():
        with_charts = b"<svg" in content or b"np-vega.js" in content
        assert len(content) < (MOST_WITH_CHARTS if with_charts else MOST_PAGE), name
        assert (b"np-vega.js" in content) == (name == "together/explorer.html"), name
    second = built(project)
    assert sorted(first) == sorted(second)
    assert [name for name in first if first[name] != second[name]] == []


def test_the_book_is_printed(project):
    if not any(map(shutil.which, pdf.BROWSERS)):
        pytest.skip("no Chromium here: `make setup-browser` installs it")
    if not (project / "_build" / "book").exists():
        built(project)
    printed = pdf.make()
    assert printed.read_bytes().startswith(b"%PDF") and printed.stat().st_size > 1_000_000
    page = (project / "_build" / "print" / "_build" / "singlehtml" / "index.html").read_text(encoding="utf-8")
    assert 'href="../' not in page and 'id="claim-T1"' in page and 'href="#claim-T1"' in page

"""The site in a real browser: every page, light and dark, wide and narrow. Where that cannot be, it says why."""

import functools
import os
import re
import threading
from collections import Counter
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import books
import invented
import pytest

from netpress.book import build
from netpress.report.tables import listing

BOOK = books.ROOT / "_build" / "html"
MOST_BYTES = 3_000_000  # of one page with everything that it loads
AT_ONCE = 4  # pages open in the browser

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(1200),
]


@pytest.fixture(scope="session")
def sample_site(tmp_path_factory) -> Path:
    """The sample book, built with invented records."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NETPRESS_RESULTS", str(folder / "results"))
        patch.chdir(books.small_book(folder / "book"))
        invented.fill(folder / "results", "demo", ("triage",))
        invented.fill(folder / "results", "small", ("triage",), 40)
        build.build()
    return folder / "book" / "_build" / "html"


@pytest.fixture(params=["sample", "book"])
def site(request) -> Path:
    """Each site that is to be looked at."""
    if request.param == "sample":
        return request.getfixturevalue("sample_site")
    if not (BOOK / "index.html").exists():
        pytest.skip("the book is not built: `make book` builds it")
    return BOOK


def pages_of(site: Path) -> list[str]:
    return sorted(str(p.relative_to(site)) for p in site.rglob("*.html") if "_static" not in p.parts)


def staying(site: Path) -> list[str]:
    """The pages that do not lead on at once, as old addresses do."""
    return [name for name in pages_of(site) if 'http-equiv="refresh"' not in (site / name).read_text(encoding="utf-8")]


# without a browser


class Page(HTMLParser):
    """Ids, links and files of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.ids += [said["id"]] if said.get("id") else []
        self.links += [said[key] for key in ("href", "src") if said.get(key)]


def test_links_lead_somewhere_and_ids_are_unique(site):
    pages = {name: Page((site / name).read_text(encoding="utf-8")) for name in pages_of(site)}
    wrong = []
    for name, page in pages.items():
        wrong += [f"{name}: id {i} occurs {n} times" for i, n in Counter(page.ids).items() if n > 1]
        for link in page.links:
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            path, anchor = urldefrag(link)
            path = unquote(path.split("?")[0])
            if name == "404.html":  # shown at any address, so its links begin at the top of the site
                path = path.removeprefix("/") or "index.html"
            target = os.path.normpath(Path(name).parent / path) if path else name
            if not (site / target).is_file():
                wrong.append(f"{name}: {link} leads nowhere")
            elif anchor and target in pages and unquote(anchor) not in pages[target].ids:
                wrong.append(f"{name}: {link} leads to no place on the page")
    assert not wrong, "\n".join(wrong)


REFERENCE = re.compile(r'<a class="np-ref"[^>]*href="([^"#]*)#([\w-]+)"[^>]*>([^<]*)</a>')


def test_claims_lead_to_figures_and_tables_that_the_book_numbers(site):
    claims = site / "together" / "claims.html"
    if not claims.exists():
        pytest.skip("this site has no page of claims")
    found = REFERENCE.findall(claims.read_text(encoding="utf-8"))
    assert len(found) > 20
    for path, label, text in found:
        page = (claims.parent / path).resolve().read_text(encoding="utf-8")
        holder = page[page.index(f'id="{label}"') :]
        number = re.search(r'<span class="caption-number">(\w+ \d+) *</span>', holder)
        assert number and text, (label, text)


# in a browser


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script: the one in .cache/axe.min.js where there is one, else that of axe-playwright-python."""
    own = books.ROOT / ".cache" / "axe.min.js"
    if own.exists():
        return own.read_text(encoding="utf-8")
    package = pytest.importorskip("axe_playwright_python")
    return (Path(package.__path__[0]) / "axe.min.js").read_text(encoding="utf-8")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(site):
    """The site under an address of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


# every visible table: its label, how many columns it has, and how many of them end beyond what is shown of it
COLUMNS = """() => [...document.querySelectorAll(".bd-article table")].filter(t => t.offsetParent).map(table => {
  const frame = (table.closest(".np-scroll") || table.closest(".pst-scrollable-table-container") || table.parentElement)
    .getBoundingClientRect();
  const rows = [...table.rows].filter(row => row.offsetParent);
  const most = Math.max(...rows.map(row => [...row.cells].reduce((sum, cell) => sum + cell.colSpan, 0)));
  const beyond = cell => cell.getBoundingClientRect().right > frame.right + 1;
  const hidden = rows.map(row => [...row.cells].filter(beyond).length);
  const holder = table.closest("[id]");
  return [holder ? holder.id : "", most, Math.max(0, ...hidden), table.classList.contains("np-cards")];
})"""
MOST_COLUMNS = 7  # a table of so many is shown whole
PRINTED = re.compile("(pyramid|compressing)-table-[0-9]")  # the papers' own tables


def must_be_whole(label: str, columns: int, cards: bool, width: int) -> bool:
    """Whether no column of a table may be hidden: small ones and the papers' own; where it is narrow, claims."""
    return cards if width < 600 else columns <= MOST_COLUMNS or bool(PRINTED.search(label))


class Visit:
    """A page that is opened, and what is wrong with it."""

    def __init__(self, context, root: str, name: str):
        self.name, self.size = name, 0
        self.wrong: list[str] = []
        self.page = context.new_page()
        self.page.on("console", lambda m: self.note(f"console: {m.text}") if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.note(f"exception: {error}"))
        self.page.on(
            "request", lambda r: None if r.url.startswith((root, "data:", "blob:")) else self.note(f"asks {r.url}")
        )
        self.page.on("requestfailed", lambda r: self.note(f"failed {r.url}"))
        self.page.on("response", self.answered)
        self.page.goto(root + name, wait_until="commit")

    def note(self, line: str) -> None:
        self.wrong.append(line)

    def answered(self, response) -> None:
        if response.status >= 400:
            self.note(f"{response.status} {response.url}")
        self.size += int(response.headers.get("content-length", 0))

    def look(self, axe: str, width: int) -> list[str]:
        """Wait until it is there, look, and close it."""
        self.page.wait_for_load_state("networkidle")
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            self.note(f"{wide} px too wide")
        if self.size > MOST_BYTES:
            self.note(f"loads {self.size:,} bytes")
        for label, columns, hidden, cards in self.page.evaluate(COLUMNS):
            if hidden and must_be_whole(label, columns, cards, width):
                self.note(f"#{label}: {hidden} of {columns} columns are hidden")
        if axe:
            self.page.evaluate(axe)
            found = self.page.evaluate("async () => (await axe.run(document, {preload: false})).violations")
            self.wrong += [f"axe {v['id']}: {node['html'][:120]}" for v in found for node in v["nodes"]]
        self.page.close()
        return [f"{self.name}: {line}" for line in self.wrong]


def looked_at(chromium, site: Path, root: str, width: int, theme: str = "light", axe: str = "") -> list[str]:
    """What is wrong with the pages of a site. Some are open at a time, so that one is read while others load.

    404.html is made for a server, which sends it for any address: its links begin at the top of the site.
    """
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    names, wrong = [name for name in staying(site) if (root + name)[:4] == "http" or name != "404.html"], []
    for i in range(0, len(names), AT_ONCE):
        visits = [Visit(context, root, name) for name in names[i : i + AT_ONCE]]
        wrong += [line for visit in visits for line in visit.look(axe, width)]
    context.close()
    return wrong


@pytest.mark.parametrize(("width", "theme"), [(1300, "light"), (390, "dark")])
def test_every_page(site, served, chromium, axe, width, theme):
    wrong = looked_at(chromium, site, served, width, theme, axe)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("width", "theme"), [(1300, "dark"), (390, "light")])
def test_every_page_in_the_other_theme(site, served, chromium, width, theme):
    """Without axe, which has seen both widths and both themes above."""
    wrong = looked_at(chromium, site, served, width, theme)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "theme"), [(1300, "dark"), (390, "light")])
def test_every_page_in_the_other_theme_with_axe(site, served, chromium, axe, width, theme):
    wrong = looked_at(chromium, site, served, width, theme, axe)
    assert not wrong, "\n".join(wrong)


def test_there_are_tables_to_be_seen(site, served, chromium):
    page = chromium.new_page()
    assert any(page.goto(served + name) and page.evaluate(COLUMNS) for name in staying(site))
    page.close()


def test_a_table_that_is_cut_shows_it_by_its_edge_and_keeps_its_first_column(tmp_path, chromium):
    table = listing([{"network": "VGG19"} | {f"column {i}": i for i in range(20)}], "A wide table.")
    static = (books.ROOT / "_static").as_uri()
    head = f'<link rel="stylesheet" href="{static}/netpress.css"><script src="{static}/book.js"></script>'
    (tmp_path / "page.html").write_text(f"<!doctype html><html>{head}<body>{table._repr_html_()}</body></html>")
    page = chromium.new_page(viewport={"width": 390, "height": 900})
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_selector(".np-scroll.np-more")
    first = page.locator(".np-scroll tbody th")
    before = first.bounding_box()["x"]
    page.locator(".np-scroll").evaluate("box => { box.scrollLeft = box.scrollWidth }")
    page.wait_for_selector(".np-scroll:not(.np-more)")
    assert abs(first.bounding_box()["x"] - before) < 3  # a table without the theme has 2 px between its cells
    page.close()


def test_every_page_from_the_disk(site, chromium):
    wrong = looked_at(chromium, site, f"{site.as_uri()}/", 1300)
    assert not wrong, "\n".join(wrong)


def test_the_theme_switch_changes_the_page(sample_site, chromium):
    page = chromium.new_page()
    page.goto((sample_site / "triage" / "sample.html").as_uri())
    seen = set()
    for _ in range(3):
        page.locator(".theme-switch-button").first.click()
        seen.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    page.close()
    assert len(seen) == 2


def test_maths_figures_and_search_work_from_the_disk(sample_site, chromium):
    page = chromium.new_page()
    page.goto((sample_site / "triage" / "sample.html").as_uri())
    page.wait_for_selector("mjx-container")
    assert page.locator("figure svg[role=img]").first.get_attribute("aria-label").startswith("Accuracies that rise")
    assert page.locator("figcaption").inner_text().startswith("Figure 1")
    assert page.locator(".glued-table").inner_text().startswith("Table 1")
    page.goto((sample_site / "search.html").as_uri() + "?q=landing")
    page.wait_for_selector("#search-results li a")
    page.close()

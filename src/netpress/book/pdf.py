"""The whole book as one PDF: Sphinx's single page without what only a screen can show, printed by Chromium."""

import re
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from netpress import env
from netpress.book import render
from netpress.errors import UserError, run, stoppable

OTHER_PAGE = re.compile(r'href="(?:\.\./)*[\w-]+/[\w-]+\.html#([\w-]+)"')
WHOLE_PAGE = re.compile(r'href="(?:\.\./)*([\w-]+/[\w-]+)\.html"')
PATIENCE = 600  # seconds that Chromium may take
EXPLORER = re.compile(r'<div id="np-explorer".*?</script></div>', re.DOTALL)
NOT_PRINTED = "Every run as a row of a table that can be searched is on the site, and in the records themselves."
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PRINT = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--virtual-time-budget=20000")
NAME = "netpress.pdf"

# On paper: one column, small type, the whole width; what is too wide is made smaller until it fits, never cut.
STYLE = """<style>
@page { size: A4; margin: 14mm 13mm; }
html, body { font-size: 11.2px !important; }
.bd-sidebar-primary, .bd-sidebar-secondary, .bd-header, .bd-header-article, .bd-footer, .bd-footer-article,
.prev-next-footer, .headerlink, .np-take, .skip-link, #pst-skip-link, .search-button__wrapper,
.np-foot, details.hide, .copybtn, .tocextras { display: none !important; }
.bd-container, .bd-container__inner, .bd-main, .bd-content, .bd-article-container, .bd-article, main, article {
  display: block !important; margin: 0 !important; max-width: none !important; padding: 0 !important;
  width: auto !important; overflow: visible !important; }
.np-scroll, .glued-table, .cell_output .output, .output, pre, mjx-container, figure {
  max-height: none !important; max-width: none !important; overflow: visible !important; }
pre { white-space: pre-wrap !important; overflow-wrap: anywhere; }
figure { margin: 0.6rem 0 !important; }
figure svg { margin: 0 auto; max-height: 235mm; min-width: 0 !important; max-width: 84% !important; }
.np-figure details { display: none !important; }
.bd-article :is(p, ul, ol, dl, blockquote, .np-box, .admonition, figcaption) { max-width: none !important; }
p, li, dd { margin-bottom: 0.45rem; }
table.dataframe { font-size: 0.95em !important; }
table.dataframe th, table.dataframe td { padding: 1px 6px 1px 0 !important; }
figure.glued-table, table { break-inside: auto !important; }
tr, .np-box { break-inside: avoid; }
h1 { break-before: auto; font-size: 1.7rem !important; margin-top: 1.4rem; }
h1, h2, h3, .caption { break-after: avoid; }
</style>"""
# the width of a page is known only to the printer: a table is measured in a box as wide as that
FIT = """<script>
addEventListener("load", () => {
  const room = 690;
  document.body.style.width = room + "px";
  document.querySelectorAll("details").forEach((held) => { held.open = true; });
  document.querySelectorAll("table, pre, mjx-container").forEach((held) => {
    const wide = held.getBoundingClientRect().width;
    if (wide > room) held.style.zoom = String(Math.floor(1000 * room / wide) / 1000);
  });
  document.body.style.width = "";
});
</script>"""


def make(out: Path | None = None) -> Path:
    """Print the book that `netpress book` assembled last to `out` (`_build/netpress.pdf` in the project).

    The main pages alone: without further editions, the names of the code, and the table of every run. Raises UserError
    without Chromium, without a book, and where either of them fails.
    """
    build = env.root() / "_build"
    printer = next(filter(None, map(shutil.which, BROWSERS)), None)
    if printer is None:
        raise UserError("A PDF needs Chromium, and there is none here: `make setup-browser` installs it.")
    if not (build / "book" / "_toc.yml").exists():
        raise UserError("There is no book to print: `make book` first.")
    book = printed_book(build / "book", build / "print")
    page = render.sphinx(book, "singlehtml") / "index.html"
    page.write_text(fit_for_paper(page.read_text(encoding="utf-8")), encoding="utf-8")
    target = out or build / NAME
    part = target.with_suffix(".part")
    part.unlink(missing_ok=True)
    words = [printer, *PRINT, f"--print-to-pdf={part}", page.as_uri()]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise UserError(f"Chromium did not print the book in {PATIENCE // 60} minutes: try again.") from None
    if not part.exists() or not part.read_bytes().startswith(b"%PDF"):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise UserError(f"Chromium did not print the book: {last}")
    return part.replace(target)


def printed_book(book: Path, place: Path) -> Path:
    """A copy of the assembled book with the pages that are printed: the main ones."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(book, place, ignore=shutil.ignore_patterns("_build", "_notebooks"))
    for folder in (place / "editions").glob("*/"):
        shutil.rmtree(folder)
    index = place / "editions" / "index.md"
    if index.exists():
        index.write_text(index.read_text(encoding="utf-8").partition("\n## Edition")[0], encoding="utf-8")
    return place


def fit_for_paper(text: str) -> str:
    """The single page with a style for paper, links within itself, and without the table that needs a script."""
    text = WHOLE_PAGE.sub(r'href="#document-\1"', OTHER_PAGE.sub(r'href="#\1"', text))
    text = EXPLORER.sub(f"<p>{NOT_PRINTED}</p>", text)
    return text.replace("</head>", f"{STYLE}{FIT}</head>", 1)


def main() -> None:
    """`make pdf`: print the book, put it into the site with a link on every page, say where it is."""
    build = env.root() / "_build"
    with stoppable("nothing was printed"):
        build.mkdir(exist_ok=True)
        with FileLock(build / "lock"):  # `netpress book` works on the same folders
            printed = make()
            shutil.copy(printed, build / "book" / NAME)
            render.render(build / "book", build / "html")
        print(printed)


if __name__ == "__main__":
    run(main)

"""The whole book as one PDF: Sphinx's single page, printed by Chromium."""

import re
import shutil
import subprocess
from pathlib import Path

from netpress import ends, paths
from netpress.book import render
from netpress.errors import UserError

OTHER_PAGE = re.compile(r'href="(?:\.\./)*[\w-]+/[\w-]+\.html#([\w-]+)"')
WHOLE_PAGE = re.compile(r'href="(?:\.\./)*([\w-]+/[\w-]+)\.html"')
PATIENCE = 600  # seconds that Chromium may take
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PRINT = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", "--virtual-time-budget=20000")


def browser() -> str:
    """The browser that prints; UserError where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise UserError("A PDF needs Chromium, and there is none here: `make setup-browser` installs it.")
    return found


def make(out: Path | None = None) -> Path:
    """Print the book that `netpress book` assembled last to `out` (`_build/netpress.pdf` in the project).

    Raises UserError without Chromium, without a book, and where either of them fails.
    """
    build = paths.root() / "_build"
    printer = browser()
    if not (build / "book" / "_toc.yml").exists():
        raise UserError("There is no book to print: `make book` first.")
    render.sphinx(build / "book", builder="singlehtml")
    page = build / "book" / "_build" / "singlehtml" / "index.html"
    page.write_text(within(page.read_text(encoding="utf-8")), encoding="utf-8")
    target = out or build / "netpress.pdf"
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


def within(text: str) -> str:
    """Links from tables to places on other pages lead to the same places on the one page."""
    return WHOLE_PAGE.sub(r'href="#document-\1"', OTHER_PAGE.sub(r'href="#\1"', text))


def main() -> None:
    """`make pdf`: says where the PDF is. Ends as every command does, and Chromium with it."""
    with ends.stoppable("nothing was printed"):
        print(make())


if __name__ == "__main__":
    ends.run(main)

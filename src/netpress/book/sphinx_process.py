"""Sphinx as a program: it imports what it needs, then waits for a line of JSON with the book, the builder, and one page
or null. It is run by its path: as `-m netpress.book.sphinx_process` it would first import all of `netpress.book`, which
takes a second. Its argument is the number of the process that begins it.
"""

import gc
import json
import os
import sys
import time
from importlib import import_module
from threading import Thread

import psutil

from netpress.compat import quick_jsonschema, seldom_collect

seldom_collect()  # else it goes over a book's trees so often that it takes a third of the time
quick_jsonschema()


def end_with(parent: int) -> None:
    """End this process, and those that Sphinx has started, once the one that began it is gone, however that came: the
    next build works in the same folder."""
    while os.getppid() == parent:
        time.sleep(0.5)
    for process in [*psutil.Process().children(recursive=True), psutil.Process()]:
        process.kill()


def wait() -> tuple[str, str, str | None]:
    """Import what rendering takes, then read what is asked for."""
    from jupyter_book.config import get_default_sphinx_config

    for name in ("jupyter_book.cli.main", "sphinxcontrib.bibtex", *get_default_sphinx_config()["extensions"]):
        import_module(name)
    import_module("netpress.report.explorer").assets()  # which a page needs
    book, builder, page = json.load(sys.stdin)
    return book, builder, page


def render(book: str, builder: str, page: str | None) -> int:
    """The exit code; a warning is an error."""
    if page is None:
        words = ["build", book, "--builder", builder, "-W", "-n", "--keep-going", "--all", "-q"]
        import_module("jupyter_book.cli.main").main(words, standalone_mode=False)
        return 0
    options = {"nitpicky": True, "latex_individualpages": False}
    code: int = import_module("jupyter_book.sphinx").build_sphinx(
        book, f"{book}/_build/html", path_config=f"{book}/_config.yml", noconfig=True, confoverrides=options,
        builder=builder, warningiserror=True, keep_going=True, quiet=True, filenames=[page],
    )  # fmt: skip
    return code


if __name__ == "__main__":
    Thread(target=end_with, args=(int(sys.argv[1]),), daemon=True).start()
    status = render(*wait())
    gc.freeze()  # the end takes all of its trees anyway: to look through them first takes a second
    sys.exit(status)

"""Sphinx as a program that imports what it takes, then waits for one line of JSON: the book, the builder, one page or
null. It is run by its path, not as a module: the package around it takes a second to import, and needs none of it."""

import gc
import json
import sys
from importlib import import_module

from netpress.compat import quick_jsonschema, seldom_collect

seldom_collect()  # else it goes over a book's trees so often that it takes a third of the time
quick_jsonschema()


def wait() -> tuple[str, str, str | None]:
    """Import it all; what is asked for then."""
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
    status = render(*wait())
    gc.freeze()  # the end takes all of its trees anyway: to look through them first takes a second
    sys.exit(status)

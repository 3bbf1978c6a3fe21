"""From notebooks to a site: what a chapter uses, and what `netpress book` does with it.

A chapter's second cell makes a `Page` of the parameters in its first; everything it shows goes through that page.
`build` runs every chapter once per edition and renders the site.
"""

from typing import Any

from netpress.book.chapter import check_parameters
from netpress.book.page import Page
from netpress.book.parameters import parameter
from netpress.book.your_page import YourPage

__all__ = ["Page", "YourPage", "build", "check_parameters", "parameter", "preview", "rerun"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name in ("build", "rerun"):  # they bring papermill with them: not needed to read a chapter
        from netpress.book import site

        return getattr(site, name)
    if name == "preview":
        from netpress.book.one_page import preview

        return preview
    raise AttributeError(name)

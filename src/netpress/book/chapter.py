"""A chapter's parameters, checked before a kernel starts."""

from collections.abc import Mapping
from pathlib import Path

from netpress import editions
from netpress.book import parameters
from netpress.book.page import Page
from netpress.book.your_page import YourPage


def check_parameters(path: str | Path, given: Mapping[str, object]) -> Page:
    """Check parameters for a chapter without starting a kernel; return the Page that they make.

    Raises UserError, naming the parameter, for a name that the chapter does not take, a value of the wrong type,
    and a value that its paper and edition do not have.
    """
    file = Path(path)
    known = parameters.defaults(file)
    parameters.check_names(given, known)
    chapter = parameters.chapter_of(file)
    return page_class(chapter)(chapter=chapter, **(known | dict(given)))


def page_class(chapter: str) -> type[Page]:
    """The class of a chapter's parameters: chapters about a reader's own network have one of their own."""
    return YourPage if parameters.papers_of(chapter) == (editions.YOURS,) else Page

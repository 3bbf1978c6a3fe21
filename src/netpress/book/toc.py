"""The table of contents: the committed one, and the one of the site with its further editions."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from netpress.book.variants import slug
from netpress.errors import UserError

FOLDER = "editions"  # of all further editions


def read(project: Path) -> dict[str, Any]:
    """`_toc.yml` of the project; UserError where it is missing, or no table of contents."""
    import yaml

    path = project / "_toc.yml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"There is no book in {project}: run this in the project's folder, where _toc.yml is."
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} is no table of contents ({reason}): restore it with `git checkout`.") from None
    if not isinstance(found, dict) or "root" not in found:
        raise UserError(f"{path} is no table of contents, as it names no root: restore it with `git checkout`.")
    return found


def files(toc: Mapping[str, Any]) -> list[str]:
    """All pages of a table of contents, in reading order."""
    found = [toc[key] for key in ("root", "file") if key in toc]
    for key in ("parts", "chapters", "sections"):
        for entry in toc.get(key, ()):
            found += files(entry)
    return found


def moved(toc: object, folder: str) -> Any:
    """The same without a folder in front of the pages: the landing page is the site's index.html."""
    if isinstance(toc, dict):
        return {key: moved(value, folder) for key, value in toc.items()}
    if isinstance(toc, list):
        return [moved(value, folder) for value in toc]
    return toc.removeprefix(folder) if isinstance(toc, str) else toc


def with_editions(toc: dict[str, Any], pages: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    """The table of contents with a last part: per further edition its own title page, and its pages below."""
    if not pages:
        return toc
    entries = [
        {"file": f"{folder(edition)}/index", "sections": [{"file": f"{folder(edition)}/{page}"} for page in chapters]}
        for edition, chapters in pages.items()
    ]
    return toc | {"parts": [*toc.get("parts", []), {"caption": "Further editions", "chapters": entries}]}


def folder(edition: str) -> str:
    """Where a further edition's pages are in the site."""
    return f"{FOLDER}/{slug(edition)}"


def title_page(edition: str, meaning: str) -> str:
    """The first page of a further edition."""
    return (
        f"(sec-edition-{slug(edition)})=\n# Edition {edition}\n\n"
        f"The same chapters, made from the records of the edition {edition}: {meaning}. The main pages show the best "
        "edition whose records are complete.\n\n```{tableofcontents}\n```\n"
    )

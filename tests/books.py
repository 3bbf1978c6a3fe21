"""A small book in a folder of its own, with invented records: enough to build a site in seconds."""

import shutil
from pathlib import Path

import invented

from netpress import papers
from netpress.runs import records

ROOT = Path(__file__).parent.parent
SAMPLE = Path(__file__).parent / "sample"


def small_book(folder: Path) -> Path:
    """The sample's chapters with the real book's configuration, theme and extension."""
    shutil.copytree(SAMPLE, folder)
    for name in ("_static", "_ext"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copy(ROOT / "chapters" / "references.bib", folder / "chapters")
    return folder


def invent_records(results: Path, edition: str, most: int | None = None) -> None:
    """Records for the triage runs of an edition, as a sweep would leave them, with accuracies made up."""
    for number, run in enumerate(papers.grid("triage", edition)[:most]):
        records.write(run, edition, invented.content(run, 0.9 + number / 1000), results)

"""A small book in a folder of its own, with invented records: enough to build a site in seconds."""

import shutil
from pathlib import Path

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
        best = 0.9 + number / 1000
        history = [
            {"stage": "train", "epoch": epoch, "train_loss": 1 / epoch, "train_accuracy": 0.8 + epoch / 100,
             "test_loss": 1.1 / epoch, "test_accuracy": best - (3 - epoch) / 100}
            for epoch in (1, 2, 3)
        ]
        made = {"device": "a <b>processor</b> & more", "commit": "0123456789ab", "time": "2026-01-02T03:04:05+00:00"}
        content = {
            "status": "done", "best": best, "last": best, "epochs_to_99": 2, "parameters": 1000 + number,
            "multiply_adds": 2000, "peak_memory": 1, "history": history, "made": made, "measures": {},
            "stages": [{"stage": "train", "seconds": 2.0, "images_per_second": 10.0}],
        }
        records.write(run, edition, content, results)

"""A small book in a folder of its own: enough to build a site in seconds."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parent.parent
SAMPLE = Path(__file__).parent / "sample"


def notebooks() -> list[Path]:
    """The book's notebooks, without the copies that JupyterLab keeps of them."""
    return sorted(p for p in (ROOT / "chapters").rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)


def small_book(folder: Path) -> Path:
    """The sample's chapters with the real book's configuration, theme and extension."""
    shutil.copytree(SAMPLE, folder)
    for name in ("_static", "_ext"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "_config.yml", folder)
    shutil.copy(ROOT / "chapters" / "references.bib", folder / "chapters")
    shutil.copytree(ROOT / "chapters" / "editions", folder / "chapters" / "editions")
    return folder

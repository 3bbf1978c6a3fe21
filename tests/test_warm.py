"""Kernels that begin warm say what cold ones say, and can be killed like them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import books
import nbformat
import pytest

from netpress import env
from netpress.book import notebooks

PROGRAM = """
import json, sys
from pathlib import Path
from netpress.book import notebooks, warm
from netpress.errors import UserError

def main():
    if sys.argv[1] == "warm":
        warm.begin()
    with notebooks.kernels(Path.cwd()) as place:
        for chapter in sys.argv[2:]:
            made = Path(f"{sys.argv[1]}-{chapter}.ipynb")
            job = notebooks.Job(Path.cwd(), chapter, {"edition": "demo"}, made, "key")
            try:
                notebooks.perform(job, place)
            except UserError as error:
                print(error)

if __name__ == "__main__":
    main()
"""
CELLS = {
    "facts": "import os, sys\nfor fact in (hash('a'), os.getcwd(), sys.executable, 'torch' in sys.modules or 'cold'):\n"
    "    print(fact)",
    "killed": f"import os\nos.kill(os.getpid(), {signal.SIGKILL.value})",
    "family": "import multiprocessing\nprint(multiprocessing.get_context('spawn').Pool(1).map(abs, [-3]))",
}


def chapter(folder: Path, name: str) -> None:
    """A chapter of one cell."""
    cells = [
        nbformat.v4.new_markdown_cell(f"# {name}"),
        nbformat.v4.new_code_cell('edition = "demo"  # an edition', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(CELLS[name]),
    ]
    path = folder / "chapters" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata=spec)), "utf-8")


def run(folder: Path, kernel: str, *chapters: str) -> str:
    """What is said while chapters run in kernels of one kind."""
    (folder / "program.py").write_text(PROGRAM, "utf-8")
    command = [sys.executable, "program.py", kernel, *chapters]
    surroundings = os.environ | {"PYTHONPATH": str(books.ROOT / "src")}
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def printed(folder: Path, kernel: str, name: str) -> list[str]:
    """What a chapter printed."""
    notebook = json.loads((folder / f"{kernel}-{name}.ipynb").read_text("utf-8"))
    return "".join(notebook["cells"][-1]["outputs"][0]["text"]).splitlines()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_a_warm_kernel_says_what_a_cold_one_says(tmp_path: Path) -> None:
    """The same folder, interpreter and order of sets; it may start processes; one that dies is told like any other."""
    for name in CELLS:
        chapter(tmp_path, name)
    cold = run(tmp_path, "cold", *CELLS)
    warm = run(tmp_path, "warm", *CELLS)
    assert cold == warm
    assert "The kernel of the chapter killed was killed" in warm
    assert printed(tmp_path, "cold", "facts")[:3] == printed(tmp_path, "warm", "facts")[:3]
    assert printed(tmp_path, "cold", "facts")[3] == "cold"
    assert printed(tmp_path, "warm", "facts")[3] == "True"
    assert printed(tmp_path, "warm", "family") == ["[3]"]


GONE = {
    "kernel": """
class Gone(warm.Forked):
    def __init__(self, process):
        super().__init__(process)
        self.kill()

warm.Forked = Gone
""",
    "server": """
import os, signal
from multiprocessing import forkserver
from threading import Timer

def signalled(number):
    os.kill(forkserver._forkserver._forkserver_pid, number)

class Gone(warm.Forked):
    def __init__(self, process):
        signalled(signal.SIGSTOP)  # as while it imports: it is asked for a kernel, and does not answer
        Timer(0.5, signalled, [signal.SIGKILL]).start()
        super().__init__(process)

warm.Forked = Gone
""",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
@pytest.mark.parametrize("which", GONE)
def test_a_kernel_that_is_gone_before_it_has_begun_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """As where memory runs out."""
    chapter(tmp_path, "facts")
    monkeypatch.setattr(sys.modules[__name__], "PROGRAM", PROGRAM.replace("\ndef main", f"{GONE[which]}\ndef main"))
    said = run(tmp_path, "warm", "facts")
    assert said.startswith("The kernel of the chapter facts was killed") and len(said.splitlines()) == 1


def test_folders_with_relative_names_are_the_same_for_a_chapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chapter runs in the project's folder, the command where it was typed."""
    monkeypatch.setitem(CELLS, "folder", "from netpress import paths\nprint(env.results_dir())")
    project, below = tmp_path, tmp_path / "below"
    below.mkdir()
    chapter(project, "folder")
    monkeypatch.setenv("NETPRESS_RESULTS", "own")
    monkeypatch.chdir(below)
    with notebooks.kernels(project) as place:
        notebooks.perform(notebooks.Job(project, "folder", {"edition": "demo"}, project / "cold-folder.ipynb"), place)
        assert env.results_dir() == below / "own"
    assert printed(project, "cold", "folder") == [str(below / "own")]

"""Ctrl-C and SIGTERM while chapters run: the end in seconds, one sentence, nothing left. And kernels."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import psutil
import pytest
import sweeps

from netpress.book import build, readme
from netpress.book.build import Job
from netpress.errors import UserError

SLOW = "import time; open('started-{n}', 'w').close(); time.sleep(1000)"


def chapter(project: Path, name: str, code: str) -> None:
    """A chapter of the two cells that every one has, and one more."""
    import nbformat
    from nbformat import v4

    first = v4.new_code_cell('edition = "demo"\ndataset = "all"\nseeds = []\nrun_missing = False')
    first.metadata["tags"] = ["parameters"]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = v4.new_notebook(cells=[first, v4.new_code_cell(code)], metadata={"kernelspec": kernel})
    path = project / "chapters" / f"{name}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with three chapters of which none ends."""
    place = tmp_path / "book"
    for n in range(3):
        chapter(place, f"triage/slow{n}", SLOW.format(n=n))
    (place / "_toc.yml").write_text("format: jb-book\nroot: chapters/triage/slow0\n")
    return place


BOOK = """
import sys
from pathlib import Path
from netpress import errors
from netpress.book.build import Job, run_all

if __name__ == "__main__":
    here = Path.cwd()

    def command():
        jobs = [Job(here, f"triage/slow{n}", here / f"out{n}.ipynb", {"edition": "demo"}) for n in range(3)]
        with errors.stoppable("the same command goes on from there"):
            run_all(jobs)

    errors.run(command)
"""


def alive(began: float, place: Path) -> list[str]:
    """The processes of this test that are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            inside = str(place) in " ".join([process.cwd(), *process.cmdline()])
            if inside and process.create_time() >= began and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline())[:200])
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_a_signal_ends_a_book_whose_chapters_run(project: Path, tmp_path: Path, number: int, code: int) -> None:
    last = stopped(BOOK, project, tmp_path, 2, number, code)
    assert last.endswith(f"netpress: stopped by {signal.Signals(number).name}; the same command goes on from there.")
    assert len(list(project.glob("started-*"))) == 2 and list(project.glob("out*")) == []


def test_nothing_is_left_of_a_book_that_was_killed(project: Path, tmp_path: Path) -> None:
    (project / "program.py").write_text(BOOK)
    began = time.time() - 1
    with subprocess.Popen([sys.executable, "program.py"], cwd=project, env=sweeps.environment(tmp_path)) as process:
        sweeps.wait_for(lambda: len(list(project.glob("started-*"))) == 2, 60)
        process.kill()
    sweeps.wait_for(lambda: alive(began, project) == [], 20)
    assert alive(began, project) == []


def stopped(program: str, place: Path, tmp_path: Path, started: int, number: int, code: int) -> str:
    """Send a signal to a program as soon as so many files `started-*` lie there; the last line on stderr.

    It must end in seconds with this exit status, without a traceback, and leave no process and no temporary file.
    """
    (place / "program.py").write_text(program)
    began = time.time() - 1
    short = Path(tempfile.mkdtemp(prefix="np", dir="/tmp"))  # for sockets
    process = subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=place,
        env=sweeps.environment(tmp_path, TMPDIR=str(short)),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    sweeps.wait_for(lambda: process.poll() is not None or len(list(place.glob("started-*"))) == started, 60)
    assert process.poll() is None, process.stderr and process.stderr.read()
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    start = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code and time.monotonic() - start < sweeps.at_most(8)
    assert "Traceback" not in errors
    assert alive(began, place) == []
    assert list(short.iterdir()) == []
    short.rmdir()
    return errors.replace("\r", "\n").strip().splitlines()[-1]


WAITS = """
import runpy, signal, subprocess
from pathlib import Path
from {where} import {module} as patched

def slow(*_, **__):
    Path("started-1").touch()
    subprocess.run(["sleep", "1000"], cwd=".")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is begun with it ignored
patched.{name} = slow
runpy.run_module("{program}", run_name="__main__")
"""
PROGRAMS = {
    "pdf": ("netpress.book", "render", "sphinx", "nothing was printed"),
    "readme": ("netpress", "papers", "verdicts", "the same command goes on from there"),
}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_signal_ends_the_books_other_programs(tmp_path: Path, program: str, number: int, code: int) -> None:
    where, module, name, hint = PROGRAMS[program]
    place = tmp_path / "book"
    (place / "_build" / "book").mkdir(parents=True)
    (place / "_build" / "book" / "_toc.yml").write_text("{}")
    (place / "_toc.yml").touch()
    (place / "chapters").mkdir()
    (place / "README.md").write_text(f"{readme.BEGIN}{readme.END}")
    text = WAITS.format(where=where, module=module, name=name, program=f"netpress.book.{program}")
    text = text.replace("import runpy", "import os; os.environ['PATH'] = '.:' + os.environ['PATH']; import runpy", 1)
    browser = place / "chromium"
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    last = stopped(text, place, tmp_path, 1, number, code)
    assert last == f"netpress: stopped by {signal.Signals(number).name}; {hint}."
    assert (place / "README.md").read_text() == f"{readme.BEGIN}{readme.END}"


def test_a_killed_kernel_is_one_sentence(tmp_path: Path) -> None:
    chapter(tmp_path, "triage/bad", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(UserError, match="The kernel of the chapter triage/bad was killed"):
        build.run_all([Job(tmp_path, "triage/bad", tmp_path / "out.ipynb")])
    assert not (tmp_path / "out.ipynb").exists()


def another_python(folder: Path) -> str:
    """A Python with an environment of its own that could run kernels as well: it sees our packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    packages = sysconfig.get_path("purelib")
    (next(folder.glob("lib/python*/site-packages")) / "ours.pth").write_text(packages)
    return str(folder / "bin" / "python")


@pytest.mark.parametrize("kind", ["cannot start", "names another Python"])
def test_the_kernel_is_this_environments_whatever_the_user_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A kernelspec `python3` of the user's own, which Jupyter would find first."""
    own = tmp_path / "share" / "kernels" / "python3"
    own.mkdir(parents=True)
    python = another_python(tmp_path / "another") if kind == "names another Python" else "/bin/false"
    words = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (own / "kernel.json").write_text(json.dumps({"argv": words, "display_name": "Another", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "0")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "share"))
    long = tmp_path / ("long" * 20)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))  # as batch systems set TMPDIR: sockets may not lie there
    chapter(tmp_path, "triage/good", "import sys; print(sys.prefix)")
    build.run_all([Job(tmp_path, "triage/good", tmp_path / "out.ipynb")])
    done = json.loads((tmp_path / "out.ipynb").read_text())
    assert "".join(done["cells"][-1]["outputs"][0]["text"]).strip() == sys.prefix
    assert list(long.iterdir()) == []


def test_ctrl_c_on_any_other_command_is_one_sentence(tmp_path: Path) -> None:
    text = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is begun with it ignored
from netpress import cli, editions
def slow(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
cli.editions.parse = slow
sys.argv = ["netpress", "plan", "triage"]
cli.main()
"""
    done = sweeps.python(tmp_path, text)
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr

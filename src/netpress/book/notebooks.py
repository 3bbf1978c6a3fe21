"""Running a notebook through papermill, and what is kept of it."""

import json
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from netpress import paths
from netpress.atomic import temporary_folder, write_atomic
from netpress.book.chapter import check_parameters
from netpress.errors import UserError
from netpress.surroundings import absolute, changed

HIDDEN = ("parameters", "injected-parameters")  # the box "made with" says what they say
KEPT = ("tags", "mystnb")


@dataclass(frozen=True)
class Job:
    """One chapter, to be run once in the project's folder with `parameters`, and kept at `target` with `key`."""

    project: Path
    chapter: str  # such as "triage/accuracy"
    parameters: dict[str, Any]
    target: Path
    key: str = ""

    @property
    def source(self) -> Path:
        """The committed notebook."""
        return self.project / "chapters" / f"{self.chapter}.ipynb"


def perform(job: Job, place: Path) -> Path:
    """Check the parameters, run the notebook in a kernel of its own, put the cleaned copy in its target.

    `place`: what `kernels` gives. Raises UserError where a parameter is wrong (before a kernel starts) or a cell fails.
    The target is the whole new notebook or what it was before.
    """
    import nbformat

    check_parameters(job.source, job.parameters)
    kept = clean(execute(job, place), job.key)
    nbformat.validate(kept)
    write_atomic(job.target, nbformat.writes(kept).encode())
    return job.target


def execute(job: Job, place: Path) -> Any:
    """The notebook with its outputs. Nothing is written."""
    import nbformat
    import papermill
    from papermill.exceptions import PapermillExecutionError
    from traitlets.config import Config

    from netpress.book import warm

    try:
        # over TCP, anyone on the machine could connect; a socket's default name is the same for all kernels
        own = mkdtemp(dir=place)
        files = {"ip": f"{own}/kernel", "connection_file": f"{own}/connection.json"}
        config = Config({"KernelManager": {"transport": "ipc", **files}})
        options = {"kernel_name": "python3", "progress_bar": False, "config": config}
        quiet = ["--log-level=50", "--HistoryManager.enabled=False"]
        options |= {"extra_arguments": quiet, "shutdown_kernel": "immediate"}  # nothing to save
        options |= warm.options()
        return papermill.execute_notebook(nbformat.read(job.source, as_version=4), None, job.parameters, **options)
    except PapermillExecutionError as error:
        message = error.evalue if error.ename == "UserError" else f"{error.ename}: {error.evalue}"
        raise UserError(f"The chapter {job.chapter} failed in its code cell {error.exec_count}: {message}") from None
    except (RuntimeError, EOFError, ConnectionError):  # it is gone, or what it would have been forked from is
        raise UserError(
            f"The kernel of the chapter {job.chapter} was killed (the system does so when memory runs out): "
            "free some memory and run it again."
        ) from None


@contextmanager
def kernels(project: Path) -> Iterator[Path]:
    """Inside, kernels begin in the project's folder and know nothing of the user's own set-up.

    Gives a folder for their sockets, whose name is short enough for one. It is the whole process that is changed.
    """
    from ipykernel.kernelspec import write_kernel_spec

    from netpress.book import warm

    with temporary_folder(paths.short_folder()) as place:
        write_kernel_spec(place / "kernels" / "python3")  # a `python3` of the user or the system may be another Python
        ours = dict.fromkeys(("JUPYTER_PATH", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"), str(place))
        with changed(ours | warm.SAME | absolute()), chdir(project):
            yield place


def clean(notebook: Any, key: str) -> Any:
    """The notebook without what differs from one run to the next, with parameters hidden and progress bars gone."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        "netpress": {"key": key},
    }
    for number, cell in enumerate(notebook.cells):
        tags = cell.metadata.get("tags", [])
        cell.metadata = {name: cell.metadata[name] for name in KEPT if name in cell.metadata}
        if cell.cell_type != "code":
            continue
        if any(tag in HIDDEN for tag in tags):
            cell.metadata["tags"] = [*tags, "remove-cell"]
        if "injected-parameters" in tags:
            cell["id"] = f"injected-{number}"
        cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            if "metadata" in output:
                output["metadata"].pop("widgets", None)
    return notebook


def key_of(path: Path) -> str:
    """The key that a kept notebook was made with; "" where there is none, or only a part of one."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["metadata"]["netpress"]["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""

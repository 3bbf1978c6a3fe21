"""Sphinx in a process of its own, which may begin before there is anything to render: its imports take seconds."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from netpress.errors import UserError

PROGRAM = Path(__file__).with_name("sphinx_process.py")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SHOWN = 20  # lines of what it warned of


class Renderer:
    """Renders one book, or one page of it; each warning is an error. A `with` ends a process that still waits."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def begin(self) -> None:
        """Import what it takes while something else is done; `render` does so where this was not called."""
        if self._process:
            return
        environment = {**os.environ, "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, "-P", PROGRAM, str(os.getpid())], env=environment, text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def render(self, book: Path, builder: str = "html", page: Path | None = None) -> None:
        """Render a book, or one `page` of it, a file. Raises UserError with what Sphinx warned of where it fails."""
        self.begin()
        assert self._process is not None
        output, _ = self._process.communicate(json.dumps([str(book), builder, page and str(page)]))
        if self._process.returncode:
            raise UserError(
                f"The site was not built: Sphinx warns, and here a warning is an error.\n{warnings(output, book)}"
            )

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()


def warnings(output: str, book: Path) -> str:
    """What Sphinx warned of; all that it said where it gave no warning."""
    lines = COLOURS.sub("", output).splitlines()
    noted = [line for line in lines if re.search(r"WARNING|ERROR|Error|error", line)] or lines
    return "\n".join(noted[-SHOWN:]).replace(f"{book}/", "")

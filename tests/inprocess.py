"""A chapter run in this process, without a kernel: what it glues and shows, and its prose with the numbers put in."""

import ast
import json
from pathlib import Path
from typing import Any

import IPython.display
import pytest

KEPT = "application/papermill.record/"


def run(path: Path, **parameters: Any) -> dict[str, str]:
    """Place on the page -> what stands there, as HTML or text: glued objects by name, outputs and prose by cell."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    glued: dict[str, str] = {}
    shown: dict[str, str] = {}
    names: dict[str, Any] = {"__name__": "chapter"}

    def display(*things: Any, raw: bool = False, metadata: Any = None, **_: Any) -> None:
        for bundle in things if raw else ():
            if "text/markdown" in bundle:
                shown[f"said {len(shown)}"] = bundle["text/markdown"]
                continue
            if "scrapbook" not in (metadata or {}):
                continue
            kept = {mime.removeprefix(KEPT): value for mime, value in bundle.items()}
            glued[metadata["scrapbook"]["name"]] = kept.get("text/html", kept.get("text/plain", ""))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(IPython.display, "display", display)
        for cell in cells:
            if cell["cell_type"] == "code":
                value = done("".join(cell["source"]), names)
                shown |= {f"output {cell['id']}": html_of(value)} if value is not None else {}
                if "parameters" in cell["metadata"].get("tags", []):
                    names |= parameters
    prose = {f"prose {c['id']}": "".join(c["source"]) for c in cells if c["cell_type"] == "markdown"}
    return {f"glued {name}": text for name, text in glued.items()} | shown | prose


def done(code: str, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last line, where that is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "chapter", "exec"), names)
    return eval(compile(ast.Expression(last.value), "chapter", "eval"), names) if last else None


def html_of(value: Any) -> str:
    return value._repr_html_() if hasattr(value, "_repr_html_") else str(value)

"""CONTRIBUTING's recipes: the lines that each puts into which file, and a copy of the package with them in it."""

import ast
import re
import shutil
import textwrap
from pathlib import Path

import books

BLOCK = re.compile(r"^( *)```\w*\n *# (src/[^\s,:]+)(?:, in (\w+)|: \S+)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(title: str) -> list[tuple[str, str, str]]:
    """(file, the name in it or "", lines) of the recipe with this title, in order."""
    text = (books.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    recipe = text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    found = BLOCK.findall(recipe)
    assert len(found) == recipe.count("\n# src/") + recipe.count("\n   # src/")
    return [(file, name, textwrap.dedent(lines) if indent else lines) for indent, file, name, lines in found]


def follow(title: str, tree: Path) -> None:
    """Put a recipe's lines into a copy of the project."""
    for file, name, lines in blocks(title):
        put(tree / file, name, lines)


def copied(tree: Path) -> Path:
    """A copy of the package in a folder."""
    shutil.copytree(books.ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    return tree


def put(path: Path, name: str, lines: str) -> None:
    """Lines at the end of a file, which may be new, or at the end of what is called `name` in it.

    A line that begins as one that is there, up to its first colon or comma, takes its place.
    """
    before = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    own = lines.rstrip("\n").splitlines()
    if not name:
        path.write_text(
            "\n".join([*before, *([""] * 2 if before and path.suffix == ".py" else []), *own, ""]), encoding="utf-8"
        )
        return
    first, last = span(ast.parse("\n".join(before)), name)
    begins = re.match(r"[^:,]*[:,]", own[0])
    same = [n for n in range(first - 1, last) if begins and before[n].startswith(begins.group())]
    at, until = (same[0], same[0] + 1) if same else (last, last)
    path.write_text("\n".join([*before[:at], *own, *before[until:], ""]), encoding="utf-8")


def span(tree: ast.Module, name: str) -> tuple[int, int]:
    """The first line of what is called so, from 1, and the number of lines up to where more of it may be put."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(
            isinstance(t, ast.Name) and t.id == name for t in targets
        ):
            return node.lineno, (node.end_lineno or 0) - 1  # the last line closes it
        if isinstance(node, ast.ClassDef) and node.name == name:  # its fields
            return node.lineno, max(each.end_lineno or 0 for each in node.body if isinstance(each, ast.AnnAssign))
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node.lineno, node.end_lineno or 0
        if isinstance(node, ast.Dict):  # an entry of a table
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name and isinstance(value, ast.Call):
                    return value.args[-1].lineno, (value.args[-1].end_lineno or 0) - 1
    raise LookupError(name)

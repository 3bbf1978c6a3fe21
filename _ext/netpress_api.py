"""The directive `{netpress-api} netpress.losses`: a module's public names, with signatures, from the docstrings."""

import inspect
import re
from importlib import import_module
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

CODE = re.compile(r"`+([^`]+)`+")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")
LONG_NAMES = re.compile(r"\b(?:torch\.nn\.modules\.\w+|pandas|pathlib|collections\.abc|netpress(?:\.\w+)+)\.(?=[A-Z])")
FORWARD = re.compile(r"'([\w.\[\], |]+)'")  # annotations that were written as texts
LONG = 100  # characters from which a signature is broken: one parameter a line


class Api(SphinxDirective):
    """A section for a module: what its docstring says, then each public name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = import_module(self.arguments[0])
        name = module.__name__
        section = nodes.section(ids=[f"api-{name}"], names=[])
        section += nodes.title("", "", nodes.literal("", name))
        section += paragraphs(inspect.getdoc(module) or "")
        entries = nodes.definition_list(classes=["np-api"])
        for public, thing in public_names(module):
            entries += entry(f"{name}.{public}", thing)
        if len(entries):
            section += entries
        return [section]


def public_names(module: ModuleType) -> list[tuple[str, Any]]:
    """The names that a module offers: its `__all__`, else the functions and classes that it or its package defines."""
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return [(name, getattr(module, name)) for name in listed if documented(getattr(module, name))]
    return [
        (name, thing)
        for name, thing in vars(module).items()
        if not name.startswith("_") and documented(thing) and thing.__module__ == module.__name__
    ]


def documented(thing: Any) -> bool:
    """Whether it is a function or a class with a docstring of its own."""
    return (inspect.isfunction(thing) or inspect.isclass(thing)) and bool(thing.__doc__)


def entry(name: str, thing: Any) -> nodes.definition_list_item:
    """One name: signature, docstring and, for a class, its public methods and properties."""
    # The name as it is: `Settings` and `settings` are two places.
    term = nodes.term("", "", nodes.literal("", signature(name.rpartition(".")[2], thing)), ids=[f"api-{name}"])
    told = nodes.definition("", *paragraphs(described(thing)))
    members = [] if not inspect.isclass(thing) else methods(thing)
    if members:
        inner = nodes.definition_list()
        for method, function in members:
            line = nodes.term("", "", nodes.literal("", signature(method, function)))
            inner += nodes.definition_list_item("", line, nodes.definition("", *paragraphs(described(function))))
        told += inner
    return nodes.definition_list_item("", term, told)


def described(thing: Any) -> str:
    """Its docstring; not the signature that a dataclass without one gets."""
    text = inspect.getdoc(thing) or ""
    return "" if inspect.isclass(thing) and text.startswith(f"{thing.__name__}(") else text


def methods(thing: type) -> list[tuple[str, Any]]:
    """The public methods and properties that a class defines itself and documents."""
    found = []
    for name, member in vars(thing).items():
        plain = getattr(member, "func", None) or getattr(member, "fget", None) or getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(plain) and plain.__doc__:
            found.append((name, plain))
    return found


def signature(name: str, thing: Any) -> str:
    """As it is written in code; long ones with one parameter a line."""
    try:
        told = inspect.signature(thing)
    except (TypeError, ValueError):
        return name
    parameters = [plain(text) for text in in_order(told)]
    returned = (
        ""
        if told.return_annotation is told.empty or inspect.isclass(thing)
        else f" -> {annotation(told.return_annotation)}"
    )
    line = f"{name}({', '.join(parameters)}){returned}"
    return line if len(line) <= LONG else f"{name}(\n    " + ",\n    ".join(parameters) + f",\n){returned}"


def in_order(told: inspect.Signature) -> list[str]:
    """The parameters but `self`, with the star before those that are given by name."""
    found, starred = [], False
    for one in told.parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            found.append("*")
        starred = starred or one.kind in (one.KEYWORD_ONLY, one.VAR_POSITIONAL)
        found += [] if one.name == "self" else [str(one)]
    return found


def annotation(value: Any) -> str:
    """A type as it is written in code."""
    return plain(value if isinstance(value, str) else inspect.formatannotation(value))


def plain(text: str) -> str:
    """Without what differs from run to run, the modules of well-known types, the quotes of forward references."""
    text = LONG_NAMES.sub("", ADDRESS.sub("", text))
    return text if "= '" in text else FORWARD.sub(r"\1", text)


def paragraphs(text: str) -> list[nodes.Node]:
    """A docstring as paragraphs; lines that are set in become a block of code."""
    found: list[nodes.Node] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        if not block.strip():
            continue
        if block.startswith("    "):
            found.append(nodes.literal_block("", inspect.cleandoc(block)))
        else:
            found.append(nodes.paragraph("", "", *inline(" ".join(block.split()))))
    return found


def inline(text: str) -> list[nodes.Node]:
    """Text with what stands between backticks as code."""
    pieces = CODE.split(text)
    return [nodes.literal("", piece) if i % 2 else nodes.Text(piece) for i, piece in enumerate(pieces) if piece]


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("netpress-api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}

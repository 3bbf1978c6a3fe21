"""The page of what can be called: every module and every public name of it is there, with a docstring that reads."""

import inspect
import re
from importlib import import_module

import books
import pytest
import yaml

PAGE = (books.ROOT / "chapters" / "appendix" / "api.md").read_text(encoding="utf-8")
MODULES = re.findall(r"^\.\. automodule:: (\S+)", PAGE, re.MULTILINE)


def public_names(name):
    """The names that a module lists in `__all__`, else the functions and classes that it defines, with a docstring."""
    module = import_module(name)
    listed = getattr(module, "__all__", None) or [
        name for name, thing in vars(module).items()
        if not name.startswith("_") and getattr(thing, "__module__", "") == module.__name__
    ]  # fmt: skip
    things = {name: getattr(module, name) for name in listed}
    return [name for name, thing in things.items() if thing.__doc__ and (inspect.isclass(thing) or callable(thing))]


def test_every_part_of_the_package_is_on_the_page():
    parts = {name.split(".")[1] for name in MODULES}
    assert parts >= {"nets", "data", "compress", "training", "runs", "papers", "report", "book", "editions"}
    assert len(set(MODULES)) == len(MODULES) and all(import_module(name).__doc__ for name in MODULES)


@pytest.fixture(scope="module")
def documented(tmp_path_factory):
    """The names that Sphinx documents, with the book's own configuration and warnings as errors."""
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    folder = tmp_path_factory.mktemp("api")
    (folder / "index.md").write_text(PAGE, encoding="utf-8")
    config = yaml.safe_load((books.ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"]
    own = {key: value for key, value in config.items() if key.startswith(("autodoc_", "nitpick_", "default_role"))}
    extensions = {"extensions": ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"], "nitpicky": True}
    with docutils_namespace():
        app = Sphinx(
            folder, None, folder / "out", folder / "trees", "dummy", own | extensions, status=None, warningiserror=True
        )
        app.build()
    assert app.statuscode == 0
    return set(app.env.domaindata["py"]["objects"])


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(documented, name):
    names = public_names(name)
    assert names and {f"{name}.{each}" for each in names} <= documented

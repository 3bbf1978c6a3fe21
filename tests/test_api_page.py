"""The page of what can be called: every module is there, signatures read as code and are the same in every build."""

import re
import sys

import books
import pytest

sys.path.insert(0, str(books.ROOT / "_ext"))
import netpress_api as api

PAGE = (books.ROOT / "chapters" / "appendix" / "api.md").read_text(encoding="utf-8")
MODULES = re.findall(r"\{netpress-api\} (\S+)", PAGE)


@pytest.mark.parametrize("name", MODULES)
def test_every_module_offers_something_documented(name):
    module = api.import_module(name)
    names = api.public_names(module)
    assert module.__doc__ and names
    for public, thing in names:
        line = api.signature(public, thing)
        assert line.startswith(public) and not re.search(r"0x[0-9a-f]{4}|<class|torch\.nn\.modules", line)


def test_every_part_of_the_package_is_on_the_page():
    parts = {name.split(".")[1] for name in MODULES}
    assert parts >= {"nets", "data", "losses", "compress", "training", "sweep", "papers", "report", "book", "editions"}
    assert len(set(MODULES)) == len(MODULES)


def test_signatures_and_docstrings():
    def short(images: "list[int]", *, px: int = 32) -> "str | None":
        """Turns `images` into words."""

    assert api.signature("short", short) == "short(images: list[int], *, px: int = 32) -> str | None"
    words, code = api.paragraphs("Turns `images` into words.\n\n    x = 1\n")
    assert words.astext() == "Turns images into words." and len(list(words.findall(api.nodes.literal))) == 1
    assert code.astext() == "x = 1"
    assert not api.documented(len) and not api.documented(3)

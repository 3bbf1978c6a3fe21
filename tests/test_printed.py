"""The printed tables against the text of the paper, digit by digit."""

import os
import re
from pathlib import Path

import pytest

from netpress.papers import printed

PAPERS = Path(os.environ.get("NETPRESS_PAPERS") or Path(__file__).parents[2] / "shared" / "papers")
PYRAMID = PAPERS / "pyramid-dnn-compression-report.txt"
TABLES = {number: f"pyramid_table_{number}" for number in (1, 2, 3, 4)}
BOLD = re.compile(r"<b>(.*)</b>")

needs_text = pytest.mark.skipif(
    not PYRAMID.exists(), reason=f"the text of the paper is not at hand: {PYRAMID.name} is looked for in {PAPERS}"
)


def as_published(number: int) -> list[list[str]]:
    """The rows of a table in the text, heads first, cells with their marks."""
    lines = PYRAMID.read_text(encoding="utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"Table {number}:"))
    rows = []
    for line in lines[start + 1 :]:
        if "\t" in line:
            rows.append(line.split("\t"))
        elif rows:
            break
    return rows


@needs_text
@pytest.mark.parametrize("number", TABLES)
def test_every_cell_is_the_papers(number: int) -> None:
    heads, *published = as_published(number)
    ours = printed.rows(TABLES[number])
    assert [*ours[0]] == [*heads, "bold"]
    assert len(ours) == len(published) == 6
    for own, theirs in zip(ours, published, strict=True):
        assert [own[head] for head in heads] == [BOLD.sub(r"\1", cell) for cell in theirs]
        bold = [head for head, cell in zip(heads, theirs, strict=True) if BOLD.fullmatch(cell)]
        assert own["bold"] == "; ".join(bold)


@needs_text
def test_no_table_of_the_paper_is_left_out() -> None:
    found = re.findall(r"^Table (\d+):", PYRAMID.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(map(int, found)) == sorted(TABLES)


def test_numbers_words_and_empty_cells() -> None:
    table = printed.table("pyramid_table_1")
    assert table.index.name == "Architecture" and table.shape == (6, 5)
    assert table.at["SVGG14", "Scratch"] == 92.2875
    assert table.at["SVGG17", "Gram Direct"] == "(same as pyramid 2-stage)"
    assert table.at["VGG19", "Fitnet"] is None


def test_accuracies_on_stl10_are_shares_of_8000_images() -> None:
    """Every number that is no multiple of 1/8000 is one that the paper cut or rounded: these three and no other."""
    odd = [
        value
        for number in (1, 3)
        for row in printed.table(TABLES[number]).to_numpy()
        for value in row
        if isinstance(value, float) and abs(value * 80 - round(value * 80)) > 1e-9
    ]
    assert sorted(odd) == [72.912, 73.76, 84.93]

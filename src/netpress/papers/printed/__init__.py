"""The papers' printed tables, transcribed to the digit, misprints included: one CSV a table."""

import csv
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def rows(name: str) -> list[dict[str, str]]:
    """The table `name`, such as "pyramid_table_1", as printed: one dict of texts a row."""
    text = resources.files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def table(name: str) -> "pd.DataFrame":
    """The table with its first column as the index and without the marks: numbers, words, or None where it is empty."""
    import pandas as pd

    first, *columns = (column for column in rows(name)[0] if column != "bold")
    cells = {column: [value(row[column]) for row in rows(name)] for column in columns}
    return pd.DataFrame(cells, index=pd.Index([row[first] for row in rows(name)], name=first), dtype="object")


def value(text: str) -> Any:
    """A number where the cell holds one."""
    try:
        return float(text)
    except ValueError:
        return text or None

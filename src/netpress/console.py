"""What the terminal shows: JSON, tables that fit, a sweep that is watched."""

import json
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from netpress.errors import plain

if TYPE_CHECKING:
    from netpress.runs.sweep import Survey


def print_json(value: object) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def printer() -> Any:
    """Prints tables that fit the terminal or a pipe."""
    from rich.console import Console

    wide = get_terminal_size((200, 24)).columns if sys.stdout.isatty() else 200  # COLUMNS=0 or 1 says nothing
    return Console(width=wide if wide > 9 else 200, markup=False, highlight=False)


def print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Print rows as a plain table."""
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(cell(row[column]) for column in columns))
    printer().print(table)


def cell(value: object) -> str:
    """A value in a cell."""
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else plain(str(value))


def brief(value: object) -> str:
    """A setting in a cell."""
    if isinstance(value, dict):
        return " ".join(sorted({str(v) for v in value.values()}))
    return "all" if value is None else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def left(seconds: float) -> str:
    """A time in minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"


def survey_table(surveys: "dict[str, Survey]") -> Any:
    """Counts per paper; below, a line for every run that is done now or ended badly."""
    from rich.console import Group
    from rich.table import Table

    from netpress.runs.sweep import NAMED, STATES

    counts = Table("paper", "total", *STATES, box=None, pad_edge=False)
    for paper, found in surveys.items():
        counts.add_row(paper, *(str(number or "") for number in found.counts.values()))
    running = Table("running", "stage", "epoch", "all epochs", "images/s", "time left", box=None, pad_edge=False)
    bad = Table("not done", "state", "by", box=None, pad_edge=False)
    for found in surveys.values():
        for row in found.running:
            if "stage" not in row:  # its first epoch is not over yet
                running.add_row(row["name"])
                continue
            epochs = f"{row['epoch']} of {row['epochs']}", f"{row['done']} of {row['total']}"
            running.add_row(
                row["name"], row["stage"], *epochs, f"{row['images_per_second']:,.0f}", left(row["seconds_left"])
            )
        for name, state in found.states.items():
            if state in NAMED:
                bad.add_row(name, state, found.blocked.get(name, ""))
    return Group(counts, *(part for part in (running, bad) if part.row_count))

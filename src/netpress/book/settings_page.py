"""What the page on settings shows of the editions: every setting, side by side."""

from typing import Any

from netpress import editions
from netpress.report.tables import Table, Whole, listing

SCALES = ("width", "seeds", "images", "px", "weights", "judged_on", "batch")


def table_scales() -> Table:
    """What differs between the editions, for all papers."""
    rows: list[dict[str, Any]] = [{"setting": "meant for"} | dict(editions.MEANT_FOR)]
    rows += [named(name, name) for name in SCALES]
    return listing(rows, "The editions.")


def table_settings(paper: str) -> Table:
    """Every setting of a paper, by edition."""
    names = [name for name in editions.ROWS if name.startswith(f"{paper}.")]
    return listing([named(name, name.partition(".")[2]) for name in names], f"The settings of {paper}.")


def named(key: str, name: str) -> dict[str, Any]:
    """A row of `editions.ROWS` as a row of a table."""
    values = dict(zip(editions.EDITIONS, editions.ROWS[key], strict=True))
    return {"setting": Whole(name)} | {edition: setting_text(value) for edition, value in values.items()}


def setting_text(value: object) -> str:
    """A setting in a cell."""
    if isinstance(value, dict):
        return by_dataset(value)
    if isinstance(value, tuple):
        return ", ".join(setting_text(one) for one in value)
    return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def by_dataset(values: dict[str, Any]) -> str:
    """What differs between data sets: the commonest value, then the others: "32; dogs, flowers102 64"."""
    names: dict[Any, list[str]] = {}
    for dataset, value in values.items():
        names.setdefault(value, []).append(dataset)
    (common, _), *others = sorted(names.items(), key=lambda item: -len(item[1]))
    return "; ".join(
        [setting_text(common), *(f"{', '.join(datasets)} {setting_text(value)}" for value, datasets in others)]
    )

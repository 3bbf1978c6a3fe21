"""What the page on settings shows of their price: time and energy of all records."""

from collections.abc import Iterable
from typing import Any

from netpress import editions
from netpress.book.made_with import took
from netpress.report.tables import Table, Whole, listing
from netpress.runs import records
from netpress.runs.spent import Spell, spell_of, spent

# Energy is estimated, not measured: what a busy core of a server takes with its share of memory and of the rest, and a
# GPU's rated power.
WATTS_PER_CORE = 12.0
WATTS_OF_GPUS = {"H200": 700.0, "H100": 700.0, "A100": 400.0}
WATTS_OF_GPU = 350.0  # of one that is not listed
COUNTED = (
    "Every record counts here, those of fresh seeds and of the search for settings too; the box at the end of a page "
    "has the time of the runs that the page shows. Time is that of a processor's cores together; on a GPU, which many "
    "networks share, it is time on the clock, and the last row counts once what two rows share."
)


def table_cost() -> Table:
    """Networks, time and energy of every paper in every edition that has records, by kind of device."""
    kept: dict[tuple[str, str, str], list[records.Record]] = {}
    for edition in having_records():
        for record in records.every(edition):
            key = (named_edition(edition), record["run"]["paper"], record["made"]["device"])
            kept.setdefault(key, []).append(record)
    rows = [dict(zip(("edition", "paper", "device"), key, strict=True)) | cost(own) for key, own in kept.items()]
    everything = [record for own in kept.values() for record in own]
    totals = cost(everything)
    rows += [{"edition": "all", "paper": "", "device": ""} | totals] if rows else []
    return listing(rows, "What the records cost.", f"{COUNTED} {energy_text()}", digits=3)


def having_records() -> list[str]:
    """The editions, and those with changed settings that have records."""
    return [*editions.EDITIONS, *records.changed_editions()]


def named_edition(edition: str) -> str:
    """An edition in a cell: all searches for its settings are one, and so is all that was changed by hand."""
    base, changes = editions.parse(edition)
    if not changes:
        return base
    return f"{base}, the search" if changes.get("judged_on") == "validation" else f"{base}, changed"


def cost(own: list[records.Record]) -> dict[str, Any]:
    """Networks, time and energy of records."""
    spells = [spell_of(record) for record in own]
    return {"networks": len(own), "time": Whole(took(spells)), "kWh": energy(spells)}


def energy(spells: Iterable[Spell]) -> float:
    """Estimated kilowatt hours of runs."""
    return sum(watts(*device) * seconds for device, seconds in spent(spells).items()) / 3.6e6


def watts(kind: str, device: str) -> float:
    """Of one core of a processor, or of a whole GPU."""
    if kind == "cpu":
        return WATTS_PER_CORE
    return next((w for name, w in WATTS_OF_GPUS.items() if name in device), WATTS_OF_GPU)


def energy_text() -> str:
    """What the energies assume, as a sentence."""
    gpus = ", ".join(f"{name} {watts:g}" for name, watts in WATTS_OF_GPUS.items())
    return (
        f"Energy is estimated, not measured: {WATTS_PER_CORE:g} W for a busy processor core with its share of the "
        f"machine, rated power for a GPU ({gpus}, others {WATTS_OF_GPU:g} W)."
    )


def total_energy() -> float:
    """Estimated kilowatt hours of all records."""
    return energy([spell_of(record) for edition in having_records() for record in records.every(edition)])

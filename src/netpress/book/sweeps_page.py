"""What the page on sweeps shows: how much faster a sweep is with more workers."""

from typing import Any

from netpress.book import benchmark_page
from netpress.report.tables import Table, listing

COLUMNS = {
    "executor": "executor", "workers": "workers", "seconds": "seconds", "speed_up": "speed-up",
    "efficiency": "efficiency", "processor": "seconds of the processor", "training": "training, clocks added up",
}  # fmt: skip


def record() -> dict[str, Any]:
    """The measurement, of a CPU where there is one; empty where nothing was measured."""
    return benchmark_page.record("sweep-scaling")


def table_scaling() -> Table:
    """Seconds, speed-up and efficiency of one sweep with 1, 2 and 4 workers."""
    measured = record()
    rows = [{title: row[name] for name, title in COLUMNS.items()} for row in measured.get("rows", [])]
    note = (
        "Speed-up is beside one worker of the same kind; efficiency is speed-up over workers. Training: seconds on the "
        "clock for which the networks were trained, added up; with more workers than cores they include waiting for "
        "one, and can be more than those of the processor."
    )
    return listing(rows, "One sweep with more and more workers.", note, digits=2)


def conditions() -> str:
    """On what it was measured, as a sentence."""
    measured = record()
    if not measured:
        return benchmark_page.unmeasured("sweep-scaling")
    own, made = measured["settings"], measured["made"]
    return (
        f"{own['runs']} networks that need no other, VGG16 at width {own['width']:g}, {own['images']} images, "
        f"{own['epochs']} epochs each, start of the workers included, on {own['cores']} cores ({made['device']}); "
        f"the load of the machine was {own['load']:.1f} when it ended."
    )


def seconds_to_start() -> float | None:
    """Seconds of the processor of a sweep with one worker, less those on the clock for which it trained."""
    rows = [row for row in record().get("rows", []) if row["executor"] == "processes"]
    return round(rows[0]["processor"] - rows[0]["training"], 1) if rows else None

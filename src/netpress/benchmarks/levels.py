"""The time in which VGG19 and the pyramid's levels classify images, as papers/pyramid/speed.py measures it."""

from typing import Any

from netpress.benchmarks import results
from netpress.papers.pyramid import speed as levels
from netpress.training.compute import choose

EDITION = {"cpu": "small", "cuda": "large", "mps": "small"}


def measure() -> dict[str, Any]:
    """Measure, leave the paper's own record for the edition of this kind of machine, and say how much faster each
    level is than VGG19."""
    config = choose()
    edition = EDITION[config.device.split(":")[0]]
    levels.measure_speed(edition, config=config)
    table = levels.frame(edition)
    top = table.set_index("model").loc[levels.MODELS[0]]
    bars = [
        results.bar(
            "pyramid-speed", f"VGG19 / {row.model}, time to classify",
            [top.seconds_13000 / row.seconds_13000, top.seconds_fastest / row.seconds_slowest,
             top.seconds_slowest / row.seconds_fastest],
        )
        for row in table.itertuples() if row.model != levels.MODELS[0]
    ]  # fmt: skip
    return results.content("pyramid-speed", config, bars, {"edition": edition, "images": levels.COUNT})

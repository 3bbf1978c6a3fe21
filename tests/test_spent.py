"""What runs took, on processors and on GPUs that several share."""

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from netpress.book import cost_page, made_with
from netpress.runs.spent import Spell, most_at_once, on_the_clock, spent

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def spell(begin: float, end: float, kind: str = "cuda", device: str = "NVIDIA H100") -> Spell:
    """A run from and until so many seconds after noon."""
    return Spell(kind, device, (NOON + timedelta(seconds=end)).isoformat(), end - begin)


def test_networks_that_share_a_gpu_take_its_time_once() -> None:
    side_by_side = [spell(0, 100), spell(10, 60), spell(90, 130), spell(200, 260)]
    assert on_the_clock(side_by_side) == on_the_clock(side_by_side[::-1]) == pytest.approx(130 + 60)
    assert on_the_clock([]) == 0


def test_cores_of_a_processor_add_up() -> None:
    both = [spell(0, 100, "cpu", "EPYC"), spell(0, 100, "cpu", "EPYC"), spell(0, 100), spell(0, 100)]
    assert spent(both) == {("cpu", "EPYC"): pytest.approx(200), ("cuda", "NVIDIA H100"): pytest.approx(100)}


def test_energy_of_a_shared_gpu_is_its_own() -> None:
    """By hand: 700 W for 3,600 s are 0.7 kWh, however many networks share it; 12 W for 2 x 3,600 s are 0.024 kWh."""
    hour = [spell(0, 3600)] * 20 + [spell(0, 3600, "cpu", "EPYC")] * 2
    assert cost_page.energy(hour) == pytest.approx(0.7 + 0.024)


def test_the_time_of_a_page_names_the_gpu_apart() -> None:
    cores = [spell(0, 7200, "cpu", "EPYC"), spell(0, 3600, "cpu", "Xeon")]
    assert made_with.took(cores) == "3.0 h"
    assert made_with.took([*cores, *[spell(0, 600)] * 20]) == "3.0 h of a core and 10 min of a GPU"
    rows = pd.DataFrame([{"kind": "cpu", "device": "EPYC", "time": NOON.isoformat(), "took": None}])
    assert made_with.took(made_with.spells(rows.astype({"took": float}))) == "0 s"


def test_how_many_share_a_gpu() -> None:
    assert most_at_once([spell(0, 100), spell(10, 60), spell(60, 90), spell(95, 130)]) == 2
    assert most_at_once([spell(0, 10)] * 3) == 3 and most_at_once([]) == 0

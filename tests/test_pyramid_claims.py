"""The Pyramid's claims in invented worlds."""

from collections import Counter

import pandas as pd
import pytest
from pyramids import BACKWARD, FORWARD, frame

from netpress import papers
from netpress.nets import levels
from netpress.papers import pyramid
from netpress.papers.pyramid import NAMES, claims, tables
from netpress.papers.pyramid.tables import computation
from netpress.report.claims import judge_all
from netpress.report.tables import NOTHING
from netpress.runs.cost import work
from netpress.seeds import seed_of


def verdicts(runs: pd.DataFrame) -> dict[str, str]:
    return {verdict.claim.id: verdict.verdict for verdict in judge_all(claims.CLAIMS, pyramid.tidy(runs))}


def story(sign: float) -> dict[tuple[str, str], float]:
    """A world in which the paper is right (1) or wrong (-1) in everything that training decides."""
    found: dict[tuple[str, str], float] = {}
    for models, best in ((FORWARD, "gram"), (BACKWARD, "two-stages")):
        for depth, model in enumerate(models):
            for method in NAMES:
                gain = 0.02 * (depth + 1) * (method in ("gram", "two-stages")) + 0.03 * (method == best)
                early = 0.1 if (models is FORWARD) == (depth < 3) else 0.0
                found[model, method] = found[model, f"{method}-thawed"] = 0.5 + sign * (gain + early)
    for depth, model in enumerate(FORWARD):
        found[model, "native"] = 0.5 + sign * 0.02 * (depth + 1)
        found[model, "enlarged"] = 0.5 - sign * 0.02 * (depth + 1)
    return found


TRAINED = ("1a", "1b", 2, "3a", "3b", "4a", "4b", "5a", "5b", 9, 12)  # what training decides


def test_claims_are_stated_whole() -> None:
    numbers = ["1a", "1b", 2, "3a", "3b", "4a", "4b", "5a", "5b", *range(6, 13)]
    assert [claim.id for claim in claims.CLAIMS] == [f"P{i}" for i in numbers]
    for claim in claims.CLAIMS:
        assert claim.paper == "pyramid" and claim.where and claim.margin and claim.rests_on and claim.statistic


def test_claims_in_a_world_where_the_paper_is_right(nothing_measured: None) -> None:
    found = verdicts(frame(story(+1), seeds=5))
    counted = {"P6": "contradicted", "P10": "supported", "P11": "supported"}  # by arithmetic: 29.5 M / 3.9 M is 7.6
    unmeasured = dict.fromkeys(("P7", "P8"), "not run")
    assert found == dict.fromkeys(found, "supported") | counted | unmeasured


def test_claims_in_a_world_where_the_paper_is_wrong(nothing_measured: None) -> None:
    found = verdicts(frame(story(-1), seeds=5))
    assert {found[f"P{i}"] for i in (*TRAINED, 6)} == {"contradicted"}


def test_one_seed_decides_nothing_but_what_can_be_counted(nothing_measured: None) -> None:
    found = verdicts(frame(story(+1), seeds=1))
    assert {found[f"P{i}"] for i in TRAINED if i != 12} == {"undecided"} and found["P6"] == "contradicted"
    assert found["P12"] == "not run"  # the pilot saw no enlarged images


def with_times(seconds: dict[str, float]) -> pd.DataFrame:
    """Made-up runs with made-up times: five passes, of which each slows all networks alike."""
    runs = pyramid.tidy(frame({}, seeds=1))
    slower = (1.0, 1.1, 1.5, 1.05, 1.2)
    noise = {model: [1 + 0.01 * (seed_of(model, i) % 100) / 100 for i in range(5)] for model in seconds}
    times = {m: [s * one * other for one, other in zip(slower, noise[m], strict=True)] for m, s in seconds.items()}
    return runs.assign(passes_13000=runs["model"].map(times), seconds_13000=runs["model"].map(seconds))


def test_speed_claims_rest_on_the_measurement(nothing_measured: None) -> None:
    seconds = {"vgg19": 40.0} | dict.fromkeys(FORWARD, 20.0) | dict.fromkeys(BACKWARD, 15.0) | {"svgg5-forward": 10.0}
    found = {v.claim.id: v for v in judge_all(claims.CLAIMS, with_times(seconds))}
    assert (found["P7"].verdict, found["P8"].verdict) == ("supported", "supported")
    assert found["P7"].effect == pytest.approx(4.0, rel=0.02) and found["P7"].n == 5
    assert found["P8"].effect == pytest.approx(4 / 3, rel=0.02)
    assert "one machine" in found["P7"].reason
    effect = found["P7"].effect
    assert effect is not None
    # at one level forward is the faster one
    found = {v.claim.id: v for v in judge_all(claims.CLAIMS, with_times(seconds | {"svgg17-forward": 14.0}))}
    assert found["P8"].verdict == "contradicted" and "SVGG17" in found["P8"].part
    # on the margin itself nothing is decided
    on_it = with_times(seconds | {"svgg5-forward": 10.0 * effect / 3.5})
    found = {v.claim.id: v for v in judge_all(claims.CLAIMS, on_it)}
    assert found["P7"].verdict == "undecided"


def test_the_computation_of_training_by_hand() -> None:
    """Backward trains fewer layers; frozen layers are not trained again."""
    spent = computation("demo")
    assert [*spent][-1] == "backward" and min(spent, key=spent.get) == "backward"
    runs = {run.label: run for run in papers.grid("pyramid", "demo")}
    levels_of = [f"{level}-backward-two-stages-s0" for level in levels.LEVELS]
    assert spent["backward"] == sum(work(runs[label]) for label in levels_of)
    assert claims.computation_ratio(pd.DataFrame({"edition": ["demo"]})) == pytest.approx(
        min(v for name, v in spent.items() if name != "backward") / spent["backward"]
    )


def test_both_readings_of_freezing_by_hand(nothing_measured: None) -> None:
    """Four levels and two methods are averaged: one cell of eight above by 8 points is one point, one level two."""
    runs = pyramid.tidy(frame({("svgg8-forward", "gram-thawed"): 0.58, ("svgg5-forward", "scratch"): 0.42}))
    cells = tables.table_readings(runs).cells
    assert cells.at["FitNet, CIFAR-100", "forward, thawed"].mean == pytest.approx(1, abs=0.1)
    assert cells.at["FitNet, CIFAR-100", "forward, frozen"].mean == pytest.approx(0, abs=0.1)
    assert cells.at[f"{tables.FINE}, CIFAR-100", "forward, frozen"].mean == pytest.approx(2, abs=0.1)
    assert cells.at[f"{tables.FINE}, CIFAR-100", "forward, thawed"].mean == pytest.approx(3, abs=0.1)
    assert cells.at[f"{tables.FINE}, CIFAR-100", "backward"].mean == pytest.approx(0, abs=0.1)
    assert {estimate.n for estimate in cells.to_numpy().ravel()} == {3}
    assert set(cells.index) == {
        f"{n}, {d}" for n in (tables.FINE, "FitNet", "Gram Direct") for d in ("CIFAR-10", "CIFAR-100")
    }


def test_networks_from_random_weights_stand_beside_the_pyramids_own_where_the_size_is_the_same(
    nothing_measured: None,
) -> None:
    known = {("svgg5-forward", "native"): 0.40, ("svgg5-forward", "two-stages-thawed"): 0.35}
    known |= {("svgg17-forward", "native"): 0.30, ("svgg17-forward", "two-stages"): 0.45}
    cells = tables.table_native(pyramid.tidy(frame(known))).cells
    assert cells.at["SVGG5 forward", "difference"].mean == pytest.approx(-5, abs=0.1)
    assert cells.at["SVGG17 forward", "difference"].mean == pytest.approx(15, abs=0.1)
    assert cells.at["VGG19", "difference"] == NOTHING and cells.at["VGG19", "random weights"].n == 3
    larger = tables.table_native(pyramid.tidy(frame(known, "paper"))).cells  # 96 px, and 32 px from random weights
    assert list(larger.columns) == ["depth", "random weights"]
    assert larger.at["SVGG5 forward", "random weights"].mean == pytest.approx(40, abs=0.1)


def test_the_ratio_of_parameters_by_hand() -> None:
    assert claims.parameter_ratio(pd.DataFrame()) == pytest.approx(29_491_018 / 3_887_626)


def test_networks_from_random_weights_include_vgg19_once(nothing_measured: None) -> None:
    small_ones, full = (pyramid.from_random(pyramid.tidy(frame({}, e, 1))) for e in ("small", "paper"))
    assert Counter(small_ones["level"]) == Counter(full["level"]) == Counter(("vgg19", *levels.LEVELS))
    assert set(small_ones["dataset"]) == set(full["dataset"]) == {"cifar100"}
    assert set(full["method"]) == {"native"}


def test_claims_are_counted_in_the_papers_own_numbers():
    """By hand from Tables 1-4. P1: Gram is below 2 stages at SVGG14 on STL10. P3: a tie at SVGG8, two cells of
    CIFAR-100. P4: a tie at SVGG17, and SVGG14 on CIFAR-100. P5: four cells of Table 1, four of 2, one of 4."""
    counted = {name: count() for name, count in tables.COUNTS.items()}
    assert counted == {"P1": (7, 8), "P2": (10, 10), "P3": (13, 16), "P4": (34, 36), "P5": (59, 68)}
    known = {claim.id: claim.own() for claim in claims.CLAIMS if claim.own}
    assert known["P1a"] == known["P1b"] == (7, 8) and set(known) == {
        "P1a",
        "P1b",
        "P2",
        "P3a",
        "P3b",
        "P4a",
        "P4b",
        "P5a",
        "P5b",
    }

"""Claims: verdicts on frames with planted effects, against scipy, and what must stay undecided."""

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from netpress.errors import UserError
from netpress.report.claims import (
    EPOCHS,
    VERDICTS,
    Claim,
    Contrast,
    Evidence,
    Measure,
    all_of,
    difference_judge,
    equivalence_judge,
    exact_judge,
    judge_all,
    noninferiority_judge,
    rules,
    scoreboard,
    spoken,
    trend_judge,
    weakest,
)

DATASETS = ("mnist", "cifar10", "cifar100", "dogs")
THAWED, FROZEN, PARENT = {"method": "*-thawed"}, {"method": "*-frozen"}, {"method": "parent"}


def frame(seeds=3, thawed=0.02, block5=0.0, noise=0.001, edition="small"):
    """Accuracies 0.7 + effect + noise; frozen networks lie 0.02 below their parents."""
    generator = np.random.default_rng(seeds)
    rows = []
    for d, dataset in enumerate(DATASETS):
        for seed in range(seeds):
            rows.append((dataset, "vgg16", "parent", seed, 0.7, 4 + d))
            for block in range(1, 6):
                extra = block5 if block == 5 else 0.0
                for method, effect in (
                    ("random-frozen", -0.02),
                    ("mean-frozen", -0.02),
                    ("random-thawed", thawed),
                ):
                    rows.append((dataset, f"vgg16-block{block}", method, seed, 0.7 + effect + extra, 4 + d))
    runs = pd.DataFrame(rows, columns=["dataset", "model", "method", "seed", "best", "epochs_to_99"])
    runs["best"] += generator.normal(0, noise, len(runs))
    runs["epochs_to_99"] += generator.integers(0, 2, len(runs))
    return runs.assign(
        paper="triage", edition=edition, status="done", last=runs["best"] - 0.01, name="n", parameters=100
    )


def claim(judge, id="T0", paper="triage"):
    return Claim(
        id=id, paper=paper, statement="A sentence.", where="section 4", compares="one against the other",
        statistic="paired difference", margin="1 point", judge=judge, rests_on=("figure_2",),
    )  # fmt: skip


def verdict(judge, runs):
    return judge_all([claim(judge)], runs)[0]


def test_difference_agrees_with_a_loop_and_scipy():
    runs = frame()
    found = difference_judge(Contrast(THAWED, FROZEN, by=("dataset", "model")))(runs, pd.DataFrame())
    best = {tuple(row[:4]): row[4] for row in runs.itertuples(index=False)}
    per_seed = []
    for seed in range(3):
        cells = []
        for dataset in DATASETS:
            for block in range(1, 6):
                at = (dataset, f"vgg16-block{block}")
                frozen = best[*at, "random-frozen", seed], best[*at, "mean-frozen", seed]
                cells.append(best[*at, "random-thawed", seed] - sum(frozen) / 2)
        per_seed.append(100 * sum(cells) / 20)
    assert found.effect == pytest.approx(np.mean(per_seed))
    assert found.p == pytest.approx(stats.ttest_1samp(per_seed, 0).pvalue, rel=1e-6)
    low, high = stats.t.interval(0.95, 2, np.mean(per_seed), stats.sem(per_seed))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert (found.n, found.unit) == (3, "points")


def test_planted_effects_are_found_in_both_directions():
    better = difference_judge(Contrast(THAWED, PARENT))
    assert verdict(better, frame(thawed=0.02)).verdict == "supported"
    assert verdict(better, frame(thawed=-0.02)).verdict == "contradicted"
    less = difference_judge(Contrast(THAWED, PARENT), direction="less")
    assert verdict(less, frame(thawed=-0.02)).verdict == "supported"


def test_the_threshold_is_what_is_tested():
    contrast = Contrast(FROZEN, PARENT)
    assert verdict(noninferiority_judge(contrast, 5), frame()).verdict == "supported"
    assert verdict(noninferiority_judge(contrast, 1), frame()).verdict == "contradicted"
    assert verdict(difference_judge(contrast, -2.0), frame(noise=0.01)).verdict == "undecided"


def test_every_part_must_hold():
    runs = frame(thawed=0.02)
    lost = (runs["dataset"] == "dogs") & (runs["method"] == "random-thawed")
    runs.loc[lost, "best"] -= 0.04
    contrast = Contrast(THAWED, PARENT, every=("dataset",))
    found = verdict(difference_judge(contrast), runs)
    assert found.verdict == "contradicted"
    assert "dogs" in found.evidence.note
    assert verdict(difference_judge(Contrast(THAWED, PARENT)), runs).verdict == "supported"


def test_what_is_told_is_the_part_that_contradicts():
    """Not an open one whose p for the claim is as high, whatever the units of their distances."""
    open_part = Evidence(-4.0, -9.0, 1.0, 3, "points", p=1.0, p_against=0.3, distance=-4.0)
    contradicted = Evidence(-0.8, -0.8, -0.8, 3, "tau", p=0.9999, p_against=0.0004, distance=-0.8)
    further = Evidence(-0.9, -0.9, -0.9, 3, "tau", p=0.9998, p_against=0.0006, distance=-0.9)
    found = weakest({"open": open_part, "contradicted": contradicted, "further": further})
    assert (found.effect, found.unit, found.note) == (-0.9, "tau", "weakest of 3: further")
    assert (found.p, found.p_against) == (1.0, pytest.approx(3 * 0.0004))


def test_each_network_against_its_parent():
    contrast = Contrast(THAWED, PARENT, every=("dataset", "model"))
    found = difference_judge(contrast)(frame(), pd.DataFrame())
    assert "weakest of 20" in found.note


@pytest.mark.parametrize("judge", [
    difference_judge(Contrast(THAWED, PARENT)),
    equivalence_judge({"model": "vgg16-block*"}, "model", 1.0),
    trend_judge({}, "dataset", {"mnist": 1, "cifar10": 2, "cifar100": 3, "dogs": 4}),
])  # fmt: skip
def test_one_seed_decides_nothing(judge):
    found = verdict(judge, frame(seeds=1))
    assert found.verdict == "undecided"
    assert (found.evidence.low, found.evidence.high, found.p, found.seeds_needed) == (None, None, None, None)
    assert found.evidence.effect is not None
    assert found.n == 1


def test_equivalence_over_blocks():
    judge = equivalence_judge({"method": ["*-frozen", "*-thawed"]}, "model", 1.0)
    assert verdict(judge, frame()).verdict == "supported"
    broken = verdict(judge, frame(block5=0.03))
    assert broken.verdict == "contradicted"
    assert "vgg16-block5" in broken.evidence.note
    assert broken.evidence.level == pytest.approx(0.90)


def test_equivalence_uses_complete_combinations_only():
    runs = frame()
    # block 3 was never run on dogs, where all accuracies are far lower: a plain mean would call block 3 best.
    runs.loc[runs["dataset"] == "dogs", "best"] -= 0.4
    runs.loc[(runs["dataset"] == "dogs") & (runs["model"] == "vgg16-block3"), "status"] = "missing"
    found = verdict(equivalence_judge({"model": "vgg16-block*"}, "model", 1.0), runs)
    assert found.verdict == "supported"
    assert "9 of 180 runs do not count: 9 missing" in found.evidence.note


def test_trend_over_data_sets():
    order = {"mnist": 1, "cifar10": 2, "cifar100": 3, "dogs": 4}
    assert verdict(trend_judge({}, "dataset", order), frame()).verdict == "supported"
    backwards = {name: -rank for name, rank in order.items()}
    assert verdict(trend_judge({}, "dataset", backwards), frame()).verdict == "contradicted"
    few = trend_judge({"dataset": ("mnist", "dogs")}, "dataset", order)
    assert verdict(few, frame()).verdict == "not run"


def test_ratios():
    runs = frame()
    slow = runs["method"] == "parent"
    runs["seconds"] = np.where(slow, 8.0, 2.0) * (1 + 0.01 * runs["seed"] * slow)
    times = Measure("seconds", "times", ratio=True)
    found = difference_judge(Contrast(PARENT, THAWED, times), threshold=3.5)(runs, pd.DataFrame())
    logs = [math.log(8.0 * (1 + 0.01 * s) / 2.0) for s in range(3)]
    assert found.effect == pytest.approx(math.exp(np.mean(logs)))
    assert found.p == pytest.approx(stats.ttest_1samp(logs, math.log(3.5)).pvalue, rel=1e-6)
    assert found.low < found.effect < found.high


def test_exact_claims_need_no_seeds():
    judge = exact_judge(lambda runs: float(runs["parameters"].iloc[0]), "parameters", at_least=100)
    found = verdict(judge, frame(seeds=1))
    assert (found.verdict, found.n, found.p) == ("supported", "exact", None)
    assert (
        verdict(exact_judge(lambda runs: 99, "parameters", at_least=100), frame()).verdict == "contradicted"
    )
    assert verdict(exact_judge(lambda runs: None, "parameters", at_least=100), frame()).verdict == "not run"


def test_all_of_needs_all():
    good = difference_judge(Contrast(THAWED, FROZEN))
    bad = difference_judge(Contrast(FROZEN, PARENT))
    assert verdict(all_of(better=good, reaches=noninferiority_judge(Contrast(THAWED, PARENT), 1)), frame()).verdict \
        == "supported"  # fmt: skip
    both = all_of(better=good, frozen_wins=bad)
    assert verdict(both, frame()).verdict == "contradicted"
    assert "frozen wins: best, method *-frozen minus method parent" in both.rule
    shown = rules(judge_all([claim(both), claim(good)], frame()), "Rules").cells["test"]
    assert [line.split(":")[0] for line in shown.iloc[0].lines] == ["better", "frozen wins"]
    assert shown.iloc[1].lines == (good.rule,)


def test_a_spoken_verdict_says_what_its_number_is_of():
    told = spoken(verdict(difference_judge(Contrast(THAWED, PARENT, every=("dataset",))), frame()))
    assert re.fullmatch(r"supported \(\d\.\d\d points \[.+\], n = 3; weakest of 4: \w+\)", told)
    counted = verdict(exact_judge(lambda runs: 10.0, "times", at_least=9), frame())
    assert spoken(counted) == "supported (10.00 times, exact)"


def test_stale_and_failed_runs_do_not_count_and_are_named():
    runs = frame()
    wrong = (runs["seed"] == 2) & (runs["method"] == "random-thawed")
    runs.loc[wrong, ["best", "status"]] = [0.0, "stale"]
    found = verdict(difference_judge(Contrast(THAWED, PARENT)), runs)
    assert found.evidence.n == 2
    assert found.evidence.effect == pytest.approx(2.0, abs=0.2)
    assert "20 of 72 runs do not count: 20 stale" in found.evidence.note


def test_a_part_that_was_not_run_leaves_the_claim_open():
    runs = frame()
    runs.loc[runs["dataset"] == "dogs", "status"] = "missing"
    found = verdict(difference_judge(Contrast(THAWED, PARENT, every=("dataset",))), runs)
    assert found.verdict == "undecided"
    assert "not run: dogs" in found.evidence.note


def test_nothing_run():
    for runs in (
        frame().assign(status="missing"),
        frame().head(0),
        pd.DataFrame(),
        frame().assign(paper="pyramid"),
    ):
        found = verdict(difference_judge(Contrast(THAWED, PARENT)), runs)
        assert (found.verdict, found.effect) == ("not run", "")
    assert verdict(difference_judge(Contrast({"method": "gram"}, PARENT)), frame()).verdict == "not run"
    unmeasured = Contrast(THAWED, PARENT, Measure("cka", "cka"))
    assert verdict(difference_judge(unmeasured), frame()).verdict == "not run"


def test_editions_are_never_mixed():
    with pytest.raises(UserError, match="large, small"):
        verdict(difference_judge(Contrast(THAWED, PARENT)), pd.concat([frame(), frame(edition="large")]))


def constant(p, against=None, n=3):
    return lambda runs, history: Evidence(1.0, 0.5, 1.5, n, "points", p, against, spread=1.0, distance=0.5)


def test_holm_is_applied_within_a_paper():
    ps = [0.01, 0.04, 0.03, 0.005]
    claims = [claim(constant(p, 1 - p), f"T{i}") for i, p in enumerate(ps)]
    others = [claim(constant(0.04, 0.9), "P1", paper="pyramid")]
    runs = pd.concat([frame(), frame().assign(paper="pyramid")])
    found = judge_all([*claims, *others], runs)
    assert [v.p for v in found] == pytest.approx([0.03, 0.06, 0.06, 0.02, 0.04])
    assert [v.verdict for v in found] == ["supported", "undecided", "undecided", "supported", "supported"]


def test_contradiction_is_corrected_too():
    claims = [claim(constant(0.99, 0.03), "T1"), claim(constant(0.001, 0.99), "T2")]
    assert [v.verdict for v in judge_all(claims, frame())] == ["contradicted", "supported"]
    claims = [claim(constant(0.99, 0.03), "T1"), claim(constant(0.2, 0.9), "T2")]
    assert judge_all(claims, frame())[0].verdict == "undecided"


def test_undecided_says_how_many_seeds_would_decide():
    found = verdict(constant(0.3), frame())
    assert found.seeds_needed == 34  # sd 1, effect 0.5, two-sided 5 %, power 80 %
    two = judge_all([claim(constant(0.3), "T1"), claim(constant(0.4), "T2")], frame())
    assert two[0].seeds_needed > 34


def test_wrong_verdicts_on_chance_are_rare():
    generator = np.random.default_rng(5)
    judge = difference_judge(Contrast(THAWED, FROZEN))
    base = pd.DataFrame(
        [("digits", "m", method, seed) for method in ("a-thawed", "b-frozen") for seed in range(4)],
        columns=["dataset", "model", "method", "seed"],
    ).assign(paper="triage")
    decided = [
        verdict(judge, base.assign(best=generator.normal(0.7, 0.01, 8))).verdict != "undecided"
        for _ in range(120)
    ]
    assert np.mean(decided) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)


def test_the_rule_is_in_the_claim_in_words():
    rule = claim(difference_judge(Contrast(THAWED, PARENT, every=("dataset",)), -5.0)).rule
    assert rule.startswith("One against the other. Paired difference. Margin: 1 point. Test: ")
    assert "supported if more than -5 points in every dataset" in rule
    assert "contradicted if less in any dataset" in rule
    assert "Holm" in rule and "single seed" in rule


def test_json_is_plain_and_complete():
    claims = [claim(difference_judge(Contrast(THAWED, PARENT)), "T2"), claim(lambda r, h: Evidence(
        math.nan, None, None, 1, "points"), "T9")]  # fmt: skip
    for found in judge_all(claims, frame()):
        plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert set(plain) >= {
            "id",
            "paper",
            "statement",
            "verdict",
            "effect",
            "interval",
            "n",
            "rests_on",
            "rule",
        }
        assert plain["verdict"] in VERDICTS
        assert plain["edition"] == "small"
    assert judge_all(claims, frame())[0].as_dict()["interval"][0] < 2 < judge_all(claims, frame())[0].as_dict()[
        "interval"][1] + 0.2  # fmt: skip


def test_wrong_columns_and_directions_are_named():
    with pytest.raises(UserError, match="lacks level"):
        verdict(difference_judge(Contrast(THAWED, PARENT, by=("level",))), frame())
    with pytest.raises(UserError, match="direction"):
        difference_judge(Contrast(THAWED, PARENT), direction="up")


def test_history_reaches_the_judge_without_other_papers():
    seen = []
    history = pd.DataFrame({"name": ["n", "other"], "epoch": [1, 1]})

    def judge(runs, history):
        seen.append(list(history["name"]))
        return Evidence(None, None, None, 0, "")

    judge_all([claim(judge)], frame(), history)
    assert seen == [["n"]]


def test_scoreboard_links_and_shows_every_verdict():
    claims = [claim(difference_judge(Contrast(THAWED, PARENT)), "T2"), claim(constant(0.3), "T3")]
    table = scoreboard(judge_all(claims, frame()), "All claims", {"T2": "triage/accuracy.html#figure-2"})
    page = table._repr_html_()
    assert '<a href="triage/accuracy.html#figure-2">T2</a>' in page
    assert '<span class="np-tag np-supported">supported</span>' in page
    assert '<span class="np-tag np-undecided">undecided</span>' in page
    assert "points [" in page


def test_epochs_are_judged_in_epochs():
    runs = frame()
    runs.loc[runs["method"] == "random-thawed", "epochs_to_99"] -= 3
    found = verdict(difference_judge(Contrast(THAWED, FROZEN, EPOCHS), direction="less"), runs)
    assert found.verdict == "supported"
    assert found.evidence.unit == "epochs"

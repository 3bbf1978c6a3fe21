"""Claims: verdicts on frames with planted effects, and what must stay undecided."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from netpress.report.boards import rules, scoreboard, spoken
from netpress.report.findings import finding, of_pilot
from scipy import stats

from netpress.errors import UserError
from netpress.report.claim_tests import (
    all_of,
    any_difference_test,
    correlation_test,
    count_test,
    difference_test,
    equivalence_test,
    noninferiority_test,
    trend_test,
)
from netpress.report.claims import LEVEL, VERDICTS, Claim, Pilot, judge_all
from netpress.report.comparisons import ACCURACY, EPOCHS, Comparison, Measure
from netpress.report.evidence import ClaimTest, Contrast, Findings
from netpress.report.labels import WHOLE, Label, against, at, less

DATASETS = ("mnist", "cifar10", "cifar100", "dogs")
THAWED, FROZEN, PARENT = {"regime": "thawed"}, {"regime": "frozen"}, {"method": "parent"}
COMPRESSED = {"block": "block*"}
ORDER = {"mnist": 1, "cifar10": 2, "cifar100": 3, "dogs": 4}


def frame(seeds=4, thawed=0.02, block5=0.0, noise=0.001, edition="small", first=3):
    """Accuracies 0.7 + effect + noise; frozen networks lie 0.02 below their parents."""
    generator = np.random.default_rng(seeds)
    rows = []
    for d, dataset in enumerate(DATASETS):
        for seed in range(first, first + seeds):
            rows.append((dataset, "parent", "", "", seed, 0.7, 4 + d))
            for block in range(1, 6):
                extra = block5 if block == 5 else 0.0
                for method, regime, effect in (
                    ("random-frozen", "frozen", -0.02), ("mean-frozen", "frozen", -0.02),
                    ("random-thawed", "thawed", thawed),
                ):  # fmt: skip
                    rows.append((dataset, method, regime, f"block{block}", seed, 0.7 + effect + extra, 4 + d))
    columns = ["dataset", "method", "regime", "block", "seed", "best", "epochs_to_99"]
    runs = pd.DataFrame(rows, columns=columns)
    runs["best"] += generator.normal(0, noise, len(runs))
    runs["epochs_to_99"] = runs["epochs_to_99"] + generator.normal(0, 0.2, len(runs))
    return runs.assign(
        paper="triage", edition=edition, status="done", last=runs["best"] - 0.01, name="n", parameters=100
    )


def claim(test, id="T0", paper="triage"):
    return Claim(
        id=id, paper=paper, statement="A sentence.", where="section 4", compares="one against the other",
        statistic="paired difference", margin="1 point", test=test, rests_on=("figure_2",),
    )  # fmt: skip


def verdict(test, runs):
    return judge_all([claim(test)], runs)[0]


def test_a_difference_agrees_with_a_loop_and_the_formulas():
    runs = frame()
    found = verdict(difference_test(Contrast(THAWED, FROZEN, by=("dataset", "block"))), runs).result
    best = {(r.dataset, r.block, r.method, r.seed): r.best for r in runs.itertuples()}
    means, variances = [], []
    for dataset in DATASETS:
        own = []
        for seed in range(3, 7):
            thawed, random, mean = (
                [best[dataset, f"block{b}", method, seed] for b in range(1, 6)]
                for method in ("random-thawed", "random-frozen", "mean-frozen")
            )
            cells = [t - (r + m) / 2 for t, r, m in zip(thawed, random, mean, strict=True)]
            own.append(100 * sum(cells) / 5)
        means.append(np.mean(own))
        variances.append(np.var(own, ddof=1) / 4 / 16)
    df = sum(variances) ** 2 / sum(v**2 / 3 for v in variances)
    half = stats.t.isf(LEVEL / 2, df) * math.sqrt(sum(variances))
    assert found.effect == pytest.approx(np.mean(means))
    assert (found.low, found.high) == pytest.approx((np.mean(means) - half, np.mean(means) + half))
    assert (found.n, found.unit) == (4, "points")


def test_planted_effects_are_found_in_both_directions():
    better = difference_test(Contrast(THAWED, PARENT))
    assert verdict(better, frame(thawed=0.02)).verdict == "supported"
    assert verdict(better, frame(thawed=-0.02)).verdict == "contradicted"
    less = difference_test(Contrast(THAWED, PARENT), direction="less")
    assert verdict(less, frame(thawed=-0.02)).verdict == "supported"


def test_a_difference_too_small_to_matter():
    """However sure it is; a bound of another kind than 0 is not a difference."""
    small = frame(thawed=0.003)
    found = verdict(difference_test(Contrast(THAWED, PARENT)), small)
    assert found.verdict == "no difference that matters"
    assert -0.5 < found.result.low < found.result.high < 0.5
    assert verdict(noninferiority_test(Contrast(THAWED, PARENT), 5), small).verdict == "supported"
    unstated = Measure("best", "points", 100.0)
    assert verdict(difference_test(Contrast(THAWED, PARENT, unstated)), small).verdict == "supported"


def test_the_threshold_is_what_is_tested():
    contrast = Contrast(FROZEN, PARENT)
    assert verdict(noninferiority_test(contrast, 5), frame()).verdict == "supported"
    assert verdict(noninferiority_test(contrast, 1), frame()).verdict == "contradicted"
    assert verdict(difference_test(contrast, -2.0), frame(noise=0.01)).verdict == "undecided"


def test_every_part_must_hold():
    runs = frame(thawed=0.02)
    lost = (runs["dataset"] == "dogs") & (runs["regime"] == "thawed")
    runs.loc[lost, "best"] -= 0.04
    found = verdict(difference_test(Contrast(THAWED, PARENT, every=("dataset",))), runs)
    assert found.verdict == "contradicted"
    assert str(found.result.decided_by) == "dogs"
    assert verdict(difference_test(Contrast(THAWED, PARENT)), runs).verdict == "supported"


def test_each_block_against_its_parent():
    test = difference_test(Contrast(THAWED, PARENT, every=("dataset", "block")))
    assert len(test.run(frame(), pd.DataFrame()).parts) == 20


@pytest.mark.parametrize("test", [
    difference_test(Contrast(THAWED, PARENT)),
    equivalence_test(COMPRESSED, "block", 1.0),
])  # fmt: skip
def test_one_seed_decides_nothing(test):
    found = verdict(test, frame(seeds=1))
    assert found.verdict == "undecided"
    assert (found.result.low, found.result.high, found.p, found.seeds) == (None, None, None, "")
    assert found.result.effect is not None
    assert found.n == 1


def test_equivalence_over_blocks_and_its_opposite():
    equal, different = equivalence_test(COMPRESSED, "block", 1.0), any_difference_test(COMPRESSED, "block", 1.0)
    assert (verdict(equal, frame()).verdict, verdict(different, frame()).verdict) == ("supported", "contradicted")
    broken = verdict(equal, frame(block5=0.03))
    assert broken.verdict == "contradicted"
    assert "block5" in broken.result.decided_by.pair
    found = verdict(different, frame(block5=0.03))
    assert found.verdict == "supported"
    # the largest t contradicts equality; its opposite it supports
    assert broken.result.largest_t.maxt > 0 and found.result.largest_t is None


def test_a_combination_that_one_value_lacks_is_left_out():
    runs = frame()
    # block 3 diverged on dogs, where all accuracies are far lower: a plain mean would call block 3 best.
    runs.loc[runs["dataset"] == "dogs", "best"] -= 0.4
    runs.loc[(runs["dataset"] == "dogs") & (runs["block"] == "block3"), "status"] = "diverged"
    found = verdict(equivalence_test(COMPRESSED, "block", 1.0), runs)
    assert found.verdict == "supported"
    assert "12 diverged do not count" in found.result.note


def test_a_trend_over_data_sets():
    test = trend_test({}, "dataset", ORDER)
    assert verdict(test, frame()).verdict == "supported"
    assert verdict(trend_test({}, "dataset", {name: -rank for name, rank in ORDER.items()}), frame()).verdict \
        == "contradicted"  # fmt: skip
    assert verdict(trend_test({}, "dataset", ORDER, rising=False), frame()).verdict == "contradicted"
    assert verdict(trend_test({"dataset": ("mnist", "dogs")}, "dataset", ORDER), frame()).verdict == "not run"


def test_a_correlation_within_data_sets_and_seeds():
    runs = frame()
    runs["slow"] = -runs["best"] + 0.1 * runs["dataset"].map(ORDER)
    test = correlation_test(COMPRESSED, Measure("slow", "s"), ACCURACY, ("block", "regime"))
    found = verdict(test, runs)
    assert (found.verdict, found.result.effect) == ("contradicted", pytest.approx(-1.0))


def test_ratios():
    runs = frame()
    slow = runs["method"] == "parent"
    runs["seconds"] = np.where(slow, 8.0, 2.0) * (1 + 0.01 * runs["seed"] * slow)
    times = Measure("seconds", "times", ratio=True)
    found = verdict(difference_test(Contrast(PARENT, THAWED, times), threshold=3.5), runs).result
    logs = [math.log(8.0 * (1 + 0.01 * s) / 2.0) for s in range(3, 7)]
    assert found.effect == pytest.approx(math.exp(np.mean(logs)))
    assert found.low < found.effect < found.high


def test_counts_need_no_seeds():
    test = count_test(lambda runs: float(runs["parameters"].iloc[0]), "parameters", at_least=100)
    found = verdict(test, frame(seeds=1))
    assert (found.verdict, found.n, found.p) == ("supported", "exact", None)
    assert verdict(count_test(lambda runs: 99, "parameters", at_least=100), frame()).verdict == "contradicted"
    assert verdict(count_test(lambda runs: None, "parameters", at_least=100), frame()).verdict == "not run"


def test_all_of_needs_all():
    good = difference_test(Contrast(THAWED, FROZEN))
    bad = difference_test(Contrast(FROZEN, PARENT))
    reaches = noninferiority_test(Contrast(THAWED, PARENT), 1)
    assert verdict(all_of({Label("better"): good, Label("reaches"): reaches}), frame()).verdict == "supported"
    both = all_of({Label("better"): good, Label("frozen wins"): bad})
    found = verdict(both, frame())
    assert (found.verdict, str(found.result.decided_by)) == ("contradicted", "frozen wins")
    assert "frozen wins: best, regime frozen minus method parent" in both.rule
    shown = rules(judge_all([claim(both), claim(good)], frame()), "Rules").cells["the exact rule"]
    assert [line.split(":")[0] for line in shown.iloc[0].lines] == ["better", "frozen wins"]
    assert shown.iloc[1].lines == (good.rule,)


def test_a_spoken_verdict_says_what_its_number_is_of():
    told = spoken(finding(verdict(difference_test(Contrast(THAWED, PARENT, every=("dataset",))), frame())))
    assert re.fullmatch(r"supported \(\d\.\d points above \([\w -]+\); \d\.\d to \d\.\d, n = 4\)", told)
    counted = verdict(count_test(lambda runs: 10.0, "times", at_least=9), frame())
    assert spoken(finding(counted)) == "supported (10.00 times; counted)" and counted.result.holds == (9, None)


PILOT = {"verdict": "contradicted", "effect": -5.648, "interval": [-6.84, -4.45], "unit": "points", "n": 3}


@pytest.mark.parametrize(
    ("effect", "unit", "decided_by", "than", "said"),
    [
        (-5.648, "points", at("forward").within(against("FitNet")), {}, "5.6 points below FitNet (forward)"),
        (0.7167, "epochs", against("mean frozen", "faster than"), {}, "0.72 epochs slower than mean frozen"),
        (-0.5, "epochs", Label("faster"), {"epochs": "random"}, "0.50 epochs faster than random"),
        (-0.5, "epochs", WHOLE, {}, "0.50 epochs faster"),
        (-2.24, "points", less("block1", "block5"), {}, "2.2 points less with block 1 than with block 5"),
        (0.3, "points", at("cifar100").within(against("the parent")), {}, "0.3 points above the parent (CIFAR-100)"),
        (-0.8, "tau", Label("knowledge"), {"tau": "agreement {} as T rises"}, "agreement falls as T rises, tau −0.80"),
        (0.018, "CKA", at("output"), {"CKA": "random"}, "0.018 more alike than random (output)"),
        (0.3, "points", WHOLE, {"points": ("better than six", "worse than six")}, "0.3 points better than six"),
        (-0.3, "points", WHOLE, {"points": ("better than six", "worse than six")}, "0.3 points worse than six"),
        (7.586, "times", WHOLE, {"times": "fewer parameters"}, "7.59 times fewer parameters"),
        (math.nan, "points", WHOLE, {}, ""),
    ],
)
def test_effects_are_told_in_words(effect, unit, decided_by, than, said):
    one = replace(claim(planted(1.0)), than=than, names={"block1": "block 1", "block5": "block 5"})
    made = of_pilot(one, PILOT | {"effect": effect, "unit": unit})
    assert replace(made, decided_by=decided_by).words == said


def test_the_pilot_is_told_by_the_facts_that_its_claim_has_of_it():
    part = Pilot((0.0, None), at("forward").within(against("FitNet")))
    made = of_pilot(replace(claim(planted(1.0)), pilot=part), PILOT)
    assert made.where == "forward, against FitNet" and made.holds == (0.0, None)
    assert spoken(made) == (
        "in the pilot, by the first rules, contradicted (5.6 points below FitNet (forward); −6.8 to −4.5, n = 3)"
    )


def test_the_side_on_which_a_claim_holds_is_known():
    """Of an inequality its threshold, the other way round where a claim says that not all of them hold."""
    where = {"block": "block*"}
    more, less = difference_test(Contrast(THAWED, PARENT), -0.5), difference_test(Contrast(THAWED, PARENT), 1.0, "less")
    assert verdict(more, frame()).result.holds == (-0.5, None) and verdict(less, frame()).result.holds == (None, 1.0)
    equal, unequal = (test(where, "block", 1.0, by=("method",)) for test in (equivalence_test, any_difference_test))
    assert {verdict(equal, frame(block5=0.05)).result.holds} <= {(-1.0, None), (None, 1.0)}
    part = verdict(unequal, frame(block5=0.05)).result
    assert part.holds in ((None, -1.0), (1.0, None))
    rising = trend_test(COMPRESSED, "dataset", ORDER, EPOCHS, by=("block",))
    assert verdict(rising, frame()).result.holds == (0.0, None)


def test_nothing_is_judged_before_all_its_runs_are_there():
    """No looking at some seeds, then more: a missing run leaves the claim not run, and says how many lack."""
    for status in ("missing", "stale"):
        runs = frame()
        lacking = (runs["seed"] == 6) & (runs["regime"] == "thawed")
        runs.loc[lacking, ["best", "status"]] = [math.nan, status]
        found = verdict(difference_test(Contrast(THAWED, PARENT)), runs)
        assert (found.verdict, found.effect) == ("not run", "")
        assert found.result.note == "20 of 96 runs are missing"
        assert verdict(difference_test(Contrast(FROZEN, PARENT)), runs).verdict == "contradicted"


def test_nothing_run():
    for runs in (
        frame().assign(status="missing"), frame().head(0), pd.DataFrame(), frame().assign(paper="pyramid"),
    ):  # fmt: skip
        found = verdict(difference_test(Contrast(THAWED, PARENT)), runs)
        assert (found.verdict, found.effect) == ("not run", "")
    assert verdict(difference_test(Contrast({"method": "gram"}, PARENT)), frame()).verdict == "not run"
    unmeasured = Contrast(THAWED, PARENT, Measure("cka", "cka"))
    assert verdict(difference_test(unmeasured), frame()).verdict == "not run"


def test_editions_are_never_mixed():
    with pytest.raises(UserError, match="large, small"):
        verdict(difference_test(Contrast(THAWED, PARENT)), pd.concat([frame(), frame(edition="large")]))


def planted(distance, seeds=6):
    """A claim's test whose one comparison has its mean `distance` standard errors above 0."""
    values = np.array([-1.0, 1.0] * (seeds // 2))
    values = values + distance * values.std(ddof=1) / math.sqrt(seeds)
    return ClaimTest(lambda runs, history: Findings((Comparison(WHOLE, {"a": values}, EPOCHS),)), "planted")


def test_holm_is_applied_within_a_paper():
    distances = [4.0, 2.9, 3.1, 5.0]
    claims = [claim(planted(d), f"T{i}") for i, d in enumerate(distances)]
    others = [claim(planted(2.9), "P1", paper="pyramid")]
    runs = pd.concat([frame(), frame().assign(paper="pyramid")])
    found = judge_all([*claims, *others], runs)
    raw = [2 * stats.t.sf(d, 5) for d in distances]
    assert [v.p for v in found[:4]] == pytest.approx([3 * raw[0], 2 * raw[2], 2 * raw[2], 4 * raw[3]])
    assert found[4].p == pytest.approx(raw[1])
    assert [v.verdict for v in found] == ["supported", "undecided", "undecided", "supported", "supported"]
    # the level that Holm left to each: a bound of the interval lies on 0 there exactly
    assert [round(LEVEL / v.result.alpha) for v in found] == [3, 2, 2, 4, 1]
    for v in found:
        assert (v.result.low > 0) == (v.verdict == "supported")


def test_claims_that_wait_for_their_runs_count_in_the_correction():
    """Else their turn could undo a verdict: one claim's raw p of 0.03 decides alone, and not beside one that waits."""
    waits = ClaimTest(lambda runs, history: Findings(), "waits")
    alone = judge_all([claim(planted(3.0), "T1")], frame())
    beside = judge_all([claim(planted(3.0), "T1"), claim(waits, "T2")], frame())
    assert [v.verdict for v in alone] == ["supported"] and [v.verdict for v in beside] == ["undecided", "not run"]
    assert beside[0].p == pytest.approx(2 * alone[0].p) and beside[1].p is None


def test_contradiction_is_corrected_too():
    found = judge_all([claim(planted(-3.0), "T1"), claim(planted(6.0), "T2")], frame())
    assert [v.verdict for v in found] == ["contradicted", "supported"]
    found = judge_all([claim(planted(-3.0), "T1"), claim(planted(1.0), "T2")], frame())
    assert found[0].verdict == "undecided"


def test_undecided_says_how_many_seeds_would_decide():
    found = verdict(planted(1.5), frame())
    n, spread = found.needed.seeds, math.sqrt(6 / 5)  # mean 1.5 standard errors of 6 seeds
    mean = 1.5 * spread / math.sqrt(6)

    def power(seeds):
        return stats.nct.sf(stats.t.isf(LEVEL / 2, seeds - 1), seeds - 1, mean * math.sqrt(seeds) / spread)

    assert power(n) >= 0.8 > power(n - 1)
    assert found.seeds == f"at least {n}"
    two = judge_all([claim(planted(1.5), "T1"), claim(planted(1.4), "T2")], frame())
    assert two[0].needed.seeds > n


def test_what_lies_on_its_threshold_is_never_decided():
    on = ClaimTest(
        lambda runs, history: Findings((Comparison(WHOLE, {"a": np.array([-1.0, 1.0, -1.0, 1.0])}, ACCURACY, 0.0),)),
        "on",
    )
    assert verdict(on, frame()).seeds.startswith("no number up to 100: 0.00 points from the margin, ")


def test_wrong_verdicts_on_chance_are_rare():
    generator = np.random.default_rng(5)
    test = difference_test(Contrast({"method": "a"}, {"method": "b"}, Measure("best", "points", 100.0)))
    base = pd.DataFrame(
        [("digits", method, seed) for method in ("a", "b") for seed in range(4)], columns=["dataset", "method", "seed"]
    ).assign(paper="triage")
    decided = [
        verdict(test, base.assign(best=generator.normal(0.7, 0.01, 8))).verdict != "undecided" for _ in range(120)
    ]
    assert np.mean(decided) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)


def test_the_rule_is_in_the_claim_in_words():
    rule = claim(difference_test(Contrast(THAWED, PARENT, every=("dataset",)), -5.0)).rule
    assert rule.startswith("One against the other. Paired difference. Margin: 1 point. Test: ")
    assert "supported if more than -5 points in every dataset" in rule
    assert "contradicted if less in any dataset" in rule
    assert "no difference that matters" not in rule
    plain = claim(difference_test(Contrast(THAWED, PARENT))).rule
    assert "no difference that matters if within 0.5 points of 0" in plain
    assert "Holm" in rule and "single seed" in rule


def test_json_is_plain_and_complete():
    claims = [claim(difference_test(Contrast(THAWED, PARENT)), "T2"), claim(planted(math.nan), "T9")]
    for found in judge_all(claims, frame()):
        plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
        assert set(plain) >= {
            "id", "paper", "statement", "verdict", "effect", "interval", "level", "n", "rests_on", "rule",
            "rule_version", "rules_of", "decided_by",
        }  # fmt: skip
        assert plain["verdict"] in VERDICTS
        assert plain["rule_version"] == 2
        assert plain["edition"] == "small"


def test_wrong_columns_and_directions_are_named():
    with pytest.raises(UserError, match="lacks level"):
        verdict(difference_test(Contrast(THAWED, PARENT, by=("level",))), frame())
    with pytest.raises(UserError, match="direction"):
        difference_test(Contrast(THAWED, PARENT), direction="up")


def test_history_reaches_the_test_without_other_papers():
    seen = []
    history = pd.DataFrame({"name": ["n", "other"], "epoch": [1, 1]})

    def run(runs, history):
        seen.append(list(history["name"]))
        return Findings()

    judge_all([claim(ClaimTest(run, "a rule"))], frame(), history)
    assert seen == [["n"]]


def test_the_scoreboard_shows_fresh_seeds_in_place_of_the_pilot():
    claims = [claim(difference_test(Contrast(THAWED, PARENT)), "T2"), claim(planted(1.0), "T3")]
    page = scoreboard(judge_all(claims, frame()), {"T2": PILOT}, "All claims")._repr_html_()
    assert '<span class="np-tag np-supported">supported</span>' in page and "points above" in page
    assert page.count('<span class="np-tag np-undecided">undecided</span>') == 1 and "pilot" not in page


def test_the_scoreboard_shows_the_pilot_as_long_as_fresh_seeds_lack():
    claims = [
        claim(difference_test(Contrast(THAWED, PARENT)), "T2"),
        claim(difference_test(Contrast(FROZEN, PARENT)), "T3"),
    ]
    none = judge_all(claims, frame().assign(status="missing"))
    table = scoreboard(none, {"T2": PILOT}, "All claims", cards="../together/scoreboard.html")
    page = table._repr_html_()
    assert (
        '<span class="np-tag np-contradicted np-by">contradicted</span> <small class="np-whose">pilot</small>' in page
    )
    assert '<a href="../together/scoreboard.html#claim-T2">T2</a>' in page and "5.6 points below" in page
    assert list(table.cells["verdict"].map(str)) == ["contradicted (pilot)", "not run"] and "not all run" in table.note


def test_the_scoreboards_note_holds_for_quotients_and_for_passes():
    """Networks that take twice as long: half the quotient lies above 0 and yet means less. Passes are no seeds."""
    runs = frame(seeds=4).assign(seconds=lambda rows: np.where(rows["method"] == "parent", 2.0, 4.0))
    runs["seconds"] *= 1 + 0.01 * runs["seed"] * (runs["method"] == "parent")
    faster = verdict(difference_test(Contrast(PARENT, THAWED, Measure("seconds", "times", ratio=True)), 1.0), runs)
    assert faster.verdict == "contradicted" and 0 < faster.result.low < faster.result.high < 1
    note = scoreboard([faster], {}, "All claims").note
    assert "quotient (“times”), below 1 means less" in note and "it counts passes" in note


def test_epochs_are_judged_in_epochs():
    runs = frame()
    runs.loc[runs["regime"] == "thawed", "epochs_to_99"] -= 3
    found = verdict(difference_test(Contrast(THAWED, FROZEN, EPOCHS), direction="less"), runs)
    assert (found.verdict, found.result.unit) == ("supported", "epochs")

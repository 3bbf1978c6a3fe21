"""The claims, tables and figures of the third paper, from invented records."""

from fnmatch import fnmatchcase

import invented
import pandas as pd
import pytest
import torch

from netpress import papers
from netpress.papers.compressing import figures, tidy
from netpress.papers.compressing.claims import CLAIMS
from netpress.report.claims import judge_all

# glob of the label -> accuracy, so that every claim holds; the first that fits
HOLDS = (
    ("cnn-256-512-*", 0.95), ("cnn-16-32-distilled-t10-a0.9-s?", 0.90), ("cnn-16-32-alone-*", 0.85), ("cnn-*", 0.88),
    ("six-layer-parent-*", 0.80), ("six-layer-pruned-1x-*", 0.81), ("six-layer-pruned-5x-*", 0.808),
    ("six-layer-pruned-*-retrained-*", 0.808), ("six-*", 0.7),
    ("vgg16-parent-*", 0.85), ("vgg16-pruned-1x-*", 0.86), ("vgg16-pruned-*", 0.80), ("vgg16-narrow-*", 0.83),
    ("vgg16-*", 0.75), ("bit-*-teacher-*", 0.6), ("bit-*-matched-1x-*", 0.2), ("bit-*", 0.5),
)  # fmt: skip


def frame(accuracies=HOLDS, seeds: int = 3, sign: int = 1) -> pd.DataFrame:
    """The tidy frame of edition small, with invented numbers. With sign -1 agreement and overfitting are reversed."""
    runs = papers.grid("compressing", "small", seeds=tuple(range(seeds)))
    rows = []
    for number, run in enumerate(runs):
        base = next(value for glob, value in accuracies if fnmatchcase(run.label, glob))
        last = base + 1e-4 * (number * 7 % 11) + 0.01 * run.seed
        hot = float(getattr(run.stages[0], "temperature", 1.0)) if run.stages else 1.0
        rows.append(
            invented.row(run, "small", last + 0.001, last)
            | {
                "measures.agreement": last + sign * 1e-3 * hot, "measures.divergence": 0.1 + 1e-3 * (number % 5),
                "measures.train_accuracy": last + 0.05 + sign * 1e-3 * hot, "measures.int8_accuracy": last - 0.002,
                "measures.sparsity": 0.0, "parameters": 1000 + number, "multiply_adds": 10**6,
                **{f"measures.bytes_{f}": 5000.0 + number for f in ("dense32", "sparse32", "shared", "int8")},
                "measures.bytes_shared+huffman": 900.0 + number,
            }
        )  # fmt: skip
    return tidy(pd.DataFrame(rows))


def test_columns_are_what_a_run_varies() -> None:
    rows = frame(seeds=1).set_index("name")
    one = rows.loc["compressing/cifar10/cnn-16-32-distilled-t4-a0.9-squared-s0"]
    assert (one["temperature"], one["alpha"], one["squared"]) == (4.0, 0.9, True)
    one = rows.loc["compressing/cifar10/vgg16-shared-3b-5x-untuned-s0"]
    assert (one["bits"], one["base"], one["finish"]) == (3.0, "5x", "untuned")
    one = rows.loc["compressing/cifar10/six-layer-pruned-20x-gradual-retrained-s0"]
    assert (one["ratio"], one["how"], one["finish"]) == (20.0, "gradual", "retrained")
    one = rows.loc["compressing/flowers102/bit-r14x1-fixed-3x-s0"]
    assert (one["way"], one["length"]) == ("fixed", 3.0)
    alone = rows[(rows["method"] == "alone") & (rows["model"] == "cnn-16-32")]
    assert set(alone["alpha"]) == {0.0} and alone["temperature"].isna().all()


@pytest.mark.parametrize(
    ("method", "against"),
    [
        ("pruned-5x-layer-retrained", "pruned-1x-global-retrained"),
        ("pruned-5x-layer-untouched", "parent"),
        ("shared-4b-dense-tuned", "parent"),
        ("shared-4b-5x-untuned", "pruned-5x-global-retrained"),
        ("narrow-10x-distilled", "parent"),
    ],
)
def test_change_is_measured_against_the_right_network(method: str, against: str) -> None:
    rows = frame()
    rows = rows[rows["model"] == "vgg16"].set_index(["method", "seed"])
    for seed in range(3):
        expected = rows.loc[(method, seed), "last"] - rows.loc[(against, seed), "last"]
        assert rows.loc[(method, seed), "change"] == pytest.approx(expected)


def test_every_claim_has_its_rule() -> None:
    assert [claim.id for claim in CLAIMS] == [
        f"K{i}" for i in (1, "2a", "2b", "3a", "3b", *("4a", "4b", "4c", "4d"), "5a", "5b", 6)
    ]
    assert all(claim.rule and claim.where and claim.rests_on for claim in CLAIMS)


IDS = tuple(claim.id for claim in CLAIMS)
EQUAL = {"K5b": "no difference that matters"}  # the numbers below are alike with and without a teacher


def verdicts(rows: pd.DataFrame) -> dict[str, str]:
    return {verdict.claim.id: verdict.verdict for verdict in judge_all(CLAIMS, rows)}


def test_all_claims_are_supported_by_numbers_that_support_them() -> None:
    assert verdicts(frame()) == dict.fromkeys(IDS, "supported") | EQUAL


def test_all_claims_are_contradicted_by_numbers_that_contradict_them() -> None:
    changed = (
        ("cnn-16-32-distilled-t10-a0.9-s?", 0.80), ("six-layer-pruned-5x-*", 0.70), ("vgg16-pruned-5x-*", 0.86),
        ("vgg16-narrow-*", 0.70), ("bit-*-matched-1x-*", 0.9),
    )  # fmt: skip
    assert verdicts(frame((*changed, *HOLDS), sign=-1)) == dict.fromkeys(IDS, "contradicted") | EQUAL


def test_one_seed_decides_nothing() -> None:
    assert verdicts(frame(seeds=1)) == dict.fromkeys(IDS, "undecided")


def test_table_1_sets_the_printed_numbers_beside_ours() -> None:
    cells = figures.table_1(frame()).cells
    assert {key: cells.loc[key].paper for key in TABLE_1} == TABLE_1
    ours = cells.loc["student, taught as printed", "CIFAR-10"].ours
    assert ours.n == 3 and 90 < ours.mean < 92.5
    assert cells.loc["the student alone", "MNIST"].ours.n == 3


TABLE_1 = {
    ("teacher", "MNIST"): 97.78, ("student, taught as printed", "MNIST"): 97.50,
    ("teacher", "CIFAR-10"): 69.72, ("student, taught as printed", "CIFAR-10"): 58.55,
}  # fmt: skip


def test_table_2_sets_the_printed_numbers_beside_ours() -> None:
    cells = figures.table_2(frame()).cells
    assert [cells["Flowers-102"].iloc[i].paper for i in (0, 1)] == [98.18, 81.02]
    assert all(cell.ours.n == 3 for cell in cells["Flowers-102"])
    assert len(cells) == 5


def test_tables_name_our_networks_and_the_papers() -> None:
    """Ours are another size and are trained for another time: the paper's names are not theirs."""
    runs = frame()
    cells = figures.table_2(runs.assign(parameters=152_686)).cells
    student = runs[(runs["way"] == "matched") & (runs["length"] == 10)].iloc[0]
    assert cells.at["student, matched", "in the paper"] == "BiT ResNet-50x1, 1,000 epochs"
    assert cells.at["student, matched", "here"] == f"{student['model']}, 152,686 weights, {student['epochs']} epochs"
    assert not any("BiT ResNet-101x3" in name or "Teacher (" in name for name in figures.agreement(runs).cells.index)


def test_sizes_count_times_smaller_against_the_parent_in_floats() -> None:
    cells = figures.storage(frame()).cells
    vgg = cells[cells["network"] == "VGG16"]
    assert len(vgg) == 8 and vgg["times smaller"].iloc[0] == 1.0
    assert vgg["times smaller"].iloc[-1] == pytest.approx(vgg["KiB"].iloc[0] / vgg["KiB"].iloc[-1])


@pytest.mark.parametrize("draw", [figures.agreement, figures.networks, figures.storage])
@pytest.mark.parametrize("rows", ["full", "none"])
def test_tables_are_made_from_any_frame(draw, rows: str) -> None:
    whole = frame()
    assert draw(whole if rows == "full" else whole.assign(status="missing"))._repr_html_().startswith("<div")


@pytest.mark.parametrize(
    "draw",
    [figures.temperatures, figures.teacher_lift, figures.sparsity, figures.bits, figures.sizes, figures.schedules],
)
def test_figures_are_drawn_from_any_frame(draw) -> None:
    whole = frame()
    assert "<svg" in draw(whole)._repr_html_()
    assert "nothing to show yet" in draw(whole.assign(status="missing"))._repr_html_()


def test_views_are_drawn_of_what_is_matched() -> None:
    runs = papers.grid("compressing", "demo")
    assert "Images of digits" in figures.views(runs).words.measure
    assert "Images of digits" in figures.views(()).words.measure


def test_mixtures_are_of_the_two_cuts_above_them() -> None:
    rows, shares = figures.mixtures(torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8), 6)
    own, other, mixed = (rows[name] for name in ("cut", "another, cut", "the two mixed"))
    share = shares.view(-1, 1, 1, 1)
    assert torch.allclose(mixed, share * own + (1 - share) * other, atol=1e-5) and (shares - 0.5).abs().max() < 0.2


def test_figures_say_on_what_they_rest() -> None:
    assert "on CIFAR-10" in figures.sparsity(frame()).words.measure and "n = 3" in figures.sparsity(frame()).note
    assert figures.bits(frame(seeds=1)).note == "One run each: no intervals."


def test_a_teachers_lift_and_likeness_by_hand() -> None:
    runs = frame()
    narrow = runs[(runs["role"] == "narrow") & (runs["ratio"] == 5)].set_index(["finish", "seed"])["last"]
    gain = 100 * (narrow["distilled"] - narrow["alone"]).mean()
    assert figures.lifts(runs)[5].mean == pytest.approx(gain) and figures.lifts(runs)[5].n == 3
    matched = runs[(runs["way"] == "matched") & (runs["length"] == 10)]
    assert figures.likeness(runs)["matched"]["accuracy"].mean == pytest.approx(100 * matched["last"].mean())
    assert "nothing to show yet" in figures.teacher_lift(runs.assign(status="missing")).svg


def test_table_1_has_weights_and_epochs_in_the_order_of_the_data_sets() -> None:
    weights = {"mnist": 20, "cifar10": 10}
    cells = figures.table_1(frame().assign(parameters=lambda rows: rows["dataset"].map(weights))).cells
    assert cells.at["the student alone", "here"] == "cnn-16-32, 20 or 10 weights, 25 or 10 epochs"


def test_temperatures_are_drawn_where_they_were_swept_and_at_one_both_forms_are_one_network() -> None:
    found = figures.temperatures(frame()).to_frame()
    assert len(set(found["runs"].dropna())) and not found["runs"].str.contains("mnist").any()
    cold = found[found["panel"] == "accuracy, %"].dropna(subset=["form"])
    assert len(cold) == 2 and cold[1.0].nunique() == 1

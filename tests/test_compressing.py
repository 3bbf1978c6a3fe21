"""The grid of the third paper, what its stages do to networks, its claims, tables and figures."""

from fnmatch import fnmatchcase

import pandas as pd
import pytest

from netpress import papers
from netpress.papers.compressing import distillation, figures, matching, pruning, tables, tidy
from netpress.papers.compressing.claims import CLAIMS
from netpress.report.claims import judge_all
from netpress.runs.run import fingerprint

SWEPT = 1 + 1 + (2 * 7 - 1) + 2 * 9  # teacher, alone, T (1 squared is 1), alpha (0.9 is among those of T)
BRIEF = 1 + 1 + 2
MATCHED = 1 + 3 + 3 + 1 + 1
# with fresh seeds what claims are about: Table I, temperatures, parents and 5x (large: 10x, 20x, narrow), schedules
FRESH = 2 * BRIEF + 6 * (1 + 1 + 2 * 7 - 1) + 6 * (4 + 4 + 2 + 3) + 4 * (1 + 3 + 3)


def two_networks(ratios: int, bits: int) -> int:
    """Both networks: parent, control, pruned (two scopes, retrained or not, and gradual), with shared weights (two
    kinds, tuned or not). Narrow VGG16s of all sizes but that of 2x, taught or not."""
    return 2 * (1 + 1 + 5 * ratios + 2 * 2 * bits) + 2 * (ratios - 1)


@pytest.mark.parametrize(
    ("edition", "networks"),
    [
        ("demo", SWEPT + two_networks(3, 3) + MATCHED),
        ("small", 3 * BRIEF + 3 * SWEPT + 3 * (two_networks(4, 6) + MATCHED) + FRESH),
        ("large", 3 * BRIEF + 3 * SWEPT + 3 * (two_networks(4, 6) + MATCHED)),
        ("paper", 5 * (2 * SWEPT + two_networks(4, 6) + MATCHED)),
    ],
)
def test_networks(edition: str, networks: int) -> None:
    runs = papers.grid("compressing", edition)
    assert len({run.name for run in runs}) == len({run.fingerprint for run in runs}) == len(runs) == networks


@pytest.mark.parametrize("edition", ["demo", "small", "paper"])
def test_every_need_comes_before_and_has_the_same_seed_and_data(edition: str) -> None:
    seen = set()
    for run in papers.grid("compressing", edition):
        assert all(need in seen and (need.seed, need.dataset) == (run.seed, run.dataset) for _, need in run.needs)
        seen.add(run)


@pytest.mark.parametrize("edition", ["small", "large", "paper"])
def test_table_1_is_as_printed_in_every_edition_with_real_data(edition: str) -> None:
    for run in papers.grid("compressing", edition):
        if run.model in (distillation.TEACHER, distillation.STUDENT):
            (stage,) = run.stages
            assert stage.epochs == {"mnist": 25, "cifar10": 10}[run.dataset]
            assert (run.images, run.width, run.px) == (None, 1.0, {"mnist": 28, "cifar10": 32}[run.dataset])
            assert (stage.optimiser, stage.lr, stage.schedule, stage.batch_size) == ("adam", 3e-4, "constant", 64)


def test_table_2_is_as_printed_in_the_edition_paper() -> None:
    runs = {run.label: run for run in papers.grid("compressing", "paper", ("flowers102",), (0,))}
    student = runs["bit-r50x1-matched-10x-s0"]
    assert student.stages[0].epochs == 1000 and student.px == 224
    assert student.needs[0][1].model == "bit-r101x3"
    assert type(student.needs[0][1].steps[0]).__name__ == "Pretrained"


def test_sweeps_hold_every_temperature_and_weight_in_both_forms() -> None:
    stages = [r.stages[0] for r in papers.grid("compressing", "small", ("cifar10",), (0,)) if "distilled-t" in r.method]
    for scaled in (False, True):
        found = {(s.temperature, s.alpha) for s in stages if s.scaled == scaled}
        hot = {(float(t), 0.9) for t in (1, 2, 4, 8, 10, 16, 32) if t > 1 or not scaled}
        assert found == hot | {(10.0, round(0.1 * a, 1)) for a in range(1, 11)}


def test_pruned_networks_train_equally_long() -> None:
    chosen = settings()
    for run in papers.grid("compressing", "small", ("cifar10",), (0,)):
        if fnmatchcase(run.method, "pruned-*-retrained"):
            assert run.epochs == chosen.retrain_epochs
        elif run.method.startswith("narrow"):
            assert run.epochs == chosen.parent_epochs + chosen.retrain_epochs
            assert run.stages[0].lr == chosen.parent_rate
    gradual = pruning.pruning(settings(), "cifar10")[pruning.pruned(20, "gradual", "retrained")]
    assert len({s.name for s in gradual[2::2]}) == 3


def test_soft_targets_times_their_temperature_squared_pull_as_hard_as_labels() -> None:
    """Why taught and untaught narrow networks share one rate. A new student, a teacher sure of the right answers."""
    import torch

    from netpress import losses

    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(200) % 10
    teacher = torch.randn(200, 10, generator=draw) + 8.0 * torch.eye(10)[labels]
    new = torch.randn(200, 10, generator=draw) / 4
    sizes = []
    for alpha in (0.0, pruning.ALPHA):
        logits = new.clone().requires_grad_()
        losses.distillation(logits, teacher, labels, pruning.TEMPERATURE, alpha, scaled=True).backward()
        sizes.append(float(logits.grad.norm()))
    assert 1 / 2 < sizes[1] / sizes[0] < 2


def settings():
    from netpress import editions

    return editions.settings("small", "compressing")


def test_the_last_gradual_step_prunes_to_the_ratio() -> None:
    ways = pruning.pruning(settings(), "cifar10")
    for ratio in (2, 5, 10, 20):
        cuts = [step.ratio for step in ways[pruning.pruned(ratio, "gradual", "retrained")] if hasattr(step, "ratio")]
        assert len(cuts) == 3 and cuts == sorted(cuts) and cuts[-1] == ratio


def test_only_the_fixed_teacher_has_a_view_of_its_own() -> None:
    for run in papers.grid("compressing", "small", ("flowers102",), (0,)):
        (stage,) = run.stages
        if run.method.startswith(("matched", "consistent")):
            assert stage.teacher_view is None and stage.loss == "function-matching"
        elif run.method.startswith("fixed"):
            assert (stage.view, stage.teacher_view) == ("inception", "plain")
        else:
            assert stage.loss == "cross-entropy" and stage.teacher is None


# What training does ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    from netpress.runs.perform import Workspace
    from netpress.runs.weights import WeightStore
    from netpress.training import compute

    return Workspace(compute.plain(), WeightStore(tmp_path_factory.mktemp("weights")))


def short(pattern: str):
    """The first run that matches, of a demo that takes seconds."""
    edition = "demo+distilled_epochs=2+images=192+parent_epochs=2+retrain_epochs=3+tune_epochs=1+width=0.0625"
    return next(run for run in papers.grid("compressing", edition) if fnmatchcase(run.label, pattern))


@pytest.fixture(scope="module")
def performed(workspace):
    """label -> (run, record's content, network) of some networks of six layers, needs first."""
    from netpress.runs.perform import perform
    from netpress.runs.run import with_needs

    methods = ("pruned-20x-gradual-retrained", "shared-4b-5x-tuned", "pruned-5x-layer-retrained")
    found = {}
    for run in with_needs(short(f"six-layer-{method}-*") for method in methods):
        content = perform(run, workspace)
        assert content["status"] == "done", content["reason"]
        found[run.method] = (run, content, workspace.finished(run))
    return found


def zeros(network) -> tuple[list[float], list[int]]:
    """The share of zeros in the weight of each layer, and how many weights it has."""
    from torch import nn

    weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    return [float((w == 0).sum()) / w.numel() for w in weights], [w.numel() for w in weights]


@pytest.mark.parametrize(
    ("method", "share"), [("pruned-20x-gradual-retrained", 0.95), ("pruned-5x-global-retrained", 0.8)]
)
def test_pruned_weights_stay_zero_through_training(performed, method: str, share: float) -> None:
    _, content, network = performed[method]
    shares, sizes = zeros(network)
    total = sum(s * n for s, n in zip(shares, sizes, strict=True)) / sum(sizes)
    assert total == pytest.approx(share, abs=1e-3)
    assert content["measures"]["sparsity"] == pytest.approx(total)


def test_layer_by_layer_every_layer_has_its_share(performed) -> None:
    shares, sizes = zeros(performed["pruned-5x-layer-retrained"][2])
    assert all(s == pytest.approx(0.8, abs=1 / n) for s, n in zip(shares, sizes, strict=True))


def test_shared_weights_keep_the_zeros_and_take_sixteen_values(performed) -> None:
    from torch import nn

    for layer in performed["shared-4b-5x-tuned"][2].modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            assert len(layer.weight.unique()) <= 16 + 1
    assert performed["shared-4b-5x-tuned"][1]["measures"]["sparsity"] >= 0.8 - 1e-3


def test_the_file_decodes_to_the_same_network_and_has_the_size_on_record(performed, workspace, tmp_path) -> None:
    import torch

    from netpress.compress import storage

    run, content, network = performed["shared-4b-5x-tuned"]
    written = storage.write(network, tmp_path / "network", "shared+huffman")
    assert (tmp_path / "network").stat().st_size == written.bytes
    assert written.bytes == pytest.approx(content["measures"]["bytes_shared+huffman"], abs=50)  # order of names alone
    back = storage.read(tmp_path / "network", workspace.blank(run))
    for name, tensor in network.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name


def test_accuracy_in_integers_is_that_of_the_integer_network(performed, workspace) -> None:
    from netpress.compress import integer
    from netpress.runs.measures import CALIBRATED

    run, content, network = performed["pruned-5x-global-retrained"]
    if content["measures"]["int8_accuracy"] is None:
        pytest.skip(content["measures"]["int8_reason"])
    train_test = workspace.train_test(run)
    whole = integer.int8(network, train_test.normalise(train_test.train.x[:CALIBRATED]))
    assert len(whole.kernels) == 6
    right = (whole(train_test.normalise(train_test.test.x)).argmax(1) == train_test.test.y).sum().item()
    assert content["measures"]["int8_accuracy"] == right / 500


def test_a_run_that_was_pruned_last_has_one_accuracy(workspace, performed) -> None:
    from netpress.runs.perform import perform

    content = perform(short("six-layer-pruned-5x-global-untouched-*"), workspace)
    assert content["last"] == content["best"] and content["epochs_to_99"] is None


def test_alpha_zero_is_the_student_alone(workspace) -> None:
    from dataclasses import replace

    from netpress.runs.perform import perform

    alone = short("cnn-16-32-alone-*")
    perform(alone.needs[0][1], workspace)
    taught = short("cnn-16-32-distilled-t10-a0.9-s0")
    taught = replace(taught, steps=(replace(taught.steps[0], alpha=0.0),))
    records = [perform(run, workspace) for run in (alone, taught)]
    assert records[0]["weights_sha256"] == records[1]["weights_sha256"]
    assert records[0]["measures"] == records[1]["measures"]
    assert fingerprint(alone) != fingerprint(taught)


def seen_by_both(stage, caching: bool):
    """What enters student and teacher in one epoch of a stage, and the images themselves, by their order."""
    import torch

    from netpress import data, nets
    from netpress.data.views import normalise_of
    from netpress.seeds import generator
    from netpress.training.cache import Cache
    from netpress.training.compute import ComputeConfig
    from netpress.training.feed import Feed, TrainTestData

    images = data.load("digits", "train", images=128, px=16)
    train_test = TrainTestData(images, images, normalise_of(images))
    student, teacher = (nets.build("bit-r14x1", 16, 10, 1 / 8) for _ in range(2))
    entered = {"student": [], "teacher": []}
    config = ComputeConfig(caching=caching)
    feed = Feed(stage, student, teacher, train_test, config, Cache(config.cache_bytes))
    for name, network in (("student", student), ("teacher", teacher)):
        network.blocks["stem"].register_forward_pre_hook(lambda m, x, name=name: entered[name].append(x[0].clone()))
    for batch in feed.batches(64, 5, 0):
        feed.forward(batch)
    order = torch.randperm(128, generator=generator(5, "order", 0))
    return torch.cat(entered["student"]), entered["teacher"], train_test.normalise(images.x[order])


@pytest.mark.parametrize("caching", [False, True])
@pytest.mark.parametrize("way", ["matched", "consistent"])
def test_both_networks_get_identical_pixels(way: str, caching: bool) -> None:
    import torch

    student, teacher, plain = seen_by_both(stage_of(way), caching)
    assert torch.equal(student, torch.cat(teacher))
    assert not torch.equal(student, plain)


def test_a_fixed_teacher_gets_the_images_as_they_are() -> None:
    import torch

    student, teacher, plain = seen_by_both(stage_of("fixed"), caching=False)
    assert torch.equal(torch.cat(teacher), plain)
    assert not torch.equal(student, plain)
    assert not seen_by_both(stage_of("fixed"), caching=True)[1]  # answered once, before the first epoch


def stage_of(way: str, epochs: int = 1):
    return matching.stage(epochs, 3e-3, 64, matching.told(way, "digits"))


def test_a_fixed_teacher_is_the_worse_variant() -> None:
    """Beyer et al. 2022, figure 3: what a teacher says of whole images does not fit the part that a student sees."""
    import torch

    from netpress import data, losses, nets, seeds
    from netpress.data.views import VIEWS, normalise_of
    from netpress.training import loop
    from netpress.training.cache import Cache
    from netpress.training.compute import ComputeConfig
    from netpress.training.feed import Feed, TrainTestData
    from netpress.training.stage import Stage

    train, test = (data.load("digits", split, px=16) for split in ("train", "test"))
    train_test, config = TrainTestData(train, test, normalise_of(train)), ComputeConfig(caching=True)

    def taught(stage, teacher):
        torch.manual_seed(0)
        network = nets.build("cnn-16-32", 16, 10)
        loop.train(stage, network, Feed(stage, network, teacher, train_test, config, Cache(2**30)), config, 1)
        return network.eval()

    teacher = taught(Stage("train", epochs=10, optimiser="adam", lr=3e-3, view="inception"), None)
    x = train_test.normalise(VIEWS["inception"](test.x, seeds.generator("seen")))
    apart = {}
    for way in ("matched", "consistent", "fixed"):
        student = taught(stage_of(way, 15), teacher)
        with torch.no_grad():
            apart[way] = losses.function_matching(student(x), teacher(x)).item()
    assert 2 * max(apart["matched"], apart["consistent"]) < apart["fixed"]


def test_narrow_networks_are_stored_in_as_many_bytes_as_pruned_ones() -> None:
    from netpress import nets
    from netpress.compress import storage
    from netpress.compress.edits import Prune

    runs = {run.method: run for run in papers.grid("compressing", "demo") if run.model == pruning.LARGE}
    for ratio in (5, 20):
        pruned = Prune(float(ratio)).apply(nets.build("vgg16", 32, 10, runs["parent"].width), {})
        narrow = nets.build("vgg16", 32, 10, runs[f"narrow-{ratio}x-distilled"].width)
        sizes = storage.weigh(narrow, "dense32").bytes, storage.weigh(pruned, "sparse32").bytes
        assert 0.94 < sizes[0] / sizes[1] < 1.02


# Records, claims, tables, figures ------------------------------------------------------------------------------------

# glob of the label -> accuracy, so that every claim holds; the first that fits
HOLDS = (
    ("cnn-256-512-*", 0.95), ("cnn-16-32-distilled-t10-a0.9-s?", 0.90), ("cnn-16-32-alone-*", 0.85), ("cnn-*", 0.88),
    ("six-layer-parent-*", 0.80), ("six-layer-pruned-1x-*", 0.81), ("six-layer-pruned-5x-*", 0.808), ("six-*", 0.7),
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
            {
                **{key: getattr(run, key) for key in ("paper", "dataset", "model", "method", "seed", "epochs", "name")},
                **dict(run.factors), "edition": "small", "status": "done", "last": last, "best": last + 0.001,
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
    assert [claim.id for claim in CLAIMS] == [f"K{i}" for i in (1, "2a", "2b", 3, "4a", "4b", "5a", "5b", 6)]
    assert all(claim.rule and claim.where and claim.rests_on for claim in CLAIMS)


IDS = tuple(claim.id for claim in CLAIMS)
NOT_ASKED = {"K5b": "not run"}  # the pilot has labels alone at the longest schedule only


def verdicts(rows: pd.DataFrame) -> dict[str, str]:
    return {verdict.claim.id: verdict.verdict for verdict in judge_all(CLAIMS, rows)}


def test_all_claims_are_supported_by_numbers_that_support_them() -> None:
    assert verdicts(frame()) == dict.fromkeys(IDS, "supported") | NOT_ASKED


def test_all_claims_are_contradicted_by_numbers_that_contradict_them() -> None:
    changed = (
        ("cnn-16-32-distilled-t10-a0.9-s?", 0.80), ("six-layer-pruned-5x-*", 0.70), ("vgg16-pruned-5x-*", 0.86),
        ("vgg16-narrow-*", 0.70), ("bit-*-matched-1x-*", 0.9),
    )  # fmt: skip
    assert verdicts(frame((*changed, *HOLDS), sign=-1)) == dict.fromkeys(IDS, "contradicted") | NOT_ASKED


def test_one_seed_decides_nothing() -> None:
    assert verdicts(frame(seeds=1)) == dict.fromkeys(IDS, "undecided") | NOT_ASKED


def test_table_1_sets_the_printed_numbers_beside_ours() -> None:
    cells = tables.table_1(frame()).cells
    assert {key: cells.loc[key].paper for key in TABLE_1} == TABLE_1
    ours = cells.loc["student, taught as printed", "CIFAR-10"].ours
    assert ours.n == 3 and 90 < ours.mean < 92.5
    assert cells.loc["the student alone", "MNIST"].ours.n == 3


TABLE_1 = {
    ("teacher", "MNIST"): 97.78, ("student, taught as printed", "MNIST"): 97.50,
    ("teacher", "CIFAR-10"): 69.72, ("student, taught as printed", "CIFAR-10"): 58.55,
}  # fmt: skip


def test_table_2_sets_the_printed_numbers_beside_ours() -> None:
    cells = tables.table_2(frame()).cells
    assert [cells["Flowers-102"].iloc[i].paper for i in (0, 1)] == [98.18, 81.02]
    assert all(cell.ours.n == 3 for cell in cells["Flowers-102"])
    assert len(cells) == 5


def test_tables_name_our_networks_and_the_papers() -> None:
    """Ours are another size and are trained for another time: the paper's names are not theirs."""
    runs = frame()
    cells = tables.table_2(runs.assign(parameters=152_686)).cells
    student = runs[(runs["way"] == "matched") & (runs["length"] == 10)].iloc[0]
    assert cells.at["student, matched", "in the paper"] == "BiT ResNet-50x1, 1,000 epochs"
    assert cells.at["student, matched", "here"] == f"{student['model']}, 152,686 weights, {student['epochs']} epochs"
    assert not any("BiT ResNet-101x3" in name or "Teacher (" in name for name in tables.agreement(runs).cells.index)


def test_sizes_count_times_smaller_against_the_parent_in_floats() -> None:
    cells = tables.storage(frame()).cells
    vgg = cells[cells["network"] == "VGG16"]
    assert len(vgg) == 8 and vgg["times smaller"].iloc[0] == 1.0
    assert vgg["times smaller"].iloc[-1] == pytest.approx(vgg["KiB"].iloc[0] / vgg["KiB"].iloc[-1])


@pytest.mark.parametrize("draw", [tables.agreement, tables.networks, tables.pruned, tables.storage])
@pytest.mark.parametrize("rows", ["full", "none"])
def test_tables_are_made_from_any_frame(draw, rows: str) -> None:
    whole = frame()
    assert draw(whole if rows == "full" else whole.assign(status="missing"))._repr_html_().startswith("<div")


@pytest.mark.parametrize(
    "draw",
    [figures.temperatures, figures.weights, figures.sparsity, figures.bits, figures.sizes, figures.schedules],
)
def test_figures_are_drawn_from_any_frame(draw) -> None:
    whole = frame()
    assert "<svg" in draw(whole)._repr_html_()
    assert "nothing to show yet" in draw(whole.assign(status="missing"))._repr_html_()


def test_data_sets_that_were_not_swept_are_left_out_of_the_sweeps() -> None:
    for over, fixed in (("temperature", {"alpha": 0.9}), ("alpha", {"temperature": 10})):
        points, alone = figures.sweep(frame(), over, fixed, 0.0)
        assert set(points["dataset"]) == set(alone["dataset"]) == {"cifar10"}


def test_views_are_drawn_of_what_is_matched() -> None:
    runs = papers.grid("compressing", "demo")
    assert "Images of digits" in figures.views(runs).words.caption
    assert "Images of digits" in figures.views(()).words.caption


def test_at_one_degree_both_forms_of_the_loss_are_one_network() -> None:
    points, _ = figures.sweep(frame(), "temperature", {"alpha": 0.9}, 1.0)
    cold = points[(points["temperature"] == 1) & (points["dataset"] == "cifar10") & (points["seed"] == 0)]
    assert len(cold) == 2 and cold["last"].nunique() == 1 and cold["form"].nunique() == 2

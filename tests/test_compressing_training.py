"""What the stages of the third paper do to networks: pruned, with shared weights, in integers, distilled."""

from fnmatch import fnmatchcase

import pytest

from netpress import papers
from netpress.papers.compressing import pruning
from netpress.runs.run import fingerprint


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    from netpress.runs.perform import Workspace
    from netpress.runs.store import WeightStore
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


def test_the_file_decodes_to_the_same_network_and_has_the_size_on_record(performed) -> None:
    import torch
    import unpacked

    from netpress.compress.stored_size import stored

    _, content, network = performed["shared-4b-5x-tuned"]
    written = stored(network, "shared+huffman")
    assert written.bytes == pytest.approx(content["measures"]["bytes_shared+huffman"], abs=50)  # order of names alone
    _, tensors = unpacked.tensors_of(written.content)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensors[name], tensor), name


def test_accuracy_in_integers_is_that_of_the_integer_network(performed, workspace) -> None:
    from netpress.compress.integers import int8
    from netpress.runs.measures import CALIBRATED

    run, content, network = performed["pruned-5x-global-retrained"]
    if content["measures"]["int8_accuracy"] is None:
        pytest.skip(content["measures"]["int8_reason"])
    train_test = workspace.train_test(run)
    whole = int8(network, train_test.normalise(train_test.train.x[:CALIBRATED]))
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


def test_narrow_networks_are_stored_in_as_many_bytes_as_pruned_ones() -> None:
    from netpress import nets
    from netpress.compress.edits import Prune
    from netpress.compress.stored_size import stored

    runs = {run.method: run for run in papers.grid("compressing", "demo") if run.model == pruning.LARGE}
    for ratio in (5, 20):
        pruned = Prune(float(ratio)).apply(nets.build("vgg16", 32, 10, runs["parent"].width), {})
        narrow = nets.build("vgg16", 32, 10, runs[f"narrow-{ratio}x-distilled"].width)
        sizes = stored(narrow, "dense32").bytes, stored(pruned, "sparse32").bytes
        assert 0.94 < sizes[0] / sizes[1] < 1.02

"""Function matching: what student and teacher see, by the three methods that the third paper compares."""

import pytest

from netpress.papers.compressing import matching


def seen_by_both(stage, caching: bool):
    """What enters student and teacher in one epoch of a stage, and the images themselves, by their order."""
    import torch

    from netpress import data, nets
    from netpress.data.views import normalise_of
    from netpress.seeds import generator
    from netpress.training.compute import ComputeConfig
    from netpress.training.feed import Cache, Feed, TrainTestData

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

    from netpress import data, nets, seeds
    from netpress.data.views import VIEWS, normalise_of
    from netpress.training import loop, losses
    from netpress.training.compute import ComputeConfig
    from netpress.training.feed import Cache, Feed, TrainTestData
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

"""BiT against timm, and published weights."""

import time
import urllib.error
import urllib.request

import pytest
import torch
from networks import images, on_meta, parameters, torchvision
from torch import Tensor, nn

from netpress import nets
from netpress.errors import UserError
from netpress.nets import bit, published, vgg


@pytest.mark.parametrize(
    ("model", "theirs", "count"),
    [
        ("bit-r50x1", "resnetv2_50x1_bit", 25_549_352),
        ("bit-r101x3", "resnetv2_101x3_bit", 387_934_888),
    ],
)
def test_bit_has_the_published_number_of_parameters(model: str, theirs: str, count: int) -> None:
    import timm

    assert parameters(on_meta(model, 224, 1000)) == count
    with torch.device("meta"):
        assert parameters(timm.create_model(theirs, num_classes=1000)) == count


def test_bit_is_timms_network() -> None:
    import timm

    torch.manual_seed(0)
    theirs = timm.create_model("resnetv2_50x1_bit", num_classes=10).eval()
    network = nets.build("bit-r50x1", 128, 6).eval()
    loaded = published.from_timm(network, theirs)
    assert set(network.state_dict()) - set(loaded) == {"head.classifier.fc.weight", "head.classifier.fc.bias"}
    x = images(1, 128)
    with torch.no_grad():
        torch.testing.assert_close(network.before("head")(x), theirs.stages(theirs.stem(x)))
        published.from_timm(network := nets.build("bit-r50x1", 128, 10).eval(), theirs)
        torch.testing.assert_close(network(x), theirs(x))
    with pytest.raises(UserError, match="128 px"):
        published.from_timm(nets.build("bit-r50x1", 32, 10), theirs)


@pytest.mark.parametrize(("px", "stem"), [(32, 32), (64, 32), (128, 32), (224, 56)])
def test_bits_stem_leaves_the_stages_something_to_see(px: int, stem: int) -> None:
    network = nets.build("bit-r14x1", px, 3, 1 / 4)
    assert network.names == ("stem", "stage1", "stage2", "stage3", "stage4", "head")
    assert network.upto("stem")(images(1, px)).shape[2:] == (stem, stem)
    last = network.before("head")(images(1, px))
    assert last.shape[2:] == (stem // 8, stem // 8)


@pytest.mark.parametrize("width", [1 / 8, 1 / 4, 0.3, 1 / 2, 1.0])
def test_bits_groups_divide_its_channels(width: float) -> None:
    for model in bit.MODELS:
        groups = [m for m in on_meta(model, 32, 3, width).modules() if isinstance(m, nn.GroupNorm)]
        assert groups and all(norm.num_channels // norm.num_groups >= 2 for norm in groups)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_: None)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("model", ["vgg16", "vgg19", "bit-r101x3", "bit-r50x1"])
def test_weights_out_of_reach_are_a_quick_and_clear_error(model: str) -> None:
    began = time.perf_counter()
    for use in (lambda: published.load(None, model), lambda: published.check(model)):  # type: ignore[arg-type]
        with pytest.raises(UserError, match=f"(?s){model}.*https://.*no network.*--set weights=scratch"):
            use()
    assert time.perf_counter() - began < 2


@pytest.mark.parametrize("model", ["vgg16-block1", "svgg5-forward", "six-layer", "bit-r14x1"])
def test_where_nothing_is_published_that_is_said(model: str) -> None:
    with pytest.raises(UserError, match="No pretrained weights are published"):
        published.check(model)


def test_published_weights_go_into_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.vgg16_bn(weights=None, num_classes=1000)
    asked = {}

    def download(url: str, **options: object) -> dict[str, Tensor]:
        asked.update(options, url=url)
        # the published file is older than BatchNorm's count of batches
        return {k: v for k, v in theirs.state_dict().items() if not k.endswith("num_batches_tracked")}

    monkeypatch.setattr(published, "check", lambda model: None)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", download)
    network = nets.build("vgg16", 32, 10)
    published.load(network, "vgg16")
    assert torch.equal(network["block1"][0].conv.weight, theirs.features[0].weight)  # type: ignore[index]
    assert asked["weights_only"] is True and asked["check_hash"] is True and "vgg16_bn-" in str(asked["url"])


def test_pretrained_vgg_must_fit() -> None:
    theirs = torchvision.models.vgg16_bn(weights=None, init_weights=False)
    for model, width in (("vgg16", 1 / 2), ("vgg16-block3", 1.0), ("vgg19", 1.0)):
        with pytest.raises(UserError, match="width"):
            vgg.from_torchvision(nets.build(model, 32, 10, width), theirs)

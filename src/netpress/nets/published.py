"""Pretrained weights that others publish: torchvision's VGG (ImageNet) and timm's BiT (ImageNet-21k)."""

import urllib.request
from pathlib import Path
from typing import Any

import torch

from netpress.compat import import_torchvision
from netpress.errors import UserError
from netpress.nets import bit, vgg
from netpress.nets.network import Network, copy_tensors

VGG: dict[str, tuple[str, str]] = {
    "vgg16": ("vgg16_bn", "VGG16_BN_Weights"),
    "vgg19": ("vgg19_bn", "VGG19_BN_Weights"),
}
BIT: dict[str, str] = {
    "bit-r101x3": "resnetv2_101x3_bit.goog_in21k",
    "bit-r50x1": "resnetv2_50x1_bit.goog_in21k",
}
BIT_FILE = "model.safetensors"
PATIENCE = 5  # seconds until a server counts as out of reach
INSTEAD = "Train the parent here instead: --set weights=scratch."


def check(model: str) -> None:
    """UserError unless pretrained weights for `model` exist and are on this machine or within reach of it."""
    if model in VGG:
        weights = _vgg_weights(model)
        _reach(model, weights.url, Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name)
    elif model in BIT:
        from huggingface_hub import hf_hub_url, try_to_load_from_cache

        repository = f"timm/{BIT[model]}"
        cached = try_to_load_from_cache(repository, BIT_FILE)
        _reach(model, hf_hub_url(repository, BIT_FILE), Path(cached) if isinstance(cached, str) else None)
    else:
        raise UserError(f"No pretrained weights are published for {model}. {INSTEAD}")


def load(network: Network, model: str) -> tuple[str, ...]:
    """Loads the published weights into `network`; returns the names of the tensors. UserError as `check`.

    The head's layers are loaded where their shapes agree, and keep their first weights elsewhere.
    """
    check(model)
    if model in BIT:
        import_torchvision()  # timm imports it
        import timm

        return from_timm(network, timm.create_model(BIT[model], pretrained=True))
    theirs = import_torchvision().models.get_model(VGG[model][0], weights=None, init_weights=False)
    # the file's name holds the beginning of its SHA-256
    state = torch.hub.load_state_dict_from_url(
        _vgg_weights(model).url, map_location="cpu", progress=False, check_hash=True, weights_only=True
    )
    theirs.load_state_dict(state)
    return vgg.from_torchvision(network, theirs)


def from_timm(network: Network, theirs: Any) -> tuple[str, ...]:
    """Copies timm's BiT network into `network`; returns the names of the tensors copied.

    UserError unless all but the classifier agree: width 1 and images of at least 128 px.
    """
    source = bit.as_network(theirs, theirs.stem).state_dict()
    own = network.state_dict()
    classifier = "head.classifier."
    shapes = [{name: t.shape for name, t in s.items() if not name.startswith(classifier)} for s in (own, source)]
    if shapes[0] != shapes[1]:
        raise UserError(f"Pretrained BiT weights need width=1 and images from {bit.FULL_STEM} px. {INSTEAD}")
    return copy_tensors(network, source)


def _vgg_weights(model: str) -> Any:
    return import_torchvision().models.get_weight(f"{VGG[model][1]}.IMAGENET1K_V1")


def _reach(model: str, url: str, cached: Path | None) -> None:
    if cached is not None and cached.exists():
        return
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE).close()
    except OSError as error:
        reason = getattr(error, "reason", error)
        message = f"Pretrained weights for {model} cannot be had from {url} ({reason}). {INSTEAD}"
        raise UserError(message) from error

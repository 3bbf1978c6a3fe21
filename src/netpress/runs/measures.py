"""What is measured on a finished network beside its accuracy, as data. Importing this needs no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netpress.errors import UserError

if TYPE_CHECKING:
    from netpress.runs.perform import FinishedRun

COMPARED_IMAGES = 500  # test images on which representations are compared
CALIBRATED = 512  # training images on which the ranges of 8-bit activations are measured
TESTED_AT_ONCE = 512  # images normalised at once for the 8-bit network


@dataclass(frozen=True)
class Filters:
    """The filters of the first convolution of a block, (C, inputs, 3, 3), to four decimals."""

    block: str

    def take(self, trained: "FinishedRun") -> dict[str, Any]:
        from netpress.nets.vgg import conv_layers

        weights = conv_layers(trained.network[self.block])[0].conv.weight.detach().float().cpu()
        return {"filters": [[[[round(v, 4) for v in row] for row in plane] for plane in f] for f in weights.tolist()]}


@dataclass(frozen=True)
class Similarity:
    """How alike a replacement and the parent's block are: filters, and the block's output on test images.

    `filter_cosine`: the replacement's filters against those of the parent block's first layer, which has the same
    shape; `filter_cosine_untrained`: the same for a fresh random layer, for comparison;
    `cka`: of the block's output, its max pool included.
    """

    block: str
    role: str = "parent"

    def take(self, trained: "FinishedRun") -> dict[str, Any]:
        from copy import deepcopy

        import torch

        from netpress.nets.network import glorot
        from netpress.nets.vgg import conv_layers
        from netpress.training.evaluate import cka, matched_cosine

        parent, images = trained.needs[self.role], trained.train_test.test
        x = trained.config.place(trained.train_test.normalise(images.x[:COMPARED_IMAGES]))
        with torch.no_grad():
            outputs = [n.eval().upto(self.block)(x) for n in (trained.network, parent)]
        theirs = conv_layers(parent[self.block])[0].conv.weight
        own = conv_layers(trained.network[self.block])[0].conv.weight
        untrained = deepcopy(trained.network[self.block])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(trained.run.seed_of("untrained"))
            glorot(untrained)
        fresh = conv_layers(untrained)[0].conv.weight
        return {
            "filter_cosine": round(matched_cosine(own, theirs), 5),
            "filter_cosine_untrained": round(matched_cosine(fresh, theirs), 5),
            "cka": round(cka(*outputs), 5),
        }


@dataclass(frozen=True)
class Agreement:
    """How often the network answers like another one, on the test images, and how well it fits its training images.

    `agreement`: share of images with the same answer; `divergence`: mean KL(p_other || p_own) in nats, without a
    temperature; `train_accuracy`: its own on the training images, in eval mode and without augmentation.
    """

    role: str = "teacher"

    def take(self, trained: "FinishedRun") -> dict[str, Any]:
        from netpress.training import losses
        from netpress.training.evaluate import accuracy, logits_of

        train_test, config = trained.train_test, trained.config
        own, other = (
            logits_of(network, train_test.test, train_test.normalise, config)
            for network in (trained.network, trained.needs[self.role])
        )
        return {
            "agreement": (own.argmax(1) == other.argmax(1)).float().mean().item(),
            "divergence": round(losses.function_matching(own, other).item(), 6),
            "train_accuracy": accuracy(trained.network, train_test.train, train_test.normalise, config),
        }


@dataclass(frozen=True)
class StoredSize:
    """Bytes of the network as a file, in some of the FORMS of stored_size.py, and the share of zero weights.

    `bytes_dense32` and so on, one for each form; `sparsity`: zeros among the weights of its layers, 0 to 1.
    """

    forms: tuple[str, ...]

    def take(self, trained: "FinishedRun") -> dict[str, Any]:
        from netpress.compress.prune import sparsity
        from netpress.compress.stored_size import stored

        sizes = {f"bytes_{form}": stored(trained.network, form).bytes for form in self.forms}
        return sizes | {"sparsity": sparsity(trained.network)}


@dataclass(frozen=True)
class Integers:
    """The network in 8-bit integers, run on the CPU's integer kernels: accuracy on all test images, bytes on disk.

    Ranges are measured on the first CALIBRATED training images. Where the machine has no such kernels both are None
    and `int8_reason` says why; the run is done all the same.
    """

    def take(self, trained: "FinishedRun") -> dict[str, Any]:
        import torch

        from netpress.compress.integers import int8
        from netpress.compress.stored_size import stored

        train_test = trained.train_test
        try:
            calibration = train_test.normalise(train_test.train.x[:CALIBRATED].cpu())
            network = int8(trained.network, calibration)
        except Exception as error:  # torchao's too: not every network of others can be exported
            reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__} in torchao"
            return {"int8_accuracy": None, "bytes_int8": None, "int8_reason": reason}
        pieces = [network(train_test.normalise(x)).argmax(1) for x in train_test.test.x.cpu().split(TESTED_AT_ONCE)]
        hits = (torch.cat(pieces) == train_test.test.y.cpu()).sum().item()
        return {"int8_accuracy": hits / len(train_test.test), "bytes_int8": stored(network, "int8").bytes}

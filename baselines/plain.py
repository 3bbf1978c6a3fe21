"""The fair baseline of `netpress bench`: the same training as a good engineer writes it in an afternoon.

Plain PyTorch and nothing of netpress: a DataLoader with two workers and PIL images, float32, the usual memory layout,
one network after another; what is frozen is `requires_grad_(False)` and out of the optimiser, a teacher is run live
under `no_grad`, loss and accuracy are read after every step, and every epoch ends with an evaluation.

A job is one line of JSON on stdin, its answer one line on stdout: seconds of CPU (user and system, of this process
and of its loaders' workers), seconds on the clock, steps, and the history. Networks begin from the weights that a job
names, so that both arms train the same network:

    {"task": "train", "model": "vgg16-block3", "width": 0.25, "px": 32, "classes": 10, "weights": "w.safetensors",
     "images": "images.npz", "trains": ["block3"], "epochs": 8, "rate": 0.05, "view": "crop-flip", ...}

"channels_last", "precision" (bf16) and "loaders" (0) are what three lines more would give: the fair arm of the bench.
"""

import gc
import json
import resource
import sys
import time

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

try:
    from torchvision import transforms
except RuntimeError:  # PyPI's torchvision beside a CPU-only torch: its compiled operators are missing
    for name in [name for name in sys.modules if name.startswith("torchvision")]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        library.define(operator + "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    from torchvision import transforms

VGG16 = {"block1": [64] * 2, "block2": [128] * 2, "block3": [256] * 3, "block4": [512] * 3, "block5": [512] * 3}


# --- networks -----------------------------------------------------------------------------------------------------


def convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def block(channels: list[int], inputs: int, width: float, replaced: bool) -> nn.Sequential:
    """Convolutions and a pool, or one convolution and the same pool."""
    layers: list[nn.Module] = []
    for outputs in channels[-1:] if replaced else channels:
        layers.append(convolution(inputs, round(outputs * width)))
        inputs = round(outputs * width)
    return nn.Sequential(*layers, nn.MaxPool2d(2))


class VGG(nn.Module):
    """VGG16 with BatchNorm, as it is or with one block replaced by one convolution."""

    def __init__(self, model: str, width: float, px: int, classes: int):
        super().__init__()
        inputs = 3
        self.blocks = nn.ModuleDict()
        for name, channels in VGG16.items():
            self.blocks[name] = block(channels, inputs, width, replaced=model == f"vgg16-{name}")
            inputs = round(channels[-1] * width)
        features, hidden = inputs * (px // 32) ** 2, round(4096 * width)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(features, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5 * width),
            nn.Linear(hidden, hidden), nn.ReLU(inplace=True), nn.Dropout(0.5 * width), nn.Linear(hidden, classes),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for module in self.blocks.values():
            x = module(x)
        return self.head(x)

    def upto(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """The output of a block."""
        for each, module in self.blocks.items():
            x = module(x)
            if each == name:
                break
        return x


def network_of(job: dict, model: str, weights: str) -> VGG:
    """A network with the weights of a file, in which tensors are numbered in order."""
    network = VGG(model, job["width"], job["px"], job["classes"])
    given = load_file(weights)
    network.load_state_dict({name: given[f"{i:04}"] for i, name in enumerate(network.state_dict())})
    return network.to(job["device"], memory_format=layout(job))


def layout(job: dict) -> torch.memory_format:
    return torch.channels_last if job["channels_last"] else torch.contiguous_format


def precision(job: dict):
    """Autocast to bf16 where the job says so."""
    return torch.autocast(job["device"].split(":")[0], torch.bfloat16, enabled=job["precision"] == "bf16")


# --- data ---------------------------------------------------------------------------------------------------------


class Pictures(Dataset):
    """Images as most data sets give them: PIL, then the transforms."""

    def __init__(self, x: np.ndarray, y: np.ndarray, transform: transforms.Compose):
        self.x, self.y, self.transform = x, y, transform

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.x[i])), int(self.y[i])


def loaders(job: dict) -> tuple[DataLoader, DataLoader]:
    """Training and test images; training images cropped and mirrored as the job says."""
    arrays = np.load(job["images"])
    px = job["px"]
    end = [transforms.ToTensor(), transforms.Normalize(job["mean"], job["std"])]
    crop, flip = transforms.RandomCrop(px, padding=px // 8), transforms.RandomHorizontalFlip()
    augment = {"plain": [], "crop": [crop], "crop-flip": [crop, flip]}[job["view"]]
    train = Pictures(arrays["x"], arrays["y"], transforms.Compose([*augment, *end]))
    test = Pictures(arrays["test_x"], arrays["test_y"], transforms.Compose(end))
    loaders = job["loaders"]
    both = {"num_workers": loaders, "persistent_workers": loaders > 0, "pin_memory": job["device"] != "cpu"}
    return (
        DataLoader(train, job["batch"], shuffle=True, drop_last=True, **both),
        DataLoader(test, 256, **both),
    )


# --- training -----------------------------------------------------------------------------------------------------


def freeze(network: VGG, trains: list[str]) -> list[nn.Parameter]:
    """Only the named blocks train (none named: all); returns their parameters."""
    network.requires_grad_(not trains)
    for name in trains:
        part(network, name).requires_grad_(True)
    return [p for p in network.parameters() if p.requires_grad]


def part(network: VGG, name: str) -> nn.Module:
    return network.head if name == "head" else network.blocks[name]


def train_mode(network: VGG, trains: list[str]) -> None:
    """Train mode for what trains, eval mode for what is frozen."""
    network.train(not trains)
    for name in trains:
        part(network, name).train()


def optimiser_of(job: dict, parameters: list[nn.Parameter], steps: int) -> tuple:
    """SGD with a one-cycle schedule, or Adam at a constant rate."""
    if job["optimiser"] == "adam":
        return torch.optim.Adam(parameters, job["rate"]), None
    sgd = torch.optim.SGD(parameters, job["rate"], momentum=0.9, nesterov=True, weight_decay=5e-4)
    return sgd, torch.optim.lr_scheduler.OneCycleLR(sgd, job["rate"], total_steps=steps + 1, cycle_momentum=False)


def train(job: dict) -> list[dict]:
    """Cross-entropy, frozen or thawed."""
    network = network_of(job, job["model"], job["weights"])
    loader, test = loaders(job)
    parameters = freeze(network, job["trains"])
    optimiser, schedule = optimiser_of(job, parameters, job["epochs"] * len(loader))
    history = []
    for _ in range(job["epochs"]):
        train_mode(network, job["trains"])
        total, hits, seen = 0.0, 0, 0
        for x, y in loader:
            x, y = moved(x, job), y.to(job["device"], non_blocking=True)
            with precision(job):
                logits = network(x)
            loss = F.cross_entropy(logits.float(), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if schedule:
                schedule.step()
            total += loss.item() * len(x)
            hits += (logits.argmax(1) == y).sum().item()
            seen += len(x)
        history.append({"train_loss": total / seen, "train_accuracy": hits / seen} | evaluate(network, test, job))
    return history


def moved(x: torch.Tensor, job: dict) -> torch.Tensor:
    """Images on the device, in the layout that the job says."""
    return x.to(job["device"], non_blocking=True, memory_format=layout(job))


def evaluate(network: VGG, loader: DataLoader, job: dict) -> dict:
    """Loss and accuracy on the test images."""
    network.eval()
    total, hits, seen = 0.0, 0, 0
    with torch.no_grad():
        for x, y in loader:
            x, y = moved(x, job), y.to(job["device"], non_blocking=True)
            with precision(job):
                logits = network(x).float()
            total += F.cross_entropy(logits, y, reduction="sum").item()
            hits += (logits.argmax(1) == y).sum().item()
            seen += len(x)
    return {"test_loss": total / seen, "test_accuracy": hits / seen}


def imitate(job: dict) -> list[dict]:
    """The student-teacher stage: squared distance between the outputs of a block, the teacher run live."""
    network, teacher = network_of(job, job["model"], job["weights"]), network_of(job, job["teacher"], job["taught"])
    teacher.requires_grad_(False).eval()
    loader, _ = loaders(job)
    optimiser, _ = optimiser_of(job, freeze(network, job["trains"]), 0)
    history = []
    for _ in range(job["epochs"]):
        train_mode(network, job["trains"])
        total = 0.0
        for x, _ in loader:
            x = moved(x, job)
            with torch.no_grad(), precision(job):
                wanted = teacher.upto(job["at"], x)
            with precision(job):
                given = network.upto(job["at"], x)
            loss = (given.float() - wanted.float()).flatten(1).square().sum(1).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        history.append({"train_loss": total / len(loader)})
    return history


# --- jobs ---------------------------------------------------------------------------------------------------------

TASKS = {"train": train, "imitate": imitate}


def cpu_seconds() -> float:
    """User and system time of this process and of the workers that have ended."""
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in both)


def done(job: dict) -> dict:
    """Do a job; its history and what it took."""
    torch.manual_seed(job.get("seed", 0))
    before, began = cpu_seconds(), time.perf_counter()
    history = TASKS[job["task"]](job)
    if job["device"].startswith("cuda"):
        torch.cuda.synchronize()
    wall = time.perf_counter() - began
    gc.collect()  # the loaders' workers end here, and their time is counted
    return {"cpu": cpu_seconds() - before, "wall": wall, "history": history}


def main() -> None:
    """Do the jobs that come."""
    torch.set_num_threads(1)
    usual = {"device": "cpu", "view": "plain", "trains": [], "channels_last": False, "precision": "fp32", "loaders": 2}
    for line in sys.stdin:
        print(json.dumps(done(usual | json.loads(line))), flush=True)


if __name__ == "__main__":
    main()

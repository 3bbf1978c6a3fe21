"""The pyramid's levels as data: which set of VGG19's layers is compressed at which level.

Ravindran & Fita Sanmartin (2018), section 3. Needs no torch.
"""

from netpress.errors import UserError

# how many layers each set has: C1 = conv1_1..conv2_2, C2 = conv3_x, C3 = conv4_x, C4 = conv5_x, F = the head
SETS: dict[str, int] = {"C1": 4, "C2": 4, "C3": 4, "C4": 4, "F": 3}

# the order in which sets are compressed: from the head to the image, or from the image to the head
ORDERS: dict[str, tuple[str, ...]] = {
    "forward": ("F", "C4", "C3", "C2", "C1"),
    "backward": ("C1", "C2", "C3", "C4", "F"),
}

# the paper's names of the levels; VGG19 itself is level 0
LEVELS: tuple[str, ...] = ("svgg17", "svgg14", "svgg11", "svgg8", "svgg5")

TOP = "vgg19"
# the networks below VGG19, by their names: level and direction
PLACES: dict[str, tuple[str, str]] = {
    f"{level}-{direction}": (level, direction) for direction in ORDERS for level in LEVELS
}
MODELS: tuple[str, ...] = tuple(PLACES)
NAMES: dict[tuple[str, str], str] = {place: model for model, place in PLACES.items()} | {(TOP, ""): TOP}


def place(model: str) -> tuple[str, str]:
    """(level, direction) of a network of the pyramid; VGG19 has the direction ""."""
    return (TOP, "") if model == TOP else PLACES[model]


def compressed(model: str) -> tuple[str, ...]:
    """The sets compressed in `model`, in order: () for vgg19, ("F", "C4") for svgg14-forward."""
    if model == TOP:
        return ()
    if model not in MODELS:
        raise UserError(f"{model!r} is no level of the pyramid: choose {TOP}, {', '.join(MODELS)}.")
    level, direction = PLACES[model]
    return ORDERS[direction][: LEVELS.index(level) + 1]


def depth(model: str) -> tuple[int, int]:
    """The real numbers of convolutions and of fully connected layers, which backward names do not tell."""
    sets = compressed(model)
    layers = {name: 1 if name in sets else count for name, count in SETS.items()}
    return sum(count for name, count in layers.items() if name != "F"), layers["F"]


def module_of(set_name: str) -> str:
    """The block of a Network that holds a set: the set's own name, "head" for F."""
    return "head" if set_name == "F" else set_name

"""Where a traced network is cut into blocks, and what the blocks are called.

The coarsest blocks that number 4 to 12 are chosen: the network's own modules, the largest split into its children as
long as there are too few; where that gives too many, modules of the same resolution are taken together
(`features.0-6`). An operation without a convolution belongs to the block before it. What comes after the last map,
from the global pool on, is the head.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from netpress.errors import UserError, nearest
from netpress.nets.network import HEAD
from netpress.nets.tracing import Traced

FEWEST, MOST = 4, 12  # blocks


@dataclass(frozen=True)
class Part:
    """Operations `start` to `stop` of a trace, both included, under a name."""

    name: str
    start: int
    stop: int


def chosen(traced: Traced, what: str, asked: Sequence[str] = ()) -> tuple[Part, ...]:
    """The blocks of a network, without the head; those that were asked for, and the coarsest others."""
    if not traced.cuts or len(default_stops(traced)) < 2:
        raise UserError(
            f"{what} has no two blocks that pass on square maps, (N, channels, h, h), and only such blocks can be "
            "replaced by a convolution: networks of several convolutions have them, transformers have not."
        )
    spans = dict(span(traced, name, what) for name in asked)
    stops = default_stops(traced)
    for start, stop in spans.values():
        stops = [s for s in stops if not start <= s <= stop] + [stop] + [start - 1] * (start > 0)
    stops = with_convolutions(traced, sorted(set(stops)))
    names = {start: name for name, (start, _) in spans.items()}
    return tuple(named(traced, stops, names))


def default_stops(traced: Traced) -> list[int]:
    """Where the coarsest blocks end, so that they number FEWEST to MOST where that can be."""
    labels = [path[:1] for path in traced.paths]
    stops = stops_of(traced, labels)
    while len(stops) < FEWEST:
        finer = next(
            (s for label in largest(traced, labels, stops) if (s := split(traced, labels, label, stops))), None
        )
        if finer is None:
            return stops
        labels, stops = finer
    if len(stops) > MOST:
        return by_pairs(by_resolution(traced, stops))
    return stops


def stops_of(traced: Traced, labels: list[tuple[str, ...]]) -> list[int]:
    """The cuts at which the label changes, and the last cut; each part has a convolution."""
    last = traced.cuts[-1]
    return with_convolutions(traced, [i for i in traced.cuts if i == last or labels[i] != labels[i + 1]])


def with_convolutions(traced: Traced, stops: list[int]) -> list[int]:
    """The stops without those before a part that has no convolution: it goes with the part before it."""
    kept: list[int] = []
    for start, stop in ranges(stops):
        if kept and not any(traced.convolves[start : stop + 1]):
            kept.pop()
        elif len(kept) == 1 and not any(traced.convolves[: kept[0] + 1]):
            kept.pop()  # the first part has no part before it: it goes with the second
        kept.append(stop)
    return kept


def ranges(stops: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Start and stop of every part."""
    for before, stop in pairwise((-1, *stops)):
        yield before + 1, stop


def largest(traced: Traced, labels: list[tuple[str, ...]], stops: list[int]) -> list[tuple[str, ...]]:
    """The labels before the head, those with the most convolutions first."""
    within = range(stops[-1] + 1)
    counts = {labels[i]: 0 for i in within}
    for i in within:
        counts[labels[i]] += traced.convolves[i]
    return sorted(counts, key=lambda label: -counts[label])


def split(
    traced: Traced, labels: list[tuple[str, ...]], label: tuple[str, ...], stops: list[int]
) -> tuple[list[tuple[str, ...]], list[int]] | None:
    """The labels with one split into its children, down to where that gives more parts; None where it never does."""
    deepest = max((len(path) for path, own in zip(traced.paths, labels, strict=True) if own == label), default=0)
    for depth in range(len(label) + 1, deepest + 1):
        finer = [path[:depth] if own == label else own for path, own in zip(traced.paths, labels, strict=True)]
        found = stops_of(traced, finer)
        if len(found) > len(stops):
            return finer, found
    return None


def by_resolution(traced: Traced, stops: list[int]) -> list[int]:
    """Parts of the same resolution together: a part ends behind a pool and before a strided convolution."""
    parts = list(ranges(stops))
    kept = [
        stop
        for (start, stop), (after, end) in pairwise(parts)
        if shrinks(traced, start, stop)[1] or shrinks(traced, after, end)[0]
    ]
    found = [*kept, stops[-1]]
    return found if len(found) >= FEWEST else stops


def shrinks(traced: Traced, start: int, stop: int) -> tuple[bool, bool]:
    """Whether a part makes maps smaller by a convolution, and whether by anything else, as a pool."""
    by_convolution = by_other = False
    places = [start - 1, *(cut for cut in traced.cuts if start <= cut <= stop)]
    for before, cut in pairwise(places):
        if side(traced, cut) < side(traced, before):
            convolves = any(traced.convolves[before + 1 : cut + 1])
            by_convolution, by_other = by_convolution or convolves, by_other or not convolves
    return by_convolution, by_other


def side(traced: Traced, at: int) -> int:
    """The side of the maps after an operation; the image's before the first."""
    return traced.shapes[at][-1] if at >= 0 else traced.px


def by_pairs(stops: list[int]) -> list[int]:
    """Neighbours together, until there are no more than MOST."""
    while len(stops) > MOST:
        stops = [stop for i, stop in enumerate(stops) if i % 2 or stop == stops[-1]]
    return stops


# Names --------------------------------------------------------------------------------------------------------------


def named(traced: Traced, stops: list[int], given: dict[int, str]) -> Iterator[Part]:
    """The parts with their names: of the modules that they are, each as short as it can be."""
    parts = list(ranges(stops))
    taken = {HEAD}
    for start, stop in parts:
        name = given.get(start) or name_of(traced, start, stop)
        if name in taken:
            name = next(f"{name}~{i}" for i in range(2, len(parts) + 2) if f"{name}~{i}" not in taken)
        taken.add(name)
        yield Part(name, start, stop)


def name_of(traced: Traced, start: int, stop: int) -> str:
    """The shortest path that only operations of the part have; where it is several modules, the first and the last."""
    units = [traced.paths[i] for i in range(start, stop + 1) if traced.convolves[i]]
    others = [path for i, path in enumerate(traced.paths) if not start <= i <= stop]
    first, last = (own_prefix(path, others) for path in (units[0], units[-1]))
    both = common(first, last)
    if first == last or (both and not any(path[: len(both)] == both for path in others)):
        return ".".join(both)
    tail = traced.paths[stop][: len(last)]  # with the pool behind the last convolution
    last = tail if tail[:-1] == last[:-1] else last
    shown = last[-1] if first[:-1] == last[:-1] else ".".join(last)
    return f"{'.'.join(first)}-{shown}"


def own_prefix(path: tuple[str, ...], others: list[tuple[str, ...]]) -> tuple[str, ...]:
    """The shortest beginning of a path that no other path has."""
    return next((path[:n] for n in range(1, len(path)) if all(other[:n] != path[:n] for other in others)), path)


def common(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """What two paths begin with."""
    n = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    return one[:n]


def span(traced: Traced, name: str, what: str) -> tuple[str, tuple[int, int]]:
    """The operations of a module, or from one module to another, that was asked for as a block."""
    blocks = {part.name: (part.start, part.stop) for part in named(traced, default_stops(traced), {})}
    ends = blocks.get(name) or ends_of(traced, name)
    if ends is None:
        known = sorted({".".join(path[:n]) for path in traced.paths for n in range(1, len(path) + 1)})
        near = nearest(name, [*blocks, *known])
        hint = f"did you mean {near!r}?" if near else f"it is cut into {', '.join(blocks)}."
        raise UserError(f"{what} has no block {name!r}: {hint}")
    start, stop = ends
    while stop not in traced.cuts and stop + 1 < len(traced.nodes) and not traced.convolves[stop + 1]:
        stop += 1
    if (start and start - 1 not in traced.cuts) or stop not in traced.cuts:
        raise UserError(
            f"{name!r} of {what} is no block: more than its one map goes in or comes out of it, as within a residual "
            "connection, or it belongs to the head. Name the module around it."
        )
    return name, (start, stop)


def ends_of(traced: Traced, name: str) -> tuple[int, int] | None:
    """The first and the last operation of a module, "layer2.0", or of several, "features.0-6"."""
    whole = under(traced, name)
    if whole:
        return whole[0], whole[-1]
    for at in [i for i, letter in enumerate(name) if letter == "-"]:
        first, last = name[:at], name[at + 1 :]
        beside = ".".join([*first.split(".")[:-1], last])
        one, two = under(traced, first), under(traced, last) or under(traced, beside)
        if one and two and one[0] <= two[-1]:
            return one[0], two[-1]
    return None


def under(traced: Traced, name: str) -> list[int]:
    """The positions of a module's operations."""
    path = tuple(name.split("."))
    return [i for i, own in enumerate(traced.paths) if own[: len(path)] == path]

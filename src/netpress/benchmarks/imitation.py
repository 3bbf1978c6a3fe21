"""The student-teacher stages of the triage: five blocks, each taught by the parent's output of that block."""

from statistics import median
from typing import Any

from netpress.benchmarks import results
from netpress.benchmarks.arms import Arms, arms, source
from netpress.benchmarks.frozen import BLOCKS, fill
from netpress.benchmarks.work import of_stage
from netpress.nets.network import Network
from netpress.training.cache import Cache
from netpress.training.stage import Stage

LEAST = 20.0
IMAGES = {"cpu": 512, "cuda": 10_000, "mps": 2_000}
EPOCHS = 10  # as in the edition paper
ROUNDS = 3
WIDTH = 1 / 4


def measure() -> dict[str, Any]:
    """The record: per block the cost of a stage in both arms. Ours is measured as it comes in a sweep, where the frozen
    networks before it have cached the block's input, and alone, with that cache filled too."""
    from netpress.training.compute import choose

    kind = choose().device.split(":")[0]
    with arms("plain.py", IMAGES[kind], WIDTH) as both:
        parent = both.network("vgg16").requires_grad_(False).eval()
        rounds = [{block: one(both, block, parent) for block in BLOCKS} for _ in range(ROUNDS)]
        cpu = kind == "cpu"
        bars = [total(rounds, "all blocks", BLOCKS, LEAST if cpu else None), alone(rounds)]
        bars += [total(rounds, block, (block,), None) for block in BLOCKS]
        table = [
            {"block": b, "work": work(both, b, parent)}
            | {k: round(median(r[b][k] for r in rounds), 4) for k in rounds[0][b]}
            for b in BLOCKS
        ]
        settings = {"dataset": source(), "images": IMAGES[kind], "width": WIDTH, "batch": 64, "epochs": EPOCHS}
        return results.content("student-teacher", both.config, bars, settings, blocks=table, why=why(table, bars))


def stage_of(block: str) -> Stage:
    """As papers/triage has it."""
    return Stage(
        "imitate", loss="block-l2", at=block, trains=(block,), teacher="parent", epochs=EPOCHS, optimiser="adam",
        lr=1e-3, weight_decay=0.0,
    )  # fmt: skip


def one(both: Arms, block: str, parent: Network) -> dict[str, float]:
    """One block: caching its input, the stage itself, and within it the steps alone; the stage in the plain loop."""
    model, stage, store = f"vgg16-{block}", stage_of(block), Cache(both.config.cache_bytes)
    frozen = Stage("retrain", trains=(block,))
    filled = both.timed(lambda: fill(both, frozen, both.network(model, parent), store))
    ours = both.ours(stage, both.network(model, parent), parent, store)
    steps = both.ours(stage, both.network(model, parent), parent, store)
    plain = both.theirs("imitate", model, stage, both.network(model, parent), teacher="vgg16", taught=parent)["cost"]
    return {"fill": filled, "ours": ours, "steps": steps, "plain": plain}


def work(both: Arms, block: str, parent: Network) -> float:
    """How many times as many multiply-adds the plain loop needs."""
    px = both.train_test.train.x.shape[-1]
    return round(of_stage(stage_of(block), both.network(f"vgg16-{block}", parent), px, parent).ratio, 2)


def total(rounds: list[dict], what: str, blocks: tuple[str, ...], least: float | None) -> dict[str, Any]:
    """plain / ours over some blocks."""
    ratios = [sum(r[b]["plain"] for b in blocks) / sum(r[b]["ours"] for b in blocks) for r in rounds]
    return results.bar("student-teacher", f"{what}, plain / ours", ratios, least=least)


def alone(rounds: list[dict]) -> dict[str, Any]:
    """The same where no network before it has cached the block's input."""
    ratios = [sum(r[b]["plain"] for b in BLOCKS) / sum(r[b]["ours"] + r[b]["fill"] for b in BLOCKS) for r in rounds]
    return results.bar("student-teacher", "all blocks, every cache filled for it alone, plain / ours", ratios)


def why(table: list[dict[str, Any]], bars: list[dict[str, Any]]) -> str | None:
    """What keeps the ratio of the student-teacher stages down, where its aim is missed."""
    if bars[0]["met"] is not False:
        return None
    plain, ours, steps = (sum(row[key] for row in table) for key in ("plain", "ours", "steps"))
    ratios = {bar["what"].partition(",")[0]: bar["measured"] for bar in bars}
    each = ", ".join(
        f"{row['block']} {ratios[row['block']]:.1f} with {row['work']:.1f} times fewer multiply-adds" for row in table
    )
    return (
        f"by block: {each}. What is left is the training of the replacement: with everything cached its steps alone "
        f"take {steps / ours:.0%} of the stage, and plain / ours is then {plain / steps:.1f}. An early block's one "
        "convolution works on large maps and is a large part of what the plain loop does; only a late block leaves "
        "nearly all to the cache."
    )

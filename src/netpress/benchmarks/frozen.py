"""One more frozen network, once the prefix it shares is cached, against one more thawed."""

from statistics import mean, median
from typing import Any

from netpress.benchmarks import results
from netpress.benchmarks.arms import Arms, arms, source
from netpress.benchmarks.work import of_stage
from netpress.nets.network import Network
from netpress.training.cache import Cache
from netpress.training.stage import Stage

BLOCKS = ("block1", "block2", "block3", "block4", "block5")
MOST = {"block5": 1 / 20, "block4": 1 / 8}
MEAN = 1 / 3
IMAGES = {"cpu": 1024, "cuda": 20_000, "mps": 4_000}
ROUNDS = 3
WIDTH = 1 / 4


def measure() -> dict[str, Any]:
    """The record: per block the cost of an epoch with its evaluation; frozen / thawed in our arm, and against the plain
    loop's thawed network."""
    from netpress.training.compute import choose

    kind = choose().device.split(":")[0]
    with arms("plain.py", IMAGES[kind], WIDTH) as both:
        parent = both.network("vgg16")
        rounds = [{block: one(both, block, parent) for block in BLOCKS} for _ in range(ROUNDS)]
        bars = bars_of(rounds, kind)
        settings = {"dataset": source(), "images": IMAGES[kind], "width": WIDTH, "batch": 64, "epochs": 1}
        table = [{"block": block, **work(both, block), **costs(rounds, block)} for block in BLOCKS]
        return results.content("frozen-ratio", both.config, bars, settings, blocks=table, why=why(table, bars))


def one(both: Arms, block: str, parent: Network) -> dict[str, float]:
    """One block: filling its cache, one more frozen network, and one more thawed in both arms."""
    model, store = f"vgg16-{block}", Cache(both.config.cache_bytes)
    frozen, thawed = Stage("retrain", trains=(block,)), Stage("retrain")
    fill(both, thawed, both.network(model, parent), store)
    found = {"fill": both.timed(lambda: fill(both, frozen, both.network(model, parent), store))}
    for name, stage in (("frozen", frozen), ("thawed", thawed)):
        found[name] = both.ours(stage, both.network(model, parent), cache=store)
    return found | {"plain": both.theirs("train", model, thawed, both.network(model, parent))["cost"]}


def fill(both: Arms, stage: Stage, network: Network, store: Cache) -> None:
    """Cache what the stage needs of training and test images."""
    both.feed(stage, network, None, store).cached_inputs("test")


def bars_of(rounds: list[dict[str, dict[str, float]]], kind: str) -> list[dict[str, Any]]:
    """Ratios per block and their mean."""
    cpu = kind == "cpu"
    found = []
    for against, title in (("thawed", "one more thawed"), ("plain", "one more thawed in the plain loop")):
        ratios = {block: [r[block]["frozen"] / r[block][against] for r in rounds] for block in BLOCKS}
        for block in reversed(BLOCKS):
            most = MOST.get(block) if cpu else None
            found.append(results.bar("frozen-ratio", f"{block} frozen / {title}", ratios[block], most=most))
        every = [mean(row) for row in zip(*ratios.values(), strict=True)]
        found.append(results.bar("frozen-ratio", f"mean of the blocks / {title}", every, most=MEAN if cpu else None))
    return found


def costs(rounds: list[dict[str, dict[str, float]]], block: str) -> dict[str, float]:
    """Median costs of a block."""
    return {arm: round(median(r[block][arm] for r in rounds), 4) for arm in rounds[0][block]}


def work(both: Arms, block: str) -> dict[str, float]:
    """Multiply-adds of a frozen network behind a cached prefix, as a share of a thawed one's."""
    network, px = both.network(f"vgg16-{block}"), both.train_test.train.x.shape[-1]
    frozen = of_stage(Stage("retrain", trains=(block,)), network, px)
    return {"work": round(frozen.ours / of_stage(Stage("retrain"), network, px).ours, 4)}


def why(table: list[dict[str, Any]], bars: list[dict[str, Any]]) -> str | None:
    """What keeps the ratios up, where a bar is missed."""
    missed = [bar["what"] for bar in bars if bar["met"] is False]
    if not missed:
        return None
    shares = ", ".join(f"{row['block']} {row['work']:.3f}" for row in table)
    return (
        f"missed: {'; '.join(missed)}. Behind a cached prefix there is still the replacement, and all that follows it "
        f"has to be passed forwards and backwards: as a share of a thawed network's multiply-adds {shares}."
    )

"""Wrong inputs of many kinds on the command line: each ends with one sentence and status 2, none with a traceback."""

from pathlib import Path

import pytest
from commanded import Command, command  # noqa: F401 - a fixture

NUL, LONG, ODD = "\x00", "x" * 300, "\x1b[31m"

WRONG = [
    # commands and options
    ["nonsense"], ["--nonsense"], ["status", "--jsno"], ["plan"], ["describe"], ["run"], ["results"],
    ["status", "triage", "pyramid"], ["editions", "demo"], ["doctor", "--json"], [ODD], [""],
    # papers, editions, models, chapters, measurements
    ["plan", "traige"], ["plan", ""], ["results", ODD], ["run", LONG], ["status", "TRIAGE"],
    ["plan", "triage", "--edition", "tiny"], ["plan", "triage", "--edition", ""], ["plan", "triage", "--edition", "+"],
    ["plan", "triage", "--edition", "demo+"], ["plan", "triage", "--edition", "demo+epochs"],
    ["plan", "triage", "--edition", "demo+epochs="], ["plan", "triage", "--edition", "demo+epcohs=2"],
    ["plan", "triage", "--edition", "../demo"], ["status", "--edition", "demo/.."], ["claims", "--edition", ODD],
    ["claims", "--edition", "demo+width=" + "9" * 400], ["status", "--edition", "small epochs=2"],
    ["book", "--editions", "demo,tiny"], ["book", "--editions", ","], ["bench", "tirage-grid"], ["bench", ODD],
    ["describe", "vgg17"], ["describe", ""], ["describe", "vgg16-block9"], ["describe", "cnn-0-0"],
    ["describe", "cnn-99999999999-1"], ["describe", "svgg16-sideways"],
    # numbers
    ["describe", "vgg16", "--input", "0"], ["describe", "vgg16", "--input", "-32"],
    ["describe", "vgg16", "--input", "1"],
    ["describe", "vgg16", "--input", "99999999999999999999"], ["describe", "vgg16", "--input", "32.5"],
    ["describe", "vgg16", "--classes", "0"], ["describe", "vgg16", "--classes", "99999999999999999"],
    ["describe", "vgg16", "--classes", "ten"], ["describe", "vgg16", "--width", "nan"],
    ["describe", "vgg16", "--width", "inf"], ["describe", "vgg16", "--width", "-1"],
    ["describe", "vgg16", "--width", "0"],
    ["describe", "vgg16", "--width", "1e30"],
    # runs
    ["run", "triage", "--workers", "0"], ["run", "triage", "--workers", "1e9"], ["run", "triage", "--workers", "two"],
    ["run", "triage", "--dataset", "imagenet"], ["run", "triage", "--dataset", ODD],
    ["run", "all", "--dataset", "mnist"],
    ["run", "triage", "--only", "nothing*"], ["run", "triage", "--only", "[", "--seeds", "0"],
    ["run", "triage", "--seeds", "0-2"], ["run", "triage", "--seeds", "0,,x"], ["run", "triage", "--seeds", "-1"],
    ["run", "triage", "--set", "epochs"], ["run", "triage", "--set", "=2"], ["run", "triage", "--set", "epochs=two"],
    ["run", "triage", "--set", "datasets=mnist"], ["run", "triage", "--set", "weights=random"],
    ["run", "triage", "--set", "parent_schedule=x"], ["run", "triage", "--set", "epochs=2=3"],
    ["run", "triage", "--set", "width=0"], ["run", "triage", "--set", "epochs=" + "9" * 5000],
    ["run", "triage", "--retry", "done", "--only", "*parent*"], ["run", "triage", "--retry", "failed,nonsense"],
    ["run", "triage", "--gpus-per-run", "-1"], ["run", "triage", "--gpus-per-run", "nan", "--ray", "nowhere:1"],
    ["run", "triage", "--ray", "nowhere:x", "--only", "*parent*"],
    ["run", "triage", "--ray", ":", "--only", "*parent*"],
    ["run", "triage", "--ray", "127.0.0.1:99999", "--only", "*parent*"],
    # what contradicts itself
    ["plan", "triage", "--set", "epochs=1", "--set", "epochs=2"], ["status", "--edition", "small+epochs=1+epochs=2"],
    ["run", "triage", "--edition", "demo+epochs=1", "--set", "epochs=2"], ["book", "--editions", "demo+px=8+px=16"],
    # what `plan` has of `run`
    ["plan", "triage", "--only", "nothing*"], ["plan", "triage", "--dataset", "imagenet"],
    ["plan", "triage", "--seeds", "0-2"], ["plan", "triage", "--set", "epochs=two"],
    ["plan", "triage", "--results", "/dev/null"], ["run", "triage", "--set", "width=4.5"],
    # places
    ["claims", "--results", ""], ["status", "--results", " "], ["results", "triage", "--results", "/nowhere/at/all"],
    ["status", "--results", "~nobody-of-this-name"], ["status", "--results", "/dev/null"],
    ["status", "--results", LONG],
    ["run", "triage", "--results", "/dev/null"], ["run", "triage", "--results", "/proc/nothing", "--only", "*parent*"],
    ["book", "--out", ""], ["book", "--out", "/dev/null"],
    ["shrink", "torchvision:resnet18", "--data", "~nobody-of-this-name/x"],
    ["shrink", "~nobody-of-this-name/x.py:net", "--data", "digits"], ["shrink", "x.py:", "--data", "digits"],
    ["shrink", "torchvision:resnet18", "--data", "digits", "--weights", "~nobody-of-this-name/x"],
    ["shrink", "torchvision:resnet18", "--data", ""],
    ["shrink", "torchvision:resnet18", "--data", "digits", "--out", ""],
    ["run", "triage", "--set", "settled_blocks=block1"], ["run", "compressing", "--set", "ratios=5"],
    ["results", "triage", "--format", "xml"],
]  # fmt: skip


def named(words: list[str]) -> str:
    """The name of a case, without what a terminal would act on."""
    return " ".join(words).encode("unicode_escape").decode()[:60] or "empty"


def test_each_is_there_once() -> None:
    assert len({tuple(words) for words in WRONG}) == len(WRONG)


@pytest.mark.parametrize("words", WRONG, ids=named)
def test_a_wrong_input_is_one_sentence(
    command: Command,  # noqa: F811
    words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    from netpress.runs import sweep

    monkeypatch.setattr(sweep.Here, "start", lambda *_: pytest.fail("work was begun"))
    told = command(*words)
    assert told.status == 2, told
    assert len(told.sentence) > 20 and not {c for c in told.err if not c.isprintable()} - {"\n"}
    assert list(folder.rglob("*.json")) == [] and list(folder.rglob("*.lock")) == []

"""One rule for every list on the command line: commas, spaces, repetition. And names that belong together."""

from pathlib import Path

import pytest
from commanded import Command, command  # noqa: F401 - a fixture

from netpress import cli, papers, words
from netpress.errors import UserError
from netpress.runs import sweep
from netpress.runs.sweep import Summary

SPELLINGS = [("0,1",), ("0 1",), ("0, 1",), ("0", "1"), ("0,", "1"), (" 0 ", ",1,"), ("0,1", "1")]


@pytest.mark.parametrize("given", SPELLINGS)
def test_commas_spaces_and_repetition(given: tuple[str, ...]) -> None:
    assert words.parts(given, "--x") == ("0", "1") and words.numbers(given, "--x") == (0, 1)


@pytest.mark.parametrize("given", [("",), (" ",), (",",), ("", ",")])
def test_a_list_of_nothing_is_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(UserError, match="--x names nothing"):
        words.parts(given, "--x")


def test_a_list_that_is_not_given_is_empty() -> None:
    assert words.parts(None, "--x") == words.parts([], "--x") == ()


@pytest.mark.parametrize("given", ["a", "1.5", "0;1", "-1", "1000000", "9" * 5000, "0x1", "[0]"])
def test_what_is_no_number_from_0_is_refused(given: str) -> None:
    with pytest.raises(UserError, match="--x"):
        words.numbers([given], "--x")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """What sweeps are asked for, none of which is done."""
    calls: list[dict] = []

    def ensure(runs, edition, results=None, workers=None, retry=(), cluster=None):
        calls.append(
            {
                "seeds": {r.seed for r in runs},
                "sets": {r.dataset for r in runs},
                "papers": {r.paper for r in runs},
                "edition": edition,
                "retry": retry,
            }
        )
        return Summary()

    monkeypatch.setattr(sweep, "ensure", ensure)
    return calls


def options(name: str, given: tuple[str, ...]) -> list[str]:
    """An option, once for every text."""
    return [word for text in given for word in (name, text)]


@pytest.mark.parametrize("given", SPELLINGS)
def test_seeds(command: Command, asked: list[dict], given: tuple[str, ...]) -> None:  # noqa: F811
    assert command("run", "triage", *options("--seeds", given)).status == 0
    assert asked[0]["seeds"] == {0, 1}


@pytest.mark.parametrize("given", [("failed,diverged",), ("failed, diverged",), ("failed", "diverged")])
def test_retry(command: Command, asked: list[dict], given: tuple[str, ...]) -> None:  # noqa: F811
    assert command("run", "triage", *options("--retry", given)).status == 0
    assert asked[0]["retry"] == ("failed", "diverged")


@pytest.mark.parametrize("given", [("mnist,dogs",), ("mnist dogs",), ("mnist", "dogs")])
def test_dataset(command: Command, asked: list[dict], given: tuple[str, ...]) -> None:  # noqa: F811
    assert command("run", "triage", "--edition", "small", *options("--dataset", given)).status == 0
    assert asked[0]["sets"] == {"mnist", "dogs"}


@pytest.mark.parametrize("given", [("epochs=2,images=96",), ("epochs=2 images=96",), ("epochs=2", "images=96")])
def test_set(command: Command, asked: list[dict], given: tuple[str, ...]) -> None:  # noqa: F811
    assert command("run", "triage", *options("--set", given)).status == 0
    assert asked[0]["edition"] == "demo+epochs=2+images=96"


@pytest.mark.parametrize("given", [("demo,small",), ("demo, small",), ("demo", "small")])
def test_editions(command: Command, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]) -> None:  # noqa: F811
    from netpress.book import build

    built: list[tuple] = []
    monkeypatch.setattr(build, "build", lambda names, folder: built.append(names) or 0)
    assert command("book", *options("--editions", given)).status == 0
    assert built == [("demo", "small")]


@pytest.mark.parametrize("given", SPELLINGS)
def test_blocks_of_a_network_of_ones_own(
    command: Command,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: tuple[str, ...],
) -> None:
    from netpress import yours

    wanted = []
    monkeypatch.setattr(yours, "command", lambda *asked, **_: wanted.append(asked[1]))
    words = ("--out", str(tmp_path), *options("--blocks", given))
    assert command("shrink", "torchvision:resnet18", "--data", "digits", *words).status == 0
    assert wanted == [("0", "1")]


@pytest.mark.parametrize("option", ["--seeds", "--retry", "--dataset", "--set"])
def test_an_option_without_words_is_refused(command: Command, asked: list[dict], option: str) -> None:  # noqa: F811
    told = command("run", "triage", option, " ")
    assert told.status == 2 and f"{option} names nothing" in told.sentence and not asked


def test_every_option_that_takes_a_list_is_here() -> None:
    """A new one must follow the rule, and be tested above."""
    import inspect

    found = set()
    for one in cli.app.registered_commands:
        for name, parameter in inspect.signature(one.callback).parameters.items():
            if "list[str]" in str(parameter.annotation):
                found.add(name)
    assert found == {"dataset", "seeds", "change", "retry", "chosen", "blocks"}


def test_a_data_set_that_one_paper_lacks_is_run_by_the_others(command: Command, asked: list[dict]) -> None:  # noqa: F811
    assert command("run", "all", "--edition", "small", "--dataset", "mnist").status == 0
    assert (asked[0]["papers"], asked[0]["sets"]) == ({"triage", "compressing"}, {"mnist"})
    told = command("run", "pyramid", "--edition", "small", "--dataset", "mnist")
    assert told.status == 2 and "data set of pyramid" in told.sentence
    told = command("run", "all", "--edition", "small", "--dataset", "mnits")
    assert told.status == 2 and "did you mean 'mnist'" in told.sentence


def test_each_paper_takes_of_several_data_sets_those_it_uses(command: Command, asked: list[dict]) -> None:  # noqa: F811
    assert command("run", "all", "--edition", "small", "--dataset", "mnist,cifar100").status == 0
    (call,) = asked
    assert call["papers"] == {"triage", "pyramid", "compressing"} and call["sets"] == {"mnist", "cifar100"}
    assert papers.using(("mnist",), "small") == ("triage", "compressing")


# --- values that are out of bounds ----------------------------------------------------------------------------------

BOUNDS = [
    "seeds=999999999",
    "seeds=101",
    "px=all",
    "px=0",
    "px=99999",
    "width=inf",
    "width=nan",
    "width=1e9",
    "epochs=-1",
    "epochs=1e3",
    "batch=0",
    "images=0",
    "images=1.5",
    "settled_seeds=1000",
    "rate=0",
]


@pytest.mark.parametrize("change", BOUNDS)
def test_a_setting_out_of_bounds_is_refused_at_once(command: Command, asked: list[dict], change: str) -> None:  # noqa: F811
    name = change.split("=")[0]
    for told in (command("run", "triage", "--set", change), command("status", "--edition", f"demo+{change}")):
        assert told.status == 2 and f"{name}=" in told.sentence and not asked


def test_too_many_changes_are_refused_by_their_folders_name(command: Command, tmp_path: Path) -> None:  # noqa: F811
    names = [
        "width=0.02",
        "images=96",
        "batch=32",
        "epochs=1",
        "parent_epochs=1",
        "imitation_epochs=1",
        "parent_rate=0.1",
        "imitation_rate=0.001",
        "retrain_epochs=1",
        "retrain_rate=0.01",
        "tune_epochs=1",
        "tune_rate=0.001",
        "matched_epochs=1",
        "matched_rate=0.01",
        "teacher_epochs=1",
        "teacher_rate=0.01",
        "distilled_epochs=1",
    ]
    told = command("run", "triage", "--results", tmp_path, *options("--set", tuple(names)))
    assert told.status == 2 and "fewer settings" in told.sentence and list(tmp_path.iterdir()) == []

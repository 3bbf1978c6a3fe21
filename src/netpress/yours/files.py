"""The folder that a user takes away: the network's files (export.py), card.md and report.html."""

import html
import shlex
from importlib import resources
from pathlib import Path

from netpress.atomic import write_atomic
from netpress.report.estimates import interval
from netpress.report.tables import Table, shown
from netpress.report.theme import Figure
from netpress.yours import export, story
from netpress.yours.shrink import Shrunk
from netpress.yours.wanted import Wanted, check_folder


def write(shrunk: Shrunk, wanted: Wanted, out: Path) -> export.Written:
    """Write everything; returns what there is."""
    check_folder(out)
    test = shrunk.images("test")
    written = export.write(export.ready(shrunk.network, shrunk.normalise), test.x, test.classes, out)
    write_atomic(out / "card.md", card(shrunk, wanted, written).encode())
    write_atomic(out / "report.html", report(shrunk, wanted).encode())
    return written


def command(wanted: Wanted, out: str = "") -> str:
    """The command that does it again, with names in the place of folders."""
    words = ["netpress", "shrink", Path(wanted.model).name if ".py:" in wanted.model else wanted.model]
    words += ["--data", Path(wanted.data).name or wanted.data]
    if wanted.weights:
        words += ["--weights", Path(wanted.weights).name]
    if wanted.blocks:
        words += ["--blocks", ",".join(wanted.blocks)]
    words += ["--most", f"{wanted.most:g}", "--seeds", ",".join(map(str, wanted.seeds)), "--edition", wanted.edition]
    if wanted.px:
        words += ["--px", str(wanted.px)]
    return shlex.join([*words, *(["--out", out] if out else [])])


def card(shrunk: Shrunk, wanted: Wanted, written: export.Written) -> str:
    """card.md: what the network was, what it is, how good, how large, how fast, and how to make it again."""
    task, decision = shrunk.prepared.task, shrunk.decision
    accuracy = {name: shown(interval([100 * v for v in values]), 2) for name, values in shrunk.tests.items()}
    size = {
        name: story.size_cells(shrunk, runs[0]) for name, runs in (("old", decision.parents), ("new", decision.best))
    }
    rows = [("accuracy on test images, %", accuracy["parent"], accuracy["best"])]
    rows += [
        (key, size["old"][key], size["new"][key]) for key in ("parameters", "multiply-adds", "bytes", "ms an image")
    ]
    files = [f"- `{name}`, {count:,} bytes" for name, count in written.bytes.items()]
    files += [f"- no `{name}`: {reason}" for name, reason in written.left_out.items()]
    last = {t.kind: t for t in decision.tried if t.accepted}
    done = [
        t for t in decision.tried if t.accepted and (t.kind == "replaced" or t is last[t.kind]) and t.kind != "int8"
    ]
    lines = [
        f"# {story.source(task.model)}, shrunk", "",
        story.summary(shrunk), "",
        *(f"- {note}" for note in (*story.warnings(shrunk), *shrunk.prepared.notes)), "",
        "| | as it was | as it is |", "|---|---|---|",
        *(f"| {name} | {old} | {new} |" for name, old, new in rows), "",
        f"Retrained for as long as the small one, the network as it was has an accuracy of {accuracy['retrained']}. "
        f"Time: {shrunk.timed_on}. Seeds: {', '.join(map(str, task.seeds))}; the files hold seed "
        f"{decision.chosen.seed}.",
        "", "## What was done", "",
        *(f"1. {story.step(shrunk, tried)['step']}" for tried in done), "",
        "## Use", "",
        f"Images are float32 (N, 3, {task.px}, {task.px}), 0 to 1: the central square, resized bilinearly. How they "
        "are normalised is a part of the network. `model.py` needs torch alone.", "",
        *files, "",
        "## Make it again", "",
        f"    {command(wanted, 'small')}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def report(shrunk: Shrunk, wanted: Wanted) -> str:
    """report.html: the same pictures and tables as in the chapter, in one file that needs no network."""
    title = html.escape(f"{story.source(shrunk.model)}, shrunk")
    style = resources.files("netpress.yours").joinpath("report.css").read_text("utf-8")
    parts: list[Figure | Table] = [
        story.figure_triage(shrunk),
        story.table_triage(shrunk),
        story.table_steps(shrunk),
        story.table_test(shrunk),
        story.table_blocks(shrunk.prepared),
    ]
    every = (*story.warnings(shrunk), *shrunk.prepared.notes)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in every)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><main>'
        f"<h1>{title}</h1><p>{html.escape(story.summary(shrunk))}</p><ul>{notes}</ul>"
        + "".join(part._repr_html_() for part in parts)
        + f"<h2>Make it again</h2><pre>{html.escape(command(wanted, 'small'))}</pre></main></body></html>\n"
    )

"""What pages about no paper alone show: the board of claims; tables of data, settings, cost, what can be trusted."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd

from netpress import data, editions, env, papers
from netpress.book.glue import Html
from netpress.book.page import took
from netpress.data.registry import DATASETS, titles
from netpress.papers.paper import UNCOMPRESSED
from netpress.report.claims import DECIDED
from netpress.report.estimates import interval, unpaired
from netpress.report.frames import finished
from netpress.report.sentences import held
from netpress.report.tables import Table, Whole, listing, number
from netpress.runs import records
from netpress.runs.cost import spell_of

if TYPE_CHECKING:
    from netpress.book.page import Page
    from netpress.report.claims import Verdict

ADDRESS = "together/claims.html"  # of the page that has a row for every claim
CENTRAL = ("T1", "T2a", "T8", "P4a", "P5a", "P2", "K1", "K6", "K3a")  # three of each paper
WIDE, HIGH = 300.0, 22.0  # of a strip
# in a notebook: ```{glue-figure} figure_2, and in the next line :name: fig-triage-figure-2
SHOWN = re.compile(r"^```\{glue-(?:figure|table)\} *(\S+)\n:name: *(\S+)", re.MULTILINE)
SCALES = ("width", "seeds", "images", "px", "weights", "judged_on", "batch")
CPU, GPU = "cpu", "cuda"
TRAINED_ON_BOTH = "small"  # the edition of which a part was trained on a GPU


# The board of claims -------------------------------------------------------------------------------------------------


def verdicts(page: Page) -> dict[str, Verdict]:
    """Claim -> the verdict on it in the edition that `page` shows of its paper, in the order of the papers."""
    found = (verdict for paper, edition in page.editions.items() for verdict in papers.verdicts(paper, edition))
    return {verdict.claim.id: verdict for verdict in found}


def board(page: Page, claims: Sequence[str], facts: bool = False) -> Html:
    """The rows of `claims`; with `facts` each opens and says what it rests on, else it leads there."""
    known = verdicts(page)
    chosen = [known[name] for name in claims if name in known]
    rows = "".join(row(page, verdict, facts) for verdict in chosen)
    text = "\n".join(f"{v.claim.statement} {held(v).capitalize()}. {effect(v)}" for v in chosen)
    return Html(f'<div class="np-board">{rows or "<p>No claim is judged yet.</p>"}</div>', text)


def row(page: Page, verdict: Verdict, facts: bool) -> str:
    """One claim: its sentence, its verdict, its strip."""
    anchor, kind = f"claim-{verdict.claim.id}", verdict.verdict.replace(" ", "-")
    unsure = verdict.verdict not in DECIDED and verdict.reason
    why = f"<small>{escape(verdict.reason)}</small>" if unsure else ""
    head = (
        f'<span class="np-board-claim">{escape(verdict.claim.statement)}</span>'
        f'<span class="np-board-said"><b class="np-tag np-{kind}">{escape(held(verdict))}</b> '
        f"<small>{escape(effect(verdict))}</small>{why}</span>{strip(verdict)}"
    )
    if not facts:
        return f'<a class="np-board-row" href="{to(page, ADDRESS)}#{anchor}">{head}</a>'
    items = "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in opened(page, verdict).items() if text)
    return f'<details class="np-board-row"><summary>{head}</summary><dl id="{anchor}">{items}</dl></details>'


def to(page: Page, address: str) -> str:
    """An address of the site as seen from `page`."""
    return "../" * page.chapter.count("/") + address


def opened(page: Page, verdict: Verdict) -> dict[str, str]:
    """What a row says when it is opened, as HTML."""
    claim, edition = verdict.claim, page.editions[verdict.claim.paper]
    cells = "" if verdict.cells is None else "{} of {}".format(*verdict.cells)
    printed = "" if claim.own is None else "{} of {}".format(*claim.own())
    p = "" if verdict.p is None else "below 0.001" if verdict.p < 0.001 else f"{verdict.p:.3f}"
    places = evidence(claim.paper)
    links = [(name, to(page, places[name])) for name in claim.rests_on if name in places]
    chapter = next((places[n].partition(".")[0] for n in claim.rests_on if n in places), "together/claims")
    return {
        "Code": claim.id,
        "In the paper": escape(claim.where),
        "Why": escape(verdict.reason),
        "Compared": escape(claim.compares),
        "Decided by": escape(verdict.part),
        "Seeds": f"{verdict.n}{', known before the rule was stated: provisional' if verdict.provisional else ''}",
        "Cells on its side": cells,
        "In the paper's own numbers": printed,
        "p, corrected": p,
        "Rule": escape(claim.rule),
        "Noticed": escape(claim.noticed),
        "Shown in": ", ".join(f'<a class="np-ref" href="{escape(href)}">{escape(name)}</a>' for name, href in links),
        "Records": f"<code>netpress results {claim.paper} --edition {edition} --format csv</code>",
        "Again": f"<code>papermill chapters/{chapter}.ipynb out.ipynb -k python3 -p edition {edition}</code>",
    }


def effect(verdict: Verdict) -> str:
    """The effect with its interval, signed alike: "−2.0 points (−2.4 to −1.5), n = 4"."""
    if verdict.effect is None or not math.isfinite(verdict.effect):
        return ""
    sign = verdict.unit not in ("times",)
    texts = [number(v, 1 if verdict.unit in ("points", "epochs", "times") else 2, sign) for v in
             (verdict.effect, verdict.low, verdict.high) if v is not None]  # fmt: skip
    bounds = f" ({texts[1]} to {texts[2]})" if len(texts) == 3 else ""
    seeds = f", n = {verdict.n}" if isinstance(verdict.n, int) else ""
    return f"{texts[0]} {verdict.unit}{bounds}{seeds}"


def strip(verdict: Verdict) -> str:
    """The effect as a dot, its interval as a line, a mark at no effect; shaded: where the claim holds."""
    if verdict.effect is None or not math.isfinite(verdict.effect):
        return "<span></span>"
    none = 1.0 if verdict.unit == "times" else 0.0
    edges = [edge for edge in verdict.holds if edge is not None]
    values = [v for v in (verdict.effect, verdict.low, verdict.high, none, *edges) if v is not None]
    low, high = min(values), max(values)
    room = 0.15 * (high - low) or 1.0

    def x(value: float) -> float:
        return WIDE * (value - low + room) / (high - low + 2 * room)

    left, right = (at if edge is None else x(edge) for edge, at in zip(verdict.holds, (0.0, WIDE), strict=True))
    marks = [f'<line class="np-board-none" x1="{x(none):.1f}" x2="{x(none):.1f}" y1="0" y2="{HIGH:g}"/>']
    if edges:
        marks.insert(0, f'<rect class="np-board-holds" x="{left:.1f}" width="{right - left:.1f}" height="{HIGH:g}"/>')
    if verdict.low is not None and verdict.high is not None:
        ends = f'x1="{x(verdict.low):.1f}" x2="{x(verdict.high):.1f}" y1="{HIGH / 2:g}" y2="{HIGH / 2:g}"'
        marks.append(f'<line class="np-board-bar" {ends}/>')
    marks.append(f'<circle class="np-board-dot" cx="{x(verdict.effect):.1f}" cy="{HIGH / 2:g}" r="5"/>')
    return f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" aria-hidden="true">{"".join(marks)}</svg>'


def evidence(paper: str) -> dict[str, str]:
    """Glued name -> the address of its figure or table, such as "triage/result.html#fig-triage-heat"."""
    found: dict[str, str] = {}
    for file in sorted((env.root() / "chapters" / paper).glob("*.ipynb")):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        found |= {name: f"{paper}/{file.stem}.html#{label}" for name, label in SHOWN.findall(text)}
    return found


# Tables -------------------------------------------------------------------------------------------------------------


def table_sources() -> Table:
    """Every data set: where it is read from, how many images it has, and on what terms it may be used."""
    rows = [
        {
            "data set": titles()[name], "source": source.title, "classes": dataset.classes,
            "training": source.counts["train"] + source.counts.get("validation", 0), "test": source.counts["test"],
            "what it is": source.fidelity, "terms": source.terms,
        }
        for name, dataset in DATASETS.items()
        for source in dataset.sources
    ]  # fmt: skip
    note = "Of several sources the first that is found is used; the last is the one that may be downloaded."
    return listing(rows, "The data sets, with all sources that can be read.", note)


def table_used() -> Table:
    """Which paper uses which data set at which size, by edition."""
    rows = [
        {
            "paper": paper, "edition": edition, "data set": titles()[dataset],
            "px": editions.of(chosen.px, dataset), "training images": data.count(dataset, "train", chosen.images),
        }
        for paper in papers.PAPERS
        for edition in editions.EDITIONS
        for chosen in [editions.settings(edition, paper)]
        for dataset in chosen.datasets
    ]  # fmt: skip
    note = "Parts of a paper may use fewer images: the settings that end in `_images` say so."
    return listing(rows, "What each edition uses.", note)


def table_settings(paper: str = "") -> Table:
    """Every setting of `paper`, by edition; without one, what differs between the editions for all papers."""
    rows: list[dict[str, Any]] = [] if paper else [{"setting": "meant for"} | dict(editions.MEANT_FOR)]
    for name in [name for name in editions.ROWS if name.startswith(f"{paper}.")] if paper else SCALES:
        values = dict(zip(editions.EDITIONS, map(setting_text, editions.ROWS[name]), strict=True))
        rows.append({"setting": Whole(name.removeprefix(f"{paper}."))} | values)
    return listing(rows, f"The settings of {paper}." if paper else "The editions.")


def setting_text(value: object) -> str:
    """A setting in a cell; of one that differs between data sets the commonest first: "32; dogs, flowers102 64"."""
    if isinstance(value, tuple):
        return ", ".join(setting_text(one) for one in value)
    if not isinstance(value, dict):
        return "all" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    names: dict[Any, list[str]] = {}
    for dataset, one in value.items():
        names.setdefault(one, []).append(dataset)
    (common, _), *others = sorted(names.items(), key=lambda item: -len(item[1]))
    return "; ".join([setting_text(common), *(f"{', '.join(sets)} {setting_text(one)}" for one, sets in others)])


def table_search() -> Table:
    """The search for settings: uncompressed networks that were judged on validation images, one row each."""
    rows = []
    for edition in records.changed_editions():
        for paper in papers.PAPERS:
            runs = papers.grid(paper, edition) if (env.results_dir() / edition / paper).is_dir() else ()
            for run, record in records.fresh(runs, edition).items():
                teaches = dict(run.factors).get("role") == "teacher"
                if run.judged_on == "validation" and (teaches or papers.get(paper).approach(run) == UNCOMPRESSED):
                    rows.append({
                        "paper": paper, "network": run.model, "data set": titles()[run.dataset],
                        "peak rate": f"{run.stages[-1].lr:g}", "epochs": run.stages[-1].epochs,
                        "schedule": Whole(run.stages[-1].schedule), "validation, %": 100 * record["last"],
                    })  # fmt: skip
    note = "A tenth of the training images, set apart; on Flowers-102 its official validation images."
    caption = "How the settings of the uncompressed networks were chosen."
    return listing(sorted(rows, key=lambda row: [str(value) for value in row.values()]), caption, note)


def table_cost() -> Table:
    """Networks and time of every paper in every edition that has records, by kind of device."""
    kept: dict[tuple[str, str, str], list[records.Record]] = {}
    for edition in (*editions.EDITIONS, *records.changed_editions()):
        base, changes = editions.parse(edition)
        shown = f"{base}, changed" if changes else base
        for record in records.every(edition):
            kept.setdefault((shown, record["run"]["paper"], record["made"]["device"]), []).append(record)
    rows = [
        dict(zip(("edition", "paper", "device"), key, strict=True))
        | {"networks": len(own), "time": Whole(took([spell_of(record) for record in own]))}
        for key, own in kept.items()
    ]
    note = "Time is that of a processor's cores together; on a GPU, which many networks share, it is time on the clock."
    return listing(rows, "What the records cost.", note)


def table_devices() -> Table:
    """The same methods with other seeds on a processor and on a GPU: accuracy, and the difference."""
    rows = []
    for paper in papers.PAPERS:
        every = finished(papers.frame(papers.grid(paper, TRAINED_ON_BOTH), TRAINED_ON_BOTH))
        for dataset, own in every.groupby("dataset", sort=False):
            method = own["name"].str.rpartition("-s")[0]
            table = (100 * own["last"]).groupby([own["kind"], own["seed"], method]).first().unstack()
            kinds = [table.loc[kind] if kind in table.index else pd.DataFrame() for kind in (CPU, GPU)]
            both = [name for name in table if all(name in kind and kind[name].notna().any() for kind in kinds)]
            if both:
                cpu, gpu = (kind[both].dropna().mean(axis=1) for kind in kinds)
                rows.append({
                    "paper": papers.get(paper).title, "data set": titles()[str(dataset)], "methods": len(both),
                    "processor, %": interval(cpu), "GPU, %": interval(gpu), "difference": unpaired(gpu, cpu),
                })  # fmt: skip
    caption = "Accuracy after the last epoch, over the methods that were trained on both."
    return listing(rows, caption, "Differences in points, with Welch's 95 % interval; a seed counts once.")


def made_again() -> dict[str, Any]:
    """Records chosen at random and made again: how many were the `same`, `of` how many, and a `table` of them."""
    file = env.results_dir() / "bench" / "cpu" / "remade.json"
    made = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"records": []}
    rows = [{"record": row["name"], "the same": "yes" if row["equal"] else "no"} for row in made["records"]]
    where = made.get("made", {})
    note = f"On {where['device']}, {where['precision']}, PyTorch {where['torch']}." if where else "Not made again yet."
    table = listing(rows, "Records chosen by chance and made again in an empty folder, bit for bit.", note)
    return {"same": sum(row["equal"] for row in made["records"]), "of": len(rows), "table": table}


def table_power() -> Table:
    """Error and power of every claim whose pilot could be drawn from: what `netpress bench rules` found."""
    files = sorted((env.results_dir() / "bench").glob("*/rules.json"))  # drawn numbers are alike on all machines
    found = json.loads(files[0].read_text(encoding="utf-8"))["claims"] if files else []
    rows = []
    for row in found:
        seeds = sorted(row["seeds"].values()) if isinstance(row["seeds"], dict) else [row["seeds"]]
        rows.append({
            "claim": row["claim"], "seeds": " to ".join(map(str, dict.fromkeys([seeds[0], seeds[-1]]))),
            "wrongly supported, %": 100 * row["error_if_false"], "wrongly contradicted, %": 100 * row["error_if_true"],
            "decided, %": 100 * row["power"],
        })  # fmt: skip
    caption = "How often each claim would be decided, were it as the pilot suggests, and how often wrongly."
    return listing(rows, caption, "" if rows else "Not simulated yet.")


def table_earlier(shown: dict[str, str]) -> Table:
    """The verdicts of earlier versions of the rules beside those in force; `shown`: paper -> edition."""
    columns: dict[str, dict[str, str]] = {}
    for paper, edition in shown.items():
        for version, name in (("version 1", "pilot.json"), ("version 2", "version-2.json")):
            file = env.results_dir() / edition / "claims" / name
            said = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
            for row in said if isinstance(said, list) else said.get("verdicts", []):
                for claim in row.get("claims", [row["id"]]) if row["paper"] == paper else ():
                    columns.setdefault(version, {})[claim] = row["verdict"]
        for verdict in papers.verdicts(paper, edition):
            columns.setdefault("version 3", {})[verdict.claim.id] = verdict.verdict
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = [{"claim": name} | {version: column.get(name, "–") for version, column in columns.items()} for name in names]
    return listing(rows, "What each version of the rules said of each claim.", "Ids changed where a claim was split.")

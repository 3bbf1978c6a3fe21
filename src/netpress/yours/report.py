"""What a search did and what came out, as a sentence, two tables and a picture, on one page and on a card."""

import html
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from netpress.report.tables import Signed, Table, listing
from netpress.report.theme import COLOURS, INK, Figure, Words, figure, marker

ONE = "batch 1, 1 thread"
LABELS = {"original": "as it was", "original, int8": "as it was, int8", "small": "small", "small, int8": "small, int8"}


@dataclass(frozen=True)
class Report:
    """The facts of a search, as `report.json` has them. Shows itself as HTML."""

    facts: dict[str, Any]

    @staticmethod
    def read(folder: str | Path) -> "Report":
        """The report of a search in `folder`, the one given as `out`."""
        return Report(json.loads((Path(folder) / "report.json").read_bytes()))

    @staticmethod
    def plan(name: str, rows: list[dict[str, Any]]) -> Table:
        """What a search would do: the minutes of each step, and of all where each is needed."""
        total = sum(row["minutes"] * row["times"] for row in rows)
        shown = [{"step": r["step"], "minutes": r["minutes"], "at most": r["times"]} for r in rows]
        note = f"{total:.0f} minutes at most. Steps that follow one that was taken take less."
        return listing(shown, f"What shrinking {name} takes here", note)

    @property
    def files(self) -> dict[str, dict[str, Any]]:
        """Each file's row: "original", "original, int8", "small", and "small, int8" where it is there."""
        return {row["network"]: row for row in self.facts["files"]}

    @property
    def chosen(self) -> dict[str, Any]:
        """The row of the file to take: the faster of the small ones."""
        small = [row for name, row in self.files.items() if name.startswith("small")]
        return min(small, key=lambda row: row["ms"][ONE])

    @property
    def reference(self) -> float:
        """The metric against which points are lost: of the original, or of it retrained for as long."""
        return max([self.facts["parent"], *self.facts["control"]])

    @property
    def summary(self) -> str:
        """What came out, in two sentences."""
        old, new, taken = self.files["original"], self.chosen, self.facts["taken"]
        lost = 100 * (self.reference - new["score"])
        kind = "as 8-bit integers" if "int8" in new["network"] else "in float32"
        steps = f"{taken} change{'' if taken == 1 else 's'} taken" if taken else "no change taken"
        return (
            f"{self.facts['name']}: {times(old, new, ONE)} as fast, {old['bytes'] / new['bytes']:.1f} times fewer "
            f"bytes and {old['multiply-adds'] / new['multiply-adds']:.1f} times fewer multiply-adds, {kind}, {steps}. "
            f"It loses {lost:.1f} of the {self.facts['settings']['most']:g} points that it may lose on "
            f"{self.facts['validation']} validation inputs."
        )

    @property
    def notes(self) -> list[str]:
        """What a reader should know beside it."""
        return self.facts["notes"]

    def table_steps(self) -> Table:
        """Everything that was tried, in order: points lost, cost beside the original's, and what became of it."""
        steps, base = self.facts["steps"], self.facts["base"]
        rows = [
            {
                "step": step["step"], "points lost": None if step["lost"] is None else step["lost"],
                f"{self.facts['settings']['goal']}, %": None if step["cost"] is None else 100 * step["cost"] / base,
                "became": step["became"],
            }
            for step in steps
        ]  # fmt: skip
        note = (
            "Points on validation inputs, beside the better of the original and the original retrained for as long; "
            f"{self.facts['settings']['goal']} beside the original's file ({self.facts['judged']})."
        )
        return listing(rows, f"{self.facts['name']}, step by step", note)

    def table_result(self) -> Table:
        """The files side by side: metric, sizes, and milliseconds measured from them."""
        rows = []
        for name, row in self.files.items():
            cells: dict[str, Any] = {"network": LABELS[name], "validation, %": 100 * row["score"]}
            if row["test"] is not None:
                cells["test, %"] = 100 * row["test"]
            cells |= {
                "points lost": Signed(100 * (self.reference - row["score"])), "parameters": f"{row['parameters']:,}",
                "multiply-adds": f"{row['multiply-adds']:,.0f}", "bytes": f"{row['bytes']:,}",
            }  # fmt: skip
            cells |= {f"ms, {key}": f"{ms:.3g}" for key, ms in row["ms"].items()}
            rows.append(cells)
        if control := self.facts["control"]:
            rows.insert(
                1, dict.fromkeys(rows[0]) | {"network": "retrained as long", "validation, %": 100 * control[-1]}
            )
        note = (
            f"Milliseconds for a batch, medians, ONNX Runtime on this CPU. Points beside {100 * self.reference:.1f} %."
        )
        return listing(rows, f"{self.facts['name']} before and after", note)

    def figure(self) -> Figure:
        """Points lost against milliseconds of one input: the four files."""
        frame = self.table_result().to_frame()
        rows = list(self.files.items())

        def paint(canvas: Any) -> None:
            axes = canvas.subplots()
            for i, (name, row) in enumerate(rows):
                at = row["ms"][ONE], 100 * (self.reference - row["score"])
                axes.plot(*at, marker(i), color=COLOURS[i], ms=9, ls="none")
                axes.annotate(LABELS[name], at, (8, 4), textcoords="offset points")
            axes.axhline(self.facts["settings"]["most"], color=INK, ls="--", lw=1)
            axes.set_xlim(left=0)
            axes.margins(x=0.3, y=0.3)
            axes.set_xlabel("milliseconds for one input")
            axes.set_ylabel("points lost")

        alt = "; ".join(
            f"{LABELS[name]}: {row['ms'][ONE]:.3g} ms, {100 * (self.reference - row['score']):.1f} points lost"
            for name, row in rows
        )
        return figure(paint, (720, 360), Words(alt, f"{self.facts['name']}: what speed costs"), frame)

    def pages(self) -> dict[str, str]:
        """card.md and report.html."""
        title = f"{self.facts['name']}, shrunk"
        there = [(row["file"], row["bytes"]) for row in self.files.values() if row["file"]]
        card = [
            f"# {title}", "", self.summary, "", *(f"- {note}" for note in self.notes), "",
            "```", repr(self.table_result()), "", repr(self.table_steps()), "```", "", "## Files", "",
            *(f"- `{name}`, {count:,} bytes" for name, count in there),
            "- `network.pt2`: `torch.export.load(\"network.pt2\").module()` runs with torch alone",
            "- `network.safetensors`: the weights by name, and in its header the changes; "
            "`netpress.yours.load(model, \"network.safetensors\")` makes the network of your own class again",
            "- `search/`: what the search goes on from; it may be deleted", "", "## Settings", "",
            "```", json.dumps(self.facts["settings"]), "```", "",
        ]  # fmt: skip
        style = resources.files("netpress.yours").joinpath("report.css").read_text("utf-8")
        page = (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><main>'
            f"<h1>{html.escape(title)}</h1>{self._repr_html_()}</main></body></html>\n"
        )
        return {"card.md": "\n".join(card), "report.html": page}

    def __repr__(self) -> str:
        return "\n\n".join([self.summary, repr(self.table_steps()), repr(self.table_result()), *self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        shown = (self.figure(), self.table_result(), self.table_steps())
        return f"<p>{html.escape(self.summary)}</p><ul>{notes}</ul>" + "".join(part._repr_html_() for part in shown)


def times(old: dict[str, Any], new: dict[str, Any], key: str) -> str:
    """How many times as fast one file is as another, in words."""
    return f"{old['ms'][key] / new['ms'][key]:.2f} times"

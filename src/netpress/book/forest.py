"""A forest plot: the effect of every claim with its deciding interval, and where the claim would hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from netpress.report.boards import tag
from netpress.report.findings import Finding
from netpress.report.tables import number
from netpress.report.tables import tag as tag_html
from netpress.report.tests import Side

WIDE, HIGH, EDGE = 300.0, 20.0, 12.0  # of a strip, and what is kept free at both ends for arrows
# unit -> what its group of rows is called, and how far its axis goes at most
GROUPS: Mapping[str, tuple[str, float]] = {
    "points": ("Points of accuracy", 8.0),
    "epochs": ("Epochs of retraining", 8.0),
    "times": ("Ratios", 20.0),
    "tau": ("Orders (Kendall's tau: 1 rises always, −1 falls always)", 1.0),
    "CKA": ("Likeness of outputs (CKA)", 1.0),
    "cosine": ("Likeness of filters (cosine)", 1.0),
}


@dataclass(frozen=True)
class Axis:
    """From where to where the rows of a group are drawn, in their unit; `at`: the value of no effect."""

    low: float
    high: float
    at: float = 0.0

    def x(self, value: float) -> float:
        """The place of a value on a strip; beyond an end, that end."""
        inside = min(max(value, self.low), self.high)
        return EDGE + (WIDE - 2 * EDGE) * (inside - self.low) / (self.high - self.low)


def axis_of(findings: Sequence[Finding], unit: str) -> Axis:
    """An axis on which all effects of a group have room, as far as GROUPS lets it go; no effect is in it."""
    most, at = GROUPS[unit][1], 1.0 if unit == "times" else 0.0
    values = [v for f in findings for v in (f.effect, f.low, f.high, *f.holds) if v is not None]
    low, high = max(min([at, *values]), -most), min(max([at, *values]), most)
    room = 0.05 * (high - low) or 1.0
    return Axis(low - room, high + room, at)


@dataclass(frozen=True)
class Place:
    """Where a row leads, and the title of the paper that its claim is from."""

    address: str
    paper: str


def forest(findings: Sequence[Finding], places: Mapping[str, Place]) -> str:
    """Every claim with an effect as a row that leads to its card, grouped by unit; `places` by claim."""
    groups = [(unit, [f for f in findings if f.unit == unit and f.effect is not None]) for unit in GROUPS]
    blocks = "".join(group(unit, rows, places) for unit, rows in groups if rows)
    drawn = {f.claim.id for _, rows in groups for f in rows}
    rest = waiting([f for f in findings if f.claim.id not in drawn], places)
    return f'<div class="np-forest">{blocks}{rest}</div>'


def group(unit: str, findings: Sequence[Finding], places: Mapping[str, Place]) -> str:
    """The rows of one unit under its axis."""
    axis = axis_of(findings, unit)
    rows = "".join(row(f, axis, places[f.claim.id]) for f in findings)
    head = f'<p class="np-forest-head"><span>{escape(GROUPS[unit][0])}</span>{scale(axis)}<span></span></p>'
    return f"{head}<ul>{rows}</ul>"


def row(found: Finding, axis: Axis, place: Place) -> str:
    """One claim: its statement, its strip, its effect and verdict in words; all of it one link."""
    words = found.words + (f", {found.size}" if found.size else "").replace(
        "n = ", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"
    )
    kind = found.verdict.replace(" ", "-")
    return (
        f'<li><a class="np-forest-row np-{kind}{" np-by" if found.by else ""}" href="{escape(place.address)}">'
        f'<span class="np-forest-claim">{escape(found.claim.statement)} '
        f"<small>{escape(found.claim.id)}, {escape(place.paper)}</small></span>"
        f"{strip(found, axis)}"
        f'<span class="np-forest-said">{tag_html(tag(found))} <span>{escape(words)}</span></span></a></li>'
    )


def strip(found: Finding, axis: Axis) -> str:
    """The effect as a dot, its interval as a line; shaded: where the claim holds. An arrow: it lies further out."""
    marks = [shade(found.holds, axis), line(axis.x(axis.at), "np-forest-none")]
    if found.low is not None and found.high is not None:
        left, right, middle = axis.x(found.low), axis.x(found.high), HIGH / 2
        marks.append(f'<line class="np-forest-bar" x1="{left:.1f}" x2="{right:.1f}" y1="{middle:g}" y2="{middle:g}"/>')
    marks.append(dot(found, axis))
    return f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" aria-hidden="true">{"".join(marks)}</svg>'


def shade(holds: Side, axis: Axis) -> str:
    """The part of the strip in which the claim holds."""
    if holds == (None, None):
        return ""
    left = 0.0 if holds[0] is None else axis.x(holds[0])
    right = WIDE if holds[1] is None else axis.x(holds[1])
    return f'<rect class="np-forest-holds" x="{left:.1f}" y="0" width="{right - left:.1f}" height="{HIGH:g}"/>'


def dot(found: Finding, axis: Axis) -> str:
    """A dot, hollow for the pilot's; an arrow head at the end of the strip for an effect that lies beyond it."""
    effect = found.effect or 0.0
    x, y = axis.x(effect), HIGH / 2
    if axis.low <= effect <= axis.high:
        return f'<circle class="np-forest-dot" cx="{x:.1f}" cy="{y:g}" r="4.5"/>'
    tip = 9 if effect > axis.high else -9
    return f'<path class="np-forest-dot" d="M{x:.1f} {y - 5:g} l{tip} 5 l{-tip} 5 z"/>'


def line(x: float, kind: str) -> str:
    """A line across the strip."""
    return f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{HIGH:g}"/>'


def scale(axis: Axis) -> str:
    """The axis of a group: no effect, and round numbers towards both ends."""
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10) if (axis.high - axis.low) / s <= 6)
    first = int(axis.low / step) - 1
    ticks = [step * i for i in range(first, first + 12) if axis.low <= step * i <= axis.high]
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 2
    texts = "".join(f'<text x="{axis.x(t):.1f}" y="15" text-anchor="middle">{number(t, digits)}</text>' for t in ticks)
    return f'<svg viewBox="0 0 {WIDE:g} {HIGH:g}" aria-hidden="true">{texts}</svg>'


def waiting(findings: Sequence[Finding], places: Mapping[str, Place]) -> str:
    """The claims of which nothing can be shown yet."""
    if not findings:
        return ""
    links = ", ".join(
        f'<a href="{escape(places[f.claim.id].address)}" title="{escape(f.claim.statement)}">{escape(f.claim.id)}</a>'
        for f in findings
    )
    return f'<p class="np-forest-waiting">Not run yet, and not asked in the pilot: {links}.</p>'

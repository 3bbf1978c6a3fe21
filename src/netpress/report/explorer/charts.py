"""The explorer's charts as Vega-Lite, written with Altair. Data come from the script, colours from the page."""

from collections.abc import Sequence
from itertools import cycle, islice
from typing import Any

ALL, CHOSEN, CURVES = "runs", "chosen", "curves"  # the data sets that the script fills
COLOURS = ("blue", "vermillion", "green", "purple", "orange", "sky")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
SLOTS = ("A", "B")
HEIGHT = 260


def specifications(papers: Sequence[str]) -> dict[str, Any]:
    """Name of the chart -> its specification; `papers` are those that have runs."""
    return {
        "scatter": scatter(papers),
        "accuracy": curves("accuracy, %"),
        "loss": curves("loss"),
    }


def scatter(papers: Sequence[str]) -> dict[str, Any]:
    """Parameters against best accuracy, one point a run; the two that are compared have rings."""
    import altair as alt

    runs = alt.Chart(alt.NamedData(name=ALL))
    x = alt.X("parameters:Q", scale=alt.Scale(type="log", nice=False), title="parameters", axis=alt.Axis(format="~s"))
    y = alt.Y("best:Q", scale=alt.Scale(zero=False), title="best accuracy, %")
    colours = [f"var:--np-{name}" for name in islice(cycle(COLOURS), len(papers))]
    paper = alt.Scale(domain=list(papers), range=colours)
    shapes = alt.Scale(domain=list(papers), range=list(islice(cycle(SHAPES), len(papers))))
    tip = [alt.Tooltip("name:N", title="run"), alt.Tooltip("best:Q"), alt.Tooltip("parameters:Q", format=",")]
    points = runs.mark_point(filled=True, size=45, opacity=0.75, cursor="pointer").encode(
        x=x, y=y, tooltip=tip,
        color=alt.Color("paper:N", scale=paper, legend=alt.Legend(title=None, orient="top")),
        shape=alt.Shape("paper:N", scale=shapes),
    )  # fmt: skip
    chosen = alt.Chart(alt.NamedData(name=CHOSEN))  # its own, so that choosing does not draw all points anew
    rings = chosen.mark_point(filled=False, size=190, strokeWidth=2.2, color="var:ink").encode(x=x, y=y)
    letters = chosen.mark_text(dx=13, dy=-9, fontWeight="bold", fontSize=13, color="var:ink").encode(
        x=x, y=y, text="slot:N"
    )
    return finished(alt.layer(points, rings, letters), "Every run that fits: parameters against best accuracy")


def curves(title: str) -> dict[str, Any]:
    """Test (full) and training (dashed) curves of the two runs, one epoch after the other over all stages."""
    import altair as alt

    lines = alt.Chart(alt.NamedData(name=CURVES))
    colours = alt.Scale(domain=list(SLOTS), range=["var:--np-blue", "var:--np-vermillion"])
    dashes = alt.Scale(domain=["test", "training"], range=[[1, 0], [5, 4]])
    epochs = "epoch, over all stages (full: test, dashed: training)"
    tip = ["stage:N", "epoch:Q", "on:N", alt.Tooltip("value:Q", format=".4~f")]
    chart = lines.mark_line(strokeWidth=2, point={"size": 22, "filled": True}).encode(
        x=alt.X("epoch:Q", title=epochs, axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
        color=alt.Color("slot:N", scale=colours, legend=alt.Legend(title=None, orient="top")),
        strokeDash=alt.StrokeDash("on:N", scale=dashes, legend=None),
        tooltip=[alt.Tooltip("slot:N", title="run"), *tip],
    )  # fmt: skip
    return finished(chart, f"Learning curves of the chosen runs: {title}")


def finished(chart: Any, description: str) -> dict[str, Any]:
    """The specification as plain JSON values."""
    size = {"width": "container", "height": HEIGHT, "autosize": {"type": "fit", "contains": "padding"}}
    specification = {name: value for name, value in chart.to_dict().items() if name != "$schema"}
    return specification | size | {"description": description, "config": {"view": {"stroke": None}}}

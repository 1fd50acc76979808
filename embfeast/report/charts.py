"""What the report's charts share: how they are begun, and the few kinds that recur."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

# Places in the palette of the page (Okabe and Ito's colours, in templates/style.css), so that
# figures follow light, dark and print without being drawn again.
PALETTE = 7
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
OTHERS = PALETTE  # the grey after the colours
SHORT = 140
BINS = 40

# As in templates/style.css. Widths are measured with it, so it cannot be a variable.
FONT = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif'
# How every figure looks.
CONFIG: dict[str, Any] = {
    "background": None,
    "font": FONT,
    "aria": False,  # the figure's own description is read out in the place of its marks
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--muted)",
        "titleColor": "var(--muted)",
        "gridColor": "var(--line)",
        "domainColor": "var(--axis)",
        "tickColor": "var(--axis)",
        "labelFontSize": 11.5,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "titlePadding": 8,
        "labelLimit": 150,
    },
    "legend": {
        "labelColor": "var(--text)",
        "titleColor": "var(--muted)",
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "orient": "top",
        "direction": "horizontal",
        "labelLimit": 220,
        "columns": 2,
        "symbolStrokeWidth": 2,
        "symbolSize": 80,
    },
    "range": {"category": [f"var(--c{place})" for place in range(PALETTE + 1)]},
    "mark": {"color": "var(--c0)", "tooltip": True},
    "text": {"color": "var(--text)", "fontSize": 11.5},
    "bar": {"color": "var(--c0)"},
    "line": {"strokeWidth": 2.2},
    "rule": {"color": "var(--axis)"},
}


def records(columns: Mapping[str, Sequence[Any] | NDArray[Any]]) -> alt.InlineData:
    """Return columns of one length as a chart's data."""
    lists = {name: np.asarray(values).tolist() for name, values in columns.items()}
    rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    return alt.InlineData(values=rows)


def finished(chart: Any, height: int = 260) -> dict[str, Any]:
    """Return a chart as Vega-Lite, as wide as its place on the page."""
    made: dict[str, Any] = chart.properties(
        width="container",
        height=height,
        autosize=alt.AutoSizeParams(type="fit-x", contains="padding"),
    ).to_dict()
    made.pop("config", None)  # the page has one for all
    return made


def number(field: str, title: str | None = None, format: str = "") -> alt.Tooltip:
    """Return a number's line in a tooltip."""
    return alt.Tooltip(f"{field}:Q", title=title or field, format=format)


def word(field: str, title: str | None = None) -> alt.Tooltip:
    """Return a text's line in a tooltip."""
    return alt.Tooltip(f"{field}:N", title=title or field)


def chosen_line(at: float, axis: str = "x") -> Any:
    """Return a dashed line at what was chosen."""
    place = {axis: alt.X("at:Q") if axis == "x" else alt.Y("at:Q")}
    return (
        alt.Chart(records({"at": [at]}))
        .mark_rule(color="var(--c1)", strokeWidth=1.8, strokeDash=[5, 3], tooltip=None)
        .encode(**place)
    )


def histograms(
    groups: Mapping[str, NDArray[Any]], title: str, limits: tuple[float, float] | None = None
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Return outlined distributions over one axis, and the numbers drawn.

    Parameters
    ----------
    groups : mapping from a name to its values
    title : str
        Of the axis.
    limits : (float, float), optional
        Of the axis; the values' own by default.

    Returns
    -------
    spec : dict
    rows : list of [from, to, share of each group]
    """
    everything = np.concatenate(list(groups.values()))
    low, high = limits or (float(everything.min()), float(everything.max()))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = {
        name: np.histogram(values, edges)[0] / max(len(values), 1)
        for name, values in groups.items()
    }
    columns: dict[str, list[Any]] = {"from": [], "to": [], "share": [], "group": []}
    for name, own in shares.items():
        columns["from"] += edges[:-1].tolist()
        columns["to"] += edges[1:].tolist()
        columns["share"] += own.tolist()
        columns["group"] += [name] * BINS
    data = records(columns)
    x = alt.X("from:Q", title=title, scale=alt.Scale(domain=[low, high], nice=False))
    y = alt.Y(
        "share:Q",
        title="share of them",
        axis=alt.Axis(format="%", tickCount=4),
        scale=alt.Scale(domainMin=0),
    ).stack(None)
    color, dash = told_apart(list(groups))
    base = alt.Chart(data).encode(x=x, y=y)
    fill = alt.Fill("group:N", title=None, scale=alt.Scale(domain=list(groups)))
    area = base.mark_area(interpolate="step-after", opacity=0.22, tooltip=None).encode(fill=fill)
    line = base.mark_line(interpolate="step-after", tooltip=None)
    line = line.encode(color=color, strokeDash=dash)
    tips = [number("from", "from", ".3f"), number("to", "to", ".3f"), number("share", format=".1%")]
    hover = (
        alt.Chart(data)
        .mark_bar(opacity=0)
        .encode(
            x=x,
            x2="to:Q",
            y=y,
            tooltip=[word("group"), *tips],
        )
    )
    rows = [
        [round(float(edges[i]), 4), round(float(edges[i + 1]), 4)]
        + [round(float(own[i]), 4) for own in shares.values()]
        for i in range(BINS)
        if any(own[i] for own in shares.values())
    ]
    return finished(alt.layer(area, line, hover), 230), rows


def told_apart(groups: list[str]) -> tuple[alt.Color, alt.StrokeDash]:
    """Return the colours and dashes of lines, by the column `group`, with one legend."""
    scale = alt.Scale(domain=groups)
    return (
        alt.Color("group:N", title=None, scale=scale),
        alt.StrokeDash("group:N", title=None, scale=scale),
    )


def short(text: str, most: int = SHORT) -> str:
    """Return a text on one line, cut where it is long.

    Examples
    --------
    >>> short("a  long text", 6)
    'a lon…'
    """
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"

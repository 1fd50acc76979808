"""What the report's charts share: how they are begun, and the few kinds that recur."""

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from numpy.typing import NDArray

# Places in the palette of the page (Okabe and Ito's colours, in templates/style.css), so that
# figures follow light, dark and print without being drawn again.
PALETTE = 14
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
OTHERS = PALETTE  # the grey after the colours
SHORT = 140
BINS = 40
FEW = 50  # A line of fewer points shows each.


def records(columns: Mapping[str, Any] | pd.DataFrame) -> alt.InlineData:
    """Return columns of one length as a chart's data."""
    rows: Any = pd.DataFrame(columns).to_dict("records")
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


def bars(columns: Mapping[str, Any], x: alt.X, y: alt.Y, tooltip: list[Any], **mark: Any) -> Any:
    """Return bars of columns of one length."""
    return alt.Chart(records(columns)).mark_bar(**mark).encode(x=x, y=y, tooltip=tooltip)


def curve(
    xs: Any, ys: Any, titles: tuple[str, str], chosen: float, format: str, **y_scale: Any
) -> dict[str, Any]:
    """Return a line, and a dashed one at what was chosen."""
    x_title, y_title = titles
    data = records({"x": xs, "y": ys})
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(nice=False, zero=False))
    axis = alt.Axis(tickCount=5, format="%") if "%" in format else alt.Axis(tickCount=5)
    y = alt.Y("y:Q", title=y_title, scale=alt.Scale(zero=False, **y_scale), axis=axis)
    tips = [number("x", x_title, "d"), number("y", y_title, format)]
    points: Any = alt.OverlayMarkDef(size=40, filled=True) if len(xs) < FEW else False
    line = alt.Chart(data).encode(x=x, y=y, tooltip=tips)
    at = alt.Chart(records({"at": [chosen]})).encode(x="at:Q")
    rule = at.mark_rule(color="var(--c1)", strokeWidth=1.8, strokeDash=[5, 3], tooltip=None)
    return finished(alt.layer(rule, line.mark_line(point=points), line.mark_bar(opacity=0)), 220)


def histograms(
    groups: Mapping[str, NDArray[Any]], title: str
) -> tuple[dict[str, Any], list[list[Any]]]:
    """Return outlined distributions over one axis, and the numbers drawn: from, to, shares."""
    everything = np.concatenate(list(groups.values()))
    low, high = float(everything.min()), float(everything.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    shares = {name: np.histogram(own, edges)[0] / max(len(own), 1) for name, own in groups.items()}
    table = pd.DataFrame({"from": edges[:-1], "to": edges[1:]} | shares)
    data = records(table.melt(["from", "to"], var_name="group", value_name="share"))
    x = alt.X("from:Q", title=title, scale=alt.Scale(domain=[low, high], nice=False))
    y = alt.Y("share:Q", title="share of them", axis=alt.Axis(format="%", tickCount=4))
    y = y.scale(domainMin=0).stack(None)
    color, dash = told_apart(list(groups))
    base = alt.Chart(data).encode(x=x, y=y)
    fill = alt.Fill("group:N", title=None, scale=alt.Scale(domain=list(groups)))
    area = base.mark_area(interpolate="step-after", opacity=0.22, tooltip=None).encode(fill=fill)
    line = base.mark_line(interpolate="step-after", tooltip=None)
    line = line.encode(color=color, strokeDash=dash)
    tips = [number("from", "from", ".3f"), number("to", "to", ".3f"), number("share", format=".1%")]
    hover = base.mark_bar(opacity=0).encode(x2="to:Q", tooltip=[word("group"), *tips])
    drawn = table[(table[list(groups)] > 0).any(axis=1)]
    return finished(alt.layer(area, line, hover), 230), drawn.round(4).to_numpy().tolist()


def ranges(
    names: list[str], values: NDArray[np.float64], title: str, of: str
) -> tuple[Any, list[list[Any]]]:
    """Return a chart of each column's range, and rows of its name, least, quartiles and most."""
    low, q1, median, q3, high = np.quantile(values, [0.01, 0.25, 0.5, 0.75, 0.99], axis=0)
    data = records({of: names, "low": low, "q1": q1, "median": median, "q3": q3, "high": high})
    titles = {"low": "1 %", "q1": "25 %", "median": "median", "q3": "75 %", "high": "99 %"}
    tips = [word(of), *(number(name, title, ".2f") for name, title in titles.items())]
    x = alt.X("low:Q", title=title, scale=alt.Scale(zero=False))
    base = alt.Chart(data).encode(y=alt.Y(f"{of}:N", sort=names, title=None), tooltip=tips)
    chart = alt.layer(
        base.mark_rule(strokeWidth=1.5, color="var(--c0)").encode(x=x, x2="high:Q"),
        base.mark_bar(height=11, cornerRadius=2).encode(x="q1:Q", x2="q3:Q"),
        base.mark_tick(color="var(--paper)", thickness=2, height=11).encode(x="median:Q"),
    )
    columns = [values.min(axis=0), q1, median, q3, values.max(axis=0)]
    return chart, [[name, *map(float, own)] for name, *own in zip(names, *columns, strict=True)]


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

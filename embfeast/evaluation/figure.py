"""The figure of an evaluation: each feature set's difference to raw embeddings."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from embfeast.evaluation.row import COLORS, Row

# Where the outermost sets are this many intervals apart, the axis is stretched around zero.
WIDE = 3
TICKS = [-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50]
SHAPES = {"helps": "triangle-right", "no difference": "circle", "harms": "triangle-left"}


def is_stretched(rows: Sequence[Row]) -> bool:
    """Tell whether the axis of these rows is stretched around zero."""
    spread = max((row.high for row in rows), default=0) - min((row.low for row in rows), default=0)
    return spread > WIDE * max((row.high - row.low for row in rows), default=0)


def difference_chart(
    rows: Sequence[Row], measure: str, colors: Sequence[str] = tuple(COLORS.values())
) -> Any:
    """Return a chart of rows that have a verdict; `colors` in the order of `SHAPES`."""
    several = len({row.model for row in rows if not row.is_baseline}) > 1
    data = [
        {
            "features": f"{row.features} ({row.model})" if several else row.features,
            "difference": 100 * row.difference,
            "low": 100 * row.low,
            "high": 100 * row.high,
            "score": row.score,
            "numbers": row.width,
            "verdict": row.verdict,
        }
        for row in rows
    ]
    tips = [alt.Tooltip("features:N"), alt.Tooltip("verdict:N")] + [
        alt.Tooltip(f"{field}:Q", title=title, format=form)
        for field, title, form in [
            ("difference", "difference (points)", "+.2f"),
            ("low", "from", "+.2f"),
            ("high", "to", "+.2f"),
            ("score", measure, ".4f"),
            ("numbers", "numbers a text", ","),
        ]
    ]
    domain = list(SHAPES)
    color = alt.Color(
        "verdict:N",
        title=None,
        legend=alt.Legend(columns=2),
        scale=alt.Scale(domain=domain, range=list(colors)),
    )
    shape = alt.Shape(
        "verdict:N", title=None, scale=alt.Scale(domain=domain, range=list(SHAPES.values()))
    )
    # "random anchors for similarity" takes two lines, one above and one below its tick.
    below = {"test": "indexof(datum.label, ' for ') >= 0", "value": "bottom"}
    two_lines = alt.Axis(
        labelExpr="split(replace(datum.label, ' for ', '|for '), '|')",
        labelBaseline={"condition": below, "value": "middle"},
    )
    order = [str(one["features"]) for one in data]
    y = alt.Y("features:N", sort=order, title=None, axis=two_lines)
    x = alt.X("low:Q", title=["difference to", "raw embeddings,", f"points of {measure}"])
    if is_stretched(rows):
        x = x.scale(type="symlog", constant=1).axis(values=TICKS, labelOverlap="greedy")
    base = alt.Chart(alt.InlineData(values=data)).encode(y=y, tooltip=tips)
    zero = alt.Chart(alt.InlineData(values=[{"at": 0}])).mark_rule(tooltip=None).encode(x="at:Q")
    return alt.layer(
        zero,
        base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q", color=color),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            x="difference:Q", color=color, shape=shape
        ),
    )

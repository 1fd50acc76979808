"""Which tricks help: scores on the label, with intervals."""

import altair as alt

from embfeast.evaluation import Evaluation
from embfeast.evaluation.sets import RAW
from embfeast.report.charts import finished, number, records, word
from embfeast.report.section import Figure, Section, Table

TITLE = "Which tricks help"
# Where the outermost sets are this many intervals apart, the axis is stretched around zero.
WIDE = 3
TICKS = [-50, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50]
VERDICTS = {"helps": 0, "no difference": 7, "harms": 1}


def helps(found: Evaluation | None, label: str, why_not: str = "") -> Section:
    """Show each feature set's difference to raw embeddings."""
    if found is None:
        return Section(TITLE, prose=[why_not])
    raw = found.row(RAW)
    compared = [row for row in found.rows if row.verdict]
    good = [row for row in compared if row.verdict == "helps"]
    bad = [row for row in compared if row.verdict == "harms"]
    said = [
        f"Predicting {label} of {found.texts:,} texts ({found.left_out:,} left out for want of "
        f"text or label), {found.folds} folds by {found.split}, everything fitted anew inside each "
        f"fold. Raw embeddings reach {found.measure} {raw.score:.3f}. Intervals hold at 95 % for "
        f"all {found.comparisons} comparisons at once.",
        summary(found),
    ]
    if good or bad:
        said.append(
            f"{len(good)} help, {len(bad)} harm, {len(compared) - len(good) - len(bad)} show no "
            "difference beyond their interval. What makes no difference costs space online: "
            "leave it out unless people or other models read it."
        )
    return Section(TITLE, prose=said, parts=[_figure(found)])


def summary(found: Evaluation) -> str:
    """Return the outcome in one sentence."""
    good = [row for row in found.rows if row.verdict == "helps"]
    if not good:
        return "No feature set is better than raw embeddings beyond its interval."
    best = max(good, key=lambda row: row.difference)
    return (
        f"{best.features!r} helps most: {100 * best.difference:+.1f} points of {found.measure} "
        f"[{100 * best.low:+.1f}, {100 * best.high:+.1f}]."
    )


def _figure(found: Evaluation) -> Figure:
    shown = sorted((row for row in found.rows if row.verdict), key=lambda row: -row.difference)
    names = [row.features for row in shown]
    data = records(
        {
            "features": names,
            "difference": [100 * row.difference for row in shown],
            "low": [100 * row.low for row in shown],
            "high": [100 * row.high for row in shown],
            "score": [row.score for row in shown],
            "numbers": [row.width for row in shown],
            "verdict": [row.verdict for row in shown],
        }
    )
    domain = list(VERDICTS)
    tips = [
        word("features"),
        word("verdict"),
        number("difference", "difference (points)", "+.2f"),
        number("low", "from", "+.2f"),
        number("high", "to", "+.2f"),
        number("score", found.measure, ".4f"),
        number("numbers", "numbers a text", ","),
    ]
    # "random anchors for similarity" takes two lines.
    two_lines = alt.Axis(labelExpr="split(datum.label, ' for ')")
    y = alt.Y("features:N", sort=names, title=None, axis=two_lines)
    color = alt.Color(
        "verdict:N",
        title=None,
        legend=alt.Legend(columns=3),
        scale=alt.Scale(domain=domain, range=[f"var(--c{place})" for place in VERDICTS.values()]),
    )
    shape = alt.Shape(
        "verdict:N",
        title=None,
        scale=alt.Scale(domain=domain, range=["triangle-right", "circle", "triangle-left"]),
    )
    base = alt.Chart(data).encode(y=y, tooltip=tips)
    title = f"difference to raw embeddings, points of {found.measure}"
    wide = max(100 * (row.high - row.low) for row in shown) * WIDE
    spread = 100 * (max(row.high for row in shown) - min(row.low for row in shown))
    x = alt.X("low:Q", title=title)
    if spread > wide:
        x = alt.X(
            "low:Q",
            title=title,
            scale=alt.Scale(type="symlog", constant=1),
            axis=alt.Axis(values=TICKS, labelOverlap=True),
        )
    zero = alt.Chart(records({"at": [0]})).mark_rule(tooltip=None).encode(x="at:Q")
    chart = alt.layer(
        zero,
        base.mark_rule(strokeWidth=2).encode(x=x, x2="high:Q", color=color),
        base.mark_point(filled=True, size=75, opacity=1).encode(
            x="difference:Q", color=color, shape=shape
        ),
    )
    rows = [
        [row.features, round(row.score, 4), f"{100 * row.difference:+.2f}",
         f"{100 * row.low:+.2f} to {100 * row.high:+.2f}", row.verdict or "—", row.width,
         round(row.milliseconds, 2)]
        for row in found.rows
    ]  # fmt: skip
    return Figure(
        title=f"Difference to raw embeddings on {found.measure}",
        description=summary(found),
        spec=finished(chart, 60 + 24 * len(shown)),
        data=Table(
            "Feature sets compared",
            ["features", found.measure, "difference (points)", "interval", "verdict", "numbers",
             "ms a row"],
            rows,
        ),
        caption="An interval that leaves out zero is a difference; all others are none."
        + (" The axis is stretched around zero." if spread > wide else ""),
    )  # fmt: skip

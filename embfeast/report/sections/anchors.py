"""Anchors: how near the texts come to each named concept."""

import altair as alt
import numpy as np

from embfeast.report.charts import finished, number, ranges, records, short, word
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table

# A similarity that never rises above this names nothing in the texts.
FAINT = 0.3
NEAREST = 3


def anchors(sample: ReportSample, entry: str) -> Section:
    """Show each similarity's distribution with its nearest and farthest texts."""
    trick = sample.fitted.tricks[entry]
    values = sample.outputs[entry].astype(np.float64)
    order = np.argsort(-values.max(axis=0), kind="stable")
    names = [trick.names_[i] for i in order]
    values = values[:, order]
    unit = "standard deviations above a typical text" if trick.contrast else "cosine similarity"
    ranked = np.argsort(-values, axis=0, kind="stable")
    return Section(
        title=entry,
        about="Anchor similarity",
        prose=_prose(sample, names, values, contrast=trick.contrast),
        parts=[
            _figure(sample, names, values, ranked, unit),
            _texts(sample, names, values, ranked),
        ],
    )


def _prose(
    sample: ReportSample, names: list[str], values: np.ndarray, *, contrast: bool
) -> list[str]:
    best, faintest = values[:, 0], values[:, -1]
    prose = [
        f"{len(names)} concepts, compared with {len(values):,} texts. The best match of all is "
        f"{names[0]!r}: its nearest text scores {best.max():.2f}, its median text "
        f"{np.median(best):.2f}. The faintest is {names[-1]!r}, whose nearest text scores "
        f"{faintest.max():.2f}."
    ]
    if not contrast:
        faint = [name for i, name in enumerate(names) if values[:, i].max() < FAINT]
        prose.append(
            f"A similarity whose distribution never rises above {FAINT} names nothing in your "
            f"texts: {', '.join(faint)}. Reword these phrases, or leave them out."
            if faint
            else f"Every concept has a text above {FAINT}; read its nearest texts below to see "
            "whether they are about it."
        )
    twins = _twins(names, values)
    if twins:
        prose.append(
            "Some concepts say almost the same on these texts (correlation above 0.9): "
            f"{'; '.join(twins)}. One of each would do."
        )
    return prose


def _twins(names: list[str], values: np.ndarray) -> list[str]:
    spread = values.std(axis=0) > 0
    if len(values) < 3 or spread.sum() < 2:
        return []
    kept = np.flatnonzero(spread)
    correlation = np.corrcoef(values[:, kept].T)
    return [
        f"{names[kept[a]]} and {names[kept[b]]}"
        for a, b in zip(*np.triu_indices(len(kept), 1), strict=True)
        if correlation[a, b] > 0.9
    ][:5]


def _figure(
    sample: ReportSample, names: list[str], values: np.ndarray, ranked: np.ndarray, unit: str
) -> Figure:
    chart, rows = ranges(names, values, unit, "anchor")
    near = ranked[:NEAREST]
    dots = records(
        {
            "anchor": np.tile(names, len(near)),
            "score": np.take_along_axis(values, near, axis=0).ravel(),
            "text": [short(sample.texts[row]) for row in near.ravel()],
        }
    )
    points = alt.Chart(dots).mark_point(
        shape="diamond", filled=True, size=60, color="var(--c1)", opacity=1
    )
    points = points.encode(
        y=alt.Y("anchor:N", sort=names, title=None),
        x="score:Q",
        tooltip=[word("anchor"), number("score", "similarity", ".2f"), word("text")],
    )
    return Figure(
        title="How near the texts come to each concept",
        description=(
            f"Range of {unit} for {len(names)} concepts. Highest maximum: {names[0]}, "
            f"{values[:, 0].max():.2f}; lowest: {names[-1]}, {values[:, -1].max():.2f}."
        ),
        spec=finished(alt.layer(chart, points), 60 + 24 * len(names)),
        data=Table(
            "Distribution of each similarity",
            ["concept", "least", "25 %", "median", "75 %", "most"],
            rows,
        ),
        caption="Line: 1 % to 99 % of the texts; bar: the middle half; notch: the median; "
        "diamonds: the three nearest texts.",
    )


def _texts(sample: ReportSample, names: list[str], values: np.ndarray, ranked: np.ndarray) -> Table:
    rows = []
    for i, name in enumerate(names):
        near, far = ranked[0, i], ranked[-1, i]
        rows.append([
            name, float(values[near, i]), short(sample.texts[near]),
            float(values[far, i]), short(sample.texts[far]),
        ])  # fmt: skip
    return Table(
        "Nearest and farthest text of each concept",
        ["concept", "nearest", "text", "farthest", "text"],
        rows,
    )

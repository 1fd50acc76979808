"""Reduction: how much of the embedding's variance is kept, and what is lost with the rest."""

import altair as alt
import numpy as np

from embfeast.report.charts import chosen_line, finished, number, records
from embfeast.report.components import meanings
from embfeast.report.sample import Sample
from embfeast.report.section import Figure, Section, Table
from embfeast.tricks.neighbours import overlap

NEIGHBOURS = 10
EXPLAINED = 8


def reduction(sample: Sample, entry: str) -> Section:
    """Show the explained variance with the cut, and what the first components are about."""
    trick = sample.fitted.tricks[entry]
    before, after = sample.input_of(entry), sample.outputs[entry]
    kept = overlap(before, after, NEIGHBOURS)
    count, width = after.shape[1], before.shape[1]
    said = [
        f"{width} numbers become {count} by {trick.method.replace('_', ' ')}. Of each text's "
        f"{min(NEIGHBOURS, len(after) - 1)} nearest texts, {kept:.0%} stay among its nearest."
    ]
    parts: list[Figure | Table] = []
    if len(trick.variance_curve_):
        curve = trick.variance_curve_
        share = float(curve[count - 1])
        half = int(np.searchsorted(curve, 0.5)) + 1
        said.append(
            f"The {count} components explain {share:.0%} of the variance of the texts fitted on; "
            f"the first {half} explain half of it. A curve that is still rising at the cut means "
            "that detail is lost there: compare the scores on your label before you cut further."
        )
        parts.append(_figure(curve, count))
    else:
        said.append(
            "UMAP has no explained variance; distances in its output say which texts are near, "
            "not how far apart the others are."
        )
    parts.append(meanings(sample, after[:, :EXPLAINED], "The first components, by their words"))
    return Section(entry, "Dimension reduction", said, parts)


def _figure(curve: np.ndarray, count: int) -> Figure:
    data = records({"components": np.arange(1, len(curve) + 1), "explained": curve})
    line = (
        alt.Chart(data)
        .mark_line(tooltip=None)
        .encode(
            x=alt.X("components:Q", title="components", scale=alt.Scale(nice=False)),
            y=alt.Y(
                "explained:Q",
                title="variance explained",
                axis=alt.Axis(format="%"),
                scale=alt.Scale(domain=[0, 1]),
            ),
        )
    )
    hover = line.mark_bar(opacity=0).encode(
        tooltip=[number("components", format="d"), number("explained", format=".1%")]
    )
    steps = sorted({1, 2, 4, 8, 16, 32, 64, 128, 256, count, len(curve)})
    rows = [[k, f"{curve[k - 1]:.1%}"] for k in steps if k <= len(curve)]
    return Figure(
        title="Variance explained by the first components",
        description=f"Rising curve; {count} components explain {curve[count - 1]:.0%}.",
        spec=finished(alt.layer(line, chosen_line(count), hover), 230),
        data=Table("Variance explained", ["components", "explained"], rows),
        caption=f"Dashed: the {count} components kept.",
    )

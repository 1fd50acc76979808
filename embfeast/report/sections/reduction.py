"""Reduction: how much of the embedding's variance is kept, and what is lost with the rest."""

import numpy as np

from embfeast.report.charts import curve
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.report.sections.components import meanings
from embfeast.tricks.embedding_reducer import ON_LABELS
from embfeast.tricks.parts.neighbours import overlap

NEIGHBOURS = 10
EXPLAINED = 8


def reduction(sample: ReportSample, entry: str) -> Section:
    """Show the explained variance with the cut, and what the first components are about."""
    trick = sample.fitted.tricks[entry]
    before, after = sample.input_of(entry), sample.outputs[entry]
    kept = overlap(before, after, NEIGHBOURS)
    count, width = after.shape[1], before.shape[1]
    prose = [
        f"{width} numbers become {count} by {_named(trick.method)}. Of each text's "
        f"{min(NEIGHBOURS, len(after) - 1)} nearest texts, {kept:.0%} stay among its nearest."
    ]
    parts: list[Figure | Table] = []
    if len(trick.variance_curve_):
        explained = trick.variance_curve_
        share = float(explained[count - 1])
        half = int(np.searchsorted(explained, 0.5)) + 1
        prose.append(
            f"The {count} components explain {share:.0%} of the variance of the texts fitted on; "
            f"the first {half} explain half of it. A curve that is still rising at the cut means "
            "that detail is lost there: compare the scores on your label before you cut further."
        )
        parts.append(_figure(explained, count))
    elif trick.method in ON_LABELS:
        prose.append(
            f"The directions were learned from {trick.learned_rows_:,} labels, those known first: "
            "they say what tells these apart, not what texts vary by. Texts from before the last "
            "of them was known are all 0, and lie together below."
        )
    else:
        prose.append(
            "UMAP has no explained variance; distances in its output say which texts are near, "
            "not how far apart the others are."
        )
    parts.append(meanings(sample, after[:, :EXPLAINED], "The first components, by their words"))
    return Section(entry, "Dimension reduction", prose, parts)


def _figure(explained: np.ndarray, count: int) -> Figure:
    steps = sorted({1, 2, 4, 8, 16, 32, 64, 128, 256, count, len(explained)})
    rows = [[k, f"{explained[k - 1]:.1%}"] for k in steps if k <= len(explained)]
    numbers, titles = np.arange(1, len(explained) + 1), ("components", "variance explained")
    return Figure(
        title="Variance explained by the first components",
        description=f"Rising curve; {count} components explain {explained[count - 1]:.0%}.",
        spec=curve(numbers, explained, titles, count, ".1%", domain=[0, 1]),
        data=Table("Variance explained", ["components", "explained"], rows),
        caption=f"Dashed: the {count} components kept.",
    )


def _named(method: str) -> str:
    return "truncated SVD" if method == "truncated_svd" else method.upper()

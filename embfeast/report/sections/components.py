"""What a component is about: the words of the texts at its two ends."""

import numpy as np
from numpy.typing import NDArray

from embfeast.report.sample import ReportSample
from embfeast.report.section import Table
from embfeast.tricks.parts.terms import distinctive_words

# The share of the texts at each end.
END = 0.1


def ends(sample: ReportSample, values: NDArray[np.floating]) -> tuple[str, str]:
    """Return the distinctive words of the texts with the highest and the lowest values."""
    count = max(int(END * len(values)), 1)
    groups = np.full(len(values), 2)
    order = np.argsort(values, kind="stable")
    groups[order[-count:]] = 0
    groups[order[:count]] = 1
    high, low, _ = distinctive_words(sample.texts, groups, 3, 4)
    return ", ".join(high) or "no words of their own", ", ".join(low) or "no words of their own"


def meanings(sample: ReportSample, columns: NDArray[np.float32], title: str) -> Table:
    """Return what each column's two ends are about."""
    rows = [[f"{i:02d}", *ends(sample, columns[:, i])] for i in range(columns.shape[1])]
    return Table(
        title,
        ["component", "texts at its high end", "texts at its low end"],
        rows,
        note="Distinctive words of the tenth of the texts at each end.",
    )

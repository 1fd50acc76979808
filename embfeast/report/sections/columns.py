"""Columns: how the numbers of any entry are spread, where nothing more is known of them."""

import numpy as np

from embfeast.report.charts import finished, ranges
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table

SHOWN = 24


def columns(sample: ReportSample, entry: str) -> Section:
    """Show the distributions of the columns that vary most."""
    trick = sample.fitted.tricks[entry]
    about = trick.purpose.capitalize()
    if entry not in sample.outputs:
        return Section(entry, about, ["Features of two texts are not drawn."])
    values = sample.outputs[entry].astype(np.float64)
    names = sample.fitted.output_names(entry)
    shown = np.sort(np.argsort(-values.std(axis=0), kind="stable")[:SHOWN])
    chosen = [names[i] for i in shown]
    chart, rows = ranges(chosen, values[:, shown], "value", "column")
    constant = int((values.std(axis=0) == 0).sum())
    said = (
        f"{len(names)} numbers of {len(values):,} texts, {constant} of them the same for all. "
        f"Shown are the {len(chosen)} that vary most."
    )
    figure = Figure(
        title="How the numbers are spread",
        description=f"Ranges of {len(chosen)} columns.",
        spec=finished(chart, 60 + 24 * len(chosen)),
        data=Table(
            "Distribution of each column",
            ["column", "least", "25 %", "median", "75 %", "most"],
            rows,
        ),
        caption="Line: 1 % to 99 % of the texts; bar: the middle half; notch: the median.",
    )
    return Section(entry, about, [said], [figure])

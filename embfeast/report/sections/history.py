"""Entity history: who wrote the texts, how many have a past, and the path of one who wrote much."""

from collections import Counter

import altair as alt
import numpy as np
import pandas as pd

from embfeast.report.charts import finished, number, records, short
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.report.sections.columns import columns

# Texts of the path that is shown, and numbers of each.
SHOWN, NUMBERS = 40, 6


def history(sample: ReportSample, entry: str) -> Section:
    """Show what an entity's texts look like against its past, and how all the numbers spread."""
    column = sample.fitted.tricks[entry].entity
    counted = Counter(one for one in sample.entities[column] if one is not None)
    spread = columns(sample, entry)
    if not counted:
        said = f"No text of the sample says in {column!r} who wrote it: none has a past."
        return Section(entry, "Entity history", [said], spread.parts)
    most, written = counted.most_common(1)[0]
    prose = [
        f"{sum(counted.values()):,} texts of the sample are of {len(counted):,} who wrote them, by "
        f"{column!r}. Each is compared with all that the same one wrote before, also what lies "
        "outside the sample. Where most write once, the trick has nothing to compare.",
        *spread.prose,
    ]
    rows = [row for row, one in enumerate(sample.entities[column]) if one == most]
    path = [_path(sample, entry, rows[-SHOWN:], most, written)]
    return Section(entry, "Entity history", prose, [*path, *spread.parts])


def _path(
    sample: ReportSample, entry: str, rows: list[int], who: str, written: int
) -> Figure | Table:
    names = sample.fitted.output_names(entry)
    shown = [place for place, name in enumerate(names) if "_mean" not in name][:NUMBERS]
    values = sample.outputs[entry][rows].astype(np.float64)
    table = Table(
        f"The path of {short(who)}",
        ["time", "text", *(names[place] for place in shown)],
        [
            [f"{sample.times[row]:%Y-%m-%d %H:%M}", short(sample.texts[row]), *own[shown].tolist()]
            for row, own in zip(rows, values, strict=True)
        ],
        f"{written:,} texts of the sample, the newest {len(rows)} shown.",
    )
    drawn = [place for place in shown if "similarity" in names[place] or "change" in names[place]]
    if not drawn or len(rows) < 2:
        return table
    lines = pd.DataFrame(values[:, drawn], columns=[names[place] for place in drawn])
    lines["time"] = [sample.times[row].isoformat() for row in rows]
    melted = lines.melt("time", var_name="number", value_name="value")
    chart = (
        alt.Chart(records(melted))
        .mark_line(point=True)
        .encode(
            x=alt.X("time:T", title="time of the text"),
            y=alt.Y("value:Q", title="against its past"),
            color=alt.Color("number:N", title=None, legend=alt.Legend(columns=1)),
            tooltip=[alt.Tooltip("time:T"), alt.Tooltip("number:N"), number("value", format=".3f")],
        )
    )
    return Figure(
        title="One who wrote much, over time",
        description=f"{', '.join(names[place] for place in drawn)} of {len(rows)} texts of "
        f"{short(who)}.",
        spec=finished(chart),
        data=table,
        caption="Of whom the sample has most texts.",
    )

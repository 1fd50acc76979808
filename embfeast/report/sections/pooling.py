"""Pooling: where neighbours by the pooled pieces differ from those by the sentence vector."""

import altair as alt
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from embfeast.report.charts import bars, finished, number, short
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.tricks.parts.rowwise import unit_rows

NEIGHBOURS = 10
EXAMPLES = 8
MOST_ROWS = 2_000


def pooling(sample: ReportSample, entry: str) -> Section:
    """Show how many neighbours change, and the texts whose nearest one changes most."""
    trick = sample.fitted.tricks[entry]
    rows = min(len(sample.texts), MOST_ROWS)
    if rows < 3:
        return Section(entry, "Token pooling", ["Too few texts to compare neighbours."])
    count = min(NEIGHBOURS, rows - 1)
    sentence = _near(sample.embedding[:rows])
    token = _near(unit_rows(sample.outputs[entry][:rows]))
    sentence_order, token_order = (
        np.argsort(d, axis=1, kind="stable")[:, :count] for d in (sentence, token)
    )
    shared = np.array(
        [np.intersect1d(a, b).size for a, b in zip(sentence_order, token_order, strict=True)]
    )
    kinds = [trick.pooling] if isinstance(trick.pooling, str) else list(trick.pooling)
    changed = float((sentence_order[:, 0] != token_order[:, 0]).mean())
    prose = [
        f"{' and '.join(kinds)} over the word pieces: {sample.outputs[entry].shape[1]} numbers. "
        f"Compared with the sentence vector, {shared.mean() / count:.0%} of each text's {count} "
        f"nearest texts are the same, and {changed:.0%} of the texts have another nearest one.",
        "Where nearly all neighbours are the same, pooling repeats the sentence vector and costs "
        "space; read below whether its other neighbours are the better ones.",
    ]
    return Section(
        entry, "Token pooling", prose,
        [_figure(shared, count), _examples(sample, sentence, sentence_order, token_order, shared)],
    )  # fmt: skip


def _near(units: NDArray[np.float64]) -> NDArray[np.float64]:
    distances = cdist(units, units)
    np.fill_diagonal(distances, np.inf)
    return np.asarray(distances)


def _figure(shared: NDArray[np.int64], count: int) -> Figure:
    texts = np.bincount(shared, minlength=count + 1)
    same = f"of {count} nearest texts, the same"
    chart = bars(
        {"shared": np.arange(count + 1), "texts": texts},
        alt.X("shared:O", title=same, axis=alt.Axis(labelAngle=0)),
        alt.Y("texts:Q", title="texts", axis=alt.Axis(tickCount=4)),
        [number("shared", "neighbours shared"), number("texts", format=",")],
    )
    return Figure(
        title="Neighbours shared with the sentence vector",
        description=f"Bars from 0 to {count}; on average {shared.mean():.1f} are shared.",
        spec=finished(chart, 200),
        data=Table(
            "Texts by shared neighbours", ["shared", "texts"], list(enumerate(texts.tolist()))
        ),
    )


def _examples(
    sample: ReportSample, distances: NDArray[np.float64], own: NDArray[np.int64],
    other: NDArray[np.int64], shared: NDArray[np.int64],
) -> Table:  # fmt: skip
    nearest = np.arange(len(own))
    # Where the sentence vector finds the other neighbour farther by the most.
    apart = distances[nearest, other[:, 0]] - distances[nearest, own[:, 0]]
    rows: list[list[object]] = []
    seen: set[str] = set()
    for row in np.argsort(-apart, kind="stable"):
        text = short(sample.texts[row])
        one, two = short(sample.texts[own[row, 0]]), short(sample.texts[other[row, 0]])
        if apart[row] <= 0 or len(rows) == EXAMPLES:
            break
        if text not in seen and one != two:
            seen.add(text)
            rows.append([text, one, two, int(shared[row])])
    return Table(
        "Where the nearest text differs most",
        ["text", "nearest by sentence vector", "nearest by pooling", "shared"],
        rows,
        note="" if rows else "The nearest text is the same everywhere.",
    )

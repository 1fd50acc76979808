"""Labelled neighbours: how far similar texts share a label, and the nearest earlier texts."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.report.charts import curve, short
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.tricks.parts.nearest import nearest, unit

# Labels of the bank that are compared with those before them, and groups of their pairs.
COMPARED, GROUPS = 2_000, 10
# Texts shown with their nearest earlier ones.
SHOWN, NEAREST = 5, 2


def neighbours(sample: ReportSample, entry: str) -> Section:
    """Show label agreement against similarity, and the nearest earlier texts of a few."""
    trick = sample.fitted.tricks[entry]
    size = len(trick.bank_)
    prose = [
        f"The bank holds {size:,} labels, {trick.k_} of which are a text's neighbours. A text that "
        "became true before the fit's cutoff sees the labels that were known before it; a later "
        "one sees all of them."
    ]
    if trick.remark:
        prose.append(
            f"For texts from the cutoff on {trick.remark}, as was measured at the fit: "
            f"{', '.join(_recalls(trick))}. For earlier texts the search is exact."
        )
    cosines, agree = _pairs(trick)
    parts: list[Figure | Table] = []
    if len(cosines):
        said = "apart, in the label's own unit" if trick.is_number_ else "with the same label"
        mean = f"{agree.mean():.3g}" if trick.is_number_ else f"{agree.mean():.0%}"
        prose.append(
            f"Each of the {min(size, COMPARED):,} labels known last, compared with its neighbours "
            f"among those known before: {mean} {said}. Where this does not change with the "
            "similarity, the labels do not depend on what the texts say, and the trick has nothing "
            "to give."
        )
        parts.append(_agreement(cosines, agree, trick.is_number_))
    parts.append(_texts(sample, entry))
    return Section(entry, "Labelled neighbours", prose, parts)


def _recalls(trick: Any) -> list[str]:
    """Return what was found, by the number of rows that the search looked at."""
    curve = trick.recall_curve_
    return [
        f"{recall:.1%} by looking at {width:.0f} labels a text"
        for width, recall in zip(curve["width"], curve["recall"], strict=True)
    ]


def _pairs(trick: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cosine of each label's vector to its earlier neighbours', and what labels do."""
    rows = np.arange(len(trick.bank_))[-COMPARED:]
    places, cosines = nearest(trick.bank_[rows], trick.bank_, trick.k_, limits=rows)
    seen = places >= 0
    own = np.broadcast_to(trick.values_[rows][:, None], places.shape)[seen]
    others = trick.values_[places[seen]]
    apart = np.abs(own - others)
    return cosines[seen], apart if trick.is_number_ else (apart == 0).astype(np.float64)


def _agreement(cosines: NDArray[np.float64], agree: NDArray[np.float64], is_number: bool) -> Figure:
    order = np.array_split(np.argsort(cosines, kind="stable"), min(GROUPS, len(cosines)))
    middles = [float(cosines[group].mean()) for group in order]
    means = [float(agree[group].mean()) for group in order]
    title = "labels apart by" if is_number else "same label"
    form = ".3f" if is_number else ".0%"
    rows = [
        [float(cosines[group].min()), float(cosines[group].max()), len(group), mean]
        for group, mean in zip(order, means, strict=True)
    ]
    # The dashed line stands at the typical pair.
    spec = curve(middles, means, ("cosine of two texts", title), float(np.median(cosines)), form)
    return Figure(
        title="Do similar texts share a label?",
        description=f"{title} from {means[0]:.2f} at cosine {middles[0]:.2f} to {means[-1]:.2f} at "
        f"{middles[-1]:.2f}.",
        spec=spec,
        data=Table("Labels of neighbours by cosine", ["from", "to", "pairs", title], rows),
        caption="A tenth of the pairs a point; dashed: the median pair.",
    )


def _texts(sample: ReportSample, entry: str) -> Table:
    X = unit(sample.input_of(entry))
    shown = np.arange(len(X))[-SHOWN:]
    earlier = np.searchsorted(sample.times, sample.times[shown], side="left")
    places, cosines = nearest(X[shown], X, NEAREST, limits=earlier)
    rows = [
        [short(sample.texts[row]), _label(sample, row), float(cosine), short(sample.texts[place]),
         _label(sample, place)]
        for row, own, near in zip(shown, places, cosines, strict=True)
        for place, cosine in zip(own, near, strict=True)
        if place >= 0
    ]  # fmt: skip
    columns = ["text", "its label", "cosine", "nearest earlier text", "its label"]
    return Table("The nearest earlier texts of the newest", columns, rows, "Among the sample.")


def _label(sample: ReportSample, row: int) -> str:
    if sample.labels is None or sample.labels[row] is None:
        return ""
    label = sample.labels[row]
    return label if isinstance(label, str) else f"{label:g}"

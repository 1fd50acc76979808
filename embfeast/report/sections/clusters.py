"""Clusters: how many there could be, how large they are, and what each is about."""

import altair as alt
import numpy as np
from numpy.typing import NDArray

from embfeast.report.charts import bars, curve, finished, number, short, word
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.tricks.parts.clustering import NOISE, count_curves
from embfeast.tricks.parts.terms import distinctive_words

NAMES = {"kmeans": "KMeans", "dbscan": "DBSCAN", "hdbscan": "HDBSCAN"}
TYPICAL = 3
# Numbers of clusters tried for the curves, and the texts they are tried on.
MOST_TRIED = 14
CURVE_ROWS = 1_000
TERMS = 5

Numbers = NDArray[np.int64]


def clusters(sample: ReportSample, entry: str) -> Section:
    """Show the curves behind the number of clusters, their sizes, terms and typical texts."""
    trick = sample.fitted.tricks[entry]
    labels = trick.groups(sample.input_of(entry))
    sizes = np.array([(labels == number).sum() for number in trick.numbers_])
    noise = int((labels == NOISE).sum())
    largest, smallest = sizes.max() / len(labels), sizes.min() / len(labels)
    prose = [
        f"{len(sizes)} clusters by {NAMES[trick.method]}. The largest holds {largest:.0%} of the "
        f"sampled texts, the smallest {smallest:.1%}."
        + (f" {noise:,} texts ({noise / len(labels):.0%}) lie in none." if noise else "")
    ]
    if noise > len(labels) / 2:
        prose.append("More than half of the texts lie in no cluster: the settings are too strict.")
    parts: list[Figure | Table] = []
    if trick.method == "kmeans":
        tried = _curves(sample, entry)
        if tried is not None:
            counts = np.array(tried["clusters"], dtype=np.int64)
            inertia, silhouette = np.array(tried["elbow"]), np.array(tried["silhouette"])
            prose.append(_on_silhouette(counts, silhouette, len(sizes)))
            elbow = "Elbow: distance left within clusters", "sum of squared distances"
            parting = "Silhouette: how well clusters part", "silhouette"
            parts.append(_curve(counts, inertia, len(sizes), *elbow))
            parts.append(_curve(counts, silhouette, len(sizes), *parting))
    terms = terms_of(sample, labels, trick.numbers_)
    parts += [
        _sizes(trick.numbers_, sizes, terms),
        _texts(sample, entry, labels, sizes, terms),
    ]
    return Section(entry, "Clusters", prose, parts)


def terms_of(sample: ReportSample, labels: Numbers, numbers: Numbers) -> list[list[str]]:
    """Return the distinctive words of the texts with each of these labels."""
    place = {int(number): i for i, number in enumerate(numbers)}
    groups = np.array([place.get(int(label), NOISE) for label in labels])
    return distinctive_words(sample.texts, groups, len(numbers), TERMS)


def _curves(sample: ReportSample, entry: str) -> dict[str, list[float]] | None:
    rows = sample.input_of(entry)[:CURVE_ROWS].astype(np.float64)
    chosen = len(sample.fitted.tricks[entry].numbers_)
    most = min(max(20, 2 * chosen), len(np.unique(rows, axis=0)) - 1)
    if most < 3:
        return None
    tried = np.unique(np.linspace(2, most, MOST_TRIED).round().astype(int))
    counts = np.unique([*tried, min(max(chosen, 2), most)])
    return count_curves(rows, ("elbow", "silhouette"), counts, sample.seed, starts=1)


def _on_silhouette(counts: Numbers, silhouette: NDArray[np.float64], chosen: int) -> str:
    best = int(silhouette.argmax())
    at = float(silhouette[np.abs(counts - chosen).argmin()])
    said = (
        f"At {chosen} clusters the silhouette is {at:.2f}; of the numbers tried it is highest at "
        f"{counts[best]}, {silhouette[best]:.2f}. "
    )
    if silhouette[best] < 0.1:
        return said + (
            "Below 0.1 the texts form no separate groups: take clusters as regions of one cloud, "
            "and the number as a choice of detail."
        )
    return said + "Above 0.25 groups are clearly apart; around 0.1 they touch."


def _curve(
    counts: Numbers, values: NDArray[np.float64], chosen: int, title: str, unit: str
) -> Figure:
    return Figure(
        title=title,
        description=f"{unit.capitalize()} by number of clusters; {chosen} are used.",
        spec=curve(counts, values, ("clusters", unit), chosen, ".4~f"),
        data=Table(
            title,
            ["clusters", unit],
            [[int(k), round(float(v), 4)] for k, v in zip(counts, values, strict=True)],
        ),
        caption=f"Dashed: the {chosen} clusters of this recipe.",
        half=True,
    )


def _sizes(numbers: Numbers, sizes: Numbers, terms: list[list[str]]) -> Figure:
    names = [f"{number} · {', '.join(own[:2])}" for number, own in zip(numbers, terms, strict=True)]
    order = [names[i] for i in np.argsort(-sizes, kind="stable")]
    chart = bars(
        {"cluster": names, "texts": sizes, "terms": [", ".join(own) for own in terms]},
        alt.X("texts:Q", title="texts of the sample", axis=alt.Axis(tickMinStep=1)),
        alt.Y("cluster:N", sort=order, title=None),
        [word("cluster"), number("texts", format=","), word("terms", "words")],
        cornerRadiusEnd=2,
    )
    return Figure(
        title="Sizes",
        description=f"Bars; the largest cluster is {order[0]}.",
        spec=finished(chart, 40 + 20 * len(sizes)),
        data=Table(
            "Clusters by size",
            ["cluster", "texts", "distinctive words"],
            [[int(numbers[i]), int(sizes[i]), ", ".join(terms[i])]
             for i in np.argsort(-sizes, kind="stable")],
        ),
    )  # fmt: skip


def _texts(
    sample: ReportSample, entry: str, labels: Numbers, sizes: Numbers, terms: list[list[str]]
) -> Table:
    trick, rows = sample.fitted.tricks[entry], sample.input_of(entry).astype(np.float64)
    made: list[list[object]] = []
    for i in np.argsort(-sizes, kind="stable"):
        own = np.flatnonzero(labels == trick.numbers_[i])
        apart = np.linalg.norm(rows[own] - trick.centroids_[i], axis=1)
        nearest = (short(sample.texts[row]) for row in own[np.argsort(apart, kind="stable")])
        typical = list(dict.fromkeys(nearest))[:TYPICAL]
        made.append([int(trick.numbers_[i]), int(sizes[i]), ", ".join(terms[i]), typical])
    return Table(
        "What each cluster is about",
        ["cluster", "texts", "distinctive words", "typical texts"],
        made,
        note="Typical: nearest to the centre. Words score by class-based TF-IDF.",
    )

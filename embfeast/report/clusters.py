"""Clusters: how many there could be, how large they are, and what each is about."""

import altair as alt
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from embfeast.report.charts import chosen_line, finished, number, records, short, word
from embfeast.report.sample import Sample
from embfeast.report.section import Figure, Section, Table
from embfeast.report.words import distinctive_words
from embfeast.tricks import ClusterFeatures
from embfeast.tricks.clustering import NOISE

TYPICAL = 3
# Numbers of clusters tried for the curves, and the texts they are tried on.
MOST_TRIED = 14
CURVE_ROWS = 1_000
TERMS = 5


def clusters(sample: Sample, entry: str) -> Section:
    """Show the curves behind the number of clusters, their sizes, terms and typical texts."""
    trick = sample.fitted.tricks[entry]
    labels = labels_of(sample, entry)
    sizes = np.array([(labels == number).sum() for number in trick.numbers_])
    noise = int((labels == NOISE).sum())
    largest, smallest = sizes.max() / len(labels), sizes.min() / len(labels)
    said = [
        f"{len(sizes)} clusters by {trick.method}. The largest holds {largest:.0%} of the sampled "
        f"texts, the smallest {smallest:.1%}."
        + (f" {noise:,} texts ({noise / len(labels):.0%}) lie in none." if noise else "")
    ]
    if noise > len(labels) / 2:
        said.append("More than half of the texts lie in no cluster: the settings are too strict.")
    parts: list[Figure | Table] = []
    if trick.method == "kmeans":
        tried = _curves(sample, entry)
        if tried is not None:
            counts, inertia, silhouette = tried
            said.append(_on_silhouette(counts, silhouette, len(sizes)))
            parts += [
                _curve(counts, inertia, len(sizes), "Elbow: distance left within clusters",
                       "sum of squared distances"),
                _curve(counts, silhouette, len(sizes), "Silhouette: how well clusters part",
                       "silhouette"),
            ]  # fmt: skip
    terms = terms_of(sample, entry)
    parts += [_sizes(trick.numbers_, sizes, terms), _texts(sample, trick, entry, sizes, terms)]
    return Section(entry, "Clusters", said, parts)


def labels_of(sample: Sample, entry: str) -> NDArray[np.int64]:
    """Return each text's cluster number, whatever the entry gives of it."""
    trick = sample.fitted.tricks[entry]
    rows = np.asarray(sample.input_of(entry), dtype=np.float32)
    whole = ClusterFeatures(method=trick.method, outputs=("label",))
    vars(whole).update({name: value for name, value in vars(trick).items() if name.endswith("_")})
    return whole.transform(rows)[:, 0].astype(np.int64)


def terms_of(sample: Sample, entry: str) -> list[list[str]]:
    """Return each cluster's distinctive words, in the order of the trick's clusters."""
    numbers = sample.fitted.tricks[entry].numbers_
    place = {int(number): i for i, number in enumerate(numbers)}
    groups = np.array([place.get(int(n), NOISE) for n in labels_of(sample, entry)])
    return distinctive_words(sample.texts, groups, len(numbers), TERMS)


def _curves(
    sample: Sample, entry: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None:
    rows = sample.input_of(entry)[:CURVE_ROWS].astype(np.float64)
    chosen = len(sample.fitted.tricks[entry].numbers_)
    most = min(max(20, 2 * chosen), len(np.unique(rows, axis=0)) - 1)
    if most < 3:
        return None
    tried = np.unique(np.linspace(2, most, MOST_TRIED).round().astype(int))
    counts = np.unique([*tried, min(max(chosen, 2), most)])
    runs = [KMeans(int(k), n_init=1, random_state=sample.seed).fit(rows) for k in counts]
    inertia = np.array([float(run.inertia_) for run in runs])
    silhouette = np.array([float(silhouette_score(rows, run.labels_)) for run in runs])
    return counts, inertia, silhouette


def _on_silhouette(counts: NDArray[np.int64], silhouette: NDArray[np.float64], chosen: int) -> str:
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
    counts: NDArray[np.int64], values: NDArray[np.float64], chosen: int, title: str, unit: str
) -> Figure:
    data = records({"clusters": counts, "value": values})
    line = (
        alt.Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=40, filled=True))
        .encode(
            x=alt.X("clusters:Q", title="clusters", scale=alt.Scale(nice=False, zero=False)),
            y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=5)),
            tooltip=[number("clusters", format="d"), number("value", unit, ".4~f")],
        )
    )
    return Figure(
        title=title,
        description=f"{unit.capitalize()} by number of clusters; {chosen} are used.",
        spec=finished(alt.layer(chosen_line(chosen), line), 210),
        data=Table(
            title,
            ["clusters", unit],
            [[int(k), round(float(v), 4)] for k, v in zip(counts, values, strict=True)],
        ),
        caption=f"Dashed: the {chosen} clusters of this recipe.",
        half=True,
    )


def _sizes(numbers: NDArray[np.int64], sizes: NDArray[np.int64], terms: list[list[str]]) -> Figure:
    names = [f"{number} · {', '.join(own[:2])}" for number, own in zip(numbers, terms, strict=True)]
    order = [names[i] for i in np.argsort(-sizes, kind="stable")]
    data = records({"cluster": names, "texts": sizes, "terms": [", ".join(t) for t in terms]})
    bars = (
        alt.Chart(data)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=alt.X("texts:Q", title="texts of the sample", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("cluster:N", sort=order, title=None),
            tooltip=[word("cluster"), number("texts", format=","), word("terms", "words")],
        )
    )
    return Figure(
        title="Sizes",
        description=f"Bars; the largest cluster is {order[0]}.",
        spec=finished(bars, 40 + 20 * len(sizes)),
        data=Table(
            "Clusters by size",
            ["cluster", "texts", "distinctive words"],
            [[int(numbers[i]), int(sizes[i]), ", ".join(terms[i])]
             for i in np.argsort(-sizes, kind="stable")],
        ),
    )  # fmt: skip


def _texts(
    sample: Sample, trick: ClusterFeatures, entry: str, sizes: NDArray[np.int64],
    terms: list[list[str]],
) -> Table:  # fmt: skip
    rows = sample.input_of(entry).astype(np.float64)
    labels = labels_of(sample, entry)
    made: list[list[object]] = []
    for i in np.argsort(-sizes, kind="stable"):
        own = np.flatnonzero(labels == trick.numbers_[i])
        apart = np.linalg.norm(rows[own] - trick.centroids_[i], axis=1)
        typical: list[str] = []
        for row in own[np.argsort(apart, kind="stable")]:
            text = short(sample.texts[row])
            if text not in typical:
                typical.append(text)
            if len(typical) == TYPICAL:
                break
        made.append([int(trick.numbers_[i]), int(sizes[i]), ", ".join(terms[i]), typical])
    return Table(
        "What each cluster is about",
        ["cluster", "texts", "distinctive words", "typical texts"],
        made,
        note="Typical: nearest to the centre. Words score by class-based TF-IDF.",
    )

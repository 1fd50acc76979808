"""The map: every sampled text a point, near texts near each other."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt
import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from embfeast.errors import EmbfeastError
from embfeast.report.charts import OTHERS, PALETTE, SHAPES, finished, records, short, word
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, LegendGroup, Section, Table
from embfeast.report.sections.clusters import terms_of
from embfeast.tricks.parts.clustering import NOISE
from embfeast.tricks.parts.neighbours import overlap

Method = Literal["tsne", "umap"]
# More texts than this make a blot, and a slow page.
MOST_ROWS = 2_000
FIRST_COMPONENTS = 50
# Colour and shape together tell so many groups apart; the rest is shown in grey.
MOST_GROUPS = 21
LISTED = 100
BANDS = ("lowest fifth", "second fifth", "middle fifth", "fourth fifth", "highest fifth")


def map_of_texts(sample: ReportSample, method: Method = "tsne") -> Section:
    """Show the texts in two dimensions, coloured by cluster and by label."""
    drawn = np.random.default_rng(sample.seed).permutation(len(sample.texts))[:MOST_ROWS]
    rows = np.sort(drawn)
    if len(rows) < 4:
        return Section("Map of the texts", prose=["Fewer than four texts make no map."])
    vectors = sample.embedding[rows]
    places = _places(vectors, method, sample.seed)
    kept = overlap(vectors, places, 10)
    prose = [
        f"{len(rows):,} texts by {'t-SNE' if method == 'tsne' else 'UMAP'} of their sentence "
        f"embeddings. Near points are similar texts: {kept:.0%} of each text's ten nearest are "
        "among its ten nearest here. Sizes of gaps between groups mean little. Point at one to "
        "read it; choose a name in the legend to see it alone."
    ]
    return Section("Map of the texts", prose=prose, parts=[_figure(sample, rows, places)])


def _places(vectors: NDArray[np.float64], method: Method, seed: int) -> NDArray[np.float64]:
    if method == "umap":
        try:
            from umap import UMAP
        except ImportError as error:
            raise EmbfeastError("--map umap needs: pip install 'embfeast[umap]'") from error
        near = min(15, len(vectors) - 1)
        return np.asarray(UMAP(n_neighbors=near, random_state=seed).fit_transform(vectors))
    count = min(FIRST_COMPONENTS, *vectors.shape)
    reduced = PCA(count, random_state=seed).fit_transform(vectors)
    perplexity = min(30.0, (len(vectors) - 1) / 3)
    return np.asarray(TSNE(perplexity=perplexity, random_state=seed).fit_transform(reduced))


def _figure(sample: ReportSample, rows: NDArray[np.int64], places: NDArray[np.float64]) -> Figure:
    groups = _groupings(sample, rows)
    columns: dict[str, Any] = {
        "x": places[:, 0].round(2),
        "y": places[:, 1].round(2),
        "text": [short(sample.texts[row], 200) for row in rows],
        "time": [sample.times[row].strftime("%Y-%m-%d") for row in rows],
    }
    legends: dict[str, list[LegendGroup]] = {}
    for place, (title, names) in enumerate(groups.items()):
        legends[title] = _legend(names)
        # A point knows its group by its place in the legend; the last one gathers the rest.
        known = {group.name: i for i, group in enumerate(legends[title])}
        columns[f"g{place}"] = [known.get(name, len(known) - 1) for name in names]
        columns[f"n{place}"] = names
    shown = list(zip(columns["text"], *groups.values(), strict=True))[:LISTED]
    coloured = f", coloured by {' or '.join(legends)}" if legends else ""
    title = f"The first {len(shown)} of {len(rows):,} texts drawn"
    return Figure(
        title="The texts on a map",
        description=f"Scatter of {len(rows)} texts{coloured}.",
        spec=_spec(columns, legends),
        data=Table(title, ["text", *groups], shown),
        legends=legends,
    )


def _groupings(sample: ReportSample, rows: NDArray[np.int64]) -> dict[str, list[str]]:
    """Return what the points can be coloured by: the name of each one's group."""
    made: dict[str, list[str]] = {}
    for entry, trick in sample.fitted.tricks.items():
        labels = trick.groups(sample.input_of(entry))
        if labels is not None:
            numbers = np.unique(labels[labels != NOISE])
            named = zip(numbers, terms_of(sample, labels, numbers), strict=True)
            names = {int(number): f"{number} · {', '.join(own[:2])}" for number, own in named}
            names[NOISE] = "no cluster"
            made[entry] = [names[int(label)] for label in labels[rows]]
    if sample.labels is not None:
        made[sample.label_name] = _label_names(sample.labels[rows])
    return made


def _label_names(labels: NDArray[Any]) -> list[str]:
    if labels.dtype == object:
        return ["no label" if label is None else short(str(label), 40) for label in labels]
    known = labels[~np.isnan(labels)]
    edges = np.quantile(known, [0.2, 0.4, 0.6, 0.8]) if len(known) else np.zeros(4)
    return [
        "no label" if np.isnan(label) else BANDS[int(np.searchsorted(edges, label))]
        for label in labels
    ]


def _legend(names: Sequence[str]) -> list[LegendGroup]:
    counted = Counter(names).most_common()
    if set(names) <= {*BANDS, "no label"}:  # bands have an order of their own
        counted.sort(key=lambda one: [*BANDS, "no label"].index(one[0]))
    most = len(counted) if len(counted) <= MOST_GROUPS else MOST_GROUPS - 1
    shown = [
        LegendGroup(name, count, place % PALETTE, place // PALETTE)
        for place, (name, count) in enumerate(counted[:most])
    ]
    if rest := counted[most:]:
        total = sum(count for _, count in rest)
        shown.append(LegendGroup(f"{len(rest)} others", total, OTHERS, 0))
    return shown


def _spec(columns: dict[str, Any], legends: dict[str, list[LegendGroup]]) -> dict[str, Any]:
    """Return the scatter; the page sets `by` and `only` from its own legend."""
    by = alt.param(name="by", value=0)
    only = alt.param(name="only", value=-1)
    shapes = [[SHAPES[group.shape] for group in legend] for legend in legends.values()]
    colors = [[group.color for group in legend] for legend in legends.values()]
    axis = alt.Axis(labels=False, ticks=False, grid=False, domain=False, title=None)
    scale = alt.Scale(nice=False, zero=False, padding=12)
    tips = [word(f"n{place}", name) for place, name in enumerate(legends)]
    shown = "only < 0 || datum.group == only"
    chart = (
        alt.Chart(records(columns))
        .transform_calculate(
            group="datum['g' + by]",
            color=f"isValid(datum.group) ? {colors}[by][datum.group] : 0",
            shape=f"isValid(datum.group) ? {shapes}[by][datum.group] : 'circle'",
        )
        .mark_point(filled=True, size=34, strokeWidth=0.6, stroke="var(--paper)")
        .encode(
            x=alt.X("x:Q", axis=axis, scale=scale),
            y=alt.Y("y:Q", axis=axis, scale=scale),
            color=alt.Color("color:N", legend=None, scale=alt.Scale(domain=[*range(PALETTE + 1)])),
            shape=alt.Shape("shape:N", legend=None, scale=alt.Scale(domain=SHAPES, range=SHAPES)),
            opacity=alt.condition(shown, alt.value(0.85), alt.value(0.07)),
            tooltip=[word("text"), word("time", "date"), *tips],
        )
        .add_params(by, only)
    )
    return finished(chart, 520)

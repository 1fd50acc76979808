"""Synthesis: which products tell something that no single component tells."""

import altair as alt
import numpy as np
from numpy.typing import NDArray
from sklearn.feature_selection import f_classif, mutual_info_classif, mutual_info_regression

from embfeast.report.charts import bars, finished, number, word
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table
from embfeast.report.sections.components import meanings

SHOWN = 20
EXPLAINED = 8


def synthesis(sample: ReportSample, entry: str) -> Section:
    """Rank the made features by what they say about the label, or by their spread."""
    names = sample.fitted.output_names(entry)
    values = sample.outputs[entry]
    scores, measure = _scores(sample, values)
    order = np.argsort(-scores, kind="stable")
    products = np.array(["_x_" in n or n.endswith("_squared") for n in names])
    single = np.array([name.startswith("component") for name in names]) & ~products
    top = order[: min(SHOWN, len(order))]
    made = int((~single).sum())
    prose = [
        f"{len(names)} features, of which {made} are made of several components, ranked by "
        f"{measure}."
    ]
    if single.any() and (~single).any():
        best, product = scores[single].max(), scores[~single].max()
        prose.append(
            f"The best single component reaches {best:.3f}, the best product {product:.3f}; "
            f"{int((~single[top]).sum())} of the top {len(top)} are products. "
            + (
                "Products below every component add little to a model that has the components."
                if product < np.sort(scores[single])[0] or product < 0.5 * best
                else "A product that ranks with the components says something by itself: whether "
                "it says something new shows in the comparison on the label."
            )
        )
    parts: list[Figure | Table] = [_figure(names, scores, top, single, measure)]
    plain = np.flatnonzero(single)
    if len(plain) and products.any():
        parts.append(
            meanings(sample, values[:, plain[:EXPLAINED]], "What the components multiplied are")
        )
    return Section(entry, "Feature synthesis", prose, parts)


def _scores(sample: ReportSample, values: NDArray[np.float32]) -> tuple[NDArray[np.float64], str]:
    rows = sample.labelled
    if sample.labels is None or len(rows) < 10:
        return np.asarray(values.var(axis=0, dtype=np.float64)), "variance (there is no label)"
    labelled, truth = values[rows].astype(np.float64), sample.labels[rows]
    name = sample.label_name
    if not sample.has_classes:
        if truth.dtype == object:
            return np.asarray(labelled.var(axis=0)), "variance (the label has one class)"
        scores = mutual_info_regression(labelled, truth, random_state=sample.seed)
        return np.asarray(scores), f"mutual information with {name}, in nats"
    if len(labelled) / len(set(truth)) < 10:  # nearest neighbours, which it counts, are too few
        with np.errstate(all="ignore"):
            scores = np.nan_to_num(f_classif(labelled, truth.astype(str))[0])
        return np.asarray(scores), f"the F statistic between the classes of {name}"
    scores = mutual_info_classif(labelled, truth.astype(str), random_state=sample.seed)
    return np.asarray(scores), f"mutual information with {name}, in nats"


def _figure(
    names: list[str], scores: NDArray[np.float64], top: NDArray[np.int64],
    single: NDArray[np.bool_], measure: str,
) -> Figure:  # fmt: skip
    shown = [_shown(names[i]) for i in top]
    kinds = ["component" if single[i] else "product" for i in top]
    chart = bars(
        {"feature": shown, "score": scores[top], "kind": kinds},
        alt.X("score:Q", title=measure),
        alt.Y("feature:N", sort=shown, title=None),
        [word("feature"), word("kind"), number("score", format=".3f")],
        cornerRadiusEnd=2,
    )
    domain = alt.Scale(domain=["component", "product"])
    chart = chart.encode(color=alt.Color("kind:N", title=None, scale=domain))
    rows = list(zip(shown, kinds, [round(float(score), 4) for score in scores[top]], strict=True))
    return Figure(
        title=f"The {len(top)} features that matter most",
        description=f"Bars by {measure}; the first is {shown[0]}.",
        spec=finished(chart, 50 + 20 * len(top)),
        data=Table("Features by rank", ["feature", "kind", "score"], rows),
    )


def _shown(name: str) -> str:
    return name.replace("component_", "c").replace("_x_", " × ").replace("_squared", "²")

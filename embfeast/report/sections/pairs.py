"""Pairs: whether the score of two texts tells if they belong together."""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from embfeast.report.charts import histograms, short
from embfeast.report.sample import ReportSample
from embfeast.report.section import Figure, Section, Table

PAIRS = 2_000
EXAMPLES = 5
LEAST_ROWS = 20

Rows = NDArray[np.int64]


def pairs(sample: ReportSample, entry: str) -> Section:
    """Show the scores of pairs with equal labels and of others."""
    if not sample.has_classes:
        return _unlabelled(sample, entry)
    if (drawn := _draw(sample)) is None:
        said = f"No two sampled texts share a {sample.label_name}: pairs cannot be told apart."
        return Section(entry, "Pair interaction", [said])
    left, right, same, half = drawn
    cosine = (sample.embedding[left] * sample.embedding[right]).sum(axis=1)
    auc = roc_auc_score(same, cosine)
    prose = [
        f"A pair counts as belonging together where both texts have the same {sample.label_name}. "
        f"{len(same):,} pairs were drawn, half of them so. The cosine alone puts a pair that "
        f"belongs together above one that does not in {auc:.0%} of cases (50 % is chance)."
    ]
    label = sample.label_name
    parts: list[Figure | Table] = [_figure("Cosine of pairs", "cosine", cosine, same, label)]
    learned = _learned(sample, entry, left, right, same, half)
    if learned is not None:
        test, score = learned
        by_pair = roc_auc_score(same[test], score)
        by_cosine = roc_auc_score(same[test], cosine[test])
        prose.append(
            f"A logistic regression on the pair features, learned on other texts, does so in "
            f"{by_pair:.0%}; on the same pairs the cosine does in {by_cosine:.0%}. "
            + (
                "The pair features tell more than the cosine."
                if by_pair > by_cosine + 0.01
                else "The cosine is as good: serve the pair features only where a model of "
                "your own gains from them."
            )
        )
        title = "Score learned from the pair features"
        parts.append(_figure(title, "log odds", score, same[test], label))
    parts.append(_mistaken(sample, left, right, same, cosine))
    return Section(entry, "Pair interaction", prose, parts)


def _draw(sample: ReportSample) -> tuple[Rows, Rows, NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return pairs within each half of the texts, and which half each is of.

    So that no text of a learned pair is in a scored one.
    """
    assert sample.labels is not None  # noqa: S101 - asked before
    rng = np.random.default_rng(sample.seed)
    rows = sample.labelled
    labels = sample.labels[rows].astype(str)
    # Every class has texts on both sides.
    order = np.lexsort((rng.random(len(rows)), labels))
    pairs = []
    for side in (0, 1):
        texts, classes = rows[order[side::2]], labels[order[side::2]]
        left = rng.integers(len(texts), size=PAIRS) if len(texts) else np.empty(0, np.int64)
        for number, i in enumerate(left):
            alike = number % 2 == 0
            fits = np.flatnonzero((classes == classes[i]) == alike)
            fits = fits[fits != i]
            if len(fits):
                pairs.append((texts[i], texts[rng.choice(fits)], alike, side == 0))
    if not pairs:
        return None
    drawn = np.array(pairs)
    left, right = drawn[:, 0], drawn[:, 1]
    same, half = drawn[:, 2].astype(bool), drawn[:, 3].astype(bool)
    return (left, right, same, half) if len(set(same.tolist())) == 2 else None


def _learned(
    sample: ReportSample, entry: str, left: Rows, right: Rows, same: NDArray[np.bool_],
    half: NDArray[np.bool_],
) -> tuple[Rows, NDArray[np.float64]] | None:  # fmt: skip
    enough = len(sample.labelled) >= LEAST_ROWS
    if not enough or any(len(set(same[side].tolist())) < 2 for side in (half, ~half)):
        return None
    lefts, rights = sample.sides_of(entry)
    features = sample.fitted.transform_pairs(entry, lefts[left], rights[right])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    model.fit(features[half], same[half])
    test = np.flatnonzero(~half)
    return test, np.asarray(model.decision_function(features[test]))


def _figure(
    title: str, unit: str, scores: NDArray[np.float64], same: NDArray[np.bool_], label: str
) -> Figure:
    groups = {f"same {label}": scores[same], f"another {label}": scores[~same]}
    spec, rows = histograms(groups, unit)
    medians = [float(np.median(values)) for values in groups.values()]
    return Figure(
        title=title,
        description=f"Two distributions; medians {medians[0]:.2f} for pairs of the same {label}, "
        f"{medians[1]:.2f} for others.",
        spec=spec,
        data=Table(f"Share of pairs by {unit}", ["from", "to", *groups], rows),
        half=True,
    )


def _mistaken(
    sample: ReportSample, left: Rows, right: Rows, same: NDArray[np.bool_],
    cosine: NDArray[np.float64],
) -> Table:  # fmt: skip
    assert sample.labels is not None  # noqa: S101 - asked before
    rows: list[list[object]] = []
    for wanted, order in ((False, np.argsort(-cosine)), (True, np.argsort(cosine))):
        seen: set[frozenset[int]] = set()
        for i in order:
            pair = frozenset((int(left[i]), int(right[i])))
            if same[i] == wanted and pair not in seen and len(seen) < EXAMPLES:
                seen.add(pair)
                a, b = sample.labels[left[i]], sample.labels[right[i]]
                rows.append([
                    float(cosine[i]), short(sample.texts[left[i]]),
                    short(sample.texts[right[i]]), a if a == b else f"{a} / {b}",
                ])  # fmt: skip
    return Table(
        "Pairs that the cosine gets most wrong",
        ["cosine", "one text", "the other", sample.label_name],
        rows,
        note="First the most alike with different labels, then the least alike with the same.",
    )


def _unlabelled(sample: ReportSample, entry: str) -> Section:
    """Show near and random pairs: without labels nothing says which belong together."""
    said = [
        "There are no classes to say which pairs belong together. Shown are each text with its "
        "nearest other one, and with a random one: where the two overlap, nothing stands out."
    ]
    if len(sample.texts) < 3:
        return Section(entry, "Pair interaction", [*said, "Too few texts to draw pairs."])
    vectors = sample.embedding
    closeness = vectors @ vectors.T
    np.fill_diagonal(closeness, -np.inf)
    rng = np.random.default_rng(sample.seed)
    rows = np.arange(len(vectors))
    other = (rows + rng.integers(1, len(rows), len(rows))) % len(rows)
    groups = {"nearest text": closeness.max(axis=1), "random text": closeness[rows, other]}
    spec, shares = histograms(groups, "cosine")
    figure = Figure(
        title="Cosine with the nearest and with a random text",
        description="Two distributions: nearest texts around "
        f"{np.median(groups['nearest text']):.2f}, random ones around "
        f"{np.median(groups['random text']):.2f}.",
        spec=spec,
        data=Table("Share of texts by cosine", ["from", "to", *groups], shares),
    )
    return Section(entry, "Pair interaction", said, [figure])

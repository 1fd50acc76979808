"""Words: the n-grams that weigh most, and those at the ends of the directions."""

import numpy as np

from embfeast.report.sample import ReportSample
from embfeast.report.section import Section, Table
from embfeast.report.sections.columns import columns

DIRECTIONS, TERMS, HEAVIEST = 8, 6, 20


def word_features(sample: ReportSample, entry: str) -> Section:
    """Show n-grams by weight; hashed ones have no names, and show their numbers alone."""
    trick = sample.fitted.tricks[entry]
    if not trick.terms_:
        return columns(sample, entry)
    terms = np.array(trick.terms_, dtype=object)
    weights = trick.components_.astype(np.float64)
    size = np.sqrt(np.square(weights).sum(axis=0))
    heaviest = np.argsort(-size, kind="stable")[:HEAVIEST]
    silent = int((sample.outputs[entry] == 0).all(axis=1).sum())
    ends = [
        [f"words_{number:03d}", _listed(terms, axis), _listed(terms, -axis)]
        for number, axis in enumerate(weights[:DIRECTIONS])
    ]
    return Section(
        entry,
        "Words",
        [f"{len(terms):,} n-grams in {len(weights)} directions. {_with_none(silent)}"],
        [
            Table(
                "The heaviest n-grams",
                ["n-gram", "weight", "rarity (IDF)"],
                [[terms[i], float(size[i]), float(trick.idf_[i])] for i in heaviest],
                "Weight: the share of an n-gram that the kept directions hold.",
            ),
            Table("The ends of the first directions", ["direction", "one", "other"], ends),
        ],
    )


def _listed(terms: np.ndarray, axis: np.ndarray) -> str:
    best = np.argsort(-axis, kind="stable")[:TERMS]
    return ", ".join(terms[i] for i in best if axis[i] > 0)


def _with_none(texts: int) -> str:
    if not texts:
        return "Every text of the sample has one of them."
    return f"{texts:,} texts of the sample have none of them: their numbers are zeros."

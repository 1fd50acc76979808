"""The words that tell groups of texts apart, without those that only hold sentences together."""

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from embfeast.tricks.parts.terms import distinctive_terms

# Asked for beyond the wanted ones, since some fall away.
SPARE = 40


def distinctive_words(
    texts: Sequence[str], groups: NDArray[Any], count: int, most: int
) -> list[list[str]]:
    """Return the most distinctive words of each group, best first.

    As `distinctive_terms`, without scikit-learn's English stop words: texts in other languages keep
    theirs.
    """
    found = distinctive_terms(texts, groups, count, most + SPARE)
    return [[word for word in own if word not in ENGLISH_STOP_WORDS][:most] for own in found]

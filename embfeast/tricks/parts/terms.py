"""The words that tell one group of texts from the others."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer

# Words of one letter and bare numbers name nothing.
WORD = r"(?u)\b[^\W\d_]\w+\b"
MOST_WORDS = 20_000
# Asked for beyond the wanted words, since some fall away.
SPARE = 40


def distinctive_terms(
    texts: Sequence[str], groups: NDArray[Any], count: int, terms: int = 5
) -> list[list[str]]:
    """Return the most distinctive words of each group of texts, best first.

    A word scores by its share of the group's words, times the logarithm of how much rarer it is
    elsewhere (class-based TF-IDF). Groups count from 0; negative ones are left out.

    References
    ----------
    .. [1] Grootendorst, M., "BERTopic", arXiv 2203.05794, 2022: class-based TF-IDF.

    Examples
    --------
    >>> texts = ["card charged twice", "charged a fee", "parcel is late", "late parcel again"]
    >>> distinctive_terms(texts, np.array([0, 0, 1, 1]), 2, terms=2)
    [['charged', 'card'], ['late', 'parcel']]
    """
    texts = list(texts)  # a pandas Series would be asked by its index, not by position
    kept = [row for row, group in enumerate(groups) if group >= 0]
    counter = CountVectorizer(token_pattern=WORD, max_features=MOST_WORDS)
    try:
        words = counter.fit_transform([texts[row] for row in kept])
    except ValueError:  # not a single word in any text
        return [[] for _ in range(count)]
    names = counter.get_feature_names_out()
    of_group = np.zeros((count, words.shape[1]))
    for group in range(count):
        mine = [i for i, row in enumerate(kept) if groups[row] == group]
        of_group[group] = np.asarray(words[mine].sum(axis=0)).ravel() if mine else 0
    typical = of_group.sum() / max(count, 1)
    rarity = np.log1p(typical / np.maximum(of_group.sum(axis=0), 1))
    share = of_group / np.maximum(of_group.sum(axis=1, keepdims=True), 1)
    scores = share * rarity
    best = np.argsort(-scores, axis=1, kind="stable")[:, :terms]
    return [
        [str(names[word]) for word in row if scores[group, word] > 0]
        for group, row in enumerate(best)
    ]


def distinctive_words(
    texts: Sequence[str], groups: NDArray[Any], count: int, most: int
) -> list[list[str]]:
    """Return the most distinctive words of each group that say something by themselves, best first.

    As `distinctive_terms`, without scikit-learn's English stop words: texts in other languages keep
    theirs.

    Examples
    --------
    >>> texts = ["it was the card", "it was the fee", "they are late", "they are late again"]
    >>> distinctive_words(texts, np.array([0, 0, 1, 1]), 2, most=2)
    [['card', 'fee'], ['late']]
    """
    found = distinctive_terms(texts, groups, count, most + SPARE)
    return [[word for word in own if word not in ENGLISH_STOP_WORDS][:most] for own in found]

"""Texts as scikit-learn hands them over."""

from typing import Any

import numpy as np
from scipy.sparse import issparse


def texts_of(X: Any, of: object) -> list[str]:
    """Return a sequence of texts, or a table of one column, as a list; `of` is named in errors.

    Examples
    --------
    >>> texts_of(np.array([["one"], ["two"]]), None)
    ['one', 'two']
    """
    name = type(of).__name__
    if isinstance(X, str):
        raise ValueError(f"{name} takes a list of texts, got one string; write [text]")
    if issparse(X):
        raise TypeError(f"{name} takes texts; sparse input is not supported")
    shape: tuple[int, ...] = getattr(X, "shape", (0,))
    if len(shape) == 2:
        if shape[1] != 1:
            raise ValueError(f"{name} takes one column of texts, got {shape[1]} columns")
        X = np.asarray(X, dtype=object)[:, 0]
    texts = list(X)
    if not texts:
        raise ValueError(f"{name}: 0 sample(s), there are no texts")
    return texts


def holds_text(X: Any) -> bool:
    """Say whether a table or sequence begins with a text."""
    return any(isinstance(value, str) for value in np.asarray(X, dtype=object).ravel()[:1])

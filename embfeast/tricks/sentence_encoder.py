"""From texts to the vectors that the tricks read, as a step of a pipeline."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from embfeast.encoding import DEFAULT_MODEL, Encoder
from embfeast.tricks.parts.opened import Said, opened
from embfeast.tricks.parts.texts import texts_of
from embfeast.tricks.trick import Vectors


class SentenceEncoder(TransformerMixin, BaseEstimator):
    """Turn texts into sentence vectors, so that tricks stand in a pipeline on raw text.

    Parameters
    ----------
    model : str, mapping or ModelSettings, default "all-MiniLM-L6-v2"
        A name, a folder or a hub id, or what a recipe's ``model:`` says.
    cache : path, optional
        Folder in which vectors are kept, so that each text is encoded once: across the folds and
        candidates of a search, and runs. None by default.

    Notes
    -----
    Nothing is learned: `fit` opens the model. An open model is shared by all estimators that name
    it, and stays behind when one is copied or pickled.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from embfeast.tricks import SentenceEncoder, Whitener
    >>> texts = ["I was charged twice.", "My parcel is late.", "The app crashes."]
    >>> steps = make_pipeline(SentenceEncoder(), Whitener("pca", n_components=2))
    >>> steps.fit_transform(texts).shape
    (3, 2)
    """

    def __init__(
        self,
        model: Said = DEFAULT_MODEL,
        *,
        cache: str | Path | None = None,
    ) -> None:
        self.model = model
        self.cache = cache

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Check that these are texts and that the model can be opened.

        Parameters
        ----------
        X : iterable of str, or a table of one column
        y : ignored
        """
        texts_of(X, self)
        _ = self._encoder.dimension
        return self

    def transform(self, X: Iterable[str]) -> Vectors:
        """Return one vector a text.

        Parameters
        ----------
        X : iterable of str, or a table of one column
            Missing texts are refused.

        Returns
        -------
        ndarray of shape (n, dim), float32
        """
        return self._encoder.encode(texts_of(X, self))

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return one name a column of the result."""
        names = [f"embedding_{i:03d}" for i in range(self._encoder.dimension)]
        return np.asarray(names, dtype=object)

    @property
    def _encoder(self) -> Encoder:
        return opened(self.model, self.cache)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags

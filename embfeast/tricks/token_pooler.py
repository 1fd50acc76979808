"""Trick 6: pooling over word pieces, beside the model's own sentence vector."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from embfeast.tricks.rowwise import unit_rows
from embfeast.tricks.trick import Vectors

Pooling = Literal["mean", "max", "cls"]
POOLINGS: tuple[Pooling, ...] = ("mean", "max", "cls")


class TokenPooler(TransformerMixin, BaseEstimator):
    """Pool the word pieces of texts in several ways, joined side by side.

    Parameters
    ----------
    pooling : sequence of {"mean", "max", "cls"}, default ("mean", "max")
    model : str, default "all-MiniLM-L6-v2"
    scale : bool, default True
        Bring each pooling to unit length before joining. Joined as they are, the one with the
        larger numbers drowns the other, and the gain turns into a loss.

    Attributes
    ----------
    dimension_ : int
        Width of one pooling.

    Notes
    -----
    Padding never takes part: a text has the same bits alone and in any batch (with ONNX Runtime).
    All poolings come from one forward pass. Texts longer than the model's window are cut.

    References
    ----------
    .. [1] Reimers, N. and Gurevych, I., "Sentence-BERT", EMNLP 2019, table 6.

    Examples
    --------
    >>> pooler = TokenPooler(("mean", "max"))
    >>> pooler.fit_transform(["I was charged twice"]).shape
    (1, 768)
    """

    def __init__(
        self,
        pooling: tuple[Pooling, ...] = ("mean", "max"),
        *,
        model: str = "all-MiniLM-L6-v2",
        scale: bool = True,
    ) -> None:
        self.pooling = pooling
        self.model = model
        self.scale = scale

    def fit(self, X: Iterable[str], y: Any = None) -> Self:
        """Check the settings; nothing is learned from the texts.

        Parameters
        ----------
        X : iterable of str
        y : ignored
        """
        chosen = self._chosen()
        if not chosen or (unknown := sorted(set(chosen) - set(POOLINGS))):
            raise ValueError(
                f"TokenPooler: pooling={self.pooling!r} has {unknown if chosen else 'nothing'}; "
                f"choose from {', '.join(POOLINGS)}"
            )
        self.dimension_ = int(self._encoder().dimension)
        return self

    def transform(self, X: Iterable[str]) -> Vectors:
        """Encode texts once and return their poolings side by side.

        Parameters
        ----------
        X : iterable of str, length n
            Missing texts are refused.

        Returns
        -------
        ndarray of shape (n, poolings x dim), float32
        """
        check_is_fitted(self)
        return self.join(self._encoder().encode_pooled(list(X), list(self._chosen())))

    def join(self, blocks: Mapping[str, NDArray[Any]]) -> Vectors:
        """Scale and join poolings that a caller already has.

        Parameters
        ----------
        blocks : mapping from pooling to ndarray of shape (n, dim)

        Returns
        -------
        ndarray of shape (n, poolings x dim), float32
        """
        chosen = [blocks[name] for name in self._chosen()]
        return np.hstack([unit_rows(b) if self.scale else b for b in chosen]).astype(np.float32)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return one name a column of the result."""
        check_is_fitted(self)
        names = [f"{name}_{i:03d}" for name in self._chosen() for i in range(self.dimension_)]
        return np.asarray(names, dtype=object)

    def _chosen(self) -> tuple[str, ...]:
        return (self.pooling,) if isinstance(self.pooling, str) else tuple(self.pooling)

    def _encoder(self) -> Any:
        from embfeast.encoding import Encoder

        return Encoder(self.model)

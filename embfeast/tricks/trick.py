"""What all tricks have in common: how rows are checked, and how features are named."""

import re
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

Vectors = NDArray[np.float32]


class Trick(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from float32 vectors to float32 features.

    A subclass writes `_fit(X)` and `_transform(X)` and names its outputs in `_names()`. Its fitted
    attributes are arrays, numbers, strings, or lists and dicts of those: the recipe saves them as
    they are.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit on vectors.

        Parameters
        ----------
        X : array-like of shape (n, dim)
            Converted to float32. Missing and infinite numbers are refused.
        y : ignored

        Returns
        -------
        self
        """
        X = validate_data(self, X, dtype=np.float32, reset=True)
        self._fit(X)
        return self

    def transform(self, X: Any) -> Vectors:
        """Return the features of vectors; a row's bits do not depend on the rows beside it.

        Parameters
        ----------
        X : array-like of shape (n, dim)

        Returns
        -------
        ndarray of shape (n, features), float32
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float32, reset=False)
        return np.ascontiguousarray(self._transform(X), dtype=np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return one name a column of the result."""
        check_is_fitted(self)
        return np.asarray(self._names(), dtype=object)

    def _fit(self, X: Vectors) -> None:
        raise NotImplementedError

    def _transform(self, X: Vectors) -> NDArray[Any]:
        raise NotImplementedError

    def _names(self) -> list[str]:
        raise NotImplementedError


def check_choice(trick: object, setting: str, valid: tuple[str, ...]) -> None:
    """Raise ValueError, listing the valid values, unless a setting has one of them."""
    value = getattr(trick, setting)
    if value not in valid:
        raise ValueError(
            f"{type(trick).__name__}: {setting}={value!r} is unknown; "
            f"choose from {', '.join(valid)}"
        )


def check_number(trick: object, setting: str, least: float, most: float = np.inf) -> None:
    """Raise ValueError, naming the range, unless a setting is a number inside it."""
    value = getattr(trick, setting)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        bound = f"between {least} and {most}" if np.isfinite(most) else f"of at least {least}"
        raise ValueError(
            f"{type(trick).__name__}: {setting}={value!r} is not valid; give a number {bound}"
        )


def fix_signs(axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn each axis (row) so that its largest loading is positive.

    An axis is only known up to its sign, which differs between libraries and machines.
    """
    rows = np.arange(len(axes))
    turned: NDArray[np.float64] = axes * np.sign(axes[rows, np.abs(axes).argmax(axis=1)])[:, None]
    return turned


def identifier(name: str) -> str:
    """Turn any name into one that a feature may have.

    Examples
    --------
    >>> identifier("Billing issue (2nd)"), identifier("größe"), identifier("請求")
    ('billing_issue_2nd', 'größe', '請求')
    """
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")

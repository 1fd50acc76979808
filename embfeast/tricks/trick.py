"""What all tricks have in common: how rows are checked, and how features are named."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

Vectors = NDArray[np.float32]


class Trick(TransformerMixin, BaseEstimator):
    """A scikit-learn transformer from float32 vectors to float32 features.

    A subclass writes `_fit(X, y)` and `_transform(X)` and names its outputs in `_names()`; one that
    can be fitted in passes over chunks writes `_fit_chunks(chunks)` too. Its fitted attributes are
    arrays, numbers, strings, or lists and dicts of those: the recipe saves them as they are.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit on vectors.

        Parameters
        ----------
        X : array-like of shape (n, dim)
            Converted to float32. Missing and infinite numbers are refused.
        y : array-like of shape (n,), optional
            Labels, for a selection that asks for them; ignored otherwise.

        Returns
        -------
        self
        """
        X = validate_data(self, X, dtype=np.float32, reset=True)
        self._fit(X, y)
        return self

    def fit_chunks(self, chunks: Callable[[], Iterable[Any]]) -> Self:
        """Fit on more rows than memory holds, in passes over chunks.

        Parameters
        ----------
        chunks : callable
            Starts a pass: returns an iterable of array-likes of shape (n, dim), the same rows at
            every call. Called once to a few times.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            This trick, with these settings, has to see all rows at once; or there are none.
        """
        if type(self)._fit_chunks is Trick._fit_chunks:
            raise ValueError(
                f"{type(self).__name__} cannot be fitted in chunks; fit on a sample of the rows"
            )
        self._fit_chunks(lambda: self._checked(chunks()))
        return self

    def _checked(self, chunks: Iterable[Any]) -> Iterator[Vectors]:
        first = True
        for chunk in chunks:
            yield validate_data(self, chunk, dtype=np.float32, reset=first)
            first = False
        if first:
            raise ValueError(f"{type(self).__name__}: there are no rows to fit on")

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
        return self.transform_checked(validate_data(self, X, dtype=np.float32, reset=False))

    def transform_checked(self, X: Vectors) -> Vectors:
        """Do the same without scikit-learn's checks, which take longer than one row's arithmetic.

        Parameters
        ----------
        X : ndarray of shape (n, dim), float32
            Finite and of the width that the trick was fitted on.

        Returns
        -------
        ndarray of shape (n, features), float32
        """
        return np.ascontiguousarray(self._transform(X), dtype=np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return one name a column of the result."""
        check_is_fitted(self)
        return np.asarray(self._names(), dtype=object)

    def _fit(self, X: Vectors, y: Any) -> None:
        raise NotImplementedError

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
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


def chosen(trick: object, setting: str, valid: tuple[str, ...]) -> tuple[str, ...]:
    """Return a setting that is one name or several as a tuple, each checked.

    Raises
    ------
    ValueError
        It is empty, or names something that is not valid: the message lists what is.
    """
    value = getattr(trick, setting)
    names = (value,) if isinstance(value, str) else tuple(value)
    unknown = [name for name in names if name not in valid]
    if not names or unknown or len(set(names)) < len(names):
        wrong = f"has {unknown}" if unknown else "names one twice" if names else "has nothing"
        raise ValueError(
            f"{type(trick).__name__}: {setting}={value!r} {wrong}; choose from {', '.join(valid)}"
        )
    return names


def check_number(trick: object, setting: str, least: float, most: float = np.inf) -> None:
    """Raise ValueError, naming the range, unless a setting is a number inside it."""
    value = getattr(trick, setting)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not is_number or not least <= value <= most:
        bound = f"between {least} and {most}" if np.isfinite(most) else f"of at least {least}"
        raise ValueError(
            f"{type(trick).__name__}: {setting}={value!r} is not valid; give a number {bound}"
        )


def identifier(name: str) -> str:
    """Turn any name into one that a feature may have.

    Examples
    --------
    >>> identifier("Billing issue (2nd)"), identifier("größe"), identifier("請求")
    ('billing_issue_2nd', 'größe', '請求')
    """
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")

"""What all tricks have in common: what they say about themselves, and how rows are checked."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from embfeast.encoding import Encoder, Pooling
from embfeast.errors import EmbfeastError
from embfeast.tricks.parts.texts import holds_text
from embfeast.tricks.proposal import ProposalSample, Proposed

Vectors = NDArray[np.float32]
Takes = Literal["texts", "vector", "vectors", "pair"]


class Trick(TransformerMixin, BaseEstimator):
    """A transformer that a recipe can name, and what it says about itself.

    Its `fit` is given the labels as `y` and, where it has parameters of these names, ``texts``,
    ``previous`` (its earlier fit), ``names`` (those of its columns), ``times``, ``known`` (when
    labels were), ``keys`` and ``as_of``. Its fitted attributes are arrays, numbers, strings, or
    lists and dicts of those: the recipe saves them as they are.

    Attributes
    ----------
    purpose : str
        What it makes, in a few words; shown in Feast.
    takes : {"texts", "vector", "vectors", "pair"}
        Texts, for a `TextTrick`; the output of one entry, or of several (`inputs`); or two rows
        of one entry side by side.
    scalars : bool
        Whether each number is a feature with a name of its own, rather than all one vector.
    whole_numbers : tuple of str
        Outputs that are a name rather than a size: stored as int64, kept out of vectors.
    section : str or None
        Its section of the report; one that the report does not know shows distributions.
    baseline : bool
        Whether its output is the encoder's own vector, which evaluation compares others with.
    as_query : bool
        Whether its output is what it reads made of the text as a query, with the model's prompt
        of queries.
    control : str
        What `control_of` makes, in words; empty without one.
    needs_model : bool
        Whether it reads what the encoder makes of texts.
    needs_occasions : bool
        Whether `transform_checked` also takes when rows happened and whose they are, where that is
        known: ``times`` and ``owners``, as `parts.occasions` makes them. It may depend on settings.
    needs_entity : bool
        Whether it also takes ``entities``: those of the column that its setting `entity` names.
    """

    purpose: ClassVar[str]
    takes: ClassVar[Takes] = "vector"
    scalars: ClassVar[bool] = False
    whole_numbers: ClassVar[tuple[str, ...]] = ()
    section: ClassVar[str | None] = "columns"
    baseline: ClassVar[bool] = False
    as_query: ClassVar[bool] = False
    control: ClassVar[str] = ""
    needs_model: ClassVar[bool] = True
    needs_entity: ClassVar[bool] = False

    @property
    def needs_occasions(self) -> bool:
        """Whether rows are told when they happened and whose they are."""
        return False

    @property
    def remark(self) -> str:
        """What a person should know of this fit; empty where it is nothing."""
        return ""

    @classmethod
    def propose(cls, sample: ProposalSample) -> Proposed | None:
        """Return the entry that `init` proposes for these texts; None where it proposes none."""
        return None

    def control_of(self, X: Vectors, seed: int) -> "Trick":
        """Return a fitted trick of the same kind without the meaning that this one has."""
        raise NotImplementedError

    def groups(self, X: Any) -> NDArray[np.int64] | None:
        """Return the number of the group that each row lies in, for a trick that makes groups."""
        return None

    def transform_checked(self, X: Any) -> Any:
        """Transform what a recipe computed itself, without scikit-learn's checks."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return one name a column of the result."""
        check_is_fitted(self)
        return np.asarray(self._names(), dtype=object)

    def _names(self) -> list[str]:
        raise NotImplementedError


class TextTrick(Trick):
    """A trick that reads texts and poolings of their word pieces: see `TokenPooler`."""

    takes: ClassVar[Takes] = "texts"

    def learn(self, texts: list[str], encoder: Encoder) -> Self:
        """Check the settings and learn all that needs no pooled vectors."""
        raise NotImplementedError

    def poolings(self) -> list[Pooling]:
        """Return what the encoder has to make of each whole text."""
        raise NotImplementedError

    def fit_blocks(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> Vectors:
        """Learn what needs the vectors that `poolings` asked for; return the features."""
        raise NotImplementedError

    def join(
        self, texts: list[str], blocks: Mapping[str, NDArray[Any]], encoder: Encoder
    ) -> Vectors:
        """Return the features of texts whose poolings a caller already has."""
        raise NotImplementedError


class VectorTrick(Trick):
    """A trick from float32 vectors to float32 features.

    A subclass writes `_fit(X, y)` and `_transform(X)` and names its outputs in `_names()`; one that
    can be fitted in passes over chunks writes `_fit_chunks(chunks)` too.
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
        X = self._validated(X, reset=True)
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
        if type(self)._fit_chunks is VectorTrick._fit_chunks:
            raise ValueError(
                f"{type(self).__name__} cannot be fitted in chunks; fit on a sample of the rows"
            )
        self._fit_chunks(lambda: self._checked(chunks()))
        return self

    def _checked(self, chunks: Iterable[Any]) -> Iterator[Vectors]:
        first = True
        for chunk in chunks:
            yield self._validated(chunk, reset=first)
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
        return self.transform_checked(self._validated(X, reset=False))

    def _validated(self, X: Any, *, reset: bool) -> Vectors:
        try:
            checked: Vectors = validate_data(self, X, dtype=np.float32, reset=reset)
        except ValueError as error:
            if not holds_text(X):
                raise
            name = type(self).__name__
            raise EmbfeastError(
                f"{name} reads vectors, got texts",
                f"encode first: make_pipeline(SentenceEncoder(), {name}(...))",
            ) from error
        return checked

    def transform_checked(self, X: Vectors) -> Vectors:
        """Do the same without checks, which take longer than one row's arithmetic."""
        return np.ascontiguousarray(self._transform(X), dtype=np.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def _fit(self, X: Vectors, y: Any) -> None:
        raise NotImplementedError

    def _fit_chunks(self, chunks: Callable[[], Iterable[Vectors]]) -> None:
        raise NotImplementedError

    def _transform(self, X: Vectors) -> NDArray[Any]:
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
    """Return a setting that is one name or several as a tuple; ValueError lists the valid ones."""
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


def warn_of_fewer(trick: object, asked: str, of: str, most: int, level: int) -> None:
    """Warn that the rows give fewer columns than were asked for; `level` is that of the caller."""
    warnings.warn(
        f"{type(trick).__name__}: {asked} asked, but {of} have at most {most}", stacklevel=level
    )


def identifier(name: str) -> str:
    """Turn any name into one that a feature may have.

    Examples
    --------
    >>> identifier("Billing issue (2nd)"), identifier("größe"), identifier("請求")
    ('billing_issue_2nd', 'größe', '請求')
    """
    return re.sub(r"\W+", "_", name.strip().lower()).strip("_")

"""The fitted recipe: tricks with their state, applied to texts, known by a digest."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast import counts
from embfeast.encoding import Encoder, Pooling
from embfeast.errors import EmbfeastError
from embfeast.recipe import artifact
from embfeast.recipe.settings import JOIN, PAIR, PLAIN, POOLER, RecipeSettings

# Features a person reads one by one stay scalars up to this many; more become one array, since a
# feature store pays for every value by itself.
MOST_SCALARS = 100
SCALAR_TRICKS = {"anchor_similarity", "cluster_features"}
WHOLE_NUMBERS = {"cluster"}
FITTED_ATTRIBUTE = re.compile("[a-zA-Z][a-zA-Z0-9_]*_")

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Feature:
    """One output column.

    Attributes
    ----------
    name : str
    kind : {"float", "integer", "vector"}
    width : int
        Numbers a row: 1, or the length of the vector.
    """

    name: str
    kind: Literal["float", "integer", "vector"]
    width: int

    @property
    def arrow_type(self) -> pa.DataType:
        """float32, int64 or list<float32>."""
        kinds = {"float": pa.float32(), "integer": pa.int64(), "vector": pa.list_(pa.float32())}
        return kinds[self.kind]


@dataclass(frozen=True)
class FitRecord:
    """What a fit has read.

    Attributes
    ----------
    as_of : str or None
        Only rows before it were read (ISO 8601, UTC).
    rows : int
        Texts read.
    missing : int
        Missing or blank texts left out, of those before `as_of`.
    first_event, last_event : str or None
        The window of event times.
    rows_digest : str
        SHA-256 over texts, times and labels read.
    labels : int
        Rows whose label was read.
    previous : str or None
        Digest of the earlier fit whose cluster numbers were kept.
    """

    as_of: str | None
    rows: int
    missing: int
    first_event: str | None
    last_event: str | None
    rows_digest: str
    labels: int = 0
    previous: str | None = None


@dataclass(frozen=True)
class Encoded:
    """Texts as the encoder leaves them to the tricks.

    Attributes
    ----------
    texts : list of str
        Those that are there.
    present : ndarray of shape (n,), bool
        Which of the texts given are.
    blocks : dict of ndarray of shape (texts, dim), float32
        By pooling.
    entries : list of str
        Whose features are wanted.
    """

    texts: list[str]
    present: NDArray[np.bool_]
    blocks: dict[str, Matrix]
    entries: list[str]

    def steps(self, rows: int) -> Iterator["Encoded"]:
        """Yield the texts in turn, so many of those given at a time."""
        ends = np.concatenate([[0], np.cumsum(self.present)])
        for first in range(0, len(self.present), rows):
            present = self.present[first : first + rows]
            own = slice(ends[first], ends[first + len(present)])
            blocks = {pooling: block[own] for pooling, block in self.blocks.items()}
            yield Encoded(self.texts[own], present, blocks, self.entries)


def is_missing(text: object) -> bool:
    """Tell whether a text is missing (None, NaN) or blank."""
    if isinstance(text, str):
        return not text.strip()
    return text is None or (isinstance(text, float) and math.isnan(text))


class FittedRecipe:
    """A recipe with its fitted state, as `Recipe.fit` returns it or `load` reads it.

    Attributes
    ----------
    settings : RecipeSettings
    tricks : dict of transformer
        The fitted scikit-learn transformers by entry.
    record : FitRecord
        What the fit has read.
    model_digest : str
        Digest of the encoder's weights and settings.
    encoder : Encoder
        Set another one (with a cache, with one thread) before the first use.

    Examples
    --------
    >>> from embfeast import Recipe
    >>> recipe = Recipe({"tricks": {"reduced": {"trick": "embedding_reducer", "n_components": 2}}})
    >>> fitted = recipe.fit(["I was charged twice", "Where is my parcel?", "Login fails"])
    >>> fitted.features("reduced")
    [Feature(name='reduced', kind='vector', width=2)]
    >>> fitted.values(["The invoice is wrong"])["reduced"] == (
    ...     fitted.transform(["The invoice is wrong", "Late again"])["reduced"][:1].to_pylist())
    True
    """

    def __init__(
        self,
        settings: RecipeSettings,
        tricks: dict[str, Any],
        record: FitRecord,
        model_digest: str,
        encoder: Encoder | None = None,
    ) -> None:
        self.settings = settings
        self.tricks = tricks
        self.record = record
        self.model_digest = model_digest
        self.encoder = encoder or Encoder(settings.model)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over settings, state, model weights and the record of the fit."""
        return artifact.digest(self._content(), self._states())

    def save(self, folder: str | Path) -> None:
        """Write the recipe as a manifest in JSON and its arrays in safetensors.

        Parameters
        ----------
        folder : str or Path
            It appears whole or not at all; one that holds another recipe is replaced.
        """
        artifact.save(Path(folder), self._content(), self._states(), self.digest)

    @classmethod
    def load(cls, folder: str | Path) -> "FittedRecipe":
        """Read a saved recipe and check its digest.

        Parameters
        ----------
        folder : str or Path
            As written by `save`.

        Returns
        -------
        FittedRecipe

        Raises
        ------
        EmbfeastError
            The folder is missing, incomplete, of another format, or was changed.
        """
        from embfeast.recipe.fit import make_trick

        content, states = artifact.load(Path(folder))
        try:
            settings = RecipeSettings.model_validate(content["settings"])
            record = FitRecord(**content["record"])
            tricks = {}
            for name, state in states.items():
                tricks[name] = make_trick(settings.tricks[name], settings)
                for attribute, value in state.items():
                    if not FITTED_ATTRIBUTE.fullmatch(attribute):
                        raise ValueError(f"{attribute!r} is no fitted attribute")
                    setattr(tricks[name], attribute, value)
            return cls(settings, tricks, record, content["model_digest"])
        except (KeyError, TypeError, ValueError) as error:
            raise EmbfeastError(
                f"{folder}: the manifest does not describe a recipe ({error}); fit again"
            ) from error

    @property
    def entries(self) -> list[str]:
        """Entries that make features of one text, in order."""
        return [n for n, e in self.settings.tricks.items() if e.trick != PAIR]

    @property
    def pair_entries(self) -> list[str]:
        """Entries that make features of two texts."""
        return [n for n, e in self.settings.tricks.items() if e.trick == PAIR]

    @property
    def online_entries(self) -> list[str]:
        """Entries whose features go into the online store."""
        return [name for name in self.entries if self.settings.tricks[name].online]

    def features(self, entry: str) -> list[Feature]:
        """Return the columns that an entry makes.

        Parameters
        ----------
        entry : str

        Returns
        -------
        list of Feature
            Vectors are one column; similarities, cluster and distances are one each, by name.
        """
        if entry not in self._features:  # asked at every lookup
            self._features[entry] = self._features_of(entry)
        return self._features[entry]

    @cached_property
    def _features(self) -> dict[str, list[Feature]]:
        return {}

    def _features_of(self, entry: str) -> list[Feature]:
        settings = self.settings.tricks[entry]
        names = self.output_names(entry)
        if settings.trick not in SCALAR_TRICKS or len(names) > MOST_SCALARS:
            return [Feature(settings.prefix + entry, "vector", len(names))]
        return [
            Feature(settings.prefix + name, "integer" if name in WHOLE_NUMBERS else "float", 1)
            for name in names
        ]

    def transform(
        self,
        texts: Sequence[str | None],
        *,
        entries: Sequence[str] | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> pa.Table:
        """Compute the features of texts; each text is encoded once.

        Parameters
        ----------
        texts : sequence of str or None, length n
        entries : sequence of str, optional
            Only these entries' columns; all by default.
        progress : callable, optional
            Called with the number of texts encoded since the last call.

        Returns
        -------
        pyarrow.Table of n rows
            A missing or blank text gives nulls. With ONNX Runtime a text's features have the
            same bits alone and in any batch.

        Raises
        ------
        EmbfeastError
            The encoder's weights are not those of the fit, or an entry is unknown.
        """
        return self.apply(self.encode(texts, entries=entries, progress=progress))

    def encode(
        self,
        texts: Sequence[str | None],
        *,
        entries: Sequence[str] | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> Encoded:
        """Encode texts, the half of `transform` that takes long; `apply` is the other one.

        Parameters
        ----------
        texts : sequence of str or None, length n
        entries : sequence of str, optional
            Only what these entries read; all by default.
        progress : callable, optional
            Called with the number of texts encoded since the last call.

        Returns
        -------
        Encoded

        Raises
        ------
        EmbfeastError
            The encoder's weights are not those of the fit, or an entry is unknown.
        """
        wanted = self._check_entries(entries)
        present = np.array([not is_missing(text) for text in texts], dtype=bool)
        kept = [str(text) for text in texts if not is_missing(text)]
        counts.add("null_texts", len(texts) - len(kept))
        return Encoded(kept, present, self._blocks(kept, wanted, progress), wanted)

    def apply(self, encoded: Encoded) -> pa.Table:
        """Compute the features of encoded texts.

        Parameters
        ----------
        encoded : Encoded

        Returns
        -------
        pyarrow.Table
            As `transform` gives it.
        """
        columns: dict[str, pa.Array] = {}
        for entry, matrix in self._finite(encoded):
            columns |= self._columns(entry, matrix, encoded.present)
        return pa.table(columns)

    def values(
        self, texts: Sequence[str | None], *, entries: Sequence[str] | None = None
    ) -> dict[str, list[Any]]:
        """Compute the features of a few texts as Python values, as a lookup answers with them.

        The same numbers as `transform` gives, without the way through Arrow.

        Parameters
        ----------
        texts : sequence of str or None, length n
        entries : sequence of str, optional
            Only these entries' features; all by default.

        Returns
        -------
        dict of list of length n
            By feature; None for a missing or blank text.

        Raises
        ------
        EmbfeastError
            As `transform`.
        """
        encoded = self.encode(texts, entries=entries)
        rows = np.flatnonzero(encoded.present).tolist()
        made: dict[str, list[Any]] = {}
        for entry, matrix in self._finite(encoded):
            for feature, values in self._lists(entry, matrix):
                made[feature] = [None] * len(texts)
                for row, value in zip(rows, values, strict=True):
                    made[feature][row] = value
        return made

    def _lists(self, entry: str, matrix: Matrix) -> Iterator[tuple[str, list[Any]]]:
        features = self.features(entry)
        if features[0].kind == "vector":
            yield features[0].name, matrix.tolist()
            return
        columns = matrix.T.tolist()
        for feature, values in zip(features, columns, strict=True):
            whole = feature.kind == "integer"
            yield feature.name, [int(value) for value in values] if whole else values

    def matrices(
        self,
        texts: Sequence[str],
        entries: Sequence[str],
        *,
        progress: Callable[[int], Any] | None = None,
    ) -> dict[str, Matrix]:
        """Compute entries' outputs as plain matrices, for models outside a feature store.

        Parameters
        ----------
        texts : sequence of str, length n
            None of them missing.
        entries : sequence of str
        progress : callable, optional
            Called with the number of texts encoded since the last call.

        Returns
        -------
        dict of ndarray of shape (n, width), float32
            By entry, those that the wanted ones read and ``"embedding"`` included.

        Raises
        ------
        EmbfeastError
            The encoder's weights are not those of the fit.
        """
        kept = list(texts)
        return self._apply(kept, self._blocks(kept, entries, progress), entries)

    def transform_pairs(self, entry: str, left: Matrix, right: Matrix) -> Matrix:
        """Compute the features of pairs from the vectors that the pair entry reads.

        Parameters
        ----------
        entry : str
            A pair entry.
        left, right : ndarray of shape (n, dim), float32
            The output of the entry's `input` for both texts.

        Returns
        -------
        ndarray of shape (n, width), float32
        """
        if entry not in self.pair_entries:
            raise EmbfeastError(
                f"{entry!r} is no pair entry of recipe {self.settings.name!r}; "
                f"it has {', '.join(self.pair_entries) or 'none'}"
            )
        made: Matrix = self.tricks[entry].transform(np.hstack([left, right]))
        return made

    def _blocks(
        self,
        texts: list[str],
        wanted: Sequence[str],
        progress: Callable[[int], Any] | None,
    ) -> dict[str, Matrix]:
        self._check_model()
        return self.encoder.encode_pooled(texts, self._poolings(wanted), progress=progress)

    def _finite(self, encoded: Encoded) -> Iterator[tuple[str, Matrix]]:
        """Yield the wanted entries and what they make."""
        outputs = self._apply(encoded.texts, encoded.blocks, encoded.entries)
        for entry in encoded.entries:
            _check_finite(entry, outputs[entry])
            yield entry, outputs[entry]

    def _apply(
        self, texts: list[str], blocks: dict[str, Matrix], wanted: Sequence[str]
    ) -> dict[str, Matrix]:
        outputs = {PLAIN: blocks["sentence"]}
        needed = self._needed(wanted)
        for name, entry in self.settings.tricks.items():
            if name not in needed:
                continue
            if not texts:  # scikit-learn's transformers refuse no rows at all
                outputs[name] = np.empty((0, len(self.output_names(name))), dtype=np.float32)
            elif entry.trick == PLAIN:
                outputs[name] = outputs[entry.input]
            elif entry.trick == POOLER:
                outputs[name] = self.tricks[name].join(texts, blocks, self.encoder)
            elif entry.trick == JOIN:
                outputs[name] = self.tricks[name].transform([outputs[i] for i in entry.inputs])
            else:
                # Both ends are ours: the encoder's vectors are finite and of the fitted width.
                outputs[name] = self.tricks[name].transform_checked(outputs[entry.input])
        return outputs

    def _needed(self, wanted: Sequence[str]) -> set[str]:
        """Return the wanted entries and those they read."""
        needed: set[str] = set()
        todo = list(wanted)
        while todo:
            name = todo.pop()
            if name in self.settings.tricks and name not in needed:
                needed.add(name)
                todo += self.settings.tricks[name].reads
        return needed

    def _poolings(self, wanted: Sequence[str]) -> list[str | Pooling]:
        poolings: list[str | Pooling] = ["sentence"]
        for name in sorted(self._needed(wanted)):
            if self.settings.tricks[name].trick == POOLER:
                poolings += self.tricks[name].poolings()
        return poolings

    def _columns(self, entry: str, matrix: Matrix, present: NDArray[Any]) -> dict[str, pa.Array]:
        features = self.features(entry)
        if features[0].kind == "vector":
            return {features[0].name: _vectors(matrix, present)}
        return {
            feature.name: _scalars(matrix[:, position], present, feature.arrow_type)
            for position, feature in enumerate(features)
        }

    def output_names(self, entry: str) -> list[str]:
        """Return the names of an entry's single numbers, those inside a vector included.

        Parameters
        ----------
        entry : str

        Returns
        -------
        list of str
        """
        if self.settings.tricks[entry].trick == PLAIN:
            return [f"embedding_{i:03d}" for i in range(self.encoder.dimension)]
        return [str(name) for name in self.tricks[entry].get_feature_names_out()]

    def _check_entries(self, entries: Sequence[str] | None) -> list[str]:
        if unknown := sorted(set(entries or []) - set(self.entries)):
            raise EmbfeastError(
                f"recipe {self.settings.name!r} has no entry {', '.join(map(repr, unknown))} that "
                f"makes features of one text; it has {', '.join(self.entries)}"
            )
        return list(entries) if entries is not None else self.entries

    def _check_model(self) -> None:
        if self.encoder.digest != self.model_digest:
            raise EmbfeastError(
                f"recipe {self.settings.name!r} was fitted with a model of digest "
                f"{self.model_digest[:12]}, but {self.encoder.model!r} here has "
                f"{self.encoder.digest[:12]}; install the same weights or fit again"
            )

    def _content(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "record": asdict(self.record),
            "model_digest": self.model_digest,
        }

    def _states(self) -> dict[str, dict[str, Any]]:
        return {
            name: {key: value for key, value in vars(trick).items() if key.endswith("_")}
            for name, trick in self.tricks.items()
        }

    def _repr_html_(self) -> str:
        from embfeast.recipe.display import recipe_html

        return recipe_html(self.settings, self)

    def __repr__(self) -> str:
        return (
            f"FittedRecipe({self.settings.name!r}, digest={self.digest[:12]}, "
            f"rows={self.record.rows}, as_of={self.record.as_of})"
        )


def _check_finite(entry: str, matrix: Matrix) -> None:
    if not np.isfinite(matrix).all():
        raise EmbfeastError(
            f"recipe entry {entry!r} gave a number that is not finite; its fitted state does not "
            "suit these texts: fit again on more of them, and tell us"
        )


def _vectors(matrix: Matrix, present: NDArray[Any]) -> pa.ListArray:
    """Make a list column of which only the present rows have a vector."""
    width = matrix.shape[1]
    offsets = np.concatenate([[0], np.cumsum(present * width)]).astype(np.int32)
    values = pa.array(np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1))
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pa.array(~present))


def _scalars(values: Matrix, present: NDArray[Any], kind: pa.DataType) -> pa.Array:
    column = np.full(len(present), np.nan, dtype=np.float64)
    column[present] = values
    return pa.array(column, mask=~present | np.isnan(column)).cast(kind)

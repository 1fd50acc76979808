"""The fitted recipe: tricks with their state, applied to texts, known by a digest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from embfeast import counts
from embfeast.encoding import Encoder, Pooling
from embfeast.errors import EmbfeastError
from embfeast.recipe import artifact
from embfeast.recipe.display import recipe_html
from embfeast.recipe.encoded import Encoded, Matrix, is_missing
from embfeast.recipe.features import Feature, columns, features_of, lists, read_column
from embfeast.recipe.model_state import OF_MODEL, arrays_of, check_encoder, read_arrays
from embfeast.recipe.record import FitRecord
from embfeast.recipe.settings import PLAIN, RecipeSettings
from embfeast.recipe.steps import Steps, check_finite
from embfeast.storage import Folder
from embfeast.tricks.parts.occasions import Occasions


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
    probes : ndarray or None
        What a served model answered to a few fixed texts: without them its name alone would say
        which model it was. They are part of the digest.
    graph : Path or None
        The model in eight bits, where it was calibrated on the texts of the fit. It is saved with
        the recipe, and part of the digest.
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
        probes: Matrix | None = None,
        graph: Path | None = None,
    ) -> None:
        self.settings = settings
        self.tricks = tricks
        self.record = record
        self.model_digest = model_digest
        self.probes = probes
        self.graph = graph
        self.encoder = encoder or Encoder(settings.model)
        self._steps = Steps(settings, tricks)

    @property
    def encoder(self) -> Encoder:
        """What encodes the texts, with the graph of the fit."""
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: Encoder) -> None:
        self._encoder = encoder if encoder.graph == self.graph else encoder.with_graph(self.graph)

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over settings, state, model weights and the record of the fit."""
        return artifact.digest(self._content(), self._states())

    def save(self, folder: str | Path | Folder) -> None:
        """Write the recipe as a manifest in JSON and its arrays in safetensors.

        Parameters
        ----------
        folder : str or Path
            Of this machine or of object storage (``s3://bucket/folder``). It appears whole or not
            at all; one that holds another recipe is replaced.
        """
        artifact.save(Folder.of(folder), self._content(), self._states(), self.digest)

    @classmethod
    def load(cls, folder: str | Path | Folder) -> "FittedRecipe":
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
        content, states = artifact.load(Folder.of(folder))
        try:
            settings = RecipeSettings.model_validate(content["settings"])
            record = FitRecord(**content["record"])
            tricks = {name: settings.make(name) for name in settings.tricks}
            of_model = states.get(PLAIN, {})
            probes, graph = read_arrays({n: of_model.pop(n) for n in OF_MODEL & of_model.keys()})
            artifact.restore(tricks, {name: state for name, state in states.items() if state})
            return cls(settings, tricks, record, content["model_digest"], None, probes, graph)
        except (KeyError, TypeError, ValueError) as error:
            raise EmbfeastError(
                f"{folder}: the manifest does not describe a recipe ({error}); fit again"
            ) from error

    @property
    def entries(self) -> list[str]:
        """Entries that make features of one text, in order."""
        return [name for name, trick in self.tricks.items() if trick.takes != "pair"]

    @property
    def alone_entries(self) -> list[str]:
        """Those of them that need no more than the text: not what else its entity wrote."""
        return [name for name in self.entries if name not in self.settings.entity_entries]

    @property
    def pair_entries(self) -> list[str]:
        """Entries that make features of two texts."""
        return [name for name, trick in self.tricks.items() if trick.takes == "pair"]

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
            prefix, names = self.settings.tricks[entry].prefix, self.output_names(entry)
            self._features[entry] = features_of(entry, prefix, self.tricks[entry], names)
        return self._features[entry]

    @cached_property
    def _features(self) -> dict[str, list[Feature]]:
        return {}

    def transform(
        self,
        texts: Sequence[str | None],
        *,
        entries: Sequence[str] | None = None,
        times: Any = None,
        keys: Any = None,
        entities: Mapping[str, Any] | pa.Table | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> pa.Table:
        """Compute the features of texts; each text is encoded once.

        Parameters
        ----------
        texts : sequence of str or None, length n
        entries : sequence of str, optional
            Only these entries' columns; all by default.
        times : sequence of datetime, length n, optional
            When each text became true: a trick on labels then uses those known before. By default
            it uses all, as for a new text.
        keys : sequence or pyarrow.Table of length n, optional
            Whose text each is: such a trick does not use its own label.
        entities : mapping or pyarrow.Table of columns of length n, optional
            Who wrote each text, for `entity_history`, whose past is then that among these texts.
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
        return self.apply(
            self.encode(
                texts,
                entries=entries,
                times=times,
                keys=keys,
                entities=entities,
                progress=progress,
            )
        )

    def encode(
        self,
        texts: Sequence[str | None],
        *,
        entries: Sequence[str] | None = None,
        times: Any = None,
        keys: Any = None,
        entities: Mapping[str, Any] | pa.Table | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> Encoded:
        """Encode texts, the half of `transform` that takes long; `apply` is the other one."""
        wanted = self._check_entries(entries)
        present = np.array([not is_missing(text) for text in texts], dtype=bool)
        kept = [str(text) for text in texts if not is_missing(text)]
        counts.add("null_texts", len(texts) - len(kept))
        blocks = self._blocks(kept, self._steps.poolings(wanted), progress)
        occasions = self._occasions(wanted, times, keys, len(texts), entities).take(present)
        return Encoded(kept, present, blocks, wanted, occasions)

    def apply(self, encoded: Encoded) -> pa.Table:
        """Compute the features of encoded texts, as `transform` gives them.

        Of rows that are asked for among others, an entry on what entities wrote before sees all
        rows, and the vectors that it read are given too, by `read_column`.
        """
        if encoded.asked is not None:
            return pa.table(self._among(encoded, encoded.asked))
        return pa.table(self._columns(encoded))

    def _columns(self, encoded: Encoded) -> dict[str, Any]:
        table: dict[str, Any] = {}
        for entry, matrix in self._finite(encoded):
            table |= columns(self.features(entry), matrix, encoded.present)
        return table

    def _among(self, encoded: Encoded, asked: NDArray[np.int64]) -> dict[str, Any]:
        histories = [name for name in encoded.entries if name in self.settings.entity_entries]
        others = [name for name in encoded.entries if name not in histories]
        table = self._columns(encoded.alone(asked, others)) if others else {}
        wanted = np.zeros(len(encoded.present), dtype=bool)
        wanted[asked] = True
        occasions = replace(encoded.occasions, asked=wanted[encoded.present])
        outputs = self._outputs(replace(encoded, entries=histories, occasions=occasions))
        for entry in histories:
            check_finite(entry, outputs[entry])
            read = outputs[self.settings.tricks[entry].input]
            vector = Feature(read_column(entry), "vector", read.shape[1])
            made = columns(self.features(entry), outputs[entry], encoded.present)
            made |= columns([vector], read, encoded.present)
            table |= {name: column.take(pa.array(asked)) for name, column in made.items()}
        return table

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
        """
        encoded = self.encode(texts, entries=entries)
        rows = np.flatnonzero(encoded.present).tolist()
        values_of: dict[str, list[Any]] = {}
        for entry, matrix in self._finite(encoded):
            for feature, values in lists(self.features(entry), matrix):
                values_of[feature] = [None] * len(texts)
                for row, value in zip(rows, values, strict=True):
                    values_of[feature][row] = value
        return values_of

    def matrices(
        self,
        texts: Sequence[str],
        entries: Sequence[str],
        *,
        times: Any = None,
        keys: Any = None,
        entities: Mapping[str, Any] | pa.Table | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> dict[str, Matrix]:
        """Compute entries' outputs as plain matrices, for models outside a feature store.

        Parameters
        ----------
        texts : sequence of str, length n
            None of them missing.
        entries : sequence of str
        times, keys, entities
            As in `transform`.
        progress : callable, optional
            Called with the number of texts encoded since the last call.

        Returns
        -------
        dict of ndarray of shape (n, width), float32
            By entry; those that the wanted ones read and ``"embedding"`` are among them.
        """
        kept = list(texts)
        poolings = dict.fromkeys(["sentence", *self._steps.poolings(entries)])
        blocks = self._blocks(kept, list(poolings), progress)
        occasions = self._occasions(entries, times, keys, len(kept), entities)
        return self._steps.outputs(kept, blocks, entries, self.encoder, occasions)

    def transform_pairs(
        self, entry: str, left: Matrix | Sequence[str], right: Matrix | Sequence[str]
    ) -> Matrix:
        """Compute the features of pairs of texts, or of the vectors that the pair entry reads.

        Parameters
        ----------
        entry : str
            A pair entry.
        left, right : sequence of str of length n, or ndarray of shape (n, dim), float32
            Texts, none of them missing; or what the entries that it reads (`input`, or `left` and
            `right`) make of them.

        Returns
        -------
        ndarray of shape (n, width), float32
        """
        if entry not in self.pair_entries:
            raise EmbfeastError(
                f"{entry!r} is no pair entry of recipe {self.settings.name!r}; "
                f"it has {', '.join(self.pair_entries) or 'none'}"
            )
        read = zip(self.settings.tricks[entry].sides, (left, right), strict=True)
        vectors = [
            given if getattr(given, "ndim", 1) == 2 else self.matrices(list(given), [side])[side]
            for side, given in read
        ]
        made: Matrix = self.tricks[entry].transform(np.hstack(vectors))
        return made

    def _blocks(
        self,
        texts: list[str],
        poolings: Sequence[str | Pooling],
        progress: Callable[[int], Any] | None,
    ) -> dict[str, Matrix]:
        self.check_model()
        return self._steps.encode(self.encoder, texts, poolings, progress)

    def _occasions(
        self, wanted: Sequence[str], times: Any, keys: Any, count: int, entities: Any = None
    ) -> Occasions:
        """Return when rows happened and whose they are, where a trick asks for it."""
        needed = self.settings.needed(wanted)
        if any(self.tricks[name].needs_occasions for name in needed):
            return Occasions.of(times, keys, count, entities)
        return Occasions()

    def _finite(self, encoded: Encoded) -> Iterator[tuple[str, Matrix]]:
        """Yield the wanted entries and what they make."""
        outputs = self._outputs(encoded)
        for entry in encoded.entries:
            check_finite(entry, outputs[entry])
            yield entry, outputs[entry]

    def _outputs(self, encoded: Encoded) -> dict[str, Matrix]:
        """Return what the wanted entries make, and those that they read."""
        return self._steps.outputs(
            encoded.texts, encoded.blocks, encoded.entries, self.encoder, encoded.occasions
        )

    def output_names(self, entry: str) -> list[str]:
        """Return the names of an entry's single numbers, those inside a vector included."""
        return self._steps.names(entry, self.encoder)

    def _check_entries(self, entries: Sequence[str] | None) -> list[str]:
        if unknown := sorted(set(entries or []) - set(self.entries)):
            raise EmbfeastError(
                f"recipe {self.settings.name!r} has no entry {', '.join(map(repr, unknown))} that "
                f"makes features of one text; it has {', '.join(self.entries)}"
            )
        return list(entries) if entries is not None else self.entries

    def check_model(self) -> None:
        """Refuse an encoder whose model is not that of the fit."""
        check_encoder(self.encoder, self.settings.name, self.model_digest, self.probes)

    def _content(self) -> dict[str, Any]:
        return {
            "settings": self.settings.model_dump(mode="json"),
            "record": asdict(self.record),
            "model_digest": self.model_digest,
        }

    def _states(self) -> dict[str, dict[str, Any]]:
        states = {
            name: {key: value for key, value in vars(trick).items() if key.endswith("_")}
            for name, trick in self.tricks.items()
        }
        # Beside the state of an entry of that name, which is seldom more than the plain vector.
        states[PLAIN] = states.get(PLAIN, {}) | arrays_of(self.probes, self.graph)
        return {name: state for name, state in states.items() if state}

    def _repr_html_(self) -> str:
        record = self.record
        before = escape(f" before {record.as_of}") if record.as_of else ""
        status = (
            f"digest <code>{self.digest[:12]}</code>, fitted on {record.rows:,} texts{before}, "
            f"{record.missing:,} missing or blank"
        )
        widths = {name: len(self.output_names(name)) for name in self.tricks}
        return recipe_html(self.settings, status, widths)

    def __repr__(self) -> str:
        return (
            f"FittedRecipe({self.settings.name!r}, digest={self.digest[:12]}, "
            f"rows={self.record.rows}, as_of={self.record.as_of})"
        )

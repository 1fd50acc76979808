"""The recipe: settings that can be fitted to texts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from sklearn.utils import get_tags

from embfeast.encoding import Encoder, ModelSettings
from embfeast.encoding.model import resolve
from embfeast.encoding.settings import model_settings
from embfeast.errors import EmbfeastError
from embfeast.recipe.display import recipe_html
from embfeast.recipe.fit import Beside, Fit
from embfeast.recipe.fitted import FittedRecipe
from embfeast.recipe.record import FitRecord
from embfeast.recipe.rows import (
    draw,
    eligible,
    iso,
    key_table,
    known_labels,
    known_pairs,
    label_times,
    rows_digest,
)
from embfeast.recipe.settings import RecipeSettings, parse


class Recipe:
    """Which tricks with which settings.

    Parameters
    ----------
    settings : RecipeSettings or mapping
        As in `recipe.yaml`.

    Examples
    --------
    >>> recipe = Recipe({"tricks": {"reduced": {"trick": "embedding_reducer", "n_components": 2}}})
    >>> fitted = recipe.fit(["I was charged twice", "Where is my parcel?", "Login fails", None])
    >>> table = fitted.transform(["The invoice is wrong", None])
    >>> table.column_names, table["reduced"].null_count
    (['reduced'], 1)
    """

    def __init__(self, settings: RecipeSettings | Mapping[str, Any]) -> None:
        if not isinstance(settings, RecipeSettings):
            settings = parse(settings, "recipe")
        self.settings = settings

    @classmethod
    def from_yaml(cls, path: str | Path) -> "Recipe":
        """Read a recipe from a YAML file.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Recipe

        Raises
        ------
        EmbfeastError
            The file is missing, is no YAML, or says something that is not valid: the message
            names the field.
        """
        path = Path(path)
        try:
            given = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise EmbfeastError(f"recipe {path} cannot be read: {error.strerror}") from error
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise EmbfeastError(f"recipe {path} is not valid YAML: {error}") from error
        return cls(parse(given, str(path)))

    def to_yaml(self) -> str:
        """Return the recipe as YAML that `from_yaml` reads back.

        Examples
        --------
        >>> print(Recipe({"tricks": {"w": {"trick": "whitener", "strength": 0.2}}}).to_yaml())
        name: recipe
        model: all-MiniLM-L6-v2
        tricks:
          w:
            trick: whitener
            strength: 0.2
        <BLANKLINE>
        """
        given = self.settings.model_dump(mode="json", exclude_defaults=True)
        for entry in given["tricks"].values():
            entry |= entry.pop("settings", {})
        model = given.pop("model", self.settings.model)
        whole = {"name": self.settings.name, "model": model} | given
        return str(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True))

    @property
    def needs_labels(self) -> bool:
        """Whether a trick learns from labels, so that a fit must be given them."""
        made = (self.settings.make(name) for name in self.settings.tricks)
        return any(get_tags(trick).target_tags.required for trick in made)

    def fit(
        self,
        texts: Sequence[str | None],
        *,
        timestamps: Any = None,
        created_timestamps: Any = None,
        as_of: datetime | str | None = None,
        pairs: Sequence[tuple[int, int]] | None = None,
        labels: Any = None,
        label_timestamps: Any = None,
        keys: Any = None,
        entities: Mapping[str, Any] | None = None,
        previous: FittedRecipe | None = None,
        encoder: Encoder | None = None,
        progress: Callable[[int], Any] | None = None,
    ) -> FittedRecipe:
        """Fit every trick on the texts that were known before a point in time.

        Parameters
        ----------
        texts : sequence of str or None, length n
            Missing and blank texts are left out.
        timestamps : sequence of datetime, length n, optional
            When each text became true. Naive ones are taken as UTC.
        created_timestamps : sequence of datetime, length n, optional
            When each text was known.
        as_of : datetime, optional
            Only rows with both times before it are read. Needs `timestamps`.
        pairs : sequence of (int, int), optional
            Row numbers of texts that belong together, on which pair tricks are fitted. By
            default each text is paired with a random one and with its nearest neighbour.
        labels : sequence, length n, optional
            For a trick that learns from them; a missing one is None or NaN.
        label_timestamps : sequence of datetime, length n, optional
            When each label was known: with `as_of`, later ones are not read. By default a label
            was known when its text was.
        keys : sequence or pyarrow.Table of length n, optional
            Whose text each is: a trick on labels never gives a text what its own key's label says.
        entities : mapping of sequence of length n, optional
            Who wrote each text, by the names of the columns that `entity_history` entries read.
        previous : FittedRecipe, optional
            An earlier fit: clusters that are still there keep their numbers, and eight bits
            that were calibrated on its texts their calibration.
        encoder : Encoder, optional
            One with a cache, say. Its model must be the recipe's; a calibration that it has is
            kept.
        progress : callable, optional
            Called with the number of texts encoded since the last call.

        Returns
        -------
        FittedRecipe
            The same rows give the same digest, in whatever order they come.

        Raises
        ------
        EmbfeastError
            No text is left, lengths differ, or a trick cannot be fitted: the message names the
            entry.
        """
        if isinstance(texts, str):
            raise EmbfeastError("fit takes a list of texts, got one string")
        texts = list(texts)  # a pandas Series would be asked by its index, not by position
        rows, missing = eligible(texts, timestamps, created_timestamps, as_of)
        rows = draw(rows, self.settings.fit_rows, self.settings.random_state)
        encoder = encoder or Encoder(self.settings.model)
        _check_model(encoder, self.settings.model)
        present = [str(texts[i]) for i in rows.index]
        encoder = self._calibrated(encoder, present, previous)
        row_labels = known_labels(labels, label_timestamps, rows, len(texts), as_of)
        earlier = previous.tricks if previous is not None else {}
        beside = Beside(
            row_labels,
            times=None if timestamps is None else rows["event"].reset_index(drop=True),
            known=label_times(label_timestamps, rows, len(texts)),
            keys=None if keys is None else key_table(keys, len(texts)).take(rows.index.to_numpy()),
            entities=_entities_of(entities, rows, len(texts)),
            as_of=as_of,
        )
        fitted = Fit(self.settings, present, encoder, beside, earlier).run(
            known_pairs(pairs, rows), progress
        )
        record = FitRecord(
            as_of=iso(as_of) if as_of is not None else None,
            rows=len(rows),
            missing=missing,
            first_event=iso(rows["event"].min()),
            last_event=iso(rows["event"].max()),
            rows_digest=rows_digest(rows, row_labels),
            labels=0 if row_labels is None else int(row_labels.notna().sum()),
            previous=previous.digest if previous is not None else None,
        )
        kept = encoder, encoder.probes, encoder.graph
        return FittedRecipe(self.settings, fitted, record, encoder.digest, *kept)

    def _calibrated(
        self, encoder: Encoder, texts: list[str], previous: FittedRecipe | None
    ) -> Encoder:
        """Return the encoder in eight bits of these texts, or of the earlier fit, where asked."""
        asked = model_settings(self.settings.model).calibration == "fitted"
        if not asked or encoder.graph is not None:
            return encoder
        if previous is not None and previous.graph is not None:
            kept = encoder.with_graph(previous.graph)
            if kept.digest == previous.model_digest:
                return kept
        from embfeast.encoding.backends.calibration import fitted_graph

        model = resolve(encoder.settings)
        return encoder.with_graph(fitted_graph(model, texts, self.settings.random_state))

    def _repr_html_(self) -> str:
        return recipe_html(self.settings, "not fitted", {})

    def __repr__(self) -> str:
        return f"Recipe({self.settings.name!r}, tricks={list(self.settings.tricks)})"


def _entities_of(
    entities: Mapping[str, Any] | None, rows: pd.DataFrame, count: int
) -> dict[str, Any] | None:
    """Return the entities of the rows that are read."""
    if entities is None:
        return None
    for name, column in entities.items():
        if len(column) != count:
            raise EmbfeastError(f"there are {len(column)} entities {name!r} for {count} texts")
    listed = {name: list(column) for name, column in entities.items()}
    return {name: [column[i] for i in rows.index] for name, column in listed.items()}


def _check_model(encoder: Encoder, model: str | ModelSettings) -> None:
    asked, given = model_settings(model), encoder.settings
    # Not by their digests, for which a model in eight bits would be calibrated.
    if (asked.changes(), resolve(asked).files) != (given.changes(), resolve(given).files):
        raise EmbfeastError(
            f"the encoder's model {encoder.settings!r} is not the recipe's {model!r}; "
            "give Encoder(recipe.settings.model, ...)"
        )

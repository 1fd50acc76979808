"""The recipe: settings that can be fitted to texts."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.recipe.fitted import FitRecord, FittedRecipe, is_missing
from embfeast.recipe.pairs import training_pairs
from embfeast.recipe.settings import PLAIN, SHARED, TRICKS, RecipeSettings, TrickSettings, parse


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

    def fit(
        self,
        texts: Sequence[str | None],
        *,
        timestamps: Any = None,
        created_timestamps: Any = None,
        as_of: datetime | str | None = None,
        pairs: Sequence[tuple[int, int]] | None = None,
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
        encoder : Encoder, optional
            One with a cache, say. Its model must be the recipe's.
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
        rows = _eligible(texts, timestamps, created_timestamps, as_of)
        rows = _draw(rows, self.settings.fit_rows, self.settings.random_state)
        encoder = encoder or Encoder(self.settings.model)
        _check_model(encoder, self.settings.model)
        kept = [str(texts[i]) for i in rows.index]
        poolings = _poolings(self.settings)
        blocks = encoder.encode_pooled(kept, poolings, progress=progress)
        partners = _kept_pairs(pairs, rows)
        fitted = self._fit_tricks(kept, blocks, partners)
        record = FitRecord(
            as_of=_iso(pd.Timestamp(as_of)) if as_of is not None else None,
            rows=len(rows),
            missing=sum(map(is_missing, texts)),
            first_event=_iso(rows["event"].min()),
            last_event=_iso(rows["event"].max()),
            rows_digest=_rows_digest(kept, rows),
        )
        return FittedRecipe(self.settings, fitted, record, encoder.digest, encoder)

    def _fit_tricks(
        self,
        texts: list[str],
        blocks: dict[str, NDArray[np.float32]],
        pairs: list[tuple[int, int]] | None,
    ) -> dict[str, Any]:
        outputs = {PLAIN: blocks["sentence"]}
        fitted: dict[str, Any] = {}
        for name, entry in self.settings.tricks.items():
            if entry.trick == PLAIN:
                outputs[name] = outputs[entry.input]
                continue
            trick = make_trick(entry, self.settings)
            try:
                if entry.trick == "token_pooler":
                    trick.fit(texts)
                    outputs[name] = trick.join(blocks)
                elif entry.trick == "pair_interaction":
                    left, right = training_pairs(
                        outputs[entry.input], pairs, self.settings.random_state
                    )
                    trick.fit(np.hstack([left, right]))
                else:
                    trick.fit(outputs[entry.input])
                    outputs[name] = trick.transform(outputs[entry.input])
            except (ValueError, TypeError) as error:
                raise EmbfeastError(f"recipe entry {name!r} ({entry.trick}): {error}") from error
            fitted[name] = trick
        return fitted

    def __repr__(self) -> str:
        return f"Recipe({self.settings.name!r}, tricks={list(self.settings.tricks)})"


def make_trick(entry: TrickSettings, recipe: RecipeSettings) -> Any:
    """Return the unfitted transformer of an entry, with the recipe's own model and seed."""
    kind = TRICKS[entry.trick]
    shared = {name: getattr(recipe, name) for name in SHARED}
    known = kind().get_params()
    return kind(**entry.settings, **{k: v for k, v in shared.items() if k in known})


def _poolings(settings: RecipeSettings) -> list[str]:
    needed = {"sentence"}
    for entry in settings.tricks.values():
        if entry.trick == "token_pooler":
            needed |= set(make_trick(entry, settings).pooling)
    return sorted(needed)


def _eligible(
    texts: Sequence[str | None], timestamps: Any, created: Any, as_of: datetime | str | None
) -> pd.DataFrame:
    """Return the times of the rows that may be read, in an order of their own content."""
    if isinstance(texts, str):
        raise EmbfeastError("fit takes a list of texts, got one string")
    rows = pd.DataFrame(index=pd.RangeIndex(len(texts)))
    rows["event"] = _times("timestamps", timestamps, len(texts))
    rows["created"] = _times("created_timestamps", created, len(texts))
    keep = ~np.fromiter(map(is_missing, texts), dtype=bool, count=len(texts))
    if as_of is not None:
        if timestamps is None:
            raise EmbfeastError(
                "as_of needs timestamps: without them no row is known to be earlier"
            )
        bound = _utc(as_of)
        keep &= (rows["event"] < bound).to_numpy()
        if created is not None:
            keep &= (rows["created"] < bound).to_numpy()
    if not keep.any():
        known = f" before {_iso(_utc(as_of))}" if as_of is not None else ""
        raise EmbfeastError(f"no text to fit on: {len(texts)} rows, none with a text{known}")
    rows = rows[keep]
    rows["sha"] = [
        hashlib.sha256(str(texts[i]).encode(errors="surrogatepass")).hexdigest() for i in rows.index
    ]
    return rows.sort_values(["event", "created", "sha"], kind="stable")


def _draw(rows: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    if len(rows) <= most:
        return rows
    drawn = np.random.default_rng(seed).choice(len(rows), size=most, replace=False)
    return rows.iloc[np.sort(drawn)]


def _times(name: str, values: Any, count: int) -> pd.Series:
    if values is None:
        return pd.Series(pd.NaT, index=pd.RangeIndex(count)).dt.tz_localize("UTC")
    times = pd.Series(pd.to_datetime(pd.Series(list(values)), utc=True))
    if len(times) != count:
        raise EmbfeastError(f"{name} has {len(times)} values for {count} texts")
    return times.reset_index(drop=True)


def _utc(moment: datetime | str) -> pd.Timestamp:
    stamp = pd.Timestamp(moment)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def _iso(moment: Any) -> str | None:
    return None if pd.isna(moment) else _utc(moment).isoformat()


def _rows_digest(texts: list[str], rows: pd.DataFrame) -> str:
    total = hashlib.sha256()
    for sha, event, created in zip(rows["sha"], rows["event"], rows["created"], strict=True):
        total.update(f"{sha} {_iso(event)} {_iso(created)}\n".encode())
    return total.hexdigest()


def _kept_pairs(
    pairs: Sequence[tuple[int, int]] | None, rows: pd.DataFrame
) -> list[tuple[int, int]] | None:
    """Return given pairs as positions among the rows read, without those that are not read."""
    if pairs is None:
        return None
    position = {row: i for i, row in enumerate(rows.index)}
    kept = [(position[a], position[b]) for a, b in pairs if a in position and b in position]
    return sorted(kept)


def _check_model(encoder: Encoder, model: str) -> None:
    if encoder.digest != Encoder(model).digest:
        raise EmbfeastError(
            f"the encoder's model {encoder.model!r} is not the recipe's {model!r}; "
            "give Encoder(recipe.settings.model, ...)"
        )

"""Fit a recipe on the texts of a source."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.plugin.compute import joined_texts
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe, Recipe


def fit_on_source(
    recipe: Recipe,
    source: DuckDBSource,
    repo: Path,
    keys: Sequence[str],
    *,
    as_of: datetime | None = None,
    share: float = 0.8,
    labels: pd.DataFrame | None = None,
    previous: FittedRecipe | None = None,
    encoder: Encoder | None = None,
    progress: Callable[[int], Any] | None = None,
) -> FittedRecipe:
    """Fit a recipe on a source's texts before a point in time.

    Parameters
    ----------
    recipe : Recipe
    source : DuckDBSource
    repo : Path
        The feature repository, to which the source's path is relative.
    keys : sequence of str
        The source's key columns.
    as_of : datetime, optional
        Only rows with event and created time before it are read; by default the moment before
        which a `share` of the rows lies.
    share : float, default 0.8
        Used without `as_of`.
    labels : DataFrame, optional
        For a trick that selects features by them: the key columns, ``label``, and, where a label
        was known later than its text, ``known_at``. Labels known at or after `as_of` are not read.
    previous : FittedRecipe, optional
        An earlier fit: clusters that are still there keep their numbers.
    encoder : Encoder, optional
        One with a cache, say.
    progress : callable, optional
        Called with the number of texts encoded since the last call.

    Returns
    -------
    FittedRecipe

    Raises
    ------
    EmbfeastError
        The source cannot be read, has no text before `as_of`, or labels do not fit.
    """
    source.check(repo, list(keys))
    chunks = [pa.table(c) for c in source.read_texts(repo, keys=list(keys), end=as_of)]
    if not chunks:
        raise EmbfeastError(
            f"source {source.name!r} has no rows{_before(as_of)}; nothing to fit on"
        )
    rows = pa.concat_tables(chunks)
    events = rows[source.timestamp_field]
    if as_of is None:
        as_of = events[int(share * (len(events) - 1))].as_py()  # rows come in order of time
    created = source.created_timestamp_column
    known = _labels_of(rows, labels, keys) if labels is not None else None
    return recipe.fit(
        joined_texts(rows, source.text_columns),
        timestamps=events.to_pandas(),
        created_timestamps=rows[created].to_pandas() if created else None,
        as_of=as_of,
        labels=known["label"] if known is not None else None,
        label_timestamps=known.get("known_at") if known is not None else None,
        previous=previous,
        encoder=encoder,
        progress=progress,
    )


def _labels_of(rows: pa.Table, labels: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the label of each text's key, and when it was known."""
    needed = [*keys, "label"]
    if lacking := [name for name in needed if name not in labels]:
        raise EmbfeastError(f"labels lack {', '.join(lacking)}; they have {', '.join(labels)}")
    if twice := int(labels.duplicated(list(keys)).sum()):
        raise EmbfeastError(f"labels have {twice} keys twice; keep one label a key")
    wanted = [*needed, *(["known_at"] if "known_at" in labels else [])]
    texts = rows.select(list(keys)).to_pandas()
    return texts.merge(labels[wanted], on=list(keys), how="left", sort=False)


def _before(as_of: datetime | None) -> str:
    return f" before {as_of.isoformat()}" if as_of else ""

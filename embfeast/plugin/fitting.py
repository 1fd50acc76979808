"""Fit a recipe on the texts of a source."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast.repo_config import RepoConfig

from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.errors import EmbfeastError
from embfeast.plugin.compute import joined_texts
from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.labelled import check_labels, keys_of, own_labels, read_labels
from embfeast.plugin.repository import text_source
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe, Recipe
from embfeast.recipe.versions import load_current, save_version


def fit_repository(
    config: RepoConfig,
    recipe: Recipe,
    *,
    source: str | None = None,
    as_of: datetime | None = None,
    labels: Path | None = None,
    keep_clusters: bool = False,
    progress: Callable[[int, int], Any] | None = None,
) -> FittedRecipe:
    """Fit a recipe on a feature repository's texts, save it, and make it current.

    Parameters
    ----------
    config : RepoConfig
        Of the repository; its `batch_engine` says where recipes and embeddings are kept.
    recipe : Recipe
    source : str, optional
        Name of the text source; the repository's only one by default.
    as_of : datetime, optional
        As in `fit_on_source`.
    labels : Path, optional
        A file of labels (see `embfeast.plugin.labelled.read_labels`). Without it the source's own
        `label_column` is read where the recipe selects by labels, and nothing where it does not.
    keep_clusters : bool, default False
        Clusters of the current recipe that are still there keep their numbers.
    progress : callable, optional
        Called with the texts encoded so far, and with how many there are at most.

    Returns
    -------
    FittedRecipe

    Raises
    ------
    EmbfeastError
        There is no such source, it names no keys, or the fit fails: the message says why.
    """
    repo = Path(config.repo_path or Path.cwd())
    texts = text_source(repo, source)
    keys = keys_of(texts)
    known = read_labels(labels, keys) if labels is not None else None
    if known is None and recipe.needs_labels:
        known = own_labels(texts, repo)
    recipes = in_repo(config, engine_config(config).recipes)
    rows = texts.count(repo, end=as_of)
    fitted = fit_on_source(
        recipe,
        texts,
        repo,
        keys,
        as_of=as_of,
        labels=known,
        previous=load_current(recipes) if keep_clusters else None,
        encoder=caching_encoder(config, recipe.settings.model),
        progress=progress and _counting(progress, min(rows, recipe.settings.fit_rows)),
    )
    save_version(recipes, fitted)
    return fitted


def caching_encoder(config: RepoConfig, model: str) -> Encoder:
    """Return an encoder that keeps embeddings where the repository's engine keeps them."""
    folder = engine_config(config).cache
    return Encoder(model, cache=EmbeddingCache(in_repo(config, folder)) if folder else None)


def _counting(progress: Callable[[int, int], Any], most: int) -> Callable[[int], Any]:
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress(done, most)

    return advance


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
    check_labels(labels, keys)
    wanted = [*keys, "label", *(["known_at"] if "known_at" in labels else [])]
    # Keys meet as text: a file's reader may take a number for what the table keeps as text.
    as_text = dict.fromkeys(keys, str)
    texts = rows.select(list(keys)).to_pandas().astype(as_text)
    return texts.merge(labels[wanted].astype(as_text), on=list(keys), how="left", sort=False)


def _before(as_of: datetime | None) -> str:
    return f" before {as_of.isoformat()}" if as_of else ""

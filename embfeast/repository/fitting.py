"""Fit a recipe on the texts of a source."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureStore

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.plugin.source import DuckDBSource
from embfeast.recipe import FittedRecipe, Recipe
from embfeast.recipe.versions import load_current, save_version
from embfeast.repository.label_views import labels_given
from embfeast.repository.labels import check_labels, keys_of, own_labels
from embfeast.repository.repository import Repository
from embfeast.texts.opened import Columns, OpenedTexts, joined_texts

# A cutoff that leaves so much less than the share before it is as good.
NEAR = 0.05


def fit_repository(
    store: FeatureStore | Repository,
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
    store : FeatureStore or Repository
        Its `batch_engine` says where recipes and embeddings are kept; nothing need be applied.
    recipe : Recipe
    source : str, optional
        Name of the text source; the repository's only one by default.
    as_of : datetime, optional
        As in `fit_on_source`.
    labels : Path, optional
        A file of labels (see `embfeast.repository.labels.read_labels`), or ``view:column`` of an
        applied `feast.labeling.LabelView`. Without it the source's own
        `label_column` is read where the recipe learns from labels, and nothing where it does not.
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
    repository = Repository.of(store)
    settings = repository.settings
    declared = repository.source(source)
    keys = keys_of(declared)
    known = labels_given(repository, labels, source, as_of) if labels is not None else None
    previous = load_current(settings.recipes) if keep_clusters else None
    with declared.open(repository.folder, keys, recipe.settings.entity_columns) as texts:
        most = min(texts.count(end=as_of), recipe.settings.fit_rows)
        rows, known = _read(texts, declared, recipe, known, as_of)
    fitted = _fit(
        recipe,
        rows,
        texts.columns,
        as_of=as_of,
        labels=known,
        previous=previous,
        encoder=settings.encoder(recipe.settings.model),
        progress=progress and _counting(progress, most),
    )
    save_version(settings.recipes, fitted)
    return fitted


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
    repo: Path | str,
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
    repo : Path or str
        The feature repository, to which the source's path is relative.
    keys : sequence of str
        The source's key columns.
    as_of : datetime, optional
        Only rows with event and created time before it are read; by default the moment before
        which nearest to a `share` of the rows lies (all, where they are of one moment).
    share : float, default 0.8
        Used without `as_of`.
    labels : DataFrame, optional
        For a trick that learns from them: the key columns, ``label``, and, where a label
        was known later than its text, ``known_at``. Labels known at or after `as_of` are not read.
        By default those of the source's `label_column`.
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
    with source.open(repo, keys, recipe.settings.entity_columns) as texts:
        rows, labels = _read(texts, source, recipe, labels, as_of)
    return _fit(
        recipe,
        rows,
        texts.columns,
        as_of=as_of,
        share=share,
        labels=labels,
        previous=previous,
        encoder=encoder,
        progress=progress,
    )


def _read(
    texts: OpenedTexts,
    source: DuckDBSource,
    recipe: Recipe,
    labels: pd.DataFrame | None,
    as_of: datetime | None,
) -> tuple[pa.Table, pd.DataFrame | None]:
    """Read rows, and the source's own labels where a recipe needs some and none were given.

    The database is closed again before the fit, which takes long.
    """
    rows = _rows(texts, as_of)
    if labels is None and recipe.needs_labels:
        labels = own_labels(texts, source.label_column, source.label_known_column)
    return rows, labels


def _rows(texts: OpenedTexts, as_of: datetime | None) -> pa.Table:
    texts.check_rows()
    if not (chunks := list(texts.read(end=as_of))):
        before = f" before {as_of.isoformat()}" if as_of else ""
        raise EmbfeastError(f"{texts.name} has no rows{before}", "nothing to fit on")
    return pa.concat_tables(chunks)


def _fit(
    recipe: Recipe,
    rows: pa.Table,
    columns: Columns,
    *,
    as_of: datetime | None,
    labels: pd.DataFrame | None,
    share: float = 0.8,
    **options: Any,
) -> FittedRecipe:
    events = rows[columns.event]
    if as_of is None:
        as_of = _cutoff(events, share)
    known = _labels_of(rows, labels, columns.keys) if labels is not None else None
    return recipe.fit(
        joined_texts(rows, columns.texts),
        timestamps=events.to_pandas(),
        created_timestamps=rows[columns.created].to_pandas() if columns.created else None,
        as_of=as_of,
        labels=known["label"] if known is not None else None,
        label_timestamps=known.get("known_at") if known is not None else None,
        keys=rows.select(list(columns.keys)),
        entities={name: rows[name].to_pylist() for name in columns.entities} or None,
        **options,
    )


def _cutoff(events: Any, share: float) -> datetime:
    """Return the moment before which a share of the rows lies, which come in order of time."""
    reached = events[int(share * (len(events) - 1))]
    later = events.filter(pc.greater(events, reached))
    earlier = len(events.filter(pc.less(events, reached)))
    following = later[0].as_py() if len(later) else None
    upto = len(events) - len(later)
    return nearest_cutoff(reached.as_py(), following, earlier, upto, len(events), share)


def nearest_cutoff(
    reached: datetime, following: datetime | None, earlier: int, upto: int, rows: int, share: float
) -> datetime:
    """Return the cutoff that leaves nearest to a share of the rows before it.

    Many rows may have the time `reached`, whole days say: `earlier` rows lie before it, `upto` up
    to it, and the next row is at `following`.
    """
    enough = min(int(share * (rows - 1)), (share - NEAR) * rows)
    if earlier >= max(enough, 1) or share * rows - earlier <= upto - share * rows:
        return reached
    return following or reached.replace(microsecond=0) + timedelta(seconds=1)


def _labels_of(rows: pa.Table, labels: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return the label of each text's key, and when it was known."""
    check_labels(labels, keys)
    wanted = [*keys, "label", *(["known_at"] if "known_at" in labels else [])]
    # Keys meet as text: a file's reader may take a number for what the table keeps as text.
    as_text = dict.fromkeys(keys, str)
    texts = rows.select(list(keys)).to_pandas().astype(as_text)
    return texts.merge(labels[wanted].astype(as_text), on=list(keys), how="left", sort=False)

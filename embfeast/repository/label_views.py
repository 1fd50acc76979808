"""Labels that people or programs write into Feast's label views, as `embfeast.repository` reads."""

from datetime import datetime
from pathlib import Path

import pandas as pd
from feast.errors import FeastObjectNotFoundException
from feast.labeling import LabelView, resolve_conflicts

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.plugin import feast_compat
from embfeast.repository.labels import check_labels, keys_of, read_labels
from embfeast.repository.repository import Repository


def labels_given(
    repository: Repository, given: Path, source: str | None = None, before: datetime | None = None
) -> pd.DataFrame:
    """Read labels from a file, or from an applied label view by ``view:column``.

    Of several labels of a key the view's conflict policy chooses; a label was known at its event
    time. With ``before``, later ones are not read.
    """
    keys = keys_of(repository.source(source))
    name, colon, column = str(given).partition(":")
    if not colon or given.exists():
        return read_labels(given, keys)
    view = _view(repository, name)
    if column not in (known := [field.name for field in view.features]):
        raise EmbfeastError(
            f"label view {name!r} has no column {column!r}{did_you_mean(column, known)}",
            f"it has {', '.join(known)}",
        )
    if (rows := view.batch_source) is None:
        raise EmbfeastError(f"label view {name!r} has no source whose rows could be read")
    event, told_by = rows.timestamp_field, view.labeler_field
    read = [column, *([told_by] if told_by in known and told_by != column else [])]
    job = feast_compat.offline_store(repository.store).pull_all_from_table_or_query(
        repository.store.config, rows, view.join_keys, read, event, None, None, before
    )
    written = job.to_df().dropna(subset=[column])
    if before is not None:  # Feast's own bound takes the moment itself too
        written = written[pd.to_datetime(written[event], utc=True) < before]
    try:
        found = resolve_conflicts(
            written, view.join_keys, [column], event, told_by, view.conflict_policy
        )
    except ValueError as error:
        raise EmbfeastError(f"label view {name!r}: {error}") from error
    labels: pd.DataFrame = found.rename(columns={column: "label", event: "known_at"})
    check_labels(labels, keys)
    return labels


def _view(repository: Repository, name: str) -> LabelView:
    try:
        return repository.store.get_label_view(name)
    except FeastObjectNotFoundException as error:
        known = [view.name for view in repository.store.list_label_views()]
        raise EmbfeastError(
            f"there is no file and no applied label view {name!r}{did_you_mean(name, known)}",
            f"applied are {', '.join(known) or '(none)'}; run `feast apply` after a new one",
        ) from error

"""What the bodies of HTTP requests may say, checked before Feast reads them.

Feast's server checks little of a body itself. What is wrong with one would show as an error from
anywhere inside, which could as well be our own fault.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd
from feast import FeatureStore, FeatureView, OnDemandFeatureView
from feast.errors import FeatureViewNotFoundException
from feast.type_map import python_values_to_proto_values
from feast.types import UnixTimestamp, from_feast_to_pyarrow_type

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.moments import exact_moments
from embfeast.plugin.online.request import check_references, given_key

PUSHED_TO = ("online", "offline", "online_and_offline")


def check_lookup(store: FeatureStore, body: dict[str, Any]) -> None:
    """Check a body of /get-online-features; rows and names are checked by the lookup itself."""
    if body["feature_service"] and body["features"]:
        raise EmbfeastError("request: give features or feature_service, not both")


def check_push(store: FeatureStore, body: dict[str, Any]) -> None:
    """Check a body of /push."""
    columns = _columns("push", body["df"])
    to, name = body["to"], body["push_source_name"]
    if to not in PUSHED_TO:
        raise EmbfeastError(f"push: to is {to!r:.60}", f"give one of {', '.join(PUSHED_TO)}")
    for view in store.list_feature_views(allow_cache=True):
        if view.stream_source is None or view.stream_source.name != name:
            continue
        if to != "offline":
            _check_features(f"push to {name!r}", view, columns)
        if to != "online" and view.batch_source is not None:
            source = view.batch_source.get_table_column_names_and_types(store.config)
            wanted = {column for column, _ in source}
            if wanted != set(columns):
                raise EmbfeastError(
                    f"push to {name!r}: the rows have {', '.join(columns)}",
                    f"give offline pushes just the source's columns: {', '.join(sorted(wanted))}",
                )


def check_write(store: FeatureStore, body: dict[str, Any]) -> None:
    """Check a body of /write-to-online-store."""
    columns = _columns("write", body["df"])
    name = body["feature_view_name"]
    try:
        view = store.registry.get_any_feature_view(name, store.project, allow_cache=True)
    except FeatureViewNotFoundException:
        return  # Feast says so itself
    if isinstance(view, OnDemandFeatureView):
        if not view.write_to_online_store:
            raise EmbfeastError(f"write: view {name!r} is computed at each lookup and not stored")
        return
    if not isinstance(view, FeatureView):
        return
    _check_features(f"write to {name!r}", view, columns)
    _check_rows(f"write to {name!r}", view, columns)


def check_search(store: FeatureStore, body: dict[str, Any]) -> None:
    """Check a body of /search and /retrieve-online-documents."""
    asked, query, most = body["features"], body["query"], body["top_k"]
    if body["feature_service"] or not asked:
        raise EmbfeastError("search: give `features`, of one view; no feature service")
    views = check_references(asked, store.registry, store.project)
    if len(views) != 1:
        raise EmbfeastError(f"search: the features are of {len(views)} views; ask one")
    if body["api_version"] not in (1, 2):
        raise EmbfeastError(f"search: api_version is {body['api_version']!r:.60}; give 1 or 2")
    if most is None or most < 1:
        raise EmbfeastError(f"search: top_k is {most!r:.60}; give 1 or more")
    if query is None and (body["api_version"] != 2 or not body["query_string"]):
        raise EmbfeastError("search: there is no query; give a vector")
    widths = {f.vector_length for f in views[0].features if f.vector_index}
    if query is not None and len(query) not in widths:
        said = f"the vectors of {views[0].name!r} have {max(widths, default=0)}"
        raise EmbfeastError(f"search: the query has {len(query)} numbers; {said}")
    if not getattr(store.config.online_store, "vector_enabled", False):
        raise EmbfeastError(
            "search: the online store does not search vectors",
            "set vector_enabled in feature_store.yaml where the store can, or use `embfeast "
            "similar`",
        )


CHECKS: dict[str, Callable[[FeatureStore, dict[str, Any]], None]] = {
    "/get-online-features": check_lookup,
    "/push": check_push,
    "/write-to-online-store": check_write,
    "/search": check_search,
    "/retrieve-online-documents": check_search,
}


def _columns(where: str, given: dict[str, Any]) -> dict[str, list[Any]]:
    """Return a frame's columns, which are all lists or all mappings from the same row labels."""
    for name, column in given.items():
        if not isinstance(column, list | dict):
            raise EmbfeastError(
                f"{where}: column {name!r} is a {type(column).__name__}", "give a list"
            )
    labels = {
        name: list(column) if isinstance(column, dict) else list(range(len(column)))
        for name, column in given.items()
    }
    if len({tuple(rows) for rows in labels.values()}) > 1:
        said = ", ".join(f"{name!r} {len(rows)}" for name, rows in labels.items())
        raise EmbfeastError(
            f"{where}: its columns are not of the same length, or not of the same rows ({said})",
            "give each row a value of every column",
        )
    if not given or not any(labels.values()):
        raise EmbfeastError(f"{where}: there are no rows")
    return {
        name: list(column.values()) if isinstance(column, dict) else column
        for name, column in given.items()
    }


def _check_features(where: str, view: FeatureView, columns: dict[str, list[Any]]) -> None:
    """Refuse rows without a feature, and those whose features are all null: Feast drops them."""
    names = [field.name for field in view.features]
    for name in names:
        if name not in columns:
            hint = did_you_mean(name, columns)
            raise EmbfeastError(f"{where}: the rows lack {name!r}{hint}; they need {names}")
    if names and all(value is None for name in names for value in columns[name]):
        raise EmbfeastError(
            f"{where}: all of {', '.join(names)} are null, which Feast's push leaves out",
            "write such rows into the source and materialize",
        )


def _check_rows(where: str, view: FeatureView, columns: dict[str, list[Any]]) -> None:
    """Check a plain view's keys, times and features one by one."""
    source = view.stream_source or view.batch_source
    times = [source.timestamp_field, source.created_timestamp_column] if source else []
    keys = [field.name for field in view.entity_columns]
    if lacking := [name for name in [*keys, *filter(None, times)] if name not in columns]:
        raise EmbfeastError(f"{where}: the rows lack {', '.join(lacking)}")
    for name in filter(None, times):
        try:
            moments = exact_moments(pd.Series(columns[name], dtype=object))
        except EmbfeastError as error:
            raise EmbfeastError(f"{where}: {name!r}: {error}") from error
        if moments.null_count and name == times[0]:
            row = moments.is_null().index(True).as_py()
            raise EmbfeastError(f"{where}: row {row} has no {name!r}; give it one")
    for field in view.entity_columns:
        for row, value in enumerate(columns[field.name]):
            if field.dtype != UnixTimestamp:
                kind = from_feast_to_pyarrow_type(field.dtype)
                given_key(value, kind, f"{where}: {field.name!r} of row {row}")
    for field in view.features:
        width = int(field.tags.get("width", 0)) or field.vector_length
        for row, value in enumerate(columns[field.name]):
            said = f"{where}: {field.name!r} of row {row}"
            if width and (not isinstance(value, list) or len(value) != width):
                raise EmbfeastError(f"{said} is no list of {width} numbers")
            try:
                python_values_to_proto_values([value], field.dtype.to_value_type())
            except (TypeError, ValueError, OverflowError) as error:
                raise EmbfeastError(f"{said}: {error}", f"give {field.dtype}") from error

"""What a lookup may be given: whole rows, with keys of their views' kinds."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from feast.protos.feast.types.Value_pb2 import Value

from embfeast.errors import EmbfeastError, did_you_mean
from embfeast.plugin.live import TEXT, check_text
from embfeast.plugin.online.asked import Asked, asked
from embfeast.tables.keys import UnknownKeyError, exact_key, named_kind

Columns = dict[str, Any]


class UnknownFeatureError(EmbfeastError, KeyError):
    """A feature that its view has not: Feast raises KeyError, which its users catch."""


def checked_columns(
    rows: Any, features: Any, registry: Any, project: str, *, longest_text: int
) -> Columns:
    """Return a lookup's rows as columns, each key as its view has it.

    Parameters
    ----------
    rows : sequence of mapping, or mapping of columns
        As Feast takes them.
    features : FeatureService or list of str
        What is asked for.
    registry, project
        Of the store.
    longest_text : int
        Most characters of a text.

    Raises
    ------
    EmbfeastError
        There are no rows, a row lacks what others have, a key is missing, null, or cannot be equal
        to any stored one: the message names the row and the column.
    """
    columns = dict(rows) if isinstance(rows, Mapping) else _by_column(rows)
    wanted = _asked(features, registry, project)
    needed, told, read = wanted.keys, wanted.told, wanted.read
    if not columns or not any(len(_values(column)) for column in columns.values()):
        names = ", ".join(map(repr, needed)) or f"keys, or {TEXT!r}"
        raise EmbfeastError("the request has no rows", mend=f"give entities: {names}")
    lengths = {name: len(_values(column)) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name!r} {count}" for name, count in lengths.items())
        raise EmbfeastError(
            f"request: its columns have different numbers of values ({said})",
            mend="give each row a value of every column",
        )
    if lacking := [name for name in [*needed, *told] if name not in columns]:
        kind = "key" if lacking[0] in needed else "column"
        raise EmbfeastError(
            f"request: it lacks the {kind} {', '.join(map(repr, lacking))}",
            mend=f"give it beside {', '.join(map(repr, columns))}",
        )
    checked = {
        name: _checked(name, column, needed.get(name), longest_text)
        for name, column in columns.items()
    }
    # Feast ignores others, but for values that it cannot convert, and takes an entity's name for
    # its key.
    return {name: column for name, column in checked.items() if name in read}


def _by_column(rows: Sequence[Mapping[str, Any]]) -> Columns:
    names = list(dict.fromkeys(name for row in rows for name in row))
    for number, row in enumerate(rows):
        if lacking := [name for name in names if name not in row]:
            raise EmbfeastError(
                f"request: row {number} lacks {', '.join(map(repr, lacking))}",
                mend="give every row the same columns",
            )
    return {name: [row[name] for row in rows] for name in names}


def _values(column: Any) -> Any:
    """Return the values of a column, also of one in protobuf."""
    return getattr(column, "val", column)


def _asked(features: Any, registry: Any, project: str) -> Asked:
    try:
        return asked(features, registry, project)
    except (KeyError, ValueError):
        if not hasattr(features, "feature_view_projections"):
            check_references(features, registry, project)
        raise


def check_references(references: Any, registry: Any, project: str) -> list[Any]:
    """Return the views of references ``view:feature``; EmbfeastError names one that is wrong."""
    if not isinstance(references, Sequence) or isinstance(references, str) or not references:
        raise EmbfeastError("request: it asks for no features", "give features or feature_service")
    views: dict[str, Any] = {}
    for reference in references:
        view, colon, feature = str(reference).partition(":")
        if not isinstance(reference, str) or not colon or not view or not _is_unicode(reference):
            raise EmbfeastError(f"request: feature {reference!r:.60}", "give 'view:feature'")
        if "@" in view:
            raise EmbfeastError(
                f"request: feature {reference!r:.60} names a version of its view",
                f"give '{view.partition('@')[0]}:{feature}'",
            )
        if view not in views:
            views[view] = registry.get_any_feature_view(view, project, allow_cache=True)
        known = [field.name for field in views[view].features]
        if feature not in known:
            raise UnknownFeatureError(
                f"request: view {view!r} has no feature {feature!r:.60}"
                f"{did_you_mean(feature, known)}"
            )
    return list(views.values())


def _checked(name: str, column: Any, kind: pa.DataType | None, longest_text: int) -> Any:
    if not isinstance(column, Sequence) or isinstance(column, str | bytes):
        return column  # protobuf, which has its types already
    made = []
    for number, value in enumerate(column):
        where = f"request: {name!r} of row {number}"
        if name == TEXT:
            check_text(value, longest_text, where)
            # Lone surrogates, which JSON can hold and protobuf cannot: as the encoder reads them.
            value = value and value.encode(errors="replace").decode()
        elif isinstance(value, dict | list | tuple):
            raise EmbfeastError(f"{where} is a {type(value).__name__}", mend="give one value")
        made.append(value if kind is None else given_key(value, kind, where))
    return made


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can hold
        return False
    return True


def given_key(value: Any, kind: pa.DataType, where: str) -> Any:
    """Return one value as a key of a kind; EmbfeastError, with `where`, if it cannot be one."""
    if isinstance(value, Value):
        return value
    try:
        key = exact_key(value, kind)
    except UnknownKeyError:
        raise EmbfeastError(
            f"{where} is {value!r:.60}, which no key can be", mend=f"give {named_kind(kind)}"
        ) from None
    except TypeError as error:
        raise EmbfeastError(f"{where}: {error}") from None
    if key is None:
        raise EmbfeastError(f"{where} is null", mend="give it a value, or leave the row out")
    return key

"""What a lookup's features ask for: found out once, and kept while Feast keeps its own answer."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from feast.feature_view import DUMMY_ENTITY_ID
from feast.types import Invalid, UnixTimestamp, from_feast_to_pyarrow_type

from embfeast.errors import EmbfeastError
from embfeast.plugin.feast_compat import request_context
from embfeast.plugin.feature_table import DIGEST_TAG

MOST_KEPT = 256
# By the identity of Feast's answer, which Feast gives again until its registry is read anew.
_kept: dict[int, tuple[Any, "Asked"]] = {}


@dataclass(frozen=True)
class Asked:
    """What a lookup has to be given, and which columns of its answer say who made them.

    Attributes
    ----------
    keys : dict
        The kind of each key that must be given; None where Feast types it by itself.
    told : list of str
        Other columns, which on-demand views read.
    read : set of str
        All columns that Feast reads.
    made_by : dict
        By digest column, as the answer may call it: the view, and the digest that was applied.
    """

    keys: dict[str, pa.DataType | None]
    told: list[str]
    read: set[str]
    made_by: dict[str, tuple[str, str]]


def asked(features: Any, registry: Any, project: str) -> Asked:
    """Return what features of a service, or references to them, ask for.

    Raises
    ------
    EmbfeastError
        A view of them is not served online.
    KeyError, ValueError
        Feast's own, for what is not there.
    """
    context = request_context(registry, project, features)
    known = _kept.get(id(context))
    if known is not None and known[0] is context:
        return known[1]
    views, told, read = [view for view, _ in context[5]], sorted(context[7]), context[4]
    keys = _keys(views)
    found = Asked(keys, told, {*keys, *told, *read}, _made_by([*views, *context[1]]))
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[id(context)] = (context, found)
    return found


def _keys(views: list[Any]) -> dict[str, pa.DataType | None]:
    keys: dict[str, pa.DataType | None] = {}
    for view in views:
        if not getattr(view, "online", True):
            raise EmbfeastError(f"request: view {view.name!r} is not served online")
        for column in view.entity_columns:
            key = view.projection.join_key_map.get(column.name, column.name)
            typed = column.dtype not in (Invalid, UnixTimestamp)
            if column.name != DUMMY_ENTITY_ID:
                keys[key] = from_feast_to_pyarrow_type(column.dtype) if typed else None
    return keys


def _made_by(views: list[Any]) -> dict[str, tuple[str, str]]:
    expected = {}
    for view in views:
        # What is computed of the request itself, the applied recipe makes.
        if DIGEST_TAG not in (view.tags or {}) or getattr(view, "source_request_sources", None):
            continue
        column = f"{view.name}_digest"
        # Several versions of a view can be asked for at once, by their full names.
        for name in (column, f"{view.projection.name_to_use()}__{column}"):
            expected[name] = (view.name, view.tags[DIGEST_TAG])
    return expected

"""Feature rows into Feast's DynamoDB online store, in bulk.

Feast's own write sends 25 items, waits for the answer, and sends the next ones. This one makes
items of whole columns, and several requests are on their way at a time.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig
from tenacity import RetryError, Retrying, retry_if_result, stop_after_attempt
from tenacity.wait import wait_random_exponential

from embfeast.errors import EmbfeastError
from embfeast.plugin import feast_compat
from embfeast.plugin.online.proto_rows import key_bytes
from embfeast.plugin.online.servers import online_server
from embfeast.plugin.online.value_bytes import value_bytes
from embfeast.plugin.online.writer import table_by_table
from embfeast.tables.columns import EVENT_TIME

Request = dict[str, Any]

# DynamoDB's own limits.
ITEMS_A_REQUEST = 25
LARGEST_ITEM = 400 * 1024  # bytes
REQUESTS_AT_ONCE = 8  # the client keeps ten connections
ROUNDS = 8  # of what a table without capacity left unwritten: about a minute
LONGEST_PAUSE = 16  # seconds


def can_write(config: RepoConfig) -> bool:
    """Tell that this store has one mode."""
    return True


def write(
    config: RepoConfig, store: Any, view: FeatureView, tables: Iterable[pa.Table], rows: int
) -> None:
    """Write feature rows in the place of what their keys had."""
    table_by_table(config, store, view, tables, partial(_write, config, store, view))


def erase(config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
    """Remove what keys have."""
    gone = map(_key, _ids(config, view, keys))
    _send(config, store, view, map(_delete, gone))


def empty(config: RepoConfig, store: Any, view: FeatureView) -> int:
    """Remove all rows of a view, which reads its keys: the table, which may be others', stays."""
    name = feast_compat.dynamodb_table(config, view)
    client = feast_compat.dynamodb_client(store, config)
    try:
        pages = client.get_paginator("scan").paginate(
            TableName=name, ProjectionExpression="entity_id", ConsistentRead=True
        )
        keys = [item for page in pages for item in page["Items"]]
    except client.exceptions.ResourceNotFoundException:
        return 0  # nothing was ever materialized
    _send(config, store, view, map(_delete, keys))
    return len(keys)


def _key(entity_id: str) -> dict[str, Any]:
    return {"entity_id": {"S": entity_id}}


def _ids(config: RepoConfig, view: FeatureView, table: pa.Table) -> list[str]:
    keys = key_bytes(table, view, config.entity_key_serialization_version)
    return list(map(feast_compat.dynamodb_key, keys))


def _write(config: RepoConfig, store: Any, view: FeatureView, table: pa.Table) -> None:
    names = [field.name for field in view.features]
    columns = [value_bytes(table[f.name], f.dtype.to_value_type()) for f in view.features]
    _check_sizes(view, table, names, columns)
    ids, moments = _ids(config, view, table), map(str, table[EVENT_TIME].to_pylist())
    rows = zip(ids, moments, zip(*columns, strict=True), strict=True)
    _send(config, store, view, (_put(*row, names) for row in rows))


def _put(entity_id: str, moment: str, cells: Iterable[bytes], names: list[str]) -> Request:
    """Return the request for an item as Feast makes it."""
    values = {name: {"B": cell} for name, cell in zip(names, cells, strict=True)}
    item = {**_key(entity_id), "event_ts": {"S": moment}, "values": {"M": values}}
    return {"PutRequest": {"Item": item}}


def _delete(key: dict[str, Any]) -> Request:
    return {"DeleteRequest": {"Key": key}}


def _check_sizes(
    view: FeatureView, table: pa.Table, names: list[str], columns: list[list[bytes]]
) -> None:
    """Refuse a row that DynamoDB would refuse, before any of its table is sent.

    Raises
    ------
    EmbfeastError
        Names the row's key and its size.
    """
    # As DynamoDB counts: names and values, and a byte for each of a map; here of the longest.
    around = 100 + sum(len(name.encode()) + 1 for name in names)
    for row, cells in enumerate(zip(*columns, strict=True)):
        if (size := around + sum(map(len, cells))) > LARGEST_ITEM:
            key = {f.name: table[f.name][row].as_py() for f in view.entity_columns}
            raise EmbfeastError(
                f"the row of {key} takes {size:,} bytes, and DynamoDB keeps {LARGEST_ITEM:,} at "
                "most; leave large columns out of the view, or set `online: false` for its entry "
                "in the recipe"
            )


def _send(config: RepoConfig, store: Any, view: FeatureView, requests: Iterable[Request]) -> None:
    """Put and delete items, several requests at a time."""
    client = feast_compat.dynamodb_client(store, config)
    name = feast_compat.dynamodb_table(config, view)
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        for _ in pool.map(partial(_send_some, config, client, name), _batches(requests)):
            pass


def _batches(requests: Iterable[Request]) -> Iterator[list[Request]]:
    ahead = iter(requests)
    while batch := list(islice(ahead, ITEMS_A_REQUEST)):
        yield batch


def _send_some(config: RepoConfig, client: Any, name: str, batch: list[Request]) -> None:
    """Send a request, and again what DynamoDB had no capacity for."""
    left = batch

    def send() -> int:
        nonlocal left
        answer = client.batch_write_item(RequestItems={name: left})
        left = answer["UnprocessedItems"].get(name, [])
        return len(left)

    try:
        Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_attempt(ROUNDS),
            wait=wait_random_exponential(max=LONGEST_PAUSE),
        )(send)
    except RetryError:
        raise EmbfeastError(
            f"{online_server(config)} has no capacity left for writes into table {name}; "
            "give the table more"
        ) from None

"""Texts from PostgreSQL into a DuckDB file, where `DuckDBSource` reads them."""

from collections.abc import Generator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict

from embfeast.errors import EmbfeastError, first_line
from embfeast.texts.database import quote

MOMENT = pa.timestamp("us", tz="UTC")
TYPES: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "text": pa.string(),
    "varchar": pa.string(),
    "bpchar": pa.string(),
    "name": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": MOMENT,
}


def copy_postgres(
    query: str,
    database: Path | str,
    table: str,
    *,
    connection: str = "",
    newer_by: str | None = None,
    overlap: timedelta = timedelta(0),
    batch_rows: int = 10_000,
) -> int:
    """Copy the rows of a PostgreSQL query into a table of a DuckDB file: all of them, or none.

    Parameters
    ----------
    query : str
        One SELECT. A server-side cursor reads it in a read-only transaction.
    database : Path
        DuckDB file; made if it is not there. While it is written nobody else can open it.
    table : str
        Made by the first copy. Without `newer_by` a later copy replaces its rows.
    connection : str, optional
        As libpq takes it; what it leaves out comes from ``PGHOST``, ``PGUSER``, ``PGPASSWORD``
        and the like.
    newer_by : str, optional
        Column of times or numbers that only grows, say when a row was known. A later copy
        replaces the rows from the newest one stored on.
    overlap : timedelta, optional
        Go back so far before the newest one: a transaction may show its rows later than they say.
    batch_rows : int, default 10,000
        Rows held in memory at a time.

    Returns
    -------
    int
        Rows copied.

    Raises
    ------
    EmbfeastError
        The server refuses, a column's type has no counterpart, or the file cannot be written.
    """
    path = Path(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with duckdb.connect(str(path)) as target:
            target.execute("SET TimeZone = 'UTC'")
            target.begin()
            since = _newest(target, table, newer_by, overlap)
            if since is None and _is_there(target, table):
                target.execute(f"DELETE FROM {quote(table)}")
            elif since is not None:
                target.execute(
                    f"DELETE FROM {quote(table)} WHERE {quote(str(newer_by))} >= $1",
                    [since],
                )
            with closing(_batches(query, connection, newer_by, since, batch_rows)) as batches:
                copied = sum(_insert(target, table, batch) for batch in batches)
            target.commit()
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        raise EmbfeastError(
            f"{_server(connection)}: {said}",
            f"look at `connection` and the PG variables of the environment. {path} is as it was",
        ) from error
    except duckdb.Error as error:
        found = f"table {table!r} of {path} cannot be written: {first_line(error)}"
        raise EmbfeastError(found) from error
    return copied


def _newest(
    target: duckdb.DuckDBPyConnection, table: str, newer_by: str | None, overlap: timedelta
) -> Any:
    if newer_by is None or not _is_there(target, table):
        return None
    newest = target.execute(f"SELECT max({quote(newer_by)}) FROM {quote(table)}").fetchall()[0][0]
    return newest - overlap if newest is not None and overlap else newest


def _is_there(target: duckdb.DuckDBPyConnection, table: str) -> bool:
    sql = "SELECT count(*) FROM duckdb_tables() WHERE table_name = $1"
    return bool(target.execute(sql, [table]).fetchall()[0][0])


def _insert(target: duckdb.DuckDBPyConnection, table: str, batch: pa.Table) -> int:
    target.register("embfeast_batch", batch)
    if not _is_there(target, table):
        target.execute(f"CREATE TABLE {quote(table)} AS FROM embfeast_batch LIMIT 0")
    target.execute(f"INSERT INTO {quote(table)} BY NAME FROM embfeast_batch")
    target.unregister("embfeast_batch")
    return int(batch.num_rows)


def _batches(
    query: str, connection: str, newer_by: str | None, since: Any, batch_rows: int
) -> Generator[pa.Table, None, None]:
    """Yield the rows in batches; an empty one too, which brings the columns."""
    rows = f"SELECT * FROM ({query.strip().rstrip(';')}) AS texts"
    if since is not None:
        rows += f" WHERE {quote(str(newer_by))} >= %s"
        # A literal % of the query is one to psycopg only where values are given.
        rows = rows.replace("%", "%%").replace(">= %%s", ">= %s")
    with psycopg.connect(connection) as source:
        source.read_only = True
        source.execute("SET LOCAL TimeZone = 'UTC'")
        with source.cursor("embfeast_texts") as cursor:
            cursor.execute(rows, [since] if since is not None else None)
            schema = _schema(cursor)
            while True:
                some = cursor.fetchmany(batch_rows)
                columns = zip(*some, strict=True) if some else [[] for _ in schema]
                yield pa.Table.from_arrays(
                    [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)],
                    schema=schema,
                )
                if len(some) < batch_rows:
                    return


def _schema(cursor: Any) -> pa.Schema:
    fields = []
    for column in cursor.description:
        known = psycopg.adapters.types.get(column.type_code)
        name = known.name if known else str(column.type_code)
        if name not in TYPES:
            raise EmbfeastError(
                f"column {column.name!r} is {name}",
                "cast it in the query, say "
                f"{column.name}::text (taken as they are: {', '.join(TYPES)})",
            )
        fields.append(pa.field(column.name, TYPES[name]))
    return pa.schema(fields)


def _server(connection: str) -> str:
    try:
        given = conninfo_to_dict(connection)
    except psycopg.Error:
        return "PostgreSQL (`connection` cannot be read)"
    place = "/".join(str(given[key]) for key in ("host", "port", "dbname") if given.get(key))
    return f"PostgreSQL {place}".strip()

"""A feature table at one version: a Delta table, its files listed once and read by row position."""

import weakref
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from embfeast import storage
from embfeast.errors import EmbfeastError, first_line
from embfeast.storage import open_to_read
from embfeast.tables.columns import OWN_COLUMNS
from embfeast.tables.files import (
    NAMED,
    cannot_write,
    is_readable,
    parquet_folder,
    scan_files,
    write_file,
)
from embfeast.tables.place import LOG, READ_ERRORS, Place
from embfeast.texts.database import connect_memory, let_read

# A file without rows, so that every reader finds the columns; upkeep and deletes leave it alone.
EMPTY = "0-columns.parquet"
# All commits name one application, so that of two at once the later one fails, looks again at what
# is there, and is tried anew: a row is never there twice.
APPLICATION = "embfeast"
CHECKPOINT = 20  # commits from one to the next
LOG_HOURS = 7 * 24
SETTINGS = {
    "delta.checkpointInterval": str(CHECKPOINT),
    "delta.logRetentionDuration": f"interval {LOG_HOURS} hours",
}
UNADDED_HOURS = 1
# Logs may give times in whole milliseconds.
ROUNDED = timedelta(milliseconds=1)
# What delta-rs says, and what it means here.
MEANINGS = (
    ("Unsupported minimum", "another program has given it a newer format", "upgrade embfeast"),
    ("Unsupported", "another program has given it a newer format", "upgrade embfeast"),
    ("found gap", "a file of its log is missing", "bring {log} back from a backup"),
    ("Json error", "a file of its log is damaged", "bring {log} back from a backup"),
    ("Invalid Parquet file", "a checkpoint of its log was cut short", "remove it: {log}"),
    ("Permission denied", "this user may not read it", "give this user the right to read it"),
    ("end version", "it has no such version", "name one that `embfeast compact` has not removed"),
)


# What tables knew that this process has written and nobody uses now: the next writer goes on from
# there and need not read the log, where its newest file is still the one that was written.
_IDLE: OrderedDict[str, dict[str, Any]] = OrderedDict()
MOST_IDLE = 64


class ConflictError(Exception):
    """Another writer has committed meanwhile: look again, and try again."""


class MissingError(EmbfeastError):
    """There is no table."""


class Table:
    """One version of a feature table.

    Parameters
    ----------
    place : Place
    delta : DeltaTable

    Attributes
    ----------
    files : list of str
        Paths of its files, in the order of their names.
    """

    def __init__(self, place: Place, delta: DeltaTable) -> None:
        self.place = place
        self._delta = delta
        self._stamp: tuple[int, ...] = ()  # of the log's file of this version, if we wrote it
        self._list()
        weakref.finalize(self, _put_back, self.__dict__).atexit = False

    @classmethod
    def open(cls, place: Place, at: int | datetime | None = None) -> "Table":
        """Open a table as it is now, or as it was: at a version, or at a time.

        Raises
        ------
        EmbfeastError
            There is none, it is of the earlier layout, or its log cannot be read.
        """
        try:
            if isinstance(at, datetime):
                delta = DeltaTable(place.uri)
                delta.load_as_version(place.version_at(at if at.tzinfo else at.replace(tzinfo=UTC)))
            else:
                delta = DeltaTable(place.uri, version=at)
            return cls(place, delta)
        except EmbfeastError:
            raise
        except (DeltaError, OSError, ValueError) as error:
            raise _cannot_open(place, error) from error

    @classmethod
    def find(cls, place: Place) -> "Table | None":
        """Open a table, or return None where there is none."""
        try:
            return cls.open(place)
        except MissingError:
            return None

    def _list(self) -> None:
        self.version: int = self._delta.version()
        self.__dict__.pop("schema", None)
        listed = pa.table(self._delta.get_add_actions(flatten=True))
        names = [unquote(str(path)) for path in listed["path"].to_pylist()]
        self._added = listed.append_column("name", pa.array(names, pa.string())).sort_by("name")
        self.files = [self.place.file(str(name)) for name in self._added["name"].to_pylist()]

    @cached_property
    def schema(self) -> pa.Schema:
        """Its columns."""
        arrow: Any = self._delta.schema().to_arrow()  # arro3's, which pyarrow takes
        return pa.schema([field.remove_metadata() for field in pa.schema(arrow)])

    @property
    def columns(self) -> list[str]:
        """Names of its columns, without those of our own: keys, times and features."""
        return [name for name in self.schema.names if name not in OWN_COLUMNS]

    @property
    def properties(self) -> dict[str, str]:
        """What it says of itself."""
        return dict(self._delta.metadata().configuration)

    def rows_of(self) -> dict[str, int]:
        """Return how many rows each file has."""
        return self._numbers("num_records")

    def sizes(self) -> dict[str, int]:
        """Return how many bytes each file has."""
        return self._numbers("size_bytes")

    def _numbers(self, column: str) -> dict[str, int]:
        numbers: list[Any] = self._added[column].to_pylist()
        return dict(zip(self.files, numbers, strict=True))

    def overlapping(self, first: datetime | None, last: datetime | None, column: str) -> list[str]:
        """Return the files that may have rows of a period, by what the log says of them."""
        names = {f"{end}.{column}" for end in ("min", "max")}
        if not names <= set(self._added.column_names):
            return self.files
        ends = zip(
            *(self._added[f"{end}.{column}"].to_pylist() for end in ("min", "max")), strict=True
        )
        return [
            file
            for file, (start, end) in zip(self.files, ends, strict=True)
            if start is None
            or ((last is None or start <= last) and (first is None or end + ROUNDED >= first))
        ]

    def scan(self, files: Sequence[str] | None = None, *, row_ids: bool = False) -> str:
        """Return the expression with which DuckDB reads it, or some of its files."""
        # Where there is no file to read, one gives the columns: its rows do not matter then.
        chosen = self.files if files is None else (files or self.files[:1])
        ours = all(file.rsplit("/", 1)[-1].startswith(NAMED) for file in self.files[1:])
        return scan_files(chosen, row_ids=row_ids, uneven=not ours)

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open an in-memory database that can read its files."""
        connection = connect_memory()
        let_read(connection, self.place)
        return connection

    def query(
        self, sql: str, values: Mapping[str, Any] | None = None, **tables: pa.Table
    ) -> pa.Table:
        """Run SQL over it; raises an EmbfeastError that names a file that cannot be read."""
        connection = self.connect()
        try:
            for name, table in tables.items():
                connection.register(name, table)
            rows: pa.Table = connection.sql(sql, params=dict(values or {})).to_arrow_table()
            return rows
        except duckdb.ConversionException:  # a key of another type: the caller knows which
            raise
        except duckdb.Error as error:
            raise self.why_not(error) from error
        finally:
            connection.close()

    def read(self, file: str) -> pa.Table:
        """Read one of its files; a column that it lacks is null."""
        try:
            rows = pq.ParquetFile(open_to_read(file)).read().replace_schema_metadata()
        except READ_ERRORS as error:
            raise self.why_not(error) from error
        for field in self.schema:
            if field.name not in rows.column_names:
                rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows.select(self.schema.names).cast(self.schema)

    def unread(self) -> list[str]:
        """Return the files beside it that this version does not read: replaced, or never added."""
        found = self.place.path.glob("*.parquet") if self.place.is_local else ()
        return sorted({str(file) for file in found} - set(self.files))

    def damaged(self) -> list[str]:
        """Return the files that cannot be read, every row group of them."""
        return [file for file in self.files if not is_readable(file)]

    def why_not(self, error: Exception) -> EmbfeastError:
        """Return the error that says which file cannot be read, and what to do."""
        damaged = next(iter(self.damaged()), None)
        if damaged is None:
            return EmbfeastError(f"feature table {self.place} cannot be read: {first_line(error)}")
        return EmbfeastError(
            f"file {damaged} cannot be read ({first_line(error)})",
            "run `embfeast compact --drop-damaged` and materialize its period again: its rows are "
            "computed anew",
        )

    # What writers do.

    def reload(self) -> "Table":
        """Go on to the newest version."""
        try:
            ours = self._stamp and self._stamp == self.place.stamp(self.version)
            self._delta.update_incremental()
            if self._delta.version() != self.version:
                self._list()
            self._stamp = self.place.stamp(self.version) if ours else ()
        except (DeltaError, OSError) as error:
            raise _cannot_open(self.place, error) from error
        return self

    def commit(
        self, add: Sequence[AddAction], remove: Sequence[str] = (), *, data_change: bool = True
    ) -> None:
        """Add and remove files, all of them or none.

        Raises
        ------
        ConflictError
            Another writer has committed since this version; it is the newest one now.
        EmbfeastError
            The log cannot be written.
        """
        sizes = self.sizes()
        gone = [
            RemoveAction(
                Path(f).name, data_change, int(datetime.now(UTC).timestamp() * 1000), sizes[f]
            )
            for f in remove
        ]
        self._commit(
            lambda **how: self._delta.create_write_transaction(
                [*add, *gone], "append", self._delta.schema(), **how
            )
        )

    def set_properties(self, values: Mapping[str, str]) -> None:
        """Let it say something of itself; raises as `commit` does."""
        self._commit(
            lambda **how: self._delta.alter.set_table_properties(
                dict(values), raise_if_not_exists=False, **how
            )
        )

    def _commit(self, act: Any) -> None:
        version = self.version + 1
        self._stamp = ()
        # The log's old files can go where a checkpoint is written; to look for them takes as long
        # as the commit.
        clean = (version + 1) % CHECKPOINT == 0
        try:
            act(
                commit_properties=CommitProperties(
                    app_transactions=[Transaction(APPLICATION, version)]
                ),
                post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=clean),
            )
        except CommitFailedError as error:
            self.reload()
            raise ConflictError(first_line(error)) from error
        except (DeltaError, OSError) as error:
            raise cannot_write(self.place, error) from error
        self.place.sync(version)
        self._go_on()

    def _go_on(self) -> None:
        """List what we have just written, and let another table go on from there."""
        if self._delta.version() == self.version:
            self.reload()
        else:  # delta-rs has read it already
            self._list()
        self._stamp = self.place.stamp(self.version)

    def checkpoint(self) -> None:
        """Write down the state, so that whoever opens it need not read the log's files before."""
        self._delta.create_checkpoint()

    def vacuum(self, hours: int) -> None:
        """Remove files that only versions older than that need, and what killed runs have left.

        A file that no version has may be one that is about to be added, so those stay for
        `UNADDED_HOURS` at least.
        """
        for kept, full in ((hours, False), (max(hours, UNADDED_HOURS), True)):
            self._delta.vacuum(kept, dry_run=False, enforce_retention_duration=False, full=full)
        self._go_on()


def ensure_table(
    place: Place, schema: pa.Schema, about: Mapping[str, str] | None = None
) -> tuple[Table, bool]:
    """Open a table, and make it where there is none: with the columns and no rows.

    Parameters
    ----------
    place : Place
    schema : pyarrow.Schema
    about : mapping, optional
        What a new one says of itself: ``name`` and ``description``.

    Returns
    -------
    Table, and whether it was made now

    Raises
    ------
    EmbfeastError
        It is there with other columns, or cannot be made.
    """
    if stored := _take_idle(place) or Table.find(place):
        _check_columns(stored, schema)
        return stored, False
    made = write_file(place, schema.empty_table(), EMPTY)
    make_table(place, schema, [made.add()], about or {})
    return Table.open(place), True


def make_table(
    place: Place, schema: pa.Schema, add: Sequence[AddAction], about: Mapping[str, str]
) -> None:
    """Make a table of files, in one commit."""
    try:
        create_table_with_add_actions(
            place.uri,
            Schema.from_arrow(schema),
            list(add),
            mode="ignore",
            name=about.get("name"),
            description=about.get("description"),
            configuration=SETTINGS,
        )
    except (DeltaError, OSError) as error:
        raise cannot_write(place, error) from error
    place.sync(0)


def _check_columns(stored: Table, schema: pa.Schema) -> None:
    have = stored.schema
    if have.equals(schema):
        return
    differing = sorted(set(schema).symmetric_difference(have), key=lambda field: field.name)
    raise EmbfeastError(
        f"feature table {stored.place} has other columns than its view: "
        f"{', '.join(f'{f.name} {f.type}' for f in differing[:4]) or 'in another order'}",
        "move the folder away, or undo the change of the view",
    )


def _put_back(known: dict[str, Any]) -> None:
    if known["_stamp"]:
        _IDLE[known["place"].uri] = known
        if len(_IDLE) > MOST_IDLE:
            _IDLE.popitem(last=False)


def _take_idle(place: Place) -> Table | None:
    """Return a table that was put back, at the newest version, where its log is still the same."""
    known = _IDLE.pop(place.uri, None)
    if known is None or place.stamp(known["version"]) != known["_stamp"]:
        return None
    table = Table.__new__(Table)
    table.__dict__ = known
    weakref.finalize(table, _put_back, known).atexit = False
    if place.stamp(table.version + 1):
        table.reload()
    return table


def _is_earlier(place: Place) -> bool:
    """Tell whether a folder holds the Parquet files of an earlier version, which wrote no log."""
    try:
        return (
            place.is_local and not (place.path / LOG).is_dir() and bool(parquet_folder(place.path))
        )
    except OSError:
        return False


def _cannot_open(place: Place, error: Exception) -> EmbfeastError:
    if _is_earlier(place):
        return EmbfeastError(
            f"feature table {place} is of the layout of earlier versions of embfeast",
            "run `embfeast upgrade`, which takes it over as it is",
        )
    told = str(error)
    found = f"feature table {place} cannot be opened"
    for sign, meaning, mend in MEANINGS:
        if sign in told:
            return EmbfeastError(f"{found}: {meaning}", mend.format(log=place.file(LOG)))
    if meant := storage.meaning(str(place), told):
        return EmbfeastError(f"{found}: {meant[0]}", meant[1])
    if isinstance(error, TableNotFoundError) or "Path does not exist" in told:
        if place.is_local and parquet_folder(place.path):
            return EmbfeastError(
                f"{found}: its log is gone",
                f"bring {place.file(LOG)} back from a backup",
            )
        return MissingError(f"there is no feature table {place}", "run `feast apply` first")
    return EmbfeastError(
        f"{found}: {first_line(error)}",
        "see offline_path, and the rights of this user",
    )

"""Where the texts are found: a table, a query, or a file that is loaded first."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from embfeast.errors import EmbfeastError
from embfeast.scaffold.delimited import Layout
from embfeast.scaffold.loading import brought_here, file_ending, load_file
from embfeast.scaffold.names import name_of
from embfeast.scaffold.table import TextTable, only_table, open_table
from embfeast.storage import Folder
from embfeast.texts.database import literal, quote, relation

# The column that holds the one moment at which all texts were known.
KNOWN = "known_since"


@dataclass(frozen=True)
class Place:
    """A table or a query of a database, and what its texts are called.

    `database` is where the file lies now, `written` its path as the repository writes it; one that
    was `loaded` from a file still has to be moved there. `notes` say what was found out about the
    file. Where columns were `computed`, `given` is what stood after FROM before.
    """

    database: Folder
    written: str
    table: str | None
    query: str | None
    what: str
    loaded: bool = False
    notes: tuple[str, ...] = ()
    given: str | None = None
    computed: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def open(self) -> Iterator[TextTable]:
        """Open the rows, read-only."""
        with open_table(self.database, self.table, self.query) as opened:
            opened.given, opened.computed = self.given or opened.relation, self.computed
            yield opened

    def since(self, moment: datetime) -> "Place":
        """Return the same rows with a column that holds one moment."""
        return self._computing("*, {}", {KNOWN: f"TIMESTAMPTZ {literal(moment.isoformat())}"})

    def replacing(self, columns: Mapping[str, str]) -> "Place":
        """Return the same rows with columns computed from their own values."""
        return self._computing("* REPLACE ({})", columns)

    def _computing(self, what: str, columns: Mapping[str, str]) -> "Place":
        parts = ", ".join(f"{sql} AS {quote(column)}" for column, sql in columns.items())
        made = self.selecting(what.format(parts))
        return replace(made, given=self.given or self._rows, computed={**self.computed, **columns})

    @property
    def _rows(self) -> str:
        return quote(self.table) if self.table else relation(None, self.query)

    def selecting(self, what: str) -> "Place":
        """Return what is selected of the rows, as rows of their own."""
        query = f"SELECT {what} FROM {self._rows}"
        return replace(self, table=None, query=query, given=None, computed={})

    def move_into(self, repo: Path) -> None:
        """Bring a loaded database to where the repository reads it."""
        if self.loaded:
            target = repo / self.written
            target.parent.mkdir(parents=True, exist_ok=True)
            self.database.path.replace(target)


@contextmanager
def find_place(
    repo: Path,
    *,
    database: Path | str | None = None,
    file: Path | str | None = None,
    table: str | None = None,
    query: str | None = None,
    layout: Layout | None = None,
) -> Iterator[Place]:
    """Find the texts; a file is loaded into a database that is gone afterwards unless moved."""
    if (database is None) == (file is None):
        raise EmbfeastError("say where the texts lie: --database D.duckdb or --file F.csv")
    if table is not None and query is not None:
        raise EmbfeastError("give either --table or --query")
    if database is not None:
        if layout not in (None, Layout()):
            raise EmbfeastError("--delimiter, --encoding, --header and --quotes go with --file")
        lies = Folder.of(database)
        if lies.is_local and lies.path.is_file() and file_ending(lies.path):
            raise EmbfeastError(f"{database} is a file of rows; give it by --file")
        if query is None:
            table = table or only_table(lies)
        what = table or lies.name.removesuffix(".duckdb").removesuffix(".db")
        yield Place(lies, _seen_from(repo, lies), table, query, what)
        return
    assert file is not None  # noqa: S101 - for mypy
    if table is not None:
        raise EmbfeastError("a file has no tables; leave --table out")
    name = Path(file).name.lower()
    what = name_of(name.removesuffix(file_ending(Path(name)) or ""))
    written = f"data/{what}.duckdb"
    if (repo / written).exists():
        raise EmbfeastError(f"{repo / written} is there already and is never overwritten")
    beside = next(folder for folder in repo.resolve().parents if folder.is_dir())
    with tempfile.TemporaryDirectory(prefix=".embfeast_", dir=beside) as folder:
        loaded = Path(folder) / "loaded.duckdb"
        with brought_here(str(file), loaded.parent) as here:
            notes = load_file(here, loaded, what, layout)
        shown = what if query is None else None
        yield Place(Folder.of(loaded), written, shown, query, what, loaded=True, notes=tuple(notes))


def moment_of(given: str | None) -> datetime | None:
    """Read an ISO 8601 moment, taken as UTC without a zone; None where it is none."""
    try:
        moment = datetime.fromisoformat(given or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _seen_from(repo: Path, database: Folder) -> str:
    is_fixed = not database.is_local or database.path.is_absolute()
    return database.uri if is_fixed else os.path.relpath(database.uri, repo)

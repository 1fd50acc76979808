"""A worker of a Ray cluster: it keeps the recipe, the texts and the online store open.

Nothing of Feast is imported before a worker has begun, so that it can do so in less time.
"""

import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.quick_feast import import_feast
from embfeast.storage import Folder
from embfeast.tables.fetch import Positions
from embfeast.tables.place import READ_ERRORS, Place

if TYPE_CHECKING:
    from feast import FeatureView
    from feast.repo_config import RepoConfig

    from embfeast.plugin.engine.chunks import Work
    from embfeast.plugin.engine.commit import Target
    from embfeast.plugin.engine.slices import Done, Slice
    from embfeast.plugin.feature_table import FeatureTable
    from embfeast.recipe import FittedRecipe
    from embfeast.texts.opened import OpenedTexts


SAME_PATH = "all machines must see the feature repository, unchanged, under the same path"


@dataclass(frozen=True)
class Run:
    """What workers must know of a run.

    Attributes
    ----------
    tables : mapping from its place to the table
    repo : Path
        The feature repository; all machines see it under this path.
    recipes : Folder
        Folder of the fitted recipes.
    digest : str
        Of the fitted recipe.
    cached : bool
        Whether vectors are kept, on the worker's own disk.
    again : bool
        Whether rows that are there are computed again.
    """

    tables: "Mapping[Place, FeatureTable]"
    repo: Path
    recipes: Folder
    digest: str
    cached: bool
    again: bool


@dataclass(frozen=True)
class ServedView:
    """A view whose rows go online, and where they are.

    Attributes
    ----------
    config : RepoConfig
    view : FeatureView
    schema : pyarrow.Schema
        Of keys, times and features.
    files : list of str
        Files of its feature table.
    """

    config: "RepoConfig"
    view: "FeatureView"
    schema: pa.Schema
    files: list[str]

    @classmethod
    def of(cls, target: "Target", config: "RepoConfig") -> Self:
        """Return what a worker must know of a view."""
        stored = target.stored
        schema = pa.schema([stored.schema.field(name) for name in stored.columns])
        return cls(config, target.view, schema, stored.files)


class TextWorker:
    """What Ray starts as an actor, once a worker and run.

    Parameters
    ----------
    cpus : int
        CPUs that it may use.
    """

    def __init__(self, cpus: int) -> None:
        self._cpus = cpus
        self._host = socket.gethostname()
        self._opened = ExitStack()
        keep_to(cpus)
        import_feast(checked=False)

    def open(self, run: Run) -> str:
        """Take the run; return the machine's name."""
        self._run = run
        return self._host

    def compute(self, given: "Slice | Work") -> "Done":
        """Compute what is lacking and write its files, none of which is part of a table yet."""
        from embfeast.plugin.engine.chunks import RunCounts
        from embfeast.plugin.engine.slices import Done, Slice, compute, read_slice

        run = self._run
        if isinstance(given, Slice):
            with self._named(SAME_PATH):
                work, outdated = read_slice(self._texts, given, run.tables, again=run.again)
        else:
            work, outdated = given, {}
        if not work.rows.num_rows:
            return Done(RunCounts(rows=work.read), self._host, [], {})
        fitted = self._recipe
        with self._named():  # it may lack what another has: room, keys of object storage
            counts, files = compute(work, run.tables, fitted)
        return Done(counts, self._host, files, outdated)

    def serve(self, served: ServedView, file_of: Positions, row_of: Positions) -> int:
        """Write rows of a feature table online; return their number."""
        from embfeast.plugin.online.write import write_online
        from embfeast.tables.newest_rows import read_rows

        with self._named():
            try:
                rows = read_rows(served.files, file_of, row_of, served.schema)
            except READ_ERRORS as error:
                raise EmbfeastError(
                    f"view {served.view.name!r}: its feature table cannot be read "
                    f"({first_line(error)})",
                    SAME_PATH,
                ) from error
            write_online(served.config, self._store(served), served.view, [rows], rows.num_rows)
        return int(rows.num_rows)

    def _store(self, served: ServedView) -> Any:
        from feast.infra.online_stores.helpers import get_online_store_from_config

        if not hasattr(self, "_online"):
            self._online = get_online_store_from_config(served.config.online_store)
        return self._online

    @cached_property
    def _texts(self) -> "OpenedTexts":
        table = next(iter(self._run.tables.values()))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the driver has said it
            opened = table.source.open(self._run.repo, table.source_keys)
            texts: OpenedTexts = self._opened.enter_context(opened)
        texts.connection.execute(f"SET threads = {self._cpus}")
        return texts

    @cached_property
    def _recipe(self) -> "FittedRecipe":
        from embfeast.encoding import EmbeddingCache
        from embfeast.recipe.versions import load_version

        with self._named(SAME_PATH):
            return load_version(
                self._run.recipes,
                self._run.digest,
                threads=self._cpus,
                cache=EmbeddingCache() if self._run.cached else None,
            )

    @contextmanager
    def _named(self, mend: str = "") -> Iterator[None]:
        """Say on which machine a mistake was met."""
        try:
            yield
        except EmbfeastError as error:
            raise EmbfeastError(f"Ray worker on {self._host}: {error.message}", mend) from error


def keep_to(cpus: int) -> None:
    """Let the libraries that start a thread a core start no more than a worker's; Ray tells OpenMP.

    The tokenizer's looks at its variable when it first runs.
    """
    os.environ["RAYON_NUM_THREADS"] = str(cpus)
    pa.set_cpu_count(cpus)
    pa.set_io_thread_count(cpus)

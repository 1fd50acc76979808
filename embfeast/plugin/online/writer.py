"""What a bulk writer of an online store is, and how one waits for a server."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
from feast import FeatureView
from feast.repo_config import RepoConfig

from embfeast.errors import EmbfeastError
from embfeast.plugin.online.servers import PATIENT, call_online

AGAIN = "the offline rows are complete, so run the same command again once it takes writes"


class BulkWriter(Protocol):
    """A module that writes into one of Feast's online stores."""

    def can_write(self, config: RepoConfig) -> bool:
        """Tell whether it knows the columns that the store's settings ask for."""

    def write(
        self,
        config: RepoConfig,
        store: Any,
        view: FeatureView,
        tables: Iterable[pa.Table],
        rows: int,
    ) -> None:
        """Write rows in the place of what their keys had.

        Tables hold keys, event and created time, and the view's features; a key stands once in
        all of them, and `rows` is their number.
        """

    def erase(self, config: RepoConfig, store: Any, view: FeatureView, keys: pa.Table) -> None:
        """Remove what these keys have of a view; a key that has nothing is passed over."""

    def empty(self, config: RepoConfig, store: Any, view: FeatureView) -> int | None:
        """Remove all rows of a view as it is, and return their number where it is known.

        Of a view in several versions the others stay.
        """


def table_by_table(
    config: RepoConfig,
    store: Any,
    view: FeatureView,
    tables: Iterable[pa.Table],
    write: Callable[[pa.Table], None],
) -> None:
    """Write each table by itself, and again where the store's server may come back."""
    for table in tables:
        try:
            call_online(config, store, partial(write, table), tries=PATIENT)
        except EmbfeastError as error:
            raise EmbfeastError(f"view {view.name!r}: {error}", AGAIN) from error

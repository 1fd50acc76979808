"""Upkeep of a repository's feature tables, on demand."""

from dataclasses import dataclass

from feast import FeatureStore

from embfeast.plugin.feature_table import FeatureTable
from embfeast.repository.repository import Repository
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import Table
from embfeast.tables.upgrade import upgrade
from embfeast.tables.upkeep import KEPT_HOURS, compact, drop_damaged
from embfeast.texts.database import quote


@dataclass(frozen=True)
class Compacted:
    """What was done to one feature table: files before and after, and what was taken out.

    Files that could not be read, and rows that were there twice or of another recipe.
    """

    view: str
    before: int
    after: int
    dropped: list[str]
    rows: int = 0


def compact_tables(
    store: FeatureStore | Repository, *, kept_hours: int = KEPT_HOURS, damaged: bool = False
) -> list[Compacted]:
    """Join the small files of every feature table, and remove what is not needed any more.

    Rows that are there twice, of which the one written last stays, and rows of other recipes, which
    no run of embfeast writes, are removed. Older versions can be read for `kept_hours` yet: with 0
    what was deleted is erased at once, and readers in mid-read are cut off. With `damaged`, files
    that cannot be read are taken out first: the next materialization of their period computes their
    rows anew.
    """
    repository = Repository.of(store)
    done = []
    for table in map(repository.table, repository.applied_views()):
        opened = Table.open(table.place)
        dropped = drop_damaged(opened) if damaged else []
        rows = _drop_wrong_rows(opened, table)
        files = compact(opened, kept_hours=kept_hours)
        done.append(Compacted(table.view, *files, dropped, rows))
    return done


def _drop_wrong_rows(stored: Table, table: FeatureTable) -> int:
    digest = quote(table.digest_column)
    count = delete_where(stored, f"{digest} IS DISTINCT FROM $digest", {"digest": table.digest})
    by = ", ".join(map(quote, table.identity))
    last_first = "ORDER BY filename DESC, file_row_number DESC"
    return count + delete_where(
        stored, f"true QUALIFY row_number() OVER (PARTITION BY {by} {last_first}) > 1"
    )


def upgrade_tables(store: FeatureStore | Repository) -> list[str]:
    """Take feature tables of earlier versions over, as they are; return their views."""
    repository = Repository.of(store)
    return [
        table.view
        for table in map(repository.table, repository.applied_views())
        if upgrade(table.place, table.described_schema, table.about)
    ]

"""Whether a feature table is whole in itself: readable, of one recipe, no row twice."""

from collections.abc import Iterator

from embfeast.plugin.feature_table import FeatureTable
from embfeast.repository.check.finding import Finding
from embfeast.tables.table import Table
from embfeast.texts.database import quote


def check_stored(table: FeatureTable, stored: Table | None) -> Iterator[Finding]:
    """Read every file, and count recipes and repeated rows where all can be read."""
    yield (finding := _files(table, stored))
    if stored is not None and finding.ok:
        yield _digests(table, stored)
        yield _duplicates(table, stored)


def _files(table: FeatureTable, stored: Table | None) -> Finding:
    def broken(found: str, mend: str) -> Finding:
        return Finding("files", "broken", found, mend, table.view)

    if stored is None:
        return broken(
            f"there is no feature table {table.place}", "run `feast apply`, then materialize"
        )
    if damaged := stored.damaged():
        return broken(
            f"{len(damaged)} of {len(stored.files)} files cannot be read, the first is "
            f"{damaged[0]}",
            "run `embfeast compact --drop-damaged`, then `embfeast materialize`",
        )
    if not stored.schema.equals(table.stored_schema):
        return broken(f"{table.place} has other columns than the view", "run `feast apply`")
    return Finding("files", "ok", f"{len(stored.files)} readable", view=table.view)


def _digests(table: FeatureTable, stored: Table) -> Finding:
    column = quote(table.digest_column)
    rows = stored.query(f"SELECT DISTINCT {column} AS digest FROM {stored.scan()}")
    if other := [str(one)[:12] for one in rows["digest"].to_pylist() if one != table.digest]:
        found = f"rows of other recipes ({', '.join(other)}) lie in this table"
        mend = "run `embfeast compact`, then `embfeast materialize`"
        return Finding("digest", "broken", found, mend, table.view)
    return Finding("digest", "ok", f"all rows of {table.digest[:12]}", view=table.view)


def _duplicates(table: FeatureTable, stored: Table) -> Finding:
    by = ", ".join(map(quote, table.identity))
    (counted,) = stored.query(
        "SELECT coalesce(sum(n), 0) AS total, coalesce(sum(n - 1), 0) AS twice FROM "
        f"(SELECT count(*) AS n FROM {stored.scan()} GROUP BY {by})"
    ).to_pylist()
    if twice := int(counted["twice"]):
        found = f"{twice:,} rows are there twice"
        return Finding("rows", "broken", found, "run `embfeast compact`", table.view)
    return Finding("rows", "ok", f"{int(counted['total']):,} rows, none twice", view=table.view)

"""How far the features are behind the texts."""

from collections.abc import Iterator
from datetime import UTC, datetime

from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository
from embfeast.tables.columns import EVENT_TIME
from embfeast.tables.table import Table


def check_freshness(repository: Repository) -> Iterator[Finding]:
    """Compare the newest text with the newest row of each feature table."""
    mend = f"embfeast materialize --repo {repository.folder} --incremental"
    periods = repository.text_periods()
    for table in map(repository.table, repository.text_views):
        period = periods[table.source]
        stored = Table.find(table.place)
        if period is None or stored is None:
            continue  # there is nothing to be behind of, or `stores` has said what is missing
        newest = newest_row(stored)
        if newest is None:
            yield Finding("freshness", "warning", f"{table.view} was never materialized", mend)
        elif newest < period[1]:
            hours = (period[1] - newest).total_seconds() / 3600
            found = f"{table.view} ends {hours:,.1f} hours before the newest text"
            yield Finding("freshness", "warning", found, mend)
        else:
            found = f"{table.view} reaches the newest text, {newest.isoformat()}"
            yield Finding("freshness", "ok", found)


def newest_row(table: Table) -> datetime | None:
    """Return the newest event time of a feature table."""
    sql = f"SELECT max({EVENT_TIME}) AS newest FROM {table.scan()}"
    newest: datetime | None = table.query(sql)["newest"][0].as_py()
    return newest and newest.astimezone(UTC)

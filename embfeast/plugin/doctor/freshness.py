"""How far the features are behind the texts."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from embfeast.plugin import parts
from embfeast.plugin.database import connect_memory
from embfeast.plugin.doctor.finding import Finding
from embfeast.plugin.doctor.subject import Subject
from embfeast.plugin.feature_table import EVENT_TIME


def check_freshness(subject: Subject) -> Iterator[Finding]:
    """Compare the newest text with the newest row of each feature table."""
    mend = f"embfeast materialize --repo {subject.repo} --incremental"
    for folder, table in subject.tables.items():
        period = table.source.period(subject.repo)
        if period is None or not parts.parts(folder):
            continue  # there is nothing to be behind of, or `stores` has said what is missing
        newest = newest_row(folder)
        if newest is None:
            yield Finding("freshness", "warning", f"{table.view} was never materialized", mend)
        elif newest < period[1]:
            hours = (period[1] - newest).total_seconds() / 3600
            found = f"{table.view} ends {hours:,.1f} hours before the newest text"
            yield Finding("freshness", "warning", found, mend)
        else:
            found = f"{table.view} reaches the newest text, {newest.isoformat()}"
            yield Finding("freshness", "ok", found)


def newest_row(folder: Path) -> datetime | None:
    """Return the newest event time of a feature table."""
    connection = connect_memory()
    try:
        sql = f"SELECT max({EVENT_TIME}) FROM {parts.scan_sql(folder)}"  # noqa: S608 - our own names
        (newest,) = parts.run(connection, folder, sql, {}).fetchone()
    finally:
        connection.close()
    return None if newest is None else newest.astimezone(UTC)

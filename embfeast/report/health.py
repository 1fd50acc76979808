"""Health of the stored features: freshness, nulls, mismatches and parity."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from feast import FeatureStore

from embfeast.errors import EmbfeastError
from embfeast.plugin import coverage, database, parts
from embfeast.plugin.feature_table import FeatureTable, feature_table, is_ours
from embfeast.plugin.verify import Finding
from embfeast.report.section import Section, Table

TITLE = "Stored features"


@dataclass(frozen=True)
class Stored:
    """What lies in one view's feature table.

    Attributes
    ----------
    view : str
    rows, nulls : int
        Rows, and those whose features are null: their text was missing or blank.
    until : str
        End of the last materialized period, or a dash.
    megabytes : float
    """

    view: str
    rows: int
    nulls: int
    until: str
    megabytes: float


def stored(store: FeatureStore) -> list[Stored]:
    """Count what every view of ours has stored; damaged tables are left to `verify`."""
    found = []
    for view in store.list_batch_feature_views():
        if not is_ours(view):
            continue
        table = feature_table(view)
        folder = table.folder(store.config)
        own = parts.parts(folder)
        periods = coverage.read(folder)
        try:
            rows, nulls = _count(table, parts.scan_sql(folder)) if own else (0, 0)
        except (duckdb.Error, EmbfeastError):
            continue
        until = max(end for _, end in periods).strftime("%Y-%m-%d %H:%M") if periods else "—"
        size = sum(part.stat().st_size for part in own) / 1e6
        found.append(Stored(view.name, rows, nulls, until, size))
    return found


def _count(table: FeatureTable, scan: str) -> tuple[int, int]:
    features = [
        name
        for name in table.schema.names
        if name not in (*table.keys, "event_timestamp", "created_timestamp", table.digest_column)
    ]
    connection = database.connect_memory()
    try:
        row = connection.execute(
            f"SELECT count(*), count(*) FILTER ({database.quote(features[0])} IS NULL) "  # noqa: S608
            f"FROM {scan}"
        ).fetchone()
    finally:
        connection.close()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def health(findings: Sequence[Finding], tables: Sequence[Stored], why_not: str) -> Section:
    """Show the tables' rows and every check of parity."""
    if why_not:
        return Section(TITLE, prose=[f"Nothing to check yet: {why_not}"])
    breaches = [finding for finding in findings if not finding.ok]
    late = [finding for finding in breaches if finding.check == "freshness"]
    nulls = max((one.nulls for one in tables), default=0)
    said = [
        f"{len(findings)} checks of {len({f.view for f in findings})} views, "
        f"{len(breaches)} breaches. "
        + (
            "Offline, online and recomputed values agree."
            if not breaches
            else "The first is: "
            + f"{breaches[0].view}, {breaches[0].check}: {breaches[0].detail}."
        ),
        ("Every text has its features" if not late else "Some texts wait for their features")
        + f"; {nulls:,} stored rows have null features, since their text is missing or blank.",
    ]
    stock = Table(
        "Feature tables",
        ["view", "rows", "null features", "materialized until (UTC)", "MB"],
        [[o.view, o.rows, o.nulls, o.until, round(o.megabytes, 2)] for o in tables],
    )
    checks = Table(
        "Checks",
        ["view", "check", "", "what was found"],
        [[f.view, f.check, "ok" if f.ok else "breach", f.detail] for f in findings],
    )
    return Section(TITLE, prose=said, parts=[stock, checks])

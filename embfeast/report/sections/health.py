"""Health of the stored features: freshness, nulls, mismatches and parity."""

from collections.abc import Sequence
from typing import Any

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import FeatureTable
from embfeast.report.section import Section, Table
from embfeast.repository.check.finding import Finding
from embfeast.repository.repository import Repository
from embfeast.tables import coverage
from embfeast.tables.table import Table as FeatureFiles
from embfeast.texts import database

TITLE = "Stored features"


COLUMNS = ("view", "rows", "null features", "materialized until (UTC)", "MB")


def stored(repository: Repository) -> list[tuple[Any, ...]]:
    """Count what every view of ours has stored; damaged tables are left to `verify`."""
    found = []
    for table in repository.tables:
        try:
            opened = FeatureFiles.open(table.place)
            rows, nulls = _count(table, opened)
        except EmbfeastError:
            continue
        periods = coverage.read(opened)
        until = max(end for _, end in periods).strftime("%Y-%m-%d %H:%M") if periods else "—"
        megabytes = round(sum(opened.sizes().values()) / 1e6, 2)
        found.append((table.view, rows, nulls, until, megabytes))
    return found


def _count(table: FeatureTable, opened: FeatureFiles) -> tuple[int, int]:
    others = {*table.identity, table.digest_column}
    features = [name for name in table.schema.names if name not in others]
    (row,) = opened.query(
        f"SELECT count(*) AS n, count(*) FILTER ({database.quote(features[0])} IS NULL) AS nulls "
        f"FROM {opened.scan()}"
    ).to_pylist()
    return row["n"], row["nulls"]


def health(findings: Sequence[Finding], tables: Sequence[tuple[Any, ...]], why_not: str) -> Section:
    """Show the tables' rows and every check of parity."""
    if why_not:
        return Section(TITLE, prose=[f"Nothing to check yet: {why_not}"])
    breaches = [finding for finding in findings if not finding.ok]
    late = [finding for finding in breaches if finding.check == "freshness"]
    nulls = max((nulls for _, _, nulls, _, _ in tables), default=0)
    prose = [
        f"{len(findings)} checks of {len({f.view for f in findings})} views, "
        f"{len(breaches)} breaches. "
        + (
            "Offline, online and recomputed values agree."
            if not breaches
            else f"The first is: {breaches[0].view}, {breaches[0].check}: {breaches[0].detail}."
        ),
        ("Every text has its features" if not late else "Some texts wait for their features")
        + f"; {nulls:,} stored rows have null features, since their text is missing or blank.",
    ]
    parts = [Table("Feature tables", COLUMNS, tables), _checks(findings)]
    if breaches:
        wrong = [[f.view, f.check, f.detail] for f in breaches]
        parts.insert(0, Table("Breaches", ["view", "check", "what was found"], wrong))
    return Section(TITLE, prose=prose, parts=parts)


def _checks(findings: Sequence[Finding]) -> Table:
    """Return a row a view and a column a check."""
    checks = list(dict.fromkeys(finding.check for finding in findings))
    outcome: dict[str, dict[str, str]] = {}
    for finding in findings:
        outcomes = outcome.setdefault(finding.view, dict.fromkeys(checks, "—"))
        # A check that was made in two ways holds where both do.
        if outcomes[finding.check] != "breach":
            outcomes[finding.check] = "ok" if finding.ok else "breach"
    rows = [[view, *outcomes.values()] for view, outcomes in outcome.items()]
    return Table("Checks", ["view", *checks], rows)

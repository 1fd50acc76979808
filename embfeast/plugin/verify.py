"""Do offline, online and recomputed values agree? Every promise of a repository, checked."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from feast import FeatureStore, FeatureView
from numpy.typing import NDArray

from embfeast.encoding import Encoder
from embfeast.errors import EmbfeastError
from embfeast.plugin import coverage, database, parts
from embfeast.plugin.compute import feature_rows, identities, joined_texts
from embfeast.plugin.compute_engine import engine_config, in_repo
from embfeast.plugin.feature_table import (
    CREATED_TIME,
    EVENT_TIME,
    FeatureTable,
    feature_table,
    is_ours,
    is_served,
)
from embfeast.plugin.proto_rows import proto_rows
from embfeast.plugin.stored_rows import StoredRows
from embfeast.recipe import FittedRecipe
from embfeast.recipe.versions import current_digest, load_version

# What a value recomputed by the same backend may be off by (design rule 5).
TOLERANCE = 1e-6
READ_ROWS = 2_048


@dataclass(frozen=True)
class Finding:
    """One check of one view.

    Attributes
    ----------
    view : str
    check : str
        ``recipe``, ``parts``, ``digest``, ``rows``, ``freshness``, ``recomputed``, ``online``.
    ok : bool
    detail : str
        What was compared, or what is wrong and how to mend it.
    """

    view: str
    check: str
    ok: bool
    detail: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return asdict(self)


@dataclass
class Subject:
    """A view with its feature table and the table's folder."""

    view: FeatureView
    table: FeatureTable
    folder: Path

    def finding(self, check: str, problem: str, fine: str) -> Finding:
        """Return what a check found: fine where there is no problem."""
        return Finding(self.view.name, check, not problem, problem or fine)


def verify(
    store: FeatureStore,
    *,
    sample: int | None = 200,
    max_lag: timedelta = timedelta(0),
    seed: int = 0,
    progress: Callable[[float], Any] | None = None,
) -> list[Finding]:
    """Check every view of a repository that a recipe computes.

    Parameters
    ----------
    store : FeatureStore
    sample : int or None, default 200
        Texts whose features are recomputed and looked up; None for all of them. Rows are counted
        in full either way.
    max_lag : timedelta, default 0
        How long a text may be there without its features.
    seed : int, default 0
        Of the sample.
    progress : callable, optional
        Called with the share of the texts read, from 0 to 1.

    Returns
    -------
    list of Finding

    Raises
    ------
    EmbfeastError
        The repository has no view of ours, or a text database cannot be read.
    """
    views = [view for view in store.list_batch_feature_views() if is_ours(view)]
    if not views:
        raise EmbfeastError("this repository has no views of embfeast; run `feast apply` first")
    subjects = [_subject(view, store) for view in views]
    findings: list[Finding] = []
    groups: dict[tuple[Any, ...], list[Subject]] = {}
    for one in subjects:
        key = (one.table.source, one.table.digest, one.table.source_keys)
        groups.setdefault(key, []).append(one)
    for number, group in enumerate(groups.values()):
        told = _share(progress, number, len(groups))
        findings += _verify_group(store, group, sample, max_lag, seed, told)
    return sorted(findings, key=lambda finding: finding.view)


def _share(
    progress: Callable[[float], Any] | None, number: int, count: int
) -> Callable[[float], Any]:
    return lambda share: progress((number + share) / count) if progress else None


def _subject(view: FeatureView, store: FeatureStore) -> Subject:
    table = feature_table(view)
    return Subject(view, table, table.folder(store.config))


def _verify_group(
    store: FeatureStore,
    group: list[Subject],
    sample: int | None,
    max_lag: timedelta,
    seed: int,
    progress: Callable[[float], Any],
) -> list[Finding]:
    """Check the views of one recipe over one source in one pass over its texts."""
    fitted, problem = _recipe(store, group[0].table.digest)
    findings = [one.finding("recipe", problem, "saved, applied and unchanged") for one in group]
    whole = []
    for one in group:
        problem = _damaged_parts(one)
        findings.append(one.finding("parts", problem, f"{len(parts.parts(one.folder))} readable"))
        if not problem:
            whole.append(one)
            findings += [_digests(one), _duplicates(one)]
    if not whole:
        return findings
    counts = {one.view.name: Counts(StoredRows(one.folder, one.table.keys)) for one in whole}
    for chunk, chosen in _chunks(store, whole[0].table, sample, seed, progress):
        for one in whole:
            own = counts[one.view.name]
            own.count(one, chunk, max_lag)
            if fitted is not None:
                own.recompute(one, chunk, chosen, fitted)
            own.look_up(one, chunk, chosen, store)
    for one in whole:
        counts[one.view.name].look_up_others(one, store, sample)
        findings += counts[one.view.name].findings(one, recomputed=fitted is not None)
    return findings


def _recipe(store: FeatureStore, digest: str) -> tuple[FittedRecipe | None, str]:
    folder = in_repo(store.config, engine_config(store.config).recipes)
    try:
        fitted = load_version(folder, digest)
        # Without the cache: what is recomputed must not come from where the first values came.
        fitted.encoder = Encoder(fitted.settings.model)
        if fitted.encoder.digest != fitted.model_digest:
            return None, (
                f"model {fitted.settings.model!r} here has digest {fitted.encoder.digest[:12]}, "
                f"the recipe was fitted with {fitted.model_digest[:12]}; install the same weights"
            )
        current = current_digest(folder)
    except EmbfeastError as error:
        return None, str(error)
    if current != digest:
        return fitted, (
            f"the recipe was fitted again ({current[:12]}), the registry has {digest[:12]}; run "
            "`feast apply`, then materialize"
        )
    return fitted, ""


def _damaged_parts(one: Subject) -> str:
    found = parts.parts(one.folder)
    if not found:
        return f"there is no feature table {one.folder}; run `feast apply`, then materialize"
    damaged = [part for part in found if not parts.is_readable(part)]
    if damaged:
        return (
            f"{len(damaged)} of {len(found)} parts cannot be read, the first is {damaged[0]}; "
            "remove them and materialize their period again"
        )
    stored = parts.table_schema(one.folder)
    if stored is not None and not stored.equals(one.table.schema):
        return f"{one.folder} has other columns than the view; run `feast apply`"
    return ""


def _digests(one: Subject) -> Finding:
    column = database.quote(one.table.digest_column)
    rows = _query(f"SELECT DISTINCT {column} FROM {parts.scan_sql(one.folder)}")  # noqa: S608
    other = [str(row[0])[:12] for row in rows if row[0] != one.table.digest]
    problem = f"rows of other recipes ({', '.join(other)}) lie in this table; remove their parts"
    return one.finding("digest", problem if other else "", f"all rows of {one.table.digest[:12]}")


def _duplicates(one: Subject) -> Finding:
    by = ", ".join(map(database.quote, [*one.table.keys, EVENT_TIME, CREATED_TIME]))
    scan = parts.scan_sql(one.folder)
    total, twice = _query(
        f"SELECT coalesce(sum(n), 0), coalesce(sum(n - 1), 0) FROM "  # noqa: S608
        f"(SELECT count(*) AS n FROM {scan} GROUP BY {by})"
    )[0]
    problem = f"{int(twice):,} rows are there twice; remove the part that repeats them"
    return one.finding("rows", problem if twice else "", f"{int(total):,} rows, none twice")


def _query(sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
    connection = database.connect_memory()
    try:
        return list(connection.execute(sql, values or {}).fetchall())
    finally:
        connection.close()


def _chunks(
    store: FeatureStore,
    table: FeatureTable,
    sample: int | None,
    seed: int,
    progress: Callable[[float], Any],
) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    """Yield chunks of texts, and which of their rows belong to the sample."""
    repo = store.config.repo_path
    total = table.source.count(repo)
    chosen = np.arange(total)
    if sample is not None and sample < total:
        chosen = np.sort(np.random.default_rng(seed).choice(total, sample, replace=False))
    start = 0
    keys = list(table.source_keys)
    for chunk in table.source.read_texts(repo, keys=keys, batch_rows=READ_ROWS):
        end = start + chunk.num_rows
        yield chunk, chosen[(chosen >= start) & (chosen < end)] - start
        start = end
        progress(end / max(total, 1))


@dataclass
class Counts:
    """What one pass over the texts has found of one view."""

    stored: StoredRows
    seen: list[pa.Table] = field(default_factory=list)
    texts: int = 0
    alone: int = 0
    lost: int = 0
    lost_example: str = ""
    late: int = 0
    compared: int = 0
    apart: int = 0
    largest: float = 0.0
    apart_example: str = ""
    looked_up: int = 0
    unequal: int = 0
    unequal_example: str = ""

    def count(self, one: Subject, chunk: pa.Table, max_lag: timedelta) -> None:
        """Find texts without a feature row: lost where their period is covered, else late."""
        wanted = identities(chunk, one.table)
        self.seen.append(wanted)
        lacking = self.stored.lacking(wanted)
        self.texts += chunk.num_rows
        if not lacking.any():
            return
        covered = coverage.read(one.folder)
        now = datetime.now(UTC)
        for row in np.flatnonzero(lacking):
            event = wanted[EVENT_TIME][int(row)].as_py()
            known = wanted[CREATED_TIME][int(row)].as_py()
            inside = any(a <= event <= b and known <= b for a, b in covered)
            if inside:
                self.lost += 1
                self.lost_example = self.lost_example or _named(wanted, int(row), one.table)
            elif now - max(event, known) > max_lag:
                self.late += 1

    def recompute(
        self, one: Subject, chunk: pa.Table, chosen: NDArray[np.int64], fitted: FittedRecipe
    ) -> None:
        """Compare stored rows with those computed anew from their texts."""
        if not len(chosen):
            return
        texts = chunk.take(chosen)
        features = fitted.transform(
            joined_texts(texts, one.table.source.text_columns), entries=[one.table.entry]
        )
        fresh = feature_rows(texts, features, one.table, fitted)
        stored = _stored_rows(one, fresh)
        for row in range(fresh.num_rows):
            place = stored.get(_identity(fresh, row, one.table))
            if place is None:
                continue  # counted as lost or late already
            self.compared += 1
            gap = max(_gap(fresh[name][row], place[name]) for name in one.table.schema.names)
            self.largest = max(self.largest, gap)
            if gap > TOLERANCE:
                self.apart += 1
                self.apart_example = self.apart_example or _named(fresh, row, one.table)

    def look_up(
        self, one: Subject, chunk: pa.Table, chosen: NDArray[np.int64], store: FeatureStore
    ) -> None:
        """Compare each key's newest stored row with what the online store holds."""
        if len(chosen):
            self._compare_online(one, identities(chunk.take(chosen), one.table), store)

    def look_up_others(self, one: Subject, store: FeatureStore, sample: int | None) -> None:
        """Do so for rows whose text the source has not got: pushed ones, or removed texts.

        That is no breach in itself: history is kept, and a push may come before its text. Their
        features cannot be recomputed, but what is served must still be the newest of them.
        """
        if not self.seen:
            self.seen = [one.table.schema.empty_table().select(one.table.identity)]
        others = self.stored.lacked_by(pa.concat_tables(self.seen))
        self.alone = others.num_rows
        if self.alone:
            self._compare_online(one, others.slice(0, sample), store)

    def _compare_online(self, one: Subject, wanted: pa.Table, store: FeatureStore) -> None:
        if not is_served(one.view):
            return
        newest = _newest_rows(one, wanted)
        rows = proto_rows(newest, one.view)
        names = [field.name for field in one.view.features]
        provider = store._get_provider()
        found = provider.online_read(store.config, one.view, [row[0] for row in rows], list(names))
        for number, ((_, values, _, _), (_, online)) in enumerate(zip(rows, found, strict=True)):
            self.looked_up += 1
            online = online or {}
            wrong = [
                name
                for name in names
                if name not in online
                or online[name].SerializeToString(deterministic=True)
                != values[name].SerializeToString(deterministic=True)
            ]
            if wrong:
                self.unequal += 1
                where = _named(newest, number, one.table)
                self.unequal_example = self.unequal_example or f"{wrong[0]} of {where}"

    def findings(self, one: Subject, *, recomputed: bool) -> list[Finding]:
        """Return what the pass has shown."""
        lost = (
            f"{self.lost:,} of {self.texts:,} texts have no row although their period was "
            f"materialized ({self.lost_example}); materialize it again"
        )
        late = f"{self.late:,} texts are newer than the last materialization; materialize again"
        apart = (
            f"{self.apart:,} of {self.compared:,} rows differ from what the text gives now, by up "
            f"to {self.largest:.2g} ({self.apart_example}); another model, or a changed table"
        )
        exact = "to the bit" if self.largest == 0 else f"within {self.largest:.1g}"
        unequal = (
            f"{self.unequal:,} of {self.looked_up:,} keys differ from the newest row offline "
            f"({self.unequal_example}); materialize again"
        )
        kept = f"{self.texts:,} texts, none lost"
        if self.alone:
            kept += f"; {self.alone:,} rows of texts that the source has not got"
        made = [
            one.finding("rows", lost if self.lost else "", kept),
            one.finding("freshness", late if self.late else "", "every text has its features"),
        ]
        if recomputed:
            fine = f"{self.compared:,} rows equal {exact}"
            made.append(one.finding("recomputed", apart if self.apart else "", fine))
        if self.looked_up:
            fine = f"{self.looked_up:,} keys equal to the bit"
            made.append(one.finding("online", unequal if self.unequal else "", fine))
        return made


def _stored_rows(one: Subject, wanted: pa.Table) -> dict[tuple[Any, ...], dict[str, pa.Scalar]]:
    identity = [*one.table.keys, EVENT_TIME, CREATED_TIME]
    found = _matching(one, wanted.select(identity), identity)
    return {
        _identity(found, row, one.table): {name: found[name][row] for name in found.column_names}
        for row in range(found.num_rows)
    }


def _newest_rows(one: Subject, wanted: pa.Table) -> pa.Table:
    keys = list(one.table.keys)
    order = f"{EVENT_TIME} DESC, {CREATED_TIME} DESC, filename DESC, file_row_number DESC"
    by = ", ".join(map(database.quote, keys))
    newest = f"QUALIFY row_number() OVER (PARTITION BY {by} ORDER BY {order}) = 1"
    return _matching(one, wanted.select(keys), keys, newest)


def _matching(one: Subject, wanted: pa.Table, on: Sequence[str], then: str = "") -> pa.Table:
    connection = database.connect_memory()
    try:
        connection.register("wanted", wanted)
        same = " AND ".join(
            f"t.{database.quote(name)} IS NOT DISTINCT FROM wanted.{database.quote(name)}"
            for name in on
        )
        scan = parts.scan_sql(one.folder, row_ids=True)
        found = connection.sql(
            f"SELECT t.* EXCLUDE (filename, file_row_number) FROM {scan} t "  # noqa: S608
            f"SEMI JOIN wanted ON {same} {then}"
        ).to_arrow_table()
        return found.select(one.table.schema.names).cast(one.table.schema).combine_chunks()
    finally:
        connection.close()


def _identity(table: pa.Table, row: int, of: FeatureTable) -> tuple[Any, ...]:
    return tuple(table[name][row].as_py() for name in [*of.keys, EVENT_TIME, CREATED_TIME])


def _named(table: pa.Table, row: int, of: FeatureTable) -> str:
    keys = ", ".join(f"{key}={table[key][row].as_py()}" for key in of.keys)
    return f"{keys} at {table[EVENT_TIME][row].as_py().isoformat()}"


def _gap(fresh: pa.Scalar, stored: pa.Scalar) -> float:
    """Return how far two values are apart; infinite where they are no numbers and differ."""
    one, other = fresh.as_py(), stored.as_py()
    if one is None or other is None:
        return 0.0 if one is None and other is None else np.inf
    if isinstance(one, list):
        if len(one) != len(other):
            return np.inf
        apart = np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64))
        return float(np.nan_to_num(apart, nan=np.inf).max(initial=0.0))
    if isinstance(one, float):
        return abs(one - other) if np.isfinite(other) else np.inf
    return 0.0 if one == other else np.inf

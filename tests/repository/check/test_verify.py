"""What `verify` must catch, each planted into a repository that was right."""

import json
import sqlite3
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from feast import FeatureStore
from feast.protos.feast.types.Value_pb2 import FloatList, Value
from typer.testing import CliRunner

from embfeast import EmbfeastError
from embfeast.cli import app
from embfeast.plugin.feature_table import feature_table
from embfeast.repository import materialize
from embfeast.repository.check.verify import verify
from embfeast.repository.keeping import compact_tables
from embfeast.tables import coverage
from embfeast.tables.files import write_file
from embfeast.tables.rewrite import delete_where
from embfeast.tables.table import Table
from tests.small_repository import day

pytestmark = pytest.mark.slow

FAR = timedelta(days=36_500)


def breaches(store, **options) -> set[tuple[str, str]]:
    return {(f.view, f.check) for f in verify(store, sample=None, **options) if not f.ok}


def table_of(repo, store, view):
    found = next(v for v in store.list_batch_feature_views() if v.name == view)
    return Table.open(feature_table(found, repo.config()).place)


def rows_of(table):
    """Return the table's rows, and the files that hold them."""
    return table.query(f"SELECT * FROM {table.scan()}").cast(table.schema), table.files[1:]


def put(table, rows, remove=()):
    """Put rows into a table, and take files out, as no run would."""
    table.commit([write_file(table.place, rows).add()], remove)


def test_a_repository_as_it_should_be_has_no_breach(ready):
    _, store, _ = ready
    findings = verify(store)
    assert [f for f in findings if not f.ok] == []
    assert {f.check for f in findings} == {
        "recipe",
        "files",
        "digest",
        "rows",
        "texts",
        "freshness",
        "recomputed",
        "online",
    }
    assert any(f.detail == "13 rows equal to the bit" for f in findings)


def test_a_changed_online_value_is_caught(ready):
    repo, store, _ = ready
    with sqlite3.connect(repo.path / "data" / "online.db") as online:
        value = Value(float_list_val=FloatList(val=[0.5] * 4)).SerializeToString()
        changed = online.execute(
            "UPDATE reviews_review_reduced SET value = ? WHERE rowid IN (SELECT rowid FROM "
            "reviews_review_reduced WHERE feature_name = 'reduced' LIMIT 1)",
            [value],
        )
        assert changed.rowcount == 1
    assert breaches(store) == {("review_reduced", "online")}


def test_a_lost_row_is_caught_and_named(ready):
    repo, store, _ = ready
    stored = table_of(repo, store, "review_cluster")
    table, files = rows_of(stored)
    put(stored, table.slice(1), files)
    assert ("review_cluster", "rows") in breaches(store)
    lost = next(f for f in verify(store) if f.view == "review_cluster" and "no row" in f.detail)
    assert f"review_id={table['review_id'][0].as_py()}" in lost.detail


def test_rows_that_are_there_twice_are_caught(ready):
    repo, store, _ = ready
    stored = table_of(repo, store, "review_cluster")
    put(stored, rows_of(stored)[0])
    assert breaches(store) == {("review_cluster", "rows")}


def test_a_row_of_another_recipe_is_caught(ready):
    repo, store, _ = ready
    stored = table_of(repo, store, "review_pooled")
    table, files = rows_of(stored)
    place = table.column_names.index("review_pooled_digest")
    mixed = table.set_column(place, "review_pooled_digest", [["f" * 64] * table.num_rows])
    put(stored, mixed, files)
    found = breaches(store)
    assert ("review_pooled", "digest") in found
    assert ("review_pooled", "online") in found


def test_another_model_is_caught(ready, monkeypatch):
    _, store, _ = ready
    monkeypatch.setattr("embfeast.recipe.versions.Encoder", OtherWeights)
    found = breaches(store)
    assert {check for _, check in found} == {"recipe"}
    assert len(found) == 8


class OtherWeights:
    """Says that other weights are installed."""

    digest = "0" * 64
    graph = None

    def __init__(self, model, **options):
        self.model = model


def test_values_that_the_text_does_not_give_are_caught(ready):
    repo, store, _ = ready
    stored = table_of(repo, store, "review_similarity")
    table, files = rows_of(stored)
    place = table.column_names.index("similarity_billing")
    wrong = pa.chunked_array([[0.1] * table.num_rows], pa.float32())
    put(stored, table.set_column(place, table.schema.field(place), wrong), files)
    assert {("review_similarity", "recomputed"), ("review_similarity", "online")} <= breaches(store)


def test_a_view_that_fell_behind_its_texts_is_caught(ready):
    repo, store, _ = ready
    repo.write_texts([(50, "new", "A new review", day(30), day(30))])
    assert {check for _, check in breaches(store)} == {"freshness"}
    assert breaches(store, max_lag=FAR) == set()


def test_a_refit_that_was_not_applied_and_a_damaged_file_are_caught(ready):
    repo, store, _ = ready
    repo.fit(day(6.5))
    assert {check for _, check in breaches(store)} == {"recipe"}
    file = Path(table_of(repo, store, "review_whitened").files[-1])
    file.write_bytes(file.read_bytes()[:-30])
    assert ("review_whitened", "files") in breaches(store)


def test_each_advice_followed_makes_its_finding_go_away(ready):
    repo, store, _ = ready
    twice = table_of(repo, store, "review_cluster")
    put(twice, rows_of(twice)[0])
    mixed = table_of(repo, store, "review_pooled")
    rows, files = rows_of(mixed)
    place = rows.column_names.index("review_pooled_digest")
    put(mixed, rows.set_column(place, "review_pooled_digest", [["f" * 64] * len(rows)]), files)
    lost = table_of(repo, store, "review_embedding")
    rows, files = rows_of(lost)
    put(lost, rows.slice(3), files)
    damaged = Path(table_of(repo, store, "review_whitened").files[-1])
    damaged.write_bytes(damaged.read_bytes()[:-30])
    with sqlite3.connect(repo.path / "data" / "online.db") as online:
        online.execute("DELETE FROM reviews_review_reduced")
    repo.write_texts([(50, "new", "A new review", day(30), day(30))])
    wrong = table_of(repo, store, "review_similarity")
    rows, files = rows_of(wrong)
    place = rows.column_names.index("similarity_billing")
    values = pa.chunked_array([[0.1] * len(rows)], pa.float32())
    put(wrong, rows.set_column(place, rows.schema.field(place), values), files)
    broken = [finding for finding in verify(store, sample=None) if not finding.ok]
    assert {finding.mend for finding in broken} == {
        "run `embfeast compact`",
        "run `embfeast compact`, then `embfeast materialize`",
        "run `embfeast compact --drop-damaged`, then `embfeast materialize`",
        "run `embfeast materialize`",
        "run `embfeast materialize --again`",
    }
    compact_tables(store, damaged=True)
    materialize(store)
    assert {check for _, check in breaches(store)} == {"recomputed"}
    materialize(store, again=True)
    assert breaches(store) == set()


def test_coverage_decides_between_lost_and_late(ready):
    repo, store, _ = ready
    stored = table_of(repo, store, "review_embedding")
    delete_where(stored, "true")
    assert ("review_embedding", "rows") in breaches(store)
    stored.set_properties({coverage.PROPERTY: "[]"})
    assert ("review_embedding", "freshness") in breaches(store)


def test_the_command_prints_a_table_or_json_and_its_exit_code_tells(ready, monkeypatch):
    repo, store, _ = ready
    monkeypatch.setattr("embfeast.repository.repository.FeatureStore", lambda repo_path: store)
    (repo.path / "feature_store.yaml").write_text("project: reviews")
    runner = CliRunner()
    fine = runner.invoke(app, ["verify", "--repo", str(repo.path), "--all"])
    assert fine.exit_code == 0
    assert "no breach" in fine.output
    repo.write_texts([(50, "new", "A new review", day(30), day(30))])
    late = runner.invoke(app, ["verify", "--repo", str(repo.path), "--json"])
    assert late.exit_code == 1
    told = json.loads(late.stdout)
    assert {f["check"] for f in told if not f["ok"]} == {"freshness"}


def test_a_repository_without_our_views_is_said(repo):
    with pytest.raises(EmbfeastError, match="no views of embfeast"):
        verify(FeatureStore(config=repo.config()))

"""What `verify` must catch, each planted into a repository that was right."""

import json
import sqlite3
from datetime import timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import FeatureStore
from feast.protos.feast.types.Value_pb2 import FloatList, Value
from typer.testing import CliRunner

from embfeast import EmbfeastError
from embfeast.cli import app
from embfeast.plugin import coverage, parts
from embfeast.plugin.feature_table import feature_table
from embfeast.plugin.verify import verify
from tests.plugin.conftest import day

pytestmark = pytest.mark.slow

FAR = timedelta(days=36_500)


def breaches(store, **options) -> set[tuple[str, str]]:
    return {(f.view, f.check) for f in verify(store, sample=None, **options) if not f.ok}


def folder_of(repo, store, view):
    found = next(v for v in store.list_batch_feature_views() if v.name == view)
    return feature_table(found).folder(repo.config())


def test_a_repository_as_it_should_be_has_no_breach(ready):
    _, store, _ = ready
    findings = verify(store)
    assert [f for f in findings if not f.ok] == []
    assert {f.check for f in findings} == {
        "recipe",
        "parts",
        "digest",
        "rows",
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
    folder = folder_of(repo, store, "review_cluster")
    part = next(p for p in parts.parts(folder) if pq.read_metadata(p).num_rows)
    table = pq.read_table(part)
    part.unlink()
    parts.write_part(folder, table.slice(1))
    assert ("review_cluster", "rows") in breaches(store)
    lost = next(f for f in verify(store) if f.view == "review_cluster" and "no row" in f.detail)
    assert f"review_id={table['review_id'][0].as_py()}" in lost.detail


def test_rows_that_are_there_twice_are_caught(ready):
    repo, store, _ = ready
    folder = folder_of(repo, store, "review_cluster")
    part = next(p for p in parts.parts(folder) if pq.read_metadata(p).num_rows)
    parts.write_part(folder, pq.read_table(part), "twice.parquet")
    assert breaches(store) == {("review_cluster", "rows")}


def test_a_row_of_another_recipe_is_caught(ready):
    repo, store, _ = ready
    folder = folder_of(repo, store, "review_pooled")
    part = next(p for p in parts.parts(folder) if pq.read_metadata(p).num_rows)
    table = pq.read_table(part)
    place = table.column_names.index("review_pooled_digest")
    mixed = table.set_column(place, "review_pooled_digest", [["f" * 64] * table.num_rows])
    part.unlink()
    parts.write_part(folder, mixed)
    found = breaches(store)
    assert ("review_pooled", "digest") in found
    assert ("review_pooled", "online") in found


def test_another_model_is_caught(ready, monkeypatch):
    _, store, _ = ready
    monkeypatch.setattr("embfeast.plugin.verify.Encoder", lambda model: OtherWeights())
    found = breaches(store)
    assert {check for _, check in found} == {"recipe"}
    assert len(found) == 8


class OtherWeights:
    """Says that other weights are installed."""

    digest = "0" * 64


def test_values_that_the_text_does_not_give_are_caught(ready):
    repo, store, _ = ready
    folder = folder_of(repo, store, "review_similarity")
    part = next(p for p in parts.parts(folder) if pq.read_metadata(p).num_rows)
    table = pq.read_table(part)
    place = table.column_names.index("similarity_billing")
    part.unlink()
    parts.write_part(
        folder,
        table.set_column(
            place,
            table.schema.field(place),
            pa.chunked_array([[0.1] * table.num_rows], pa.float32()),
        ),
    )
    assert {("review_similarity", "recomputed"), ("review_similarity", "online")} <= breaches(store)


def test_a_view_that_fell_behind_its_texts_is_caught(ready):
    repo, store, _ = ready
    repo.write_texts([(50, "new", "A new review", day(30), day(30))])
    assert {check for _, check in breaches(store)} == {"freshness"}
    assert breaches(store, max_lag=FAR) == set()


def test_a_refit_that_was_not_applied_and_a_damaged_part_are_caught(ready):
    repo, store, _ = ready
    repo.fit(day(6.5))
    assert {check for _, check in breaches(store)} == {"recipe"}
    part = parts.parts(folder_of(repo, store, "review_whitened"))[-1]
    part.write_bytes(part.read_bytes()[:-30])
    assert ("review_whitened", "parts") in breaches(store)


def test_coverage_decides_between_lost_and_late(ready):
    repo, store, _ = ready
    folder = folder_of(repo, store, "review_embedding")
    for part in parts.parts(folder)[1:]:
        part.unlink()
    assert ("review_embedding", "rows") in breaches(store)
    (folder / coverage.FILE).unlink()
    assert ("review_embedding", "freshness") in breaches(store)


def test_the_command_prints_a_table_or_json_and_its_exit_code_tells(ready, monkeypatch):
    repo, store, _ = ready
    monkeypatch.setattr("embfeast.plugin.servers.FeatureStore", lambda repo_path: store)
    (repo.path / "feature_store.yaml").write_text("project: reviews")
    runner = CliRunner()
    fine = runner.invoke(app, ["verify", "--repo", str(repo.path), "--all"])
    assert fine.exit_code == 0
    assert "0 breaches" in fine.output
    repo.write_texts([(50, "new", "A new review", day(30), day(30))])
    late = runner.invoke(app, ["verify", "--repo", str(repo.path), "--json"])
    assert late.exit_code == 1
    told = json.loads(late.stdout)
    assert {f["check"] for f in told if not f["ok"]} == {"freshness"}


def test_a_repository_without_our_views_is_said(repo):
    with pytest.raises(EmbfeastError, match="no views of embfeast"):
        verify(FeatureStore(config=repo.config()))

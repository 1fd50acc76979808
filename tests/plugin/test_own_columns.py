"""Columns named as those that a scan adds to rows never change a value: unused or refused."""

import pandas as pd
import pytest
from deltalake import DeltaTable
from feast import FeatureView, Field, FileSource
from feast.types import Int64

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.plugin.feature_table import feature_table
from embfeast.plugin.source_scan import OF_FILES, OF_TABLES
from tests.small_repository import copied, day

ENTITIES = pd.DataFrame({"review_id": [1, 2], "event_timestamp": day(30)})


@pytest.fixture(scope="module")
def repository(materialized, tmp_path_factory):
    made, _, fitted = materialized
    repo, store, _ = copied((made, fitted), tmp_path_factory.mktemp("own"))
    return repo, store


def price_view(repo, source, feature="price"):
    fields = [Field(name=name, dtype=Int64) for name in ("review_id", feature)]
    return FeatureView(name="prices", entities=[repo.review], source=source, schema=fields)


def texts_with(column):
    return DuckDBSource(
        name="priced",
        database="data/reviews.duckdb",
        query=f'SELECT *, 10 * review_id AS price, 7 AS "{column}" FROM reviews',
        text_columns="body",
        timestamp_field="written_at",
    )


@pytest.mark.parametrize("column", [*OF_FILES, "FileName"])
def test_a_column_of_a_table_that_nobody_asks_for_is_harmless(repository, column):
    repo, store = repository
    source = texts_with(column)
    store.apply([source, price_view(repo, source)])
    found = store.get_historical_features(ENTITIES, ["prices:price"]).to_df()
    assert found["price"].tolist() == [10, 20]


@pytest.mark.parametrize("column", OF_TABLES)
def test_a_feature_of_such_a_name_is_refused_when_it_is_applied(repository, column):
    repo, store = repository
    source = texts_with(column)
    with pytest.raises(EmbfeastError, match=f"view 'prices': column '{column}'"):
        store.apply([source, price_view(repo, source, column)])


@pytest.mark.parametrize("column", OF_FILES)
def test_a_parquet_file_with_such_a_column_is_refused_by_name(repository, column):
    repo, store = repository
    file = repo.path / "data" / f"{column}.parquet"
    rows = pd.DataFrame({"review_id": [1, 2], "at": day(1), "price": [10, 20], column: [7, 8]})
    rows.to_parquet(file)
    source = FileSource(name="priced", path=str(file), timestamp_field="at")
    store.apply([source, price_view(repo, source)])
    with pytest.raises(EmbfeastError, match=f"source 'priced': column '{column}'"):
        store.get_historical_features(ENTITIES, ["prices:price"]).to_df()


def test_a_stored_table_says_what_each_column_is(ready):
    repo, store, fitted = ready
    table = feature_table(store.get_feature_view("other_review_reduced"), repo.config())
    delta = DeltaTable(table.place.uri)
    said = {field.name: field.metadata["comment"] for field in delta.schema().fields}
    assert said == {
        "other_review_id": "Key, column 'review_id' of the texts",
        "event_timestamp": "When the text became true, UTC, microseconds",
        "created_timestamp": "When the text was known, UTC, microseconds",
        "other_reduced": "Feature of recipe entry 'reduced', no unit; "
        "null where the text is missing",
        "other_review_reduced_digest": "Digest (SHA-256) of the recipe that computed the row",
        "embfeast_text_sha256": "SHA-256 of the text; null where it is missing or not known",
    }
    assert fitted.digest in delta.metadata().description

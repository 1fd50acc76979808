"""Rows past their ttl, and views that have none."""

from datetime import UTC, datetime, timedelta

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64

from embfeast.plugin.online.expiry import oldest_valid
from tests.small_repository import Repo

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_ttl_counts_back_from_the_moment_that_is_asked_of():
    view = FeatureView(name="v", source=FileSource(path="p"), ttl=timedelta(days=2))
    assert oldest_valid(view, NOW) == NOW - timedelta(days=2)
    view.ttl = timedelta(0)
    assert oldest_valid(view, NOW) is None


def test_an_on_demand_view_that_is_written_online_is_read_like_any_other(tmp_path):
    repo = Repo(tmp_path / "repo")
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
    rows = pd.DataFrame({"item_id": [1], "price": [2.0], "at": [pd.Timestamp(NOW)]})
    rows.to_parquet(tmp_path / "prices.parquet")
    prices = FeatureView(
        name="prices",
        entities=[item],
        schema=[Field(name="price", dtype=Float64)],
        source=FileSource(path=str(tmp_path / "prices.parquet"), timestamp_field="at"),
    )

    @on_demand_feature_view(
        entities=[item],
        sources=[prices],
        schema=[Field(name="twice", dtype=Float64)],
        write_to_online_store=True,
    )
    def doubled(frame: pd.DataFrame) -> pd.DataFrame:
        frame["twice"] = frame["price"] * 2
        return frame

    store: FeatureStore = repo.store()
    store.apply([item, prices, doubled])
    made = pd.DataFrame({"item_id": [1], "price": [2.0], "twice": [4.0], "at": [pd.Timestamp(NOW)]})
    store.write_to_online_store("doubled", made.rename(columns={"at": "event_timestamp"}))
    found = store.get_online_features(["doubled:twice"], [{"item_id": 1}]).to_dict()
    assert found["twice"] == [4.0]

"""The main job with recipes and feature tables on an S3 server."""

import pyarrow as pa
import pytest
from feast import FeatureService

from embfeast.plugin import feature_views
from embfeast.repository import examine, materialize, verify
from tests.small_repository import Repo, day, sample_rows

pytestmark = pytest.mark.slow
SETTINGS = {
    "name": "reviews",
    "tricks": {
        "embedding": {"trick": "embedding"},
        "reduced": {"trick": "embedding_reducer", "n_components": 4},
    },
}


class PlacedRepo(Repo):
    """Texts, registry and SQLite lie here; recipes and feature tables where it is said."""

    def __init__(self, path, uri: str) -> None:
        super().__init__(path)
        self.recipes, self.tables = f"{uri}/recipes", f"{uri}/features"

    def config(self, **engine):
        return super().config(recipes=self.recipes, **engine)

    def apply(self, fitted):
        views = feature_views(
            fitted, source=self.source, entity=self.review, offline_path=self.tables
        )
        served = [view for view in views.values() if view.online]
        store = self.store()
        store.apply([self.review, *views.values(), FeatureService(name="all", features=served)])
        return store


def test_recipes_and_tables_in_a_bucket_give_the_numbers_that_they_give_here(bucket, tmp_path):
    numbers, trained = [], []
    for uri in (f"{bucket}/whole", str(tmp_path / "here")):
        repo = PlacedRepo(tmp_path / f"repo{len(numbers)}", uri)
        repo.write_texts(sample_rows())
        store = repo.apply(repo.fit(day(8), SETTINGS))
        materialize(store, day(-1), day(20))
        assert all(finding.ok for finding in verify(repo.store()))
        assert not [one for one in examine(repo.store()) if one.level == "broken"]
        numbers.append(repo.lookup(repo.store(), range(12)))
        wanted = "SELECT review_id, written_at AS event_timestamp FROM reviews"
        trained.append(repo.training_set(repo.store(), wanted))
        if uri.startswith("s3://"):
            files = [*repo.path.glob("**/manifest.json"), *repo.path.glob("**/*.parquet")]
            assert not files, "nothing of it lies on this machine"
    assert numbers[0] == numbers[1]
    order = ["review_id", "event_timestamp"]
    one, other = (pa.Table.from_pandas(rows.sort_values(order)) for rows in trained)
    assert one.drop("__index_level_0__").equals(other.drop("__index_level_0__"))

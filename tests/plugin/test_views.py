import pytest
from feast import BatchFeatureView, Entity, OnDemandFeatureView, PushSource, ValueType

from embfeast import EmbfeastError, Recipe
from embfeast.plugin import DuckDBSource, feature_views, live_view, pair_view
from embfeast.plugin.feature_table import DIGEST_TAG, feature_table, is_ours
from tests.small_repository import Repo, day, sample_rows


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    repo = Repo(tmp_path_factory.mktemp("views") / "repo")
    repo.write_texts(sample_rows())
    fitted = repo.fit(day(8))
    return repo, fitted, feature_views(fitted, source=repo.source, entity=repo.review, owner="me")


def test_each_entry_becomes_a_view_that_says_what_it_is(made):
    _, fitted, views = made
    assert list(views)[:3] == ["review_text", "review_embedding", "review_similarity"]
    for name, view in views.items():
        assert view.description
        assert view.owner == "me"
        assert view.online is is_ours(view) is (name != "review_text")
        if is_ours(view):
            assert view.tags[DIGEST_TAG] == fitted.digest
            assert f"{name}/{fitted.digest}" in view.batch_source.path
    names = [f.name for f in views["review_cluster"].features]
    assert names == ["cluster", "distance_00", "distance_01", "review_cluster_digest"]
    assert views["review_similarity"].features[0].name == "similarity_billing"


def test_the_table_follows_from_the_view_also_when_read_back(made):
    repo, _, views = made
    view, config = views["review_reduced"], repo.config()
    again = BatchFeatureView.from_proto(view.to_proto())
    assert feature_table(again, config) == feature_table(view, config)
    assert feature_table(view, config).schema.names[:3] == [
        "review_id",
        "event_timestamp",
        "created_timestamp",
    ]


@pytest.mark.filterwarnings("ignore:EmbeddingReducer")
def test_the_same_recipe_makes_equal_views_and_a_refit_other_ones(made):
    repo, fitted, views = made
    again = feature_views(fitted, source=repo.source, entity=repo.review, owner="me")
    assert again == views
    refitted = repo.fit(day(5))
    other = feature_views(refitted, source=repo.source, entity=repo.review, owner="me")
    assert [name for name in views if other[name] != views[name]] == list(views)[1:]


def test_on_demand_features_carry_the_names_of_the_stored_ones(made):
    _, fitted, views = made
    live = live_view(fitted, name="review")["review_live"]
    assert isinstance(live, OnDemandFeatureView)
    stored = {f.name for v in views.values() if v.online for f in v.features}
    assert {f.name for f in live.features} - stored == {"review_live_digest"}


def test_equal_feature_names_are_refused(made):
    repo, _, _ = made
    settings = {
        "tricks": {
            "coarse": {"trick": "cluster_features", "n_clusters": 2},
            "fine": {"trick": "cluster_features", "n_clusters": 3},
        }
    }
    texts = ["one", "two", "three", "four"]
    with pytest.raises(EmbfeastError, match="both have a feature 'cluster'; set `prefix`"):
        feature_views(Recipe(settings).fit(texts), source=repo.source, entity=repo.review)
    settings["tricks"]["fine"]["prefix"] = "fine_"
    views = feature_views(Recipe(settings).fit(texts), source=repo.source, entity=repo.review)
    assert "fine_cluster" in [f.name for f in views["review_fine"].features]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "cluster"}, "key column 'cluster' has the name of the feature 'cluster'"),
        ({"key": "Cluster"}, "key column 'Cluster' has the name of the feature 'cluster'"),
        ({"key": "event_timestamp"}, "a column that every feature table has"),
        ({"key": "created_timestamp"}, "a column that every feature table has"),
        ({"key": "reviews_cluster_digest"}, "the feature 'reviews_cluster_digest'"),
        ({"key": "reviews_live_digest"}, "the feature 'reviews_live_digest'"),
        ({"key": "embfeast_status"}, "begins as embfeast's own columns do"),
        ({"key": "embfeast_text_sha256"}, "begins as embfeast's own columns do"),
        ({"key": "rowid"}, "DuckDB gives the rows of tables"),
        ({"key": "__dummy_id"}, "Feast gives views without keys"),
        ({"key": "text"}, "a request for a new text has"),
        ({"key": "body"}, "text column 'body' is its key column too"),
        ({"text_columns": "cluster"}, "text column 'cluster' has the name of the feature"),
        ({"text_columns": "written_at"}, "text column 'written_at' is its time column too"),
        ({"timestamp_field": "distance_00"}, "time column 'distance_00' has the name"),
        ({"created_timestamp_column": "distance_01"}, "time column 'distance_01' has the name"),
        ({"label_column": "cluster"}, "label column 'cluster' has the name of the feature"),
    ],
)
def test_columns_named_as_features_or_as_our_own_are_refused(change, said):
    settings = {"tricks": {"cluster": {"trick": "cluster_features", "n_clusters": 2}}}
    fitted = Recipe(settings).fit(["one", "two", "three", "four"])
    key = change.pop("key", "review_id")
    kind = ValueType.STRING if key == "body" else ValueType.INT64
    entity = Entity(name="review", join_keys=[key], value_type=kind)
    columns = {"text_columns": "body", "timestamp_field": "written_at", **change}
    source = DuckDBSource(name="reviews", database="reviews.duckdb", table="reviews", **columns)
    with pytest.raises(EmbfeastError, match=said) as error:
        feature_views(fitted, source=source, entity=entity, name="reviews")
    assert "AS another_name" in str(error.value)


def test_the_other_key_of_a_pair_is_not_named_as_a_feature(made):
    repo, fitted, views = made
    other = Entity(name="o", join_keys=["other_review_id"], value_type=ValueType.INT64)
    assert pair_view(fitted, views, entity=repo.review, other=other)
    source = DuckDBSource(
        name="reviews",
        database="reviews.duckdb",
        table="reviews",
        text_columns="body",
        timestamp_field="other_reduced",
    )
    views = feature_views(fitted, source=source, entity=repo.review)
    with pytest.raises(EmbfeastError, match="'other_reduced' has the name of the feature"):
        pair_view(fitted, views, entity=repo.review, other=other)


def test_what_cannot_become_a_view_is_said(made):
    repo, fitted, views = made
    for kind in set(ValueType) - {ValueType.INT32, ValueType.INT64, ValueType.STRING}:
        entity = Entity(name="review", join_keys=["review_id"], value_type=kind)
        with pytest.raises(EmbfeastError, match=f"type is {kind.name}, of which .* STRING for all"):
            feature_views(fitted, source=repo.source, entity=entity)
    stranger = Entity(name="x", join_keys=["x_id"], value_type=ValueType.INT64)
    with pytest.raises(EmbfeastError, match="say 'other_review_id'"):
        pair_view(fitted, views, entity=repo.review, other=stranger)
    with pytest.raises(EmbfeastError, match="has no view review_reduced"):
        pair_view(fitted, {}, entity=repo.review, other=repo.other)
    with pytest.raises(EmbfeastError, match=r"pair entries pair; name one of them, got 'pear'"):
        pair_view(fitted, views, entity=repo.review, other=repo.other, entry="pear")
    plain = Recipe({"tricks": {"embedding": {"trick": "embedding"}}}).fit(["a", "b"])
    with pytest.raises(EmbfeastError, match="no pair entry; take pair_view"):
        pair_view(plain, {}, entity=repo.review, other=repo.other)


def test_another_engine_is_told_what_to_configure(made):
    _, _, views = made
    with pytest.raises(EmbfeastError, match="batch_engine"):
        views["review_reduced"].feature_transformation.udf({})


def test_texts_come_from_a_duckdb_source_or_are_pushed_beside_one(made):
    repo, fitted, views = made
    with pytest.raises(EmbfeastError, match="'pushed' has no texts"):
        feature_views(fitted, source=PushSource(name="pushed"), entity=repo.review)
    beside = feature_views(fitted, source=repo.push_source(), entity=repo.review)
    assert beside["review_text"].stream_source.name == "review_push"
    tables = [feature_table(v["review_reduced"], repo.config()) for v in (beside, views)]
    assert tables[0] == tables[1]

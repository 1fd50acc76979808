"""A DuckDBSource with a field mapping gives what a table with those names gives."""

import duckdb
import pandas as pd
import pytest
from feast import FeatureView, Field
from feast.data_source import PushMode
from feast.monitoring.metrics_calculator import MetricsCalculator
from feast.types import Float64, Int64, String

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.plugin.monitoring.figures import figures, newest
from embfeast.repository import verify
from tests.plugin.test_source import Config
from tests.small_repository import Repo, copied, day, sample_rows

NAMES = {
    "id": "review_id",
    "subject": "title",
    "said": "body",
    "at": "written_at",
    "seen": "known_at",
    "points": "stars",
}


def mapped_source(**changes) -> DuckDBSource:
    settings = {
        "name": "reviews",
        "database": "data/reviews.duckdb",
        "table": "own_names",
        "text_columns": ["title", "body"],
        "timestamp_field": "written_at",
        "created_timestamp_column": "known_at",
        "field_mapping": NAMES,
    }
    return DuckDBSource(**settings | changes)


def add_own_names(repo: Repo) -> None:
    """Write the reviews a second time, in a table whose columns are called otherwise."""
    with duckdb.connect(str(repo.path / "data" / "reviews.duckdb")) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("ALTER TABLE reviews ADD COLUMN stars DOUBLE")
        connection.execute("UPDATE reviews SET stars = length(body) / 7")
        own = ", ".join(f'{new} AS "{old}"' for old, new in NAMES.items())
        connection.execute(f"CREATE TABLE own_names AS SELECT {own} FROM reviews")


def plain_view(name: str, source: DuckDBSource, entity) -> FeatureView:
    fields = [Field(name="title", dtype=String), Field(name="stars", dtype=Float64)]
    key = Field(name="review_id", dtype=Int64)
    return FeatureView(name=name, entities=[entity], schema=[key, *fields], source=source)


@pytest.fixture
def plain(repo):
    """A store with a view of the table itself, and one of the table with other names."""
    add_own_names(repo)
    sources = {
        "straight": mapped_source(name="straight", table="reviews", field_mapping=None),
        "mapped": mapped_source(name="mapped"),
    }
    store = repo.store()
    views = [plain_view(name, source, repo.review) for name, source in sources.items()]
    store.apply([repo.review, *views])
    return store


def of_view(frame: pd.DataFrame, view: str) -> pd.DataFrame:
    keys = ["review_id", "event_timestamp"]
    found = frame[[*keys, f"{view}__title", f"{view}__stars"]]
    return found.set_axis([*keys, "title", "stars"], axis=1).sort_values(keys, ignore_index=True)


@pytest.mark.parametrize("period", [False, True], ids=["entity rows", "a period"])
def test_training_sets_are_the_same(plain, period):
    entities = pd.DataFrame(
        {"review_id": [2, 2, 3, 77], "event_timestamp": [day(3), day(10), day(4), day(9)]}
    )
    asked = {"start_date": day(0), "end_date": day(20)} if period else {"entity_df": entities}
    frames = [
        of_view(
            plain.get_historical_features(
                features=[f"{view}:title", f"{view}:stars"], full_feature_names=True, **asked
            ).to_df(),
            view,
        )
        for view in ("straight", "mapped")
    ]
    pd.testing.assert_frame_equal(*frames)
    assert len(frames[1]) == (13 if period else 4)
    assert frames[1]["stars"].notna().sum() == (13 if period else 3)


def test_materialized_values_are_the_same(plain):
    plain.materialize(day(-1), day(20))
    found = [
        plain.get_online_features(
            [f"{view}:title", f"{view}:stars"], [{"review_id": key} for key in (2, 3, 4, 77)]
        ).to_dict()
        for view in ("straight", "mapped")
    ]
    assert found[0] == found[1]
    assert found[1]["title"][0] == "login"


def test_the_newest_rows_are_the_same_and_named_as_feast_names_them(plain):
    rows = []
    for name, own in (("straight", {}), ("mapped", {new: old for old, new in NAMES.items()})):
        key, title, at, seen = (
            own.get(column, column) for column in ("review_id", "title", "written_at", "known_at")
        )
        job = plain._get_provider().offline_store.pull_latest_from_table_or_query(
            plain.config, plain.get_data_source(name), [key], [title], at, seen
        )
        frame = job.to_df().rename(columns=NAMES)
        rows.append(frame.sort_values("review_id", ignore_index=True))
    pd.testing.assert_frame_equal(*rows)
    assert len(rows[1]) == 12


def test_features_that_nobody_lists_have_the_new_names(repo):
    add_own_names(repo)
    key = Field(name="review_id", dtype=Int64)
    view = FeatureView(name="all", entities=[repo.review], schema=[key], source=mapped_source())
    store = repo.store()
    store.apply([repo.review, view])
    names = {field.name for field in store.get_feature_view("all").features}
    assert {"title", "body", "stars"} <= names
    assert not names & {"subject", "said", "points", "at", "seen"}


def test_monitoring_has_the_same_figures(plain):
    features = [("title", "numeric"), ("stars", "numeric")]
    found = [
        figures(
            plain.config,
            plain.get_data_source(name),
            features,
            "written_at",
            day(0),
            day(20),
            MetricsCalculator(5, 5),
        )
        for name in ("straight", "mapped")
    ]
    assert found[0] == found[1]
    assert [one["row_count"] for one in found[1]] == [13, 13]
    assert newest(plain.config, plain.get_data_source("mapped"), "written_at") == day(11)


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """The repository of `pushable` over the table with other names."""
    made = Repo(tmp_path_factory.mktemp("mapped") / "repo")
    made.write_texts(sample_rows())
    add_own_names(made)
    made.source = mapped_source()
    fitted = made.fit(day(8))
    made.apply(fitted, made.push_source()).materialize(day(-1), day(20))
    return made, fitted


def test_recipes_give_the_same_features_offline_and_online(pushed, mapped, tmp_path):
    straight, store, fitted = pushed
    renamed, mapped_store, mapped_fitted = copied(mapped, tmp_path / "mapped")
    assert mapped_fitted.digest == fitted.digest
    entities = pd.DataFrame({"review_id": range(12), "event_timestamp": [day(9)] * 12})
    pd.testing.assert_frame_equal(
        renamed.training_set(mapped_store, entities), straight.training_set(store, entities)
    )
    keys = list(range(13))
    assert renamed.lookup(mapped_store, keys) == straight.lookup(store, keys)
    assert [one for one in verify(mapped_store, sample=None) if not one.ok] == []


@pytest.mark.parametrize("to", [PushMode.ONLINE, PushMode.OFFLINE], ids=lambda mode: mode.name)
def test_texts_are_pushed_online_by_new_names_and_offline_by_the_tables_own(mapped, tmp_path, to):
    """Feast asks for a view's names online, and for just the columns of the table offline."""
    repo, store, _ = copied(mapped, tmp_path)
    row = (50, "parcel", "It never came", day(12), day(12), 3.0)
    names = NAMES if to is PushMode.OFFLINE else NAMES.values()
    store.push("review_push", pd.DataFrame([row], columns=list(names)), to=to)
    entities = pd.DataFrame({"review_id": [50], "event_timestamp": [day(13)]})
    assert repo.training_set(store, entities)["reduced"][0] is not None
    assert (repo.lookup(store, [50])["reduced"][0] is not None) == (to is PushMode.ONLINE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"field_mapping": {"idd": "x"}}, r"no column 'idd' \(did you mean 'id'\?\).*there are id"),
        ({"field_mapping": NAMES | {"id": "Subject", "subject": "SUBJECT"}}, "both be called"),
        ({"text_columns": ["said"]}, "no column 'said'.*it has review_id, title, body"),
        ({"timestamp_field": "at"}, "no column 'at'"),
    ],
)
def test_a_mapping_that_does_not_fit_the_table_is_said(repo, changes, message):
    add_own_names(repo)
    with pytest.raises(EmbfeastError, match=message):
        mapped_source(**changes).validate(Config(repo.path))


def test_the_registry_keeps_the_mapping():
    source = mapped_source()
    again = DuckDBSource.from_proto(source.to_proto())
    assert again == source
    assert again.field_mapping == NAMES
    assert again != mapped_source(field_mapping=None)

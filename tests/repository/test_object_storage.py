"""The main job with recipes, feature tables and texts on an S3 server."""

import re

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from feast import FeatureService
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage

from embfeast import EmbfeastError
from embfeast.plugin import feature_views
from embfeast.plugin.engine import part_writer
from embfeast.repository import examine, materialize, verify
from embfeast.storage import Folder, files_below, open_to_write
from embfeast.tables.append import Appender
from tests.object_storage import HUSH, Door, dropping, signalled
from tests.plugin.test_online_stores import ServerRepo
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
    """Registry and SQLite lie here; texts, recipes and feature tables where it is said."""

    def __init__(self, path, uri: str, kind: str = "duckdb") -> None:
        super().__init__(path)
        self.recipes, self.tables = f"{uri}/recipes", f"{uri}/features"
        self.write_texts(sample_rows())
        if kind != "duckdb":
            self.move_texts(f"{uri}/texts", kind)

    def move_texts(self, folder: str, kind: str) -> None:
        file = self.path / "data" / "reviews.duckdb"
        with duckdb.connect(str(file), read_only=True) as connection:
            rows = connection.sql("FROM reviews").to_arrow_table()
        file.unlink()
        self.source.database = folder
        halves = [rows.slice(0, 6), rows.slice(6)]
        for number, half in enumerate(halves):
            if kind == "delta":
                half = half.append_column("half", pa.array([number] * half.num_rows))
                write_deltalake(f"{folder}/reviews", half, partition_by=["half"], mode="append")
            else:
                with open_to_write(f"{folder}/reviews/half={number}/a.parquet") as stream:
                    pq.write_table(half, stream)

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


def main_job(repo: PlacedRepo, fitted) -> tuple[dict, pa.Table]:
    """Return what is looked up, and a training set in the order of its rows."""
    store = repo.apply(fitted)
    materialize(store, day(-1), day(20))
    assert all(finding.ok for finding in verify(repo.store()))
    assert not [one for one in examine(repo.store()) if one.level == "broken"]
    wanted = "SELECT review_id, written_at AS event_timestamp FROM reviews"
    order = ["review_id", "event_timestamp"]
    rows = repo.training_set(repo.store(), wanted).sort_values(order)
    return repo.lookup(repo.store(), range(12)), pa.Table.from_pandas(rows, preserve_index=False)


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The numbers of a run on this machine alone, and its recipe's digest."""
    folder = tmp_path_factory.mktemp("here")
    repo = PlacedRepo(folder / "repo", str(folder / "tables"))
    fitted = repo.fit(day(8), SETTINGS)
    return fitted.digest, *main_job(repo, fitted)


@pytest.mark.parametrize("kind", ["duckdb", "parquet", "delta"])
def test_texts_recipes_and_tables_in_a_bucket_give_the_numbers_that_they_give_here(
    bucket, tmp_path, here, kind
):
    repo = PlacedRepo(tmp_path / "repo", f"{bucket}/{kind}", kind)
    fitted = repo.fit(day(8), SETTINGS)
    assert (fitted.digest, *main_job(repo, fitted)) == here
    left = {file.name for file in (repo.path / "data").iterdir() if file.is_file()}
    assert left <= {"registry.db", "online.db", *(["reviews.duckdb"] if kind == "duckdb" else [])}
    assert not [*repo.path.rglob("manifest.json"), *repo.path.rglob("*.parquet")]
    for file in repo.path.rglob("*"):
        assert not file.is_file() or HUSH.encode() not in file.read_bytes()


class FarRepo(PlacedRepo):
    """Nothing of it lies here: the registry is in the bucket too, and DynamoDB serves."""

    def __init__(self, path, uri: str, online_store) -> None:
        self.project, self.online_store = "reviews", online_store
        self.registry = {"path": f"{uri}/registry.db", "serve_features_while_materializing": True}
        super().__init__(path, uri, "parquet")

    def config(self, **engine):
        return ServerRepo.config(self, recipes=self.recipes, **engine)


def test_with_the_registry_there_and_dynamodb_only_the_cache_is_on_this_machine(
    bucket, tmp_path, here, dynamodb
):
    repo = FarRepo(tmp_path / "repo", f"{bucket}/far", dynamodb)
    fitted = repo.fit(day(8), SETTINGS)
    assert (fitted.digest, *main_job(repo, fitted)) == here
    left = {file.relative_to(repo.path).parts[:2] for file in repo.path.rglob("*.*")}
    assert left == {("data", "cache")}


def test_a_saved_dataset_is_written_to_a_bucket_and_read_back(bucket, tmp_path):
    repo = PlacedRepo(tmp_path / "repo", f"{bucket}/saved")
    store = repo.apply(repo.fit(day(8), SETTINGS))
    materialize(store, day(-1), day(20))
    wanted = "SELECT review_id, written_at AS event_timestamp FROM reviews"
    for place in (f"{bucket}/sets/one.parquet", f"{bucket}/sets/folder"):
        job = store.get_historical_features(wanted, store.get_feature_service("all"))
        storage = SavedDatasetFileStorage(place)
        for again in (False, True):
            store.create_saved_dataset(job, "kept", storage, allow_overwrite=again)
        read = store.get_saved_dataset("kept").to_arrow()
        order = [(name, "ascending") for name in ("review_id", "event_timestamp")]
        assert read.sort_by(order) == job.to_arrow().select(read.column_names).sort_by(order)
        with pytest.raises(SavedDatasetLocationAlreadyExists):
            job.persist(storage)
    assert len(files_below(Folder(f"{bucket}/sets"))) == 2, "what was replaced is gone"
    assert not [*repo.path.rglob("s3:")]
    with pytest.raises(EmbfeastError, match="the bucket does not exist"):
        job.persist(SavedDatasetFileStorage("s3://no-such-bucket/one"))


def test_a_server_that_is_away_is_said_of_the_texts_and_a_later_run_goes_on(
    bucket, tmp_path, monkeypatch
):
    repo = PlacedRepo(tmp_path / "repo", f"{bucket}/away", "parquet")
    repo.recipes, repo.tables = str(tmp_path / "recipes"), str(tmp_path / "features")
    store = repo.apply(repo.fit(day(8), SETTINGS))
    with monkeypatch.context() as away:
        away.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        with pytest.raises(EmbfeastError, match="server does not answer; see AWS_END") as raised:
            materialize(store, day(-1), day(20))
        assert HUSH not in str(raised.value)
        broken = [one for one in examine(repo.store()) if one.level == "broken"]
        assert any("text database s3://" in one.found for one in broken)
    materialize(store, day(-1), day(20))
    assert all(finding.ok for finding in verify(repo.store()))


def stopped(door):
    """Let the server not answer, for seconds."""
    return signalled(door.behind.process, "STOP", "CONT")


def shut(door):
    """Let nobody in until the test opens the door again."""
    door.stop()


# What the run says: nothing where it must end right, for requests were answered late.
EXPECTED = {
    "stopped": "^$",
    "dropping": "^$|(its server does not answer|connection to its server was lost); see AWS_END",
    "shut": "server does not answer; see AWS_ENDPOINT_URL",
}


@pytest.mark.parametrize("trouble", [stopped, dropping, shut])
def test_a_server_that_goes_away_in_mid_run_and_comes_back_leaves_what_a_run_here_leaves(
    bucket, server, tmp_path, here, trouble, monkeypatch
):
    door = Door(server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", door.url)
    monkeypatch.setattr(part_writer, "LONGEST_WAIT", 0.0)  # a file a chunk
    repo = PlacedRepo(tmp_path / "repo", f"{bucket}/{trouble.__name__}", "parquet")
    fitted = repo.fit(day(8), SETTINGS)
    store = repo.apply(fitted)
    began, add = [], Appender.add

    def add_and_begin(self, file):
        added = add(self, file)
        if not began:  # one table of two has the rows of the first chunk of three
            began.append(trouble(door))
        return added

    monkeypatch.setattr(Appender, "add", add_and_begin)
    said = ""
    try:
        materialize(store, day(-1), day(20))
    except EmbfeastError as error:
        said = str(error)
    assert began
    assert re.search(EXPECTED[trouble.__name__], said)
    assert HUSH not in said
    assert "\n" not in said
    if trouble is shut:
        door.start()
    else:
        began[0].wait()
    assert said or all(finding.ok for finding in verify(repo.store()))
    assert (fitted.digest, *main_job(repo, fitted)) == here
    door.stop()

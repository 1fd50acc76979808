"""Features of what entities wrote before, served, and mended when the past changes."""

import shutil

import duckdb
import numpy as np
import pandas as pd
import pytest
from feast import FeatureService

from embfeast import EmbfeastError, counts
from embfeast.plugin import DuckDBSource, feature_views, live_view
from embfeast.repository.check.verify import verify
from embfeast.repository.forgetting import forget
from embfeast.repository.materializing import materialize
from tests.small_repository import WORDS, Repo, day

pytestmark = pytest.mark.slow

SETTINGS = {
    "name": "reviews",
    "tricks": {
        "reduced": {"trick": "embedding_reducer", "n_components": 3},
        "history": {
            "trick": "entity_history",
            "entity": "writer",
            "input": "reduced",
            "windows": [3, None],
            "outputs": ["count", "days", "similarity", "change", "spread"],
        },
    },
}
COLUMNS = ["review_id", "body", "written_at", "known_at", "writer"]


class Written(Repo):
    """A repository whose texts have writers; the rows are kept beside it for the oracle."""

    def __init__(self, path):
        super().__init__(path)
        self.source = DuckDBSource(
            name="reviews",
            database="data/reviews.duckdb",
            table="reviews",
            text_columns=["body"],
            timestamp_field="written_at",
            created_timestamp_column="known_at",
        )

    def write_texts(self, rows):
        with duckdb.connect(str(self.path / "data" / "reviews.duckdb")) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS reviews (review_id BIGINT, body VARCHAR, "
                "written_at TIMESTAMPTZ, known_at TIMESTAMPTZ, writer VARCHAR)"
            )
            connection.executemany("INSERT INTO reviews VALUES (?, ?, ?, ?, ?)", rows)

    def change(self, sql):
        with duckdb.connect(str(self.path / "data" / "reviews.duckdb")) as connection:
            connection.execute(sql)

    def apply(self, fitted, source=None):
        views = feature_views(fitted, source=source or self.source, entity=self.review)
        served = [view for view in views.values() if view.online]
        store = self.store()
        store.apply([self.review, *views.values(), FeatureService(name="all", features=served)])
        return store

    def texts(self) -> pd.DataFrame:
        with duckdb.connect(str(self.path / "data" / "reviews.duckdb")) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.sql("FROM reviews ORDER BY written_at, known_at, review_id").df()


def sample_rows():
    """Twelve reviews of three writers; one revised by its writer, one by another, one blank."""
    rows = [
        (i, f"Something about the {WORDS[i % 8]} of number {i}", day(i), day(i), "abc"[i % 3])
        for i in range(12)
    ]
    rows[5] = (5, "  ", day(5), day(5), "c")
    rows[8] = (8, "of the same moment as number 7", day(7), day(7), "b")
    rows[9] = (9, "nobody says who wrote this", day(9), day(9), None)
    rows.append((3, "I have changed my mind, it works now", day(8), day(8), "a"))
    rows.append((1, "this was mine after all", day(9), day(9), "c"))
    return rows


def expected(fitted, texts: pd.DataFrame) -> pd.DataFrame:
    """All features of all revisions, computed at once by the recipe alone."""
    made = fitted.transform(
        texts["body"].tolist(),
        times=texts["written_at"],
        keys=texts["review_id"].tolist(),
        entities={"writer": [w if isinstance(w, str) else None for w in texts["writer"]]},
    )
    return made.to_pandas()


def assert_served(repo, store, fitted):
    """Every revision offline, and every key online, has the bits that the whole source gives."""
    texts = repo.texts()
    made = expected(fitted, texts)
    at = pd.DataFrame({"review_id": texts["review_id"], "event_timestamp": texts["written_at"]})
    offline = repo.training_set(store, at)
    names = [name for name in made if name.startswith("history")]
    assert len(names) == 9
    for name in names:
        assert np.array_equal(np.float32(made[name]), np.float32(offline[name]), equal_nan=True), (
            name
        )
    newest = texts.reset_index().groupby("review_id").last()
    online = repo.lookup(store, newest.index.tolist())
    for name in names:
        wanted = made[name].to_numpy(np.float32)[newest["index"]]
        got = np.array([np.nan if v is None else v for v in online[name]], np.float32)
        assert np.array_equal(wanted, got, equal_nan=True), name
    found = verify(store, sample=None)
    assert [f for f in found if not f.ok] == []
    assert any(f.view == "review_history" and "equal to the bit" in f.detail for f in found)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    repo = Written(tmp_path_factory.mktemp("written") / "repo")
    repo.write_texts(sample_rows())
    fitted = repo.fit(day(8), SETTINGS)
    repo.apply(fitted).materialize(day(-1), day(20))
    return repo, fitted


@pytest.fixture
def written(made, tmp_path):
    repo = Written(shutil.copytree(made[0].path, tmp_path / "repo"))
    return repo, repo.store(), made[1]


def test_training_rows_lookups_and_the_whole_source_at_once_have_the_same_bits(written):
    assert_served(*written)


def test_stored_counts_are_those_of_plain_loops(written):
    repo, store, _ = written
    rows = [row for row in sample_rows() if row[1].strip()]
    at = pd.DataFrame({"review_id": [r[0] for r in rows], "event_timestamp": [r[2] for r in rows]})
    got = np.expm1(repo.training_set(store, at)["history_log_count"]).round().tolist()
    for row, count in zip(rows, got, strict=True):
        newest = {}
        for other in sorted(rows, key=lambda one: one[2]):
            if other[2] < row[2] and other[0] != row[0]:
                newest[other[0]] = other
        assert count == sum(one[4] == row[4] for one in newest.values() if row[4]), row


LATE = (20, "it came late but was written early", day(0.5), day(15), "a")


@pytest.mark.parametrize("incremental", [False, True])
def test_a_late_text_changes_the_later_rows_of_its_entity_and_no_other(
    written, incremental, capsys
):
    repo, store, fitted = written
    repo.write_texts([LATE])
    capsys.readouterr()
    if incremental:
        materialize(store, incremental=True, end=day(21))
    else:
        store.materialize(day(-1), day(20))
    # Of a's 0, 3, 3 again, 6 and (of nobody) 9 the first lies before it.
    assert "4 computed" in (said := capsys.readouterr().err)
    assert "3 changed since they were computed" in said
    assert_served(repo, store, fitted)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE reviews SET body = 'said otherwise' WHERE review_id = 0",
        "UPDATE reviews SET writer = 'b' WHERE review_id = 0",
        "UPDATE reviews SET writer = 'c' WHERE review_id = 9",
        "UPDATE reviews SET body = '' WHERE review_id = 3",
        "INSERT INTO reviews SELECT 2, 'mine', written_at + INTERVAL 1 HOUR, known_at, 'b' "
        "FROM reviews WHERE review_id = 2",
    ],
)
def test_a_changed_past_is_seen_and_mended(written, sql):
    repo, store, fitted = written
    repo.change(sql)
    assert "texts" in {f.check for f in verify(store, sample=None) if not f.ok} or "INSERT" in sql
    materialize(store)
    assert_served(repo, store, fitted)


def test_a_text_that_is_gone_or_forgotten_is_no_past_any_more(written):
    repo, store, fitted = written
    repo.change("DELETE FROM reviews WHERE review_id = 4")
    materialize(store, drop_missing=True)
    assert_served(repo, store, fitted)
    forget(store, {"review_id": 0})
    repo.change("DELETE FROM reviews WHERE review_id = 0")
    materialize(store)
    assert_served(repo, store, fitted)


def test_a_forgotten_texts_vector_goes_where_only_a_history_knew_the_text(tmp_path):
    repo = Written(tmp_path / "repo")
    repo.write_texts(sample_rows())
    fitted = repo.fit(day(8), SETTINGS)
    views = feature_views(fitted, source=repo.source, entity=repo.review, entries=["history"])
    store = repo.store()
    store.apply([repo.review, *views.values()])
    materialize(store)
    assert forget(store, {"review_id": 0}).cached == 1


def test_chunks_a_killed_run_and_no_cache_make_no_difference(written):
    repo, _, fitted = written
    shutil.rmtree(repo.path / "data" / "features")
    shutil.rmtree(repo.path / "data" / "cache")
    repo.config = lambda: Written.config(repo, chunk_rows=2, cache=None)
    store = repo.apply(fitted)
    store.materialize(day(5), day(20))
    store.materialize(day(-1), day(20))
    assert_served(repo, store, fitted)


def test_a_run_on_ray_has_the_same_rows(written):
    pytest.importorskip("ray")
    repo, _, fitted = written
    shutil.rmtree(repo.path / "data" / "features")
    repo.config = lambda: Written.config(repo, chunk_rows=4, executor="ray")
    store = repo.apply(fitted)
    store.materialize(day(-1), day(20))
    assert_served(repo, store, fitted)


def test_each_text_is_encoded_once(written):
    repo, _, fitted = written
    shutil.rmtree(repo.path / "data" / "features")
    shutil.rmtree(repo.path / "data" / "cache")
    before = counts.totals()["texts_encoded"]
    repo.apply(fitted).materialize(day(-1), day(20))
    assert counts.totals()["texts_encoded"] - before == 13, "the blank one is none"


def test_what_a_view_cannot_give_is_refused_in_words(written):
    repo, _, fitted = written
    with pytest.raises(EmbfeastError, match="cannot be computed in a request"):
        live_view(fitted, name="review", entries=["history"])
    names = [field.name for field in live_view(fitted, name="review")["review_live"].features]
    assert names == ["reduced", "review_live_digest"]
    joined = {"both": {"trick": "join", "inputs": ["reduced", "history"]}}
    more = repo.fit(day(8), {**SETTINGS, "tricks": SETTINGS["tricks"] | joined})
    with pytest.raises(EmbfeastError, match="entry 'both' reads an entry that compares"):
        feature_views(more, source=repo.source, entity=repo.review)


def test_a_column_that_is_not_there_or_has_no_exact_text_is_named(written):
    repo, _, _ = written
    wrong = {
        "author": "no column 'author'",
        "weight": "'weight' is DOUBLE",
        "review_id": "'review_id' is one of its keys",
    }
    for column, said in wrong.items():
        repo.change("ALTER TABLE reviews ADD COLUMN IF NOT EXISTS weight DOUBLE")
        entry = {**SETTINGS["tricks"]["history"], "entity": column}
        with pytest.raises(EmbfeastError, match=said):
            repo.fit(day(8), {**SETTINGS, "tricks": {**SETTINGS["tricks"], "history": entry}})

"""A forgotten key is nowhere: not offline, online, in the cache or in any file, and stays away."""

import pandas as pd
import pyarrow.parquet as pq
import pytest

from embfeast import EmbfeastError
from embfeast.repository import forget, lookup, materialize, verify
from tests.small_repository import day

pytestmark = pytest.mark.slow

KEY = 7_340_182_649_001
OTHER = KEY + 1
PHRASE = "My neighbour Wilhelmina Quastenflosse sent the parcel back"
SHARED = "What two people have said alike"


def files(repo):
    """Return all files below a repository but the user's own text database."""
    return [f for f in repo.path.rglob("*") if f.is_file() and f.name != "reviews.duckdb"]


def holding(repo, *sought):
    return [str(f) for f in files(repo) if any(one in f.read_bytes() for one in sought)]


def keys_stored(repo):
    found = set()
    for file in repo.path.rglob("*.parquet"):
        rows = pq.read_table(file)
        found |= {
            key
            for name in rows.column_names
            if "review_id" in name
            for key in rows[name].to_pylist()
        }
    return found


@pytest.fixture
def asked(pushed):
    """A repository with a text of the key under two recipes, and one that another key has too."""
    repo, store, fitted = pushed
    texts = [
        (KEY, None, PHRASE, day(11), day(11)),
        (KEY, None, SHARED, day(12), day(12)),
        (OTHER, None, SHARED, day(12), day(12)),
    ]
    repo.write_texts(texts)
    materialize(store)
    return repo, store, fitted


def test_a_forgotten_key_is_in_no_file_and_does_not_come_back(asked):
    repo, store, _ = asked
    store = repo.apply(repo.fit(day(9)), repo.push_source())  # the first recipe's tables stay
    materialize(store)
    assert KEY in keys_stored(repo)
    report = repo.path / "report.html"
    report.write_text(f"<p>{PHRASE}</p>")
    cached = next((repo.path / "data" / "cache").glob("*.sqlite"))
    done = forget(store, {"review_id": str(KEY)})
    assert done.rows > 2
    assert done.cached == 1, "the other text is another key's too"
    assert done.left == [str(report.resolve())]
    report.unlink()
    sought = (PHRASE.encode(), str(KEY).encode(), KEY.to_bytes(8, "little"))
    assert holding(repo, *sought) == []
    assert KEY not in keys_stored(repo)
    assert OTHER in keys_stored(repo)
    assert cached.exists()
    with pytest.raises(EmbfeastError, match="has no features"):
        lookup(store, {"review_id": KEY})
    assert [one for one in verify(store, sample=None) if not one.ok] == []
    materialize(store)
    assert KEY not in keys_stored(repo)
    assert holding(repo, *sought) == []
    row = [KEY, "", PHRASE, day(13), day(13)]
    columns = ["review_id", "title", "body", "written_at", "known_at"]
    with pytest.raises(EmbfeastError, match="row 1 is of a key that was forgotten"):
        store.push("review_push", pd.DataFrame([[3, *row[1:]], row], columns=columns))
    assert KEY not in keys_stored(repo)
    assert [one for one in verify(store, sample=None) if not one.ok] == []


def test_a_key_that_no_view_has_or_of_another_type_is_refused(pushed):
    _, store, _ = pushed
    with pytest.raises(EmbfeastError, match="there is review_id"):
        forget(store, {"id": 3})
    with pytest.raises(EmbfeastError, match="'three' is not int64"):
        forget(store, {"review_id": "three"})

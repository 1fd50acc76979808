import numpy as np
import pandas as pd
import pytest
from feast import FeatureView, Field
from feast.types import String

from embfeast import EmbfeastError
from embfeast.plugin.engine import chunks
from embfeast.plugin.live import pair_features, serve_recipes_from
from embfeast.recipe.versions import make_current
from tests.small_repository import SETTINGS, WORDS, day

VIEWS = ["embedding", "similarity", "reduced", "cluster", "whitened", "pooled", "products"]


def entities(keys, times):
    return pd.DataFrame({"review_id": keys, "event_timestamp": times})


def bits(value):
    return None if value is None else np.asarray(value, dtype=np.float32).tobytes()


def table_files(repo):
    root = repo.path / "data" / "features"
    return {p.relative_to(root): p.read_bytes() for p in sorted(root.rglob("*.parquet"))}


def test_history_is_kept_and_an_old_label_gets_the_old_features(ready):
    repo, store, fitted = ready
    got = repo.training_set(store, entities([2, 2], [day(5), day(10)]))
    old = fitted.transform(["login\nSomething about the login of number 2"])
    new = fitted.transform(["login\nI have changed my mind, it works now"])
    for row, expected in enumerate([old, new]):
        for name in ["embedding", "reduced", "pooled", "similarity_billing", "distance_01"]:
            assert bits(got[name][row]) == bits(expected[name][0].as_py()), name


def test_a_lookup_after_materialize_equals_the_training_row_to_the_bit(ready):
    repo, store, _ = ready
    keys = list(range(12))
    offline = repo.training_set(store, entities(keys, [day(20)] * 12))
    online = repo.lookup(store, keys)
    features = [name for name in offline.columns if name not in ("review_id", "event_timestamp")]
    assert set(features) <= set(online)
    for name in features:
        for row in range(12):
            one, other = offline[name][row], online[name][row]
            if isinstance(one, str):
                assert one == other
            elif one is None or (np.isscalar(one) and np.isnan(one)):
                assert other is None
            else:
                assert bits(one) == bits(other), name


def test_a_text_in_a_request_gives_the_bits_of_the_stored_text(ready):
    repo, store, _ = ready
    text = "export\nSomething about the export of number 6"
    live = store.get_online_features(
        store.get_feature_service("live"), [{"text": text}, {"text": "  "}]
    ).to_dict()
    stored = repo.lookup(store, [6])
    compared = set(live) & set(stored)
    assert {"embedding", "reduced", "cluster", "products"} <= compared
    for name in compared:
        assert bits(live[name][0]) == bits(stored[name][0]), name
        assert live[name][1] is None


def test_pair_features_come_from_two_stored_texts(ready):
    repo, store, fitted = ready
    rows = [{"review_id": 1, "other_review_id": 7}, {"review_id": 1, "other_review_id": 4}]
    service = store.get_feature_service("pair")
    online = store.get_online_features(service, rows).to_dict()["pair"]
    stored = repo.lookup(store, [1, 7])["reduced"]
    left, right = (np.array([v], dtype=np.float32) for v in stored)
    assert bits(online[0]) == fitted.transform_pairs("pair", left, right).tobytes()
    assert online[1] is None, "the other text is blank"
    frame = pd.DataFrame(rows).assign(event_timestamp=day(20))
    offline = store.get_historical_features(frame, service).to_df()["pair"]
    assert bits(offline[0]) == bits(online[0])


def test_a_pair_is_compared_by_the_recipe_that_made_both_texts_and_says_so(ready):
    repo, store, first = ready
    rows = [{"review_id": 1, "other_review_id": 7}, {"review_id": 1, "other_review_id": 99}]
    before = repo.pairs(store, rows)
    assert before["embfeast_status"] == ["current", "missing"]
    store = repo.apply(second := repo.fit(day(6.5)))
    after = repo.pairs(store, rows)
    assert bits(after["pair"][0]) == bits(before["pair"][0]), (
        "of the first recipe, as the texts are"
    )
    assert after["embfeast_status"] == [told_of(first), "missing"]
    # The right text has the new recipe's vector, the left one has the old one's.
    store.materialize(day(-1), day(20), feature_views=["other_review_reduced"])
    mixed = repo.pairs(store, rows)
    assert mixed["pair"][0] is None
    assert mixed["embfeast_status"][0] == "another recipe: review_pair=two recipes"
    store.materialize(day(-1), day(20))
    now = repo.pairs(store, rows)
    assert now["embfeast_status"][0] == "current"
    left, right = (
        np.array([vector], dtype=np.float32) for vector in repo.lookup(store, [1, 7])["reduced"]
    )
    assert bits(now["pair"][0]) == second.transform_pairs("pair", left, right).tobytes()


def test_a_pair_entry_that_read_other_vectors_before_compares_none_of_the_new_ones(ready):
    repo, store, first = ready
    whitened = {"trick": "pair_interaction", "input": "whitened", "n_components": 3}
    second = repo.fit(day(8), SETTINGS | {"tricks": SETTINGS["tricks"] | {"pair": whitened}})
    vectors = repo.lookup(store, [1, 7])["whitened"]
    serve_recipes_from(repo.recipes)
    columns = ("whitened", "other", "pair", ("made_by", "other_made_by"), "told")
    for maker, compared in ((first.digest, False), (second.digest, True)):
        stored = {"whitened": vectors[:1], "other": vectors[1:]}
        stored |= {"made_by": [maker], "other_made_by": [maker]}
        found = pair_features(stored, second.digest, "pair", *columns)
        assert (found["pair"][0] is not None, found["told"]) == (compared, [maker])


def told_of(fitted) -> str:
    return f"another recipe: review_pair={fitted.digest[:12]}"


def test_a_missing_text_gives_nulls_and_is_counted(repo, capsys):
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(20))
    assert "13 texts read, 13 computed" in (said := capsys.readouterr().err)
    assert "1 missing or blank" in said
    online = repo.lookup(store, [4])
    assert online["embedding"] == [None]
    assert online["review_embedding_digest"] != [None], "the row is there, its features are null"


def test_a_run_twice_changes_nothing(ready, capsys):
    repo, store, _ = ready
    before, online = table_files(repo), repo.lookup(store, range(12))
    store.materialize(day(-1), day(20))
    store.materialize(day(3), day(9))
    assert table_files(repo) == before
    assert repo.lookup(store, range(12)) == online
    assert "13 were there already" in capsys.readouterr().err


def test_windows_in_any_order_give_the_same_rows_as_one_run(ready, tmp_path):
    one_run, one_store, _ = ready
    from tests.small_repository import Repo, sample_rows

    repo = Repo(tmp_path / "other")
    repo.write_texts(sample_rows())
    store = repo.apply(repo.fit(day(8)))
    for start, end in [(6, 20), (-1, 3), (2, 7)]:
        store.materialize(day(start), day(end))
    frame = entities([*range(12), 2], [*([day(20)] * 12), day(5)])
    pd.testing.assert_frame_equal(
        repo.training_set(store, frame), one_run.training_set(one_store, frame)
    )
    assert repo.lookup(store, range(12)) == one_run.lookup(one_store, range(12))


def test_an_older_window_never_replaces_a_newer_online_value(ready):
    repo, store, _ = ready
    before = repo.lookup(store, [2])
    store.materialize(day(1), day(3))
    assert repo.lookup(store, [2]) == before


def test_a_late_arrival_is_picked_up_by_the_next_incremental_run(repo):
    store = repo.apply(repo.fit(day(8)))
    store.materialize(day(-1), day(12))
    repo.write_texts([(50, "late", "It arrived late", day(5), day(13))])
    store.materialize_incremental(day(14))
    assert repo.lookup(store, [50])["embedding"][0] is not None
    got = repo.training_set(store, entities([50, 50], [day(6), day(14)]))
    assert got["embedding"].notna().tolist() == [True, True]
    known = repo.training_set(
        store, entities([50, 50], [day(6), day(14)]), filter_by_created_timestamp=True
    )
    assert known["embedding"].notna().tolist() == [False, True]


def test_each_text_is_encoded_once_for_all_views(repo, monkeypatch):
    from embfeast.encoding.backend import OnnxBackend

    fitted = repo.fit(day(8))
    store = repo.apply(fitted)
    encoded = []
    read = OnnxBackend.read
    monkeypatch.setattr(
        OnnxBackend,
        "read",
        lambda self, batch, *a, **k: encoded.append(len(batch.rows)) or read(self, batch, *a, **k),
    )
    store.materialize(day(-1), day(20))
    read_at_fit = 7  # of 12 texts, 7 were known before the cutoff; the cache has them
    assert sum(encoded) == 12 - read_at_fit
    store.materialize(day(-1), day(20))
    assert sum(encoded) == 12 - read_at_fit


def test_a_refit_starts_a_new_table_and_the_old_training_set_stays(ready):
    repo, store, first = ready
    frame = entities(list(range(12)), [day(20)] * 12)
    before = repo.training_set(store, frame)
    old_files = table_files(repo)
    second = repo.fit(day(11))
    assert second.digest != first.digest
    with pytest.raises(EmbfeastError, match="run `feast apply`"):
        store.materialize(day(-1), day(20))
    assert table_files(repo) == old_files
    store = repo.apply(second)
    assert set(repo.lookup(store, [1])["review_reduced_digest"]) == {first.digest}
    store.materialize_incremental(day(20))
    after = repo.training_set(store, frame)
    assert after["embedding"].notna().sum() == 11, "the whole history was computed again"
    assert set(after["review_reduced_digest"]) == {second.digest}
    assert set(repo.lookup(store, [1])["review_reduced_digest"]) == {second.digest}
    assert not before["reduced"].equals(after["reduced"])
    make_current(repo.recipes, first.digest)
    again = repo.training_set(repo.apply(first), frame)
    pd.testing.assert_frame_equal(again, before)
    assert {k: v for k, v in table_files(repo).items() if k in old_files} == old_files


def test_going_back_to_an_earlier_recipe_puts_its_values_online_and_computes_none(ready):
    repo, store, first = ready
    before = repo.lookup(store, [1, 2])
    store = repo.apply(repo.fit(day(11)))
    store.materialize(day(-1), day(20))
    assert repo.lookup(store, [1, 2])["reduced"] != before["reduced"]
    files = table_files(repo)
    store = repo.apply(make_current(repo.recipes, first.digest))
    store.materialize(day(-1), day(20))
    assert repo.lookup(store, [1, 2]) == before
    assert table_files(repo) == files, "all its rows were there"


def test_a_run_that_fails_leaves_what_is_stored_and_is_repaired_by_the_next(ready, monkeypatch):
    repo, store, _ = ready
    before, online = table_files(repo), repo.lookup(store, range(12))
    repo.write_texts([(i, None, f"more {i}", day(15), day(15)) for i in range(60, 72)])
    write, written = chunks.write_file, []

    def fail_at_the_fifth(place, table):
        written.append(place)
        if len(written) == 5:
            raise EmbfeastError("no space")
        return write(place, table)

    monkeypatch.setattr(chunks, "write_file", fail_at_the_fifth)
    with pytest.raises(EmbfeastError, match="no space"):
        store.materialize(day(-1), day(20))
    monkeypatch.undo()
    assert {k: v for k, v in table_files(repo).items() if k in before} == before
    assert repo.lookup(store, range(12)) == online, "offline comes first"
    assert repo.lookup(store, [60])["embedding"] == [None]
    store.materialize(day(-1), day(20))
    got = repo.training_set(store, entities(list(range(60, 72)), [day(20)] * 12))
    assert got[["embedding", "reduced", "pooled", "cluster"]].notna().all(axis=None)
    assert repo.lookup(store, [60])["embedding"][0] is not None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((None, "a", "b", day(1), day(1)), "1 rows have no 'review_id'"),
        ((90, "a", "b", None, day(1)), "1 rows have no 'written_at'"),
        ((5, "a", "b", day(5), day(5)), "2 rows have the same key and time .*review_id=5"),
    ],
)
def test_rows_that_would_corrupt_features_are_named_and_nothing_is_harmed(ready, row, message):
    repo, store, _ = ready
    before = table_files(repo)
    repo.write_texts([row])
    with pytest.raises(EmbfeastError, match=message):
        store.materialize(day(-1), day(20))
    assert table_files(repo) == before


def test_a_recipe_folder_that_is_gone_or_changed_stops_the_run(ready):
    repo, store, fitted = ready
    folder = repo.recipes / fitted.digest
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"rows": 7', '"rows": 8'))
    with pytest.raises(EmbfeastError, match="was changed after it was saved"):
        store.materialize(day(-1), day(20))
    folder.rename(repo.recipes / "elsewhere")
    with pytest.raises(EmbfeastError, match="bring its folder there"):
        store.materialize(day(-1), day(20))


def test_views_that_no_recipe_computes_are_left_to_feast(ready):
    repo, store, _ = ready
    plain = FeatureView(
        name="review_title",
        entities=[repo.review],
        schema=[Field(name="title", dtype=String)],
        source=repo.source,
    )
    store.apply([plain])
    store.materialize(day(-1), day(20))
    got = store.get_online_features(["review_title:title"], [{"review_id": 1}]).to_dict()
    assert got["title"] == [WORDS[1]]


def test_applying_twice_changes_nothing(ready, capsys):
    repo, _, fitted = ready
    registry = repo.store().registry
    names = ["review_reduced", "other_review_reduced"]
    before = {n: registry.get_feature_view(n, "reviews").tags for n in names}
    capsys.readouterr()
    repo.apply(fitted)
    assert "New feature table" not in capsys.readouterr().out
    after = {n: repo.store().registry.get_feature_view(n, "reviews").tags for n in names}
    assert before == after
    assert before["review_reduced"]["embfeast.digest"] == fitted.digest


def test_settings_of_the_test_repository_use_every_trick():
    used = {entry["trick"] for entry in SETTINGS["tricks"].values()}
    assert len(used) == 8

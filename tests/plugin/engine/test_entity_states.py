"""States of entities: kept up by runs, pushes and repairs, and read by requests."""

import shutil

import numpy as np
import pandas as pd
import pytest
from feast import Entity, FeatureService, ValueType

from embfeast import EmbfeastError
from embfeast.plugin import feature_views, history_views, pair_view
from embfeast.plugin.engine.push import push_texts
from embfeast.repository.check.verify import verify
from embfeast.repository.materializing import materialize
from tests.plugin.engine.test_histories import COLUMNS, LATE, SETTINGS, Written, sample_rows
from tests.small_repository import day

pytestmark = pytest.mark.slow

LASTING = [
    "history_log_count",
    "history_log_days",
    "history_similarity_last_5",
    "history_similarity_decayed",
    "history_similarity",
    "history_change",
    "history_spread",
]
REDUCED = {**SETTINGS, "tricks": {"reduced": SETTINGS["tricks"]["reduced"]}}


class Stated(Written):
    """A repository whose texts can be pushed, and whose writers have states."""

    writer = Entity(name="writer", join_keys=["writer"], value_type=ValueType.STRING)

    def apply(self, fitted, source=None, moment="at"):
        views = feature_views(fitted, source=source or self.push_source(), entity=self.review)
        own = history_views(fitted, views, entity=self.writer, moment=moment)
        store = self.store()
        services = [
            FeatureService(name="all", features=[view for view in views.values() if view.online]),
            FeatureService(name="states", features=[own["review_history_state"]]),
            FeatureService(name="live", features=[own["review_history_live"]]),
        ]
        store.apply([self.review, self.writer, *views.values(), *own.values(), *services])
        return store

    def views(self, store):
        return {view.name: view for view in store.list_batch_feature_views()}

    def state(self, store, writer):
        service = store.get_feature_service("states")
        found = store.get_online_features(service, [{"writer": writer}]).to_dict()
        return {name.removeprefix("history_state_"): cells[0] for name, cells in found.items()}

    def live(self, store, rows):
        """Ask for (writer, text, moment) rows."""
        asked = [
            {"writer": writer, "text": text, "at": at.isoformat()} for writer, text, at in rows
        ]
        return store.get_online_features(store.get_feature_service("live"), asked).to_dict()


def states_by_loops(fitted, texts):
    """Of each writer and moment: how many texts stand then, when the last was, and their mean."""
    rows = [row for row in texts.itertuples() if row.body and row.body.strip()]
    vectors = fitted.matrices([row.body for row in rows], ["reduced"])["reduced"]
    units = {row.Index: v / np.linalg.norm(v) for row, v in zip(rows, vectors, strict=True)}
    made = {}
    for moment in sorted({row.written_at for row in rows}):
        newest = {}
        for row in rows:  # in order of time
            if row.written_at <= moment:
                newest[row.review_id] = row
        now = [row for row in rows if row.written_at == moment]
        for writer in "abc":
            had = {
                row.review_id for row in rows if row.writer == writer and row.written_at <= moment
            }
            if any(row.review_id in had for row in now):
                standing = [row for row in newest.values() if row.writer == writer]
                mean = np.mean([units[row.Index] for row in standing], axis=0) if standing else 0
                last = max((row.written_at for row in standing), default=None)
                made[writer, moment] = len(standing), last, mean
    return made


def assert_states(repo, store, fitted):
    """Each moment's state offline, and each writer's newest online, is what plain loops give."""
    wanted = states_by_loops(fitted, repo.texts())
    at = pd.DataFrame(wanted.keys(), columns=["writer", "event_timestamp"])
    service = store.get_feature_service("states")
    offline = store.get_historical_features(at, service).to_df()
    offline = {(row.writer, row.event_timestamp): row for row in offline.itertuples()}
    for key, (count, last, mean) in wanted.items():
        row = offline[key]
        assert row.history_state_count == count, key
        assert row.history_state_at == key[1].value // 1000, key
        if last is not None:
            assert row.history_state_last_text == last.value // 1000, key
        np.testing.assert_allclose(row.history_state_mean, np.zeros(3) + mean, atol=1e-6)
    for writer in {writer for writer, _ in wanted}:
        newest = offline[max(key for key in wanted if key[0] == writer)]
        for name, value in repo.state(store, writer).items():
            if name not in ("writer", "embfeast_status", "review_history_state_digest"):
                kept = getattr(newest, f"history_state_{name}")
                assert np.array_equal(np.float64(value), np.float64(kept), equal_nan=True), name
    found = verify(store, sample=None)
    assert [f for f in found if not f.ok] == []
    own = {f.check: f.found for f in found if f.view == "review_history_state"}
    assert own["texts"].startswith(f"{len(wanted)} states")
    assert "equal to the bit" in own["recomputed"]
    assert "equal to the bit" in own["online"]


def pushed(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_row_a_moment_offline_and_the_newest_online_are_those_of_plain_loops(stated):
    assert_states(*stated)


def test_a_training_set_has_the_state_as_of_each_rows_time(stated):
    _, store, _ = stated
    at = pd.DataFrame({"writer": ["a"] * 3, "event_timestamp": [day(-1), day(0.5), day(3)]})
    found = store.get_historical_features(at, ["review_history_state:history_state_count"]).to_df()
    counts = found.sort_values("event_timestamp")["history_state_count"]
    assert counts.fillna(0).tolist() == [0, 1, 2]


def test_a_state_is_known_when_the_last_of_its_texts_was(stated):
    repo, store, fitted = stated
    repo.write_texts([LATE, (60, "c said so early, and late", day(5), day(16), "c")])
    materialize(store)
    assert_states(repo, store, fitted)
    texts = repo.texts().query("body.str.strip() != ''").sort_values("written_at")
    rows = [(writer, day(at)) for writer in "ac" for at in (0, 1, 3, 4, 7, 10, 14.5, 15, 16)]
    at = pd.DataFrame(rows, columns=["writer", "event_timestamp"])
    found = store.get_historical_features(
        at, ["review_history_state:history_state_at"], filter_by_created_timestamp=True
    ).to_df()
    got = {(row.writer, row.event_timestamp): row.history_state_at for row in found.itertuples()}
    late = 0
    for writer, moment in rows:
        wanted = None
        for text in texts[texts.written_at <= moment].itertuples():
            until = texts[texts.written_at <= text.written_at]
            own = until[until.review_id.isin(until[until.writer == writer].review_id)]
            if text.review_id in set(own.review_id):
                if own.known_at.max() <= moment:
                    wanted = text.written_at
                late += own.known_at.max() > moment
        assert got[writer, moment] == (wanted and wanted.value // 1000) or (
            wanted is None and pd.isna(got[writer, moment])
        ), (writer, moment)
    assert late, "some were not known yet"


NEW = [
    ("a", "what a writes now", day(13) + pd.Timedelta(microseconds=1)),
    ("b", "Something about the parcel of number 1", day(13.25)),
    ("c", "and c, much later", day(400)),
    ("d", "the first that d writes", day(13.5)),
]


def test_a_request_answers_with_the_bits_that_the_text_has_once_it_is_pushed(stated):
    repo, store, fitted = stated
    live = repo.live(store, [*NEW, ("a", " ", day(14))])
    store.push("review_push", pushed(*[
        (100 + i, text, at, at, writer) for i, (writer, text, at) in enumerate(NEW)
    ]))  # fmt: skip
    stored = repo.lookup(store, [100, 101, 102, 103])
    at = {"review_id": [100, 101, 102, 103], "event_timestamp": [at for _, _, at in NEW]}
    trained = repo.training_set(store, pd.DataFrame(at)).sort_values("review_id")
    assert set(LASTING) | {"review_history_live_digest", "writer"} == set(live)
    for name in LASTING:
        assert live[name][:4] == stored[name] == trained[name].tolist(), name
        assert live[name][4] is None, "of a blank text"
    assert set(live["review_history_live_digest"]) == {fitted.digest}


@pytest.mark.parametrize(
    "rows",
    [
        [LATE],
        [
            (6, "number 6 in other words", day(12), day(12), "a"),
            (4, "this was not b's", day(10.5), day(12), "a"),
            (30, "of one moment", day(12), day(12), "c"),
            (31, "as this", day(12), day(12), "c"),
            (23, " ", day(14), day(14), "b"),
            (22, "of nobody", day(14), day(14), None),
        ],
    ],
    ids=["late", "revised, moved, of one moment, blank and nobody's"],
)
def test_a_push_updates_states_and_the_next_run_changes_nothing(stated, rows):
    repo, store, fitted = stated
    store.push("review_push", pushed(*rows))
    repo.write_texts(rows)
    assert_states(repo, store, fitted)
    before = repo.state(store, "a")
    files = sorted((repo.path / "data" / "features" / "review_history_state").rglob("*.parquet"))
    store.materialize(day(-1), day(20))
    assert repo.state(store, "a") == before
    assert files == sorted(
        (repo.path / "data" / "features" / "review_history_state").rglob("*.parquet")
    )


def test_a_push_beside_a_view_of_pairs_updates_states_too(stated):
    repo, _, _ = stated
    paired = {"pair": {"trick": "pair_interaction", "input": "reduced", "n_components": 2}}
    fitted = repo.fit(day(8), {**SETTINGS, "tricks": SETTINGS["tricks"] | paired})
    store = repo.apply(fitted)
    views = feature_views(fitted, source=repo.push_source(), entity=repo.review)
    pairs = pair_view(fitted, views, entity=repo.review, other=repo.other)
    store.apply([repo.other, *pairs.values()])
    store.materialize(day(-1), day(20))
    views = [view for view in store.list_batch_feature_views() if view.name != "review_text"]
    views.sort(key=lambda view: view.name)  # as a registry that sorts them would hand them on
    assert views[0].entities == ["other_review"]
    push_texts(repo.config(), store._get_provider().online_store, views, pushed(LATE))
    repo.write_texts([LATE])
    assert_states(repo, store, fitted)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE reviews SET writer = 'b', body = 'said otherwise' WHERE review_id = 0",
        "DELETE FROM reviews WHERE review_id = 10",
        "DELETE FROM reviews WHERE writer = 'b'",
    ],
)
def test_texts_that_change_or_go_change_the_states_after_them(stated, sql):
    repo, store, fitted = stated
    repo.change(sql)
    materialize(store, drop_missing=True)
    assert_states(repo, store, fitted)
    assert (repo.state(store, "b")["count"] is None) == sql.endswith("WHERE writer = 'b'")


def test_a_refitted_recipe_and_a_lost_table_get_all_states_again(stated):
    repo, _, _ = stated
    again = repo.fit(day(5), SETTINGS)
    store = repo.apply(again)
    with pytest.raises(EmbfeastError, match=r"is of recipe .* materialize"):
        repo.live(store, [("a", "of a new recipe", day(13))])
    materialize(store, incremental=True)
    assert_states(repo, store, again)
    shutil.rmtree(repo.path / "data" / "features" / "review_history_state")
    store = repo.apply(again)
    assert [f.check for f in verify(store) if not f.ok and "state" in f.view] == ["texts"]
    store.materialize(day(10), day(20))
    assert_states(repo, store, again)


def test_moments_that_are_not_after_the_state_or_no_text_are_refused(stated):
    repo, store, _ = stated
    last = max(day(9), day(11))
    with pytest.raises(EmbfeastError, match="row 1: its moment is not after"):
        repo.live(store, [("a", "later", day(13)), ("c", "not later", last)])
    service = store.get_feature_service("live")
    with pytest.raises(EmbfeastError, match="moment"):
        store.get_online_features(service, [{"writer": "a", "text": "x", "at": "soon"}])
    with pytest.raises(EmbfeastError, match="which Feast rounds"):
        store.get_online_features(service, [{"writer": "a", "text": "x", "at": day(13)}])
    now = store.get_online_features(service, [{"writer": "a", "text": "x", "at": None}]).to_dict()
    assert now["history_log_days"][0] > 0


@pytest.mark.parametrize("moment", [None, "at"])
def test_a_training_set_refuses_requests_against_states_which_hold_its_own_texts(stated, moment):
    repo, _, fitted = stated
    store = repo.apply(fitted, moment=moment)
    text = {"writer": ["a"], "event_timestamp": [day(6)], "text": [sample_rows()[6][1]]}
    asked = pd.DataFrame(text | ({"at": [day(6.1).isoformat()]} if moment else {}))
    live = store.get_feature_service("live")
    with pytest.raises(EmbfeastError, match="own text; train on view 'review_history'"):
        store.get_historical_features(asked, live).to_df()
    with pytest.raises(EmbfeastError, match="train on view 'review_history'"):
        store.get_historical_features(asked, ["review_history_live:history_similarity"])


def test_whole_numbers_are_keys_and_what_is_none_is_refused(stated):
    repo, _, fitted = stated
    repo.change("UPDATE reviews SET writer = CASE writer WHEN 'a' THEN '7' WHEN 'b' THEN '8' END")
    Stated.writer, text = (
        Entity(name="author", join_keys=["writer"], value_type=ValueType.INT64),
        Stated.writer,
    )
    try:
        shutil.rmtree(repo.path / "data" / "features")
        (repo.path / "data" / "registry.db").unlink()
        store = repo.apply(fitted)
        store.materialize(day(-1), day(20))
        assert repo.state(store, 7)["count"] == 3
        repo.change("UPDATE reviews SET writer = '07' WHERE review_id = 0")
        with pytest.raises(EmbfeastError, match="'07' is not just a number"):
            store.materialize(day(-1), day(20))
    finally:
        Stated.writer = text


def test_views_that_cannot_be_made_are_refused_in_words(stated):
    repo, _, fitted = stated
    views = feature_views(fitted, source=repo.source, entity=repo.review)
    other = Entity(name="other", join_keys=["author"], value_type=ValueType.STRING)
    with pytest.raises(EmbfeastError, match=r"its key is 'author'.* of the column 'writer'"):
        history_views(fitted, views, entity=other)
    with pytest.raises(EmbfeastError, match="has no view among"):
        history_views(fitted, {}, entity=repo.writer)
    with pytest.raises(EmbfeastError, match="name one of them, got 'reduced'"):
        history_views(fitted, views, entity=repo.writer, entry="reduced")
    with pytest.raises(EmbfeastError, match=r"has no entity_history entry.* out of the rep"):
        history_views(repo.fit(day(8), REDUCED), views, entity=repo.writer)
    vector = {**SETTINGS["tricks"]["history"], "windows": [3] * 1, "last": 60, "input": "embedding"}
    vector["outputs"] = ["means"]
    tricks = {"history": vector}
    wide = repo.fit(day(8), {**SETTINGS, "tricks": tricks})
    views = feature_views(wide, source=repo.source, entity=repo.review)
    with pytest.raises(EmbfeastError, match="is one vector, and holds windows of days"):
        history_views(wide, views, entity=repo.writer)

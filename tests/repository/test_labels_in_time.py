"""Tricks on labels and words in a feature repository: every way to a value gives the same bits."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import Entity, FeatureService, PushSource, ValueType

from embfeast import EmbfeastError, Recipe
from embfeast.commands.console import open_repository
from embfeast.encoding import EmbeddingCache, Encoder
from embfeast.plugin import DuckDBSource, feature_views, live_view
from embfeast.report import Wanted, write_report
from embfeast.repository import fit_repository, lookup, verify
from embfeast.repository.sources import text_source
from tests.report.conftest import messages
from tests.report.repositories import PERIOD, make_repository

pytestmark = pytest.mark.slow

ENTRIES = {
    "embedding": {"trick": "embedding"},
    "near": {"trick": "labelled_neighbours", "n_neighbors": 3, "rare": 1, "lag_days": 2},
    "graph": {
        **{"trick": "labelled_neighbours", "n_neighbors": 3, "rare": 1, "lag_days": 2},
        **{"search": "approximate", "prefix": "graph_"},
    },
    "told": {"trick": "embedding_reducer", "method": "pls", "n_components": 2},
    "words": {"trick": "word_features", "n_components": 4},
    "joined": {"trick": "join", "inputs": ["near", "words"]},
}
SHARES = [f"neighbour_share_{name}" for name in ("login", "money", "other", "parcel")]
NEAR = [*SHARES, "neighbour_similarity", "neighbour_novelty"]
COLUMNS = [*NEAR, *(f"graph_{name}" for name in NEAR), "told", "words", "joined"]


class Repo:
    """A repository of 40 messages with topics, fitted on the first 30, materialized."""

    def __init__(self, path: Path, texts: pd.DataFrame):
        self.texts = texts
        plain = {"words": {"trick": "embedding"}}
        encoder = Encoder(cache=EmbeddingCache(path.parent / "cache"))
        make_repository(path, texts, plain, label="topic", encoder=encoder)
        self.as_of = texts["written_at"][30].to_pydatetime()
        store = open_repository(path).store
        self.fitted = fit_repository(store, Recipe({"tricks": ENTRIES}), as_of=self.as_of)
        message = Entity(name="message", join_keys=["message_id"], value_type=ValueType.INT64)
        source = DuckDBSource(
            name="messages", database="data/messages.duckdb", table="messages",
            text_columns="text", timestamp_field="written_at", key_columns="message_id",
            label_column="topic",
        )  # fmt: skip
        pushed = PushSource(name="pushed", batch_source=source)
        self.views = feature_views(self.fitted, source=pushed, entity=message)
        live = live_view(self.fitted, name="message", entries=list(ENTRIES)[1:])
        stored = [view for name, view in self.views.items() if name != "message_text"]
        service = FeatureService(name="all", features=stored)
        asked = FeatureService(name="live", features=list(live.values()))
        store.apply([message, pushed, *self.views.values(), *live.values(), service, asked])
        store.materialize(*PERIOD)
        self.store = store

    def training(self) -> pd.DataFrame:
        rows = self.texts[["message_id", "written_at"]]
        frame = rows.rename(columns={"written_at": "event_timestamp"})
        names = [
            f"{view.name}:{f.name}"
            for view in self.views.values()
            if view.name != "message_text"
            for f in view.features
        ]
        found = self.store.get_historical_features(entity_df=frame, features=names).to_df()
        return found.sort_values("message_id").reset_index(drop=True)


@pytest.fixture(scope="module")
def texts():
    return messages(40)


@pytest.fixture(scope="module")
def repo(tmp_path_factory, texts):
    return Repo(tmp_path_factory.mktemp("labels") / "repo", texts)


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return all(plain(one[name]) == plain(other[name]) for name in COLUMNS)


def plain(column: pd.Series) -> list:
    """Vectors as lists, and what is missing as None, which equals itself."""
    return [
        None if np.ndim(one) == 0 and pd.isna(one) else np.asarray(one).tolist() for one in column
    ]


def test_training_rows_see_what_was_known_and_later_rows_the_whole_bank(repo, texts):
    trained = repo.training()
    known = texts["written_at"] + pd.Timedelta(days=2)
    for row in range(39):
        seen = (known < texts["written_at"][row]) & texts["text"].notna() & (known < repo.as_of)
        assert (trained[SHARES].loc[row].sum() > 0) == seen.any()
    assert trained["neighbour_novelty"][0] == 1
    # After the cutoff a stored row has the bits of a text that nothing is known of.
    later = repo.fitted.transform(texts["text"][30:].tolist()).to_pandas()
    assert same(trained[30:], later)
    given = {"times": texts["written_at"], "keys": texts["message_id"].tolist()}
    assert same(trained, repo.fitted.transform(texts["text"].tolist(), **given).to_pandas())
    assert not same(trained[:30], repo.fitted.transform(texts["text"][:30].tolist()).to_pandas())


def test_directions_learned_from_labels_say_nothing_of_rows_before_them(repo, texts):
    trained = repo.training()
    until = pd.Timestamp(repo.fitted.tricks["told"].learned_until_, unit="us", tz="UTC")
    assert texts["written_at"][0] < until < repo.as_of
    for row in texts.index[texts["text"].notna()]:
        assert any(trained["told"][row]) == (texts["written_at"][row] >= until)
    with pytest.raises(EmbfeastError, match=r"'told' .*requires y to be passed"):
        Recipe({"tricks": {"told": ENTRIES["told"]}}).fit(["one text", "another"])


def test_online_and_live_values_are_the_stored_ones(repo, texts):
    trained = repo.training()
    of_key = lookup(repo.store, {"message_id": "35"}, service="all")
    of_text = lookup(repo.store, {"text": texts["text"][35]}, service="live")
    for name in COLUMNS:
        assert np.array_equal(of_key[name], trained[name][35])
        assert np.array_equal(of_text[name], trained[name][35])


def test_verify_computes_old_rows_as_of_their_own_time(repo):
    assert [one for one in verify(repo.store) if not one.ok] == []


def test_a_pushed_text_has_the_bits_of_the_next_materialization(repo, texts):
    new = {"message_id": [99], "text": ["my order never arrived"]}
    when = texts["written_at"].max() + pd.Timedelta(days=1)
    repo.store.push("pushed", pd.DataFrame({**new, "written_at": [when]}))
    of_key = lookup(repo.store, {"message_id": "99"}, service="all")
    of_text = lookup(repo.store, {"text": new["text"][0]}, service="live")
    assert all(np.array_equal(of_key[name], of_text[name]) for name in COLUMNS)


def test_the_report_shows_whether_similar_texts_share_labels_and_the_heaviest_words(repo, tmp_path):
    source = text_source(repo.store.repo_path)
    wanted = Wanted(evaluate=False, label_column="topic")
    page = write_report(repo.store, source, tmp_path / "report.html", wanted)
    sections = {one.title: one for one in page.sections}
    agreement, nearest = sections["near"].parts
    assert "finds 100.0% of the nearest labels" in sections["graph"].prose[1]
    assert "finds" not in sections["near"].prose[1]
    assert "The bank holds 30 labels" in sections["near"].prose[0]
    assert (
        sum(row[2] for row in agreement.data.rows) == 3 * 30 - 6
    )  # the first see fewer than three
    assert all(row[2] <= 1 and row[3] for row in nearest.rows)
    assert "learned from" in sections["told"].prose[1]
    heaviest, ends = sections["words"].parts
    assert len(heaviest.rows) == 20
    assert [row[0] for row in ends.rows] == [f"words_{i:03d}" for i in range(4)]


def test_labels_known_later_change_no_bit_of_earlier_rows(repo, texts, tmp_path):
    changed = texts.copy()
    changed.loc[20:, "topic"] = ["money", "other"] * 10
    other = Repo(tmp_path / "repo", changed)
    assert other.fitted.digest != repo.fitted.digest
    known = texts["written_at"][20] + pd.Timedelta(days=2)
    early = texts.index[texts["written_at"] <= known]
    one, two = repo.training().loc[early], other.training().loc[early]
    for name in [*SHARES, "neighbour_similarity", "neighbour_novelty"]:
        assert one[name].tolist() == two[name].tolist()
    assert (
        repo.training()["neighbour_share_money"].tolist()
        != other.training()["neighbour_share_money"].tolist()
    )

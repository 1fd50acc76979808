from pathlib import Path

import pandas as pd
import pytest
from feast import Entity, FeatureStore, Field, FileSource, PushSource, ValueType
from feast.data_source import PushMode
from feast.labeling import ConflictPolicy, LabelView
from feast.types import Int64, String

from embfeast import EmbfeastError
from embfeast.repository import Repository, texts_and_labels
from embfeast.repository.label_views import labels_given
from tests.small_repository import day

SOURCES = """
from embfeast.plugin import DuckDBSource

reviews = DuckDBSource(
    name="reviews", database="data/reviews.duckdb", table="reviews", text_columns="body",
    timestamp_field="written_at", created_timestamp_column="known_at", key_columns="review_id",
)
"""


def told(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["review_id", "urgent", "labeler", "at"])


@pytest.fixture
def labelled(repo):
    """A repository whose label view has been pushed to, and its store."""

    def make(policy=ConflictPolicy.LAST_WRITE_WINS) -> Repository:
        (repo.path / "sources.py").write_text(SOURCES)
        (repo.path / "labels").mkdir()
        told((100, "no", "ann", day(0))).to_parquet(repo.path / "labels" / "first.parquet")
        store = FeatureStore(config=repo.config())
        rows = FileSource(name="label_rows", path="labels", timestamp_field="at")
        names = {"review_id": Int64, "urgent": String, "labeler": String}
        view = LabelView(
            name="triage",
            source=PushSource(name="label_push", batch_source=rows),
            schema=[Field(name=name, dtype=kind) for name, kind in names.items()],
            entities=[Entity(name="r", join_keys=["review_id"], value_type=ValueType.INT64)],
            conflict_policy=policy,
            online=False,
        )
        store.apply([Entity(name="r", join_keys=["review_id"], value_type=ValueType.INT64), view])
        pushed = told(
            (1, "yes", "ann", day(3)),
            (1, "yes", "bob", day(4)),
            (1, "no", "eve", day(6)),
            (2, "no", "ann", day(3)),
            (3, None, "ann", day(3)),
        )
        store.push("label_push", pushed, to=PushMode.OFFLINE)
        return Repository(store)

    return make


def labels(frame: pd.DataFrame) -> dict:
    return dict(zip(frame["review_id"], frame["label"], strict=True))


def test_labels_that_were_pushed_into_a_label_view_meet_their_texts(labelled):
    repository = labelled()
    found = labels_given(repository, Path("triage:urgent"))
    assert labels(found) == {1: "no", 2: "no", 100: "no"}
    rows = texts_and_labels(repository.source(), repository.folder, found)
    assert labels(rows) == {1: "no", 2: "no"}


def test_the_views_own_policy_chooses_among_labels_of_one_key(labelled):
    found = labels_given(labelled(ConflictPolicy.MAJORITY_VOTE), Path("triage:urgent"))
    assert labels(found)[1] == "yes"


def test_a_fit_reads_no_label_of_its_cutoff_or_later(labelled):
    found = labels_given(labelled(), Path("triage:urgent"), before=day(6))
    assert labels(found)[1] == "yes"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("triag:urgent", r"no applied label view 'triag' .did you mean 'triage'"),
        ("triage:urgnt", r"has no column 'urgnt' .did you mean 'urgent'"),
        ("no.csv", r"no.csv cannot be read"),
    ],
)
def test_what_is_not_there_is_named(labelled, asked, said):
    with pytest.raises(EmbfeastError, match=said):
        labels_given(labelled(), Path(asked))

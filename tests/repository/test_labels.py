import pandas as pd
import pytest

from embfeast import EmbfeastError
from embfeast.plugin import DuckDBSource
from embfeast.repository.labels import own_labels, read_labels, texts_and_labels
from tests.small_repository import day

COMMON = {
    "name": "reviews",
    "database": "data/reviews.duckdb",
    "text_columns": ["title", "body"],
    "timestamp_field": "written_at",
    "key_columns": "review_id",
}
STARS = (
    "SELECT *, CASE WHEN written_at < '{}' THEN NULL ELSE 'star ' || body END AS stars FROM reviews"
)


@pytest.fixture
def source():
    return DuckDBSource(**COMMON, table="reviews", created_timestamp_column="known_at")


def labels(*rows):
    return pd.DataFrame(rows, columns=["review_id", "label", "known_at"])


def text_of(frame, key):
    return frame.set_index("review_id").loc[key, "text"]


def test_a_label_belongs_to_the_newest_revision_that_was_known_with_it(repo, source):
    # Review 2 is written on day 2 and again on day 9.
    early = texts_and_labels(source, repo.path, labels((2, "a", day(8))))
    late = texts_and_labels(source, repo.path, labels((2, "a", day(9))))
    assert "changed my mind" not in text_of(early, 2)
    assert "changed my mind" in text_of(late, 2)


def test_a_text_that_became_known_after_its_label_is_not_taken_for_it(repo, source):
    repo.write_texts([(2, "login", "written on day 3, known on day 7", day(3), day(7))])
    at = {when: texts_and_labels(source, repo.path, labels((2, "a", day(when)))) for when in (6, 7)}
    assert "number 2" in text_of(at[6], 2)
    assert "known on day 7" in text_of(at[7], 2)


def test_without_the_time_of_a_label_or_a_text_as_old_the_first_revision_stands(repo, source):
    for given in (labels((2, "a", day(-5))), labels((2, "a", None)).drop(columns="known_at")):
        assert "number 2" in text_of(texts_and_labels(source, repo.path, given), 2)


def test_the_result_is_one_row_a_label_in_order_of_time_with_its_keys(repo, source):
    given = labels((5, "b", None), (1, "a", None), (4, "c", None), (99, "no text", None))
    found = texts_and_labels(source, repo.path, given)
    assert list(found) == ["review_id", "text", "label", "time"]
    assert found["review_id"].tolist() == [1, 4, 5]
    assert found["label"].tolist() == ["a", "c", "b"]
    assert found["text"].tolist()[0] == "parcel\nSomething about the parcel of number 1"
    assert found["text"].isna().tolist() == [False, True, False]
    assert found["time"].tolist() == [day(1), day(4), day(5)]


def test_a_tables_own_label_is_that_of_the_first_row_that_has_one(repo):
    source = DuckDBSource(**COMMON, query=STARS.format(day(2.5)), label_column="stars")
    with source.open(repo.path) as texts:
        found = own_labels(texts, source.label_column).set_index("review_id")
    assert 1 not in found.index
    assert found.loc[2, "label"].startswith("star I have changed")
    assert found.loc[2, "known_at"] == day(9)
    assert "changed my mind" in text_of(texts_and_labels(source, repo.path), 2)


def test_a_source_says_when_its_labels_were_known(repo):
    query = f"SELECT *, 'a' AS outcome, TIMESTAMP '{day(20):%Y-%m-%d}' AS decided FROM reviews"
    source = DuckDBSource(
        **COMMON, query=query, label_column="outcome", label_known_column="decided"
    )
    assert DuckDBSource.from_proto(source.to_proto()) == source
    with source.open(repo.path) as texts:
        found = own_labels(texts, source.label_column, source.label_known_column)
        with pytest.raises(EmbfeastError, match="no label time column 'decide'"):
            own_labels(texts, source.label_column, "decide")
    assert set(pd.to_datetime(found["known_at"], utc=True).dt.date) == {day(20).date()}


def test_apply_takes_the_time_when_labels_were_known_and_no_other_column(repo):
    query = "SELECT *, 'a' AS outcome, known_at + INTERVAL 1 DAY AS decided FROM reviews"
    config = repo.store().config
    given = {**COMMON, "query": query, "label_column": "outcome"}
    DuckDBSource(**given, label_known_column="decided").validate(config)
    for column, said in (
        ("decide", r"no label time column 'decide' \(did you mean 'decided'\?\)"),
        ("outcome", "label time column 'outcome' is VARCHAR, not a timestamp or date"),
    ):
        with pytest.raises(EmbfeastError, match=said):
            DuckDBSource(**given, label_known_column=column).validate(config)


def test_the_label_column_may_be_named_for_one_call(repo, source):
    found = texts_and_labels(source, repo.path, label_column="title")
    assert len(found) == 11  # the twelfth has no title
    assert set(found["label"]) == {t.split("\n")[0] for t in found["text"]}


def test_names_that_the_query_uses_itself_may_be_columns(repo):
    sql = "SELECT review_id, body AS label, written_at AS time, title AS known_at FROM reviews"
    columns = {"text_columns": "label", "timestamp_field": "time"}
    source = DuckDBSource(**COMMON | columns, query=sql, label_column="known_at")
    found = texts_and_labels(source, repo.path)
    assert found.loc[0, ["text", "label"]].tolist() == [
        "Something about the invoice of number 0",
        "invoice",
    ]
    assert found["time"].is_monotonic_increasing


def test_whose_text_it_is_may_be_named(repo, source):
    found = texts_and_labels(source, repo.path, labels((5, "b", None)), group_column="title")
    assert found["group"].tolist() == [found["text"][0].split("\n")[0]]
    with pytest.raises(EmbfeastError, match="no group column 'titel'"):
        texts_and_labels(source, repo.path, labels((5, "b", None)), group_column="titel")


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_labels_are_read_from_a_file(repo, source, tmp_path, ending):
    file = tmp_path / f"labels.{ending}"
    frame = labels((2, "a", day(9)), (3, "b", day(9)))
    getattr(frame, f"to_{ending}")(file, index=False)
    found = texts_and_labels(source, repo.path, read_labels(file, ["review_id"]))
    assert found["label"].tolist() == ["b", "a"]
    assert "changed my mind" in text_of(found, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,label\n1,a\n", "labels lack review_id; they have id, label"),
        ("review_id,label\n1,a\n1,b\n", "1 keys twice"),
        ("review_id,label\n", "none of the 0 labels has a text"),
        ("review_id,label,known_at\n1,a,soon\n", "known_at holds what is no time"),
        ("review_id,label\n77,a\n", "none of the 1 labels has a text"),
    ],
)
def test_labels_that_do_not_fit_are_said(repo, source, tmp_path, content, message):
    (tmp_path / "labels.csv").write_text(content)
    with pytest.raises(EmbfeastError, match=message):
        texts_and_labels(
            source, repo.path, read_labels(tmp_path / "labels.csv", source.key_columns)
        )


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(EmbfeastError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", ["id"])
    with pytest.raises(EmbfeastError, match=r"labels are read from .csv"):
        read_labels(tmp_path / "labels.xlsx", ["id"])


def test_a_source_without_label_or_keys_is_said(repo, source):
    with pytest.raises(EmbfeastError, match="names no label"):
        texts_and_labels(source, repo.path)
    with pytest.raises(EmbfeastError, match="no label column 'stars'; it has review_id"):
        texts_and_labels(source, repo.path, label_column="stars")
    with pytest.raises(EmbfeastError, match="set key_columns"):
        texts_and_labels(repo.source, repo.path, labels((1, "a", None)))

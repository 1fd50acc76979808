"""Texts read back from their source by what was found of them."""

import pytest

from embfeast.repository import Repository, similar_texts
from embfeast.repository.stored_texts import texts_of_key, texts_of_rows
from tests.small_repository import day

pytestmark = pytest.mark.slow


def test_each_row_has_the_text_of_its_time(materialized):
    _, store, _ = materialized
    repository = Repository.of(store)
    asked = {"text": "I have changed my mind", "k": 20}
    for moment, text in [(day(8.5), "number 2"), (day(20), "login\nI have changed my mind")]:
        found = similar_texts(store, "review_embedding", **asked, as_of=moment)
        texts = texts_of_rows(repository, "review_embedding", found)
        said = dict(zip(found["review_id"].to_pylist(), texts, strict=True))
        assert text in said[2]
        assert None not in texts


def test_a_text_that_is_newer_than_its_features_is_not_taken_for_theirs(ready):
    repo, store, _ = ready
    repository = Repository.of(store)
    repo.write_texts([(7, "news", "Not materialized yet", day(30), day(30))])
    found = texts_of_key(repository, {"review_id": "7"})
    assert found == {"": "address\nSomething about the address of number 7"}


def test_of_two_rows_of_one_time_the_text_known_last_is_read(ready):
    repo, store, _ = ready
    repo.write_texts([(7, "again", "Known later", day(7), day(8))])
    assert texts_of_key(Repository.of(store), {"review_id": 7}) == {"": "again\nKnown later"}


def test_a_pair_has_two_texts(materialized):
    _, store, _ = materialized
    found = texts_of_key(Repository.of(store), {"review_id": 3, "other_review_id": 11})
    texts = {prefix: text.rsplit(maxsplit=1)[-1] for prefix, text in found.items()}
    assert texts == {"": "3", "other_": "11"}

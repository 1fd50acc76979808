from dataclasses import replace

import pyarrow as pa
import pytest

from embfeast import EmbfeastError
from embfeast.plugin.engine.chunks import identities
from embfeast.plugin.feature_table import feature_table
from tests.small_repository import day


def read(keys):
    times = pa.array([day(0)] * len(keys), pa.timestamp("us", tz="UTC"))
    return pa.table({"review_id": keys, "written_at": times, "known_at": times})


def test_keys_become_their_views_type_exactly_or_are_refused(materialized):
    repo, store, _ = materialized
    view = next(v for v in store.list_batch_feature_views() if v.name == "review_reduced")
    table = feature_table(view, repo.config())
    for keys in (["3", "-7"], pa.array(["3", "-7"]).dictionary_encode(), [3.0, -7.0]):
        assert identities(read(keys), table)["review_id"].to_pylist() == [3, -7]
    for keys, said in (
        (["3", "03"], "is text, and '03' not just a number; give .* the column has"),
        (["3", "x"], "is string in source 'reviews' and int64 in the view"),
        ([3.0, 3.4], "is double in source"),
        (pa.array([2**63], pa.uint64()), "is uint64 in source"),
    ):
        with pytest.raises(EmbfeastError, match=said):
            identities(read(keys), table)


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.decimal128(9, 1)])
def test_a_fraction_is_no_text(materialized, kind):
    repo, store, _ = materialized
    view = next(v for v in store.list_batch_feature_views() if v.name == "review_reduced")
    table = feature_table(view, repo.config())
    place = table.schema.get_field_index("review_id")
    as_text = replace(table, schema=table.schema.set(place, pa.field("review_id", pa.string())))
    with pytest.raises(EmbfeastError, match=r"in several ways; give .* CAST"):
        identities(read(pa.array([3.0]).cast(kind)), as_text)
    whole = read(pa.array([3]).cast(pa.decimal128(38, 0)))
    assert identities(whole, as_text)["review_id"].to_pylist() == ["3"]

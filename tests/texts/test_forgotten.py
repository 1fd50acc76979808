import duckdb
import pytest

from embfeast.texts.forgotten import ForgottenKeys


@pytest.mark.parametrize(
    "kind", ["INTEGER", "DOUBLE", "FLOAT", "DECIMAL(9,1)", "HUGEINT", "VARCHAR"]
)
def test_a_forgotten_key_is_left_out_whatever_type_its_column_has(tmp_path, kind):
    keys = ForgottenKeys(tmp_path)
    keys.add({"id": 3, "part": "x"})
    columns = {"id": kind, "part": "VARCHAR"}
    rows = f"(SELECT unnest([3, 4, 3])::INTEGER::{kind} AS id, unnest(['x', 'x', NULL]) AS part)"
    left = duckdb.sql(f"SELECT id::INTEGER, part FROM {rows} WHERE {keys.without(columns)}")
    assert left.fetchall() == [(4, "x"), (3, None)]

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embfeast.tables import fetch
from embfeast.tables.fetch import fetch_rows, hand_over_rows
from embfeast.tables.shuffle import Shuffle

LISTS = pa.list_(pa.float32())
cells = st.one_of(st.none(), st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=2))
uneven = st.one_of(st.none(), st.lists(st.floats(-5, 5, width=32), max_size=3))
scalars = st.one_of(st.none(), st.text(max_size=3))


def write(folder, name, vectors, words):
    table = pa.table({"vector": pa.array(vectors, LISTS), "word": pa.array(words, pa.string())})
    pq.write_table(table, folder / name, row_group_size=2)
    return str(folder / name)


@pytest.mark.parametrize("vectors", [cells, uneven])
def test_rows_come_as_asked_for_whatever_the_files_hold(tmp_path_factory, vectors):
    @given(
        st.lists(st.lists(st.tuples(vectors, scalars), min_size=1, max_size=5), max_size=3),
        st.data(),
    )
    def check(contents, data):
        contents = contents or [[(None, None)]]
        folder = tmp_path_factory.mktemp("files")
        files = [
            write(folder, f"{number}.parquet", *zip(*rows, strict=True))
            for number, rows in enumerate(contents)
        ]
        places = [(f, r) for f, rows in enumerate(contents) for r in range(len(rows))]
        wanted = data.draw(st.lists(st.sampled_from([(-1, -1), *places]), max_size=8))
        file_of, row_of = np.array(wanted, dtype=np.int64).reshape(-1, 2).T
        found = fetch_rows(files, file_of, row_of, ["word", "vector"])
        expected = [contents[f][r] if f >= 0 else (None, None) for f, r in wanted]
        assert found["word"].to_pylist() == [word for _, word in expected]
        assert found["vector"].to_pylist() == [vector for vector, _ in expected]
        assert found["vector"].type == LISTS
        shuffle = Shuffle(len(wanted), 3, pa.table(found).schema)
        hand_over_rows(files, file_of, row_of, list(found), shuffle.add)
        slices = list(shuffle.slices())
        shuffle.close()
        assert all(part.num_rows == 3 for part in slices[:-1])
        assert pa.concat_tables(slices) == pa.table(found)

    check()


def test_vectors_too_many_for_one_array_still_come_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "MOST_IN_A_LIST", 3)
    file = write(tmp_path, "a.parquet", [[1.0, 2.0], [3.0, 4.0]], ["a", "b"])
    rows = np.array([1, 0])
    found = fetch_rows([file], np.zeros(2, dtype=np.int64), rows, ["vector"])
    assert found["vector"].to_pylist() == [[3.0, 4.0], [1.0, 2.0]]

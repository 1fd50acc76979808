"""Rows put aside on disk: what happens where there is no room. Order: see `test_fetch.py`."""

import errno
import os

import numpy as np
import pyarrow as pa
import pytest

from embfeast import EmbfeastError
from embfeast.tables.shuffle import Shuffle

ROWS = pa.table({"number": pa.array(range(10))})


def test_a_full_disk_and_a_folder_that_is_not_there_are_said(tmp_path, monkeypatch):
    with pytest.raises(EmbfeastError, match=r"put aside in .*nowhere: No such file.*TMPDIR"):
        Shuffle(10, 4, ROWS.schema, tmp_path / "nowhere")
    shuffle = Shuffle(10, 4, ROWS.schema, tmp_path)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(EmbfeastError, match="No space left on device"):
        shuffle.add(np.arange(10), ROWS)
    shuffle.close()


def test_a_system_that_writes_a_part_at_a_time_loses_nothing(tmp_path, monkeypatch):
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: whole(file, data[:100], at))
    shuffle = Shuffle(10, 4, ROWS.schema, tmp_path)
    shuffle.add(np.arange(10)[::-1], ROWS)
    assert pa.concat_tables(shuffle.slices())["number"].to_pylist() == list(range(10))[::-1]
    shuffle.close()
    assert list(tmp_path.iterdir()) == []  # it has no name

import threading

import pytest

from embfeast import EmbfeastError
from embfeast.plugin.table_lock import BusyError, only_writer


def test_a_second_writer_waits_and_says_so(tmp_path, capsys):
    order, inside = [], threading.Event()

    def second():
        inside.wait()
        with only_writer([tmp_path]):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with only_writer([tmp_path]):
        inside.set()
        thread.join(0.5)
        assert thread.is_alive()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert f"another run is writing {tmp_path}" in capsys.readouterr().err


def test_tables_are_free_again_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), only_writer([tmp_path]):
        raise RuntimeError
    with only_writer([tmp_path]):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    cannot = pytest.raises(EmbfeastError, match="file cannot be written")
    with cannot, only_writer([tmp_path / "file"]):
        pass


def test_who_waits_for_some_time_is_told_that_the_table_is_busy(tmp_path):
    with (
        only_writer([tmp_path]),
        pytest.raises(BusyError, match=r"more than 0\.05 seconds; nothing was stored"),
        only_writer([tmp_path], wait=0.05),
    ):
        pass
    with only_writer([tmp_path], wait=0):
        pass

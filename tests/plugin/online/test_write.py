import pytest
from feast.infra.online_stores.sqlite import SqliteOnlineStore

from embfeast import EmbfeastError
from embfeast.plugin.online import any_store, sqlite
from embfeast.plugin.online.write import bulk_writer, write_online
from tests.plugin.online.test_sqlite import rows, store_of, view


class OwnStore(SqliteOnlineStore):
    """A store of a user's own: nothing is known of its table."""

    def online_write_batch(self, *_):
        raise RuntimeError("no room")


def test_a_store_has_its_writer_and_others_feasts_own_write(tmp_path):
    config, store = store_of(tmp_path, "online.db", view("whole"))
    assert bulk_writer(config, store) is sqlite
    assert bulk_writer(config, OwnStore()) is any_store
    config.online_store.vector_enabled = True
    assert bulk_writer(config, store) is any_store


def test_a_refused_write_names_view_and_store_and_what_to_do(tmp_path, rng):
    one = view("whole")
    config, _ = store_of(tmp_path, "online.db", one)
    with pytest.raises(EmbfeastError, match=r"view 'v': .*\(sqlite\) refused .*no room; .*again"):
        write_online(config, OwnStore(), one, [rows(rng)], 50)


@pytest.mark.parametrize("kind", [SqliteOnlineStore, OwnStore])
def test_rows_that_cannot_be_read_are_no_refusal_of_the_store(tmp_path, kind):
    one = view("whole")
    config, _ = store_of(tmp_path, "online.db", one)

    def broken():
        raise EmbfeastError("a part is damaged")
        yield

    with pytest.raises(EmbfeastError, match=r"^a part is damaged$"):
        write_online(config, kind(), one, broken(), 50)

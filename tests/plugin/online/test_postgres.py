"""What is written to PostgreSQL, beside Feast's own write."""

import math

import psycopg
import pyarrow as pa
import pytest
from feast import RepoConfig
from feast.infra.online_stores.postgres_online_store.postgres import PostgreSQLOnlineStore

from embfeast.plugin.feast_compat import connect_anew
from embfeast.plugin.online import postgres
from embfeast.plugin.online.proto_rows import proto_rows
from embfeast.plugin.online.write import bulk_writer, write_online
from tests.plugin.online.test_sqlite import rows, view
from tests.plugin.test_online_stores import postgres_store
from tests.services import postgres_database

pytestmark = pytest.mark.slow
SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1e-38, 3e38, 1e-5, -2.0)


@pytest.fixture(params=["plain", "pgvector"])
def online(request):
    if request.param == "pgvector":
        yield request.getfixturevalue("pgvector")
    else:
        with postgres_database() as database:
            yield postgres_store(database)


def content(online, name):
    place = {one: online[one] for one in ("host", "port", "user", "password")}
    with psycopg.connect(dbname=online["database"], **place) as connection:
        columns = connection.execute(f"SELECT * FROM {name} LIMIT 0").description
        assert "vector_value" in [column.name for column in columns]
        return connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()


def test_every_column_is_what_feasts_own_write_puts_there(online, tmp_path, rng):
    names = [f"number_{i}" for i in range(20)]
    one, table = view("whole", floats=("distance", *names)), rows(rng, 120)
    for name in names:
        numbers = [*SPECIAL, *rng.normal(size=120 - len(SPECIAL))]
        table = table.append_column(name, pa.array(rng.permutation(numbers), pa.float32()))
    found = []
    for project in ("ours", "theirs"):
        config = RepoConfig(
            project=project,
            provider="local",
            registry=str(tmp_path / "r.db"),
            online_store=online,
            entity_key_serialization_version=3,
        )
        store = PostgreSQLOnlineStore()
        store.update(config, [], [one], [], [], partial=False)
        if project == "ours":
            assert bulk_writer(config, store) is postgres
            write_online(config, store, one, [table], 120)
        else:
            store.online_write_batch(config, one, proto_rows(table, one), None)
        connect_anew(store)  # it would leave its connection open
        found.append(content(online, f"{project}_v"))
    assert len(found[0]) == 120 * (4 + len(names))
    assert found[0] == found[1]
    vectors = [row for row in found[0] if row[4] is not None]
    assert len(vectors) == (119 if online.get("vector_enabled") else 0)

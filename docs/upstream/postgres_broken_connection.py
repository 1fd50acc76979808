"""The PostgreSQL store keeps a connection that the server has closed: every later read fails."""

import os
import tempfile
from pathlib import Path

import pandas as pd
import psycopg
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
from feast.types import Float64

folder = Path(tempfile.mkdtemp())
now = pd.Timestamp.now(tz="UTC").floor("s")
rows = pd.DataFrame({"user_id": [1], "score": [1.0], "at": [now]})
rows.to_parquet(folder / "rows.parquet")
user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.INT64)
view = FeatureView(
    name="view",
    entities=[user],
    schema=[Field(name="score", dtype=Float64)],
    source=FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="at"),
)
server = {
    "host": os.environ.get("PGHOST", "127.0.0.1"),
    "port": int(os.environ.get("PGPORT", "5432")),
    "user": os.environ.get("PGUSER", "postgres"),
    "password": os.environ.get("PGPASSWORD", ""),
}
store = FeatureStore(
    config=RepoConfig(
        project=f"p{os.getpid()}",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "postgres", "database": "postgres", "sslmode": "disable", **server},
        entity_key_serialization_version=3,
    )
)
store.apply([user, view])
store.write_to_online_store("view", df=rows)


def read() -> object:
    try:
        return store.get_online_features(["view:score"], [{"user_id": 1}]).to_dict()["score"]
    except Exception as error:
        return repr(error)


first = read()
with psycopg.connect(dbname="postgres", autocommit=True, **server) as admin:
    # As a restart of the server, or a firewall that forgets the connection.
    admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND query LIKE %s",
        [f"%{store.project}_view%"],
    )
later = [read() for _ in range(3)]
print(f"read: {first}; three reads after the connection was closed: {later}")
left = FeatureStore(config=store.config)
left.teardown()
raise SystemExit(first == [1.0] and later[-1] != [1.0])

"""Our views on Feast's own engines, in every combination: refused by name, never half computed."""

import shutil

import pytest
from feast import FeatureStore
from feast.repo_config import RepoConfig

from embfeast import EmbfeastError
from embfeast.plugin.feature_table import is_ours
from tests.small_repository import Repo, day, sample_rows

pytestmark = pytest.mark.slow

PERIOD = (day(-1), day(20))
OUR_PROVIDER = "embfeast.plugin.TextFeatureProvider"
OUR_STORE = "embfeast.plugin.DuckDBOfflineStore"
OUR_ENGINE = "embfeast.plugin.EmbeddingComputeEngine"
NAMED = f"batch_engine: {{type: {OUR_ENGINE}}}"


@pytest.fixture(scope="module")
def repo(tmp_path_factory):
    made = Repo(tmp_path_factory.mktemp("engines") / "repo")
    made.write_texts(sample_rows())
    made.apply(made.fit(day(8)))
    return made


@pytest.fixture(scope="module", autouse=True)
def _no_ray_left_behind():
    yield
    ray = pytest.importorskip("ray")
    ray.shutdown()


def store_with(repo: Repo, provider: str, offline: str, engine: str) -> FeatureStore:
    ours = repo.config()
    if engine == "ray.engine":
        pytest.importorskip("ray")
    return FeatureStore(
        config=RepoConfig(
            project=ours.project,
            provider=provider,
            registry=ours.registry_config,
            online_store={"type": "sqlite", "path": str(repo.path / "data" / "online.db")},
            offline_store={"type": offline},
            batch_engine={"type": engine},
            entity_key_serialization_version=3,
            repo_path=repo.path,
        )
    )


def stored_rows(repo: Repo) -> list:
    """Return what is online, and the offline parts that hold rows."""
    found = repo.lookup(repo.store(), range(12))
    root = repo.path / "data" / "features"
    files = [p.name for p in root.rglob("*.parquet") if p.name != "0-columns.parquet"]
    return [v for v in found["embedding"] + found["cluster"] if v is not None] + files


@pytest.mark.parametrize("engine", ["local", "ray.engine", "spark.engine", "flink.engine"])
@pytest.mark.parametrize("offline", [OUR_STORE, "dask", "duckdb"])
def test_our_provider_refuses_every_other_engine_by_name(repo, offline, engine):
    store = store_with(repo, OUR_PROVIDER, offline, engine)
    with pytest.raises(EmbfeastError) as refused:
        store.materialize(*PERIOD)
    assert NAMED in str(refused.value)
    with pytest.raises(EmbfeastError) as refused:
        store.apply([repo.review, repo.other, *store.list_batch_feature_views()])
    assert NAMED in str(refused.value)
    assert stored_rows(repo) == []


@pytest.mark.parametrize("engine", ["local", pytest.param("ray.engine", marks=pytest.mark.slow)])
def test_under_feasts_provider_the_views_themselves_refuse_its_engines(repo, engine):
    store = store_with(repo, "local", OUR_STORE, engine)
    for view in list(filter(is_ours, store.list_batch_feature_views()))[:2]:
        with pytest.raises(EmbfeastError) as refused:
            store.materialize(*PERIOD, feature_views=[view.name])
        assert NAMED in str(refused.value)
    assert stored_rows(repo) == []


@pytest.mark.parametrize("engine", ["local", pytest.param("ray.engine", marks=pytest.mark.slow)])
@pytest.mark.parametrize("offline", ["dask", "duckdb"])
def test_under_feasts_provider_and_store_nothing_is_applied_or_stored(repo, offline, engine):
    store = store_with(repo, "local", offline, engine)
    with pytest.raises(EmbfeastError) as refused:  # what `feast apply` asks of every source
        store._get_provider().validate_data_source(store.config, repo.source)
    assert NAMED in str(refused.value)
    # Applied by another YAML: Feast's stores stop at the source, with words of their own.
    with pytest.raises(AssertionError):
        store.materialize(*PERIOD)
    assert stored_rows(repo) == []


@pytest.mark.parametrize("offline", [OUR_STORE, "dask"])
def test_our_engine_is_right_under_feasts_provider(repo, tmp_path, offline):
    own, other = (Repo(shutil.copytree(repo.path, tmp_path / name)) for name in ("own", "other"))
    own.store().materialize(*PERIOD)
    store = store_with(other, "local", offline, OUR_ENGINE)
    store.materialize(*PERIOD)
    one, two = (r.lookup(r.store(), range(12)) for r in (own, other))
    assert one == two
    assert one["embedding"][0] is not None

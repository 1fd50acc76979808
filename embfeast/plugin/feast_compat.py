"""What embfeast uses of Feast that Feast does not promise: look here first when Feast is upgraded.

All of it was seen with Feast 0.66.0, 0.67.0 and 0.68.0.dev139: ``make test-feast`` runs the
plugin's tests with a release that is named. Hooks that a plugin has to define, as
`_to_arrow_internal` of a retrieval job, stand in its classes.
"""

import contextlib
import inspect
import logging
import warnings
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from feast import BatchFeatureView, FeatureStore, FeatureView, FileSource, OnDemandFeatureView
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.registry import proto_registry_utils
from feast.infra.registry.file import FileRegistryStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigError, RepoConfig
from feast.utils import (
    _get_cached_request_context,
    _get_entity_key_protos,
    _get_requested_feature_views_to_features_dict,
    _get_unique_entities,
)

# Classes that are told by their names: Feast names them so in settings, and imports an online
# store's module, whose client may be missing, only where it is configured.
OUR_ENGINE = "EmbeddingComputeEngine"
OUR_OFFLINE_STORE = "DuckDBOfflineStore"
DYNAMODB = "DynamoDBOnlineStore"
POSTGRES = "PostgreSQLOnlineStore"
REDIS = "RedisOnlineStore"
# What stores call the metrics; those that are not named here follow PostgreSQL's.
STORE_METRICS = {
    "MilvusOnlineStore": {"cosine": "COSINE", "dot": "IP"},
    "": {"cosine": "cosine", "dot": "inner_product"},
}

# Feast says at every load that these kinds of view are young and, where the client of Milvus is
# installed, something of its own settings. embfeast is built on them and pinned to a version of
# Feast; its users can do nothing about it.
for _message in (
    "Batch feature views are experimental",
    "On demand feature view is an experimental",
    'Field name "vector_enabled" in "MilvusOnlineStoreConfig" shadows',
):
    warnings.filterwarnings("ignore", message=_message)

# Feast calls a setting useless that a registry in a file does need.
logging.getLogger("feast.repo_config").addFilter(
    lambda record: "serve_features_while_materializing" not in record.getMessage()
)


class RecipeBatchView(BatchFeatureView):
    """A batch view of which each recipe is a version, as Feast counts versions.

    Feast itself makes a new version of a view where its schema or its function has changed; a refit
    changes neither, but every value.
    """

    def _schema_or_udf_changed(self, other: Any) -> bool:
        tags = [(view.tags or {}).get("embfeast.digest") for view in (self, other)]
        changed = tags[0] != tags[1] or super()._schema_or_udf_changed(other)
        if not changed:
            # An apply without a change would forget the number, and so read the rows of v0.
            self.current_version_number = other.current_version_number
        return bool(changed)


def is_our_engine(config: RepoConfig) -> bool:
    """Tell whether embfeast's engine, or one derived from it by that name, materializes."""
    engine = config.batch_engine_config
    return OUR_ENGINE in str(engine.get("type") if isinstance(engine, dict) else engine)


def is_our_offline_store(config: RepoConfig) -> bool:
    """Tell whether embfeast's offline store answers, the one that reads text databases."""
    return OUR_OFFLINE_STORE in str(config.offline_store.type)


def requested_features(
    references: list[str],
    views: list[FeatureView],
    on_demand: list[OnDemandFeatureView],
) -> dict[FeatureView, list[str]]:
    """Return the asked features of each view, those that on-demand views read among them."""
    by_view, _ = _get_requested_feature_views_to_features_dict(references, views, on_demand)
    return dict(by_view)


def request_context(registry: Any, project: str, features: Any) -> Any:
    """Return what Feast finds out of a lookup's features, which it keeps from call to call.

    By full names: whether two features may have one name is Feast's own answer to say.
    """
    return _get_cached_request_context(registry, project, features, True)


def in_order_of_answer(documents: list[Any]) -> list[Any]:
    """Return the documents of a vector search as Feast has to be given them.

    Feast 0.67 takes the features for sorted by key, though they come in the order of their
    distance: it would answer with a key and the features and distance of another one.
    """
    if not documents or not _mixes_documents():
        return documents
    keys = [_key_values(key) for _, key, _ in documents]
    ranked = [documents[place] for place in sorted(range(len(keys)), key=keys.__getitem__)]
    pairs = zip(documents, ranked, strict=True)
    return [(moment, key, features) for (_, key, _), (moment, _, features) in pairs]


@cache
def _mixes_documents() -> bool:
    """Tell whether this release of Feast mixes documents up, by letting it answer with three."""
    numbers = [2, 3, 1]
    documents = [
        (None, EntityKey(join_keys=["key"], entity_values=[value]), {"distance": value})
        for value in (Value(int64_val=number) for number in numbers)
    ]
    provider = SimpleNamespace(retrieve_online_documents_v2=lambda **_: documents)
    view = FeatureView(name="probe", source=FileSource(path="probe", timestamp_field="at"))
    store, nothing = SimpleNamespace(config=None), (None, None)
    answer = FeatureStore._retrieve_from_online_store_v2(
        store, provider, view, [], None, len(documents), *nothing
    ).to_dict()
    return bool(answer["distance"] != answer["key"])


def _key_values(key: EntityKey) -> tuple[Any, ...]:
    return tuple(getattr(value, value.WhichOneof("val")) for value in key.entity_values)


def server_store(app: Any) -> Any:
    """Return the store of Feast's server, which only its endpoints know."""
    push = next(route.endpoint for route in app.routes if getattr(route, "path", "") == "/push")
    return inspect.getclosurevars(push).nonlocals["store"]


def keep_services() -> None:
    """Let this process read a feature service out of the registry once, until the registry changes.

    Feast's server does so for every request, which takes longer than the lookup; views it keeps.
    """
    read = proto_registry_utils.get_feature_service
    if hasattr(read, "__wrapped__"):
        return
    # One tuple, so that a thread that read the registry before puts nothing into what is kept now.
    kept: tuple[Any, str, dict[tuple[str, str], Any]] = (None, "", {})

    @wraps(read)
    def get_feature_service(registry_proto: Any, name: str, project: str) -> Any:
        nonlocal kept
        proto, version, services = kept
        if proto is not registry_proto or version != registry_proto.version_id:
            services = {}
            kept = (registry_proto, registry_proto.version_id, services)
        if (project, name) not in services:
            services[project, name] = read(registry_proto, name, project)
        return services[project, name]

    proto_registry_utils.get_feature_service = get_feature_service


def wrap_reads(
    store: OnlineStore, wrap: Callable[[Any], Any], wrap_async: Callable[[Any], Any]
) -> None:
    """Wrap the reads of one store: it may be of any class, and read in ways of its own."""
    store._read_features_per_fv = wrap(store._read_features_per_fv)
    store._read_features_per_fv_async = wrap_async(store._read_features_per_fv_async)


def unique_keys(view: FeatureView, keys: Any, names: Any) -> tuple[list[EntityKey], Any]:
    """Return the keys that a request asks of a view, each once, and the rows where each stands."""
    values, rows, _ = _get_unique_entities(view, keys, names)
    return _get_entity_key_protos(values), rows


def metric_name(store: str, metric: str) -> str:
    """Return what an online store calls a metric of its vector search."""
    return STORE_METRICS.get(store, STORE_METRICS[""])[metric]


def class_path(store: Any) -> str:
    """Return the path by which Feast imports an online store's class."""
    return f"{type(store).__module__}.{type(store).__name__}"


def is_redis(store: Any) -> bool:
    """Tell whether an online store is Feast's on Redis."""
    return type(store).__name__ == REDIS


def retries_itself(store: Any) -> bool:
    """Tell whether the store's client tries again, for seconds: those of Redis and DynamoDB do."""
    return type(store).__name__ in (DYNAMODB, REDIS)


def connect_anew(store: Any) -> None:
    """Let a store open a new connection.

    Redis' client does so by itself. Feast's PostgreSQL store keeps a connection for good, also
    one that is broken, and does not give those of its pool back after an error.
    """
    if type(store).__name__ != POSTGRES:
        return
    for name in ("_conn", "_conn_pool"):
        if (old := getattr(store, name, None)) is not None:
            setattr(store, name, None)
            with contextlib.suppress(Exception):  # it may be broken already
                old.close()
    for name in ("_conn_async", "_conn_pool_async"):
        setattr(store, name, None)


def postgres_connection(store: Any, config: RepoConfig) -> Any:
    """Return a context of the store's own connection: a second one would log in again."""
    return store._get_conn(config)


def redis_client(store: Any, config: RepoConfig) -> Any:
    """Return the store's own client, of a single server, a cluster or sentinels."""
    return store._get_client(config.online_store)


def redis_field(view: str, feature: str) -> bytes:
    """Return the field of a Redis hash in which Feast keeps a feature."""
    from feast.infra.online_stores.helpers import _mmh3

    field: bytes = _mmh3(f"{view}:{feature}")
    return field


def dynamodb_client(store: Any, config: RepoConfig) -> Any:
    """Return the store's own client, which several threads may use."""
    settings = config.online_store
    return store._get_dynamodb_client(
        settings.region, settings.endpoint_url, settings.session_based_auth
    )


def dynamodb_table(config: RepoConfig, view: FeatureView) -> str:
    """Return the name of a view's table in DynamoDB."""
    from feast.infra.online_stores.dynamodb import _get_table_name

    name: str = _get_table_name(config.online_store, config, view)
    return name


def dynamodb_key(key: bytes) -> str:
    """Return what Feast makes of a serialized key in DynamoDB."""
    import mmh3

    return mmh3.hash_bytes(key).hex()


def read_whole_answers(store: OnlineStore) -> OnlineStore:
    """Let DynamoDB's answers be read whole or not at all.

    A table without capacity, or one of large rows, leaves keys of a request unread, which Feast
    would answer as if they had no rows. A row that has none of the values asked for, as of a
    recipe before, has no values at all, which Feast stumbles over.
    """
    if type(store).__name__ != DYNAMODB:
        return store
    from botocore.exceptions import ClientError

    patched: Any = store
    read = patched._process_batch_get_response

    def read_whole(table: str, answer: dict[str, Any], *given: Any, **more: Any) -> Any:
        if left := answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys"):
            said = {
                "Code": "ProvisionedThroughputExceededException",
                "Message": f"{len(left)} keys of table {table} were left unread; if its rows are "
                "large, lower `batch_size`",
            }
            raise ClientError({"Error": said}, "BatchGetItem")
        for item in answer.get("Responses", {}).get(table, []):
            parsed = isinstance(item["entity_id"], str)
            item.setdefault("values", {} if parsed else {"M": {}})
        return read(table, answer, *given, **more)

    patched._process_batch_get_response = read_whole
    return store


def sqlite_path(store: Any, config: RepoConfig) -> str:
    """Return the file of the SQLite store, which may be named relative to the repository."""
    path: str = store._get_db_path(config)
    return path


def registry_path(store: FileRegistryStore) -> Path:
    """Return the file of a registry, which may be named relative to the repository."""
    path: Path = store._filepath
    return path


def settings_problems(error: FeastConfigError) -> list[Any]:
    """Return what pydantic found in feature_store.yaml: Feast's own words show passwords."""
    problems: list[Any] = getattr(error._error_message, "errors", list)()
    return problems


def ray_health(ray: Any, address: str) -> None:
    """Ask a Ray head whether it is well, as `ray health-check` does: no public call is so quick."""
    ray._raylet.GcsClient(address=address)


def offline_store(store: Any) -> Any:
    """Return the offline store of an opened repository: Feast asks its provider for it."""
    return store._get_provider().offline_store


def use_milvus_file(config: RepoConfig) -> None:
    """Let `path` name Milvus Lite's file, which Feast reads for its own local provider alone."""
    store = config.online_store
    if getattr(store, "type", "") != "milvus" or not hasattr(store, "uri"):
        return
    if store.path and not store.uri and "host" not in store.model_fields_set:
        store.uri = str((config.repo_path or Path()) / store.path)

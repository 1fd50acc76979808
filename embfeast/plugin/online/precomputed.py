"""Feast's precomputed feature vectors: read only where they say what the rows say.

Of a service with `precompute_online` Feast keeps, on Redis, all features of a key as one value
beside its rows. It makes them after a materialization. By itself it would go on reading them after
a push, a correction, a refit or a promotion, and answer a key that has none with an error. Here
whoever writes a row removes its key's vectors, and a lookup that lacks one, or finds one of another
recipe than the applied one, reads the rows.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

from feast import FeatureService
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.core.PrecomputedFeatureVector_pb2 import PrecomputedFeatureVector
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus, GetOnlineFeaturesResponse
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig
from google.protobuf.timestamp_pb2 import Timestamp

from embfeast.plugin import feast_compat
from embfeast.plugin.feature_table import DIGEST_TAG, is_ours
from embfeast.plugin.online.expiry import Group, empty_old

SERVICE: ContextVar[str | None] = ContextVar("service", default=None)
VIEW = "__precomputed__"  # how the names of the views begin under which Feast keeps vectors


@contextmanager
def looking_up(features: Any) -> Iterator[Any]:
    """Give what Feast is to be asked for, and let the reads inside look for a service's vectors."""
    if not isinstance(features, FeatureService) or not features.precompute_online:
        yield features
        return
    plain = copy.copy(features)
    plain.precompute_online = False
    before = SERVICE.set(features.name)
    try:
        yield plain
    finally:
        SERVICE.reset(before)


def use_vectors(store: OnlineStore) -> OnlineStore:
    """Let a store answer from vectors; on Redis, which alone has them, keep none that is stale."""
    feast_compat.wrap_reads(
        store, partial(partial, _read, store), partial(partial, _read_async, store)
    )
    if feast_compat.is_redis(store):
        patched: Any = store
        patched.write_precomputed_vector = partial(_keep, store, store.write_precomputed_vector)
        patched.online_write_batch = partial(_write, store, store.online_write_batch)
        patched.online_write_batch_async = partial(
            _write_async, store, store.online_write_batch_async
        )
        patched.teardown = partial(_tear_down, store, store.teardown)
    return store


def remove_vectors(client: Any, project: str, keys: Sequence[bytes]) -> None:
    """Remove the vectors of Redis keys.

    It is done before their rows are written, so that none outlives a run that is killed, and after,
    since one may have been made of the old rows meanwhile.
    """
    services = client.smembers(_register(project))
    fields = [field for service in services for field in _fields(service.decode())]
    if not fields:
        return
    with client.pipeline(transaction=False) as pipe:
        for key in keys:
            pipe.hdel(key, *fields)
        pipe.execute()


def _tear_down(store: Any, tear_down: Callable[..., None], config: RepoConfig, *given: Any) -> None:
    tear_down(config, *given)
    feast_compat.redis_client(store, config).delete(_register(config.project))


def _register(project: str) -> str:
    """Return the Redis key that names the services of which there are vectors."""
    return f"embfeast:precomputed:{project}"


def _fields(service: str) -> list[bytes]:
    view = VIEW + service
    return [f"_ts:{view}".encode(), feast_compat.redis_field(view, "vector")]


def _redis_key(config: RepoConfig, key: EntityKey) -> bytes:
    version = config.entity_key_serialization_version
    place: bytes = serialize_entity_key(key, version) + config.project.encode()
    return place


def _keep(store: Any, write: Callable[..., None], **given: Any) -> None:
    """Keep a vector, unless a row of its key was written since Feast has read it."""
    write(**given)
    config, service = given["config"], given["feature_service_name"]
    vector = PrecomputedFeatureVector.FromString(given["vector_bytes"])
    key, client = _redis_key(config, given["entity_key"]), feast_compat.redis_client(store, config)
    # A view under another name, or another version of it, has other fields: such a vector goes.
    fields = [feast_compat.redis_field(*name.split("__", 1)) for name in vector.feature_names]
    with client.pipeline(transaction=False) as pipe:
        pipe.sadd(_register(config.project), service)
        pipe.hmget(key, fields)
        _, stored = pipe.execute()
    rows = [Value.FromString(value or b"").SerializeToString() for value in stored]
    if rows != [value.SerializeToString() for value in vector.values]:
        client.hdel(key, *_fields(service))


def _write(
    store: Any, write: Callable[..., None], config: RepoConfig, table: Any, data: Any, progress: Any
) -> None:
    remove = partial(_remove_of_rows, store, config, table, data)
    remove()
    write(config, table, data, progress)
    remove()


async def _write_async(
    store: Any, write: Callable[..., Any], config: RepoConfig, table: Any, data: Any, progress: Any
) -> None:
    remove = partial(_remove_of_rows, store, config, table, data)
    remove()
    await write(config, table, data, progress)
    remove()


def _remove_of_rows(store: Any, config: RepoConfig, table: Any, data: Any) -> None:
    if not table.name.startswith(VIEW):
        keys = [_redis_key(config, key) for key, *_ in data]
        remove_vectors(feast_compat.redis_client(store, config), config.project, keys)


def _read(
    store: Any, read: Callable[..., None], config: RepoConfig, groups: list[Group], *given: Any
) -> None:
    service = SERVICE.get()
    if service is None or not _of_one_key(groups):
        read(config, groups, *given)
        return
    keys, places = feast_compat.unique_keys(groups[0][0], *given[:2])
    found = store.read_precomputed_vectors(config, service, config.project, keys)
    if not _answer(found, groups, places, given):
        read(config, groups, *given)


async def _read_async(
    store: Any, read: Callable[..., Any], config: RepoConfig, groups: list[Group], *given: Any
) -> None:
    service = SERVICE.get()
    if service is None or not _of_one_key(groups):
        await read(config, groups, *given)
        return
    keys, places = feast_compat.unique_keys(groups[0][0], *given[:2])
    found = await store.read_precomputed_vectors_async(config, service, config.project, keys)
    if not _answer(found, groups, places, given):
        await read(config, groups, *given)


def _of_one_key(groups: list[Group]) -> bool:
    """Tell whether views have the same keys: Feast makes vectors by the first one's alone."""
    keys = {
        (tuple(getattr(view, "join_keys", ())), tuple(sorted(view.projection.join_key_map.items())))
        for view, _ in groups
    }
    return len(keys) == 1


def _answer(
    found: Sequence[bytes | None], groups: list[Group], places: Any, given: tuple[Any, ...]
) -> bool:
    """Add to Feast's response what reading the rows would add, where the vectors can tell it."""
    _, _, response, full_names, with_version = given
    if with_version or not all(found):
        return False
    vectors = [PrecomputedFeatureVector.FromString(one) for one in found if one]
    names = list(vectors[0].feature_names)
    if any(list(vector.feature_names) != names for vector in vectors):
        return False
    at = {name: place for place, name in enumerate(names)}
    for view, features in groups:
        called = view.projection.name_to_use()
        if not all(f"{called}__{name}" in at for name in features):
            return False
        if is_ours(view) and not _is_current(
            view, at.get(f"{called}__{view.name}_digest"), vectors
        ):
            return False
    times = [{t.feature_view_name: t.event_timestamp for t in v.fv_timestamps} for v in vectors]
    key_of_row = {row: key for key, rows in enumerate(places) for row in rows}
    keys = [key_of_row[row] for row in range(len(key_of_row))]
    for view, features in groups:
        called, before = view.projection.name_to_use(), len(response.results)
        moments = [times[key].get(called, Timestamp()) for key in keys]
        for name in features:
            place = at[f"{called}__{name}"]
            response.metadata.feature_names.val.append(f"{called}__{name}" if full_names else name)
            response.results.append(
                GetOnlineFeaturesResponse.FeatureVector(
                    values=[vectors[key].values[place] for key in keys],
                    statuses=[FieldStatus.PRESENT] * len(keys),
                    event_timestamps=moments,
                )
            )
        empty_old(response, before, [(view, features)])
    return True


def _is_current(view: Any, digest: int | None, vectors: Sequence[PrecomputedFeatureVector]) -> bool:
    """Tell whether vectors hold values of the recipe of a view as it is asked for."""
    if digest is None:
        return False
    return {vector.values[digest].string_val for vector in vectors} <= {view.tags[DIGEST_TAG], ""}

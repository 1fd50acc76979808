"""A training set as a Ray dataset: slices of the entity rows are joined by workers.

A worker is handed columns of entity rows, keys and times, and the files to read. It gives blocks
back into the cluster's memory, so that the driver never holds a row of the result. What a lost
worker had in work Ray gives to another.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
from feast import FeatureView, FileSource, OnDemandFeatureView
from feast.infra.offline_stores.offline_store import RetrievalMetadata
from feast.repo_config import RepoConfig

from embfeast.plugin.engine.ray_cluster import stay_connected, why
from embfeast.plugin.settings import RepositorySettings
from embfeast.plugin.training.entity_rows import EntityRows
from embfeast.plugin.training.slice_join import OnDemand, SliceJoin, join_slice
from embfeast.tables.as_of_join import FeatureRelation, Spine, exact_spine

# Opens what is joined, for a repository's settings.
Joined = Callable[
    [RepoConfig], AbstractContextManager[tuple[Any, Spine, Sequence[FeatureRelation]]]
]


class WorkersJoin:
    """What the workers of a Ray cluster join.

    Parameters
    ----------
    config : RepoConfig
    entities : EntityRows
    views : sequence of FeatureView
    joined : callable
        Opens a connection, all rows of the spine, and what is joined to them.
    only_known : bool
        As in `join_as_of`.
    step : int
        Rows of a block.
    """

    def __init__(
        self,
        config: RepoConfig,
        entities: EntityRows,
        views: Sequence[FeatureView],
        joined: Joined,
        only_known: bool,
        step: int,
    ) -> None:
        # Workers have another working directory.
        where = Path(config.repo_path or Path.cwd()).resolve()
        self._config = config.model_copy(update={"repo_path": where})
        self._entities, self._views = entities, views
        self._joined, self._only_known, self._step = joined, only_known, step

    def dataset(
        self,
        ray: Any,
        on_demand: Sequence[OnDemandFeatureView],
        asked: RetrievalMetadata | None,
        full_names: bool,
    ) -> Any | None:
        """Return the result; None where workers cannot join it.

        A text table is read by the driver alone: as a query it may have other rows each time.

        Raises
        ------
        EmbfeastError
            The cluster cannot be reached, or a key is missing or of another kind than the view's.
        """
        settings = RepositorySettings(self._config)
        stay_connected(ray, settings.engine.ray_address)
        if not all(isinstance(view.batch_source, FileSource) for view in self._views):
            return None
        with self._joined(self._config) as (connection, spine, relations):
            spines = [exact_spine(connection, spine, one).to_table() for one in relations]
        transforms = None
        if on_demand:
            described = [view.to_proto().SerializeToString() for view in on_demand]
            features = list(asked.features) if asked else []
            recipes = settings.recipes.resolve()
            transforms = OnDemand(described, features, full_names, recipes)
        join = SliceJoin(tuple(relations), self._only_known, self._step, transforms)
        try:
            return ray.data.from_arrow_refs(list(self._blocks(ray, join, spines)))
        except ray.exceptions.RayError as error:
            warnings.warn(f"the training set is joined here: {why(error).found}", stacklevel=4)
            return None

    def _blocks(self, ray: Any, join: SliceJoin, spines: Sequence[pa.Table]) -> Iterator[Any]:
        """Yield where the blocks are, in the order of the rows."""
        task = ray.remote(num_cpus=1, num_returns="streaming")(join_slice)
        rows, shared = self._entities.to_arrow(), ray.put(join)
        schema, started = None, []
        for start, count in _slices(rows.num_rows, join.step, _cpus(ray)):
            own = [spine.slice(start, count) for spine in spines]
            blocks = task.remote(shared, rows.slice(start, count), own, schema)
            started.append(blocks)
            if join.on_demand and schema is None:  # what Python makes may differ by rows
                first = next(blocks)
                schema = ray.get(ray.remote(num_cpus=0)(_schema).remote(first))
                yield first
        for blocks in started:
            yield from blocks


def _schema(block: pa.Table) -> pa.Schema:
    return block.schema


def _cpus(ray: Any) -> int:
    return max(int(ray.cluster_resources().get("CPU", 1)), 1)


def _slices(rows: int, step: int, workers: int) -> Iterator[tuple[int, int]]:
    """Yield starts and lengths of slices of whole blocks: one a worker, as each reads the files."""
    blocks = -(-rows // step)
    most = max(-(-blocks // workers), 1) * step
    for start in range(0, max(rows, 1), most):
        yield start, min(most, rows - start)

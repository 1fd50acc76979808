"""A slice of entity rows joined by a Ray worker, as the driver would join it.

Nothing of Feast is imported before a worker has begun, as in `embfeast.plugin.engine.ray_worker`.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pyarrow as pa

from embfeast.errors import EmbfeastError, first_line
from embfeast.plugin.engine.ray_worker import SAME_PATH, keep_to
from embfeast.plugin.quick_feast import import_feast
from embfeast.storage import Folder
from embfeast.tables.as_of_join import FeatureRelation, Spine, stream_as_of
from embfeast.tables.place import READ_ERRORS
from embfeast.texts.database import connect_memory, let_read


@dataclass(frozen=True)
class OnDemand:
    """On-demand views, as the registry keeps them.

    Attributes
    ----------
    views : sequence of bytes
    features : list of str
        What was asked for, of all views.
    full_names : bool
    recipes : Folder
        Folder of the fitted recipes, which all machines see.
    """

    views: Sequence[bytes]
    features: list[str]
    full_names: bool
    recipes: Folder

    def open(self) -> Callable[[pa.Table], pa.Table]:
        """Return what adds their features to a table."""
        import_feast(checked=False)
        from feast import OnDemandFeatureView
        from feast.infra.offline_stores.offline_store import RetrievalMetadata
        from feast.protos.feast.core.OnDemandFeatureView_pb2 import (
            OnDemandFeatureView as Described,
        )

        from embfeast.plugin.live import serve_recipes_from
        from embfeast.plugin.training.retrieval import with_on_demand

        serve_recipes_from(self.recipes)
        views = [OnDemandFeatureView.from_proto(Described.FromString(one)) for one in self.views]
        asked = RetrievalMetadata(self.features, [])
        return lambda table: with_on_demand(table, views, asked, self.full_names)


@dataclass(frozen=True)
class SliceJoin:
    """What is joined to entity rows, wherever it is done.

    Attributes
    ----------
    relations : sequence of FeatureRelation
        Over files that every machine sees.
    only_known : bool
        As in `join_as_of`.
    step : int
        Rows of a block.
    on_demand : OnDemand or None
    """

    relations: Sequence[FeatureRelation]
    only_known: bool
    step: int
    on_demand: OnDemand | None


def join_slice(
    join: SliceJoin, rows: pa.Table, spines: Sequence[pa.Table], schema: pa.Schema | None = None
) -> Iterator[pa.Table]:
    """Yield entity rows with their features, a block at a time; what Ray runs as a task.

    Parameters
    ----------
    join : SliceJoin
    rows : pyarrow.Table
        Columns of the entity rows.
    spines : sequence of pyarrow.Table
        Keys and times of the same rows, one a relation: `Spine.to_table`.
    schema : pyarrow.Schema, optional
        Of all blocks; by default that of the first.

    Raises
    ------
    EmbfeastError
        The worker does not see what is joined; the message names its machine.
    """
    keep_to(1)
    try:
        for block in _blocks(join, rows, spines):
            schema = schema or block.schema
            yield block if block.schema == schema else block.cast(schema)
    except EmbfeastError as error:
        raise EmbfeastError(f"Ray worker on {socket.gethostname()}: {error.message}") from error
    except READ_ERRORS as error:
        said = f"Ray worker on {socket.gethostname()}: {first_line(error)}; {SAME_PATH}"
        raise EmbfeastError(said) from error


def _blocks(join: SliceJoin, rows: pa.Table, spines: Sequence[pa.Table]) -> Iterator[pa.Table]:
    add = join.on_demand.open() if join.on_demand else lambda table: table
    with ExitStack() as opened:
        connection = opened.enter_context(closing(connect_memory()))
        connection.execute("SET threads = 1")
        streams = []
        for relation, spine in zip(join.relations, spines, strict=True):
            let_read(connection, Folder(relation.files[0]))
            found = stream_as_of(
                connection,
                Spine.of_table(spine),
                [relation],
                only_known=join.only_known,
                step=join.step,
            )
            streams.append(opened.enter_context(closing(found)))
        for start in range(0, max(rows.num_rows, 1), join.step):
            block = rows.slice(start, join.step)
            for features in map(next, streams):
                for name in features.column_names:
                    block = block.append_column(name, features[name])
            yield add(block)

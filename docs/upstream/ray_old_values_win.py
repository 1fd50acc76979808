"""On Ray, an old row of a key may be served: rows are deduplicated within their block alone."""

from types import SimpleNamespace

import pandas as pd
import ray
from feast.infra.compute_engines.dag.context import ColumnInfo
from feast.infra.compute_engines.dag.model import DAGFormat
from feast.infra.compute_engines.dag.value import DAGValue
from feast.infra.compute_engines.ray.config import RayComputeEngineConfig
from feast.infra.compute_engines.ray.nodes import RayDedupNode

now = pd.Timestamp.now(tz="UTC").floor("s")


def block(score: float, at: pd.Timestamp) -> pd.DataFrame:
    return pd.DataFrame({"user_id": [1], "score": [score], "at": [at]})


# The node before has read two files of a source, the newest row in the first.
blocks = ray.data.from_pandas([block(1.0, now), block(0.0, now - pd.Timedelta(days=5))])
read = SimpleNamespace(name="read")
context = SimpleNamespace(node_outputs={"read": DAGValue(data=blocks, format=DAGFormat.RAY)})
columns = ColumnInfo(
    join_keys=["user_id"], feature_cols=["score"], ts_col="at", created_ts_col=None
)
node = RayDedupNode("dedup", columns, RayComputeEngineConfig(), is_materialization=True)
node.inputs = [read]
# What is written online, row after row: the last one of a key stays.
kept = node.execute(context).data.to_pandas()["score"].tolist()
ray.shutdown()
print(f"rows of one key that are written online, in turn: {kept}")
raise SystemExit(kept != [1.0])

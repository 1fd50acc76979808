"""The straightforward Feast way: a batch view a trick, whose function calls `model.encode`.

Feast's own local engine, its duckdb store, SQLite. The tricks are the same fitted objects.
"""

from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from feast import (
    BatchFeatureView,
    Entity,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    RepoConfig,
    ValueType,
)
from feast.transformation.base import Transformation
from feast.transformation.mode import TransformationMode
from feast.transformation.pandas_transformation import PandasTransformation
from feast.transformation.udf_rehydrate import rehydrate_udf_from_source
from feast.types import Array, Float32, Int64, String

from embfeast import FittedRecipe
from embfeast.encoding.model import DEFAULT_MODEL, resolve

ENTRIES = ("embedding", "similarity", "reduced", "cluster", "whitened", "pooled", "products")
FUNCTION = """def {entry}(frame):
    from benchmarks.plain_feast import computed

    return computed(frame, "{entry}")
"""
_recipes: list[FittedRecipe] = []


@cache
def model() -> Any:
    """Return the model, loaded once."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(resolve(DEFAULT_MODEL).folder), device="cpu")


def computed(frame: pd.DataFrame, entry: str) -> pd.DataFrame:
    """Do what a view's function does: encode the texts and apply one trick."""
    texts = frame["text"].tolist()
    trick = _recipes[-1].tricks.get(entry)
    if entry == "pooled":
        states = model().encode(texts, output_value="token_embeddings")
        poolings = [s.mean(dim=0) for s in states], [s.max(dim=0).values for s in states]
        made = np.hstack([np.stack([vector.numpy() for vector in one]) for one in poolings])
    else:
        vectors = model().encode(texts)
        made = vectors if trick is None else trick.transform(vectors)
    frame = frame.drop(columns="text").reset_index(drop=True)
    return frame.assign(**{entry: list(made.astype(np.float32))})


def plain_store(
    folder: Path, texts: list[str], times: list[datetime], recipe: FittedRecipe
) -> FeatureStore:
    """Return a store with one view a trick, applied and not materialized."""
    _recipes.append(recipe)
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"item_id": range(len(texts)), "text": texts, "event_timestamp": times})
    frame["event_timestamp"] = frame["event_timestamp"].astype("datetime64[us, UTC]")
    frame.to_parquet(folder / "texts.parquet")
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.INT64)
    source = FileSource(
        name="texts", path=str(folder / "texts.parquet"), timestamp_field="event_timestamp"
    )
    key = Field(name="item_id", dtype=Int64)
    upstream = FeatureView(
        name="texts",
        entities=[item],
        schema=[key, Field(name="text", dtype=String)],
        source=source,
        ttl=timedelta(0),
        online=False,
    )
    views = [_view(folder, entry, upstream, item, key) for entry in ENTRIES]
    store = FeatureStore(
        config=RepoConfig(
            project="plain",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    store.apply([item, source, upstream, *views])
    return store


def _view(
    folder: Path, entry: str, upstream: FeatureView, item: Entity, key: Field
) -> BatchFeatureView:
    sink = folder / f"{entry}.parquet"
    kinds = [
        ("item_id", pa.int64()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        (entry, pa.list_(pa.float32())),
    ]
    pq.write_table(pa.schema(kinds).empty_table(), sink)
    text = FUNCTION.format(entry=entry)
    transformation: Transformation = PandasTransformation(
        udf=rehydrate_udf_from_source(text), udf_string=text
    )
    return BatchFeatureView(
        name=entry,
        mode=TransformationMode.PANDAS,
        entities=[item],
        schema=[key, Field(name=entry, dtype=Array(Float32))],
        source=[upstream],
        sink_source=FileSource(name=entry, path=str(sink), timestamp_field="event_timestamp"),
        ttl=timedelta(0),
        online=True,
        offline=True,
        feature_transformation=transformation,
    )

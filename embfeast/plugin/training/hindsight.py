"""What a training row must not know: its own text in another feature, texts that came later."""

import warnings
from collections.abc import Iterable, Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc
from feast import FeatureView, OnDemandFeatureView

from embfeast.errors import EmbfeastError
from embfeast.plugin.feature_table import AS_OF_TAG, DIGEST_TAG, RECIPE_TAG, TRAIN_ON_TAG

_said_hindsight: set[str] = set()


def refuse_own_texts(views: Iterable[OnDemandFeatureView]) -> None:
    """Refuse views of requests whose state, as of a stored text's time, holds the text itself."""
    for view in views:
        if stored := (view.tags or {}).get(TRAIN_ON_TAG):
            raise EmbfeastError(
                f"view {view.name!r} is for requests alone: as of the time of a training row, what "
                "its entity had written includes the row's own text",
                f"train on view {stored!r}, whose features have the same names and numbers",
            )


def warn_of_hindsight(views: Sequence[FeatureView], times: pa.Array | pa.ChunkedArray) -> None:
    """Say once a recipe that it was fitted on texts later than the oldest entity row."""
    earliest = pc.min(times).as_py()
    for view in views:
        digest, as_of = view.tags.get(DIGEST_TAG), view.tags.get(AS_OF_TAG)
        if not digest or not as_of or earliest is None or digest in _said_hindsight:
            continue
        if earliest < datetime.fromisoformat(as_of):
            _said_hindsight.add(digest)
            warnings.warn(
                f"recipe {view.tags.get(RECIPE_TAG)!r} ({digest[:12]}) was fitted on texts up to "
                f"{as_of}, and entity rows begin at {earliest.isoformat()}: its transforms have "
                "seen texts that are later than those rows. Score models on rows after that time",
                stacklevel=4,
            )

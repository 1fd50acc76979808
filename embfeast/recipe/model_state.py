"""What a fitted recipe keeps of its model, and whether an encoder is that model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embfeast.encoding import Encoder
from embfeast.encoding.model import GRAPH_ARRAYS
from embfeast.errors import EmbfeastError
from embfeast.recipe.encoded import Matrix

PROBES = "probes_"
OF_MODEL = {PROBES, *GRAPH_ARRAYS}


def arrays_of(probes: Matrix | None, graph: Path | None) -> dict[str, Any]:
    """Return what no file of the model says: a server's answers, a calibrated graph."""
    kept: dict[str, Any] = {} if probes is None else {PROBES: probes}
    if graph is not None:
        from embfeast.encoding.backends.calibration import graph_arrays

        kept |= graph_arrays(graph)
    return kept


def read_arrays(kept: Mapping[str, Any]) -> tuple[Matrix | None, Path | None]:
    """Return the answers and the graph that were kept."""
    graph = None
    if set(GRAPH_ARRAYS) <= kept.keys():
        from embfeast.encoding.backends.calibration import graph_of

        graph = graph_of(kept)
    return kept.get(PROBES), graph


def check_encoder(encoder: Encoder, recipe: str, digest: str, probes: Matrix | None) -> None:
    """Refuse an encoder whose model is not that of the fit."""
    if encoder.digest != digest:
        raise EmbfeastError(
            f"recipe {recipe!r} was fitted with a model of digest {digest[:12]}, but "
            f"{encoder.settings.name!r} here has {encoder.digest[:12]}; install the same weights "
            "or fit again"
        )
    if probes is not None and (now := encoder.probes) is not None:
        from embfeast.encoding.backends.served import compare

        mend = "bring the former one back, or fit again and apply"
        compare(encoder.settings.name, probes, now, mend)

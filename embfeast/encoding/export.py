"""The model's graph for ONNX Runtime, exported once from its weights and kept by their digest."""

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock
from platformdirs import user_cache_path

from embfeast.encoding.model import Model

# Raised when the export below changes, so that an older graph is not taken for the new one.
GRAPH = 3
# The layers whose mean is pooled where a pooling asks for more than the last one.
LAYERS = 4


def cache_folder() -> Path:
    """Return where exported models and, unless told otherwise, embeddings are kept.

    ``EMBFEAST_CACHE_DIR`` names another folder than the user's cache folder.
    """
    return Path(os.environ.get("EMBFEAST_CACHE_DIR") or user_cache_path("embfeast"))


def exported_model(model: Model, *, layered: bool = False) -> Path:
    """Return the path of the model's ONNX graph, exporting it at the first call.

    Parameters
    ----------
    model : Model
    layered : bool, default False
        Give the mean of the last four layers as a second output, ``layered``.

    Returns
    -------
    Path
        A graph with input ``input_ids``, (texts, pieces) int64, texts of one length, and output
        ``states``, (texts, pieces, dim) float32.
    """
    path = graph_path(model, layered=layered)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():  # another process may have exported it while we waited
            half = path.with_suffix(f".{os.getpid()}.tmp")
            _export(model, half, layered)
            _check_opens(half)
            half.replace(path)
    return path


def graph_path(model: Model, *, layered: bool = False) -> Path:
    """Return where the model's graph is kept, whether it is there or not."""
    name = f"{model.digest[:32]}-{GRAPH}{'-layered' if layered else ''}.onnx"
    return cache_folder() / "models" / name


def _export(model: Model, path: Path, layered: bool) -> None:
    import torch
    from transformers import AutoModel
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    # "eager" writes attention as its plain products; the default's guards for padded pieces, which
    # we never have, cost four percent of a pass.
    network = AutoModel.from_pretrained(
        model.folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()

    class States(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: Any) -> Any:
            made = self.network(input_ids=input_ids, output_hidden_states=layered)
            if not layered:
                return made.last_hidden_state
            return made.last_hidden_state, torch.stack(made.hidden_states[-LAYERS:]).mean(dim=0)

    ids = torch.randint(5, 100, (2, 7))
    texts = torch.export.Dim("texts", max=65536)
    pieces = torch.export.Dim("pieces", min=2, max=model.max_pieces)
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            States(),
            (ids,),
            dynamo=True,
            dynamic_shapes=[{0: texts, 1: pieces}],
            input_names=["input_ids"],
            output_names=["states", "layered"][: 1 + layered],
            verbose=False,
        )
        program.save(str(path))


def _check_opens(path: Path) -> None:
    """Raise now, while another backend can still be chosen, where the graph cannot be run."""
    import onnxruntime

    onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which reports its progress on standard output and by warnings."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)

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

from embfeast.encoding.facts import kept, load
from embfeast.encoding.model import Model

# Raised when the export below changes, so that an older graph is not taken for the new one.
GRAPH = 3
# The layers whose mean is pooled where a pooling asks for more than the last one.
LAYERS = 4
MOST_PIECES = 32768  # where a model sets no limit


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
        A graph with input ``input_ids``, (texts, pieces) int64, texts of one length, and outputs
        ``states``, (texts, pieces, width) float32, and, where the model does more than a pooling
        of our own, ``sentence``, (texts, dim).
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
    return kept(model, f"-{GRAPH}{'-layered' if layered else ''}.onnx")


def _export(model: Model, path: Path, layered: bool) -> None:
    import torch

    # "eager" writes attention as its plain products; the default's guards for padded pieces, which
    # we never have, cost four percent of a pass.
    loaded = load(model, "eager")
    names = ["states"] + ["layered"] * layered + ["sentence"] * (model.facts.pooling == "modules")

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = loaded[0].auto_model
            self.rest = torch.nn.ModuleList(list(loaded)[1:])

        def forward(self, input_ids: Any) -> Any:
            made = self.network(input_ids=input_ids, output_hidden_states=layered)
            outputs = {"states": made.last_hidden_state}
            if layered:
                outputs["layered"] = torch.stack(made.hidden_states[-LAYERS:]).mean(dim=0)
            if "sentence" in names:
                features = {
                    "token_embeddings": made.last_hidden_state,
                    "attention_mask": torch.ones_like(input_ids),
                }
                for module in self.rest:
                    features = module(features)
                outputs["sentence"] = features["sentence_embedding"]
            return tuple(outputs[name] for name in names)

    ids = torch.randint(5, min(100, loaded[0].auto_model.config.vocab_size), (2, 7))
    texts = torch.export.Dim("texts", max=65536)
    pieces = torch.export.Dim("pieces", min=2, max=model.facts.window or MOST_PIECES)
    with _quiet(), torch.inference_mode():
        program = torch.onnx.export(
            Pipeline().eval(),
            (ids,),
            dynamo=True,
            dynamic_shapes=[{0: texts, 1: pieces}],
            input_names=["input_ids"],
            output_names=names,
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

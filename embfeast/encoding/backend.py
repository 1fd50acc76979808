"""The model's forward pass: by ONNX Runtime, by a table of vectors, by sentence-transformers."""

import os
import warnings
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding.batch import Backend, Batch, Output, Read, Vectors
from embfeast.encoding.export import GRAPH, LAYERS, exported_model
from embfeast.encoding.facts import kept, load
from embfeast.encoding.model import Model
from embfeast.encoding.pooling import TOKEN_POOLINGS, unit
from embfeast.encoding.settings import BACKENDS, BackendName
from embfeast.errors import EmbfeastError

Ids = NDArray[np.int64]

GPUS = ("/dev/nvidia0", "/dev/dxg")  # of Linux; of Windows' Subsystem for Linux


class OnnxBackend:
    """ONNX Runtime in float32 on the CPU.

    Gives a text the same bits alone and in any batch, with one thread or more; PyTorch does not.
    That is why it is the default on a CPU. Batches run side by side, each on a thread of its own:
    no thread waits for another at the end of each product.
    """

    name = f"onnx{GRAPH}"
    # Enough rows for the matrix products to reach their rate, few enough to stay in the caches.
    batch_pieces = 512
    batch_texts = 512
    pads = False
    reads_texts = False

    def __init__(self, model: Model, threads: int | None) -> None:
        self._model = model
        self.workers = threads or os.cpu_count() or 1
        self._sessions: dict[tuple[bool, int], Any] = {}
        self._opening = Lock()
        exported_model(model)  # where that fails, another backend must be chosen now

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the wanted outputs of a batch."""
        layered = "layered" in wanted
        threads = self.workers if alone and not layered else 1  # all on one: the shortest wait
        with self._opening:  # batches run side by side, the first ones all find it closed
            if (layered, threads) not in self._sessions:
                path = exported_model(self._model, layered=layered)
                self._sessions[layered, threads] = _open(path, threads)
        session = self._sessions[layered, threads]
        names: Any = [output.name for output in session.get_outputs()]
        made: Read = dict(zip(names, session.run(None, {"input_ids": batch.ids}), strict=True))
        return with_sentence(self._model, made, wanted)


def with_sentence(model: Model, made: Read, wanted: frozenset[Output]) -> Read:
    """Add the sentence vectors, where wanted: states pooled as the model's own modules do."""
    if "sentence" in wanted and "sentence" not in made:
        vectors = TOKEN_POOLINGS[model.facts.pooling](made["states"])
        made["sentence"] = unit(vectors) if model.facts.normalized else vectors
    return made


def _open(path: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        str(path),
        options,
        providers=["CPUExecutionProvider"],
        # The fused operator takes five times as long as the two that it stands for.
        disabled_optimizers=["SkipLayerNormFusion"],
    )


class StaticBackend:
    """A table with one vector a word piece: their mean is the sentence's."""

    name = "static1"
    batch_pieces = 8192
    batch_texts = 2048
    pads = False
    reads_texts = False

    def __init__(self, model: Model, threads: int | None) -> None:
        self._model = model
        self.workers = 1  # looking up is done before another thread has begun
        self._table: Vectors = np.lib.format.open_memmap(kept(model, ".npy"), mode="r")

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the wanted outputs of a batch."""
        if "layered" in wanted:
            raise no_layers(self._model)
        return with_sentence(self._model, {"states": self._table[batch.ids]}, wanted)


class TorchBackend:
    """sentence-transformers itself: for models that no faster way was proved for.

    A text's vector differs by up to about 2e-7 with the batch it travels in.
    """

    name = "torch"
    workers = 1  # it spreads a batch over the cores itself
    pads = False
    reads_texts = True

    def __init__(self, model: Model, threads: int | None) -> None:
        import torch

        if threads:
            torch.set_num_threads(threads)
        self._torch = torch
        self._model = model
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._loaded: Any = load(model).to(self._device)
        # Where texts cannot be told apart by length, each goes alone: no padding takes part.
        self.batch_pieces = 8192 if model.facts.kind == "transformer" else 0
        self.batch_texts = 512 if self.batch_pieces else 1

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the wanted outputs of a batch."""
        made: Read = {}
        if "sentence" in wanted:
            if (most := self._model.max_pieces) is not None:
                self._loaded.max_seq_length = most
            made["sentence"] = np.asarray(
                self._loaded.encode(
                    list(batch.texts),
                    prompt=self._model.prompt,
                    batch_size=max(len(batch.texts), 1),
                    show_progress_bar=False,
                ),
                dtype=np.float32,
            )
        if wanted & {"states", "layered"}:
            made |= self._states(batch.ids, "layered" in wanted)
        return made

    def _states(self, ids: Ids, layered: bool) -> Read:
        torch = self._torch
        if self._model.facts.kind != "transformer":
            raise EmbfeastError(
                f"model {self._model.name!r} gives no states of word pieces",
                "use a transformer where word pieces are pooled",
            )
        pieces = torch.from_numpy(ids).to(self._device)
        features = {"input_ids": pieces, "attention_mask": torch.ones_like(pieces)}
        with torch.inference_mode():
            made: Read = {"states": array(self._loaded[0](dict(features))["token_embeddings"])}
            if layered:
                made["layered"] = array(layers_mean(self._loaded, features, self._model))
        return made


def layers_mean(loaded: Any, features: dict[str, Any], model: Model) -> Any:
    """Return the mean of the last layers' states, as PyTorch's tensor."""
    import torch

    layers = loaded[0].auto_model(**features, output_hidden_states=True).hidden_states
    if layers is None:
        raise no_layers(model)
    return torch.stack(layers[-LAYERS:]).mean(dim=0)


def no_layers(model: Model) -> EmbfeastError:
    """Return the error for the states of layers where there are none."""
    return EmbfeastError(
        f"model {model.name!r} gives no states of its layers",
        "leave the pooling 'layers' out, or use another model",
    )


def array(tensor: Any) -> NDArray[np.float32]:
    """Return a tensor of any device as an array."""
    return np.asarray(tensor.cpu().numpy(), dtype=np.float32)


def open_backend(name: BackendName, model: Model, threads: int | None) -> Backend:
    """Open a backend by name; ``"auto"`` takes the fastest that was proved to be right.

    Parameters
    ----------
    name : {"auto", "onnx", "torch", "openai"}
    model : Model
    threads : int or None
        Threads inside one forward pass; all cores by default.

    Raises
    ------
    EmbfeastError
        The name is none of these, or the model cannot be computed by it.
    """
    from embfeast.encoding.proof import why_not

    if name not in BACKENDS:
        raise EmbfeastError(f"backend {name!r} is unknown; choose one of {', '.join(BACKENDS)}")
    if name == "openai":
        from embfeast.encoding.backends.served import ServedBackend

        return ServedBackend(model, threads)
    if model.settings.precision != "float32":
        return _reduced(name, model, threads)
    if name == "torch" or (name == "auto" and _gpu_is_there() and model.facts.kind != "static"):
        return _by_torch(model, threads)
    if model.facts.kind == "static":
        return StaticBackend(model, threads)
    reason = _unusable(model) or why_not(model)
    if not reason:
        return OnnxBackend(model, threads)
    if name == "onnx":
        raise EmbfeastError(
            f"model {model.name!r} cannot be computed by ONNX Runtime: {reason}",
            "leave `backend` out: sentence-transformers computes it",
        )
    warnings.warn(
        f"model {model.name!r} is computed by PyTorch, not by ONNX Runtime: {reason}. Vectors vary "
        "by about 2e-7 with the batch",
        stacklevel=2,
    )
    return TorchBackend(model, threads)


def _reduced(name: BackendName, model: Model, threads: int | None) -> Backend:
    """Open what computes a precision below float32; another precision is never taken instead."""
    from embfeast.encoding.backends.openvino import OpenVinoBackend
    from embfeast.encoding.backends.precision import check
    from embfeast.encoding.proof import why_not

    precision = model.settings.precision
    reason = f"backend {name!r} computes float32 alone" if name != "auto" else ""
    if model.facts.kind == "static":
        reason = "a table of vectors is looked up, not computed"
    if reason := reason or _unusable(model) or why_not(model):
        raise EmbfeastError(
            f"model {model.name!r} cannot be computed in {precision}: {reason}",
            "leave `precision` out: float32",
        )
    check(precision)
    return OpenVinoBackend(model, threads)


def _by_torch(model: Model, threads: int | None) -> Backend:
    """Open PyTorch: on a GPU with padded batches, where they are proved to be right."""
    if _gpu_is_there() and not _unusable(model):
        from embfeast.encoding.backends.padded import PaddedBackend
        from embfeast.encoding.proof import why_not_padded

        backend = PaddedBackend(model)
        if not why_not_padded(model, backend):
            return backend
    return TorchBackend(model, threads)


def _unusable(model: Model) -> str:
    facts = model.facts
    if facts.kind == "other":
        return "it is no transformer with word pieces"
    if not facts.tokenizer:
        return "it has no fast tokenizer"
    if model.prompt and not facts.prompt_is_pooled:
        return "its pooling leaves the prompt out"
    return ""


def _gpu_is_there() -> bool:
    # Asking torch would import it (a second); the driver's device file answers at once.
    if not any(Path(device).exists() for device in GPUS):
        return False
    import torch

    return bool(torch.cuda.is_available())

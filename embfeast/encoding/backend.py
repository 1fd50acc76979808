"""The model's forward pass, by ONNX Runtime or PyTorch: word pieces in, their states out."""

import os
import warnings
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from embfeast.encoding.export import GRAPH, LAYERS, exported_model
from embfeast.encoding.model import Model
from embfeast.errors import EmbfeastError

BackendName = Literal["auto", "onnx", "torch"]
BACKENDS: tuple[BackendName, ...] = ("auto", "onnx", "torch")

Ids = NDArray[np.int64]


class Backend(Protocol):
    """One forward pass over a batch of texts that have one length: nothing is ever padded.

    Attributes
    ----------
    name : str
        Whose vectors these are: another name's differ in the last bits.
    workers : int
        Batches that run best side by side.
    batch_pieces : int
        Word pieces of a batch.
    """

    name: str
    workers: int
    batch_pieces: int

    def states(self, ids: Ids, *, alone: bool) -> NDArray[np.float32]:
        """Return the last layer's states, shape (texts, pieces, dim).

        `alone` says that no other batch runs beside this one.
        """

    def layered(self, ids: Ids) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the last layer's states and the mean of the last four layers'."""


class OnnxBackend:
    """ONNX Runtime in float32 on the CPU.

    Gives a text the same bits alone and in any batch, with one thread or more; PyTorch does not.
    That is why it is the default on a CPU. Batches run side by side, each on a thread of its own:
    no thread waits for another at the end of each product.
    """

    name = f"onnx{GRAPH}"
    # Enough rows for the matrix products to reach their rate, few enough to stay in the caches.
    batch_pieces = 512

    def __init__(self, model: Model, threads: int | None) -> None:
        self._model = model
        self.workers = threads or os.cpu_count() or 1
        self._sessions: dict[tuple[bool, int], Any] = {}
        self._opening = Lock()
        exported_model(model)  # where that fails, another backend must be chosen now

    def _run(self, ids: Ids, *, layered: bool = False, threads: int = 1) -> list[Any]:
        with self._opening:  # batches run side by side, the first ones all find it closed
            if (layered, threads) not in self._sessions:
                path = exported_model(self._model, layered=layered)
                self._sessions[layered, threads] = _open(path, threads)
        made: list[Any] = self._sessions[layered, threads].run(None, {"input_ids": ids})
        return made

    def states(self, ids: Ids, *, alone: bool) -> NDArray[np.float32]:
        """Return the last layer's states, shape (texts, pieces, dim)."""
        threads = self.workers if alone else 1  # all on one text: the shortest wait
        return np.asarray(self._run(ids, threads=threads)[0], dtype=np.float32)

    def layered(self, ids: Ids) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the last layer's states and the mean of the last four layers'."""
        last, layered = self._run(ids, layered=True)
        return np.asarray(last, dtype=np.float32), np.asarray(layered, dtype=np.float32)


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


class TorchBackend:
    """PyTorch: for GPUs, and where the export is not possible.

    A text's vector differs by up to about 2e-7 with the batch it travels in.
    """

    name = "torch"
    workers = 1  # it spreads a batch over the cores itself
    batch_pieces = 8192

    def __init__(self, model: Model, threads: int | None) -> None:
        import torch
        from transformers import AutoModel
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        if threads:
            torch.set_num_threads(threads)
        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model: Any = AutoModel.from_pretrained(model.folder, dtype=torch.float32)
        self._model.eval().to(self._device)

    def states(self, ids: Ids, *, alone: bool) -> NDArray[np.float32]:
        """Return the last layer's states, shape (texts, pieces, dim)."""
        return _array(self._run(ids, False).last_hidden_state)

    def layered(self, ids: Ids) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the last layer's states and the mean of the last four layers'."""
        made = self._run(ids, True)
        layers = self._torch.stack(made.hidden_states[-LAYERS:])
        return _array(made.last_hidden_state), _array(layers.mean(dim=0))

    def _run(self, ids: Ids, layered: bool) -> Any:
        torch = self._torch
        with torch.inference_mode():
            return self._model(
                input_ids=torch.from_numpy(ids).to(self._device), output_hidden_states=layered
            )


def _array(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tensor.cpu().numpy(), dtype=np.float32)


def open_backend(name: BackendName, model: Model, threads: int | None) -> Backend:
    """Open a backend by name; ``"auto"`` takes PyTorch on a GPU and ONNX Runtime on a CPU.

    Parameters
    ----------
    name : {"auto", "onnx", "torch"}
    model : Model
    threads : int or None
        Threads inside one forward pass; all cores by default.

    Raises
    ------
    EmbfeastError
        The name is none of the three.
    """
    if name == "onnx":
        return OnnxBackend(model, threads)
    if name == "torch":
        return TorchBackend(model, threads)
    if name != "auto":
        raise EmbfeastError(f"backend {name!r} is unknown; choose one of {', '.join(BACKENDS)}")
    if _gpu_is_there():
        return TorchBackend(model, threads)
    try:
        return OnnxBackend(model, threads)
    except Exception as error:  # the exporter fails in many ways; PyTorch then still works
        warnings.warn(
            f"model {model.name!r} could not be opened by ONNX Runtime "
            f"({type(error).__name__}: {error}); PyTorch is used, whose vectors vary by about "
            "2e-7 with the batch",
            stacklevel=2,
        )
        return TorchBackend(model, threads)


def _gpu_is_there() -> bool:
    # Asking torch would import it (a second); the driver's device file answers at once.
    if not Path("/dev/nvidia0").exists():
        return False
    import torch

    return bool(torch.cuda.is_available())

"""The model's forward pass by OpenVINO, in bfloat16 or in eight bits."""

import os
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np

from embfeast.encoding.backend import no_layers, with_sentence
from embfeast.encoding.backends.calibration import quantized_model
from embfeast.encoding.batch import Batch, Output, Read
from embfeast.encoding.export import GRAPH, exported_model
from embfeast.encoding.model import Model

# Two threads that give OpenVINO its first NumPy array at once wait for each other for ever.
FIRST_ARRAY = Lock()
HINTS = {"bfloat16": "bf16", "int8": "f32"}


class OpenVinoBackend:
    """OpenVINO on the CPU, below float32.

    Like ONNX Runtime in float32, and unlike its eight bits, it gives a text the same bits alone
    and in any batch, with one thread or more.
    """

    # A new shape costs some milliseconds: fewer, larger batches than in float32.
    batch_pieces = 2048
    batch_texts = 512
    pads = False
    reads_texts = False

    def __init__(self, model: Model, threads: int | None) -> None:
        precision = model.settings.precision
        self._model = model
        self._hint = HINTS[precision]
        self.workers = threads or os.cpu_count() or 1
        self._graph = quantized_model(model) if precision == "int8" else exported_model(model)
        self.name = f"openvino{GRAPH}-{precision}"  # the model's digest tells calibrations apart
        self._opening = Lock()
        self._compiled: dict[bool, Any] = {}
        # A request is used by one thread at a time.
        self._idle: dict[bool, SimpleQueue[Any]] = {True: SimpleQueue(), False: SimpleQueue()}

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the wanted outputs of a batch."""
        if "layered" in wanted:
            raise no_layers(self._model)
        try:
            request = self._idle[alone].get_nowait()
        except Empty:
            request = self._open(alone).create_infer_request()
        try:
            found = request.infer({"input_ids": batch.ids})
            made: Read = {
                output.get_any_name(): np.array(values, dtype=np.float32)
                for output, values in found.items()
            }
        finally:
            self._idle[alone].put(request)
        return with_sentence(self._model, made, wanted)

    def _open(self, alone: bool) -> Any:
        with self._opening:
            if alone not in self._compiled:
                self._compiled[alone] = compiled(
                    self._graph, self._hint, self.workers, 1 if alone else self.workers
                )
            return self._compiled[alone]


def compiled(graph: Path, hint: str, threads: int, streams: int) -> Any:
    """Open a graph for so many threads, shared by so many batches at a time."""
    import openvino

    with FIRST_ARRAY:
        openvino.Tensor(np.zeros((1, 1), dtype=np.int64))
    return openvino.Core().compile_model(
        str(graph),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": hint,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": streams,
        },
    )

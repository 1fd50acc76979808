"""The model's forward pass on a GPU: texts of like lengths at once, the shorter ones padded."""

from typing import Any

import numpy as np

from embfeast.encoding.backend import array, layers_mean
from embfeast.encoding.batch import Batch, Output, Read, Vectors
from embfeast.encoding.facts import load
from embfeast.encoding.model import Model
from embfeast.errors import EmbfeastError


class PaddedBackend:
    """sentence-transformers' modules on a GPU, fed with word pieces.

    A GPU waits for the processor that starts its work, so it is few large batches that it is fast
    on, even where a part of them is padding. The padding is masked, and a text's vector differs by
    up to about 2e-7 with the batch it travels in.

    Parameters
    ----------
    model : Model
        A transformer that `embfeast.encoding.proof.why_not_padded` found nothing against.
    device : str, default "cuda"
    """

    name = "padded1"
    workers = 1  # another thread would wait for the same GPU
    batch_pieces = 16_384
    batch_texts = 1024
    pads = True
    reads_texts = False

    def __init__(self, model: Model, device: str = "cuda") -> None:
        import torch

        self._torch = torch
        self._model = model
        self._device = device
        self._loaded: Any = load(model).to(device)
        self._padding = int(getattr(self._loaded[0].tokenizer, "pad_token_id", None) or 0)

    def read(self, batch: Batch, wanted: frozenset[Output], *, alone: bool) -> Read:
        """Return the wanted outputs of a batch; in halves where it is too large for the GPU."""
        try:
            return self._read(batch, wanted)
        except self._torch.OutOfMemoryError:
            if len(batch.pieces) == 1:
                raise EmbfeastError(
                    f"model {self._model.name!r}: the GPU has no room for it and a text of "
                    f"{len(batch.pieces[0]):,} word pieces",
                    "set max_seq_length lower, or backend: onnx to use the processor",
                ) from None
        self._torch.cuda.empty_cache()
        first, second = (self.read(half, wanted, alone=alone) for half in batch.halves())
        return {output: _below(first[output], second[output]) for output in first}

    def _read(self, batch: Batch, wanted: frozenset[Output]) -> Read:
        ids, mask = batch.padded(self._padding)
        features = {
            "input_ids": self._torch.from_numpy(ids).to(self._device),
            "attention_mask": self._torch.from_numpy(mask).to(self._device),
        }
        made: Read = {}
        with self._torch.inference_mode():
            if wanted & {"sentence", "states"}:
                found = self._loaded(dict(features))
                made["sentence"] = array(found["sentence_embedding"])
                if "states" in wanted:
                    made["states"] = array(found["token_embeddings"])
            if "layered" in wanted:
                made["layered"] = array(layers_mean(self._loaded, features, self._model))
        return made


def _below(first: Vectors, second: Vectors) -> Vectors:
    """Join two halves of a batch, the second of which is padded no further than the first."""
    if first.ndim == 3:
        beyond = first.shape[1] - second.shape[1]
        second = np.pad(second, ((0, 0), (0, beyond), (0, 0)))
    return np.concatenate([first, second])
